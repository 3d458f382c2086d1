package event

import (
	"context"
	"iter"

	"github.com/siogo/sio/socketio/sioparser"
)

// Args is a list of arguments as it came from the wire, to be decoded on
// demand.
type Args = sioparser.Args

// A Target is what events can be emitted to. Emit encodes and queues; it waits
// for nothing. Its error says that the arguments could not be encoded, that the
// target is gone (ErrDisconnected) or that its queue is full (ErrQueueFull); for
// targets of many sockets it says nothing about the single ones.
type Target interface {
	Emit(name string, args ...any) error
}

// A Sender is a target whose queue can be waited for. Send returns when the
// packet is queued, or with the cause of ctx.
type Sender interface {
	Target
	Send(ctx context.Context, name string, args ...any) error
}

// A Peer is a target that answers: one socket, or one client. Call returns the
// arguments of the acknowledgement. It ends with ErrAckTimeout when ctx, or
// the default of the peer for a ctx without a deadline, runs out, and with
// ErrDisconnected when the peer goes away.
type Peer interface {
	Target
	Call(ctx context.Context, name string, args ...any) (Args, error)
}

// An Audience is a target of any number of sockets which answer one by one.
// The event is emitted when the iteration begins, which yields the answers as
// they arrive and, when ctx or its default deadline runs out, one Answer with
// an error for each socket that did not answer.
type Audience interface {
	Target
	Each(ctx context.Context, name string, args ...any) iter.Seq[Answer]
}

// An Answer is the acknowledgement of one socket of an Audience.
type Answer struct {
	SocketID string // empty when the node that owns the socket did not tell
	Args     Args
	Err      error
}

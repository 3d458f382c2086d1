package sioadapter

import (
	"context"
	"time"
)

// A Bus carries messages between the nodes of a cluster: what a broker, or a
// mesh of connections, has to offer for a [Cluster] to stand on.
type Bus interface {
	// Open connects a node of a namespace. It does not wait: what the bus
	// needs for it, it does in the background, for as long as it takes, and
	// again whenever the connection is lost. Messages go to r, until Close.
	Open(namespace, node string, r Receiver) Link
}

// A Link is one node's side of a Bus, in one namespace.
type Link interface {
	// Publish hands over messages, in order. Those with a To are for that node
	// alone, the others for all nodes but this one. It sets Err of those that
	// were not handed over, and returns when the bus has taken responsibility
	// for the others, or when ctx ends. Calls do not overlap.
	Publish(ctx context.Context, batch []Outgoing)

	// Close disconnects the node. When it returns, the Receiver is not called
	// any more.
	Close() error
}

// Outgoing is a message on its way to a Link.
type Outgoing struct {
	Message *Message  // immutable
	Posted  time.Time // when it was queued
	Err     error
}

// A Receiver is the side of a Cluster that its Link calls, from any goroutine,
// as long as the messages of one publisher come one after the other in the
// order that they were published in. Its methods do not wait.
type Receiver interface {
	// Receive takes a message for this node or for all. Messages that are not
	// for it, its own among them, are ignored. The message must be in memory
	// of its own. It may come from anybody: Receive checks what it needs.
	Receive(m *Message)

	// Malformed counts something that came and is no message.
	Malformed(err error)

	// Disconnected says that messages from other nodes do not come any more,
	// and why. Interrupted or Resumed follows when they do again.
	Disconnected(err error)

	// Resumed says that messages come again, and that none was lost.
	Resumed()

	// Interrupted says that messages from other nodes may have been lost,
	// since the connection was; err is why. It is called when messages can
	// come again.
	Interrupted(err error)

	// Blocked says that Publish waits, and why: the bus cannot be reached, or
	// takes nothing. The end of Publish ends it.
	Blocked(err error)
}

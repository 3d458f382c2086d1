package sioadapter

import (
	"context"
	"errors"

	"github.com/siogo/sio/socketio/sioparser"
)

// ErrNotRecoverable says that a session is not known, belongs to another by
// now, or that what its client has missed is not known in full. The client gets
// a new session then.
var ErrNotRecoverable = errors.New("sioadapter: the session cannot be recovered")

// Recovery gives a client that lost its connection its socket back: the id, the
// rooms, the data, and what it has missed.
//
// # What a namespace has to do
//
// All of this concerns the sockets of clients that can be recovered: those of
// protocol 5 (JavaScript clients 3.x and 4.x), if the application wants it.
// Others are added and removed with the methods of [Adapter], and see no
// offsets.
//
//   - A client that asks to join (CONNECT) without "pid" in its auth object, or
//     with one that is not a string, gets a new socket. When middleware has
//     admitted it, call Recovery.Add instead of Adapter.Add, and answer
//     {"sid": id, "pid": pid, "offset": offset}. What is delivered to the
//     socket from the call on must go out behind this answer. JavaScript
//     clients ignore "offset"; others may begin with it.
//   - With a "pid", call Claim with the values of "pid" and "offset" ("" if
//     there is none). On an error, go on as without a pid. Neither key is part of
//     what the application sees as auth.
//   - The socket of a claimed session has Session.ID as its id and Session.Data
//     as its data. It runs middleware, or not, before Restore, which takes the
//     place of Adapter.Add: it joins Session.Rooms and delivers what was
//     missed. If Restore fails, all of the session is void: make a new
//     socket, which has to pass the middleware if this one had not to.
//     The answer is {"sid": Session.ID, "pid": Session.PID}; it must
//     go out before what was missed (the reference writes it behind, so that
//     its client handles some events twice if the connection breaks in
//     between).
//   - Every event for the socket without acknowledgement, volatile ones
//     included, goes through Adapter.Emit or Adapter.Broadcast. Deliver appends
//     Packet.Offset, if there is one, as the last argument for these sockets
//     ([Packet.ArgsWithOffset]), and only for them.
//   - When the socket ends for a reason that is recoverable (the connection was
//     lost or closed, the server shuts down), call Detach instead of
//     Adapter.Remove. For all other reasons call Adapter.Remove.
//   - The function that Claim is given ends a socket whose connection still
//     looks alive: it must call Detach, and close that connection, before it
//     returns. When it is too late for that, since the socket is ending on
//     another goroutine, it should wait for the Detach there.
//
// Methods may be called from any goroutine. Each is safe with each other.
type Recovery interface {
	// Add makes m a member, as Adapter.Add does. pid is the secret token of its
	// session; offset stands for "nothing received yet".
	Add(m Member) (pid, offset string)

	// Detach takes m out of all rooms, as Adapter.Remove does, and keeps its
	// session. data is what Session.Data will be: on this node the same value,
	// on others its JSON.
	Detach(m Member, data any) (rooms []string)

	// Claim returns the session of pid for a client that has received all up
	// to offset. If a member has it still, release is called with it, without
	// any lock held. Of several claims the last one counts.
	//
	// The error is ErrNotRecoverable, the cause of ctx, or says what went wrong
	// between nodes.
	Claim(ctx context.Context, pid, offset string, release func(Member)) (*Session, error)

	// Restore makes m, whose id is s.ID, a member in the rooms of s, delivers
	// to it what its client has missed, and then what comes. This consumes the
	// session: it is as that of a socket that was never detached. The error is
	// ErrNotRecoverable, for example since s was claimed again; m is no member
	// then.
	Restore(m Member, s *Session) error
}

// A Session is what is kept of a socket whose connection was lost.
type Session struct {
	ID    string   // of the socket
	PID   string   // the token
	Rooms []string // its own among them, unless it has left that
	Data  any      // what Detach was given, or a json.RawMessage from another node

	// State is the adapter's own.
	State any
}

// ArgsWithOffset returns the arguments with the offset as the last one, if
// there is one.
func (p *Packet) ArgsWithOffset() sioparser.Args {
	if p.Offset == "" {
		return p.Args
	}
	args, err := p.Args.Append(p.Offset)
	if err != nil { // a string has nothing that cannot be encoded
		return p.Args
	}
	return args
}

package sioadapter

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"

	"github.com/siogo/sio/socketio/sioparser"
)

// ErrNotMember says that a socket has not been added, or was removed.
var ErrNotMember = errors.New("sioadapter: not a member of the namespace")

// A Factory opens the adapter of a namespace. The same Factory serves all
// namespaces of a server.
type Factory interface {
	Open(ns Namespace) Adapter
}

// FactoryFunc is a function as a Factory.
type FactoryFunc func(ns Namespace) Adapter

func (f FactoryFunc) Open(ns Namespace) Adapter { return f(ns) }

// InMemory is the factory of adapters for a single node.
var InMemory Factory = FactoryFunc(func(ns Namespace) Adapter { return NewLocal(ns) })

// A Packet is an event for many sockets: its name and its arguments, encoded
// once. It is immutable.
type Packet struct {
	Args sioparser.Args // the name of the event is the first
}

// A Selection says who gets a packet, and how. Adapters read it only.
type Selection struct {
	Rooms  []string // members of any of them, each once; none means the whole namespace
	Except []string // without the members of these
	Flags
}

// Flags say how a packet is delivered.
type Flags struct {
	Local      bool // to the members of this node only
	Volatile   bool // dropped by each socket that cannot be written to at once
	NoCompress bool
}

// An Adapter keeps the members and rooms of one namespace. Its methods may be
// called from any goroutine. None of them waits for another node before it has
// served this one.
type Adapter interface {
	// Add makes m a member, in its own room.
	Add(m Member)
	// Remove takes m out of all rooms and returns those it was in, its own
	// first. m is no member afterwards.
	Remove(m Member) (rooms []string)

	// Join and Leave change the rooms of m. Joining twice, and leaving a room
	// that m is not in, do nothing. The error is ErrNotMember, or comes from
	// telling other nodes.
	Join(m Member, rooms ...string) error
	Leave(m Member, rooms ...string) error
	// Rooms returns the rooms of m, its own first. It is a copy.
	Rooms(m Member) []string

	// Members returns the members of this node that s selects, in no
	// particular order. It is a copy.
	Members(s *Selection) []Member
	// Lookup returns the member with this id on this node, or nil.
	Lookup(id string) Member
	// Len returns the number of members of this node.
	Len() int
	// RoomSizes yields the rooms that have members on this node, and how many.
	// Members' own rooms are among them only when others have joined them.
	RoomSizes() iter.Seq2[string, int]
	// Watch calls the functions of e for what happens from now on. There is one
	// watcher; the last wins.
	Watch(e RoomEvents)

	// Broadcast delivers p to whom s selects. The error is about telling other
	// nodes, not about single sockets.
	Broadcast(p *Packet, s *Selection) error
	// Ask is Broadcast with a request for acknowledgement. What comes back
	// goes to a, until stop is called, which must be done; some may still be
	// on its way then.
	Ask(ctx context.Context, p *Packet, s *Selection, a Answers) (stop func(), err error)

	// Sockets yields a description of all sockets that s selects, on all
	// nodes. An error ends it; those of this node have been yielded by then.
	Sockets(ctx context.Context, s *Selection) iter.Seq2[Info, error]
	// JoinAll, LeaveAll and DisconnectAll act on all sockets that s selects.
	// With close, their connections are closed too.
	JoinAll(s *Selection, rooms ...string) error
	LeaveAll(s *Selection, rooms ...string) error
	DisconnectAll(s *Selection, close bool) error

	// Close ends what the adapter has running. It is not used afterwards.
	Close() error
}

// A Namespace is what an adapter needs of the namespace that it serves. All
// methods may be called from any goroutine, but not while holding a lock that
// the adapter's own methods take.
type Namespace interface {
	Name() string
	Parser() sioparser.Parser
	Logger() *slog.Logger

	// Deliver writes p to members, which it does not keep. It never waits.
	Deliver(p *Packet, f Flags, to []Member)
	// Ask is Deliver with a request for acknowledgement. Each member causes
	// one call of a.Answer, at the latest when it disconnects, unless stop is
	// called before.
	Ask(p *Packet, f Flags, to []Member, a Answers) (stop func())
	// Describe says about m what other nodes may know.
	Describe(m Member) Info
	// Disconnect makes m leave the namespace; with close, its connection is
	// closed.
	Disconnect(m Member, close bool)
}

// Answers receives what comes back from Ask. Its methods may be called from any
// goroutine, and must not wait.
type Answers interface {
	// Expect says that n more sockets were asked, before the first of them can
	// answer. ids are theirs, or empty if not known.
	Expect(n int, ids []string)
	// Answer is called once for each: with its acknowledgement, or with the
	// error that prevents one. id may be empty.
	Answer(id string, args sioparser.Args, err error)
	// Asked says that no more will be expected: all nodes have reported, or
	// err says why some did not.
	Asked(err error)
}

// Info describes a socket.
type Info struct {
	ID    string
	Rooms []string
	Local Member // set if the socket is connected to this node

	Handshake json.RawMessage // an object, as the reference describes it; set for other nodes only
	Data      json.RawMessage // an object; set for other nodes only
}

// RoomEvents are called after rooms have changed, without any lock held. Nil
// functions are left out. A member's own room is announced like any other.
type RoomEvents struct {
	Create func(room string)
	Delete func(room string)
	Join   func(room, id string)
	Leave  func(room, id string)
}

package sioadapter

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"

	"github.com/siogo/sio/socketio/sioparser"
)

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

	// Offset is set by adapters that recover connections: the sockets that can
	// be recovered get it as one more argument, the last. See [Recovery].
	Offset string
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
	// Emit delivers p to m alone, in order with what Broadcast delivers to it,
	// and so that it is recovered with it. Where Recovery returns nil, the
	// namespace may as well write to the socket itself.
	Emit(m Member, p *Packet, f Flags) error
	// Ask is Broadcast with a request for acknowledgement. What comes back
	// goes to a, until stop is called, which must be done; some may still be
	// on its way then. When ctx ends, nobody waits for more: call stop, which
	// tells a by Asked which nodes have not reported.
	Ask(ctx context.Context, p *Packet, s *Selection, a Answers) (stop func(), err error)

	// Sockets yields a description of all sockets that s selects, on all
	// nodes. An error ends it; those of this node have been yielded by then.
	Sockets(ctx context.Context, s *Selection) iter.Seq2[Info, error]
	// JoinAll, LeaveAll and DisconnectAll act on all sockets that s selects.
	// With close, their connections are closed too.
	JoinAll(s *Selection, rooms ...string) error
	LeaveAll(s *Selection, rooms ...string) error
	DisconnectAll(s *Selection, close bool) error

	// ServerEmit sends an event to the other nodes: to the function that was
	// given to OnServerEvent there. This node is not among the receivers.
	ServerEmit(p *Packet) error
	// ServerAsk is ServerEmit with a request for an answer, one value from each
	// of the other nodes. Answers gets the names of nodes as ids. stop is as
	// that of Ask.
	ServerAsk(ctx context.Context, p *Packet, a Answers) (stop func(), err error)
	// OnServerEvent sets the function that is called for events of other nodes;
	// the last wins. It is called for those of one node in order, and must not
	// wait. Without one they are dropped, and who asked is not answered.
	OnServerEvent(fn func(e *ServerEvent))

	// Recovery returns the part of the adapter that recovers connections, or
	// nil. It is the same each time.
	Recovery() Recovery

	// Close ends what the adapter has running. It is not used afterwards.
	Close() error
}

// A ServerEvent is an event that another node emitted to the servers.
type ServerEvent struct {
	Packet *Packet
	From   string // name of the node
	// Reply answers with the first of args, or null; only the first call
	// counts. It is nil if nobody asked.
	Reply func(args sioparser.Args) error
}

// A Namespace is what an adapter needs of the namespace that it serves. All
// methods may be called from any goroutine, but not while holding a lock that
// the adapter's own methods take.
type Namespace interface {
	Name() string
	Parser() sioparser.Parser
	Logger() *slog.Logger

	// Deliver writes p to members, which it does not keep. It never waits, and
	// calls neither the application nor the adapter: adapters may rely on calls
	// that do not overlap being delivered in their order.
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
	// Answer is called at most once for each: with its acknowledgement, or with
	// the error that prevents one. id is empty if not known; it may be known
	// although Expect did not name it.
	Answer(id string, args sioparser.Args, err error)
	// Asked is called once, at the latest by stop: no more will be expected.
	// All nodes have reported, or err, a *PartialError, says which did not.
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

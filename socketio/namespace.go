package socketio

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// A Namespace is a part of the application with sockets, rooms, middleware and
// handlers of its own. It is a Target and an Audience of package event: all its
// sockets.
//
// A namespace whose name is a pattern, or that was made by OfFunc, has no
// sockets: it is the parent of the namespaces that are made from it when
// clients ask for them. They share its middleware and handlers. What is done
// to the sockets of a parent is done to those of all its children.
//
// All methods may be called from any goroutine. Handlers may be added at any
// time.
type Namespace struct {
	srv    *Server
	name   string
	routes routes
	acks   atomic.Uint64 // ids of acknowledgements, one sequence for all sockets

	opening sync.Once          // sets opened, outside of any lock
	opened  sioadapter.Adapter // nil: a parent

	// Of a parent; immutable.
	pattern *pattern
	accept  func(name string, auth event.Args) bool

	// Of a child; immutable.
	parent *Namespace
	values []string // of the wildcards of parent.pattern

	// Server.mu guards these.
	users  int         // sockets, those that are joining included
	linger *time.Timer // until an empty namespace is removed; nil: none was
}

// adapter returns the adapter of the namespace, which the first call opens;
// nil if it is a parent.
func (n *Namespace) adapter() sioadapter.Adapter {
	if n.parental() {
		return nil
	}
	n.opening.Do(func() {
		n.opened = n.srv.cfg.Adapter.Open(side{n})
		n.opened.OnServerEvent(n.serverEvent)
		if h := n.srv.cfg.Hooks.Namespace; h != nil {
			h(n)
		}
	})
	return n.opened
}

// parental reports whether the namespace is a pattern or a function.
func (n *Namespace) parental() bool { return n.pattern != nil || n.accept != nil }

// Name returns the name of the namespace, which begins with a slash.
func (n *Namespace) Name() string { return n.name }

// Parent returns the namespace of the pattern or function that this one was made
// from, or nil.
func (n *Namespace) Parent() *Namespace { return n.parent }

// Use adds a middleware for connections: it is called for each socket before
// the client is told that it is connected, in the order of adding. An error
// refuses the connection: an *Error is told to the client, of others it learns
// the code "internal" only. ctx ends after Options.ConnectTimeout. The reading
// of the connection goes on meanwhile.
func (n *Namespace) Use(fn func(ctx context.Context, s *Socket) error) { n.routes.useConnect(fn) }

// UseEvents adds a middleware for events: it wraps the handlers of all events
// of the namespace, those that have none included. The first is the outermost.
func (n *Namespace) UseEvents(m func(next Handler) Handler) { n.routes.useEvents(m) }

// OnConnect adds a handler for new sockets. It is the first that runs of each
// socket; events that arrive meanwhile wait. An error is reported; it does not
// disconnect the socket, unless it is Leave or Hangup.
func (n *Namespace) OnConnect(fn func(ctx context.Context, s *Socket) error) (remove func()) {
	return n.routes.onConnect(fn)
}

// OnDisconnect adds a handler for sockets that are gone. It is the last that
// runs of each socket which OnConnect handlers ran for. Rooms still returns the
// rooms of the socket, although nothing is delivered to it any more. ctx is not
// that of the socket, which has ended: it ends with the server.
func (n *Namespace) OnDisconnect(fn func(ctx context.Context, s *Socket, r Reason)) (remove func()) {
	return n.routes.onDisconnect(fn)
}

// On adds a handler for an event, behind those that it has already. It panics
// when the name is reserved. An event that is answered by none of them is not
// acknowledged, unless one returns an error.
func (n *Namespace) On(name string, h HandlerFunc, opts ...event.Option) (remove func()) {
	return n.routes.on(mustName(name), h, options(opts))
}

// OnAny adds a handler that is called for every event, before the middleware.
func (n *Namespace) OnAny(h HandlerFunc) (remove func()) { return n.routes.onAny(h) }

// OnAnyOutgoing adds a handler for every event that is emitted to a socket,
// alone or with others. It is called in the turn of the socket, after the event
// was queued for the client. It is not called for packets that are dropped
// before; and when Options.Inbound.MaxPackets calls are waiting, it misses some,
// which Hooks.Dropped counts.
func (n *Namespace) OnAnyOutgoing(h HandlerFunc) (remove func()) { return n.routes.onOutgoing(h) }

// OnUnknown adds a handler for the events that have no other.
func (n *Namespace) OnUnknown(h HandlerFunc) (remove func()) { return n.routes.onUnknown(h) }

// Register is On for package event.
func (n *Namespace) Register(name string, h event.Handler[*Socket], o event.Options) (remove func()) {
	return n.routes.on(mustName(name), typed(h), o)
}

func typed(h event.Handler[*Socket]) HandlerFunc {
	return func(ctx context.Context, e *Event) error { return h(ctx, e.socket, e) }
}

func mustName(name string) string {
	if err := event.CheckName(name); err != nil {
		panic(err.Error())
	}
	return name
}

func options(opts []event.Option) (o event.Options) {
	for _, f := range opts {
		f(&o)
	}
	return o
}

// To selects the sockets that are in any of the rooms, each once. An id of a
// socket is a room with this socket alone.
func (n *Namespace) To(rooms ...string) Emitter { return n.All().To(rooms...) }

// Except selects the sockets that are in none of the rooms.
func (n *Namespace) Except(rooms ...string) Emitter { return n.All().Except(rooms...) }

// Local selects the sockets of this node.
func (n *Namespace) Local() Emitter { return n.All().Local() }

// Volatile selects all sockets, for events that may be lost.
func (n *Namespace) Volatile() Emitter { return n.All().Volatile() }

// Compress selects all sockets, for events that are, or are not, compressed.
func (n *Namespace) Compress(on bool) Emitter { return n.All().Compress(on) }

// All selects all sockets of the namespace.
func (n *Namespace) All() Emitter { return Emitter{ns: n} }

// Emit emits an event to all sockets of the namespace.
func (n *Namespace) Emit(name string, args ...any) error { return n.All().Emit(name, args...) }

// Each emits an event to all sockets and yields what they answer: see
// [Emitter.Each].
func (n *Namespace) Each(ctx context.Context, name string, args ...any) iter.Seq[event.Answer] {
	return n.All().Each(ctx, name, args...)
}

// Sockets yields all sockets of the namespace, on all nodes.
func (n *Namespace) Sockets(ctx context.Context) iter.Seq2[*RemoteSocket, error] {
	return n.All().Sockets(ctx)
}

// LocalSockets yields the sockets of the namespace on this node.
func (n *Namespace) LocalSockets() iter.Seq[*Socket] { return n.All().LocalSockets() }

// Socket returns the socket of this node with this id, or nil.
func (n *Namespace) Socket(id string) *Socket {
	for _, n := range n.concrete() {
		if m, ok := n.adapter().Lookup(id).(*member); ok {
			return m.socket
		}
	}
	return nil
}

// Adapter returns the adapter of the namespace; nil if it is a parent.
func (n *Namespace) Adapter() sioadapter.Adapter { return n.adapter() }

// concrete returns n, or the children of n if it is a parent.
func (n *Namespace) concrete() []*Namespace {
	if !n.parental() {
		return []*Namespace{n}
	}
	n.srv.mu.Lock()
	defer n.srv.mu.Unlock()
	var children []*Namespace
	for _, c := range n.srv.namespaces {
		if c.parent == n {
			children = append(children, c)
		}
	}
	return children
}

// stay is Server.enter for one socket more of a namespace that has some.
func (n *Namespace) stay() {
	n.srv.mu.Lock()
	n.users++
	n.srv.mu.Unlock()
}

// leave undoes Server.enter for one socket. A namespace that was made on demand
// may go with its last: at once, or when nobody can be recovered any more.
func (n *Namespace) leave() {
	srv := n.srv
	srv.mu.Lock()
	n.users--
	empty := n.users == 0 && n.parent != nil && srv.cfg.CleanupNamespaces
	if r := srv.cfg.Recovery; empty && r != nil {
		if n.linger == nil {
			n.linger = time.AfterFunc(r.MaxDisconnection, n.cleanUp)
		} else {
			n.linger.Reset(r.MaxDisconnection)
		}
		empty = false
	}
	srv.mu.Unlock()
	if empty {
		n.cleanUp()
	}
}

// cleanUp removes the namespace if it is still empty.
func (n *Namespace) cleanUp() {
	srv := n.srv
	srv.mu.Lock()
	gone := n.users == 0 && srv.namespaces[n.name] == n
	if gone {
		delete(srv.namespaces, n.name)
	}
	srv.mu.Unlock()
	if !gone {
		return
	}
	if err := n.adapter().Close(); err != nil {
		srv.cfg.Logger.Error("closing an adapter failed", "namespace", n.name, "err", err)
	}
}

// middlewares, as the two functions below, returns what the parent has, then
// what the namespace has itself.
func (n *Namespace) middlewares() []*connectHandler {
	own := n.routes.load().use
	if n.parent == nil {
		return own
	}
	return slices.Concat(n.parent.routes.load().use, own)
}

func (n *Namespace) connectHandlers() []*connectHandler {
	own := n.routes.load().connect
	if n.parent == nil {
		return own
	}
	return slices.Concat(n.parent.routes.load().connect, own)
}

func (n *Namespace) disconnectHandlers() []*disconnectHandler {
	own := n.routes.load().disconnect
	if n.parent == nil {
		return own
	}
	return slices.Concat(n.parent.routes.load().disconnect, own)
}

// side is a Namespace as its adapter sees it.
type side struct{ *Namespace }

var _ sioadapter.Namespace = side{}

func (n side) Parser() sioparser.Parser { return n.srv.cfg.Parser }
func (n side) Logger() *slog.Logger     { return n.srv.cfg.Logger }

// Deliver writes an event to sockets: encoded once, framed once, enqueued by
// reference.
func (n side) Deliver(p *sioadapter.Packet, f sioadapter.Flags, to []sioadapter.Member) {
	d := delivery{volatile: f.Volatile}
	var frames [2]packet // without the offset, and with it
	shared := n.stack()
	watched := shared.watchesOutgoing()
	var space [2][deliverAtOnce]*engineio.Session
	sessions := [2][]*engineio.Session{space[0][:0], space[1][:0]}
	for group := range slices.Chunk(to, deliverAtOnce) {
		for _, m := range group {
			s := m.(*member).socket
			i, args := 0, p.Args
			if p.Offset != "" && s.recoverable {
				i = 1
			}
			if frames[i].frame == nil {
				if i == 1 {
					args = p.ArgsWithOffset()
				}
				frames[i] = n.srv.frame(sioparser.Header{Type: sioparser.Event, Namespace: n.name}, args)
				if f.NoCompress {
					frames[i].plain()
				}
			}
			if s.state.Load() == connected && !d.volatile && !watched && s.ownRoutes() == nil {
				sessions[i] = append(sessions[i], s.conn.session)
				continue
			}
			_ = s.send(frames[i], d) // a broadcast does not report on single sockets
			s.sent(p.Args)
		}
		for i := range sessions {
			frames[i].sendAll(sessions[i])
			sessions[i] = sessions[i][:0]
		}
	}
}

// deliverAtOnce is how many sockets a broadcast looks at before it writes to
// them.
const deliverAtOnce = 16

// Ask is Deliver with one acknowledgement id for all.
func (n side) Ask(p *sioadapter.Packet, f sioadapter.Flags, to []sioadapter.Member, a sioadapter.Answers) (stop func()) {
	id := n.acks.Add(1)
	out := n.srv.frame(sioparser.Header{Type: sioparser.Event, Namespace: n.name, ID: id, HasID: true}, p.Args)
	if f.NoCompress {
		out.plain()
	}
	w := &asked{a}
	for _, m := range to {
		s := m.(*member).socket
		err := s.expect(id, w)
		if err == nil {
			s.sent(p.Args)
			if err = s.send(out, delivery{volatile: f.Volatile}); err == nil || s.forget(id) == nil {
				continue // somebody has told a already
			}
		}
		a.Answer(s.id, sioparser.Args{}, err)
	}
	return func() {
		for _, m := range to {
			m.(*member).socket.forget(id)
		}
	}
}

func (n side) Describe(m sioadapter.Member) sioadapter.Info {
	s := m.(*member).socket
	return sioadapter.Info{ID: s.id, Rooms: s.Rooms(), Local: m, Data: s.dataJSON(), Handshake: s.Handshake().json()}
}

func (n side) Disconnect(m sioadapter.Member, close bool) {
	s := m.(*member).socket
	if close {
		s.Hangup()
		return
	}
	s.Disconnect()
}

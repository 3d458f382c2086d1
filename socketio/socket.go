package socketio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/internal/mailbox"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// state is the life of a socket. These are all the moves there are:
//
//	joining ──► opening ──► connected ──► gone
//	   └───────────┴────────────────────►┘
type state = uint32

const (
	joining   state = iota // middleware decides
	opening                // admitted; the client is being told, what is sent waits
	connected              // events flow both ways
	gone                   // terminal; the first reason wins
)

// A Socket is one client in one namespace. It is a Peer of package event, and a
// Registrar. All methods may be called from any goroutine.
type Socket struct {
	// A socket has no goroutine of its own: its mailbox starts one when there is
	// work. mu guards the block under it and nothing is called while it is held
	// but Mailbox.Put. state is changed with mu held and read without.

	// What a broadcast looks at stands together: of thousands of sockets, none is
	// in the processor's cache.
	member      member                 // what the adapter knows
	ns          *Namespace             // immutable
	conn        *conn                  // immutable
	routes      atomic.Pointer[routes] // nil until a handler is added
	state       atomic.Uint32
	recoverable bool // immutable; its session is kept when the connection is lost
	recovered   bool // immutable once middleware runs

	id   string      // immutable once middleware runs
	auth *event.Args // immutable; nil: none was sent
	box  mailbox.Mailbox
	ctx  atomic.Pointer[socketContext] // nil until somebody asks

	mu    sync.Mutex
	ended *DisconnectError // set with the move to gone
	extra *extra           // what idle sockets do not have
}

// extra is the part of a socket that is made when it is needed. The mutex of
// the socket guards it.
type extra struct {
	acks    map[uint64]waiter // acknowledgements to come, by id
	data    []datum
	buckets []bucket
	rooms   []string // before opening: to be joined; after the end: those left, for OnDisconnect
	early   []early  // sent before the client was told
	recovery
}

// early is a packet that waits until the client has been told that it is
// connected.
type early struct {
	packet
	event *sioadapter.Packet // to be emitted through the adapter, instead of packet
	flags sioadapter.Flags
}

func (s *Socket) extraLocked() *extra {
	if s.extra == nil {
		s.extra = &extra{}
	}
	return s.extra
}

// member is a Socket as its adapter sees it.
type member struct {
	seat   sioadapter.Seat
	socket *Socket
}

func (m *member) ID() string             { return m.socket.id }
func (m *member) Seat() *sioadapter.Seat { return &m.seat }

type socketContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

func newSocket(ns *Namespace, c *conn) *Socket {
	s := &Socket{ns: ns, conn: c}
	s.member.socket = s
	s.recoverable = !c.v2() && ns.recovery() != nil
	switch {
	case !c.v2():
		s.id = newID()
	case ns.name == "/":
		s.id = c.session.ID()
	default:
		s.id = ns.name + "#" + c.session.ID()
	}
	s.box.Init(c.srv.cfg.Inbound.MaxPackets, c, &c.srv.running)
	return s
}

func (s *Socket) setAuth(auth sioparser.Args) {
	if auth.Len() > 0 {
		auth = auth.Clone()
		s.auth = &auth
	}
}

// newID returns 15 random bytes as 20 characters of base64url.
func newID() string {
	var b [15]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (s *Socket) srv() *Server { return s.ns.srv }

// ID returns the id of the socket, which is also the name of its own room. It
// is public: other than the session's id, it gives no rights. Not so with 2.x
// clients, which take the session's id for that of their socket: theirs must
// not be shown to others.
func (s *Socket) ID() string { return s.id }

// Namespace returns the namespace of the socket; of one that was made from a
// pattern, the child.
func (s *Socket) Namespace() *Namespace { return s.ns }

// PathValue returns the value of a wildcard in the pattern that the namespace
// was made from, or "".
func (s *Socket) PathValue(name string) string {
	if p := s.ns.parent; p != nil && p.pattern != nil {
		return p.pattern.value(name, s.ns.values)
	}
	return ""
}

// Handshake returns the details of the client's request and auth.
func (s *Socket) Handshake() *Handshake {
	var auth event.Args
	if s.auth != nil {
		auth = *s.auth
	}
	return newHandshake(s.conn.session.Handshake(), auth)
}

// Transport returns what carries the connection now: "polling" or "websocket".
func (s *Socket) Transport() string { return s.conn.session.Transport() }

// Connected reports whether the client is in the namespace.
func (s *Socket) Connected() bool { return s.state.Load() == connected }

// LogValue implements slog.LogValuer: the id.
func (s *Socket) LogValue() slog.Value { return slog.StringValue(s.id) }

// Context returns a context with the values of the handshake's request, which
// ends when the socket is disconnected, with a *DisconnectError as its cause.
func (s *Socket) Context() context.Context {
	if c := s.ctx.Load(); c != nil {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.ctx.Load(); c != nil {
		return c
	}
	c := &socketContext{}
	c.Context, c.cancel = context.WithCancelCause(s.conn.session.Handshake().Context())
	if s.ended != nil {
		c.cancel(s.ended)
	}
	s.ctx.Store(c)
	return c
}

// contextIfAny returns the context if there is one, or if it has ended.
func (s *Socket) contextIfAny() context.Context {
	if c := s.ctx.Load(); c != nil {
		return c
	}
	if s.state.Load() == gone {
		return s.Context()
	}
	return nil
}

// gone returns why the socket is not connected any more, or nil.
func (s *Socket) gone() error {
	if s.state.Load() != gone {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// On adds a handler for an event of this socket, behind those of its namespace:
// see [Namespace.On].
func (s *Socket) On(name string, h HandlerFunc, opts ...event.Option) (remove func()) {
	return s.makeRoutes().on(mustName(name), h, options(opts))
}

// OnAny adds a handler for every event of this socket.
func (s *Socket) OnAny(h HandlerFunc) (remove func()) { return s.makeRoutes().onAny(h) }

// OnAnyOutgoing adds a handler for every event that is emitted to this socket:
// see [Namespace.OnAnyOutgoing].
func (s *Socket) OnAnyOutgoing(h HandlerFunc) (remove func()) {
	return s.makeRoutes().onOutgoing(h)
}

// Register is On for package event.
func (s *Socket) Register(name string, h event.Handler[*Socket], o event.Options) (remove func()) {
	return s.makeRoutes().on(mustName(name), typed(h), o)
}

func (s *Socket) ownRoutes() *routes { return s.routes.Load() }

func (s *Socket) makeRoutes() *routes {
	s.routes.CompareAndSwap(nil, &routes{})
	return s.routes.Load()
}

// Join makes the socket join rooms. In the middleware of Use, the rooms are
// joined when the socket is admitted.
func (s *Socket) Join(rooms ...string) error {
	if err := s.srv().checkRooms(rooms); err != nil {
		return err
	}
	s.mu.Lock()
	if s.state.Load() == joining {
		x := s.extraLocked()
		for _, r := range rooms {
			if !slices.Contains(x.rooms, r) {
				x.rooms = append(x.rooms, r)
			}
		}
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	return s.memberError(s.ns.adapter().Join(&s.member, rooms...))
}

// Leave makes the socket leave rooms.
func (s *Socket) Leave(rooms ...string) error {
	s.mu.Lock()
	if s.state.Load() == joining {
		x := s.extraLocked()
		x.rooms = slices.DeleteFunc(x.rooms, func(r string) bool { return slices.Contains(rooms, r) })
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	return s.memberError(s.ns.adapter().Leave(&s.member, rooms...))
}

// memberError is the error of the adapter as this package's.
func (s *Socket) memberError(err error) error {
	if errors.Is(err, sioadapter.ErrNotMember) {
		if why := s.gone(); why != nil {
			return why
		}
	}
	return err
}

// Rooms returns the rooms the socket is in, its own first. While OnDisconnect
// handlers run, it returns those that it was in.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	switch st := s.state.Load(); {
	case st == opening || st == connected:
		s.mu.Unlock()
		return s.ns.adapter().Rooms(&s.member)
	case s.extra == nil:
		s.mu.Unlock()
		return nil
	}
	defer s.mu.Unlock()
	return slices.Clone(s.extra.rooms)
}

// To selects the sockets in any of the rooms, without this one.
func (s *Socket) To(rooms ...string) Emitter { return s.Others().To(rooms...) }

// Except selects the sockets in none of the rooms, without this one.
func (s *Socket) Except(rooms ...string) Emitter { return s.Others().Except(rooms...) }

// Others selects all sockets of the namespace but this one.
func (s *Socket) Others() Emitter { return s.ns.Except(s.id) }

// Emit emits an event to the client. An event.Args among args stands for its
// elements, which are sent on undecoded; so it does wherever values are
// emitted, replied or asked with. Emit does not wait: ErrQueueFull says that
// too much is on its way already.
func (s *Socket) Emit(name string, args ...any) error {
	return s.emit(delivery{}, name, args)
}

func (s *Socket) emit(d delivery, name string, args []any) error {
	if err := event.CheckName(name); err != nil {
		return err
	}
	if s.recoverable {
		return s.emitRecoverable(d, name, args)
	}
	p, err := s.encode(sioparser.Header{Type: sioparser.Event}, name, args)
	if err != nil {
		return err
	}
	if d.noCompress {
		p.plain()
	}
	if err := s.send(p, d); err != nil {
		return err
	}
	s.sentValues(name, args)
	return nil
}

// sentValues is sent for an event that was encoded for this socket alone.
func (s *Socket) sentValues(name string, args []any) {
	if st := s.stack(); st.watchesOutgoing() {
		if list, err := s.srv().encodeArgs(name, args); err == nil {
			s.sent(list)
		}
	}
}

// sent shows an event, the name being the first of args, to whom it may
// concern.
func (s *Socket) sent(args event.Args) {
	if st := s.stack(); !st.watchesOutgoing() || s.state.Load() == gone {
		return
	}
	e := &Event{socket: s, kind: kindOutgoing, args: args.Shift().Clone()}
	e.ctx.e = e
	if err := args.Decode(&e.Name); err != nil {
		return // it was encoded here, with a string
	}
	if r := s.box.Put(&e.turn, task{e}, mailbox.DropNewest); r.Dropped != nil {
		if h := s.srv().cfg.Hooks.Dropped; h != nil {
			h(s, e.Name)
		}
	}
}

// Send emits an event to the client when the outbound queue has room for it. It
// waits for that, at most as long as ctx and the socket last.
func (s *Socket) Send(ctx context.Context, name string, args ...any) error {
	if s.state.Load() == connected {
		if err := s.conn.session.Wait(ctx); err != nil {
			return sendError(err)
		}
	}
	return s.Emit(name, args...)
}

// Flush waits until everything that was emitted before has been handed to the
// operating system, or to a polling request.
func (s *Socket) Flush(ctx context.Context) error {
	return sendError(s.conn.session.Flush(ctx))
}

// Buffered returns how much waits to be written to the client's connection.
func (s *Socket) Buffered() (packets, bytes int) { return s.conn.session.Buffered() }

func (s *Socket) encode(h sioparser.Header, name string, args []any) (packet, error) {
	h.Namespace = s.ns.name
	return s.srv().encode(h, name, args)
}

// send hands a packet to the connection. While the client is being told that it
// is connected, packets wait: that goes first.
func (s *Socket) send(p packet, d delivery) error {
	for {
		switch s.state.Load() {
		case connected:
			return p.send(s.conn.session, d)
		case gone:
			return s.gone()
		}
		s.mu.Lock()
		if st := s.state.Load(); st == joining || st == opening {
			if !d.volatile {
				x := s.extraLocked()
				x.early = append(x.early, early{packet: p})
			}
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
	}
}

// Volatile returns the socket as a target for events that are dropped when they
// cannot be written at once.
func (s *Socket) Volatile() Direct { return Direct{s: s}.Volatile() }

// Compress returns the socket as a target for events that are, or are not,
// compressed.
func (s *Socket) Compress(on bool) Direct { return Direct{s: s}.Compress(on) }

// A Direct is a socket with delivery flags: an immutable value, and a Peer of
// package event.
type Direct struct {
	s *Socket
	d delivery
}

// Volatile makes the client miss an event that cannot be written at once.
func (d Direct) Volatile() Direct {
	d.d.volatile = true
	return d
}

// Compress says whether events are worth compressing. They are by default.
func (d Direct) Compress(on bool) Direct {
	d.d.noCompress = !on
	return d
}

// Emit is [Socket.Emit] with the flags.
func (d Direct) Emit(name string, args ...any) error { return d.s.emit(d.d, name, args) }

// Call is [Socket.Call] with the flags.
func (d Direct) Call(ctx context.Context, name string, args ...any) (event.Args, error) {
	return d.s.callWith(ctx, d.d, name, args)
}

// Disconnect makes the client leave the namespace. Its connection stays open
// for other namespaces. Events that wait for their handlers are dropped.
func (s *Socket) Disconnect() {
	if !s.conn.remove(s, true) {
		return
	}
	switch s.end(&DisconnectError{Reason: ReasonServerNamespaceDisconnect}, true) {
	case joining:
		s.conn.refuse(s.ns.name, &Error{Message: "Disconnected"})
	case connected:
		s.tellDisconnected()
	} // opening: admit is telling the client, and goes on with this
}

// tellDisconnected sends the DISCONNECT packet.
func (s *Socket) tellDisconnected() {
	if p, err := s.encode(sioparser.Header{Type: sioparser.Disconnect}, "", nil); err == nil {
		_ = p.send(s.conn.session, delivery{}) // it fails when the client has gone
	}
}

// Hangup disconnects all sockets of the client, and closes its connection when
// what is queued has been written.
func (s *Socket) Hangup() {
	for _, other := range s.conn.all() {
		other.Disconnect()
	}
	s.conn.session.Close()
}

// join admits the socket, at once or when the middleware has decided.
func (s *Socket) join() {
	if len(s.ns.middlewares()) > 0 || s.asksForRecovery() {
		e := s.newTask(kindJoin, "connect")
		s.box.Put(&e.turn, task{e}, mailbox.Block)
		return
	}
	var e *Event
	if len(s.ns.connectHandlers()) > 0 {
		e = s.newTask(kindConnect, "connect")
	}
	s.admit(e)
}

// runJoin does what has to be done before the client can be told, and reports
// whether the socket is connected.
func (s *Socket) runJoin(e *Event) bool {
	ctx, cancel := context.WithTimeout(&e.ctx, s.srv().cfg.ConnectTimeout)
	defer cancel()
	if s.asksForRecovery() {
		s.claim(ctx)
	}
	if !s.recovered || !s.srv().cfg.Recovery.SkipMiddleware {
		if !s.runMiddleware(ctx, e) {
			return false
		}
	}
	if !s.admit(nil) {
		return false
	}
	s.awaitPredecessor()
	return true
}

// runMiddleware lets the middleware decide.
func (s *Socket) runMiddleware(ctx context.Context, e *Event) bool {
	for _, h := range s.ns.middlewares() {
		err := e.protect(ctx, HandlerFunc(func(ctx context.Context, _ *Event) error { return h.fn(ctx, s) }))
		if err == nil {
			err = context.Cause(ctx) // too late, or the client has left
		}
		if err != nil {
			s.refuse(ctx, e, err)
			return false
		}
	}
	return true
}

// refuse ends a socket that was not admitted.
func (s *Socket) refuse(ctx context.Context, e *Event, err error) {
	leaves := errors.Is(err, Leave) || errors.Is(err, Hangup)
	if !leaves && !errors.Is(err, ErrDisconnected) {
		e.report(ctx, err)
	}
	if s.conn.remove(s, false) {
		s.end(&DisconnectError{Reason: ReasonServerNamespaceDisconnect, Err: err}, true)
		public := &Error{Message: "Refused"}
		if !leaves {
			public = publicError(err)
		}
		s.conn.refuse(s.ns.name, public)
	}
	if errors.Is(err, Hangup) {
		s.conn.session.Close()
	}
}

// admit makes the socket a member of the namespace, tells the client, and lets
// the packets go that were sent meanwhile. onConnect, if not nil, is put into
// the mailbox. It returns false if the socket has ended.
func (s *Socket) admit(onConnect *Event) bool {
	before, ok := s.takeEarly()
	if !ok {
		return false
	}
	w, err := s.enter()
	if err != nil {
		s.startOver(err)
		return false
	}
	s.mu.Lock()
	if s.ended != nil { // before it was a member: who ended it has left the rest to this
		s.mu.Unlock()
		s.part(s.reason())
		return false
	}
	s.state.Store(opening)
	var rooms []string
	if x := s.extra; x != nil {
		rooms, x.rooms = x.rooms, nil
		meanwhile := x.early
		x.early = nil
		for _, p := range meanwhile {
			if p.event != nil {
				before = append(before, p)
			} else {
				x.early = append(x.early, p)
			}
		}
	}
	s.mu.Unlock()

	if len(rooms) > 0 {
		if err := s.ns.adapter().Join(&s.member, rooms...); err != nil && s.gone() == nil {
			s.srv().cfg.Logger.Error("joining rooms failed", "socket", s, "err", err)
		}
	}
	s.sendEarly(before)
	if s.gone() != nil {
		if s.reason() == ReasonServerNamespaceDisconnect {
			s.conn.refuse(s.ns.name, &Error{Message: "Disconnected"})
		}
		return false
	}
	s.tellConnected(w)
	s.conn.joined()
	for {
		s.mu.Lock()
		if s.ended != nil {
			s.mu.Unlock()
			if s.reason() == ReasonServerNamespaceDisconnect {
				s.tellDisconnected()
			}
			return false
		}
		if s.extra == nil || len(s.extra.early) == 0 {
			s.state.Store(connected)
			if onConnect != nil {
				s.box.Put(&onConnect.turn, task{onConnect}, mailbox.Block)
			}
			s.mu.Unlock()
			break
		}
		list := s.extra.early
		s.extra.early = nil
		s.mu.Unlock()
		for _, p := range list {
			_ = p.send(s.conn.session, delivery{}) // Emit has returned by now
		}
	}
	if h := s.srv().cfg.Hooks.Connect; h != nil {
		h(s)
	}
	return true
}

// takeEarly returns what was sent by now; ok is false if the socket has ended.
func (s *Socket) takeEarly() (list []early, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.extra != nil {
		list, s.extra.early = s.extra.early, nil
	}
	return list, s.ended == nil
}

// sendEarly sends what was sent before the socket was a member.
func (s *Socket) sendEarly(list []early) {
	for _, p := range list {
		if p.event != nil {
			_ = s.ns.adapter().Emit(&s.member, p.event, p.flags) // Emit has returned by now
			continue
		}
		s.mu.Lock()
		x := s.extraLocked()
		x.early = append(x.early, p)
		s.mu.Unlock()
	}
}

// welcome is the payload of the CONNECT packet.
type welcome struct {
	SID    string `json:"sid"`
	PID    string `json:"pid,omitempty"`
	Offset string `json:"offset,omitempty"`
}

// enter makes the socket a member of its namespace.
func (s *Socket) enter() (w welcome, err error) {
	w.SID = s.id
	switch session := s.claimed(); {
	case session != nil:
		w.PID = session.PID
		err = s.ns.recovery().Restore(&s.member, session)
	case s.recoverable:
		w.PID, w.Offset = s.ns.recovery().Add(&s.member)
	default:
		s.ns.adapter().Add(&s.member)
	}
	return w, err
}

// tellConnected sends the CONNECT packet. Those for 2.x clients say no more than
// that.
func (s *Socket) tellConnected(w welcome) {
	var args []any
	if !s.conn.v2() {
		args = []any{w}
	}
	p, err := s.encode(sioparser.Header{Type: sioparser.Connect}, "", args)
	if err != nil { // it is made of strings
		s.conn.violation(err)
		return
	}
	_ = p.send(s.conn.session, delivery{}) // it fails when the client has gone
}

func (s *Socket) runConnect(ctx context.Context, e *Event) {
	for _, h := range s.ns.connectHandlers() {
		err := e.protect(ctx, HandlerFunc(func(ctx context.Context, e *Event) error {
			if t := s.srv().cfg.HandlerTimeout; t > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, t)
				defer cancel()
			}
			return h.fn(ctx, s)
		}))
		if err != nil {
			e.fail(ctx, err)
		}
	}
}

// receive puts an event into the mailbox. Nothing is made of an event that
// nobody handles.
func (s *Socket) receive(p *sioparser.Packet) {
	st := s.stack()
	name := p.Name()
	first := st.first(name)
	if first == nil && !st.handlesAll() {
		return
	}
	e := &Event{
		socket: s,
		first:  first,
		id:     p.ID,
		hasID:  p.HasID,
		args:   p.Args.Shift().Clone(),
	}
	e.ctx.e = e
	if first != nil {
		e.Name = first.name
		if first.brief() {
			e.turn.Brief()
		}
	} else {
		e.Name = string(name)
	}
	cfg := s.srv().cfg
	r := s.conn.put(&s.box, e, cfg.inbound)
	if r.Full {
		s.conn.adjust(+1)
	}
	if r.Dropped == nil || s.state.Load() == gone {
		return
	}
	if cfg.Inbound.Overflow == Disconnect {
		s.Disconnect()
		return
	}
	r.Dropped.(task).drop()
}

// bucket is the state of one Limit for one socket: a token bucket.
type bucket struct {
	of     *handler
	tokens float64
	at     time.Time
}

// allow takes a token for h and reports whether there was one.
func (s *Socket) allow(h *handler) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.extraLocked()
	i := slices.IndexFunc(x.buckets, func(b bucket) bool { return b.of == h })
	if i < 0 {
		i = len(x.buckets)
		x.buckets = append(x.buckets, bucket{h, float64(max(h.options.Burst, 1)), now})
	}
	b := &x.buckets[i]
	b.tokens = min(b.tokens+now.Sub(b.at).Seconds()*h.options.PerSecond, float64(max(h.options.Burst, 1)))
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// end moves the socket to gone, once, and returns the state it was in; gone
// means that it had ended before. drop says what becomes of events that wait
// for their handlers. The connection has forgotten the socket already.
func (s *Socket) end(why *DisconnectError, drop bool) state {
	s.mu.Lock()
	was := s.state.Load()
	if was == gone {
		s.mu.Unlock()
		return gone
	}
	s.ended = why
	s.state.Store(gone)
	last := s.recoverable && was == connected
	if last {
		s.extraLocked().finished = make(chan struct{})
	}
	var acks map[uint64]waiter
	if x := s.extra; x != nil {
		acks, x.acks, x.early, x.rooms = x.acks, nil, nil, nil
	}
	s.mu.Unlock()

	var handlers []*disconnectHandler
	if was == connected {
		handlers = s.ns.disconnectHandlers()
	}
	if was >= opening {
		rooms := s.part(why.Reason)
		if len(handlers) > 0 {
			s.mu.Lock()
			s.extraLocked().rooms = rooms
			s.mu.Unlock()
		}
	}
	for _, w := range acks {
		w.answer(s, sioparser.Args{}, why)
	}
	if c := s.ctx.Load(); c != nil {
		c.cancel(why)
	}
	if h := s.srv().cfg.Hooks.Disconnect; h != nil && was == connected {
		h(s, why)
	}
	if len(handlers) > 0 || last {
		e := s.newTask(kindDisconnect, "disconnect")
		s.box.Close(&e.turn, task{e}, drop)
	} else {
		s.box.Close(nil, nil, drop)
	}
	s.ns.leave()
	return was
}

// runDisconnect runs the last handlers of the socket.
func (s *Socket) runDisconnect(e *Event) {
	srv := s.srv()
	ctx := context.Context(&afterlife{srv.ctx, s.conn.session.Handshake().Context()})
	if t := srv.cfg.HandlerTimeout; t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	defer s.finish()
	reason := s.reason()
	for _, h := range s.ns.disconnectHandlers() {
		err := e.protect(ctx, HandlerFunc(func(ctx context.Context, _ *Event) error {
			h.fn(ctx, s, reason)
			return nil
		}))
		if err != nil {
			e.report(ctx, err)
		}
	}
	s.mu.Lock()
	if s.extra != nil {
		s.extra.rooms = nil
	}
	s.mu.Unlock()
}

func (s *Socket) reason() Reason {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended.Reason
}

// afterlife is the context of OnDisconnect handlers: it ends with the server,
// and has the values of the handshake's request.
type afterlife struct {
	context.Context
	values context.Context
}

func (a *afterlife) Value(key any) any {
	if v := a.values.Value(key); v != nil {
		return v
	}
	return a.Context.Value(key)
}

package sioclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio/internal/mailbox"
)

// phase is the life of a socket. These are all the moves there are:
//
//	  ┌──────────────────────────────────┐
//	  ▼                                  │
//	idle ──► waiting ──► joining ──► connected
//	  ▲        │  ▲         │  │         │
//	  ├────────┘  └─────────┼──┴─────────┤ to waiting when the connection is lost
//	  └─────────────────────┘            │
//
// and from each of them to gone.
type phase uint8

const (
	idle      phase = iota // no connection is wanted: not yet, not any more, or refused
	waiting                // for a connection, or to ask again over the one there is
	joining                // Auth was asked, then the server
	connected              // events flow both ways
	gone                   // terminal
)

// wants reports whether a socket in this phase wants a connection.
func (p phase) wants() bool { return p == waiting || p == joining || p == connected }

// A Socket is one namespace of one server. It is a Peer and a Sender of package
// event, and a Registrar. All methods may be called from any goroutine, handlers
// included.
//
// The mutex of the manager guards the block under it.
type Socket struct {
	m         *manager      // immutable
	cfg       *socketConfig // immutable
	namespace string        // immutable

	ctx     context.Context // ends with Close; immutable
	cancel  context.CancelCauseFunc
	routes  routes
	box     mailbox.Mailbox
	running mailbox.Group   // handlers, notices, calls of Auth, waits for room in the connection's queue
	notices mailbox.Mailbox // calls of hooks and OnError that come from no handler, in order
	muted   atomic.Bool     // nothing of the application is called any more

	phase     phase
	states    history
	attempt   int   // since it was last connected
	why       error // why it is not connected
	link      *link // of joining and connected
	round     uint  // counts joins, so that late answers of Auth are known as such
	timer     *time.Timer
	failures  int // of Auth in a row
	id        string
	recovered bool
	session   session

	early      []*Event // came before the answer that the namespace is joined
	earlyBytes int

	lastID uint64
	acks   map[uint64]*outgoing // sent, and their acknowledgement awaited
	kept   keptQueue
	retry  retryQueue
	moved  chan struct{} // closed when the queues get shorter; nil when nobody waits
}

// New returns a socket that is not connected yet, for the server and the
// namespace that a URL names: http or ws, https or wss, which mean the same
// here. Its path is the namespace, its query goes with each request. Every New
// has a connection of its own; for another namespace over the same one, see
// [Socket.Of]. The error is about the URL or an option.
func New(rawURL string, o *Options) (*Socket, error) {
	cfg, sc, namespace, err := newConfig(rawURL, o)
	if err != nil {
		return nil, err
	}
	m := newManager(cfg)
	m.mu.Lock()
	defer m.mu.Unlock()
	return newSocketLocked(m, sc, namespace), nil
}

// Dial is New and Connect in one. When the first attempt fails, so does Dial,
// and nothing of the socket is left. Events that the server emits at once may
// come before there is a handler for them: use New where that matters.
func Dial(ctx context.Context, rawURL string, o *Options) (*Socket, error) {
	s, err := New(rawURL, o)
	if err != nil {
		return nil, err
	}
	if err := s.Connect(ctx); err != nil {
		_ = s.Close() // nothing was sent
		return nil, err
	}
	return s, nil
}

func newSocketLocked(m *manager, sc *socketConfig, namespace string) *Socket {
	s := &Socket{m: m, cfg: sc, namespace: namespace, acks: make(map[uint64]*outgoing)}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.box.Init(sc.inbound, m, &s.running)
	s.notices.Init(1<<20, roomless{}, &s.running)
	s.states.list = []State{{Kind: Disconnected}}
	m.sockets[namespace] = s
	return s
}

// Of returns the socket for another namespace of the same server, over the same
// connection. There is one for each namespace: if it exists, it is returned, and
// o must be nil. A new one is not connected yet. Nil options mean those of s.
func (s *Socket) Of(namespace string, o *SocketOptions) (*Socket, error) {
	namespace = "/" + strings.TrimPrefix(namespace, "/")
	if err := checkNamespace(namespace); err != nil {
		return nil, err
	}
	sc, err := s.cfg.with(o)
	if err != nil {
		return nil, err
	}
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	other := m.sockets[namespace]
	switch {
	case s.phase == gone: // and with it, perhaps, the connection
		return nil, ErrClosed
	case other == nil:
		return newSocketLocked(m, sc, namespace), nil
	case o != nil:
		return nil, fmt.Errorf("sioclient: Of(%q): there is a socket for this namespace already, so its options cannot be set", namespace)
	}
	return other, nil
}

// Namespace returns the name of the namespace, which begins with a slash.
func (s *Socket) Namespace() string { return s.namespace }

// Context returns a context that ends when the socket is closed. Handlers get
// contexts that are made from it.
func (s *Socket) Context() context.Context { return s.ctx }

// ID returns the id that the server gave the socket when it was last connected,
// or "". It is another one after each connection that was not recovered.
func (s *Socket) ID() string {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.id
}

// Recovered reports whether the server has restored the socket that was lost
// when it was last connected: its id, its rooms, and all events that were missed
// arrive. Otherwise it is a new one, and the application has to ask for what it
// may have missed.
func (s *Socket) Recovered() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.recovered
}

// Connected reports whether the namespace is joined.
func (s *Socket) Connected() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.phase == connected
}

// Active reports whether the socket is connected or tries to be.
func (s *Socket) Active() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.phase.wants()
}

// Transport returns what carries the connection now, "polling" or "websocket",
// or "" without one.
func (s *Socket) Transport() string {
	s.m.mu.Lock()
	l := s.m.link
	s.m.mu.Unlock()
	if l == nil {
		return ""
	}
	return l.conn.Transport()
}

// LogValue implements slog.LogValuer: namespace and id.
func (s *Socket) LogValue() slog.Value {
	return slog.StringValue(s.namespace + "#" + s.ID())
}

// Connect makes the socket connect, if it does not yet, and waits for the
// outcome of the attempt, or until ctx ends. From then on the socket comes back
// by itself.
//
// The error is a *[ConnectError] when the server has refused the namespace: then
// there are no further attempts until Connect is called again. After any other
// error the attempts go on, by Options.Backoff, unless Close is called; another
// Connect waits for the next of them.
func (s *Socket) Connect(ctx context.Context) error {
	m := s.m
	m.mu.Lock()
	n := s.states.next()
	switch s.phase {
	case gone:
		m.mu.Unlock()
		return ErrClosed
	case connected:
		m.mu.Unlock()
		return nil
	case idle:
		s.phase = waiting
		s.attempt, s.failures = 0, 0
		switch {
		case m.link != nil:
			s.joinLocked(m.link)
		case m.dialing != nil:
			s.attemptLocked()
		}
		m.startLocked()
	}
	m.mu.Unlock()
	turn := m.turnToYield(ctx)
	turn.Release()
	defer turn.Acquire()
	for {
		st, number, err := s.awaitState(ctx, n)
		if err != nil {
			return err
		}
		n = number + 1
		switch st.Kind {
		case Connected:
			return nil
		case Disconnected:
			return cmp.Or[error](st.Err, s.whyNot())
		case Closed:
			return ErrClosed
		}
	}
}

func (s *Socket) whyNot() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.whyLocked()
}

// whyLocked returns why the socket is not connected.
func (s *Socket) whyLocked() *DisconnectError {
	if e, ok := s.why.(*DisconnectError); ok {
		return e
	}
	return &DisconnectError{Err: cmp.Or(s.why, errNotConnected)}
}

// setLocked makes a state known.
func (s *Socket) setLocked(st State) {
	s.states.add(st)
	hook := s.m.cfg.hooks.State
	if hook == nil {
		return
	}
	s.notify(func() { s.m.guard("state", func() { hook(s, st) }) })
}

// A notice is a call of the application that comes from no handler.
type notice struct {
	turn mailbox.Turn
	s    *Socket
	f    func()
}

func (n *notice) Run(*mailbox.Turn) {
	if !n.s.muted.Load() {
		n.f()
	}
}

// notify has f called soon, after the calls before it.
func (s *Socket) notify(f func()) {
	n := &notice{s: s, f: f}
	s.notices.Put(&n.turn, n, mailbox.Block)
}

type roomless struct{}

func (roomless) Room() {}

// attemptLocked is called when an attempt begins.
func (s *Socket) attemptLocked() {
	if s.phase == waiting && s.states.last().Kind != Connecting {
		s.attempt++
		s.setLocked(State{Kind: Connecting, Attempt: s.attempt})
	}
}

// joinLocked asks Auth, and then the server, for the namespace.
func (s *Socket) joinLocked(l *link) {
	m := s.m
	s.attemptLocked()
	s.stopLocked()
	if d := l.settlingLocked(s.namespace); d > 0 {
		s.joinLaterLocked(d)
		return
	}
	s.phase, s.link = joining, l
	s.round++
	switch {
	case m.cfg.V2 && s.namespace == "/" && l.inRoot:
		s.connectedLocked(l.conn.ID(), "", "")
	case m.cfg.V2 && s.namespace == "/": // the server does it unasked
		s.expectLocked()
	case l.unanswered[s.namespace].s != nil: // for what the socket was before: that has to be answered first
		s.expectLocked()
	case s.cfg.auth == nil:
		_ = s.askLocked(nil) // a connection that has ended will be noticed
	default:
		round := s.round
		s.timer = time.AfterFunc(m.cfg.JoinTimeout, func() { s.authTimedOut(round) })
		// Ends when Auth returns, whose context ends with the attempt; Close
		// waits for it.
		s.running.Go(func() { s.join(l, round) })
	}
}

// join asks Auth.
func (s *Socket) join(l *link, round uint) {
	ctx, cancel := context.WithTimeout(s.ctx, s.m.cfg.JoinTimeout)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	s.running.Go(func() { // ends with join, or earlier with the connection
		select {
		case <-l.closed:
			cancel()
		case <-ended:
		}
	})
	auth, err := s.askAuth(ctx)
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.phase != joining || s.round != round {
		return
	}
	if err == nil {
		err = s.askLocked(auth)
	}
	if err != nil {
		s.authFailedLocked(err)
	}
}

// authTimedOut gives up waiting for Auth, whose context ends in this moment.
func (s *Socket) authTimedOut(round uint) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.phase == joining && s.round == round {
		s.authFailedLocked(fmt.Errorf("sioclient: Options.Auth: %w", context.DeadlineExceeded))
	}
}

// askAuth calls Options.Auth.
func (s *Socket) askAuth(ctx context.Context) (auth any, err error) {
	if p := callback(func() { auth, err = s.cfg.auth(ctx) }); p != nil {
		err = p
		s.report(ctx, "auth", p)
	}
	if err != nil {
		err = fmt.Errorf("sioclient: Options.Auth: %w", err)
	}
	return auth, err
}

// authFailedLocked makes the socket ask again later, over the same connection.
func (s *Socket) authFailedLocked(err error) {
	s.stopLocked()
	s.failures++
	s.round++
	s.link, s.why = nil, err
	b := &s.m.cfg.Backoff
	if b.exhausted(s.failures) {
		s.phase = idle
		s.setLocked(State{Kind: Disconnected, Err: err, Attempt: s.attempt})
		s.m.pokeLocked()
		return
	}
	s.phase = waiting
	d := b.delay(s.failures)
	s.setLocked(State{Kind: Disconnected, Err: err, Attempt: s.attempt, Retry: d})
	s.joinLaterLocked(d)
}

// joinAgainLocked makes a socket that is joining ask anew.
func (s *Socket) joinAgainLocked(l *link) {
	s.stopLocked()
	s.phase, s.link = waiting, nil
	s.early, s.earlyBytes = nil, 0
	s.joinLocked(l)
}

// joinLaterLocked makes a socket that waits join after d, if there is a
// connection then.
func (s *Socket) joinLaterLocked(d time.Duration) {
	round := s.round
	s.timer = time.AfterFunc(d, func() {
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		if s.phase == waiting && s.round == round && s.m.link != nil {
			s.joinLocked(s.m.link)
		}
	})
}

// expectLocked bounds how long the server may take to answer whether the
// namespace is joined.
func (s *Socket) expectLocked() {
	round := s.round
	s.stopLocked()
	s.timer = time.AfterFunc(s.m.cfg.JoinTimeout, func() { s.joinTimedOut(round) })
}

// joinTimedOut gives up a connection over which the server does not answer.
func (s *Socket) joinTimedOut(round uint) {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.phase != joining || s.round != round {
		return
	}
	if m.full > 0 { // it is not read: the silence is ours
		s.expectLocked()
		return
	}
	s.link.conn.Abort(eioclient.ReasonTransportError, errJoinTimeout)
}

// connectedLocked is called when the server has answered that the namespace is
// joined.
func (s *Socket) connectedLocked(id, pid, offset string) {
	s.stopLocked()
	s.phase = connected
	s.attempt, s.failures, s.why = 0, 0, nil
	s.id = id
	s.recovered = s.session.begin(pid, offset)
	s.putLocked(s.newTask(kindConnect, "connect"))
	early := s.early
	s.early, s.earlyBytes = nil, 0
	for _, e := range early {
		e.args = s.noteOffsetLocked(e.args, e.hasID)
		s.putLocked(e)
	}
	s.setLocked(State{Kind: Connected, ID: id, Recovered: s.recovered})
	s.drainLocked()
	s.pumpLocked()
	s.movedLocked() // who waits for a connection has one
}

func (s *Socket) newTask(k kind, name string) *Event {
	e := &Event{Name: name, socket: s, kind: k}
	e.turn.Keep()
	return e
}

// stopLocked stops the timer of the phase.
func (s *Socket) stopLocked() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// lostLocked is called when an attempt has failed or the connection was lost.
// The next attempt follows after the delay; zero means that there is none.
func (s *Socket) lostLocked(err error, delay time.Duration) {
	if !s.phase.wants() {
		return
	}
	s.partLocked(err)
	s.phase = waiting
	if delay == 0 {
		s.phase = idle
	}
	s.setLocked(State{Kind: Disconnected, Err: err, Retry: delay, Attempt: s.attempt})
}

// endLocked is called when the socket was refused, or one side has left the
// namespace on purpose.
func (s *Socket) endLocked(err error) {
	s.partLocked(err)
	s.phase = idle
	s.session = session{}
	s.setLocked(State{Kind: Disconnected, Err: err, Attempt: s.attempt})
	s.m.pokeLocked()
}

// partLocked parts the socket from its connection.
func (s *Socket) partLocked(err error) {
	s.stopLocked()
	s.why = err
	s.early, s.earlyBytes = nil, 0
	if s.phase == connected {
		s.failAcksLocked()
		e := s.newTask(kindDisconnect, "disconnect")
		if d := (*DisconnectError)(nil); errors.As(err, &d) {
			e.reason = d.Reason
		}
		s.putLocked(e)
	}
	s.link = nil
	s.movedLocked()
}

// Disconnect leaves the namespace. Acknowledgements that are awaited fail; what
// Options.Offline and Options.Retry keep stays for the next Connect. The
// connection ends, after what is queued was written, unless another socket uses
// it.
func (s *Socket) Disconnect() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.leaveLocked()
}

func (s *Socket) leaveLocked() {
	if !s.phase.wants() {
		return
	}
	if s.phase == connected {
		s.link.leaveLocked(s.namespace)
	}
	s.endLocked(&DisconnectError{Reason: ReasonIOClientDisconnect})
}

// Close ends the socket for good: it leaves the namespace, and the connection
// ends with its last socket, after what is queued was written. Events that wait
// for their handlers are dropped.
//
// When Close returns, nothing of the socket runs any more: no handler, no hook,
// no goroutine. Two cases cannot have that. Called from a handler or another
// function that this package calls, Close does not wait. And when a handler does
// not return, Close gives up after Options.CloseTimeout; nothing new begins then.
//
// The error says what was lost: events that were accepted and not written, or
// which of the waits was given up. Further calls wait as the first does.
func (s *Socket) Close() error {
	m := s.m
	m.mu.Lock()
	first := s.phase != gone
	lost := 0
	if first {
		s.leaveLocked()
		s.stopLocked()
		s.phase = gone
		s.why = ErrClosed
		lost = s.loseLocked()
		delete(m.sockets, s.namespace)
		s.setLocked(State{Kind: Closed})
		s.movedLocked()
		m.pokeLocked()
	}
	last := len(m.sockets) == 0
	m.mu.Unlock()
	if first {
		s.cancel(ErrClosed)
		s.box.Close(nil, nil, true) // tasks that are kept, as of OnDisconnect, still run
	}
	if last {
		m.cancel()
	}
	var err error
	if lost > 0 {
		err = fmt.Errorf("sioclient: closed with %d events that were not sent", lost)
	}
	if inCallback() {
		return err
	}
	return errors.Join(err, s.awaitEnd(last))
}

// awaitEnd waits until nothing of the socket runs.
func (s *Socket) awaitEnd(last bool) (lost error) {
	m := s.m
	if last {
		// The connection takes up to CloseTimeout to end in order, and the same
		// again to wait for its own.
		ctx, cancel := context.WithTimeout(context.Background(), 3*m.cfg.CloseTimeout)
		defer cancel()
		if err := m.running.Wait(ctx); err != nil {
			s.muted.Store(true)
			return errors.New("sioclient: the connection does not end: Endpoint, Auth or a hook does not return")
		}
		m.mu.Lock()
		lost = m.closeError
		m.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(context.Background(), m.cfg.CloseTimeout)
	defer cancel()
	if err := s.running.Wait(ctx); err != nil {
		s.muted.Store(true)
		return errors.Join(lost, fmt.Errorf("sioclient: %d functions of the application do not return", s.running.Len()))
	}
	return lost
}

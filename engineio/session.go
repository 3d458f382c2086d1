package engineio

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/internal/wheel"
)

// A Handler receives what happens to one session. Its methods are called one
// at a time, with no lock held, and must not wait: [Session.Pause] is the way
// to make a client wait. A panic in one is logged and ends the session with
// [ReasonForcedClose].
type Handler interface {
	// Message delivers one message, in the order sent. data is valid only
	// during the call.
	Message(data []byte, binary bool)

	// Closed is the last call, made exactly once.
	Closed(err *CloseError)
}

// state is the life of one session. These are all the moves there are:
//
//	opening ──► open ──► closing ──► closed
//	   └──────────┴─────────────────►┘
//
// An upgrade is not a state: the session stays open while a WebSocket is
// probed (upgrade.go).
type state uint8

const (
	opening state = iota // the handshake is being answered; what is sent is queued
	open                 // packets flow both ways
	closing              // Close was called; the queue is draining
	closed               // terminal; the first reason wins
)

// A Session is one client's connection, over whatever transport.
//
// All methods may be called from any goroutine, and from the session's own
// [Handler].
//
// Goroutines: a WebSocket has one, its reader, or shares that of a poller; a
// writer exists only while the kernel takes no more bytes. Polling requests bring their own. The heartbeat
// is the server's timing wheel calling expire. mu guards what is under it; no
// callback, wait or I/O happens while it is held. Lock order: Session.mu, then
// the wheel's, or Server.mu.
type Session struct {
	srv *Server // immutable

	// What a broadcast looks at comes first: of thousands of sessions, none is in
	// the processor's cache.
	ws         atomic.Pointer[wsConn] // the transport; nil: polling. Changed with mu held
	mu         sync.Mutex
	state      state
	b64        bool // revision 3: the client takes no binary payloads
	delivering bool // a handler call is under way, and will make the Closed call if it is owed
	owesClosed bool
	posting    bool               // a POST is being read
	draining   bool               // the probe was answered: polls are released
	noops      uint8              // polls that were released at once since then
	awaiting   bool               // revision 4: a ping was sent and not answered
	extended   bool               // the deadline was extended in this heartbeat cycle
	rev        eioparser.Revision // immutable
	wasOpen    bool               // the application has taken the session; set while opening, then immutable
	corked     bool               // what is queued is to be written together, by uncorkLocked
	paused     atomic.Bool        // changed with mu held

	queue    []*Message // accepted, not yet handed to a transport's write
	pending  int        // accepted, not yet written: packets
	queued   int        // the same in bytes
	accepted uint64     // packets accepted since the beginning
	*moment             // never nil; to be written through momentLocked only
	err      *CloseError
	hs       *Handshake // immutable

	timer     wheel.Timer
	scheduled time.Duration // what timer is set for; the deadlines below may have moved on
	nextPing  time.Duration // revision 4; 0: none
	pongBy    time.Duration // the client must have been heard by then; 0: none

	// Not guarded.
	id      string  // immutable
	handler Handler // set while opening, then immutable
}

// A moment is the part of a session that is there while it polls, upgrades or
// closes, or is waited for. The zero value says that it does none of these, as
// most sessions most of the time, which share one.
type moment struct {
	probe     *wsConn // the WebSocket that wants to become the transport
	poll      *poll   // the GET that waits for packets
	upgradeBy time.Duration
	closeBy   time.Duration
	changed   chan struct{} // made by a waiter, closed at the next change it may wait for
}

var noMoment moment // never written

// momentLocked returns the moment to be written.
func (s *Session) momentLocked() *moment {
	if s.moment == &noMoment {
		s.moment = new(moment)
	}
	return s.moment
}

// passLocked forgets a moment that has passed.
func (s *Session) passLocked() {
	if s.ws.Load() != nil && *s.moment == noMoment {
		s.moment = &noMoment
	}
}

// ID returns the session's id: 20 characters, secret between the server and
// this client, since who knows it can speak for the session.
func (s *Session) ID() string { return s.id }

// Revision returns the protocol revision the client speaks.
func (s *Session) Revision() eioparser.Revision { return s.rev }

// Handshake returns what is known of the request that began the session.
func (s *Session) Handshake() *Handshake { return s.hs }

// Transport returns the name of the transport in use: [Polling] or [WebSocket].
func (s *Session) Transport() string {
	if s.ws.Load() != nil {
		return WebSocket
	}
	return Polling
}

// Send queues messages, all of them contiguous and in order, and writes what
// can be written without waiting. It fails with a [*CloseError] after the
// session has ended or Close was called, and with [ErrQueueFull].
func (s *Session) Send(ms ...*Message) error {
	s.deflateAll(ms)
	s.mu.Lock()
	if s.state >= closing {
		err := s.err
		s.mu.Unlock()
		return err
	}
	n := size(ms)
	if s.fullLocked(len(ms), n) {
		if s.srv.cfg.KeepSlow {
			s.mu.Unlock()
			return ErrQueueFull
		}
		s.finishLocked(&CloseError{Reason: ReasonSlowConsumer, Err: ErrQueueFull})
		return ErrQueueFull
	}
	s.sendLocked(ms)
	return nil
}

// sendLocked takes messages, and writes what can be written. It releases mu.
func (s *Session) sendLocked(ms []*Message) {
	c := s.ws.Load()
	if len(ms) == 1 && s.state == open && c != nil && len(s.queue) == 0 && !s.corked && !c.flushing && !c.gone && c.freeLocked() {
		m := s.acceptLocked(ms[0])
		c.flushing = true
		if c.writeOneLocked(m) {
			c.writeRestLocked()
		}
		return
	}
	s.enqueueLocked(ms...)
	s.flushLocked()
}

// SendAll sends messages to many sessions, to each as [Session.Send] does. What
// that fails with is told to nobody but the session's [Handler], where it ends the
// session. It takes less time than as many calls of Send: while it writes to
// one session it has the next ones fetched from memory.
func SendAll(sessions []*Session, ms ...*Message) {
	for len(sessions) > 0 {
		next := sessions[:min(lookAhead, len(sessions))]
		sessions = sessions[len(next):]
		fetch(next)
		for _, s := range next {
			_ = s.Send(ms...)
		}
	}
}

// lookAhead is how many sessions are fetched at once. What they need has to
// stay in the cache until it is their turn.
const lookAhead = 8

// fetch brings what Send needs of sessions into the processor's cache: those of
// all of them at once, where Send, which goes from one thing to the next, waits
// for each. It reads only what nobody writes, or is atomic.
func fetch(sessions []*Session) {
	var conns [lookAhead]*wsConn
	for i, s := range sessions {
		conns[i] = s.ws.Load()
		runtime.KeepAlive(s.hs) // in the second line of the cache
	}
	for _, c := range conns {
		if c != nil {
			runtime.KeepAlive(c.s)
		}
	}
}

// SendVolatile is Send for messages that may be lost: it drops them and
// reports false when the transport is not writable now.
func (s *Session) SendVolatile(ms ...*Message) bool {
	s.deflateAll(ms)
	s.mu.Lock()
	n := size(ms)
	if s.state != open || !s.writableLocked() || s.fullLocked(len(ms), n) {
		s.mu.Unlock()
		s.srv.counters.dropped.Add(uint64(len(ms)))
		return false
	}
	s.sendLocked(ms)
	return true
}

// writableLocked reports whether a message sent now would leave at once.
func (s *Session) writableLocked() bool {
	if c := s.ws.Load(); c != nil {
		return !c.stalled || len(s.queue) == 0
	}
	return s.poll != nil
}

func size(ms []*Message) int {
	n := 0
	for _, m := range ms {
		n += m.Len()
	}
	return n
}

// fullLocked reports whether packets more, of n bytes together, would pass a
// cap. A queue that holds nothing takes any message.
func (s *Session) fullLocked(packets, n int) bool {
	c := s.srv.cfg
	return s.pending > 0 && (s.pending+packets > c.MaxQueuePackets || s.queued+n > c.MaxQueueBytes)
}

func (s *Session) enqueueLocked(ms ...*Message) {
	if s.queue == nil {
		s.queue = make([]*Message, 0, idleCap)
	}
	for _, m := range ms {
		s.queue = append(s.queue, s.acceptLocked(m))
	}
}

// acceptLocked takes a message into the account, and returns the form it is to
// be written in.
func (s *Session) acceptLocked(m *Message) *Message {
	if c := s.ws.Load(); c != nil && c.deflate {
		if z := m.deflated.Load(); z != nil && !(m.binary && s.rev == eioparser.V3) {
			m = z
		}
	}
	s.queued += m.Len()
	s.pending++
	s.accepted++
	return m
}

// deflateAll makes compressed forms, if they are wanted, before the lock is
// taken.
func (s *Session) deflateAll(ms []*Message) {
	if c := s.ws.Load(); c != nil && c.deflate {
		for _, m := range ms {
			m.deflate(s.srv.cfg.deflateThreshold)
		}
	}
}

// A tally counts packets on their way out, and those of them that are messages.
type tally struct{ packets, bytes, messages, messageBytes int }

func (t *tally) add(m *Message) {
	t.packets++
	t.bytes += m.Len()
	if m.typ == eioparser.Message {
		t.messages++
		t.messageBytes += m.Len()
	}
}

// writtenLocked takes packets out of the account.
func (s *Session) writtenLocked(t tally) {
	s.srv.counters.messagesOut.Add(uint64(t.messages))
	s.srv.counters.bytesOut.Add(uint64(t.messageBytes))
	s.pending -= t.packets
	s.queued -= t.bytes
	s.notifyLocked()
}

// flushLocked hands what is queued to the transport. It releases mu.
func (s *Session) flushLocked() {
	switch ws := s.ws.Load(); {
	case s.state == opening || s.state == closed:
	case ws != nil:
		if s.corked && s.pending < batch && s.queued < corkLimit {
			break
		}
		ws.flushLocked()
		return
	case s.poll != nil:
		s.poll.release()
	}
	s.mu.Unlock()
}

// corkLimit is how many bytes wait for being written together with others at
// the most.
const corkLimit = 16 << 10

// uncorkLocked writes what waited to be written together. It releases mu.
func (s *Session) uncorkLocked() {
	if !s.corked {
		s.mu.Unlock()
		return
	}
	s.corked = false
	s.flushLocked()
}

// Buffered returns how much was accepted by Send and is not yet written; after
// the session's end, how much of it was lost.
func (s *Session) Buffered() (packets, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending, s.queued
}

// Wait waits until the outbound queue is below half of its caps. It fails when
// the session ends or ctx does.
func (s *Session) Wait(ctx context.Context) error {
	s.mu.Lock()
	s.uncorkLocked()
	c := s.srv.cfg
	return s.await(ctx, func() bool {
		return s.state != closed && s.pending <= c.MaxQueuePackets/2 && s.queued <= c.MaxQueueBytes/2
	})
}

// Flush waits until all that was accepted before the call has been written: to
// the kernel, or as the answer to a poll. It fails when the session ends with
// some of it unwritten, or ctx ends.
func (s *Session) Flush(ctx context.Context) error {
	s.mu.Lock()
	last := s.accepted
	s.uncorkLocked()
	return s.await(ctx, func() bool { return s.accepted-uint64(s.pending) >= last })
}

// await waits until ok holds. ok is called with mu held.
func (s *Session) await(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		switch {
		case ok():
			s.mu.Unlock()
			return nil
		case s.state == closed:
			defer s.mu.Unlock()
			return s.err
		}
		changed := s.changedLocked()
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *Session) changedLocked() <-chan struct{} {
	if s.changed == nil {
		s.momentLocked().changed = make(chan struct{})
	}
	return s.changed
}

func (s *Session) notifyLocked() {
	if s.changed != nil {
		close(s.changed)
		s.momentLocked().changed = nil
		s.passLocked()
	}
}

// Pause stops the delivery of messages after the one under way. The client is
// not read further, so that it has to wait in its turn, and its silence is not
// held against it.
func (s *Session) Pause() {
	s.mu.Lock()
	s.paused.Store(true)
	s.mu.Unlock()
}

// Resume undoes Pause.
func (s *Session) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.paused.Load() {
		return
	}
	s.paused.Store(false)
	if c := s.ws.Load(); c != nil {
		c.unparkLocked()
	}
	s.graceLocked(s.srv.wheel.Now())
	s.notifyLocked()
}

// receive handles one packet of the session's transport and reports whether
// the session goes on. Calls do not overlap.
func (s *Session) receive(p eioparser.Packet) bool {
	switch p.Type {
	case eioparser.Message:
		return s.deliver(p.Data, p.Binary)
	case eioparser.Ping, eioparser.Pong:
		return s.heartbeat(p)
	case eioparser.Close:
		s.finish(&CloseError{Reason: ReasonTransportClose, Remote: true})
		return false
	}
	return true // open, upgrade and noop mean nothing here
}

// deliver hands one message to the handler. It reports whether the session goes
// on.
func (s *Session) deliver(data []byte, binary bool) bool {
	s.mu.Lock()
	if s.state != open {
		alive := s.state != closed
		s.mu.Unlock()
		return alive
	}
	s.heardLocked()
	s.delivering = true
	s.mu.Unlock()
	s.srv.counters.messagesIn.Add(1)
	s.srv.counters.bytesIn.Add(uint64(len(data)))

	s.guard(func() { s.handler.Message(data, binary) })

	s.mu.Lock()
	return s.deliveredLocked()
}

// awaitResume waits while the session is paused and not closed.
func (s *Session) awaitResume() {
	s.mu.Lock()
	for s.paused.Load() && s.state < closed {
		changed := s.changedLocked()
		s.mu.Unlock()
		<-changed
		s.mu.Lock()
	}
	s.mu.Unlock()
}

func (s *Session) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state < closed
}

// deliveredLocked ends a handler call: it makes the Closed call if the session
// ended meanwhile. It releases mu and reports whether the session goes on.
func (s *Session) deliveredLocked() bool {
	s.delivering = false
	owes := s.owesClosed
	s.owesClosed = false
	s.mu.Unlock()
	if owes {
		s.tellClosed()
	}
	return !owes
}

// Close ends the session in order: nothing more is accepted, what is queued is
// written, then the client is told. The reason is [ReasonForcedClose]. After
// [Options.CloseTimeout] it ends whatever is left. Close does not wait.
func (s *Session) Close() {
	s.closeFor(ReasonForcedClose)
}

func (s *Session) closeFor(r Reason) {
	s.mu.Lock()
	if s.state >= closing {
		s.mu.Unlock()
		return
	}
	s.err = &CloseError{Reason: r}
	if s.state == opening {
		s.finishLocked(s.err)
		return
	}
	s.state = closing
	s.momentLocked().closeBy = s.srv.wheel.Now() + s.srv.cfg.CloseTimeout
	s.scheduleLocked()
	switch ws := s.ws.Load(); {
	case ws != nil:
		ws.flushLocked() // its end finishes the session
	case s.poll != nil:
		s.poll.release()
		s.mu.Unlock()
	default:
		s.mu.Unlock() // the next poll is told
	}
}

// Abort ends the session at once; what is queued is lost. err may be nil.
func (s *Session) Abort(r Reason, err error) {
	s.finish(&CloseError{Reason: r, Err: err})
}

func (s *Session) finish(err *CloseError) {
	s.mu.Lock()
	s.finishLocked(err)
}

// finishLocked ends the session, once. It releases mu.
func (s *Session) finishLocked(err *CloseError) {
	if s.state == closed {
		s.mu.Unlock()
		return
	}
	if s.err == nil {
		s.err = err
	}
	wasOpening := s.state == opening
	s.state = closed
	poll, ws, probe := s.poll, s.ws.Load(), s.probe
	if probe != nil {
		s.momentLocked().probe = nil
	}
	s.queue = nil // what is pending stays in the account: it is lost
	if poll != nil {
		poll.end = closePacket
		if s.err.Reason == ReasonTransportClose {
			poll.end = noopPacket // the client said goodbye itself
		}
		poll.release()
	}
	tell := !s.delivering
	if !tell {
		s.owesClosed = true
	}
	s.notifyLocked()
	s.mu.Unlock()

	s.srv.wheel.Stop(&s.timer)
	if ws != nil && !wasOpening {
		ws.close(closeCode(err))
	}
	if probe != nil {
		probe.close(closeCode(err))
	}
	if tell {
		// Ends with the handler's Closed; Server.Shutdown waits for it, since
		// the session leaves the server's map only there.
		go s.tellClosed()
	}
}

// tellClosed makes the last handler call and forgets the session.
func (s *Session) tellClosed() {
	lost, _ := s.Buffered()
	s.srv.log(s, "session closed", "reason", s.err.Reason, "err", s.err.Err, "lost", lost)
	if s.wasOpen {
		s.srv.counters.countClosed(s.err.Reason)
		s.srv.counters.lost.Add(uint64(lost))
	}
	if s.handler != nil {
		s.guard(func() { s.handler.Closed(s.err) })
	}
	if hook := s.srv.cfg.hooks.SessionClosed; hook != nil && s.wasOpen {
		s.guard(func() { hook(s, s.err) })
	}
	s.srv.remove(s)
}

// guard calls f, which calls the application. A panic in it ends the session,
// not the process.
func (s *Session) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			s.srv.cfg.Logger.ErrorContext(s.hs.ctx, "the application panicked", "panic", v, "stack", string(debug.Stack()))
			s.finish(&CloseError{Reason: ReasonForcedClose, Err: fmt.Errorf("the application panicked: %v", v)})
		}
	}()
	f()
}

package eioclient

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// A Handler receives what happens to one session. Its methods are called one
// at a time, with no lock held, and should not wait: [Conn.Pause] is the way to
// make the server wait. A panic in one is logged and ends the session with
// [ReasonForcedClose].
type Handler interface {
	// Message delivers one message, in the order sent. data is valid only
	// during the call.
	Message(data []byte, binary bool)

	// Closed is the last call, made exactly once, whoever ended the session.
	Closed(err *CloseError)
}

// state is the life of one session. These are all the moves there are:
//
//	opening ──► open ──► closing ──► closed
//	   └─────────┴──────────────────►┘
//
// What carries the session is its phase (upgrade.go).
type state uint8

const (
	opening state = iota // inside Options.Open; what is sent is queued
	open                 // packets flow both ways
	closing              // Close was called; the queue is draining
	closed               // terminal; the first reason wins
)

// A Conn is the client's side of one session.
//
// All methods may be called from any goroutine, and from the session's own
// [Handler] and [Hooks].
//
// Goroutines: one reader, which is the poll loop or reads the WebSocket, and
// both while an upgrade is under way; a writer exists only while there is
// something to write. They are counted in running; the last one to leave a
// closed session lets go of the wire and closes done. The heartbeat is one
// timer. mu guards the block under it; no callback, wait or I/O happens while
// it is held.
type Conn struct {
	cfg  *config            // immutable
	wire wire               // immutable
	ctx  context.Context    // ends with the session; immutable
	stop context.CancelFunc // of ctx
	hs   handshake          // immutable
	done chan struct{}      // closed when nothing of the session runs any more

	asleepAtBirth time.Duration // see sleptLocked; immutable

	handler Handler // set while opening, then immutable
	batch   batch   // the writer's

	mu         sync.Mutex
	state      state
	running    int  // goroutines and calls that are not done with the session
	delivering bool // a handler call is under way, and will make the Closed call if it is owed
	owesClosed bool
	paused     bool
	goodbye    bool // the close packet or frame was taken for writing

	phase   phase
	ws      socket             // the transport when switched; else the WebSocket that wants to become it
	wsErr   error              // why ws failed while switching
	unprobe context.CancelFunc // ends the opening of ws
	getting bool               // the poll loop runs
	writing bool               // a writer runs, or nothing may be written any more

	queue    []packet // accepted, not yet taken by the writer
	pending  int      // accepted, not yet written: messages
	cutOff   bool     // the session ended when Close waited for these; the last may have been written all the same
	queued   int      // the same in bytes
	accepted uint64   // messages accepted since the beginning
	owesPing bool     // heartbeat packets go before the queue
	owesPong bool
	wsPong   *packet // the latest WebSocket ping's answer

	err     *CloseError
	changed chan struct{} // made by a waiter, closed at the next change it may wait for

	timer     *time.Timer
	scheduled time.Time // what timer is set for; the deadlines below may have moved on
	heard     time.Time // when the server was last heard
	nextPing  time.Time // revision 3; zero: none
	upgradeBy time.Time // zero: none
	closeBy   time.Time
}

// newConn starts the session of a handshake that was made.
func newConn(cfg *config, w wire, o opened) (*Conn, error) {
	c := &Conn{
		cfg:  cfg,
		wire: w,
		hs:   o.handshake,
		done: make(chan struct{}),

		running:    1, // this call
		delivering: true,
		heard:      time.Now(),

		asleepAtBirth: asleep(),
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	if o.socket != nil {
		c.phase, c.ws = switched, o.socket
		c.remember()
	}

	c.guard(func() { c.handler = cfg.Open(c) })
	c.mu.Lock()
	refused := c.handler == nil && c.state == opening
	if c.handler == nil {
		c.handler = nobody{}
	}
	if refused {
		c.closeLocked()
	}
	begun := c.state == opening
	c.mu.Unlock()
	if begun {
		c.log("session opened", "transport", c.Transport())
		if hook := cfg.hooks.Opened; hook != nil {
			c.guard(func() { hook(c) })
		}
	}

	c.mu.Lock()
	if begun = c.state == opening; begun {
		c.state = open
		if c.nextPing = (time.Time{}); cfg.Revision == eioparser.V3 {
			c.nextPing = c.heard.Add(c.hs.pingInterval)
		}
	}
	switch {
	case c.state == closed:
	case c.ws != nil:
		// The reader ends with the WebSocket. It owns what it read.
		c.goLocked(func() { c.readSocket(o.socket) })
	case c.state == open:
		c.getting = true
		// The poll loop ends with polling, or the session.
		c.goLocked(func() { c.poll(o.packets) })
		if cfg.upgrades && o.upgrade {
			c.startUpgradeLocked()
		}
	}
	c.scheduleLocked()
	c.kickLocked()
	c.deliveredLocked()
	c.exit()
	if begun {
		return c, nil
	}
	c.awaitEnd()
	if refused {
		return nil, errors.New("eioclient: Options.Open returned no Handler")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return nil, c.err
}

// nobody is the Handler of a session that the application did not want.
type nobody struct{}

func (nobody) Message([]byte, bool) {}
func (nobody) Closed(*CloseError)   {}

// ID returns the session's id. It is secret between the server and this client,
// since who knows it can speak for the session.
func (c *Conn) ID() string { return c.hs.sid }

// Revision returns the protocol revision that is spoken.
func (c *Conn) Revision() eioparser.Revision { return c.cfg.Revision }

// PingInterval returns the time between heartbeats that the server announced,
// of at most 24 hours.
func (c *Conn) PingInterval() time.Duration { return c.hs.pingInterval }

// PingTimeout returns how long one side may take to answer the other's
// heartbeat, as the server announced it, of at most 24 hours.
func (c *Conn) PingTimeout() time.Duration { return c.hs.pingTimeout }

// MaxPayload returns the size of what the server takes at once, in bytes, or 0
// when it announced none.
func (c *Conn) MaxPayload() int { return c.hs.maxPayload }

// Transport returns the name of the transport in use: [Polling] or [WebSocket].
func (c *Conn) Transport() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transportLocked()
}

func (c *Conn) transportLocked() string {
	if c.phase == switched {
		return WebSocket
	}
	return Polling
}

// Upgraded reports whether the session is over WebSocket, from the beginning or
// by an upgrade, and so will not change its transport any more.
func (c *Conn) Upgraded() bool { return c.Transport() == WebSocket }

// Send queues messages, all of them contiguous and in order, and never waits.
// It fails with a *[CloseError] after the session has ended or Close was called,
// with [ErrQueueFull], and with a *[TooLargeError]; then none of them was sent.
//
// A server that has been silent for too long is noticed here at the latest, as
// after the process was stopped or the machine asleep.
func (c *Conn) Send(ms ...Message) error {
	c.mu.Lock()
	if c.state >= closing {
		defer c.mu.Unlock()
		return c.err
	}
	if c.expiredLocked(time.Now()) {
		err := &CloseError{Reason: ReasonPingTimeout, Remote: true, Err: errPingTimeout}
		c.finishLocked(err)
		return err
	}
	if err := c.admitLocked(ms); err != nil {
		c.mu.Unlock()
		return err
	}
	c.enqueueLocked(ms)
	c.mu.Unlock()
	return nil
}

// SendVolatile is Send for messages that may be lost: it drops them and reports
// false when the transport is not writable now.
func (c *Conn) SendVolatile(ms ...Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	writable := c.phase == polling || c.phase == probing || c.phase == switched
	if !writable || c.state != open || c.writing && len(c.queue) > 0 || c.expiredLocked(time.Now()) || c.admitLocked(ms) != nil {
		return false
	}
	c.enqueueLocked(ms)
	return true
}

// admitLocked says whether messages may be queued.
func (c *Conn) admitLocked(ms []Message) error {
	n := 0
	for _, m := range ms {
		if size := c.leastSizeLocked(m); c.hs.maxPayload > 0 && size > c.hs.maxPayload {
			return &TooLargeError{Limit: c.hs.maxPayload, Size: size}
		}
		n += len(m.Data)
	}
	if c.pending > 0 && (c.pending+len(ms) > c.cfg.MaxQueuePackets || c.queued+n > c.cfg.MaxQueueBytes) {
		return ErrQueueFull
	}
	return nil
}

// leastSizeLocked returns the bytes that m makes at least as a packet.
func (c *Conn) leastSizeLocked(m Message) int {
	switch {
	case !m.Binary || c.cfg.Revision == eioparser.V3:
		return 1 + len(m.Data)
	case c.phase == polling:
		return 1 + base64Size(len(m.Data))
	}
	return len(m.Data)
}

func (c *Conn) enqueueLocked(ms []Message) {
	for _, m := range ms {
		c.queue = append(c.queue, m.packet())
		c.queued += len(m.Data)
	}
	c.pending += len(ms)
	c.accepted += uint64(len(ms))
	c.kickLocked()
}

// Buffered returns how much was accepted by Send and is not yet written; after
// the session's end, how much of it was lost.
func (c *Conn) Buffered() (messages, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending, c.queued
}

// Wait waits until the outbound queue is below half of its caps. It fails when
// the session ends or ctx does.
func (c *Conn) Wait(ctx context.Context) error {
	return c.await(ctx, func() bool {
		return c.state != closed && c.pending <= c.cfg.MaxQueuePackets/2 && c.queued <= c.cfg.MaxQueueBytes/2
	})
}

// Flush waits until all that was accepted before the call has been written: to
// the kernel, or in a POST that the server has answered. It fails when the
// session ends with some of it unwritten, or ctx ends.
func (c *Conn) Flush(ctx context.Context) error {
	c.mu.Lock()
	last := c.accepted
	c.mu.Unlock()
	return c.await(ctx, func() bool { return c.accepted-uint64(c.pending) >= last })
}

// await waits until ok holds. ok is called with mu held.
func (c *Conn) await(ctx context.Context, ok func() bool) error {
	for {
		c.mu.Lock()
		switch {
		case ok():
			c.mu.Unlock()
			return nil
		case c.state == closed:
			defer c.mu.Unlock()
			return c.err
		}
		changed := c.changedLocked()
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Conn) changedLocked() <-chan struct{} {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

func (c *Conn) notifyLocked() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// Pause stops the delivery of messages after the one under way. The server is
// not read further, so that it has to wait in its turn, and its silence is not
// held against it. In a browser, a WebSocket is read by the browser, and what
// it reads is kept.
func (c *Conn) Pause() {
	c.mu.Lock()
	c.paused = true
	c.mu.Unlock()
}

// Resume undoes Pause.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused {
		c.paused = false
		c.heard = time.Now()
		c.notifyLocked()
	}
}

// receive handles one packet of the session's transport and reports whether the
// session goes on. Calls do not overlap.
func (c *Conn) receive(p eioparser.Packet) bool {
	if hook := c.cfg.hooks.Received; hook != nil {
		c.guard(func() { hook(c, p) })
	}
	switch p.Type {
	case eioparser.Message:
		return c.deliver(p.Data, p.Binary)
	case eioparser.Close:
		c.mu.Lock()
		if c.state == closing && c.phase != switched { // see pollFailed
			c.mu.Unlock()
			return false
		}
		c.finishLocked(&CloseError{Reason: ReasonTransportClose, Remote: true})
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heardLocked()
	switch {
	case p.Type == eioparser.Ping && c.cfg.Revision != eioparser.V3:
		c.owesPong = true
		c.kickLocked()
	case p.Type == eioparser.Pong && c.cfg.Revision == eioparser.V3:
		c.pongedLocked()
	}
	// Noops are for polls. A second open packet, an upgrade and a heartbeat in
	// the wrong direction mean nothing here and change nothing.
	return c.state < closed
}

// deliver hands one message to the handler, and waits while the session is
// paused. It reports whether the session goes on.
func (c *Conn) deliver(data []byte, binary bool) bool {
	c.mu.Lock()
	if c.state != open {
		alive := c.state != closed
		c.mu.Unlock()
		return alive
	}
	c.heardLocked()
	c.delivering = true
	c.mu.Unlock()

	c.guard(func() { c.handler.Message(data, binary) })

	c.mu.Lock()
	for c.paused && c.state == open {
		changed := c.changedLocked()
		c.mu.Unlock()
		<-changed
		c.mu.Lock()
	}
	c.heard = time.Now() // until now the silence was ours
	c.deliveredLocked()
	alive := c.state != closed
	c.mu.Unlock()
	return alive
}

// deliveredLocked ends a handler call.
func (c *Conn) deliveredLocked() {
	c.delivering = false
	if c.owesClosed {
		c.owesClosed = false
		c.goLocked(c.tellClosed)
	}
}

// guard calls f, which calls the application. A panic in it ends the session,
// not the process.
func (c *Conn) guard(f func()) { callback(c, f) }

// callback is on the stack of every call of the application: see inCallback.
//
//go:noinline
func callback(c *Conn, f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.cfg.Logger.Error("the application panicked", "panic", v, "stack", string(debug.Stack()))
			c.finish(&CloseError{Reason: ReasonForcedClose, Err: fmt.Errorf("%w: %v", errPanicked, v)})
		}
	}()
	f()
}

var callbackEntry = reflect.ValueOf(callback).Pointer()

// inCallback reports whether the caller runs inside a Handler method or a hook,
// of any session.
func inCallback() bool {
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for frames := runtime.CallersFrames(pcs[:n]); ; {
			frame, more := frames.Next()
			if frame.Entry == callbackEntry && frame.Entry != 0 {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

// goLocked starts a goroutine of the session. Close waits for it.
func (c *Conn) goLocked(f func()) {
	c.running++
	go func() { // what ends it is said where goLocked is called
		f()
		c.mu.Lock()
		c.exit()
	}()
}

// exit ends what running counts. It releases mu.
func (c *Conn) exit() {
	c.running--
	last := c.running == 0 && c.state == closed
	c.mu.Unlock()
	if last {
		c.wire.close()
		close(c.done)
	}
}

func (c *Conn) log(msg string, args ...any) { c.cfg.Logger.Debug(msg, args...) }

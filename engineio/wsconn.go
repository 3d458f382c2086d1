package engineio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/internal/handoff"
	"github.com/siogo/sio/internal/rawconn"
	"github.com/siogo/sio/internal/websocket"
	"github.com/siogo/sio/internal/wheel"
)

// Close codes of WebSocket that we send on our own account. The others come
// with a [websocket.ProtocolError].
const (
	closeNormal   = 1000
	closeNone     = 1005 // a close frame without a code, as the reference sends
	closeProtocol = 1002
	closePolicy   = 1008
)

// closeCode returns what the client's WebSocket is told about the end of its
// session.
func closeCode(err *CloseError) (code int, reason string) {
	var violation *websocket.ProtocolError
	switch {
	case errors.As(err.Err, &violation):
		return violation.Code, violation.Reason
	case err.Reason == ReasonParseError:
		return closeProtocol, "parse error"
	case err.Reason == ReasonSlowConsumer:
		return closePolicy, "slow consumer"
	}
	return closeNone, ""
}

// A wsConn is one WebSocket, as the transport of its session or as the one
// that wants to become it.
//
// Its bytes come from one of two readers. A connection with a descriptor of its
// own has no goroutine: one of the server's pollers calls Ready when there is
// something to do. Any other has one that waits in read, and a writer, started
// by flushLocked when nothing can be written without waiting, which ends when
// all is written or the connection fails. Whoever reads is the one to close.
//
// The fields of the first block are guarded by the session's mu; those of the
// second belong to the reader, of which there is one at a time. Whoever sets
// flushing is the only one to write.
type wsConn struct {
	s    *Session
	conn rawconn.Conn

	reading  bool      // polled: somebody reads
	more     bool      // polled: there was another event meanwhile
	ended    bool      // polled: the client will send no more than what is there
	parked   bool      // polled: nobody reads, because the session is paused
	flushing bool      // somebody writes, or the poller will when it can
	stalled  bool      // it is the poller, or the writer goroutine, which may wait
	room     bool      // polled: it became writable since the write under way began
	ending   bool      // the session has no use for it: say goodbye, then wait for the client's
	left     bool      // the client has said goodbye, and need not wait for ours
	gone     bool      // the reader has ended: close when nothing is being written
	deflate  bool      // permessage-deflate was negotiated; immutable
	b64      bool      // the client takes no binary messages; immutable
	attached bool      // it is the session's transport, no longer a probe; belongs to the reader
	discard  bool      // what comes is of no interest any more; belongs to the reader
	out      *outbound // being written, or what is left of it while stalled; nil: nothing
	aside    *aside    // nil: not needed

	parser websocket.Parser
	rest   *[]byte // polled: read, and not handled because the session was paused

	next, prev *wsConn // the server's list; guarded by Server.mu
}

// An aside is the part of a connection that is there while the connection is
// opened, stalled or closed, and no longer: most are idle most of the time.
type aside struct {
	control  []*Message // raw frames and probe answers that go before the session's queue
	pong     *Message   // the latest ping's answer
	timer    wheel.Timer
	cutBy    time.Duration // when the connection is cut; 0: not
	progress time.Duration // polled: when the client last took something, while stalled
}

func (c *wsConn) asideLocked() *aside {
	if c.aside == nil {
		c.aside = &aside{}
	}
	return c.aside
}

// dropAsideLocked lets the aside go if there is nothing in it, and with it the
// room in the queue, which an idle session that was opened does not need again.
func (c *wsConn) dropAsideLocked() {
	if a := c.aside; a != nil && len(a.control) == 0 && a.pong == nil && a.cutBy == 0 {
		c.s.srv.wheel.Stop(&a.timer)
		c.aside = nil
		if len(c.s.queue) == 0 {
			c.s.queue = nil
		}
	}
}

// An outbound is what one flush writes.
type outbound struct {
	inflight []*Message
	offset   int // how many bytes of inflight[0] are written
}

var outbounds = sync.Pool{New: func() any { return new(outbound) }}

// keepOutbound is up to how many slots an outbound goes back to the pool with.
const keepOutbound = 4 * batch

// releaseOutLocked gives an outbound back that is written.
func (c *wsConn) releaseOutLocked() {
	o := c.out
	c.out = nil
	if o != nil && cap(o.inflight) <= keepOutbound {
		outbounds.Put(o)
	}
}

// bindLocked makes c the session's transport.
func (c *wsConn) bindLocked() {
	c.s.ws.Store(c)
	c.attached = true
}

// start begins to read. It does not wait.
func (c *wsConn) start() {
	if !c.conn.Polled() {
		go c.read() // ends with the connection; Server.Shutdown waits for it
		return
	}
	if err := c.conn.Watch(c); err != nil {
		c.fail(ReasonTransportError, err)
		c.end()
		return
	}
	c.readSoon() // the HTTP server may have read something already
}

// read is the life of a reader with a goroutine.
func (c *wsConn) read() {
	read := c.conn.Reader()
	for more := true; more; {
		b, buf, err := read()
		if err != nil {
			c.lost(err)
			break
		}
		for b, more = c.feed(b); len(b) > 0; b, more = c.feed(b) {
			c.s.awaitResume()
		}
		rawconn.Release(buf)
	}
	c.end()
}

// A batcher is a Handler that has work to do after the messages of one read,
// and lets whoever reads do it. Package socketio's is one.
type batcher interface {
	// BeginBatch is called before messages are delivered.
	BeginBatch()
	// EndBatch is called after them. It returns the work, or nil. It must not
	// wait, nor call the session.
	EndBatch() handoff.Task
}

// turnReads is how often a polled connection is read before others have their
// turn.
const turnReads = 8

// Ready is called by the poller.
func (c *wsConn) Ready(r rawconn.Readiness) (again bool, task handoff.Task) {
	b, _ := c.s.handler.(batcher)
	return c.ready(r, b)
}

// Settle writes what was held back for the task.
func (c *wsConn) Settle() {
	s := c.s
	s.mu.Lock()
	s.uncorkLocked()
}

// readSoon calls ready until the poller can be relied on.
func (c *wsConn) readSoon() {
	for again := true; again; {
		again, _ = c.ready(rawconn.Readable, nil)
	}
}

// ready is called when a polled connection has become readable or writable. It
// reports whether it is to be called again soon. The task is what b makes of
// the messages; until the call of Settle, the session is corked.
func (c *wsConn) ready(r rawconn.Readiness, b batcher) (again bool, task handoff.Task) {
	s := c.s
	s.mu.Lock()
	c.ended = c.ended || r&rawconn.Ended != 0
	if r&rawconn.Writable != 0 {
		c.room = true // for a write under way, which may find the connection full no more
		if c.stalled {
			c.stalled, c.flushing = false, false
			c.flushLocked()
			s.mu.Lock()
		}
	}
	switch {
	case r&rawconn.Readable == 0 || c.gone || c.parked:
		s.mu.Unlock()
		return false, nil
	case c.reading:
		c.more = true
		s.mu.Unlock()
		return false, nil
	}
	c.reading, c.more = true, false
	ended := c.ended
	if !c.attached {
		b = nil // what a probe sends is for the session; messages come by polling meanwhile
	}
	s.mu.Unlock()

	if b != nil {
		b.BeginBatch()
	}
	result := c.readTurn(ended)
	if b != nil {
		task = b.EndBatch()
	}
	if result == readEnd {
		c.end()
		return false, task
	}
	s.mu.Lock()
	if result == readPaused && s.paused.Load() && s.state < closed {
		c.parked = true
	} else {
		again = c.more || result == readMore || result == readPaused
	}
	c.reading = false
	if task != nil {
		s.corked = true // or as it is: a task may be under way while somebody else reads
	}
	s.mu.Unlock()
	return again, task
}

// readTurn reads until there is nothing, or for long enough.
func (c *wsConn) readTurn(ended bool) readResult {
	for range turnReads {
		result := c.readOnce()
		switch {
		case result == readMore:
		case result == readAll && ended: // it was told and will not be again
		default:
			return result
		}
	}
	return readMore
}

type readResult uint8

const (
	readMore    readResult = iota // something was read; there may be more
	readAll                       // something was read, and it was all for now
	readNothing                   // there was nothing
	readPaused                    // the session is paused; what is left is in rest
	readEnd                       // the connection is of no more use
)

// readOnce reads a polled connection, without waiting.
func (c *wsConn) readOnce() readResult {
	if rest := c.rest; rest != nil {
		c.rest = nil
		return c.handle(*rest, nil)
	}
	b, buf, drained, err := c.conn.TryRead()
	switch {
	case err == syscall.EAGAIN:
		return readNothing
	case err != nil:
		c.lost(err)
		return readEnd
	}
	result := c.handle(b, buf)
	if result == readMore && drained {
		return readAll
	}
	return result
}

// handle feeds what was read. What a paused session leaves is kept for later.
func (c *wsConn) handle(b []byte, buf *rawconn.Buffer) readResult {
	for {
		rest, more := c.feed(b)
		if len(rest) == 0 {
			rawconn.Release(buf)
			if !more {
				return readEnd
			}
			return readMore
		}
		if c.s.paused.Load() && c.s.alive() {
			if buf != nil {
				rest = bytes.Clone(rest)
			}
			c.rest = &rest
			rawconn.Release(buf)
			return readPaused
		}
		b = rest
	}
}

// unparkLocked goes on reading. mu is held.
func (c *wsConn) unparkLocked() {
	if !c.parked {
		return
	}
	c.parked = false
	go c.readSoon() // ends when there is nothing to read, or the session is paused again
}

// end lets everything about the connection go, now or when what is being
// written is.
func (c *wsConn) end() {
	s := c.s
	s.mu.Lock()
	c.gone = true
	busy := c.flushing && (!c.stalled || !c.conn.CanTry())
	if c.aside != nil {
		s.srv.wheel.Stop(&c.aside.timer)
	}
	s.mu.Unlock()
	if !busy {
		c.conn.Close()
	}
	s.srv.removeConn(c)
}

// cutLater cuts the connection after d, unless that is to happen sooner.
func (c *wsConn) cutLater(d time.Duration) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.cutLaterLocked(d)
}

func (c *wsConn) cutLaterLocked(d time.Duration) {
	if c.gone {
		return
	}
	at, a := c.s.srv.wheel.Now()+d, c.asideLocked()
	if a.cutBy == 0 || at < a.cutBy {
		a.cutBy = at
		c.s.srv.wheel.Set(&a.timer, c, at)
	}
}

// Expire looks at the deadlines of the connection.
func (c *wsConn) Expire(now time.Duration) {
	s := c.s
	s.mu.Lock()
	a := c.aside
	if c.gone || a == nil {
		s.mu.Unlock()
		return
	}
	patience := a.progress + s.srv.cfg.WriteTimeout
	switch {
	case reached(a.cutBy, now):
		c.conn.Cut()
		s.mu.Unlock()
	case !c.stalled || !c.conn.Polled():
		if a.cutBy != 0 {
			s.srv.wheel.Set(&a.timer, c, a.cutBy)
		}
		s.mu.Unlock()
	case patience > now:
		if a.cutBy != 0 {
			patience = min(patience, a.cutBy)
		}
		s.srv.wheel.Set(&a.timer, c, patience)
		s.mu.Unlock()
	default:
		c.brokenLocked(errWriteTimeout)
	}
}

var errWriteTimeout = errors.New("the client took nothing of what was written to it for too long")

// feed parses what was read and reports whether there is more to read. It stops
// early when the session is paused, and returns what is left then.
func (c *wsConn) feed(b []byte) (rest []byte, more bool) {
	for len(b) > 0 && !c.discard {
		if c.attached && c.s.paused.Load() && c.s.alive() {
			return b, true // a probe goes on: it carries no messages
		}
		ev, n, err := c.parser.Next(b)
		b = b[n:]
		if err != nil {
			c.fail(ReasonTransportError, err)
			c.discard = true
			break
		}
		switch ev.Kind {
		case websocket.None:
			return nil, true
		case websocket.Text:
			p, err := eioparser.DecodeText(c.s.rev, ev.Data)
			c.packet(p, err)
		case websocket.Binary:
			p, err := eioparser.DecodeBinary(c.s.rev, ev.Data)
			c.packet(p, err)
		case websocket.Ping:
			c.answerPing(ev.Data)
		case websocket.Close:
			c.closedByPeer(ev.Code)
			return nil, false
		}
	}
	return nil, true
}

// packet handles one packet. Those that come after the session's end are
// ignored by it.
func (c *wsConn) packet(p eioparser.Packet, err error) {
	switch {
	case err != nil:
		c.fail(ReasonParseError, err)
	case c.attached:
		c.s.receive(p)
	case !c.s.probed(c, p):
		c.s.abortProbe(c, closeNone, "")
	}
}

// answerPing queues a pong. Only the latest is kept, so that a client that
// pings and does not read gathers nothing here.
func (c *wsConn) answerPing(data []byte) {
	c.s.mu.Lock()
	if c.ending {
		c.s.mu.Unlock()
		return
	}
	c.asideLocked().pong = newRaw(websocket.AppendFrame(nil, websocket.Server, websocket.OpPong, data))
	c.flushLocked()
}

// fail ends what c is for: the session, or only the probe.
func (c *wsConn) fail(r Reason, err error) {
	if c.isTransport() {
		c.s.finish(&CloseError{Reason: r, Remote: r == ReasonTransportClose, Err: err})
		return
	}
	code, reason := closeCode(&CloseError{Reason: r, Err: err})
	c.s.abortProbe(c, code, reason)
}

// lost handles the end of the connection as the reader sees it.
func (c *wsConn) lost(err error) {
	if err == io.EOF || isConnError(err) {
		c.fail(ReasonTransportClose, nil)
		return
	}
	c.fail(ReasonTransportClose, err)
}

func isConnError(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// closedByPeer answers the client's close frame with the same code.
func (c *wsConn) closedByPeer(code int) {
	c.s.mu.Lock()
	c.left = true
	c.s.mu.Unlock()
	c.close(code, "") // before fail, which would close with another code
	c.fail(ReasonTransportClose, nil)
}

func (c *wsConn) isTransport() bool { return c.s.ws.Load() == c }

// close says goodbye with a code, and gives the client CloseTimeout to answer.
// A client that does not read is cut off.
func (c *wsConn) close(code int, reason string) {
	s := c.s
	s.mu.Lock()
	if c.ending {
		s.mu.Unlock()
		return
	}
	c.ending = true
	s.notifyLocked()
	c.unparkLocked()
	if c.gone || c.stalled && c.conn.CanTry() {
		if !c.gone {
			c.conn.Cut()
		}
		s.mu.Unlock()
		return
	}
	a := c.asideLocked()
	a.control = append(a.control, newRaw(websocket.AppendClose(nil, websocket.Server, code, reason)))
	if c.stalled {
		c.conn.SetWriteDeadline(time.Now().Add(goodbyeTimeout))
	}
	c.cutLaterLocked(s.srv.cfg.CloseTimeout)
	c.flushLocked()
}

// goodbyeTimeout is how long a close frame may take to be written.
const goodbyeTimeout = time.Second

// batch is how many frames one write takes at the most.
const batch = 64

var vectors = sync.Pool{New: func() any { return new([batch][]byte) }}

// flushLocked writes what waits, in one attempt that does not wait itself, and
// starts a writer for what is left. It releases mu.
func (c *wsConn) flushLocked() {
	s := c.s
	if c.flushing || c.gone {
		s.mu.Unlock()
		return
	}
	c.flushing = true
	if len(s.queue) == 1 && s.ws.Load() == c && c.freeLocked() {
		m := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[:0]
		if !c.writeOneLocked(m) {
			return
		}
	}
	c.writeRestLocked()
}

// freeLocked reports whether a message of the session can be written at once:
// nothing goes before it, and nothing about the write can wait.
func (c *wsConn) freeLocked() bool {
	return !c.ending && c.out == nil && c.aside == nil && c.conn.Polled()
}

// writeOneLocked writes a message, as most are alone. Whoever calls it has set
// flushing. It reports whether the flush goes on; if not, it releases mu.
func (c *wsConn) writeOneLocked(m *Message) bool {
	s := c.s
	f := c.frame(m)
	c.room = false
	s.mu.Unlock()
	n, err := c.conn.TryWriteOne(f)
	s.mu.Lock()
	if n == len(f) {
		if s.ws.Load() == c && s.state != closed {
			var t tally
			t.add(m)
			s.writtenLocked(t)
		}
		return true
	}
	c.out = outbounds.Get().(*outbound)
	c.out.inflight = append(c.out.inflight, m)
	c.out.offset = n
	switch {
	case err != nil:
		c.brokenLocked(err)
	case !c.room:
		c.startWriterLocked()
	default:
		return true
	}
	return false
}

// writeRestLocked goes on with a flush, and ends it. It releases mu.
func (c *wsConn) writeRestLocked() {
	s := c.s
	for c.loadLocked() {
		if !c.conn.CanTry() {
			c.startWriterLocked()
			return
		}
		vec := vectors.Get().(*[batch][]byte)
		bufs, want := c.vectorLocked(vec)
		c.room = false
		s.mu.Unlock()
		n, err := c.conn.TryWrite(bufs)
		clear(bufs)
		vectors.Put(vec)
		s.mu.Lock()
		c.advanceLocked(n)
		if err != nil {
			c.brokenLocked(err)
			return
		}
		if n < want && !c.room { // the poller tells of room once, and may have done so
			c.startWriterLocked()
			return
		}
	}
	c.idleLocked()
}

func (c *wsConn) startWriterLocked() {
	c.stalled = true
	if c.conn.Polled() { // the poller will say when there is room
		srv, gone := c.s.srv, c.gone
		if !gone {
			a := c.asideLocked()
			a.progress = srv.wheel.Now()
			if a.cutBy == 0 {
				srv.wheel.Set(&a.timer, c, a.progress+srv.cfg.WriteTimeout)
			}
		}
		c.s.mu.Unlock()
		if gone {
			c.conn.Close()
		}
		return
	}
	c.s.mu.Unlock()
	go c.write() // ends when all is written or the connection fails; closing it makes it fail
}

// write is the writer's life: it waits for the client to read.
func (c *wsConn) write() {
	s := c.s
	s.mu.Lock()
	for c.loadLocked() {
		var vec [batch][]byte
		bufs, _ := c.vectorLocked(&vec)
		timeout := s.srv.cfg.WriteTimeout
		if c.ending {
			timeout = goodbyeTimeout
		}
		s.mu.Unlock()
		nb := net.Buffers(bufs)
		n, err := c.conn.Write(&nb, timeout)
		s.mu.Lock()
		c.advanceLocked(n)
		if err != nil && (n == 0 || c.ending || !isTimeout(err)) {
			c.brokenLocked(err)
			return
		}
	}
	c.stalled = false
	c.idleLocked()
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// loadLocked makes sure inflight holds what is to be written next, and reports
// whether there is anything.
func (c *wsConn) loadLocked() bool {
	if c.out != nil && len(c.out.inflight) > 0 {
		return true
	}
	s, a := c.s, c.aside
	queued := s.ws.Load() == c && len(s.queue) > 0 && !c.ending
	if !queued && (a == nil || a.pong == nil && len(a.control) == 0) {
		return false
	}
	if c.out == nil {
		c.out = outbounds.Get().(*outbound)
	}
	o := c.out
	if a != nil {
		if a.pong != nil {
			o.inflight = append(o.inflight, a.pong)
			a.pong = nil
		}
		o.inflight = append(o.inflight, a.control...)
		a.control = nil
	}
	switch {
	case !queued:
	case len(o.inflight) == 0 && cap(s.queue) > idleCap: // an idle session would not keep it
		o.inflight, s.queue = s.queue, nil
	default:
		o.inflight = append(o.inflight, s.queue...)
		clear(s.queue)
		s.queue = s.queue[:0]
	}
	return true
}

// vectorLocked fills vec with the next frames and returns it with its size.
func (c *wsConn) vectorLocked(vec *[batch][]byte) (bufs [][]byte, size int) {
	for i, m := range c.out.inflight {
		if i == batch {
			break
		}
		f := c.frame(m)
		if i == 0 {
			f = f[c.out.offset:]
		}
		vec[i] = f
		size += len(f)
		bufs = vec[:i+1]
	}
	return bufs, size
}

// frame returns the finished frame of a message. The base64 form is for very
// old clients and not kept.
func (c *wsConn) frame(m *Message) []byte {
	if c.b64 && m.binary {
		return m.base64Frame(c.s.rev)
	}
	return m.frame(c.s.rev)
}

// advanceLocked takes n written bytes off inflight.
func (c *wsConn) advanceLocked(n int) {
	o := c.out
	n += o.offset
	done, t := 0, tally{}
	for _, m := range o.inflight {
		l := len(c.frame(m))
		if n < l {
			break
		}
		n -= l
		done++
		if !m.raw {
			t.add(m)
		}
	}
	o.offset = n
	rest := copy(o.inflight, o.inflight[done:])
	clear(o.inflight[rest:])
	o.inflight = o.inflight[:rest]
	if c.s.ws.Load() == c && c.s.state != closed && t.packets > 0 {
		c.s.writtenLocked(t)
	}
}

// idleLocked ends a flush that wrote everything. It releases mu.
func (c *wsConn) idleLocked() {
	s := c.s
	c.flushing = false
	c.releaseOutLocked()
	c.dropAsideLocked()
	if cap(s.queue) > idleCap && len(s.queue) == 0 {
		s.queue = nil
	}
	switch {
	case c.gone:
		s.mu.Unlock()
		c.conn.Close()
	case s.ws.Load() == c && s.state == closing:
		s.finishLocked(s.err)
	default:
		s.mu.Unlock()
	}
}

// idleCap is how many queue slots an idle session keeps.
const idleCap = 4

// brokenLocked handles a failed write. It releases mu.
func (c *wsConn) brokenLocked(err error) {
	c.flushing, c.stalled = false, false
	c.ending = true // nothing can be said any more
	c.unparkLocked()
	c.out = nil
	if a := c.aside; a != nil {
		a.control, a.pong = nil, nil
	}
	gone, reason := c.gone, ReasonTransportError
	if c.left {
		reason, err = ReasonTransportClose, nil
	}
	c.s.mu.Unlock()
	c.fail(reason, err) // before the reader sees the end, and takes it for the client's
	if gone {
		c.conn.Close() // the reader left that to whoever was writing
		return
	}
	c.cutLater(0)
}

package engineio

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/internal/rawconn"
	"github.com/siogo/sio/internal/websocket"
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
// Goroutines: one reader, started by serveWebSocket, which ends with the
// connection and is the one to close it; a writer, started by flushLocked when the
// kernel takes no more bytes, which ends when all is written or the connection
// fails. The fields of the first block belong to the reader; those of the
// second are guarded by the session's mu. Whoever sets flushing is the only one
// to write.
type wsConn struct {
	s    *Session
	conn *rawconn.Conn

	parser   websocket.Parser
	deflate  bool // permessage-deflate was negotiated; immutable
	b64      bool // the client takes no binary messages; immutable
	attached bool // it is the session's transport, no longer a probe
	discard  bool // what comes is of no interest any more

	flushing bool       // somebody writes
	stalled  bool       // it is the writer goroutine, which may wait
	ending   bool       // the session has no use for it: say goodbye, then wait for the client's
	gone     bool       // the reader has ended: close when nothing is being written
	inflight []*Message // being written
	offset   int        // how many bytes of inflight[0] are written
	control  []*Message // raw frames and probe answers that go before the session's queue
	pong     *Message   // the latest ping's answer

	next, prev *wsConn // the server's list; guarded by Server.mu
}

// bindLocked makes c the session's transport.
func (c *wsConn) bindLocked() {
	c.s.ws = c
	c.s.deflate.Store(c.deflate)
	c.attached = true
}

// read is the reader's life. It returns when the connection is of no more use
// and everything about it has been let go.
func (c *wsConn) read() {
	read := c.conn.Reader()
	for {
		b, buf, err := read()
		if err != nil {
			c.lost(err)
			break
		}
		more := c.feed(b)
		rawconn.Release(buf)
		if !more {
			break
		}
	}
	s := c.s
	s.mu.Lock()
	c.gone = true
	busy := c.flushing && (!c.stalled || !c.conn.CanTry())
	s.mu.Unlock()
	if !busy {
		c.conn.NetConn().Close()
	}
	s.srv.removeConn(c)
}

// feed parses what was read and reports whether there is more to read.
func (c *wsConn) feed(b []byte) bool {
	for len(b) > 0 && !c.discard {
		ev, n, err := c.parser.Next(b)
		b = b[n:]
		if err != nil {
			c.fail(ReasonTransportError, err)
			c.discard = true
			break
		}
		switch ev.Kind {
		case websocket.None:
			return true
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
			return false
		}
	}
	return true
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
	c.pong = newRaw(websocket.AppendFrame(nil, websocket.Server, websocket.OpPong, data))
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
	c.close(code, "") // before fail, which would close with another code
	c.fail(ReasonTransportClose, nil)
}

func (c *wsConn) isTransport() bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.ws == c
}

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
	nc := c.conn.NetConn()
	if c.stalled && c.conn.CanTry() {
		s.mu.Unlock()
		nc.Close()
		return
	}
	c.control = append(c.control, newRaw(websocket.AppendClose(nil, websocket.Server, code, reason)))
	if c.stalled {
		nc.SetWriteDeadline(time.Now().Add(goodbyeTimeout))
	}
	nc.SetReadDeadline(time.Now().Add(s.srv.cfg.CloseTimeout))
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
	if c.flushing {
		s.mu.Unlock()
		return
	}
	c.flushing = true
	for c.loadLocked() {
		if !c.conn.CanTry() {
			c.startWriterLocked()
			return
		}
		vec := vectors.Get().(*[batch][]byte)
		bufs, want := c.vectorLocked(vec)
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
		if n < want {
			c.startWriterLocked()
			return
		}
	}
	c.idleLocked()
}

func (c *wsConn) startWriterLocked() {
	c.stalled = true
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
	if len(c.inflight) > 0 {
		return true
	}
	s := c.s
	if c.pong != nil {
		c.inflight = append(c.inflight, c.pong)
		c.pong = nil
	}
	if len(c.control) > 0 {
		c.inflight = append(c.inflight, c.control...)
		c.control = nil
	}
	if s.ws == c && len(s.queue) > 0 && !c.ending {
		if len(c.inflight) == 0 {
			c.inflight, s.queue = s.queue, c.inflight
		} else {
			c.inflight = append(c.inflight, s.queue...)
			clear(s.queue)
			s.queue = s.queue[:0]
		}
	}
	return len(c.inflight) > 0
}

// vectorLocked fills vec with the next frames and returns it with its size.
func (c *wsConn) vectorLocked(vec *[batch][]byte) (bufs [][]byte, size int) {
	for i, m := range c.inflight {
		if i == batch {
			break
		}
		f := c.frame(m)
		if i == 0 {
			f = f[c.offset:]
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
	n += c.offset
	done, t := 0, tally{}
	for _, m := range c.inflight {
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
	c.offset = n
	rest := copy(c.inflight, c.inflight[done:])
	clear(c.inflight[rest:])
	c.inflight = c.inflight[:rest]
	if c.s.ws == c && c.s.state != closed && t.packets > 0 {
		c.s.writtenLocked(t)
	}
}

// idleLocked ends a flush that wrote everything. It releases mu.
func (c *wsConn) idleLocked() {
	s := c.s
	c.flushing = false
	if cap(c.inflight) > idleCap {
		c.inflight = nil
	}
	if cap(s.queue) > idleCap && len(s.queue) == 0 {
		s.queue = nil
	}
	switch {
	case c.gone:
		s.mu.Unlock()
		c.conn.NetConn().Close()
	case s.ws == c && s.state == closing:
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
	c.inflight, c.control, c.pong, c.offset = nil, nil, nil, 0
	c.s.mu.Unlock()
	c.fail(ReasonTransportError, err) // before the reader sees the end, and takes it for the client's
	c.conn.NetConn().Close()
}

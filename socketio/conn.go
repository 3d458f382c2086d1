package socketio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/internal/handoff"
	"github.com/siogo/sio/socketio/internal/mailbox"
	"github.com/siogo/sio/socketio/sioparser"
)

// conn is one client's connection: the handler of an Engine.IO session, which
// calls Message and Closed one at a time.
//
// mu guards what the fields say; nothing is called while it is held. What is
// between is used by Message alone, and by the calls around it.
type conn struct {
	srv     *Server           // immutable
	session *engineio.Session // immutable

	claimed  *mailbox.Mailbox // that the reader is going to run; nil: none
	pending  *pending         // while attachments are awaited
	batching bool             // between BeginBatch and EndBatch

	closed   bool // mu guards it, as all that follows
	paused   bool // what the session was told
	adjuster bool // somebody is telling it

	mu      sync.Mutex
	full    int32       // mailboxes that are full
	sockets sockets     // at most one for each namespace, those that are joining included
	left    *[]string   // namespaces that the server left last: the client may not know yet; nil: none
	timer   *time.Timer // until the first namespace is joined
}

// sockets are those of one connection. Most have one, for which there is room
// without a slice.
type sockets struct {
	one  *Socket
	more *[]*Socket // nil: there is no other
}

// all yields them, in the order in which they came while none has gone.
func (l *sockets) all(yield func(*Socket) bool) {
	if l.one != nil && !yield(l.one) || l.more == nil {
		return
	}
	for _, s := range *l.more {
		if !yield(s) {
			return
		}
	}
}

func (l *sockets) len() (n int) {
	if l.one != nil {
		n++
	}
	if l.more != nil {
		n += len(*l.more)
	}
	return n
}

func (l *sockets) of(namespace string) *Socket {
	for s := range l.all {
		if s.ns.name == namespace {
			return s
		}
	}
	return nil
}

func (l *sockets) add(s *Socket) {
	switch {
	case l.one == nil:
		l.one = s
	case l.more == nil:
		l.more = &[]*Socket{s}
	default:
		*l.more = append(*l.more, s)
	}
}

// replace puts another socket, or nil, in the place of s, and reports whether s
// was there.
func (l *sockets) replace(s, other *Socket) bool {
	if l.one == s {
		l.one = other
		return true
	}
	if l.more == nil {
		return false
	}
	i := slices.Index(*l.more, s)
	switch {
	case i < 0:
		return false
	case other != nil:
		(*l.more)[i] = other
	case len(*l.more) == 1:
		l.more = nil
	default:
		*l.more = slices.Delete(*l.more, i, i+1)
	}
	return true
}

// pending is a packet whose attachments are awaited.
type pending struct {
	decoder sioparser.Decoder
	late    *time.Timer // ends the connection
}

// open begins a connection, inside the handshake of its session.
func (srv *Server) open(session *engineio.Session) engineio.Handler {
	c := &conn{srv: srv, session: session}
	c.timer = time.AfterFunc(srv.cfg.ConnectTimeout, c.connectTimedOut)
	if c.v2() {
		// Clients of this generation are in "/" without asking for it. The
		// answer travels with the handshake unless middleware has to decide.
		c.connect("/", sioparser.Args{})
	}
	return c
}

// v2 reports whether the client is of the generation 2.x.
func (c *conn) v2() bool { return c.session.Revision() == eioparser.V3 }

// connectTimedOut closes a connection that has not joined a namespace.
func (c *conn) connectTimedOut() {
	c.mu.Lock()
	waiting := c.timer != nil
	c.mu.Unlock()
	if waiting {
		c.srv.cfg.Logger.Info("closing a connection that has joined no namespace", "remote", c.session.Handshake().RemoteAddr())
		c.session.Close()
	}
}

// joined stops the timer of connectTimedOut.
func (c *conn) joined() {
	c.mu.Lock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	c.mu.Unlock()
}

// Message handles one message of the client. A decoder is borrowed for it, and
// kept only while attachments are awaited.
func (c *conn) Message(data []byte, binary bool) {
	var d sioparser.Decoder
	first := c.pending == nil
	if first {
		d = c.srv.decoders.Get().(sioparser.Decoder)
	} else {
		d = c.pending.decoder
	}
	p, complete, err := d.Add(data, binary)
	if err != nil {
		c.attachmentsEnd()
		c.violation(err)
		return
	}
	if complete {
		if log := c.srv.cfg.Logger; log.Enabled(context.Background(), slog.LevelDebug) {
			c.logPacket(log, &p)
		}
		c.packet(&p)
	}
	if d.Pending() {
		if first && !c.expectAttachments(p.Namespace, d) {
			c.violation(fmt.Errorf("packet with attachments for the namespace %.80q, which was not joined", p.Namespace))
		}
		return
	}
	c.attachmentsEnd()
	c.srv.decoders.Put(d)
}

// BeginBatch and EndBatch are called around Message by a reader that runs brief
// handlers itself. The engine knows them by their names.
func (c *conn) BeginBatch() { c.batching = true }

// EndBatch returns the mailbox that the reader has to run, or nil.
func (c *conn) EndBatch() handoff.Task {
	c.batching = false
	m := c.claimed
	if m == nil {
		return nil
	}
	c.claimed = nil
	return m
}

// put puts an event into a mailbox of the connection. Within a batch, the first
// mailbox with brief work is left to the reader.
func (c *conn) put(m *mailbox.Mailbox, e *Event, p mailbox.Policy) mailbox.Result {
	if !c.batching {
		return m.Put(&e.turn, task{e}, p)
	}
	r := m.Offer(&e.turn, task{e}, p)
	switch {
	case !r.Claimed:
	case c.claimed == nil:
		c.claimed = m
	default:
		m.Go()
	}
	return r
}

func (c *conn) logPacket(log *slog.Logger, p *sioparser.Packet) {
	log.Debug("packet received", "type", p.Type.String(), "namespace", p.Namespace, "event", string(p.Name()), "args", p.Args.Len())
}

// expectAttachments keeps the decoder of an unfinished packet, and bounds how
// long the rest may take. It returns false if the namespace that it is for was
// not joined: nothing is kept then.
func (c *conn) expectAttachments(namespace string, d sioparser.Decoder) bool {
	if s, left := c.find(namespace); s == nil && !left {
		return false
	}
	c.pending = &pending{d, time.AfterFunc(c.srv.cfg.PingTimeout, func() {
		c.violation(errors.New("attachments did not come in time"))
	})}
	return true
}

// attachmentsEnd undoes expectAttachments: they have come, or never will.
func (c *conn) attachmentsEnd() {
	if c.pending != nil {
		c.pending.late.Stop()
		c.pending = nil
	}
}

// violation closes the connection of a client that broke the protocol.
func (c *conn) violation(err error) {
	c.srv.cfg.Logger.Info("protocol violation", "remote", c.session.Handshake().RemoteAddr(), "err", err)
	c.session.Abort(engineio.ReasonParseError, err)
}

// packet handles one packet, which is valid during the call.
func (c *conn) packet(p *sioparser.Packet) {
	name := p.Namespace
	if p.Type == sioparser.Connect {
		c.connect(name, p.Args)
		return
	}
	s, left := c.find(name)
	switch {
	case left: // it crossed our DISCONNECT
	case s == nil || s.state.Load() < opening:
		c.violation(fmt.Errorf("%v packet for the namespace %.80q, which was not joined", p.Type, name))
	case p.Type == sioparser.Event:
		s.receive(p)
	case p.Type == sioparser.Ack:
		s.acknowledged(p)
	case p.Type == sioparser.Disconnect:
		if c.remove(s, false) {
			s.end(&DisconnectError{Reason: ReasonClientNamespaceDisconnect}, false)
		}
	default:
		c.violation(fmt.Errorf("%v packet from a client", p.Type))
	}
}

// connect handles a CONNECT packet.
func (c *conn) connect(name string, auth sioparser.Args) {
	if c.v2() {
		var query string
		if name, query, _ = strings.Cut(name, "?"); query != "" {
			auth = queryAuth(query)
		}
	}
	c.mu.Lock()
	joined := c.sockets.of(name) != nil
	full := c.sockets.len() >= c.srv.cfg.MaxNamespaces
	if c.left != nil {
		*c.left = slices.DeleteFunc(*c.left, func(n string) bool { return n == name })
	}
	c.mu.Unlock()
	switch {
	case joined && c.v2() && name == "/":
		return // joined by the server, as every client of this generation
	case joined:
		c.violation(fmt.Errorf("CONNECT for the namespace %.80q, which has been joined", name))
		return
	case full:
		c.refuse(name, &Error{Message: "Too many namespaces"})
		return
	}
	ns := c.srv.enter(name, auth)
	if ns == nil {
		c.refuse(name, &Error{Message: "Invalid namespace"})
		return
	}
	s := newSocket(ns, c)
	if s.recoverable {
		auth = s.takeToken(auth)
	}
	s.setAuth(auth)
	if !c.add(s) {
		ns.leave()
		return
	}
	s.join()
}

// queryAuth makes the auth object of a 2.x client from the query of its
// CONNECT packet.
func queryAuth(query string) sioparser.Args {
	values, _ := url.ParseQuery(query) // what cannot be decoded is left out
	object := make(map[string]string, len(values))
	for k, v := range values {
		object[k] = v[len(v)-1]
	}
	args, _ := sioparser.JSON(nil).EncodeArgs("", object) // strings can always be encoded
	return args
}

// add makes the connection know s, unless it is closed.
func (c *conn) add(s *Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.sockets.add(s)
	return true
}

// find returns the socket of a namespace; left says that there was one which
// this server has disconnected.
func (c *conn) find(name string) (s *Socket, left bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sockets.of(name); s != nil {
		return s, false
	}
	return nil, c.left != nil && slices.Contains(*c.left, name)
}

// remove forgets s and reports whether it was known. What the client has sent
// to it by now is ignored if the server left.
func (c *conn) remove(s *Socket, serverLeft bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sockets.replace(s, nil) {
		return false
	}
	if serverLeft {
		if c.left == nil {
			c.left = new([]string)
		}
		if len(*c.left) == maxLeft {
			*c.left = slices.Delete(*c.left, 0, 1)
		}
		*c.left = append(*c.left, s.ns.name)
	}
	return true
}

// replace makes the connection know another socket in the place of s, unless s
// has ended.
func (c *conn) replace(s, other *Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sockets.replace(s, other)
}

// maxLeft is how many namespaces a connection remembers that the server left.
// Packets for them can be on their way for a moment only.
const maxLeft = 32

// all returns the sockets of the connection.
func (c *conn) all() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(c.sockets.all)
}

// refuse answers a CONNECT packet that does not make a socket.
func (c *conn) refuse(name string, e *Error) {
	c.srv.cfg.Logger.Info("refused a namespace", "namespace", name, "remote", c.session.Handshake().RemoteAddr(), "err", e)
	p, err := c.srv.encode(sioparser.Header{Type: sioparser.ConnectError, Namespace: name}, "", []any{c.connectError(e)})
	if err != nil { // the data of the application cannot be encoded
		c.srv.cfg.Logger.Error("cannot tell a client why it was refused", "err", err)
		p, _ = c.srv.encode(sioparser.Header{Type: sioparser.ConnectError, Namespace: name}, "", []any{c.connectError(&Error{Message: e.Message})})
	}
	_ = p.send(c.session, delivery{}) // it fails when the client has gone
}

// connectError returns the payload of a CONNECT_ERROR packet: an object, and
// for 2.x clients the data alone, or else the message.
func (c *conn) connectError(e *Error) any {
	if c.v2() {
		if e.Data != nil {
			return e.Data
		}
		return e.Message
	}
	type code struct {
		Code string `json:"code"`
	}
	payload := struct {
		Message string `json:"message"`
		Code    string `json:"code,omitempty"`
		Data    any    `json:"data,omitempty"`
	}{e.Message, e.Code, e.Data}
	if e.Data == nil && e.Code != "" {
		payload.Data = code{e.Code} // the JavaScript client hands on message and data only
	}
	return payload
}

// Closed ends all sockets of the connection.
func (c *conn) Closed(err *engineio.CloseError) {
	c.mu.Lock()
	c.closed = true
	list := slices.Collect(c.sockets.all)
	c.sockets = sockets{}
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	c.mu.Unlock()
	c.attachmentsEnd()
	reason := &DisconnectError{Reason: Reason(err.Reason), Err: err.Err}
	for _, s := range list {
		s.end(reason, dropsEvents(reason.Reason))
	}
}

// dropsEvents reports whether events that wait for their handlers are dropped:
// when it was this side that had enough of the client.
func dropsEvents(r Reason) bool {
	switch r {
	case ReasonClientNamespaceDisconnect, ReasonTransportClose, ReasonTransportError, ReasonPingTimeout:
		return false
	}
	return true
}

// Room is called by a mailbox that was full and has room again.
func (c *conn) Room() { c.adjust(-1) }

// adjust counts the mailboxes that are full, and reads the connection only
// while there are none.
func (c *conn) adjust(full int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full += full
	if c.adjuster {
		return // whoever tells the session sees the new count
	}
	c.adjuster = true
	for c.paused != (c.full > 0) {
		c.paused = c.full > 0
		tell := c.session.Resume
		if c.paused {
			tell = c.session.Pause
		}
		c.mu.Unlock()
		tell()
		c.mu.Lock()
	}
	c.adjuster = false
}

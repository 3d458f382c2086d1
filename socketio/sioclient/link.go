package sioclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
)

// A link is one connection: the handler of an Engine.IO session, which calls
// Message and Closed one at a time. The decoder is used by Message alone.
type link struct {
	m       *manager        // immutable
	conn    *eioclient.Conn // immutable
	decoder sioparser.Decoder

	closed chan struct{}         // closed after err is set
	err    *eioclient.CloseError // why it ended

	// The mutex of the manager guards these.
	joined     bool           // a namespace was joined over it
	inRoot     bool           // a server of the generation 2.x has put the client into "/"
	unanswered map[string]ask // namespaces that the server was asked for and has not answered
	left       map[string]time.Time
}

// An ask is one CONNECT packet.
type ask struct {
	s     *Socket
	round uint // of the socket
}

// answeredLocked notes that the server has answered for a namespace, and reports
// whether it was asked. The answer is stale if that was before the socket was
// disconnected, which is to be connected again now: it is about what the socket
// was then, its session and Auth.
func (l *link) answeredLocked(namespace string) (asked, stale bool) {
	a, asked := l.unanswered[namespace]
	delete(l.unanswered, namespace)
	s := l.socketLocked(namespace)
	return asked, asked && s != nil && s.phase == joining && (a.s != s || a.round != s.round)
}

func newLink(m *manager, c *eioclient.Conn) *link {
	return &link{
		m:          m,
		conn:       c,
		decoder:    m.cfg.Parser.NewDecoder(&m.cfg.limits),
		closed:     make(chan struct{}),
		unanswered: make(map[string]ask),
		left:       make(map[string]time.Time),
	}
}

// Closed implements eioclient.Handler. The loop of the manager does the rest.
func (l *link) Closed(err *eioclient.CloseError) {
	l.err = err
	close(l.closed)
}

// Message implements eioclient.Handler.
func (l *link) Message(data []byte, binary bool) {
	p, complete, err := l.decoder.Add(data, binary)
	if err != nil {
		l.violation(err)
		return
	}
	if !complete {
		return
	}
	l.m.observe(&p)
	l.packet(&p)
}

// violation ends the connection to a server that broke the protocol.
func (l *link) violation(err error) { l.conn.Abort(eioclient.ReasonParseError, err) }

// observe shows a packet to the log and the hook.
func (m *manager) observe(p *sioparser.Packet) {
	if hook := m.cfg.hooks.Received; hook != nil {
		m.guard("received", func() { hook(p) })
	}
	if log := m.cfg.Logger; log.Enabled(context.Background(), slog.LevelDebug) {
		log.Debug("packet received", "type", p.Type.String(), "namespace", p.Namespace, "event", string(p.Name()), "args", p.Args.Len())
	}
}

// guard calls a function of the application that has no error to return.
func (m *manager) guard(what string, f func()) {
	if p := callback(f); p != nil {
		m.cfg.Logger.Error("the application panicked", "in", what, "panic", p.Value, "stack", string(p.Stack))
	}
}

// packet handles one packet, which is valid during the call.
func (l *link) packet(p *sioparser.Packet) {
	switch p.Type {
	case sioparser.Connect:
		l.connect(p)
	case sioparser.ConnectError:
		l.connectError(p)
	case sioparser.Disconnect:
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		l.inRoot = l.inRoot && p.Namespace != "/"
		if s := l.socketLocked(p.Namespace); s != nil && s.phase == connected {
			s.endLocked(&DisconnectError{Reason: ReasonIOServerDisconnect})
		}
	case sioparser.Event:
		l.event(p)
	case sioparser.Ack:
		if !p.HasID {
			l.violation(errors.New("ACK packet without an id"))
			return
		}
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		if s := l.socketLocked(p.Namespace); s != nil && s.phase == connected {
			s.acknowledgedLocked(p)
		}
	}
}

// socketLocked returns the socket of a namespace if this is its connection.
func (l *link) socketLocked(namespace string) *Socket {
	if s := l.m.sockets[namespace]; s != nil && s.link == l {
		return s
	}
	return nil
}

// connect handles the answer that a namespace is joined. One that nobody asked
// for, or a second one, changes nothing.
func (l *link) connect(p *sioparser.Packet) {
	var welcome struct {
		SID    string `json:"sid"`
		PID    string `json:"pid"`
		Offset string `json:"offset"`
	}
	name := p.Namespace
	v2 := l.m.cfg.V2
	if v2 {
		name, _, _ = strings.Cut(name, "?")
		welcome.SID = l.conn.ID()
		if name != "/" {
			welcome.SID = name + "#" + welcome.SID
		}
	} else if p.Args.Len() > 0 {
		if err := p.Args.Decode(&welcome); err != nil {
			l.violation(fmt.Errorf("CONNECT packet that is not understood: %w", err))
			return
		}
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.inRoot = l.inRoot || v2 && name == "/"
	asked, stale := l.answeredLocked(name)
	s := l.socketLocked(name)
	switch {
	case stale:
		l.leaveLocked(name)
		s.joinAgainLocked(l)
	case s != nil && s.phase == joining && welcome.SID == "":
		s.endLocked(&ConnectError{Namespace: name, Message: "the server answered without an id for the socket: it seems to be of the generation 2.x, see Options.V2"})
	case s != nil && s.phase == joining:
		l.joined = true
		s.connectedLocked(welcome.SID, welcome.PID, welcome.Offset)
	case asked && (s == nil || s.phase != connected):
		l.leaveLocked(name) // the socket has lost interest meanwhile
	}
}

// leaveLocked tells the server that a namespace is left. A server of the
// generation 2.x does not let a client into "/" again, so it is not told.
func (l *link) leaveLocked(name string) {
	if l.m.cfg.V2 && name == "/" {
		return
	}
	frame, _, err := l.m.cfg.Parser.AppendPacket(nil, sioparser.Header{Type: sioparser.Disconnect, Namespace: name}, "")
	if err == nil {
		_ = l.conn.Send(eioclient.Message{Data: frame, Binary: l.m.cfg.Parser.Binary()}) // it fails when the server has gone
		l.left[name] = time.Now()
	}
}

// settling is how long after it was left a namespace is not asked for again over
// the same connection. The reference takes a CONNECT packet that it reads
// together with the DISCONNECT packet before it for a violation.
const settling = 100 * time.Millisecond

// settlingLocked returns how long to wait before asking for a namespace.
func (l *link) settlingLocked(name string) time.Duration {
	at, ok := l.left[name]
	if !ok {
		return 0
	}
	d := settling - time.Since(at)
	if d <= 0 {
		delete(l.left, name)
	}
	return d
}

// connectError handles the refusal of a namespace.
func (l *link) connectError(p *sioparser.Packet) {
	name := p.Namespace
	if l.m.cfg.V2 {
		name, _, _ = strings.Cut(name, "?")
	}
	refusal := newConnectError(name, p.Args)
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	_, stale := l.answeredLocked(name)
	switch s := l.socketLocked(name); {
	case stale:
		s.joinAgainLocked(l)
	case s != nil && s.phase == joining:
		s.endLocked(refusal)
	}
}

// newConnectError makes sense of the payload of a CONNECT_ERROR packet: an
// object, a text, or from servers of the generation 2.x any value.
func newConnectError(namespace string, payload event.Args) *ConnectError {
	e := &ConnectError{Namespace: namespace}
	var text string
	var object struct {
		Message string          `json:"message"`
		Code    string          `json:"code"`
		Data    json.RawMessage `json:"data"`
	}
	switch {
	case payload.Len() == 0:
	case payload.Decode(&text) == nil:
		e.Message = text
	case payload.Decode(&object) == nil && object.Message != "":
		e.Message, e.Code = object.Message, object.Code
		if len(object.Data) > 0 && string(object.Data) != "null" { // what MessagePack makes of undefined
			e.Data = append(json.RawMessage(nil), object.Data...)
		}
	default:
		e.Data = append(json.RawMessage(nil), payload.At(0)...)
	}
	if e.Message == "" {
		e.Message = "no reason was given"
	}
	return e
}

// event handles an event.
func (l *link) event(p *sioparser.Packet) {
	e := &Event{Name: string(p.Name()), link: l, id: p.ID, hasID: p.HasID}
	args := p.Args.Shift().Clone()
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	s := l.socketLocked(p.Namespace)
	if s == nil {
		return // it was left meanwhile, or never joined
	}
	e.socket = s
	switch s.phase {
	case connected:
		e.args = s.noteOffsetLocked(args, p.HasID)
		s.putLocked(e)
	case joining:
		e.args = args
		s.earlyLocked(e)
	}
}

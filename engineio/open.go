package engineio

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/siogo/sio/internal/rawconn"
	"github.com/siogo/sio/internal/websocket"
)

// newSession makes a session for a handshake that passed all checks.
func (srv *Server) newSession(r *http.Request, q query) (*Session, *RequestError) {
	if n := handshakeSize(r); n > maxHandshake {
		return nil, &RequestError{Code: CodeBadRequest, Status: http.StatusRequestHeaderFieldsTooLarge, Message: codeMessages[CodeBadRequest],
			Err: fmt.Errorf("expected a query and headers of at most %d bytes, got %d", maxHandshake, n)}
	}
	id, err := srv.generateID(r)
	if err != nil {
		return nil, requestError(CodeBadRequest, "no session id: %w", err)
	}
	s := &Session{
		srv: srv,
		id:  id,
		rev: q.revision(),
		b64: q.b64,
		hs:  srv.newHandshake(r, srv.cfg.clientAddr(r)),

		moment:     &noMoment,
		delivering: true, // until open is done: a handler is told of an early end after Open
	}
	return s, srv.add(s)
}

func (srv *Server) generateID(r *http.Request) (string, error) {
	generate := srv.cfg.GenerateID
	if generate == nil {
		return newID(), nil
	}
	id, err := generate(r)
	if err == nil && (id == "" || len(id) > 255 || strings.ContainsFunc(id, notInID)) {
		err = fmt.Errorf("Options.GenerateID returned %.40q, expected 1 to 255 letters, digits, \"-\" and \"_\"", id)
	}
	return id, err
}

func notInID(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

// open begins the session: the open packet, then whatever the application has
// to say at once. It reports false when the application does not want it.
func (s *Session) open(upgrades bool) bool {
	s.mu.Lock()
	s.enqueueLocked(s.openPacket(upgrades))
	if m := s.srv.cfg.InitialMessage; m != nil {
		s.enqueueLocked(m)
	}
	s.mu.Unlock()

	s.guard(func() { s.handler = s.srv.cfg.Open(s) })

	s.mu.Lock()
	switch {
	case s.state == closed: // by Open, or with the server
	case s.handler == nil:
		s.finishLocked(&CloseError{Reason: ReasonForcedClose})
		s.mu.Lock()
	default:
		s.state = open
		s.startHeartbeatLocked()
		s.mu.Unlock()
		s.opened()
		s.mu.Lock()
	}
	return s.deliveredLocked()
}

// opened tells of a new session. Its end is told later: a handler call is
// under way.
func (s *Session) opened() {
	s.wasOpen = true
	s.srv.log(s, "session opened", "transport", s.Transport())
	s.srv.counters.opened.Add(1)
	if hook := s.srv.cfg.hooks.SessionOpened; hook != nil {
		s.guard(func() { hook(s) })
	}
}

// openPolling answers a handshake over polling.
func (srv *Server) openPolling(w http.ResponseWriter, r *http.Request, q query) {
	s, refusal := srv.newSession(r, q)
	if refusal != nil {
		srv.refuse(w, r, refusal)
		return
	}
	if !s.open(srv.cfg.websocket && !srv.cfg.DisableUpgrades) {
		srv.refuse(w, r, requestError(CodeForbidden, "the application closed the session in its handshake"))
		return
	}
	s.firstHeaders(w.Header(), r)
	s.answerPoll(w, r, q)
}

// serveWebSocket answers a request for a WebSocket: a handshake when s is nil,
// else an upgrade of s. It takes the connection from the HTTP server and
// returns; the connection's reader goes on by itself.
func (srv *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, q query, s *Session) {
	if refusal := srv.checkWebSocket(r); refusal != nil {
		w.Header().Set("Sec-WebSocket-Version", "13")
		srv.refuse(w, r, refusal)
		return
	}
	handshake := s == nil
	if handshake {
		var refusal *RequestError
		if s, refusal = srv.newSession(r, q); refusal != nil {
			srv.refuse(w, r, refusal)
			return
		}
	}
	nc, early, err := hijack(w)
	if err != nil {
		srv.cfg.Logger.ErrorContext(r.Context(), "upgrade failed", "err", err)
		http.Error(w, "the server cannot take over this connection", http.StatusInternalServerError)
		if handshake {
			srv.remove(s)
		}
		return
	}
	if handshake {
		s.firstHeaders(w.Header(), r)
	}
	s.hookHeaders(w.Header(), r)
	c := srv.newConn(nc, early, w.Header(), r, q, s)
	switch {
	case handshake:
		s.mu.Lock()
		c.bindLocked()
		s.mu.Unlock()
		if s.open(false) {
			s.mu.Lock()
			s.flushLocked()
		} else {
			c.close(closeNone, "")
		}
	case !srv.cfg.DisableUpgrades && s.startProbe(c):
		s.mu.Lock()
		c.flushLocked()
	default: // upgraded already, or about to be, or gone
		c.close(closeNone, "")
	}
	c.start()
}

// checkWebSocket checks the client's side of the opening handshake, RFC 6455
// section 4.2.1.
func (srv *Server) checkWebSocket(r *http.Request) *RequestError {
	refuse := func(status int, format string, args ...any) *RequestError {
		return &RequestError{Code: CodeBadRequest, Status: status, Message: fmt.Sprintf(format, args...)}
	}
	key := r.Header["Sec-Websocket-Key"]
	switch {
	case r.Method != http.MethodGet:
		return refuse(http.StatusBadRequest, "expected an upgrade with GET, got %s", r.Method)
	case !r.ProtoAtLeast(1, 1):
		return refuse(http.StatusBadRequest, "expected HTTP/1.1, got %s", r.Proto)
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return refuse(http.StatusBadRequest, "an upgrade request must not have a body")
	case !headerHas(r.Header, "Sec-Websocket-Version", "13"):
		return refuse(http.StatusUpgradeRequired, "expected WebSocket version 13")
	case len(key) != 1 || !isKey(key[0]):
		return refuse(http.StatusBadRequest, "expected one Sec-WebSocket-Key of 16 bytes in base64")
	}
	if srv.cfg.Deflate != nil {
		if _, _, err := websocket.NegotiateDeflate(r.Header["Sec-Websocket-Extensions"]); err != nil {
			return refuse(http.StatusBadRequest, "expected a list of extensions in Sec-WebSocket-Extensions")
		}
	}
	return nil
}

func isKey(s string) bool {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == 16 && len(s) == 24
}

// hijack takes the connection over from the HTTP server, with what was read of
// it beyond the request.
func hijack(w http.ResponseWriter) (nc net.Conn, early []byte, err error) {
	nc, early, err = take(w)
	if errors.Is(err, http.ErrNotSupported) {
		return nil, nil, fmt.Errorf("engineio: the response writer, a %T, hides the connection: mount the server outside of whatever wraps it (http.TimeoutHandler does)", hider(w))
	}
	return nc, early, err
}

// hider returns the writer that has neither Hijack nor Unwrap.
func hider(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

// newConn makes the WebSocket of a hijacked connection. The 101, with headers
// h, waits in its queue, so that it leaves in one write with whatever the
// session has to say first.
func (srv *Server) newConn(nc net.Conn, early []byte, h http.Header, r *http.Request, q query, s *Session) *wsConn {
	c := &wsConn{s: s, b64: q.b64}
	var conn *rawconn.Conn
	if poller := srv.addConn(rawconn.HasDescriptor(nc)); poller != nil {
		conn = poller.Detach(nc, early)
	}
	if conn == nil {
		conn = rawconn.New(nc, early)
	}
	c.conn = *conn
	extension := ""
	if srv.cfg.Deflate != nil && !c.b64 {
		extension = acceptDeflate(r.Header)
		c.deflate = extension != ""
	}
	c.parser.Init(srv.frames, c.deflate)
	c.aside = &aside{control: []*Message{newRaw(switchingProtocols(h, r.Header.Get("Sec-Websocket-Key"), extension))}}
	srv.linkConn(c)
	return c
}

// acceptDeflate returns the Sec-WebSocket-Extensions of the answer to a client
// that offers permessage-deflate on our terms, else "". Messages are compressed
// once for all receivers, with the largest window, so a client that asks for a
// smaller one gets none.
func acceptDeflate(h http.Header) string {
	p, ok, err := websocket.NegotiateDeflate(h["Sec-Websocket-Extensions"])
	if !ok || err != nil || p.ServerMaxWindowBits != 0 && p.ServerMaxWindowBits != 15 {
		return ""
	}
	return p.String()
}

// switchingProtocols returns the 101 answer, with the headers that were set on
// the way to here.
func switchingProtocols(h http.Header, key, extension string) []byte {
	b := make([]byte, 0, 256)
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = append(b, websocket.AcceptKey(key)...)
	b = append(b, "\r\n"...)
	if extension != "" {
		b = append(append(append(b, "Sec-WebSocket-Extensions: "...), extension...), "\r\n"...)
	}
	if len(h) > 0 {
		h.Write((*appender)(&b)) // writing to memory does not fail
	}
	return append(b, "\r\n"...)
}

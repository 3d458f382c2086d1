package engineio

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

const levelDebug = slog.LevelDebug

// query is what the protocol takes from the query of a request. Of a key that
// comes several times, the last value counts. Other keys are not decoded.
type query struct {
	eio, transport, sid, j string
	b64, jsonp             bool
}

func parseQuery(raw string) query {
	var q query
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		switch unescape(key) {
		case "EIO":
			q.eio = unescape(value)
		case "transport":
			q.transport = unescape(value)
		case "sid":
			q.sid = unescape(value)
		case "b64":
			q.b64 = value != ""
		case "j":
			q.j, q.jsonp = unescape(value), true
		}
	}
	return q
}

// unescape decodes a query key or value; one that cannot be decoded is taken as
// it stands, and will match nothing.
func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

func unescapeForm(s string) (string, error) {
	u, err := url.QueryUnescape(s)
	if err != nil {
		return "", fmt.Errorf("expected a URL-encoded form: %w", err)
	}
	return u, nil
}

// revision returns the protocol revision a client asks for: 4, or, as the
// reference has it, 3 for anything else.
func (q *query) revision() eioparser.Revision {
	if q.eio == "4" {
		return eioparser.V4
	}
	return eioparser.V3
}

// Codes of refused requests, as the protocol has them.
const (
	CodeTransportUnknown    = 0
	CodeSessionUnknown      = 1
	CodeBadHandshakeMethod  = 2
	CodeBadRequest          = 3
	CodeForbidden           = 4
	CodeUnsupportedProtocol = 5
)

var codeMessages = [...]string{
	CodeTransportUnknown:    "Transport unknown",
	CodeSessionUnknown:      "Session ID unknown",
	CodeBadHandshakeMethod:  "Bad handshake method",
	CodeBadRequest:          "Bad request",
	CodeForbidden:           "Forbidden",
	CodeUnsupportedProtocol: "Unsupported protocol version",
}

// A RequestError says why a request was refused. Code and Message go to the
// client; Err does not.
type RequestError struct {
	Code    int
	Message string
	Status  int // of the HTTP answer; 0: 403 with CodeForbidden, else 400
	Err     error
}

func (e *RequestError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("engineio: request refused: %s (code %d): %v", e.Message, e.Code, e.Err)
	}
	return fmt.Sprintf("engineio: request refused: %s (code %d)", e.Message, e.Code)
}

// Unwrap returns Err.
func (e *RequestError) Unwrap() error { return e.Err }

func requestError(code int, format string, args ...any) *RequestError {
	return &RequestError{Code: code, Message: codeMessages[code], Err: fmt.Errorf(format, args...)}
}

// unknownSession does not say which: the id may be another node's, and a secret.
func unknownSession() *RequestError {
	return requestError(CodeSessionUnknown, "no session of this id is known here")
}

func transportMismatch(got, want string) *RequestError {
	return requestError(CodeBadRequest, "the request is for transport %q and the session uses %q", got, want)
}

// matches reports whether the path of a request is the server's.
func (srv *Server) matches(path string) bool {
	own := srv.cfg.Path
	if srv.cfg.PathPrefix {
		return strings.HasPrefix(path, own)
	}
	return path == own || len(path) == len(own)-1 && own[:len(path)] == path
}

// serve handles a request that is for this server.
func (srv *Server) serve(w http.ResponseWriter, r *http.Request) {
	q := parseQuery(r.URL.RawQuery)
	upgrade := isUpgrade(r)
	s, refusal := srv.verify(r, &q, upgrade)
	if verify := srv.cfg.VerifySession; refusal == nil && s != nil && verify != nil {
		if err := verify(s, r); err != nil {
			refusal = requestError(CodeForbidden, "the request may not take part in the session: %w", err)
		}
	}
	if refusal != nil {
		srv.refuse(w, r, refusal)
		return
	}
	switch {
	case upgrade:
		srv.serveWebSocket(w, r, q, s)
	case s == nil:
		srv.openPolling(w, r, q)
	case r.Method == http.MethodGet:
		s.servePoll(w, r, q)
	case r.Method == http.MethodPost:
		s.servePost(w, r, q)
	default:
		w.Header().Set("Allow", "GET, POST")
		srv.dismiss(w, r, http.StatusMethodNotAllowed)
	}
}

// verify checks a request in the order of the reference. It returns the
// session it is for, or nil for a handshake.
func (srv *Server) verify(r *http.Request, q *query, upgrade bool) (*Session, *RequestError) {
	switch q.transport {
	case Polling:
		if !srv.cfg.polling {
			return nil, requestError(CodeTransportUnknown, "transport %q is not enabled", q.transport)
		}
	case WebSocket:
		if !srv.cfg.websocket {
			return nil, requestError(CodeTransportUnknown, "transport %q is not enabled", q.transport)
		}
	default:
		return nil, requestError(CodeTransportUnknown, "expected transport polling or websocket, got %.40q", q.transport)
	}
	if strings.ContainsFunc(r.Header.Get("Origin"), isControl) {
		return nil, requestError(CodeBadRequest, "the Origin header contains control characters")
	}
	if err := srv.verifyOrigin(r); err != nil {
		return nil, requestError(CodeForbidden, "%w", err)
	}
	if q.jsonp && srv.cfg.DisableJSONP {
		return nil, requestError(CodeBadRequest, "JSONP is not enabled")
	}
	if q.sid != "" {
		return srv.verifySession(q, upgrade)
	}
	if r.Method != http.MethodGet {
		return nil, requestError(CodeBadHandshakeMethod, "expected a handshake with GET, got %s", r.Method)
	}
	if refusal := verifyUpgrade(q, upgrade); refusal != nil {
		return nil, refusal
	}
	if q.revision() == eioparser.V3 && srv.cfg.DisableRevision3 {
		return nil, requestError(CodeUnsupportedProtocol, "expected EIO=4, got %.40q", q.eio)
	}
	if allow := srv.cfg.AllowRequest; allow != nil {
		if err := allow(r); err != nil {
			return nil, &RequestError{Code: CodeForbidden, Message: orDefault(err.Error(), codeMessages[CodeForbidden]), Err: err}
		}
	}
	return nil, nil
}

func (srv *Server) verifySession(q *query, upgrade bool) (*Session, *RequestError) {
	s := srv.lookup(q.sid)
	if s == nil {
		return nil, unknownSession()
	}
	if current := s.Transport(); !upgrade && current != q.transport {
		return nil, transportMismatch(q.transport, current)
	}
	if q.revision() != s.rev {
		return nil, requestError(CodeBadRequest, "the request is for revision %d and the session speaks %d", q.revision(), s.rev)
	}
	return s, verifyUpgrade(q, upgrade)
}

// verifyUpgrade checks that a WebSocket was asked for in both places, or in
// none.
func verifyUpgrade(q *query, upgrade bool) *RequestError {
	switch {
	case upgrade && q.transport != WebSocket:
		return requestError(CodeBadRequest, "an upgrade to WebSocket was asked for with transport %q", q.transport)
	case !upgrade && q.transport == WebSocket:
		return requestError(CodeBadRequest, "transport websocket was asked for without an upgrade")
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7F }

// firstHeaders completes the headers of a session's first answer.
func (s *Session) firstHeaders(h http.Header, r *http.Request) {
	s.setCookie(h)
	s.hook(s.srv.cfg.InitialHeaders, h, r)
}

// hookHeaders lets the application change the headers of an answer.
func (s *Session) hookHeaders(h http.Header, r *http.Request) {
	s.hook(s.srv.cfg.Headers, h, r)
}

func (s *Session) hook(f func(http.Header, *http.Request), h http.Header, r *http.Request) {
	if f != nil {
		s.guard(func() { f(h, r) })
	}
}

// oldBrowser keeps Internet Explorer, whose filter took packets for injected
// script, from altering an answer.
func oldBrowser(h http.Header, r *http.Request) {
	if agent := r.UserAgent(); strings.Contains(agent, ";MSIE") || strings.Contains(agent, "Trident/") {
		h.Set("X-XSS-Protection", "0")
	}
}

// isUpgrade reports whether the request asks for a WebSocket.
func isUpgrade(r *http.Request) bool {
	return headerHas(r.Header, "Connection", "upgrade") && headerHas(r.Header, "Upgrade", "websocket")
}

// headerHas reports whether a list-valued header contains the token, in any
// case.
func headerHas(h http.Header, name, token string) bool {
	return slices.ContainsFunc(h[name], func(v string) bool {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
		return false
	})
}

// refuse answers a refused request: with JSON, or, when it asked for a
// WebSocket, with plain text, as the reference does.
func (srv *Server) refuse(w http.ResponseWriter, r *http.Request, e *RequestError) {
	if srv.cfg.Logger.Enabled(r.Context(), levelDebug) {
		srv.cfg.Logger.DebugContext(r.Context(), "request refused", "code", e.Code, "message", e.Message, "err", e.Err, "remote", r.RemoteAddr)
	}
	srv.counters.refused[e.Code].Add(1)
	if hook := srv.cfg.hooks.RequestRefused; hook != nil {
		hook(r, e)
	}
	srv.dropBody(w, r)
	status := orDefault(e.Status, http.StatusBadRequest)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		h.Set("Retry-After", "5")
	}
	if isUpgrade(r) {
		h.Set("Connection", "close")
		h.Set("Content-Type", "text/html")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Length", strconv.Itoa(len(e.Message)))
		w.WriteHeader(status)
		io.WriteString(w, e.Message)
		return
	}
	if e.Code == CodeForbidden && e.Status == 0 {
		status = http.StatusForbidden
	}
	body, _ := json.Marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{e.Code, e.Message}) // cannot fail: a number and a string
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// dismiss answers a request with a bare status.
func (srv *Server) dismiss(w http.ResponseWriter, r *http.Request, status int) {
	srv.dropBody(w, r)
	w.WriteHeader(status)
}

// dropBody bounds how long the client of a refused request may go on sending
// its body: the HTTP server reads a part of it before it closes the connection,
// and would wait for that part without end.
func (srv *Server) dropBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(srv.cfg.CloseTimeout))
	}
}

package engineio

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/siogo/sio/internal/websocket"
	"github.com/siogo/sio/internal/wheel"
)

// A Server serves Engine.IO sessions over HTTP. It is an [http.Handler]; all
// methods may be called from any goroutine.
type Server struct {
	cfg    *config           // immutable
	frames *websocket.Config // immutable; shared by all parsers
	wheel  *wheel.Wheel

	mu       sync.Mutex
	sessions map[string]*Session
	conns    *wsConn       // list of WebSockets whose reader has not ended
	refusing bool          // no new sessions
	idle     chan struct{} // made by Shutdown; closed when no session and no reader is left
}

// New returns a server. It fails when an option makes no sense.
func New(o *Options) (*Server, error) {
	cfg, err := newConfig(o)
	if err != nil {
		return nil, err
	}
	return &Server{
		cfg:      cfg,
		frames:   &websocket.Config{Role: websocket.Server, MaxMessage: cfg.MaxPayload},
		wheel:    wheel.New(tick(cfg)),
		sessions: make(map[string]*Session),
	}, nil
}

// tick is how exactly deadlines are met: a 256th of the shortest, between 1
// and 50 ms.
func tick(c *config) time.Duration {
	shortest := min(c.PingInterval, c.PingTimeout, c.pingTimeoutV3, c.UpgradeTimeout, c.CloseTimeout)
	return min(max(shortest/256, time.Millisecond), 50*time.Millisecond)
}

// Len returns the number of sessions.
func (srv *Server) Len() int {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return len(srv.sessions)
}

// Path returns the path at which the server answers, with a slash at its end.
func (srv *Server) Path() string { return srv.cfg.Path }

// lookup returns the session with this id, or nil.
func (srv *Server) lookup(id string) *Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.sessions[id]
}

// add makes the session known, unless the server is closing.
func (srv *Server) add(s *Session) error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.refusing {
		return ErrServerClosed
	}
	if srv.sessions[s.id] != nil {
		return errors.New("engineio: session id is in use already")
	}
	srv.sessions[s.id] = s
	return nil
}

// remove forgets a session after its last handler call.
func (srv *Server) remove(s *Session) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.sessions[s.id] == s {
		delete(srv.sessions, s.id)
	}
	srv.checkIdleLocked()
}

func (srv *Server) addConn(c *wsConn) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if c.next = srv.conns; c.next != nil {
		c.next.prev = c
	}
	srv.conns = c
}

func (srv *Server) removeConn(c *wsConn) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		srv.conns = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.next, c.prev = nil, nil
	srv.checkIdleLocked()
}

func (srv *Server) checkIdleLocked() {
	if srv.idle != nil && len(srv.sessions) == 0 && srv.conns == nil {
		close(srv.idle)
		srv.idle = nil
	}
}

// Close ends all sessions at once, with [ReasonServerShutdown], and returns
// when none is left. Requests are refused with 503 from then on.
func (srv *Server) Close() error {
	srv.stop()
	for _, s := range srv.all() {
		s.Abort(ReasonServerShutdown, nil)
	}
	srv.cut()
	<-srv.gone()
	srv.wheel.Close()
	return nil
}

// Shutdown ends all sessions in order: new ones are refused with 503, what is
// queued is written, then the clients are told. When ctx ends first, the rest
// is cut off and the cause of ctx is returned.
func (srv *Server) Shutdown(ctx context.Context) error {
	srv.stop()
	for _, s := range srv.all() {
		s.closeFor(ReasonServerShutdown)
	}
	select {
	case <-srv.gone():
		srv.wheel.Close()
		return nil
	case <-ctx.Done():
		srv.Close()
		return context.Cause(ctx)
	}
}

// stop refuses new sessions.
func (srv *Server) stop() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.refusing = true
}

func (srv *Server) all() []*Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	all := make([]*Session, 0, len(srv.sessions))
	for _, s := range srv.sessions {
		all = append(all, s)
	}
	return all
}

// cut gives the connections that still say goodbye a moment to get it out.
func (srv *Server) cut() {
	srv.mu.Lock()
	var conns []*wsConn
	for c := srv.conns; c != nil; c = c.next {
		conns = append(conns, c)
	}
	srv.mu.Unlock()
	for _, c := range conns {
		c.conn.NetConn().SetDeadline(time.Now().Add(cutTimeout))
	}
}

// cutTimeout is how long Close waits for clients to answer a close frame.
const cutTimeout = 100 * time.Millisecond

// gone returns a channel that is closed when no session and no reader is left.
func (srv *Server) gone() <-chan struct{} {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	idle := srv.idle
	if idle == nil {
		idle = make(chan struct{})
		srv.idle = idle
	}
	srv.checkIdleLocked()
	return idle
}

func (srv *Server) log(s *Session, msg string, args ...any) {
	if srv.cfg.Logger.Enabled(s.hs.ctx, levelDebug) {
		srv.cfg.Logger.DebugContext(s.hs.ctx, msg, append(args, "remote", s.hs.remoteAddr, "revision", int(s.rev))...)
	}
}

// ServeHTTP answers one request of an Engine.IO client.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !srv.matches(r.URL.Path) {
		http.NotFound(w, r)
		return
	}
	srv.serve(w, r)
}

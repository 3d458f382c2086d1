package engineio

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/siogo/sio/internal/rawconn"
	"github.com/siogo/sio/internal/websocket"
	"github.com/siogo/sio/internal/wheel"
)

// A Server serves Engine.IO sessions over HTTP. It is an [http.Handler]; all
// methods may be called from any goroutine.
type Server struct {
	cfg    *config           // immutable
	chain  http.Handler      // immutable; CORS and middleware around serve
	frames *websocket.Config // immutable; shared by all parsers
	wheel  *wheel.Wheel

	mu        sync.Mutex
	sessions  map[string]*Session
	perAddr   map[netip.Addr]int // sessions by client; nil unless they are bounded
	conns     *wsConn            // list of WebSockets whose reader has not ended
	connCount int                // those that are not linked yet included
	pollers   []*rawconn.Poller
	noPollers bool          // there are none to be had, or they have ended
	turn      int           // whose turn it is to get a connection
	refusing  bool          // no new sessions
	idle      chan struct{} // made by Shutdown; closed when no session and no reader is left

	counters counters
	values   values
}

// New returns a server. It fails when an option makes no sense.
func New(o *Options) (*Server, error) {
	cfg, err := newConfig(o)
	if err != nil {
		return nil, err
	}
	srv := &Server{
		cfg:      cfg,
		frames:   &websocket.Config{Role: websocket.Server, MaxMessage: cfg.MaxPayload},
		wheel:    wheel.New(tick(cfg)),
		sessions: make(map[string]*Session),
	}
	if cfg.Deflate != nil {
		srv.frames.NewInflater = websocket.NewInflater
	}
	if cfg.MaxSessionsPerAddress > 0 {
		srv.perAddr = make(map[netip.Addr]int)
	}
	srv.chain = http.HandlerFunc(srv.serve)
	for _, m := range slices.Backward(cfg.Middleware) {
		srv.chain = m(srv.chain)
	}
	if cfg.cors != nil {
		srv.chain = cfg.cors.Handler(srv.chain)
	}
	return srv, nil
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

// add makes the session known, if there is room for it.
func (srv *Server) add(s *Session) *RequestError {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	addr := s.hs.ClientAddr()
	switch c := srv.cfg; {
	case srv.refusing:
		return &RequestError{Code: CodeForbidden, Status: http.StatusServiceUnavailable, Message: "Server is shutting down", Err: ErrServerClosed}
	case srv.sessions[s.id] != nil:
		return requestError(CodeBadRequest, "Options.GenerateID returned an id that is in use")
	case c.MaxSessions > 0 && len(srv.sessions) >= c.MaxSessions:
		return &RequestError{Code: CodeForbidden, Status: http.StatusServiceUnavailable, Message: "Too many sessions", Err: errTooMany}
	case c.MaxSessionsPerAddress > 0 && srv.perAddr[addr] >= c.MaxSessionsPerAddress:
		return &RequestError{Code: CodeForbidden, Status: http.StatusTooManyRequests, Message: "Too many sessions", Err: errTooMany}
	}
	srv.sessions[s.id] = s
	if srv.perAddr != nil && addr.IsValid() {
		srv.perAddr[addr]++
	}
	return nil
}

var errTooMany = errors.New("the bound on sessions is reached")

// remove forgets a session after its last handler call.
func (srv *Server) remove(s *Session) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.sessions[s.id] != s {
		return
	}
	delete(srv.sessions, s.id)
	if addr := s.hs.ClientAddr(); srv.perAddr != nil && addr.IsValid() {
		if srv.perAddr[addr]--; srv.perAddr[addr] == 0 {
			delete(srv.perAddr, addr)
		}
	}
	srv.checkIdleLocked()
}

// addConn counts a WebSocket, and returns the poller that may read it, if it
// has a descriptor of its own and there is a poller; else nil.
func (srv *Server) addConn(descriptor bool) *rawconn.Poller {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.connCount++
	if !descriptor || srv.cfg.GoroutinePerConn {
		return nil
	}
	if srv.pollers == nil && !srv.noPollers {
		srv.startPollersLocked()
	}
	if len(srv.pollers) == 0 {
		return nil
	}
	srv.turn++
	return srv.pollers[srv.turn%len(srv.pollers)]
}

// pollerWorkers is how many workers a poller has at the most. There is one for
// each processor, since they run brief handlers as well. Those of one poller
// share its queue in the kernel, so there are more pollers where there are more
// processors.
const pollerWorkers = 8

// startPollersLocked starts the pollers with the first WebSocket, where there
// is such a thing. They end with the server.
func (srv *Server) startPollersLocked() {
	processors := runtime.GOMAXPROCS(0)
	n := (processors + pollerWorkers - 1) / pollerWorkers
	for range n {
		p, err := rawconn.NewPoller((processors + n - 1) / n)
		if err != nil {
			srv.noPollers = true
			return
		}
		srv.pollers = append(srv.pollers, p)
	}
}

// end lets go what the server itself runs, when no session and no connection
// is left.
func (srv *Server) end() {
	srv.wheel.Close()
	srv.mu.Lock()
	pollers := srv.pollers
	srv.pollers, srv.noPollers = nil, true
	srv.mu.Unlock()
	for _, p := range pollers {
		p.Close()
	}
}

func (srv *Server) linkConn(c *wsConn) {
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
	srv.connCount--
	srv.checkIdleLocked()
}

func (srv *Server) checkIdleLocked() {
	if srv.idle != nil && len(srv.sessions) == 0 && srv.connCount == 0 {
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
	srv.end()
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
		srv.end()
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
		c.cutLater(cutTimeout)
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
		srv.cfg.Logger.DebugContext(s.hs.ctx, msg, append(args, "remote", s.hs.remoteAddr(), "revision", int(s.rev))...)
	}
}

// ServeHTTP answers one request of an Engine.IO client.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !srv.matches(r.URL.Path) {
		http.NotFound(w, r)
		return
	}
	srv.chain.ServeHTTP(w, r)
}

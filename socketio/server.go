package socketio

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siogo/sio/browser"
	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/internal/intercept"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/internal/mailbox"
)

// A Server serves Socket.IO clients over HTTP. It is an [http.Handler], and it
// is the namespace "/". All methods may be called from any goroutine.
type Server struct {
	*Namespace // "/"

	cfg      *config // immutable
	engine   *engineio.Server
	files    *clientFiles // nil: none are served
	decoders sync.Pool    // of sioparser.Decoder
	running  mailbox.Group

	ctx    context.Context // ends when the server is closed
	cancel context.CancelCauseFunc

	draining atomic.Bool

	mu         sync.Mutex
	namespaces map[string]*Namespace
	parents    []*Namespace // patterns and functions, in the order they were made
}

// New returns a server. Options may be nil for the defaults. It panics when
// they make no sense, with the text of [Options.Validate].
func New(o *Options) *Server {
	cfg, err := newConfig(o)
	if err != nil {
		panic(err.Error())
	}
	srv := &Server{cfg: cfg, namespaces: make(map[string]*Namespace)}
	srv.ctx, srv.cancel = context.WithCancelCause(context.Background())
	srv.decoders.New = func() any { return cfg.Parser.NewDecoder(&cfg.limits) }
	cfg.engine.Open = srv.open
	if srv.engine, err = engineio.New(&cfg.engine); err != nil {
		panic(err.Error())
	}
	if !cfg.DisableClient {
		files := cfg.ClientFS
		if files == nil {
			files = browser.Files()
		}
		srv.files = newClientFiles(files, srv.engine.Path(), cfg.engine.CORS)
	}
	// A node is part of its cluster before it has clients. The hook for the
	// namespace may use the server, so this comes last.
	srv.Namespace = srv.newNamespace("/")
	if root := srv.adapter(); cfg.Recovery != nil && root.Recovery() == nil {
		_ = root.Close() // the panic says more
		panic("socketio: Options.Recovery is set, but the Adapter does not recover connections: see sioadapter.Recoverable")
	}
	return srv
}

// Engine returns the server of the connections.
func (srv *Server) Engine() *engineio.Server { return srv.engine }

// ServeHTTP answers the requests of clients, and those for the files of the
// browser client. Mount it at Options.Path, or anywhere above.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if srv.files.serve(w, r) {
		return
	}
	if srv.draining.Load() && !strings.Contains(r.URL.RawQuery, "sid=") {
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the server is shutting down", http.StatusServiceUnavailable)
		return
	}
	srv.engine.ServeHTTP(w, r)
}

// Listener returns a listener in front of ln that makes handshakes over
// WebSocket cheaper: connections that begin with one are answered by ServeHTTP
// without the HTTP server, which gets all others. It is not for servers whose
// middleware around this one decides who may connect, nor for [http.ServeTLS]. See
// [engineio.Server.Listener].
func (srv *Server) Listener(ln net.Listener) net.Listener {
	return srv.listener(ln, 0)
}

func (srv *Server) listener(ln net.Listener, patience time.Duration) net.Listener {
	return intercept.Listen(ln, intercept.Config{Path: srv.engine.Path(), Prefix: srv.cfg.engine.PathPrefix, Handler: srv, Patience: patience})
}

// Of returns the namespace with this name, which it makes if there is none. A
// leading slash is added. With wildcards, as in http.ServeMux, the name is a
// pattern: "/org/{id}/chat" or "/files/{path...}". The namespaces it matches
// are made when clients ask for them. Of several patterns and functions that
// match, the first that was made counts; a namespace that exists goes before
// them all. Of panics when the name cannot be one.
func (srv *Server) Of(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	if len(name) > srv.cfg.MaxName || strings.ContainsAny(name, ",?") {
		panic(fmt.Sprintf("socketio: namespace %.80q: a name has no comma or question mark and at most %d bytes", name, srv.cfg.MaxName))
	}
	if isPattern(name) {
		return srv.ofPattern(name)
	}
	ns := srv.ofName(name)
	ns.adapter()
	return ns
}

func (srv *Server) ofName(name string) *Namespace {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if ns := srv.namespaces[name]; ns != nil {
		return ns
	}
	for _, p := range srv.parents {
		if p.pattern == nil {
			continue
		}
		if values, ok := p.pattern.match(name); ok {
			return srv.newChildLocked(p, name, values)
		}
	}
	return srv.newNamespaceLocked(name)
}

func (srv *Server) ofPattern(name string) *Namespace {
	p, err := parsePattern(name)
	if err != nil {
		panic(err.Error())
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	for _, ns := range srv.parents {
		if ns.name == name {
			return ns
		}
	}
	ns := &Namespace{srv: srv, name: name, pattern: p}
	srv.parents = append(srv.parents, ns)
	return ns
}

// OfFunc returns a parent of the namespaces that accept admits. It is called
// with the name and the auth of a client that asks for a namespace which does
// not exist; it must not wait. See [Server.Of].
func (srv *Server) OfFunc(accept func(name string, auth event.Args) bool) *Namespace {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	ns := &Namespace{srv: srv, name: "/_" + strconv.Itoa(len(srv.parents)), accept: accept}
	srv.parents = append(srv.parents, ns)
	return ns
}

func (srv *Server) newNamespace(name string) *Namespace {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.newNamespaceLocked(name)
}

func (srv *Server) newNamespaceLocked(name string) *Namespace {
	ns := &Namespace{srv: srv, name: name}
	srv.namespaces[name] = ns
	return ns
}

func (srv *Server) newChildLocked(p *Namespace, name string, values []string) *Namespace {
	ns := srv.newNamespaceLocked(name)
	ns.parent, ns.values = p, values
	return ns
}

// enter returns the namespace that a client asks for, for one socket more; nil
// if it may not. Namespace.leave undoes it.
func (srv *Server) enter(name string, auth event.Args) *Namespace {
	ns := srv.find(name, auth)
	if ns != nil {
		ns.adapter()
	}
	return ns
}

func (srv *Server) find(name string, auth event.Args) *Namespace {
	srv.mu.Lock()
	if ns := srv.namespaces[name]; ns != nil {
		ns.users++
		srv.mu.Unlock()
		return ns
	}
	parents := srv.parents
	srv.mu.Unlock()
	for _, p := range parents {
		var values []string
		ok := false
		if p.pattern != nil {
			values, ok = p.pattern.match(name)
		} else {
			ok = p.accept(name, auth)
		}
		if !ok {
			continue
		}
		srv.mu.Lock()
		defer srv.mu.Unlock()
		ns := srv.namespaces[name]
		if ns == nil { // nobody was faster
			ns = srv.newChildLocked(p, name, values)
		}
		ns.users++
		return ns
	}
	return nil
}

// Namespaces returns all namespaces of this server, without parents.
func (srv *Server) Namespaces() []*Namespace {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	all := make([]*Namespace, 0, len(srv.namespaces))
	for _, ns := range srv.namespaces {
		all = append(all, ns)
	}
	return all
}

// checkRooms reports a name that no room can have.
func (srv *Server) checkRooms(rooms []string) error {
	for _, r := range rooms {
		if r == "" || len(r) > srv.cfg.MaxName {
			return fmt.Errorf("%w: room %.40q has %d bytes, between 1 and %d are possible", ErrName, r, len(r), srv.cfg.MaxName)
		}
	}
	return nil
}

// Close disconnects all sockets at once, with ReasonServerShuttingDown, and
// closes their connections; what is queued is lost. It cancels the contexts of
// all handlers, and does not wait for them. New clients get status 503.
func (srv *Server) Close() error {
	srv.draining.Store(true)
	srv.cancel(ErrServerClosed)
	err := srv.engine.Close()
	return firstError(err, srv.closeAdapters())
}

func (srv *Server) closeAdapters() (err error) {
	for _, ns := range srv.Namespaces() {
		srv.mu.Lock()
		if ns.linger != nil {
			ns.linger.Stop()
		}
		srv.mu.Unlock()
		err = firstError(err, ns.adapter().Close())
	}
	return err
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Shutdown closes the server in order. New clients get status 503. Connections
// are closed when the handlers of their sockets have ended, without leaving the
// namespaces, so that clients reconnect by themselves: elsewhere, and spread
// over most of the time that ctx leaves, at no more than 200 in a second. What
// was emitted before is written first.
//
// When ctx ends, all contexts are cancelled and all connections closed. If
// handlers still run then, the error is a *ShutdownError.
func (srv *Server) Shutdown(ctx context.Context) error {
	srv.draining.Store(true)
	cut := srv.drain(ctx)
	err := srv.engine.Shutdown(ctx)
	if err == nil {
		err = srv.running.Wait(ctx)
	}
	srv.cancel(ErrServerClosed)
	if err != nil {
		srv.engine.Close()
		err = &ShutdownError{Cut: cut, Handlers: srv.running.Len(), Err: err}
	}
	return firstError(err, srv.closeAdapters())
}

// drainPace is the shortest time between two connections that are closed by
// Shutdown, unless ctx leaves less.
const drainPace = 5 * time.Millisecond

// drain closes the connections one by one and returns the sockets whose
// handlers were still running when ctx ended.
func (srv *Server) drain(ctx context.Context) (cut []string) {
	conns := srv.conns()
	rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
	pace := drainPace
	if deadline, ok := ctx.Deadline(); ok && len(conns) > 0 {
		pace = min(pace, time.Until(deadline)*4/5/time.Duration(len(conns)))
	}
	tick := time.NewTicker(max(pace, time.Microsecond))
	defer tick.Stop()
	for len(conns) > 0 {
		busy := conns[:0]
		for _, c := range conns {
			if !c.idle() {
				busy = append(busy, c)
				continue
			}
			c.shutDown()
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
		if conns = busy; len(conns) == 0 {
			break
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		for _, c := range conns {
			for _, s := range c.all() {
				if !s.box.Idle() {
					cut = append(cut, s.id)
				}
			}
			c.shutDown()
		}
		return cut
	}
	return nil
}

// conns returns the connections that have joined a namespace.
func (srv *Server) conns() []*conn {
	seen := make(map[*conn]bool)
	var all []*conn
	for _, ns := range srv.Namespaces() {
		for s := range ns.LocalSockets() {
			if !seen[s.conn] {
				seen[s.conn] = true
				all = append(all, s.conn)
			}
		}
	}
	return all
}

// idle reports whether no handler of the connection runs.
func (c *conn) idle() bool {
	for _, s := range c.all() {
		if !s.box.Idle() {
			return false
		}
	}
	return true
}

// shutDown ends the sockets of the connection without telling the client, and
// closes it when what is queued has been written.
func (c *conn) shutDown() {
	for _, s := range c.all() {
		if c.remove(s, false) {
			s.end(&DisconnectError{Reason: ReasonServerShuttingDown, Err: ErrServerClosed}, true)
		}
	}
	c.session.Close()
}

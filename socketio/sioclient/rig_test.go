//go:build !js

package sioclient

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/internal/memnet"
	"github.com/siogo/sio/socketio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a network in memory with a server that can be stopped and replaced.
type rig struct {
	t        testing.TB
	listener *memnet.Listener
	stopped  sync.WaitGroup

	mu      sync.Mutex
	handler http.Handler // nil: connections are refused
	conns   map[*tracked]bool
}

// newRig serves a handler until the end of the test. One with a method Close is
// closed then.
func newRig(t testing.TB, h http.Handler) *rig {
	r := &rig{t: t, listener: memnet.Listen(), conns: make(map[*tracked]bool)}
	r.serve(h)
	hs := &http.Server{Handler: r}
	r.stopped.Go(func() { hs.Serve(r.listener) }) // ended and awaited by the cleanup
	t.Cleanup(func() {
		r.serve(nil)
		hs.Close()
		r.stopped.Wait()
	})
	return r
}

// serve replaces the server.
func (r *rig) serve(h http.Handler) {
	r.mu.Lock()
	old := r.handler
	r.handler = h
	r.mu.Unlock()
	if c, ok := old.(interface{ Close() error }); ok {
		c.Close()
	}
}

func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	h := r.handler
	r.mu.Unlock()
	if h == nil {
		http.Error(w, "gone", http.StatusBadGateway)
		return
	}
	h.ServeHTTP(w, req)
}

var errRefused = errors.New("connection refused")

func (r *rig) dialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	r.mu.Lock()
	refused := r.handler == nil
	r.mu.Unlock()
	if refused {
		return nil, errRefused
	}
	nc, err := r.listener.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &tracked{r: r, now: nc, where: nc.LocalAddr()}
	r.mu.Lock()
	r.conns[c] = true
	r.mu.Unlock()
	return c, nil
}

// A tracked connection can be cut, and swallowed by a black hole.
type tracked struct {
	r *rig

	mu    sync.Mutex
	now   net.Conn // the connection, or the end of a pipe that leads nowhere
	lost  net.Conn // the connection that fell into the hole; the server still has its end
	where net.Addr
}

func (c *tracked) conn() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// io repeats what was under way when the connection fell into the hole.
func (c *tracked) io(f func(net.Conn, []byte) (int, error), b []byte) (int, error) {
	for {
		nc := c.conn()
		n, err := f(nc, b)
		if err == nil || nc == c.conn() {
			return n, err
		}
	}
}

func (c *tracked) Read(b []byte) (int, error)         { return c.io(net.Conn.Read, b) }
func (c *tracked) Write(b []byte) (int, error)        { return c.io(net.Conn.Write, b) }
func (c *tracked) SetDeadline(t time.Time) error      { return c.conn().SetDeadline(t) }
func (c *tracked) SetReadDeadline(t time.Time) error  { return c.conn().SetReadDeadline(t) }
func (c *tracked) SetWriteDeadline(t time.Time) error { return c.conn().SetWriteDeadline(t) }
func (c *tracked) LocalAddr() net.Addr                { return c.where }
func (c *tracked) RemoteAddr() net.Addr               { return c.where }

func (c *tracked) Close() error {
	c.r.mu.Lock()
	delete(c.r.conns, c)
	c.r.mu.Unlock()
	return c.conn().Close()
}

// swallow leads the connection into a black hole: the server notices nothing,
// and gets nothing any more.
func (c *tracked) swallow() {
	c.r.mu.Lock()
	delete(c.r.conns, c)
	c.r.mu.Unlock()
	nowhere, _ := net.Pipe()
	c.mu.Lock()
	c.now, c.lost = nowhere, c.now
	c.mu.Unlock()
	c.lost.SetDeadline(time.Unix(1, 0)) // what waits to be read or written now waits for ever
	c.r.t.Cleanup(func() { c.lost.Close() })
}

// cut breaks all connections there are.
func (r *rig) cut() {
	for _, c := range r.all() {
		c.Close()
	}
}

// lose breaks the connection of a socket: between two polls, there may be none to
// cut.
func (r *rig) lose(s *Socket) {
	for n := s.seen(); s.seen() == n; time.Sleep(time.Millisecond) {
		r.cut()
	}
}

// seen returns how many states there were.
func (s *Socket) seen() uint64 {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.states.next()
}

// swallow leads all connections there are into a black hole.
func (r *rig) swallow() {
	for _, c := range r.all() {
		c.swallow()
	}
}

func (r *rig) all() (list []*tracked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		list = append(list, c)
	}
	return list
}

// options completes those of a test.
func (r *rig) options(o *Options) *Options {
	var p Options
	if o != nil {
		p = *o
	}
	if p.Engine.DialContext == nil {
		p.Engine.DialContext = r.dialContext
	}
	if p.Engine.Proxy == nil {
		p.Engine.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	return &p
}

// client returns a socket that is not connected. The test's end closes it.
func (r *rig) client(rawURL string, o *Options) *Socket {
	r.t.Helper()
	s, err := New("http://server"+rawURL, r.options(o))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.Close() })
	return s
}

// dial returns a socket that is connected.
func (r *rig) dial(rawURL string, o *Options) *Socket {
	r.t.Helper()
	s := r.client(rawURL, o)
	if err := s.Connect(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// of returns another socket of a connection. The test's end closes it.
func (r *rig) of(c *Socket, namespace string) *Socket {
	r.t.Helper()
	s, err := c.Of(namespace, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.Close() })
	return s
}

// quiet is a server that logs nothing.
func quiet(o *socketio.Options) *socketio.Server {
	if o == nil {
		o = &socketio.Options{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return socketio.New(o)
}

// await waits for a state of a kind.
func await(t testing.TB, s *Socket, k Kind) State {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
	defer cancel()
	for st := range s.States(ctx) {
		if st.Kind == k {
			return st
		}
	}
	t.Fatalf("the socket is not %v but %v", k, s.State())
	return State{}
}

var ways = []struct {
	name    string
	options Options
}{
	{"polling", Options{Transports: []string{eioclient.Polling}}},
	{"websocket", Options{Transports: []string{eioclient.WebSocket}}},
	{"upgrade", Options{}},
}

// A script is a server that says what a test wants: it answers each message,
// "" being the begin of a session, with what reply returns.
func script(t testing.TB, reply func(s *engineio.Session, message string)) http.Handler {
	srv, err := engineio.New(&engineio.Options{
		Logger: slog.New(slog.DiscardHandler),
		Open: func(s *engineio.Session) engineio.Handler {
			reply(s, "")
			return scripted{s, reply}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return prefix{srv}
}

type scripted struct {
	s     *engineio.Session
	reply func(s *engineio.Session, message string)
}

func (p scripted) Message(data []byte, _ bool) { p.reply(p.s, string(data)) }
func (scripted) Closed(*engineio.CloseError)   {}

// prefix serves an Engine.IO server where clients of Socket.IO look for it.
type prefix struct{ *engineio.Server }

func (p prefix) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.URL.Path = "/engine.io/"
	p.Server.ServeHTTP(w, r)
}

func say(s *engineio.Session, texts ...string) {
	for _, text := range texts {
		s.Send(engineio.NewMessage([]byte(text), false))
	}
}

var discard = slog.New(slog.DiscardHandler)

// deadConn returns a connection that has ended.
func deadConn(t testing.TB) *eioclient.Conn {
	t.Helper()
	r := newRig(t, script(t, func(*engineio.Session, string) {}))
	c, err := eioclient.Dial(context.Background(), "http://server", &eioclient.Options{
		DialContext: r.dialContext,
		Proxy:       func(*http.Request) (*url.URL, error) { return nil, nil },
		Open:        func(*eioclient.Conn) eioclient.Handler { return ignoring{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	return c
}

type ignoring struct{}

func (ignoring) Message([]byte, bool)         {}
func (ignoring) Closed(*eioclient.CloseError) {}

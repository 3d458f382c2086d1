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
	conns   map[net.Conn]bool
}

// newRig serves a handler until the end of the test. One with a method Close is
// closed then.
func newRig(t testing.TB, h http.Handler) *rig {
	r := &rig{t: t, listener: memnet.Listen(), conns: make(map[net.Conn]bool)}
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
	c := &tracked{nc, r}
	r.mu.Lock()
	r.conns[c] = true
	r.mu.Unlock()
	return c, nil
}

// A tracked connection can be cut.
type tracked struct {
	net.Conn
	r *rig
}

func (c *tracked) Close() error {
	c.r.mu.Lock()
	delete(c.r.conns, c)
	c.r.mu.Unlock()
	return c.Conn.Close()
}

// cut breaks all connections there are.
func (r *rig) cut() {
	r.mu.Lock()
	var all []net.Conn
	for c := range r.conns {
		all = append(all, c)
	}
	r.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
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

package siotest

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/siogo/sio/internal/memnet"
)

// A Server is a handler that listens on a port of the loopback.
type Server struct {
	// URL is where it listens: "http://127.0.0.1:port".
	URL string

	// Network connects to it.
	*Network
}

// NewServer serves h, a *socketio.Server or a mux with one, until the end of
// the test. If h has a method Close, it is called then.
func NewServer(t TB, h http.Handler) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal("siotest: ", err)
	}
	serve(t, h, l)
	addr := l.Addr().String()
	return &Server{URL: "http://" + addr, Network: &Network{func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}}}
}

// serve runs an HTTP server that ends with the test.
func serve(t TB, h http.Handler, l net.Listener) {
	hs := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { // ended by hs.Close and awaited by the cleanup
		defer close(done)
		_ = hs.Serve(l)
	}()
	t.Cleanup(func() {
		if c, ok := h.(interface{ Close() error }); ok {
			if err := c.Close(); err != nil {
				t.Error("siotest: closing the server: ", err)
			}
		}
		_ = hs.Close()
		<-done
	})
}

// A Network is how a handler is reached: in memory, or over that of a Server.
type Network struct {
	dial func(context.Context) (net.Conn, error)
}

// NewNetwork is NewServer in memory.
func NewNetwork(t TB, h http.Handler) *Network {
	l := memnet.Listen()
	serve(t, h, l)
	return &Network{l.Dial}
}

// Dial connects a client to a namespace. The test fails if it is refused.
func (n *Network) Dial(t TB, namespace string, o *Options) *Client {
	t.Helper()
	c, err := n.Connect(t.Context(), t, namespace, o)
	if err != nil {
		t.Fatal("siotest: ", err)
	}
	return c
}

// Connect is Dial for tests of refusals, which are an *event.Error.
func (n *Network) Connect(ctx context.Context, t TB, namespace string, o *Options) (*Client, error) {
	return connect(ctx, t, namespace, o, n.dial)
}

// DialContext opens a connection for an HTTP client's transport; it ignores
// where to.
func (n *Network) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return n.dial(ctx)
}

// Pipe connects a client to a namespace of h, in memory. For several clients of
// one server, see NewNetwork.
func Pipe(t TB, h http.Handler, namespace string, o *Options) *Client {
	t.Helper()
	return NewNetwork(t, h).Dial(t, namespace, o)
}

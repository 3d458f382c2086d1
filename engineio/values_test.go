package engineio

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

type testKey struct{}

// Handshakes keep the values of their requests' contexts. Where only net/http
// put some there, sessions share them.
func TestHandshakeValues(t *testing.T) {
	bare := func(h http.Handler) *httptest.Server { return httptest.NewServer(h) }
	for name, c := range map[string]struct {
		serve  func(h http.Handler) *httptest.Server
		shared bool
		want   any
	}{
		"net/http alone": {serve: bare, shared: true},
		"ServeMux": {serve: func(h http.Handler) *httptest.Server {
			mux := http.NewServeMux()
			mux.Handle("/engine.io/", h)
			return bare(mux)
		}, shared: true},
		"middleware": {serve: func(h http.Handler) *httptest.Server {
			return bare(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), testKey{}, 7)))
			}))
		}, want: 7},
		"middleware with an end": {serve: func(h http.Handler) *httptest.Server {
			return bare(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(context.WithValue(r.Context(), testKey{}, 7))
				defer cancel()
				h.ServeHTTP(w, r.WithContext(ctx))
			}))
		}, want: 7},
		"ConnContext": {serve: func(h http.Handler) *httptest.Server {
			s := httptest.NewUnstartedServer(h)
			s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
				return context.WithValue(ctx, testKey{}, 7)
			}
			s.Start()
			return s
		}, want: 7},
		"BaseContext": {serve: func(h http.Handler) *httptest.Server {
			s := httptest.NewUnstartedServer(h)
			s.Config.BaseContext = func(net.Listener) context.Context {
				return context.WithValue(context.Background(), testKey{}, 7)
			}
			s.Start()
			return s
		}, want: 7},
	} {
		t.Run(name, func(t *testing.T) {
			r := newServer(t, Options{}, nil)
			hs := c.serve(r.srv)
			defer hs.Close()
			defer r.srv.Close()
			r.base, r.client = hs.URL, hs.Client()
			r.dial = func(ctx context.Context) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", hs.Listener.Addr().String())
			}
			_, first := r.websocket("4")
			_, second := r.websocket("4")
			for _, rec := range []*recorder{first, second} {
				ctx := rec.Session.Handshake().Context()
				if got := ctx.Value(http.ServerContextKey); got != hs.Config {
					t.Errorf("the server is %v", got)
				}
				if got, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr); !ok || got.String() != hs.Listener.Addr().String() {
					t.Errorf("the local address is %v, want %v", got, hs.Listener.Addr())
				}
				if got := ctx.Value(testKey{}); got != c.want {
					t.Errorf("the value is %v, want %v", got, c.want)
				}
				if ctx.Done() != nil {
					t.Error("the context can end")
				}
			}
			if shared := first.Session.hs.ctx == second.Session.hs.ctx; shared != c.shared {
				t.Errorf("values are shared: %v, want %v", shared, c.shared)
			}
		})
	}
}

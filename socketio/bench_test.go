package socketio

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/internal/memnet"
	"github.com/siogo/sio/internal/websocket"
	"github.com/siogo/sio/socketio/event"
)

// sink is a client that has said all that it will say, and whose answers are
// thrown away.
type sink struct {
	mu      sync.Mutex
	said    []byte
	expired bool
	closed  bool
	wake    sync.Cond
}

func newSink(frames ...string) *sink {
	s := &sink{}
	s.wake.L = &s.mu
	s.said = []byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	for _, f := range frames {
		s.said = websocket.AppendFrame(s.said, websocket.Client, websocket.OpText, []byte(f))
	}
	return s
}

func (s *sink) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch n := copy(p, s.said); {
		case n > 0:
			s.said = s.said[n:]
			return n, nil
		case s.closed:
			return 0, io.EOF
		case s.expired:
			return 0, os.ErrDeadlineExceeded
		}
		s.wake.Wait()
	}
}

func (s *sink) set(f func()) error {
	s.mu.Lock()
	f()
	s.mu.Unlock()
	s.wake.Broadcast()
	return nil
}

func (s *sink) SetReadDeadline(t time.Time) error {
	if d := time.Until(t); !t.IsZero() && d > 0 {
		time.AfterFunc(d, func() { s.set(func() { s.expired = true }) })
		return nil
	}
	return s.set(func() { s.expired = !t.IsZero() })
}
func (s *sink) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }
func (s *sink) Close() error                  { return s.set(func() { s.closed = true }) }

func (s *sink) Write(p []byte) (int, error)      { return len(p), nil }
func (s *sink) LocalAddr() net.Addr              { return memnet.Listen().Addr() }
func (s *sink) RemoteAddr() net.Addr             { return memnet.Listen().Addr() }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

type sinkListener chan net.Conn

func (l sinkListener) Accept() (net.Conn, error) {
	c, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l sinkListener) Close() error   { return nil }
func (l sinkListener) Addr() net.Addr { return memnet.Listen().Addr() }

// crowd returns a server with n connected sockets.
func crowd(b *testing.B, n int, setup func(*Server)) *Server {
	srv := New(&Options{
		Logger:       slog.New(slog.DiscardHandler),
		PingInterval: time.Hour,
		Outbound:     Queue{MaxPackets: 1 << 20, MaxBytes: 1 << 30},
	})
	var connected sync.WaitGroup
	connected.Add(n)
	srv.OnConnect(func(_ context.Context, s *Socket) error { connected.Done(); return s.Join("room") })
	if setup != nil {
		setup(srv)
	}
	l := make(sinkListener)
	hs := &http.Server{Handler: srv}
	done := make(chan struct{})
	go func() { defer close(done); hs.Serve(l) }() // ended by the cleanup
	for range n {
		l <- newSink("40")
	}
	connected.Wait()
	b.Cleanup(func() {
		srv.Close()
		close(l)
		hs.Close()
		<-done
	})
	return srv
}

type benchMessage struct {
	Room string `json:"room"`
	From string `json:"from"`
	Text string `json:"text"`
}

// One event: split, put into the mailbox, decoded, handled.
func BenchmarkDispatch(b *testing.B) {
	message := []byte(`2["chat",{"room":"lobby","from":"me","text":"hello"}]`)
	bench := func(name string, setup func(srv *Server, done func())) {
		b.Run(name, func(b *testing.B) {
			count, handled := 0, make(chan struct{}, 1)
			srv := crowd(b, 1, func(srv *Server) {
				setup(srv, func() {
					if count++; count%64 == 0 {
						handled <- struct{}{}
					}
				})
			})
			var c *conn
			for s := range srv.LocalSockets() {
				c = s.conn
			}
			srv.running.Wait(b.Context())
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				c.Message(message, false)
				if i%64 == 63 {
					<-handled // a burst at a time, so that nothing is queued for long
				}
			}
		})
	}
	bench("typed", func(srv *Server, done func()) {
		chat := event.New[benchMessage]("chat")
		event.On(srv, chat, func(context.Context, *Socket, benchMessage) error { done(); return nil })
	})
	bench("untyped", func(srv *Server, done func()) {
		srv.On("chat", func(context.Context, *Event) error { done(); return nil })
	})
	bench("func", func(srv *Server, done func()) {
		srv.On("chat", Func(func(benchMessage) { done() }))
	})
	b.Run("unhandled", func(b *testing.B) {
		srv := crowd(b, 1, nil)
		for s := range srv.LocalSockets() {
			b.ReportAllocs()
			for b.Loop() {
				s.conn.Message(message, false)
			}
		}
	})
}

func BenchmarkEmit(b *testing.B) {
	srv := crowd(b, 1, nil)
	for s := range srv.LocalSockets() {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Emit("chat", benchMessage{"lobby", "me", "hello"}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// One event to a thousand sockets in memory; the time is for all of them.
func BenchmarkBroadcast(b *testing.B) {
	srv := crowd(b, 1000, nil)
	for _, to := range []struct {
		name string
		e    Emitter
	}{{"all", srv.All()}, {"room", srv.To("room")}, {"room except one", srv.To("room").Except("nobody")}} {
		b.Run(to.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := to.e.Emit("chat", benchMessage{"lobby", "me", "hello"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A connection and its socket, with the default room and one more; bytes of
// heap, the HTTP server's and the test's included.
func BenchmarkIdleConnection(b *testing.B) {
	const n = 2000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		srv := crowd(b, n, nil)
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "heap-B/conn")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/n, "stack-B/conn")
		runtime.KeepAlive(srv)
	}
}

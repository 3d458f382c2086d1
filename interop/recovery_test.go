package interop

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/interop/internal/node"
	"github.com/siogo/sio/socketio"
)

// TestRecovery cuts the connection of the official client again and again: by a
// reset that both sides notice, and so that only the client does. It must be
// recovered each time and receive every event once, in order, without having
// received any before the first cut.
func TestRecovery(t *testing.T) {
	const cuts, perCut = 12, 40
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			sio := socketio.New(&socketio.Options{
				Recovery: &socketio.Recovery{},
				Logger:   slog.New(slog.DiscardHandler),
			})
			wrongAuth := make(chan string, cuts+1)
			sio.Use(func(_ context.Context, s *socketio.Socket) error {
				if a := s.Handshake().Auth(); string(a.At(0)) != `{"token":"secret"}` {
					wrongAuth <- string(a.Raw())
				}
				return nil
			})
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			hs := &http.Server{Handler: sio}
			go hs.Serve(listener) // ended by hs.Close
			t.Cleanup(func() {
				if err := errors.Join(sio.Close(), hs.Close()); err != nil {
					t.Error(err)
				}
			})
			line := newLine(t, listener.Addr().String())
			p := node.Start(t, scripts, "recovery.mjs", "http://"+line.addr(), mode)

			var id string
			next, recovered := 0, 0
			emit := func() {
				for range perCut {
					if err := sio.Emit("n", next); err != nil {
						t.Fatal(err)
					}
					next++
				}
			}
			for cut := range cuts + 1 {
				var r struct {
					Connected string
					Recovered bool
				}
				if err := p.Read(&r); err != nil {
					t.Fatal(err)
				}
				switch {
				case cut == 0:
					id = r.Connected
				case r.Recovered && r.Connected == id:
					recovered++
				default:
					t.Fatalf("cut %d: not recovered", cut)
				}
				if cut == cuts {
					break
				}
				if cut > 0 { // the first comes before the first event
					emit()
				}
				if cut%4 >= 2 { // else what was emitted is on its way
					time.Sleep(50 * time.Millisecond)
				}
				line.cut(cut%2 == 1)
				emit()
			}
			if err := sio.Emit("end"); err != nil {
				t.Fatal(err)
			}
			var r struct{ Numbers []int }
			if err := p.Read(&r); err != nil {
				t.Fatal(err)
			}
			want := make([]int, next)
			for i := range want {
				want[i] = i
			}
			if !slices.Equal(r.Numbers, want) {
				t.Errorf("received %v, want 0 to %d", r.Numbers, next-1)
			}
			if n := len(slices.Collect(sio.LocalSockets())); n != 1 {
				t.Errorf("%d sockets", n)
			}
			select {
			case a := <-wrongAuth:
				t.Errorf("the application sees %s as auth", a)
			default:
			}
			t.Logf("%d events, %d cuts, %d recovered", next, cuts, recovered)
		})
	}
}

// A line carries connections to a server, until it is cut.
type line struct {
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	pairs [][2]net.Conn // client, server
	kept  []net.Conn    // ends at servers that do not know
	down  bool
}

func newLine(t *testing.T, to string) *line {
	l := &line{}
	var err error
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	l.running.Go(func() { // ended by the clean-up, which waits for it
		for {
			client, err := l.listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			l.mu.Lock()
			down := l.down
			if !down {
				l.pairs = append(l.pairs, [2]net.Conn{client, server})
			}
			l.mu.Unlock()
			if down {
				client.Close()
				server.Close()
				continue
			}
			l.running.Go(func() { l.carry(server, client) })
			l.running.Go(func() { l.carry(client, server) })
		}
	})
	t.Cleanup(func() {
		l.listener.Close()
		l.cut(false)
		l.mu.Lock()
		for _, c := range l.kept {
			c.Close()
		}
		l.mu.Unlock()
		l.running.Wait()
	})
	return l
}

func (l *line) addr() string { return l.listener.Addr().String() }

// carry copies until one end is gone. It tells the other end, if that is not to
// be kept in the dark.
func (l *line) carry(dst, src net.Conn) {
	io.Copy(dst, src)
	l.mu.Lock()
	kept := slices.Contains(l.kept, dst) || slices.Contains(l.kept, src)
	l.mu.Unlock()
	if !kept {
		dst.Close()
		src.Close()
	}
}

// cut resets all connections; with halfOpen, as far as the clients can see. For
// a moment there are no new ones, so that a client that polls notices too.
func (l *line) cut(halfOpen bool) {
	defer func() {
		time.Sleep(100 * time.Millisecond)
		l.mu.Lock()
		l.down = false
		l.mu.Unlock()
	}()
	l.mu.Lock()
	l.down = true
	pairs := l.pairs
	l.pairs = nil
	if halfOpen {
		for _, p := range pairs {
			l.kept = append(l.kept, p[1])
		}
	}
	l.mu.Unlock()
	for _, p := range pairs {
		p[0].(*net.TCPConn).SetLinger(0)
		p[0].Close()
		if !halfOpen {
			p[1].(*net.TCPConn).SetLinger(0)
			p[1].Close()
		}
	}
}

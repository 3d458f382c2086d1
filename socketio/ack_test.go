package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

// only returns the one socket of the server.
func only(t *testing.T, io *socketio.Server) *socketio.Socket {
	t.Helper()
	var s *socketio.Socket
	settled(t, func() bool {
		for s = range io.LocalSockets() {
			break
		}
		return s != nil
	})
	for s = range io.LocalSockets() {
		return s
	}
	t.Fatal("no socket is connected")
	return nil
}

func TestCallEndings(t *testing.T) {
	why := errors.New("why")
	for _, tt := range []struct {
		name string
		ctx  func(ctx context.Context) (context.Context, context.CancelFunc)
		then func(w *wire, s *socketio.Socket) // after 1s
		want error
		at   time.Duration
	}{
		{"answer", nil, func(w *wire, _ *socketio.Socket) { w.send("431[7]") }, nil, time.Second},
		{"default timeout", nil, nil, socketio.ErrAckTimeout, 20 * time.Second},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 3*time.Second)
		}, nil, socketio.ErrAckTimeout, 3 * time.Second},
		{"a longer deadline than the default", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 25*time.Second)
		}, nil, context.DeadlineExceeded, 25 * time.Second},
		{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(2*time.Second, func() { cancel(why) })
			return ctx, func() { cancel(nil) }
		}, nil, why, 2 * time.Second},
		{"client leaves", nil, func(w *wire, _ *socketio.Socket) { w.send("41") }, socketio.ErrDisconnected, time.Second},
		{"client is lost", nil, func(w *wire, _ *socketio.Socket) { w.conn.Abort() }, socketio.ErrDisconnected, time.Second},
		{"server disconnects", nil, func(_ *wire, s *socketio.Socket) { s.Disconnect() }, socketio.ErrDisconnected, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, &socketio.Options{PingInterval: time.Hour}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				w := dialWire(t, n, "4").join("/")
				s := only(t, io)
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if tt.ctx != nil {
					ctx, cancel = tt.ctx(ctx)
				}
				defer cancel()
				if tt.then != nil {
					time.AfterFunc(time.Second, func() { tt.then(w, s) })
				}
				start := time.Now()
				args, err := s.Call(ctx, "ask", "x")
				if !errors.Is(err, tt.want) || time.Since(start) != tt.at {
					t.Errorf("got %v after %v, want %v after %v", err, time.Since(start), tt.want, tt.at)
				}
				if tt.want == nil && string(args.Raw()) != "[7]" {
					t.Errorf("got %s", args.Raw())
				}
				if pending := socketio.PendingAcks(s); pending != 0 {
					t.Errorf("%d acknowledgements are still awaited", pending)
				}
				if !errors.Is(tt.want, socketio.ErrDisconnected) {
					w.expect(`421["ask","x"]`)
					w.send("431[8]") // late, or again: ignored
					w.nothing()
				}
			})
		})
	}
}

// Acknowledgements that never came, came twice, after the end, forged, or for
// another socket's id call nobody.
func TestFault_N04_ForeignAcks(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		a := dialWire(t, n, "4").join("/")
		sa := only(t, io)
		b := dialWire(t, n, "4").join("/")
		answered := make(chan string, 10)
		go func() {
			args, err := sa.Call(t.Context(), "ask")
			answered <- fmt.Sprint(string(args.Raw()), err)
		}()
		a.expect(`421["ask"]`)
		b.send("431[666]", "430[1]", "439007199254740991[1]")
		b.nothing()
		if len(answered) != 0 {
			t.Fatal("another socket has answered")
		}
		a.send("432[1]", "431[7]", "431[8]")
		a.nothing()
		if got := <-answered; got != "[7]<nil>" {
			t.Errorf("got %s", got)
		}
		a.send("43[1]") // no id: what is it for?
		a.closed()
		b.nothing()
	})
}

func TestTooManyAcks(t *testing.T) {
	bubble(t, &socketio.Options{MaxAcks: 2}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		n.Dial(t, "/", nil)
		s := only(t, io)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { s.Call(ctxFor(t, time.Second), "ask") })
		}
		synctest.Wait()
		if _, err := s.Call(t.Context(), "ask"); err != socketio.ErrTooManyAcks {
			t.Errorf("got %v", err)
		}
		wg.Wait()
		if _, err := s.Call(ctxFor(t, time.Second), "ask"); err != socketio.ErrAckTimeout {
			t.Errorf("got %v", err)
		}
	})
}

func TestAckTimeoutOption(t *testing.T) {
	for _, d := range []time.Duration{5 * time.Second, -1} {
		bubble(t, &socketio.Options{AckTimeout: d}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
			c := n.Dial(t, "/", nil)
			s := only(t, io)
			time.AfterFunc(time.Hour, func() { c.Close() })
			start := time.Now()
			_, err := s.Call(t.Context(), "ask")
			want, at := socketio.ErrAckTimeout, 5*time.Second
			if d < 0 {
				want, at = socketio.ErrDisconnected, time.Hour
			}
			if !errors.Is(err, want) || time.Since(start) != at {
				t.Errorf("got %v after %v, want %v after %v", err, time.Since(start), want, at)
			}
		})
	}
}

// A payload that cannot be encoded is an error, and leaves nothing behind.
func TestCallThatCannotBeEncoded(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		n.Dial(t, "/", nil)
		s := only(t, io)
		if _, err := s.Call(t.Context(), "ask", make(chan int)); err == nil || socketio.PendingAcks(s) != 0 {
			t.Error(err)
		}
		if _, err := s.Call(t.Context(), "disconnect"); err == nil {
			t.Error("a reserved name was accepted")
		}
		if err := s.Emit("e", make(chan int)); err == nil {
			t.Error("emitted a channel")
		}
		if err := io.Emit("e", make(chan int)); err == nil {
			t.Error("emitted a channel")
		}
	})
}

// Answers come as they arrive; at the end there is an error for each socket
// that is missing, and nothing is left in any table.
func TestEach(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.OnConnect(func(_ context.Context, s *socketio.Socket) error { return s.Join("game") })
		quick, slow, silent, leaves, fails := n.Dial(t, "/", nil), n.Dial(t, "/", nil), n.Dial(t, "/", nil), n.Dial(t, "/", nil), n.Dial(t, "/", nil)
		outside := n.Dial(t, "/", nil)
		names := map[string]string{quick.ID(): "quick", slow.ID(): "slow", silent.ID(): "silent", leaves.ID(): "leaves", fails.ID(): "fails"}
		answer := func(d time.Duration, err error) func(context.Context, *siotest.Client, int) (int, error) {
			return func(_ context.Context, _ *siotest.Client, i int) (int, error) { time.Sleep(d); return i + 1, err }
		}
		event.Handle(quick, echo, answer(0, nil))
		event.Handle(slow, echo, answer(2*time.Second, nil))
		event.Handle(fails, echo, answer(time.Second/2, &event.Error{Code: "c", Message: "m"}))
		event.Handle(outside, echo, answer(0, nil))
		time.AfterFunc(time.Second, func() { leaves.Close() })
		synctest.Wait()

		start := time.Now()
		var got []string
		ctx := ctxFor(t, 3*time.Second)
		for r := range echo.Each(ctx, io.To("game").Except(outside.ID()), 41) {
			got = append(got, fmt.Sprint(names[r.SocketID], " ", r.Value, " ", r.Err, " ", time.Since(start)))
		}
		want := []string{
			"quick 42 <nil> 0s", "fails 0 c: m 500ms", "leaves 0 socketio: disconnected: transport close 1s",
			"slow 42 <nil> 2s", "silent 0 socketio: no acknowledgement in time 3s",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for s := range io.LocalSockets() {
			if n := socketio.PendingAcks(s); n != 0 {
				t.Errorf("%d acknowledgements are still awaited", n)
			}
		}
		for range echo.Each(t.Context(), io.To("nobody"), 1) {
			t.Error("nobody has answered")
		}
		for r := range echo.Each(t.Context(), io, 1) {
			if r.Err == nil {
				break // those that answer later find nobody
			}
		}
		for a := range io.Each(t.Context(), "echo", make(chan int)) {
			if a.Err == nil {
				t.Error("asked with a channel")
			}
		}
	})
}

// In a handler of one of the sockets asked, the turn is given away meanwhile.
func TestEachFromAHandler(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		event.Handle(io, event.NewRPC[struct{}, int]("sum"), func(ctx context.Context, s *socketio.Socket, _ struct{}) (sum int, err error) {
			for r := range echo.Each(ctx, io, 1) {
				sum += r.Value
			}
			return sum, nil
		})
		event.Handle(io, echo, func(_ context.Context, _ *socketio.Socket, i int) (int, error) { return i + 1, nil })
		var clients []*siotest.Client
		for range 3 {
			c := n.Dial(t, "/", nil)
			event.Handle(c, echo, func(ctx context.Context, c *siotest.Client, i int) (int, error) { return echo.Call(ctx, c, i) })
			clients = append(clients, c)
		}
		start := time.Now()
		args, err := clients[0].Call(t.Context(), "sum")
		if got := string(args.Raw()); got != "[6]" || err != nil || time.Since(start) != 0 {
			t.Errorf("got %s, %v after %v, want [6] at once", got, err, time.Since(start))
		}
	})
}

// The sockets of all children of a pattern are asked at once.
func TestEachOfAParent(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		parent := io.Of("/{x}")
		for _, name := range []string{"/a", "/b", "/c"} {
			c := n.Dial(t, name, nil)
			if name != "/b" {
				event.Handle(c, echo, func(_ context.Context, _ *siotest.Client, i int) (int, error) {
					time.Sleep(time.Second)
					return i, nil
				})
			}
		}
		start := time.Now()
		var got []string
		for r := range echo.Each(ctxFor(t, 2*time.Second), parent, 1) {
			got = append(got, fmt.Sprint(r.Value, " ", r.Err, " ", time.Since(start)))
		}
		want := []string{"1 <nil> 1s", "1 <nil> 1s", "0 socketio: no acknowledgement in time 2s"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Broadcasts that nobody answers leave no callback behind.
func TestSec_S20_UnansweredBroadcasts(t *testing.T) {
	bubble(t, &socketio.Options{PingInterval: time.Hour}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		for range 10 {
			n.Dial(t, "/", nil)
		}
		synctest.Wait()
		ctx := ctxFor(t, time.Second)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				missing := 0
				for a := range io.Each(ctx, "ask") {
					if errors.Is(a.Err, socketio.ErrAckTimeout) {
						missing++
					}
				}
				if missing != 10 {
					t.Errorf("%d are missing, want 10", missing)
				}
			})
		}
		wg.Wait()
		for s := range io.LocalSockets() {
			if n := socketio.PendingAcks(s); n != 0 {
				t.Errorf("%d acknowledgements are still awaited", n)
			}
		}
	})
}

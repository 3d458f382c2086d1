package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

var (
	number = event.New[int]("n")
	echo   = event.NewRPC[int, int]("echo")
)

// Handlers of one socket start in order and never overlap, however long each
// takes; those of another socket run meanwhile.
func TestTurns(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var log []string
		inside := make(map[*socketio.Socket]int)
		var mu sync.Mutex
		event.On(io, number, func(_ context.Context, s *socketio.Socket, i int) error {
			mu.Lock()
			if inside[s]++; inside[s] != 1 {
				t.Errorf("%d handlers of one socket at once", inside[s])
			}
			mu.Unlock()
			time.Sleep(time.Duration(10-i) * time.Second) // the later, the shorter
			mu.Lock()
			inside[s]--
			log = append(log, fmt.Sprint(s.Handshake().Query.Get("who"), i))
			mu.Unlock()
			return nil
		})
		start := time.Now()
		for _, who := range []string{"a", "b"} {
			c := n.Dial(t, "/", &siotest.Options{Query: url.Values{"who": {who}}})
			for i := range 10 {
				number.Emit(c, i)
			}
			pass(time.Second) // b is a second later
		}
		for {
			mu.Lock()
			ended := len(log)
			mu.Unlock()
			if ended == 20 {
				break
			}
			pass(time.Second)
		}
		if took := time.Since(start); took != 56*time.Second {
			t.Errorf("all that took %v, want 55s for each of both, side by side", took)
		}
		for _, who := range []string{"a", "b"} {
			own := slices.DeleteFunc(slices.Clone(log), func(s string) bool { return s[:1] != who })
			if !slices.IsSorted(own) || len(own) != 10 {
				t.Errorf("order %v", own)
			}
		}
	})
}

// The same over TCP; the race detector watches the variables that the handlers
// share.
func TestOrderAndExclusion(t *testing.T) {
	io := socketio.New(nil)
	var order []int
	done := make(chan struct{})
	event.On(io, number, func(_ context.Context, _ *socketio.Socket, n int) error {
		if order = append(order, n); n == 1999 {
			close(done)
		}
		return nil
	})
	c := siotest.NewServer(t, io).Dial(t, "/", nil)
	for i := range 2000 {
		number.Emit(c, i)
	}
	<-done
	if !slices.IsSorted(order) || len(order) != 2000 {
		t.Errorf("%d events in order: %v", len(order), slices.IsSorted(order))
	}
}

// 500 handlers of one socket each ask the client, whose answers come in any
// order. Between the waits they are alone.
func TestHandlersThatAwait(t *testing.T) {
	bubble(t, &socketio.Options{Inbound: socketio.Queue{MaxPackets: 1}}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		inside, sum := 0, 0
		event.On(io, number, func(ctx context.Context, s *socketio.Socket, i int) error {
			alone := func() {
				if inside++; inside != 1 {
					t.Errorf("%d handlers at once", inside)
				}
				inside--
			}
			alone()
			got, err := echo.Call(ctx, s, i)
			alone()
			sum += got
			return err
		})
		c := n.Dial(t, "/", nil)
		event.Handle(c, echo, func(ctx context.Context, _ *siotest.Client, i int) (int, error) {
			time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
			return i, nil
		})
		for i := range 500 {
			number.Emit(c, i)
		}
		pass(time.Minute)
		if want := 500 * 499 / 2; sum != want {
			t.Errorf("sum %d, want %d", sum, want)
		}
	})
}

// The server awaits the client, whose handler awaits the server.
func TestMutualAwait(t *testing.T) {
	bubble(t, &socketio.Options{Inbound: socketio.Queue{MaxPackets: 1}}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		event.Handle(io, echo, func(ctx context.Context, s *socketio.Socket, i int) (int, error) {
			if i == 0 {
				return 0, nil
			}
			return echo.Call(ctx, s, i-1)
		})
		c := n.Dial(t, "/", nil)
		event.Handle(c, echo, func(ctx context.Context, c *siotest.Client, i int) (int, error) {
			got, err := echo.Call(ctx, c, i-1)
			return got + 1, err
		})
		start := time.Now()
		got, err := echo.Call(t.Context(), c, 10)
		if got != 5 || err != nil || time.Since(start) != 0 {
			t.Errorf("got %d, %v after %v, want 5 at once", got, err, time.Since(start))
		}
	})
}

func TestHandlerOptions(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []event.Option
		want string
	}{
		{"in turn", nil, "in 0s, in 1s, in 2s"},
		{"outside the turn", []event.Option{event.Concurrent()}, "in 0s, in 0s, in 0s"},
		{"ended in time", []event.Option{event.Timeout(time.Second / 2)}, "in 0s, in 500ms, in 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				var log []string
				start := time.Now()
				event.On(io, number, func(ctx context.Context, s *socketio.Socket, _ int) error {
					if tt.name != "outside the turn" {
						log = append(log, fmt.Sprint("in ", time.Since(start)))
					}
					select {
					case <-time.After(time.Second):
					case <-ctx.Done():
					}
					return ctx.Err()
				}, tt.opts...)
				var ran atomic.Int32
				event.On(io, number, func(context.Context, *socketio.Socket, int) error {
					if ran.Add(1); tt.name == "outside the turn" {
						log = append(log, fmt.Sprint("in ", time.Since(start)))
					}
					return nil
				})
				c := n.Dial(t, "/", nil)
				for i := range 3 {
					number.Emit(c, i)
				}
				pass(time.Minute)
				if got := strings.Join(log, ", "); got != tt.want || ran.Load() != 3 {
					t.Errorf("got %q and %d, want %q and 3", got, ran.Load(), tt.want)
				}
			})
		})
	}
}

func TestLimitRefillsAndTells(t *testing.T) {
	dropped := 0
	bubble(t, &socketio.Options{Hooks: &socketio.Hooks{
		Dropped: func(*socketio.Socket, string) { dropped++ },
	}}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		event.Handle(io, echo, func(_ context.Context, _ *socketio.Socket, i int) (int, error) { return i, nil }, event.Limit(10, 2))
		a, b := n.Dial(t, "/", nil), n.Dial(t, "/", nil)
		codes := func(c *siotest.Client, n int) (s string) {
			for range n {
				_, err := echo.Call(t.Context(), c, 1)
				e := &socketio.Error{Code: "ok"}
				errors.As(err, &e)
				s += e.Code + " "
			}
			return s
		}
		if got := codes(a, 3); got != "ok ok rate_limited " {
			t.Errorf("got %s", got)
		}
		if got := codes(b, 1); got != "ok " {
			t.Errorf("the limit of one socket concerns another: %s", got)
		}
		pass(100 * time.Millisecond)
		if got := codes(a, 2); got != "ok rate_limited " {
			t.Errorf("got %s", got)
		}
		pass(time.Hour)
		if got := codes(a, 3); got != "ok ok rate_limited " || dropped != 3 {
			t.Errorf("got %s, %d dropped", got, dropped)
		}
	})
}

func TestOrderedKeepsTheTurn(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
			var log []string
			opts := []event.Option{event.Timeout(time.Second)}
			if ordered {
				opts = append(opts, event.Ordered())
			}
			event.On(io, number, func(ctx context.Context, s *socketio.Socket, i int) error {
				_, err := echo.Call(ctx, s, i)
				log = append(log, fmt.Sprint(i, err))
				return nil
			}, opts...)
			io.On("next", func(context.Context, *socketio.Event) error { log = append(log, "next"); return nil })
			w := dialWire(t, n, "4").join("/")
			w.play(`>42["n",1]`, `>42["next"]`, `<421["echo",1]`)
			pass(time.Minute)
			want := "next, 1 socketio: no acknowledgement in time"
			if ordered {
				want = "1 socketio: no acknowledgement in time, next"
			}
			if got := strings.Join(log, ", "); got != want {
				t.Errorf("ordered %v: got %q, want %q", ordered, got, want)
			}
		})
	}
}

func TestDetach(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var ended error
		io.On("logs", func(ctx context.Context, e *socketio.Event) error {
			socketio.Detach(ctx)
			<-ctx.Done()
			ended = context.Cause(ctx)
			return ended
		})
		io.On("ask", reply(1))
		c := n.Dial(t, "/", nil)
		c.Emit("logs")
		if _, err := c.Call(t.Context(), "ask"); err != nil {
			t.Error(err)
		}
		c.Close()
		synctest.Wait()
		if !errors.Is(ended, socketio.ErrDisconnected) {
			t.Errorf("the job ended with %v", ended)
		}
		socketio.Detach(t.Context()) // elsewhere it does nothing
	})
}

func TestHandlerTimeout(t *testing.T) {
	bubble(t, &socketio.Options{HandlerTimeout: time.Second}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var log []string
		start := time.Now()
		wait := func(ctx context.Context, _ *socketio.Event) error {
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
			log = append(log, fmt.Sprint(time.Since(start)))
			return nil
		}
		io.OnConnect(func(ctx context.Context, s *socketio.Socket) error { return wait(ctx, nil) })
		io.OnDisconnect(func(ctx context.Context, s *socketio.Socket, _ socketio.Reason) { wait(ctx, nil) })
		io.On("default", wait)
		io.On("own", wait, event.Timeout(2*time.Second))
		io.On("never", wait, event.Timeout(-1))
		c := n.Dial(t, "/", nil)
		c.Emit("default")
		c.Emit("own")
		c.Emit("never")
		pass(2 * time.Minute)
		c.Close()
		pass(time.Minute)
		if got, want := strings.Join(log, " "), "1s 2s 4s 1m4s 2m1s"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestInboundOverflow(t *testing.T) {
	for _, tt := range []struct {
		overflow socketio.Overflow
		want     string
		dropped  int
	}{
		{socketio.Block, "[0 1 2 3 4 5 6 7 8 9]", 0},
		{socketio.DropOldest, "[0 8 9]", 7},
		{socketio.DropNewest, "[0 1 2]", 7},
		{socketio.Disconnect, "[0 gone]", 0},
	} {
		t.Run(tt.overflow.String(), func(t *testing.T) {
			dropped := 0
			o := &socketio.Options{
				Inbound: socketio.Queue{MaxPackets: 2, Overflow: tt.overflow},
				Hooks:   &socketio.Hooks{Dropped: func(*socketio.Socket, string) { dropped++ }},
			}
			bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				var log []any
				event.On(io, number, func(_ context.Context, s *socketio.Socket, i int) error {
					log = append(log, i)
					time.Sleep(time.Hour)
					return nil
				})
				io.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { log = append(log, "gone") })
				c := n.Dial(t, "/", nil)
				for i := range 10 {
					number.Emit(c, i)
					synctest.Wait()
				}
				pass(24 * time.Hour) // and the heartbeat goes on, or waits
				if got := fmt.Sprint(log); got != tt.want || dropped != tt.dropped {
					t.Errorf("got %s and %d dropped, want %s and %d", got, dropped, tt.want, tt.dropped)
				}
				if want := tt.overflow != socketio.Disconnect; c.Connected() != want {
					t.Errorf("connected %v, want %v", c.Connected(), want)
				}
			})
		})
	}
}

// A namespace that is full stops the connection, and lets it go on when it has
// room again, also when the full one is left.
func TestFullMailboxOfALeftNamespace(t *testing.T) {
	bubble(t, &socketio.Options{Inbound: socketio.Queue{MaxPackets: 1}}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var full *socketio.Socket
		io.Of("/a").On("n", func(ctx context.Context, e *socketio.Event) error {
			full = e.Socket()
			<-ctx.Done()
			time.Sleep(time.Hour)
			return nil
		})
		io.On("ask", reply(1))
		w := dialWire(t, n, "4").join("/", "/a")
		w.play(`>42/a,["n"]`, "-", `>42/a,["n"]`, "-", `>421["ask"]`, "-")
		full.Disconnect()
		w.expect("41/a,", "431[1]")
		pass(time.Hour)
	})
}

func TestPanics(t *testing.T) {
	for _, disconnect := range []bool{false, true} {
		var heard error
		o, log := logged(socketio.Options{
			DisconnectOnPanic: disconnect,
			OnError:           func(_ context.Context, e *socketio.Event, err error) { heard = err },
		})
		bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
			cause := errors.New("cause")
			io.On("fail", func(context.Context, *socketio.Event) error { panic(cause) })
			a, b := n.Dial(t, "/", nil), n.Dial(t, "/", nil)
			a.Emit("fail")
			synctest.Wait()
			var p *socketio.PanicError
			if !errors.As(heard, &p) || !errors.Is(heard, cause) || !strings.Contains(string(p.Stack), "TestPanics") {
				t.Errorf("OnError heard %v", heard)
			}
			if a.Connected() == disconnect || !b.Connected() {
				t.Errorf("connected: %v, the other: %v", a.Connected(), b.Connected())
			}
			if s := log.String(); !strings.Contains(s, "level=ERROR") || !strings.Contains(s, "handler_test.go") {
				t.Errorf("logged %s", s)
			}
		})
	}
}

// CrashOnPanic ends the process, after the panic was logged: another one, in
// which this test runs once more.
func TestCrashOnPanic(t *testing.T) {
	if os.Getenv("SIO_CRASH") != "" {
		io := socketio.New(&socketio.Options{CrashOnPanic: true, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
		io.On("fail", func(context.Context, *socketio.Event) error { panic("a bad day") })
		siotest.NewServer(t, io).Dial(t, "/", nil).Call(t.Context(), "fail")
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashOnPanic$")
	cmd.Env = append(os.Environ(), "SIO_CRASH=1")
	out, err := cmd.CombinedOutput()
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("the process ended with %v, want the status of a panic, 2", err)
	}
	for _, want := range []string{"level=ERROR", `panic: a bad day`, "TestCrashOnPanic.func1"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("there is no %q in its output:\n%s", want, out)
		}
	}
}

// Panics in every kind of user code end nothing but that piece of work; a
// handler that blocks harms nobody else, and shutdown still ends.
func TestFault_N07_PanicsAndBlocks(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.Of("/use").Use(func(context.Context, *socketio.Socket) error { panic("use") })
		bad := io.Of("/bad")
		bad.OnConnect(func(context.Context, *socketio.Socket) error { panic("connect") })
		bad.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { panic("disconnect") })
		bad.OnAny(func(context.Context, *socketio.Event) error { panic("any") })
		bad.On("ask", reply(1))
		bad.On("decode", socketio.Func(func(i int) { panic("func") }))
		io.On("block", func(context.Context, *socketio.Event) error { time.Sleep(time.Hour); return nil })
		io.On("ask", reply(1))

		if _, err := n.Connect(t.Context(), t, "/use", nil); err == nil || err.Error() != "internal: internal error" {
			t.Errorf("refused with %v", err)
		}
		a := n.Dial(t, "/bad", nil)
		for range 3 {
			if _, err := a.Call(t.Context(), "ask"); err != nil {
				t.Error(err)
			}
		}
		a.Emit("decode", 1)
		a.Close()
		b, c := n.Dial(t, "/", nil), n.Dial(t, "/", nil)
		b.Emit("block")
		synctest.Wait()
		if _, err := c.Call(t.Context(), "ask"); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := io.Shutdown(ctx)
		var cut *socketio.ShutdownError
		if !errors.As(err, &cut) || len(cut.Cut) != 1 || cut.Cut[0] != b.ID() || cut.Handlers != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		if d := time.Since(start); d < time.Minute || d > time.Minute+time.Second {
			t.Errorf("Shutdown took %v, want 1m", d)
		}
		pass(time.Hour)
	})
}

// What runs in which order for one event, and what stops it.
func TestDispatchOrder(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var log []string
		note := func(s string) socketio.HandlerFunc {
			return func(context.Context, *socketio.Event) error { log = append(log, s); return nil }
		}
		around := func(s string) func(socketio.Handler) socketio.Handler {
			return func(next socketio.Handler) socketio.Handler {
				return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
					log = append(log, s)
					if e.Name == "stop" {
						return &socketio.Error{Code: "forbidden", Message: e.Name}
					}
					err := next.ServeEvent(ctx, e)
					log = append(log, "/"+s)
					return err
				})
			}
		}
		parent := io.Of("/{x}")
		parent.OnAny(note("any of the pattern"))
		parent.UseEvents(around("outer"))
		parent.UseEvents(around("inner"))
		parent.On("e", note("of the pattern"))
		parent.OnUnknown(note("unknown"))
		child := io.Of("/a")
		child.OnAny(note("any of the namespace"))
		child.UseEvents(around("child"))
		child.On("e", note("of the namespace"))
		child.OnConnect(func(_ context.Context, s *socketio.Socket) error {
			s.OnAny(note("any of the socket"))
			remove := s.On("e", note("removed"))
			s.On("e", note("of the socket"))
			remove()
			return nil
		})
		c := n.Dial(t, "/a", nil)
		for _, tt := range []struct{ event, want string }{
			{"e", "outer inner child of the pattern,of the namespace,of the socket,/child,/inner,/outer"},
			{"other", "outer inner child unknown,/child,/inner,/outer"},
			{"stop", "outer"},
		} {
			log = nil
			_, err := c.Call(ctxFor(t, time.Second), tt.event)
			synctest.Wait()
			want := "any of the pattern,any of the namespace,any of the socket," + strings.Replace(strings.Replace(tt.want, "outer inner ", "outer,inner,", 1), "child ", "child,", 1)
			if got := strings.Join(log, ","); got != want {
				t.Errorf("%s: got\n%s, want\n%s", tt.event, got, want)
			}
			if !errors.Is(err, event.ErrAckTimeout) && tt.event != "stop" {
				t.Errorf("%s: %v", tt.event, err)
			}
		}
	})
}

// ctxFor returns a context that ends after d, and with the test.
func ctxFor(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestRemovedHandlers(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		bad := func(context.Context, *socketio.Event) error { t.Error("called"); return nil }
		removes := []func(){
			io.On("e", bad), io.OnAny(bad), io.OnUnknown(bad),
			io.OnConnect(func(context.Context, *socketio.Socket) error { t.Error("called"); return nil }),
			io.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { t.Error("called") }),
			event.On(io, number, func(context.Context, *socketio.Socket, int) error { t.Error("called"); return nil }),
		}
		for _, remove := range removes {
			remove()
			remove()
		}
		c := n.Dial(t, "/", nil)
		c.Emit("e")
		c.Emit("n", 1)
		c.Close()
	})
}

func TestErrorsAreReported(t *testing.T) {
	type report struct {
		event string
		err   error
	}
	var reports []report
	o, log := logged(socketio.Options{OnError: func(_ context.Context, e *socketio.Event, err error) {
		reports = append(reports, report{e.Name, err})
	}})
	bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		plain, public := errors.New("plain"), &socketio.Error{Code: "c", Message: "public"}
		io.OnConnect(func(context.Context, *socketio.Socket) error { return plain })
		io.On("plain", func(context.Context, *socketio.Event) error { return plain })
		io.On("public", func(context.Context, *socketio.Event) error { return public })
		io.On("two", func(context.Context, *socketio.Event) error { return plain })
		io.On("two", func(context.Context, *socketio.Event) error { return public })
		io.On("late", func(ctx context.Context, _ *socketio.Event) error { <-ctx.Done(); return ctx.Err() })
		c := n.Dial(t, "/", nil)
		for _, e := range []string{"plain", "public", "two", "late"} {
			c.Emit(e)
		}
		synctest.Wait()
		c.Close()
		synctest.Wait()
		want := []report{{"connect", plain}, {"plain", plain}, {"public", public}, {"two", public}, {"two", plain}, {"late", context.Canceled}}
		if !slices.Equal(reports, want) {
			t.Errorf("got %v, want %v", reports, want)
		}
		if s := log.String(); strings.Count(s, "level=WARN") != 2 || strings.Count(s, "level=ERROR") != 3 || strings.Contains(s, "late") {
			t.Errorf("logged %s", s)
		}
	})
}

func TestHooks(t *testing.T) {
	type key struct{}
	var mu sync.Mutex // hooks come from the reader and from handlers
	var log []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, s)
	}
	bubble(t, &socketio.Options{Hooks: &socketio.Hooks{
		Connect:    func(*socketio.Socket) { note("connect") },
		Disconnect: func(_ *socketio.Socket, err *socketio.DisconnectError) { note(string(err.Reason)) },
		Event: func(ctx context.Context, e *socketio.Event) (context.Context, func(error)) {
			return context.WithValue(ctx, key{}, "span"), func(err error) { note(fmt.Sprint(e.Name, " ", err)) }
		},
	}}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.On("e", func(ctx context.Context, e *socketio.Event) error {
			if ctx.Value(key{}) != "span" {
				t.Error("the handler got another context")
			}
			return errors.New("failed")
		})
		c := n.Dial(t, "/", nil)
		c.Emit("e")
		c.Leave()
		synctest.Wait()
		if want := []string{"connect", "e failed", "client namespace disconnect"}; !slices.Equal(slices.Sorted(slices.Values(log)), slices.Sorted(slices.Values(want))) {
			t.Errorf("got %q", log)
		}
	})
}

type whoKey struct{}

func TestMergeHooks(t *testing.T) {
	var log []string
	note := func(who string) *socketio.Hooks {
		return &socketio.Hooks{
			Connect:    func(*socketio.Socket) { log = append(log, who+" connect") },
			Disconnect: func(*socketio.Socket, *socketio.DisconnectError) { log = append(log, who+" disconnect") },
			Event: func(ctx context.Context, e *socketio.Event) (context.Context, func(error)) {
				log = append(log, fmt.Sprint(who, " ", e.Name, " ", e.Handled(), " in ", ctx.Value(whoKey{})))
				return context.WithValue(ctx, whoKey{}, who), func(error) { log = append(log, who+" done") }
			},
			Namespace: func(n *socketio.Namespace) { log = append(log, fmt.Sprint(who, " ", n.Name(), " ", n.Parent() != nil)) },
			Dropped:   func(_ *socketio.Socket, name string) { log = append(log, who+" dropped "+name) },
		}
	}
	onlyDropped := &socketio.Hooks{Dropped: func(*socketio.Socket, string) { log = append(log, "only") }}
	o := &socketio.Options{Hooks: socketio.MergeHooks(note("a"), nil, onlyDropped, note("b"))}
	bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		org := io.Of("/{x}")
		org.On("e", reply(1), event.Limit(1, 1))
		org.OnUnknown(reply(2))
		c := n.Dial(t, "/y", nil)
		for _, name := range []string{"e", "other", "e"} {
			if _, err := c.Call(t.Context(), name); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		c.Close()
		synctest.Wait()
		want := []string{
			"a / false", "b / false", "a /y true", "b /y true", "a connect", "b connect",
			"a e true in <nil>", "b e true in a", "b done", "a done",
			"a other false in <nil>", "b other false in a", "b done", "a done",
			"a e true in <nil>", "b e true in a", "a dropped e", "only", "b dropped e", "b done", "a done",
			"a disconnect", "b disconnect",
		}
		if !slices.Equal(log, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
		}
		log = nil
	})
}

func TestSubscriptionHoldsTheClientBack(t *testing.T) {
	bubble(t, &socketio.Options{Inbound: socketio.Queue{MaxPackets: 2}}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		sub := event.Subscribe(io, number, 3)
		defer sub.Close()
		c := n.Dial(t, "/", nil)
		for i := range 1000 {
			number.Emit(c, i)
		}
		pass(time.Hour)
		for want := range 1000 {
			if got, err := sub.Next(t.Context()); got != want || err != nil {
				t.Fatalf("got %d, %v, want %d", got, err, want)
			}
		}
	})
}

//go:build !js

package sioclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
)

// A journal notes what happened.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// Handlers run one at a time and in order, those that await give their turn
// away, and options change that.
func TestTurns(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []event.Option
		wait func(ctx context.Context, s *Socket)
		want []string
	}{
		{"in order", nil, func(context.Context, *Socket) { time.Sleep(time.Second) }, []string{"in 0", "out 0", "in 1", "out 1"}},
		{"awaiting", nil, func(ctx context.Context, s *Socket) { s.Call(ctx, "wait") }, []string{"in 0", "in 1", "out 0", "out 1"}},
		{"ordered", []event.Option{event.Ordered()}, func(ctx context.Context, s *Socket) { s.Call(ctx, "wait") }, []string{"in 0", "out 0", "in 1", "out 1"}},
		{"concurrent", []event.Option{event.Concurrent()}, func(context.Context, *Socket) { time.Sleep(time.Second) }, []string{"in 0", "in 1", "out 0", "out 1"}},
		{"detached", nil, func(ctx context.Context, _ *Socket) { Detach(ctx); time.Sleep(time.Second) }, []string{"in 0", "in 1", "out 0", "out 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				io := newServer(nil)
				io.On("wait", func(_ context.Context, e *socketio.Event) error { time.Sleep(time.Second); return e.Reply() })
				r := newRig(t, io)
				c := r.dial("/", nil)
				var j journal
				event.On(c, number, func(ctx context.Context, s *Socket, n int) error {
					j.note("in %d", n)
					tt.wait(ctx, s)
					j.note("out %d", n)
					return nil
				}, tt.opts...)
				number.Emit(io, 0)
				number.Emit(io, 1)
				time.Sleep(time.Minute)
				got := j.take()
				if len(got) == 4 && !strings.HasPrefix(got[1], "out") {
					slices.Sort(got[:2]) // they run side by side
					slices.Sort(got[2:])
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %q, expected %q", got, tt.want)
				}
			})
		})
	}
}

// Two thousand events in order, through a queue of four, with handlers that
// await; the connection is not read meanwhile, and does not time out for it.
func TestBackPressure(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				io := newServer(&socketio.Options{PingTimeout: time.Hour, Engine: engineio.Options{WriteTimeout: time.Hour}})
				r := newRig(t, io)
				o := w.options
				o.Inbound = 4
				c := r.dial("/", &o)
				other := r.of(c, "/chat")
				if err := other.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				var l listener
				l.hear(c)
				c.On("n", func(ctx context.Context, e *Event) error {
					var n int
					e.Decode(&n)
					switch {
					case n == 0:
						time.Sleep(10 * time.Minute) // much longer than a heartbeat
					case n%100 == 0:
						// Of another socket: the answer comes over the connection that a
						// full queue stops.
						if sum, err := add.Call(ctx, other, [2]int{n, 1}); sum != n+1 || err != nil {
							t.Errorf("add: %d, %v", sum, err)
						}
					}
					return nil
				})
				for i := range 2000 {
					if err := number.Emit(io, i); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				if got := len(l.numbers()); got != 1 {
					t.Errorf("%d events were handled at once", got)
				}
				time.Sleep(time.Hour)
				if got := l.numbers(); len(got) != 2000 || !slices.IsSorted(got) {
					t.Errorf("%d of 2000 events came", len(got))
				}
				if !c.Connected() {
					t.Error("the connection was lost")
				}
			})
		})
	}
}

// Errors and panics go to the server, as far as they concern it, to OnError and
// to the log.
func TestErrorsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := newServer(nil)
		r := newRig(t, io)
		var j journal
		var text bytes.Buffer
		c := r.client("/", &Options{
			Logger:         slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn})),
			OnError:        func(s *Socket, name string, err error) { j.note("%s %s: %v", s.Namespace(), name, err) },
			HandlerTimeout: time.Second,
		})
		ask := event.NewRPC[string, string]("ask")
		event.Handle(c, ask, func(ctx context.Context, _ *Socket, how string) (string, error) {
			switch how {
			case "public":
				return "", &Error{Code: "c", Message: "m"}
			case "private":
				return "", errors.New("the password is 1234")
			case "panic":
				panic("oh")
			case "slow":
				<-ctx.Done()
				return "", ctx.Err()
			}
			return "fine", nil
		}, event.Timeout(2*time.Second))
		c.OnConnect(func(context.Context, *Socket) error { return errors.New("connected badly") })
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for s := range io.LocalSockets() {
			for _, how := range []string{"well", "public", "private", "panic", "slow"} {
				res, err := ask.Call(t.Context(), s, how)
				synctest.Wait() // the answer goes first, the report second
				j.note("%s: %q %v", how, res, err)
			}
			if _, err := event.NewRPC[int, string]("ask").Call(t.Context(), s, 7); err == nil {
				t.Error("the wrong type was taken")
			}
			synctest.Wait()
		}
		want := []string{
			"/ connect: connected badly",
			`well: "fine" <nil>`,
			"/ ask: c: m", `public: "" c: m`,
			"/ ask: the password is 1234", `private: "" internal: internal error`,
			"/ ask: sioclient: handler panicked: oh", `panic: "" internal: internal error`,
			"/ ask: context deadline exceeded", `slow: "" internal: internal error`,
		}
		got := j.take()
		if len(got) != len(want)+1 || !slices.Equal(got[:len(want)], want) || !strings.Contains(got[len(want)], "bad_request") {
			t.Errorf("got\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		c.Close()
		if log := text.String(); strings.Count(log, "level=") != 6 || !strings.Contains(log, "handler_test.go") {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestHooksAndOutgoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := newServer(nil)
		r := newRig(t, io)
		var j journal
		c := r.client("/", &Options{
			Transports: []string{eioclient.WebSocket},
			Hooks: &Hooks{
				State: func(_ *Socket, st State) { j.note("state %v", st.Kind) },
				Event: func(ctx context.Context, e *Event) (context.Context, func(error)) {
					return context.WithValue(ctx, "k", 7), func(err error) { j.note("end of %s: %v", e.Name, err) } //lint:ignore SA1029 a test
				},
				Dropped: func(_ *Socket, name string) { j.note("dropped %s", name) },
				Received: func(p *sioparser.Packet) {
					if p.Type == sioparser.Event {
						j.note("packet %s", p.Name())
					}
				},
			},
		})
		c.OnAny(func(ctx context.Context, e *Event) error { j.note("any %s %v", e.Name, ctx.Value("k")); return nil })
		c.OnAnyOutgoing(func(_ context.Context, e *Event) error {
			j.note("outgoing %s%s", e.Name, e.Arguments().Raw())
			return nil
		})
		remove := c.On("n", func(context.Context, *Event) error { j.note("n"); return nil }, event.Limit(1, 1))
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		j.take()
		c.Emit("out", 1, "x")
		synctest.Wait()
		number.Emit(io, 1)
		number.Emit(io, 2) // over the limit
		synctest.Wait()
		remove()
		number.Emit(io, 3)
		synctest.Wait()
		want := []string{
			`outgoing out[1,"x"]`,
			"packet n", "any n 7", "n", "end of n: <nil>",
			"packet n", "any n 7", "dropped n", "end of n: <nil>",
			"packet n", "any n 7", "end of n: <nil>",
		}
		got := j.take()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s", strings.Join(got, "\n"))
		}
		c.Close()
		if got := j.take(); !slices.Equal(got, []string{"state disconnected", "state closed"}) {
			t.Errorf("got %q", got)
		}
	})
}

// Replies go over the connection that the question came over, or nowhere.
func TestReplyAfterReconnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := newServer(nil)
		r := newRig(t, io)
		c := r.dial("/", &Options{Transports: []string{eioclient.WebSocket}}) // whose end the server notices
		replied := make(chan error, 1)
		c.On("q", func(ctx context.Context, e *Event) error {
			if !e.WantsReply() {
				t.Error("no answer is asked for")
			}
			r.lose(c)
			await(t, c, Connected)
			replied <- e.Reply("late")
			return nil
		})
		for s := range io.LocalSockets() {
			if _, err := s.Call(t.Context(), "q"); !errors.Is(err, socketio.ErrDisconnected) {
				t.Errorf("Call: %v", err)
			}
		}
		if err := <-replied; !errors.Is(err, ErrDisconnected) {
			t.Errorf("Reply: %v", err)
		}
	})
}

// Event names that have a meaning of their own cannot be emitted or handled.
func TestReservedNames(t *testing.T) {
	c, err := New("http://server", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Emit("connect"); err == nil {
		t.Error("Emit takes it")
	}
	if _, err := c.Call(t.Context(), ""); err == nil {
		t.Error("Call takes it")
	}
	if err := c.Emit("x", make(chan int)); err == nil {
		t.Error("a channel was encoded")
	}
	defer func() {
		if recover() == nil {
			t.Error("On takes it")
		}
	}()
	c.On("disconnect", func(context.Context, *Event) error { return nil })
}

// The queue of acknowledgements is bounded.
func TestTooManyAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := newServer(nil)
		io.On("hang", func(ctx context.Context, _ *socketio.Event) error { <-ctx.Done(); return nil })
		r := newRig(t, io)
		c := r.dial("/", &Options{MaxAcks: 2})
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { c.Call(t.Context(), "hang") })
		}
		synctest.Wait()
		if _, err := c.Call(t.Context(), "hang"); err != ErrTooManyAcks {
			t.Errorf("Call: %v", err)
		}
		all.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Call(ctx, "hang"); err != context.Canceled {
			t.Errorf("Call: %v", err)
		}
		c.m.mu.Lock()
		defer c.m.mu.Unlock()
		if len(c.acks) != 0 {
			t.Errorf("%d waits are left", len(c.acks))
		}
	})
}

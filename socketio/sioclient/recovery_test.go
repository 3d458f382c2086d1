//go:build !js

package sioclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/internal/goal"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
)

func recovering() *socketio.Options { return &socketio.Options{Recovery: &socketio.Recovery{}} }

// A listener notes the numbers that a socket gets, each with what it says about
// its order.
type listener struct {
	mu  sync.Mutex
	got []int
}

func (l *listener) hear(s *Socket) {
	event.On(s, number, func(_ context.Context, _ *Socket, n int) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, n)
		return nil
	})
}

func (l *listener) numbers() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

func TestRecovered(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				io := newServer(recovering())
				r := newRig(t, io)
				o := w.options
				c := r.client("/", &o)
				var l listener
				l.hear(c)
				var mu sync.Mutex
				var words []string
				c.On("words", func(_ context.Context, e *Event) error {
					mu.Lock()
					defer mu.Unlock()
					words = append(words, string(e.Arguments().Raw()))
					return nil
				})
				if err := c.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				id := c.ID()
				for i := range 3 { // the first loss comes before the first event
					r.lose(c)
					number.Emit(io, 2*i)
					await(t, c, Connected)
					number.Emit(io, 2*i+1)
					synctest.Wait()
					if !c.Recovered() || c.ID() != id {
						t.Errorf("recovered %v, id %q, was %q", c.Recovered(), c.ID(), id)
					}
				}
				// The offset is not seen by handlers, strings of the application are;
				// volatile events and those with acknowledgement have none.
				io.Emit("words", "a", "b")
				io.Emit("words")
				for s := range io.LocalSockets() {
					s.Call(t.Context(), "words", "c")
				}
				for s := range io.LocalSockets() {
					s.Volatile().Emit("words", "d")
				}
				time.Sleep(time.Minute)
				if got := l.numbers(); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) {
					t.Errorf("got %v", got)
				}
				mu.Lock()
				if want := []string{`["a","b"]`, `[]`, `["c"]`, `["d"]`}; !slices.Equal(words, want) {
					t.Errorf("words %q", words)
				}
				mu.Unlock()
				time.Sleep(time.Hour)
				r.serve(nil) // too late for what comes now
				r.lose(c)
				r.serve(newServer(recovering()))
				await(t, c, Connected)
				if c.Recovered() || c.ID() == id {
					t.Error("recovered by another server")
				}
			})
		})
	}
}

// The connection is dead for the client, and alive for the server: the client
// takes its session over, and nothing is lost.
func TestFault_L07_HalfOpen(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				io := newServer(&socketio.Options{Recovery: &socketio.Recovery{}, PingInterval: 5 * time.Second, PingTimeout: 20 * time.Minute})
				r := newRig(t, io)
				o := w.options
				c := r.client("/", &o)
				var l listener
				l.hear(c)
				if err := c.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				id, n := c.ID(), 0
				for range 10 {
					time.Sleep(time.Second)
					r.swallow()
					for range 10 {
						number.Emit(io, n)
						n++
					}
					c.m.mu.Lock()
					conn := c.m.link.conn
					c.m.mu.Unlock()
					// As when the system tells that the network has changed: the
					// client knows, the server does not.
					conn.Abort(eioclient.ReasonTransportClose, errRefused)
					await(t, c, Disconnected)
					await(t, c, Connected)
					if !c.Recovered() || c.ID() != id {
						t.Fatalf("recovered %v", c.Recovered())
					}
				}
				synctest.Wait()
				if got := l.numbers(); len(got) != n || !slices.IsSorted(got) {
					t.Errorf("got %d of %d: %v", len(got), n, got)
				}
			})
		})
	}
}

// Cut again and again while what was missed is being sent: everything arrives
// once and in order, whether the server sends it before its answer, as the
// reference does, or after.
func TestFault_L08_CutDuringTheReplay(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				io := newServer(recovering())
				r := newRig(t, io)
				o := w.options
				o.Inbound = 4
				c := r.client("/", &o)
				rng := rand.New(rand.NewPCG(1, 2))
				var l listener
				l.hear(c)
				c.OnAny(func(context.Context, *Event) error { time.Sleep(time.Millisecond); return nil })
				if err := c.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				n := 0
				for range 50 {
					r.lose(c)
					for range 40 {
						number.Emit(io, n)
						n++
					}
					await(t, c, Connected)
					time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond) // some of the forty
				}
				time.Sleep(time.Minute)
				if got := l.numbers(); len(got) != n || !slices.IsSorted(got) {
					t.Errorf("got %d of %d: %v", len(got), n, got)
				}
				if !c.Recovered() {
					t.Error("not recovered")
				}
			})
		})
	}
}

// The reference sends what was missed before it answers. Cut between the two,
// nothing of it has been seen, and all of it comes again.
func TestFault_L08_CutBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions, asked := 0, []string{}
		r := newRig(t, script(t, func(s *engineio.Session, m string) {
			if m == "" {
				sessions++
				return
			}
			if sessions == 1 {
				say(s, `0{"sid":"x","pid":"secret"}`, `2["n",1,"100"]`)
				return
			}
			asked = append(asked, m)
			say(s, `2["n",2,"101"]`, `2["n",3,"102"]`)
			switch {
			case sessions < 5:
				s.Abort(engineio.ReasonTransportError, nil)
			default:
				say(s, `0{"sid":"x","pid":"secret"}`, `2["n",4,"103"]`)
			}
		}))
		c := r.client("/", &Options{Transports: []string{eioclient.WebSocket}})
		var l listener
		l.hear(c)
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.lose(c)
		await(t, c, Connected)
		synctest.Wait()
		if got := l.numbers(); !slices.Equal(got, []int{1, 2, 3, 4}) {
			t.Errorf("got %v", got)
		}
		for _, m := range asked {
			if m != `0{"offset":"100","pid":"secret"}` {
				t.Errorf("the client asked %s", m)
			}
		}
		if len(asked) != 4 || !c.Recovered() {
			t.Errorf("asked %d times, recovered %v", len(asked), c.Recovered())
		}
	})
}

// A server that never answers but goes on sending is given up, and its session
// with it, before it costs more than a bounded amount of memory.
func TestReplayIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := 0
		r := newRig(t, script(t, func(s *engineio.Session, m string) {
			switch {
			case m == "":
				sessions++
			case sessions == 1:
				say(s, `0{"sid":"x","pid":"secret"}`)
			case sessions == 2:
				for range maxEarly/1000 + 1 {
					for range 1000 {
						say(s, `2["n",1,"100"]`)
					}
					s.Flush(context.Background())
				}
			case m == "0":
				say(s, welcome)
			case m != "1":
				t.Errorf("the client says %s", m)
			}
		}))
		c := r.dial("/", &Options{Transports: []string{eioclient.WebSocket}})
		r.lose(c)
		await(t, c, Connected)
		if c.Recovered() || sessions != 3 {
			t.Errorf("recovered %v after %d connections", c.Recovered(), sessions)
		}
	})
}

// A text of the application that cannot be an offset of the reference does not
// become one.
func TestPlausibleOffset(t *testing.T) {
	for s, want := range map[string]bool{
		"PhJ3x2a": true, "PhJ3x2a.1": true, "1732000000000-0": true, "6566f0a1b2c3d4e5f6a7b8c9": true,
		"": false, "ok": false, "two words": false, "ünïcode": false, "a/b": false,
	} {
		if got := plausibleOffset(s); got != want {
			t.Errorf("plausibleOffset(%q) is %v", s, got)
		}
	}
}

// G6, G7: clients whose connections are cut at random, or swallowed so that the
// server still takes them for alive, get every event once and in order, and are
// recovered each time.
func TestRecoveryUnderFire(t *testing.T) {
	t.Run("cut", func(t *testing.T) {
		recoveryUnderFire(t, "G6", func(c *tracked) { c.Close() }, 2*time.Second)
	})
	t.Run("half open", func(t *testing.T) {
		// The client notices by its heartbeat.
		recoveryUnderFire(t, "G7", (*tracked).swallow, 8*time.Second)
	})
}

// recoveryUnderFire breaks connections, and waits as long as a client needs to
// come back.
func recoveryUnderFire(t *testing.T, name string, lose func(*tracked), patience time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		clients, rounds := 20, 50
		if scale == 1 {
			clients, rounds = 50, 200
		}
		const each = 50
		server := recovering()
		server.PingInterval, server.PingTimeout = 2*time.Second, 2*time.Second
		io := newServer(server)
		r := newRig(t, io)
		listeners := make([]listener, clients)
		var sockets []*Socket
		recovered, lost := 0, 0
		for i := range clients {
			o := ways[i%len(ways)].options
			o.Backoff = Backoff{Min: 100 * time.Millisecond}
			o.OnError = func(_ *Socket, name string, err error) { t.Errorf("%s: %v", name, err) }
			c := r.client("/", &o)
			listeners[i].hear(c)
			if err := c.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			sockets = append(sockets, c)
		}
		rng := rand.New(rand.NewPCG(3, 4))
		before := make([]uint64, clients)
		n := 0
		for range rounds {
			for i, c := range sockets {
				before[i] = c.seen()
			}
			for range each {
				number.Emit(io, n)
				n++
				if rng.IntN(each) == 0 {
					for _, c := range r.all() {
						if rng.IntN(4) == 0 {
							lose(c)
						}
					}
				}
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			}
			time.Sleep(patience)
			for i, c := range sockets {
				if c.seen() != before[i] {
					lost++
					if c.Recovered() {
						recovered++
					}
				}
			}
		}
		time.Sleep(time.Minute)
		wrong := 0 // clients that did not get every event once and in order
		for i := range listeners {
			if got := listeners[i].numbers(); len(got) != n || !slices.IsSorted(got) {
				t.Errorf("client %d got %d of %d", i, len(got), n)
				wrong++
			}
		}
		c := goal.Count
		goal.Report(t, goal.Figure{
			Goal: name, What: fmt.Sprintf("clients of %d with events lost, repeated or out of order, in %s deliveries over %s losses of connections", clients, c(n*clients), c(lost)),
			Figure: c(wrong), Wanted: "0", Met: wrong == 0,
		})
		goal.Report(t, goal.Figure{
			Goal: name, What: "losses of connections that were recovered",
			Figure: fmt.Sprintf("%s of %s", c(recovered), c(lost)), Wanted: "all", Met: recovered == lost && lost > 0,
		})
	})
}

// A client that leaves while it is about to be recovered has left: when it
// connects again it is somebody new, for both sides, and gets nothing that was
// for who it was.
func TestLeftWhileBeingRecovered(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			io := newServer(recovering())
			r := newRig(t, io)
			var gate chan struct{} // nil: open
			io.Use(func(_ context.Context, s *socketio.Socket) error {
				if gate != nil && s.Recovered() {
					<-gate
					if refuses {
						return errors.New("no")
					}
				}
				return nil
			})
			c := r.client("/", nil)
			var l listener
			l.hear(c)
			if err := c.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			id := c.ID()
			gate = make(chan struct{})
			r.lose(c)
			time.Sleep(10 * time.Second) // it asks, and waits for the middleware
			number.Emit(io, 1)
			c.Disconnect()
			done := make(chan error)
			go func() { done <- c.Connect(t.Context()) }()
			synctest.Wait()
			close(gate)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			number.Emit(io, 2)
			synctest.Wait()
			if c.Recovered() || c.ID() == id {
				t.Errorf("recovered %v, id %q, was %q", c.Recovered(), c.ID(), id)
			}
			if got := l.numbers(); !slices.Equal(got, []int{2}) {
				t.Errorf("got %v", got)
			}
			if n := len(slices.Collect(io.LocalSockets())); n != 1 {
				t.Errorf("the server has %d sockets of one client", n)
			}
		})
	}
}

package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
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

var recovering = &socketio.Options{Recovery: &socketio.Recovery{}}

// come connects a client that comes back to the session of another, and keeps
// the numbers it receives.
func come(t *testing.T, n *siotest.Network, back *siotest.Client) (*siotest.Client, *numbers) {
	t.Helper()
	var got numbers
	o := &siotest.Options{Setup: func(c *siotest.Client) { event.On(c, number, got.add) }}
	if back != nil {
		o.Session = back.Session()
	}
	return n.Dial(t, "/", o), &got
}

type numbers struct {
	mu   sync.Mutex
	list []int
}

func (n *numbers) add(_ context.Context, _ *siotest.Client, i int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, i)
	return nil
}

func (n *numbers) want(t *testing.T, want ...int) {
	t.Helper()
	settled(t, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.list) >= len(want)
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.list, want) {
		t.Errorf("received %v, want %v", n.list, want)
	}
	n.list = nil
}

func TestRecoveryWire(t *testing.T) {
	bubble(t, recovering, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
			if a := s.Handshake().Auth(); a.Len() > 0 && string(a.At(0)) != `{"token":1}` {
				t.Errorf("the application sees %s as auth", a.Raw())
			}
			return s.Join("room")
		})
		w := dialWire(t, n, "4")
		w.send("40")
		var welcome struct{ SID, PID, Offset string }
		if err := json.Unmarshal([]byte(take(t, w.frames)[2:]), &welcome); err != nil || len(welcome.SID) != 20 || len(welcome.PID) != 20 || welcome.PID == welcome.SID {
			t.Fatalf("welcome %+v, %v", welcome, err)
		}
		settled(t, func() bool { // the handler of OnConnect has run
			s := io.Socket(welcome.SID)
			return s != nil && slices.Contains(s.Rooms(), "room")
		})
		epoch, _, _ := strings.Cut(welcome.Offset, "-")
		offset := func(i int) string { return fmt.Sprintf("%s-%d", epoch, i) }

		number.Emit(io, 1)
		io.Socket(welcome.SID).Emit("direct", "text")
		io.To("room").Emit("bytes", []byte{1})
		w.expect(`42["n",1,"`+offset(1)+`"]`, `42["direct","text","`+offset(2)+`"]`,
			`451-["bytes",{"_placeholder":true,"num":0},"`+offset(3)+`"]`, "b:\x01")
		io.Volatile().Emit("volatile", 1)
		w.expect(`42["volatile",1]`)
		go io.Socket(welcome.SID).Call(t.Context(), "ack")
		w.expect(`421["ack"]`)
		w.send(`431[]`)
		w.conn.Abort()
		settled(t, func() bool { return io.Socket(welcome.SID) == nil })
		number.Emit(io, 2)
		io.Volatile().Emit("volatile", 2)

		w = dialWire(t, n, "4")
		w.send(`40{"token":1,"pid":"` + welcome.PID + `","offset":"` + offset(2) + `"}`)
		w.expect(`40{"sid":"`+welcome.SID+`","pid":"`+welcome.PID+`"}`,
			`451-["bytes",{"_placeholder":true,"num":0},"`+offset(3)+`"]`, "b:\x01", `42["n",2,"`+offset(4)+`"]`)
		w.nothing()

		old := dialWire(t, n, "3") // clients of the generation 2.x see none of it
		old.expect("40")
		io.Socket(old.sid).Emit("direct")
		number.Emit(io, 3)
		old.expect(`42["direct"]`, `42["n",3]`)
		w.expect(`42["n",3,"` + offset(5) + `"]`)
	})
}

func TestRecovered(t *testing.T) {
	user := socketio.NewKey[map[string]int]("user")
	var log []string
	var mu sync.Mutex
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, fmt.Sprintf(format, args...))
	}
	bubble(t, recovering, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.Use(func(_ context.Context, s *socketio.Socket) error {
			if !s.Recovered() {
				user.Set(s, map[string]int{"n": 1})
				return s.Join("a")
			}
			note("%d", user.Must(s)["n"])
			return number.Emit(s, 77)
		})
		io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
			if !s.Recovered() {
				return s.Join("b")
			}
			note("back with %v", s.Rooms()[1:])
			return nil
		})
		io.OnDisconnect(func(_ context.Context, s *socketio.Socket, r socketio.Reason) {
			time.Sleep(time.Second)
			note("%s", r)
		})
		a, got := come(t, n, nil)
		pending := make(chan error, 1)
		go func() {
			_, err := io.Socket(a.ID()).Call(context.Background(), "never")
			pending <- err
		}()
		synctest.Wait()
		a.Abort()
		if err := <-pending; !errors.Is(err, socketio.ErrDisconnected) {
			t.Errorf("the acknowledgement: %v", err)
		}
		number.Emit(io.To("b"), 1)
		number.Emit(io.To("c"), 2)
		number.Emit(io.To(a.ID()), 3)
		b, got2 := come(t, n, a)
		if !b.Recovered() || b.ID() != a.ID() {
			t.Fatal("not recovered")
		}
		got.want(t)
		got2.want(t, 1, 3, 77)
		number.Emit(io.To("a"), 4)
		number.Emit(io.Socket(b.ID()), 5)
		got2.want(t, 4, 5)
		pass(time.Minute)
		if want := []string{"1", "transport close", "back with [a b]"}; !slices.Equal(log, want) {
			t.Errorf("log %q, want %q", log, want)
		}
		b.Close()
		pass(time.Minute) // its OnDisconnect sleeps
	})
}

// The handlers of a socket and of those that come after it are called in pairs
// and in order, although they take longer than the connections last.
func TestRecoveredHandlersAreInOrder(t *testing.T) {
	bubble(t, recovering, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var log []string
		io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
			log = append(log, "connect")
			return nil
		})
		io.On("e", func(_ context.Context, e *socketio.Event) error {
			time.Sleep(time.Minute)
			log = append(log, "event")
			return nil
		})
		io.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) {
			time.Sleep(time.Minute)
			log = append(log, "disconnect")
		})
		c := n.Dial(t, "/", nil)
		for range 3 {
			c.Emit("e")
			synctest.Wait()
			c.Abort()
			synctest.Wait()
			if c = n.Dial(t, "/", &siotest.Options{Session: c.Session()}); !c.Recovered() {
				t.Fatal("not recovered")
			}
		}
		synctest.Wait() // one that leaves while it is being admitted has no handlers called
		c.Abort()
		pass(time.Hour)
		want := slices.Concat(slices.Repeat([]string{"connect", "event", "disconnect"}, 3), []string{"connect", "disconnect"})
		if !slices.Equal(log, want) {
			t.Errorf("got %q, want %q", log, want)
		}
	})
}

func TestRecoverySkipsMiddleware(t *testing.T) {
	for _, skip := range []bool{false, true} {
		o := &socketio.Options{Recovery: &socketio.Recovery{SkipMiddleware: skip}}
		bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
			var banned atomic.Bool
			io.Use(func(context.Context, *socketio.Socket) error {
				if banned.Load() {
					return &socketio.Error{Code: "banned", Message: "banned"}
				}
				return nil
			})
			a := n.Dial(t, "/", nil)
			a.Abort()
			settled(t, func() bool { return io.Socket(a.ID()) == nil })
			banned.Store(true)
			_, err := n.Connect(t.Context(), t, "/", &siotest.Options{Session: a.Session()})
			if (err == nil) != skip {
				t.Errorf("skip %v: %v", skip, err)
			}
		})
	}
}

func TestRecoveryOptions(t *testing.T) {
	for _, bad := range []socketio.Options{
		{Recovery: &socketio.Recovery{MaxDisconnection: -1}},
		{Recovery: &socketio.Recovery{}, Outbound: socketio.Queue{Overflow: socketio.DropNewest}},
	} {
		if err := bad.Validate(); err == nil {
			t.Errorf("%+v is valid", bad.Recovery)
		}
	}
}

// After what a session is over, nobody comes back to it.
func TestNotRecovered(t *testing.T) {
	for name, end := range map[string]func(io *socketio.Server, c *siotest.Client){
		"left":         func(_ *socketio.Server, c *siotest.Client) { c.Leave() },
		"disconnected": func(io *socketio.Server, c *siotest.Client) { io.Socket(c.ID()).Disconnect() },
		"hung up":      func(io *socketio.Server, c *siotest.Client) { io.Socket(c.ID()).Hangup() },
		"too late":     func(_ *socketio.Server, c *siotest.Client) { c.Abort(); time.Sleep(2 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, recovering, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
					if s.Recovered() {
						t.Error("recovered on the server")
					}
					return s.Join("room")
				})
				a, _ := come(t, n, nil)
				synctest.Wait()
				end(io, a)
				synctest.Wait()
				number.Emit(io, 1)
				b, got := come(t, n, a)
				if b.Recovered() || b.ID() == a.ID() || b.Session().PID == a.Session().PID {
					t.Error("recovered")
				}
				got.want(t)
				number.Emit(io.To("room"), 2)
				got.want(t, 2)
			})
		})
	}
}

func TestFault_L06_TokenUsedTwice(t *testing.T) {
	bubble(t, recovering, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		a, _ := come(t, n, nil)
		number.Emit(io, 1)
		synctest.Wait()
		b, gotB := come(t, n, a) // while a is alive
		c, gotC := come(t, n, a) // while b is
		synctest.Wait()
		if a.Connected() || b.Connected() || !c.Connected() || !b.Recovered() || !c.Recovered() {
			t.Error("the last should be the one owner")
		}
		number.Emit(io, 2)
		gotB.want(t)
		gotC.want(t, 2)
		if sockets := slices.Collect(io.LocalSockets()); len(sockets) != 1 || io.Engine().Len() != 1 {
			t.Errorf("%d sockets on %d connections", len(sockets), io.Engine().Len())
		}

		// All at once: one owner, who gets everything.
		c.Abort()
		synctest.Wait()
		number.Emit(io, 3)
		clients, lists := make([]*siotest.Client, 20), make([]numbers, 20)
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				client, err := n.Connect(t.Context(), t, "/", &siotest.Options{
					Session: c.Session(),
					Setup:   func(c *siotest.Client) { event.On(c, number, lists[i].add) },
				})
				if err == nil { // else it lost the race before it was told
					clients[i] = client
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		number.Emit(io, 4)
		synctest.Wait()
		owners := 0
		for i, client := range clients {
			if client != nil && client.Connected() && client.Recovered() {
				owners++
				lists[i].want(t, 3, 4)
			}
		}
		if owners != 1 {
			t.Errorf("%d owners", owners)
		}
	})
}

func TestFault_L07_HalfOpen(t *testing.T) {
	bubble(t, recovering, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var reasons []socketio.Reason
		io.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) { reasons = append(reasons, r) })
		a, _ := come(t, n, nil)
		number.Emit(io, 1)
		synctest.Wait()
		a.Vanish()
		number.Emit(io, 2)
		number.Emit(io, 3)
		b, got := come(t, n, a)
		got.want(t, 2, 3)
		if !b.Recovered() || io.Engine().Len() != 1 {
			t.Errorf("recovered: %v, %d connections", b.Recovered(), io.Engine().Len())
		}
		pass(time.Hour) // the heartbeat of the old connection harms nobody
		number.Emit(io, 4)
		got.want(t, 4)
		if !slices.Equal(reasons, []socketio.Reason{socketio.ReasonTransportClose}) {
			t.Errorf("reasons %q", reasons)
		}
	})
}

func TestFault_L08_CutDuringTheReplay(t *testing.T) {
	bubble(t, recovering, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		back, _ := come(t, n, nil)
		back.Abort()
		synctest.Wait()
		for i := range 100 {
			number.Emit(io, i)
		}
		var all []int
		session := back.Session()
		for range 100 {
			enough := make(chan struct{})
			c := n.Dial(t, "/", &siotest.Options{Session: session, Setup: func(c *siotest.Client) {
				seen := 0
				event.On(c, number, func(_ context.Context, _ *siotest.Client, i int) error {
					all = append(all, i)
					if seen++; seen == 7 {
						close(enough)
					}
					return nil
				})
			}})
			if !c.Recovered() {
				t.Fatal("not recovered")
			}
			select {
			case <-enough:
			case <-time.After(time.Second):
			}
			c.Abort()
			synctest.Wait() // handlers of what was received
			session = c.Session()
			if len(all) == 100 {
				break
			}
		}
		for i, v := range all {
			if i != v {
				t.Fatalf("received %v", all)
			}
		}
	})
}

func TestFault_L09_BadOffsets(t *testing.T) {
	o := &socketio.Options{Recovery: &socketio.Recovery{MaxPackets: 5}}
	for name, change := range map[string]func(s, other *siotest.Session){
		"never issued":           func(s, _ *siotest.Session) { s.Offset = s.Offset[:9] + "zz" },
		"not one":                func(s, _ *siotest.Session) { s.Offset = "\x00" },
		"of another namespace":   func(s, other *siotest.Session) { s.Offset = other.Offset },
		"token of another":       func(s, other *siotest.Session) { *s = *other },
		"trimmed":                func(*siotest.Session, *siotest.Session) {},
		"token of nobody":        func(s, _ *siotest.Session) { s.PID = "x" },
		"1 MB, as far as it may": func(s, _ *siotest.Session) { s.Offset = strings.Repeat("1", 900_000) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				other := io.Of("/other")
				a, _ := come(t, n, nil)
				b := n.Dial(t, "/other", nil)
				number.Emit(io, 0)
				number.Emit(other, 0)
				synctest.Wait()
				a.Abort()
				b.Abort()
				synctest.Wait()
				for i := range 10 {
					if i < 2 || name == "trimmed" {
						number.Emit(io, i)
					}
				}
				session := a.Session()
				change(session, b.Session())
				var got numbers
				c := n.Dial(t, "/", &siotest.Options{Session: session, Setup: func(c *siotest.Client) { event.On(c, number, got.add) }})
				got.want(t)
				if c.Recovered() || c.ID() == a.ID() {
					t.Error("recovered")
				}
			})
		})
	}
	bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		w := dialWire(t, n, "4")
		w.send(`40{"pid":7,"offset":{}}`)
		w.expect(`40{"sid":*`)
	})
}

func TestFault_L10_BeforeTheFirstEvent(t *testing.T) {
	bubble(t, recovering, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		a, _ := come(t, n, nil)
		a.Abort()
		settled(t, func() bool { return io.Socket(a.ID()) == nil })
		number.Emit(io, 1)
		b, got := come(t, n, a)
		if !b.Recovered() {
			t.Error("not recovered")
		}
		got.want(t, 1)

		// The JavaScript client does not know the offset of the beginning.
		b.Abort()
		c := n.Dial(t, "/", &siotest.Options{Session: &siotest.Session{PID: a.Session().PID}})
		if !c.Recovered() {
			t.Error("not recovered without an offset")
		}
	})
}

// A session that cannot be restored, after all, makes a new socket with all
// that belongs to one.
func TestRecoveryLost(t *testing.T) {
	o := &socketio.Options{Recovery: &socketio.Recovery{MaxDisconnection: 10 * time.Second}}
	bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var seen []bool
		var mu sync.Mutex
		io.Use(func(ctx context.Context, s *socketio.Socket) error {
			mu.Lock()
			seen = append(seen, s.Recovered())
			mu.Unlock()
			if s.Recovered() {
				time.Sleep(20 * time.Second) // longer than the session is kept
			}
			return nil
		})
		a, _ := come(t, n, nil)
		a.Abort()
		synctest.Wait()
		b, _ := come(t, n, a)
		if b.Recovered() || b.ID() == a.ID() {
			t.Error("recovered")
		}
		if !slices.Equal(seen, []bool{false, true, false}) {
			t.Errorf("middleware saw %v", seen)
		}
	})
}

func TestCleanupWaitsForRecovery(t *testing.T) {
	o := &socketio.Options{Recovery: &socketio.Recovery{MaxDisconnection: time.Minute}, CleanupNamespaces: true}
	bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.Of("/{x}")
		a := n.Dial(t, "/y", nil)
		a.Abort()
		pass(50 * time.Second)
		b := n.Dial(t, "/y", &siotest.Options{Session: a.Session()})
		if !b.Recovered() {
			t.Error("not recovered")
		}
		b.Abort()
		pass(59 * time.Second)
		if len(io.Namespaces()) != 2 {
			t.Error("the namespace has gone")
		}
		pass(2 * time.Second)
		if len(io.Namespaces()) != 1 {
			t.Error("the namespace is still there")
		}
	})
}

// TestRecoveryConservation delivers 100,000 events over 500 cuts.
func TestRecoveryConservation(t *testing.T) {
	const clients = 20
	deliveries, cuts := 100_000/scale, 500/scale
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	bubble(t, recovering, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		random := rand.New(rand.NewPCG(seed, 1))
		all := make([]numbers, clients)
		now := make([]*siotest.Client, clients)
		dial := func(i int, session *siotest.Session) {
			now[i] = n.Dial(t, "/", &siotest.Options{Session: session, Setup: func(c *siotest.Client) { event.On(c, number, all[i].add) }})
		}
		for i := range clients {
			dial(i, nil)
		}
		events := deliveries / clients
		every := events / cuts
		recovered, cut := 0, 0
		for k := range events {
			switch random.IntN(3) {
			case 0:
				number.Emit(io, k)
			case 1:
				for _, c := range now {
					number.Emit(io.To(c.ID()), k)
				}
			default: // directly to those that are connected
				for _, c := range now {
					if s := io.Socket(c.ID()); s == nil || number.Emit(s, k) != nil {
						number.Emit(io.To(c.ID()), k)
					}
				}
			}
			if k%every != every-1 {
				continue
			}
			i := random.IntN(clients)
			old := now[i]
			if random.IntN(2) == 0 {
				old.Abort()
			} else {
				old.Vanish()
			}
			old.Wait() // what it had received is not to be mixed with what comes
			for range random.IntN(3) {
				number.Emit(io.Except("nobody"), -1)
			}
			if random.IntN(2) == 0 {
				pass(time.Duration(random.IntN(1000)) * time.Millisecond)
			}
			dial(i, old.Session())
			cut++
			if now[i].Recovered() {
				recovered++
			}
			if random.IntN(4) == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		for i := range all {
			next := 0
			for _, k := range all[i].list {
				if k < 0 {
					continue
				}
				if k != next {
					t.Fatalf("client %d received %d, want %d", i, k, next)
				}
				next++
			}
			if next != events {
				t.Errorf("client %d received %d of %d events", i, next, events)
			}
		}
		t.Logf("%d deliveries, %d cuts, %d recovered", events*clients, cut, recovered)
		if cut < cuts || recovered*100 < cut*99 {
			t.Errorf("%d of %d cuts were recovered", recovered, cut)
		}
	})
}

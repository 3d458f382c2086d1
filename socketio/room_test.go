package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/siotest"
)

// people are clients a, b, c … whose inboxes are compared.
type people struct {
	t       *testing.T
	io      *socketio.Server
	clients map[string]*siotest.Client
	mu      sync.Mutex
	got     map[string][]string
}

func connectPeople(t *testing.T, io *socketio.Server, n *siotest.Network, names ...string) *people {
	p := &people{t: t, io: io, clients: map[string]*siotest.Client{}, got: map[string][]string{}}
	for _, name := range names {
		c := n.Dial(t, "/", nil)
		p.clients[name] = c
		c.On("m", func(args socketioArgs) []any {
			var s string
			args.Decode(&s)
			p.mu.Lock()
			p.got[name] = append(p.got[name], s)
			p.mu.Unlock()
			return nil
		})
	}
	settled(t, func() bool {
		for name := range p.clients {
			if p.socket(name) == nil {
				return false
			}
		}
		return true
	})
	return p
}

func (p *people) socket(name string) *socketio.Socket { return p.io.Socket(p.clients[name].ID()) }

// received says who has got the message s, and forgets all.
func (p *people) received(s string) string {
	if realNetwork != nil { // messages come in order: who has got the last has got all
		p.io.Emit("m", "last")
	}
	settled(p.t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for name := range p.clients {
			if !slices.Contains(p.got[name], "last") {
				return false
			}
		}
		return true
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	var who []string
	for name, list := range p.got {
		for _, got := range list {
			if got == s {
				who = append(who, name)
			}
		}
	}
	p.got = map[string][]string{}
	slices.Sort(who)
	return strings.Join(who, " ")
}

func TestEmitters(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		p := connectPeople(t, io, n, "a", "b", "c", "d")
		a, b, c := p.socket("a"), p.socket("b"), p.socket("c")
		a.Join("x", "y")
		b.Join("x")
		c.Join("y")
		for i, tt := range []struct {
			name string
			to   interface {
				Emit(string, ...any) error
			}
			want string
		}{
			{"everybody", io, "a b c d"},
			{"all", io.All(), "a b c d"},
			{"local", io.Local(), "a b c d"},
			{"volatile", io.Volatile(), "a b c d"},
			{"not compressed", io.Compress(false), "a b c d"},
			{"a room", io.To("x"), "a b"},
			{"rooms, each socket once", io.To("x", "y"), "a b c"},
			{"the same in steps", io.To("x").To("y"), "a b c"},
			{"without a room", io.Except("x"), "c d"},
			{"a room without another", io.To("y").Except("x"), "c"},
			{"an id", io.To(a.ID()), "a"},
			{"without an id", io.To("x").Except(a.ID()), "b"},
			{"nobody", io.To("z"), ""},
			{"a socket", a, "a"},
			{"a socket, volatile", a.Volatile().Compress(false), "a"},
			{"the others", a.Others(), "b c d"},
			{"a room without the sender", a.To("x"), "b"},
			{"a room and then another", a.To("x").To("y"), "b c"},
			{"the others without a room", a.Except("y"), "b d"},
			{"to itself as a room", a.To(a.ID()), ""},
		} {
			text := fmt.Sprint("message ", i)
			if err := tt.to.Emit("m", text); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if got := p.received(text); got != tt.want {
				t.Errorf("%s: received by %q, want %q", tt.name, got, tt.want)
			}
		}
	})
}

// An Emitter is a value: what is made of it does not change it.
func TestEmittersAreValues(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		p := connectPeople(t, io, n, "a", "b", "c")
		p.socket("a").Join("x")
		p.socket("b").Join("y")
		p.socket("c").Join("z")
		base := io.To("x")
		y, z := base.To("y"), base.To("z")
		no := base.Except("x")
		var wg sync.WaitGroup
		for range 100 { // for the race detector
			wg.Go(func() { base.To("q").Except("r").Volatile().Local() })
		}
		wg.Wait()
		for _, tt := range []struct {
			e    socketio.Emitter
			want string
		}{{base, "a"}, {y, "a b"}, {z, "a c"}, {no, ""}} {
			tt.e.Emit("m", "s")
			if got := p.received("s"); got != tt.want {
				t.Errorf("received by %q, want %q", got, tt.want)
			}
		}
	})
}

func TestRooms(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		n.Dial(t, "/", nil)
		s := only(t, io)
		if err := s.Join("a", "b", "a"); err != nil {
			t.Fatal(err)
		}
		s.Leave("b", "c")
		if got, want := s.Rooms(), []string{s.ID(), "a"}; !slices.Equal(got, want) {
			t.Errorf("rooms %v, want %v", got, want)
		}
		for _, bad := range []string{"", strings.Repeat("x", 256)} {
			if err := s.Join(bad); !errors.Is(err, socketio.ErrName) {
				t.Errorf("Join(%.5q): %v", bad, err)
			}
			if err := io.All().Join(bad); !errors.Is(err, socketio.ErrName) {
				t.Errorf("All().Join(%.5q): %v", bad, err)
			}
		}
		if err := s.Join(strings.Repeat("x", 255)); err != nil {
			t.Error(err)
		}
	})
}

func TestRoomsInMiddleware(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.Use(func(_ context.Context, s *socketio.Socket) error {
			s.Join("a", "b", "a")
			s.Leave("b")
			if !slices.Equal(s.Rooms(), []string{"a"}) || len(slices.Collect(io.To("a").LocalSockets())) != 0 {
				t.Errorf("rooms %v; in the adapter: %v", s.Rooms(), io.Adapter().Len())
			}
			return nil
		})
		n.Dial(t, "/", nil)
		s := only(t, io)
		if want := []string{s.ID(), "a"}; !slices.Equal(s.Rooms(), want) {
			t.Errorf("rooms %v, want %v", s.Rooms(), want)
		}
	})
}

func TestSelections(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		p := connectPeople(t, io, n, "a", "b", "c")
		p.socket("a").Join("x")
		p.socket("b").Join("x")
		io.To("x").Join("y", "z")
		io.To("y").Except(p.clients["a"].ID()).Leave("z")
		var ids []string
		for r, err := range io.To("z").Sockets(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID())
			if r.Local() != p.socket("a") || !slices.Contains(r.Rooms(), "y") || !strings.Contains(string(r.Handshake()), `"xdomain":false`) {
				t.Errorf("%v %s", r.Rooms(), r.Handshake())
			}
			r.Emit("m", "remote")
			r.Join("q")
			r.Leave("x")
		}
		if !slices.Equal(ids, []string{p.clients["a"].ID()}) || p.received("remote") != "a" {
			t.Errorf("selected %v", ids)
		}
		io.To("q").Emit("m", "q")
		if got := p.received("q"); got != "a" {
			t.Errorf("to the room that was joined: received by %q", got)
		}
		io.To("x").Emit("m", "x")
		if got := p.received("x"); got != "b" {
			t.Errorf("to the room that one of two has left: received by %q", got)
		}
		io.To("q").Disconnect()
		io.To("x").Hangup()
		settled(t, func() bool {
			return !p.clients["a"].Connected() && !p.clients["b"].Connected() && io.Adapter().Len() == 1
		})
		if p.clients["a"].Connected() || p.clients["b"].Connected() || !p.clients["c"].Connected() {
			t.Error("not those were disconnected")
		}
		for r := range io.Sockets(t.Context()) {
			r.Disconnect()
			break
		}
		if io.Adapter().Len() != 0 {
			t.Error("somebody is left")
		}
	})
}

// A join after the end makes no ghost; leaving twice, and disconnecting others
// from a handler, do no harm.
func TestFault_N03_Ghosts(t *testing.T) {
	io := socketio.New(&socketio.Options{Logger: quiet})
	srv := siotest.NewServer(t, io)
	io.OnConnect(func(ctx context.Context, s *socketio.Socket) error {
		for range 3 { // they race with the end
			go func() {
				for range 100 {
					s.Join("room", s.ID())
					s.Leave("room")
					s.Leave("room")
				}
				s.Join("room")
			}()
		}
		return nil
	})
	io.On("kick", func(ctx context.Context, e *socketio.Event) error {
		for s := range io.LocalSockets() {
			s.Disconnect()
		}
		return nil
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				c, err := srv.Connect(t.Context(), t, "/", nil)
				if err != nil {
					continue // kicked before it was connected
				}
				c.Emit("kick")
				c.Close()
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := io.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if a := io.Adapter(); a.Len() != 0 || len(a.Members(&sioadapter.Selection{Rooms: []string{"room"}})) != 0 {
		t.Errorf("%d members are left", a.Len())
	}
}

// Emitting from 100 goroutines to one socket and to its room leaves frames
// whole, and the order of each goroutine.
func TestFault_N06_ConcurrentEmits(t *testing.T) {
	io := socketio.New(&socketio.Options{Outbound: socketio.Queue{MaxPackets: 1 << 20, MaxBytes: 1 << 30}})
	srv := siotest.NewServer(t, io)
	connected := make(chan *socketio.Socket, 1)
	io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		s.Join("room")
		connected <- s
		return nil
	})
	c := srv.Dial(t, "/", nil)
	const writers, each = 100, 100
	next := make([]int, writers)
	total, done := 0, make(chan struct{})
	c.On("m", func(args socketioArgs) []any {
		var who, i int
		var blob []byte
		if err := args.Decode(&who, &i, &blob); err != nil || i != next[who] || i%5 == 0 && (len(blob) != 100 || blob[99] != byte(i)) {
			t.Errorf("writer %d: got %d with %d bytes, want %d: %v", who, i, len(blob), next[who], err)
		}
		next[who]++
		if total++; total == writers*each {
			close(done)
		}
		return nil
	})
	s := <-connected
	for who := range writers {
		go func() {
			for i := range each {
				args := []any{who, i}
				if i%5 == 0 {
					blob := make([]byte, 100)
					blob[99] = byte(i)
					args = append(args, blob)
				}
				var err error
				if i%2 == 0 {
					err = s.Emit("m", args...)
				} else {
					err = io.To("room").Emit("m", args...)
				}
				if err != nil {
					t.Error(err)
				}
			}
		}()
	}
	<-done
}

// Rooms with odd names stay apart, from each other and from ids.
func TestFault_N08_OddRoomNames(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		p := connectPeople(t, io, n, "a", "b", "c")
		a, b := p.socket("a"), p.socket("b")
		for _, room := range []string{"#", "*", "/", "/#", "socket.io#/#", "\x00", strings.Repeat("x", 20), "ж", "a,b", b.ID() + "x"} {
			a.Join(room)
			io.To(room).Emit("m", room)
			if got := p.received(room); got != "a" {
				t.Errorf("room %q: received by %q", room, got)
			}
		}
		a.Join(b.ID()) // another's own room
		io.To(b.ID()).Emit("m", "id")
		if got := p.received("id"); got != "a b" {
			t.Errorf("received by %q", got)
		}
	})
}

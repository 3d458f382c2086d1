package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/siogo/sio/socketio/sioadapter"
)

// client is the other end of recoverable sockets: it remembers what a client
// remembers.
type client struct {
	rig    *rig
	pid    string
	offset string // "" as long as none came with an event
	socket *socket
	events []string
}

// connect makes a new recoverable socket.
func (r *rig) connect(n *node, id string, rooms ...string) *client {
	r.Helper()
	c := &client{rig: r, socket: n.newSocket(id)}
	n.keep(c.socket)
	var offset string
	c.pid, offset = n.adapter.Recovery().Add(c.socket)
	if c.pid == "" || offset == "" {
		r.Errorf("pid %q, offset %q", c.pid, offset)
	}
	if len(rooms) > 0 {
		c.socket.join(rooms...)
	}
	return c
}

// read takes the first max of the events that were delivered; those that are
// left are lost with the connection.
func (c *client) read(max int) {
	c.rig.Helper()
	for i, d := range c.socket.got() {
		if i == max {
			break
		}
		if d.offset != "" {
			c.offset = d.offset
		}
		c.events = append(c.events, d.text)
	}
}

// lose ends the connection.
func (c *client) lose() {
	c.rig.Helper()
	s := c.socket
	s.node.drop(s)
	want := s.node.adapter.Rooms(s)
	if got := s.node.adapter.Recovery().Detach(s, map[string]any{"n": 1.0}); !slices.Equal(got, want) {
		c.rig.Errorf("Detach returned %q, want %q", got, want)
	}
}

func (c *client) claim(n *node) (*sioadapter.Session, error) {
	return n.adapter.Recovery().Claim(c.rig.Context(), c.pid, c.offset, c.release)
}

// release ends a socket whose connection looks alive.
func (c *client) release(m sioadapter.Member) {
	s := m.(*socket)
	s.node.drop(s)
	s.node.adapter.Recovery().Detach(s, nil)
}

// recover connects to a node again.
func (c *client) recover(n *node) error {
	session, err := c.claim(n)
	if err != nil {
		return err
	}
	s := n.newSocket(session.ID)
	if err := n.adapter.Recovery().Restore(s, session); err != nil {
		return err
	}
	n.keep(s)
	c.socket = s
	return nil
}

// recoverable returns the nodes that a connection of the first node can be
// recovered on.
func (r *rig) recoverable() []*node {
	switch {
	case r.nodes[0].adapter.Recovery() == nil:
		return nil
	case r.suite.RecoversAnywhere:
		return r.nodes
	}
	return r.nodes[:1]
}

func testRecovery(r *rig) {
	for i, back := range r.recoverable() {
		n := r.nodes[0]
		for _, other := range r.nodes { // fences need somebody on each node
			other.add(fmt.Sprintf("bystander %d of %d", other.index, i))
		}
		id := fmt.Sprint("me", i)
		c := r.connect(n, id, "room")
		r.fence()
		count := 0
		emit := func(from *node) {
			count++
			r.must(from.adapter.Broadcast(event("e", count), to("room")))
		}

		// Before the first event came.
		emit(n)
		r.fence()
		c.lose()
		emit(n)
		r.must(c.recover(back))
		r.fence()
		emit(n)
		r.fence()
		c.read(2) // and the third is lost

		// With events of other nodes, a direct one, and one while it is away.
		emit(r.nodes[len(r.nodes)-1])
		r.fence()
		count++
		r.must(back.adapter.Emit(c.socket, event("e", count), sioadapter.Flags{}))
		r.fence(back) // between nodes there is no order
		count++
		r.must(n.adapter.Broadcast(event("e", count), to(id)))
		r.fence()
		c.lose()
		emit(n)
		r.fence(r.nodes...)
		old := c.socket
		session, err := c.claim(n)
		r.must(err)
		if !slices.Equal(session.Rooms, []string{id, "room"}) || session.ID != id || session.PID != c.pid {
			r.Errorf("session %+v, want %s with the token %s in its room and in room", session, id, c.pid)
		}
		s := n.newSocket(id)
		r.must(n.adapter.Recovery().Restore(s, session))
		n.keep(s)
		c.socket = s
		if got := n.adapter.Rooms(s); !slices.Equal(got, []string{id, "room"}) || n.adapter.Lookup(id) != sioadapter.Member(s) {
			r.Errorf("rooms after recovery: %v", got)
		}
		emit(n)
		r.fence()
		c.read(100)
		var want []string
		for i := range count {
			want = append(want, fmt.Sprintf(`["e",%d]`, i+1))
		}
		if !slices.Equal(c.events, want) {
			r.Errorf("events %v, want %v", c.events, want)
		}
		if got := old.texts(); got != nil && slices.Contains(got, want[len(want)-1]) {
			r.Error("the socket that was lost got the last event")
		}
		n.remove(s)
	}
}

func testRecoveryFilter(r *rig) {
	for _, back := range r.recoverable() {
		n := r.nodes[0]
		other := n.add("other")
		c := r.connect(n, "me", "room")
		r.must(n.adapter.Broadcast(event("first"), &sioadapter.Selection{}))
		r.fence()
		c.read(1)
		c.lose()
		for _, e := range []struct {
			name string
			sel  sioadapter.Selection
		}{
			{"all", sioadapter.Selection{}},
			{"no: another room", sioadapter.Selection{Rooms: []string{"another"}}},
			{"the room", sioadapter.Selection{Rooms: []string{"another", "room"}}},
			{"no: excepted", sioadapter.Selection{Except: []string{"room"}}},
			{"no: excepted by id", sioadapter.Selection{Rooms: []string{"room"}, Except: []string{"me"}}},
			{"its id", sioadapter.Selection{Rooms: []string{"me"}}},
			{"no: volatile", sioadapter.Selection{Flags: sioadapter.Flags{Volatile: true}}},
			{"the last", sioadapter.Selection{Except: []string{"another"}}},
		} {
			r.must(n.adapter.Broadcast(event(e.name), &e.sel))
		}
		a, stop := r.ask(r.Context(), n, &sioadapter.Selection{}) // those with acknowledgement are not kept either
		r.until("the others have answered", a.complete)
		stop()
		r.must(n.adapter.Emit(other, event("no: for another"), sioadapter.Flags{}))
		r.fence()
		c.offset = strings.TrimSpace(c.offset)
		r.must(c.recover(back))
		r.fence(back)
		c.read(100)
		want := []string{`["first"]`, `["all"]`, `["the room"]`, `["its id"]`, `["the last"]`}
		if !slices.Equal(c.events, want) {
			r.Errorf("events %v, want %v", c.events, want)
		}
		back.remove(c.socket)
		n.remove(other)
	}
}

func testRecoveryOwner(r *rig) {
	for _, n := range r.recoverable()[:min(1, len(r.recoverable()))] {
		rec := n.adapter.Recovery()
		c := r.connect(n, "me", "room")
		r.must(n.adapter.Broadcast(event("one"), to("room")))
		r.fence(n)

		// The connection looks alive: it is taken over.
		old := c.socket
		c.offset = ""
		r.must(c.recover(n))
		c.read(10)
		if n.adapter.Len() != 1 || n.adapter.Lookup("me") != sioadapter.Member(c.socket) || c.socket == old {
			r.Errorf("%d members after a take-over, want the new one", n.adapter.Len())
		}
		if !slices.Equal(c.events, []string{`["one"]`}) {
			r.Errorf("events %v, want the one that was not received", c.events)
		}

		// Two want it at the same time: one gets it.
		c.lose()
		first, err1 := c.claim(n)
		second, err2 := c.claim(n)
		owners := 0
		for i, s := range []*sioadapter.Session{first, second} {
			if []error{err1, err2}[i] != nil {
				continue
			}
			m := n.newSocket("me")
			switch err := rec.Restore(m, s); {
			case err == nil:
				owners++
				n.keep(m)
				c.socket = m
			case !errors.Is(err, sioadapter.ErrNotRecoverable):
				r.Errorf("Restore: %v, want ErrNotRecoverable", err)
			}
		}
		if owners != 1 || n.adapter.Len() != 1 {
			r.Errorf("%d owners of one token, %d members, want 1", owners, n.adapter.Len())
		}

		// Any number of them, at any time.
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range 8 {
			wg.Go(func() {
				session, err := rec.Claim(r.Context(), c.pid, c.offset, c.release)
				if err != nil {
					return
				}
				m := n.newSocket("me")
				if rec.Restore(m, session) == nil {
					mu.Lock()
					n.keep(m)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if n.adapter.Len() > 1 {
			r.Errorf("%d members have the same id", n.adapter.Len())
		}
	}
}

func testRecoveryRefused(r *rig) {
	nodes := r.recoverable()
	if nodes == nil {
		return
	}
	n := nodes[0]
	foreign := r.openNode(0, "/foreign", r.cluster.Factories[0])
	rec := n.adapter.Recovery()
	refused := func(what, pid, offset string) {
		r.Helper()
		s, err := rec.Claim(r.Context(), pid, offset, func(m sioadapter.Member) {
			m.(*socket).node.drop(m.(*socket))
			rec.Detach(m, nil)
		})
		if err == nil {
			m := n.newSocket(s.ID)
			if err = rec.Restore(m, s); err == nil {
				n.adapter.Remove(m)
			}
		}
		if !errors.Is(err, sioadapter.ErrNotRecoverable) {
			r.Errorf("%s: %v, want ErrNotRecoverable", what, err)
		}
	}
	lost := func() *client {
		c := r.connect(n, "me")
		r.must(n.adapter.Broadcast(event("e"), &sioadapter.Selection{}))
		r.fence(n)
		c.read(1)
		c.lose()
		return c
	}
	refused("an unknown token", "abcdefghijklmnopqrst", "")
	refused("no token", "", "")
	c := r.connect(foreign, "me")
	r.must(foreign.adapter.Broadcast(event("e"), &sioadapter.Selection{}))
	r.until("the event came", func() bool { c.read(1); return c.offset != "" })
	c.lose()
	refused("a token of another namespace", c.pid, c.offset)
	refused("an offset of another namespace", lost().pid, c.offset)
	for _, offset := range []string{"hello", "0", "-1", "99999999-0", "\x00", "%s", strings.Repeat("9", 1000)} {
		refused(fmt.Sprintf("the offset %.20q", offset), lost().pid, offset)
	}
	c = r.connect(n, "gone")
	n.remove(c.socket)
	refused("the token of a socket that left", c.pid, "")
	c = lost()
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	if s, err := rec.Claim(ctx, c.pid, c.offset, c.release); err == nil {
		m := n.newSocket("another")
		if err := rec.Restore(m, s); !errors.Is(err, sioadapter.ErrNotRecoverable) {
			r.Errorf("Restore with another id: %v, want ErrNotRecoverable", err)
		}
	}
	if n.adapter.Len() != 0 {
		r.Errorf("%d members, want none", n.adapter.Len())
	}
}

// testRecoveryUnderFire cuts a client off again and again, cleanly and not,
// while goroutines emit. It must get all events, once, and in order.
func testRecoveryUnderFire(r *rig) {
	nodes := r.recoverable()
	if nodes == nil {
		return
	}
	const emitters, events, cuts = 3, 300, 60
	n := r.nodes[0]
	c := r.connect(n, "me", "room")
	random := rand.New(rand.NewPCG(1, 2))
	var wg sync.WaitGroup
	defer wg.Wait()
	var emitted atomic.Int64
	for e := range emitters {
		wg.Go(func() {
			for i := range events {
				var err error
				p := event("e", e, i)
				switch i % 3 {
				case 0:
					err = n.adapter.Broadcast(p, &sioadapter.Selection{})
				case 1:
					err = n.adapter.Broadcast(p, to("room", "me"))
				case 2:
					err = n.adapter.Broadcast(p, to("me"))
				}
				if err != nil {
					r.Error(err)
				}
				emitted.Add(1)
				r.touch()
			}
		})
	}
	for cut := range cuts {
		want := int64((cut + 1) * emitters * events / (cuts + 1))
		r.until("more was emitted", func() bool { return emitted.Load() >= want })
		back := nodes[random.IntN(len(nodes))]
		// What was delivered behind the events that are read is lost. Without
		// lose, the node learns of it by the next connection.
		c.read(random.IntN(20))
		if random.IntN(2) == 0 {
			c.lose()
		}
		if err := c.recover(back); err != nil {
			r.Fatalf("cut %d: %v", cut, err)
		}
	}
	wg.Wait()
	c.read(0)
	c.lose()
	r.must(c.recover(n))
	r.fence(n)
	c.read(emitters * events)
	next := make([]int, emitters)
	for _, text := range c.events {
		var e, i int
		if _, err := fmt.Sscanf(text, `["e",%d,%d]`, &e, &i); err != nil {
			r.Fatal(text, err)
		}
		if i != next[e] {
			r.Fatalf("event %d of emitter %d, want %d", i, e, next[e])
		}
		next[e]++
	}
	for e, n := range next {
		if n != events {
			r.Errorf("%d events of emitter %d, want %d", n, e, events)
		}
	}
}

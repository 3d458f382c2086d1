package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// ask broadcasts with a request for acknowledgement.
func (r *rig) ask(ctx context.Context, from *node, s *sioadapter.Selection) (*answers, func()) {
	r.Helper()
	a := r.answers()
	stop, err := from.adapter.Ask(ctx, event("ask", 1), s, a)
	r.must(err)
	return a, stop
}

func testAsk(r *rig) {
	all := r.populate(3 * len(r.nodes))
	for _, s := range all[1:] {
		s.join("room")
	}
	for _, n := range r.nodes {
		a, stop := r.ask(r.Context(), n, to("room"))
		r.until("all have answered", a.complete)
		stop()
		a.check()
		if a.count() != len(all)-1 || a.partial != nil || len(a.errs) > 0 {
			r.Errorf("from node %d: %d answers, errors %v, %v; want %d", n.index, a.count(), a.errs, a.partial, len(all)-1)
		}
		for id, v := range a.values {
			if v != `"yes"` {
				r.Errorf("%s answered %s", id, v)
			}
		}
		for _, s := range all[1:] {
			if s.node == n && a.values[s.id] == "" {
				r.Errorf("node %d does not know the answer of its own socket %s", n.index, s.id)
			}
			if got := s.texts(); !slices.Equal(got, []string{`["ask",1]`}) {
				r.Errorf("%s got %v", s.id, got)
			}
		}
		if got := all[0].texts(); got != nil {
			r.Errorf("id0, which is not selected, got %v", got)
		}

		// Nobody is there.
		a, stop = r.ask(r.Context(), n, to("nobody"))
		r.until("all nodes have reported", a.complete)
		stop()
		a.check()

		// Of this node alone.
		a, stop = r.ask(r.Context(), n, &sioadapter.Selection{Flags: sioadapter.Flags{Local: true}})
		if !a.complete() || a.count() != 3 {
			r.Errorf("node %d: %d local answers, want 3 at once", n.index, a.count())
		}
		stop()
		a.check()
		r.fence()
		for _, s := range all {
			s.got()
		}
	}
}

// testAskStops asks sockets that do not answer.
func testAskStops(r *rig) {
	all := r.populate(2 * len(r.nodes))
	mute := all[len(all)-1]
	mute.setMute()
	ctx, cancel := context.WithTimeout(r.Context(), r.suite.Timeout)
	defer cancel()
	a, stop := r.ask(ctx, r.nodes[0], &sioadapter.Selection{})
	r.until("all but one have answered", func() bool { return a.wasAsked() && a.count() == len(all)-1 })
	if a.complete() {
		r.Error("a socket that is mute has answered")
	}
	w := mute.waiters()
	if len(w) != 1 {
		r.Fatalf("%d requests wait for the mute socket, want 1", len(w))
	}
	stop()
	a.check()
	before := a.count()
	w[0].Answer(mute.id, values("too late"), nil) // goes nowhere, and harms nobody
	r.fence()
	if a.partial != nil {
		r.Errorf("all nodes have reported, but %v", a.partial)
	}
	if mute.node == r.nodes[0] {
		r.until("nobody waits for the mute socket", func() bool { return len(mute.waiters()) == 0 })
	} else if a.count() != before {
		r.Error("an answer came after stop")
	}
	mute.node.remove(mute)
}

func testAskWhileSocketsLeave(r *rig) {
	all := r.populate(4 * len(r.nodes))
	leaver := errors.New("the socket has left")
	for _, s := range all {
		s.setMute()
	}
	ctx, cancel := context.WithTimeout(r.Context(), r.suite.Timeout)
	defer cancel()
	a, stop := r.ask(ctx, r.nodes[0], &sioadapter.Selection{})
	defer stop()
	r.until("all are asked", func() bool {
		return !slices.ContainsFunc(all, func(s *socket) bool { return len(s.waiters()) == 0 })
	})
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			for _, w := range s.waiters() {
				if i/len(r.nodes)%2 == 0 {
					w.Answer(s.id, values(i), nil)
				} else {
					w.Answer(s.id, sioparser.Args{}, leaver)
				}
			}
			s.node.remove(s)
		})
	}
	wg.Wait()
	r.until("all that stayed have answered", func() bool { return a.wasAsked() && a.count() == len(all)/2 })
	local := 0
	for _, err := range a.failures() {
		if errors.Is(err, leaver) {
			local++
		}
	}
	if local != 2 {
		r.Errorf("%d sockets of this node have left, want 2", local)
	}
}

func testServerEmit(r *rig) {
	type received struct {
		at   int
		text string
	}
	var mu sync.Mutex
	var got []received
	for _, n := range r.nodes {
		n.adapter.OnServerEvent(func(e *sioadapter.ServerEvent) {
			if e.Reply != nil {
				r.Error("an answer is expected, although nobody asked")
			}
			mu.Lock()
			got = append(got, received{n.index, string(e.Packet.Args.Raw())})
			mu.Unlock()
			r.touch()
		})
	}
	for _, from := range r.nodes {
		for i := range 5 {
			r.must(from.adapter.ServerEmit(event("tick", from.index, i, []byte{1})))
		}
	}
	total := 5 * len(r.nodes) * (len(r.nodes) - 1)
	r.until("all servers got all events", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == total
	})
	next := make(map[[2]int]int)
	for _, e := range got {
		var from, i int
		var name string
		if _, err := fmt.Sscanf(e.text, `["tick",%d,%d,`, &from, &i); err != nil {
			r.Fatalf("%s: %v %s", e.text, err, name)
		}
		if from == e.at {
			r.Errorf("node %d got its own event", from)
		}
		if key := [2]int{from, e.at}; next[key] != i {
			r.Errorf("node %d got event %d of node %d, want %d", e.at, i, from, next[key])
		} else {
			next[key]++
		}
	}
}

func testServerAsk(r *rig) {
	for _, n := range r.nodes {
		n.adapter.OnServerEvent(func(e *sioadapter.ServerEvent) {
			if e.Reply == nil {
				r.Error("no answer is expected, although somebody asked")
				return
			}
			var x int
			if err := e.Packet.Args.Shift().Decode(&x); err != nil {
				r.Error(err)
			}
			// From another goroutine, and only the first counts.
			go func() {
				_ = e.Reply(values(x*100+n.index, "more"))
				_ = e.Reply(values("again"))
			}()
		})
	}
	for _, from := range r.nodes {
		ctx, cancel := context.WithTimeout(r.Context(), r.suite.Timeout)
		a := r.askServers(ctx, from, "double", 7)
		cancel()
		var got, want []string
		for _, v := range a.values {
			got = append(got, v)
		}
		got = append(got, a.unnamed...)
		for _, n := range r.nodes {
			if n != from {
				want = append(want, fmt.Sprint(700+n.index))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || len(a.errs) > 0 || a.partial != nil {
			r.Errorf("answers %v, errors %v %v, want %v", got, a.errs, a.partial, want)
		}
	}

	// One does not answer.
	if len(r.nodes) > 1 {
		r.nodes[1].adapter.OnServerEvent(func(*sioadapter.ServerEvent) {})
		ctx, cancel := context.WithTimeout(r.Context(), r.suite.Timeout/10)
		defer cancel()
		a := r.askServers(ctx, r.nodes[0], "double", 1)
		if a.count() != len(r.nodes)-2 || a.complete() {
			r.Errorf("%d answers, want %d", a.count(), len(r.nodes)-2)
		}
	}
}

// testNodeLeaves closes a node. Nobody waits for it any more.
func testNodeLeaves(r *rig) {
	if len(r.nodes) < 2 {
		return
	}
	r.populate(len(r.nodes))
	r.nodes[1].close()
	rest := slices.Delete(slices.Clone(r.nodes), 1, 2)
	r.until("the node is not missed any more", func() bool {
		n := 0
		for _, err := range rest[0].adapter.Sockets(r.Context(), &sioadapter.Selection{}) {
			if err != nil {
				r.touch()
				return false
			}
			n++
		}
		return n == len(rest)
	})
	r.nodes = rest
	a, stop := r.ask(r.Context(), rest[0], &sioadapter.Selection{})
	r.until("all others have answered", a.complete)
	stop()
	a.check()
	if a.count() != len(rest) || a.partial != nil {
		r.Errorf("%d answers, want %d, %v", a.count(), len(rest), a.partial)
	}
	ctx, cancel := context.WithTimeout(r.Context(), r.suite.Timeout/20)
	defer cancel()
	servers := r.askServers(ctx, rest[0], "there?") // nobody answers
	if servers.expected != len(rest)-1 {
		r.Errorf("%d servers are expected to answer, want %d", servers.expected, len(rest)-1)
	}
}

// testNodeFallsSilent kills a node while others wait for it.
func testNodeFallsSilent(r *rig) {
	if len(r.nodes) < 2 || r.cluster.Kill == nil {
		return
	}
	all := r.populate(2 * len(r.nodes))
	victim := r.nodes[1]
	var theirs []*socket
	for _, s := range all {
		if s.node == victim {
			s.setMute()
			theirs = append(theirs, s)
		}
	}
	from := r.nodes[0]

	// In the middle of a request: its sockets were counted, and do not answer.
	ctx, cancel := context.WithTimeout(r.Context(), r.suite.Timeout+2*time.Second)
	defer cancel()
	a, stop := r.ask(ctx, from, &sioadapter.Selection{})
	r.until("the sockets of the victim are asked", func() bool {
		return a.wasAsked() && len(theirs[0].waiters()) > 0 && len(theirs[1].waiters()) > 0 && a.count() == len(all)-2
	})
	r.cluster.Kill(1)

	// Requests that begin now: partial results, and the node is named.
	n := 0
	var partial error
	for _, err := range from.adapter.Sockets(ctx, &sioadapter.Selection{}) {
		if err != nil {
			partial = err
			continue
		}
		n++
	}
	if n != len(all)-2 {
		r.Errorf("%d sockets are found, want %d", n, len(all)-2)
	}
	r.partial(partial, victim)

	b, stopB := r.ask(ctx, from, &sioadapter.Selection{Rooms: []string{from.all()[0].id}})
	r.until("the request is over", b.wasAsked)
	stopB()
	b.check()
	if b.count() != 1 {
		r.Errorf("%d answers, want 1", b.count())
	}
	if b.partial != nil { // else the node is known to be dead already
		r.partial(b.partial, victim)
	}

	// Local delivery is as ever.
	r.must(from.adapter.Broadcast(event("alive"), &sioadapter.Selection{Flags: sioadapter.Flags{Local: true}}))
	if got := from.all()[0].texts(); len(got) == 0 || got[len(got)-1] != `["alive"]` {
		r.Errorf("a local socket got %v", got)
	}

	// Where nodes watch each other, who waits for the victim's sockets is told.
	if h, ok := from.adapter.(interface{ Health() sioadapter.Health }); ok && len(h.Health().Nodes) > 0 || len(a.failures()) > 0 {
		r.until("the sockets of the victim are given up", func() bool { return len(a.failures()) == 2 })
		for _, err := range a.failures() {
			if !errors.Is(err, sioadapter.ErrNodeGone) {
				r.Errorf("error %v, want ErrNodeGone", err)
			}
		}
		if !a.complete() {
			r.Error("the request is not complete")
		}
	}
	stop()
	a.check()
	victim.close()
}

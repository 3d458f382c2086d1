package adaptertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/siogo/sio/socketio/sioadapter"
)

// sameJSON reports whether two texts are the same value.
func sameJSON(a, b []byte) bool {
	var v, w any
	return json.Unmarshal(a, &v) == nil && json.Unmarshal(b, &w) == nil && reflect.DeepEqual(v, w)
}

// emit broadcasts an event and checks who got it: those in want, each once.
func (r *rig) emit(from *node, s *sioadapter.Selection, all []*socket, want func(*socket) bool) {
	r.Helper()
	r.must(from.adapter.Broadcast(event("e", 1), s))
	r.fence(from)
	for _, u := range all {
		n := len(u.texts())
		switch {
		case n > 1:
			r.Errorf("from node %d to %s: %s got it %d times", from.index, describe(s), u.id, n)
		case (n == 1) != want(u):
			r.Errorf("from node %d to %s: %s on node %d got it: %v, want %v", from.index, describe(s), u.id, u.node.index, n == 1, want(u))
		}
	}
}

func describe(s *sioadapter.Selection) string {
	short := func(list []string) []string {
		short := slices.Clone(list)
		for i, name := range short {
			if len(name) > 30 {
				short[i] = fmt.Sprintf("%.10s… (%d bytes)", name, len(name))
			}
		}
		return short
	}
	return fmt.Sprintf("rooms %q except %q", short(s.Rooms), short(s.Except))
}

func testSelections(r *rig) {
	// Sockets are on the nodes in turn, so that every room is on several.
	all := r.populate(6)
	if len(r.nodes) > len(all) {
		all = append(all, r.populate(len(r.nodes))...)
	}
	in := map[string][]int{"a": {0, 1}, "b": {1, 2, 4}, "c": {3}, "id4": {0}}
	for room, members := range in {
		for _, i := range members {
			all[i].join(room)
		}
	}
	for _, tt := range []struct{ rooms, except []string }{
		{nil, nil},
		{[]string{"a"}, nil},
		{[]string{"nobody"}, nil},
		{[]string{"a", "b", "a"}, nil},
		{nil, []string{"a"}},
		{nil, []string{"id3"}},
		{[]string{"a"}, []string{"id0"}},
		{[]string{"a"}, []string{"a"}},
		{[]string{"a", "b", "c"}, []string{"b", "nobody"}},
		{[]string{"id2"}, nil},
		{[]string{"id1", "a", "id1", "id3"}, nil},
		{[]string{"id4"}, nil}, // somebody's own room, with a guest
		{nil, []string{"id4"}},
	} {
		has := func(s *socket, names []string) bool {
			return slices.ContainsFunc(s.node.adapter.Rooms(s), func(room string) bool { return slices.Contains(names, room) })
		}
		for _, n := range r.nodes {
			r.emit(n, &sioadapter.Selection{Rooms: tt.rooms, Except: tt.except}, all, func(s *socket) bool {
				return (tt.rooms == nil || has(s, tt.rooms)) && !has(s, tt.except)
			})
		}
	}
}

func testHostileNames(r *rig) {
	// One socket for each name, all over the nodes.
	all := r.populate(len(hostile))
	for i, s := range all {
		s.join(hostile[i])
	}
	for i, name := range hostile {
		from := r.nodes[i%len(r.nodes)]
		r.emit(from, to(name), all, func(s *socket) bool { return s == all[i] })
	}
	r.emit(r.nodes[0], &sioadapter.Selection{Except: hostile[1:]}, all, func(s *socket) bool { return s == all[0] })
	for i, name := range hostile {
		n := r.nodes[(i+1)%len(r.nodes)]
		joined := fmt.Sprint("joined ", i)
		r.must(n.adapter.JoinAll(to(name), joined))
		r.until(fmt.Sprintf("%s is in %s", all[i].id, joined), func() bool {
			return slices.Contains(all[i].node.adapter.Rooms(all[i]), joined)
		})
	}
	r.fence()
	for i, s := range all {
		if got := s.node.adapter.Rooms(s); len(got) != 3 {
			r.Errorf("%s has joined %d rooms, want 3: somebody else's selection took it for one of its own (%d)", s.id, len(got), i)
		}
	}
}

func testNamespaces(r *rig) {
	// Names whose channels a bus may take for one another's.
	names := []string{"/a", "/a#b", "/*", "/?", "/a/b"}
	all := r.populate(len(r.nodes))
	others := make(map[string][]*node)
	for _, name := range names {
		for i, f := range r.cluster.Factories {
			n := r.openNode(i, name, f)
			n.add("id0 of " + name)
			others[name] = append(others[name], n)
		}
		r.settle(others[name])
	}
	for _, from := range names {
		n := others[from][0]
		r.must(n.adapter.Broadcast(event("hello", from), &sioadapter.Selection{}))
		for _, m := range others[from] {
			r.until("node "+fmt.Sprint(m.index)+" of "+from+" got its event", func() bool {
				s := m.all()[0]
				s.mu.Lock()
				defer s.mu.Unlock()
				return len(s.inbox) > 0
			})
		}
	}
	r.fence()
	for _, s := range all {
		if got := s.texts(); got != nil {
			r.Errorf("%s of / got %v", s.id, got)
		}
	}
	for _, name := range names {
		for _, m := range others[name] {
			if got, want := m.all()[0].texts(), fmt.Sprintf(`["hello",%q]`, name); len(got) != 1 || got[0] != want {
				r.Errorf("node %d of %s got %v, want %s", m.index, name, got, want)
			}
		}
	}
	// One of them goes; "/" stays.
	for _, n := range others["/a"] {
		n.close()
	}
	r.emit(r.nodes[0], &sioadapter.Selection{}, all, func(*socket) bool { return true })
}

func testArguments(r *rig) {
	all := r.populate(len(r.nodes))
	blob := bytes.Repeat([]byte{0, 1, 0xff, '"', '{'}, 1000)
	for _, args := range [][]any{
		{},
		{nil, true, 1, -1.5, 1e100, uint64(1) << 53, "text \" \\ \u2028 é 😀 \x00"},
		{[]any{}, map[string]any{}, map[string]any{"a": []any{1, "b", nil}}},
		{[]byte{}},
		{blob, map[string]any{"file": blob, "list": []any{[]byte("x"), 1}}},
		{strings.Repeat("long ", 50_000)},
		{`{"_placeholder":true,"num":0}`},
	} {
		p := event("args", args...)
		r.must(r.nodes[0].adapter.Broadcast(p, &sioadapter.Selection{}))
		r.fence()
		for _, s := range all {
			got := s.got()
			if len(got) != 1 {
				r.Errorf("node %d got %d events, want 1", s.node.index, len(got))
				continue
			}
			if !sameJSON(got[0].args.Raw(), p.Args.Raw()) || !slices.EqualFunc(got[0].args.Attachments(), p.Args.Attachments(), bytes.Equal) {
				r.Errorf("node %d got %.200s with %d attachments, want %.200s with %d", s.node.index, got[0].text, len(got[0].args.Attachments()), p.Args.Raw(), len(p.Args.Attachments()))
			}
		}
	}
}

// testCallersMemory changes what was given to the adapter as soon as it returns.
func testCallersMemory(r *rig) {
	all := r.populate(2 * len(r.nodes))
	blob := []byte("before")
	rooms, except := []string{all[len(all)-1].id, "nobody"}, []string{"id0"}
	joined := []string{"joined"}
	n := r.nodes[0]
	r.must(n.adapter.Broadcast(event("blob", blob), &sioadapter.Selection{}))
	copy(blob, "after!")
	s := &sioadapter.Selection{Rooms: rooms, Except: except}
	r.must(n.adapter.Broadcast(event("rooms"), s))
	r.must(n.adapter.JoinAll(s, joined...))
	rooms[0], rooms[1], except[0], joined[0] = "id0", "id0", "nobody", "changed"
	r.fence()
	last := all[len(all)-1]
	for _, s := range all {
		got := s.got()
		if want := map[bool]int{true: 2, false: 1}[s == last]; len(got) != want {
			r.Errorf("%s got %d events, want %d", s.id, len(got), want)
			continue
		}
		if b := got[0].args.Attachments(); len(b) != 1 || s.node != n && string(b[0]) != "before" {
			r.Errorf("%s got %q, want what it was when it was emitted", s.id, b)
		}
	}
	r.until("the last socket has joined", func() bool {
		return slices.Equal(last.node.adapter.Rooms(last), []string{last.id, "joined"})
	})
}

func testFlags(r *rig) {
	all := r.populate(2 * len(r.nodes))
	for _, n := range r.nodes {
		r.emit(n, &sioadapter.Selection{Flags: sioadapter.Flags{Local: true}}, all, func(s *socket) bool { return s.node == n })
	}
	for _, want := range []sioadapter.Flags{{}, {Volatile: true}, {NoCompress: true}, {Volatile: true, NoCompress: true}} {
		r.must(r.nodes[0].adapter.Broadcast(event("flags"), &sioadapter.Selection{Flags: want}))
		r.fence(r.nodes[0])
		for _, s := range all {
			if got := s.got(); len(got) != 1 || got[0].flags != want {
				r.Errorf("%s got %+v, want one with the flags %+v", s.id, got, want)
			}
		}
	}
	s := all[len(all)-1]
	r.must(s.node.adapter.Emit(s, event("only you"), sioadapter.Flags{}))
	r.fence()
	for _, u := range all {
		if got := u.texts(); (u == s) != slices.Equal(got, []string{`["only you"]`}) || u != s && got != nil {
			r.Errorf("%s got %v after an event for %s alone", u.id, got, s.id)
		}
	}
}

// testOrder emits from all nodes at the same time, in all ways there are. What
// comes from one node keeps its order at every socket.
func testOrder(r *rig) {
	all := r.populate(2 * len(r.nodes))
	for _, s := range all {
		s.join("room")
	}
	const count = 100
	var wg sync.WaitGroup
	for _, n := range r.nodes {
		wg.Go(func() {
			for i := range count {
				p := event("n", n.index, i)
				var err error
				switch i % 4 {
				case 0:
					err = n.adapter.Broadcast(p, &sioadapter.Selection{})
				case 1:
					err = n.adapter.Broadcast(p, to("room"))
				case 2:
					for _, s := range all {
						if e := n.adapter.Broadcast(p, to(s.id)); e != nil {
							err = e
						}
					}
				case 3:
					if r.suite.AsksOvertake {
						err = n.adapter.Broadcast(p, &sioadapter.Selection{Except: []string{"nobody"}})
						break
					}
					a := r.answers()
					var stop func()
					if stop, err = n.adapter.Ask(r.Context(), p, &sioadapter.Selection{Except: []string{"nobody"}}, a); err == nil {
						stop()
					}
				}
				if err != nil {
					r.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r.fence()
	for _, s := range all {
		next := make([]int, len(r.nodes))
		for _, d := range s.got() {
			var from, i int
			if err := d.args.Shift().Decode(&from, &i); err != nil {
				r.Fatal(err)
			}
			if i != next[from] {
				r.Fatalf("%s got event %d of node %d, want %d", s.id, i, from, next[from])
			}
			next[from]++
		}
		for from, n := range next {
			if n != count {
				r.Errorf("%s got %d events of node %d, want %d", s.id, n, from, count)
			}
		}
	}
}

func testConcurrentUse(r *rig) {
	var wg sync.WaitGroup
	for _, n := range r.nodes {
		n.add(fmt.Sprint("resident", n.index))
		for g := range 4 {
			wg.Go(func() {
				for i := range 40 {
					s := n.newSocket(fmt.Sprintf("%d-%d-%d", n.index, g, i))
					n.adapter.Add(s)
					_ = n.adapter.Join(s, "a", fmt.Sprint(i%3)) // somebody may have disconnected it
					_ = n.adapter.Broadcast(event("e", i), &sioadapter.Selection{Rooms: []string{"a", "1"}, Except: []string{"2"}})
					_ = n.adapter.JoinAll(to("1"), "b")
					_ = n.adapter.LeaveAll(to("b"), "1")
					n.adapter.Rooms(s)
					n.adapter.Remove(s)
				}
			})
		}
	}
	wg.Wait()
	r.fence()
	for _, n := range r.nodes {
		if n.adapter.Len() != 1 {
			r.Errorf("node %d has %d members, want 1", n.index, n.adapter.Len())
		}
		for room := range n.adapter.RoomSizes() {
			r.Errorf("node %d still has the room %q", n.index, room)
		}
	}
}

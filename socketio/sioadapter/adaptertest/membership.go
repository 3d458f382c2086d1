package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/siogo/sio/socketio/sioadapter"
)

// hostile are names that look like something else to a bus, a pattern or a
// codec. Each is a room of its own.
var hostile = []string{
	"#", "*", "**", "#*", "?", "[a-z]", "/", "/#", "#/#", "a#b", "a", "b", ".", ">", "a.b", "\\", "\"", "'", "{}", "%s", "\x00", "\n", "\x1f", " ", "é", "日本", "😀",
	"0", "00", "1", "-1", "true", "null", "emitter", "__proto__", "socket.io#/#",
	"abcdefghijklmnopqrst", // 20 characters, as the id of a socket has
	"ABCDEFGHIJKLMNOPQRST",
	strings.Repeat("x", 64<<10),
	strings.Repeat("x", 64<<10-1),
}

func testMembership(r *rig) {
	n := r.nodes[len(r.nodes)-1]
	a := n.adapter
	s := n.newSocket("me")
	if err := a.Join(s, "a"); !errors.Is(err, sioadapter.ErrNotMember) {
		r.Errorf("Join before Add: %v, want ErrNotMember", err)
	}
	if err := a.Leave(s, "a"); !errors.Is(err, sioadapter.ErrNotMember) {
		r.Errorf("Leave before Add: %v, want ErrNotMember", err)
	}
	if rooms := a.Rooms(s); rooms != nil {
		r.Errorf("Rooms before Add: %v", rooms)
	}
	a.Add(s)
	n.keep(s)
	if a.Len() != 1 || a.Lookup("me") != sioadapter.Member(s) || a.Lookup("you") != nil {
		r.Error("the member is not found by its id")
	}
	s.join("a", "b", "a", "me")
	r.must(a.Leave(s, "c", "b"))
	r.must(a.Leave(s, "b"))
	if got := a.Rooms(s); !slices.Equal(got, []string{"me", "a"}) {
		r.Errorf("rooms %v, want me and a", got)
	}
	sizes := make(map[string]int)
	for room, n := range a.RoomSizes() {
		sizes[room] = n
	}
	if sizes["a"] != 1 || sizes["b"] != 0 {
		r.Errorf("sizes of rooms: %v, want one in a and none in b", sizes)
	}
	if got := n.remove(s); !slices.Equal(got, []string{"me", "a"}) {
		r.Errorf("Remove returned %v, want me and a", got)
	}
	if err := a.Join(s, "ghost"); !errors.Is(err, sioadapter.ErrNotMember) || a.Len() != 0 || len(a.Members(to("a"))) != 0 {
		r.Errorf("after Remove: Join %v, %d members", err, a.Len())
	}
	for room := range a.RoomSizes() {
		r.Errorf("room %q exists and has no members", room)
	}

	// Nobody meets ghosts on other nodes either.
	all := r.populate(len(r.nodes))
	r.must(r.nodes[0].adapter.Broadcast(event("boo"), to("me", "a")))
	r.fence()
	for _, s := range all {
		if got := s.texts(); got != nil {
			r.Errorf("%s got %v", s.id, got)
		}
	}
	if got := s.texts(); got != nil {
		r.Errorf("a socket that was removed got %v", got)
	}
}

func testRoomEvents(r *rig) {
	n := r.nodes[0]
	var mu sync.Mutex
	var log []string
	note := func(kind string) func(string, string) {
		return func(room, id string) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, strings.TrimSpace(kind+" "+room+" "+id))
			n.adapter.Len() // no lock is held
		}
	}
	n.adapter.Watch(sioadapter.RoomEvents{
		Create: func(room string) { note("create")(room, "") },
		Delete: func(room string) { note("delete")(room, "") },
		Join:   note("join"), Leave: note("leave"),
	})
	s := n.add("A")
	s.join("r")
	r.must(n.adapter.Leave(s, "r"))
	n.remove(s)
	want := []string{"create A", "join A A", "create r", "join r A", "leave r A", "delete r", "leave A A", "delete A"}
	if !slices.Equal(log, want) {
		r.Errorf("events %q, want %q", log, want)
	}
}

// testJoinLeaveDisconnect acts on sockets of all nodes from each node.
func testJoinLeaveDisconnect(r *rig) {
	all := r.populate(3 * len(r.nodes))
	rooms := func(s *socket) string { return fmt.Sprint(s.node.adapter.Rooms(s)) }
	for i, n := range r.nodes {
		room, odd := fmt.Sprint("room", i), fmt.Sprint("odd", i)
		r.must(n.adapter.JoinAll(&sioadapter.Selection{}, room, odd))
		for _, s := range all {
			r.until(s.id+" is in "+room+" and "+odd, func() bool { return rooms(s) == fmt.Sprintf("[%s %s %s]", s.id, room, odd) })
		}
		r.must(n.adapter.LeaveAll(&sioadapter.Selection{Rooms: []string{room}, Except: []string{"id1"}}, odd))
		for _, s := range all {
			if s.id != "id1" {
				r.until(s.id+" has left "+odd, func() bool { return rooms(s) == fmt.Sprintf("[%s %s]", s.id, room) })
			}
		}
		if got := rooms(all[1]); got != fmt.Sprintf("[id1 %s %s]", room, odd) {
			r.Errorf("id1, which is excepted, is in %s", got)
		}
		r.must(n.adapter.LeaveAll(&sioadapter.Selection{}, room, odd))
		for _, s := range all {
			r.until(s.id+" has left all rooms", func() bool { return rooms(s) == "["+s.id+"]" })
		}
	}

	// With the flag, it stays here.
	first := r.nodes[0]
	local := sioadapter.Flags{Local: true}
	r.must(first.adapter.JoinAll(&sioadapter.Selection{Flags: local}, "here"))
	r.fence()
	for _, s := range all {
		want := "[" + s.id + "]"
		if s.node == first {
			want = "[" + s.id + " here]"
		}
		if got := rooms(s); got != want {
			r.Errorf("after a local join, %s is in %s, want %s", s.id, got, want)
		}
	}

	// The last socket goes, then the one before with its connection, from the
	// first node; then all but one.
	last := all[len(all)-1]
	r.must(first.adapter.DisconnectAll(to(last.id), false))
	r.until(last.id+" is disconnected", func() bool { gone, _ := last.isGone(); return gone })
	if _, hungUp := last.isGone(); hungUp {
		r.Error("its connection was closed")
	}
	other := all[len(all)-2]
	r.must(first.adapter.DisconnectAll(to(other.id), true))
	r.until(other.id+"'s connection is closed", func() bool { _, hungUp := other.isGone(); return hungUp })
	r.must(first.adapter.DisconnectAll(&sioadapter.Selection{Except: []string{"id0"}}, false))
	for _, s := range all[1:] {
		r.until(s.id+" is disconnected", func() bool { gone, _ := s.isGone(); return gone })
	}
	if gone, _ := all[0].isGone(); gone {
		r.Error("id0, which is excepted, is disconnected")
	}
}

func testSockets(r *rig) {
	all := r.populate(2 * len(r.nodes))
	for i, s := range all {
		if i%2 == 0 {
			s.join("even")
		}
	}
	fetch := func(n *node, s *sioadapter.Selection) map[string]sioadapter.Info {
		found := make(map[string]sioadapter.Info)
		for info, err := range n.adapter.Sockets(r.Context(), s) {
			if err != nil {
				r.Errorf("from node %d: %v", n.index, err)
				break
			}
			if _, twice := found[info.ID]; twice {
				r.Errorf("%s is yielded twice", info.ID)
			}
			found[info.ID] = info
		}
		return found
	}
	for _, n := range r.nodes {
		found := fetch(n, &sioadapter.Selection{})
		for i, s := range all {
			info, ok := found[s.id]
			if !ok {
				r.Errorf("node %d does not find %s", n.index, s.id)
				continue
			}
			want := []string{s.id}
			if i%2 == 0 {
				want = append(want, "even")
			}
			if !slices.Equal(info.Rooms, want) {
				r.Errorf("node %d: %s is in %v, want %v", n.index, s.id, info.Rooms, want)
			}
			switch {
			case s.node == n && info.Local != sioadapter.Member(s):
				r.Errorf("node %d does not see that %s is its own", n.index, s.id)
			case s.node != n && info.Local != nil:
				r.Errorf("node %d takes %s for its own", n.index, s.id)
			case s.node != n && (!sameJSON(info.Data, fmt.Appendf(nil, `{"node":%d}`, s.node.index)) ||
				!sameJSON(info.Handshake, []byte(`{"url":"/","query":{"EIO":"4"},"issued":1700000000123}`))):
				r.Errorf("node %d: data %s, handshake %s of %s", n.index, info.Data, info.Handshake, s.id)
			}
		}
		if len(found) != len(all) {
			r.Errorf("node %d finds %d sockets, want %d", n.index, len(found), len(all))
		}
		if found := fetch(n, &sioadapter.Selection{Rooms: []string{"even"}, Except: []string{"id0"}}); len(found) != len(r.nodes)-1 {
			r.Errorf("node %d finds %d sockets in the room, want %d", n.index, len(found), len(r.nodes)-1)
		}
		if found := fetch(n, &sioadapter.Selection{Flags: sioadapter.Flags{Local: true}}); len(found) != 2 {
			r.Errorf("node %d finds %d sockets of its own, want 2", n.index, len(found))
		}
	}
	for range r.nodes[0].adapter.Sockets(r.Context(), &sioadapter.Selection{}) {
		break // nothing stays behind
	}
	if len(r.nodes) > 1 {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		found := 0
		var got error
		for _, err := range r.nodes[0].adapter.Sockets(ctx, &sioadapter.Selection{}) {
			if got = err; err == nil {
				found++
			}
		}
		if !errors.Is(got, context.Canceled) && (found < len(all) || got != nil) {
			r.Errorf("with a cancelled context %d sockets are found, the error is %v", found, got)
		}
	}
}

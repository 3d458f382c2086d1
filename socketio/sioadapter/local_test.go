package sioadapter

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/socketio/sioparser"
)

// user is a member that counts what it gets.
type user struct {
	id   string
	seat Seat
	got  int
	out  bool // asked to disconnect
}

func (u *user) ID() string  { return u.id }
func (u *user) Seat() *Seat { return &u.seat }

// space is a namespace of users.
type space struct{ mu sync.Mutex }

func (*space) Name() string             { return "/" }
func (*space) Parser() sioparser.Parser { return sioparser.JSON(nil) }
func (*space) Logger() *slog.Logger     { return slog.Default() }
func (*space) Describe(m Member) Info   { return Info{ID: m.ID()} }

func (s *space) Disconnect(m Member, _ bool) { m.(*user).out = true }

func (s *space) Deliver(_ *Packet, _ Flags, to []Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range to {
		m.(*user).got++
	}
}

func (s *space) Ask(_ *Packet, _ Flags, to []Member, a Answers) func() {
	for _, m := range to {
		a.Answer(m.ID(), sioparser.Args{}, nil)
	}
	return func() {}
}

func fill(t *testing.T, l *Local, users []*user, rooms map[string][]int) {
	t.Helper()
	for _, u := range users {
		l.Add(u)
	}
	for name, members := range rooms {
		for _, i := range members {
			if err := l.Join(users[i], name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func users(n int) []*user {
	all := make([]*user, n)
	for i := range all {
		all[i] = &user{id: fmt.Sprint("id", i)}
	}
	return all
}

func ids[M Member](members []M) []string {
	var all []string
	for _, m := range members {
		all = append(all, m.ID())
	}
	slices.Sort(all)
	return all
}

func TestSelections(t *testing.T) {
	l := NewLocal(&space{})
	all := users(5)
	fill(t, l, all, map[string][]int{"a": {0, 1}, "b": {1, 2}, "c": {3}, "id4": {0}})
	for _, tt := range []struct {
		name          string
		rooms, except []string
		want          []string
	}{
		{"everybody", nil, nil, []string{"id0", "id1", "id2", "id3", "id4"}},
		{"a room", []string{"a"}, nil, []string{"id0", "id1"}},
		{"no such room", []string{"z"}, nil, nil},
		{"the union, each once", []string{"a", "b", "a"}, nil, []string{"id0", "id1", "id2"}},
		{"everybody but a room", nil, []string{"a"}, []string{"id2", "id3", "id4"}},
		{"everybody but an id", nil, []string{"id3"}, []string{"id0", "id1", "id2", "id4"}},
		{"a room but an id", []string{"a"}, []string{"id0"}, []string{"id1"}},
		{"rooms but a room", []string{"a", "b", "c"}, []string{"b", "z"}, []string{"id0", "id3"}},
		{"an id", []string{"id2"}, nil, []string{"id2"}},
		{"ids and rooms", []string{"id1", "a", "id1", "id3"}, nil, []string{"id0", "id1", "id3"}},
		{"somebody's own room, with a guest", []string{"id4"}, nil, []string{"id0", "id4"}},
		{"without the guest's room", nil, []string{"id4"}, []string{"id1", "id2", "id3"}},
	} {
		sel := &Selection{Rooms: tt.rooms, Except: tt.except}
		if got := ids(l.Members(sel)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		for _, u := range all {
			u.got = 0
		}
		if err := l.Broadcast(&Packet{}, sel); err != nil {
			t.Error(err)
		}
		for _, u := range all {
			if want := slices.Contains(tt.want, u.id); u.got > 1 || (u.got == 1) != want {
				t.Errorf("%s: %s got %d packets, want one: %v", tt.name, u.id, u.got, want)
			}
		}
	}
}

func TestMembership(t *testing.T) {
	l := NewLocal(&space{})
	u := &user{id: "me"}
	if err := l.Join(u, "a"); err != ErrNotMember {
		t.Errorf("join before Add: %v", err)
	}
	if l.Rooms(u) != nil || l.Remove(u) != nil || l.Leave(u, "a") != ErrNotMember {
		t.Error("a stranger has rooms")
	}
	l.Add(u)
	l.Add(u)
	if l.Len() != 1 || l.Lookup("me") != Member(u) || l.Lookup("you") != nil {
		t.Error("not found once")
	}
	l.Join(u, "a", "b", "a", "me")
	l.Leave(u, "c", "b")
	l.Leave(u, "b")
	if got := l.Rooms(u); !slices.Equal(got, []string{"me", "a"}) {
		t.Errorf("rooms %v", got)
	}
	l.Leave(u, "me")
	if got := l.Rooms(u); !slices.Equal(got, []string{"a"}) || len(l.Members(&Selection{Rooms: []string{"me"}})) != 0 {
		t.Errorf("rooms after leaving its own: %v", got)
	}
	l.Join(u, "me")
	if got := l.Rooms(u); !slices.Equal(got, []string{"me", "a"}) {
		t.Errorf("rooms after joining its own again: %v", got)
	}
	if got := l.Remove(u); !slices.Equal(got, []string{"me", "a"}) {
		t.Errorf("Remove returned %v", got)
	}
	if len(l.rooms)+len(l.ids)+len(l.members) != 0 || l.Join(u, "a") != ErrNotMember {
		t.Error("something is left")
	}
}

func TestGuestsInSomebodysOwnRoom(t *testing.T) {
	l := NewLocal(&space{})
	all := users(3)
	l.Add(all[0])
	l.Join(all[0], "id1", "id2") // before and after their owners come
	l.Add(all[1])
	l.Add(all[2])
	l.Join(all[2], "id0", "x")
	for room, want := range map[string][]string{
		"id0": {"id0", "id2"}, "id1": {"id0", "id1"}, "id2": {"id0", "id2"},
	} {
		if got := ids(l.Members(&Selection{Rooms: []string{room}})); !slices.Equal(got, want) {
			t.Errorf("room %s has %v, want %v", room, got, want)
		}
	}
	if got := l.Rooms(all[2]); got[0] != "id2" || len(got) != 3 {
		t.Errorf("rooms %v, want the own one first", got)
	}
	l.Remove(all[2])
	if got := ids(l.Members(&Selection{Rooms: []string{"id2"}})); !slices.Equal(got, []string{"id0"}) {
		t.Errorf("the guest alone: %v", got)
	}
	sizes := map[string]int{}
	for name, n := range l.RoomSizes() {
		sizes[name] = n
	}
	if fmt.Sprint(sizes) != "map[id0:1 id1:2 id2:1]" {
		t.Errorf("sizes %v", sizes)
	}
}

func TestRoomEvents(t *testing.T) {
	l := NewLocal(&space{})
	var log []string
	note := func(kind string) func(string, string) {
		return func(room, id string) {
			log = append(log, kind+" "+room+" "+id)
			l.Len() // no lock is held
		}
	}
	l.Watch(RoomEvents{
		Create: func(room string) { note("create")(room, "") },
		Delete: func(room string) { note("delete")(room, "") },
		Join:   note("join"), Leave: note("leave"),
	})
	a, b := &user{id: "A"}, &user{id: "B"}
	l.Add(a)
	l.Add(b)
	l.Join(a, "r", "r")
	l.Join(b, "r", "A")
	l.Leave(a, "r", "A")
	l.Remove(b)
	l.Remove(a)
	want := []string{
		"create A ", "join A A", "create B ", "join B B",
		"create r ", "join r A", "join r B", "join A B",
		"leave r A", "leave A A",
		"leave B B", "delete B ", "leave A B", "delete A ", "leave r B", "delete r ",
	}
	if !slices.Equal(log, want) {
		t.Errorf("got\n%q\nwant\n%q", log, want)
	}
}

// The dense lists agree with a plain model after any sequence of operations.
func TestAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	l := NewLocal(&space{})
	all := users(12)
	names := []string{"a", "b", "c", "d", "id0", "id1", "id2"}
	model := map[string]map[string]bool{} // member → rooms
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	for step := range 20_000 {
		u := all[r.IntN(len(all))]
		_, member := model[u.id]
		switch op := r.IntN(10); {
		case op == 0 && !member:
			l.Add(u)
			model[u.id] = map[string]bool{u.id: true}
		case op == 1 && member:
			l.Remove(u)
			delete(model, u.id)
		case op < 6:
			room := pick(names)
			if err := l.Join(u, room); (err == nil) != member {
				t.Fatal(step, err)
			} else if member {
				model[u.id][room] = true
			}
		default:
			room := pick(append(names, u.id))
			if err := l.Leave(u, room); (err == nil) != member {
				t.Fatal(step, err)
			} else if member {
				delete(model[u.id], room)
			}
		}
		sel := &Selection{}
		for range r.IntN(4) {
			sel.Rooms = append(sel.Rooms, pick(names))
		}
		for range r.IntN(3) {
			sel.Except = append(sel.Except, pick(names))
		}
		in := func(rooms []string, of map[string]bool) bool {
			return slices.ContainsFunc(rooms, func(s string) bool { return of[s] })
		}
		var want []string
		for id, rooms := range model {
			if (len(sel.Rooms) == 0 || in(sel.Rooms, rooms)) && !in(sel.Except, rooms) {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		if got := ids(l.Members(sel)); !slices.Equal(got, want) {
			t.Fatalf("step %d, %+v: got %v, want %v", step, sel, got, want)
		}
		for _, room := range names {
			if got, want := l.HasRoom(room), len(l.Members(&Selection{Rooms: []string{room}})) > 0; got != want {
				t.Fatalf("step %d: somebody is in %s: %v, want %v", step, room, got, want)
			}
		}
		for _, u := range all {
			if got := l.Rooms(u); len(got) != len(model[u.id]) {
				t.Fatalf("step %d: %s is in %v, want %v", step, u.id, got, model[u.id])
			}
		}
	}
}

func TestOperationsOnSelections(t *testing.T) {
	l := NewLocal(&space{})
	all := users(4)
	fill(t, l, all, map[string][]int{"a": {0, 1}})
	in := func(room string) []string { return ids(l.Members(&Selection{Rooms: []string{room}})) }
	l.JoinAll(&Selection{Rooms: []string{"a"}}, "b", "c")
	l.LeaveAll(&Selection{Rooms: []string{"id0"}}, "b")
	l.DisconnectAll(&Selection{Rooms: []string{"b"}}, false)
	if !slices.Equal(in("b"), []string{"id1"}) || !slices.Equal(in("c"), []string{"id0", "id1"}) || !all[1].out || all[0].out {
		t.Error(in("b"), in("c"), all[0].out, all[1].out)
	}
	n := 0
	for info, err := range l.Sockets(t.Context(), &Selection{}) {
		if n++; err != nil || info.ID != info.Local.ID() {
			t.Error(info, err)
		}
		if n == 2 {
			break
		}
	}
	var got answers
	stop, err := l.Ask(t.Context(), &Packet{}, &Selection{Rooms: []string{"a"}}, &got)
	if err != nil || got.expected != 2 || !got.asked || len(got.from) != 2 {
		t.Error(err, got)
	}
	stop()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

type answers struct {
	expected int
	asked    bool
	at       time.Time // when Asked was called
	partial  error
	from     []string
	errs     []error
}

func (a *answers) Expect(n int, _ []string) { a.expected += n }

func (a *answers) Answer(id string, _ sioparser.Args, err error) {
	a.from = append(a.from, id)
	if err != nil {
		a.errs = append(a.errs, err)
	}
}

func (a *answers) Asked(err error) { a.asked, a.at, a.partial = true, time.Now(), err }

func TestConcurrentUse(t *testing.T) {
	l := NewLocal(&space{})
	var wg sync.WaitGroup
	for _, u := range users(8) {
		wg.Go(func() {
			for i := range 200 {
				l.Add(u)
				l.Join(u, "a", fmt.Sprint(i%3))
				l.Broadcast(&Packet{}, &Selection{Rooms: []string{"a", "1"}, Except: []string{"2"}})
				l.Rooms(u)
				l.Remove(u)
			}
		})
	}
	wg.Wait()
	if len(l.rooms)+len(l.ids)+len(l.members) != 0 {
		t.Error("something is left")
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	l := NewLocal(&space{})
	all := users(5000)
	fill(t, l, all, nil)
	for _, u := range all {
		l.Join(u, "a")
	}
	for _, u := range all[1:] {
		l.Remove(u)
	}
	if cap(l.members) > 64 || cap(l.rooms["a"].members) > 64 {
		t.Errorf("arrays of %d and %d for one member", cap(l.members), cap(l.rooms["a"].members))
	}
	l.Remove(all[0])
	if l.peak != 0 {
		t.Error("the maps were not replaced")
	}
}

func BenchmarkJoinLeave(b *testing.B) {
	l := NewLocal(&space{})
	u := &user{id: "me"}
	b.ReportAllocs()
	for b.Loop() {
		l.Add(u)
		l.Join(u, "a")
		l.Remove(u)
	}
}

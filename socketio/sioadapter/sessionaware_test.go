package sioadapter

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// recovering is a SessionAware under test.
type recovering struct {
	*SessionAware
	t *testing.T
}

func newRecovering(t *testing.T, o *RecoveryOptions) recovering {
	p := &peer{}
	a := NewSessionAware(site{p}, o)
	p.Cluster = &Cluster{Adapter: a} // for site, which needs no more of it
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return recovering{a, t}
}

// visitor is a client: what it remembers, and its socket.
type visitor struct {
	on     recovering
	pid    string
	offset string
	socket *mate
	events []string
}

func (a recovering) connect(id string) *visitor {
	v := &visitor{on: a, socket: &mate{id: id}}
	v.pid, _ = a.Recovery().Add(v.socket)
	return v
}

// read takes the first n of what was delivered. The rest is lost.
func (v *visitor) read(n int) {
	for i, d := range v.socket.deliveries() {
		if i == n {
			break
		}
		v.events = append(v.events, string(d.Args.Raw()))
		if d.Offset != "" {
			v.offset = d.Offset
		}
	}
}

func (m *mate) deliveries() []*Packet {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.packets
	m.packets, m.inbox = nil, nil
	return all
}

func (v *visitor) lose() { v.on.Recovery().Detach(v.socket, "data of "+v.socket.id) }

func (v *visitor) release(m Member) { v.on.Recovery().Detach(m, "taken over") }

func (v *visitor) recover() error {
	s, err := v.on.Recovery().Claim(v.on.t.Context(), v.pid, v.offset, v.release)
	if err != nil {
		return err
	}
	m := &mate{id: s.ID}
	if err := v.on.Recovery().Restore(m, s); err != nil {
		return err
	}
	v.socket = m
	return nil
}

func (a recovering) emit(p *Packet, rooms ...string) {
	a.t.Helper()
	if err := a.Broadcast(p, &Selection{Rooms: rooms}); err != nil {
		a.t.Error(err)
	}
}

func (v *visitor) mustRecover(want ...string) {
	v.on.t.Helper()
	if err := v.recover(); err != nil {
		v.on.t.Fatal(err)
	}
	v.read(1 << 20)
	if !slices.Equal(v.events, want) {
		v.on.t.Errorf("events %q, want %q", v.events, want)
	}
}

func (v *visitor) mustNot(what string) {
	v.on.t.Helper()
	if err := v.recover(); !errors.Is(err, ErrNotRecoverable) {
		v.on.t.Errorf("%s: %v, want ErrNotRecoverable", what, err)
	}
}

func TestFault_L10_RecoveryBeforeTheFirstEvent(t *testing.T) {
	a := newRecovering(t, nil)
	a.emit(number(0)) // before it came
	v := a.connect("me")
	a.emit(number(1))
	v.lose()
	a.emit(number(2))
	v.mustRecover(numbered(1, 2)...)

	// Nothing at all happens, twice.
	w := a.connect("you")
	for range 2 {
		w.lose()
		w.mustRecover()
	}
}

// A client that was not recovered keeps its last offset from before. It tells
// that one until the first event comes.
func TestOffsetOfAnOlderSession(t *testing.T) {
	a := newRecovering(t, nil)
	old := a.connect("old")
	a.emit(number(0))
	old.read(1)
	v := a.connect("me")
	v.offset = old.offset
	a.emit(number(1))
	v.lose()
	v.mustRecover(`["e",1]`)
}

func TestFault_L09_OffsetsThatWereNotIssued(t *testing.T) {
	a, other := newRecovering(t, nil), newRecovering(t, nil)
	for _, offset := range []string{"x", "0", "-", a.epoch, a.epoch + "-1", a.epoch + "+1", a.epoch + "A", a.epoch + "zzz", a.epoch + strings.Repeat("z", 20), other.epoch + "0", other.offset(1)} {
		v := a.connect("me")
		a.emit(number(1))
		v.lose()
		v.offset = offset
		v.mustNot(fmt.Sprintf("offset %q", offset))
		v.offset = ""
		v.mustNot("after it was refused")
	}
}

// A client in a quiet room of a busy namespace: its last event is long gone,
// but it has missed nothing.
func TestIdleClientIsRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRecovering(t, &RecoveryOptions{MaxPackets: 10})
		v := a.connect("me")
		a.emit(number(1), "me")
		v.read(1)
		for i := range 100 {
			a.emit(number(i), "busy")
		}
		time.Sleep(time.Hour)
		a.emit(number(0), "busy")
		v.lose()
		a.emit(number(2), "me")
		v.mustRecover(numbered(1, 2)...)
	})
}

func TestSessionsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRecovering(t, nil)
		v, w := a.connect("me"), a.connect("you")
		v.lose()
		time.Sleep(time.Second)
		w.lose()
		time.Sleep(2*time.Minute - time.Second - time.Nanosecond)
		v.mustRecover()
		time.Sleep(time.Second)
		v.lose()
		w.mustRecover()
		w.lose()
		time.Sleep(2 * time.Minute)
		w.mustNot("after exactly 2 minutes")
		synctest.Wait()
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.sessions)+len(a.detached)+a.waiting+a.log.len() != 0 || a.timer != nil {
			t.Errorf("left behind: %d sessions, %d, %d detached, %d packets, timer %v", len(a.sessions), len(a.detached), a.waiting, a.log.len(), a.timer != nil)
		}
	})
}

// Packets are kept a minute longer than sessions, since losses are noticed
// late.
func TestHalfOpenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRecovering(t, nil)
		v := a.connect("me")
		a.emit(number(1))
		v.read(1)
		a.emit(number(2)) // lost on the line
		time.Sleep(45 * time.Second)
		v.lose()
		time.Sleep(2*time.Minute - time.Nanosecond)
		v.mustRecover(numbered(1, 2)...)

		a.emit(number(3))
		v.lose()
		v.socket.deliveries()
		v.offset = a.offset(0)
		time.Sleep(time.Minute + 15*time.Second) // the second event is 3 minutes old
		v.mustNot("packets that are too old")
	})
}

func TestBoundsOfTheLog(t *testing.T) {
	blob := bytes.Repeat([]byte("x"), 1000)
	big := &Packet{Args: args(`["e",{"_placeholder":true,"num":0}]`, blob)}
	for _, tt := range []struct {
		name string
		o    RecoveryOptions
		emit func(recovering)
		ok   bool
	}{
		{"as many packets as are kept", RecoveryOptions{MaxPackets: 5}, func(a recovering) { repeat(5, func() { a.emit(number(1), "x") }) }, true},
		{"one more", RecoveryOptions{MaxPackets: 5}, func(a recovering) { repeat(6, func() { a.emit(number(1), "x") }) }, false},
		{"within the bytes", RecoveryOptions{MaxBytes: 4000}, func(a recovering) { repeat(3, func() { a.emit(big) }) }, true},
		{"too many bytes", RecoveryOptions{MaxBytes: 4000}, func(a recovering) { repeat(4, func() { a.emit(big) }) }, false},
		{"names of rooms are counted", RecoveryOptions{MaxBytes: 4000}, func(a recovering) { repeat(3, func() { a.emit(number(1), string(blob), string(blob)) }) }, false},
		{"as many missed as are allowed", RecoveryOptions{MaxMissedPackets: 3}, func(a recovering) { repeat(3, func() { a.emit(number(1)) }) }, true},
		{"one more", RecoveryOptions{MaxMissedPackets: 3}, func(a recovering) { repeat(4, func() { a.emit(number(1)) }) }, false},
		{"too much is missed", RecoveryOptions{MaxMissedBytes: 4000}, func(a recovering) { repeat(4, func() { a.emit(big) }) }, false},
		{"others miss it", RecoveryOptions{MaxMissedPackets: 3, MaxMissedBytes: 4000}, func(a recovering) { repeat(9, func() { a.emit(big, "x") }) }, true},
	} {
		a := newRecovering(t, &tt.o)
		v := a.connect("me")
		v.lose()
		tt.emit(a)
		if err := v.recover(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}

	a := newRecovering(t, &RecoveryOptions{MaxSessions: 2})
	var all []*visitor
	for i := range 3 {
		all = append(all, a.connect(fmt.Sprint(i)))
	}
	for _, v := range all {
		v.lose()
	}
	all[0].mustNot("the session that was lost first")
	all[1].mustRecover()
	all[2].mustRecover()
}

func repeat(n int, f func()) {
	for range n {
		f()
	}
}

func TestMemoryOfTheLog(t *testing.T) {
	a := newRecovering(t, &RecoveryOptions{MaxPackets: 100})
	a.emit(number(1))
	if a.log.len() != 0 {
		t.Error("a packet is kept although nobody can be recovered")
	}
	v := a.connect("me")
	for range 10_000 {
		a.emit(number(1))
	}
	if a.log.len() != 100 || cap(a.log.entries) > 400 {
		t.Errorf("%d packets in an array of %d", a.log.len(), cap(a.log.entries))
	}
	size := 0
	for seq := a.log.first(); seq <= a.log.last; seq++ {
		if e := a.log.at(seq); e.seq != seq {
			t.Fatalf("packet %d in the place of %d", e.seq, seq)
		}
		size += a.log.at(seq).size
	}
	if size != a.log.bytes {
		t.Errorf("%d bytes are counted, they are %d", a.log.bytes, size)
	}
	a.Remove(v.socket)
	if a.log.len() != 0 || a.log.bytes != 0 || len(a.sessions) != 0 {
		t.Error("something is kept although nobody can be recovered any more")
	}
}

// An offset comes with a volatile event if a JavaScript client would take its
// last argument for one.
func TestVolatileStrings(t *testing.T) {
	a := newRecovering(t, nil)
	v := a.connect("me")
	volatile := Flags{Volatile: true}
	a.emit(number(1))
	for _, tt := range []struct {
		p    *Packet
		want bool
	}{
		{packet(`["e"]`), true}, // the name is the last string
		{packet(`["e","text"]`), true},
		{packet(`["e","text",1]`), false},
		{packet(`["e",null]`), false},
	} {
		v.socket.deliveries()
		if err := a.Broadcast(tt.p, &Selection{Flags: volatile}); err != nil {
			t.Fatal(err)
		}
		if err := a.Emit(v.socket, tt.p, volatile); err != nil {
			t.Fatal(err)
		}
		for _, p := range v.socket.deliveries() {
			if (p.Offset != "") != tt.want {
				t.Errorf("%s has the offset %q", p.Args.Raw(), p.Offset)
			}
			if p.Offset != "" {
				v.offset = p.Offset
			}
		}
	}
	a.emit(number(2))
	v.lose()
	v.mustRecover(`["e",2]`)
}

func TestArgsWithOffset(t *testing.T) {
	p := packet(`["e",{"_placeholder":true,"num":0}]`, []byte("blob"))
	if got := string(p.ArgsWithOffset().Raw()); got != `["e",{"_placeholder":true,"num":0}]` {
		t.Error(got)
	}
	p.Offset = "abc-1"
	with := p.ArgsWithOffset()
	if got := string(with.Raw()); got != `["e",{"_placeholder":true,"num":0},"abc-1"]` || len(with.Attachments()) != 1 {
		t.Error(got)
	}
}

// An event for a socket whose connection is being lost on another goroutine is
// for its session.
func TestEmitToASocketThatWasDetached(t *testing.T) {
	a := newRecovering(t, nil)
	v := a.connect("me")
	old := v.socket
	v.lose()
	for i := 1; i <= 2; i++ {
		if err := a.Emit(old, number(i), Flags{}); err != nil {
			t.Fatal(err)
		}
	}
	v.mustRecover(numbered(1, 2)...)
	if err := a.Emit(old, number(3), Flags{}); err != nil {
		t.Fatal(err)
	}
	v.read(1)
	if len(old.deliveries()) != 0 || len(v.events) != 3 {
		t.Errorf("events %q", v.events)
	}
	a.Remove(old) // is none any more
	a.Recovery().Detach(old, nil)
	if a.Lookup("me") != Member(v.socket) {
		t.Error("the old socket has taken the new one with it")
	}
	v.lose()
	v.mustRecover(numbered(1, 3)...)
}

func TestDataAndRoomsOfSessions(t *testing.T) {
	a := newRecovering(t, nil)
	v := a.connect("me")
	if err := a.Join(v.socket, "r"); err != nil {
		t.Fatal(err)
	}
	if err := a.Leave(v.socket, "me"); err != nil {
		t.Fatal(err)
	}
	v.lose()
	s, err := a.Recovery().Claim(t.Context(), v.pid, "", v.release)
	if err != nil || s.Data != "data of me" || s.ID != "me" || s.PID != v.pid || !slices.Equal(s.Rooms, []string{"r"}) {
		t.Fatalf("%+v, %v", s, err)
	}
	s.Rooms[0] = "changed" // by whom it was given to
	m := &mate{id: "me"}
	if err := a.Recovery().Restore(m, s); err != nil {
		t.Fatal(err)
	}
	if got := a.Rooms(m); !slices.Equal(got, []string{"r"}) {
		t.Errorf("rooms %v", got)
	}
}

func TestFault_L06_Owners(t *testing.T) {
	a := newRecovering(t, nil)
	v := a.connect("me")
	released := 0
	claim := func() (*Session, error) {
		return a.Recovery().Claim(t.Context(), v.pid, v.offset, func(m Member) {
			released++
			a.Recovery().Detach(m, nil)
		})
	}
	first, err := claim()
	if err != nil || released != 1 || a.Len() != 0 {
		t.Fatalf("%v, released %d times, %d members", err, released, a.Len())
	}
	second, err := claim()
	if err != nil || released != 1 {
		t.Fatal(err)
	}
	if err := a.Recovery().Restore(&mate{id: "me"}, first); !errors.Is(err, ErrNotRecoverable) {
		t.Errorf("a claim that was followed by another: %v", err)
	}
	m := &mate{id: "me"}
	if err := a.Recovery().Restore(m, second); err != nil {
		t.Error(err)
	}
	if err := a.Recovery().Restore(&mate{id: "me"}, second); !errors.Is(err, ErrNotRecoverable) {
		t.Errorf("a claim that was used: %v", err)
	}
	if a.Lookup("me") != Member(m) || a.Len() != 1 {
		t.Errorf("%d members", a.Len())
	}
	// Who does not let go keeps it.
	if _, err := a.Recovery().Claim(t.Context(), v.pid, "", func(Member) {}); !errors.Is(err, ErrNotRecoverable) {
		t.Errorf("the owner was not detached: %v", err)
	}
	if a.Lookup("me") != Member(m) {
		t.Error("the owner is gone")
	}
}

func TestFault_L08_CutDuringTheReplay(t *testing.T) {
	a := newRecovering(t, nil)
	v := a.connect("me")
	v.lose()
	for i := 1; i <= 10; i++ {
		a.emit(number(i))
	}
	for range 10 { // each time, one event comes through
		if err := v.recover(); err != nil {
			t.Fatal(err)
		}
		v.read(1)
	}
	v.mustRecover(numbered(1, 10)...)
}

// Against a plain model: after any sequence of operations, a client gets
// exactly the events that were meant for its rooms at the time.
func TestRecoveryAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		a := newRecovering(t, nil)
		v := a.connect("me")
		rooms := map[string]bool{"me": true}
		names := []string{"a", "b", "c", "me"}
		var want []string
		connected := true
		in := func(list []string) bool { return slices.ContainsFunc(list, func(s string) bool { return rooms[s] }) }
		for step := range 150 {
			switch op := r.IntN(12); {
			case op < 2 && connected:
				name := names[r.IntN(len(names))]
				if r.IntN(2) == 0 {
					rooms[name] = true
					_ = a.Join(v.socket, name)
				} else {
					delete(rooms, name)
					_ = a.Leave(v.socket, name)
				}
			case op == 2:
				if connected {
					v.read(r.IntN(8))
					if r.IntN(2) == 0 {
						v.lose()
						connected = false
					}
				}
				if connected || r.IntN(2) == 0 {
					if err := v.recover(); err != nil {
						t.Fatalf("seed %d, step %d: %v", seed, step, err)
					}
					connected = true
				}
			case op == 3:
				if err := a.Emit(v.socket, number(step), Flags{}); err != nil {
					t.Fatal(err)
				}
				want = append(want, fmt.Sprintf(`["e",%d]`, step))
			default:
				var sel Selection
				for range r.IntN(3) {
					sel.Rooms = append(sel.Rooms, names[r.IntN(len(names))])
				}
				for range r.IntN(2) {
					sel.Except = append(sel.Except, names[r.IntN(len(names))])
				}
				if err := a.Broadcast(number(step), &sel); err != nil {
					t.Fatal(err)
				}
				if (len(sel.Rooms) == 0 || in(sel.Rooms)) && !in(sel.Except) {
					want = append(want, fmt.Sprintf(`["e",%d]`, step))
				}
			}
		}
		if connected {
			v.read(0)
			v.lose()
		}
		if err := v.recover(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		v.read(1000)
		if !slices.Equal(v.events, want) {
			t.Fatalf("seed %d: events\n%q, want\n%q", seed, v.events, want)
		}
		var got []string
		for _, room := range a.Rooms(v.socket) {
			got = append(got, room)
			if !rooms[room] {
				t.Errorf("seed %d: in room %s", seed, room)
			}
		}
		if len(got) != len(rooms) {
			t.Errorf("seed %d: in rooms %v, want %v", seed, got, rooms)
		}
	}
}

// A socket that changes its rooms without end costs no more than others; only
// what is known for sure is recovered.
func TestHistoryOfRoomsIsBounded(t *testing.T) {
	a := newRecovering(t, nil)
	v := a.connect("me")
	a.emit(number(0))
	v.read(1)
	old := v.offset
	for i := range 10_000 {
		_ = a.Join(v.socket, "r")
		a.emit(number(i), "r")
		_ = a.Leave(v.socket, "r")
	}
	if n := len(v.socket.seat.session.changes); n > maxChanges {
		t.Errorf("%d changes are remembered, want at most %d", n, maxChanges)
	}
	v.read(10_000 - 10)
	v.lose()
	want := append(numbered(0, 0), numbered(0, 9_999)...)
	v.mustRecover(want...)
	v.lose()
	v.offset = old
	v.mustNot("a time for which the rooms are not known any more")
}

func BenchmarkRecoverableBroadcast(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := NewSessionAware(&space{}, nil)
			defer a.Close()
			for _, u := range users(n) {
				a.Recovery().Add(u)
			}
			p := number(1)
			b.ReportAllocs()
			for b.Loop() {
				a.Broadcast(p, &Selection{})
			}
		})
	}
}

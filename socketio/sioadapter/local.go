package sioadapter

import (
	"context"
	"iter"
	"sync"
)

// A Member is a socket as an adapter sees it.
type Member interface {
	ID() string
	// Seat returns the same Seat each time. It belongs to the adapter.
	Seat() *Seat
}

// A Seat is the place of a member in its adapter. It is part of the socket, so
// that membership costs neither an allocation nor a look-up. The zero value is
// ready for use; the mutex of the adapter guards it.
type Seat struct {
	member  Member // nil before Add and after Remove
	rooms   []ticket
	mark    uint64   // of the last selection that saw it: see Local.selectLocked
	session *session // nil: it cannot be recovered
	pos     int32    // index in Local.members
	own     own
}

// own is how a member is in the room that has its id as name. Nobody else joins
// most of these rooms, so that they need not exist.
type own uint8

const (
	implied own = iota // alone, and the room is not in Local.rooms
	joined             // by a ticket
	left
)

// room is a set of members, dense for walking.
type room struct {
	name    string
	members []seated
}

// seated and ticket are the two ends of one membership. Each has the index of
// the other, so that both can be removed by moving the last into the gap.
type seated struct {
	seat   *Seat
	ticket int32 // index in seat.rooms
}

type ticket struct {
	room *room
	pos  int32 // index in room.members
}

// Local is the adapter of a single node. All its operations are in memory; a
// broadcast walks arrays, and holds no lock while it writes.
type Local struct {
	ns Namespace // immutable

	mu      sync.Mutex // guards all below, and the Seats of all members
	members []*Seat
	ids     map[string]*Seat
	rooms   map[string]*room
	peak    int // most members since ids and rooms were made
	mark    uint64
	watch   *RoomEvents // replaced, never changed
}

var _ Adapter = (*Local)(nil)

// NewLocal returns an adapter without members.
func NewLocal(ns Namespace) *Local {
	return &Local{ns: ns, ids: make(map[string]*Seat), rooms: make(map[string]*room)}
}

func (l *Local) Add(m Member) {
	var n notes
	l.mu.Lock()
	l.addLocked(m, &n)
	l.mu.Unlock()
	n.tell()
}

func (l *Local) addLocked(m Member, n *notes) {
	s := m.Seat()
	if s.member != nil {
		return
	}
	*s = Seat{member: m, pos: int32(len(l.members))}
	l.members = append(l.members, s)
	l.ids[m.ID()] = s
	l.peak = max(l.peak, len(l.ids))
	if r := l.rooms[m.ID()]; r != nil { // others are there already
		s.own = joined
		l.enterLocked(s, r, n)
	} else {
		n.add(l.watch, created, m.ID(), "")
		n.add(l.watch, entered, m.ID(), m.ID())
	}
}

// HasRoom reports whether anybody is in a room. It is for adapters that need
// not know who.
func (l *Local) HasRoom(room string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rooms[room] != nil {
		return true
	}
	s := l.ids[room]
	return s != nil && s.own == implied
}

func (l *Local) Remove(m Member) []string {
	var n notes
	l.mu.Lock()
	names := l.removeLocked(m, &n)
	l.mu.Unlock()
	n.tell()
	return names
}

func (l *Local) removeLocked(m Member, n *notes) []string {
	s := m.Seat()
	if s.member == nil {
		return nil
	}
	names := s.names()
	s.session = nil // leaving now is no change for it
	if s.own == implied {
		n.add(l.watch, exited, m.ID(), m.ID())
		n.add(l.watch, deleted, m.ID(), "")
	}
	for len(s.rooms) > 0 {
		l.exitLocked(s, int32(len(s.rooms)-1), n)
	}
	last := len(l.members) - 1
	l.members[s.pos] = l.members[last]
	l.members[s.pos].pos = s.pos
	l.members[last] = nil
	l.members = shrink(l.members[:last])
	delete(l.ids, m.ID())
	if len(l.ids) == 0 && len(l.rooms) == 0 && l.peak > 1024 { // maps keep the room they once took
		l.ids, l.rooms, l.peak = make(map[string]*Seat), make(map[string]*room), 0
	}
	*s = Seat{}
	return names
}

func (l *Local) Join(m Member, rooms ...string) error {
	var n notes
	l.mu.Lock()
	s := m.Seat()
	if s.member == nil {
		l.mu.Unlock()
		return ErrNotMember
	}
	for _, name := range rooms {
		l.joinLocked(s, name, &n)
	}
	l.mu.Unlock()
	n.tell()
	return nil
}

func (l *Local) Leave(m Member, rooms ...string) error {
	var n notes
	l.mu.Lock()
	s := m.Seat()
	if s.member == nil {
		l.mu.Unlock()
		return ErrNotMember
	}
	for _, name := range rooms {
		l.leaveLocked(s, name, &n)
	}
	l.mu.Unlock()
	n.tell()
	return nil
}

func (l *Local) Rooms(m Member) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := m.Seat()
	if s.member == nil {
		return nil
	}
	return s.names()
}

func (s *Seat) names() []string {
	names := make([]string, 0, 1+len(s.rooms))
	if s.own == implied {
		names = append(names, s.member.ID())
	}
	for _, t := range s.rooms {
		names = append(names, t.room.name)
		if s.own == joined && t.room.name == s.member.ID() {
			end := len(names) - 1
			names[0], names[end] = names[end], names[0]
		}
	}
	return names
}

func (l *Local) joinLocked(s *Seat, name string, n *notes) {
	r := l.rooms[name]
	if r == nil {
		if name == s.member.ID() {
			if s.own == left {
				s.own = implied
				s.session.changed(name, true)
				n.add(l.watch, created, name, "")
				n.add(l.watch, entered, name, name)
			}
			return
		}
		r = &room{name: name}
		l.rooms[name] = r
		if owner := l.ids[name]; owner != nil && owner.own == implied {
			// The room of another socket, which is in it by a ticket from now on.
			owner.own = joined
			l.enterLocked(owner, r, nil)
		} else {
			n.add(l.watch, created, name, "")
		}
	}
	if s.find(r) >= 0 {
		return
	}
	if name == s.member.ID() {
		s.own = joined
	}
	l.enterLocked(s, r, n)
}

func (l *Local) leaveLocked(s *Seat, name string, n *notes) {
	if name == s.member.ID() {
		if s.own == implied {
			s.session.changed(name, false)
			n.add(l.watch, exited, name, name)
			n.add(l.watch, deleted, name, "")
		}
		defer func() { s.own = left }()
	}
	if r := l.rooms[name]; r != nil {
		if i := s.find(r); i >= 0 {
			l.exitLocked(s, i, n)
		}
	}
}

// find returns the index of the ticket for r, or -1. It searches the shorter
// of the two lists.
func (s *Seat) find(r *room) int32 {
	if len(r.members) < len(s.rooms) {
		for _, m := range r.members {
			if m.seat == s {
				return m.ticket
			}
		}
		return -1
	}
	for i, t := range s.rooms {
		if t.room == r {
			return int32(i)
		}
	}
	return -1
}

// enterLocked makes a ticket. Without notes it stands for what was implied, and
// is no change.
func (l *Local) enterLocked(s *Seat, r *room, n *notes) {
	if n != nil {
		s.session.changed(r.name, true)
	}
	s.rooms = append(s.rooms, ticket{r, int32(len(r.members))})
	r.members = append(r.members, seated{s, int32(len(s.rooms) - 1)})
	n.add(l.watch, entered, r.name, s.member.ID())
}

// exitLocked gives ticket i back. A room that is empty then ceases to exist.
func (l *Local) exitLocked(s *Seat, i int32, n *notes) {
	t := s.rooms[i]
	r := t.room

	end := len(r.members) - 1
	if int(t.pos) != end {
		moved := r.members[end]
		r.members[t.pos] = moved
		moved.seat.rooms[moved.ticket].pos = t.pos
	}
	r.members[end] = seated{}
	r.members = r.members[:end]

	end = len(s.rooms) - 1
	if int(i) != end {
		moved := s.rooms[end]
		s.rooms[i] = moved
		moved.room.members[moved.pos].ticket = i
	}
	s.rooms[end] = ticket{}
	s.rooms = s.rooms[:end]

	s.session.changed(r.name, false)
	n.add(l.watch, exited, r.name, s.member.ID())
	if len(r.members) == 0 {
		delete(l.rooms, r.name)
		n.add(l.watch, deleted, r.name, "")
	} else {
		r.members = shrink(r.members)
	}
}

// shrink moves a list that has become short to an array of its size.
func shrink[T any](list []T) []T {
	if cap(list) > 64 && len(list) < cap(list)/4 {
		return append(make([]T, 0, 2*len(list)), list...)
	}
	return list
}

// selectLocked appends the members that s selects to to.
//
// A selection of more than one room needs to know whom it has seen: it leaves a
// mark in the Seat, skip for those to be left out and skip+1 for those taken.
func (l *Local) selectLocked(s *Selection, to []Member) []Member {
	if len(s.Except) == 0 && len(s.Rooms) <= 1 {
		if len(s.Rooms) == 0 {
			for _, seat := range l.members {
				to = append(to, seat.member)
			}
			return to
		}
		members, alone := l.roomLocked(s.Rooms[0])
		if alone != nil {
			return append(to, alone.member)
		}
		for _, m := range members {
			to = append(to, m.seat.member)
		}
		return to
	}

	skip := l.mark + 1
	l.mark += 2
	for _, name := range s.Except {
		members, alone := l.roomLocked(name)
		if alone != nil {
			alone.mark = skip
		}
		for _, m := range members {
			m.seat.mark = skip
		}
	}
	if len(s.Rooms) == 0 {
		for _, seat := range l.members {
			if seat.mark != skip {
				to = append(to, seat.member)
			}
		}
		return to
	}
	for _, name := range s.Rooms {
		members, alone := l.roomLocked(name)
		if alone != nil && alone.mark < skip {
			alone.mark = skip + 1
			to = append(to, alone.member)
		}
		for _, m := range members {
			if m.seat.mark < skip {
				m.seat.mark = skip + 1
				to = append(to, m.seat.member)
			}
		}
	}
	return to
}

// roomLocked returns the members of a room, or the one that is alone in its
// own.
func (l *Local) roomLocked(name string) (members []seated, alone *Seat) {
	if r := l.rooms[name]; r != nil {
		return r.members, nil
	}
	if s := l.ids[name]; s != nil && s.own == implied {
		return nil, s
	}
	return nil, nil
}

func (l *Local) Members(s *Selection) []Member {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.selectLocked(s, nil)
}

func (l *Local) Lookup(id string) Member {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.ids[id]; s != nil {
		return s.member
	}
	return nil
}

func (l *Local) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.members)
}

func (l *Local) RoomSizes() iter.Seq2[string, int] {
	type size struct {
		name string
		n    int
	}
	l.mu.Lock()
	all := make([]size, 0, len(l.rooms))
	for name, r := range l.rooms {
		all = append(all, size{name, len(r.members)})
	}
	l.mu.Unlock()
	return func(yield func(string, int) bool) {
		for _, s := range all {
			if !yield(s.name, s.n) {
				return
			}
		}
	}
}

func (l *Local) Watch(e RoomEvents) {
	l.mu.Lock()
	l.watch = &e
	l.mu.Unlock()
}

// lists are reused, since a large broadcast needs a large one.
var lists = sync.Pool{New: func() any { return new([]Member) }}

func (l *Local) Broadcast(p *Packet, s *Selection) error {
	list := lists.Get().(*[]Member)
	l.mu.Lock()
	to := l.selectLocked(s, (*list)[:0])
	l.mu.Unlock()
	if len(to) > 0 {
		l.ns.Deliver(p, s.Flags, to)
	}
	clear(to)
	*list = to
	lists.Put(list)
	return nil
}

func (l *Local) Emit(m Member, p *Packet, f Flags) error {
	l.ns.Deliver(p, f, []Member{m})
	return nil
}

func (l *Local) Ask(_ context.Context, p *Packet, s *Selection, a Answers) (stop func(), err error) {
	to := l.Members(s)
	ids := make([]string, len(to))
	for i, m := range to {
		ids[i] = m.ID()
	}
	a.Expect(len(to), ids)
	a.Asked(nil)
	return l.ns.Ask(p, s.Flags, to, a), nil
}

func (l *Local) Sockets(_ context.Context, s *Selection) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for _, m := range l.Members(s) {
			info := l.ns.Describe(m)
			info.Local = m
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (l *Local) JoinAll(s *Selection, rooms ...string) error {
	for _, m := range l.Members(s) {
		_ = l.Join(m, rooms...) // it may have left since
	}
	return nil
}

func (l *Local) LeaveAll(s *Selection, rooms ...string) error {
	for _, m := range l.Members(s) {
		_ = l.Leave(m, rooms...)
	}
	return nil
}

func (l *Local) DisconnectAll(s *Selection, close bool) error {
	for _, m := range l.Members(s) {
		l.ns.Disconnect(m, close)
	}
	return nil
}

// ServerEmit does nothing: there is no other node.
func (l *Local) ServerEmit(*Packet) error { return nil }

// ServerAsk says that there is nobody to answer.
func (l *Local) ServerAsk(_ context.Context, _ *Packet, a Answers) (stop func(), err error) {
	a.Expect(0, nil)
	a.Asked(nil)
	return func() {}, nil
}

// OnServerEvent forgets fn, which nobody would call.
func (l *Local) OnServerEvent(func(*ServerEvent)) {}

// Recovery returns nil: see [SessionAware].
func (l *Local) Recovery() Recovery { return nil }

func (l *Local) Close() error { return nil }

// notes are the room events of one operation, to be told when the lock is
// released. They cost nothing when nobody watches.
type notes struct {
	watch *RoomEvents
	list  []note
}

type note struct {
	kind     change
	room, id string
}

type change uint8

const (
	created change = iota
	deleted
	entered
	exited
)

// add remembers a change. A nil receiver means that it is none.
func (n *notes) add(watch *RoomEvents, kind change, room, id string) {
	if n == nil || watch == nil {
		return
	}
	// A room is announced before its first member.
	n.watch = watch
	n.list = append(n.list, note{kind, room, id})
}

// tell tells what has changed, without the lock.
func (n *notes) tell() {
	for _, c := range n.list {
		switch f := n.watch; {
		case c.kind == created && f.Create != nil:
			f.Create(c.room)
		case c.kind == deleted && f.Delete != nil:
			f.Delete(c.room)
		case c.kind == entered && f.Join != nil:
			f.Join(c.room, c.id)
		case c.kind == exited && f.Leave != nil:
			f.Leave(c.room, c.id)
		}
	}
}

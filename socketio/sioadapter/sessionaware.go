package sioadapter

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RecoveryOptions configures a [SessionAware]. The zero value of every field is
// its default; negative values count as zero.
type RecoveryOptions struct {
	// MaxDisconnection is how long a session is kept without a connection.
	// Packets are kept for one minute more, since it takes a while until a
	// connection is known to be lost. Zero means 2 minutes.
	MaxDisconnection time.Duration

	// MaxPackets and MaxBytes bound the packets that are kept, in each
	// namespace. Over them the oldest go, and with them the sessions that have
	// missed these. A packet counts as the length of its arguments, its
	// attachments and the names of its rooms, and 200 bytes. Zero means 10,000
	// packets and 16 MiB.
	MaxPackets int
	MaxBytes   int

	// MaxSessions bounds the sessions without a connection, in each namespace.
	// Over it the oldest go. Zero means 100,000.
	MaxSessions int

	// MaxMissedPackets and MaxMissedBytes bound what one client may have missed
	// and still be recovered. They should be below the bounds of the outbound
	// queue of a connection, which has to take all of it at once. Zero means
	// 5,000 packets and 512 KiB.
	MaxMissedPackets int
	MaxMissedBytes   int
}

func (o *RecoveryOptions) withDefaults() RecoveryOptions {
	var r RecoveryOptions
	if o != nil {
		r = *o
	}
	r.MaxDisconnection = orDefault(r.MaxDisconnection, 2*time.Minute)
	r.MaxPackets = orDefault(r.MaxPackets, 10_000)
	r.MaxBytes = orDefault(r.MaxBytes, 16<<20)
	r.MaxSessions = orDefault(r.MaxSessions, 100_000)
	r.MaxMissedPackets = orDefault(r.MaxMissedPackets, 5_000)
	r.MaxMissedBytes = orDefault(r.MaxMissedBytes, 512<<10)
	return r
}

func orDefault[T int | int64 | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Recoverable returns the factory of session-aware adapters.
func Recoverable(o *RecoveryOptions) Factory {
	return FactoryFunc(func(ns Namespace) Adapter { return NewSessionAware(ns, o) })
}

// SessionAware is a [Local] that recovers connections: it keeps the packets of
// the last minutes, and the sessions of clients whose connection was lost.
//
// A recovered socket gets each event that it would have got if its connection
// had lasted, once, and in order: those that were emitted to rooms that it was
// in at the time. Where that cannot be said for sure, it is not recovered.
// Volatile events and those with acknowledgement are not kept.
//
// The order of packets is the order of their offsets at every socket. Therefore
// they are delivered one after the other, and a Broadcast or Emit may find
// itself behind another.
//
// The memory it takes is bounded by RecoveryOptions; without a client that can
// be recovered, no packet is kept.
type SessionAware struct {
	*Local
	options RecoveryOptions // immutable
	retain  time.Duration   // immutable; how long packets are kept
	epoch   string          // immutable; begins the offsets of this adapter
	clock   time.Time       // immutable; times below are relative to it

	// turn is full while packets are delivered. It is taken before Local.mu,
	// and given back before the application is called.
	turn chan struct{}

	// Local.mu guards all below, and the sessions.
	log      eventLog
	sessions map[string]*session // by pid; those with a member too
	detached []parting           // in the order of their time; some have been restored since
	waiting  int                 // sessions without a member
	broken   int                 // calls of Break
	timer    *time.Timer         // set while there is something to expire
	closed   bool
}

// session is a client that can be recovered. Local.mu guards it.
type session struct {
	log   *eventLog
	id    string
	pid   string
	epoch int // SessionAware.broken at the beginning

	member Member // nil: detached
	start  uint64 // the last packet before the session began
	last   uint64 // the last one that was delivered to a member
	claims uint64

	// changes are those of the rooms, the oldest first, as far back as they are
	// needed to tell what the rooms were at the time of a kept packet.
	changes []move
	floor   uint64 // changes up to this packet have been forgotten

	// While detached:
	end     uint64 // the last packet before
	rooms   []string
	data    any
	expires time.Duration
}

// move is a change of the rooms of a session, behind the packet seq.
type move struct {
	seq  uint64
	room string
	in   bool
}

// parting is a session that was detached.
type parting struct {
	session *session
	expires time.Duration
}

// claim is what is known of a session that was claimed.
type claim struct {
	session *session
	number  uint64
	from    uint64 // the last packet that the client needs not to get
}

// maxChanges bounds session.changes.
const maxChanges = 256

// NewSessionAware returns an adapter without members. o may be nil.
func NewSessionAware(ns Namespace, o *RecoveryOptions) *SessionAware {
	a := &SessionAware{
		Local:    NewLocal(ns),
		options:  o.withDefaults(),
		clock:    time.Now(),
		turn:     make(chan struct{}, 1),
		sessions: make(map[string]*session),
	}
	a.retain = a.options.MaxDisconnection + time.Minute
	var b [4]byte
	rand.Read(b[:]) // never fails
	a.epoch = hex.EncodeToString(b[:]) + "-"
	return a
}

var (
	_ Adapter  = (*SessionAware)(nil)
	_ Recovery = recovery{}
)

// recovery is a SessionAware as a Recovery.
type recovery struct{ *SessionAware }

func (a *SessionAware) Recovery() Recovery { return recovery{a} }

func (a *SessionAware) Broadcast(p *Packet, s *Selection) error {
	list := lists.Get().(*[]Member)
	a.turn <- struct{}{}
	a.mu.Lock()
	to := a.selectLocked(s, (*list)[:0])
	p = a.stampLocked(p, entry{rooms: s.Rooms, except: s.Except}, s.Flags, to)
	a.mu.Unlock()
	if len(to) > 0 {
		a.ns.Deliver(p, s.Flags, to)
	}
	<-a.turn
	clear(to)
	*list = to
	lists.Put(list)
	return nil
}

func (a *SessionAware) Emit(m Member, p *Packet, f Flags) error {
	to := []Member{m}
	a.turn <- struct{}{}
	a.mu.Lock()
	if s := m.Seat().session; s != nil && a.sessions[s.pid] == s {
		if s.member == nil { // its connection has just been lost
			to = nil
		} else {
			to[0] = s.member
		}
		p = a.stampLocked(p, entry{only: s}, f, to)
	}
	a.mu.Unlock()
	if len(to) > 0 {
		a.ns.Deliver(p, f, to)
	}
	<-a.turn
	return nil
}

func (a *SessionAware) Ask(ctx context.Context, p *Packet, s *Selection, answers Answers) (stop func(), err error) {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	return a.Local.Ask(ctx, p, s, answers)
}

// stampLocked returns p with its offset, and keeps it.
//
// JavaScript clients take the last argument of any event without
// acknowledgement for an offset if it is a string. Volatile packets, which are
// not kept, have one for this reason only: that of the packet before.
func (a *SessionAware) stampLocked(p *Packet, e entry, f Flags, to []Member) *Packet {
	if len(a.sessions) == 0 {
		return p
	}
	if f.Volatile {
		if n := p.Args.Len(); n > 0 && p.Args.At(n - 1)[0] == '"' {
			return &Packet{Args: p.Args, Offset: a.offset(a.log.last)}
		}
		return p
	}
	seq := a.log.last + 1
	p = &Packet{Args: kept(p.Args), Offset: a.offset(seq)}
	e.packet, e.flags, e.at = p, Flags{NoCompress: f.NoCompress}, a.now()
	e.rooms, e.except = slices.Clone(e.rooms), slices.Clone(e.except)
	a.log.append(e)
	a.log.trim(a.options.MaxPackets, a.options.MaxBytes, e.at-a.retain)
	for _, m := range to {
		if s := m.Seat().session; s != nil {
			s.last = seq
		}
	}
	a.armLocked()
	return p
}

func (a *SessionAware) now() time.Duration { return time.Since(a.clock) }

func (a *SessionAware) offset(seq uint64) string {
	return string(strconv.AppendUint(append(make([]byte, 0, 24), a.epoch...), seq, 36))
}

// seqOf returns the packet that offset stands for, if it is one of this adapter
// and has been issued.
func (a *SessionAware) seqOf(offset string) (seq uint64, ok bool) {
	digits, ok := strings.CutPrefix(offset, a.epoch)
	if !ok || strings.TrimLeft(digits, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 36, 64)
	return seq, err == nil && seq <= a.log.last
}

func (a recovery) Add(m Member) (pid, offset string) {
	var b [15]byte
	rand.Read(b[:])
	s := &session{log: &a.log, id: m.ID(), pid: base64.RawURLEncoding.EncodeToString(b[:]), member: m}
	var n notes
	a.mu.Lock()
	a.addLocked(m, &n)
	s.epoch, s.start, s.last = a.broken, a.log.last, a.log.last
	m.Seat().session = s
	a.sessions[s.pid] = s
	offset = a.offset(s.start)
	a.mu.Unlock()
	n.tell()
	return s.pid, offset
}

func (a *SessionAware) Remove(m Member) (rooms []string) {
	var n notes
	a.mu.Lock()
	if s := m.Seat().session; s != nil && s.member == m {
		a.forgetLocked(s)
	}
	rooms = a.removeLocked(m, &n)
	a.mu.Unlock()
	n.tell()
	return rooms
}

func (a recovery) Detach(m Member, data any) (rooms []string) {
	var n notes
	a.mu.Lock()
	s := m.Seat().session
	rooms = a.removeLocked(m, &n)
	if s != nil && s.member == m {
		m.Seat().session = s // who emits to m now means the session
		a.detachLocked(s, rooms, data)
	}
	a.mu.Unlock()
	n.tell()
	return slices.Clone(rooms)
}

func (a *SessionAware) detachLocked(s *session, rooms []string, data any) {
	if s.epoch != a.broken || a.closed {
		a.forgetLocked(s)
		return
	}
	s.member, s.rooms, s.data = nil, rooms, data
	s.end = a.log.last
	s.expires = a.now() + a.options.MaxDisconnection
	a.detached = append(a.detached, parting{s, s.expires})
	a.waiting++
	for a.waiting > a.options.MaxSessions {
		a.expireOneLocked()
	}
	a.armLocked()
}

// forgetLocked ends a session. Without any, packets need not be kept.
func (a *SessionAware) forgetLocked(s *session) {
	if a.sessions[s.pid] != s {
		return
	}
	delete(a.sessions, s.pid)
	if s.member == nil {
		a.waiting--
	}
	s.rooms, s.data, s.changes = nil, nil, nil
	if len(a.sessions) == 0 {
		a.sessions = make(map[string]*session) // a map keeps the room it once took
		a.detached = nil
		a.log.clear()
	}
}

// expireOneLocked ends the session that was detached first.
func (a *SessionAware) expireOneLocked() {
	first := a.detached[0]
	a.detached[0] = parting{}
	a.detached = a.detached[1:]
	if first.session.member == nil && first.session.expires == first.expires {
		a.forgetLocked(first.session)
	}
}

func (a recovery) Claim(ctx context.Context, pid, offset string, release func(Member)) (*Session, error) {
	a.mu.Lock()
	s := a.sessions[pid]
	if s == nil || s.epoch != a.broken {
		a.mu.Unlock()
		return nil, ErrNotRecoverable
	}
	for owner := s.member; owner != nil; owner = s.member {
		a.mu.Unlock()
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		release(owner)
		a.mu.Lock()
		if s.member == owner {
			a.mu.Unlock()
			return nil, ErrNotRecoverable // it was not detached
		}
	}
	defer a.mu.Unlock()
	if a.sessions[pid] != s || a.now() >= s.expires {
		return nil, ErrNotRecoverable
	}
	from, ok := s.start, true
	if offset != "" {
		from, ok = a.seqOf(offset)
	}
	if !ok {
		a.forgetLocked(s)
		return nil, ErrNotRecoverable
	}
	// What the client has received since the session began, it would have told.
	from = max(from, s.start)
	if from >= s.last && from < s.end {
		from = s.end // nothing behind its offset was for this client
	}
	if _, ok := a.missedLocked(s, from); !ok {
		a.forgetLocked(s)
		return nil, ErrNotRecoverable
	}
	s.claims++
	return &Session{ID: s.id, PID: pid, Rooms: slices.Clone(s.rooms), Data: s.data, State: &claim{s, s.claims, from}}, nil
}

func (a recovery) Restore(m Member, of *Session) error {
	c, ok := of.State.(*claim)
	if !ok || m.ID() != of.ID {
		return ErrNotRecoverable
	}
	s := c.session
	var n notes
	a.turn <- struct{}{}
	a.mu.Lock()
	var missed []*entry
	valid := a.sessions[s.pid] == s && s.epoch == a.broken && s.member == nil && s.claims == c.number && a.ids[s.id] == nil && m.Seat().member == nil
	if valid {
		missed, valid = a.missedLocked(s, c.from)
	}
	if !valid {
		a.mu.Unlock()
		<-a.turn
		return ErrNotRecoverable
	}
	a.addLocked(m, &n)
	seat := m.Seat()
	for _, room := range s.rooms {
		a.joinLocked(seat, room, &n)
	}
	if !slices.Contains(s.rooms, s.id) {
		a.leaveLocked(seat, s.id, &n)
	}
	seat.session = s
	s.member, s.rooms, s.data = m, nil, nil
	if len(missed) > 0 {
		s.last = max(s.last, missed[len(missed)-1].seq)
	}
	a.waiting--
	a.mu.Unlock()
	to := []Member{m}
	for _, e := range missed {
		a.ns.Deliver(e.packet, e.flags, to)
	}
	<-a.turn
	n.tell()
	return nil
}

// missedLocked returns the packets behind from that are for a detached session,
// in order. It walks back in time, and undoes the changes of the rooms on the
// way. ok is false if not all of them are known, or if they are too many.
func (a *SessionAware) missedLocked(s *session, from uint64) (missed []*entry, ok bool) {
	if from < s.floor && from < s.end || !a.log.has(from+1) {
		return nil, false
	}
	rooms := make(map[string]bool, len(s.rooms))
	for _, r := range s.rooms {
		rooms[r] = true
	}
	next, size := len(s.changes)-1, 0
	for seq := a.log.last; seq > from; seq-- {
		for ; next >= 0 && s.changes[next].seq >= seq; next-- {
			rooms[s.changes[next].room] = !s.changes[next].in
		}
		e := a.log.at(seq)
		if !e.isFor(s, rooms) {
			continue
		}
		size += e.size
		if missed = append(missed, e); len(missed) > a.options.MaxMissedPackets || size > a.options.MaxMissedBytes {
			return nil, false
		}
	}
	slices.Reverse(missed)
	return missed, true
}

// changed takes note that the session has joined or left a room. Changes that no
// kept packet is older than do not matter.
func (s *session) changed(room string, in bool) {
	if s == nil || s.log.last == s.start {
		return
	}
	old := 0
	for old < len(s.changes) && s.changes[old].seq < s.log.first() {
		old++
	}
	if len(s.changes)-old >= maxChanges {
		old = maxChanges / 2
		s.floor = s.changes[old-1].seq
		for old < len(s.changes) && s.changes[old].seq == s.floor {
			old++
		}
	}
	if old > 0 {
		s.changes = append(s.changes[:0], s.changes[old:]...)
	}
	s.changes = append(s.changes, move{s.log.last, room, in})
}

// Break ends the recovery of all sessions that exist: not all of what was meant
// for them has come to this adapter. Sockets stay connected.
func (a *SessionAware) Break() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken++
	for _, s := range a.sessions {
		if s.member == nil {
			a.forgetLocked(s)
		}
	}
	a.detached = nil
	a.log.clear()
}

// armLocked sets the timer if there is something to expire.
func (a *SessionAware) armLocked() {
	if a.timer != nil || a.closed || a.log.len() == 0 && len(a.detached) == 0 {
		return
	}
	at := a.now() + a.retain
	if len(a.detached) > 0 {
		at = min(at, a.detached[0].expires)
	}
	if a.log.len() > 0 {
		at = min(at, a.log.at(a.log.first()).at+a.retain)
	}
	a.timer = time.AfterFunc(at-a.now(), a.expire)
}

// expire is called by the timer.
func (a *SessionAware) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer == nil {
		return // closed meanwhile
	}
	a.timer = nil
	now := a.now()
	for len(a.detached) > 0 && a.detached[0].expires <= now {
		a.expireOneLocked()
	}
	a.log.trim(a.options.MaxPackets, a.options.MaxBytes, now-a.retain)
	a.armLocked()
}

// Close forgets all sessions and packets.
func (a *SessionAware) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	clear(a.sessions)
	a.detached, a.waiting = nil, 0
	a.log.clear()
	return nil
}

// Package mailbox runs the handlers of one socket one at a time, in the order
// in which their events arrived, without a goroutine while there is nothing
// to do.
//
// Words used here:
//
//   - A task is one piece of work: the handlers of one event.
//   - The turn is the right to run. At most one task of a mailbox has it.
//   - A task that waits for an answer from its own socket releases the turn and
//     acquires it again afterwards, before any task that has not yet started.
//     This is what "await" means in JavaScript, kept to one socket.
//   - A task that has left the turn for good runs outside.
//
// A mailbox starts a goroutine when work arrives and the turn is free; that
// goroutine runs tasks until none is left, or until it has handed the turn
// over. A [Group] counts those goroutines for whoever has to wait for them.
//
// A goroutine that is there anyway can do short tasks without starting another:
// see [Mailbox.Offer].
package mailbox

import (
	"sync"

	"github.com/siogo/sio/internal/handoff"
)

// A Task is one piece of work. Run is called once, while t has the turn.
type Task interface {
	Run(t *Turn)
}

// Owner hears from its mailbox. No lock is held during the call.
type Owner interface {
	// Room is called when a mailbox that reported Full is half empty again.
	Room()
}

// Policy says what Put does with a mailbox that holds Limit waiting tasks.
type Policy uint8

const (
	Block      Policy = iota // take it; the caller stops producing until Room
	DropOldest               // drop the task that has waited longest
	DropNewest               // drop the task that was put
)

// Result is what became of a task that was put.
type Result struct {
	// Full: the mailbox has become full, and the caller should stop until
	// Owner.Room is called, as it will be once for each time. Only with Block.
	Full bool
	// Dropped is the task that was dropped instead of run, if any: the one
	// that was put, or an older one. A closed mailbox drops what is put.
	Dropped Task
	// Claimed: the caller has the turn, and has to call Run or Go. Only of Offer.
	Claimed bool
}

// A Mailbox belongs to one socket. Init must be called before its first use.
//
// mu guards all fields but owner, group and limit, which do not change after
// Init. Nothing is called while it is held.
type Mailbox struct {
	owner Owner
	group *Group
	limit int32

	queued int32 // length of waiting
	active int32 // tasks that have started, not ended, and are not outside
	busy   bool  // a task has the turn, or a goroutine is about to give it to one
	full   bool  // Full was reported and Room is owed
	closed bool

	mu      sync.Mutex
	waiting list // tasks that have not started
	detours *detours
}

// detours is the part of a mailbox that most never need: tasks do not only run
// one after another. It is made when it is needed, and stays.
type detours struct {
	outside int32 // tasks that run outside of the turn
	back    list  // turns to be given back, before anything that waits
	last    *Turn // of Close
}

// noDetours is that of a mailbox which has none. It is never written.
var noDetours detours

func (m *Mailbox) detoursLocked() *detours {
	if m.detours == &noDetours {
		m.detours = new(detours)
	}
	return m.detours
}

// A Turn is the place of one task in its mailbox. The zero value is ready for
// one Put. It must not be copied or used twice.
//
// The mutex of its mailbox guards all fields.
type Turn struct {
	box  *Mailbox
	task Task
	next *Turn
	wake chan struct{} // closed when the turn is given back

	role *handoff.Role // of the goroutine that runs the task; nil: none, or handed off

	away    int32 // goroutines of the task between Release and Acquire
	keep    bool  // never dropped
	brief   bool  // expected to end at once
	held    bool
	outside bool
	done    bool
}

// Init sets what does not change: limit is how many tasks may wait, and how
// many may run outside of the turn.
func (m *Mailbox) Init(limit int, o Owner, g *Group) {
	m.limit, m.owner, m.group, m.detours = int32(limit), o, g, &noDetours
}

// Keep marks the task as one that no policy drops. Call it before Put.
func (t *Turn) Keep() { t.keep = true }

// Brief marks the task as one that is expected to end within microseconds. Call
// it before Offer or Put.
func (t *Turn) Brief() { t.brief = true }

// Put adds a task at the end. It never waits.
func (m *Mailbox) Put(t *Turn, task Task, p Policy) (r Result) {
	return m.put(t, task, p, false)
}

// Offer is Put by a caller that can do brief tasks itself. If the turn is free
// and the task is brief, the caller gets the turn, and owes a call of Run or Go.
func (m *Mailbox) Offer(t *Turn, task Task, p Policy) (r Result) {
	return m.put(t, task, p, t.brief)
}

func (m *Mailbox) put(t *Turn, task Task, p Policy, claim bool) (r Result) {
	t.box, t.task = m, task
	m.mu.Lock()
	switch {
	case m.closed:
		m.mu.Unlock()
		return Result{Dropped: task}
	case m.queued < m.limit || p == Block || t.keep:
	case p == DropNewest:
		m.mu.Unlock()
		return Result{Dropped: task}
	default:
		if old := m.waiting.removeFirst(func(u *Turn) bool { return !u.keep }); old != nil {
			m.queued--
			r.Dropped = old.task
		}
	}
	m.waiting.push(t)
	m.queued++
	if p == Block && m.queued >= m.limit && !m.full {
		m.full = true
		r.Full = true
	}
	if claim && !m.busy && m.readyLocked() {
		m.busy = true
		m.group.add()
		r.Claimed = true
	} else {
		m.startLocked()
	}
	m.mu.Unlock()
	return r
}

// Run runs tasks with the turn that Offer gave: as long as they are brief. Others
// go to a goroutine of their own. When a brief one is about to wait, the role is
// handed off.
func (m *Mailbox) Run(r *handoff.Role) { m.run(r) }

// Go starts a goroutine with the turn that Offer gave.
func (m *Mailbox) Go() { go m.run(nil) } // ends as those of startLocked do; the group counts it already

// Close refuses all later tasks. Those that wait are dropped, if drop says so
// and they are not to be kept.
// When all others have ended, those that await something included but not
// those outside, last is run; it may be nil. A second Close does nothing and
// returns false.
func (m *Mailbox) Close(last *Turn, task Task, drop bool) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.closed = true
	room := false
	if drop {
		for m.waiting.removeFirst(func(u *Turn) bool { return !u.keep }) != nil {
			m.queued--
		}
		room, m.full = m.full, false
	}
	if last != nil {
		last.box, last.task = m, task
		m.detoursLocked().last = last
	}
	m.startLocked()
	m.mu.Unlock()
	if room {
		m.owner.Room()
	}
	return true
}

// Idle reports whether no task waits, runs or is away.
func (m *Mailbox) Idle() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.busy && m.queued == 0 && m.active == 0 && m.detours.outside == 0 && m.detours.last == nil
}

// startLocked gives a free turn to the first task that waits.
func (m *Mailbox) startLocked() {
	if m.busy || !m.readyLocked() {
		return
	}
	m.busy = true
	// Started by whoever brings work to a free mailbox; ends when there is no
	// more, or when the turn was handed over; waited for through the group.
	m.group.add()
	go m.run(nil)
}

// readyLocked reports whether a task may start. As many as limit run outside at
// most, so that a peer cannot multiply handlers that never end.
func (m *Mailbox) readyLocked() bool {
	if m.waiting.first() == nil {
		return m.detours.last != nil && m.active == 0
	}
	return m.detours.outside < m.limit || m.closed
}

// run has the turn. It runs tasks until none is left or the turn is gone. With a
// role, it leaves those that are not brief to another goroutine.
func (m *Mailbox) run(r *handoff.Role) {
	if r == nil {
		growStack(0)
	}
	var t *Turn
	defer func() {
		// A task that ends its goroutine, as a failed assertion in a test does,
		// must not take the turn with it.
		if t != nil && t.finish() {
			m.mu.Lock()
			m.passLocked()
			m.mu.Unlock()
		}
		m.group.done()
	}()
	for {
		if t = m.take(r); t == nil {
			return
		}
		t.task.Run(t)
		kept := t.finish()
		t = nil
		if !kept {
			return
		}
	}
}

// growStack makes the goroutine's stack large enough for what most handlers
// do, while there is next to nothing on it to be moved. A stack that grows deep
// inside of a handler costs several times as much. The frame makes it 8 KiB.
//
//go:noinline
func growStack(i uint8) byte {
	var frame [3 << 10]byte
	return frame[i]
}

// take returns the next task with the turn, or nil when the turn was given to
// another goroutine or to nobody.
func (m *Mailbox) take(r *handoff.Role) *Turn {
	m.mu.Lock()
	first := m.waiting.first()
	if m.detours.back.first() != nil || !m.readyLocked() || r != nil && (first == nil || !first.brief) {
		m.passLocked()
		m.mu.Unlock()
		return nil
	}
	t := m.waiting.pop()
	if t == nil {
		t, m.detours.last = m.detours.last, nil // which is there, or it would not be ready
	} else {
		m.queued--
	}
	t.held, t.role = true, r
	m.active++
	room := m.full && m.queued <= m.limit/2
	if room {
		m.full = false
	}
	m.mu.Unlock()
	if room {
		m.owner.Room()
	}
	return t
}

// passLocked gives the turn to whoever wants it back, else to a new goroutine
// for what waits, else to nobody.
func (m *Mailbox) passLocked() {
	m.busy = false
	if u := m.detours.back.pop(); u != nil {
		m.busy = true
		close(u.wake)
		return
	}
	m.startLocked()
}

// finish ends the task and reports whether it still had the turn, which then
// is the caller's.
func (t *Turn) finish() bool {
	m := t.box
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.done {
		return false
	}
	t.done = true
	if t.outside {
		m.detours.outside--
	} else {
		m.active--
	}
	held := t.held
	t.held, t.role = false, nil
	m.startLocked() // if the turn is free: somebody may have waited for this
	return held
}

// Release gives the turn away until Acquire. It does nothing on a nil turn, and
// when the task has ended or runs outside.
//
// Several goroutines of one task may wait at once: the turn is away from the
// first Release to the last Acquire.
func (t *Turn) Release() {
	if t == nil {
		return
	}
	m := t.box
	m.mu.Lock()
	t.away++
	t.dropLocked()
	m.mu.Unlock()
}

// Acquire takes back what Release gave away. It waits for the task that has the
// turn, but for none that has not started.
func (t *Turn) Acquire() {
	if t == nil {
		return
	}
	m := t.box
	m.mu.Lock()
	t.away--
	if t.away > 0 || t.done || t.outside || t.held {
		m.mu.Unlock()
		return
	}
	if !m.busy {
		m.busy, t.held = true, true
		m.mu.Unlock()
		return
	}
	t.wake = make(chan struct{})
	m.detoursLocked().back.push(t)
	m.mu.Unlock()
	<-t.wake
	m.mu.Lock()
	t.held = true
	if t.away > 0 || t.done || t.outside { // no longer wanted
		t.dropLocked()
	}
	m.mu.Unlock()
}

// Detach leaves the turn for good, so that the next task can start. It does
// nothing on a nil turn and when called again.
func (t *Turn) Detach() {
	if t == nil {
		return
	}
	m := t.box
	m.mu.Lock()
	if !t.done && !t.outside {
		t.outside = true
		m.detoursLocked().outside++
		m.active--
		t.dropLocked()
		m.startLocked()
	}
	m.mu.Unlock()
}

// dropLocked passes the turn on, if the task has it. The task is about to wait,
// or to take its time.
func (t *Turn) dropLocked() {
	if t.held {
		t.held = false
		t.box.passLocked()
	}
	if t.role != nil {
		t.role.HandOff()
		t.role = nil
	}
}

// list is a queue of turns, linked through Turn.next: the last one, which leads
// to the first.
type list struct{ last *Turn }

func (l *list) first() *Turn {
	if l.last == nil {
		return nil
	}
	return l.last.next
}

func (l *list) push(t *Turn) {
	if l.last == nil {
		t.next = t
	} else {
		t.next, l.last.next = l.last.next, t
	}
	l.last = t
}

func (l *list) pop() *Turn {
	if l.last == nil {
		return nil
	}
	return l.removeAfter(l.last)
}

// removeFirst takes out the first turn that match accepts.
func (l *list) removeFirst(match func(*Turn) bool) *Turn {
	for before := l.last; before != nil; {
		t := before.next
		if match(t) {
			return l.removeAfter(before)
		}
		if t == l.last {
			break
		}
		before = t
	}
	return nil
}

func (l *list) removeAfter(before *Turn) *Turn {
	t := before.next
	if t == before { // alone
		l.last = nil
	} else {
		before.next = t.next
		if t == l.last {
			l.last = before
		}
	}
	t.next = nil
	return t
}

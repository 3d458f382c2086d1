// Package handoff lets a goroutine that many depend on, such as one that polls
// connections, do short pieces of work itself instead of waking another
// goroutine for each.
//
// Words used here:
//
//   - A role is what the goroutine is there for. One goroutine has it at a time.
//   - A task is work that the goroutine does in between. It is expected to be
//     short, and may turn out not to be.
//   - The role is handed off when the task says that it is about to wait, or
//     takes longer than [Patience]: a new goroutine goes on with the role, and
//     the old one ends with the task.
package handoff

import (
	"sync/atomic"
	"time"
)

// Patience is after how long, at the earliest, a task loses the role to another
// goroutine; after twice of it, it does for certain.
const Patience = 5 * time.Millisecond

// A Task is work to be done by the goroutine that has a role.
type Task interface {
	// Run does it. It may call r.HandOff at any time, in any goroutine.
	Run(r *Role)
}

// A Role is the right and duty to do something without a pause. Init must be
// called before anything else.
//
// What the holder of the role keeps in memory passes to its successor without
// further synchronization.
type Role struct {
	succeed func() // immutable

	// state is even while the holder does what the role is about, odd during a
	// task. Each change adds one, and Stir two, so that a number stands for one
	// task. Whoever moves it from odd to even decides who has the role: the holder
	// itself, at the end of the task, or a successor.
	state atomic.Uint64

	watched atomic.Bool // look will be called again
	watch   *time.Timer // calls look; immutable
	seen    uint64      // state at the last look; owned by look
}

// Init prepares a role that the calling goroutine, or one that it starts, has.
// succeed is the life of a successor. It is called in a new goroutine that has
// the role, and has the duty to end some day.
func (r *Role) Init(succeed func()) {
	r.succeed = succeed
	r.watch = time.AfterFunc(time.Hour, r.look) // set by startWatch
	r.watch.Stop()
}

// Do runs a task and reports whether the caller still has the role. If not, it
// must not touch anything that belongs to it. When the task ends the goroutine
// (runtime.Goexit), a successor takes the role.
func (r *Role) Do(t Task) (still bool) {
	s := r.state.Add(1)
	if !r.watched.Load() {
		r.startWatch()
	}
	returned := false
	defer func() {
		if !returned {
			r.pass(s)
		}
	}()
	t.Run(r)
	returned = true
	return r.state.CompareAndSwap(s, s+1)
}

// Stir is called by the holder when it begins to work after a pause, if what it
// then does may start other work than tasks. There is a look after Patience, as
// with tasks. It reports whether looks begin with this one.
func (r *Role) Stir() (begins bool) {
	r.state.Add(2)
	return !r.watched.Load() && r.startWatch()
}

// HandOff gives the role to a new goroutine, since the task under way is about
// to wait. Without a task it does nothing. If the role was handed off before,
// and its new holder does a task, it is handed off again, which costs a little
// and is harmless.
func (r *Role) HandOff() {
	if s := r.state.Load(); s%2 == 1 {
		r.pass(s)
	}
}

// pass gives the role to a successor, if the task s still has it.
func (r *Role) pass(s uint64) {
	if r.state.CompareAndSwap(s, s+1) {
		go r.succeed() // ends with the role, or with a task that loses it; who waits for that is Init's caller
	}
}

// startWatch begins to look at the state from time to time. It goes on while
// there are tasks, since to start a timer for each would cost more than most
// tasks do.
func (r *Role) startWatch() bool {
	if !r.watched.CompareAndSwap(false, true) {
		return false
	}
	r.watch.Reset(Patience)
	return true
}

// look hands the role off if the task that it saw the last time goes on.
func (r *Role) look() {
	s := r.state.Load()
	switch {
	case s != r.seen: // there was something new
	case s%2 == 1:
		r.pass(s)
	default:
		r.watched.Store(false)
		if r.state.Load() == s || !r.watched.CompareAndSwap(false, true) {
			return // nobody, or Do, which has started the next look
		}
	}
	r.seen = s
	r.watch.Reset(Patience)
}

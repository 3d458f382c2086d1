package mailbox

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/internal/handoff"
)

// offer offers a task, brief or not.
func (f *fixture) offer(brief bool, task func(*Turn)) Result {
	t := new(Turn)
	if brief {
		t.Brief()
	}
	return f.Offer(t, taskFunc(task), Block)
}

// holder runs mailboxes in a role, as a poller does, until it has lost it.
// held tells which goroutine it is: it is true in its tasks alone.
type holder struct {
	role handoff.Role
	lost chan struct{} // closed when the role has been handed off
}

func newHolder() *holder {
	h := &holder{lost: make(chan struct{})}
	h.role.Init(func() { close(h.lost) })
	return h
}

func (h *holder) hasLost() bool {
	select {
	case <-h.lost:
		return true
	default:
		return false
	}
}

// Brief tasks run in the caller's goroutine, one after the other, and the turn is
// free afterwards.
func TestOfferedTasksAreRunByTheCaller(t *testing.T) {
	f, h := open(100), newHolder()
	var order []int // no other goroutine: the race detector is the judge
	if r := f.offer(true, func(*Turn) { order = append(order, 0) }); !r.Claimed {
		t.Fatalf("the turn was free and was not given: %+v", r)
	}
	for i := range 3 {
		if r := f.offer(true, func(*Turn) { order = append(order, i+1) }); r.Claimed {
			t.Fatal("the turn was given twice")
		}
	}
	if f.Idle() || f.group.Len() != 1 {
		t.Errorf("a claimed mailbox: idle %v, %d counted", f.Idle(), f.group.Len())
	}
	if !h.role.Do(&f.Mailbox) || h.hasLost() {
		t.Error("brief tasks have cost the role")
	}
	f.wait(t)
	if !slices.Equal(order, []int{0, 1, 2, 3}) {
		t.Errorf("order %v", order)
	}
}

// Tasks that are not brief never run in the caller's goroutine; nor does what
// comes behind them.
func TestOfferedTasksThatAreNotBrief(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := open(100), newHolder()
		if r := f.offer(false, func(*Turn) {}); r.Claimed {
			t.Error("the turn was given for a task that is not brief")
		}
		f.wait(t)
		var order []string
		f.offer(true, func(*Turn) { order = append(order, "brief") })
		f.offer(false, func(*Turn) { time.Sleep(time.Hour); order = append(order, "long") })
		f.offer(true, func(*Turn) { order = append(order, "brief, behind it") })
		begin := time.Now()
		if !h.role.Do(&f.Mailbox) || time.Since(begin) != 0 {
			t.Error("the caller has waited")
		}
		f.wait(t)
		if !slices.Equal(order, []string{"brief", "long", "brief, behind it"}) {
			t.Errorf("order %v", order)
		}
	})
}

func TestClaimedMailboxThatGoes(t *testing.T) {
	f := open(100)
	ran := 0
	f.offer(true, func(*Turn) { ran++ })
	f.Go()
	f.wait(t)
	if ran != 1 {
		t.Errorf("ran %d times", ran)
	}
}

// A brief task that waits for an answer gives away the role as well as the turn.
func TestBriefTaskThatAwaits(t *testing.T) {
	for _, inside := range []bool{true, false} { // the waiting goroutine is the task's own, or another
		synctest.Test(t, func(t *testing.T) {
			f, h := open(100), newHolder()
			answer := make(chan struct{})
			var order []string
			f.offer(true, func(turn *Turn) {
				await := func() {
					turn.Release()
					<-answer
					turn.Acquire()
				}
				if inside {
					await()
				} else {
					done := make(chan struct{})
					go func() { defer close(done); await() }()
					<-done
				}
				order = append(order, "answered")
			})
			f.offer(true, func(*Turn) { order = append(order, "meanwhile"); close(answer) })
			if h.role.Do(&f.Mailbox) {
				t.Error("the role was kept during a wait")
			}
			f.wait(t)
			if !slices.Equal(order, []string{"meanwhile", "answered"}) {
				t.Errorf("order %v", order)
			}
		})
	}
}

func TestBriefTaskThatDetaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := open(100), newHolder()
		f.offer(true, func(turn *Turn) { turn.Detach(); time.Sleep(time.Hour) })
		begin := time.Now()
		go func() { // ends with the task
			if h.role.Do(&f.Mailbox) {
				t.Error("the role was kept by a task that has detached itself")
			}
		}()
		<-h.lost
		if d := time.Since(begin); d != 0 {
			t.Errorf("the role was handed off after %v, want at once", d)
		}
		f.wait(t)
	})
}

// A task that ends its goroutine takes neither the turn nor the role with it.
func TestBriefTaskThatEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := open(100), newHolder()
		ran := false
		f.offer(true, func(*Turn) { runtime.Goexit() })
		f.offer(true, func(*Turn) { ran = true })
		go func() { h.role.Do(&f.Mailbox) }() // ends in the task
		<-h.lost
		f.wait(t)
		if !ran {
			t.Error("the next task did not run")
		}
	})
}

// A mailbox that is closed after it was claimed runs what it owes.
func TestClosedAfterTheClaim(t *testing.T) {
	for _, drop := range []bool{true, false} {
		f, h := open(100), newHolder()
		ran, last := 0, 0
		f.offer(true, func(*Turn) { ran++ })
		f.Close(new(Turn), taskFunc(func(*Turn) { last++ }), drop)
		if r := f.offer(true, func(*Turn) {}); r.Claimed || r.Dropped == nil {
			t.Errorf("offered to a closed mailbox: %+v", r)
		}
		h.role.Do(&f.Mailbox)
		f.wait(t)
		if want := map[bool]int{true: 0, false: 1}[drop]; ran != want || last != 1 {
			t.Errorf("drop %v: ran %d times, the last %d times", drop, ran, last)
		}
	}
}

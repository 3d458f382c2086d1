package handoff

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type taskFunc func(r *Role)

func (f taskFunc) Run(r *Role) { f(r) }

// A clerk is a role that does the tasks it is sent, one after the other.
type clerk struct {
	role    Role
	tasks   chan taskFunc
	holders int // goroutines that have had the role; the role alone guards it
	done    chan struct{}
}

// newClerk starts one. Its last holder ends when tasks is closed.
func newClerk() *clerk {
	c := &clerk{tasks: make(chan taskFunc), done: make(chan struct{})}
	c.role.Init(c.run)
	go c.run()
	return c
}

func (c *clerk) run() {
	c.holders++
	for t := range c.tasks {
		if !c.role.Do(t) {
			return
		}
	}
	close(c.done)
}

func (c *clerk) close() int {
	close(c.tasks)
	<-c.done
	return c.holders
}

func TestShortTasksKeepTheRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClerk()
		for range 1000 {
			c.tasks <- func(*Role) { time.Sleep(Patience - time.Nanosecond) }
		}
		if n := c.close(); n != 1 {
			t.Errorf("%d goroutines had the role, want 1", n)
		}
	})
}

// A task that goes on loses the role within twice the patience, wherever in the
// rhythm of looks it begins. It runs to its end all the same.
func TestLongTaskLosesTheRole(t *testing.T) {
	for _, before := range []time.Duration{0, 1, Patience - 1, Patience, 2*Patience - 1, 10 * Patience} {
		synctest.Test(t, func(t *testing.T) {
			c := newClerk()
			c.tasks <- func(*Role) {}
			time.Sleep(before)
			release, ended := make(chan struct{}), make(chan struct{})
			c.tasks <- func(*Role) { <-release; close(ended) }
			begin := time.Now()
			c.tasks <- func(*Role) {} // accepted by the successor
			if d := time.Since(begin); d < Patience || d > 2*Patience {
				t.Errorf("%v after the first task: the role was handed off after %v", before, d)
			}
			close(release)
			<-ended
			if n := c.close(); n != 2 {
				t.Errorf("%d goroutines had the role, want 2", n)
			}
		})
	}
}

func TestHandOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClerk()
		c.role.HandOff() // no task: nothing happens
		release := make(chan struct{})
		c.tasks <- func(r *Role) {
			r.HandOff()
			r.HandOff()
			<-release
		}
		begin := time.Now()
		c.tasks <- func(*Role) {}
		if d := time.Since(begin); d != 0 {
			t.Errorf("the successor came after %v, want at once", d)
		}
		close(release)
		synctest.Wait()
		if n := c.close(); n != 2 {
			t.Errorf("%d goroutines had the role, want 2", n)
		}
	})
}

// Looks go on while the role is stirred, and a task after that is found as ever.
func TestStir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Role
		handedOff := make(chan struct{})
		r.Init(func() { close(handedOff) })
		for i := range 10 {
			if begins := r.Stir(); begins != (i == 0) {
				t.Errorf("stirred %d times: looks begin: %v", i+1, begins)
			}
			time.Sleep(Patience / 2)
		}
		time.Sleep(3 * Patience)
		if !r.Stir() {
			t.Error("looks went on although nothing happened")
		}
		begin := time.Now()
		if r.Do(taskFunc(func(*Role) { <-handedOff })) {
			t.Error("a long task kept the role")
		}
		if d := time.Since(begin); d < Patience || d > 2*Patience {
			t.Errorf("the role was handed off after %v", d)
		}
		time.Sleep(3 * Patience)
	})
}

func TestGoexitPassesTheRoleOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClerk()
		c.tasks <- func(*Role) { runtime.Goexit() }
		c.tasks <- func(r *Role) { r.HandOff(); runtime.Goexit() }
		c.tasks <- func(*Role) {}
		if n := c.close(); n != 3 {
			t.Errorf("%d goroutines had the role, want 3", n)
		}
	})
}

// The role is held by one goroutine at a time, however tasks end: the race
// detector looks at holders. No timer is left running.
func TestOneHolderAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClerk()
		for i := range 2000 {
			c.tasks <- func(r *Role) {
				switch i % 5 {
				case 0:
					time.Sleep(Patience / 4)
				case 1:
					time.Sleep(3 * Patience)
				case 2:
					r.HandOff()
				case 3:
					go r.HandOff()
				}
			}
		}
		c.close()
		time.Sleep(3 * Patience)
		synctest.Wait()
		if c.role.watched.Load() {
			t.Error("the role is still watched although nothing happens")
		}
	})
}

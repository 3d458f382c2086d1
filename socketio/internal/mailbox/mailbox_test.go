package mailbox

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type owner struct{ rooms atomic.Int32 }

func (o *owner) Room() { o.rooms.Add(1) }

type taskFunc func(*Turn)

func (f taskFunc) Run(t *Turn) { f(t) }

type fixture struct {
	Mailbox
	owner owner
	group Group
}

func open(limit int) *fixture {
	f := &fixture{}
	f.Init(limit, &f.owner, &f.group)
	return f
}

func (f *fixture) put(task func(*Turn)) Result {
	return f.Put(new(Turn), taskFunc(task), Block)
}

func (f *fixture) wait(t *testing.T) {
	t.Helper()
	if err := f.group.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !f.Idle() {
		t.Fatal("no goroutine is left, but the mailbox is not idle")
	}
}

func TestOrderAndExclusion(t *testing.T) {
	f := open(1 << 20)
	var order []int // guarded by the turn alone: the race detector is the judge
	for i := range 2000 {
		f.put(func(*Turn) { order = append(order, i) })
	}
	f.wait(t)
	if len(order) != 2000 || !slices.IsSorted(order) {
		t.Fatalf("%d of 2000 tasks ran, in order: %v", len(order), slices.IsSorted(order))
	}
}

func TestExclusionBetweenAwaits(t *testing.T) {
	f := open(1 << 20)
	answers := make([]chan struct{}, 500)
	for i := range answers {
		answers[i] = make(chan struct{})
	}
	inside, sum := 0, 0
	for i := range answers {
		f.put(func(turn *Turn) {
			if inside++; inside != 1 {
				t.Errorf("%d tasks at once", inside)
			}
			inside--
			turn.Release()
			<-answers[i]
			turn.Acquire()
			if inside++; inside != 1 {
				t.Errorf("%d tasks at once after waiting", inside)
			}
			sum += i
			inside--
		})
	}
	for i := range answers {
		go close(answers[len(answers)-1-i])
	}
	f.wait(t)
	if want := 500 * 499 / 2; sum != want {
		t.Fatalf("sum %d, want %d", sum, want)
	}
}

// The task waits for something that only the next task provides.
func TestMutualAwait(t *testing.T) {
	f := open(1)
	provided, finished := make(chan struct{}), false
	f.put(func(turn *Turn) {
		turn.Release()
		<-provided
		turn.Acquire()
		finished = true
	})
	f.put(func(*Turn) { close(provided) })
	f.wait(t)
	if !finished {
		t.Fatal("the awaiting task did not finish")
	}
}

func TestAwaitingTaskGoesBeforeNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(100)
		var log []string
		answer := make(chan struct{})
		f.put(func(turn *Turn) {
			turn.Release()
			<-answer
			turn.Acquire()
			log = append(log, "first, again")
		})
		f.put(func(*Turn) {
			time.Sleep(time.Second)
			close(answer)
			synctest.Wait() // the first task stands in line by now
			log = append(log, "second")
		})
		f.put(func(*Turn) { log = append(log, "third") })
		f.wait(t)
		if want := []string{"second", "first, again", "third"}; !slices.Equal(log, want) {
			t.Fatalf("order %q, want %q", log, want)
		}
	})
}

func TestParallelAwaitsOfOneTask(t *testing.T) {
	f := open(100)
	var wg sync.WaitGroup
	ran := make(chan struct{})
	shared := 0
	f.put(func(turn *Turn) {
		for range 10 {
			wg.Go(func() {
				turn.Release()
				<-ran
				turn.Acquire()
			})
		}
		wg.Wait()
		shared++
	})
	f.put(func(*Turn) { shared++; close(ran) })
	f.wait(t)
	if shared != 2 {
		t.Fatal("a task is missing")
	}
}

// A goroutine that outlives its task must neither hold nor corrupt the turn.
func TestAwaitBeyondTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(100)
		n := 0
		f.put(func(turn *Turn) {
			go func() {
				turn.Release()
				time.Sleep(time.Second)
				turn.Acquire()
			}()
			go func() {
				turn.Release()
				time.Sleep(2 * time.Second)
				turn.Acquire()
			}()
			synctest.Wait()
		})
		for range 5 {
			f.put(func(*Turn) { n++; time.Sleep(time.Second) })
		}
		f.wait(t)
		time.Sleep(time.Minute)
		if n != 5 || !f.Idle() {
			t.Fatalf("%d of 5 tasks ran; idle: %v", n, f.Idle())
		}
	})
}

func TestDetach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(2)
		start := time.Now()
		var at []time.Duration
		for range 4 {
			f.put(func(turn *Turn) {
				at = append(at, time.Since(start))
				turn.Detach()
				turn.Detach() // again is nothing
				turn.Release()
				turn.Acquire()
				time.Sleep(time.Minute)
			})
		}
		f.wait(t)
		// Two run outside at most; the others wait for them.
		if want := []time.Duration{0, 0, time.Minute, time.Minute}; !slices.Equal(at, want) {
			t.Fatalf("started at %v, want %v", at, want)
		}
	})
}

func TestOverflow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy Policy
		ran    []int
		drops  int
		full   bool
	}{
		{"block takes all and says so", Block, []int{0, 1, 2, 3, 4, 5}, 0, true},
		{"drop oldest", DropOldest, []int{0, 1, 4, 5}, 2, false},
		{"drop newest", DropNewest, []int{0, 1, 2, 3}, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(3)
				var ran []int
				hold := make(chan struct{})
				drops, full := 0, false
				put := func(i int, keep bool) {
					turn := new(Turn)
					if keep {
						turn.Keep()
					}
					r := f.Put(turn, taskFunc(func(*Turn) {
						if i == 0 {
							<-hold
						}
						ran = append(ran, i)
					}), tt.policy)
					if r.Dropped != nil {
						drops++
					}
					full = full || r.Full
				}
				put(0, false)
				synctest.Wait()
				for i := 1; i < 6; i++ {
					put(i, i == 1)
				}
				if f.owner.rooms.Load() != 0 {
					t.Error("room was announced while the mailbox was full")
				}
				close(hold)
				f.wait(t)
				if !slices.Equal(ran, tt.ran) || drops != tt.drops || full != tt.full {
					t.Errorf("ran %v, %d dropped, full %v; want %v, %d, %v", ran, drops, full, tt.ran, tt.drops, tt.full)
				}
				if got := f.owner.rooms.Load() == 1; got != tt.full {
					t.Errorf("room announced: %v, want %v", got, tt.full)
				}
			})
		})
	}
}

func TestClose(t *testing.T) {
	for _, drop := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := open(2)
			var log []string
			hold := make(chan struct{})
			task := func(s string) taskFunc { return func(*Turn) { log = append(log, s) } }
			f.put(func(*Turn) { <-hold; log = append(log, "running") })
			synctest.Wait()
			f.Put(new(Turn), task("waiting"), Block)
			keep := new(Turn)
			keep.Keep()
			if r := f.Put(keep, task("kept"), Block); !r.Full {
				t.Error("not full")
			}
			if r := f.Put(new(Turn), task("over"), Block); r.Full {
				t.Error("said so twice")
			}
			if !f.Close(new(Turn), task("last"), drop) {
				t.Error("first Close was refused")
			}
			if f.Close(new(Turn), task("never"), drop) {
				t.Error("second Close was accepted")
			}
			if r := f.Put(new(Turn), task("late"), Block); r.Dropped == nil {
				t.Error("a closed mailbox took a task")
			}
			close(hold)
			f.wait(t)
			want := []string{"running", "waiting", "kept", "over", "last"}
			if drop {
				want = []string{"running", "kept", "last"}
			}
			if !slices.Equal(log, want) {
				t.Errorf("drop %v: ran %q, want %q", drop, log, want)
			}
			if f.owner.rooms.Load() != 1 {
				t.Errorf("drop %v: room announced %d times", drop, f.owner.rooms.Load())
			}
		})
	}
}

// The last task runs after those that still wait for an answer, but does not
// wait for those that left the turn.
func TestCloseWaitsForAwaitingTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(10)
		var log []string
		for range 2 {
			f.put(func(turn *Turn) {
				turn.Release()
				time.Sleep(time.Second)
				turn.Acquire()
				log = append(log, "awaited")
			})
		}
		f.put(func(turn *Turn) {
			turn.Detach()
			time.Sleep(time.Minute)
		})
		synctest.Wait()
		start := time.Now()
		f.Close(new(Turn), taskFunc(func(*Turn) {
			log = append(log, "last")
			if d := time.Since(start); d != time.Second {
				t.Errorf("last ran after %v, want 1s", d)
			}
		}), true)
		f.wait(t)
		if want := []string{"awaited", "awaited", "last"}; !slices.Equal(log, want) {
			t.Errorf("ran %q, want %q", log, want)
		}
	})
}

func TestGoexitPassesTheTurn(t *testing.T) {
	f := open(10)
	ran := false
	hold := make(chan struct{})
	f.put(func(*Turn) { <-hold; runtime.Goexit() })
	f.put(func(*Turn) { ran = true })
	close(hold)
	f.wait(t)
	if !ran {
		t.Fatal("the turn was lost")
	}
}

func TestGroupWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(1)
		hold := make(chan struct{})
		f.put(func(*Turn) { <-hold })
		why := errors.New("why")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		if err := f.group.Wait(ctx); err != why {
			t.Errorf("got %v, want %v", err, why)
		}
		if f.group.Len() != 1 {
			t.Errorf("%d goroutines, want 1", f.group.Len())
		}
		close(hold)
		f.wait(t)
	})
}

func TestNilTurn(t *testing.T) {
	var turn *Turn
	turn.Release()
	turn.Acquire()
	turn.Detach()
}

// Many producers, tasks of every kind, and a close in the middle.
func TestStress(t *testing.T) {
	for range 50 {
		f := open(8)
		inside, ran, dropped := 0, 0, atomic.Int64{}
		last := false
		var wg sync.WaitGroup
		for p := range 4 {
			wg.Go(func() {
				for i := range 50 {
					r := f.Put(new(Turn), taskFunc(func(turn *Turn) {
						if inside++; inside != 1 || last {
							t.Error("not alone, or after the last")
						}
						ran++
						inside--
						switch (p + i) % 3 {
						case 0:
							turn.Release()
							runtime.Gosched()
							turn.Acquire()
							inside++
							inside--
						case 1:
							turn.Detach()
							runtime.Gosched()
						}
					}), Policy(i%3))
					if r.Dropped != nil {
						dropped.Add(1)
					}
					if p == 0 && i == 40 {
						f.Close(new(Turn), taskFunc(func(*Turn) { last = true }), false)
					}
				}
			})
		}
		wg.Wait()
		f.wait(t)
		if !last || ran+int(dropped.Load()) != 200 {
			t.Fatalf("%d ran and %d dropped of 200; last ran: %v", ran, dropped.Load(), last)
		}
	}
}

type counter struct {
	Turn
	n *int
}

func (c *counter) Run(*Turn) { *c.n++ }

func BenchmarkBurst(b *testing.B) {
	f := open(1 << 30)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		c := &counter{n: &n}
		f.Put(&c.Turn, c, Block)
	}
	f.group.Wait(b.Context())
}

func BenchmarkFromIdle(b *testing.B) {
	f := open(128)
	done := make(chan struct{})
	task := taskFunc(func(*Turn) { done <- struct{}{} })
	b.ReportAllocs()
	for b.Loop() {
		f.Put(new(Turn), task, Block)
		<-done
	}
}

// The list is a ring: each place in it has its own way out.
func TestListRemoves(t *testing.T) {
	for n := range 5 {
		for gone := range n {
			var l list
			turns := make([]Turn, n)
			for i := range turns {
				l.push(&turns[i])
			}
			if got := l.removeFirst(func(u *Turn) bool { return u == &turns[gone] }); got != &turns[gone] || got.next != nil {
				t.Fatalf("removed %p of %d, want number %d", got, n, gone)
			}
			if got := l.removeFirst(func(u *Turn) bool { return u == &turns[gone] }); got != nil {
				t.Errorf("number %d of %d was there twice", gone, n)
			}
			l.push(&turns[gone]) // at the end
			for i := range n {
				var want *Turn
				switch {
				case i == n-1:
					want = &turns[gone]
				case i < gone:
					want = &turns[i]
				default:
					want = &turns[i+1]
				}
				if got := l.pop(); got != want {
					t.Errorf("without number %d of %d, %p came as number %d, want %p", gone, n, got, i, want)
				}
			}
			if l.first() != nil || l.pop() != nil {
				t.Errorf("without number %d of %d, something is left", gone, n)
			}
		}
	}
}

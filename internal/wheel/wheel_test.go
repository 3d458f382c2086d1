package wheel

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type recorder struct {
	Timer
	mu    sync.Mutex
	times []time.Duration
	again func(now time.Duration)
}

func (r *recorder) Expire(now time.Duration) {
	r.mu.Lock()
	r.times = append(r.times, now)
	r.mu.Unlock()
	if r.again != nil {
		r.again(now)
	}
}

// Every deadline is met at the first tick at or after it, however far away,
// and in whatever order they are set.
func TestDeadlinesAreMetAtTheNextTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tick = 50 * time.Millisecond
		w := New(tick)
		rng := rand.New(rand.NewPCG(1, 2))
		var all []*recorder
		var want, set []time.Duration
		for range 2000 {
			r := &recorder{}
			due := time.Duration(rng.Int64N(int64(5 * time.Minute)))
			w.Set(&r.Timer, r, due)
			all = append(all, r)
			want = append(want, max(tick, (due+tick-1)/tick*tick))
			set = append(set, w.Now())
			if rng.IntN(10) == 0 {
				time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
			}
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for i, r := range all {
			if len(r.times) != 1 {
				t.Fatalf("timer %d expired %d times, want once", i, len(r.times))
			}
			if late := r.times[0] - max(want[i], set[i]); late < 0 || late > tick {
				t.Fatalf("timer %d set at %v for %v expired at %v", i, set[i], want[i], r.times[0])
			}
		}
		if w.Len() != 0 {
			t.Fatalf("%d timers are left", w.Len())
		}
		w.Close()
	})
}

func TestExactness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(10 * time.Millisecond)
		defer w.Close()
		for _, due := range []time.Duration{1, 10 * time.Millisecond, 11 * time.Millisecond, 10240 * time.Millisecond, 10250 * time.Millisecond, time.Minute, time.Hour} {
			r := &recorder{}
			base := w.Now()
			w.Set(&r.Timer, r, base+due)
			time.Sleep(due + 20*time.Millisecond)
			synctest.Wait()
			want := (base + due + 10*time.Millisecond - 1) / (10 * time.Millisecond) * (10 * time.Millisecond)
			if len(r.times) != 1 || r.times[0] != want {
				t.Errorf("due in %v: expired at %v, want exactly %v", due, r.times, want)
			}
		}
	})
}

func TestMoveStopAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(time.Millisecond)
		moved, stopped, closed := &recorder{}, &recorder{}, &recorder{}
		w.Set(&moved.Timer, moved, time.Second)
		w.Set(&moved.Timer, moved, 2*time.Second)
		w.Set(&stopped.Timer, stopped, time.Second)
		w.Stop(&stopped.Timer)
		w.Stop(&stopped.Timer) // again: nothing
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(moved.times) != 1 || moved.times[0] != 2*time.Second {
			t.Errorf("moved timer expired at %v, want once at 2s", moved.times)
		}
		w.Set(&closed.Timer, closed, 4*time.Second)
		w.Close()
		w.Set(&closed.Timer, closed, 5*time.Second)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(stopped.times)+len(closed.times) != 0 {
			t.Errorf("expired although stopped or closed: %v %v", stopped.times, closed.times)
		}
	})
}

// An owner may set its timer again from Expire: this is how a heartbeat goes.
func TestSetFromExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(100 * time.Millisecond)
		defer w.Close()
		r := &recorder{}
		r.again = func(now time.Duration) { w.Set(&r.Timer, r, now+25*time.Second) }
		w.Set(&r.Timer, r, 25*time.Second)
		time.Sleep(24*time.Hour + time.Second)
		synctest.Wait()
		if got, want := len(r.times), 24*3600/25; got != want {
			t.Errorf("%d heartbeats in a day, want %d", got, want)
		}
	})
}

func BenchmarkSet(b *testing.B) {
	b.ReportAllocs()
	w := New(50 * time.Millisecond)
	defer w.Close()
	r := &recorder{}
	for i := range b.N {
		w.Set(&r.Timer, r, w.Now()+time.Duration(i%40)*time.Second)
	}
}

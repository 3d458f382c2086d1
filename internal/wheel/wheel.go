// Package wheel is a timing wheel: one runtime timer for any number of
// deadlines.
//
// A deadline is kept in an intrusive [Timer], so that setting one allocates
// nothing. Deadlines are rounded up to the next tick. The wheel has no
// goroutine: a single time.AfterFunc is armed for the earliest slot in use,
// and for nothing while the wheel is empty.
package wheel

import (
	"math/bits"
	"sync"
	"time"
)

const slots = 1024 // a power of two, and a multiple of 64

// An Expirer is told that its timer has expired.
type Expirer interface {
	// Expire is called without a lock held, on the wheel's goroutine: it must
	// not wait. The timer is no longer set and may be set again.
	Expire(now time.Duration)
}

// A Timer is one deadline of a [Wheel]. The zero value is ready to be set.
type Timer struct {
	next, prev *Timer
	owner      Expirer
	tick       int64 // when it expires; valid while linked
}

// A Wheel holds timers. All methods may be called from any goroutine.
type Wheel struct {
	tick  time.Duration // immutable
	epoch time.Time     // immutable; carries the monotonic clock

	mu     sync.Mutex
	slot   [slots]Timer // list heads; linked to themselves when empty
	used   [slots / 64]uint64
	count  int
	done   int64 // ticks up to here have been processed
	armed  int64 // tick the runtime timer is set for; 0 when it is not
	timer  *time.Timer
	closed bool
}

// New returns a wheel whose deadlines are rounded up to multiples of tick.
func New(tick time.Duration) *Wheel {
	w := &Wheel{tick: tick, epoch: time.Now()}
	for i := range w.slot {
		h := &w.slot[i]
		h.next, h.prev = h, h
	}
	return w
}

// Now returns the wheel's time: a monotonic duration since it was made.
func (w *Wheel) Now() time.Duration { return time.Since(w.epoch) }

// Tick returns the wheel's resolution.
func (w *Wheel) Tick() time.Duration { return w.tick }

// Set sets t to expire at due, in the wheel's time, and tell owner. A timer
// that was set before is moved.
func (w *Wheel) Set(t *Timer, owner Expirer, due time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.unlink(t)
	t.owner = owner
	t.tick = max(int64((due+w.tick-1)/w.tick), w.done+1)
	w.link(t)
	w.arm()
}

// Stop unsets t. Its owner may still be told of an expiry under way.
func (w *Wheel) Stop(t *Timer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(t)
	if w.count == 0 && w.timer != nil && w.armed != 0 {
		w.timer.Stop()
		w.armed = 0
	}
}

// Close unsets all timers; none expires afterwards, none can be set.
func (w *Wheel) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for i := range w.slot {
		for h := &w.slot[i]; h.next != h; {
			w.unlink(h.next)
		}
	}
	if w.timer != nil {
		w.timer.Stop()
	}
}

// Len returns how many timers are set.
func (w *Wheel) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

func (w *Wheel) link(t *Timer) {
	i := t.tick & (slots - 1)
	h := &w.slot[i]
	t.prev, t.next = h.prev, h
	h.prev.next, h.prev = t, t
	w.used[i/64] |= 1 << (i % 64)
	w.count++
}

func (w *Wheel) unlink(t *Timer) {
	if t.next == nil {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
	w.count--
	if i := t.tick & (slots - 1); w.slot[i].next == &w.slot[i] {
		w.used[i/64] &^= 1 << (i % 64)
	}
}

// arm sets the runtime timer for the first slot in use after done. A slot may
// hold deadlines of later rounds only; then its turn costs one look.
func (w *Wheel) arm() {
	if w.count == 0 || w.closed {
		return
	}
	at := w.nextUsed()
	if w.armed != 0 && w.armed <= at {
		return
	}
	w.armed = at
	d := time.Duration(at)*w.tick - w.Now()
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.turn) // ends when the wheel is closed or empty
		return
	}
	w.timer.Reset(d)
}

// nextUsed returns the first tick after done whose slot is in use.
func (w *Wheel) nextUsed() int64 {
	first := w.done + 1
	for n := int64(0); n < slots; {
		i := (first + n) & (slots - 1)
		if word := w.used[i/64] >> (i % 64); word != 0 {
			return first + n + int64(bits.TrailingZeros64(word))
		}
		n += 64 - i%64
	}
	// The rest of the word the search began in.
	i := first & (slots - 1)
	return first - i%64 + slots + int64(bits.TrailingZeros64(w.used[i/64]))
}

// turn tells the owners of all timers that are due.
func (w *Wheel) turn() {
	now := w.Now()
	var due []Expirer
	w.mu.Lock()
	last := int64(now / w.tick)
	end := min(last, w.done+slots) // after a long suspension, one round meets every slot
	for w.count > 0 {
		t := w.nextUsed()
		if t > end {
			break
		}
		w.done = t
		h := &w.slot[t&(slots-1)]
		for e := h.next; e != h; {
			next := e.next
			if e.tick <= last {
				w.unlink(e)
				due = append(due, e.owner)
			}
			e = next
		}
	}
	w.done = max(w.done, last)
	w.armed = 0
	w.arm()
	w.mu.Unlock()
	for _, o := range due {
		o.Expire(now)
	}
}

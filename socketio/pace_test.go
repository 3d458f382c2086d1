package socketio

import (
	"testing"
	"time"
)

// How many events it takes until a handler is taken for a brief one, and what
// makes it lose that.
func TestPace(t *testing.T) {
	var h handler
	until := func(brief bool, d time.Duration) (n int) {
		for ; h.brief() != brief; n++ {
			if n == 10_000 {
				t.Fatalf("brief is %v after %d events of %v", !brief, n, d)
			}
			h.took(d)
		}
		return n
	}
	if h.brief() {
		t.Fatal("a new handler is brief")
	}
	if n := until(true, time.Microsecond); n < 64 || n > 128 {
		t.Errorf("%d events of 1 µs make a handler brief", n)
	}
	if n := until(false, 5*time.Millisecond); n != 1 {
		t.Errorf("it takes %d events of 5 ms to see that a handler waits", n)
	}
	if n := until(true, time.Microsecond); n > 200 {
		t.Errorf("one event of 5 ms is held against a handler for %d events", n)
	}
	if n := until(false, time.Hour); n != 1 {
		t.Errorf("it takes %d events of an hour to see that a handler waits", n)
	}
	if n := until(true, time.Microsecond); n > 1000 {
		t.Errorf("one event of an hour is held against a handler for %d events", n)
	}
	// What waits now and then is not brief on average.
	waited := 0
	for i := range 100_000 {
		if h.brief() {
			waited++
		}
		d := time.Microsecond
		if i%100 == 0 {
			d = 5 * time.Millisecond
		}
		h.took(d)
	}
	if waited > 1000 {
		t.Errorf("a handler of which 1%% of the events wait for 5 ms was brief for %d of 100,000", waited)
	}
	h = handler{}
	h.options.Concurrent = true
	for range 1000 {
		h.took(0)
	}
	if h.brief() {
		t.Error("a concurrent handler is brief")
	}
}

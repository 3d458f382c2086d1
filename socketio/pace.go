package socketio

import (
	"sync/atomic"
	"time"
)

// A pace is how long the events of one handler take on average, other handlers
// and middleware of the event included: a moving average of the last hundred or
// so, in nanoseconds, counted from unknownPace. What counts is the time that
// passes, since a handler that waits would hold up whoever reads for others. The
// reply does not count: of brief handlers it is written afterwards, and in a
// write the client may be given the processor.
//
// Updates of several goroutines at once may be lost, which does no harm.
type pace struct{ mean atomic.Int64 }

const (
	// briefPace is up to when a handler is brief: about as long as it takes to
	// start a goroutine on another thread, and to have that go to sleep again.
	briefPace = 20 * time.Microsecond
	// unknownPace is what a new handler starts from. It has to prove that it is
	// brief.
	unknownPace = 2 * briefPace
	// paceWeight is the part that one event has in the mean.
	paceWeight = 128
	// maxPace is the most that one event counts for.
	maxPace = 50 * time.Millisecond
)

// firstPace is the pace of new handlers. Only tests have another one.
var firstPace int64

// took notes the duration of one event.
func (p *pace) took(d time.Duration) {
	old := p.mean.Load()
	if change := (int64(min(d, maxPace)-unknownPace) - old) / paceWeight; change != 0 {
		p.mean.Store(old + change)
	}
}

// brief reports whether the next event is expected to be brief.
func (h *handler) brief() bool {
	return h.mean.Load() <= int64(briefPace-unknownPace) && !h.options.Concurrent
}

// clock is the time since a moment in the past, without the cost of the date.
func clock() time.Duration { return time.Since(clockStart) }

var clockStart = time.Now()

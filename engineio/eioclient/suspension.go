package eioclient

import "time"

// The clock behind time.Now stands still while some systems sleep, so that
// after a night in a bag the last heartbeat seems to be seconds old. The wall
// clock knows better, but people set it too: a gap in it counts as sleep only
// if the system says that it has slept that long since the session began.

// clockSlack is by how much the two clocks may differ for other reasons.
const clockSlack = time.Second

// Variables for tests, which have no machine to put to sleep.
var (
	// asleep is the time for which the system has slept since it started.
	asleep = systemSleep

	// clockGap is how much more the wall clock has advanced than the monotonic
	// clock, from one reading to the other.
	clockGap = func(from, to time.Time) time.Duration {
		return to.Round(0).Sub(from.Round(0)) - to.Sub(from)
	}
)

// sleptLocked returns how long the system has slept, at least, since the server
// was last heard.
func (c *Conn) sleptLocked(now time.Time) time.Duration {
	gap := clockGap(c.heard, now)
	if gap <= clockSlack || asleep()-c.asleepAtBirth < gap-clockSlack {
		return 0
	}
	return gap
}

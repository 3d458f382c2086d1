package sioclient

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long a client waits between attempts to connect. The delay
// before the n-th attempt is Min·2ⁿ⁻¹, at most Max, and then spread at random by
// Jitter to both sides: so the clients of a server that was away for long do
// not come back in step.
type Backoff struct {
	// Min and Max bound the delay before it is spread. Zero means 1s and 5s.
	Min, Max time.Duration

	// Jitter is by which share the delay may be shorter or longer: with 0.5, 2s
	// become 1s to 3s. Zero means 0.8, and negative none; more than 1 is an
	// error.
	Jitter float64

	// Attempts is how many attempts in a row may fail after a connection was
	// lost, or after the first attempt, before the client gives up. Zero means
	// any number; negative that there is no attempt but the first.
	Attempts int
}

// delay returns how long to wait before attempt n, from 1.
func (b *Backoff) delay(n int) time.Duration {
	d := b.Min
	for ; n > 1 && d < b.Max; n-- {
		d *= 2
	}
	d = min(d, b.Max)
	if b.Jitter > 0 {
		d += time.Duration(float64(d) * b.Jitter * (2*rand.Float64() - 1))
	}
	return max(d, time.Millisecond)
}

// exhausted reports whether there is no attempt n.
func (b *Backoff) exhausted(n int) bool {
	return b.Attempts != 0 && n > max(b.Attempts, 0)
}

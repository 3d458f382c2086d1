package main

import (
	"math/bits"
	"time"
)

// A histogram of durations has 32 steps for each doubling, which is an error of
// at most 3 %, in a fixed array.
type histogram struct {
	n    int64
	max  time.Duration
	step [64 * 32]int64
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.n++
	h.max = max(h.max, d)
	h.step[stepOf(uint64(d))]++
}

// quantile returns the duration that a share q of all are not above, or 0 when
// there are none.
func (h *histogram) quantile(q float64) time.Duration {
	want, seen := int64(q*float64(h.n)), int64(0)
	for i, c := range h.step {
		if seen += c; c > 0 && seen > want {
			return min(time.Duration(middleOf(i)), h.max)
		}
	}
	return h.max
}

func stepOf(v uint64) int {
	if v < 32 {
		return int(v)
	}
	e := bits.Len64(v) - 6 // v>>e is in 32..63
	return (e+1)*32 + int(v>>e) - 32
}

func middleOf(step int) uint64 {
	if step < 32 {
		return uint64(step)
	}
	e := step/32 - 1
	return uint64(step%32+32)<<e + 1<<e/2
}

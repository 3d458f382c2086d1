//go:build race

package sioparser

// raceEnabled: sync.Pool drops at random under the race detector, so that
// counts of allocations say nothing.
const raceEnabled = true

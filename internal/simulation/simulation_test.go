package simulation

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/siogo/sio/internal/goal"
)

var (
	oneSeed = flag.Uint64("seed", 0, "play the world of this seed alone")
	seeds   = flag.Int("seeds", 0, "play the worlds of so many seeds, from a random one on")
	forLong = flag.Duration("for", 0, "play worlds for so long, from a random seed on")
)

// Seeds whose worlds have gone wrong once, for as long as what a seed means does
// not change. What went wrong has a test of its own, too.
var regressions = []uint64{
	5,               // a client whose probe was swallowed polled without a pause: TestFault_U06_PollsWhileUpgrading
	219530310968776, // a client that left took an answer about who it had been, mostly: TestLeftWhileBeingRecovered
}

func TestSimulation(t *testing.T) {
	var sum figures
	played, failed := 0, 0
	one := func(seed uint64) {
		if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { sum.add(play(t, seed)) }) {
			failed++
		}
		played++
	}
	start := time.Now()
	switch {
	case *oneSeed != 0:
		one(*oneSeed)
	case *seeds != 0 || *forLong != 0:
		first := rand.Uint64() >> 16
		for i := uint64(0); (*seeds == 0 || i < uint64(*seeds)) && (*forLong == 0 || time.Since(start) < *forLong); i++ {
			one(first + i)
		}
	default:
		for _, seed := range regressions {
			one(seed)
		}
		for seed := range uint64(100) {
			if seed++; !slices.Contains(regressions, seed) {
				one(seed)
			}
		}
	}
	t.Logf("%d worlds in %v: %+v", played, time.Since(start).Round(time.Millisecond), sum)
	c := goal.Count
	goal.Report(t, goal.Figure{
		Goal: "simulation",
		What: fmt.Sprintf("seeds that fail, of %s: %s events, %s calls, %s connections of which %s were lost, %s recoveries, %s upgrades, %s ends of nodes",
			c(played), c(sum.events), c(sum.calls), c(sum.connections), c(sum.losses), c(sum.recovered), c(sum.upgrades), c(sum.restarts)),
		Figure: c(failed),
		Wanted: "0",
		Met:    failed == 0,
	})
}

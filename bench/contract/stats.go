package main

import (
	"encoding/json"
	"math"
	"net/http"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siogo/sio/socketio"
)

// stats is what the server says of itself, as JSON, under /stats. Durations and
// pauses are those since somebody asked last.
type stats struct {
	Goroutines  uint64  `json:"goroutines"`
	HeapLive    uint64  `json:"heap_live_bytes"`   // as of the last collection
	AllocBytes  uint64  `json:"alloc_bytes"`       // since the process began
	Allocs      uint64  `json:"allocs"`            // objects, since the process began
	GCCycles    uint64  `json:"gc_cycles"`         // since the process began
	GCPauses    uint64  `json:"gc_pauses"`         // times that everything stood still for the collector
	GCPauseP99  float64 `json:"gc_pause_p99_us"`   // of these
	GCPauseMax  float64 `json:"gc_pause_max_us"`   // of these, rounded up to the end of a bucket
	SchedP99    float64 `json:"sched_wait_p99_us"` // goroutines that could run and waited for a processor
	JoinLongest float64 `json:"join_longest_us"`   // one call of Socket.Join
	Slow        uint64  `json:"slow_consumers"`    // sockets that were closed as such, since the process began
}

// The names of package runtime/metrics, in the order in which read uses them.
var metricNames = []string{
	"/sched/goroutines:goroutines",
	"/gc/heap/live:bytes",
	"/gc/heap/allocs:bytes",
	"/gc/heap/allocs:objects",
	"/gc/cycles/total:gc-cycles",
	"/sched/pauses/total/gc:seconds",
	"/sched/latencies:seconds",
}

// counters serves the stats. Any goroutine may use it.
type counters struct {
	seen *tally

	mu            sync.Mutex
	pauses, waits []uint64 // of the histograms, when somebody asked last
}

func (c *counters) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s := c.read()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(s)
}

func (c *counters) read() stats {
	samples := make([]metrics.Sample, len(metricNames))
	for i, name := range metricNames {
		samples[i].Name = name
	}
	metrics.Read(samples)
	s := stats{
		Goroutines:  samples[0].Value.Uint64(),
		HeapLive:    samples[1].Value.Uint64(),
		AllocBytes:  samples[2].Value.Uint64(),
		Allocs:      samples[3].Value.Uint64(),
		GCCycles:    samples[4].Value.Uint64(),
		JoinLongest: float64(c.seen.joins.take()) / float64(time.Microsecond),
		Slow:        c.seen.slow.Load(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pauses, waits := samples[5].Value.Float64Histogram(), samples[6].Value.Float64Histogram()
	c.pauses, c.waits = subtract(pauses, c.pauses), subtract(waits, c.waits)
	for _, n := range pauses.Counts {
		s.GCPauses += n
	}
	s.GCPauseP99, s.GCPauseMax = quantile(pauses, .99), quantile(pauses, 1)
	s.SchedP99 = quantile(waits, .99)
	return s
}

// A tally is what the server notes while it serves. Any goroutine may use it.
type tally struct {
	joins longest
	slow  atomic.Uint64 // sockets closed as slow consumers
}

// disconnected is a hook.
func (t *tally) disconnected(_ *socketio.Socket, err *socketio.DisconnectError) {
	if err.Reason == socketio.ReasonSlowConsumer {
		t.slow.Add(1)
	}
}

// subtract takes earlier counts from the histogram, and returns what they are now.
func subtract(h *metrics.Float64Histogram, earlier []uint64) (now []uint64) {
	now = slices.Clone(h.Counts)
	for i, n := range earlier {
		h.Counts[i] -= n
	}
	return now
}

// quantile returns the upper end of the bucket in which a share q of a
// histogram of seconds ends, in microseconds; 0 when it is empty.
func quantile(h *metrics.Float64Histogram, q float64) float64 {
	var all, seen uint64
	for _, c := range h.Counts {
		all += c
	}
	for i, c := range h.Counts {
		if seen += c; c > 0 && float64(seen) >= q*float64(all) {
			end := h.Buckets[i+1]
			if math.IsInf(end, 1) {
				end = h.Buckets[i]
			}
			return end * 1e6
		}
	}
	return 0
}

// A longest keeps the longest of many durations. Any goroutine may use it.
type longest struct{ ns atomic.Int64 }

func (l *longest) add(d time.Duration) {
	for {
		was := l.ns.Load()
		if int64(d) <= was || l.ns.CompareAndSwap(was, int64(d)) {
			return
		}
	}
}

// take returns it and begins anew.
func (l *longest) take() time.Duration { return time.Duration(l.ns.Swap(0)) }

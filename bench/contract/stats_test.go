package main

import (
	"encoding/json"
	"math"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/siogo/sio/socketio"
)

func TestStats(t *testing.T) {
	var seen tally
	seen.joins.add(3 * time.Millisecond)
	seen.joins.add(2 * time.Millisecond)
	for _, reason := range []socketio.Reason{socketio.ReasonSlowConsumer, socketio.ReasonTransportClose, socketio.ReasonSlowConsumer} {
		seen.disconnected(nil, &socketio.DisconnectError{Reason: reason})
	}
	served := &counters{seen: &seen}
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // none between the two
	ask := func() (s stats) {
		w := httptest.NewRecorder()
		served.ServeHTTP(w, httptest.NewRequest("GET", "/stats", nil))
		if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
			t.Fatalf("%v in %s", err, w.Body)
		}
		return s
	}
	s := ask()
	if s.JoinLongest != 3000 {
		t.Errorf("the longest join took %v us, want 3000", s.JoinLongest)
	}
	if s.Slow != 2 {
		t.Errorf("%d slow consumers, want 2", s.Slow)
	}
	if s.Goroutines == 0 || s.HeapLive == 0 || s.AllocBytes == 0 || s.Allocs == 0 || s.GCCycles == 0 || s.GCPauses == 0 || s.GCPauseMax < s.GCPauseP99 {
		t.Errorf("some figures are missing: %+v", s)
	}
	if again := ask(); again.JoinLongest != 0 || again.Allocs < s.Allocs || again.GCPauses >= s.GCPauses {
		t.Errorf("asked again: %+v", again)
	}
}

func TestQuantile(t *testing.T) {
	h := &metrics.Float64Histogram{
		Counts:  []uint64{0, 98, 1, 1},
		Buckets: []float64{0, 1e-6, 2e-6, 4e-6, math.Inf(1)},
	}
	for q, want := range map[float64]float64{.5: 2, .98: 2, .99: 4, 1: 4} {
		if got := quantile(h, q); math.Abs(got-want) > 1e-9 {
			t.Errorf("quantile %v is %v us, want %v", q, got, want)
		}
	}
	if got := quantile(&metrics.Float64Histogram{Counts: []uint64{0}, Buckets: []float64{0, 1}}, .5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
}

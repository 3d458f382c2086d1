package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A report is the outcome of one run: figures in the order in which they were noted.
type report struct {
	keys   []string
	values []any
}

// set notes a figure; a float64 is written with five significant digits.
func (r *report) set(key string, value any) {
	if f, ok := value.(float64); ok {
		value = json.Number(strconv.FormatFloat(f, 'g', 5, 64))
	}
	r.keys, r.values = append(r.keys, key), append(r.values, value)
}

// latencies notes the quantiles of a histogram, in microseconds.
func (r *report) latencies(prefix string, h *histogram) {
	r.set(prefix+"p50_us", micros(h.quantile(.5)))
	r.set(prefix+"p99_us", micros(h.quantile(.99)))
	r.set(prefix+"p999_us", micros(h.quantile(.999)))
	r.set(prefix+"max_us", micros(h.max))
}

// json is one line, without its end.
func (r *report) json() (string, error) {
	var b strings.Builder
	for i, key := range r.keys {
		value, err := json.Marshal(r.values[i])
		if err != nil {
			return "", fmt.Errorf("%s: %w", key, err)
		}
		fmt.Fprintf(&b, ",%q:%s", key, value)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}", nil
}

func (r *report) table() string {
	var b strings.Builder
	for i, key := range r.keys {
		fmt.Fprintf(&b, "  %-28s %v\n", key, r.values[i])
	}
	return b.String()
}

// per is a duration divided among n operations, in microseconds.
func per(d time.Duration, n int64) float64 {
	if n == 0 {
		return 0
	}
	return micros(d) / float64(n)
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

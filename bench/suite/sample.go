//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A sample is the same figure of several runs.
type sample []float64

func (s sample) median() float64 {
	if len(s) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(s))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// String is the median, with the smallest and the largest if there are several.
func (s sample) String() string {
	switch len(s) {
	case 0:
		return "–"
	case 1:
		return short(s[0])
	}
	return fmt.Sprintf("%s (%s–%s)", short(s.median()), short(slices.Min(s)), short(slices.Max(s)))
}

// short writes a number with three digits, or all of them before the point.
func short(v float64) string {
	abs := max(v, -v)
	switch {
	case abs >= 1000:
		return thousands(int64(math.Round(v)))
	case abs >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case abs >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func thousands(n int64) string {
	digits := strconv.FormatInt(max(n, -n), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n < 0 {
		return "-" + digits
	}
	return digits
}

// by collects one figure of several runs.
func by(runs []figures, key string) sample {
	var s sample
	for _, r := range runs {
		if v, ok := r[key]; ok {
			s = append(s, v)
		}
	}
	return s
}

//go:build linux

package main

import (
	"strings"
	"testing"
)

func TestSample(t *testing.T) {
	for _, c := range []struct {
		s    sample
		want string
	}{
		{nil, "–"},
		{sample{1.234}, "1.23"},
		{sample{3, 1, 2}, "2.00 (1.00–3.00)"},
		{sample{10, 20, 30, 40}, "25.0 (10.0–40.0)"},
		{sample{-1234567.4}, "-1,234,567"},
		{sample{1000}, "1,000"},
		{sample{999.4}, "999"},
	} {
		if got := c.s.String(); got != c.want {
			t.Errorf("%v is written as %q, want %q", []float64(c.s), got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	tab := &table{title: "Title", head: []string{"", "µs"}}
	tab.add("a", "1")
	tab.add("longer", "23")
	var text, markdown strings.Builder
	tab.print(&text, false)
	tab.print(&markdown, true)
	if got, want := text.String(), "\nTitle\n          µs\n  a       1\n  longer  23\n"; got != want {
		t.Errorf("as text %q, want %q", got, want)
	}
	if got, want := markdown.String(), "\nTitle\n\n|  | µs |\n|---|---|\n| a | 1 |\n| longer | 23 |\n"; got != want {
		t.Errorf("as Markdown %q, want %q", got, want)
	}
}

func TestGoal(t *testing.T) {
	relative, absolute := figure{unit: "µs", ratio: 1.1}, figure{unit: "B", atMost: 2500}
	for _, c := range []struct {
		f           figure
		ours, floor float64
		want        string
	}{
		{relative, 11, 10, "ratio 1.10: reached"},
		{relative, 11.1, 10, "ratio 1.10: missed"},
		{absolute, 2500, 0, "2,500 B: reached"},
		{absolute, 2501, 9000, "2,500 B: missed"},
		{figure{unit: "µs"}, 1, 2, "–"},
	} {
		if got := c.f.goal(sample{c.ours}, sample{c.floor}); got != c.want {
			t.Errorf("%v beside %v: %q, want %q", c.ours, c.floor, got, c.want)
		}
	}
}

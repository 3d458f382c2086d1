//go:build linux

package main

import (
	"context"
	"fmt"
)

// runChurn has very many clients come and go, and compares what the server
// holds at the end with what it held after a tenth of them, each time after a
// collection.
func runChurn(ctx context.Context, s *suite) error {
	args := "-mode storm -n 100000 -settle 2s"
	if s.short {
		args = "-mode storm -n 500 -conc 20 -settle 100ms"
	}
	p, err := start(ctx, s.sio())
	if err != nil {
		return err
	}
	defer p.stop()
	before, err := p.stats(ctx)
	if err != nil {
		return err
	}
	f, err := s.load(ctx, p, args)
	if err != nil {
		return err
	}
	after, err := p.stats(ctx)
	if err != nil {
		return err
	}
	t := &table{title: fmt.Sprintf("After %s clients came and went", short(f["cycles"])), head: []string{"", "goal", "figure", ""}}
	growth := (f["anon_at_end"] - f["anon_at_10_percent"]) / 1024
	t.verdict("memory, compared with a tenth of them, KiB", "at most 1,024 more", short(growth), growth <= 1024)
	// A moment after the client that stayed has gone, its own may still be there.
	t.verdict("goroutines, compared with none", "at most 4 more", short(after["goroutines"]-before["goroutines"]), after["goroutines"] <= before["goroutines"]+4)
	t.verdict("descriptors, compared with none", "at most 2 more", short(f["descriptors_after"]-f["descriptors_before"]), f["descriptors_after"] <= f["descriptors_before"]+2)
	t.verdict("clients that were dropped, or got no answer", "0", short(f["dropped"]+f["hung"]), f["dropped"]+f["hung"] == 0)
	t.print(s.out, s.markdown)
	return nil
}

// verdict adds a row about a goal.
func (t *table) verdict(what, goal, figure string, reached bool) {
	word := "missed"
	if reached {
		word = "reached"
	}
	t.add(what, goal, figure, word)
}

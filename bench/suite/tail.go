//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
)

// The loads of the tail cases. What is measured is how one load delays another
// inside a server. Both also compete for the two cores of the machine, so that
// the comparison is the same two loads at the same time on two servers: there,
// only the machine is shared.
type tailLoads struct {
	probe   string // echoes and joins at a low rate
	fan     string // broadcasts at a steady pace, to a room that the probe is not in
	stalled string // broadcasts to a room, some of whose members do not read
	readers string // the same broadcasts, without those

	// Broadcasts that are more than the queues of those who do not read may hold,
	// but not before the measurement begins: until then they are less than the
	// 1 MiB of MaxQueueBytes.
	overflow, overflowReaders string
}

func (s *suite) tailLoads() tailLoads {
	if s.short {
		return tailLoads{
			probe:   "-mode echo -n 10 -rate 100 -joins 20 -warm 100ms -t 300ms",
			fan:     "-mode rooms -rooms 1 -joined 1 -n 100 -every 20ms -warm 50ms -t 800ms",
			stalled: "-mode rooms -rooms 1 -joined 1 -n 99 -stalled 1 -size 16000 -every 20ms -warm 50ms -t 400ms",
			readers: "-mode rooms -rooms 1 -joined 1 -n 99 -size 16000 -every 20ms -warm 50ms -t 400ms",

			overflow:        "-mode rooms -rooms 1 -joined 1 -n 99 -stalled 2 -stalled-mss 1460 -size 40000 -every 20ms -warm 50ms -t 1s",
			overflowReaders: "-mode rooms -rooms 1 -joined 1 -n 99 -size 40000 -every 20ms -warm 50ms -t 1s",
		}
	}
	return tailLoads{
		probe:   "-mode echo -n 50 -rate 500 -joins 50 -t 8s",
		fan:     "-mode rooms -rooms 1 -joined 1 -n 5000 -every 250ms -t 11s",
		stalled: "-mode rooms -rooms 1 -joined 1 -n 4950 -stalled 50 -size 16000 -every 300ms -warm 3s -t 20s",
		readers: "-mode rooms -rooms 1 -joined 1 -n 4950 -size 16000 -every 300ms -warm 3s -t 20s",

		overflow:        "-mode rooms -rooms 1 -joined 1 -n 4950 -stalled 50 -stalled-mss 1460 -size 40000 -every 400ms -warm 2s -t 20s",
		overflowReaders: "-mode rooms -rooms 1 -joined 1 -n 4950 -size 40000 -every 400ms -warm 2s -t 20s",
	}
}

// runTail measures what a large broadcast does to the other clients of its
// server, and what clients that do not read do to those that do.
func runTail(ctx context.Context, s *suite) error {
	cases := []struct {
		name string
		run  func(context.Context, *suite) error
	}{{"broadcast", tailOfBroadcasts}, {"stalled", tailOfStalled}, {"overflow", tailOfOverflow}}
	for _, name := range s.only {
		if name != "broadcast" && name != "stalled" && name != "overflow" {
			return fmt.Errorf("there is no case %q", name)
		}
	}
	for _, c := range cases {
		if s.isChosen(c.name) {
			if err := c.run(ctx, s); err != nil {
				return fmt.Errorf("case %s: %w", c.name, err)
			}
		}
	}
	return nil
}

func tailOfBroadcasts(ctx context.Context, s *suite) error {
	var quiet, apart, together []figures
	for rep := range s.reps {
		for _, step := range []struct {
			name string
			runs *[]figures
			run  func(context.Context) (figures, error)
		}{
			{"quiet", &quiet, func(ctx context.Context) (figures, error) { return s.measure(ctx, s.sio(), s.tailLoads().probe) }},
			{"apart", &apart, s.probeApart},
			{"together", &together, s.probeTogether},
		} {
			f, err := step.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
			*step.runs = append(*step.runs, f)
			s.say("%d/%d %-9s echo p99 %s µs", rep+1, s.reps, step.name, short(f["p99_us"]))
		}
	}

	t := &table{
		title: fmt.Sprintf("Echo and joins beside broadcasts to 5,000, µs: median of %d (smallest–largest)", s.reps),
		head:  []string{"", "no broadcasts", "in another process", "in the same server"},
	}
	for _, row := range [][2]string{
		{"echo, half", "p50_us"}, {"echo, 99 %", "p99_us"}, {"echo, 99.9 %", "p999_us"},
		{"join, half", "join_p50_us"}, {"join, 99 %", "join_p99_us"}, {"longest call of Socket.Join", "join_longest_us"},
		{"all deliveries of a broadcast, half", "fan_last_receiver_p50_us"},
		{"the collector's pauses, number", "gc_pauses"}, {"the longest of them", "gc_pause_max_us"},
		{"collections a second", "gc_per_s"}, {"allocated, KiB a second", "alloc_kib_per_s"},
		{"allocated, bytes a delivery", "alloc_bytes_per_delivery"},
	} {
		t.add(row[0], by(quiet, row[1]).String(), by(apart, row[1]).String(), by(together, row[1]).String())
	}
	t.print(s.out, s.markdown)

	goals := &table{title: "Goals", head: []string{"", "goal", "figure", ""}}
	ratio := 0.0
	if base := by(apart, "p99_us").median(); base > 0 {
		ratio = by(together, "p99_us").median() / base
	}
	goals.verdict("echo, 99 %: same server to another process", "at most 2", short(ratio), ratio <= 2)
	worst := sample{slices.Max(append(by(together, "join_longest_us"), 0))}
	goals.verdict("longest call of Socket.Join, of all runs, µs", "at most 5,000", worst.String(), worst.median() <= 5000)
	goals.print(s.out, s.markdown)
	return nil
}

// probeTogether probes the server that broadcasts.
func (s *suite) probeTogether(ctx context.Context) (figures, error) {
	p, err := start(ctx, s.sio())
	if err != nil {
		return nil, err
	}
	defer p.stop()
	return s.probeDuring(ctx, p, p)
}

// probeApart probes a server while another broadcasts.
func (s *suite) probeApart(ctx context.Context) (figures, error) {
	p, err := start(ctx, s.sio())
	if err != nil {
		return nil, err
	}
	defer p.stop()
	other, err := start(ctx, s.sio())
	if err != nil {
		return nil, err
	}
	defer other.stop()
	return s.probeDuring(ctx, p, other)
}

// probeDuring loads one server with the probe while the other broadcasts, and
// adds to the probe's figures what the probed server says of its memory.
func (s *suite) probeDuring(ctx context.Context, probed, broadcasting *process) (figures, error) {
	fan, err := s.begin(ctx, broadcasting, s.tailLoads().fan)
	if err != nil {
		return nil, err
	}
	if err := fan.ready(); err != nil {
		return nil, err
	}
	before, err := probed.stats(ctx)
	if err != nil {
		return nil, err
	}
	f, err := s.load(ctx, probed, s.tailLoads().probe)
	if err != nil {
		return nil, err
	}
	sent, err := fan.wait()
	if err != nil {
		return nil, err
	}
	after, err := probed.stats(ctx)
	if err != nil {
		return nil, err
	}
	f["fan_last_receiver_p50_us"] = sent["last_receiver_p50_us"]
	for _, key := range []string{"join_longest_us", "gc_pauses", "gc_pause_max_us"} {
		f[key] = after[key]
	}
	if probed == broadcasting {
		allocated := after["alloc_bytes"] - before["alloc_bytes"]
		seconds := sent["deliveries"] / sent["deliveries_per_s"]
		f["gc_per_s"] = (after["gc_cycles"] - before["gc_cycles"]) / seconds
		f["alloc_kib_per_s"] = allocated / 1024 / seconds
		f["alloc_bytes_per_delivery"] = allocated / sent["deliveries"]
	}
	return f, nil
}

func tailOfStalled(ctx context.Context, s *suite) error {
	l := s.tailLoads()
	return s.tailWith(ctx, "16 KB messages", l.readers, l.stalled)
}

// tailOfOverflow is tailOfStalled until all that do not read were closed, as
// slow consumers, while the others were served.
func tailOfOverflow(ctx context.Context, s *suite) error {
	l := s.tailLoads()
	return s.tailWith(ctx, "40 KB messages, more than is kept for those who do not read", l.overflowReaders, l.overflow)
}

// tailWith compares what members of a room wait for a message when all read and
// when one in a hundred does not. That those who read got everything is checked
// by the load.
func (s *suite) tailWith(ctx context.Context, what, readers, stalled string) error {
	var without, with []figures
	for rep := range s.reps {
		for _, step := range []struct {
			name, load string
			runs       *[]figures
		}{{"all read", readers, &without}, {"1 % stalled", stalled, &with}} {
			f, err := s.stall(ctx, step.load)
			if err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
			*step.runs = append(*step.runs, f)
			s.say("%d/%d %-11s receivers p99 %s µs, %s closed", rep+1, s.reps, step.name, short(f["receiver_p99_us"]), short(f["slow_consumers"]))
		}
	}
	t := &table{
		title: fmt.Sprintf("A room of 5,000 with %s, µs until those who read have one: median of %d (smallest–largest)", what, s.reps),
		head:  []string{"", "4,950 who read", "and 50 who do not"},
	}
	for _, row := range [][2]string{
		{"half", "receiver_p50_us"}, {"99 %", "receiver_p99_us"}, {"99.9 %", "receiver_p999_us"},
		{"CPU for each delivery", "cpu_us_per_delivery"}, {"closed as slow consumers, of 50", "slow_consumers"},
	} {
		t.add(row[0], by(without, row[1]).String(), by(with, row[1]).String())
	}
	t.print(s.out, s.markdown)
	goals := &table{title: "Goal", head: []string{"", "goal", "figure", ""}}
	ratio := 0.0
	if base := by(without, "receiver_p99_us").median(); base > 0 {
		ratio = by(with, "receiver_p99_us").median() / base
	}
	goals.verdict("99 % of the deliveries to those who read: with to without", "at most 2", short(ratio), ratio <= 2)
	goals.print(s.out, s.markdown)
	return nil
}

// stall loads a fresh server, and adds how many clients it has closed as slow
// consumers to what the load found.
func (s *suite) stall(ctx context.Context, load string) (figures, error) {
	p, err := start(ctx, s.sio())
	if err != nil {
		return nil, err
	}
	defer p.stop()
	l, err := s.begin(ctx, p, load)
	if err != nil {
		return nil, err
	}
	if err := l.ready(); err != nil {
		return nil, err
	}
	before, err := p.stats(ctx)
	if err != nil {
		return nil, err
	}
	f, err := l.wait()
	if err != nil {
		return nil, err
	}
	after, err := p.stats(ctx)
	if err != nil {
		return nil, err
	}
	f["slow_consumers"] = after["slow_consumers"]
	return f, s.checkClosed(load, before["slow_consumers"], after["slow_consumers"], f["stalled"])
}

// checkClosed says whether the right clients were closed as slow consumers:
// none before the measurement, none that reads, and in the case of overflow all
// that do not.
func (s *suite) checkClosed(load string, before, after, stalled float64) error {
	switch {
	case before != 0:
		return fmt.Errorf("%v clients were closed before the measurement began", before)
	case after > stalled:
		return fmt.Errorf("%v clients were closed as slow consumers, and %v did not read", after, stalled)
	case load == s.tailLoads().overflow && after < stalled:
		return fmt.Errorf("%v of %v clients that did not read were closed as slow consumers, expected all", after, stalled)
	}
	return nil
}

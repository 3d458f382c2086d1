//go:build linux

package main

import (
	"context"
	"fmt"
)

// A kind is one kind of traffic.
type kind struct {
	name    string
	load    string // arguments of loadgen
	small   string // the same, to see that it works
	ours    string // arguments of contract
	floor   string // what it is compared with, and its arguments
	figures []figure
}

// A figure is one result of it. Its goal is a ratio to the floor in the same
// run, or a number: machines differ, but bytes do not. Some have none: they tell
// what others are made of.
type figure struct {
	title, key, unit string
	ratio, atMost    float64
}

// kinds are run in this order. The goals are those that the project set itself
// when it began, from prototypes and from other servers on one machine.
var kinds = []kind{
	{"idle", "-mode idle -n 10000 -settle 4s", "-mode idle -n 200 -settle 50ms", "", "floor-gobwas", []figure{
		{"memory of an idle connection", "anon_bytes_per_conn", "B", 0, 2500},
		{"handshake: WebSocket and CONNECT", "cpu_us_per_handshake", "µs", 1.32, 0},
	}},
	{"plain", "-mode idle -n 10000 -settle 4s", "-mode idle -n 200 -settle 50ms", "-plain", "floor-gobwas -http", []figure{
		{"handshake through net/http; the floor, too", "cpu_us_per_handshake", "µs", 0, 0},
	}},
	{"used", "-mode idle -n 10000 -touch 3 -settle 4s", "-mode idle -n 200 -touch 2 -settle 50ms", "", "floor-gobwas", []figure{
		{"memory of an idle connection that was used", "anon_bytes_per_conn", "B", 0, 3000},
	}},
	{"echo", "-mode echo -n 200 -t 3s", "-mode echo -n 20 -warm 100ms -t 300ms", "", "floor-gobwas", []figure{
		{"echo, JSON, one at a time", "cpu_us_per_rt", "µs", 1.11, 0},
	}},
	{"pipelined", "-mode echo -n 50 -p 16 -t 3s", "-mode echo -n 10 -p 4 -warm 100ms -t 300ms", "", "floor-gobwas", []figure{
		{"echo, JSON, 16 in flight", "cpu_us_per_rt", "µs", .95, 0},
	}},
	{"rate", "-mode echo -n 200 -rate 5000 -t 4s", "-mode echo -n 20 -rate 200 -joins 20 -warm 100ms -t 300ms", "", "floor-gobwas", []figure{
		{"echo, JSON, 5,000 a second in all", "cpu_us_per_rt", "µs", 1.07, 0},
	}},
	{"binary", "-mode echo -n 200 -binary -t 3s", "-mode echo -n 20 -binary -warm 100ms -t 300ms", "", "floor-gobwas", []figure{
		{"echo, 1 KiB binary", "cpu_us_per_rt", "µs", 1.09, 0},
	}},
	{"broadcast", "-mode broadcast -n 5000 -m 40 -nap 1ms", "-mode broadcast -n 100 -m 5", "", "floor-gobwas", []figure{
		{"broadcast to 5,000, per delivery", "cpu_us_per_delivery", "µs", .96, 0},
	}},
	{"rooms", "-mode rooms -n 5000 -m 1000 -rooms 100 -joined 3 -window 4 -nap 1ms", "-mode rooms -n 100 -m 20 -rooms 10", "", "floor-gobwas", []figure{
		{"100 rooms of 150, per delivery", "cpu_us_per_delivery", "µs", .98, 0},
	}},
	{"polling", "-mode polling -n 100 -t 3s", "-mode polling -n 20 -warm 100ms -t 300ms", "", "floor-http", []figure{
		{"long-polling, one POST and one GET", "cpu_us_per_rt", "µs", 1.09, 0},
	}},
	{"duties", "-mode polling -n 100 -t 3s", "-mode polling -n 20 -warm 100ms -t 300ms", "", "floor-http -duties", []figure{
		{"the same, beside a floor with duties", "cpu_us_per_rt", "µs", 0, 0},
	}},
	{"storm", "-mode storm -n 20000 -settle 1s", "-mode storm -n 200 -conc 20 -settle 50ms", "", "floor-gobwas", []figure{
		{"connect, one event, leave", "cpu_us_per_cycle", "µs", 1.30, 0},
	}},
}

func (k kind) args(short bool) string {
	if short {
		return k.small
	}
	return k.load
}

// runCases runs every kind against this server and its floor, one after the
// other, again and again, so that what else happens on the machine meets both.
func runCases(ctx context.Context, s *suite) error {
	if len(s.only) > 0 {
		for _, name := range s.only {
			if !isKind(name) {
				return fmt.Errorf("there is no case %q", name)
			}
		}
	}
	runs := map[string][]figures{} // by kind and server
	for rep := range s.reps {
		for _, k := range kinds {
			if !s.isChosen(k.name) {
				continue
			}
			for _, srv := range s.servers(k) {
				f, err := s.measure(ctx, srv, k.args(s.short)+" -case "+k.name)
				if err != nil {
					return fmt.Errorf("case %s: %w", k.name, err)
				}
				s.say("%d/%d %-9s %-7s %s %s", rep+1, s.reps, k.name, srv.name, short(f[k.figures[0].key]), k.figures[0].unit)
				runs[k.name+srv.name] = append(runs[k.name+srv.name], f)
			}
		}
	}
	s.caseTable(runs).print(s.out, s.markdown)
	return nil
}

func isKind(name string) bool {
	for _, k := range kinds {
		if k.name == name {
			return true
		}
	}
	return false
}

func (s *suite) servers(k kind) []server {
	all := []server{s.server("sio", "contract "+k.ours), s.server("floor", k.floor)}
	if s.node != "" && k.ours == "" {
		all = append(all, s.nodejs())
	}
	return all
}

func (s *suite) caseTable(runs map[string][]figures) *table {
	t := &table{
		title: fmt.Sprintf("Per operation, server process alone: median of %d (smallest–largest)", s.reps),
		head:  []string{"", "", "sio", "floor", "ratio", "goal"},
	}
	if s.node != "" {
		t.head = append(t.head, "Node.js")
	}
	for _, k := range kinds {
		if !s.isChosen(k.name) {
			continue
		}
		for _, f := range k.figures {
			ours, floor := by(runs[k.name+"sio"], f.key), by(runs[k.name+"floor"], f.key)
			row := []string{f.title, f.unit, ours.String(), floor.String(), "–", f.goal(ours, floor)}
			if floor.median() > 0 {
				row[4] = short(ours.median() / floor.median())
			}
			if s.node != "" {
				row = append(row, by(runs[k.name+"Node.js"], f.key).String())
			}
			t.add(row...)
		}
	}
	return t
}

// goal is what was to be reached, and whether it was.
func (f figure) goal(ours, floor sample) string {
	if f.ratio == 0 && f.atMost == 0 {
		return "–"
	}
	text, reached := "ratio "+short(f.ratio), ours.median() <= f.ratio*floor.median()
	if f.atMost > 0 {
		text, reached = short(f.atMost)+" "+f.unit, ours.median() <= f.atMost
	}
	if reached {
		return text + ": reached"
	}
	return text + ": missed"
}

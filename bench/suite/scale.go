//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// A curve is the cost of things as the number of something grows.
type curve struct {
	name  string
	title string
	args  string
	flag  string // what grows
	sizes []int
	small []int
	costs []cost
	floor func(*suite) server // what to compare the growth with; nil is nothing
	plus  int                 // what there is besides, to be counted in
}

// A cost is one figure of a curve.
type cost struct{ title, key, unit string }

var (
	connectionCosts = []cost{
		{"connecting", "cpu_us_per_handshake", "µs"},
		{"memory", "anon_bytes_per_conn", "B"},
		{"memory after a collection", "live_anon_bytes_per_conn", "B"},
		{"joining a room", "cpu_us_per_join", "µs"},
		{"echo", "cpu_us_per_rt", "µs"},
		{"broadcast, per delivery", "cpu_us_per_delivery", "µs"},
	}
	curves = []curve{
		{"websocket", "Connections over WebSocket", "-transport websocket", "-n", []int{1000, 5000, 15000}, []int{50, 150}, connectionCosts, (*suite).floor, 0},
		{"polling", "Connections over long-polling", "-transport polling", "-n", []int{1000, 5000, 15000}, []int{50, 150}, connectionCosts, (*suite).floorHTTP, 0},
		{"upgrade", "Connections that were upgraded", "-transport upgrade", "-n", []int{1000, 5000, 15000}, []int{50, 150}, connectionCosts, nil, 0},
		{"rooms", "Rooms, with 5,000 connections: ten rooms that are sent to, and others beside them", "-n 5000", "-spare-rooms", []int{0, 990, 99990}, []int{0, 90}, []cost{
			{"making a room and joining it", "cpu_us_per_spare_room", "µs"},
			{"memory of a room with one member", "anon_bytes_per_spare_room", "B"},
			{"echo", "cpu_us_per_rt", "µs"},
			{"broadcast to one room, per delivery", "cpu_us_per_delivery", "µs"},
		}, (*suite).floor, sentRooms},
		{"namespaces", "Namespaces, with 5,000 connections in / and in one of them each", "-n 5000", "-namespaces", []int{1, 100, 1000}, []int{1, 10}, []cost{
			{"joining a namespace", "cpu_us_per_namespace_connect", "µs"},
			{"memory of a connection with two sockets", "anon_bytes_per_conn", "B"},
			{"the same after a collection", "live_anon_bytes_per_conn", "B"},
			{"echo in a namespace", "cpu_us_per_rt", "µs"},
			{"broadcast in /, per delivery", "cpu_us_per_delivery", "µs"},
		}, nil, 0},
	}
)

// sentRooms is how many rooms loadgen sends to, whatever others there are.
const sentRooms = 10

// runScale prints each curve with the ratio of the largest size to the
// smallest. A cost that grows with the number shows as a ratio above 1, unless
// that of the floor, for which the caches of the machine grow no larger either,
// is above 1 as well.
func runScale(ctx context.Context, s *suite) error {
	for _, name := range s.only {
		if !slices.ContainsFunc(curves, func(c curve) bool { return c.name == name }) {
			return fmt.Errorf("there is no curve %q", name)
		}
	}
	for _, c := range curves {
		if !s.isChosen(c.name) {
			continue
		}
		ours, floor, err := s.runCurve(ctx, c)
		if err != nil {
			return fmt.Errorf("curve %s: %w", c.name, err)
		}
		s.curveTable(c, ours, floor).print(s.out, s.markdown)
	}
	return nil
}

// runCurve returns the runs at each size.
func (s *suite) runCurve(ctx context.Context, c curve) (ours, floor [][]figures, err error) {
	args, sizes := "-mode scale -nap 1ms "+c.args, c.sizes
	if s.short {
		args, sizes = "-mode scale -m 10 -trips 300 -settle 50ms "+c.args+" -n 50", c.small
	}
	ours, floor = make([][]figures, len(sizes)), make([][]figures, len(sizes))
	for rep := range s.reps {
		for i, size := range sizes {
			measure := func(srv server, runs [][]figures) error {
				f, err := s.measure(ctx, srv, args+" -case "+c.name+" "+c.flag+" "+strconv.Itoa(size))
				runs[i] = append(runs[i], f)
				s.say("%d/%d %-10s %7d %s", rep+1, s.reps, c.name, size, srv.name)
				return err
			}
			if err := measure(s.sio(), ours); err != nil {
				return nil, nil, err
			}
			if c.floor == nil {
				continue
			}
			if err := measure(c.floor(s), floor); err != nil {
				return nil, nil, err
			}
		}
	}
	return ours, floor, nil
}

func (s *suite) curveTable(c curve, ours, floor [][]figures) *table {
	t := &table{title: c.title, head: []string{"", ""}}
	sizes := c.sizes
	if s.short {
		sizes = c.small
	}
	for _, size := range sizes {
		t.head = append(t.head, thousands(int64(size+c.plus)))
	}
	t.head = append(t.head, "largest to smallest")
	if c.floor != nil {
		t.head = append(t.head, "the same of the floor")
	}
	for _, what := range c.costs {
		row := []string{what.title, what.unit}
		for _, at := range ours {
			row = append(row, by(at, what.key).String())
		}
		row = append(row, growth(ours, what.key))
		if c.floor != nil {
			row = append(row, growth(floor, what.key))
		}
		t.add(row...)
	}
	return t
}

// growth is the ratio of the figure at the largest size to that at the smallest
// size that has it.
func growth(runs [][]figures, key string) string {
	var points []float64
	for _, at := range runs {
		if v := by(at, key); len(v) > 0 {
			points = append(points, v.median())
		}
	}
	if n := len(points); n > 1 && points[0] > 0 {
		return short(points[n-1] / points[0])
	}
	return "–"
}

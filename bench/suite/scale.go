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
	name    string
	title   string
	args    string
	flag    string // what grows
	sizes   []int
	small   []int
	costs   []cost
	counted func(size int) int // what a size means, if it is not the flag itself
}

// A cost is one figure of a curve.
type cost struct{ title, key, unit string }

var (
	connectionCosts = []cost{
		{"connecting", "cpu_us_per_handshake", "µs"},
		{"memory", "anon_bytes_per_conn", "B"},
		{"memory after a collection", "live_anon_bytes_per_conn", "B"},
		{"being idle, per minute", "idle_cpu_us_per_conn_minute", "µs"},
		{"joining a room", "cpu_us_per_join", "µs"},
		{"echo", "cpu_us_per_rt", "µs"},
		{"broadcast, per delivery", "cpu_us_per_delivery", "µs"},
	}
	curves = []curve{
		{"websocket", "Connections over WebSocket", "-transport websocket -hold 10s", "-n", []int{1000, 5000, 15000}, []int{50, 100, 150}, connectionCosts, nil},
		{"polling", "Connections over long-polling", "-transport polling -hold 10s", "-n", []int{1000, 5000, 15000}, []int{50, 100, 150}, connectionCosts, nil},
		{"upgrade", "Connections that were upgraded", "-transport upgrade -hold 10s", "-n", []int{1000, 5000, 15000}, []int{50, 100, 150}, connectionCosts, nil},
		{"rooms", "Rooms, with 5,000 connections: ten rooms that are sent to, and others beside them", "-n 5000", "-spare-rooms", []int{0, 990, 99990}, []int{0, 40, 90}, []cost{
			{"making a room and joining it", "cpu_us_per_spare_room", "µs"},
			{"memory of a room with one member", "anon_bytes_per_spare_room", "B"},
			{"echo", "cpu_us_per_rt", "µs"},
			{"broadcast to one room, per delivery", "cpu_us_per_delivery", "µs"},
		}, func(size int) int { return size + 10 }},
		{"namespaces", "Namespaces, with 5,000 connections in / and in one of them each", "-n 5000", "-namespaces", []int{1, 100, 1000}, []int{1, 5, 10}, []cost{
			{"joining a namespace", "cpu_us_per_namespace_connect", "µs"},
			{"memory of a connection with two sockets", "anon_bytes_per_conn", "B"},
			{"the same after a collection", "live_anon_bytes_per_conn", "B"},
			{"echo in a namespace", "cpu_us_per_rt", "µs"},
			{"broadcast in /, per delivery", "cpu_us_per_delivery", "µs"},
		}, nil},
	}
)

// runScale prints each curve with the ratio of the largest size to the
// smallest. A cost that grows with the number shows as a ratio above 1.
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
		runs := make([][]figures, len(c.sizes))
		for rep := range s.reps {
			for i := range c.sizes {
				args, size := "-mode scale -nap 1ms "+c.args, c.sizes[i]
				if s.short {
					args, size = "-mode scale -m 10 -trips 300 -settle 50ms "+c.args, c.small[i]
					args += " -n 50 -hold 0s"
				}
				f, err := s.measure(ctx, s.sio(), args+" "+c.flag+" "+strconv.Itoa(size))
				if err != nil {
					return fmt.Errorf("curve %s at %d: %w", c.name, size, err)
				}
				runs[i] = append(runs[i], f)
				s.say("%d/%d %-10s %7d", rep+1, s.reps, c.name, size)
			}
		}
		s.curveTable(c, runs).print(s.out, s.markdown)
	}
	return nil
}

func (s *suite) curveTable(c curve, runs [][]figures) *table {
	t := &table{title: c.title, head: []string{"", ""}}
	sizes := c.sizes
	if s.short {
		sizes = c.small
	}
	for _, size := range sizes {
		if c.counted != nil {
			size = c.counted(size)
		}
		t.head = append(t.head, thousands(int64(size)))
	}
	t.head = append(t.head, "largest to smallest")
	for _, what := range c.costs {
		row := []string{what.title, what.unit}
		var points []float64
		for _, at := range runs {
			v := by(at, what.key)
			row = append(row, v.String())
			if len(v) > 0 {
				points = append(points, v.median())
			}
		}
		ratio := "–"
		if n := len(points); n > 1 && points[0] > 0 {
			ratio = short(points[n-1] / points[0])
		}
		t.add(append(row, ratio)...)
	}
	return t
}

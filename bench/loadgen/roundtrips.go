//go:build linux

package main

import (
	"fmt"
	"time"
)

// roundTrips keeps one emit with acknowledgement in flight on each of n
// long-polling clients, which have two connections of their own each, like
// browsers. A round trip is over when the POST is answered and a GET has
// brought the acknowledgement.
func roundTrips(l *loop, cfg config, r *report) error {
	f := newFleet(l, cfg)
	r.set("n", f.n)
	start := readUsage(f.pid)
	var (
		half    = make([]int, f.n) // what has come of the two: 2 is both
		began   = make([]time.Time, f.n)
		running bool
		timing  bool
		trips   int64
		took    histogram
		bad     error
	)
	trip := func(c *client) {
		half[c.index], began[c.index] = 0, time.Now()
		c.send(`20["echo",` + echoArg + `]`)
	}
	came := func(c *client) {
		if half[c.index]++; half[c.index] < 2 || !running {
			return
		}
		if timing {
			trips++
			took.add(time.Since(began[c.index]))
		}
		trip(c)
	}
	for i := range f.n {
		if err := f.until(func() bool { return i-f.ready < f.conc }); err != nil {
			return err
		}
		c, err := dialPolling(l, i, f, f.newPool(1), false)
		if err != nil {
			return err
		}
		f.clients = append(f.clients, c)
	}
	if err := f.until(func() bool { return f.ready == f.n && f.noPosts() }); err != nil {
		return err
	}
	f.connected(r, start)

	f.packet = func(c *client, data []byte) {
		_, args, ok := ackID(data)
		if c.got++; !ok || c.got == 1 && !same(args, []byte("["+echoArg+"]")) {
			bad = fmt.Errorf("wrong acknowledgement: %.80q", data)
			return
		}
		came(c)
	}
	running = true
	for _, c := range f.clients {
		// A pong goes along with the emit or before it, and makes no trip.
		c.polling.posted = func(body string) {
			if body[0] == '4' || len(body) > 1 {
				came(c)
			}
		}
		trip(c)
	}
	wait := func(d time.Duration) error {
		end := time.Now().Add(d)
		return first(f.until(func() bool { return bad != nil || time.Now().After(end) }), bad)
	}
	if err := wait(f.warm); err != nil {
		return err
	}
	timing, start = true, readUsage(f.pid)
	if err := wait(f.duration); err != nil {
		return err
	}
	wall, cpu, user := readUsage(f.pid).since(start)
	timing, running = false, false
	r.set("trips", trips)
	r.set("trips_per_s", float64(trips)/wall.Seconds())
	r.set("cpu_us_per_rt", per(cpu, trips))
	r.set("user_us_per_rt", user*per(cpu, trips))
	r.set("server_cores_used", cpu.Seconds()/wall.Seconds())
	r.latencies("", &took)
	return f.until(func() bool {
		for _, n := range half {
			if n < 2 {
				return false
			}
		}
		return true
	})
}

// noPosts reports whether no POST waits for its answer.
func (f *fleet) noPosts() bool {
	for _, c := range f.clients {
		if c.polling.posting {
			return false
		}
	}
	return true
}

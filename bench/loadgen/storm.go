//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"
)

// storm runs n cycles of connect, one emit with acknowledgement, disconnect. It
// reports the server's CPU for each, and memory and descriptors early and late:
// what grows with the cycles is a leak.
func storm(l *loop, cfg config, r *report) error {
	f := newFleet(l, cfg)
	r.set("cycles", f.n)
	r.set("conc", f.conc)
	frame := textFrame(`420["echo",` + echoArg + `]`)
	var (
		begun, finished   int
		hung, dropped     int
		bad               error
		active            = map[*client]time.Time{} // since when
		swept             = time.Now()
		descriptorsBefore int
	)
	// One client stays, to ask for collections.
	if err := f.connect(1); err != nil {
		return err
	}
	descriptorsBefore = descriptors(f.pid)
	f.opened = func(c *client) { c.write(frame) }
	f.packet = func(c *client, data []byte) {
		if _, _, ok := ackID(data); !ok {
			bad = fmt.Errorf("expected an acknowledgement, got %.80q", data)
		}
		c.bye()
	}
	f.gone = func(c *client) {
		if c == f.clients[0] {
			bad = first(f.lost, errors.New("the client that stays was closed"))
			return
		}
		if f.lost != nil { // closed by the server before its turn
			f.lost = nil
			dropped++
		}
		delete(active, c)
		finished++
	}
	cycles := func(until int) error {
		for finished < until {
			for begun < until && begun-finished < f.conc {
				c, err := f.dial(1 + begun)
				if err != nil {
					return err
				}
				active[c] = time.Now()
				begun++
			}
			if err := l.poll(5 * time.Millisecond); err != nil {
				return err
			}
			if now := time.Now(); now.Sub(swept) > time.Second {
				swept = now
				for c, since := range active {
					if now.Sub(since) > patience {
						hung++
						c.giveUp()
					}
				}
			}
			if time.Now().After(f.deadline) {
				return fmt.Errorf("%d cycles: %w", finished, errLimit)
			}
			if bad != nil {
				return bad
			}
		}
		return nil
	}
	if err := cycles(f.n / 10); err != nil {
		return err
	}
	collected, early, err := f.collected()
	if err != nil {
		return err
	}
	start := readUsage(f.pid)
	if err := cycles(f.n); err != nil {
		return err
	}
	wall, cpu, user := readUsage(f.pid).since(start)
	n := int64(f.n - f.n/10)
	r.set("hung", hung)
	r.set("dropped", dropped)
	r.set("cycles_per_s", float64(n)/wall.Seconds())
	r.set("cpu_us_per_cycle", per(cpu, n))
	r.set("user_us_per_cycle", user*per(cpu, n))
	if err := f.rest(f.settle); err != nil {
		return err
	}
	_, late, err := f.collected()
	r.set("collected", collected)
	r.set("anon_at_10_percent", early.anon)
	r.set("anon_at_end", late.anon)
	r.set("descriptors_before", descriptorsBefore)
	r.set("descriptors_after", descriptors(f.pid))
	return first(err, bad, f.lost)
}

// collected is what the server holds, after a collection if it does that.
func (f *fleet) collected() (bool, memory, error) {
	did, err := f.collect()
	return did, readMemory(f.pid), err
}

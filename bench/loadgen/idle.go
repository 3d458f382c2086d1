//go:build linux

package main

// idle opens n clients and reports what each of them costs the server at rest.
func idle(l *loop, cfg config, r *report) error {
	f := newFleet(l, cfg)
	r.set("n", f.n)
	r.set("transport", f.transport)
	r.set("touch", f.touch)
	before, start := readMemory(f.pid), readUsage(f.pid)
	if err := f.connect(f.n); err != nil {
		return err
	}
	f.connected(r, start)
	if err := f.touchAll(); err != nil {
		return err
	}
	if err := f.atRest(r, before); err != nil {
		return err
	}
	return f.lost
}

// connected reports what the handshakes cost.
func (f *fleet) connected(r *report, start usage) {
	wall, cpu, user := readUsage(f.pid).since(start)
	wall -= f.stalled
	if f.replaced > 0 {
		r.set("replaced", f.replaced)
	}
	r.set("handshakes_per_s", float64(f.n)/wall.Seconds())
	r.set("cpu_us_per_handshake", per(cpu, int64(f.n)))
	r.set("user_us_per_handshake", user*per(cpu, int64(f.n)))
}

// atRest reports what the clients hold when nothing happens, and what doing
// nothing costs if the run holds them.
func (f *fleet) atRest(r *report, before memory) error {
	each := func(now, was int64) int64 { return (now - was) / int64(f.n) }
	if err := f.rest(f.settle); err != nil {
		return err
	}
	m := readMemory(f.pid)
	r.set("anon_before", before.anon)
	r.set("anon_after", m.anon)
	r.set("rss_bytes_per_conn", each(m.rss, before.rss))
	r.set("anon_bytes_per_conn", each(m.anon, before.anon))
	r.set("descriptors", descriptors(f.pid))
	if f.hold > 0 {
		u := readUsage(f.pid)
		if err := f.rest(f.hold); err != nil {
			return err
		}
		wall, cpu, _ := readUsage(f.pid).since(u)
		r.set("hold_s", wall.Seconds())
		r.set("idle_cpu_us_per_conn_minute", per(cpu, int64(f.n))*60/wall.Seconds())
	}
	// After a collection it shows what is really held.
	collected, err := f.collect()
	if collected {
		m := readMemory(f.pid)
		r.set("live_anon_bytes_per_conn", each(m.anon, before.anon))
	}
	return err
}

// touchAll has every client do some round trips: buffers and stacks that grow
// in use are part of what a connection costs.
func (f *fleet) touchAll() error {
	packet := `20["echo",` + echoArg + `]`
	acks, sent := 0, 0
	f.packet = func(*client, []byte) { acks++ }
	defer func() { f.packet = nil }()
	for range f.touch {
		for _, c := range f.clients {
			c.send(packet)
			sent++
			if err := f.until(func() bool { return sent-acks < f.conc }); err != nil {
				return err
			}
		}
	}
	return f.until(func() bool { return acks == sent })
}

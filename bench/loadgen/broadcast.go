//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A broadcasting run has one client ask the server to emit to everybody, or to
// one room after another, and counts what arrives.
type broadcasting struct {
	*fleet
	arg      string
	triggers [][]byte // frames, sent in turn
	members  []int    // receivers of each, those aside who do not read
	everyone bool     // each broadcast goes to all: a client's n-th message is the n-th broadcast

	sentAt    []time.Time
	complete  []int64 // how many deliveries complete each broadcast
	finished  int     // broadcasts of which that is known
	expected  int64
	delivered int64
	timing    bool
	took      histogram // until one receiver has it
	tookAll   histogram // until the last has it
	bad       error
}

// Not measured: the first broadcasts grow buffers and stacks.
const warmBroadcasts = 2

// broadcast reports deliveries per second, the server's CPU for each, and how
// long they take.
func broadcast(l *loop, cfg config, r *report) error {
	b := &broadcasting{fleet: newFleet(l, cfg)}
	r.set("n", b.n)
	if err := b.connect(b.n); err != nil {
		return err
	}
	if err := b.connectStalled(); err != nil {
		return err
	}
	if err := b.prepare(r); err != nil {
		return err
	}
	for range warmBroadcasts {
		b.send()
		if err := b.wait(func() bool { return b.delivered == b.expected }); err != nil {
			return err
		}
	}
	l.nap = b.nap
	var err error
	if b.every > 0 {
		fmt.Println(`{"ready":true}`)
		err = b.paced(r)
	} else {
		err = b.closed(r)
	}
	l.nap = 0
	if err != nil {
		return err
	}
	r.set("anon_after", readMemory(b.pid).anon)
	b.rest(200 * time.Millisecond)
	if b.delivered != b.expected {
		return fmt.Errorf("%d messages too many", b.delivered-b.expected)
	}
	return first(b.bad, b.lost)
}

// connectStalled adds clients that will read nothing once they are connected.
// Their receive buffers are as small as can be, so that the server feels it.
func (b *broadcasting) connectStalled() error {
	if b.stalledReaders == 0 {
		return nil
	}
	b.l.rcvbuf, b.l.mss = 1, b.stalledMSS
	err := b.connect(b.n + b.stalledReaders)
	b.l.rcvbuf, b.l.mss = 0, 0
	return err
}

func (b *broadcasting) prepare(r *report) error {
	b.arg = `{"seq":1000001,"from":"user-42","text":"` + strings.Repeat("x", b.size) + `"}` // 120 bytes by default
	b.triggers, b.members, b.everyone = [][]byte{textFrame(`42["broadcast",` + b.arg + `]`)}, []int{b.n}, true
	if b.mode == "rooms" {
		r.set("rooms", b.rooms)
		r.set("joined", b.joined)
		b.triggers, b.members, b.everyone = nil, make([]int, b.rooms), b.rooms == 1
		for k := range b.rooms {
			b.triggers = append(b.triggers, textFrame(`42["room-broadcast","room-`+strconv.Itoa(k)+`",`+b.arg+`]`))
		}
		if err := b.joinRooms(); err != nil {
			return err
		}
	}
	for _, c := range b.clients[b.n:] {
		c.stalled = true
	}
	b.fleet.packet = b.received
	return nil
}

// joinRooms has client i join the rooms i*R .. i*R+R-1, modulo their number,
// and counts the members that read.
func (b *broadcasting) joinRooms() error {
	acks := 0
	b.fleet.packet = func(*client, []byte) { acks++ }
	for i, c := range b.clients {
		var names []string
		for j := range min(b.joined, b.rooms) {
			k := (i*b.joined + j) % b.rooms
			if i < b.n {
				b.members[k]++
			}
			names = append(names, `"room-`+strconv.Itoa(k)+`"`)
		}
		c.send(`20["join",[` + strings.Join(names, ",") + `]]`)
		if err := b.until(func() bool { return i-acks < b.conc }); err != nil {
			return err
		}
	}
	return b.until(func() bool { return acks == len(b.clients) })
}

func (b *broadcasting) send() {
	k := len(b.sentAt) % len(b.triggers)
	b.expected += int64(b.members[k])
	b.sentAt = append(b.sentAt, time.Now())
	b.complete = append(b.complete, b.expected)
	b.clients[0].write(b.triggers[k])
}

var msgPrefix = []byte(`2["msg",`)

func (b *broadcasting) received(c *client, data []byte) {
	if !bytes.HasPrefix(data, msgPrefix) {
		b.bad = fmt.Errorf("expected msg, got %.80q", data)
		return
	}
	if c.got++; c.got == 1 && !same(data[1:], []byte(`["msg",`+b.arg+`]`)) {
		b.bad = fmt.Errorf("wrong msg: %.200q", data)
		return
	}
	if b.everyone && b.timing && c.got <= len(b.sentAt) {
		b.took.add(time.Since(b.sentAt[c.got-1]))
	}
	b.delivered++
}

// wait is until, with an eye on what has come and what is complete.
func (b *broadcasting) wait(condition func() bool) error {
	err := b.until(func() bool {
		for b.finished < len(b.complete) && b.delivered >= b.complete[b.finished] {
			if b.timing {
				b.tookAll.add(time.Since(b.sentAt[b.finished]))
			}
			b.finished++
		}
		return b.bad != nil || condition()
	})
	if err = first(b.bad, err); err != nil {
		return fmt.Errorf("%d of %d delivered: %w", b.delivered, b.expected, err)
	}
	return nil
}

// closed sends a number of broadcasts, a few at a time.
func (b *broadcasting) closed(r *report) error {
	b.timing = true
	base, start := b.delivered, readUsage(b.pid)
	for range b.msgs {
		if err := b.wait(func() bool { return len(b.sentAt)-b.finished < b.window }); err != nil {
			return err
		}
		b.send()
	}
	return b.end(r, base, start)
}

// paced sends one broadcast in each interval, whether or not the one before
// has arrived.
func (b *broadcasting) paced(r *report) error {
	began := time.Now()
	for time.Since(began) < b.warm {
		if err := b.wait(func() bool { return time.Since(b.sentAt[len(b.sentAt)-1]) >= b.every }); err != nil {
			return err
		}
		b.send()
	}
	b.timing = true
	base, start := b.delivered, readUsage(b.pid)
	for next := start.at; next.Sub(start.at) < b.duration; next = next.Add(b.every) {
		if err := b.wait(func() bool { return time.Since(next) >= 0 }); err != nil {
			return err
		}
		b.send()
	}
	return b.end(r, base, start)
}

func (b *broadcasting) end(r *report, base int64, start usage) error {
	if err := b.wait(func() bool { return b.delivered >= b.expected && b.finished == len(b.complete) }); err != nil {
		return err
	}
	wall, cpu, user := readUsage(b.pid).since(start)
	n := b.delivered - base
	r.set("broadcasts", len(b.sentAt)-warmBroadcasts)
	r.set("deliveries", n)
	r.set("deliveries_per_s", float64(n)/wall.Seconds())
	r.set("cpu_us_per_delivery", per(cpu, n))
	r.set("user_us_per_delivery", user*per(cpu, n))
	r.set("server_cores_used", cpu.Seconds()/wall.Seconds())
	r.latencies("last_receiver_", &b.tookAll)
	if b.everyone {
		r.latencies("receiver_", &b.took)
	}
	if b.stalledReaders > 0 {
		r.set("stalled", b.stalledReaders)
	}
	return nil
}

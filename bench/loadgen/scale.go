//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// scale opens n clients over one transport, puts them into rooms and
// namespaces, and reports what each connection, join, round trip and delivery
// costs. Runs with different numbers of one of them make a curve.
//
// What is sent is the same whatever there is besides: each client is in one of
// ten rooms, and every broadcast goes to one of these. Spare rooms have one
// member each, and nothing is sent to them.
func scale(l *loop, cfg config, r *report) error {
	s := &scaling{fleet: newFleet(l, cfg)}
	r.set("n", s.n)
	r.set("transport", s.transport)
	r.set("spare_rooms", s.spareRooms)
	r.set("namespaces", s.namespaces)
	before, start := readMemory(s.pid), readUsage(s.pid)
	if err := s.connect(s.n); err != nil {
		return err
	}
	s.connected(r, start)
	steps := []func(*report) error{s.joinNamespaces, s.joinRooms, s.echoes, s.broadcasts}
	for _, step := range steps {
		if err := step(r); err != nil {
			return err
		}
	}
	return first(s.atRest(r, before), s.lost)
}

type scaling struct{ *fleet }

const sentRooms = 10 // rooms that broadcasts go to

// issue sends the packets that next returns, at most f.conc of them at a time,
// until it has no more, and waits for an answer to each. An answer is whatever
// comes.
func (s *scaling) issue(count int, next func(i int) (c *client, packet string)) error {
	acks := 0
	var bad error
	s.packet = func(_ *client, data []byte) {
		if len(data) == 0 || data[0] != '3' && data[0] != '0' {
			bad = fmt.Errorf("expected an answer, got %.80q", data)
		}
		acks++
	}
	for i := range count {
		if err := first(s.until(func() bool { return bad != nil || i-acks < s.conc }), bad); err != nil {
			return err
		}
		c, packet := next(i)
		c.send(packet)
	}
	return first(s.until(func() bool { return bad != nil || acks == count }), bad)
}

func (s *scaling) joinNamespaces(r *report) error {
	if s.namespaces == 0 {
		return nil
	}
	before, start := readMemory(s.pid), readUsage(s.pid)
	err := s.issue(s.n, func(i int) (*client, string) {
		return s.clients[i], "0/n-" + strconv.Itoa(i%s.namespaces) + ","
	})
	_, cpu, _ := readUsage(s.pid).since(start)
	r.set("cpu_us_per_namespace_connect", per(cpu, int64(s.n)))
	r.set("anon_bytes_per_namespace_connect", (readMemory(s.pid).anon-before.anon)/int64(s.n))
	return err
}

// joinRooms puts every client into one of the rooms that are sent to, and then
// the clients, in turn, into spare ones, ten with each join.
func (s *scaling) joinRooms(r *report) error {
	start := readUsage(s.pid)
	err := s.issue(s.n, func(i int) (*client, string) {
		return s.clients[i], `20["join",["room-` + strconv.Itoa(i%sentRooms) + `"]]`
	})
	_, cpu, _ := readUsage(s.pid).since(start)
	r.set("cpu_us_per_join", per(cpu, int64(s.n)))
	if err != nil || s.spareRooms == 0 {
		return err
	}
	if _, err := s.collect(); err != nil {
		return err
	}
	const each = 10
	before, start := readMemory(s.pid), readUsage(s.pid)
	joins := s.spareRooms / each
	err = s.issue(joins, func(i int) (*client, string) {
		var names []string
		for k := range each {
			names = append(names, `"spare-`+strconv.Itoa(i*each+k)+`"`)
		}
		return s.clients[i%s.n], `20["join",[` + strings.Join(names, ",") + `]]`
	})
	if err != nil {
		return err
	}
	_, cpu, _ = readUsage(s.pid).since(start)
	r.set("cpu_us_per_spare_room", per(cpu, int64(joins*each)))
	if _, err := s.collect(); err != nil {
		return err
	}
	if s.spareRooms >= 10_000 { // fewer are lost among what else the memory of a process does
		r.set("anon_bytes_per_spare_room", (readMemory(s.pid).anon-before.anon)/int64(joins*each))
	}
	return nil
}

// echoes goes through all clients, in their namespaces if they have any.
func (s *scaling) echoes(r *report) error {
	packet := `20["echo",` + echoArg + `]`
	start := readUsage(s.pid)
	err := s.issue(s.trips, func(i int) (*client, string) {
		c := s.clients[i%s.n]
		if s.namespaces > 0 {
			return c, "2/n-" + strconv.Itoa(c.index%s.namespaces) + `,0["echo",` + echoArg + `]`
		}
		return c, packet
	})
	_, cpu, _ := readUsage(s.pid).since(start)
	r.set("cpu_us_per_rt", per(cpu, int64(s.trips)))
	return err
}

// broadcasts sends to the rooms in turn, one broadcast at a time.
func (s *scaling) broadcasts(r *report) error {
	members := make([]int, sentRooms)
	for i := range s.n {
		members[i%sentRooms]++
	}
	arg := `{"seq":1000001,"from":"user-42","text":"` + strings.Repeat("x", 76) + `"}`
	delivered, expected := 0, 0
	var bad error
	s.packet = func(_ *client, data []byte) {
		if !bytes.HasPrefix(data, msgPrefix) {
			bad = fmt.Errorf("expected msg, got %.80q", data)
		}
		delivered++
	}
	defer func() { s.packet = nil }()
	send := func(k int) error {
		s.clients[0].send(`2["room-broadcast","room-` + strconv.Itoa(k) + `",` + arg + `]`)
		expected += members[k]
		return first(s.until(func() bool { return bad != nil || delivered >= expected }), bad)
	}
	if err := send(0); err != nil {
		return err
	}
	s.l.nap = s.nap
	defer func() { s.l.nap = 0 }()
	start, base := readUsage(s.pid), delivered
	for i := range s.msgs {
		if err := send(i % sentRooms); err != nil {
			return fmt.Errorf("%d of %d delivered: %w", delivered, expected, err)
		}
	}
	_, cpu, _ := readUsage(s.pid).since(start)
	s.l.nap = 0
	n := int64(delivered - base)
	r.set("deliveries", n)
	r.set("cpu_us_per_delivery", per(cpu, n))
	if err := s.rest(100 * time.Millisecond); err != nil {
		return err
	}
	if delivered != expected {
		return fmt.Errorf("%d messages too many", delivered-expected)
	}
	return nil
}

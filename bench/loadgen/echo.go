//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

const echoArg = `{"id":12345,"user":"user-42","text":"hello, world","flag":true}` // 64 bytes, about

// An echoing run keeps emits with acknowledgement in flight, or sends them at a
// rate.
type echoing struct {
	*fleet
	frames [][]byte    // one for each id of an acknowledgement
	sent   []time.Time // by id
	free   []bool      // by id: not in flight
	heads  []int       // by client: id of a binary acknowledgement whose bytes are to come
	open   int         // in flight
	ended  bool        // nothing new is sent
	timing bool        // acknowledgements count
	acks   int64
	took   histogram
	bad    error

	joins    map[int]time.Time // by id: when a join was sent
	joined   int
	joinTook histogram
}

var blob = func() []byte {
	b := make([]byte, 1024)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}()

// echo reports round trips per second, their latency, and the server's CPU for
// each. Latency is taken from the moment of sending. With a rate, sending does
// not wait for anything, so a server that halts is seen by all that is sent
// meanwhile.
func echo(l *loop, cfg config, r *report) error {
	e := &echoing{fleet: newFleet(l, cfg), joins: map[int]time.Time{}}
	slots := e.n * e.inflight
	r.set("n", e.n)
	if e.rate > 0 {
		slots = 1 << 16
		r.set("rate", e.rate)
	} else {
		r.set("p", e.inflight)
	}
	r.set("binary", e.config.binary)
	e.prepare(slots)
	if err := e.connect(e.n); err != nil {
		return err
	}
	if err := e.run(r); err != nil {
		return err
	}
	return e.finish()
}

func (e *echoing) prepare(slots int) {
	e.frames, e.sent, e.free = make([][]byte, slots), make([]time.Time, slots), make([]bool, slots)
	e.heads = make([]int, e.n)
	for id := range e.frames {
		e.free[id] = true
		if e.config.binary {
			e.frames[id] = append(textFrame(`451-`+strconv.Itoa(id)+`["echo",{"_placeholder":true,"num":0}]`), clientFrame(opBinary, blob)...)
		} else {
			e.frames[id] = textFrame(`42` + strconv.Itoa(id) + `["echo",` + echoArg + `]`)
		}
	}
	e.fleet.packet, e.fleet.binary = e.onText, e.onBlob
	if e.config.binary {
		e.fleet.packet = e.onHead
	}
}

func (e *echoing) run(r *report) error {
	began, issued := time.Now(), 0
	var start usage
	if e.rate == 0 {
		for id := range e.frames {
			e.emit(e.clients[id%e.n], id)
		}
	}
	for {
		now := time.Now()
		if !e.timing && now.Sub(began) >= e.warm {
			e.timing, start = true, readUsage(e.pid)
		}
		if e.timing && now.Sub(start.at) >= e.duration {
			break
		}
		if e.rate > 0 {
			for due := int(now.Sub(began).Seconds() * float64(e.rate)); issued < due; issued++ {
				id := issued % len(e.frames)
				if !e.free[id] {
					return fmt.Errorf("%d emits are not acknowledged yet", len(e.frames))
				}
				e.emit(e.clients[issued%e.n], id)
			}
			for due := int(now.Sub(began).Seconds() * float64(e.joinRate)); e.joined < due; {
				e.join()
			}
		}
		if err := e.l.poll(time.Millisecond); err != nil {
			return err
		}
		if err := first(e.bad, e.lost); err != nil {
			return err
		}
	}
	wall, cpu, user := readUsage(e.pid).since(start)
	e.ended = true
	r.set("acks", e.acks)
	r.set("acks_per_s", float64(e.acks)/wall.Seconds())
	r.set("cpu_us_per_rt", per(cpu, e.acks))
	r.set("user_us_per_rt", user*per(cpu, e.acks))
	r.set("server_cores_used", cpu.Seconds()/wall.Seconds())
	r.latencies("", &e.took)
	if e.joinRate > 0 {
		r.set("joins", e.joinTook.n)
		r.latencies("join_", &e.joinTook)
	}
	return nil
}

// finish waits for what is still in flight.
func (e *echoing) finish() error {
	end := time.Now().Add(10 * time.Second)
	err := e.until(func() bool { return e.open == 0 && len(e.joins) == 0 || e.bad != nil || time.Now().After(end) })
	if err := first(e.bad, err); err != nil {
		return err
	}
	if e.open != 0 || len(e.joins) != 0 {
		return fmt.Errorf("%d acknowledgements are missing", e.open+len(e.joins))
	}
	return nil
}

func (e *echoing) emit(c *client, id int) {
	e.sent[id], e.free[id] = time.Now(), false
	e.open++
	c.write(e.frames[id])
}

func (e *echoing) onText(c *client, data []byte) {
	id, args, ok := ackID(data)
	if !ok {
		e.bad = fmt.Errorf("expected an acknowledgement, got %.80q", data)
		return
	}
	if id >= len(e.frames) {
		e.onJoined(id)
		return
	}
	if c.got++; c.got == 1 && !same(args, []byte("["+echoArg+"]")) {
		e.bad = fmt.Errorf("wrong echo: %.200q", args)
		return
	}
	e.onAck(c, id)
}

// onHead and onBlob are the two parts of a binary acknowledgement.
func (e *echoing) onHead(c *client, data []byte) {
	rest, ok := bytes.CutPrefix(data, []byte("61-"))
	digits, _, found := bytes.Cut(rest, []byte("["))
	id, err := strconv.Atoi(string(digits))
	if !ok || !found || err != nil {
		e.bad = fmt.Errorf("expected a binary acknowledgement, got %.80q", data)
		return
	}
	e.heads[c.index] = id
}

func (e *echoing) onBlob(c *client, data []byte) {
	if c.got++; c.got == 1 && !bytes.Equal(data, blob) {
		e.bad = fmt.Errorf("wrong binary echo, of %d bytes", len(data))
		return
	}
	e.onAck(c, e.heads[c.index])
}

func (e *echoing) onAck(c *client, id int) {
	if id < 0 || id >= len(e.frames) || e.free[id] {
		e.bad = fmt.Errorf("acknowledgement %d was not expected", id)
		return
	}
	e.free[id] = true
	e.open--
	if e.timing && !e.ended {
		e.acks++
		e.took.add(time.Since(e.sent[id]))
	}
	if e.rate == 0 && !e.ended {
		e.emit(c, id)
	}
}

// join has the next client in turn join a room that nobody else is in.
func (e *echoing) join() {
	id := len(e.frames) + e.joined
	e.joins[id] = time.Now()
	e.clients[e.joined%e.n].send("2" + strconv.Itoa(id) + `["join",["join-` + strconv.Itoa(e.joined) + `"]]`)
	e.joined++
}

func (e *echoing) onJoined(id int) {
	sent, ok := e.joins[id]
	if !ok {
		e.bad = fmt.Errorf("acknowledgement %d was not expected", id)
		return
	}
	delete(e.joins, id)
	if e.timing && !e.ended {
		e.joinTook.add(time.Since(sent))
	}
}

//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// The transports of a fleet.
const (
	overWebSocket = "websocket"
	overPolling   = "polling"
	overUpgrade   = "upgrade" // begins with polling
)

// A fleet is the clients of one run. Modes fill in what they react to.
type fleet struct {
	config
	l        *loop
	clients  []*client
	ready    int
	lost     error // the first unexpected end
	replaced int   // clients that got no answer and were opened anew
	stalled  time.Duration
	deadline time.Time
	pool     *postPool

	opened func(c *client)
	packet func(c *client, data []byte)
	binary func(c *client, data []byte)
	gone   func(c *client)
}

// With so many connections for POSTs, shared, 15,000 polling clients still fit
// into 20,000 descriptors.
const sharedPosts = 64

func newFleet(l *loop, c config) *fleet {
	f := &fleet{config: c, l: l, deadline: time.Now().Add(c.limit)}
	f.pool = f.newPool(sharedPosts)
	return f
}

func (f *fleet) newPool(size int) *postPool {
	return &postPool{l: f.l, size: size, failed: f.lose}
}

func (f *fleet) lose(err error) {
	if f.lost == nil {
		f.lost = err
	}
}

func (f *fleet) onReady(c *client) {
	f.ready++
	if f.opened != nil {
		f.opened(c)
	}
}

func (f *fleet) onPacket(c *client, data []byte) {
	if f.packet != nil {
		f.packet(c, data)
	}
}

func (f *fleet) onBinary(c *client, data []byte) {
	if f.binary != nil {
		f.binary(c, data)
	}
}

func (f *fleet) onClosed(c *client, err error) {
	if err != nil && c.stage != done {
		f.lose(fmt.Errorf("connection %d: %w", c.index, err))
	}
	if f.gone != nil {
		f.gone(c)
	}
}

// dial begins the client with that index, over the transport of the run.
func (f *fleet) dial(index int) (*client, error) {
	var c *client
	var err error
	switch f.transport {
	case overPolling:
		c, err = dialPolling(f.l, index, f, f.pool, false)
	case overUpgrade:
		c, err = dialPolling(f.l, index, f, f.pool, true)
	default:
		c, err = dialWebSocket(f.l, index, f)
	}
	if err != nil {
		return nil, fmt.Errorf("connection %d: %w", index, err)
	}
	return c, nil
}

var errLimit = errors.New("time limit reached")

// until serves the connections until condition holds.
func (f *fleet) until(condition func() bool) error {
	for !condition() {
		if f.lost != nil {
			return f.lost
		}
		if time.Now().After(f.deadline) {
			return errLimit
		}
		if err := f.l.poll(5 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) rest(d time.Duration) error {
	end := time.Now().Add(d)
	return f.until(func() bool { return time.Now().After(end) })
}

// After so long without any progress, a handshake is given up.
const patience = 3 * time.Second

// connect opens clients until there are n, at most f.conc of them at a time, and
// waits for all.
// Those that get no answer are opened anew: they are counted in replaced, and
// the waiting in stalled.
func (f *fleet) connect(n int) error {
	for i := len(f.clients); i < n; i++ {
		if err := f.until(func() bool { return len(f.clients)-f.ready < f.conc }); err != nil {
			return err
		}
		c, err := f.dial(i)
		if err != nil {
			return err
		}
		f.clients = append(f.clients, c)
		if i%16 == 0 { // so that answers do not wait here
			if err := f.l.poll(0); err != nil {
				return err
			}
		}
	}
	for {
		was, since := f.ready, time.Now()
		if err := f.until(func() bool {
			if f.ready > was {
				was, since = f.ready, time.Now()
			}
			return f.ready == n || time.Since(since) > patience
		}); err != nil || f.ready == n {
			return err
		}
		f.stalled += patience
		for i, c := range f.clients {
			if c.stage == ready {
				continue
			}
			c.giveUp()
			f.replaced++
			var err error
			if f.clients[i], err = f.dial(i); err != nil {
				return err
			}
		}
	}
}

// ask emits with an acknowledgement on one client and waits for it, at most so
// long. packet is what follows the id: `["name",...]`.
func (f *fleet) ask(c *client, packet string, wait time.Duration) bool {
	const id = 999_999
	others, got := f.packet, false
	f.packet = func(from *client, data []byte) {
		if n, _, ok := ackID(data); ok && n == id && from == c {
			got = true
		} else if others != nil {
			others(from, data)
		}
	}
	c.send("2" + strconv.Itoa(id) + packet)
	end := time.Now().Add(wait)
	err := f.until(func() bool { return got || time.Now().After(end) })
	f.packet = others
	return err == nil && got
}

// collect has the server collect its garbage, and reports whether it did: that
// part of the contract is optional.
func (f *fleet) collect() (bool, error) {
	if !f.ask(f.clients[0], `["gc"]`, 15*time.Second) {
		return false, f.lost
	}
	return true, f.rest(min(f.settle, time.Second))
}

// same compares two JSON texts by meaning: the order of keys is free.
func same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// first returns the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

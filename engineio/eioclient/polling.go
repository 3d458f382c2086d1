package eioclient

import (
	"iter"

	"github.com/siogo/sio/engineio/eioparser"
)

// keepBody is up to which size the memory of a poll's answer is used again.
const keepBody = 64 << 10

// poll is the life of the poll loop: one GET after the other, until the upgrade
// wants polling to rest or the session ends. first are packets that came
// already, nil if none.
func (c *Conn) poll(first iter.Seq2[eioparser.Packet, error]) {
	if first != nil && !c.receiveAll(first) {
		return
	}
	var buf []byte
	for c.mayPoll() {
		a, err := c.wire.request(c.ctx, request{query: c.cfg.encodeQuery(Polling, c.hs.sid), into: buf})
		if err == nil && a.status != 200 {
			err = newStatusError(a.status, a.location, a.body)
		}
		if err != nil {
			c.pollFailed(err)
			return
		}
		if !c.receiveAll(a.packets(c.cfg.Revision)) {
			return
		}
		if buf = a.body[:0]; cap(buf) > keepBody {
			buf = nil
		}
	}
}

// mayPoll reports whether there is to be another poll. If not, the poll loop
// has ended.
func (c *Conn) mayPoll() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := c.state == open || c.state == closing && !c.goodbye
	if wanted && (c.phase == polling || c.phase == probing) {
		return true
	}
	c.getting = false
	c.switchLocked()
	return false
}

// pollFailed ends the session, unless that is being done: when the server has
// read our goodbye, it knows the session no more, and the writer will learn
// whether it has.
func (c *Conn) pollFailed(err error) {
	c.mu.Lock()
	parting := c.state == closing
	c.mu.Unlock()
	if !parting {
		c.fail(err)
	}
}

// receiveAll handles the packets of a payload, one after the other, and reports
// whether the session goes on.
func (c *Conn) receiveAll(packets iter.Seq2[eioparser.Packet, error]) bool {
	for p, err := range packets {
		if err != nil {
			c.fail(err)
			return false
		}
		if !c.receive(p) {
			return false
		}
	}
	return true
}

package eioclient

import (
	"context"
	"encoding/base64"

	"github.com/siogo/sio/engineio/eioparser"
)

// maxBatch is from how many bytes on no further packet is added to one write
// to a WebSocket.
const maxBatch = 64 << 10

// A batch is what is written at once: as one POST, or as frames in one write.
type batch struct {
	packets  []packet
	messages int // of the application, in packets
	bytes    int // of their content
	last     bool
}

// kickLocked makes sure that there is a writer when there is something to
// write.
func (c *Conn) kickLocked() {
	if c.writing || !c.writableLocked() || !c.workLocked() {
		return
	}
	c.writing = true
	c.goLocked(c.write) // ends when nothing is left to write, or when the session ends
}

func (c *Conn) writableLocked() bool {
	return (c.state == open || c.state == closing) && c.phase != pausing && c.phase != switching
}

func (c *Conn) workLocked() bool {
	return len(c.queue) > 0 || c.owesPing || c.owesPong || c.wsPong != nil && c.phase == switched || c.state == closing && !c.goodbye
}

// write is the life of the writer: it hands what is queued to the transport
// until nothing is left, or the upgrade wants polling to rest.
func (c *Conn) write() {
	b := &c.batch
	for {
		c.mu.Lock()
		c.takeLocked(b)
		if len(b.packets) == 0 && !b.last {
			if c.state != closed {
				c.writing = false
				c.switchLocked()
			}
			c.mu.Unlock()
			return
		}
		ws := c.ws
		if c.phase != switched {
			ws = nil
		}
		c.mu.Unlock()

		if err := c.writeBatch(ws, b); err != nil {
			c.fail(err)
			return
		}

		if hook := c.cfg.hooks.Sent; hook != nil {
			for _, p := range b.packets {
				if p.raw == notRaw {
					c.guard(func() { hook(c, p.Packet) })
				}
			}
		}
		c.mu.Lock()
		clear(b.packets) // the application's memory is not ours to keep
		c.pending -= b.messages
		c.queued -= b.bytes
		c.notifyLocked()
		if b.last {
			if ws == nil {
				c.finishLocked(c.err)
			} else {
				c.mu.Unlock() // the server's close frame ends the session
			}
			return
		}
		c.mu.Unlock()
	}
}

func (c *Conn) writeBatch(ws socket, b *batch) error {
	if ws == nil {
		return c.post(b.packets)
	}
	if b.last {
		return ws.close(closeNormal, "")
	}
	return ws.write(b.packets)
}

// takeLocked fills b with what is to be written next; with nothing when there
// is nothing, or when it may not be written now.
func (c *Conn) takeLocked(b *batch) {
	*b = batch{packets: b.packets[:0:min(cap(b.packets), keepQueue)]}
	if !c.writableLocked() {
		return
	}
	if c.owesPong {
		c.owesPong = false
		b.packets = append(b.packets, pongPacket)
	}
	if c.owesPing {
		c.owesPing = false
		b.packets = append(b.packets, pingPacket)
	}
	if c.wsPong != nil && c.phase == switched {
		b.packets = append(b.packets, *c.wsPong)
		c.wsPong = nil
	}
	limit := maxBatch
	if c.phase != switched {
		limit = c.maxBody()
	}
	n, size := 0, len(b.packets)*packetOverhead
	for ; n < len(c.queue); n++ {
		p := c.queue[n]
		size += packetSize(p)
		if size > limit && len(b.packets) > 0 { // the first goes, whatever its size
			break
		}
		b.packets = append(b.packets, p)
		b.messages++
		b.bytes += len(p.Data)
	}
	clear(c.queue[:n])
	if c.queue = c.queue[n:]; len(c.queue) == 0 {
		c.queue = c.queue[:0:min(cap(c.queue), keepQueue)]
	}
	if c.state != closing || len(c.queue) > 0 {
		return
	}
	switch {
	case c.phase != switched && (len(b.packets) == 0 || size+packetOverhead <= limit):
		b.packets = append(b.packets, closePacket)
		b.last, c.goodbye = true, true
	case len(b.packets) == 0: // a close frame goes alone: when it is answered, all else was written
		b.last, c.goodbye = true, true
	}
}

// maxBody returns the limit of a POST's body.
func (c *Conn) maxBody() int {
	limit := orDefault(c.hs.maxPayload, defaultMaxPayload)
	if c.cfg.MaxPayload > 0 {
		limit = c.cfg.MaxPayload
	}
	return limit
}

// keepQueue is up to how many packets the memory of the queue is used again.
const keepQueue = 256

// packetOverhead is what a packet adds to its data in a payload at most: type,
// "b" and separator, or a length of up to ten digits.
const packetOverhead = 14

// packetSize returns the most bytes that p makes in a payload.
func packetSize(p packet) int {
	if p.Binary {
		return packetOverhead + base64Size(len(p.Data))
	}
	return packetOverhead + len(p.Data)
}

func base64Size(n int) int { return base64.StdEncoding.EncodedLen(n) }

// post sends packets as one POST.
func (c *Conn) post(packets []packet) error {
	ctx, cancel := context.WithTimeoutCause(c.ctx, c.cfg.WriteTimeout, errNoProgress)
	defer cancel()
	body, binary := encodePayload(c.cfg.Revision, packets)
	a, err := c.wire.request(ctx, request{query: c.cfg.encodeQuery(Polling, c.hs.sid), body: body, binary: binary})
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case a.status != 200:
		return newStatusError(a.status, a.location, a.body)
	}
	return nil
}

// encodePayload returns packets as the body of a POST, in new memory.
func encodePayload(r eioparser.Revision, packets []packet) (body []byte, binary bool) {
	size := 0
	for _, p := range packets {
		size += packetSize(p)
		binary = binary || p.Binary && r == eioparser.V3
	}
	body = make([]byte, 0, size)
	for i, p := range packets {
		if binary {
			body = eioparser.AppendPayloadBinary(body, p.Packet)
		} else {
			body = eioparser.AppendPayloadPacket(body, r, p.Packet, i == 0)
		}
	}
	return body, binary
}

// answerPing answers a ping of WebSocket. Only the latest is kept, so that a
// server that pings and does not read gathers nothing here.
func (c *Conn) answerPing(data []byte) {
	pong := packet{raw: rawPong}
	pong.Data = append([]byte(nil), data...)
	c.mu.Lock()
	c.wsPong = &pong
	c.kickLocked()
	c.mu.Unlock()
}

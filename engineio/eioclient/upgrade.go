package eioclient

import (
	"context"
	"fmt"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// A phase says what carries the session. The upgrade replaces polling by
// WebSocket while the session goes on:
//
//	polling ──► probing ──► pausing ──► switching ──► switched
//	   ▲            │           │           │
//	   └────────────┴───────────┴───────────┘ abort: polling goes on
//
// Nothing is lost or reordered, whenever the WebSocket is cut. What is to be
// sent waits in one queue, which POSTs empty before the switch and the
// WebSocket after it. "upgrade" is sent only when the last poll's packets have
// been delivered and the last POST was answered; and as long as it was not
// written whole, the server goes on with polling, so we can.
//
// When the WebSocket fails after "upgrade" was written, nobody can tell what
// the server has read, and the session is over.
type phase uint8

const (
	polling   phase = iota // polls and POSTs
	probing                // the same; a WebSocket is being opened and tried
	pausing                // the WebSocket works: no new poll or POST, those under way end
	switching              // "upgrade" is being written
	switched               // the WebSocket
)

// startUpgradeLocked begins to look for a WebSocket.
func (c *Conn) startUpgradeLocked() {
	c.phase = probing
	c.upgradeBy = time.Now().Add(c.cfg.UpgradeTimeout)
	var ctx context.Context
	ctx, c.unprobe = context.WithCancel(c.ctx)
	// Becomes the reader of the WebSocket, and ends with it.
	c.goLocked(func() { c.upgrade(ctx) })
}

// upgrade opens a WebSocket, probes it and reads it.
func (c *Conn) upgrade(ctx context.Context) {
	s, err := c.wire.websocket(ctx, c.cfg.encodeQuery(WebSocket, c.hs.sid), false)
	if err != nil {
		c.abortUpgrade(err)
		return
	}
	c.mu.Lock()
	if c.phase != probing || c.state != open { // given up meanwhile
		c.mu.Unlock()
		s.abort()
		return
	}
	c.ws = s
	c.mu.Unlock()
	if err := s.write([]packet{probePacket}); err != nil {
		c.socketFailed(s, err)
		return
	}
	c.readSocket(s)
}

// readSocket is the life of a WebSocket's reader.
func (c *Conn) readSocket(s socket) {
	for {
		ev, err := s.read()
		switch {
		case err != nil:
			c.socketFailed(s, err)
			return
		case ev.kind == socketClose:
			c.socketFailed(s, closedBy(ev))
			return
		case ev.kind == socketPing:
			c.answerPing(ev.data)
			continue
		}
		p, err := decode(c.cfg.Revision, ev)
		if err != nil {
			c.socketFailed(s, err)
			return
		}
		isTransport, err := c.probed(s, p)
		if err != nil {
			c.socketFailed(s, err)
			return
		}
		if isTransport && !c.receive(p) {
			return
		}
	}
}

// closedBy is the error of a close frame.
func closedBy(ev event) error {
	if len(ev.data) == 0 {
		return fmt.Errorf("%w with code %d", errSocketClosed, ev.code)
	}
	return fmt.Errorf("%w with code %d: %s", errSocketClosed, ev.code, excerpt(ev.data))
}

// probed handles a packet of a WebSocket that is not the transport yet, and
// reports whether it is: then the packet is the session's.
func (c *Conn) probed(s socket, p eioparser.Packet) (isTransport bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.phase == switching && c.ws == s { // the server is faster than our writer
		changed := c.changedLocked()
		c.mu.Unlock()
		<-changed
		c.mu.Lock()
	}
	switch {
	case c.phase == switched:
		return true, nil
	case c.phase == probing && c.ws == s && p.Type == eioparser.Pong && string(p.Data) == probeData:
		c.phase = pausing
		c.switchLocked()
		return false, nil
	}
	return false, errNotProbed
}

// switchLocked moves the session to the WebSocket when polling is at rest.
func (c *Conn) switchLocked() {
	if c.phase == pausing && !c.getting && !c.writing && c.state == open {
		c.phase, c.writing = switching, true
		c.goLocked(c.takeOver) // ends when the queue is empty, as write does
	}
}

// takeOver tells the server that the WebSocket is the transport from now on,
// and becomes its writer.
func (c *Conn) takeOver() {
	c.mu.Lock()
	ws := c.ws
	switch {
	case ws == nil: // the session has ended
		c.mu.Unlock()
		return
	case c.wsErr != nil: // there is nothing to take over any more
		c.writing = false
		c.giveUpLocked(c.wsErr)
		return
	}
	c.mu.Unlock()
	err := ws.write([]packet{upgradePacket})

	c.mu.Lock()
	switch {
	case c.state == closed:
		c.mu.Unlock()
		return
	case err != nil:
		if c.wsErr != nil { // which is why the write failed
			err = c.wsErr
		}
		c.writing = false
		c.giveUpLocked(err)
		return
	case c.wsErr != nil: // it was written into a WebSocket that had failed
		err := c.wsErr
		c.mu.Unlock()
		c.fail(err)
		return
	}
	c.phase, c.upgradeBy = switched, time.Time{}
	c.unprobe() // which has served its purpose
	c.notifyLocked()
	c.mu.Unlock()
	c.remember()
	c.log("session upgraded")
	if hook := c.cfg.hooks.Upgraded; hook != nil {
		c.guard(func() { hook(c) })
	}
	c.write()
}

// socketFailed handles the end of a WebSocket.
func (c *Conn) socketFailed(s socket, err error) {
	c.mu.Lock()
	switch {
	case c.ws != s:
		c.mu.Unlock()
		s.abort()
	case c.phase == switched:
		c.mu.Unlock()
		c.fail(err)
	case c.phase == switching:
		if c.wsErr == nil {
			c.wsErr = err
		}
		c.mu.Unlock()
		s.abort() // the write under way fails, or was made: takeOver decides
	default:
		c.giveUpLocked(err)
	}
}

// abortUpgrade gives the upgrade up from outside of it.
func (c *Conn) abortUpgrade(err error) {
	c.mu.Lock()
	if c.phase == switching && c.ws != nil {
		c.wsErr = err
		ws := c.ws
		c.mu.Unlock()
		ws.abort() // takeOver decides, as in socketFailed
		return
	}
	c.giveUpLocked(err)
}

// giveUpLocked goes back to polling. It releases mu, but not before that is
// done: the switch may be about to be made.
func (c *Conn) giveUpLocked(err error) {
	wanted := c.state == open
	failed := c.state != closed && c.abandonLocked()
	c.mu.Unlock()
	if !failed || !wanted {
		return
	}
	c.log("upgrade failed", "err", err)
	if hook := c.cfg.hooks.UpgradeFailed; hook != nil {
		c.guard(func() { hook(c, err) })
	}
}

// abandonLocked makes polling carry the session, unless the switch was made or
// is being made. It reports whether there was an upgrade to abandon.
func (c *Conn) abandonLocked() bool {
	if c.phase != probing && c.phase != pausing && !(c.phase == switching && !c.writing) {
		return false
	}
	c.phase, c.upgradeBy, c.wsErr = polling, time.Time{}, nil
	c.unprobe()
	if c.ws != nil {
		c.goLocked(c.ws.abort) // ends at once
		c.ws = nil
	}
	c.notifyLocked()
	if !c.getting && c.state == open {
		c.getting = true
		c.goLocked(func() { c.poll(nil) }) // ends with polling, or the session
	}
	c.kickLocked()
	return true
}

// remember notes that WebSocket works with this server.
func (c *Conn) remember() {
	if c.cfg.RememberUpgrade {
		upgraded.add(c.cfg.origin())
	}
}

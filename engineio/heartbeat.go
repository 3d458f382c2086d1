package engineio

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// The heartbeat belongs to the session, not to its transport: deadlines are
// fields, looked at when the session's one timer of the server's wheel
// expires. A deadline that moves later does not touch the wheel; the timer
// then expires too early, finds nothing due, and is set again.
//
// Revision 4: the server pings and the client answers. Revision 3: the client
// pings, and the server answers, without the data that a ping may carry, as the
// reference does: it may be binary, and a pong is text.

var errHeartbeatDirection = errors.New("heartbeat in the wrong direction for the session's revision")

func (s *Session) pingTimeout() time.Duration {
	if s.rev == eioparser.V3 {
		return s.srv.cfg.pingTimeoutV3
	}
	return s.srv.cfg.PingTimeout
}

// startHeartbeatLocked sets the first deadline. The first ping comes up to a
// tenth of the interval early, so that clients that came together are not
// pinged together.
func (s *Session) startHeartbeatLocked() {
	now, every := s.srv.wheel.Now(), s.srv.cfg.PingInterval
	if s.rev == eioparser.V3 {
		s.pongBy = now + every + s.pingTimeout()
	} else {
		s.nextPing = now + every - rand.N(every/10+1)
	}
	s.scheduleLocked()
}

// scheduleLocked makes sure the timer expires no later than the first
// deadline.
func (s *Session) scheduleLocked() {
	var due time.Duration
	for _, d := range [...]time.Duration{s.nextPing, s.pongBy, s.upgradeBy, s.closeBy} {
		if d != 0 && (due == 0 || d < due) {
			due = d
		}
	}
	if due != 0 && (s.scheduled == 0 || due < s.scheduled) {
		s.scheduled = due
		s.srv.wheel.Set(&s.timer, (*clock)(s), due)
	}
}

// clock is the session as the wheel knows it.
type clock Session

// Expire implements [wheel.Expirer].
func (c *clock) Expire(now time.Duration) { (*Session)(c).expire(now) }

// expire looks at the deadlines.
func (s *Session) expire(now time.Duration) {
	s.mu.Lock()
	if s.state == closed {
		s.mu.Unlock()
		return
	}
	delay := now - s.scheduled
	s.scheduled = 0
	if delay > max(time.Second, s.pingTimeout()/2) {
		// The process stood still: the client's silence was ours.
		s.graceLocked(now)
	}
	switch {
	case reached(s.closeBy, now):
		s.finishLocked(s.err)
		return
	case reached(s.pongBy, now) && s.paused.Load():
		s.graceLocked(now)
	case reached(s.pongBy, now):
		s.finishLocked(&CloseError{Reason: ReasonPingTimeout})
		return
	}
	var late *wsConn
	if reached(s.upgradeBy, now) {
		late, s.momentLocked().upgradeBy = s.probe, 0
	}
	ping := reached(s.nextPing, now) && s.state == open
	if ping {
		s.nextPing = 0
		s.awaiting, s.extended = true, false
		s.pongBy = now + s.pingTimeout()
	}
	s.scheduleLocked()
	if ping {
		s.enqueueLocked(pingPacket)
		s.flushLocked()
	} else {
		s.mu.Unlock()
	}
	if late != nil {
		s.abortProbe(late, closeNone, "")
	}
}

func reached(deadline, now time.Duration) bool { return deadline != 0 && deadline <= now }

// graceLocked gives the client the full time to be heard, from now.
func (s *Session) graceLocked(now time.Duration) {
	if s.pongBy == 0 {
		return
	}
	s.pongBy = now + s.pingTimeout()
	if s.rev == eioparser.V3 {
		s.pongBy += s.srv.cfg.PingInterval
	}
}

// heardLocked notes that a message arrived. While a pong is awaited, the first
// one extends the deadline, once per cycle: a busy slow link is not a dead one.
func (s *Session) heardLocked() {
	if s.awaiting && !s.extended {
		s.extended = true
		s.pongBy = s.srv.wheel.Now() + s.pingTimeout()
	}
}

// heartbeat handles a ping or a pong and reports whether the session goes on.
func (s *Session) heartbeat(p eioparser.Packet) bool {
	if (p.Type == eioparser.Ping) != (s.rev == eioparser.V3) {
		s.finish(&CloseError{Reason: ReasonTransportError, Err: errHeartbeatDirection})
		return false
	}
	s.mu.Lock()
	if s.state != open {
		alive := s.state != closed
		s.mu.Unlock()
		return alive
	}
	now := s.srv.wheel.Now()
	if p.Type == eioparser.Ping {
		s.graceLocked(now)
		if s.fullLocked(1, 0) { // a client that pings and does not read
			s.finishLocked(&CloseError{Reason: ReasonSlowConsumer, Err: ErrQueueFull})
			return false
		}
		s.enqueueLocked(pongPacket)
		s.flushLocked()
		return true
	}
	if s.awaiting { // an unsolicited pong changes nothing
		s.awaiting, s.pongBy = false, 0
		s.nextPing = now + s.srv.cfg.PingInterval
		s.scheduleLocked()
	}
	s.mu.Unlock()
	return true
}

// Packets that are always the same.
var (
	pingPacket  = newPacket(eioparser.Ping, "")
	pongPacket  = newPacket(eioparser.Pong, "")
	noopPacket  = newPacket(eioparser.Noop, "")
	closePacket = newPacket(eioparser.Close, "")
)

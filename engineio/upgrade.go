package engineio

import (
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// The upgrade replaces polling by WebSocket while the session goes on:
//
//	polling ──► probing ──► draining ──► switched
//	   ▲            │           │
//	   └────────────┴───────────┘ abort: the WebSocket closes, polling goes on
//
// probing: a WebSocket is there (s.probe) and has not sent its probe. draining:
// the probe was answered; the client finishes its polls before it switches, so
// each is answered at once, with what is queued or a noop. That is one poll, or
// two that crossed the answer; a client which goes on has not got it, and is
// answered no faster than once in noopPace. switched: the client sent "upgrade"
// over the WebSocket, which is now the transport.
//
// Nothing is lost or reordered, whenever it is cut: there is one queue, which
// a poll empties before the switch and the WebSocket after it, and the client
// sends "upgrade" only after its last poll and its last POST were answered.

var (
	probeData    = "probe"
	probedPacket = newRaw(newPacket(eioparser.Pong, probeData).frame(eioparser.V4))
)

const (
	promptNoops = 4 // polls that are answered at once while an upgrade is under way
	noopPace    = 100 * time.Millisecond
)

// startProbe takes c as the WebSocket that may replace polling. It reports
// false when the session cannot be upgraded now.
func (s *Session) startProbe(c *wsConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open || s.ws.Load() != nil || s.probe != nil {
		return false
	}
	m := s.momentLocked()
	m.probe = c
	m.upgradeBy = s.srv.wheel.Now() + s.srv.cfg.UpgradeTimeout
	s.scheduleLocked()
	return true
}

// probed handles a packet of a WebSocket that is not the transport yet. It
// reports false when the packet has no place there.
func (s *Session) probed(c *wsConn, p eioparser.Packet) bool {
	s.mu.Lock()
	switch {
	case s.probe != c:
		s.mu.Unlock()
		return false
	case p.Type == eioparser.Ping && string(p.Data) == probeData:
		s.draining, s.noops = true, 0
		if s.poll != nil {
			s.poll.release()
		}
		a := c.asideLocked()
		a.control = append(a.control, probedPacket)
		c.flushLocked()
		return true
	case p.Type == eioparser.Upgrade && !s.posting && s.state < closed:
		// While closing too: a client that switches has stopped polling, so that
		// what is queued can only leave here.
		s.endProbeLocked()
		c.bindLocked()
		s.passLocked()
		if s.poll != nil { // a client that did not wait for its poll
			s.poll.release()
		}
		c.flushLocked()
		s.upgraded()
		return true
	}
	s.mu.Unlock()
	return false
}

func (s *Session) upgraded() {
	s.srv.log(s, "session upgraded")
	s.srv.counters.upgraded.Add(1)
	if hook := s.srv.cfg.hooks.SessionUpgraded; hook != nil {
		s.guard(func() { hook(s) })
	}
}

// endProbeLocked goes back to polling, or on to the switch.
func (s *Session) endProbeLocked() {
	s.draining = false
	m := s.momentLocked()
	m.probe, m.upgradeBy = nil, 0
}

// abortProbe closes c with a code, and goes back to polling if c was the
// probe.
func (s *Session) abortProbe(c *wsConn, code int, reason string) {
	s.mu.Lock()
	failed := s.probe == c
	if failed {
		s.endProbeLocked()
	}
	s.mu.Unlock()
	c.close(code, reason)
	if hook := s.srv.cfg.hooks.UpgradeFailed; failed && hook != nil {
		s.guard(func() { hook(s) })
	}
}

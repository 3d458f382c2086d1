package eioclient

import "time"

// The heartbeat belongs to the session, not to its transport: deadlines are
// fields, looked at when the session's one timer expires. A deadline that moves
// later does not touch the timer, which then expires too early, finds nothing
// due, and is set again.
//
// Revision 4: the server pings and the client answers. Revision 3: the client
// pings when an interval has passed since the last answer. In both, a server of
// which nothing was heard for an interval and a timeout is gone.
//
// Times are those of time.Now, and so monotonic: setting the clock of the
// machine does not end sessions.

// heardLocked notes that a packet arrived.
func (c *Conn) heardLocked() { c.heard = time.Now() }

// expiredLocked reports whether the server has been silent for too long. While
// the application holds up the reader, the silence is ours.
func (c *Conn) expiredLocked(now time.Time) bool {
	if c.state != open || c.paused || c.delivering {
		return false
	}
	return !now.Add(c.sleptLocked(now)).Before(c.deadlineLocked())
}

func (c *Conn) deadlineLocked() time.Time {
	return c.heard.Add(c.hs.pingInterval + c.hs.pingTimeout)
}

// pongedLocked handles the answer to a ping of revision 3.
func (c *Conn) pongedLocked() {
	c.nextPing = c.heard.Add(c.hs.pingInterval)
	c.scheduleLocked()
}

// scheduleLocked makes sure the timer expires no later than the first deadline.
func (c *Conn) scheduleLocked() {
	if c.state == opening || c.state == closed {
		return
	}
	due := c.closeBy
	if c.state == open {
		due = c.deadlineLocked()
		for _, t := range [...]time.Time{c.nextPing, c.upgradeBy} {
			if !t.IsZero() && t.Before(due) {
				due = t
			}
		}
	}
	if !c.scheduled.IsZero() && !due.Before(c.scheduled) {
		return
	}
	c.scheduled = due
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Until(due), c.expire) // ends at once; finishLocked stops the timer
	} else {
		c.timer.Reset(time.Until(due))
	}
}

// expire looks at the deadlines.
func (c *Conn) expire() {
	c.mu.Lock()
	if c.state == closed {
		c.mu.Unlock()
		return
	}
	c.running++ // Close waits for the hooks that may be called here
	c.scheduled = time.Time{}
	now := time.Now()
	switch {
	case c.state == closing && !now.Before(c.closeBy):
		c.finishLocked(c.err)
		c.mu.Lock()
	case c.expiredLocked(now):
		c.finishLocked(&CloseError{Reason: ReasonPingTimeout, Remote: true, Err: errPingTimeout})
		c.mu.Lock()
	default:
		if c.paused || c.delivering {
			c.heard = now
		}
		if c.state == open && reached(c.nextPing, now) {
			c.nextPing = time.Time{} // until the answer
			c.owesPing = true
			c.kickLocked()
		}
		if reached(c.upgradeBy, now) {
			c.upgradeBy = time.Time{}
			c.mu.Unlock()
			c.abortUpgrade(errUpgradeTimeout)
			c.mu.Lock()
		}
		c.scheduleLocked()
	}
	c.exit()
}

func reached(deadline, now time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }

package eioclient

import (
	"errors"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// Close ends the session in order: nothing more is accepted or delivered, what
// is queued is written, and the server is told. The reason is
// [ReasonForcedClose]. What is left after [Options.CloseTimeout] is lost, which
// is Close's error; after the session's end Close does nothing.
//
// When Close returns, nothing of the session runs any more: no Handler method,
// no hook, no goroutine. Two cases cannot have that. Called from a Handler
// method or a hook, of whatever session, Close does not wait, and
// Handler.Closed is called after that method has returned. And when a Handler
// method does not return, Close gives up after another CloseTimeout.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.state < closing {
		c.closeLocked()
	}
	c.mu.Unlock()
	if inCallback() {
		return nil
	}
	c.awaitEnd()

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err.Reason == ReasonForcedClose && c.err.Err != nil && (!c.cutOff || c.pending > 0) {
		return c.err
	}
	return nil
}

// closeLocked begins the orderly end.
func (c *Conn) closeLocked() {
	c.err = &CloseError{Reason: ReasonForcedClose}
	c.state = closing
	c.closeBy = time.Now().Add(c.cfg.CloseTimeout)
	c.abandonLocked()
	c.notifyLocked()
	c.scheduleLocked()
	c.kickLocked()
}

// awaitEnd waits until nothing of a session runs that is closing or closed.
func (c *Conn) awaitEnd() {
	t := time.NewTimer(2 * c.cfg.CloseTimeout)
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
	}
}

// Abort ends the session at once, without waiting for anything; what is queued
// is lost. err, which may be nil, becomes the CloseError's cause. It is for
// layers above that find the session of no use, as with [ReasonParseError].
func (c *Conn) Abort(r Reason, err error) {
	c.finish(&CloseError{Reason: r, Err: err})
}

// fail ends the session because of what its transport did.
func (c *Conn) fail(err error) {
	e := &CloseError{Reason: ReasonTransportError, Remote: true, Err: err}
	switch {
	case errors.Is(err, errSocketClosed), errors.Is(err, errOffline):
		e.Reason = ReasonTransportClose
	case errors.As(err, new(*eioparser.DecodeError)):
		e.Reason, e.Remote = ReasonParseError, false
	case errors.Is(err, errMessageSize), isViolation(err):
		e.Remote = false
	}
	c.finish(e)
}

func (c *Conn) finish(err *CloseError) {
	c.mu.Lock()
	c.finishLocked(err)
}

// finishLocked ends the session, once. It releases mu.
func (c *Conn) finishLocked(err *CloseError) {
	if c.state == closed {
		c.mu.Unlock()
		return
	}
	switch {
	case c.err == nil:
		c.err = err
	case c.pending > 0: // Close did not get what it wanted
		c.err = &CloseError{Reason: c.err.Reason, Remote: err.Remote, Err: err.lost()}
		c.cutOff = true
	}
	c.state = closed
	ws, polite := c.ws, c.phase == switched && !c.writing
	c.ws, c.queue = nil, nil // what is pending stays in the account: it is lost
	c.writing = true         // nothing is written any more
	if c.unprobe != nil {
		c.unprobe()
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	switch {
	case ws == nil:
	case polite:
		// Ends within a second, when the close frame was written.
		c.goLocked(func() {
			ws.close(closeCode(c.err)) // it is a courtesy
			ws.abort()
		})
	default:
		c.goLocked(ws.abort) // ends at once
	}
	if c.delivering {
		c.owesClosed = true
	} else {
		c.goLocked(c.tellClosed) // ends with the handler's Closed
	}
	if c.cfg.RememberUpgrade && c.err.Reason == ReasonTransportError {
		upgraded.forget(c.cfg.origin())
	}
	c.notifyLocked()
	c.mu.Unlock()
	c.stop() // requests end, and with them the poll loop and the writer
}

// lost is what Close reports when it could not write everything.
func (e *CloseError) lost() error {
	if e.Err != nil {
		return e.Err
	}
	return errLost
}

// tellClosed makes the last handler call.
func (c *Conn) tellClosed() {
	lost, _ := c.Buffered()
	c.log("session closed", "reason", c.err.Reason, "err", c.err.Err, "lost", lost)
	c.guard(func() { c.handler.Closed(c.err) })
	if hook := c.cfg.hooks.Closed; hook != nil {
		c.guard(func() { hook(c, c.err) })
	}
}

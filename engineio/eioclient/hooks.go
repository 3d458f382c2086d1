package eioclient

import "github.com/siogo/sio/engineio/eioparser"

// Hooks are functions that a [Conn] calls when something happens; any may be
// nil. They are called without a lock held, from the goroutine it happened in:
// they must not wait. None is called after [Conn.Close] has returned.
type Hooks struct {
	// Opened is called after the handshake, before [Dial] returns.
	Opened func(c *Conn)

	// Upgraded is called after the session has moved to WebSocket.
	Upgraded func(c *Conn)

	// UpgradeFailed is called when the WebSocket that was to take over the
	// session did not. The session goes on over polling.
	UpgradeFailed func(c *Conn, err error)

	// Closed is called after the [Handler] was told.
	Closed func(c *Conn, err *CloseError)

	// Received and Sent are called for every packet of the session, those of
	// the upgrade aside: before a received one is handled, after a sent one was
	// written. p.Data must not be changed, nor kept.
	Received func(c *Conn, p eioparser.Packet)
	Sent     func(c *Conn, p eioparser.Packet)
}

package engineio

import (
	"net/http"
	"sync/atomic"
)

// Hooks are functions that a [Server] calls when something happens; any may be
// nil. They are called without a lock held, from the goroutine it happened in:
// they must not wait.
type Hooks struct {
	// SessionOpened is called after the handshake of a session.
	SessionOpened func(s *Session)

	// SessionUpgraded is called after a session has moved to WebSocket.
	SessionUpgraded func(s *Session)

	// UpgradeFailed is called when a WebSocket that was to take over a session
	// did not: it was cut, timed out, or did not follow the protocol.
	UpgradeFailed func(s *Session)

	// SessionClosed is called after the [Handler] of a session was told for
	// which SessionOpened had been called.
	SessionClosed func(s *Session, err *CloseError)

	// RequestRefused is called for every request that the server refuses; it
	// is what the reference calls connection_error.
	RequestRefused func(r *http.Request, err *RequestError)
}

// Stats are the counters of a [Server]. Those named for what they count now
// can fall; the others only grow.
type Stats struct {
	Sessions   int // open now
	WebSockets int // connections now, probes and those that say goodbye included

	Opened   uint64 // sessions
	Upgraded uint64 // sessions that moved from polling to WebSocket
	Closed   map[Reason]uint64
	Refused  [6]uint64 // requests by code: see the Code constants

	MessagesIn, MessagesOut uint64 // message packets
	BytesIn, BytesOut       uint64 // of their content; of what permessage-deflate made of it, outbound
	Dropped                 uint64 // volatile messages
	Lost                    uint64 // packets that were queued when their session ended
}

// counters are what Stats shows. All fields are atomic.
type counters struct {
	opened, upgraded        atomic.Uint64
	closed                  [len(reasons)]atomic.Uint64
	refused                 [len(codeMessages)]atomic.Uint64
	messagesIn, messagesOut atomic.Uint64
	bytesIn, bytesOut       atomic.Uint64
	dropped, lost           atomic.Uint64
}

var reasons = [...]Reason{
	ReasonTransportError, ReasonTransportClose, ReasonPingTimeout, ReasonParseError,
	ReasonForcedClose, ReasonSlowConsumer, ReasonServerShutdown,
}

func (c *counters) countClosed(r Reason) {
	for i, known := range reasons {
		if r == known {
			c.closed[i].Add(1)
		}
	}
}

// Stats returns the server's counters.
func (srv *Server) Stats() Stats {
	c := &srv.counters
	st := Stats{
		Opened:      c.opened.Load(),
		Upgraded:    c.upgraded.Load(),
		Closed:      make(map[Reason]uint64),
		MessagesIn:  c.messagesIn.Load(),
		MessagesOut: c.messagesOut.Load(),
		BytesIn:     c.bytesIn.Load(),
		BytesOut:    c.bytesOut.Load(),
		Dropped:     c.dropped.Load(),
		Lost:        c.lost.Load(),
	}
	for i, r := range reasons {
		if n := c.closed[i].Load(); n > 0 {
			st.Closed[r] = n
		}
	}
	for i := range c.refused {
		st.Refused[i] = c.refused[i].Load()
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	st.Sessions = len(srv.sessions)
	st.WebSockets = srv.connCount
	return st
}

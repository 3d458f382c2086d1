package socketio

import (
	"net"
	"time"
)

// PendingAcks returns how many acknowledgements are awaited of s.
func PendingAcks(s *Socket) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.extra == nil {
		return 0
	}
	return len(s.extra.acks)
}

// SetPace makes the first handler that the root namespace has for an event look
// as if its events took d.
func SetPace(srv *Server, event string, d time.Duration) {
	srv.Of("/").routes.load().events[event][0].mean.Store(int64(d - unknownPace))
}

// SetFirstPace makes the handlers of events that are registered from now on look
// as if their events took d.
func SetFirstPace(d time.Duration) { firstPace = int64(d - unknownPace) }

// Paces of a handler that the reader of a connection runs, and of one that it
// does not.
const (
	BriefPace   = briefPace
	UnknownPace = unknownPace
)

// PatientListener is Server.Listener for clients that may be slow to send their
// handshake.
func PatientListener(srv *Server, ln net.Listener) net.Listener { return srv.listener(ln, time.Hour) }

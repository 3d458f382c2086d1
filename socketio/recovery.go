package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioadapter"
)

// Recovery configures how clients that lost their connection come back. Those
// that do in time get the socket that they had: the same id, rooms and data,
// and every event that was emitted to them meanwhile, once and in order, but
// volatile ones and those with acknowledgement. [Socket.Recovered] tells.
// Otherwise they get a new socket, and nothing of the old one.
//
// A client comes back also while its old connection still looks alive: that is
// closed then. There is never more than one socket of a session.
//
// The handlers of the recovered socket begin with those of OnConnect, when
// those of the old one have ended, OnDisconnect included. Acknowledgements that
// were awaited fail.
//
// Clients of the generation 2.x cannot be recovered.
type Recovery struct {
	// MaxDisconnection is how long a session is kept without a connection. Zero
	// means 2 minutes.
	MaxDisconnection time.Duration

	// SkipMiddleware admits recovered sockets without the middleware of Use. A
	// client shows nothing then but the token that it was given: whoever has
	// stolen that, or was banned meanwhile, gets in. By default the middleware
	// decides about them as about others; it finds their data in place.
	SkipMiddleware bool

	// MaxPackets, MaxBytes, MaxSessions, MaxMissedPackets and MaxMissedBytes
	// bound what is kept for each namespace, and what one client may have
	// missed: see sioadapter.RecoveryOptions, which has the defaults.
	//
	// With Options.Adapter set, these fields and MaxDisconnection are those of
	// the adapter: they have no effect here.
	MaxPackets, MaxBytes, MaxSessions int
	MaxMissedPackets, MaxMissedBytes  int
}

// setRecovery checks Options.Recovery and opens the adapter that it calls for.
func (c *config) setRecovery() error {
	if c.Recovery == nil {
		return nil
	}
	r := *c.Recovery
	c.Recovery = &r
	if r.MaxDisconnection < 0 {
		return fmt.Errorf("socketio: Options.Recovery.MaxDisconnection is %v: it must not be negative", r.MaxDisconnection)
	}
	if r.MaxDisconnection == 0 {
		r.MaxDisconnection = 2 * time.Minute
	}
	if c.Outbound.Overflow == DropNewest {
		return errors.New("socketio: Options.Recovery cannot be with Outbound.Overflow drop newest: the packets that are dropped would be missing")
	}
	if c.Adapter == nil {
		c.Adapter = sioadapter.Recoverable(&sioadapter.RecoveryOptions{
			MaxDisconnection: r.MaxDisconnection,
			MaxPackets:       r.MaxPackets,
			MaxBytes:         r.MaxBytes,
			MaxSessions:      r.MaxSessions,
			MaxMissedPackets: r.MaxMissedPackets,
			MaxMissedBytes:   r.MaxMissedBytes,
		})
	}
	return nil
}

// recovery returns what recovers the sockets of the namespace, or nil.
func (n *Namespace) recovery() sioadapter.Recovery {
	if n.srv.cfg.Recovery == nil {
		return nil
	}
	return n.adapter().Recovery()
}

// recovery is the part of extra that is about coming back. The mutex of the
// socket guards it.
type recovery struct {
	pid, offset string              // what the client asks for
	session     *sioadapter.Session // what it got
	before      <-chan struct{}     // closed when the handlers of the old socket have ended; nil: they have

	finished chan struct{} // closed when the handlers of this one have ended
	parted   chan struct{} // closed when it has left the adapter; made by who waits for it
	away     bool          // it has left
}

// errTakenOver is why a connection is closed whose client has another.
var errTakenOver = errors.New("the client came back on another connection")

// Recovered reports whether the client has come back to this socket after it
// lost its connection: id, rooms and data are those it had, and it gets what it
// has missed.
func (s *Socket) Recovered() bool { return s.recovered }

// takeToken remembers what a client that comes back says about itself, and
// returns its auth object without it.
func (s *Socket) takeToken(auth event.Args) event.Args {
	var members map[string]json.RawMessage
	if err := auth.Decode(&members); err != nil || members["pid"] == nil {
		return auth
	}
	var pid, offset string
	known := json.Unmarshal(members["pid"], &pid) == nil && pid != ""
	if raw := members["offset"]; raw != nil && json.Unmarshal(raw, &offset) != nil {
		known = false
	}
	if known {
		s.mu.Lock()
		s.extraLocked().pid, s.extra.offset = pid, offset
		s.mu.Unlock()
	}
	delete(members, "pid")
	delete(members, "offset")
	if len(members) == 0 {
		return event.Args{}
	}
	rest, err := s.srv().cfg.Parser.EncodeArgs("", members)
	if err != nil { // its members were valid JSON
		return event.Args{}
	}
	return rest
}

// asksForRecovery reports whether the client has named a session.
func (s *Socket) asksForRecovery() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.extra != nil && s.extra.pid != ""
}

// claim takes the session over that the client names, if there is one.
func (s *Socket) claim(ctx context.Context) {
	s.mu.Lock()
	pid, offset := s.extra.pid, s.extra.offset
	s.mu.Unlock()
	session, err := s.ns.recovery().Claim(ctx, pid, offset, func(m sioadapter.Member) {
		m.(*member).socket.release()
	})
	if err != nil {
		s.srv().cfg.Logger.Info("a client was not recovered", "namespace", s.ns.name, "remote", s.conn.session.Handshake().RemoteAddr(), "err", err)
		return
	}
	data, before := savedData(session.Data)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = session.ID
	s.recovered = true
	x := s.extraLocked()
	x.session, x.data, x.before = session, data, before
}

// claimed returns the session that the socket has taken over, or nil.
func (s *Socket) claimed() *sioadapter.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.extra == nil {
		return nil
	}
	return s.extra.session
}

// saved is what the adapter keeps of a socket for the next one.
type saved struct {
	data     []datum
	finished <-chan struct{}
}

// MarshalJSON encodes the data for another node.
func (d *saved) MarshalJSON() ([]byte, error) { return encodeData(d.data), nil }

// savedData returns the data of a session, and what to wait for.
func savedData(v any) (data []datum, finished <-chan struct{}) {
	switch v := v.(type) {
	case *saved:
		return slices.Clone(v.data), v.finished
	case json.RawMessage:
		var members map[string]json.RawMessage
		if json.Unmarshal(v, &members) != nil {
			return nil, nil
		}
		for name, raw := range members {
			data = append(data, datum{name, foreignValue(raw)})
		}
	}
	return data, nil
}

// part takes the socket out of the adapter and returns the rooms that it was
// in. If the client may come back, its session is kept.
func (s *Socket) part(r Reason) (rooms []string) {
	if !s.recoverable {
		return s.ns.adapter().Remove(&s.member)
	}
	if r.Recoverable() {
		d := &saved{}
		s.mu.Lock()
		if s.extra != nil {
			d.data, d.finished = slices.Clone(s.extra.data), s.extra.finished
		}
		s.mu.Unlock()
		rooms = s.ns.recovery().Detach(&s.member, d)
	} else {
		rooms = s.ns.adapter().Remove(&s.member)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.extraLocked()
	x.away = true
	if x.parted != nil {
		close(x.parted)
		x.parted = nil
	}
	return rooms
}

// release ends a socket whose client has come back on another connection, and
// closes the one it had. When it returns, the session is kept or gone.
func (s *Socket) release() {
	if s.conn.remove(s, false) {
		s.end(&DisconnectError{Reason: ReasonTransportClose, Err: errTakenOver}, false)
	}
	// Otherwise it is ending on another goroutine. And one that is just being
	// admitted leaves there, too.
	s.mu.Lock()
	var parted chan struct{}
	if x := s.extraLocked(); !x.away {
		if x.parted == nil {
			x.parted = make(chan struct{})
		}
		parted = x.parted
	}
	s.mu.Unlock()
	if parted != nil {
		<-parted
	}
	s.conn.session.Abort(engineio.ReasonTransportClose, errTakenOver)
}

// startOver makes another socket in the place of one that could not be
// recovered after all.
func (s *Socket) startOver(err error) {
	s.srv().cfg.Logger.Info("a client was not recovered", "namespace", s.ns.name, "remote", s.conn.session.Handshake().RemoteAddr(), "err", err)
	s.ns.stay()
	other := newSocket(s.ns, s.conn)
	other.auth = s.auth
	if !s.conn.replace(s, other) {
		s.ns.leave()
		return
	}
	s.end(&DisconnectError{Reason: ReasonServerNamespaceDisconnect, Err: err}, true)
	other.join()
}

// awaitPredecessor waits for the handlers of the socket whose session this is:
// OnDisconnect there goes before OnConnect here, whatever happens meanwhile.
func (s *Socket) awaitPredecessor() {
	s.mu.Lock()
	var before <-chan struct{}
	if s.extra != nil {
		before, s.extra.before, s.extra.session = s.extra.before, nil, nil
	}
	s.mu.Unlock()
	if before != nil {
		<-before
	}
}

// finish says that the last handler has ended.
func (s *Socket) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.extra; x != nil && x.finished != nil {
		close(x.finished)
	}
}

// emitRecoverable emits an event through the adapter, which remembers it.
func (s *Socket) emitRecoverable(d delivery, name string, args []any) error {
	list, err := s.srv().encodeArgs(name, args)
	if err != nil {
		return err
	}
	p := &sioadapter.Packet{Args: list}
	flags := sioadapter.Flags{Volatile: d.volatile, NoCompress: d.noCompress}
	s.mu.Lock()
	switch s.state.Load() {
	case gone:
		s.mu.Unlock()
		return s.gone()
	case joining:
		if !d.volatile {
			x := s.extraLocked()
			x.early = append(x.early, early{event: p, flags: flags})
		}
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	return s.ns.adapter().Emit(&s.member, p, flags)
}

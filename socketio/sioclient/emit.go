package sioclient

import (
	"context"
	"errors"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
)

// An outgoing is one event on its way to the server, encoded. The mutex of the
// manager guards tries and at most one queue or table has it; the rest does not
// change.
type outgoing struct {
	name     string
	messages []eioclient.Message
	size     int
	id       uint64
	hasID    bool   // an acknowledgement is asked for
	call     *call  // who awaits it; nil: nobody
	label    string // of Retry.AppendID
	at       time.Time
	tries    int
}

// delivery says how an event is sent.
type delivery struct {
	volatile   bool
	noCompress bool
}

// Emit emits an event to the server. An event.Args among args stands for its
// elements, which are sent on undecoded. Emit does not wait.
//
// The error is a *[DisconnectError] without a connection, unless
// [Options.Offline] or [Options.Retry] keeps the event; [ErrQueueFull] when what
// waits is at its cap; and tells of arguments that cannot be encoded.
func (s *Socket) Emit(name string, args ...any) error { return s.emit(delivery{}, name, args) }

func (s *Socket) emit(d delivery, name string, args []any) error {
	o, err := s.newOutgoing(d, name, args, nil)
	if err != nil {
		return err
	}
	s.m.mu.Lock()
	err = s.acceptLocked(o, d)
	s.m.mu.Unlock()
	if err != nil {
		return err
	}
	s.sent(name, args)
	return nil
}

// newOutgoing encodes an event.
func (s *Socket) newOutgoing(d delivery, name string, args []any, c *call) (*outgoing, error) {
	if err := event.CheckName(name); err != nil {
		return nil, err
	}
	o := &outgoing{name: name, call: c, at: time.Now()}
	retries := s.cfg.retry.Max != 0 && !d.volatile
	h := sioparser.Header{Type: sioparser.Event}
	if c != nil || retries {
		s.m.mu.Lock()
		o.id, o.hasID = s.lastID, true
		s.lastID++
		s.m.mu.Unlock()
		h.ID, h.HasID = o.id, true
	}
	if retries && s.cfg.retry.AppendID {
		o.label = s.retry.label(o.id)
		args = append(args[:len(args):len(args)], o.label)
	}
	var err error
	if o.messages, err = s.encode(h, name, args); err != nil {
		return nil, err
	}
	for i := range o.messages {
		o.messages[i].NoCompress = d.noCompress
		o.size += len(o.messages[i].Data)
	}
	return o, nil
}

// encode encodes a packet of the socket.
func (s *Socket) encode(h sioparser.Header, name string, args []any) ([]eioclient.Message, error) {
	h.Namespace = s.namespace
	p := s.m.cfg.Parser
	frame, attachments, err := p.AppendPacket(nil, h, name, sioparser.Spread(args)...)
	if err != nil {
		return nil, err
	}
	ms := make([]eioclient.Message, 0, 1+len(attachments))
	ms = append(ms, eioclient.Message{Data: frame, Binary: p.Binary()})
	for _, a := range attachments {
		// The caller gets its bytes back when Emit returns.
		ms = append(ms, eioclient.Binary(append([]byte(nil), a...)))
	}
	return ms, nil
}

// acceptLocked sends an event, or keeps it.
func (s *Socket) acceptLocked(o *outgoing, d delivery) error {
	switch {
	case s.phase == gone:
		return ErrClosed
	case d.volatile:
		return s.acceptVolatileLocked(o)
	case o.hasID && len(s.acks) >= s.cfg.maxAcks:
		return ErrTooManyAcks
	case s.cfg.retry.Max != 0:
		return s.queueLocked(o)
	}
	if s.phase == connected && len(s.kept.list) == 0 {
		err := s.sendLocked(o)
		if !errors.Is(err, ErrDisconnected) || s.cfg.offline.MaxPackets == 0 {
			return err
		}
	}
	if s.cfg.offline.MaxPackets == 0 {
		return s.whyLocked()
	}
	return s.keepLocked(o)
}

// acceptVolatileLocked sends an event if that is possible at once. Only who
// awaits an acknowledgement is told if not.
func (s *Socket) acceptVolatileLocked(o *outgoing) error {
	if s.phase != connected {
		if o.call == nil {
			return nil
		}
		return s.whyLocked()
	}
	if o.hasID {
		s.acks[o.id] = o
	}
	if s.link.conn.SendVolatile(o.messages...) {
		return nil
	}
	delete(s.acks, o.id)
	if o.call == nil {
		return nil
	}
	return ErrQueueFull
}

// sendLocked gives an event to the connection. The acknowledgement is expected
// before it can come.
func (s *Socket) sendLocked(o *outgoing) error {
	if o.hasID {
		s.acks[o.id] = o
	}
	err := s.link.conn.Send(o.messages...)
	if err == nil {
		o.tries++
		return nil
	}
	delete(s.acks, o.id)
	return s.sendError(err)
}

// sendError is the error of a connection's Send as this package's.
func (s *Socket) sendError(err error) error {
	if errors.Is(err, eioclient.ErrQueueFull) {
		return ErrQueueFull
	}
	if closed := (*eioclient.CloseError)(nil); errors.As(err, &closed) {
		return &DisconnectError{Reason: Reason(closed.Reason), Err: closed}
	}
	return err
}

// answer sends an acknowledgement over the connection that the event came over.
func (s *Socket) answer(l *link, ms []eioclient.Message) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.link != l || s.phase != connected {
		return s.whyNotOverLocked()
	}
	if err := l.conn.Send(ms...); err != nil {
		return s.sendError(err)
	}
	return nil
}

// whyNotOverLocked is whyLocked for a socket that may be connected again.
func (s *Socket) whyNotOverLocked() error {
	if s.phase == connected {
		return &DisconnectError{Reason: ReasonTransportClose}
	}
	return s.whyLocked()
}

// sent shows an event that was accepted to the handlers for that.
func (s *Socket) sent(name string, args []any) {
	if len(s.routes.load().outgoing) == 0 {
		return
	}
	list, err := s.m.cfg.Parser.EncodeArgs("", sioparser.Spread(args)...)
	if err != nil {
		return // it was encoded before
	}
	e := &Event{Name: name, socket: s, kind: kindOutgoing, args: list.Clone()}
	if !s.putOutgoing(e) {
		s.dropped(name)
	}
}

// Send is Emit that waits: until the socket is connected and there is room in
// the queue, at most as long as ctx, or Options.AckTimeout if it has no
// deadline. It fails at once when the socket does not try to connect.
func (s *Socket) Send(ctx context.Context, name string, args ...any) error {
	return s.sendWith(ctx, delivery{}, name, args)
}

func (s *Socket) sendWith(ctx context.Context, d delivery, name string, args []any) error {
	o, err := s.newOutgoing(d, name, args, nil)
	if err != nil {
		return err
	}
	s.m.mu.Lock()
	err = s.acceptLocked(o, d)
	s.m.mu.Unlock()
	if err != nil {
		err = s.awaitAccepted(ctx, o, d)
	}
	if err == nil {
		s.sent(name, args)
	}
	return err
}

// awaitAccepted tries to send an event until it is accepted.
func (s *Socket) awaitAccepted(ctx context.Context, o *outgoing, d delivery) error {
	ctx, cancel := s.ackContext(ctx)
	defer cancel()
	turn := s.m.turnToYield(ctx)
	turn.Release()
	defer turn.Acquire()
	for {
		s.m.mu.Lock()
		err := s.acceptLocked(o, d)
		l, wants := s.link, s.phase.wants()
		online := s.phase == connected && s.cfg.retry.Max == 0 && len(s.kept.list) == 0
		moved := s.movingLocked()
		s.m.mu.Unlock()
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, ErrQueueFull) && !errors.Is(err, ErrDisconnected), !wants:
			return err
		case online && errors.Is(err, ErrQueueFull):
			if err := l.conn.Wait(ctx); err != nil && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			continue // there is room, or the connection has ended
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Flush waits until everything that was emitted before has been written to the
// connection, and acknowledged with [Options.Retry]; at most as long as ctx, or
// Options.AckTimeout if it has no deadline. It fails when the socket does not
// try to connect.
func (s *Socket) Flush(ctx context.Context) error {
	ctx, cancel := s.ackContext(ctx)
	defer cancel()
	turn := s.m.turnToYield(ctx)
	turn.Release()
	defer turn.Acquire()
	for {
		s.m.mu.Lock()
		l, wants := s.link, s.phase.wants()
		empty := len(s.kept.list) == 0 && len(s.retry.list) == 0
		moved := s.movingLocked()
		why := s.whyLocked()
		s.m.mu.Unlock()
		switch {
		case empty && l != nil:
			if err := l.conn.Flush(ctx); err != nil {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return s.sendError(err)
			}
			return nil
		case !wants:
			return why
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Buffered returns how many events wait: kept by Options.Offline or
// Options.Retry, and messages in the queue of the connection, which its sockets
// share.
func (s *Socket) Buffered() (kept, queued int) {
	s.m.mu.Lock()
	l := s.m.link
	kept = len(s.kept.list) + len(s.retry.list)
	s.m.mu.Unlock()
	if l != nil {
		queued, _ = l.conn.Buffered()
	}
	return kept, queued
}

// movingLocked returns a channel that is closed at the next change that a
// sender may wait for.
func (s *Socket) movingLocked() <-chan struct{} {
	if s.moved == nil {
		s.moved = make(chan struct{})
	}
	return s.moved
}

func (s *Socket) movedLocked() {
	if s.moved != nil {
		close(s.moved)
		s.moved = nil
	}
}

// ackContext gives ctx the default deadline if it has none.
func (s *Socket) ackContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok || s.cfg.ackTimeout < 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.cfg.ackTimeout)
}

// Volatile returns the socket as a target for events that are dropped when they
// cannot be written at once, or there is no connection.
func (s *Socket) Volatile() Emitter { return Emitter{s: s}.Volatile() }

// Compress returns the socket as a target for events that are, or are not,
// compressed.
func (s *Socket) Compress(on bool) Emitter { return Emitter{s: s}.Compress(on) }

// An Emitter is a socket with delivery flags: an immutable value, and a Peer and
// a Sender of package event.
type Emitter struct {
	s *Socket
	d delivery
}

// Volatile makes the server miss an event that cannot be written at once.
func (e Emitter) Volatile() Emitter {
	e.d.volatile = true
	return e
}

// Compress says whether events are worth compressing, where compression was
// agreed on. They are by default.
func (e Emitter) Compress(on bool) Emitter {
	e.d.noCompress = !on
	return e
}

// Emit is [Socket.Emit] with the flags. That a volatile event was dropped is no
// error.
func (e Emitter) Emit(name string, args ...any) error { return e.s.emit(e.d, name, args) }

// Send is [Socket.Send] with the flags. A volatile event does not wait.
func (e Emitter) Send(ctx context.Context, name string, args ...any) error {
	return e.s.sendWith(ctx, e.d, name, args)
}

// Call is [Socket.Call] with the flags. It fails at once when a volatile event
// was dropped.
func (e Emitter) Call(ctx context.Context, name string, args ...any) (event.Args, error) {
	return e.s.callWith(ctx, e.d, name, args)
}

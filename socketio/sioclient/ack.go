package sioclient

import (
	"context"
	"errors"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
)

// A call is the wait for one acknowledgement. Who takes its outgoing out of the
// table or queue that has it may settle it, once.
type call struct {
	done chan struct{}
	args event.Args
	err  error
}

func (c *call) settle(args event.Args, err error) {
	c.args, c.err = args, err
	close(c.done)
}

// Call emits an event and waits for the acknowledgement, whose arguments it
// returns. It ends with [ErrAckTimeout] when ctx runs out, or Options.AckTimeout
// if ctx has no deadline; with the cause of ctx when that is cancelled; and with
// a *[DisconnectError] when the connection is lost after the event was sent.
// With [Options.Retry] it is sent again instead.
//
// In a handler of a socket with the same connection, with its context, it gives
// the turn away while it waits.
func (s *Socket) Call(ctx context.Context, name string, args ...any) (event.Args, error) {
	return s.callWith(ctx, delivery{}, name, args)
}

func (s *Socket) callWith(ctx context.Context, d delivery, name string, args []any) (event.Args, error) {
	c := &call{done: make(chan struct{})}
	o, err := s.newOutgoing(d, name, args, c)
	if err != nil {
		return event.Args{}, err
	}
	s.m.mu.Lock()
	err = s.acceptLocked(o, d)
	s.m.mu.Unlock()
	if err != nil {
		return event.Args{}, err
	}
	s.sent(name, args)
	ctx, cancel := s.ackContext(ctx)
	defer cancel()
	turn := s.m.turnToYield(ctx)
	turn.Release()
	defer turn.Acquire()
	select {
	case <-c.done:
		return c.args, c.err
	case <-ctx.Done():
	}
	s.m.mu.Lock()
	withdrawn := s.withdrawLocked(o)
	s.m.mu.Unlock()
	if !withdrawn { // the answer has come at the same time
		<-c.done
		return c.args, c.err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return event.Args{}, ErrAckTimeout
	}
	return event.Args{}, context.Cause(ctx)
}

// withdrawLocked forgets an event whose caller waits no more, and reports
// whether it was still known.
func (s *Socket) withdrawLocked(o *outgoing) bool {
	found := s.acks[o.id] == o
	if found {
		delete(s.acks, o.id)
	}
	if s.kept.remove(o) || s.dequeueLocked(o) {
		found = true
		s.movedLocked()
	}
	return found
}

// acknowledgedLocked handles an ACK packet. Ids that nobody waits for are
// ignored: the wait may have ended, or the answer come twice.
func (s *Socket) acknowledgedLocked(p *sioparser.Packet) {
	o := s.acks[p.ID]
	if o == nil {
		return
	}
	delete(s.acks, p.ID)
	if s.dequeueLocked(o) {
		s.movedLocked()
	}
	if o.call != nil {
		o.call.settle(p.Args.Clone(), nil)
	}
}

// failAcksLocked ends the waits for acknowledgements that cannot come any more:
// those of the connection that is lost. Events that Options.Retry sends again
// stay.
func (s *Socket) failAcksLocked() {
	if list := s.retry.list; len(list) > 0 {
		delete(s.acks, list[0].id)
	}
	for _, o := range s.acks {
		if o.call != nil {
			o.call.settle(event.Args{}, s.whyLocked())
		}
	}
	clear(s.acks)
	s.interruptLocked()
}

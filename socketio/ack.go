package socketio

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/internal/mailbox"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// waiter waits for one acknowledgement of one socket. answer is called at most
// once for each time it is in a socket's table, on the reading side: it must
// not wait. args own their memory.
type waiter interface {
	answer(s *Socket, args sioparser.Args, err error)
}

// expect puts w into the table of s, before the packet with this id is sent.
func (s *Socket) expect(id uint64, w waiter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ended; err != nil {
		return err
	}
	x := s.extraLocked()
	if len(x.acks) >= s.srv().cfg.MaxAcks {
		return ErrTooManyAcks
	}
	if x.acks == nil {
		x.acks = make(map[uint64]waiter)
	}
	x.acks[id] = w
	return nil
}

// forget takes a waiter out of the table; nil means that it was not there.
// Whoever takes it out is who may call answer.
func (s *Socket) forget(id uint64) waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.extra == nil {
		return nil
	}
	w := s.extra.acks[id]
	delete(s.extra.acks, id)
	if len(s.extra.acks) == 0 {
		s.extra.acks = nil // an idle socket keeps no map
	}
	return w
}

// acknowledged handles an ACK packet. Ids that nobody waits for are ignored:
// the wait may have ended, and forged ones reach this socket's table only.
func (s *Socket) acknowledged(p *sioparser.Packet) {
	if !p.HasID {
		s.conn.violation(errors.New("ACK packet without an id"))
		return
	}
	if w := s.forget(p.ID); w != nil {
		w.answer(s, p.Args.Clone(), nil)
	}
}

// call is the waiter of Call.
type call struct {
	done chan struct{}
	args sioparser.Args
	err  error
}

func (c *call) answer(_ *Socket, args sioparser.Args, err error) {
	c.args, c.err = args, err
	close(c.done)
}

// Call emits an event and waits for the acknowledgement, whose arguments it
// returns. It ends with ErrAckTimeout when ctx runs out, or Options.AckTimeout
// if ctx has no deadline; with the cause of ctx when it is cancelled; and with
// a *DisconnectError when the socket goes away. In a handler of this socket,
// with its context, it gives the turn away while it waits.
func (s *Socket) Call(ctx context.Context, name string, args ...any) (event.Args, error) {
	return s.callWith(ctx, delivery{}, name, args)
}

func (s *Socket) callWith(ctx context.Context, d delivery, name string, args []any) (event.Args, error) {
	if err := event.CheckName(name); err != nil {
		return event.Args{}, err
	}
	id := s.ns.acks.Add(1)
	p, err := s.encode(sioparser.Header{Type: sioparser.Event, ID: id, HasID: true}, name, args)
	if err != nil {
		return event.Args{}, err
	}
	if d.noCompress {
		p.plain()
	}
	c := &call{done: make(chan struct{})}
	if err := s.expect(id, c); err != nil {
		return event.Args{}, err
	}
	if err := s.send(p, d); err != nil {
		s.forget(id)
		return event.Args{}, err
	}
	s.sentValues(name, args)
	ctx, cancel := s.srv().ackContext(ctx)
	defer cancel()
	turn := turnToYield(ctx, s)
	turn.Release()
	defer turn.Acquire()
	select {
	case <-c.done:
		return c.args, c.err
	case <-ctx.Done():
	}
	if s.forget(id) == nil { // the answer has come at the same time
		<-c.done
		return c.args, c.err
	}
	return event.Args{}, ackError(ctx)
}

// ackContext gives ctx the default deadline for acknowledgements if it has
// none.
func (srv *Server) ackContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok || srv.cfg.AckTimeout < 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, srv.cfg.AckTimeout)
}

// ackError says why the wait with ctx, which is done, has ended.
func ackError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ErrAckTimeout
	}
	return context.Cause(ctx)
}

// asked is the waiter of one socket of an audience.
type asked struct{ to sioadapter.Answers }

func (w *asked) answer(s *Socket, args sioparser.Args, err error) { w.to.Answer(s.id, args, err) }

// poll collects the answers of an audience.
type poll struct {
	mu      sync.Mutex
	missing map[string]struct{} // sockets that are known by id and have not answered
	unknown int                 // how many others have not
	asking  int                 // adapters that may announce more sockets
	err     error               // why not all nodes reported
	answers []event.Answer      // not yet yielded
	changed chan struct{}       // has room for one
}

func (p *poll) wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Expect implements sioadapter.Answers.
func (p *poll) Expect(n int, ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unknown += n
	for _, id := range ids {
		if _, twice := p.missing[id]; !twice { // two nodes may claim a socket that moves
			p.missing[id] = struct{}{}
			p.unknown--
		}
	}
}

// Answer implements sioadapter.Answers.
func (p *poll) Answer(id string, args sioparser.Args, err error) {
	p.mu.Lock()
	if _, ok := p.missing[id]; ok {
		delete(p.missing, id)
	} else {
		p.unknown--
	}
	p.answers = append(p.answers, event.Answer{SocketID: id, Args: args, Err: err})
	p.mu.Unlock()
	p.wake()
}

// Asked implements sioadapter.Answers; each adapter calls it once.
func (p *poll) Asked(err error) {
	p.mu.Lock()
	if p.asking--; p.err == nil {
		p.err = err
	}
	p.mu.Unlock()
	p.wake()
}

// take returns the answers that have come, and whether there will be more.
func (p *poll) take() (answers []event.Answer, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answers, p.answers = p.answers, nil
	return answers, p.asking > 0 || len(p.missing) > 0 || p.unknown > 0
}

// rest returns an answer for each that is missing.
func (p *poll) rest(err error) []event.Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	answers := p.answers
	for id := range p.missing {
		answers = append(answers, event.Answer{SocketID: id, Err: err})
	}
	for range p.unknown {
		answers = append(answers, event.Answer{Err: err})
	}
	if p.err != nil {
		answers = append(answers, event.Answer{Err: p.err})
	}
	return answers
}

// expects reports whether the socket with this id is to answer.
func (p *poll) expects(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.missing[id]
	return ok
}

// Each emits an event to the selected sockets and yields what they answer, as
// it arrives; when ctx runs out, or Options.AckTimeout if it has no deadline,
// one Answer with ErrAckTimeout for each that is missing. A socket that
// disconnects yields a *DisconnectError. The event is emitted when the
// iteration begins; breaking off ends the wait.
func (e Emitter) Each(ctx context.Context, name string, args ...any) iter.Seq[event.Answer] {
	return func(yield func(event.Answer) bool) {
		p, err := e.packet(name, args)
		if err != nil {
			yield(event.Answer{Err: err})
			return
		}
		sel := e.selection()
		e.ns.ask(ctx, func(ctx context.Context, a sioadapter.Adapter, to sioadapter.Answers) (func(), error) {
			return a.Ask(ctx, p, sel, to)
		}, yield)
	}
}

// ask lets the adapters concerned ask something, and yields what is answered.
func (n *Namespace) ask(ctx context.Context, begin func(context.Context, sioadapter.Adapter, sioadapter.Answers) (stop func(), err error), yield func(event.Answer) bool) {
	ctx, cancel := n.srv.ackContext(ctx)
	defer cancel()
	namespaces := n.concrete()
	answers := &poll{missing: make(map[string]struct{}), asking: len(namespaces), changed: make(chan struct{}, 1)}
	stops := make([]func(), 0, len(namespaces))
	stop := sync.OnceFunc(func() {
		for _, f := range stops {
			f()
		}
	})
	defer stop()
	for _, ns := range namespaces {
		f, err := begin(ctx, ns.adapter(), answers)
		if err != nil {
			answers.Asked(err)
			continue
		}
		stops = append(stops, f)
	}
	for {
		list, more := answers.take()
		switch {
		case !more:
			list = append(list, answers.rest(nil)...)
		case len(list) == 0 && !answers.wait(ctx):
			stop() // and hear which nodes have not reported
			list, more = answers.rest(ackError(ctx)), false
		}
		for _, a := range list {
			if !yield(a) {
				return
			}
		}
		if !more {
			return
		}
	}
}

// wait waits for an answer, and gives the turn away if it is to come from the
// socket whose handler is waiting. It returns false when ctx is done.
func (p *poll) wait(ctx context.Context) bool {
	var turn *mailbox.Turn
	if e := eventOf(ctx); e != nil && !e.ordered.Load() && p.expects(e.socket.id) {
		turn = &e.turn
	}
	turn.Release()
	defer turn.Acquire()
	select {
	case <-p.changed:
		return true
	case <-ctx.Done():
		return false
	}
}

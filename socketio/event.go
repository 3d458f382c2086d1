package socketio

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/internal/mailbox"
	"github.com/siogo/sio/socketio/sioparser"
)

// An Event is one event that a socket has received. Its methods may be called
// from any goroutine, also after its handlers have returned.
type Event struct {
	Name string

	socket  *Socket
	first   *handler // of those for its name, when it arrived; nil: none
	kind    kind
	hasID   bool
	id      uint64
	args    event.Args
	replied atomic.Bool
	ordered atomic.Bool  // the handler that runs keeps its turn while it awaits
	sending atomic.Int64 // nanoseconds spent on replying

	convention event.Convention // how a failure is told
	ctx        eventContext
	turn       mailbox.Turn
}

// kind is what a task in a socket's mailbox is about. What is not an event is
// an Event without arguments all the same, so that there is one place where
// handlers are called, and one way for their errors.
type kind uint8

const (
	kindEvent kind = iota
	kindJoin       // the middleware of Use, then kindConnect
	kindConnect
	kindDisconnect
	kindOutgoing
)

// newTask returns what is put into the mailbox for things other than events.
func (s *Socket) newTask(k kind, name string) *Event {
	e := &Event{Name: name, socket: s, kind: k}
	e.ctx.e = e
	e.turn.Keep()
	return e
}

// Socket returns the socket that received the event.
func (e *Event) Socket() *Socket { return e.socket }

// Arguments returns the arguments, without the name.
func (e *Event) Arguments() event.Args { return e.args }

// Decode decodes the arguments in order, by the rules of encoding/json. Those
// that are missing leave their dst as it is, those beyond dst are ignored. Its
// error is an *Error with the code "bad_request", fit to be returned.
func (e *Event) Decode(dst ...any) error {
	err := e.args.Decode(dst...)
	if err == nil {
		return nil
	}
	return event.BadRequest("the arguments do not fit the event", err)
}

// Handled reports whether there are handlers for its name; others than OnAny and
// OnUnknown. Names without are made up by clients: metrics should not tell them
// apart.
func (e *Event) Handled() bool {
	for _, t := range e.socket.stack() {
		if len(t.events[e.Name]) > 0 {
			return true
		}
	}
	return false
}

// WantsReply reports whether the client asked for an acknowledgement and has
// none yet.
func (e *Event) WantsReply() bool { return e.hasID && !e.replied.Load() }

// Reply acknowledges the event. It does nothing when the client asked for no
// acknowledgement, or has one.
func (e *Event) Reply(args ...any) error {
	if !e.hasID || !e.replied.CompareAndSwap(false, true) {
		return nil
	}
	s := e.socket
	p, err := s.encode(sioparser.Header{Type: sioparser.Ack, ID: e.id, HasID: true}, "", args)
	if err != nil {
		e.replied.Store(false) // the error can still be told
		return err
	}
	if e.first == nil || e.first.brief() {
		return s.send(p, delivery{})
	}
	begin := clock()
	err = s.send(p, delivery{})
	e.sending.Add(int64(clock() - begin))
	return err
}

// Run runs the task; it is called by the mailbox only.
func (e *Event) run() {
	s := e.socket
	ctx := context.Context(&e.ctx)
	switch e.kind {
	case kindJoin:
		if s.runJoin(e) {
			s.runConnect(ctx, e)
		}
	case kindConnect:
		s.runConnect(ctx, e)
	case kindDisconnect:
		s.runDisconnect(e)
	case kindOutgoing:
		e.showOutgoing(ctx)
	default:
		if e.first == nil {
			e.serve(ctx)
			return
		}
		begin := clock()
		e.serve(ctx)
		e.first.took(clock() - begin - time.Duration(e.sending.Load()))
	}
}

// task is an Event as the mailbox knows it, which keeps Run out of its API.
type task struct{ *Event }

func (t task) Run(*mailbox.Turn) { t.Event.run() }

// serve passes the event through the catch-all handlers, the middleware and
// the handlers.
func (e *Event) serve(ctx context.Context) {
	s := e.socket
	st := s.stack()
	if h := s.srv().cfg.Hooks.Event; h != nil {
		hooked, done := h(ctx, e)
		err := e.serveStack(hooked, &st)
		if done != nil {
			done(err)
		}
		return
	}
	e.serveStack(ctx, &st)
}

func (e *Event) serveStack(ctx context.Context, st *stack) error {
	for _, t := range st {
		for _, h := range t.any {
			if err := e.protect(ctx, h.fn); err != nil {
				e.report(ctx, err)
			}
		}
	}
	for _, t := range st {
		if list := t.events[e.Name]; len(list) > 0 {
			e.convention = list[0].options.Convention
			break
		}
	}
	err := e.protect(ctx, st.chain())
	if err != nil {
		e.fail(ctx, err)
	}
	return err
}

// showOutgoing passes an event that was emitted to the handlers for that.
func (e *Event) showOutgoing(ctx context.Context) {
	st := e.socket.stack()
	for _, t := range st {
		for _, h := range t.outgoing {
			if err := e.protect(ctx, h.fn); err != nil {
				e.report(ctx, err)
			}
		}
	}
}

// call runs one handler with its options.
func (e *Event) call(ctx context.Context, h *handler) error {
	o := &h.options
	e.convention = o.Convention
	if o.PerSecond > 0 && !e.socket.allow(h) {
		e.drop()
		return nil
	}
	timeout := e.socket.srv().cfg.HandlerTimeout
	if o.Timeout != 0 {
		timeout = o.Timeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	e.ordered.Store(o.Ordered)
	return h.fn(ctx, e)
}

// protect calls f and makes its panic an error. It is the one place where
// panics of handlers are recovered.
func (e *Event) protect(ctx context.Context, h Handler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = e.panicked(ctx, v)
		}
	}()
	return h.ServeEvent(ctx, e)
}

func (e *Event) panicked(ctx context.Context, v any) error {
	err := &PanicError{Value: v, Stack: debug.Stack()}
	cfg := e.socket.srv().cfg
	if cfg.CrashOnPanic {
		e.report(ctx, err)
		panic(v)
	}
	if cfg.DisconnectOnPanic {
		e.socket.Disconnect()
	}
	return err
}

// fail does what an error of the handlers of this event calls for.
func (e *Event) fail(ctx context.Context, err error) {
	switch {
	case errors.Is(err, Leave):
		e.socket.Disconnect()
		return
	case errors.Is(err, Hangup):
		e.socket.Hangup()
		return
	}
	if e.WantsReply() {
		if args, ok := e.convention.Failure(publicError(err)); ok {
			if sent := e.Reply(args...); sent != nil && !errors.Is(sent, ErrDisconnected) {
				e.report(ctx, sent)
			}
		}
	}
	e.report(ctx, err)
}

// drop counts an event that is not handled, and tells the client if it asked.
func (e *Event) drop() {
	s := e.socket
	if h := s.srv().cfg.Hooks.Dropped; h != nil {
		h(s, e.Name)
	}
	if args, ok := e.convention.Failure(&Error{Code: event.CodeRateLimited, Message: "too many events"}); ok {
		_ = e.Reply(args...) // the client that floods may be gone
	}
}

// publicError is what the client may know of an error.
func publicError(err error) *Error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return &Error{Code: event.CodeInternal, Message: "internal error"}
}

// report tells OnError and the log. An error that only says that the client
// has left is no news.
func (e *Event) report(ctx context.Context, err error) {
	s := e.socket
	cfg := s.srv().cfg
	if cfg.OnError != nil {
		cfg.OnError(ctx, e, err)
	}
	level := slog.LevelError
	if errors.As(err, new(*Error)) {
		level = slog.LevelWarn
	}
	if s.gone() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ErrDisconnected)) {
		level = slog.LevelDebug
	}
	if !cfg.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("event", e.Name), slog.Any("socket", s), slog.Any("err", err)}
	if p := (*PanicError)(nil); errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	cfg.Logger.LogAttrs(ctx, level, "handler failed", attrs...)
}

// eventContext is the context of the handlers of one event: that of the
// socket, and the way back to the event. It makes nothing until it is asked,
// since most handlers only pass it on.
type eventContext struct{ e *Event }

type eventKey struct{}

func (c *eventContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *eventContext) Done() <-chan struct{}       { return c.e.socket.Context().Done() }

func (c *eventContext) Err() error {
	if ctx := c.e.socket.contextIfAny(); ctx != nil {
		return ctx.Err()
	}
	return nil
}

func (c *eventContext) Value(key any) any {
	if key == (eventKey{}) {
		return c.e
	}
	if ctx := c.e.socket.contextIfAny(); ctx != nil {
		return ctx.Value(key)
	}
	return c.e.socket.conn.session.Handshake().Context().Value(key)
}

// eventOf returns the event that ctx was made for, or nil.
func eventOf(ctx context.Context) *Event {
	e, _ := ctx.Value(eventKey{}).(*Event)
	return e
}

// turnToYield returns the turn that a wait for an answer from s gives away, or
// nil: that of s, if ctx comes from one of its handlers.
func turnToYield(ctx context.Context, s *Socket) *mailbox.Turn {
	e := eventOf(ctx)
	if e == nil || e.socket != s || e.ordered.Load() {
		return nil
	}
	return &e.turn
}

// Detach leaves the turn of the socket whose handler got ctx: its next events
// are handled although this handler goes on. It is for long jobs. At most
// Options.Inbound.MaxPackets handlers of a socket are outside at once; further
// events wait for one of them to end. The timeout of the handler stays.
func Detach(ctx context.Context) {
	if e := eventOf(ctx); e != nil {
		e.turn.Detach()
	}
}

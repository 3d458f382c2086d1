package sioclient

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/internal/mailbox"
	"github.com/siogo/sio/socketio/sioparser"
)

// An Event is one event that a socket has received. Its methods may be called
// from any goroutine, also after its handlers have returned.
type Event struct {
	Name string

	socket  *Socket
	kind    kind
	reason  Reason // of kindDisconnect
	link    *link  // that the event came over: an answer goes back there or nowhere
	hasID   bool
	id      uint64
	args    event.Args
	replied atomic.Bool
	ordered atomic.Bool // the handler that runs keeps its turn while it awaits

	convention event.Convention // how a failure is told
	turn       mailbox.Turn
}

// kind is what a task in the mailbox of a socket is about.
type kind uint8

const (
	kindEvent kind = iota
	kindConnect
	kindDisconnect
	kindOutgoing
)

// Socket returns the socket that received the event.
func (e *Event) Socket() *Socket { return e.socket }

// Arguments returns the arguments, without the name.
func (e *Event) Arguments() event.Args { return e.args }

// Decode decodes the arguments in order, by the rules of encoding/json. Those
// that are missing leave their dst as it is, those beyond dst are ignored. Its
// error is an *[Error] with the code "bad_request", fit to be returned.
func (e *Event) Decode(dst ...any) error {
	if err := e.args.Decode(dst...); err != nil {
		return event.BadRequest("the arguments do not fit the event", err)
	}
	return nil
}

// WantsReply reports whether the server asked for an acknowledgement and has
// none yet.
func (e *Event) WantsReply() bool { return e.hasID && !e.replied.Load() }

// Reply acknowledges the event. It does nothing when the server asked for no
// acknowledgement, or has one. When the connection that the event came over is
// gone, so is whoever asked: the error is a *[DisconnectError].
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
	return s.answer(e.link, p)
}

// task is an Event as the mailbox knows it, which keeps Run out of its API.
type task struct{ *Event }

func (t task) Run(*mailbox.Turn) { t.run() }

func (e *Event) run() {
	s := e.socket
	if s.muted.Load() {
		return
	}
	ctx := context.WithValue(s.ctx, eventKey{}, e)
	t := s.routes.load()
	switch e.kind {
	case kindConnect:
		for _, h := range t.connect {
			e.reportIf(ctx, e.protect(ctx, func(ctx context.Context, _ *Event) error { return h.fn(ctx, s) }))
		}
	case kindDisconnect:
		for _, h := range t.disconnect {
			e.reportIf(ctx, e.protect(ctx, func(ctx context.Context, _ *Event) error { h.fn(ctx, s, e.reason); return nil }))
		}
	case kindOutgoing:
		for _, h := range t.outgoing {
			e.reportIf(ctx, e.protect(ctx, h.fn))
		}
	default:
		if hook := s.m.cfg.hooks.Event; hook != nil {
			var done func(error)
			s.m.guard("event", func() { ctx, done = hook(ctx, e) })
			err := e.serve(ctx, t)
			if done != nil {
				s.m.guard("event", func() { done(err) })
			}
			return
		}
		e.serve(ctx, t)
	}
}

// serve calls the handlers of an event: those for all, then those that keep the
// turn, then those outside of it. It returns the first error of the latter two.
func (e *Event) serve(ctx context.Context, t *table) (first error) {
	for _, h := range t.any {
		e.reportIf(ctx, e.protect(ctx, h.fn))
	}
	list := t.events[e.Name]
	outside := false
	run := func(h *handler) {
		if e.socket.muted.Load() {
			return
		}
		if err := e.call(ctx, h); err != nil {
			if first == nil {
				first = err
			} else {
				e.report(ctx, err)
			}
		}
	}
	for _, h := range list {
		if h.options.Concurrent {
			outside = true
			continue
		}
		run(h)
	}
	if outside {
		e.turn.Detach()
		for _, h := range list {
			if h.options.Concurrent {
				run(h)
			}
		}
	}
	if first != nil {
		e.convention = list[0].options.Convention
		e.fail(ctx, first)
	}
	return first
}

// call runs one handler with its options.
func (e *Event) call(ctx context.Context, h *handler) error {
	o := &h.options
	if !h.bucket.take() {
		e.drop(o.Convention)
		return nil
	}
	timeout := e.socket.cfg.handlerTimeout
	if o.Timeout != 0 {
		timeout = o.Timeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	e.ordered.Store(o.Ordered)
	return e.protect(ctx, h.fn)
}

// protect calls a handler and makes its panic an error.
func (e *Event) protect(ctx context.Context, fn HandlerFunc) (err error) {
	if p := callback(func() { err = fn(ctx, e) }); p != nil {
		return p
	}
	return err
}

// fail does what an error of the handlers of this event calls for.
func (e *Event) fail(ctx context.Context, err error) {
	if e.WantsReply() {
		if args, ok := e.convention.Failure(publicError(err)); ok {
			if sent := e.Reply(args...); sent != nil && !errors.Is(sent, ErrDisconnected) {
				e.report(ctx, sent)
			}
		}
	}
	e.report(ctx, err)
}

// drop counts an event that is not handled, and tells the server if it asked.
func (e *Event) drop(c event.Convention) {
	e.socket.dropped(e.Name)
	if args, ok := c.Failure(&Error{Code: event.CodeRateLimited, Message: "too many events"}); ok {
		_ = e.Reply(args...) // the server may be gone
	}
}

// publicError is what the server may know of an error.
func publicError(err error) *Error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return &Error{Code: event.CodeInternal, Message: "internal error"}
}

func (e *Event) reportIf(ctx context.Context, err error) {
	if err != nil {
		e.report(ctx, err)
	}
}

func (e *Event) report(ctx context.Context, err error) { e.socket.report(ctx, e.Name, err) }

// report tells OnError and the log. An error that only says that the socket was
// closed or disconnected meanwhile is no news.
func (s *Socket) report(ctx context.Context, name string, err error) {
	cfg := s.m.cfg
	if cfg.OnError != nil && !s.muted.Load() {
		s.m.guard("error", func() { cfg.OnError(s, name, err) })
	}
	level := slog.LevelError
	if errors.As(err, new(*Error)) {
		level = slog.LevelWarn
	}
	if errors.Is(err, ErrDisconnected) || s.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		level = slog.LevelDebug
	}
	if errors.As(err, new(*UndeliveredError)) {
		level = slog.LevelWarn
	}
	if !cfg.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("event", name), slog.String("namespace", s.namespace), slog.Any("err", err)}
	if p := (*PanicError)(nil); errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	cfg.Logger.LogAttrs(ctx, level, "socket.io client", attrs...)
}

func (s *Socket) dropped(name string) {
	if hook := s.m.cfg.hooks.Dropped; hook != nil {
		s.m.guard("dropped", func() { hook(s, name) })
	}
}

type eventKey struct{}

// eventOf returns the event that ctx was made for, or nil.
func eventOf(ctx context.Context) *Event {
	e, _ := ctx.Value(eventKey{}).(*Event)
	return e
}

// turnToYield returns the turn that a wait for something from the server gives
// away, or nil: that of the handler that ctx comes from, if its socket uses the
// same connection. Were it another socket that waits, a full mailbox could keep
// the answer from being read.
func (m *manager) turnToYield(ctx context.Context) *mailbox.Turn {
	e := eventOf(ctx)
	if e == nil || e.socket.m != m || e.ordered.Load() {
		return nil
	}
	return &e.turn
}

// Detach leaves the turn of the socket whose handler got ctx: its next events
// are handled although this handler goes on. It is for long jobs. At most
// Options.Inbound handlers of a socket are outside at once; further events wait
// for one of them to end.
func Detach(ctx context.Context) {
	if e := eventOf(ctx); e != nil {
		e.turn.Detach()
	}
}

// callback calls a function of the application and returns its panic. It is on
// the stack of every such call: see inCallback.
//
//go:noinline
func callback(f func()) (p *PanicError) {
	defer func() {
		if v := recover(); v != nil {
			p = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	f()
	return nil
}

var callbackEntry = reflect.ValueOf(callback).Pointer()

// inCallback reports whether the caller runs inside a function of the
// application that this package has called.
func inCallback() bool {
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for frames := runtime.CallersFrames(pcs[:n]); ; {
			frame, more := frames.Next()
			if frame.Entry == callbackEntry && frame.Entry != 0 {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

package event

import (
	"context"
	"errors"
	"time"
)

// A Registrar takes handlers for the events of sockets of type S: a server, a
// namespace or one socket of it, or a client. Application code does not call
// it, but the functions of this package.
//
// Register adds a handler behind those that the event has already; remove takes
// it out again.
type Registrar[S any] interface {
	Register(name string, h Handler[S], o Options) (remove func())
}

// A Handler is one handler as a Registrar keeps it. Its error goes where the
// registrar's documentation says; o.Convention lays down how it is told to the
// peer.
type Handler[S any] func(ctx context.Context, s S, in Incoming) error

// Incoming is an event that arrived.
type Incoming interface {
	// Arguments returns the arguments without the name.
	Arguments() Args
	// Reply acknowledges the event with args. It does nothing when the peer
	// asked for no acknowledgement, and from the second time on.
	Reply(args ...any) error
}

// Options is what the handler options set, for registrars to read.
type Options struct {
	Timeout    time.Duration // zero: the default of the registrar; negative: none
	PerSecond  float64       // zero: no limit
	Burst      int
	Concurrent bool
	Ordered    bool
	Convention Convention
}

// An Option changes how one handler is run.
type Option func(*Options)

// Timeout ends the context of the handler after d. Negative means never,
// whatever the default is.
func Timeout(d time.Duration) Option { return func(o *Options) { o.Timeout = d } }

// Limit lets through so many events a second of each socket, and bursts of so
// many. The others are dropped and counted; if an answer was asked for, it is
// CodeRateLimited.
func Limit(perSecond float64, burst int) Option {
	return func(o *Options) { o.PerSecond, o.Burst = perSecond, burst }
}

// Concurrent runs the handler outside the turn of its socket: the next event
// does not wait for it. Handlers of two such events run at once, and may begin
// in either order.
func Concurrent() Option { return func(o *Options) { o.Concurrent = true } }

// Ordered keeps the turn of the socket while the handler awaits an answer of
// it: no other event of the socket is handled before this handler ends.
func Ordered() Option { return func(o *Options) { o.Ordered = true } }

func newOptions(c Convention, list []Option) Options {
	o := Options{Convention: c}
	for _, f := range list {
		f(&o)
	}
	return o
}

// On registers a handler for an event. When it returns nil and the peer asked
// for an acknowledgement, the peer gets an empty one.
func On[S, T any](r Registrar[S], e Event[T], fn func(ctx context.Context, s S, v T) error, opts ...Option) (remove func()) {
	return r.Register(e.name, func(ctx context.Context, s S, in Incoming) error {
		var v T
		if _, err := takeValid(&e.v, in.Arguments(), &v); err != nil {
			return err
		}
		if err := fn(ctx, s, v); err != nil {
			return err
		}
		return reply(in)
	}, newOptions(Plain, opts))
}

// On2 is On for events of two arguments.
func On2[S, A, B any](r Registrar[S], e Event2[A, B], fn func(ctx context.Context, s S, a A, b B) error, opts ...Option) (remove func()) {
	return r.Register(e.name, func(ctx context.Context, s S, in Incoming) error {
		var v struct {
			a A
			b B
		}
		rest, err := takeValid(&e.a, in.Arguments(), &v.a)
		if err != nil {
			return err
		}
		if _, err = takeValid(&e.b, rest, &v.b); err != nil {
			return err
		}
		if err := fn(ctx, s, v.a, v.b); err != nil {
			return err
		}
		return reply(in)
	}, newOptions(Plain, opts))
}

// On3 is On for events of three arguments.
func On3[S, A, B, C any](r Registrar[S], e Event3[A, B, C], fn func(ctx context.Context, s S, a A, b B, c C) error, opts ...Option) (remove func()) {
	return r.Register(e.name, func(ctx context.Context, s S, in Incoming) error {
		var v struct {
			a A
			b B
			c C
		}
		rest, err := takeValid(&e.a, in.Arguments(), &v.a)
		if err != nil {
			return err
		}
		if rest, err = takeValid(&e.b, rest, &v.b); err != nil {
			return err
		}
		if _, err = takeValid(&e.c, rest, &v.c); err != nil {
			return err
		}
		if err := fn(ctx, s, v.a, v.b, v.c); err != nil {
			return err
		}
		return reply(in)
	}, newOptions(Plain, opts))
}

// Handle registers the handler that answers an RPC. Of several for one event,
// the first that returns answers.
func Handle[S, Req, Res any](r Registrar[S], e RPC[Req, Res], fn func(ctx context.Context, s S, req Req) (Res, error), opts ...Option) (remove func()) {
	return r.Register(e.name, func(ctx context.Context, s S, in Incoming) error {
		var req Req
		if _, err := takeValid(&e.req, in.Arguments(), &req); err != nil {
			return err
		}
		res, err := fn(ctx, s, req)
		if err != nil {
			return err
		}
		args, err := e.res.append(nil, res)
		if err != nil {
			return err
		}
		return reply(in, e.convention.Success(args...)...)
	}, newOptions(e.convention, opts))
}

// takeValid decodes and validates v.
func takeValid[T any](c *value[T], args Args, v *T) (rest Args, err error) {
	if rest, err = c.take(args, v); err != nil {
		return rest, err
	}
	return rest, validate(v)
}

// reply answers. That the peer has left before its answer is no fault of the
// handler.
func reply(in Incoming, args ...any) error {
	err := in.Reply(args...)
	if errors.Is(err, ErrDisconnected) {
		return nil
	}
	return err
}

package event

import (
	"context"
	"errors"
	"iter"
	"sync"
)

// ErrUnsubscribed is returned by a Subscription that was closed.
var ErrUnsubscribed = errors.New("socketio: subscription is closed")

// A Subscription receives events when its owner asks for them. Next and All may
// be used by several goroutines, each event then goes to one of them.
type Subscription[T any] struct {
	queue  chan T
	gone   <-chan struct{} // closed when the registrar has ended; nil if it never does
	cause  func() error
	remove func()
	once   sync.Once
	closed chan struct{}
}

// Subscribe registers for an event at once; what arrives waits until it is
// asked for. At most n events wait. Then the handler of the next one waits, and
// with it the socket: its queue fills up, and the transport is read no further.
func Subscribe[S, T any](r Registrar[S], e Event[T], n int, opts ...Option) *Subscription[T] {
	sub := &Subscription[T]{queue: make(chan T, max(n, 0)), closed: make(chan struct{})}
	if c, ok := r.(interface{ Context() context.Context }); ok {
		ctx := c.Context()
		sub.gone, sub.cause = ctx.Done(), func() error { return context.Cause(ctx) }
	}
	sub.remove = On(r, e, func(ctx context.Context, _ S, v T) error {
		select {
		case <-sub.closed: // the queue may have room, but nobody looks at it
			return nil
		default:
		}
		select {
		case sub.queue <- v:
			return nil
		default:
		}
		select {
		case sub.queue <- v:
		case <-sub.closed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		return nil
	}, opts...)
	return sub
}

// Next returns the next event. What has arrived is returned before any error:
// the cause of ctx, the end of the socket or client, or ErrUnsubscribed.
func (s *Subscription[T]) Next(ctx context.Context) (v T, err error) {
	select {
	case v = <-s.queue:
		return v, nil
	default:
	}
	select {
	case v = <-s.queue:
		return v, nil
	case <-ctx.Done():
		return v, context.Cause(ctx)
	case <-s.closed:
		return v, ErrUnsubscribed
	case <-s.gone:
	}
	select { // it may have come together with the end
	case v = <-s.queue:
		return v, nil
	default:
		return v, s.cause()
	}
}

// All yields the events as they arrive. It ends after the error that Next
// returned, or without one when the subscription is closed.
func (s *Subscription[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := s.Next(ctx)
			if err == ErrUnsubscribed {
				return
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Close takes the registration back. It may be called more than once.
func (s *Subscription[T]) Close() {
	s.once.Do(func() {
		s.remove()
		close(s.closed)
	})
}

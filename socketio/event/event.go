package event

import (
	"context"
	"reflect"
)

// An Event carries one value of type T. It is a small immutable value; any
// goroutine may use it.
type Event[T any] struct {
	name string
	v    value[T]
}

// New declares an event. It panics when the name is empty or reserved:
// contracts are meant to be package variables.
func New[T any](name string, s ...Setting) Event[T] {
	set := newSettings(s)
	declare(Contract{Name: name, Args: []reflect.Type{reflect.TypeFor[T]()}})
	return Event[T]{name, newValue[T](set)}
}

// Name returns the name of the event.
func (e Event[T]) Name() string { return e.name }

// Emit emits the event to a target.
func (e Event[T]) Emit(to Target, v T) error {
	args, err := e.v.append(nil, v)
	if err != nil {
		return err
	}
	return to.Emit(e.name, args...)
}

// Send emits the event, waiting while the queue of the target is full.
func (e Event[T]) Send(ctx context.Context, to Sender, v T) error {
	args, err := e.v.append(nil, v)
	if err != nil {
		return err
	}
	return to.Send(ctx, e.name, args...)
}

// An Event2 carries two values, each an argument of its own.
type Event2[A, B any] struct {
	name string
	a    value[A]
	b    value[B]
}

// New2 declares an event of two arguments. It panics as New does.
func New2[A, B any](name string, s ...Setting) Event2[A, B] {
	set := newSettings(s)
	declare(Contract{Name: name, Args: []reflect.Type{reflect.TypeFor[A](), reflect.TypeFor[B]()}})
	return Event2[A, B]{name, newValue[A](set), newValue[B](set)}
}

// Name returns the name of the event.
func (e Event2[A, B]) Name() string { return e.name }

// Emit emits the event to a target.
func (e Event2[A, B]) Emit(to Target, a A, b B) error {
	args, err := e.args(a, b)
	if err != nil {
		return err
	}
	return to.Emit(e.name, args...)
}

// Send emits the event, waiting while the queue of the target is full.
func (e Event2[A, B]) Send(ctx context.Context, to Sender, a A, b B) error {
	args, err := e.args(a, b)
	if err != nil {
		return err
	}
	return to.Send(ctx, e.name, args...)
}

func (e *Event2[A, B]) args(a A, b B) ([]any, error) {
	args, err := e.a.append(make([]any, 0, 2), a)
	if err != nil {
		return nil, err
	}
	return e.b.append(args, b)
}

// An Event3 carries three values, each an argument of its own.
type Event3[A, B, C any] struct {
	name string
	a    value[A]
	b    value[B]
	c    value[C]
}

// New3 declares an event of three arguments. It panics as New does.
func New3[A, B, C any](name string, s ...Setting) Event3[A, B, C] {
	set := newSettings(s)
	declare(Contract{Name: name, Args: []reflect.Type{reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C]()}})
	return Event3[A, B, C]{name, newValue[A](set), newValue[B](set), newValue[C](set)}
}

// Name returns the name of the event.
func (e Event3[A, B, C]) Name() string { return e.name }

// Emit emits the event to a target.
func (e Event3[A, B, C]) Emit(to Target, a A, b B, c C) error {
	args, err := e.args(a, b, c)
	if err != nil {
		return err
	}
	return to.Emit(e.name, args...)
}

// Send emits the event, waiting while the queue of the target is full.
func (e Event3[A, B, C]) Send(ctx context.Context, to Sender, a A, b B, c C) error {
	args, err := e.args(a, b, c)
	if err != nil {
		return err
	}
	return to.Send(ctx, e.name, args...)
}

func (e *Event3[A, B, C]) args(a A, b B, c C) ([]any, error) {
	args, err := e.a.append(make([]any, 0, 3), a)
	if err != nil {
		return nil, err
	}
	if args, err = e.b.append(args, b); err != nil {
		return nil, err
	}
	return e.c.append(args, c)
}

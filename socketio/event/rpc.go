package event

import (
	"context"
	"iter"
	"reflect"
)

// An RPC carries a request and is answered with a result, in the
// acknowledgement of the event. It is a small immutable value; any goroutine
// may use it.
type RPC[Req, Res any] struct {
	name       string
	req        value[Req]
	res        value[Res]
	convention Convention
}

// NewRPC declares an event that is answered. It panics as New does.
func NewRPC[Req, Res any](name string, s ...Setting) RPC[Req, Res] {
	set := newSettings(s)
	declare(Contract{
		Name:       name,
		Args:       []reflect.Type{reflect.TypeFor[Req]()},
		Result:     reflect.TypeFor[Res](),
		Convention: set.convention,
	})
	return RPC[Req, Res]{name, newValue[Req](set), newValue[Res](set), set.convention}
}

// Name returns the name of the event.
func (r RPC[Req, Res]) Name() string { return r.name }

// Call sends the request and waits for the result. The error is an *Error when
// the peer reported one; see Peer for the others. A handler that calls its own
// socket gives its turn away while it waits.
func (r RPC[Req, Res]) Call(ctx context.Context, to Peer, req Req) (Res, error) {
	args, err := r.req.append(nil, req)
	if err != nil {
		return *new(Res), err
	}
	answer, err := to.Call(ctx, r.name, args...)
	if err != nil {
		return *new(Res), err
	}
	return r.result(answer)
}

// Emit sends the request and does not ask for the result.
func (r RPC[Req, Res]) Emit(to Target, req Req) error {
	args, err := r.req.append(nil, req)
	if err != nil {
		return err
	}
	return to.Emit(r.name, args...)
}

// A Result is what one socket of an Audience answered.
type Result[T any] struct {
	SocketID string // empty when the node that owns the socket did not tell
	Value    T
	Err      error
}

// Each sends the request to all sockets of an audience and yields their results
// as they arrive, then one with an error for each that is missing when ctx, or
// its default deadline, runs out.
func (r RPC[Req, Res]) Each(ctx context.Context, to Audience, req Req) iter.Seq[Result[Res]] {
	return func(yield func(Result[Res]) bool) {
		args, err := r.req.append(nil, req)
		if err != nil {
			yield(Result[Res]{Err: err})
			return
		}
		for a := range to.Each(ctx, r.name, args...) {
			res := Result[Res]{SocketID: a.SocketID, Err: a.Err}
			if a.Err == nil {
				res.Value, res.Err = r.result(a.Args)
			}
			if !yield(res) {
				return
			}
		}
	}
}

// result decodes an answer.
func (r *RPC[Req, Res]) result(answer Args) (res Res, err error) {
	if answer, err = r.convention.Split(answer); err != nil {
		return res, err
	}
	_, err = r.res.take(answer, &res)
	return res, err
}

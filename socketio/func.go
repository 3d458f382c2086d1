package socketio

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// Func makes a handler of a plain function, for code ported from JavaScript. Its
// parameters are, in this order: a context.Context if it likes; the *Socket if
// it likes; the arguments of the event, of any types; and, if it likes, a
// function without results that acknowledges the event with what it is called
// with. Arguments that are missing are zero values. It may be variadic.
//
// Its results, if it has any, acknowledge the event instead; a last result of
// type error is the error of the handler.
//
//	io.On("join", socketio.Func(func(s *socketio.Socket, room string, ack func(ok bool)) {
//		ack(s.Join(room) == nil)
//	}))
//
// Func panics if fn is not such a function.
func Func(fn any) HandlerFunc {
	f, err := newAdapted(fn)
	if err != nil {
		panic(err.Error())
	}
	return f.serve
}

// adapted is a function of which it is known what it wants.
type adapted struct {
	fn       reflect.Value
	context  bool
	socket   bool
	args     []reflect.Type // for a variadic function, the last is that of an element
	variadic bool
	ack      reflect.Type // nil: none
	results  int          // without the error
	fails    bool
}

var (
	contextType = reflect.TypeFor[context.Context]()
	socketType  = reflect.TypeFor[*Socket]()
	errorType   = reflect.TypeFor[error]()
)

func newAdapted(fn any) (*adapted, error) {
	f := &adapted{fn: reflect.ValueOf(fn)}
	t := reflect.TypeOf(fn)
	if t == nil || t.Kind() != reflect.Func || f.fn.IsNil() {
		return nil, fmt.Errorf("socketio: Func takes a function, not %T", fn)
	}
	in := make([]reflect.Type, 0, t.NumIn())
	for i := range t.NumIn() {
		in = append(in, t.In(i))
	}
	if len(in) > 0 && in[0] == contextType {
		f.context, in = true, in[1:]
	}
	if len(in) > 0 && in[0] == socketType {
		f.socket, in = true, in[1:]
	}
	if n := len(in) - 1; n >= 0 && in[n].Kind() == reflect.Func {
		if in[n].NumOut() > 0 {
			return nil, fmt.Errorf("socketio: Func(%T): the acknowledgement function has results", fn)
		}
		f.ack, in = in[n], in[:n]
	}
	if f.variadic = t.IsVariadic(); f.variadic {
		in[len(in)-1] = in[len(in)-1].Elem()
	}
	for _, a := range in {
		switch a.Kind() {
		case reflect.Func, reflect.Chan, reflect.UnsafePointer:
			return nil, fmt.Errorf("socketio: Func(%T): an argument cannot be of type %v", fn, a)
		}
		if a == contextType || a == socketType {
			return nil, fmt.Errorf("socketio: Func(%T): %v must come before the arguments", fn, a)
		}
	}
	f.args = in
	f.results = t.NumOut()
	if f.results > 0 && t.Out(f.results-1) == errorType {
		f.fails = true
		f.results--
	}
	if f.results > 0 && f.ack != nil {
		return nil, fmt.Errorf("socketio: Func(%T): it acknowledges with a function or with results, not with both", fn)
	}
	return f, nil
}

func (f *adapted) serve(ctx context.Context, e *Event) error {
	in := make([]reflect.Value, 0, 4+len(f.args))
	if f.context {
		in = append(in, reflect.ValueOf(ctx))
	}
	if f.socket {
		in = append(in, reflect.ValueOf(e.socket))
	}
	n := len(f.args)
	if f.variadic {
		n = max(n-1, e.args.Len())
	}
	dst := make([]any, n)
	for i := range dst {
		v := reflect.New(f.args[min(i, len(f.args)-1)])
		dst[i] = v.Interface()
		in = append(in, v.Elem())
	}
	if err := e.Decode(dst...); err != nil {
		return err
	}
	if f.ack != nil {
		in = append(in, reflect.MakeFunc(f.ack, func(args []reflect.Value) []reflect.Value {
			err := e.Reply(interfaces(args, f.ack.IsVariadic())...)
			if err != nil && !errors.Is(err, ErrDisconnected) {
				e.fail(ctx, err)
			}
			return nil
		}))
	}
	out := f.fn.Call(in)
	if f.fails {
		if err, _ := out[f.results].Interface().(error); err != nil {
			return err
		}
	}
	if f.ack != nil || len(out) == 0 {
		return nil
	}
	return e.Reply(interfaces(out[:f.results], false)...)
}

// interfaces returns the values, those of the last one by one if it is the
// list of a variadic function.
func interfaces(values []reflect.Value, variadic bool) []any {
	list := make([]any, 0, len(values))
	for i, v := range values {
		if variadic && i == len(values)-1 {
			for j := range v.Len() {
				list = append(list, v.Index(j).Interface())
			}
			break
		}
		list = append(list, v.Interface())
	}
	return list
}

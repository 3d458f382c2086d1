package event

import (
	"errors"
	"reflect"

	"github.com/siogo/sio/socketio/sioparser"
)

// ArgsMarshaler is implemented by types that are more than one argument, or
// optional ones.
type ArgsMarshaler interface {
	MarshalArgs() ([]any, error)
}

// ArgsUnmarshaler is the reverse of ArgsMarshaler, implemented by the pointer.
type ArgsUnmarshaler interface {
	UnmarshalArgs(args Args) error
}

// Validator is implemented by payload types, or pointers to them, that can be
// wrong although they could be decoded. An *Error goes to the peer as it is;
// of any other error, its text does, with CodeBadRequest.
type Validator interface {
	Validate() error
}

// Base64 is bytes that travel inside the JSON text, base64-encoded, and not as
// an attachment.
type Base64 = sioparser.Base64

// value is how the values of one type become arguments and come back.
type value[T any] struct {
	form  form
	codec Codec[T]
}

type form uint8

const (
	one  form = iota // one argument
	none             // struct{}: no argument
	list             // the type marshals itself into any number
)

func newValue[T any](s *settings) value[T] {
	t := reflect.TypeFor[T]()
	v := value[T]{}
	v.codec, _ = s.codecs[t].(Codec[T])
	_, out := any(*new(T)).(ArgsMarshaler)
	_, in := any(new(T)).(ArgsUnmarshaler)
	switch {
	case out || in:
		v.form = list
	case t.Kind() == reflect.Struct && t.NumField() == 0:
		v.form = none
	}
	return v
}

// append appends v to the arguments.
func (c *value[T]) append(args []any, v T) ([]any, error) {
	if c.form == none {
		return args, nil
	}
	if c.form == list {
		m, ok := any(v).(ArgsMarshaler)
		if !ok {
			m, ok = any(&v).(ArgsMarshaler)
		}
		if ok {
			more, err := m.MarshalArgs()
			return append(args, more...), err
		}
	}
	if c.codec != nil {
		return append(args, encoding[T]{c.codec, v}), nil
	}
	return append(args, v), nil
}

// take decodes v from the front of args and returns the rest.
func (c *value[T]) take(args Args, v *T) (rest Args, err error) {
	if c.form == none {
		return args, nil
	}
	if c.form == list {
		if u, ok := any(v).(ArgsUnmarshaler); ok {
			return Args{}, fits(u.UnmarshalArgs(args))
		}
	}
	if c.codec != nil {
		err = args.Decode(&decoding[T]{c.codec, v})
	} else {
		err = args.Decode(v)
	}
	return args.Shift(), fits(err)
}

// fits makes the error of decoding one for the peer.
func fits(err error) error {
	if err == nil || errors.As(err, new(*Error)) {
		return err
	}
	return BadRequest("the arguments do not fit the event", err)
}

// validate asks v, or a pointer to it, whether it is valid.
func validate[T any](v *T) error {
	check, ok := any(v).(Validator)
	if !ok {
		return nil
	}
	err := check.Validate()
	if err == nil || errors.As(err, new(*Error)) {
		return err
	}
	return &Error{Code: CodeBadRequest, Message: err.Error()}
}

type encoding[T any] struct {
	codec Codec[T]
	v     T
}

func (e encoding[T]) MarshalJSON() ([]byte, error) { return e.codec.Marshal(e.v) }

type decoding[T any] struct {
	codec Codec[T]
	v     *T
}

func (d *decoding[T]) UnmarshalJSON(data []byte) error { return d.codec.Unmarshal(data, d.v) }

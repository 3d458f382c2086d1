package event

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
)

// A Contract describes a declared event, for tools that list them.
type Contract struct {
	Name       string
	Args       []reflect.Type // what it carries; struct{} for nothing
	Result     reflect.Type   // what it is answered with; nil for events
	Convention Convention     // of an RPC
}

func (c Contract) String() string {
	s := fmt.Sprintf("%s%v", c.Name, c.Args)
	if c.Result != nil {
		s += " -> " + c.Result.String()
	}
	return s
}

var declared struct {
	sync.Mutex
	all []Contract
}

// Contracts returns all contracts that were declared in this process, in the
// order of their declaration.
func Contracts() []Contract {
	declared.Lock()
	defer declared.Unlock()
	return slices.Clone(declared.all)
}

func declare(c Contract) {
	if err := CheckName(c.Name); err != nil {
		panic(err.Error())
	}
	declared.Lock()
	declared.all = append(declared.all, c)
	declared.Unlock()
}

// CheckName returns an error when no event may have this name: it is empty, or
// has a meaning of its own in the libraries of the family.
func CheckName(name string) error {
	switch name {
	case "":
		return errors.New("socketio: the event name is empty")
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return fmt.Errorf("socketio: %q is a reserved event name", name)
	}
	return nil
}

// A Setting changes how a contract is declared: a [Convention], or a codec
// given by [WithCodec].
type Setting interface {
	set(*settings)
}

type settings struct {
	convention Convention
	codecs     map[reflect.Type]any // Codec[T] by T
}

func newSettings(list []Setting) *settings {
	s := &settings{}
	for _, o := range list {
		o.set(s)
	}
	return s
}

// A Codec encodes and decodes the values of one type as JSON, for example with
// generated code. Values that pass through a codec have no attachments.
type Codec[T any] interface {
	Marshal(v T) ([]byte, error)
	Unmarshal(data []byte, v *T) error
}

// WithCodec makes a contract use c for all arguments and results of type T.
func WithCodec[T any](c Codec[T]) Setting { return codecSetting[T]{c} }

type codecSetting[T any] struct{ Codec[T] }

func (c codecSetting[T]) set(s *settings) {
	if s.codecs == nil {
		s.codecs = make(map[reflect.Type]any)
	}
	s.codecs[reflect.TypeFor[T]()] = c.Codec
}

package socketio

import (
	"encoding/json"
	"fmt"
)

// A Key is a typed slot for data of sockets. Keys with the same name are the
// same slot; they should have the same type. Declare keys as package variables.
type Key[T any] struct{ name string }

// NewKey returns the key with this name, by which other nodes see the data.
func NewKey[T any](name string) Key[T] { return Key[T]{name} }

// Name returns the name of the key.
func (k Key[T]) Name() string { return k.name }

// Set stores v with the socket.
func (k Key[T]) Set(s *Socket, v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.extraLocked()
	for i := range x.data {
		if x.data[i].name == k.name {
			x.data[i].value = v
			return
		}
	}
	x.data = append(x.data, datum{k.name, v})
}

// Get returns what is stored with the socket; ok is false when there is
// nothing, or something of another type.
func (k Key[T]) Get(s *Socket) (v T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.extra == nil {
		return v, false
	}
	for i := range s.extra.data {
		d := &s.extra.data[i]
		if d.name != k.name {
			continue
		}
		if raw, foreign := d.value.(foreignValue); foreign && json.Unmarshal(raw, &v) == nil {
			d.value = v
		}
		v, ok = d.value.(T)
		return v, ok
	}
	return v, false
}

// Must is Get for data that must be there, since a middleware has stored it. It
// panics otherwise.
func (k Key[T]) Must(s *Socket) T {
	v, ok := k.Get(s)
	if !ok {
		panic(fmt.Sprintf("socketio: socket %s has no %T under the key %q", s.id, v, k.name))
	}
	return v
}

// Of returns what is stored with a socket of any node. The error says that it
// is not of this type.
func (k Key[T]) Of(r *RemoteSocket) (v T, ok bool, err error) {
	if s := r.Local(); s != nil {
		v, ok = k.Get(s)
		return v, ok, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(r.info.Data, &all); err != nil {
		return v, false, err
	}
	raw, ok := all[k.name]
	if !ok {
		return v, false, nil
	}
	err = json.Unmarshal(raw, &v)
	return v, err == nil, err
}

// datum is the value of one key.
type datum struct {
	name  string
	value any
}

// foreignValue is a value that another node has encoded, until somebody asks
// for it by its type.
type foreignValue json.RawMessage

// MarshalJSON implements json.Marshaler.
func (v foreignValue) MarshalJSON() ([]byte, error) { return v, nil }

// dataJSON returns the data as an object. Values that cannot be encoded are
// left out.
func (s *Socket) dataJSON() json.RawMessage {
	s.mu.Lock()
	var data []datum
	if s.extra != nil {
		data = append(data, s.extra.data...)
	}
	s.mu.Unlock()
	return encodeData(data)
}

func encodeData(data []datum) json.RawMessage {
	all := make(map[string]json.RawMessage, len(data))
	for _, d := range data {
		if raw, err := json.Marshal(d.value); err == nil {
			all[d.name] = raw
		}
	}
	b, _ := json.Marshal(all) // the values are JSON
	return b
}

package sioparser

import (
	"encoding"
	"encoding/json"
	"reflect"
	"sync"
)

// shape says what values of a type may hold, as far as it decides how they are
// encoded and decoded. A bit that is not set is a promise; one that is set is
// a possibility.
type shape uint8

const (
	holdsBytes   shape = 1 << iota // a []byte, or a type that is one by another name
	holdsNamed                     // such a type by another name
	holdsAny                       // an interface, so: anything
	holdsNumber                    // a json.Number
	holdsCustom                    // a type that writes its own JSON
	holdsNesting                   // no bound on its depth
)

// layout is what is known of one type.
type layout struct {
	shape shape
	open  []int // of a struct, the fields that hold interfaces
}

var layouts sync.Map // reflect.Type to *layout; as large as the program has argument types

var (
	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	bytesType       = reflect.TypeFor[[]byte]()
	base64Type      = reflect.TypeFor[Base64]()
	numberType      = reflect.TypeFor[json.Number]()
)

// shapeOf returns the shape of t.
func shapeOf(t reflect.Type) shape { return layoutOf(t).shape }

func layoutOf(t reflect.Type) *layout {
	if l, ok := layouts.Load(t); ok {
		return l.(*layout)
	}
	l := &layout{shape: walkType(t, make(map[reflect.Type]bool))}
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			if f := t.Field(i); encoded(f) && walkType(f.Type, make(map[reflect.Type]bool))&holdsAny != 0 {
				l.open = append(l.open, i)
			}
		}
	}
	layouts.Store(t, l)
	return l
}

// walkType collects the shape of t. seen has true for the types whose walk is
// under way, false for those done.
func walkType(t reflect.Type, seen map[reflect.Type]bool) (s shape) {
	if underWay, ok := seen[t]; ok {
		if underWay {
			return holdsNesting
		}
		return 0
	}
	switch {
	case t == numberType:
		return holdsNumber
	case t == base64Type:
		return 0
	case isBytes(t):
		if t != bytesType {
			return holdsBytes | holdsNamed
		}
		return holdsBytes
	case implements(t, jsonMarshaler, jsonUnmarshaler):
		s = holdsCustom | holdsNesting
	}
	// The parts of a type with methods count as well: a method on the pointer
	// is not used where the value cannot be addressed, and there may be one
	// for encoding alone.
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		s |= holdsAny | holdsNesting | holdsCustom
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		s |= walkType(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if encoded(f) {
				s |= walkType(f.Type, seen)
			}
		}
	}
	seen[t] = false
	return s
}

// isBytes reports whether encoding/json would write t as base64.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 &&
		!implements(t.Elem(), jsonMarshaler, textMarshaler) &&
		!implements(t, jsonMarshaler, textMarshaler) && !implements(t, jsonUnmarshaler, textUnmarshaler)
}

// implements reports whether t or a pointer to it has the methods of a or b.
func implements(t, a, b reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(a) || p.Implements(b)
}

// encoded reports whether a struct field may appear in JSON.
func encoded(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}

// maxWalk bounds how far findBytes follows a value; a value that is deeper
// than the encoder admits, or that contains itself, ends there.
const maxWalk = 4 * DefaultDepth

// findBytes returns which of holdsBytes and holdsNamed are true of a value. A
// value that is too deep is ErrDepth.
func findBytes(v any, level int) (found shape, err error) {
	switch v := v.(type) {
	case nil, bool, string, int, int64, float64, json.Number:
		return 0, nil
	case []byte:
		return holdsBytes, nil
	case map[string]any:
		if level == maxWalk {
			return 0, ErrDepth
		}
		for _, v := range v {
			f, err := findBytes(v, level+1)
			if found |= f; err != nil {
				return found, err
			}
		}
		return found, nil
	case []any:
		if level == maxWalk {
			return 0, ErrDepth
		}
		for _, v := range v {
			f, err := findBytes(v, level+1)
			if found |= f; err != nil {
				return found, err
			}
		}
		return found, nil
	}
	return findBytesIn(reflect.ValueOf(v), level)
}

// findBytesIn does the same with any value, by reflection, and looks only
// where its type leaves it open.
func findBytesIn(v reflect.Value, level int) (found shape, err error) {
	if level == maxWalk {
		return 0, ErrDepth
	}
	l := layoutOf(v.Type())
	found = l.shape & (holdsBytes | holdsNamed)
	if l.shape&holdsAny == 0 {
		return found, nil
	}
	each := func(v reflect.Value) bool {
		var f shape
		f, err = findBytesIn(v, level+1)
		found |= f
		return err == nil
	}
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			break
		}
		if v.CanInterface() {
			return findBytes(v.Interface(), level+1)
		}
		each(v.Elem())
	case reflect.Pointer:
		if !v.IsNil() {
			each(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !each(v.Index(i)) {
				break
			}
		}
	case reflect.Map:
		for m := v.MapRange(); m.Next() && each(m.Value()); {
		}
	case reflect.Struct:
		for _, i := range l.open {
			if !each(v.Field(i)) {
				break
			}
		}
	}
	return found, err
}

package sioparser

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// unpacker decodes valid MessagePack into Go values.
type unpacker struct {
	b     []byte // what is left
	size  int    // of b in the beginning
	owned bool   // decoded bytes may be those of b
	hops  int    // pointers followed on the way here
}

// unpack decodes the value that b begins with into a pointer and returns what
// follows it.
func (a Args) unpack(b []byte, dst any) (rest []byte, err error) {
	v := reflect.ValueOf(dst)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, errNilPointer
	}
	u := unpacker{b: b, size: len(b), owned: a.owned}
	if m, ok := dst.(ArgUnmarshaler); ok {
		raw := u.skip()
		return u.b, m.UnmarshalArg(Args{list: raw, n: 1, form: a.form, owned: a.owned}.text(true))
	}
	if v.Kind() != reflect.Pointer {
		return nil, errNilPointer
	}
	v = v.Elem()
	err = u.value(v, packingOf(v.Type()))
	return u.b, err
}

// skip returns the next value undecoded.
func (u *unpacker) skip() []byte {
	n := skipPacked(u.b)
	raw := u.b[:n:n]
	u.b = u.b[n:]
	return raw
}

// contents returns those of the next value, which is no array or map.
func (u *unpacker) contents(h head) []byte {
	end := h.size + h.n
	c := u.b[h.size:end:end]
	u.b = u.b[end:]
	return c
}

// bytes decodes bytes, or those of an extension.
func (u *unpacker) bytes(h head) []byte {
	if c := u.contents(h); u.owned {
		return c
	} else {
		return bytes.Clone(c)
	}
}

// json returns the next value as JSON.
func (u *unpacker) json() []byte {
	var w textWriter
	u.b = w.value(u.b)
	return w.dst
}

// unfit returns the error for a value that does not fit the type. detail is
// what is to be said of it beside its kind.
func (u *unpacker) unfit(h head, t *packing, detail string) error {
	return &json.UnmarshalTypeError{Value: h.kind.String() + detail, Type: t.t, Offset: int64(u.size - len(u.b))}
}

// within adds to an error the field that it was met in, as encoding/json does.
func within(err error, t *packing, f *packField) error {
	if m, ok := err.(*json.UnmarshalTypeError); ok {
		if m.Struct == "" {
			m.Struct, m.Field = t.t.Name(), f.name
		} else {
			m.Field = f.name + "." + m.Field
		}
	}
	return err
}

// value decodes the next value into v, which can be set or leads to what can.
func (u *unpacker) value(v reflect.Value, t *packing) error {
	h := headOf(u.b)
	switch {
	case h.kind == kindNil:
		u.contents(h)
		return u.null(v, t)
	case t.kind == reflect.Pointer || t.kind == reflect.Interface:
		return u.follow(v, t, h)
	case t.way == wayTime && h.kind == kindDate:
		d := date(u.b, h)
		u.contents(h)
		v.Set(reflect.ValueOf(d))
		return nil
	case t.jsonIn:
		return v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(u.json())
	case t.textIn:
		text, ok := u.text(h)
		if !ok {
			return u.unfit(h, t, "")
		}
		return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(text)
	}
	switch t.kind {
	case reflect.Bool:
		if h.kind != kindBool {
			return u.unfit(h, t, "")
		}
		v.SetBool(u.b[0] == 0xc3)
		u.contents(h)
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64:
		return u.number(v, t, h)
	case reflect.String:
		return u.str(v, t, h)
	case reflect.Slice, reflect.Array:
		return u.list(v, t, h)
	case reflect.Map:
		return u.members(v, t, h)
	case reflect.Struct:
		return u.fields(v, t, h)
	}
	return u.unfit(h, t, "")
}

// null decodes nil: into what can be nil, and for types that decode
// themselves.
func (u *unpacker) null(v reflect.Value, t *packing) error {
	if t.jsonIn {
		return v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON([]byte("null"))
	}
	switch t.kind {
	case reflect.Interface:
		if p := v.Elem(); p.Kind() == reflect.Pointer && !p.IsNil() && p.Elem().Kind() == reflect.Pointer {
			p.Elem().SetZero()
			return nil
		}
		v.SetZero()
	case reflect.Pointer, reflect.Map, reflect.Slice:
		v.SetZero()
	}
	return nil
}

// follow decodes into what a pointer or an interface leads to, or into an
// empty interface.
func (u *unpacker) follow(v reflect.Value, t *packing, h head) error {
	p, elem := v, t.elem
	if t.kind == reflect.Interface {
		p = v.Elem()
		if p.Kind() != reflect.Pointer || p.IsNil() {
			if t.t.NumMethod() > 0 {
				return u.unfit(h, t, "")
			}
			v.Set(reflect.ValueOf(u.any()))
			return nil
		}
		elem = packingOf(p.Type().Elem())
	} else if v.IsNil() {
		v.Set(reflect.New(t.t.Elem()))
	}
	if u.hops == maxWalk {
		return ErrDepth
	}
	u.hops++
	err := u.value(p.Elem(), elem)
	u.hops--
	return err
}

// text returns the next value as text if it is a string or a date.
func (u *unpacker) text(h head) (text []byte, ok bool) {
	switch h.kind {
	case kindString:
		return u.contents(h), true
	case kindDate:
		text = appendDateText(nil, date(u.b, h))
		if text[0] != '"' {
			return nil, false
		}
		u.contents(h)
		return text[1 : len(text)-1], true
	}
	return nil, false
}

func (u *unpacker) str(v reflect.Value, t *packing, h head) error {
	if t.way == wayNumber && h.kind.number() {
		if f := float(u.b, h.kind); !finite(f) {
			return u.unfit(h, t, "")
		}
		v.SetString(string(appendPackedNumber(nil, u.b, h.kind)))
		u.contents(h)
		return nil
	}
	text, ok := u.text(h)
	if !ok {
		return u.unfit(h, t, "")
	}
	if t.way == wayNumber {
		s := scanner{b: text}
		if c := s.peek(); c != '-' && c-'0' > 9 || !s.number() || s.pos != len(text) {
			return fmt.Errorf("invalid number literal %.40q", text)
		}
	}
	v.SetString(string(text))
	return nil
}

// number decodes a number into one of the kinds of numbers, if it has the same
// value there; floats are rounded.
func (u *unpacker) number(v reflect.Value, t *packing, h head) error {
	if !h.kind.number() {
		return u.unfit(h, t, "")
	}
	fits := false
	if v.CanFloat() {
		f := float(u.b, h.kind)
		if fits = !v.OverflowFloat(f); fits {
			v.SetFloat(f)
		}
	} else {
		n, negative, whole := integer(u.b, h.kind)
		switch {
		case !whole:
		case v.CanInt():
			if fits = (negative || n <= math.MaxInt64) && !v.OverflowInt(int64(n)); fits {
				v.SetInt(int64(n))
			}
		default:
			if fits = !negative && !v.OverflowUint(n); fits {
				v.SetUint(n)
			}
		}
	}
	if !fits {
		return u.unfit(h, t, " "+string(appendPackedNumber(nil, u.b, h.kind)))
	}
	u.contents(h)
	return nil
}

// list decodes into a slice or an array. A slice keeps its memory, and its
// elements what they have beside what is decoded, as with encoding/json.
func (u *unpacker) list(v reflect.Value, t *packing, h head) error {
	ofBytes := t.kind == reflect.Slice && t.elem.kind == reflect.Uint8
	switch {
	case h.kind == kindBytes && ofBytes:
		v.SetBytes(u.bytes(h))
		return nil
	case h.kind == kindString && ofBytes:
		text := u.contents(h)
		b, err := base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
		if err == nil {
			v.SetBytes(b)
		}
		return err
	case h.kind != kindArray:
		return u.unfit(h, t, "")
	}
	u.b = u.b[h.size:]
	for i := range h.n {
		if t.kind == reflect.Slice {
			if i >= v.Cap() {
				v.Grow(growth(h.n-i, t.t.Elem()))
			}
			if i >= v.Len() {
				v.SetLen(i + 1)
			}
		}
		if i >= v.Len() {
			u.skip()
		} else if err := u.value(v.Index(i), t.elem); err != nil {
			return err
		}
	}
	switch {
	case t.kind == reflect.Array:
		for i := h.n; i < v.Len(); i++ {
			v.Index(i).SetZero()
		}
	case h.n == 0:
		v.Set(reflect.MakeSlice(t.t, 0, 0))
	default:
		v.SetLen(h.n)
	}
	return nil
}

// growth returns for how many of n elements to make room at once: a message
// with many small values must not get much memory before they have been seen
// to fit.
func growth(n int, elem reflect.Type) int {
	return max(1, min(n, 64<<10/int(max(1, elem.Size()))))
}

// key decodes the key of a member, which is a string or an integer.
func (u *unpacker) key() []byte {
	h := headOf(u.b)
	if h.kind == kindString {
		return u.contents(h)
	}
	text := appendPackedNumber(nil, u.b, h.kind)
	u.contents(h)
	return text
}

func (u *unpacker) fields(v reflect.Value, t *packing, h head) error {
	if h.kind != kindMap {
		return u.unfit(h, t, "")
	}
	u.b = u.b[h.size:]
	for i := range h.n {
		f := t.field(u.key(), i) // most peers write the fields in the same order
		if f == nil {
			u.skip()
			continue
		}
		field, err := f.into(v)
		switch {
		case err != nil:
		case f.quoted:
			err = u.quoted(field, f.packing)
		default:
			err = u.value(field, f.packing)
		}
		if err != nil {
			return within(err, t, f)
		}
	}
	return nil
}

// into returns the field of a struct, and makes the structs on the way to it.
func (f *packField) into(v reflect.Value) (reflect.Value, error) {
	for i, x := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !v.CanSet() {
					return v, fmt.Errorf("cannot set embedded pointer to unexported struct: %v", v.Type().Elem())
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v, nil
}

// quoted decodes a field with ",string": JSON in a string.
func (u *unpacker) quoted(v reflect.Value, t *packing) error {
	h := headOf(u.b)
	if h.kind == kindNil {
		return u.value(v, t)
	}
	if h.kind != kindString {
		return fmt.Errorf("invalid use of ,string struct tag: %v into %v", h.kind, t.t)
	}
	text := u.contents(h)
	if err := json.Unmarshal(text, v.Addr().Interface()); err != nil {
		return fmt.Errorf("invalid use of ,string struct tag: %.40q into %v", text, t.t)
	}
	return nil
}

// members decodes into a map, beside what it has already.
func (u *unpacker) members(v reflect.Value, t *packing, h head) error {
	if h.kind != kindMap || !decodesKeys(t.t.Key()) {
		return u.unfit(h, t, "")
	}
	if v.IsNil() {
		v.Set(reflect.MakeMapWithSize(t.t, min(h.n, 64))) // keys may be equal
	}
	if m, ok := v.Interface().(map[string]any); ok {
		u.tree(m, h)
		return nil
	}
	u.b = u.b[h.size:]
	elem := reflect.New(t.t.Elem()).Elem()
	for range h.n {
		key, err := u.keyOf(t.t.Key())
		if err != nil {
			return err
		}
		elem.SetZero()
		if err := u.value(elem, t.elem); err != nil {
			return err
		}
		v.SetMapIndex(key, elem)
	}
	return nil
}

// decodesKeys reports whether maps may have keys of type t.
func decodesKeys(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return true
	}
	return reflect.PointerTo(t).Implements(textUnmarshaler)
}

// keyOf decodes a key of type t.
func (u *unpacker) keyOf(t reflect.Type) (key reflect.Value, err error) {
	text := u.key()
	key = reflect.New(t)
	if m, ok := key.Interface().(encoding.TextUnmarshaler); ok {
		err = m.UnmarshalText(text)
		return key.Elem(), err
	}
	key = key.Elem()
	fits := true
	switch {
	case key.CanInt():
		n, err := strconv.ParseInt(string(text), 10, t.Bits())
		key.SetInt(n)
		fits = err == nil
	case key.CanUint():
		n, err := strconv.ParseUint(string(text), 10, t.Bits())
		key.SetUint(n)
		fits = err == nil
	default:
		key.SetString(string(text))
	}
	if !fits {
		return key, u.unfit(head{kind: kindInt}, &packing{t: t}, " "+string(text))
	}
	return key, nil
}

// any decodes the next value into the types that encoding/json chooses for an
// any: all numbers into float64. Bytes are []byte, dates time.Time, and unknown
// extensions a list of their type and their bytes.
func (u *unpacker) any() any {
	h := headOf(u.b)
	switch h.kind {
	case kindBool:
		v := u.b[0] == 0xc3
		u.contents(h)
		return v
	case kindUint, kindInt, kindFloat:
		f := float(u.b, h.kind)
		u.contents(h)
		return f
	case kindString:
		return string(u.contents(h))
	case kindBytes:
		return u.bytes(h)
	case kindDate:
		d := date(u.b, h)
		u.contents(h)
		return d
	case kindExt:
		extType := float64(int8(u.b[h.size-1]))
		return []any{extType, u.bytes(h)}
	case kindArray:
		u.b = u.b[h.size:]
		list := make([]any, h.n)
		for i := range list {
			list[i] = u.any()
		}
		return list
	case kindMap:
		m := make(map[string]any, min(h.n, 64)) // keys may be equal
		u.tree(m, h)
		return m
	}
	u.contents(h)
	return nil
}

// tree decodes a map into m.
func (u *unpacker) tree(m map[string]any, h head) {
	u.b = u.b[h.size:]
	for range h.n {
		key := string(u.key())
		m[key] = u.any()
	}
}

package sioparser

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// packer writes Go values as MessagePack.
type packer struct {
	dst   []byte
	form  form
	depth int // levels of arrays and maps that may still be opened
	hops  int // pointers followed on the way here
}

// appendPackedList appends values one behind the other. On an error dst counts
// as unchanged.
func appendPackedList(dst []byte, f form, values []any) ([]byte, error) {
	p := packer{dst: dst, form: f, depth: DefaultDepth - 1}
	for i, v := range values {
		if err := p.argument(v); err != nil {
			return dst, &ArgError{Index: i, Err: err}
		}
	}
	return p.dst, nil
}

// argument writes one argument.
func (p *packer) argument(v any) error {
	if s, ok := v.(splice); ok { // as it is, with the dates that JSON does not have
		return p.packed(s.of.packed().list)
	}
	m, ok := v.(ArgMarshaler)
	if !ok {
		return p.any(v)
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
		p.dst = msgp.AppendNil(p.dst)
		return nil
	}
	var at Attachments
	text, err := m.AppendArg(nil, &at)
	if err != nil {
		return err
	}
	return p.json(text, at.list)
}

// packed writes values that are MessagePack already.
func (p *packer) packed(list []byte) error {
	s := packScanner{b: list, depth: p.depth}
	for s.pos < len(list) {
		if !s.value() {
			return s.err
		}
	}
	p.dst = append(p.dst, list...)
	return nil
}

// any writes a value that may be a tree of the types that JSON itself has.
func (p *packer) any(v any) error {
	switch v := v.(type) {
	case nil:
		p.dst = msgp.AppendNil(p.dst)
	case bool:
		p.dst = msgp.AppendBool(p.dst, v)
	case string:
		p.text(v)
	case int:
		p.dst = appendInt(p.dst, int64(v))
	case int64:
		p.dst = appendInt(p.dst, v)
	case float64:
		p.dst = appendNumber(p.dst, v)
	case []byte:
		p.bytes(v)
	case time.Time:
		p.time(v)
	case map[string]any:
		return p.tree(v)
	case []any:
		if v == nil {
			p.dst = msgp.AppendNil(p.dst)
			return nil
		}
		if p.depth == 0 {
			return ErrDepth
		}
		p.depth--
		p.dst = msgp.AppendArrayHeader(p.dst, uint32(len(v)))
		for _, v := range v {
			if err := p.any(v); err != nil {
				return err
			}
		}
		p.depth++
	default:
		r := reflect.ValueOf(v)
		return p.value(r, packingOf(r.Type()))
	}
	return nil
}

func (p *packer) text(s string) { p.dst = appendPackedText(p.dst, s) }

// appendPackedText appends a string; what is not UTF-8 in it becomes U+FFFD.
func appendPackedText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return msgp.AppendString(dst, s)
}

func (p *packer) bytes(b []byte) {
	if b == nil {
		p.dst = msgp.AppendNil(p.dst)
		return
	}
	p.dst = msgp.AppendBytes(p.dst, b)
}

func (p *packer) time(t time.Time) {
	if p.form == stampForm {
		p.dst = appendTimestamp(p.dst, t)
		return
	}
	p.dst = appendOldDate(p.dst, t)
}

// json writes JSON text that a method of the user has made.
func (p *packer) json(text []byte, attachments [][]byte) error {
	s := scanner{b: text, depth: p.depth, attachments: -1}
	if len(attachments) > 0 {
		s.attachments = len(attachments)
	}
	s.space()
	if !s.value() || !s.end() && s.err != ErrUTF8 {
		err := s.decodeError()
		return fmt.Errorf("not one JSON value: %w: %s (at byte %d)", err.Err, err.Detail, err.Offset)
	}
	p.dst = appendJSON(p.dst, bytes.ToValidUTF8(text, []byte("\uFFFD")), attachments)
	return nil
}

// tree writes a map with its members in the order of their names, as
// encoding/json does.
func (p *packer) tree(m map[string]any) error {
	if m == nil {
		p.dst = msgp.AppendNil(p.dst)
		return nil
	}
	if p.depth == 0 {
		return ErrDepth
	}
	p.depth--
	p.dst = msgp.AppendMapHeader(p.dst, uint32(len(m)))
	var room [16]string
	names := slices.AppendSeq(room[:0], maps.Keys(m))
	slices.Sort(names)
	for _, name := range names {
		p.text(name)
		if err := p.any(m[name]); err != nil {
			return err
		}
	}
	p.depth++
	return nil
}

// value writes a value of any type.
func (p *packer) value(v reflect.Value, t *packing) error {
	switch {
	case t.way == wayTime:
		p.time(v.Interface().(time.Time))
		return nil
	case t.way == wayNumber:
		return p.number(v.String())
	case t.jsonOut, t.jsonOutAddr && v.CanAddr():
		return p.marshalJSON(v, t)
	case t.textOut, t.textOutAddr && v.CanAddr():
		return p.marshalText(v, t)
	case t.way == wayBytes:
		p.bytes(v.Bytes())
		return nil
	case t.way == wayBase64:
		p.base64(v.Bytes())
		return nil
	}
	switch t.kind {
	case reflect.Bool:
		p.dst = msgp.AppendBool(p.dst, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.dst = appendInt(p.dst, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		p.dst = msgp.AppendUint64(p.dst, v.Uint())
	case reflect.Float32, reflect.Float64:
		p.dst = appendNumber(p.dst, v.Float())
	case reflect.String:
		p.text(v.String())
	case reflect.Struct:
		return p.nested(v, t, p.fields)
	case reflect.Map:
		return p.nested(v, t, p.members)
	case reflect.Array, reflect.Slice:
		return p.nested(v, t, p.elements)
	case reflect.Pointer, reflect.Interface:
		return p.follow(v, t)
	default:
		return &json.UnsupportedTypeError{Type: t.t}
	}
	return nil
}

// nested writes an array or a map, one level deeper.
func (p *packer) nested(v reflect.Value, t *packing, write func(reflect.Value, *packing) error) error {
	if (t.kind == reflect.Map || t.kind == reflect.Slice) && v.IsNil() {
		p.dst = msgp.AppendNil(p.dst)
		return nil
	}
	if p.depth == 0 {
		return ErrDepth
	}
	p.depth--
	err := write(v, t)
	p.depth++
	return err
}

// follow writes what a pointer or an interface leads to.
func (p *packer) follow(v reflect.Value, t *packing) error {
	if v.IsNil() {
		p.dst = msgp.AppendNil(p.dst)
		return nil
	}
	if p.hops == maxWalk {
		return ErrDepth
	}
	p.hops++
	var err error
	if t.kind == reflect.Pointer {
		err = p.value(v.Elem(), t.elem)
	} else {
		err = p.any(v.Interface())
	}
	p.hops--
	return err
}

func (p *packer) elements(v reflect.Value, t *packing) error {
	n := v.Len()
	p.dst = msgp.AppendArrayHeader(p.dst, uint32(n))
	for i := range n {
		if err := p.value(v.Index(i), t.elem); err != nil {
			return err
		}
	}
	return nil
}

// fields writes a struct. How many fields there are is known at the end, when
// some may be left out.
func (p *packer) fields(v reflect.Value, t *packing) error {
	if t.certain {
		p.dst = msgp.AppendMapHeader(p.dst, uint32(len(t.fields)))
	}
	start, n := len(p.dst), 0
	switch {
	case t.certain:
	case len(t.fields) < 16:
		p.dst = append(p.dst, 0x80)
	default:
		p.dst = append(p.dst, 0xde, 0, 0)
	}
	for i := range t.fields {
		f := &t.fields[i]
		field, ok := f.of(v)
		if !ok || f.omitEmpty && isEmpty(field) || f.isZero != nil && f.isZero(field) {
			continue
		}
		n++
		p.dst = append(p.dst, f.key...)
		var err error
		if f.quoted {
			err = p.quoted(field, f.packing)
		} else {
			err = p.value(field, f.packing)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case t.certain:
	case len(t.fields) < 16:
		p.dst[start] |= byte(n)
	case n >= 16:
		binary.BigEndian.PutUint16(p.dst[start+1:], uint16(n))
	default: // the short head is enough
		p.dst[start] = 0x80 | byte(n)
		p.dst = slices.Delete(p.dst, start+1, start+3)
	}
	return nil
}

// of returns the field of a struct; ok is false when a pointer to the struct
// that it is embedded in is nil.
func (f *packField) of(v reflect.Value) (field reflect.Value, ok bool) {
	for i, x := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v, true
}

// quoted writes a field with ",string": its JSON as text.
func (p *packer) quoted(v reflect.Value, t *packing) error {
	if t.kind == reflect.Pointer {
		if v.IsNil() {
			p.dst = msgp.AppendNil(p.dst)
			return nil
		}
		v, t = v.Elem(), t.elem
	}
	if t.jsonOut || t.jsonOutAddr && v.CanAddr() || t.textOut || t.textOutAddr && v.CanAddr() {
		return p.value(v, t)
	}
	var text []byte
	if t.kind == reflect.String && t.way != wayNumber {
		text = appendString(nil, v.String())
	} else {
		var err error
		if text, err = json.Marshal(v.Interface()); err != nil {
			return err
		}
	}
	p.dst = msgp.AppendStringFromBytes(p.dst, text)
	return nil
}

// members writes a map.
func (p *packer) members(v reflect.Value, t *packing) error {
	type member struct {
		name  string
		value reflect.Value
	}
	list := make([]member, 0, v.Len())
	for m := v.MapRange(); m.Next(); {
		name, err := memberName(m.Key())
		if err != nil {
			return err
		}
		list = append(list, member{name, m.Value()})
	}
	slices.SortFunc(list, func(a, b member) int { return strings.Compare(a.name, b.name) })
	p.dst = msgp.AppendMapHeader(p.dst, uint32(len(list)))
	for _, m := range list {
		p.text(m.name)
		if err := p.value(m.value, t.elem); err != nil {
			return err
		}
	}
	return nil
}

// memberName returns the name that a key of a map stands for.
func memberName(k reflect.Value) (string, error) {
	if k.Kind() == reflect.String {
		return k.String(), nil
	}
	if m, ok := k.Interface().(encoding.TextMarshaler); ok {
		if k.Kind() == reflect.Pointer && k.IsNil() {
			return "", nil
		}
		text, err := m.MarshalText()
		return string(text), err
	}
	switch {
	case k.CanInt():
		return strconv.FormatInt(k.Int(), 10), nil
	case k.CanUint():
		return strconv.FormatUint(k.Uint(), 10), nil
	}
	return "", &json.UnsupportedTypeError{Type: k.Type()}
}

func (p *packer) base64(b []byte) {
	if b == nil {
		p.dst = msgp.AppendNil(p.dst)
		return
	}
	p.dst = msgp.AppendString(p.dst, base64.StdEncoding.EncodeToString(b))
}

// number writes a json.Number.
func (p *packer) number(n string) error {
	if n == "" {
		n = "0"
	}
	s := scanner{b: []byte(n)}
	if c := s.peek(); c != '-' && c-'0' > 9 || !s.number() || s.pos != len(n) {
		return fmt.Errorf("invalid number literal %q", n)
	}
	p.dst = appendDecimal(p.dst, s.b)
	return nil
}

func (p *packer) marshalJSON(v reflect.Value, t *packing) error {
	if t.jsonOutAddr && v.CanAddr() {
		v = v.Addr()
	}
	text, err := v.Interface().(json.Marshaler).MarshalJSON()
	if err == nil {
		err = p.json(text, nil)
	}
	if err != nil {
		return fmt.Errorf("%v.MarshalJSON: %w", t.t, err)
	}
	return nil
}

func (p *packer) marshalText(v reflect.Value, t *packing) error {
	if t.textOutAddr && v.CanAddr() {
		v = v.Addr()
	}
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return fmt.Errorf("%v.MarshalText: %w", t.t, err)
	}
	p.text(string(text))
	return nil
}

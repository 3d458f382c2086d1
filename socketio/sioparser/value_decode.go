package sioparser

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// An ArgUnmarshaler is a destination that decodes itself, for example by
// generated code. Only the pointers given to Args.Decode are asked, not the
// values inside them.
type ArgUnmarshaler interface {
	// UnmarshalArg decodes the only argument of a: a.At(0) is its valid JSON
	// text, a.Attachments what its placeholders stand for. Neither may be
	// written to, and the text must not be kept. What came as MessagePack has
	// been converted.
	UnmarshalArg(a Args) error
}

// decodeArg decodes one argument into a pointer.
func (a Args) decodeArg(raw []byte, dst any) error {
	v := reflect.ValueOf(dst)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return errNilPointer
	}
	switch dst := dst.(type) {
	case ArgUnmarshaler:
		return dst.UnmarshalArg(Args{list: raw, n: 1, att: a.att, codec: a.codec, owned: a.owned})
	case *json.RawMessage:
		*dst = append((*dst)[:0], raw...)
		return nil
	case *[]byte:
		if b, is, err := resolve(raw, a.att); is {
			*dst = b
			return err
		}
	}
	if v.Kind() != reflect.Pointer {
		return errNilPointer
	}
	switch {
	case len(a.att) > 0 && mayHold(raw):
		return decodeBinary(raw, a.att, dst)
	case a.codec != nil:
		return a.codec.Unmarshal(raw, dst)
	}
	return decodeText(raw, dst)
}

// decodeText decodes a value without attachments. The commonest types are
// taken here. For the rest, the successor of encoding/json is faster than
// encoding/json, which has the last word whenever it finds an error.
func decodeText(raw []byte, dst any) error {
	switch dst := dst.(type) {
	case *string:
		if raw[0] == '"' {
			*dst = unquote(raw)
			return nil
		}
		return json.Unmarshal(raw, dst)
	case *bool:
		if raw[0] == 't' || raw[0] == 'f' {
			*dst = raw[0] == 't'
			return nil
		}
		return json.Unmarshal(raw, dst)
	case *int:
		if n, err := strconv.ParseInt(string(raw), 10, strconv.IntSize); err == nil {
			*dst = int(n)
			return nil
		}
		return json.Unmarshal(raw, dst)
	case *int64:
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			*dst = n
			return nil
		}
		return json.Unmarshal(raw, dst)
	case *float64:
		if raw[0] == '-' || raw[0]-'0' <= 9 {
			if f, err := strconv.ParseFloat(string(raw), 64); err == nil {
				*dst = f
				return nil
			}
		}
		return json.Unmarshal(raw, dst)
	case *any:
		if *dst == nil {
			v, err := (&tree{}).value(raw)
			if err == nil {
				*dst = v
			}
			return err
		}
	case *map[string]any:
		if *dst == nil && raw[0] == '{' {
			v, _, err := (&tree{}).object(raw)
			if err == nil {
				*dst = v.(map[string]any)
			}
			return err
		}
	}
	switch s := shapeOf(reflect.TypeOf(dst).Elem()); {
	case s&holdsNumber != 0: // of which the successor does not know
	case s&holdsAny != 0:
		if jsonv2.Unmarshal(raw, dst, lenientAny) == nil {
			return nil
		}
	case jsonv2.Unmarshal(raw, dst, lenient) == nil:
		return nil
	}
	return json.Unmarshal(raw, dst)
}

// lenient is legacy without its second look at the text, which is known to be
// valid, and without its errors, which encoding/json itself gives.
var lenient = jsonv2.JoinOptions(legacy, jsonv1.ReportErrorsWithLegacySemantics(false))

// lenientAny is lenient with our way of decoding into an any.
var lenientAny = jsonv2.JoinOptions(lenient, jsonv2.WithUnmarshalers(jsonv2.UnmarshalFromFunc(new(tree).readAny)))

// byteDecoder decodes values with attachments. Its functions know the decoder
// they belong to.
type byteDecoder struct {
	tree  tree
	exact jsonv2.Options // []byte, Base64 and any take attachments
	named jsonv2.Options // and so do other types that are bytes; slower
}

var byteDecoders = sync.Pool{New: func() any {
	d := new(byteDecoder)
	funcs := jsonv2.JoinUnmarshalers(
		jsonv2.UnmarshalFromFunc(d.readBytes),
		jsonv2.UnmarshalFromFunc(d.readBase64),
		jsonv2.UnmarshalFromFunc(d.tree.readAny),
		jsonv2.UnmarshalFromFunc(readNumber),
	)
	d.exact = jsonv2.JoinOptions(legacy, jsonv2.WithUnmarshalers(funcs))
	d.named = jsonv2.JoinOptions(legacy, jsonv2.WithUnmarshalers(
		jsonv2.JoinUnmarshalers(funcs, jsonv2.UnmarshalFromFunc(d.readNamed))))
	return d
}}

func decodeBinary(raw []byte, attachments [][]byte, dst any) error {
	d := byteDecoders.Get().(*byteDecoder)
	d.tree.attachments = attachments
	defer func() {
		d.tree.attachments = nil
		byteDecoders.Put(d)
	}()
	if p, ok := dst.(*any); ok && *p == nil {
		v, err := d.tree.value(raw)
		if err == nil {
			*p = v
		}
		return err
	}
	opts := d.exact
	if shapeOf(reflect.TypeOf(dst).Elem())&holdsNamed != 0 {
		opts = d.named
	}
	return jsonv2.Unmarshal(raw, dst, opts)
}

// readBytes and its like are called with the decoder before a value, and read
// it only when it is a placeholder; anything else is left to the library.
func (d *byteDecoder) readBytes(dec *jsontext.Decoder, dst *[]byte) error {
	if dec.PeekKind() != '{' {
		return errors.ErrUnsupported
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	b, is, err := resolve(raw, d.tree.attachments)
	if !is {
		return errors.New("an attachment or a base64 string was expected, not an object")
	}
	*dst = b
	return err
}

func (d *byteDecoder) readBase64(dec *jsontext.Decoder, dst *Base64) error {
	return d.readBytes(dec, (*[]byte)(dst))
}

// readNamed is asked about every value: dst points to it.
func (d *byteDecoder) readNamed(dec *jsontext.Decoder, dst any) error {
	p := reflect.ValueOf(dst).Elem()
	if p.Kind() != reflect.Slice || !isBytes(p.Type()) {
		return errors.ErrUnsupported
	}
	var b []byte
	if err := d.readBytes(dec, &b); err != nil {
		return err
	}
	p.SetBytes(b)
	return nil
}

// readAny decodes a value of a struct, slice or map that is an any.
func (t *tree) readAny(dec *jsontext.Decoder, dst *any) error {
	if *dst != nil && reflect.TypeOf(*dst).Kind() == reflect.Pointer {
		return errors.ErrUnsupported // encoding/json decodes into what it points to
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	v, err := t.value(raw)
	if err == nil {
		*dst = v
	}
	return err
}

func readNumber(dec *jsontext.Decoder, dst *json.Number) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, dst)
}

// tree decodes valid JSON into the types that encoding/json chooses for an
// any, and placeholders into their attachments.
type tree struct{ attachments [][]byte }

func (t *tree) value(raw []byte) (any, error) {
	switch raw[0] {
	case 'n':
		return nil, nil
	case 't', 'f':
		return raw[0] == 't', nil
	case '"':
		return unquote(raw), nil
	case '[':
		v, _, err := t.array(raw)
		return v, err
	case '{':
		v, _, err := t.object(raw)
		return v, err
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, fmt.Errorf("number %.40s is too large for a float64", raw)
	}
	return f, nil
}

// next decodes the value that b begins with and returns what follows it.
func (t *tree) next(b []byte) (v any, rest []byte, err error) {
	switch b[0] {
	case '[':
		return t.array(b)
	case '{':
		return t.object(b)
	}
	n := skipValue(b)
	v, err = t.value(b[:n])
	return v, b[n:], err
}

func (t *tree) array(b []byte) (any, []byte, error) {
	list := []any{}
	for b = b[1:]; ; {
		b = b[skipSpace(b):]
		switch b[0] {
		case ']':
			return list, b[1:], nil
		case ',':
			b = b[1:]
			continue
		}
		v, rest, err := t.next(b)
		if err != nil {
			return nil, nil, err
		}
		list, b = append(list, v), rest
	}
}

// object decodes an object, or the attachment it stands for.
func (t *tree) object(b []byte) (any, []byte, error) {
	var mark placeholder
	m := map[string]any{}
	for b = b[1:]; ; {
		b = b[skipSpace(b):]
		switch b[0] {
		case '}':
			if !mark.is {
				return m, b[1:], nil
			}
			a, err := mark.attachment(t.attachments)
			return a, b[1:], err
		case ',':
			b = b[1:]
			continue
		}
		n := skipString(b)
		key := b[:n]
		b = b[n:]
		b = b[skipSpace(b)+1:] // the colon
		b = b[skipSpace(b):]
		v, rest, err := t.next(b)
		if err != nil {
			return nil, nil, err
		}
		if len(t.attachments) > 0 {
			mark.member(key[1:n-1], b[:len(b)-len(rest)])
		}
		m[unquote(key)] = v
		b = rest
	}
}

// unquote returns what a valid JSON string means.
func unquote(raw []byte) string {
	inside := raw[1 : len(raw)-1]
	if !hasEscape(inside) {
		return string(inside)
	}
	return string(appendUnescaped(make([]byte, 0, len(inside)), inside))
}

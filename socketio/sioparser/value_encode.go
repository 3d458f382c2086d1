package sioparser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// An ArgMarshaler is an argument that writes its own JSON, for example by
// generated code. Only arguments are asked, not the values inside them. Where
// packets are MessagePack, the JSON is converted.
type ArgMarshaler interface {
	// AppendArg appends one JSON value to dst. Bytes that are to be an
	// attachment go to at.Append. The result is checked.
	AppendArg(dst []byte, at *Attachments) ([]byte, error)
}

// encoder encodes the arguments of one packet.
//
// Values that hold no bytes are written by encoding/json, which is the fastest
// for structs; those that do, by its successor with the rules of encoding/json,
// which lets a function write the []byte anywhere inside. JSON trees of
// map[string]any and []any are walked here.
type encoder struct {
	codec    Codec
	textOnly bool // bytes are base64 text
	at       Attachments
	nesting  bool // the depth of the text is not known to be bounded

	dst   []byte // where Write appends
	std   *json.Encoder
	exact byteEncoder // for []byte
	named byteEncoder // for other types that are bytes, too; slower
	mark  []byte      // scratch for a placeholder
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.std = json.NewEncoder(e)
	e.std.SetEscapeHTML(false)
	return e
}}

func newEncoder(c Codec) *encoder {
	e := encoders.Get().(*encoder)
	e.codec = c
	return e
}

// free returns e to the pool; its attachments live on.
func (e *encoder) free() {
	e.codec, e.textOnly, e.nesting, e.dst, e.at.list = nil, false, false, nil, nil
	encoders.Put(e)
}

// Write appends to the text; the encoders of the libraries write to it.
func (e *encoder) Write(p []byte) (int, error) {
	e.dst = append(e.dst, p...)
	return len(p), nil
}

// errLookalike keeps an application that passes on the data of others from
// sending a packet that its receivers would read otherwise, or refuse.
var errLookalike = fmt.Errorf("sioparser: %w: a value looks like the placeholder of an attachment", ErrIllegalAttachments)

// appendList appends values separated by commas, with one before the first if
// more is true. On an error dst counts as unchanged.
func (e *encoder) appendList(dst []byte, more bool, values []any) ([]byte, error) {
	start, attachments := len(dst), len(e.at.list)
	for i, v := range values {
		if more {
			dst = append(dst, ',')
		}
		more = true
		from := len(dst)
		var err error
		e.nesting = false
		if dst, err = e.appendArg(dst, v); err == nil && e.nesting && !shallow(dst[from:], DefaultDepth-1) {
			err = ErrDepth
		}
		if err != nil {
			return dst[:start], &ArgError{Index: i, Err: err}
		}
	}
	if written := len(e.at.list) - attachments; written > 0 {
		list := bytes.TrimPrefix(dst[start:], []byte(","))
		if n, legal := countPlaceholders(list, len(e.at.list)); n != written || !legal {
			return dst[:start], errLookalike
		}
	}
	return dst, nil
}

// appendArg appends one argument.
func (e *encoder) appendArg(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case ArgMarshaler:
		if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && p.IsNil() {
			return append(dst, "null"...), nil
		}
		from := len(dst)
		dst, err := v.AppendArg(dst, &e.at)
		if err != nil {
			return dst, err
		}
		if len(dst) < from {
			return dst, fmt.Errorf("%T.AppendArg shortened the text it was given", v)
		}
		if e.textOnly && len(e.at.list) > 0 {
			return dst, fmt.Errorf("%w: only events and acks have attachments", ErrPayload)
		}
		return checked(dst, from)
	case nil:
		return append(dst, "null"...), nil
	case []byte:
		if !e.textOnly {
			return e.appendBytes(dst, v), nil
		}
	case json.RawMessage:
		return appendRaw(dst, v)
	}
	if e.codec != nil {
		return e.appendByCodec(dst, v)
	}
	return e.appendTree(dst, v, DefaultDepth-1)
}

// appendBytes appends the placeholder of b, or null for nil, as encoding/json
// does.
func (e *encoder) appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, "null"...)
	}
	return e.at.Append(dst, b)
}

// appendRaw appends JSON text as it is.
func appendRaw(dst []byte, raw json.RawMessage) ([]byte, error) {
	if raw == nil {
		return append(dst, "null"...), nil
	}
	return checked(append(dst, raw...), len(dst))
}

// checked checks that dst[from:] is one JSON value within the depth limit, and
// makes it valid UTF-8.
func checked(dst []byte, from int) ([]byte, error) {
	s := scanner{b: dst, pos: from, depth: DefaultDepth - 1, attachments: -1}
	s.space()
	if !s.value() || !s.end() && s.err != ErrUTF8 {
		err := s.decodeError()
		return dst, fmt.Errorf("not one JSON value: %w: %s (at byte %d)", err.Err, err.Detail, err.Offset-from)
	}
	return validUTF8(dst, from), nil
}

// validUTF8 replaces what is not UTF-8 in dst[from:] by U+FFFD.
func validUTF8(dst []byte, from int) []byte {
	if utf8.Valid(dst[from:]) {
		return dst
	}
	return append(dst[:from], bytes.ToValidUTF8(dst[from:], []byte("\uFFFD"))...)
}

// appendTree appends a value that may be a tree of the types that JSON itself
// has, with depth levels of nesting left.
func (e *encoder) appendTree(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendString(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			break // encoding/json has the words for it
		}
		return appendFloat(dst, v), nil
	case []byte:
		if !e.textOnly {
			return e.appendBytes(dst, v), nil
		}
	case map[string]any:
		return e.appendMap(dst, v, depth)
	case []any:
		if v == nil {
			return append(dst, "null"...), nil
		}
		if depth == 0 {
			return dst, ErrDepth
		}
		dst = append(dst, '[')
		for i, v := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = e.appendTree(dst, v, depth-1); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	return e.appendValue(dst, v)
}

// appendMap appends an object with its members in the order of their names, as
// encoding/json does.
func (e *encoder) appendMap(dst []byte, m map[string]any, depth int) ([]byte, error) {
	if m == nil {
		return append(dst, "null"...), nil
	}
	if depth == 0 {
		return dst, ErrDepth
	}
	var room [16]string
	names := slices.AppendSeq(room[:0], maps.Keys(m))
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':')
		var err error
		if dst, err = e.appendTree(dst, m[name], depth-1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendFloat appends f as JavaScript writes it.
func appendFloat(dst []byte, f float64) []byte {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if n := len(dst); format == 'e' && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 is e-9
		dst = dst[:n-1]
	}
	return dst
}

// appendValue appends a value of any type.
func (e *encoder) appendValue(dst []byte, v any) ([]byte, error) {
	s := shapeOf(reflect.TypeOf(v))
	found, err := s.in(v)
	if err != nil {
		return dst, err
	}
	from := len(dst)
	e.dst = dst
	switch {
	case e.textOnly || found == 0:
		err = e.std.Encode(v)
	case found&holdsNamed != 0:
		err = e.named.encode(e, v, true)
	default:
		err = e.exact.encode(e, v, false)
	}
	dst, e.dst = e.dst, nil
	if err != nil {
		return dst, err
	}
	dst = dst[:len(dst)-1] // both libraries end a value with a line feed
	e.nesting = e.nesting || s&holdsNesting != 0
	if s&holdsCustom != 0 {
		dst = validUTF8(dst, from)
	}
	return dst, nil
}

// in returns which of holdsBytes and holdsNamed are true of v, a value of
// shape s.
func (s shape) in(v any) (found shape, err error) {
	if s&holdsAny != 0 {
		return findBytes(v, 0)
	}
	return s & (holdsBytes | holdsNamed), nil
}

// appendByCodec appends a value with the codec of the user, unless it holds
// bytes.
func (e *encoder) appendByCodec(dst []byte, v any) ([]byte, error) {
	found, err := shapeOf(reflect.TypeOf(v)).in(v)
	if err != nil {
		return dst, err
	}
	if found != 0 && !e.textOnly {
		return e.appendTree(dst, v, DefaultDepth-1)
	}
	b, err := e.codec.Marshal(v)
	if err != nil {
		return dst, err
	}
	from := len(dst)
	return checked(append(dst, bytes.TrimSpace(b)...), from)
}

// shallow reports whether a valid JSON text is nested at most depth levels.
func shallow(text []byte, depth int) bool {
	for i, open := 0, 0; i < len(text); {
		switch text[i] {
		case '"':
			i += skipString(text[i:])
			continue
		case '{', '[':
			if open++; open > depth {
				return false
			}
		case '}', ']':
			open--
		}
		i++
	}
	return true
}

// legacy makes the successor of encoding/json behave like it.
var legacy = jsonv2.JoinOptions(jsonv1.DefaultOptionsV1(), jsontext.EscapeForHTML(false))

// byteEncoder is an encoder of the library with functions that know the
// encoder they belong to. It is made when first needed.
type byteEncoder struct {
	enc   *jsontext.Encoder
	opts  jsonv2.Options
	dirty bool // an error, or a panic of a method of the user, left enc inside a value
}

func (b *byteEncoder) encode(e *encoder, v any, named bool) error {
	if b.enc == nil {
		funcs := []*jsonv2.Marshalers{
			jsonv2.MarshalToFunc(e.writeBytes),
			jsonv2.MarshalToFunc(writeNumber),
		}
		if named {
			funcs = append(funcs, jsonv2.MarshalToFunc(e.writeNamed))
		}
		b.opts = jsonv2.JoinOptions(legacy, jsonv2.WithMarshalers(jsonv2.JoinMarshalers(funcs...)))
		b.enc = jsontext.NewEncoder(e, b.opts)
	}
	if b.dirty {
		b.enc.Reset(e, b.opts)
	}
	b.dirty = true
	err := jsonv2.MarshalEncode(b.enc, v)
	b.dirty = err != nil
	return err
}

func (e *encoder) writeBytes(enc *jsontext.Encoder, b []byte) error {
	if b == nil {
		return errors.ErrUnsupported
	}
	e.mark = e.at.Append(e.mark[:0], b)
	return enc.WriteValue(e.mark)
}

// writeNamed is asked about every value: v points to it.
func (e *encoder) writeNamed(enc *jsontext.Encoder, v any) error {
	p := reflect.ValueOf(v).Elem()
	if p.Kind() != reflect.Slice || p.IsNil() || p.Type() == base64Type || !isBytes(p.Type()) {
		return errors.ErrUnsupported
	}
	return e.writeBytes(enc, p.Bytes())
}

// writeNumber writes a json.Number, of which the library does not know.
func writeNumber(enc *jsontext.Encoder, n json.Number) error {
	if n == "" {
		n = "0"
	}
	s := scanner{b: []byte(n)}
	if c := s.peek(); c != '-' && c-'0' > 9 || !s.number() || s.pos != len(n) {
		return errors.New("invalid number literal " + strconv.Quote(string(n)))
	}
	return enc.WriteValue(jsontext.Value(n))
}

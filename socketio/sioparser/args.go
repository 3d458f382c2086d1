package sioparser

import (
	"bytes"
	"errors"
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// Args is an undecoded list of arguments: valid JSON values and the
// attachments their placeholders stand for, or valid MessagePack values, in
// which bytes are at home. It is an immutable value; its methods may be called
// by any number of goroutines. The zero value is an empty list.
//
// The methods that give JSON convert MessagePack, with bytes as base64 text:
// fit for logs and for programs that know JSON alone. Decode decodes both, and
// For changes the form without losing bytes.
//
// Args that come from a Decoder may alias its input: see Clone.
type Args struct {
	list  []byte // the elements; in JSON with the commas between them; no brackets, no outer white space
	n     int    // number of elements
	att   [][]byte
	codec Codec // nil: built-in; of JSON
	owned bool  // nobody else writes to the memory
	form  form
}

// form is how the elements of an Args are written.
type form uint8

const (
	textForm  form = iota // JSON
	packForm              // MessagePack; times are written as notepack did before 3.0
	stampForm             // MessagePack; times are written as timestamps
)

// NewArgs checks that array is a JSON array within DefaultDepth and returns
// its elements as arguments. Placeholders among them stand for attachments, if
// any are given. Both are aliased, not copied. Errors are *DecodeError.
func NewArgs(array []byte, attachments ...[]byte) (Args, error) {
	s := scanner{b: array, depth: DefaultDepth, attachments: -1}
	if len(attachments) > 0 {
		s.attachments = len(attachments)
	}
	s.space()
	list, n, ok := s.elements()
	if !ok {
		return Args{}, s.decodeError()
	}
	return Args{list: list, n: n, att: attachments}, nil
}

// Len returns the number of arguments.
func (a Args) Len() int { return a.n }

// Binary reports whether the arguments are MessagePack.
func (a Args) Binary() bool { return a.form != textForm }

// For returns the same arguments in the form of p: a itself, or a conversion
// in new memory, in which bytes are bytes again; the attachments alias a. The
// attachments to send after p.AppendArgs(dst, h, a) are those of a.For(p).
//
// JSON has no dates and only finite numbers: converted to it, a date is a
// string as of Date.prototype.toJSON, and NaN is null. Where an object with a
// member "_placeholder" would be taken for an attachment, bytes are base64
// text.
func (a Args) For(p Parser) Args {
	if p.Binary() {
		return a.packed()
	}
	return a.text(true)
}

// At returns the JSON text of argument i, nil when there is none. It aliases a,
// unless a is MessagePack.
func (a Args) At(i int) []byte {
	raw := a.element(i)
	if raw == nil || a.form == textForm {
		return raw
	}
	var w textWriter
	w.value(raw)
	return w.dst
}

// element returns argument i as it stands, nil when there is none.
func (a Args) element(i int) (raw []byte) {
	if i < 0 || i >= a.n {
		return nil
	}
	rest := a.list
	for range i + 1 {
		raw, rest = a.cut(rest)
	}
	return raw
}

// All returns the JSON texts of the arguments in order. They alias a, unless a
// is MessagePack.
func (a Args) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) { a.each(yield) } // short, to be inlined without allocation
}

func (a Args) each(yield func([]byte) bool) {
	for rest := a.text(false).list; len(rest) > 0; {
		var raw []byte
		if raw, rest = cutElement(rest); !yield(raw) {
			return
		}
	}
}

// cut splits the first element off list, some of the last elements of a.
func (a Args) cut(list []byte) (element, rest []byte) {
	if a.form == textForm {
		return cutElement(list)
	}
	n := skipPacked(list)
	return list[:n:n], list[n:]
}

// cutElement splits the first element off list, JSON, which is not empty.
func cutElement(list []byte) (element, rest []byte) {
	n := skipValue(list)
	element, rest = list[:n:n], list[n:]
	rest = rest[skipSpace(rest):]
	if len(rest) > 0 {
		rest = rest[1:] // the comma
		rest = rest[skipSpace(rest):]
	}
	return element, rest
}

// Shift returns the arguments without the first, which for an event is its
// name.
func (a Args) Shift() Args {
	if a.n == 0 {
		return a
	}
	_, a.list = a.cut(a.list)
	a.n--
	return a
}

// Only returns argument i alone, with all attachments; no argument when there
// is no such one.
func (a Args) Only(i int) Args {
	raw := a.element(i)
	a.list, a.n = raw, 0
	if raw != nil {
		a.n = 1
	}
	return a
}

// Raw returns the arguments as a JSON array in new memory. AppendJSON does the
// same without allocating, where nothing is to be converted.
func (a Args) Raw() []byte { return a.AppendJSON(make([]byte, 0, len(a.list)+2)) }

// AppendJSON appends the arguments to dst as a JSON array.
func (a Args) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	dst = append(dst, a.text(false).list...)
	return append(dst, ']')
}

// AppendMsgPack appends the arguments to dst as a MessagePack array. What JSON
// has attachments for is bytes there.
func (a Args) AppendMsgPack(dst []byte) []byte {
	a = a.packed()
	return append(msgp.AppendArrayHeader(dst, uint32(a.n)), a.list...)
}

// Attachments returns the attachments in the order of their numbers; MessagePack
// has none. They are shared and must not be written to.
func (a Args) Attachments() [][]byte { return a.att }

// Append encodes values and returns a list with them behind those of a, in new
// memory. Attachments of the new values get the next numbers. Errors are
// *ArgError.
func (a Args) Append(values ...any) (Args, error) {
	if a.form != textForm {
		list, err := appendPackedList(bytes.Clone(a.list), a.form, values)
		if err != nil {
			return Args{}, err
		}
		return Args{list: list, n: a.n + len(values), form: a.form, owned: true}, nil
	}
	e := newEncoder(a.codec)
	defer e.free()
	e.at.list = slices.Clone(a.att)
	list, err := e.appendList(bytes.Clone(a.list), a.n > 0, values)
	if err != nil {
		return Args{}, err
	}
	if len(a.att) == 0 && len(e.at.list) > 0 {
		// What looks like a placeholder in a was data until now.
		if n, legal := countPlaceholders(a.list, len(e.at.list)); n > 0 || !legal {
			return Args{}, errLookalike
		}
	}
	return Args{list: list, n: a.n + len(values), att: e.at.list, codec: a.codec}, nil
}

// Clone returns the same arguments in memory of their own. When they own it
// already, as those of a packet with attachments do, nothing is copied.
func (a Args) Clone() Args {
	if a.owned {
		return a
	}
	a.list = bytes.Clone(a.list)
	a.att = slices.Clone(a.att)
	for i, b := range a.att {
		a.att[i] = bytes.Clone(b)
	}
	a.owned = true
	return a
}

// Decode decodes the arguments in order into the pointers dst, by the rules of
// encoding/json. A missing argument leaves its dst untouched, arguments beyond
// dst are ignored, and a nil dst skips its argument.
//
// A []byte, and an any, anywhere inside dst takes an attachment as []byte. The
// bytes are those of the attachment itself, not a copy: whoever writes to them
// changes what others see that decode the same Args. A []byte also takes a
// base64 string. json.RawMessage takes the text as it is, placeholders
// included. A dst that implements ArgUnmarshaler decodes itself.
//
// MessagePack is decoded by the same rules. Its bytes are copied unless the
// Args have memory of their own (see Clone). A date goes into a time.Time, and
// into a string as JSON has it; an any takes it as time.Time. An any takes all
// numbers as float64. A float without fraction fits integers. Types that
// implement json.Unmarshaler, json.RawMessage among them, are given JSON with
// bytes as base64 text.
//
// The error is an *ArgError that says which argument did not fit; those before
// it have been decoded, and it may be partly.
func (a Args) Decode(dst ...any) error {
	rest := a.list
	for i, d := range dst {
		if len(rest) == 0 {
			return nil
		}
		var err error
		var raw []byte
		switch {
		case d == nil:
			_, rest = a.cut(rest)
		case a.form == textForm:
			raw, rest = cutElement(rest)
			err = a.decodeArg(raw, d)
		default:
			rest, err = a.unpack(rest, d)
		}
		if err != nil {
			return &ArgError{Index: i, Err: err}
		}
	}
	return nil
}

// elements checks an array that begins at pos and fills the rest of the text,
// and returns what is between its brackets.
func (s *scanner) elements() (list []byte, n int, ok bool) {
	if s.peek() != '[' {
		return nil, 0, s.fail(ErrPayload, "an array was expected")
	}
	start := s.pos + 1
	if n, ok = s.array(); !ok {
		return nil, 0, false
	}
	list = bytes.Trim(s.b[start:s.pos-1], " \t\r\n")
	if !s.end() {
		return nil, 0, false
	}
	return list[:len(list):len(list)], n, true
}

// end checks that nothing but white space follows and that the text is UTF-8.
func (s *scanner) end() bool {
	s.space()
	if s.pos < len(s.b) {
		return s.fail(ErrPayload, "there is something behind the JSON text")
	}
	if s.high && !utf8.Valid(s.b) {
		return s.fail(ErrUTF8, "")
	}
	return true
}

func (s *scanner) decodeError() *DecodeError {
	return &DecodeError{Offset: s.pos, Err: s.err, Detail: s.detail}
}

var errNilPointer = errors.New("decode into a nil pointer or a value that is not a pointer")

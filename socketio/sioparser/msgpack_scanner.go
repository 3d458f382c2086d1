package sioparser

import (
	"math"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// kind is what a MessagePack value is, as notepack reads it.
type kind uint8

const (
	kindNone kind = iota // not a value, or its head is cut short
	kindNil              // nil, or the undefined of older peers
	kindBool
	kindUint // the unsigned forms
	kindInt  // the signed forms
	kindFloat
	kindString
	kindBytes // bin, or the ArrayBuffer of older peers
	kindDate  // a timestamp, or the Date of older peers
	kindExt   // any other extension
	kindArray
	kindMap
)

var kindNames = [...]string{"nothing", "null", "bool", "number", "number", "number", "string", "bytes", "date", "extension", "array", "object"}

// String returns the name that JSON has for it, where it has one.
func (k kind) String() string { return kindNames[k] }

func (k kind) number() bool { return k == kindUint || k == kindInt || k == kindFloat }

// head is how a value begins.
type head struct {
	kind kind
	size int // bytes before the contents
	n    int // bytes of contents; of an array its values, of a map its pairs
}

// heads describes the values that begin with 0xc0 to 0xdf: a length of so many
// bytes follows, or contents of so many. Extensions have their type before
// their contents.
var heads = [32]struct {
	kind   kind
	length uint8 // bytes of the length; 0: n is it
	n      uint8
}{
	0xc0 & 31: {kind: kindNil}, 0xc2 & 31: {kind: kindBool}, 0xc3 & 31: {kind: kindBool},
	0xc4 & 31: {kindBytes, 1, 0}, 0xc5 & 31: {kindBytes, 2, 0}, 0xc6 & 31: {kindBytes, 4, 0},
	0xc7 & 31: {kindExt, 1, 0}, 0xc8 & 31: {kindExt, 2, 0}, 0xc9 & 31: {kindExt, 4, 0},
	0xca & 31: {kindFloat, 0, 4}, 0xcb & 31: {kindFloat, 0, 8},
	0xcc & 31: {kindUint, 0, 1}, 0xcd & 31: {kindUint, 0, 2}, 0xce & 31: {kindUint, 0, 4}, 0xcf & 31: {kindUint, 0, 8},
	0xd0 & 31: {kindInt, 0, 1}, 0xd1 & 31: {kindInt, 0, 2}, 0xd2 & 31: {kindInt, 0, 4}, 0xd3 & 31: {kindInt, 0, 8},
	0xd4 & 31: {kindExt, 0, 1}, 0xd5 & 31: {kindExt, 0, 2}, 0xd6 & 31: {kindExt, 0, 4}, 0xd7 & 31: {kindExt, 0, 8}, 0xd8 & 31: {kindExt, 0, 16},
	0xd9 & 31: {kindString, 1, 0}, 0xda & 31: {kindString, 2, 0}, 0xdb & 31: {kindString, 4, 0},
	0xdc & 31: {kindArray, 2, 0}, 0xdd & 31: {kindArray, 4, 0}, 0xde & 31: {kindMap, 2, 0}, 0xdf & 31: {kindMap, 4, 0},
}

// headOf returns how the value that b begins with begins. The contents need
// not be there.
func headOf(b []byte) head {
	if len(b) == 0 {
		return head{}
	}
	c := b[0]
	switch {
	case c < 0x80:
		return head{kindUint, 1, 0}
	case c < 0x90:
		return head{kindMap, 1, int(c & 15)}
	case c < 0xa0:
		return head{kindArray, 1, int(c & 15)}
	case c < 0xc0:
		return head{kindString, 1, int(c & 31)}
	case c >= 0xe0:
		return head{kindInt, 1, 0}
	}
	form := &heads[c&31]
	h := head{form.kind, 1 + int(form.length), int(form.n)}
	if h.kind == kindExt {
		h.size++
	}
	if h.size > len(b) {
		return head{}
	}
	if form.length > 0 {
		var n uint32
		for _, c := range b[1 : 1+form.length] {
			n = n<<8 | uint32(c)
		}
		if n > math.MaxInt32 {
			return head{} // more than any message has
		}
		h.n = int(n)
	}
	if h.kind == kindExt {
		h.kind = extKind(c, int8(b[h.size-1]), h.n)
	}
	return h
}

// The types of extensions that have a meaning.
const (
	extDated     = -1 // the timestamp of the MessagePack specification
	extOldNative = 0  // undefined, Date and ArrayBuffer of notepack before 3.0
)

// extKind says what an extension stands for: c is its first byte, n the length
// of its contents.
func extKind(c byte, extType int8, n int) kind {
	switch {
	case extType == extDated && (c == 0xd6 || c == 0xd7 || c == 0xc7 && n == 12):
		return kindDate
	case extType == extOldNative && c == 0xd7:
		return kindDate
	case extType == extOldNative && c == 0xd4:
		return kindNil
	case extType == extOldNative && c >= 0xc7 && c <= 0xc9:
		return kindBytes
	}
	return kindExt
}

// skipPacked returns the end of the value that b, valid from here on, begins
// with.
func skipPacked(b []byte) (end int) {
	for left := 1; left > 0; left-- {
		h := headOf(b[end:])
		end += h.size
		switch h.kind {
		case kindArray:
			left += h.n
		case kindMap:
			left += 2 * h.n
		default:
			end += h.n
		}
	}
	return end
}

// integer returns a valid number as an integer, if it is one: u, or int64(u)
// when it is negative. Numbers below -2^63 or above 2^64-1 are not.
func integer(b []byte, k kind) (u uint64, negative, ok bool) {
	switch k {
	case kindUint:
		u, _, _ = msgp.ReadUint64Bytes(b)
		return u, false, true
	case kindInt:
		i, _, _ := msgp.ReadInt64Bytes(b)
		return uint64(i), i < 0, true
	case kindFloat:
		f, _, _ := msgp.ReadFloat64Bytes(b)
		return wholeFloat(f)
	}
	return 0, false, false
}

// wholeFloat is integer for a float.
func wholeFloat(f float64) (u uint64, negative, ok bool) {
	switch {
	case f != math.Trunc(f): // NaN, too
		return 0, false, false
	case f >= 0 && f < 1<<64:
		return uint64(f), false, true
	case f < 0 && f >= -1<<63:
		return uint64(int64(f)), true, true
	}
	return 0, false, false
}

// float returns a valid number.
func float(b []byte, k kind) float64 {
	switch k {
	case kindUint:
		u, _, _ := msgp.ReadUint64Bytes(b)
		return float64(u)
	case kindInt:
		i, _, _ := msgp.ReadInt64Bytes(b)
		return float64(i)
	}
	f, _, _ := msgp.ReadFloat64Bytes(b)
	return f
}

// A packScanner checks MessagePack without decoding it: that values are whole,
// nested by depth at most, that text is UTF-8 and that keys are text or
// integers. It visits every value once and allocates nothing.
type packScanner struct {
	b      []byte
	pos    int
	depth  int    // levels of arrays and maps that may still be opened
	err    error  // why the last method returned false
	detail string // for DecodeError
}

func (s *packScanner) fail(err error, detail string) bool {
	s.err, s.detail = err, detail
	return false
}

func (s *packScanner) decodeError() *DecodeError {
	return &DecodeError{Offset: s.pos, Err: s.err, Detail: s.detail}
}

// value checks one value, which begins at pos, and leaves pos behind it.
func (s *packScanner) value() bool {
	if s.pos < len(s.b) {
		if c := s.b[s.pos]; c < 0x80 || c >= 0xe0 { // most often
			s.pos++
			return true
		}
	}
	return s.valueWith(headOf(s.b[s.pos:]))
}

func (s *packScanner) valueWith(h head) bool {
	switch h.kind {
	case kindArray:
		return s.elements(h, false)
	case kindMap:
		return s.elements(h, true)
	case kindNone:
		if s.pos < len(s.b) && s.b[s.pos] == 0xc1 {
			return s.fail(ErrPayload, "0xc1 begins no value")
		}
		return s.fail(ErrPayload, "a value ends early")
	}
	start := s.pos + h.size
	end := start + h.n
	if end > len(s.b) || end < start {
		return s.fail(ErrPayload, "a value ends early")
	}
	if h.kind == kindString && !utf8.Valid(s.b[start:end]) {
		return s.fail(ErrUTF8, "")
	}
	s.pos = end
	return true
}

// elements checks an array or a map. A count is believed as far as there are
// bytes for it.
func (s *packScanner) elements(h head, pairs bool) bool {
	if s.depth == 0 {
		return s.fail(ErrDepth, "")
	}
	if rest := len(s.b) - s.pos - h.size; h.n > rest || pairs && h.n > rest/2 {
		return s.fail(ErrPayload, "it announces more values than follow")
	}
	s.depth--
	s.pos += h.size
	for range h.n {
		if pairs && !s.key(headOf(s.b[s.pos:])) || !s.value() {
			return false
		}
	}
	s.depth++
	return true
}

// key checks the key of a member, which begins with h.
func (s *packScanner) key(h head) bool {
	switch h.kind {
	case kindString, kindUint, kindInt, kindNone:
		return s.valueWith(h)
	}
	return s.fail(ErrPayload, "a string was expected as key")
}

// end checks that nothing follows.
func (s *packScanner) end() bool {
	if s.pos < len(s.b) {
		return s.fail(ErrPayload, "there is something behind the value")
	}
	return true
}

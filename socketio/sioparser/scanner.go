package sioparser

import (
	"encoding/binary"
	"math/bits"
)

// A scanner checks JSON text without decoding it: syntax by RFC 8259, nesting
// by depth, and, in packets with attachments, that each placeholder names one.
// It visits every byte once and allocates nothing. Whether strings are valid
// UTF-8 is left to the caller, who need not ask unless high is set.
type scanner struct {
	b            []byte
	pos          int
	depth        int    // levels of arrays and objects that may still be opened
	attachments  int    // number announced; negative: placeholders are data
	high         bool   // a byte outside ASCII was seen
	placeholders int    // seen so far
	err          error  // why the last method returned false
	detail       string // for DecodeError
}

func (s *scanner) fail(err error, detail string) bool {
	s.err, s.detail = err, detail
	return false
}

// space skips white space.
func (s *scanner) space() {
	for s.pos < len(s.b) {
		switch s.b[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek returns the current byte, or 0, which begins and ends no token.
func (s *scanner) peek() byte {
	if s.pos < len(s.b) {
		return s.b[s.pos]
	}
	return 0
}

// value checks one value, which begins at pos, and leaves pos behind it.
func (s *scanner) value() bool {
	switch c := s.peek(); c {
	case '"':
		return s.str()
	case '{':
		return s.object()
	case '[':
		_, ok := s.array()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number()
	}
	if s.pos == len(s.b) {
		return s.fail(ErrPayload, "the JSON text ends early")
	}
	return s.fail(ErrPayload, "a JSON value was expected")
}

// array checks an array and counts its elements.
func (s *scanner) array() (n int, ok bool) {
	if s.depth == 0 {
		return 0, s.fail(ErrDepth, "")
	}
	s.depth--
	s.pos++
	s.space()
	if s.peek() == ']' {
		s.pos++
		s.depth++
		return 0, true
	}
	for {
		if !s.value() {
			return 0, false
		}
		n++
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case ']':
			s.pos++
			s.depth++
			return n, true
		default:
			return 0, s.fail(ErrPayload, "a comma or the end of an array was expected")
		}
	}
}

func (s *scanner) object() bool {
	if s.depth == 0 {
		return s.fail(ErrDepth, "")
	}
	s.depth--
	s.pos++
	s.space()
	if s.peek() == '}' {
		s.pos++
		s.depth++
		return true
	}
	var mark placeholder
	for {
		if s.peek() != '"' {
			return s.fail(ErrPayload, "an object member was expected")
		}
		key := s.pos + 1
		if !s.str() {
			return false
		}
		keyEnd := s.pos - 1
		s.space()
		if s.peek() != ':' {
			return s.fail(ErrPayload, "a colon was expected")
		}
		s.pos++
		s.space()
		val := s.pos
		if !s.value() {
			return false
		}
		if s.attachments >= 0 {
			mark.member(s.b[key:keyEnd], s.b[val:s.pos])
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case '}':
			s.pos++
			s.depth++
			return !mark.is || s.placeholder(&mark)
		default:
			return s.fail(ErrPayload, "a comma or the end of an object was expected")
		}
	}
}

// placeholder checks that an object that is one names an attachment.
func (s *scanner) placeholder(p *placeholder) bool {
	s.placeholders++
	if _, legal := p.index(s.attachments); !legal {
		return s.fail(ErrIllegalAttachments, "a placeholder names no attachment")
	}
	return true
}

// plain marks the ASCII bytes that may stand in a string as they are.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// str checks a string. Eight bytes are looked at together while none of them
// needs attention, so that long texts cost little.
func (s *scanner) str() bool {
	b, i := s.b, s.pos+1
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			if m := special(w); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		for i < len(b) && plain[b[i]] {
			i++
		}
		if i == len(b) {
			s.pos = i
			return s.fail(ErrPayload, "a string has no end")
		}
		switch c := b[i]; {
		case c == '"':
			s.pos = i + 1
			return true
		case c >= 0x80:
			s.high = true
			for i++; i < len(b) && b[i] >= 0x80; i++ {
			}
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				s.pos = i
				return s.fail(ErrPayload, "a string has an unknown escape")
			}
			i += n
		default:
			s.pos = i
			return s.fail(ErrPayload, "a string has a control character")
		}
	}
}

// special returns a word whose lowest set bit is in the first byte of w that
// is a quotation mark, a backslash, a control character or outside ASCII; zero
// when there is none. Higher bits may be false alarms.
func special(w uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^(ones*'"'), w^(ones*'\\')
	return ((w - ones*0x20) | (quote - ones) | (slash - ones) | w) & tops
}

// escapeLen returns the length of the escape that b begins with, 0 when it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.pos < len(word) || string(s.b[s.pos:s.pos+len(word)]) != word {
		return s.fail(ErrPayload, "a JSON value was expected")
	}
	s.pos += len(word)
	return true
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return false
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		return s.digits()
	}
	return true
}

// digits checks for at least one digit and skips all there are.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.b) && s.b[s.pos]-'0' <= 9 {
		s.pos++
	}
	if s.pos == start {
		return s.fail(ErrPayload, "a digit was expected")
	}
	return true
}

// skipValue returns the end of the value that b, valid JSON from here on,
// begins with.
func skipValue(b []byte) int {
	switch b[0] {
	case '"':
		return skipString(b)
	case '{', '[':
		for i, open := 0, 0; ; {
			switch b[i] {
			case '"':
				i += skipString(b[i:])
				continue
			case '{', '[':
				open++
			case '}', ']':
				if open--; open == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	i := 0
	for i < len(b) && !isEnd(b[i]) {
		i++
	}
	return i
}

// isEnd reports whether c ends a number or a literal.
func isEnd(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

// skipString returns the length of the valid string that b begins with.
func skipString(b []byte) int {
	i := 1
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			const ones, tops = 0x0101010101010101, 0x8080808080808080
			quote, slash := w^(ones*'"'), w^(ones*'\\')
			// Bytes outside ASCII may raise a false alarm; the loop below clears it up.
			if m := ((quote - ones) | (slash - ones)) & tops; m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i += 2
		default:
			for i++; b[i] >= 0x80; i++ {
			}
		}
	}
}

// skipSpace returns how much white space b begins with.
func skipSpace(b []byte) int {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

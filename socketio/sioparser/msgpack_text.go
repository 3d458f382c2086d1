package sioparser

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// textWriter writes valid MessagePack as JSON, with the values that
// JSON.stringify would write: null for what is not a finite number, ISO 8601
// for dates, an array of type and bytes for unknown extensions.
type textWriter struct {
	dst       []byte
	at        *Attachments // nil: bytes are base64 text
	lookalike bool         // an object that could be taken for a placeholder was written
}

// value writes the value that b begins with and returns what follows it.
func (w *textWriter) value(b []byte) (rest []byte) {
	h := headOf(b)
	contents := b[h.size:]
	if h.kind < kindArray {
		contents, rest = contents[:h.n:h.n], contents[h.n:]
	}
	switch h.kind {
	case kindBool:
		w.dst = strconv.AppendBool(w.dst, b[0] == 0xc3)
	case kindUint, kindInt, kindFloat:
		w.dst = appendPackedNumber(w.dst, b, h.kind)
	case kindString:
		w.dst = appendString(w.dst, string(contents))
	case kindBytes:
		w.bytes(contents)
	case kindDate:
		w.dst = appendDateText(w.dst, date(b, h))
	case kindExt:
		w.dst = append(w.dst, '[')
		w.dst = strconv.AppendInt(w.dst, int64(int8(b[h.size-1])), 10)
		w.dst = append(w.dst, ',')
		w.bytes(contents)
		w.dst = append(w.dst, ']')
	case kindArray:
		return w.array(contents, h.n)
	case kindMap:
		return w.object(contents, h.n)
	default:
		w.dst = append(w.dst, "null"...)
	}
	return rest
}

func (w *textWriter) bytes(b []byte) {
	if w.at != nil {
		w.dst = w.at.Append(w.dst, b)
		return
	}
	w.dst = append(w.dst, '"')
	w.dst = base64.StdEncoding.AppendEncode(w.dst, b)
	w.dst = append(w.dst, '"')
}

func (w *textWriter) array(b []byte, n int) (rest []byte) {
	w.dst = append(w.dst, '[')
	for i := range n {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		b = w.value(b)
	}
	w.dst = append(w.dst, ']')
	return b
}

func (w *textWriter) object(b []byte, n int) (rest []byte) {
	w.dst = append(w.dst, '{')
	for i := range n {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		h := headOf(b)
		if h.kind == kindString {
			w.lookalike = w.lookalike || string(b[h.size:h.size+h.n]) == "_placeholder"
			b = w.value(b)
		} else {
			w.dst = append(w.dst, '"')
			b = w.value(b)
			w.dst = append(w.dst, '"')
		}
		w.dst = append(w.dst, ':')
		b = w.value(b)
	}
	w.dst = append(w.dst, '}')
	return b
}

// appendPackedNumber appends a valid number as JSON. Integers have all their
// digits.
func appendPackedNumber(dst, b []byte, k kind) []byte {
	switch k {
	case kindUint:
		u, _, _ := msgp.ReadUint64Bytes(b)
		return strconv.AppendUint(dst, u, 10)
	case kindInt:
		i, _, _ := msgp.ReadInt64Bytes(b)
		return strconv.AppendInt(dst, i, 10)
	}
	switch f := float(b, k); {
	case f == 0:
		return append(dst, '0') // -0 too, as JSON.stringify has it
	case finite(f):
		return appendFloat(dst, f)
	}
	return append(dst, "null"...)
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// date returns a valid kindDate.
func date(b []byte, h head) time.Time {
	contents := b[h.size:]
	if int8(b[h.size-1]) == extOldNative {
		return time.UnixMilli(int64(binary.BigEndian.Uint64(contents))).UTC()
	}
	switch h.n {
	case 4:
		return time.Unix(int64(binary.BigEndian.Uint32(contents)), 0).UTC()
	case 8:
		u := binary.BigEndian.Uint64(contents)
		return time.Unix(int64(u&(1<<34-1)), int64(u>>34)).UTC()
	}
	return time.Unix(int64(binary.BigEndian.Uint64(contents[4:])), int64(binary.BigEndian.Uint32(contents))).UTC()
}

// appendOldDate appends t as Date of notepack before 3.0: milliseconds.
func appendOldDate(dst []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xd7, extOldNative), uint64(t.UnixMilli()))
}

// appendTimestamp appends t as the timestamp of the MessagePack specification,
// in the shortest of its three forms.
func appendTimestamp(dst []byte, t time.Time) []byte {
	switch s, ns := t.Unix(), uint64(t.Nanosecond()); {
	case s>>34 != 0:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xc7, 12, 0xff), uint32(ns))
		return binary.BigEndian.AppendUint64(dst, uint64(s))
	case s>>32 != 0 || ns != 0:
		return binary.BigEndian.AppendUint64(append(dst, 0xd7, 0xff), ns<<34|uint64(s))
	default:
		return binary.BigEndian.AppendUint32(append(dst, 0xd6, 0xff), uint32(s))
	}
}

// appendDateText appends t as Date.prototype.toJSON writes it, with
// nanoseconds where there are any; null outside of the years that have four
// digits.
func appendDateText(dst []byte, t time.Time) []byte {
	if y := t.Year(); y < 0 || y > 9999 {
		return append(dst, "null"...)
	}
	layout := `"2006-01-02T15:04:05.000Z"`
	if t.Nanosecond()%1e6 != 0 {
		layout = `"2006-01-02T15:04:05.999999999Z"`
	}
	return t.AppendFormat(dst, layout)
}

// textPacker writes valid JSON as MessagePack: placeholders as the attachments
// they stand for, numbers as notepack writes them.
type textPacker struct {
	dst         []byte
	attachments [][]byte
	counts      []int // of the containers to come, in the order of their beginnings
}

// appendJSON appends the only value of a valid JSON text as MessagePack.
func appendJSON(dst, text []byte, attachments [][]byte) []byte {
	p := textPacker{dst: dst, attachments: attachments}
	text = text[skipSpace(text):]
	var room [16]int
	p.counts = room[:0]
	if text[0] == '{' || text[0] == '[' {
		p.counts = appendCounts(p.counts, text)
	}
	p.value(text)
	return p.dst
}

// appendCounts appends how many elements or members each array and object of a
// valid JSON text has, since MessagePack says it first.
func appendCounts(counts []int, text []byte) []int {
	var room [32]int
	open := room[:0] // indexes in counts
	for i := 0; i < len(text); {
		switch text[i] {
		case '"':
			i += skipString(text[i:])
			continue
		case '{', '[':
			open = append(open, len(counts))
			counts = append(counts, 0)
			if next := text[i+1+skipSpace(text[i+1:])]; next != '}' && next != ']' {
				counts[len(counts)-1] = 1
			}
		case ',':
			counts[open[len(open)-1]]++
		case '}', ']':
			open = open[:len(open)-1]
		}
		i++
	}
	return counts
}

// count returns how many elements or members the next container has.
func (p *textPacker) count() uint32 {
	n := p.counts[0]
	p.counts = p.counts[1:]
	return uint32(n)
}

// value writes the value that b begins with and returns what follows it.
func (p *textPacker) value(b []byte) (rest []byte) {
	switch b[0] {
	case '{':
		return p.object(b)
	case '[':
		return p.array(b)
	}
	n := skipValue(b)
	raw := b[:n]
	switch raw[0] {
	case '"':
		p.text(raw)
	case 't', 'f':
		p.dst = msgp.AppendBool(p.dst, raw[0] == 't')
	case 'n':
		p.dst = msgp.AppendNil(p.dst)
	default:
		p.dst = appendDecimal(p.dst, raw)
	}
	return b[n:]
}

// text writes a JSON string.
func (p *textPacker) text(raw []byte) {
	inside := raw[1 : len(raw)-1]
	if hasEscape(inside) {
		inside = appendUnescaped(nil, inside)
	}
	p.dst = msgp.AppendStringFromBytes(p.dst, inside)
}

func (p *textPacker) array(b []byte) (rest []byte) {
	p.dst = msgp.AppendArrayHeader(p.dst, p.count())
	for b = b[1:]; ; {
		b = b[skipSpace(b):]
		switch b[0] {
		case ']':
			return b[1:]
		case ',':
			b = b[1:]
		default:
			b = p.value(b)
		}
	}
}

func (p *textPacker) object(b []byte) (rest []byte) {
	var mark placeholder
	start := len(p.dst)
	p.dst = msgp.AppendMapHeader(p.dst, p.count())
	for b = b[1:]; ; {
		b = b[skipSpace(b):]
		switch b[0] {
		case '}':
			if i, legal := mark.index(len(p.attachments)); legal {
				p.dst = msgp.AppendBytes(p.dst[:start], p.attachments[i])
			}
			return b[1:]
		case ',':
			b = b[1:]
			continue
		}
		n := skipString(b)
		key := b[:n]
		p.text(key)
		b = b[n:]
		b = b[skipSpace(b)+1:] // the colon
		b = b[skipSpace(b):]
		rest := p.value(b)
		if len(p.attachments) > 0 {
			mark.member(key[1:n-1], b[:len(b)-len(rest)])
		}
		b = rest
	}
}

// appendDecimal appends a JSON number as notepack writes it. Integers that fit
// 64 bits keep all their digits.
func appendDecimal(dst, raw []byte) []byte {
	if !bytes.ContainsAny(raw, ".eE") {
		if i, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return appendInt(dst, i)
		}
		if u, err := strconv.ParseUint(string(raw), 10, 64); err == nil {
			return msgp.AppendUint64(dst, u)
		}
	}
	f, _ := strconv.ParseFloat(string(raw), 64) // too large is an infinity, as in JavaScript
	return appendNumber(dst, f)
}

// appendInt appends i in the shortest form, which is unsigned where it can be.
func appendInt(dst []byte, i int64) []byte {
	if i >= 0 {
		return msgp.AppendUint64(dst, uint64(i))
	}
	return msgp.AppendInt64(dst, i)
}

// appendNumber appends a JavaScript number: as an integer if it is one that
// fits 64 bits, so that -0 is 0.
func appendNumber(dst []byte, f float64) []byte {
	switch u, negative, whole := wholeFloat(f); {
	case negative:
		return msgp.AppendInt64(dst, int64(u))
	case whole:
		return msgp.AppendUint64(dst, u)
	case f != f:
		return append(dst, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0) // the NaN of JavaScript
	}
	return msgp.AppendFloat64(dst, f)
}

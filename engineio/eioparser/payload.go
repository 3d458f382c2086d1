package eioparser

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"iter"
	"strconv"
	"unicode/utf8"
)

// separator joins the packets of a revision 4 payload.
const separator = 0x1e

// AppendPayload appends packets as the text payload of one HTTP body; binary
// data becomes base64. In revision 3 a payload without packets is "0:"; in
// revision 4 there is no such thing, and dst is returned as it is.
//
// Text must be valid UTF-8, and in revision 4 must not contain 0x1E, which
// separates packets: a receiver would take what follows it for another packet.
// (JSON escapes that character.)
func AppendPayload(dst []byte, r Revision, packets []Packet) []byte {
	if len(packets) == 0 && r == V3 {
		return append(dst, "0:"...)
	}
	for i, p := range packets {
		dst = AppendPayloadPacket(dst, r, p, i == 0)
	}
	return dst
}

// AppendPayloadPacket appends one packet to a text payload; first says that it
// is the first one in it. See [AppendPayload].
func AppendPayloadPacket(dst []byte, r Revision, p Packet, first bool) []byte {
	if r == V3 {
		length := 1 + utf16Len(p.Data)
		if p.Binary {
			length = 2 + base64.StdEncoding.EncodedLen(len(p.Data))
		}
		dst = append(strconv.AppendInt(dst, int64(length), 10), ':')
	} else if !first {
		dst = append(dst, separator)
	}
	if p.Binary {
		return AppendBase64(dst, r, p)
	}
	return AppendText(dst, p)
}

// DecodePayload splits the body of a polling request or response into packets,
// at most max. Data aliases body, except binary data, which is decoded into new
// memory. A binary payload of revision 3 is decoded with [PacketsBinary].
//
// Every error is a *[DecodeError], because of [ErrTooMany] or as [Packets]
// says. The packets before it are returned with it.
func DecodePayload(r Revision, body []byte, max int) ([]Packet, error) {
	var packets []Packet
	for p, err := range Packets(r, body) {
		if err != nil {
			return packets, err
		}
		if len(packets) >= max {
			return packets, &DecodeError{0, ErrTooMany}
		}
		packets = append(packets, p)
	}
	return packets, nil
}

// Packets iterates over the packets of a text payload in constant memory, but
// for binary data, which is decoded into new memory; otherwise Data aliases
// body. It ends after the first error, which comes with a zero Packet.
//
// Revision 4: packets joined by 0x1E. Revision 3: each packet follows its
// length, as a decimal, and a colon; the length counts UTF-16 code units, as
// JavaScript does ("😀" is two). A length of zero stands for no packet.
//
// Every error is a *[DecodeError] because of [ErrEmptyPayload], [ErrLength] (in
// revision 3) or what [DecodeText] says.
func Packets(r Revision, body []byte) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		if r == V3 {
			packetsV3(body, yield)
		} else {
			packetsV4(body, yield)
		}
	}
}

func packetsV4(body []byte, yield func(Packet, error) bool) {
	if len(body) == 0 {
		yield(Packet{}, &DecodeError{0, ErrEmptyPayload})
		return
	}
	for start := 0; start <= len(body); {
		end := len(body)
		if i := bytes.IndexByte(body[start:], separator); i >= 0 {
			end = start + i
		}
		p, err := DecodeText(V4, body[start:end])
		if !yield(p, at(start, err)) || err != nil {
			return
		}
		start = end + 1
	}
}

func packetsV3(body []byte, yield func(Packet, error) bool) {
	if len(body) == 0 {
		yield(Packet{}, &DecodeError{0, ErrEmptyPayload})
		return
	}
	for start := 0; start < len(body); {
		length, n := readLength(body[start:], '0', ':')
		if n == 0 {
			yield(Packet{}, &DecodeError{start, ErrLength})
			return
		}
		start += n
		size, err := cutUTF16(body[start:], length)
		if err != nil {
			yield(Packet{}, at(start, err))
			return
		}
		if size == 0 {
			continue
		}
		p, err := DecodeText(V3, body[start:start+size])
		if !yield(p, at(start, err)) || err != nil {
			return
		}
		start += size
	}
}

// readLength reads a decimal whose digits are counted from zero and which ends
// with end, and returns its value and its size with the end. The size is 0 when
// b begins with no such thing, or when the value is larger than what is left
// of b, which no length of something in b can be.
func readLength(b []byte, zero, end byte) (length, size int) {
	var value uint64 // less than 10 times len(b), as it is checked at each digit
	for i, c := range b {
		if c == end && i > 0 {
			return int(value), i + 1
		}
		digit := c - zero
		if digit > 9 || i > 0 && value == 0 {
			return 0, 0
		}
		value = value*10 + uint64(digit)
		if left := len(b) - i - 2; value > uint64(max(left, 0)) { // end comes first
			return 0, 0
		}
	}
	return 0, 0
}

// utf16Len returns the number of UTF-16 code units that b, which is valid
// UTF-8, is in JavaScript: one per rune, two when it is outside the BMP.
func utf16Len(b []byte) (units int) {
	for len(b) > 0 {
		if len(b) >= 8 && ascii8(b) {
			b = b[8:]
			units += 8
			continue
		}
		if b[0]&0xc0 != 0x80 {
			units++
		}
		if b[0] >= 0xf0 {
			units++
		}
		b = b[1:]
	}
	return units
}

// cutUTF16 returns the size in bytes of the first units UTF-16 code units of b.
func cutUTF16(b []byte, units int) (size int, err error) {
	for units > 0 {
		if units >= 8 && len(b)-size >= 8 && ascii8(b[size:]) {
			size += 8
			units -= 8
			continue
		}
		if size == len(b) {
			return 0, &DecodeError{size, ErrLength}
		}
		if b[size] < utf8.RuneSelf {
			size++
			units--
			continue
		}
		r, n := utf8.DecodeRune(b[size:])
		if r == utf8.RuneError && n == 1 {
			return 0, &DecodeError{size, ErrUTF8}
		}
		if r > 0xffff {
			units--
		}
		if units--; units < 0 { // it would end inside a surrogate pair
			return 0, &DecodeError{size, ErrLength}
		}
		size += n
	}
	return size, nil
}

// ascii8 reports whether the first 8 bytes of b are ASCII.
func ascii8(b []byte) bool {
	return binary.LittleEndian.Uint64(b)&0x8080808080808080 == 0
}

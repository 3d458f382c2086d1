package eioparser

import (
	"fmt"
	"iter"
)

// The first byte of a packet in a binary payload, and the byte behind its length.
const (
	kindText   = 0
	kindBinary = 1
	lengthEnd  = 0xff
)

// AppendPayloadBinary appends one packet to a binary payload, the form that
// revision 3 uses for a body with binary data when the client understands it.
//
// It is the kind (0 for text, 1 for binary), the length of the packet in bytes
// as a decimal whose digits are the bytes 0 to 9, 0xFF, and the packet as a
// text or binary frame.
func AppendPayloadBinary(dst []byte, p Packet) []byte {
	if !p.Binary {
		return AppendText(appendBinaryHeader(dst, kindText, 1+len(p.Data)), p)
	}
	return AppendBinary(appendBinaryHeader(dst, kindBinary, 1+len(p.Data)), V3, p)
}

func appendBinaryHeader(dst []byte, kind byte, length int) []byte {
	dst = append(dst, kind)
	unit := 1
	for unit <= length/10 {
		unit *= 10
	}
	for ; unit > 0; unit /= 10 {
		dst = append(dst, byte(length/unit%10))
	}
	return append(dst, lengthEnd)
}

// PacketsBinary iterates over the packets of a binary payload of revision 3, as
// [Packets] does for a text payload. A text packet in it may carry base64.
//
// Every error is a *[DecodeError] because of [ErrEmptyPayload],
// [ErrPacketKind], [ErrLength] or what [DecodeText] and [DecodeBinary] say.
func PacketsBinary(body []byte) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		if len(body) == 0 {
			yield(Packet{}, &DecodeError{0, ErrEmptyPayload})
			return
		}
		for start := 0; start < len(body); {
			decode := DecodeText
			switch kind := body[start]; kind {
			case kindText:
			case kindBinary:
				decode = DecodeBinary
			default:
				yield(Packet{}, &DecodeError{start, fmt.Errorf("%w, got %d", ErrPacketKind, kind)})
				return
			}
			start++
			length, n := readLength(body[start:], 0, lengthEnd)
			if n == 0 {
				yield(Packet{}, &DecodeError{start, ErrLength})
				return
			}
			start += n
			p, err := decode(V3, body[start:start+length])
			if !yield(p, at(start, err)) || err != nil {
				return
			}
			start += length
		}
	}
}

package eioparser

import (
	"encoding/binary"
	"fmt"
)

// A FrameHeader comes before each packet on a WebTransport stream (revision 4).
// The packet behind it is a text or a binary frame of Length bytes.
type FrameHeader struct {
	Binary bool
	Length uint64 // 1 to 2^53-1: what JavaScript counts exactly
}

// MaxFrameHeader is the size of the longest header.
const MaxFrameHeader = 9

const maxFrameLength = 1<<53 - 1

// AppendFrameHeader appends h: a byte whose top bit is Binary and whose other
// bits are the length, or 126 before a length of 2 bytes, or 127 before one of
// 8 bytes, big-endian. Receivers refuse a length of zero, so that an empty
// binary message cannot be sent this way.
func AppendFrameHeader(dst []byte, h FrameHeader) []byte {
	var kind byte
	if h.Binary {
		kind = 0x80
	}
	switch {
	case h.Length < 126:
		return append(dst, kind|byte(h.Length))
	case h.Length <= 0xffff:
		return append(dst, kind|126, byte(h.Length>>8), byte(h.Length))
	}
	return binary.BigEndian.AppendUint64(append(dst, kind|127), h.Length)
}

// ReadFrameHeader reads the header at the start of b and returns its size n,
// which is 0, without an error, when b ends before the header does. A length
// written longer than needed is accepted, as the reference does.
//
// An error is a *[DecodeError] because of [ErrLength]: the length is zero or
// over 2^53-1. Whether it is within the limit for a message is the caller's
// question, to be asked before room is made for that many bytes.
func ReadFrameHeader(b []byte) (h FrameHeader, n int, err error) {
	if len(b) == 0 {
		return FrameHeader{}, 0, nil
	}
	h = FrameHeader{Binary: b[0]&0x80 != 0, Length: uint64(b[0] & 0x7f)}
	n = 1
	switch h.Length {
	case 126:
		if n = 3; len(b) < n {
			return FrameHeader{}, 0, nil
		}
		h.Length = uint64(binary.BigEndian.Uint16(b[1:]))
	case 127:
		if n = 9; len(b) < n {
			return FrameHeader{}, 0, nil
		}
		h.Length = binary.BigEndian.Uint64(b[1:])
	}
	if h.Length == 0 || h.Length > maxFrameLength {
		return FrameHeader{}, 0, &DecodeError{0, fmt.Errorf("%w: a frame has 1 to 2^53-1 bytes, got %d", ErrLength, h.Length)}
	}
	return h, n, nil
}

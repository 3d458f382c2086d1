package main

import "encoding/binary"

// The opcodes of RFC 6455 that are used here.
const (
	opText, opBinary, opClose, opPing, opPong = 1, 2, 8, 9, 10
)

// The key of a WebSocket handshake and the answer to it, RFC 6455 section 1.3.
const (
	wsKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	wsAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

var (
	frameConnect    = textFrame("40")
	framePong       = textFrame("3")
	frameProbe      = textFrame("2probe")
	frameUpgrade    = textFrame("5")
	frameDisconnect = append(textFrame("41"), clientFrame(opClose, []byte{0x03, 0xe8})...)
	frameWSPong     = clientFrame(opPong, nil)
)

// clientFrame builds one masked frame. The mask is always the same, so that a
// frame can be built once and sent often; servers unmask it like any other.
func clientFrame(op byte, payload []byte) []byte {
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i&3])
	}
	return b
}

func textFrame(s string) []byte { return clientFrame(opText, []byte(s)) }

// serverFrame cuts the first whole frame off b. n is its length, 0 when b holds
// no whole frame; payload aliases b.
func serverFrame(b []byte) (fin bool, op byte, payload []byte, n int) {
	if len(b) < 2 {
		return false, 0, nil, 0
	}
	size, head := uint64(b[1]&0x7f), 2
	switch size {
	case 126:
		if head = 4; len(b) < head {
			return false, 0, nil, 0
		}
		size = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return false, 0, nil, 0
		}
		size = binary.BigEndian.Uint64(b[2:])
	}
	if uint64(len(b)-head) < size {
		return false, 0, nil, 0
	}
	n = head + int(size)
	return b[0]&0x80 != 0, b[0] & 0xf, b[head:n], n
}

package websocket

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Opcodes of the frames that the Append functions write.
const (
	OpContinuation = ws.OpContinuation
	OpText         = ws.OpText
	OpBinary       = ws.OpBinary
	OpClose        = ws.OpClose
	OpPing         = ws.OpPing
	OpPong         = ws.OpPong
)

const (
	maxControl = 125 // bytes of a control frame's payload

	// MaxServerHeader is the size of the longest header that AppendHeader writes.
	MaxServerHeader = 10
)

const (
	finBit  = 0x80
	rsv1Bit = 0x40
	maskBit = 0x80
)

// AppendHeader appends the header of a server's frame with n bytes of payload,
// which the caller writes after it. rsv1 marks the first frame of a message
// compressed by [Deflate].
func AppendHeader(dst []byte, op ws.OpCode, fin, rsv1 bool, n int) []byte {
	return appendHeader(dst, op, fin, rsv1, n, 0)
}

func appendHeader(dst []byte, op ws.OpCode, fin, rsv1 bool, n int, mask byte) []byte {
	first := byte(op)
	if fin {
		first |= finBit
	}
	if rsv1 {
		first |= rsv1Bit
	}
	switch {
	case n < 126:
		return append(dst, first, mask|byte(n))
	case n <= 0xffff:
		return append(dst, first, mask|126, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, mask|127), uint64(n))
}

// AppendFrame appends one whole, unfragmented frame. A client's payload is
// masked with a new random key, in dst: payload itself is not changed. The
// payload of a control frame must have at most 125 bytes.
func AppendFrame(dst []byte, role Role, op ws.OpCode, payload []byte) []byte {
	return appendFrame(dst, role, op, false, payload)
}

// AppendDeflated is AppendFrame for a payload that [Deflate] made: the frame
// carries RSV1.
func AppendDeflated(dst []byte, role Role, op ws.OpCode, payload []byte) []byte {
	return appendFrame(dst, role, op, true, payload)
}

func appendFrame(dst []byte, role Role, op ws.OpCode, rsv1 bool, payload []byte) []byte {
	if role == Server {
		return append(AppendHeader(dst, op, true, rsv1, len(payload)), payload...)
	}
	dst = appendHeader(dst, op, true, rsv1, len(payload), maskBit)
	var key [4]byte
	rand.Read(key[:]) // never fails; section 5.3 asks for a strong source
	dst = append(dst, key[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[start:], key, 0)
	return dst
}

// AppendClose appends a close frame. A reason longer than 123 bytes is cut at
// a rune, one that is not valid UTF-8 is left out; a code that may not be sent
// (0 and 1005 among them) makes a frame without payload.
func AppendClose(dst []byte, role Role, code int, reason string) []byte {
	if !ValidCloseCode(code) {
		return AppendFrame(dst, role, OpClose, nil)
	}
	if !utf8.ValidString(reason) {
		reason = ""
	}
	if len(reason) > maxControl-2 {
		cut := maxControl - 2
		for !utf8.RuneStart(reason[cut]) {
			cut--
		}
		reason = reason[:cut]
	}
	var payload [maxControl]byte
	binary.BigEndian.PutUint16(payload[:], uint16(code))
	n := 2 + copy(payload[2:], reason)
	return AppendFrame(dst, role, OpClose, payload[:n])
}

// ValidCloseCode reports whether a close frame may carry code: 1000 to 1014
// but for the reserved 1004 to 1006, and 3000 to 4999.
// Source: RFC 6455, section 7.4, and the IANA registry it founded.
func ValidCloseCode(code int) bool {
	return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006) || code >= 3000 && code <= 4999
}

// AcceptKey returns the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
// Source: RFC 6455, section 4.2.2, item 5.4.
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

package eioparser

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"
)

// Revision is the protocol's revision, the EIO of a request's query.
type Revision uint8

const (
	V3 Revision = 3
	V4 Revision = 4
)

// Type is the type of a packet: its digit on the wire.
type Type uint8

const (
	Open Type = iota
	Close
	Ping
	Pong
	Message
	Upgrade
	Noop
)

var typeNames = [...]string{"open", "close", "ping", "pong", "message", "upgrade", "noop"}

// String returns the name that the specification uses: "message".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// A Packet is one Engine.IO packet.
//
// Binary says that Data is bytes rather than text. In revision 4 only a
// Message is ever binary; revision 3 can express it for every type.
type Packet struct {
	Type   Type
	Binary bool
	Data   []byte
}

// AppendText appends p as a text frame, which is the same in both revisions.
// It ignores p.Binary: binary data in text is what [AppendBase64] writes.
func AppendText(dst []byte, p Packet) []byte {
	return append(append(dst, '0'+byte(p.Type)), p.Data...)
}

// AppendBinary appends p as a binary frame. In revision 4 that is p.Data alone,
// and the receiver takes it for a Message.
func AppendBinary(dst []byte, r Revision, p Packet) []byte {
	if r == V3 {
		dst = append(dst, byte(p.Type))
	}
	return append(dst, p.Data...)
}

// AppendBase64 appends p as text that carries binary data: "b", in revision 3
// the type digit, and base64.
func AppendBase64(dst []byte, r Revision, p Packet) []byte {
	dst = append(dst, 'b')
	if r == V3 {
		dst = append(dst, '0'+byte(p.Type))
	}
	return base64.StdEncoding.AppendEncode(dst, p.Data)
}

// DecodeText decodes a text frame, or one packet of a payload. Binary data in
// base64 is decoded into new memory; otherwise Data aliases frame.
//
// Every error is a *[DecodeError] because of [ErrEmptyPacket], [ErrPacketType],
// [ErrUTF8] or [ErrBase64].
func DecodeText(r Revision, frame []byte) (Packet, error) {
	if len(frame) == 0 {
		return Packet{}, &DecodeError{0, ErrEmptyPacket}
	}
	if frame[0] == 'b' {
		return decodeBase64(r, frame)
	}
	t, err := packetType(frame, 0)
	if err != nil {
		return Packet{}, err
	}
	if !utf8.Valid(frame) {
		return Packet{}, &DecodeError{invalidUTF8(frame), ErrUTF8}
	}
	return Packet{Type: t, Data: frame[1:len(frame):len(frame)]}, nil
}

// DecodeBinary decodes a binary frame. Data aliases frame.
//
// In revision 4 every frame is a binary Message. In revision 3 an error is a
// *[DecodeError] because of [ErrEmptyPacket] or [ErrPacketType].
func DecodeBinary(r Revision, frame []byte) (Packet, error) {
	data := frame[:len(frame):len(frame)]
	if r != V3 {
		return Packet{Type: Message, Binary: true, Data: data}, nil
	}
	if len(frame) == 0 {
		return Packet{}, &DecodeError{0, ErrEmptyPacket}
	}
	if frame[0] > byte(Noop) {
		return Packet{}, &DecodeError{0, fmt.Errorf("%w, got byte 0x%02x", ErrPacketType, frame[0])}
	}
	return Packet{Type: Type(frame[0]), Binary: true, Data: data[1:]}, nil
}

// decodeBase64 decodes a text frame that begins with b.
func decodeBase64(r Revision, frame []byte) (Packet, error) {
	p := Packet{Type: Message, Binary: true}
	start := 1
	if r == V3 {
		var err error
		if p.Type, err = packetType(frame, start); err != nil {
			return Packet{}, err
		}
		start++
	}
	text := frame[start:]
	// Go's decoder skips line breaks. Without this, data of nothing else would
	// be a packet without data.
	if len(text) > 0 && (text[0] == '\r' || text[0] == '\n') {
		return Packet{}, &DecodeError{start, ErrBase64}
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(data, text)
	if err != nil { // whose offset counts by the quantum, and is of no use
		return Packet{}, &DecodeError{start, ErrBase64}
	}
	p.Data = data[:n:n]
	return p, nil
}

// packetType reads the digit at frame[i], which may be behind the end.
func packetType(frame []byte, i int) (Type, error) {
	switch {
	case i == len(frame):
		return 0, &DecodeError{i, fmt.Errorf("%w, got the end", ErrPacketType)}
	case frame[i] < '0' || frame[i] > '0'+byte(Noop):
		return 0, &DecodeError{i, fmt.Errorf("%w, got %q", ErrPacketType, frame[i])}
	}
	return Type(frame[i] - '0'), nil
}

// invalidUTF8 returns the offset of the first byte that makes b invalid.
func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(b)
}

package engineio

import (
	"sync/atomic"

	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/internal/websocket"
)

// Headroom is how many bytes [WrapMessage] needs in front of a message, for
// the frame header and the packet type.
const Headroom = 16

// A Message is an immutable outbound message. It may be sent to any number of
// sessions, from any goroutine; each form it takes on the wire is built once
// and shared.
type Message struct {
	buf    []byte // Headroom bytes, then the content
	start  uint8  // where the WebSocket frame begins in buf
	typ    eioparser.Type
	binary bool
	raw    bool // content is written as it is, out of the session's account
	plain  bool // never compress

	v3       atomic.Pointer[[]byte]  // frame of a binary message in revision 3
	deflated atomic.Pointer[Message] // the compressed form, for WebSockets that take it
}

// NewMessage returns a message with a copy of data.
func NewMessage(data []byte, binary bool) *Message {
	buf := make([]byte, Headroom+len(data))
	copy(buf[Headroom:], data)
	return WrapMessage(buf, binary)
}

// WrapMessage returns a message whose content is buf[Headroom:], without
// copying it. The first Headroom bytes are overwritten. The caller gives buf
// away: it must not be changed afterwards.
func WrapMessage(buf []byte, binary bool) *Message {
	return frameMessage(buf, eioparser.Message, binary)
}

// NoCompress marks the message as not worth compressing and returns it. It
// must be called before the message is first sent.
func (m *Message) NoCompress() *Message {
	m.plain = true
	return m
}

// Len returns the size of the content, in bytes.
func (m *Message) Len() int { return len(m.buf) - Headroom }

// Binary reports whether the content is binary.
func (m *Message) Binary() bool { return m.binary }

// newPacket returns a text packet of any type.
func newPacket(typ eioparser.Type, data string) *Message {
	buf := make([]byte, Headroom+len(data))
	copy(buf[Headroom:], data)
	return frameMessage(buf, typ, false)
}

// newRaw returns a pseudo message whose content is written to the connection
// as it stands.
func newRaw(data []byte) *Message {
	buf := make([]byte, Headroom+len(data))
	copy(buf[Headroom:], data)
	return &Message{buf: buf, raw: true, start: Headroom}
}

// frameMessage writes the WebSocket header that text packets have in both
// revisions, and binary messages in revision 4, in front of the content.
func frameMessage(buf []byte, typ eioparser.Type, binary bool) *Message {
	m := &Message{buf: buf, typ: typ, binary: binary}
	if binary {
		m.header(len(buf)-Headroom, Headroom, 0x82)
	} else {
		buf[Headroom-1] = '0' + byte(typ)
		m.header(len(buf)-Headroom+1, Headroom-1, 0x81)
	}
	return m
}

// header writes the header of a frame of n bytes in front of buf[end:].
func (m *Message) header(n, end int, first byte) {
	buf := m.buf
	switch {
	case n < 126:
		m.start = uint8(end - 2)
		buf[m.start+1] = byte(n)
	case n <= 0xFFFF:
		m.start = uint8(end - 4)
		buf[m.start+1] = 126
		buf[m.start+2], buf[m.start+3] = byte(n>>8), byte(n)
	default:
		m.start = uint8(end - 10)
		buf[m.start+1] = 127
		for i := range 8 {
			buf[int(m.start)+2+i] = byte(uint64(n) >> (56 - 8*i))
		}
	}
	buf[m.start] = first
}

// packet returns the message as the parser's packet; its Data aliases m.
func (m *Message) packet() eioparser.Packet {
	return eioparser.Packet{Type: m.typ, Binary: m.binary, Data: m.buf[Headroom:]}
}

// deflate makes the compressed form, unless the message is not worth it.
func (m *Message) deflate(threshold int) {
	if m.plain || m.raw || m.Len() < threshold || m.deflated.Load() != nil {
		return
	}
	content := m.buf[Headroom-1:] // the packet type goes into text frames
	if m.binary {
		content = m.buf[Headroom:]
	}
	buf := websocket.Deflate(make([]byte, Headroom, Headroom+len(content)/2), content, 0)
	z := &Message{buf: buf, typ: m.typ, binary: m.binary, plain: true}
	z.header(len(buf)-Headroom, Headroom, m.buf[m.start]|rsv1)
	m.deflated.Store(z)
}

// rsv1 marks a compressed frame.
const rsv1 = 0x40

// frame returns the finished, uncompressed WebSocket frame for a session of
// revision r.
func (m *Message) frame(r eioparser.Revision) []byte {
	if !m.binary || r != eioparser.V3 {
		return m.buf[m.start:]
	}
	if f := m.v3.Load(); f != nil {
		return *f
	}
	// Binary messages carry their type in revision 3 only.
	buf := make([]byte, Headroom+1, Headroom+1+m.Len())
	buf[Headroom] = byte(eioparser.Message)
	buf = append(buf, m.buf[Headroom:]...)
	f := frameMessage(buf, eioparser.Message, true)
	b := f.buf[f.start:]
	m.v3.Store(&b)
	return b
}

// base64Frame returns a WebSocket frame with a binary message as text.
func (m *Message) base64Frame(r eioparser.Revision) []byte {
	return websocket.AppendFrame(nil, websocket.Server, websocket.OpText, eioparser.AppendBase64(nil, r, m.packet()))
}

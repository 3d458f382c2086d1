package eioclient

import "github.com/siogo/sio/engineio/eioparser"

// A Message is what one message packet carries. Its Data is not copied: it must
// not be changed once the message was sent. A message may be sent to any number
// of sessions.
type Message struct {
	// Data is valid UTF-8 unless Binary is set. In text, revision 4 cannot
	// carry the byte 0x1E over polling; JSON escapes it.
	Data   []byte
	Binary bool

	// NoCompress says that compressing the message is not worth the effort.
	NoCompress bool
}

// Text returns a text message.
func Text(s string) Message { return Message{Data: []byte(s)} }

// Binary returns a binary message that is b, without copying it.
func Binary(b []byte) Message { return Message{Data: b, Binary: true} }

// A packet is one packet on its way out.
type packet struct {
	eioparser.Packet
	plain bool // never compress
	raw   rawFrame
}

// A rawFrame is a frame of WebSocket itself, which is in no packet.
type rawFrame uint8

const (
	notRaw  rawFrame = iota
	rawPong          // Data is the ping's
)

func (m Message) packet() packet {
	return packet{Packet: eioparser.Packet{Type: eioparser.Message, Binary: m.Binary, Data: m.Data}, plain: m.NoCompress}
}

var (
	pingPacket    = packet{Packet: eioparser.Packet{Type: eioparser.Ping}}
	pongPacket    = packet{Packet: eioparser.Packet{Type: eioparser.Pong}}
	closePacket   = packet{Packet: eioparser.Packet{Type: eioparser.Close}}
	upgradePacket = packet{Packet: eioparser.Packet{Type: eioparser.Upgrade}}
	probePacket   = packet{Packet: eioparser.Packet{Type: eioparser.Ping, Data: []byte(probeData)}}
)

const probeData = "probe"

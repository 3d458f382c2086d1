package sioparser

import "strconv"

// Type is the kind of a packet; its values are the digits on the wire.
type Type uint8

const (
	Connect      Type = iota // join a namespace, or its confirmation
	Disconnect               // leave a namespace
	Event                    // a name and arguments
	Ack                      // the arguments that answer an event with an id
	ConnectError             // joining was refused; "error" in 2.x
	BinaryEvent              // on the wire only: an event with attachments
	BinaryAck                // on the wire only: an ack with attachments
)

var typeNames = [...]string{"connect", "disconnect", "event", "ack", "connect error", "binary event", "binary ack"}

// String returns the name of the type, for example "connect error".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// Header is what precedes the payload of a packet.
type Header struct {
	// Type is never BinaryEvent or BinaryAck: whether a packet has
	// attachments shows in its arguments.
	Type Type
	// Namespace begins with a slash; "/" when the wire has none. In a
	// Connect of a 2.x client it may end in "?query". When encoding, the
	// empty string means "/".
	Namespace string
	// ID is the acknowledgement id, at most 2^53-1; it counts only with HasID.
	ID    uint64
	HasID bool
}

// Packet is one packet with its arguments undecoded.
//
// Args holds the elements of the array for Event (the name first) and Ack, the
// one payload value, if any, for Connect and ConnectError, and nothing for
// Disconnect.
type Packet struct {
	Header
	Args Args
}

// Name returns the name of an event, unescaped, and nil for other packets. It
// aliases the packet unless the name is written with escapes. A number in the
// place of the name, which JavaScript admits, is returned as it is written.
func (p *Packet) Name() []byte {
	if p.Type != Event || p.Args.n == 0 {
		return nil
	}
	if p.Args.form != textForm {
		return packedName(p.Args.list)
	}
	raw := p.Args.At(0)
	if raw[0] != '"' {
		return raw
	}
	name := raw[1 : len(raw)-1]
	if !hasEscape(name) {
		return name
	}
	return appendUnescaped(nil, name)
}

// reserved reports whether an event name has a meaning of its own in the
// libraries of the family, so that it must not come from a peer.
func reserved(name []byte) bool {
	switch string(name) {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

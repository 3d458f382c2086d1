package sioparser

// A Parser is a wire form of packets. It is safe for concurrent use.
type Parser interface {
	// AppendPacket appends the frame of a packet to dst and returns the
	// attachments to send after it, in order. They alias the values they were
	// found in and must be sent or copied before the caller gets these back.
	//
	// name is the name of an Event and "" for other types. Connect takes at
	// most one argument, an object; ConnectError takes exactly one, an object
	// or a string or, in JSON for 2.x clients, any value; Disconnect takes none.
	// In these three bytes are base64 text in JSON, since they cannot have
	// attachments.
	//
	// An error is an *ArgError, or says which rule the header breaks; dst is
	// then returned as it was given.
	AppendPacket(dst []byte, h Header, name string, args ...any) (frame []byte, attachments [][]byte, err error)

	// EncodeArgs encodes arguments once, for AppendArgs to frame any number of
	// times. name, unless "", becomes the first argument.
	EncodeArgs(name string, args ...any) (Args, error)

	// AppendArgs appends the frame of a packet with encoded arguments, which may
	// come from another parser; the attachments to send after it are those of
	// a.For(p), where p is this parser. For an Event the first argument is its
	// name.
	AppendArgs(dst []byte, h Header, a Args) []byte

	// Binary reports whether frames are binary messages.
	Binary() bool

	// NewDecoder returns the decoder of one connection. l may be nil, may be
	// shared, and must not change afterwards.
	NewDecoder(l *Limits) Decoder
}

// A Decoder turns the messages of one connection into packets. It is not safe
// for concurrent use.
type Decoder interface {
	// Add takes one message. When it completes a packet, ok is true and p is
	// valid until the next Add, or as long as data is unchanged, if that is
	// shorter; Args.Clone keeps its arguments. When attachments are awaited, ok
	// is false and p has the header alone. The error is a *DecodeError, fatal
	// for the connection; what was pending is freed.
	Add(data []byte, binary bool) (p Packet, ok bool, err error)

	// Pending reports whether attachments are awaited.
	Pending() bool

	// Reset forgets a packet whose attachments are awaited and frees what
	// arrived of it.
	Reset()
}

// A Codec is a JSON library. Unmarshal is given valid JSON.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(b []byte, v any) error
}

// DefaultDepth is the default of Limits.Depth, and the limit of the encoder.
const DefaultDepth = 1000

// Limits bounds what a Decoder accepts. In each field zero means the default
// and a negative number means that none is allowed. A nil *Limits is all
// defaults.
type Limits struct {
	// Depth is how many arrays and objects may be nested, the array of the
	// arguments included. Default 1,000; above 10,000 counts as 10,000.
	Depth int
	// Attachments is how many of them one packet may have. Default 10.
	Attachments int
	// AttachmentBytes is how long they may be together. Default 1,000,000.
	AttachmentBytes int64
	// Namespace is the length of a namespace in bytes, including the query a
	// 2.x client may send. Default 255.
	Namespace int
	// EventName is the length of an event name in bytes, as it stands on the
	// wire. Default 255.
	EventName int
}

// limits returns l with its defaults filled in.
func (l *Limits) limits() Limits {
	var r Limits
	if l != nil {
		r = *l
	}
	r.Depth = min(limit(r.Depth, DefaultDepth), 10_000)
	r.Attachments = limit(r.Attachments, 10)
	r.AttachmentBytes = limit(r.AttachmentBytes, 1_000_000)
	r.Namespace = limit(r.Namespace, 255)
	r.EventName = limit(r.EventName, 255)
	return r
}

func limit[T int | int64](v, zero T) T {
	if v == 0 {
		return zero
	}
	return max(v, 0)
}

// JSON returns the default wire form: JSON text, attachments as binary
// messages.
//
// With a nil codec, values are encoded and decoded by the rules of
// encoding/json, without escaping for HTML. Any other codec is given the
// values that hold no bytes, and the texts that hold no placeholders; the
// others take the built-in way, so that []byte becomes an attachment with every
// codec.
func JSON(c Codec) Parser { return &jsonParser{codec: c} }

type jsonParser struct{ codec Codec }

func (p *jsonParser) Binary() bool { return false }

func (p *jsonParser) NewDecoder(l *Limits) Decoder { return &decoder{limits: l, codec: p.codec} }

package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Role is the end of the connection that we are.
type Role uint8

const (
	Server Role = iota // reads masked frames, writes unmasked ones
	Client             // reads unmasked frames, writes masked ones
)

// Limits that apply when a [Config] leaves them zero.
const (
	DefaultMaxMessage   = 1_000_000 // bytes
	DefaultMaxFragments = 16_384    // frames
)

// A Config says what a [Parser] accepts. It is immutable once a parser uses it
// and may be shared by any number of them.
type Config struct {
	Role Role

	// MaxMessage bounds one message, in bytes after inflation. A frame that
	// would take the message beyond it is refused with 1009 when its header is
	// read, before any of its payload. Zero or less means DefaultMaxMessage.
	MaxMessage int64

	// MaxFragments bounds the frames of one message, empty ones included; one
	// more is refused with 1008. Zero or less means DefaultMaxFragments.
	MaxFragments int

	// NewInflater makes the inflater of a connection that negotiated
	// permessage-deflate; see [NewInflater] for one. Nil means that the
	// extension is not available, and RSV1 is refused with 1002.
	NewInflater func() Inflater
}

// Kind tells what an [Event] is.
type Kind uint8

const (
	None   Kind = iota // nothing yet: more bytes are needed
	Text               // a whole message of valid UTF-8
	Binary             // a whole message
	Ping               // to be answered with a pong of the same payload
	Pong
	Close // the peer says goodbye; nothing follows
)

// An Event is what a [Parser] found.
type Event struct {
	Kind Kind

	// Data is the message, the payload of a ping or pong, or the reason of a
	// close (valid UTF-8). It aliases the input or the parser's buffer and is
	// valid until the next call of Next.
	Data []byte

	// Code is the status of a Close: one that may appear on the wire, or 1005
	// when the frame had none. Zero for every other kind.
	Code int
}

// A ProtocolError says why a peer is to be cut off. Code and Reason are meant
// for the close frame: see [AppendClose].
type ProtocolError struct {
	Code   int    // 1002, 1007, 1008 or 1009
	Reason string // a sentence of at most 123 bytes
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("websocket: %s (close code %d)", e.Reason, e.Code)
}

func violation(code ws.StatusCode, format string, args ...any) *ProtocolError {
	return &ProtocolError{Code: int(code), Reason: fmt.Sprintf(format, args...)}
}

// phase is what the next byte of input belongs to.
type phase uint8

const (
	atHeader  phase = iota // a frame header, of which head may hold a part
	atPayload              // the payload of frame
	ended                  // nothing: a close frame was read; the rest is discarded
	failed                 // nothing: err was returned and will be again
)

// A Parser turns the bytes of one connection into events. It is not safe for
// concurrent use. Init must be called before anything else.
//
// The result depends on the bytes alone, never on how they are cut into calls.
type Parser struct {
	config   *Config
	inflater Inflater // nil unless permessage-deflate was negotiated
	*partial          // nil between messages, outside of Next
	phase    phase
}

// partial is what is known of an unfinished message or frame. Most connections
// have none most of the time, so it is not part of the Parser.
type partial struct {
	err *ProtocolError // set in phase failed

	// buf is the payload received so far of the message in progress; while a
	// control frame arrives in pieces, its payload follows at buf[mark:].
	// Nil between messages.
	buf     []byte
	mark    int
	checked int // buf[:checked] is valid UTF-8 that ends with a whole rune

	left       int64 // bytes of frame's payload yet to come
	frame      header
	frames     int32 // of the message in progress, empty ones included
	message    Kind  // Text or Binary while a message is in progress, else None
	compressed bool  // RSV1 was set on its first frame

	headLen uint8
	head    [maxHeader]byte // the first headLen bytes of an unfinished header
}

var partials = sync.Pool{New: func() any { return new(partial) }}

// Init prepares p for a new connection. deflate says that permessage-deflate
// was negotiated, which takes a Config with NewInflater.
func (p *Parser) Init(c *Config, deflate bool) {
	*p = Parser{config: c}
	if deflate && c.NewInflater != nil {
		p.inflater = c.NewInflater()
	}
}

// Buffered returns how many received bytes p keeps because what they belong to
// is unfinished. It is zero between messages.
func (p *Parser) Buffered() int {
	if p.partial == nil {
		return 0
	}
	return len(p.buf) + int(p.headLen)
}

// rest gives the memory of partial back between messages.
func (p *Parser) rest() {
	if p.phase == atHeader && p.message == None && p.headLen == 0 && p.buf == nil {
		*p.partial = partial{}
		partials.Put(p.partial)
		p.partial = nil
	}
}

// Next reads a prefix of b, of n bytes, up to the end of the first event in it.
// Kind None means that b was read to its end (n == len(b)) without one. The
// payload of an event may be unmasked in place, so b[:n] is spent; the caller
// goes on with b[n:] until None is returned.
//
// An error is always a *[ProtocolError]. It is final: every later call returns
// it again. After a Close event, what follows is discarded as None.
func (p *Parser) Next(b []byte) (ev Event, n int, err error) {
	if p.partial == nil {
		p.partial = partials.Get().(*partial)
	}
	defer p.rest()
	for {
		switch p.phase {
		case atHeader:
			size, failure := p.readHeader(b[n:])
			n += size
			if failure != nil {
				return Event{}, n, p.fail(failure)
			}
			if p.phase == atHeader {
				return Event{}, n, nil
			}
		case atPayload:
			size := int(min(p.left, int64(len(b)-n)))
			if size == 0 && p.left > 0 {
				return Event{}, n, nil
			}
			ev, failure := p.readPayload(b[n : n+size : n+size])
			n += size
			if failure != nil {
				return Event{}, n, p.fail(failure)
			}
			if ev.Kind != None {
				return ev, n, nil
			}
		case ended:
			return Event{}, len(b), nil
		case failed:
			return Event{}, 0, p.err
		}
	}
}

func (p *Parser) fail(e *ProtocolError) error {
	*p = Parser{config: p.config, phase: failed, partial: &partial{err: e}}
	return e
}

// readHeader reads from b towards a whole frame header and moves to atPayload
// when it is there.
func (p *Parser) readHeader(b []byte) (n int, err *ProtocolError) {
	held := int(p.headLen)
	h := b
	if held > 0 {
		h = p.head[:held+copy(p.head[held:], b)]
	}
	size, err := p.parseHeader(h)
	switch {
	case err != nil:
		return 0, err
	case size == 0: // h is shorter than a header, so all of b is in it
		p.headLen = uint8(held + copy(p.head[held:], b))
		return len(b), nil
	}
	p.headLen = 0
	p.phase = atPayload
	return size - held, nil
}

const maxHeader = 14

// header is what of a frame header matters after it was checked.
type header struct {
	op     ws.OpCode
	fin    bool
	begun  bool  // some of the payload was read, or all of an empty one
	offset uint8 // position in key of the next payload byte
	key    [4]byte
}

// parseHeader checks the frame header at the start of h, as far as it is there,
// and takes it over once it is whole. It returns its size, or 0 when h ends
// before it does; until then p is not changed. Every rule is applied at the
// first byte that can break it.
func (p *Parser) parseHeader(h []byte) (size int, err *ProtocolError) {
	if len(h) < 2 {
		return 0, nil
	}
	op := ws.OpCode(h[0] & 0x0f)
	fin, rsv1 := h[0]&0x80 != 0, h[0]&0x40 != 0
	masked, length := h[1]&0x80 != 0, uint64(h[1]&0x7f)

	switch {
	case op.IsReserved():
		return 0, violation(ws.StatusProtocolError, "reserved opcode %d", op)
	case h[0]&0x30 != 0:
		return 0, violation(ws.StatusProtocolError, "RSV2 or RSV3 is set, but no extension uses them")
	case rsv1 && p.inflater == nil:
		return 0, violation(ws.StatusProtocolError, "RSV1 is set, but compression was not negotiated")
	case rsv1 && op != ws.OpText && op != ws.OpBinary:
		return 0, violation(ws.StatusProtocolError, "RSV1 is set on a frame other than the first of a message")
	case !masked && p.config.Role == Server:
		return 0, violation(ws.StatusProtocolError, "a frame from a client must be masked")
	case masked && p.config.Role == Client:
		return 0, violation(ws.StatusProtocolError, "a frame from a server must not be masked")
	case op.IsControl() && !fin:
		return 0, violation(ws.StatusProtocolError, "a control frame must not be fragmented")
	case op.IsControl() && length > maxControl:
		return 0, violation(ws.StatusProtocolError, "a control frame must not carry more than 125 bytes")
	case op == ws.OpClose && length == 1:
		return 0, violation(ws.StatusProtocolError, "a close frame carries no bytes or at least 2, not 1")
	case op == ws.OpContinuation && p.message == None:
		return 0, violation(ws.StatusProtocolError, "a continuation frame came without a message to continue")
	case op.IsData() && op != ws.OpContinuation && p.message != None:
		return 0, violation(ws.StatusProtocolError, "a new message began inside a fragmented one")
	case !op.IsControl() && p.frames == p.maxFragments():
		return 0, violation(ws.StatusPolicyViolation, "a message of more than %d fragments", p.maxFragments())
	}

	size = 2
	switch length {
	case 126:
		if size += 2; len(h) < size {
			return 0, nil
		}
		if length = uint64(binary.BigEndian.Uint16(h[2:])); length < 126 {
			return 0, violation(ws.StatusProtocolError, "a length of %d takes 7 bits, not 16", length)
		}
	case 127:
		if size += 8; len(h) < size {
			return 0, nil
		}
		length = binary.BigEndian.Uint64(h[2:])
		switch {
		case length>>63 != 0:
			return 0, violation(ws.StatusProtocolError, "the top bit of a 64-bit length must be 0")
		case length <= 0xffff:
			return 0, violation(ws.StatusProtocolError, "a length of %d takes fewer than 64 bits", length)
		}
	}
	if !op.IsControl() {
		// Fragments before this one are in buf as a whole: no sum to overflow.
		if limit := p.maxWire(rsv1 || p.compressed); length > uint64(limit-int64(len(p.buf))) {
			return 0, violation(ws.StatusMessageTooBig, "a message of more than %d bytes", p.maxMessage())
		}
	}
	var key [4]byte
	if masked {
		if size += 4; len(h) < size {
			return 0, nil
		}
		key = [4]byte(h[size-4:])
	}

	p.frame = header{op: op, fin: fin, key: key}
	p.left = int64(length)
	switch op {
	case ws.OpText:
		p.message, p.compressed, p.frames = Text, rsv1, 1
	case ws.OpBinary:
		p.message, p.compressed, p.frames = Binary, rsv1, 1
	case ws.OpContinuation:
		p.frames++
	default:
		p.mark = len(p.buf)
	}
	return size, nil
}

func (p *Parser) maxFragments() int32 {
	if p.config.MaxFragments <= 0 {
		return DefaultMaxFragments
	}
	return int32(min(p.config.MaxFragments, math.MaxInt32))
}

func (p *Parser) maxMessage() int64 {
	if p.config.MaxMessage <= 0 {
		return DefaultMaxMessage
	}
	return p.config.MaxMessage
}

// maxWire is how many bytes of payload one message may take. Deflate makes
// incompressible data a little longer, at most by what is added here.
func (p *Parser) maxWire(compressed bool) int64 {
	limit := p.maxMessage()
	if compressed {
		if bound := limit + limit>>10 + 64; bound > limit { // else it overflowed
			return bound
		}
	}
	return limit
}

// readPayload takes the next bytes of the current frame: all that are left of
// it or all that have arrived. A frame that is there as a whole is used where
// it lies, unless it is a fragment; anything else goes to buf.
func (p *Parser) readPayload(b []byte) (Event, *ProtocolError) {
	whole := !p.frame.begun && p.left == int64(len(b))
	p.frame.begun = true
	p.left -= int64(len(b))
	done := p.left == 0
	if done {
		p.phase = atHeader
	}

	if p.frame.op.IsControl() {
		if whole {
			p.unmask(b)
			return p.control(b)
		}
		p.hold(b)
		if !done {
			return Event{}, nil
		}
		b = p.buf[p.mark:]
		if p.buf = p.buf[:p.mark]; p.message == None {
			p.buf = nil
		}
		return p.control(b)
	}

	if whole && p.frame.fin && p.frames == 1 {
		p.unmask(b)
		return p.finish(b)
	}
	p.hold(b)
	if p.message == Text && !p.compressed && !p.checkText() {
		return Event{}, errText()
	}
	if !done || !p.frame.fin {
		return Event{}, nil
	}
	return p.finish(p.buf)
}

// hold appends b, unmasked, to the buffer. Capacity at most doubles, and goes
// beyond what has arrived only for bytes that the current frame announced.
func (p *Parser) hold(b []byte) {
	old := len(p.buf)
	if need := old + len(b); need > cap(p.buf) {
		grown := make([]byte, old, need+int(min(int64(need), p.left)))
		copy(grown, p.buf)
		p.buf = grown
	}
	p.buf = append(p.buf, b...)
	p.unmask(p.buf[old:])
}

// unmask decodes b, the next bytes of the current frame, in place.
func (p *Parser) unmask(b []byte) {
	if p.config.Role == Server {
		ws.Cipher(b, p.frame.key, int(p.frame.offset))
		p.frame.offset = uint8(int(p.frame.offset)+len(b)) & 3
	}
}

// checkText reports whether buf can still become valid UTF-8. The rune that buf
// may end in the middle of is left to the next call, or to finish.
func (p *Parser) checkText() bool {
	from := p.checked
	p.checked = wholeRunes(p.buf)
	return utf8.Valid(p.buf[from:p.checked])
}

// finish hands out a whole message and forgets it.
func (p *Parser) finish(data []byte) (Event, *ProtocolError) {
	kind, compressed, checked := p.message, p.compressed, p.checked
	p.buf, p.checked, p.frames, p.message, p.compressed = nil, 0, 0, None, false
	if compressed {
		var err error
		data, err = p.inflater.Inflate(nil, data, p.maxMessage())
		switch {
		case errors.Is(err, ErrTooLarge):
			return Event{}, violation(ws.StatusMessageTooBig, "a message of more than %d bytes after inflation", p.maxMessage())
		case err != nil:
			return Event{}, violation(ws.StatusInvalidFramePayloadData, "a compressed message is not valid deflate data")
		}
	}
	if kind == Text && !utf8.Valid(data[checked:]) {
		return Event{}, errText()
	}
	return Event{Kind: kind, Data: data}, nil
}

// control turns the payload of a control frame into its event.
func (p *Parser) control(data []byte) (Event, *ProtocolError) {
	switch p.frame.op {
	case ws.OpPing:
		return Event{Kind: Ping, Data: data}, nil
	case ws.OpPong:
		return Event{Kind: Pong, Data: data}, nil
	}
	*p = Parser{config: p.config, phase: ended}
	if len(data) == 0 {
		return Event{Kind: Close, Code: int(ws.StatusNoStatusRcvd)}, nil
	}
	code := int(binary.BigEndian.Uint16(data))
	switch {
	case !ValidCloseCode(code):
		return Event{}, violation(ws.StatusProtocolError, "close code %d may not be sent", code)
	case !utf8.Valid(data[2:]):
		return Event{}, violation(ws.StatusInvalidFramePayloadData, "a close reason is not valid UTF-8")
	}
	return Event{Kind: Close, Data: data[2:], Code: code}, nil
}

func errText() *ProtocolError {
	return violation(ws.StatusInvalidFramePayloadData, "a text message is not valid UTF-8")
}

// wholeRunes returns the length of b without a rune that b ends in the middle
// of. What cannot become a rune is not cut off, so that it is found at once.
func wholeRunes(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-3; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}

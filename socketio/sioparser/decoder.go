package sioparser

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// decoder is the state of one connection: between packets, or awaiting the
// attachments of one.
type decoder struct {
	limits    *Limits
	codec     Codec
	namespace string   // that of the last packet, to be used again if the next has the same
	pending   *pending // nil between packets
}

// pending is a packet whose attachments are awaited.
type pending struct {
	packet   Packet // owns its memory
	awaited  int
	received int64 // bytes
}

func (d *decoder) Pending() bool { return d.pending != nil }

func (d *decoder) Reset() { d.pending = nil }

func (d *decoder) Add(data []byte, binary bool) (p Packet, ok bool, err error) {
	switch {
	case binary && d.pending == nil:
		return p, false, &DecodeError{Err: ErrUnexpectedBinary}
	case binary:
		return d.attach(data)
	case d.pending != nil:
		d.Reset()
		return p, false, &DecodeError{Err: ErrPlaintext}
	}
	l := d.limits.limits()
	c, err := cutPacket(data, &l)
	if err != nil {
		return p, false, err
	}
	if string(c.namespace) != d.namespace {
		d.namespace = string(c.namespace)
	}
	p.Header = Header{Type: c.kind, Namespace: d.namespace, ID: c.id, HasID: c.hasID}
	p.Args = Args{list: c.list, n: c.n, codec: d.codec}
	if c.attachments == 0 {
		return p, true, nil
	}
	p.Type -= BinaryEvent - Event
	p.Args.list, p.Args.owned = bytes.Clone(c.list), true
	d.pending = &pending{packet: p, awaited: c.attachments}
	return Packet{Header: p.Header}, false, nil
}

// attach adds an attachment to the pending packet. Its memory is allocated
// when it is there, never by what was announced.
func (d *decoder) attach(data []byte) (p Packet, ok bool, err error) {
	w := d.pending
	w.received += int64(len(data))
	if most := d.limits.limits().AttachmentBytes; w.received > most {
		d.Reset()
		return p, false, &DecodeError{Err: ErrAttachmentBytes, Detail: "limit " + strconv.FormatInt(most, 10) + " bytes"}
	}
	w.packet.Args.att = append(w.packet.Args.att, append(make([]byte, 0, len(data)), data...))
	if len(w.packet.Args.att) < w.awaited {
		return Packet{Header: w.packet.Header}, false, nil
	}
	d.pending = nil
	return w.packet, true, nil
}

// cut is a packet taken apart; its slices alias the text.
type cut struct {
	kind        Type // as on the wire
	attachments int
	namespace   []byte
	id          uint64
	hasID       bool
	list        []byte // the arguments, as in Args
	n           int
}

var root = []byte("/")

// cutPacket checks a text message and takes it apart, in one pass.
func cutPacket(b []byte, l *Limits) (c cut, err error) {
	if len(b) == 0 {
		return c, &DecodeError{Err: ErrEmptyPacket}
	}
	c.kind = Type(b[0] - '0')
	if c.kind > BinaryAck {
		return c, &DecodeError{Err: ErrPacketType, Detail: quoteByte(b[0])}
	}
	i := 1
	if c.kind >= BinaryEvent {
		if c.attachments, i, err = cutCount(b, l.Attachments); err != nil {
			return c, err
		}
	}
	if c.namespace, i, err = cutNamespace(b, i, l.Namespace); err != nil {
		return c, err
	}
	if c.id, c.hasID, i, err = cutID(b, i); err != nil {
		return c, err
	}
	s := scanner{b: b, pos: i, depth: l.Depth, attachments: -1}
	if c.kind >= BinaryEvent {
		s.attachments = c.attachments
	}
	if !c.payload(&s, l) {
		return c, s.decodeError()
	}
	return c, nil
}

// cutCount reads the number of attachments and the dash behind it.
func cutCount(b []byte, most int) (n, next int, err error) {
	i := 1
	for i < len(b) && b[i]-'0' <= 9 {
		if n <= most {
			n = n*10 + int(b[i]-'0')
		}
		i++
	}
	switch {
	case i == len(b) || b[i] != '-' || b[1] == '0' || i == 1:
		return 0, 0, &DecodeError{Offset: i, Err: ErrIllegalAttachments, Detail: "a number from 1 and a dash were expected"}
	case n > most:
		return 0, 0, &DecodeError{Offset: 1, Err: ErrTooManyAttachments, Detail: "limit " + strconv.Itoa(most)}
	}
	return n, i + 1, nil
}

// cutNamespace reads the namespace that may begin at i, and the comma.
func cutNamespace(b []byte, i, most int) (namespace []byte, next int, err error) {
	if i == len(b) || b[i] != '/' {
		return root, i, nil
	}
	rest := b[i:]
	n := bytes.IndexByte(rest[:min(len(rest), most+1)], ',')
	if next = i + n + 1; n < 0 {
		n, next = len(rest), len(b)
	}
	if n > most {
		return nil, 0, &DecodeError{Offset: i, Err: ErrNamespace, Detail: "longer than " + strconv.Itoa(most) + " bytes"}
	}
	if !utf8.Valid(rest[:n]) {
		return nil, 0, &DecodeError{Offset: i, Err: ErrUTF8}
	}
	return rest[:n], next, nil
}

// maxID is the largest integer that every JavaScript peer counts exactly.
const maxID = 1<<53 - 1

// cutID reads the digits that may begin at i.
func cutID(b []byte, i int) (id uint64, ok bool, next int, err error) {
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		if i-start == 16 {
			return 0, false, 0, &DecodeError{Offset: start, Err: ErrID, Detail: "more than 16 digits"}
		}
		id = id*10 + uint64(b[i]-'0')
		i++
	}
	if id > maxID {
		return 0, false, 0, &DecodeError{Offset: start, Err: ErrID, Detail: "above 2^53-1"}
	}
	return id, i > start, i, nil
}

// payload checks the JSON text that begins at s.pos against the type.
func (c *cut) payload(s *scanner, l *Limits) bool {
	start := s.pos
	absent := start == len(s.b)
	switch c.kind {
	case Disconnect:
		if !absent {
			return s.fail(ErrPayload, "disconnect has none")
		}
		return true
	case Connect:
		if absent {
			return true
		}
		if s.b[start] != '{' {
			return s.fail(ErrPayload, "an object was expected")
		}
	case ConnectError:
		if absent || s.b[start] != '{' && s.b[start] != '"' {
			return s.fail(ErrPayload, "an object or a string was expected")
		}
	default:
		var ok bool
		if c.list, c.n, ok = s.elements(); !ok {
			return false
		}
		if c.kind == Event || c.kind == BinaryEvent {
			return c.eventName(s, start, l.EventName)
		}
		return true
	}
	if !s.value() {
		return false
	}
	c.list, c.n = s.b[start:s.pos:s.pos], 1
	return s.end()
}

// eventName checks the first argument of an event.
func (c *cut) eventName(s *scanner, start, most int) bool {
	s.pos = start
	if c.n == 0 {
		return s.fail(ErrEventName, "there is none")
	}
	raw := c.list[:skipValue(c.list)]
	switch raw[0] {
	case '"':
		raw = raw[1 : len(raw)-1]
	case '{', '[', 't', 'f', 'n':
		return s.fail(ErrEventName, "it is "+kindOf(raw))
	}
	if len(raw) > most {
		return s.fail(ErrEventName, "longer than "+strconv.Itoa(most)+" bytes")
	}
	if hasEscape(raw) {
		var room [32]byte
		if len(raw) > 6*len("removeListener") {
			return true
		}
		raw = appendUnescaped(room[:0], raw)
	}
	if reserved(raw) {
		return s.fail(ErrEventName, strconv.Quote(string(raw))+" is reserved")
	}
	return true
}

func quoteByte(c byte) string {
	if c >= '0' && c <= '9' {
		return string(rune(c))
	}
	return strconv.QuoteToASCII(string(rune(c)))
}

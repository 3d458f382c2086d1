package sioparser

import (
	"bytes"
	"strconv"
)

// packDecoder decodes messages that are whole packets each. It keeps the
// namespace of the last one, to be used again if the next has the same.
type packDecoder struct {
	limits    *Limits
	form      form
	namespace string
}

func (d *packDecoder) Pending() bool { return false }

func (d *packDecoder) Reset() {}

func (d *packDecoder) Add(data []byte, binary bool) (p Packet, ok bool, err error) {
	if !binary {
		return p, false, &DecodeError{Err: ErrUnexpectedText}
	}
	if len(data) == 0 {
		return p, false, &DecodeError{Err: ErrEmptyPacket}
	}
	l := d.limits.limits()
	s := packScanner{b: data, depth: l.Depth}
	var c cut
	if !c.packed(&s, &l) {
		return p, false, s.decodeError()
	}
	if string(c.namespace) != d.namespace {
		d.namespace = string(c.namespace)
	}
	p.Header = Header{Type: c.kind, Namespace: d.namespace, ID: c.id, HasID: c.hasID}
	p.Args = Args{list: c.list, n: c.n, form: d.form}
	return p, true, nil
}

// span is where the value of a member of the packet lies; empty when there is
// none.
type span struct{ start, end int }

func (p span) of(b []byte) []byte { return b[p.start:p.end:p.end] }

// packed checks a message and takes it apart, in one pass. The members of the
// packet may come in any order, and others among them are ignored: the
// reference sends "options".
func (c *cut) packed(s *packScanner, l *Limits) bool {
	h := headOf(s.b)
	if h.kind == kindNone {
		return s.valueWith(h)
	}
	if h.kind != kindMap {
		return s.fail(ErrPayload, "an object was expected, not "+h.kind.String())
	}
	var kind, data, namespace, id span
	if h.n > (len(s.b)-h.size)/2 {
		return s.fail(ErrPayload, "it announces more values than follow")
	}
	s.pos = h.size
	for range h.n {
		key, h := s.pos, headOf(s.b[s.pos:])
		if !s.key(h) {
			return false
		}
		var member *span
		var name []byte
		if h.kind == kindString {
			name = s.b[key+h.size : s.pos]
		}
		switch string(name) {
		case "type":
			member = &kind
		case "data":
			member = &data
		case "nsp":
			member = &namespace
		case "id":
			member = &id
		}
		start := s.pos
		if !s.value() {
			return false
		}
		switch {
		case member == nil || s.b[start] == 0xd4 && headOf(s.b[start:]).kind == kindNil: // undefined
		case member.end > 0:
			s.pos = key
			return s.fail(ErrPayload, "a member of the packet is given twice")
		default:
			*member = span{start, s.pos}
		}
	}
	return s.end() && c.packedType(s, kind) && c.packedNamespace(s, namespace, l.Namespace) &&
		c.packedID(s, id) && c.packedData(s, data, l.EventName)
}

func (c *cut) packedType(s *packScanner, at span) bool {
	raw := at.of(s.b)
	u, negative, ok := integer(raw, headOf(raw).kind)
	s.pos = at.start
	if !ok || negative || u > uint64(ConnectError) {
		return s.fail(ErrPacketType, "an integer from 0 to 4 was expected")
	}
	c.kind = Type(u)
	return true
}

func (c *cut) packedNamespace(s *packScanner, at span, most int) bool {
	raw := at.of(s.b)
	h := headOf(raw)
	s.pos = at.start
	if h.kind != kindString {
		return s.fail(ErrNamespace, "a string was expected, not "+h.kind.String())
	}
	c.namespace = raw[h.size:]
	switch {
	case string(c.namespace) == "/":
		return true
	case len(c.namespace) > most:
		return s.fail(ErrNamespace, "longer than "+strconv.Itoa(most)+" bytes")
	case len(c.namespace) == 0 || c.namespace[0] != '/' || bytes.IndexByte(c.namespace, ',') >= 0:
		return s.fail(ErrNamespace, "it must begin with a slash and have no comma")
	}
	return true
}

func (c *cut) packedID(s *packScanner, at span) bool {
	if at.end == 0 {
		return true
	}
	raw := at.of(s.b)
	u, negative, ok := integer(raw, headOf(raw).kind)
	s.pos = at.start
	if !ok || negative || u > maxID {
		return s.fail(ErrID, "an integer from 0 to 2^53-1 was expected")
	}
	c.id, c.hasID = u, true
	return true
}

// packedData checks the payload against the type.
func (c *cut) packedData(s *packScanner, at span, longestName int) bool {
	raw := at.of(s.b)
	h := headOf(raw)
	s.pos = at.start
	switch c.kind {
	case Disconnect:
		if h.kind > kindNil {
			return s.fail(ErrPayload, "disconnect has none")
		}
		return true
	case Connect:
		if h.kind <= kindNil { // python-socketio sends nil
			return true
		}
		if h.kind != kindMap {
			return s.fail(ErrPayload, "an object was expected, not "+h.kind.String())
		}
	case ConnectError:
		if h.kind != kindMap && h.kind != kindString {
			return s.fail(ErrPayload, "an object or a string was expected, not "+h.kind.String())
		}
	default:
		if h.kind != kindArray {
			return s.fail(ErrPayload, "an array was expected, not "+h.kind.String())
		}
		c.list, c.n = raw[h.size:], h.n
		return c.kind == Ack || c.packedName(s, at.start+h.size, longestName)
	}
	c.list, c.n = raw, 1
	return true
}

// packedName checks the first argument of an event, which is at pos.
func (c *cut) packedName(s *packScanner, pos, longest int) bool {
	s.pos = pos
	if c.n == 0 {
		return s.fail(ErrEventName, "there is none")
	}
	h := headOf(c.list)
	switch {
	case h.kind == kindFloat && !finite(float(c.list, h.kind)):
		return s.fail(ErrEventName, "it is not a finite number")
	case h.kind.number():
		return true
	case h.kind != kindString:
		return s.fail(ErrEventName, "a string was expected, not "+h.kind.String())
	case h.n > longest:
		return s.fail(ErrEventName, "longer than "+strconv.Itoa(longest)+" bytes")
	}
	if name := c.list[h.size : h.size+h.n]; reserved(name) {
		return s.fail(ErrEventName, strconv.Quote(string(name))+" is reserved")
	}
	return true
}

// packedName returns the name that the arguments of an event begin with.
func packedName(list []byte) []byte {
	h := headOf(list)
	if h.kind == kindString {
		return list[h.size : h.size+h.n : h.size+h.n]
	}
	return appendPackedNumber(nil, list, h.kind)
}

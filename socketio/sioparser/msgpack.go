package sioparser

import (
	"fmt"

	"github.com/tinylib/msgp/msgp"
)

// MsgPack returns the wire form of socket.io-msgpack-parser 3.x: each packet is
// one binary message, a MessagePack map with the members type (0 to 4), data,
// nsp and id. Bytes are at home in it, so that there are no attachments;
// Limits.Attachments and Limits.AttachmentBytes do not apply.
//
// What it writes is what that parser writes, byte for byte; see the package
// comment for the types of Go.
func MsgPack() Parser { return msgpackParser{packForm} }

// MsgPackTimestamps is MsgPack, but writes times as the timestamp extension of
// the MessagePack specification, with nanoseconds, as notepack.io does from 3.0
// on. Go, Python and others understand it; the JavaScript parser, which comes
// with notepack.io 2.2, takes it for [-1, Buffer].
func MsgPackTimestamps() Parser { return msgpackParser{stampForm} }

type msgpackParser struct{ form form }

func (p msgpackParser) Binary() bool { return true }

func (p msgpackParser) NewDecoder(l *Limits) Decoder { return &packDecoder{limits: l, form: p.form} }

func (p msgpackParser) AppendPacket(dst []byte, h Header, name string, args ...any) ([]byte, [][]byte, error) {
	if err := checkPacket(h, name, len(args)); err != nil {
		return dst, nil, err
	}
	frame := appendPackedType(dst, h, len(args))
	switch h.Type {
	case Event:
		frame = msgp.AppendArrayHeader(frame, uint32(1+len(args)))
		frame = appendPackedText(frame, name)
	case Ack:
		frame = msgp.AppendArrayHeader(frame, uint32(len(args)))
	}
	payload := len(frame)
	frame, err := appendPackedList(frame, p.form, args)
	if err != nil {
		return dst, nil, err
	}
	if h.Type == Connect || h.Type == ConnectError {
		k := headOf(frame[payload:]).kind
		if len(args) > 0 && k != kindMap && (h.Type == Connect || k != kindString) {
			return dst, nil, fmt.Errorf("sioparser: %w: %v takes an object, not %v", ErrPayload, h.Type, k)
		}
	}
	return appendPackedRest(frame, h), nil, nil
}

func (p msgpackParser) EncodeArgs(name string, args ...any) (Args, error) {
	a := Args{n: len(args), form: p.form, owned: true}
	if name != "" {
		if reserved([]byte(name)) {
			return Args{}, reservedError(name)
		}
		a.n++
		a.list = appendPackedText(make([]byte, 0, len(name)+64), name)
	}
	var err error
	if a.list, err = appendPackedList(a.list, p.form, args); err != nil {
		return Args{}, err
	}
	return a, nil
}

func (p msgpackParser) AppendArgs(dst []byte, h Header, a Args) []byte {
	dst = appendPackedType(dst, h, a.n)
	switch h.Type {
	case Event, Ack:
		dst = a.AppendMsgPack(dst)
	case Connect, ConnectError:
		dst = append(dst, a.Only(0).packed().list...)
	}
	return appendPackedRest(dst, h)
}

// appendPackedType appends the head of a packet and all that precedes its
// payload, which there is for an event, an ack, and where there is an argument.
func appendPackedType(dst []byte, h Header, args int) []byte {
	members := byte(2)
	data := h.Type == Event || h.Type == Ack || args > 0 && h.Type != Disconnect
	if data {
		members++
	}
	if h.HasID {
		members++
	}
	dst = append(dst, 0x80|members, 0xa4, 't', 'y', 'p', 'e', byte(h.Type))
	if data {
		dst = append(dst, 0xa4, 'd', 'a', 't', 'a')
	}
	return dst
}

// appendPackedRest appends what follows the payload.
func appendPackedRest(dst []byte, h Header) []byte {
	dst = append(dst, 0xa3, 'n', 's', 'p')
	if h.Namespace == "" {
		dst = append(dst, 0xa1, '/')
	} else {
		dst = msgp.AppendString(dst, h.Namespace)
	}
	if h.HasID {
		dst = msgp.AppendUint64(append(dst, 0xa2, 'i', 'd'), h.ID)
	}
	return dst
}

// NewMsgPackArgs checks that array is a MessagePack array within DefaultDepth
// and returns its elements as arguments. They alias it. Errors are
// *DecodeError.
func NewMsgPackArgs(array []byte) (Args, error) {
	s := packScanner{b: array, depth: DefaultDepth}
	h := headOf(array)
	if !s.valueWith(h) || !s.end() {
		return Args{}, s.decodeError()
	}
	if h.kind != kindArray {
		return Args{}, &DecodeError{Err: ErrPayload, Detail: "an array was expected, not " + h.kind.String()}
	}
	return Args{list: array[h.size:len(array):len(array)], n: h.n, form: packForm}, nil
}

// text returns a as JSON. Bytes become attachments if attach is true, unless
// there is something that looks like the placeholder of one, and base64 text
// otherwise.
func (a Args) text(attach bool) Args {
	if a.form == textForm {
		return a
	}
	var at Attachments
	w := textWriter{dst: make([]byte, 0, len(a.list)+a.n)}
	if attach {
		w.at = &at
	}
	for rest := a.list; len(rest) > 0; {
		if len(w.dst) > 0 {
			w.dst = append(w.dst, ',')
		}
		rest = w.value(rest)
	}
	if w.lookalike && len(at.list) > 0 {
		return a.text(false)
	}
	return Args{list: w.dst, n: a.n, att: at.list, owned: a.owned || len(at.list) == 0}
}

// packed returns a as MessagePack.
func (a Args) packed() Args {
	if a.form != textForm {
		return a
	}
	list := make([]byte, 0, len(a.list))
	for raw := range a.All() {
		list = appendJSON(list, raw, a.att)
	}
	return Args{list: list, n: a.n, form: packForm, owned: true}
}

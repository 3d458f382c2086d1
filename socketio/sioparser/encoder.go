package sioparser

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func (p *jsonParser) AppendPacket(dst []byte, h Header, name string, args ...any) ([]byte, [][]byte, error) {
	if err := checkPacket(h, name, len(args)); err != nil {
		return dst, nil, err
	}
	e := newEncoder(p.codec)
	defer e.free()
	start := len(dst)
	frame := appendHeader(dst, h, 0)
	var err error
	switch h.Type {
	case Event, Ack:
		frame = append(frame, '[')
		if h.Type == Event {
			frame = appendString(frame, name)
		}
		if frame, err = e.appendList(frame, h.Type == Event, args); err != nil {
			return dst, nil, err
		}
		frame = append(frame, ']')
	default:
		e.textOnly = true
		payload := len(frame)
		if frame, err = e.appendList(frame, false, args); err != nil {
			return dst, nil, err
		}
		if h.Type == Connect && len(args) == 1 && frame[payload] != '{' {
			return dst, nil, fmt.Errorf("sioparser: %w: connect takes an object, not %s", ErrPayload, kindOf(frame[payload:]))
		}
	}
	attachments := e.at.list
	if n := len(attachments); n > 0 {
		// Their number is known only now; it belongs behind the type.
		frame[start] += byte(BinaryEvent - Event)
		var room [24]byte
		frame = slices.Insert(frame, start+1, append(strconv.AppendInt(room[:0], int64(n), 10), '-')...)
	}
	return frame, attachments, nil
}

func (p *jsonParser) EncodeArgs(name string, args ...any) (Args, error) {
	e := newEncoder(p.codec)
	defer e.free()
	a := Args{n: len(args), codec: p.codec}
	var list []byte
	if name != "" {
		if reserved([]byte(name)) {
			return Args{}, reservedError(name)
		}
		a.n++
		list = appendString(make([]byte, 0, len(name)+64), name)
	}
	list, err := e.appendList(list, name != "", args)
	if err != nil {
		return Args{}, err
	}
	a.list, a.att = list, e.at.list
	a.owned = len(a.att) == 0
	return a, nil
}

func (p *jsonParser) AppendArgs(dst []byte, h Header, a Args) []byte {
	a = a.text(h.Type == Event || h.Type == Ack)
	switch h.Type {
	case Event, Ack:
		return a.AppendJSON(appendHeader(dst, h, len(a.att)))
	case Connect, ConnectError:
		return append(appendHeader(dst, h, 0), a.At(0)...)
	}
	return appendHeader(dst, h, 0)
}

// checkPacket reports what a decoder would refuse about a packet whatever the
// values of its arguments.
func checkPacket(h Header, name string, args int) error {
	switch {
	case h.Type > ConnectError:
		return fmt.Errorf("sioparser: %w: %v cannot be encoded by itself", ErrPacketType, h.Type)
	case h.Namespace != "" && h.Namespace[0] != '/' || strings.IndexByte(h.Namespace, ',') >= 0:
		return fmt.Errorf("sioparser: %w: %.40q must begin with a slash and have no comma", ErrNamespace, h.Namespace)
	case h.HasID && h.ID > maxID:
		return fmt.Errorf("sioparser: %w: %d is above 2^53-1", ErrID, h.ID)
	case h.Type == Event && reserved([]byte(name)):
		return reservedError(name)
	case h.Type != Event && name != "":
		return fmt.Errorf("sioparser: %w: %v has no event name, got %.40q", ErrPayload, h.Type, name)
	case h.Type == Connect && args > 1, h.Type == ConnectError && args != 1, h.Type == Disconnect && args > 0:
		return fmt.Errorf("sioparser: %w: %v with %d arguments", ErrPayload, h.Type, args)
	}
	return nil
}

func reservedError(name string) error {
	return fmt.Errorf("sioparser: %w: %q is reserved", ErrEventName, name)
}

// appendHeader appends everything that precedes the payload.
func appendHeader(dst []byte, h Header, attachments int) []byte {
	if attachments == 0 {
		dst = append(dst, '0'+byte(h.Type))
	} else {
		dst = append(dst, '0'+byte(h.Type+BinaryEvent-Event))
		dst = append(strconv.AppendInt(dst, int64(attachments), 10), '-')
	}
	if h.Namespace != "" && h.Namespace != "/" {
		dst = append(append(dst, h.Namespace...), ',')
	}
	if h.HasID {
		dst = strconv.AppendUint(dst, h.ID, 10)
	}
	return dst
}

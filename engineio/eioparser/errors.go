package eioparser

import (
	"errors"
	"fmt"
)

// The causes that a [DecodeError] may have.
var (
	// ErrEmptyPayload: a payload has no bytes. Revision 3 writes a payload
	// without packets as "0:"; revision 4 cannot write one.
	ErrEmptyPayload = errors.New("a payload must not be empty")
	// ErrEmptyPacket: a packet has no bytes, so not even a type.
	ErrEmptyPacket = errors.New("a packet must not be empty")
	// ErrPacketType: the type is none of 0 to 6, or b in text.
	ErrPacketType = errors.New("a packet type is 0 to 6")
	// ErrPacketKind: in a binary payload, a packet is neither text (0) nor binary (1).
	ErrPacketKind = errors.New("a packet in a binary payload begins with 0 or 1")
	// ErrLength: a length is not a decimal in its canonical form, does not
	// agree with what follows, or is zero or over 2^53-1 in a frame header.
	ErrLength = errors.New("a length must be a plain number and agree with what follows")
	// ErrBase64: binary data in text is not standard base64.
	ErrBase64 = errors.New("binary data in text must be padded base64")
	// ErrUTF8: text is not valid UTF-8.
	ErrUTF8 = errors.New("text must be valid UTF-8")
	// ErrTooMany: a payload has more packets than allowed.
	ErrTooMany = errors.New("a payload has too many packets")
)

// A DecodeError is the error of every decoder in this package.
type DecodeError struct {
	Offset int   // from the start of the input, of the byte at fault or of the length or base64 text that is
	Err    error // one of the Err variables, or an error that wraps one
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("eioparser: at byte %d: %v", e.Offset, e.Err)
}

func (e *DecodeError) Unwrap() error { return e.Err }

// at moves a DecodeError into an input of which its own begins at offset.
func at(offset int, err error) error {
	if e, ok := err.(*DecodeError); ok {
		e.Offset += offset
	}
	return err
}

package sioparser

import (
	"errors"
	"fmt"
	"strconv"
)

// The causes of a DecodeError.
var (
	ErrEmptyPacket        = errors.New("empty packet")
	ErrPacketType         = errors.New("unknown packet type")
	ErrIllegalAttachments = errors.New("illegal attachments")  // count or placeholder malformed
	ErrTooManyAttachments = errors.New("too many attachments") // count above Limits.Attachments
	ErrAttachmentBytes    = errors.New("attachments too large")
	ErrPlaintext          = errors.New("got plaintext data when reconstructing a packet")
	ErrUnexpectedBinary   = errors.New("got binary data when not reconstructing a packet")
	ErrUnexpectedText     = errors.New("got text where packets are binary")
	ErrNamespace          = errors.New("invalid namespace")
	ErrID                 = errors.New("invalid acknowledgement id")
	ErrPayload            = errors.New("invalid payload")
	ErrEventName          = fmt.Errorf("%w: event name", ErrPayload) // reserved, too long, or none
	ErrDepth              = fmt.Errorf("%w: nested too deeply", ErrPayload)
	ErrUTF8               = errors.New("invalid UTF-8")
)

// A DecodeError says why a message is not a packet. It is fatal for the
// connection: its reason is "parse error".
type DecodeError struct {
	Offset int    // byte of the message at which it was noticed
	Err    error  // one of the causes of this package
	Detail string // what was expected and what came; short, may be empty
}

func (e *DecodeError) Error() string {
	s := "sioparser: " + e.Err.Error()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s + " (at byte " + strconv.Itoa(e.Offset) + ")"
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

// An ArgError says which argument could not be encoded or decoded.
type ArgError struct {
	Index int // position in the arguments given or decoded, from 0
	Err   error
}

func (e *ArgError) Error() string { return fmt.Sprintf("sioparser: argument %d: %v", e.Index, e.Err) }

// Unwrap returns the cause, for example a *json.UnmarshalTypeError.
func (e *ArgError) Unwrap() error { return e.Err }

package event

import (
	"context"
	"encoding/json"
	"errors"
)

// An Error is an error that is told to the other side: as the answer to an
// event, or as the refusal of a connection. Other errors of handlers stay on
// their side; the peer learns their code only, CodeInternal.
type Error struct {
	Code    string `json:"code"`    // for programs
	Message string `json:"message"` // for people
	// Data is anything that can be encoded. In an Error that was received it
	// is a json.RawMessage, or nil: see DecodeData.
	Data any `json:"data,omitempty"`

	cause error // stays on this side
}

// The codes that the library itself sends.
const (
	CodeInternal    = "internal"     // the handler failed or panicked
	CodeBadRequest  = "bad_request"  // the arguments do not fit, or are not valid
	CodeRateLimited = "rate_limited" // dropped by a Limit or by a full queue
)

func (e *Error) Error() string {
	s := e.Message
	if e.Code != "" {
		s = e.Code + ": " + s
	}
	if e.cause != nil {
		s += " (" + e.cause.Error() + ")"
	}
	return s
}

// Unwrap returns the local cause, for example why arguments could not be
// decoded. It does not travel.
func (e *Error) Unwrap() error { return e.cause }

// DecodeData decodes Data into dst. It leaves dst untouched when there is none.
func (e *Error) DecodeData(dst any) error {
	raw, ok := e.Data.(json.RawMessage)
	if !ok {
		if e.Data == nil {
			return nil
		}
		var err error
		if raw, err = json.Marshal(e.Data); err != nil {
			return err
		}
	}
	return json.Unmarshal(raw, dst)
}

// BadRequest returns an Error with CodeBadRequest. Its cause stays on this side.
func BadRequest(message string, cause error) *Error {
	return &Error{Code: CodeBadRequest, Message: message, cause: cause}
}

var (
	// ErrDisconnected says that the socket or client is not connected, or was
	// disconnected meanwhile.
	ErrDisconnected = errors.New("socketio: not connected")

	// ErrQueueFull says that the queue to the peer is at its cap and that the
	// packet was not taken.
	ErrQueueFull = errors.New("socketio: outbound queue is full")

	// ErrAckTimeout says that an acknowledgement did not come in time. It is
	// also a context.DeadlineExceeded.
	ErrAckTimeout error = ackTimeout{}
)

type ackTimeout struct{}

func (ackTimeout) Error() string        { return "socketio: no acknowledgement in time" }
func (ackTimeout) Timeout() bool        { return true }
func (ackTimeout) Is(target error) bool { return target == context.DeadlineExceeded }

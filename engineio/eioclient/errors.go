package eioclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Reason says why a session ended. The values are the strings that the
// reference client reports.
type Reason string

const (
	// ReasonTransportError: the transport failed: a request was refused or
	// broken off, a WebSocket was reset, a write made no progress.
	ReasonTransportError Reason = "transport error"
	// ReasonTransportClose: the server ended the session or its connection.
	ReasonTransportClose Reason = "transport close"
	// ReasonPingTimeout: the server was silent for too long.
	ReasonPingTimeout Reason = "ping timeout"
	// ReasonParseError: the server sent what cannot be decoded.
	ReasonParseError Reason = "parse error"
	// ReasonForcedClose: [Conn.Close] was called.
	ReasonForcedClose Reason = "forced close"
)

// A CloseError says why a session ended. For every CloseError,
// errors.Is(err, net.ErrClosed) holds: a caller that only asks "is it over?"
// needs no switch.
type CloseError struct {
	Reason Reason
	Remote bool  // the server ended the session, or its connection broke
	Err    error // transport or decoding error; nil after an orderly close
}

func (e *CloseError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("eioclient: session closed: %s: %v", e.Reason, e.Err)
	}
	return fmt.Sprintf("eioclient: session closed: %s", e.Reason)
}

// Unwrap makes the error match both net.ErrClosed and its cause.
func (e *CloseError) Unwrap() []error {
	if e.Err != nil {
		return []error{errClosed, e.Err}
	}
	return []error{errClosed}
}

// A HandshakeError says why a transport could not open a session. [Dial] joins
// several when it tried several transports.
type HandshakeError struct {
	Transport string // Polling or WebSocket
	Err       error  // a *StatusError when the server answered and refused
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("eioclient: no session over %s: %v", e.Transport, e.Err)
}

func (e *HandshakeError) Unwrap() error { return e.Err }

// A StatusError is an HTTP answer that is not the expected one.
type StatusError struct {
	Status   int    // 502
	Code     int    // of an Engine.IO server's refusal: 0 to 5; else -1
	Message  string // of an Engine.IO server's refusal
	Location string // where a redirect points that was not followed; without userinfo and query
	Body     string // the first 256 bytes of the answer, control characters replaced
}

func (e *StatusError) Error() string {
	switch {
	case e.Code >= 0:
		return fmt.Sprintf("the server answered %d: %q (code %d)", e.Status, e.Message, e.Code)
	case e.Location != "":
		return fmt.Sprintf("the server answered %d: it redirects to %s, which is not followed", e.Status, e.Location)
	}
	return fmt.Sprintf("the server answered %d %q", e.Status, e.Body)
}

// maxExcerpt is how much of an unexpected answer is kept, in bytes.
const maxExcerpt = 256

func newStatusError(status int, location string, body []byte) *StatusError {
	e := &StatusError{Status: status, Code: -1, Location: location}
	var refusal struct {
		Code    *int   `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &refusal) == nil && refusal.Code != nil && *refusal.Code >= 0 {
		e.Code, e.Message = *refusal.Code, excerpt([]byte(refusal.Message))
	}
	e.Body = excerpt(body)
	return e
}

// excerpt returns the beginning of b as something that can be printed.
func excerpt(b []byte) string {
	b = b[:min(len(b), maxExcerpt)]
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, string(b))
}

// A TooLargeError is returned by [Conn.Send] for a message that the server has
// announced not to take, and whose arrival would end the session.
type TooLargeError struct {
	Limit int // bytes of one packet
	Size  int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("eioclient: the server takes packets of at most %d bytes, and the message makes one of %d", e.Limit, e.Size)
}

// ErrQueueFull is returned by [Conn.Send] when the outbound queue is at its
// cap. The messages were not sent; [Conn.Wait] waits for room.
var ErrQueueFull = errors.New("eioclient: outbound queue is full")

// ErrRevision is the cause of a [HandshakeError] when revision 4 was asked for
// and the server answers in revision 3, as those of Socket.IO 2.x do. It shows
// over polling only: over WebSocket, the handshakes look alike.
var ErrRevision = errors.New("eioclient: the server speaks revision 3 of the protocol, that of Socket.IO 2.x: see Options.Revision")

// Causes in a [CloseError] or a hook.
var (
	errPingTimeout    = errors.New("nothing was heard from the server for longer than it announced")
	errSocketClosed   = errors.New("the server closed the WebSocket")
	errOffline        = errors.New("the network connection was lost")
	errUpgradeTimeout = errors.New("the WebSocket was not ready in time")
	errNotProbed      = errors.New("the server did not answer the probe")
	errMessageSize    = errors.New("the server sent more than Options.MaxMessage")
	errNoProgress     = errors.New("a write made no progress")
	errLost           = errors.New("not everything that was queued could be written")
	errPanicked       = errors.New("the application panicked")
)

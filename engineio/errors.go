package engineio

import (
	"errors"
	"fmt"
	"net"
)

// A Reason says why a session ended. The values are the strings that the
// reference implementation reports, and those of ours that it has no word for.
type Reason string

const (
	// ReasonTransportError: the transport failed or was used wrongly: an
	// oversize message, two polls at once, a heartbeat in the wrong direction,
	// a write that made no progress.
	ReasonTransportError Reason = "transport error"
	// ReasonTransportClose: the client closed the connection, or lost it.
	ReasonTransportClose Reason = "transport close"
	// ReasonPingTimeout: the client was silent for too long.
	ReasonPingTimeout Reason = "ping timeout"
	// ReasonParseError: the client sent what cannot be decoded.
	ReasonParseError Reason = "parse error"
	// ReasonForcedClose: [Session.Close] was called.
	ReasonForcedClose Reason = "forced close"
	// ReasonSlowConsumer: the client read so slowly that the outbound queue
	// passed its cap.
	ReasonSlowConsumer Reason = "slow consumer"
	// ReasonServerShutdown: the server was closed.
	ReasonServerShutdown Reason = "server shutting down"
)

// A CloseError says why a session ended. For every CloseError,
// errors.Is(err, net.ErrClosed) holds: a caller that only asks "is it over?"
// needs no switch.
type CloseError struct {
	Reason Reason
	Remote bool  // the client ended the session, or its connection broke
	Err    error // transport or decoding error; nil after an orderly close
}

func (e *CloseError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("engineio: session closed: %s: %v", e.Reason, e.Err)
	}
	return fmt.Sprintf("engineio: session closed: %s", e.Reason)
}

// Unwrap makes the error match both [net.ErrClosed] and its cause.
func (e *CloseError) Unwrap() []error {
	if e.Err != nil {
		return []error{net.ErrClosed, e.Err}
	}
	return []error{net.ErrClosed}
}

var (
	// ErrQueueFull is returned by [Session.Send] when the outbound queue is at
	// its cap. Unless [Options.KeepSlow] is set, the session is being closed
	// with [ReasonSlowConsumer].
	ErrQueueFull = errors.New("engineio: outbound queue is full")

	// ErrServerClosed is the cause of requests refused after [Server.Close] or
	// during [Server.Shutdown].
	ErrServerClosed = errors.New("engineio: server closed")
)

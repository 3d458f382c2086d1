package sioclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio/event"
)

// An Error is an error that is told to the server, as the acknowledgement of an
// event, or that the server has told.
type Error = event.Error

var (
	// ErrDisconnected says that the socket is not connected, or was
	// disconnected meanwhile. The error that matches it is a
	// *[DisconnectError].
	ErrDisconnected = event.ErrDisconnected

	// ErrAckTimeout says that an acknowledgement did not come in time. It
	// matches context.DeadlineExceeded.
	ErrAckTimeout = event.ErrAckTimeout

	// ErrQueueFull says that the event was not taken: the queue to the server,
	// or what [Options.Offline] or [Options.Retry] may keep, is at its cap.
	ErrQueueFull = event.ErrQueueFull

	// ErrTooManyAcks says that Options.MaxAcks acknowledgements are awaited
	// already.
	ErrTooManyAcks = errors.New("sioclient: too many acknowledgements are awaited")

	// ErrClosed says that the socket was closed. It matches ErrDisconnected.
	ErrClosed error = &DisconnectError{Reason: ReasonIOClientDisconnect, Err: errClosed}
)

// Causes in other errors.
var (
	errClosed       = errors.New("the socket was closed")
	errNotConnected = errors.New("the socket has not been connected")
	errJoinTimeout  = errors.New("the server did not answer whether the namespace is joined")
	errExpired      = errors.New("it was kept for longer than Options.Offline.MaxAge")
	errReplaced     = errors.New("newer events have taken its place in Options.Offline")
	errReplay       = errors.New("the server sent more before it answered than a client keeps")
)

// A ConnectError says that the server has refused a namespace. The socket does
// not try again by itself. It can be found with errors.As as an *[Error] too.
type ConnectError struct {
	Namespace string
	Code      string          // empty if the server told none
	Message   string          // for people
	Data      json.RawMessage // what the server added; nil if nothing
}

func (e *ConnectError) Error() string {
	s := e.Message
	if e.Code != "" {
		s = e.Code + ": " + s
	}
	return fmt.Sprintf("sioclient: the server refused %s: %s", e.Namespace, s)
}

// Unwrap returns the refusal as an *[Error].
func (e *ConnectError) Unwrap() error {
	public := &Error{Code: e.Code, Message: e.Message}
	if e.Data != nil {
		public.Data = e.Data
	}
	return public
}

// DecodeData decodes Data into dst. It leaves dst untouched when there is none.
func (e *ConnectError) DecodeData(dst any) error {
	if e.Data == nil {
		return nil
	}
	return json.Unmarshal(e.Data, dst)
}

// An UndeliveredError says that an event was accepted and not delivered: kept
// by [Options.Offline] for too long or in too large a number, or not
// acknowledged after all tries of [Options.Retry]. [Options.OnError] hears it.
type UndeliveredError struct {
	Event string
	ID    string        // of Retry.AppendID, else empty
	Tries int           // how often it was sent
	After time.Duration // how long ago it was emitted
	Err   error
}

func (e *UndeliveredError) Error() string {
	return fmt.Sprintf("sioclient: the event %q was not delivered: sent %d times in %v: %v", e.Event, e.Tries, e.After.Round(time.Millisecond), e.Err)
}

func (e *UndeliveredError) Unwrap() error { return e.Err }

// A PanicError is the panic of a handler or another function of the
// application, as an error.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that panicked, as runtime/debug.Stack formats it
}

func (e *PanicError) Error() string { return fmt.Sprintf("sioclient: handler panicked: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// A Reason says why a socket was disconnected. The values are the strings that
// the reference client reports.
type Reason string

const (
	// ReasonIOServerDisconnect: the server made the socket leave the namespace.
	ReasonIOServerDisconnect Reason = "io server disconnect"
	// ReasonIOClientDisconnect: [Socket.Disconnect] or [Socket.Close] was called.
	ReasonIOClientDisconnect Reason = "io client disconnect"
	// ReasonPingTimeout: the server was silent for too long.
	ReasonPingTimeout Reason = Reason(eioclient.ReasonPingTimeout)
	// ReasonTransportClose: the server closed the connection, or it was lost.
	ReasonTransportClose Reason = Reason(eioclient.ReasonTransportClose)
	// ReasonTransportError: the transport failed.
	ReasonTransportError Reason = Reason(eioclient.ReasonTransportError)
	// ReasonParseError: the server broke the protocol.
	ReasonParseError Reason = Reason(eioclient.ReasonParseError)
)

// WillReconnect reports whether a socket that is disconnected for this reason
// tries again by itself: it does unless one of the sides meant it.
func (r Reason) WillReconnect() bool {
	return r != ReasonIOServerDisconnect && r != ReasonIOClientDisconnect
}

// A DisconnectError says why a socket is not connected. It matches
// [ErrDisconnected] and net.ErrClosed.
type DisconnectError struct {
	Reason Reason // empty if it has not been connected
	Err    error  // the error of the connection, if any
}

func (e *DisconnectError) Error() string {
	switch {
	case e.Reason == "":
		return fmt.Sprintf("sioclient: not connected: %v", e.Err)
	case e.Err != nil:
		return fmt.Sprintf("sioclient: disconnected: %s: %v", e.Reason, e.Err)
	}
	return fmt.Sprintf("sioclient: disconnected: %s", e.Reason)
}

func (e *DisconnectError) Unwrap() []error {
	if e.Err != nil {
		return []error{ErrDisconnected, netClosed, e.Err}
	}
	return []error{ErrDisconnected, netClosed}
}

// netClosed is net.ErrClosed, or what stands for it where package net is not
// linked: every CloseError has it.
var netClosed = (&eioclient.CloseError{}).Unwrap()[0]

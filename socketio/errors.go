package socketio

import (
	"errors"
	"fmt"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/socketio/event"
)

// An Error is an error that is told to the client: as the acknowledgement of
// an event, or as the refusal of a connection.
type Error = event.Error

var (
	// ErrDisconnected says that a socket is not connected, or was disconnected
	// meanwhile. The error that matches it is a *DisconnectError.
	ErrDisconnected = event.ErrDisconnected

	// ErrAckTimeout says that an acknowledgement did not come in time. It
	// matches context.DeadlineExceeded.
	ErrAckTimeout = event.ErrAckTimeout

	// ErrQueueFull says that the outbound queue is at its cap and the packet
	// was not taken. Unless Options.Outbound says otherwise, the connection is
	// being closed with ReasonSlowConsumer.
	ErrQueueFull = event.ErrQueueFull

	// ErrTooManyAcks says that a socket has Options.MaxAcks acknowledgements
	// to come already.
	ErrTooManyAcks = errors.New("socketio: too many acknowledgements are awaited")

	// ErrName says that the name of a room is longer than Options.MaxName, or
	// empty.
	ErrName = errors.New("socketio: the name is empty or too long")

	// ErrServerClosed is the cause of contexts that end because the server was
	// closed.
	ErrServerClosed = errors.New("socketio: server closed")
)

// Leave and Hangup are returned by handlers. Leave disconnects the socket from
// its namespace, Hangup closes the connection with all its sockets. From the
// middleware of Use, both refuse the connection. They are no errors: nothing is
// reported.
var (
	Leave  = errors.New("socketio: leave the namespace")
	Hangup = errors.New("socketio: hang up")
)

// A PanicError is the panic of a handler, as an error.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that panicked, as runtime/debug.Stack formats it
}

func (e *PanicError) Error() string { return fmt.Sprintf("socketio: handler panicked: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// A ShutdownError says whom Shutdown could not wait for.
type ShutdownError struct {
	Cut      []string // ids of the sockets whose handlers were still running
	Handlers int      // goroutines that still run handlers
	Err      error    // the cause of the context
}

func (e *ShutdownError) Error() string {
	switch {
	case len(e.Cut) > 0:
		return fmt.Sprintf("socketio: shutdown cut off %d sockets with running handlers; %d handlers still run: %v", len(e.Cut), e.Handlers, e.Err)
	case e.Handlers > 0:
		return fmt.Sprintf("socketio: shutdown did not wait for %d handlers of sockets that had gone: %v", e.Handlers, e.Err)
	}
	return fmt.Sprintf("socketio: shutdown closed connections before they had taken what was queued: %v", e.Err)
}

func (e *ShutdownError) Unwrap() error { return e.Err }

// sendError is the error of a session's Send as this package's.
func sendError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, engineio.ErrQueueFull) {
		return ErrQueueFull
	}
	if closed := (*engineio.CloseError)(nil); errors.As(err, &closed) {
		return &DisconnectError{Reason: Reason(closed.Reason), Err: closed.Err}
	}
	return err
}

package socketio

import (
	"fmt"
	"net"

	"github.com/siogo/sio/engineio"
)

// A Reason says why a socket was disconnected. The values are the strings of
// the reference implementation, and those of ours that it has no word for.
type Reason string

const (
	// ReasonClientNamespaceDisconnect: the client left the namespace.
	ReasonClientNamespaceDisconnect Reason = "client namespace disconnect"
	// ReasonServerNamespaceDisconnect: the server disconnected the socket.
	ReasonServerNamespaceDisconnect Reason = "server namespace disconnect"
	// ReasonServerShuttingDown: the server was closed.
	ReasonServerShuttingDown Reason = Reason(engineio.ReasonServerShutdown)
	// ReasonPingTimeout: the client was silent for too long.
	ReasonPingTimeout Reason = Reason(engineio.ReasonPingTimeout)
	// ReasonTransportClose: the client closed the connection, or lost it.
	ReasonTransportClose Reason = Reason(engineio.ReasonTransportClose)
	// ReasonTransportError: the transport failed.
	ReasonTransportError Reason = Reason(engineio.ReasonTransportError)
	// ReasonParseError: the client broke the protocol.
	ReasonParseError Reason = Reason(engineio.ReasonParseError)
	// ReasonForcedClose: the connection was closed by this server's own code.
	ReasonForcedClose Reason = Reason(engineio.ReasonForcedClose)
	// ReasonSlowConsumer: the client read so slowly that the outbound queue
	// passed its cap.
	ReasonSlowConsumer Reason = Reason(engineio.ReasonSlowConsumer)
)

// WillReconnect reports whether a client of the family reconnects by itself
// after this: it does unless one of the sides meant to leave.
func (r Reason) WillReconnect() bool {
	return r != ReasonClientNamespaceDisconnect && r != ReasonServerNamespaceDisconnect
}

// Recoverable reports whether the state of the socket may be restored after
// this, when the client comes back in time.
func (r Reason) Recoverable() bool {
	switch r {
	case ReasonServerShuttingDown, ReasonPingTimeout, ReasonTransportClose, ReasonTransportError, ReasonForcedClose:
		return true
	}
	return false
}

// A DisconnectError says why a socket is not connected. It is the cause of the
// contexts that end with the socket. It matches [ErrDisconnected] and
// [net.ErrClosed].
type DisconnectError struct {
	Reason Reason
	Err    error // the error of the transport or of decoding, if any
}

func (e *DisconnectError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("socketio: disconnected: %s: %v", e.Reason, e.Err)
	}
	return fmt.Sprintf("socketio: disconnected: %s", e.Reason)
}

func (e *DisconnectError) Unwrap() []error {
	if e.Err != nil {
		return []error{ErrDisconnected, net.ErrClosed, e.Err}
	}
	return []error{ErrDisconnected, net.ErrClosed}
}

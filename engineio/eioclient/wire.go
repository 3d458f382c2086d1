package eioclient

import "context"

// A wire reaches the server of one session. It is the seam between a session
// and the platform it runs on: net/http natively, fetch and WebSocket in a
// browser. Its methods may be called from any goroutine.
type wire interface {
	// request makes an HTTP request and returns its answer, whatever the
	// status. ctx bounds it, the reading of the body included.
	request(ctx context.Context, r request) (answer, error)

	// websocket opens a WebSocket. ctx bounds the opening only.
	websocket(ctx context.Context, query string, handshake bool) (socket, error)

	// close cuts all that is open. Nothing of the wire runs afterwards.
	close()
}

// A request is a GET, or with a body a POST.
type request struct {
	query     string
	body      []byte // given away
	binary    bool   // body is a binary payload of revision 3
	handshake bool   // may be sent twice, and redirected
	into      []byte // memory to read the answer into, from its start
}

// Content types of payloads.
const (
	typeText   = "text/plain;charset=UTF-8"
	typeBinary = "application/octet-stream"
)

// An answer is what came back. A body over the limit is errMessageSize.
type answer struct {
	status   int
	binary   bool   // body is a binary payload of revision 3
	location string // of a redirect that was not followed
	body     []byte
}

// A socket is one WebSocket. One goroutine at a time may call read, and one at
// a time write or close; abort may be called from any.
type socket interface {
	// read waits for what comes next. The event's data is valid until the
	// next call. Errors are final.
	read() (event, error)

	// write sends packets in order, as frames of their own. When it fails, the
	// last of them has not reached the server whole.
	write(packets []packet) error

	// close sends a close frame, without waiting for the answer to it.
	close(code int, reason string) error

	// abort cuts the connection and makes the other methods return.
	abort()
}

// An event is what a socket read.
type event struct {
	kind eventKind
	data []byte
	code int // of socketClose
}

type eventKind uint8

const (
	socketText   eventKind = iota // a whole message of valid UTF-8
	socketBinary                  // a whole message
	socketPing                    // to be answered with rawPong
	socketClose                   // the server says goodbye
)

// Close codes of WebSocket.
const (
	closeNormal   = 1000
	closeProtocol = 1002
)

// Package engineio is an Engine.IO server: the transport layer under
// Socket.IO. It keeps a session with each client, over HTTP long-polling or
// WebSocket, moves it from the first to the second without losing a message,
// and notices when the client is gone.
//
// Words used here:
//
//   - A session is one client's connection, whatever carries it. It begins
//     with a handshake, has an id of 20 characters, and ends once.
//   - A transport carries a session: "polling" or "websocket". An upgrade
//     replaces polling by WebSocket while the session goes on.
//   - A packet is the unit of the protocol (open, close, ping, pong, message,
//     upgrade, noop); a message is the content of a message packet.
//   - A revision is the protocol version a client speaks: 3 (the JavaScript
//     clients of generation 2.x) or 4 (3.x and 4.x). One [Server] serves both
//     on one endpoint; it is fixed for a session by its handshake.
//
// A [Server] is an [http.Handler]. For each new session it calls
// [Options.Open], which returns the [Handler] that receives the messages:
//
//	srv, err := engineio.New(&engineio.Options{
//		Open: func(s *engineio.Session) engineio.Handler { return &echo{s} },
//	})
//	http.Handle("/engine.io/", srv)
//
// The package knows nothing of Socket.IO: namespaces, events and
// acknowledgements live in package socketio. The wire forms live in package
// eioparser.
//
// Specification: Engine.IO protocol, revisions 3 and 4. WebSocket: RFC 6455.
package engineio

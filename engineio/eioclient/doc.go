// Package eioclient is an Engine.IO client: the transport layer under a
// Socket.IO client. It keeps a session with a server, over HTTP long-polling or
// WebSocket, moves it from the first to the second without losing a message,
// and notices when the server is gone.
//
// Words used here:
//
//   - A session is a connection to the server, whatever carries it. It begins
//     with a handshake, has an id that the server chose, and ends once. [Conn]
//     is the client's side of one. It does not reconnect: the next session is
//     another Dial.
//   - A transport carries a session: "polling" or "websocket". An upgrade
//     replaces polling by WebSocket while the session goes on.
//   - A packet is the unit of the protocol (open, close, ping, pong, message,
//     upgrade, noop); a message is the content of a message packet.
//   - A revision is the protocol version that is spoken: 4 with servers of
//     Socket.IO 3 and later, 3 with those of 2.x.
//
// [Dial] makes the handshake and calls [Options.Open], which returns the
// [Handler] that receives the messages:
//
//	c, err := eioclient.Dial(ctx, "https://example.org/engine.io/", &eioclient.Options{
//		Open: func(c *eioclient.Conn) eioclient.Handler { return &printer{c} },
//	})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	err = c.Send(eioclient.Text("hello"))
//
// Nothing that a server sends can make the package panic, change the id of a
// session, or make it keep more than [Options] allow.
//
// The package runs natively on package net/http, and as WebAssembly in a
// browser (GOOS=js) on the browser's own fetch and WebSocket; there it does not
// link net/http, and what the browser decides (proxies, cookies, TLS) is not in
// Options.
//
// The wire forms live in package eioparser. The package knows nothing of
// Socket.IO.
//
// Specification: Engine.IO protocol, revisions 3 and 4. WebSocket: RFC 6455 and
// RFC 7692.
package eioclient

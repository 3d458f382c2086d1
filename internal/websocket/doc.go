// Package websocket holds the rules of the WebSocket protocol for both roles,
// without a connection: a push parser that is fed bytes as they arrive, an
// encoder that appends frames to a slice, and the permessage-deflate extension.
//
// It is pure: no connection, no goroutine, no clock, no lock. Whoever owns the
// connection reads bytes, gives them to a [Parser], answers the events it
// reports and, after an error, sends the close frame that the error describes.
//
//	frame      a header of 2 to 14 bytes and a payload
//	message    the payload of one data frame, or of several (fragments)
//	control    a ping, pong or close frame; it may arrive between fragments
//	role       which end of the connection we are; a client masks what it sends
//	RSV1       the header bit that marks a compressed message
//
// A parser keeps nothing between messages, so an idle connection costs the
// size of the struct. A message that lies in the input as one frame is unmasked
// where it lies and handed out without a copy; any other is assembled in one
// buffer that grows with the bytes received, whatever length was announced.
//
// Specification: RFC 6455 (sections 5, 7.4 and 8.1) and RFC 7692 (section 7).
package websocket

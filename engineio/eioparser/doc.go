// Package eioparser encodes and decodes Engine.IO packets, HTTP long-polling
// payloads and WebTransport frame headers, for protocol revisions 3 (EIO=3,
// Socket.IO 1.x and 2.x) and 4 (EIO=4, Socket.IO 3.x and later).
//
// It is pure: no connection, no goroutine, no clock, no state between calls.
// Sessions, heartbeats and upgrades live in package engineio. Encoders append
// to a slice and do not allocate when it has room. All functions are safe for
// concurrent use.
//
//	packet    a type and data, which is text or binary
//	frame     one packet on WebSocket: a text or a binary message
//	payload   several packets in one HTTP body
//	kind      text or binary, where a byte or a bit on the wire says so
//
// A message, as text and as binary, in each form:
//
//	                      revision 3              revision 4
//	text frame            4hello                  4hello
//	binary frame          04 01 02 03             01 02 03
//	binary as text        b4AQID                  bAQID
//	payload               6:4hello6:b4AQID        4hello<1E>bAQID
//	binary payload        00 06 FF 4hello         -
//	                      01 04 FF 04 01 02 03
//	WebTransport          -                       06 4hello
//	                                              83 01 02 03
//
// # Text
//
// Text is UTF-8 on the wire. Text that is not valid UTF-8 is refused with
// [ErrUTF8] wherever it is decoded; the reference implementation replaces the
// offending bytes on long-polling and refuses them on WebSocket. The encoders
// do not check: their caller promises valid UTF-8.
//
// # Strictness
//
// Lengths are plain decimals without sign, space or leading zeros, and must
// match what follows. Base64 is the standard alphabet with padding. Line breaks
// after its first character are skipped, because the official Java client puts
// one after every 76 characters; JavaScript's decoder skips anything.
//
// Specification: Engine.IO protocol v4, section "Packet encoding", and v3,
// sections "Encoding" and "Transports".
package eioparser

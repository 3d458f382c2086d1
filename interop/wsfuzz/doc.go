// Package wsfuzz checks our WebSocket layer, internal/websocket in both roles
// and the server above it, against two libraries that many people use:
// github.com/gorilla/websocket and github.com/coder/websocket.
//
//	TestCases      a table modelled on the groups of the Autobahn test suite: what
//	               stands there is sent over real connections that each
//	               library's client opened, and what the library reads is compared
//	TestClients    each library sends and reads messages by its own means
//	TestServers    our client role talks to each library's server
//	FuzzFrames     the same bytes for our parser and for gorilla's reader, in both
//	               roles: the same messages, the same end
//
// Compression is not fuzzed here: gorilla takes the end of a deflate stream for
// the end of a message.
package wsfuzz

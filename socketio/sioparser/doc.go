// Package sioparser encodes and decodes Socket.IO packets (protocol revision 5,
// as spoken by JavaScript clients 3.x and 4.x, and the same text grammar as
// used by 2.x clients).
//
// Vocabulary. A packet has a type, a namespace, an optional acknowledgement id
// and a list of arguments ([Args]). The first argument of an event is its
// name. A packet travels as one text message; bytes inside its arguments
// travel after it, one binary message each, and are called attachments. In the
// text an attachment leaves a placeholder, {"_placeholder":true,"num":i}.
//
//	<type>[<attachments>-][<namespace>,][<id>][<json>]
//
//	type            wire                          payload
//	connect         0  0/chat,  0{"token":"t"}    an object, or absent
//	disconnect      1  1/chat,                    absent
//	event           2["hello",1]  2/chat,7["a"]   array: name, arguments
//	ack             37["ok"]                      array: arguments
//	connect error   4{"message":"no"}  4"no"      an object, or a string (2.x)
//	binary event    51-["x",{"_placeholder":true,"num":0}]
//	binary ack      61-7[{"_placeholder":true,"num":0}]
//
// The namespace is left out when it is "/"; it ends at the first comma, and a
// 2.x client may put "?query" behind its name. The parser splits and does not
// decode: one pass over the text checks the grammar, the JSON syntax and the
// limits, and leaves the arguments as they stand, to be decoded once, straight
// into the types of whoever handles them.
//
// That is the form of [JSON], which every client speaks by default. The form of
// [MsgPack] is a MessagePack map in one binary message, without attachments,
// for clients that were given socket.io-msgpack-parser 3.x:
//
//	{"type": 2, "data": ["hello", 1], "nsp": "/", "id": 7}
//
// All peers of a server speak one of the two; [Args.For] and the AppendArgs of
// either parser turn the arguments of one into the other.
//
// The package is pure: no connection, no goroutine, no clock. A [Parser] may be
// used by any number of goroutines, a [Decoder] belongs to one connection.
//
// # Where it is stricter than the reference implementation
//
// No client in use sends any of these, so they are refused: an empty message;
// an event or acknowledgement without its array; a connect error without
// payload; white space or a sign in the place of an id; ids above 2^53-1 or of
// more than 16 digits; an attachment count that is not a plain decimal number
// ("+1", "01", "1.0", "1e0"); a placeholder number that is not one, or given
// twice; anything over a limit of [Limits].
//
// # Documented choices
//
// Text that is not valid UTF-8 is refused on decoding; on encoding, each
// invalid sequence in a string becomes U+FFFD. A lone surrogate written as an
// escape is valid, is kept in the raw arguments, and becomes U+FFFD in a Go
// string. Names such as "__proto__" and duplicate members are data: the last
// duplicate wins, as in encoding/json. A number such as 1e400 is carried as it
// stands, and an error when decoded into a float64 or an any; json.Number and
// json.RawMessage take it.
//
// # MessagePack
//
// Go values travel by the rules of encoding/json, with its tags, and with its
// methods: what MarshalJSON returns is converted, what MarshalText returns is a
// string. These have forms of their own:
//
//	[]byte, at any depth     bin; Base64 is a string
//	time.Time                the Date of notepack.io before 3.0, in milliseconds
//	integers                 the shortest form; all 64 bits
//	floats                   an integer if it is one below 2^64, so that 5.0 is
//	                         5 and -0 is 0; float64 otherwise, also NaN
//	json.RawMessage          what the JSON text means
//
// The bytes are those of notepack.io 2.2, on which all versions of
// socket.io-msgpack-parser 3.x rest; its Date is understood by 3.0, too, while
// the timestamp that 3.0 writes is not understood by 2.2: [MsgPackTimestamps]
// writes that. On decoding all of them are read, as are ArrayBuffer (bytes) and
// undefined (nil) of older peers; extensions that mean nothing are a list of
// their type and their bytes, as in JavaScript. Integers are exact in integers
// and in json.Number, and float64 in an any, as with JSON.
//
// It is stricter than the reference as above: events need a name that is not
// reserved, namespaces a slash and no comma, ids are 0 to 2^53-1; keys are
// strings or integers, strings are UTF-8, a member of the packet is given once,
// and nothing may be announced that does not follow. It is more lenient in one
// thing: nil as the payload of a connect or disconnect counts as none, since
// python-socketio sends it. And it does not follow notepack.io where that
// writes a wrong number: floats of 2^64 and more, which it makes 0.
//
// Specification: Socket.IO protocol, revision 5, sections "Packet encoding"
// and "Binary attachments"; the MessagePack specification.
package sioparser

// Package differential compares our Engine.IO server with the reference
// implementation, which runs beside it: generated scripts of requests are sent
// to both, and what comes back must be the same.
//
//	script         a configuration of the server and a list of steps, made from a seed
//	step           a request, frames on a WebSocket, or a broken connection
//	side           one of the two servers, with the connections a script has to it
//	observation    all there is to see of a side: answers, packets, frames, fates
//	fate           whether a session is open, why not, and what the application got
//	deviation      an entry of docs/differences.md: where we differ on purpose
//
// After each step both sides are left to settle, and then their observations
// must be equal, but for deviations. A deviation that no longer occurs fails
// the test, as does one that the document does not list.
//
// The application sends every message back, but for the text "close", at which
// it closes the session, and "send:kind:n", at which it sends n of something:
// one message of n characters ("text", "unicode") or bytes ("binary"), or n
// messages ("many").
//
// A failure prints its script and seed. To look for differences that the
// scripts of the default seed do not have:
//
//	go test ./differential -run Generated -scripts 5000 -seed 7
package differential

// Package languages runs clients in Python, Java and Rust against our server,
// and our client against a server in Python.
//
//	python/client.py      python-socketio: Client and AsyncClient
//	java/                 io.socket:socket.io-client
//	rust/                 rust_socketio: the blocking client and the one with async
//	python/server.py      python-socketio as a server: AsyncServer
//
// The clients keep to the contract of ../README.md as the JavaScript ones do:
// each is a program that is given a URL and a mode, and prints a line for each
// of its scenarios. What a client cannot do whatever the server, it reports as
// a limit, and README.md says so in its table, which the tests check.
//
// The tests have the build tag "languages", since they need three more
// toolchains; `make interop-all` installs what they need and runs them.
package languages

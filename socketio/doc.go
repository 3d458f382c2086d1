// Package socketio is a Socket.IO server. JavaScript clients of generations
// 2.x, 3.x and 4.x, and the clients of this module, connect to one [Server].
//
//	io := socketio.New(nil)
//	event.On(io, Chat, func(ctx context.Context, s *socketio.Socket, m Message) error {
//		return Chat.Emit(io, m) // to everybody
//	})
//	http.Handle("/socket.io/", io)
//
// Words used here:
//
//   - A connection is one client's session of package engineio.
//   - A [Namespace] is a part of the application with sockets, rooms and
//     handlers of its own. "/" is always there: the Server is it.
//   - A [Socket] is one client in one namespace; a connection carries one for
//     each namespace that its client has joined.
//   - A room is a set of sockets with a name. Rooms are joined by the server
//     only.
//   - An [Emitter] is a choice of receivers, made of rooms: an immutable value.
//   - An acknowledgement is the answer to an event that asked for one.
//
// # Handlers
//
// Events are declared in package event and handled through event.On and
// event.Handle. Below that lies the untyped form, [Namespace.On] with an
// [Event], for names that are known only at run time; [Func] adapts plain
// functions. Handlers belong to a namespace, or to a single socket.
//
// The handlers of one socket run one at a time, in the order in which their
// events arrived; those of different sockets run in parallel. A handler that
// waits for an answer from its own socket, with Call and its context, gives its
// turn away meanwhile, and takes it back before newer events. What a handler
// returns, panics included, goes where [Options.OnError] says.
//
// A handler's context belongs to the goroutine that runs it. Goroutines that
// a handler starts use [Socket.Context].
//
// # The life of a socket
//
// A CONNECT packet makes a socket, the middleware of its namespace (Use)
// decides, the client is told, then the handlers of OnConnect run, then those
// of events, then those of OnDisconnect, each of these once and none after
// another's end. Events that arrived before the client left are handled; those
// that wait when the server disconnects a socket are dropped.
//
// Specification: Socket.IO protocol, revision 5, and revision 4 for 2.x clients.
package socketio

// Package event declares events once, with their types, for all who use them:
// servers, clients and emitters in other processes.
//
// Words used here:
//
//   - A contract is a declared event: its name and the types it carries.
//     [Event], [Event2] and [Event3] carry one to three arguments one way, an
//     [RPC] carries a request and is answered.
//   - A [Target] is what an event can be emitted to: a socket, a namespace, a
//     choice of rooms, a socket of another node, a client, an emitter.
//   - A [Peer] is a target that answers: one socket or client.
//   - An [Audience] is a target of any number of sockets, each of which
//     answers for itself.
//   - A [Registrar] takes handlers: a server, a namespace, a socket, a client.
//
// Contracts are package variables, in a package that both sides import:
//
//	var (
//		Chat    = event.New[Message]("chat")
//		AddItem = event.NewRPC[NewItem, Item]("item:add")
//	)
//
// They send with methods, Chat.Emit(to, m) or AddItem.Call(ctx, peer, item),
// and are handled through the functions [On] and [Handle], which infer the type
// of the socket from the registrar.
//
// # On the wire
//
// An event is the array of its name and its arguments, as in JavaScript:
// socket.emit("move", x, y) is an Event2. The type struct{} stands for no
// argument at all. A []byte anywhere inside a value travels as a binary
// attachment; [Base64] opts out. What an RPC answers is laid down by its
// [Convention].
//
// The package imports neither net nor net/http.
package event

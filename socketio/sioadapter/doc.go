// Package sioadapter keeps the members and rooms of a namespace and carries
// what is meant for many sockets to them, on this node and, with other
// adapters than the one here, on the other nodes of a cluster.
//
// Words used here:
//
//   - A node is one server process.
//   - A member is a socket of the namespace, connected to this node.
//   - A room is a set of members with a name; it exists while it is not empty.
//     Each member is alone in the room that has its id as name, so that an id
//     can stand wherever a room can.
//   - A selection is the members of any of some rooms, each once, without those
//     of some others.
//
// An [Adapter] serves one namespace, and declares in [Namespace] what it needs
// of it. A [Factory] opens one for each namespace. [Local] is the adapter of a
// single node, and the local half of every other: they embed it, deliver
// through it first, and then tell the other nodes.
//
// The package knows the wire form of packets (package sioparser), but neither
// connections nor handlers.
package sioadapter

// Package sioadapter keeps the members and rooms of a namespace and carries
// what is meant for many sockets to them, on this node and on the other nodes
// of a cluster; and it gives clients that lost their connection their sockets
// back.
//
// Words used here:
//
//   - A node is one server process; for a cluster, one server process in one
//     namespace.
//   - A member is a socket of the namespace, connected to this node.
//   - A room is a set of members with a name; it exists while it is not empty.
//     Each member is alone in the room that has its id as name, so that an id
//     can stand wherever a room can.
//   - A selection is the members of any of some rooms, each once, without those
//     of some others.
//   - A bus carries messages between nodes: a broker, or connections among
//     them.
//   - A session is what is left of a socket whose connection was lost. Its token
//     is the pid; an offset is how far in the events its client has come.
//
// An [Adapter] serves one namespace, and declares in [Namespace] what it needs
// of it. A [Factory] opens one for each namespace. There are three, one upon
// the other:
//
//	Local          members and rooms of a single node
//	SessionAware   Local that keeps events and sessions, for recovery
//	Cluster        either of them, and a Bus to the other nodes
//
// # Cluster
//
// What concerns the members of a node is done there first, and at once. Then the
// others are told, by [Message] values that wait in a bounded queue until the
// [Link] takes them: local delivery never waits for the bus. Messages of one
// node arrive at another in the order they were published, each at most once;
// they are numbered, so that a loss does not go unnoticed: there is a
// [ClusterEvent] with the count, and what cannot be recovered any more is not.
// Whoever waits for answers gets those that come, and a [*PartialError] that
// names the nodes whose answers do not. What comes from a bus may have been
// written by anybody: it is checked, and dropped and counted if it is not sound.
//
// A new bus is a [Bus] and usually nothing more: how messages are written is
// left to it, with [JSON] for the form of the reference. Package adaptertest
// tests it. [Hub] connects nodes in one process, for tests without a broker.
//
// Specification: the message types and their data are those of the reference's
// ClusterAdapter, socket.io-adapter 2.5; recovery is "Connection state recovery"
// of its documentation, with the wire form of Socket.IO protocol 5.
//
// The package knows the wire form of packets (package sioparser), but neither
// connections nor handlers.
package sioadapter

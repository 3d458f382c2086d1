// Package redisadapter connects the nodes of a Socket.IO cluster through Redis,
// or Valkey. Its messages are those of the adapters for Node.js, so that nodes
// in Go and in Node.js are one cluster, and emitters of either language reach
// the clients of both.
//
//	Go                          Node.js                             needs
//	New                         @socket.io/redis-adapter            Redis 6
//	New, Options.Sharded        the sharded adapter of the same     Redis 7
//	NewStreams                  @socket.io/redis-streams-adapter    Redis 6
//	NewEmitter                  @socket.io/redis-emitter
//	NewStreamsEmitter           @socket.io/redis-streams-emitter
//
// All of them use channels with the same names by default, and different
// encodings: the nodes of one cluster have to use the same adapter, and two
// clusters on one Redis different prefixes.
//
// # The connection
//
// A [Conn] is a client of package rueidis, which speaks to a single Redis, to
// Sentinel, to Redis Cluster, with TLS and without:
//
//	conn, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}})
//
// It may be used for other things, too. Publishing shares its connections; each
// adapter takes one more for its subscriptions, and those of streams one for
// each stream. The adapters do not close the client.
//
// # When Redis is away
//
// The sockets of this node are served as ever. What is meant for other nodes
// waits in a bounded queue, at most Options.MaxAge, and is reported if it is
// dropped: see [sioadapter.ClusterEvent] and [sioadapter.Cluster.Health]. As
// soon as Redis is back, all subscriptions are made again, for as long as that
// takes. Nodes of this implementation number their messages, so that what was
// lost in between is counted; those of Node.js do not.
package redisadapter

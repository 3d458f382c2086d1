// Package simulation plays whole systems in memory and in virtual time: servers
// on a bus, clients of every kind on connections that are delayed, cut and
// swallowed, and nodes that are shut down and crash, all by a seed. It has
// tests only.
//
// What a seed decides: how many nodes and clients there are and of which kind,
// what they do and when, and the faults of each connection and of the bus. What
// it does not decide is what goroutines do at the same instant of virtual time,
// and what servers and clients draw themselves: their ids, and by how much
// their timers are spread. So a seed that fails may have to be played a few
// times to fail again; -count does that.
//
//	go test ./internal/simulation -seed 7 -v     // play one seed, and tell what happens in it
//	go test ./internal/simulation -seeds 10000   // play so many, from a random one on
//	go test ./internal/simulation -for 10m       // play seeds for so long
//
// Everybody writes down what they do and get, and the histories are checked at
// the end:
//
//   - Order: what a node emits to a client, directly or to rooms, arrives in the
//     order it was emitted; so does what a client emits.
//   - At most once: nothing arrives twice, over any number of connections, but
//     what a client sends again that was told to (Retry), and that in order.
//   - Exactly once: while a socket lives, and when it is recovered, no event of
//     its node is missing between the first and the last; and none, neither, of
//     a room between joining and leaving it.
//   - Acknowledgements: each Call ends once, in time, with the right answer, or
//     with an error; what was acknowledged has been handled once.
//   - Lives: handlers of a socket run between its OnConnect and its
//     OnDisconnect, which run once each; no id is alive twice.
//   - Recovery from everything: when the faults end, all clients come back, all
//     get what is emitted then, and all nodes agree on who is there.
//   - Residue: when the clients have gone, no socket, session or room is left,
//     and when the servers are closed, no goroutine.
package simulation

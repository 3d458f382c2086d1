// Package adaptertest is the contract test of adapters: what every adapter does,
// whatever carries its messages. The adapters of this project pass it, and so
// can others.
//
// An adapter for a new broker is tested like this:
//
//	func TestContract(t *testing.T) {
//		adaptertest.Run(t, func(t *testing.T, nodes int) *adaptertest.Cluster {
//			broker := startBroker(t) // with t.Cleanup
//			c := &adaptertest.Cluster{}
//			for range nodes {
//				c.Factories = append(c.Factories, myadapter.New(broker, nil))
//			}
//			return c
//		})
//	}
//
// Each test opens a cluster of its own: factories that are connected with one
// another and with nobody else. The suite runs with 1, 2 and 5 nodes. With
// [Suite] there are more choices: clusters of one node alone, nodes that can be
// killed, and virtual time for adapters that need no real network.
//
// What is tested: who receives what, on which node, how often and in which
// order; that names which look like something else are names; that joins,
// leaves and disconnections reach all nodes; the answers of sockets and
// servers, complete and partial; what a node costs that left or fell silent;
// what a caller may do with its memory; and, if the adapter recovers
// connections, that this gives back all that was missed, once, and in order.
//
// Things that happen on other nodes are waited for, at most Suite.Timeout. That
// something does not happen is concluded from what was sent after it and has
// arrived: messages of one node to another keep their order.
package adaptertest

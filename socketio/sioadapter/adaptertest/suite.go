package adaptertest

import (
	"cmp"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/socketio/sioadapter"
)

// A Cluster is what an adapter offers to one test.
type Cluster struct {
	// Factories has one for each node.
	Factories []sioadapter.Factory

	// Kill makes a node fall silent, as if its process were stopped: nothing
	// that it sends arrives any more, nor does anything at it. Nil leaves out
	// the tests that need it.
	Kill func(node int)

	// Settle waits until the rooms that sockets are in by now are known to the
	// bus, for adapters that tell it. It is called after sockets have joined
	// rooms. Nil means that there is nothing to wait for.
	Settle func()
}

// A Suite is a choice of tests. The zero value of every field but Open is its
// default.
type Suite struct {
	// Open opens a cluster for one test; t.Cleanup is where it is closed. The
	// suite closes the adapters before.
	Open func(t *testing.T, nodes int) *Cluster

	// Sizes lists how many nodes to run the tests with. Nil means 1, 2 and 5.
	Sizes []int

	// Virtual runs each test, and Open, in a bubble of testing/synctest. The
	// adapter must not need a real network then.
	Virtual bool

	// Timeout is how long things may take. Zero means 10s, which should be more
	// than what the adapter takes to miss a node.
	Timeout time.Duration

	// RecoversAnywhere says that a connection can be recovered on another node
	// than where it was lost.
	RecoversAnywhere bool

	// AsksOvertake says that broadcasts with acknowledgement take another way
	// than the others, and may overtake them.
	AsksOvertake bool
}

// Run runs the suite with its defaults.
func Run(t *testing.T, open func(t *testing.T, nodes int) *Cluster) { Suite{Open: open}.Run(t) }

// Run runs the tests as subtests of t.
func (s Suite) Run(t *testing.T) {
	s.Timeout = cmp.Or(s.Timeout, 10*time.Second)
	sizes := s.Sizes
	if sizes == nil {
		sizes = []int{1, 2, 5}
	}
	for _, n := range sizes {
		t.Run(fmt.Sprintf("%d", n), func(t *testing.T) {
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					body := func(t *testing.T) { c.run(s.open(t, n)) }
					if s.Virtual {
						synctest.Test(t, body)
					} else {
						body(t)
					}
				})
			}
		})
	}
}

// cases are the tests, each with a cluster of its own.
var cases = []struct {
	name string
	run  func(*rig)
}{
	{"Membership", testMembership},
	{"RoomEvents", testRoomEvents},
	{"Selections", testSelections},
	{"HostileNames", testHostileNames},
	{"Namespaces", testNamespaces},
	{"Arguments", testArguments},
	{"CallersMemory", testCallersMemory},
	{"Flags", testFlags},
	{"Order", testOrder},
	{"ConcurrentUse", testConcurrentUse},
	{"JoinLeaveDisconnect", testJoinLeaveDisconnect},
	{"Sockets", testSockets},
	{"Ask", testAsk},
	{"AskStops", testAskStops},
	{"AskWhileSocketsLeave", testAskWhileSocketsLeave},
	{"ServerEmit", testServerEmit},
	{"ServerAsk", testServerAsk},
	{"NodeLeaves", testNodeLeaves},
	{"NodeFallsSilent", testNodeFallsSilent},
	{"Recovery", testRecovery},
	{"RecoveryFilter", testRecoveryFilter},
	{"RecoveryOwner", testRecoveryOwner},
	{"RecoveryRefused", testRecoveryRefused},
	{"RecoveryUnderFire", testRecoveryUnderFire},
}

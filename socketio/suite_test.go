package socketio_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/socketio"
)

// suite are the tests of a single server: all that use bubble.
var suite = map[string]func(*testing.T){
	"TestCallEndings":                  TestCallEndings,
	"TestFault_N04_ForeignAcks":        TestFault_N04_ForeignAcks,
	"TestTooManyAcks":                  TestTooManyAcks,
	"TestAckTimeoutOption":             TestAckTimeoutOption,
	"TestCallThatCannotBeEncoded":      TestCallThatCannotBeEncoded,
	"TestEach":                         TestEach,
	"TestEachFromAHandler":             TestEachFromAHandler,
	"TestEachOfAParent":                TestEachOfAParent,
	"TestSec_S20_UnansweredBroadcasts": TestSec_S20_UnansweredBroadcasts,

	"TestFault_P15_BadMessagePack":  TestFault_P15_BadMessagePack,
	"TestFault_B03_SlowOnesInARoom": TestFault_B03_SlowOnesInARoom,
	"TestFault_L01_BlackHole":       TestFault_L01_BlackHole,
	"TestFault_L12_PingsAreSpread":  TestFault_L12_PingsAreSpread,

	"TestTurns":                          TestTurns,
	"TestHandlersThatAwait":              TestHandlersThatAwait,
	"TestMutualAwait":                    TestMutualAwait,
	"TestHandlerOptions":                 TestHandlerOptions,
	"TestLimitRefillsAndTells":           TestLimitRefillsAndTells,
	"TestOrderedKeepsTheTurn":            TestOrderedKeepsTheTurn,
	"TestDetach":                         TestDetach,
	"TestHandlerTimeout":                 TestHandlerTimeout,
	"TestInboundOverflow":                TestInboundOverflow,
	"TestFullMailboxOfALeftNamespace":    TestFullMailboxOfALeftNamespace,
	"TestPanics":                         TestPanics,
	"TestFault_N07_PanicsAndBlocks":      TestFault_N07_PanicsAndBlocks,
	"TestDispatchOrder":                  TestDispatchOrder,
	"TestRemovedHandlers":                TestRemovedHandlers,
	"TestErrorsAreReported":              TestErrorsAreReported,
	"TestMergeHooks":                     TestMergeHooks,
	"TestHooks":                          TestHooks,
	"TestSubscriptionHoldsTheClientBack": TestSubscriptionHoldsTheClientBack,

	"TestFault_L02_NeverConnects":             TestFault_L02_NeverConnects,
	"TestFault_L03_Violations":                TestFault_L03_Violations,
	"TestFault_L04_ThreeConnects":             TestFault_L04_ThreeConnects,
	"TestFault_L05_LeavesWhileMiddlewareRuns": TestFault_L05_LeavesWhileMiddlewareRuns,
	"TestLifecycle":                           TestLifecycle,
	"TestEventsThatWaitAtTheEnd":              TestEventsThatWaitAtTheEnd,
	"TestDisconnectOneNamespace":              TestDisconnectOneNamespace,
	"TestFault_N01_NamespacesOfOneConnection": TestFault_N01_NamespacesOfOneConnection,
	"TestFault_N02_S22_NamespaceIsMadeOnce":   TestFault_N02_S22_NamespaceIsMadeOnce,
	"TestFault_N02_CleanupRace":               TestFault_N02_CleanupRace,
	"TestFault_P08_AttachmentsThatDoNotCome":  TestFault_P08_AttachmentsThatDoNotCome,
	"TestSec_S34_AttachmentsBeforeConnect":    TestSec_S34_AttachmentsBeforeConnect,
	"TestFault_P14_LongNames":                 TestFault_P14_LongNames,
	"TestSec_S11_ReservedNames":               TestSec_S11_ReservedNames,
	"TestSec_S21_SameNameSameVerdict":         TestSec_S21_SameNameSameVerdict,

	"TestOnAnyOutgoing": TestOnAnyOutgoing,
	"TestArgsAreSentOn": TestArgsAreSentOn,

	"TestRecoveryWire":                  TestRecoveryWire,
	"TestRecovered":                     TestRecovered,
	"TestRecoveredHandlersAreInOrder":   TestRecoveredHandlersAreInOrder,
	"TestRecoverySkipsMiddleware":       TestRecoverySkipsMiddleware,
	"TestNotRecovered":                  TestNotRecovered,
	"TestFault_L06_TokenUsedTwice":      TestFault_L06_TokenUsedTwice,
	"TestFault_L07_HalfOpen":            TestFault_L07_HalfOpen,
	"TestFault_L08_CutDuringTheReplay":  TestFault_L08_CutDuringTheReplay,
	"TestFault_L09_BadOffsets":          TestFault_L09_BadOffsets,
	"TestFault_L10_BeforeTheFirstEvent": TestFault_L10_BeforeTheFirstEvent,
	"TestRecoveryLost":                  TestRecoveryLost,
	"TestCleanupWaitsForRecovery":       TestCleanupWaitsForRecovery,
	"TestRecoveryConservation":          TestRecoveryConservation,

	"TestEmitters":               TestEmitters,
	"TestEmittersAreValues":      TestEmittersAreValues,
	"TestRooms":                  TestRooms,
	"TestRoomsInMiddleware":      TestRoomsInMiddleware,
	"TestSelections":             TestSelections,
	"TestFault_N08_OddRoomNames": TestFault_N08_OddRoomNames,

	"TestHandshake":                      TestHandshake,
	"TestKeys":                           TestKeys,
	"TestFunc":                           TestFunc,
	"TestDynamicNamespaces":              TestDynamicNamespaces,
	"TestShutdown":                       TestShutdown,
	"TestFault_X07_ShutdownFromAHandler": TestFault_X07_ShutdownFromAHandler,
	"TestSlowConsumer":                   TestSlowConsumer,

	"TestWire":                  TestWire,
	"TestFirstPollOfOldClients": TestFirstPollOfOldClients,
	"TestPolling":               TestPolling,
}

// TestSuiteOnClusters: what a single server does, a node of a cluster does too.
// What only a cluster can do is in cluster_test.go.
func TestSuiteOnClusters(t *testing.T) {
	for _, clusterSize = range sizes {
		for name, test := range suite {
			t.Run(fmt.Sprintf("%d nodes/%s", clusterSize, name), test)
		}
	}
	clusterSize = 0
}

// inRealTime are the tests of the suite that need no virtual time: they wait for
// what a client gets, and neither let time pass nor look at what the server has
// done as soon as it rests.
var inRealTime = []string{
	"TestCallThatCannotBeEncoded",
	"TestFault_N04_ForeignAcks",
	"TestFault_P15_BadMessagePack",
	"TestRemovedHandlers",
	"TestFault_L03_Violations",
	"TestOnAnyOutgoing",
	"TestArgsAreSentOn",
	"TestRecoveryWire",
	"TestRecoverySkipsMiddleware",
	"TestFault_L10_BeforeTheFirstEvent",
	"TestSelections",
	"TestDisconnectOneNamespace",
	"TestFault_N01_NamespacesOfOneConnection",
	"TestSec_S34_AttachmentsBeforeConnect",
	"TestFault_P14_LongNames",
	"TestSec_S11_ReservedNames",
	"TestSec_S21_SameNameSameVerdict",
	"TestEmitters",
	"TestEmittersAreValues",
	"TestRooms",
	"TestRoomsInMiddleware",
	"TestFault_N08_OddRoomNames",
	"TestHandshake",
	"TestKeys",
	"TestFunc",
	"TestWire",
	"TestFirstPollOfOldClients",
	"TestPolling",
}

// TestSuiteOverTCP: what a server does for connections in memory, it does for
// real sockets, too, whoever reads them and runs the handlers. (Where there is no
// poller, connections have goroutines in all forms.)
func TestSuiteOverTCP(t *testing.T) {
	forms := []struct {
		name      string
		engine    engineio.Options
		firstPace time.Duration
	}{
		{"poller", engineio.Options{}, socketio.UnknownPace},
		{"poller that runs handlers", engineio.Options{}, 0},
		{"goroutines", engineio.Options{GoroutinePerConn: true}, socketio.UnknownPace},
	}
	defer func() {
		realNetwork = nil
		socketio.SetFirstPace(socketio.UnknownPace)
	}()
	for _, name := range inRealTime {
		test := suite[name]
		if test == nil {
			t.Fatalf("the suite has no %s", name)
		}
		t.Run(name, func(t *testing.T) {
			for _, form := range forms {
				realNetwork = &form.engine
				socketio.SetFirstPace(form.firstPace)
				t.Run(form.name, test)
			}
		})
	}
	t.Logf("%d of %d tests ran, each over %d forms of TCP; the others need virtual time", len(inRealTime), len(suite), len(forms))
}

// TestSuiteIsComplete finds the tests that are missing above.
func TestSuiteIsComplete(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	test, found := regexp.MustCompile(`^(Test\w+)\(`), 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, function := range strings.Split(string(text), "\nfunc ")[1:] {
			m := test.FindStringSubmatch(function)
			if m == nil || !strings.Contains(function, "\tbubble(") {
				continue
			}
			if found++; suite[m[1]] == nil {
				t.Errorf("%s in %s is not in the suite", m[1], file)
			}
		}
	}
	for _, name := range inRealTime {
		if suite[name] == nil {
			t.Errorf("%s is not in the suite, and is to run in real time", name)
		}
	}
	if found != len(suite) {
		t.Errorf("%d tests use bubble, and %d are in the suite", found, len(suite))
	}
}

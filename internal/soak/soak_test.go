package soak

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/siogo/sio/internal/goal"
)

var (
	connections = flag.Int("connections", 200, "how many connections stay")
	rate        = flag.Int("churn", 100, "how many come and go in a second")
	forLong     = flag.Duration("for", 2*time.Second, "how long they come and go")
)

// G11: connections that stay, and others that come and go beside them, leave
// nothing behind in the server.
func TestFault_X06_Soak(t *testing.T) {
	// A machine that is busy with this test alone may let a process wait for
	// seconds: that must not be the end of 10,000 clients.
	interval, timeout := goal.Size(2*time.Second, 10*time.Second), goal.Size(6*time.Second, 20*time.Second)
	server := start(t, setup{PingInterval: interval, PingTimeout: timeout})
	stay := connect(t, server.addr, *connections, nil)
	polling := *connections / 5
	churn(t, server.addr, *rate, min(*forLong/5, 20*time.Second)+500*time.Millisecond) // what is made once
	still := func(h holding) bool {
		return h.Sessions == *connections && h.WebSockets == *connections-polling && h.Sockets == *connections
	}
	time.Sleep(3 * interval) // a polling client opens a second connection for its first pong
	base := server.settle(2*time.Minute, still)
	cycles := churn(t, server.addr, *rate, *forLong)
	const heapMore = 2 << 20
	got := server.settle(time.Minute, func(h holding) bool {
		return still(h) && h.Count() <= base.Count() && h.Files <= base.Files && h.Rooms <= base.Rooms && h.Heap <= base.Heap+heapMore
	})
	if got.Sessions != *connections {
		t.Errorf("%d sessions are left, want %d: the figures say nothing", got.Sessions, *connections)
	}
	alive := 0
	for _, c := range stay {
		if c.Connected() {
			alive++
		}
	}
	n := goal.Count
	what := fmt.Sprintf("%s after %s connections came and went in %v beside %s that stayed", "%s", n(cycles), *forLong, n(*connections))
	for _, f := range []struct {
		what        string
		before, now int
		more        int
	}{
		{"goroutines", base.Count(), got.Count(), 0},
		{"open files", base.Files, got.Files, 0},
		{"bytes of heap", int(base.Heap), int(got.Heap), heapMore},
		{"sessions", *connections, got.Sessions, 0},
		{"rooms", base.Rooms, got.Rooms, 0},
	} {
		goal.Report(t, goal.Figure{
			Goal: "G11", What: fmt.Sprintf(what, f.what),
			Figure: fmt.Sprintf("%+d (%s, before %s)", f.now-f.before, n(f.now), n(f.before)),
			Wanted: fmt.Sprintf("at most %+d", f.more), Met: f.now <= f.before+f.more,
		})
	}
	goal.Report(t, goal.Figure{
		Goal: "G11", What: "connections that were meant to stay and did",
		Figure: n(alive), Wanted: n(*connections), Met: alive == *connections,
	})
	for _, stack := range got.Beyond(base.Residue) {
		t.Log(stack)
	}

	closeAll(stay)
	empty := server.settle(time.Minute, func(h holding) bool { return h.Sessions == 0 && h.Sockets == 0 && h.Rooms == 0 })
	if empty.Sessions != 0 || empty.Sockets != 0 || empty.Rooms != 0 {
		t.Errorf("%d sessions, %d sockets and %d rooms are left when all have gone", empty.Sessions, empty.Sockets, empty.Rooms)
	}
	if bye := server.terminate(); bye.Error != "" || len(bye.Left) != 0 {
		t.Errorf("the server ended with %q, and leaves %q", bye.Error, bye.Left)
	}
}

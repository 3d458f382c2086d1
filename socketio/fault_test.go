package socketio_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/internal/goal"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
	"github.com/siogo/sio/socketio/siotest"
)

// Bytes that are no packet end the connection, whatever the parser.
func TestFault_P15_BadMessagePack(t *testing.T) {
	bubble(t, &socketio.Options{Parser: sioparser.MsgPack()}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		for _, bad := range []string{
			"b:\xdd\xff\xff\xff\xff",                                      // an array of 4 billion
			"b:\x83\xa4type\x02\xa4data\xdd\xff\xff\xff\xff",              // the same as arguments
			"b:\x83\xa4type\x02\xa4data\x92\xa1x\xc7\xff\x00\xa3nsp\xa1/", // an extension that ends early
			"b:" + strings.Repeat("\x91", 100_000),                        // nesting
			"b:\x82\xa4type\x00\xa3nsp\xa1/\x00",                          // something behind
			"b:",
			`40`,
		} {
			w := dialWire(t, n, "4")
			w.send(bad)
			w.closed()
		}
		w := dialWire(t, n, "4")
		w.send("b:\x82\xa4type\x00\xa3nsp\xa1/")
		w.expect("b:\x83\xa4type\x00\xa4data*")
	})
}

// A stalled client in a crowd costs the others nothing: their events arrive in
// the same instant, before it is closed and after.
func TestFault_B03_SlowOnesInARoom(t *testing.T) {
	o := &socketio.Options{Outbound: socketio.Queue{MaxBytes: 64 << 10}}
	bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var mu sync.Mutex
		var late time.Duration
		received := 0
		for range 99 {
			c := n.Dial(t, "/", nil)
			event.On(c, number, func(_ context.Context, _ *siotest.Client, at int) error {
				mu.Lock()
				defer mu.Unlock()
				late = max(late, time.Duration(time.Now().UnixMilli()-int64(at))*time.Millisecond)
				received++
				return nil
			})
		}
		slow := n.Dial(t, "/", nil)
		var reason socketio.Reason
		io.OnDisconnect(func(_ context.Context, s *socketio.Socket, r socketio.Reason) {
			if s.ID() == slow.ID() {
				reason = r
			}
		})
		slow.Vanish()
		filler := strings.Repeat("x", 1000)
		for range 100 {
			if err := io.Emit("n", time.Now().UnixMilli(), filler); err != nil {
				t.Fatal(err)
			}
			pass(10 * time.Millisecond)
		}
		goal.Report(t, goal.Figure{
			Goal: "G9", What: "by how much events to 99 clients of a room are late (in virtual time) since one does not read",
			Figure: late.String(), Wanted: "0s", Met: late == 0,
		})
		if late > 0 || received != 9900 {
			t.Errorf("%d events, the latest after %v", received, late)
		}
		if reason != socketio.ReasonSlowConsumer {
			t.Errorf("the slow one: %q", reason)
		}
	})
}

// A client that the network has swallowed is noticed in every phase.
func TestFault_L01_BlackHole(t *testing.T) {
	const patience = 45*time.Second + 250*time.Millisecond // PingInterval, PingTimeout
	for name, begin := range map[string]func(t *testing.T, n *siotest.Network){
		"WebSocket, before it joins": func(t *testing.T, n *siotest.Network) { dialWire(t, n, "4") },
		"WebSocket, joined":          func(t *testing.T, n *siotest.Network) { dialWire(t, n, "4").join("/") },
		"WebSocket, with attachments on their way": func(t *testing.T, n *siotest.Network) {
			dialWire(t, n, "4").join("/").send(`452-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "b:\x01")
		},
		"2.x": func(t *testing.T, n *siotest.Network) { dialWire(t, n, "3").expect("40") },
		"polling, never seen again": func(t *testing.T, n *siotest.Network) {
			request(t, n, "GET", "/socket.io/?EIO=4&transport=polling", "")
		},
		"stalled in both directions": func(t *testing.T, n *siotest.Network) { n.Dial(t, "/", nil).Vanish() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				begin(t, n)
				pass(time.Second)
				if io.Engine().Len() != 1 {
					t.Fatal("it has gone before its time")
				}
				pass(patience - time.Second)
				if io.Engine().Len() != 0 {
					t.Errorf("it is still there after %v", patience)
				}
			})
		})
	}
}

// Clients that come in one instant are not pinged in one instant.
func TestFault_L12_PingsAreSpread(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		waiting := make(map[*wire]bool)
		for range 300 {
			waiting[dialWire(t, n, "4").join("/")] = true
		}
		start := time.Now()
		const step = 10 * time.Millisecond
		first, last := time.Duration(-1), time.Duration(0)
		for at := time.Duration(0); len(waiting) > 0; at = time.Since(start) {
			if at > 26*time.Second {
				t.Fatalf("%d clients were not pinged", len(waiting))
			}
			for w := range waiting {
				select {
				case frame := <-w.frames:
					if frame != "2" {
						t.Fatalf("expected a ping, got %s", frame)
					}
					if first < 0 {
						first = at
					}
					last = at
					delete(waiting, w)
				default:
				}
			}
			pass(step)
		}
		if spread := last - first; spread < 2200*time.Millisecond || first < 22*time.Second || last > 25*time.Second+step {
			t.Errorf("pings from %v to %v, want them spread over a tenth of 25s", first, last)
		}
	})
}

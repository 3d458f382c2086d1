package socketio_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

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
		if late > 0 || received != 9900 {
			t.Errorf("%d events, the latest after %v", received, late)
		}
		if reason != socketio.ReasonSlowConsumer {
			t.Errorf("the slow one: %q", reason)
		}
	})
}

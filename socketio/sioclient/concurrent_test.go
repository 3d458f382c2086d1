//go:build !js

package sioclient

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/socketio"
)

// Everything at once, from many goroutines: every call ends, with an answer that
// is right or an error that says that there was no connection, and Close leaves
// nothing behind.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newServer(&socketio.Options{Recovery: &socketio.Recovery{}}))
		for round := range 6 {
			o := ways[round%len(ways)].options
			o.Backoff = Backoff{Min: 10 * time.Millisecond}
			o.Offline.MaxPackets = 10 * (round % 2)
			o.Retry.Max = round / 3 * 2
			o.Inbound = 8
			root := r.client("/", &o)
			event := func(_ context.Context, e *Event) error { return e.Reply(e.Arguments()) }
			root.OnAny(event)
			var answered atomic.Int64
			var all sync.WaitGroup
			for worker := range 8 {
				all.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(round), uint64(worker)))
					for range 150 {
						s := root
						if rng.IntN(2) == 0 {
							other, err := root.Of("/chat", nil)
							if err != nil {
								t.Error(err)
								return
							}
							s = other
						}
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						var err error
						switch n := rng.IntN(12); {
						case n < 4:
							a := rng.IntN(1000)
							var sum int
							if sum, err = add.Call(ctx, s, [2]int{a, 1}); err == nil {
								answered.Add(1)
								if sum != a+1 {
									t.Errorf("%d + 1 is %d", a, sum)
								}
							}
						case n < 6:
							err = s.Emit("chat", message{Text: "x"})
						case n < 7:
							err = s.Send(ctx, "chat", message{Text: "x"})
						case n < 8:
							err = s.Volatile().Emit("chat", message{Text: "x"})
						case n < 10:
							err = s.Connect(ctx)
						case n < 11:
							s.Disconnect()
						default:
							r.cut()
						}
						cancel()
						if err != nil && !errors.Is(err, ErrDisconnected) && !errors.Is(err, ErrQueueFull) && !errors.Is(err, net.ErrClosed) &&
							!errors.Is(err, ErrAckTimeout) && !errors.As(err, new(net.Error)) && s.State().Err == nil {
							t.Errorf("%v in state %v", err, s.State())
						}
						s.State()
						s.Buffered()
						time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
					}
				})
			}
			all.Wait()
			if answered.Load() == 0 {
				t.Error("nothing was answered")
			}
			chat, err := root.Of("/chat", nil)
			if err != nil {
				t.Fatal(err)
			}
			var closing sync.WaitGroup
			for _, s := range []*Socket{root, chat, root} { // both at once, and one twice
				closing.Go(func() { s.Close() })
			}
			closing.Wait()
			if n := root.m.running.Len() + root.running.Len() + chat.running.Len(); n != 0 {
				t.Errorf("%d goroutines are left", n)
			}
		}
	})
}

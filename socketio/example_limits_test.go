package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

func limits() *socketio.Server {
	io := socketio.New(&socketio.Options{
		MaxPayload:     100 << 10,
		HandlerTimeout: 10 * time.Second,
		AckTimeout:     15 * time.Second,                                                 // for ctx without a deadline
		Inbound:        socketio.Queue{MaxPackets: 128, Overflow: socketio.Block},        // stop reading
		Outbound:       socketio.Queue{MaxBytes: 1 << 20, Overflow: socketio.Disconnect}, // "slow consumer"
	})
	event.On2(io, Move, func(ctx context.Context, s *socketio.Socket, x, y float64) error {
		return Move.Emit(s.Others().Volatile(), x, y)
	}, event.Limit(1.0/60, 10)) // one a minute, bursts of 10, the rest is dropped and counted
	return io
}

// Queues, limits and rates.
func Example_limits() {
	t := newExample()
	defer t.end()
	c := siotest.NewServer(t, limits()).Dial(t, "/", nil)
	moved, limited := 0, 0
	for range 12 {
		answer, err := c.Call(t.Context(), "move", 1.5, 2.5)
		if err == nil {
			_, err = event.Plain.Split(answer)
		}
		if refused := (*event.Error)(nil); errors.As(err, &refused) && refused.Code == event.CodeRateLimited {
			limited++
			continue
		}
		moved++
	}
	fmt.Println(moved, "moved,", limited, "limited")
	// Output: 10 moved, 2 limited
}

package socketio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

// Poll.Call(ctx, io.To("game:7"), …) does not compile: a room selection is an Audience, not a Peer.
func nextRound(ctx context.Context, io *socketio.Server) (ready, gone int) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for r := range Poll.Each(ctx, io.To("game:7"), struct{}{}) { // answers as they arrive
		if r.Err != nil { // one entry for each socket without an answer; r.SocketID says which
			gone++
			continue
		}
		ready++
	}
	return ready, gone
}

// A question to many, answered one by one.
func Example_broadcastWithAnswers() {
	io := socketio.New(nil)
	io.Use(func(ctx context.Context, s *socketio.Socket) error { return s.Join("game:7") })

	t := newExample()
	defer t.end()
	srv := siotest.NewServer(t, io)
	for range 3 {
		event.Handle(srv.Dial(t, "/", nil), Poll, func(context.Context, *siotest.Client, struct{}) (Ready, error) {
			return Ready{Load: 0.1}, nil
		})
	}
	quitter := srv.Dial(t, "/", nil)
	quitter.On("poll", func(event.Args) []any {
		quitter.Abort()
		return nil
	})
	ready, gone := nextRound(t.Context(), io)
	fmt.Println(ready, "ready,", gone, "gone")
	// Output: 3 ready, 1 gone
}

package socketio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

func recoverable() *socketio.Server {
	io := socketio.New(&socketio.Options{
		Recovery: &socketio.Recovery{MaxDisconnection: 2 * time.Minute},
	})
	io.OnConnect(func(ctx context.Context, s *socketio.Socket) error {
		if s.Recovered() {
			return nil // same id, same rooms, same data; missed packets are already on their way
		}
		return s.Join("news")
	})
	return io
}

// A client that lost its connection comes back to the socket it had.
func Example_recovery() {
	io := recoverable()
	left := make(chan socketio.Reason, 2)
	io.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) { left <- r })

	t := newExample()
	defer t.end()
	srv := siotest.NewServer(t, io)
	ann := srv.Dial(t, "/", nil)
	joined := event.NewRPC[struct{}, bool]("joined")
	event.Handle(io, joined, func(context.Context, *socketio.Socket, struct{}) (bool, error) { return true, nil })
	joined.Call(t.Context(), ann, struct{}{}) // is answered after OnConnect
	ann.Abort()
	fmt.Println(<-left)
	Chat.Emit(io.To("news"), Message{Text: "you were away"})

	var inbox *event.Subscription[Message]
	again := srv.Dial(t, "/", &siotest.Options{
		Session: ann.Session(),
		Setup:   func(c *siotest.Client) { inbox = event.Subscribe(c, Chat, 16) },
	})
	m, err := inbox.Next(t.Context())
	fmt.Println(again.Recovered(), again.ID() == ann.ID(), m.Text, err)
	// Output:
	// transport close
	// true true you were away <nil>
}

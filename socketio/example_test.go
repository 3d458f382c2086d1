package socketio_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

// A chat: whatever a client says, everybody hears.
func Example() {
	io := socketio.New(nil)
	event.On(io, Chat, func(ctx context.Context, s *socketio.Socket, m Message) error {
		m.From = s.ID()
		return Chat.Emit(io, m) // to everybody in "/"
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	// http.ListenAndServe(":3000", mux) in a real program.

	t := newExample()
	defer t.end()
	defer io.Close()
	srv := siotest.NewServer(t, mux)
	ann, bob := srv.Dial(t, "/", nil), srv.Dial(t, "/", nil)
	inbox := event.Subscribe(bob, Chat, 16)
	Chat.Emit(ann, Message{Text: "hello"})
	m, err := inbox.Next(t.Context())
	fmt.Println(m.Text, m.From == ann.ID(), err)
	// Output: hello true <nil>
}

package socketio_test

import (
	"context"
	"fmt"
	"net/url"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

func rooms(io *socketio.Server) {
	io.OnConnect(func(ctx context.Context, s *socketio.Socket) error {
		return s.Join("user:" + s.Handshake().Query.Get("uid"))
	})
	event.On(io, Chat, func(ctx context.Context, s *socketio.Socket, m Message) error {
		// Everybody in m.Room but the sender and the muted. Each call returns a new value:
		// nothing is stored on the socket, so goroutines cannot mix up each other's targets.
		return Chat.Emit(s.To(m.Room).Except("muted:"+m.Room), m)
	})
	io.OnDisconnect(func(ctx context.Context, s *socketio.Socket, r socketio.Reason) {
		for _, room := range s.Rooms() { // still filled in here, emptied afterwards
			s.To(room).Emit("left", s.ID(), string(r))
		}
	})
}

// Left has a second argument, the reason, which is not asked for.
var Left = event.New[string]("left")

// Rooms are joined by the server; emitters choose among them.
func Example_rooms() {
	io := socketio.New(nil)
	rooms(io)
	io.On("join", socketio.Func(func(s *socketio.Socket, room string) error { return s.Join(room) }))

	t := newExample()
	defer t.end()
	srv := siotest.NewServer(t, io)
	connect := func(uid string, rooms ...string) *siotest.Client {
		c := srv.Dial(t, "/", &siotest.Options{Query: url.Values{"uid": {uid}}})
		for _, room := range rooms {
			if _, err := c.Call(t.Context(), "join", room); err != nil {
				fmt.Println(err)
			}
		}
		return c
	}
	ann := connect("ann", "lobby")
	bob := connect("bob", "lobby")
	connect("eve", "lobby", "muted:lobby")
	inbox := event.Subscribe(bob, Chat, 16)
	left := event.Subscribe(bob, Left, 16)
	Chat.Emit(ann, Message{Room: "lobby", Text: "hello"})
	m, err := inbox.Next(t.Context())
	fmt.Println("bob hears:", m.Text, err)
	ann.Leave()
	who, err := left.Next(t.Context())
	fmt.Println("bob knows who left:", who == ann.ID(), err)
	// Output:
	// bob hears: hello <nil>
	// bob knows who left: true <nil>
}

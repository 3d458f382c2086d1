package socketio_test

import (
	"context"
	"fmt"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/siotest"
)

// The same chat without contracts: event names and arguments are dynamic.
func dynamic(io *socketio.Server) {
	io.On("chat", func(ctx context.Context, e *socketio.Event) error {
		var room, text string
		if err := e.Decode(&room, &text); err != nil {
			return err
		}
		if err := e.Socket().To(room).Emit("chat", e.Socket().ID(), text); err != nil {
			return err
		}
		return e.Reply("ok") // no-op when the client asked for no acknowledgement
	})
	// For code ported from JavaScript: checked once, when it is registered.
	io.On("join", socketio.Func(func(s *socketio.Socket, room string, ack func(ok bool)) {
		ack(s.Join(room) == nil)
	}))
}

// For proxies, gateways, and names that are known only at run time.
func Example_untyped() {
	io := socketio.New(nil)
	dynamic(io)

	t := newExample()
	defer t.end()
	srv := siotest.NewServer(t, io)
	ann, bob := srv.Dial(t, "/", nil), srv.Dial(t, "/", nil)
	heard := make(chan string)
	bob.On("chat", func(args socketioArgs) []any {
		var from, text string
		err := args.Decode(&from, &text)
		heard <- fmt.Sprint(from == ann.ID(), " ", text, " ", err)
		return nil
	})
	joined, err := bob.Call(t.Context(), "join", "lobby")
	fmt.Println("bob joins:", string(joined.Raw()), err)
	answer := make(chan string)
	go func() {
		said, err := ann.Call(t.Context(), "chat", "lobby", "hello")
		answer <- fmt.Sprint(string(said.Raw()), " ", err)
	}()
	fmt.Println("bob hears:", <-heard)
	fmt.Println("ann is told:", <-answer)
	// Output:
	// bob joins: [true] <nil>
	// bob hears: true hello <nil>
	// ann is told: ["ok"] <nil>
}

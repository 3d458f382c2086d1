// Command hello is the server of the README: it greets who asks, and tells the
// others.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
)

type Greeting struct {
	Name string `json:"name"`
}

var Hello = event.NewRPC[Greeting, string]("hello")

func main() {
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", newServer()))
}

func newServer() *socketio.Server {
	io := socketio.New(nil)
	event.Handle(io, Hello, func(ctx context.Context, s *socketio.Socket, g Greeting) (string, error) {
		return "Hello, " + g.Name + "!", s.Others().Emit("greeted", g.Name)
	})
	return io
}

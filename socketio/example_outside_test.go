package socketio_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

// From an ordinary HTTP handler, a queue consumer, a timer: the server is safe for any goroutine.
func order(io *socketio.Server) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := Chat.Emit(io.To("user:"+r.PathValue("id")), Message{Text: "shipped"}); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}
}

func kick(io *socketio.Server, user string) error {
	return io.To("user:" + user).Disconnect()
}

// Emitting from outside of handlers.
func Example_outside() {
	io := socketio.New(nil)
	io.Use(func(ctx context.Context, s *socketio.Socket) error { return s.Join("user:7") })
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("POST /orders/{id}", order(io))

	t := newExample()
	defer t.end()
	srv := siotest.NewServer(t, mux)
	defer io.Close()
	c := srv.Dial(t, "/", nil)
	inbox := event.Subscribe(c, Chat, 16)
	resp, err := http.Post(srv.URL+"/orders/7", "text/plain", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	m, err := inbox.Next(t.Context())
	fmt.Println(resp.Status, m.Text, err)

	fmt.Println(kick(io, "7"))
	<-c.Context().Done()
	fmt.Println(context.Cause(c.Context()))
	// Output:
	// 200 OK shipped <nil>
	// <nil>
	// socketio: not connected: by the server
}

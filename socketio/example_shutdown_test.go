package socketio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/siotest"
)

// In a program, signal.NotifyContext says when, and http.Server.Shutdown comes last.
func ExampleServer_Shutdown() {
	io := socketio.New(nil)
	started := make(chan struct{})
	io.On("job", func(ctx context.Context, e *socketio.Event) error {
		close(started)
		time.Sleep(10 * time.Millisecond) // is not interrupted
		return e.Reply("done")
	})
	io.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) {
		fmt.Println(r, r.WillReconnect())
	})

	t := newExample()
	defer t.end()
	srv := siotest.NewServer(t, io)
	c := srv.Dial(t, "/", nil)
	answer := make(chan string)
	go func() {
		args, err := c.Call(t.Context(), "job")
		answer <- fmt.Sprint(string(args.Raw()), err)
	}()
	<-started

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	// New handshakes get 503, running handlers finish, transports (not namespaces) are closed.
	if err := io.Shutdown(ctx); err != nil {
		fmt.Println(err) // which sockets were cut off
	}
	fmt.Println(<-answer)
	// Output:
	// server shutting down true
	// ["done"]<nil>
}

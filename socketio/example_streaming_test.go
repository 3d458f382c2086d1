package socketio_test

import (
	"bufio"
	"context"
	"fmt"
	stdio "io"
	"strings"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

var Line = event.New[string]("line")

// Producer: Send waits while the outbound queue of this socket is full; Emit would return ErrQueueFull.
func logs(io *socketio.Server, open func() stdio.Reader) {
	io.On("logs", func(ctx context.Context, e *socketio.Event) error {
		socketio.Detach(ctx) // long job: let the next events of this socket start
		for lines := bufio.NewScanner(open()); lines.Scan(); {
			if err := Line.Send(ctx, e.Socket(), lines.Text()); err != nil {
				return err // socket gone, or ctx ended
			}
		}
		return e.Reply("end")
	})
}

// Consumer: pull style, at most 64 lines in hand; then the transport is read no further.
func tail(ctx context.Context, c *siotest.Client, lines int) error {
	sub := event.Subscribe(c, Line, 64) // registered here, not at the first read
	defer sub.Close()
	if err := c.Emit("logs"); err != nil {
		return err
	}
	for line, err := range sub.All(ctx) {
		if err != nil {
			return err
		}
		fmt.Println(line)
		if lines--; lines == 0 {
			break
		}
	}
	return nil
}

// A stream that goes no faster than its reader.
func Example_streaming() {
	io := socketio.New(nil)
	logs(io, func() stdio.Reader { return strings.NewReader("starting\nlistening\nready\n") })

	t := newExample()
	defer t.end()
	c := siotest.NewServer(t, io).Dial(t, "/", nil)
	fmt.Println(tail(t.Context(), c, 3))
	// Output:
	// starting
	// listening
	// ready
	// <nil>
}

package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/siotest"
)

// counters count what hooks tell of.
type counters struct {
	mu     sync.Mutex
	events map[string]int
}

func (c *counters) hooks() *socketio.Hooks {
	return &socketio.Hooks{
		Event: func(ctx context.Context, e *socketio.Event) (context.Context, func(error)) {
			return ctx, func(err error) {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.events[fmt.Sprint(e.Name, " failed: ", err != nil)]++
			}
		},
	}
}

// Logs, hooks, and errors.
func Example_observing() {
	count := &counters{events: make(map[string]int)}
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "socket" {
			return slog.Attr{}
		}
		return a
	}
	io := socketio.New(&socketio.Options{
		// Packets at Debug, refused handshakes at Info, errors and panics (with stack) above.
		Logger: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: withoutTime})),
		Hooks:  count.hooks(),
		OnError: func(ctx context.Context, e *socketio.Event, err error) {
			fmt.Println(e.Name, "failed:", err)
		},
	})
	io.On("refuse", func(context.Context, *socketio.Event) error { return &socketio.Error{Code: "no", Message: "never"} })
	io.On("fail", func(context.Context, *socketio.Event) error { return errors.New("disk full") })
	io.On("work", func(_ context.Context, e *socketio.Event) error { return e.Reply() })

	t := newExample()
	defer t.end()
	c := siotest.NewServer(t, io).Dial(t, "/", nil)
	for _, name := range []string{"refuse", "fail", "work"} {
		c.Call(t.Context(), name)
	}
	io.Shutdown(t.Context()) // waits for the handlers, which have answered but may not have ended
	count.mu.Lock()
	defer count.mu.Unlock()
	fmt.Println(count.events)
	// Output:
	// refuse failed: no: never
	// level=WARN msg="handler failed" event=refuse err="no: never"
	// fail failed: disk full
	// level=ERROR msg="handler failed" event=fail err="disk full"
	// map[fail failed: true:1 refuse failed: true:1 work failed: false:1]
}

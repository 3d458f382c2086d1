package socketio_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
	"github.com/siogo/sio/socketio/siotest"
)

func TestOnAnyOutgoing(t *testing.T) {
	for name, o := range map[string]*socketio.Options{"plain": nil, "recoverable": recovering} {
		t.Run(name, func(t *testing.T) {
			bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				var mu sync.Mutex
				var seen []string
				note := func(prefix string) socketio.HandlerFunc {
					return func(_ context.Context, e *socketio.Event) error {
						mu.Lock()
						defer mu.Unlock()
						seen = append(seen, prefix+e.Name+string(e.Arguments().Raw()))
						return nil
					}
				}
				remove := io.OnAnyOutgoing(note("io "))
				c := n.Dial(t, "/", nil)
				c.On("ask", func(event.Args) []any { return []any{} })
				s := io.Socket(c.ID())
				s.OnAnyOutgoing(note(""))
				s.Emit("one", 1)
				io.Emit("two", "x")
				if _, err := s.Call(t.Context(), "ask", true); err != nil {
					t.Error(err)
				}
				for range io.Each(t.Context(), "ask") {
				}
				saw := func(n int) func() bool {
					return func() bool {
						mu.Lock()
						defer mu.Unlock()
						return len(seen) >= n
					}
				}
				settled(t, saw(8))
				want := []string{"io one[1]", "one[1]", `io two["x"]`, `two["x"]`, "io ask[true]", "ask[true]", "io ask[]", "ask[]"}
				if !slices.Equal(seen, want) {
					t.Errorf("saw %q, want %q", seen, want)
				}
				remove()
				seen = nil
				s.Emit("three")
				settled(t, saw(1))
				if !slices.Equal(seen, []string{"three[]"}) {
					t.Errorf("saw %q after the removal", seen)
				}
			})
		})
	}
}

// Undecoded arguments are sent on as they came.
func TestArgsAreSentOn(t *testing.T) {
	for name, o := range map[string]*socketio.Options{"plain": {}, "recoverable": recovering, "msgpack": {Parser: sioparser.MsgPack()}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				io.On("echo", func(_ context.Context, e *socketio.Event) error {
					if err := e.Socket().Emit("echo", "to", e.Arguments()); err != nil {
						return err
					}
					if err := io.Emit("echo", e.Arguments()); err != nil {
						return err
					}
					return e.Reply(e.Arguments(), []byte{3})
				})
				c := n.Dial(t, "/", &siotest.Options{Parser: o.Parser})
				lengths := make(chan int, 2)
				c.On("echo", func(a event.Args) []any {
					lengths <- a.Len()
					return nil
				})
				args, err := c.Call(t.Context(), "echo", []byte{1}, map[string]any{"b": []byte{2}})
				if err != nil {
					t.Fatal(err)
				}
				var one, three []byte
				var two struct{ B []byte }
				if err := args.Decode(&one, &two, &three); err != nil || args.Len() != 3 || one[0] != 1 || two.B[0] != 2 || three[0] != 3 {
					t.Errorf("answer %s, %v", args.Raw(), err)
				}
				if got := []int{take(t, lengths), take(t, lengths)}; !slices.Equal(got, []int{3, 2}) {
					t.Errorf("events with %v arguments", got)
				}
			})
		})
	}
}

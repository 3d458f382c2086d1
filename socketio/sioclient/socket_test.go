//go:build !js

package sioclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
)

type message struct {
	Text string `json:"text"`
	Data []byte `json:"data,omitempty"`
}

var (
	chat = event.New[message]("chat")
	add  = event.NewRPC[[2]int, int]("add")
	poll = event.NewRPC[struct{}, string]("poll")
)

// newServer is the server of most tests: it sends chats back, adds, and polls
// the client on demand.
func newServer(o *socketio.Options) *socketio.Server {
	io := quiet(o)
	for _, ns := range []*socketio.Namespace{io.Of("/"), io.Of("/chat")} {
		event.On(ns, chat, func(_ context.Context, s *socketio.Socket, m message) error { return chat.Emit(s, m) })
		event.Handle(ns, add, func(_ context.Context, _ *socketio.Socket, in [2]int) (int, error) {
			if in[1] < 0 {
				return 0, &socketio.Error{Code: "negative", Message: "too small"}
			}
			return in[0] + in[1], nil
		})
		ns.On("ask me", func(ctx context.Context, e *socketio.Event) error {
			answer, err := poll.Call(ctx, e.Socket(), struct{}{})
			if err != nil {
				return err
			}
			return e.Reply(answer)
		})
		ns.On("whoami", func(_ context.Context, e *socketio.Event) error {
			var auth map[string]any
			if err := e.Socket().Handshake().DecodeAuth(&auth); err != nil {
				return err
			}
			return e.Reply(e.Socket().ID(), auth)
		})
	}
	return io
}

func TestConversation(t *testing.T) {
	for _, parser := range []struct {
		name string
		p    sioparser.Parser
	}{{"json", sioparser.JSON(nil)}, {"msgpack", sioparser.MsgPack()}} {
		for _, w := range ways {
			t.Run(parser.name+"/"+w.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newServer(&socketio.Options{Parser: parser.p}))
					o := w.options
					o.Parser = parser.p
					c := r.client("/chat", &o)
					inbox := event.Subscribe(c, chat, 16)
					event.Handle(c, poll, func(ctx context.Context, c *Socket, _ struct{}) (string, error) {
						n, err := add.Call(ctx, c, [2]int{20, 3}) // while the server awaits us
						return fmt.Sprint(n), err
					})
					ctx := t.Context()
					if err := c.Connect(ctx); err != nil {
						t.Fatal(err)
					}
					if c.ID() == "" || !c.Connected() || c.Recovered() || c.Namespace() != "/chat" {
						t.Errorf("id %q, connected %v", c.ID(), c.Connected())
					}
					if err := chat.Emit(c, message{"hi", []byte{1, 0, 255}}); err != nil {
						t.Fatal(err)
					}
					if m, err := inbox.Next(ctx); err != nil || m.Text != "hi" || !slices.Equal(m.Data, []byte{1, 0, 255}) {
						t.Errorf("got %v, %v", m, err)
					}
					if n, err := add.Call(ctx, c, [2]int{1, 2}); n != 3 || err != nil {
						t.Errorf("add: %v, %v", n, err)
					}
					var refusal *Error
					if _, err := add.Call(ctx, c, [2]int{1, -2}); !errors.As(err, &refusal) || refusal.Code != "negative" {
						t.Errorf("add: %v", err)
					}
					var answer string
					if args, err := c.Call(ctx, "ask me"); err != nil || args.Decode(&answer) != nil || answer != "23" {
						t.Errorf("ask me: %q, %v", answer, err)
					}
					if err := c.Flush(ctx); err != nil {
						t.Error(err)
					}
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

func TestSeveralNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newServer(nil))
		root := r.dial("", nil)
		other, err := root.Of("chat", &SocketOptions{Auth: Static(map[string]string{"token": "x"})})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := root.Of("/chat", nil); again != other || err != nil {
			t.Errorf("the same namespace gives another socket: %v", err)
		}
		if _, err := root.Of("/chat", &SocketOptions{}); err == nil {
			t.Error("options for a socket that exists were taken")
		}
		if _, err := root.Of("/a,b", nil); err == nil {
			t.Error("a comma was taken")
		}
		if err := other.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		var id string
		var auth map[string]string
		if args, err := other.Call(t.Context(), "whoami"); err != nil || args.Decode(&id, &auth) != nil || id != other.ID() || auth["token"] != "x" {
			t.Errorf("whoami: %q %v, %v", id, auth, err)
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
		if n, err := add.Call(t.Context(), other, [2]int{1, 2}); n != 3 || err != nil { // the connection goes on
			t.Errorf("add: %v, %v", n, err)
		}
		if _, err := root.Of("/x", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("Of of a closed socket: %v", err)
		}
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStatesOverReconnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newServer(nil))
		c := r.client("/", &Options{Backoff: Backoff{Jitter: -1}})
		var mu sync.Mutex
		var calls []string
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, fmt.Sprintf(format, args...))
		}
		c.OnConnect(func(context.Context, *Socket) error { note("connect"); return nil })
		c.OnDisconnect(func(_ context.Context, _ *Socket, r Reason) { note("disconnect %s", r) })
		start := time.Now()
		var states []string
		done := make(chan struct{})
		go func() { // ends with the socket
			defer close(done)
			for st := range c.States(context.Background()) {
				states = append(states, fmt.Sprintf("%v %v after %v", st.Kind, st.Retry, time.Since(start)))
			}
		}()
		synctest.Wait()
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.serve(nil)
		r.cut()
		time.Sleep(5 * time.Second)
		if err := c.Emit("x"); !errors.Is(err, ErrDisconnected) {
			t.Errorf("Emit: %v", err)
		}
		r.serve(newServer(nil))
		time.Sleep(5 * time.Second)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		<-done
		want := []string{
			"disconnected 0s after 0s", "connecting 0s after 0s", "connected 0s after 0s",
			"disconnected 1s after 0s", "connecting 0s after 1s",
			"disconnected 2s after 1s", "connecting 0s after 3s",
			"disconnected 4s after 3s", "connecting 0s after 7s", "connected 0s after 7s",
			"disconnected 0s after 10s", "closed 0s after 10s",
		}
		if !slices.Equal(states, want) {
			t.Errorf("states:\n%q\nexpected:\n%q", states, want)
		}
		if want := []string{"connect", "disconnect transport close", "connect", "disconnect io client disconnect"}; !slices.Equal(calls, want) {
			t.Errorf("handlers: %q, expected %q", calls, want)
		}
	})
}

//go:build languages

package languages

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/interop/internal/process"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
)

type parcel struct {
	Text string   `json:"text"`
	Data []byte   `json:"data"`
	More []parcel `json:"more,omitempty"`
}

// TestGoClientAgainstPython runs our client against a server in Python.
func TestGoClientAgainstPython(t *testing.T) {
	transports := map[string][]string{"polling": {eioclient.Polling}, "websocket": {eioclient.WebSocket}, "upgrade": nil}
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			p := process.Start(t, "python", "../"+python, "server.py")
			var hello struct{ URL string }
			if err := p.Read(&hello); err != nil {
				t.Fatalf("the server in Python: %v", err)
			}
			o := sioclient.Options{
				Transports: transports[mode],
				Backoff:    sioclient.Backoff{Min: 20 * time.Millisecond, Max: 100 * time.Millisecond},
				AckTimeout: time.Minute,
			}
			dial := func(t *testing.T, namespace, token string) (*sioclient.Socket, error) {
				o := o
				o.Auth = sioclient.Static(map[string]string{"token": token})
				c, err := sioclient.New(hello.URL+namespace, &o)
				if err != nil {
					return nil, err
				}
				t.Cleanup(func() { c.Close() })
				return c, c.Connect(patient(t))
			}
			must := func(t *testing.T, namespace string) *sioclient.Socket {
				c, err := dial(t, namespace, "secret")
				if err != nil {
					t.Fatal(err)
				}
				return c
			}

			t.Run("authentication", func(t *testing.T) {
				must(t, "/private")
				_, err := dial(t, "/private", "wrong")
				var refused *sioclient.ConnectError
				if !errors.As(err, &refused) || refused.Message != "not authorized" {
					t.Errorf("the refusal is %v", err)
				}
			})
			t.Run("namespaces", func(t *testing.T) {
				root := must(t, "/")
				chat, err := root.Of("/chat", nil)
				if err == nil {
					err = chat.Connect(patient(t))
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range []*sioclient.Socket{root, chat} {
					if who := whoami(t, c); who.ID != c.ID() || who.Namespace != c.Namespace() {
						t.Errorf("%s is %+v there, and has the id %q", c.Namespace(), who, c.ID())
					}
				}
			})
			t.Run("events", func(t *testing.T) {
				c := must(t, "/chat")
				echo := event.New[parcel]("echo")
				inbox := event.Subscribe(c, echo, 16)
				size := 300_000
				if mode != "websocket" {
					size = 1000 // on aiohttp, the server takes what came first of a POST for the whole: all of it must leave in one write
				}
				for _, want := range []parcel{
					{Text: "ünï ☃ 𝒳 \x00\x1e\u2028", Data: []byte{0, 1, 0x1e, 255}},
					{Text: "large", Data: bytes.Repeat([]byte{7}, size)},
					{Data: []byte{1}, More: []parcel{{Text: "a", Data: []byte("b")}, {Data: []byte{}}}},
				} {
					if err := echo.Emit(c, want); err != nil {
						t.Fatal(err)
					}
					got, err := inbox.Next(patient(t))
					if err != nil || !same(got, want) {
						t.Fatalf("emitted %.200v, got %.200v, %v", want, got, err)
					}
					got, err = event.NewRPC[parcel, parcel]("echo").Call(patient(t), c, want)
					if err != nil || !same(got, want) {
						t.Fatalf("asked %.200v, got %.200v, %v", want, got, err)
					}
					if _, err := inbox.Next(patient(t)); err != nil {
						t.Fatal(err)
					}
				}
			})
			t.Run("asked by the server", func(t *testing.T) {
				c := must(t, "/")
				event.Handle(c, event.NewRPC[int, []byte]("give"), func(ctx context.Context, c *sioclient.Socket, n int) ([]byte, error) {
					return bytes.Repeat([]byte{9}, n), nil
				})
				args, err := c.Call(patient(t), "ask", "give", 1000)
				var answered struct{ Answer [][]byte }
				if err == nil {
					err = args.Decode(&answered)
				}
				if err != nil || len(answered.Answer) != 1 || len(answered.Answer[0]) != 1000 {
					t.Errorf("got %d answers, %v", len(answered.Answer), err)
				}
			})
			t.Run("rooms", func(t *testing.T) {
				in, out := must(t, "/"), must(t, "/")
				message := event.New[string]("message")
				heard, unheard := event.Subscribe(in, message, 16), event.Subscribe(out, message, 16)
				for _, call := range [][]any{{"join", "red"}, {"all-in-room", "red", "hello"}} {
					if _, err := in.Call(patient(t), call[0].(string), call[1:]...); err != nil {
						t.Fatal(err)
					}
				}
				if text, err := heard.Next(patient(t)); err != nil || text != "hello" {
					t.Errorf("the member heard %q, %v", text, err)
				}
				whoami(t, out) // whatever came before has come
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				if text, err := unheard.Next(ended); err == nil {
					t.Errorf("the outsider heard %q", text)
				}
			})
			t.Run("disconnected by the server", func(t *testing.T) {
				c := must(t, "/")
				gone := make(chan sioclient.Reason, 1)
				c.OnDisconnect(func(_ context.Context, _ *sioclient.Socket, reason sioclient.Reason) { gone <- reason })
				if err := c.Emit("kick"); err != nil {
					t.Fatal(err)
				}
				select {
				case reason := <-gone:
					if reason != "io server disconnect" {
						t.Errorf("the reason is %q", reason)
					}
				case <-patient(t).Done():
					t.Error("it was not disconnected")
				}
			})
			t.Run("upgrade", func(t *testing.T) {
				c, want := must(t, "/"), eioclient.WebSocket
				if mode == "polling" {
					want = eioclient.Polling
				}
				for whoami(t, c).Transport != want {
					select {
					case <-patient(t).Done():
						t.Fatalf("the server says it is %s", whoami(t, c).Transport)
					case <-time.After(5 * time.Millisecond):
					}
				}
			})
			t.Run("restart", func(t *testing.T) {
				c := must(t, "/")
				before := c.ID()
				if err := p.WriteLine("restart"); err != nil {
					t.Fatal(err)
				}
				if err := p.Read(&hello); err != nil {
					t.Fatalf("the server in Python: %v", err)
				}
				if err := c.Connect(patient(t)); err != nil { // waits for the reconnection, if it is not there yet
					t.Fatal(err)
				}
				for c.ID() == before || !c.Connected() {
					time.Sleep(5 * time.Millisecond)
				}
				if who := whoami(t, c); who.ID != c.ID() {
					t.Errorf("it is %+v there, and has the id %q", who, c.ID())
				}
			})
		})
	}
}

type identity struct{ ID, Namespace, Transport string }

func whoami(t *testing.T, c *sioclient.Socket) (who identity) {
	t.Helper()
	args, err := c.Call(patient(t), "whoami")
	if err == nil {
		err = args.Decode(&who)
	}
	if err != nil {
		t.Fatalf("whoami: %v", err)
	}
	return who
}

// patient is how long a busy machine may take.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func same(a, b parcel) bool {
	if a.Text != b.Text || !bytes.Equal(a.Data, b.Data) || len(a.More) != len(b.More) {
		return false
	}
	for i := range a.More {
		if !same(a.More[i], b.More[i]) {
			return false
		}
	}
	return true
}

package siotest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
	"github.com/siogo/sio/socketio/siotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type Message struct {
	Text string `json:"text"`
}

var Chat = event.New[Message]("chat")

func newServer() *socketio.Server { // the application's constructor
	io := socketio.New(nil)
	event.On(io, Chat, func(ctx context.Context, s *socketio.Socket, m Message) error {
		return Chat.Emit(s.Others(), m)
	})
	return io
}

func TestOverTCP(t *testing.T) { // like httptest.NewServer; closed by t.Cleanup
	srv := siotest.NewServer(t, newServer())
	a, b := srv.Dial(t, "/", nil), srv.Dial(t, "/", nil)
	inbox := event.Subscribe(b, Chat, 16)
	if err := Chat.Emit(a, Message{Text: "hi"}); err != nil {
		t.Fatal(err)
	}
	m, err := inbox.Next(t.Context())
	if err != nil || m.Text != "hi" {
		t.Fatal(m, err)
	}
}

func TestPingTimeout(t *testing.T) { // in memory and in virtual time: 45 s pass at once
	synctest.Test(t, func(t *testing.T) {
		c := siotest.Pipe(t, newServer(), "/", nil)
		time.Sleep(45 * time.Second)
		if !c.Connected() {
			t.Fatal("heartbeat lost")
		}
	})
}

func TestClientEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(io *socketio.Server, c *siotest.Client)
	}{
		{"close", func(_ *socketio.Server, c *siotest.Client) { c.Close() }},
		{"abort", func(_ *socketio.Server, c *siotest.Client) { c.Abort() }},
		{"leave", func(_ *socketio.Server, c *siotest.Client) { c.Leave() }},
		{"disconnected", func(io *socketio.Server, _ *siotest.Client) { io.All().Disconnect() }},
		{"server closed", func(io *socketio.Server, _ *siotest.Client) { io.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				io := newServer()
				c := siotest.Pipe(t, io, "/", nil)
				inbox := event.Subscribe(c, Chat, 1)
				synctest.Wait()
				tt.end(io, c)
				if _, err := inbox.Next(t.Context()); !errors.Is(err, event.ErrDisconnected) {
					t.Errorf("Next: %v", err)
				}
				if err := Chat.Emit(c, Message{}); !errors.Is(err, event.ErrDisconnected) {
					t.Errorf("Emit: %v", err)
				}
				if _, err := c.Call(t.Context(), "ask"); !errors.Is(err, event.ErrDisconnected) {
					t.Errorf("Call: %v", err)
				}
				synctest.Wait()
				if c.Connected() || io.Adapter().Len() != 0 {
					t.Error("still connected")
				}
			})
		})
	}
}

func TestClientCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := newServer()
		echo := event.NewRPC[[]byte, []byte]("echo", event.ErrorFirst)
		event.Handle(io, echo, func(_ context.Context, _ *socketio.Socket, b []byte) ([]byte, error) {
			if len(b) == 0 {
				return nil, &event.Error{Code: "empty", Message: "m"}
			}
			return b, nil
		})
		c := siotest.Pipe(t, io, "/", nil)
		if b, err := echo.Call(t.Context(), c, []byte("abc")); string(b) != "abc" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		if _, err := echo.Call(t.Context(), c, nil); err == nil || err.Error() != "empty: m" {
			t.Errorf("got %v", err)
		}
		start := time.Now()
		if _, err := c.Call(t.Context(), "nobody"); err != event.ErrAckTimeout || time.Since(start) != 20*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestRefusal(t *testing.T) {
	io := newServer()
	io.Use(func(context.Context, *socketio.Socket) error {
		return &socketio.Error{Code: "c", Message: "m", Data: map[string]int{"n": 7}}
	})
	_, err := siotest.NewServer(t, io).Connect(t.Context(), t, "/", nil)
	var e *event.Error
	var data struct{ N int }
	if !errors.As(err, &e) || e.Code != "c" || e.Message != "m" || e.DecodeData(&data) != nil || data.N != 7 {
		t.Errorf("got %v", err)
	}
}

// The client of package sioclient, which comes back by itself, in virtual time
// too.
func TestWithTheFullClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := siotest.NewNetwork(t, newServer())
		c, err := sioclient.Dial(t.Context(), "http://server", &sioclient.Options{
			Engine: eioclient.Options{DialContext: net.DialContext, Proxy: http.ProxyURL(nil)},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if !c.Connected() {
			t.Errorf("the client is %v", c.State())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

//go:build !js

package sioclient_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
)

// The contract, shared by both sides.
type (
	Message struct{ Room, Text string }
	Join    struct{ Room string }
	Joined  struct{ Members int }
	Ready   struct{ Load float64 }
)

var (
	Chat     = event.New[Message]("chat")
	JoinRoom = event.NewRPC[Join, Joined]("join")
	Poll     = event.NewRPC[struct{}, Ready]("poll")
	Line     = event.New[string]("line")
)

// serve starts the server that the examples talk to.
func serve() (url string, stop func()) {
	io := socketio.New(&socketio.Options{
		Logger:   slog.New(slog.DiscardHandler),
		Recovery: &socketio.Recovery{MaxDisconnection: 2 * time.Minute},
	})
	event.Handle(io, JoinRoom, func(ctx context.Context, s *socketio.Socket, j Join) (Joined, error) {
		if j.Room == "" {
			return Joined{}, &socketio.Error{Code: "invalid", Message: "room is empty"}
		}
		return Joined{Members: 1}, s.Join(j.Room)
	})
	event.On(io, Chat, func(ctx context.Context, s *socketio.Socket, m Message) error {
		return Chat.Emit(io.To(m.Room), m)
	})
	io.On("logs", func(ctx context.Context, e *socketio.Event) error {
		for i := range 3 {
			if err := Line.Send(ctx, e.Socket(), fmt.Sprint("line ", i)); err != nil {
				return err
			}
		}
		return nil
	})
	io.On("start", func(ctx context.Context, e *socketio.Event) error {
		r, err := Poll.Call(ctx, e.Socket(), struct{}{})
		if err != nil {
			return err
		}
		return e.Reply(r.Load)
	})
	hs := httptest.NewServer(io)
	return hs.URL, func() { io.Close(); hs.Close() }
}

// Dial connects, or says why not.
func ExampleDial() {
	url, stop := serve()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c, err := sioclient.Dial(ctx, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	joined, err := JoinRoom.Call(ctx, c, Join{Room: "lobby"})
	fmt.Println(joined.Members, err)

	_, err = JoinRoom.Call(ctx, c, Join{})
	if e := (*sioclient.Error)(nil); errors.As(err, &e) {
		fmt.Println("refused:", e.Code)
	}
	// Output:
	// 1 <nil>
	// refused: invalid
}

// With New, handlers come first and the connection second, so that nothing is
// missed that arrives early.
func ExampleNew() {
	url, stop := serve()
	defer stop()
	ctx := context.Background()

	c, err := sioclient.New(url, &sioclient.Options{ // the path, here none, is the namespace
		Auth:    func(context.Context) (any, error) { return map[string]string{"token": "fresh"}, nil }, // each attempt
		Backoff: sioclient.Backoff{Min: time.Second, Max: 30 * time.Second, Jitter: 0.5},
		Offline: sioclient.Offline{MaxPackets: 100, MaxAge: 30 * time.Second}, // the zero value: Emit fails while offline
	})
	if err != nil {
		fmt.Println(err) // a bad URL or option
		return
	}
	defer c.Close()
	heard := make(chan Message, 1)
	event.On(c, Chat, func(ctx context.Context, _ *sioclient.Socket, m Message) error {
		heard <- m
		return nil
	})
	event.Handle(c, Poll, func(ctx context.Context, _ *sioclient.Socket, _ struct{}) (Ready, error) {
		return Ready{Load: 0.3}, nil
	})
	if err := c.Connect(ctx); err != nil {
		if e := (*sioclient.ConnectError)(nil); errors.As(err, &e) {
			fmt.Println("refused by the server:", e.Message)
		}
		return
	}
	if _, err := JoinRoom.Call(ctx, c, Join{Room: "lobby"}); err != nil {
		fmt.Println(err)
	}
	if err := Chat.Emit(c, Message{Room: "lobby", Text: "hi"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println((<-heard).Text)

	var load float64
	if args, err := c.Call(ctx, "start"); err == nil && args.Decode(&load) == nil {
		fmt.Println("load", load)
	}
	// Output:
	// hi
	// load 0.3
}

// States tells what the connection is doing. After a loss, Recovered says
// whether the server has made up for it.
func ExampleSocket_States() {
	url, stop := serve()
	defer stop()
	ctx := context.Background()
	c, err := sioclient.New(url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var connect sync.Once
	for st := range c.States(ctx) { // the first one is what it is now
		fmt.Println(st.Kind)
		connect.Do(func() { go c.Connect(ctx) })
		if st.Kind == sioclient.Connected && !st.Recovered {
			c.Close() // a real program asks for what it may have missed
		}
	}
	// Output:
	// disconnected
	// connecting
	// connected
	// disconnected
	// closed
}

// A consumer that pulls: at most 64 lines are in hand, then the connection is
// read no further.
func Example_streaming() {
	url, stop := serve()
	defer stop()
	ctx := context.Background()
	c, err := sioclient.Dial(ctx, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	lines := event.Subscribe(c, Line, 64) // registered here, not at the first read
	defer lines.Close()
	c.Emit("logs")
	n := 0
	for line, err := range lines.All(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(line)
		if n++; n == 3 {
			break
		}
	}
	// Output:
	// line 0
	// line 1
	// line 2
}

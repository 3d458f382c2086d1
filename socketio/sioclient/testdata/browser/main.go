//go:build js

// Command browser is the client as a page runs it: it plays scenarios against
// the server that the page came from, and reports each to the page's function
// report, as a line of JSON.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall/js"
	"time"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
)

var base = js.Global().Get("location").Get("origin").String()

func main() {
	for _, s := range scenarios {
		for name, transports := range map[string][]string{"polling": {"polling"}, "websocket": {"websocket"}, "upgrade": nil} {
			for _, v2 := range []bool{false, true} {
				// A browser repeats a request by itself when its connection is closed
				// without an answer: a poll's too, whose answer is lost then. So polling
				// cannot promise what recovery does.
				if s.recovers && (v2 || name != "websocket") {
					continue
				}
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				start := time.Now()
				err := s.run(ctx, sioclient.Options{Transports: transports, V2: v2, Backoff: sioclient.Backoff{Min: 50 * time.Millisecond}})
				cancel()
				report(map[string]any{
					"scenario": fmt.Sprintf("%s/%s/v2=%v", s.name, name, v2),
					"ok":       err == nil,
					"error":    fmt.Sprint(err),
					"ms":       time.Since(start).Milliseconds(),
				})
			}
		}
	}
	report(map[string]any{"done": true})
}

func report(line map[string]any) {
	b, _ := json.Marshal(line)
	js.Global().Call("report", string(b))
}

type parcel struct {
	Text string `json:"text"`
	Data []byte `json:"data"`
}

var (
	echo = event.NewRPC[parcel, parcel]("echo")
	back = event.New[parcel]("back")
	seq  = event.New[int]("seq")
)

var scenarios = []struct {
	name     string
	recovers bool
	run      func(ctx context.Context, o sioclient.Options) error
}{
	{"conversation", false, func(ctx context.Context, o sioclient.Options) error {
		o.Auth = sioclient.Static(map[string]string{"token": "t"})
		c, err := sioclient.New(base+"/chat?q=1", &o)
		if err != nil {
			return err
		}
		defer c.Close()
		inbox := event.Subscribe(c, back, 4)
		event.Handle(c, event.NewRPC[int, string]("how many"), func(_ context.Context, _ *sioclient.Socket, n int) (string, error) {
			return fmt.Sprint(n + 1), nil
		})
		if err := c.Connect(ctx); err != nil {
			return err
		}
		for _, p := range []parcel{{"hi ☃ 𝒳", []byte{0, 1, 255}}, {"", bytes.Repeat([]byte{7}, 100_000)}} {
			got, err := echo.Call(ctx, c, p)
			if err != nil || got.Text != p.Text || !bytes.Equal(got.Data, p.Data) {
				return fmt.Errorf("sent %.30q, got %.30q, %w", p.Text, got.Text, err)
			}
			if err := c.Emit("back", p); err != nil {
				return err
			}
			if got, err := inbox.Next(ctx); err != nil || !bytes.Equal(got.Data, p.Data) {
				return fmt.Errorf("back came %.30q, %w", got.Text, err)
			}
		}
		var answer, token string
		if args, err := c.Call(ctx, "ask me", 41); err != nil || args.Decode(&answer, &token) != nil || answer != "42" || token != "t" {
			return fmt.Errorf("asked, answered %q, token %q: %w", answer, token, err)
		}
		return c.Close()
	}},
	{"refusal", false, func(ctx context.Context, o sioclient.Options) error {
		_, err := sioclient.Dial(ctx, base+"/private", &o)
		if refused := (*sioclient.ConnectError)(nil); !errors.As(err, &refused) || refused.Message != "members only" {
			return fmt.Errorf("expected a refusal, got %w", err)
		}
		return nil
	}},
	{"cut", false, func(ctx context.Context, o sioclient.Options) error {
		o.Retry = sioclient.Retry{Max: 5, Timeout: 5 * time.Second}
		c, err := sioclient.Dial(ctx, base+"/chat", &o)
		if err != nil {
			return err
		}
		defer c.Close()
		var connections atomic.Int32 // its id stays: it is recovered
		c.OnConnect(func(context.Context, *sioclient.Socket) error { connections.Add(1); return nil })
		for i := range int32(3) {
			if err := c.Emit("back", parcel{Text: "x"}); err != nil {
				return err
			}
			for ctx.Err() == nil && connections.Load() <= i {
				if c.Connected() {
					c.Volatile().Emit("cut me") // not to be sent again; it may be dropped
				}
				time.Sleep(20 * time.Millisecond)
			}
			if err := c.Flush(ctx); err != nil {
				return err
			}
		}
		return c.Close()
	}},
	{"recovery", true, func(ctx context.Context, o sioclient.Options) error {
		c, err := sioclient.New(base, &o)
		if err != nil {
			return err
		}
		defer c.Close()
		numbers := event.Subscribe(c, seq, 100)
		if err := c.Connect(ctx); err != nil {
			return err
		}
		id := c.ID()
		if _, err := c.Call(ctx, "count", 30); err != nil { // the server cuts the line in between
			return err
		}
		for i := range 30 {
			if n, err := numbers.Next(ctx); err != nil || n != i {
				return fmt.Errorf("expected %d, got %d, %w", i, n, err)
			}
		}
		if c.ID() != id {
			return errors.New("it is another socket")
		}
		return c.Close()
	}},
}

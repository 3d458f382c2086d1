// Command terminal is a client for the chat example (examples/chat) in the
// terminal:
//
//	go run ./examples/chat &
//	go run ./examples/terminal -name Ada
//
// It comes back by itself when the server was away.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strings"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
)

// What travels; see examples/chat.
type (
	presence struct {
		Username string `json:"username"`
		NumUsers int    `json:"numUsers"`
	}
	message struct {
		Username string `json:"username"`
		Message  string `json:"message"`
	}
)

var (
	addUser = event.New[string]("add user")
	say     = event.New[string]("new message")
	login   = event.New[presence]("login")
	joined  = event.New[presence]("user joined")
	left    = event.New[presence]("user left")
	said    = event.New[message]("new message")
)

func main() {
	url := flag.String("url", "http://127.0.0.1:3000", "the server")
	name := flag.String("name", os.Getenv("USER"), "your name")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := chat(ctx, *url, *name, os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// chat reads lines from in and writes what others say to out, until in or ctx
// ends.
func chat(ctx context.Context, url, name string, in io.Reader, out io.Writer) error {
	if name = strings.TrimSpace(name); name == "" {
		return fmt.Errorf("a name is needed: -name")
	}
	lines := log.New(out, "", 0) // one line at a time, whoever writes
	c, err := sioclient.New(url, &sioclient.Options{
		Logger: slog.New(slog.DiscardHandler), // the states say what there is to say
	})
	if err != nil {
		return err
	}
	defer c.Close()

	event.On(c, login, func(_ context.Context, _ *sioclient.Socket, p presence) error {
		lines.Printf("* welcome, %s; you are %d here", name, p.NumUsers)
		return nil
	})
	event.On(c, joined, func(_ context.Context, _ *sioclient.Socket, p presence) error {
		lines.Printf("* %s joined", p.Username)
		return nil
	})
	event.On(c, left, func(_ context.Context, _ *sioclient.Socket, p presence) error {
		lines.Printf("* %s left", p.Username)
		return nil
	})
	event.On(c, said, func(_ context.Context, _ *sioclient.Socket, m message) error {
		lines.Printf("%s: %s", m.Username, m.Message)
		return nil
	})

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	states, thrownOut := make(chan struct{}), make(chan error, 1)
	go func() { // ends with ctx; chat waits for it
		defer close(states)
		for st := range c.States(ctx) {
			switch {
			case st.Kind != sioclient.Disconnected || st.Err == nil:
			case st.Retry == 0: // the server does not want us
				select {
				case thrownOut <- st.Err:
				default:
				}
			default:
				lines.Printf("* %v", st)
			}
		}
	}()
	defer func() { cancel(); <-states }()

	typed := make(chan string)
	go func() { // ends with in, or at the next line after ctx; nobody waits for it: a terminal cannot be interrupted
		defer close(typed)
		for sc := bufio.NewScanner(in); sc.Scan(); {
			select {
			case typed <- sc.Text():
			case <-ctx.Done():
				return
			}
		}
	}()

	// The server knows a connection by its name, and every connection is another.
	// So there is no use for Options.Offline: what it keeps would go first.
	c.OnConnect(func(context.Context, *sioclient.Socket) error { return addUser.Emit(c, name) })
	_ = c.Connect(ctx) // the states tell
	for {
		select {
		case line, more := <-typed:
			if !more {
				return c.Flush(ctx)
			}
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if err := say.Emit(c, line); err != nil {
				lines.Printf("* not sent: %v", err)
			}
		case err := <-thrownOut:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

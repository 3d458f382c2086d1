package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/siogo/sio/internal/faultproxy"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
)

// TestChat types lines, and reads what others say, also after the server was
// away.
func TestChat(t *testing.T) {
	names := make(chan string, 10)
	heard := make(chan string, 10)
	srv := socketio.New(nil)
	event.On(srv, addUser, func(_ context.Context, s *socketio.Socket, name string) error {
		names <- name
		return login.Emit(s, presence{NumUsers: 1})
	})
	event.On(srv, say, func(_ context.Context, s *socketio.Socket, text string) error {
		heard <- text
		return said.Emit(s, message{"Bob", "you said " + text})
	})
	hs := httptest.NewServer(srv)
	defer hs.Close()
	defer srv.Close()

	line, err := faultproxy.Listen(hs.Listener.Addr().String(), 1, func(int) faultproxy.Faults { return faultproxy.Faults{} })
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()

	in, keyboard := io.Pipe()
	out, screen := io.Pipe()
	over := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() { over <- chat(ctx, "http://"+line.Addr(), " Ada ", in, screen); screen.Close() }() // ends with in
	lines := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("the screen shows %q, expected %q", lines.Text(), want)
		}
	}
	expect("* welcome, Ada; you are 1 here")
	io.WriteString(keyboard, "hello\n\n")
	expect("Bob: you said hello")
	joined.Emit(srv, presence{Username: "Eve"})
	expect("* Eve joined")
	left.Emit(srv, presence{Username: "Eve"})
	expect("* Eve left")

	line.CutAll()
	expect("* disconnected, next attempt in")
	for range 2 {
		if name := <-names; name != "Ada" {
			t.Errorf("the name is %q", name)
		}
	}
	expect("* welcome")
	io.WriteString(keyboard, "again\n")
	expect("Bob: you said again")
	keyboard.Close()
	if lines.Scan() {
		t.Errorf("then: %s", lines.Text())
	}
	if err := <-over; err != nil {
		t.Error(err)
	}

	stay, _ := io.Pipe()
	go func() { over <- chat(ctx, hs.URL, "Eve", stay, io.Discard) }() // ends when she is thrown out
	<-names
	srv.All().Disconnect()
	if err := <-over; !errors.Is(err, sioclient.ErrDisconnected) {
		t.Errorf("thrown out: %v", err)
	}
	if err := chat(ctx, hs.URL, " ", in, io.Discard); err == nil {
		t.Error("somebody without a name was let in")
	}
}

package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

func TestHello(t *testing.T) {
	srv := siotest.NewServer(t, newServer())
	ada, bob := srv.Dial(t, "/", nil), srv.Dial(t, "/", nil)
	greeted := event.Subscribe(bob, event.New[string]("greeted"), 1)

	answer, err := Hello.Call(t.Context(), ada, Greeting{Name: "Ada"})
	if err != nil || answer != "Hello, Ada!" {
		t.Fatalf("the answer is %q, %v", answer, err)
	}
	if name, err := greeted.Next(t.Context()); err != nil || name != "Ada" {
		t.Fatalf("greeted %q, %v", name, err)
	}
}

// TestReadmeShowsThisProgram keeps the README's server the one that is tested.
func TestReadmeShowsThisProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := bytes.Cut(readme, []byte("```go\n"))
	shown, _, _ = bytes.Cut(shown, []byte("```"))
	if _, bare, _ := bytes.Cut(program, []byte("package main")); !bytes.Equal(shown, append([]byte("package main"), bare...)) {
		t.Errorf("the README shows another program than examples/hello/main.go:\n%s", shown)
	}
}

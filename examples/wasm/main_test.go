package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/siogo/sio/examples/wasm/board"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
)

// The contract of the page, used by a client that is no page.
func TestBoard(t *testing.T) {
	io := newBoard()
	hs := httptest.NewServer(io)
	defer hs.Close()
	defer io.Close()
	c, err := sioclient.Dial(t.Context(), hs.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pinned := event.Subscribe(c, board.Pinned, 10)
	for i := range 3 {
		if n, err := board.Pin.Call(t.Context(), c, board.Note{Author: "Ada", Text: " hello "}); err != nil || n != i+1 {
			t.Errorf("Pin: %d, %v", n, err)
		}
		if n, err := pinned.Next(t.Context()); err != nil || n != (board.Note{Author: "Ada", Text: "hello"}) {
			t.Errorf("pinned: %v, %v", n, err)
		}
	}
	if notes, err := board.Notes.Call(t.Context(), c, struct{}{}); err != nil || len(notes) != 3 {
		t.Errorf("Notes: %v, %v", notes, err)
	}
	var refused *sioclient.Error
	if _, err := board.Pin.Call(t.Context(), c, board.Note{Text: " "}); !errors.As(err, &refused) || refused.Code != "empty" {
		t.Errorf("Pin: %v", err)
	}
}

// maxProgram is what the page's program may have, compressed with gzip. More
// than half a megabyte of it is the Go runtime.
const maxProgram = 1_950_000

func TestPageIsOfModerateSize(t *testing.T) {
	program, err := compile(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(program))
	if len(program) > maxProgram {
		t.Errorf("the page's program has %d bytes, at most %d expected", len(program), maxProgram)
	}
}

//go:build js

// Command page is the page of the board: it is compiled to WebAssembly.
package main

import (
	"context"
	"syscall/js"
	"time"

	"github.com/siogo/sio/examples/wasm/board"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
)

func main() {
	ctx := context.Background()
	c, err := sioclient.New(js.Global().Get("location").Get("origin").String(), &sioclient.Options{
		Offline: sioclient.Offline{MaxPackets: 20}, // what is pinned without a connection is pinned later
	})
	if err != nil {
		show(err.Error())
		return
	}
	event.On(c, board.Pinned, func(_ context.Context, _ *sioclient.Socket, n board.Note) error {
		pin(n)
		return nil
	})
	c.OnConnect(func(ctx context.Context, c *sioclient.Socket) error {
		if c.Recovered() {
			return nil
		}
		notes, err := board.Notes.Call(ctx, c, struct{}{})
		if err != nil {
			return err
		}
		element("notes").Call("replaceChildren")
		for _, n := range notes {
			pin(n)
		}
		return nil
	})
	onSubmit(func(n board.Note) {
		// A callback of the browser must not wait; this ends with the answer.
		go func() {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if _, err := board.Pin.Call(ctx, c, n); err != nil {
				show(err.Error())
			}
		}()
	})
	// Ends when there is an outcome; the states tell what it is.
	go c.Connect(ctx)
	for st := range c.States(ctx) { // as long as the page is open
		show(st.String())
	}
}

var document = js.Global().Get("document")

func element(id string) js.Value { return document.Call("getElementById", id) }

func show(status string) { element("status").Set("textContent", status) }

// pin puts a note on the page. It sets texts, never HTML: notes come from others.
func pin(n board.Note) {
	author := document.Call("createElement", "b")
	author.Set("textContent", n.Author)
	line := document.Call("createElement", "li")
	line.Call("append", author, n.Text)
	element("notes").Call("append", line)
}

func onSubmit(f func(n board.Note)) {
	form := element("form")
	value := func(name string) js.Value { return form.Get("elements").Get(name) }
	form.Call("addEventListener", "submit", js.FuncOf(func(_ js.Value, args []js.Value) any {
		args[0].Call("preventDefault")
		f(board.Note{Author: value("author").Get("value").String(), Text: value("text").Get("value").String()})
		value("text").Set("value", "")
		return nil
	}))
}

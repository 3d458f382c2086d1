package socketio_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
	"github.com/siogo/sio/socketio/siotest"
)

// fast stands for another JSON library.
type fast struct{}

func (fast) Marshal(v any) ([]byte, error)   { return json.Marshal(v) }
func (fast) Unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

// The wire stays the same with another JSON library, so clients need not know.
func Example_jsonLibrary() {
	io := socketio.New(&socketio.Options{Parser: sioparser.JSON(fast{})})
	event.Handle(io, AddItem, func(_ context.Context, _ *socketio.Socket, in NewItem) (Item, error) {
		return Item{ID: 1, Name: in.Name}, nil
	})

	t := newExample()
	defer t.end()
	c := siotest.NewServer(t, io).Dial(t, "/", nil)
	fmt.Println(AddItem.Call(t.Context(), c, NewItem{Name: "tea"}))
	// Output: {1 tea} <nil>
}

// MessagePack instead of JSON; JavaScript clients need socket.io-msgpack-parser.
func Example_messagePack() {
	io := socketio.New(&socketio.Options{Parser: sioparser.MsgPack()})
	event.Handle(io, AddItem, func(_ context.Context, _ *socketio.Socket, in NewItem) (Item, error) {
		return Item{ID: 1, Name: in.Name}, nil
	})

	t := newExample()
	defer t.end()
	srv := siotest.NewServer(t, io)
	c := srv.Dial(t, "/", &siotest.Options{Parser: sioparser.MsgPack()})
	fmt.Println(AddItem.Call(t.Context(), c, NewItem{Name: "tea"}))
	// Output: {1 tea} <nil>
}

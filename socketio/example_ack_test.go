package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

// The client asks, the server answers: what the handler returns is the acknowledgement.
func serverSide(io *socketio.Server, db interface {
	Insert(context.Context, string) (int64, error)
}) {
	event.Handle(io, AddItem, func(ctx context.Context, s *socketio.Socket, in NewItem) (Item, error) {
		if in.Name == "" {
			return Item{}, &socketio.Error{Code: "invalid", Message: "name is empty"} // goes to the client
		}
		id, err := db.Insert(ctx, in.Name)      // ctx ends when the socket goes away
		return Item{ID: id, Name: in.Name}, err // any other error goes out as code "internal", text in the log only
	}, event.Timeout(5*time.Second))
}

// The server asks, the client answers; also from inside a handler of the same socket.
func askClient(io *socketio.Server) {
	io.On("start", func(ctx context.Context, e *socketio.Event) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		r, err := Poll.Call(ctx, e.Socket(), struct{}{})
		switch {
		case errors.Is(err, socketio.ErrAckTimeout): // also errors.Is(err, context.DeadlineExceeded)
			return e.Reply("slow")
		case err != nil:
			return err
		}
		return e.Reply(r.Load)
	})
}

func clientSide(ctx context.Context, c *siotest.Client) error {
	item, err := AddItem.Call(ctx, c, NewItem{Name: "tea"})
	if e := (*socketio.Error)(nil); errors.As(err, &e) {
		fmt.Println("refused:", e.Code)
	}
	fmt.Printf("item %+v\n", item)
	return err
}

// shelf is a database.
type shelf struct{ n int64 }

func (s *shelf) Insert(context.Context, string) (int64, error) {
	if s.n++; s.n > 1 {
		return 0, errors.New("the shelf is full")
	}
	return s.n, nil
}

// Acknowledgements in both directions, with timeout and context.
func Example_acknowledgements() {
	io := socketio.New(nil)
	serverSide(io, &shelf{})
	askClient(io)

	t := newExample()
	defer t.end()
	c := siotest.NewServer(t, io).Dial(t, "/", nil)
	fmt.Println(clientSide(t.Context(), c))
	fmt.Println(clientSide(t.Context(), c))
	_, err := AddItem.Call(t.Context(), c, NewItem{})
	fmt.Println(err)

	event.Handle(c, Poll, func(ctx context.Context, _ *siotest.Client, _ struct{}) (Ready, error) {
		return Ready{Load: 0.3}, nil
	})
	load, err := c.Call(t.Context(), "start")
	fmt.Println(string(load.Raw()), err)
	// Output:
	// item {ID:1 Name:tea}
	// <nil>
	// refused: internal
	// item {ID:0 Name:}
	// internal: internal error
	// invalid: name is empty
	// [0.3] <nil>
}

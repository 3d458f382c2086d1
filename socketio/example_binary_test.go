package socketio_test

import (
	"context"
	"fmt"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

type Upload struct {
	Name string `json:"name"`
	Data []byte `json:"data"` // []byte anywhere in the value becomes an attachment; event.Base64 opts out
}

func binary(io *socketio.Server) {
	event.On(io, Frame, func(ctx context.Context, s *socketio.Socket, jpeg []byte) error {
		return Frame.Emit(s.Others(), jpeg) // encoded once for all receivers
	})
	io.On("upload", func(ctx context.Context, e *socketio.Event) error {
		var u Upload
		if err := e.Decode(&u); err != nil {
			return err
		}
		return e.Reply(fmt.Sprintf("%s has %d bytes", u.Name, len(u.Data)))
	})
}

// Bytes travel as attachments, wherever they are in a value.
func Example_binary() {
	io := socketio.New(nil)
	binary(io)

	t := newExample()
	defer t.end()
	srv := siotest.NewServer(t, io)
	ann, bob := srv.Dial(t, "/", nil), srv.Dial(t, "/", nil)
	frames := event.Subscribe(bob, Frame, 16)
	Frame.Emit(ann, []byte{0xFF, 0xD8, 0xFF})
	jpeg, err := frames.Next(t.Context())
	fmt.Printf("% X %v\n", jpeg, err)

	answer, err := ann.Call(t.Context(), "upload", Upload{"a.bin", make([]byte, 1000)})
	fmt.Println(string(answer.Raw()), err)
	// Output:
	// FF D8 FF <nil>
	// ["a.bin has 1000 bytes"] <nil>
}

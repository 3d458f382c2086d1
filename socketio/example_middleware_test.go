package socketio_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/siotest"
)

type User struct {
	ID    string `json:"id"`
	Admin bool   `json:"admin"`
}

// A typed slot for per-socket data. It is also what io.Sockets() shows of remote sockets.
var CurrentUser = socketio.NewKey[User]("user")

func auth(io *socketio.Server, verify func(context.Context, string) (User, error)) {
	login := func(ctx context.Context, s *socketio.Socket) error {
		var a struct {
			Token string `json:"token"`
		}
		if err := s.Handshake().DecodeAuth(&a); err != nil {
			return &socketio.Error{Code: "bad_auth", Message: "auth payload expected"}
		}
		u, err := verify(ctx, a.Token)
		if err != nil {
			return &socketio.Error{Code: "unauthorized", Message: "token refused"} // connect_error at the client
		}
		CurrentUser.Set(s, u)
		return s.Join("user:" + u.ID)
	}
	admin := io.Of("/admin")
	io.Use(login) // each namespace has sockets, and middleware, of its own
	admin.Use(login)
	admin.UseEvents(func(next socketio.Handler) socketio.Handler { // per event, like chi middleware
		return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
			if !CurrentUser.Must(e.Socket()).Admin {
				return &socketio.Error{Code: "forbidden", Message: e.Name}
			}
			return next.ServeEvent(ctx, e)
		})
	})
}

// Middleware, authentication, per-socket data.
func Example_middleware() {
	io := socketio.New(nil)
	auth(io, func(_ context.Context, token string) (User, error) {
		if token == "" {
			return User{}, errors.New("no token")
		}
		return User{ID: token, Admin: token == "root"}, nil
	})
	io.Of("/admin").On("whoami", func(_ context.Context, e *socketio.Event) error {
		return e.Reply(CurrentUser.Must(e.Socket()).ID, e.Socket().Rooms()[1])
	})

	t := newExample()
	defer t.end()
	srv := siotest.NewServer(t, io)
	for _, token := range []string{"", "ann", "root"} {
		c, err := srv.Connect(t.Context(), t, "/admin", &siotest.Options{Auth: map[string]string{"token": token}})
		if err != nil {
			fmt.Println("refused:", err)
			continue
		}
		answer, err := c.Call(t.Context(), "whoami")
		fmt.Println(string(answer.Raw()), err)
	}
	// Output:
	// refused: unauthorized: token refused
	// [{"error":{"code":"forbidden","message":"whoami"}}] <nil>
	// ["root","user:root"] <nil>
}

//go:build !js

package sioclient

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/socketio"
)

// The protocol of the generation 2.x: "/" is joined unasked, for other
// namespaces the auth object is a query, and refusals are bare values.
func TestGeneration2(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				io := newServer(nil)
				io.Of("/private").Use(func(_ context.Context, s *socketio.Socket) error {
					var auth struct{ Token, N string }
					if err := s.Handshake().DecodeAuth(&auth); err != nil || auth.Token != "a&b=c" || auth.N != "7" {
						return &socketio.Error{Message: "no", Data: map[string]string{"hint": auth.Token}}
					}
					return nil
				})
				r := newRig(t, io)
				o := w.options
				o.V2 = true
				token := "wrong"
				o.Auth = func(context.Context) (any, error) {
					return map[string]any{"token": token, "n": 7, "nothing": nil}, nil
				}
				private := r.client("/private", &o)
				err := private.Connect(t.Context())
				var refused *ConnectError
				var data struct{ Hint string }
				if !errors.As(err, &refused) || refused.DecodeData(&data) != nil || data.Hint != "wrong" {
					t.Errorf("Connect: %v", err)
				}
				token = "a&b=c"
				if err := private.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				root := r.of(private, "/") // the server did it long ago
				if err := root.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n, err := add.Call(t.Context(), root, [2]int{1, 2}); n != 3 || err != nil {
					t.Errorf("add: %d, %v", n, err)
				}
				root.Disconnect() // the server is not told, so that this is possible:
				if err := root.Connect(t.Context()); err != nil {
					t.Error(err)
				}
				if n, err := add.Call(t.Context(), root, [2]int{1, 2}); n != 3 || err != nil {
					t.Errorf("add: %d, %v", n, err)
				}
				for s := range io.Of("/private").All().LocalSockets() {
					if s.ID() != private.ID() {
						t.Errorf("the ids are %q and %q", s.ID(), private.ID())
					}
				}
				time.Sleep(time.Hour)
				if !root.Connected() || !private.Connected() {
					t.Error("the heartbeat failed")
				}
				r.lose(root)
				await(t, root, Connected)
				await(t, private, Connected)

				o.Auth = func(context.Context) (any, error) { return "text", nil }
				if err := r.client("/", &o).Connect(t.Context()); err == nil {
					t.Error("an auth that is no object was taken")
				}
			})
		})
	}
}

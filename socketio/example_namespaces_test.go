package socketio_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

func dynamicNamespaces(io *socketio.Server, member func(ctx context.Context, org, user string) bool) {
	org := io.Of("/org/{org}/chat") // patterns as in http.ServeMux
	org.Use(func(ctx context.Context, s *socketio.Socket) error {
		if !member(ctx, s.PathValue("org"), s.Handshake().Query.Get("uid")) {
			return &socketio.Error{Code: "forbidden", Message: "not a member"}
		}
		return nil
	})
	event.On(org, Chat, func(ctx context.Context, s *socketio.Socket, m Message) error {
		return Chat.Emit(s.Namespace(), m) // the concrete child, e.g. /org/acme/chat
	})
	io.OfFunc(func(name string, auth event.Args) bool { return strings.HasPrefix(name, "/game-") })
}

// Namespaces that are made when a client asks for them.
func Example_dynamicNamespaces() {
	io := socketio.New(nil)
	dynamicNamespaces(io, func(_ context.Context, org, user string) bool { return org == "acme" || user == "root" })

	t := newExample()
	defer t.end()
	srv := siotest.NewServer(t, io)
	ann := srv.Dial(t, "/org/acme/chat", nil)
	eve := srv.Dial(t, "/org/evil/chat", &siotest.Options{Query: url.Values{"uid": {"root"}}})
	_, err := srv.Connect(t.Context(), t, "/org/evil/chat", nil)
	fmt.Println(err)
	srv.Dial(t, "/game-7", nil)
	_, err = srv.Connect(t.Context(), t, "/unknown", nil)
	fmt.Println(err)

	at, elsewhere := event.Subscribe(ann, Chat, 16), event.Subscribe(eve, Chat, 16)
	Chat.Emit(ann, Message{Text: "only acme hears this"})
	m, err := at.Next(t.Context())
	fmt.Println("acme hears:", m.Text, err)
	Chat.Emit(io.Of("/org/{org}/chat"), Message{Text: "all organisations hear this"})
	m, err = elsewhere.Next(t.Context())
	fmt.Println("evil hears:", m.Text, err)
	// Output:
	// forbidden: not a member
	// Invalid namespace
	// acme hears: only acme hears this <nil>
	// evil hears: all organisations hear this <nil>
}

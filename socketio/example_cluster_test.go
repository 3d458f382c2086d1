package socketio_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/siotest"
)

// scaled returns two nodes of a cluster. The Hub carries messages within one
// process; other buses do between processes.
func scaled() (a, b *socketio.Server) {
	var found sync.WaitGroup
	found.Add(2)
	options := &socketio.Options{
		Adapter: sioadapter.Clustered(sioadapter.NewHub(nil), &sioadapter.ClusterOptions{
			OnEvent: func(e sioadapter.ClusterEvent) {
				if e.Kind == sioadapter.EventNodeJoined {
					found.Done()
				}
			},
		}),
	}
	a, b = socketio.New(options), socketio.New(options)
	found.Wait() // each knows the other from now on, and asks it
	return a, b
}

func online(ctx context.Context, io *socketio.Server, room string) (n int, err error) {
	for _, e := range io.To(room).Sockets(ctx) { // the whole cluster
		if e != nil {
			return n, e // a *sioadapter.PartialError: how many nodes answered, which did not
		}
		n++
	}
	return n, nil
}

// Nodes that are connected: a room is the same everywhere.
func Example_cluster() {
	t := newExample()
	defer t.end()
	first, second := scaled()
	for _, io := range []*socketio.Server{first, second} {
		io.Use(func(ctx context.Context, s *socketio.Socket) error { return s.Join("lobby") })
		event.Handle(io.Servers(), Poll, func(context.Context, *socketio.ServerEvent, struct{}) (Ready, error) {
			return Ready{Load: 0.3}, nil
		})
	}
	ann, bob := siotest.NewServer(t, first).Dial(t, "/", nil), siotest.NewServer(t, second).Dial(t, "/", nil)
	at, elsewhere := event.Subscribe(ann, Chat, 16), event.Subscribe(bob, Chat, 16)

	Chat.Emit(first.To("lobby"), Message{Text: "hello"})
	for _, inbox := range []*event.Subscription[Message]{at, elsewhere} {
		m, err := inbox.Next(t.Context())
		fmt.Println(m.Text, err)
	}
	fmt.Println(online(t.Context(), first, "lobby"))
	for answer := range Poll.Each(t.Context(), first.Servers(), struct{}{}) { // the other nodes
		fmt.Println(answer.Value.Load, answer.Err)
	}
	// Output:
	// hello <nil>
	// hello <nil>
	// 2 <nil>
	// 0.3 <nil>
}

package sioadapter_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// hall is a namespace whose sockets print what they get.
type hall struct{ name string }

func (h hall) Name() string             { return "/" }
func (h hall) Parser() sioparser.Parser { return sioparser.JSON(nil) }
func (h hall) Logger() *slog.Logger     { return slog.New(slog.DiscardHandler) }

func (h hall) Deliver(p *sioadapter.Packet, _ sioadapter.Flags, to []sioadapter.Member) {
	for _, m := range to {
		fmt.Printf("%s at %s got %s\n", m.ID(), h.name, p.ArgsWithOffset().Raw())
	}
}

func (h hall) Ask(*sioadapter.Packet, sioadapter.Flags, []sioadapter.Member, sioadapter.Answers) func() {
	return func() {}
}

func (h hall) Describe(m sioadapter.Member) sioadapter.Info { return sioadapter.Info{ID: m.ID()} }
func (h hall) Disconnect(sioadapter.Member, bool)           {}

// guest is a socket.
type guest struct {
	id   string
	seat sioadapter.Seat
}

func (g *guest) ID() string             { return g.id }
func (g *guest) Seat() *sioadapter.Seat { return &g.seat }

func ExampleLocal() {
	a := sioadapter.NewLocal(hall{"home"})
	ann, bob := &guest{id: "ann"}, &guest{id: "bob"}
	a.Add(ann)
	a.Add(bob)
	if err := a.Join(bob, "news"); err != nil {
		panic(err)
	}
	args, _ := sioparser.JSON(nil).EncodeArgs("hello", 1)
	if err := a.Broadcast(&sioadapter.Packet{Args: args}, &sioadapter.Selection{Rooms: []string{"news"}}); err != nil {
		panic(err)
	}
	fmt.Println(a.Rooms(bob))
	// Output:
	// bob at home got ["hello",1]
	// [bob news]
}

// Two nodes, one of which falls silent.
func ExampleHub() {
	hub := sioadapter.NewHub(nil)
	joined := make(chan string, 10)
	options := &sioadapter.ClusterOptions{
		RequestTimeout: time.Millisecond,
		OnEvent: func(e sioadapter.ClusterEvent) {
			if e.Kind == sioadapter.EventNodeJoined {
				joined <- e.Node
			}
		},
	}
	a := sioadapter.NewCluster(hall{"a"}, hub, options)
	defer a.Close()
	b := sioadapter.NewCluster(hall{"b"}, hub, options)
	defer b.Close()
	<-joined
	<-joined // they know each other
	a.Add(&guest{id: "ann"})
	b.Add(&guest{id: "bob"})
	hub.Cut(b.Node(), "")
	for info, err := range a.Sockets(context.Background(), &sioadapter.Selection{}) {
		var partial *sioadapter.PartialError
		switch {
		case errors.As(err, &partial):
			fmt.Println(partial.Answered, "of", partial.Expected, "answered; bob's node is missing:", partial.Missing[0] == b.Node())
		default:
			fmt.Println(info.ID)
		}
	}
	// Output:
	// ann
	// 0 of 1 answered; bob's node is missing: true
}

package interop

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
)

// newSocketIO is the Socket.IO half of the contract. Reasons are noted in r.
func newSocketIO(r *reasons, parser sioparser.Parser) *socketio.Server {
	io := socketio.New(&socketio.Options{
		PingInterval: pingInterval,
		PingTimeout:  pingTimeout,
		Parser:       parser,
		Logger:       slog.New(slog.DiscardHandler), // the refusals and disconnections of the scenarios are meant
	})
	for _, name := range []string{"/", "/chat", "/denied", "/private"} {
		handle(io.Of(name), r)
	}
	io.Of("/denied").Use(func(context.Context, *socketio.Socket) error {
		return &socketio.Error{Message: "denied"}
	})
	io.Of("/private").Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct {
			Token string `json:"token"`
		}
		if err := s.Handshake().DecodeAuth(&auth); err != nil || auth.Token != "secret" {
			return &socketio.Error{Message: "not authorized", Data: map[string]any{"code": "E_AUTH", "hint": []string{"token"}}}
		}
		return nil
	})
	return io
}

// handle registers the events of the contract.
func handle(ns *socketio.Namespace, r *reasons) {
	ns.OnDisconnect(func(_ context.Context, s *socketio.Socket, reason socketio.Reason) {
		r.note(s.ID(), string(reason))
	})
	ns.On("reason-of", func(ctx context.Context, e *socketio.Event) error {
		var id string
		if err := e.Decode(&id); err != nil {
			return err
		}
		reason, err := r.wait(ctx, id)
		if err != nil {
			return err
		}
		return e.Reply(reason)
	})

	ns.On("echo", func(_ context.Context, e *socketio.Event) error {
		args, err := values(e.Arguments())
		if err != nil {
			return err
		}
		if e.WantsReply() {
			return e.Reply(args...)
		}
		return e.Socket().Emit("echo", args...)
	})
	ns.On("whoami", func(_ context.Context, e *socketio.Event) error {
		s := e.Socket()
		return e.Reply(map[string]string{"id": s.ID(), "namespace": s.Namespace().Name(), "transport": s.Transport()})
	})
	ns.On("handshake", func(_ context.Context, e *socketio.Event) error {
		h := e.Socket().Handshake()
		query := map[string]string{}
		for name, values := range h.Query {
			query[name] = values[len(values)-1]
		}
		auth := map[string]any{}
		if err := h.DecodeAuth(&auth); err != nil {
			return err
		}
		return e.Reply(map[string]any{"query": query, "auth": auth})
	})
	ns.On("give", func(_ context.Context, e *socketio.Event) error {
		var length int
		if err := e.Decode(&length); err != nil {
			return err
		}
		data := make([]byte, length)
		for i := range data {
			data[i] = byte(i)
		}
		return e.Socket().Emit("given", gift{"gift", data})
	})
	ns.On("ask", ask)

	handleRooms(ns)
	handleSequence(ns)
	ns.On("kick", func(_ context.Context, e *socketio.Event) error {
		var whole bool
		if err := e.Decode(&whole); err != nil {
			return err
		}
		if whole {
			return socketio.Hangup
		}
		return socketio.Leave
	})
}

type gift struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

func ask(ctx context.Context, e *socketio.Event) error {
	var name string
	var arg any
	var ms int
	if err := e.Decode(&name, &arg, &ms); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
	defer cancel()
	answer, err := e.Socket().Call(ctx, name, arg)
	if errors.Is(err, socketio.ErrAckTimeout) {
		return e.Reply(map[string]any{"error": "timeout"})
	} else if err != nil {
		return err
	}
	args, err := values(answer)
	if err != nil {
		return err
	}
	return e.Reply(map[string]any{"answer": args})
}

// handleRooms registers what joins, leaves and selects rooms.
func handleRooms(ns *socketio.Namespace) {
	ns.On("join", func(_ context.Context, e *socketio.Event) error {
		var rooms []string
		if err := e.Decode(&rooms); err != nil {
			return err
		}
		if err := e.Socket().Join(rooms...); err != nil {
			return err
		}
		return e.Reply()
	})
	ns.On("leave", func(_ context.Context, e *socketio.Event) error {
		var room string
		if err := e.Decode(&room); err != nil {
			return err
		}
		if err := e.Socket().Leave(room); err != nil {
			return err
		}
		return e.Reply()
	})
	ns.On("rooms", func(_ context.Context, e *socketio.Event) error {
		s := e.Socket()
		rooms := slices.DeleteFunc(s.Rooms(), func(room string) bool { return room == s.ID() })
		slices.Sort(rooms)
		return e.Reply(rooms)
	})

	// Those whose selection needs no room, then those that take one as their first argument.
	message := func(name string, to func(s *socketio.Socket) event.Target) {
		ns.On(name, func(_ context.Context, e *socketio.Event) error {
			return emitMessage(to(e.Socket()), e.Arguments(), e)
		})
	}
	message("to-others", func(s *socketio.Socket) event.Target { return s.Others() })
	message("to-all", func(s *socketio.Socket) event.Target { return s.Namespace() })

	roomMessage := func(name string, to func(s *socketio.Socket, room string) event.Target) {
		ns.On(name, func(_ context.Context, e *socketio.Event) error {
			var room string
			if err := e.Decode(&room); err != nil {
				return err
			}
			return emitMessage(to(e.Socket(), room), e.Arguments().Shift(), e)
		})
	}
	roomMessage("to-room", func(s *socketio.Socket, room string) event.Target { return s.To(room) })
	roomMessage("all-in-room", func(s *socketio.Socket, room string) event.Target { return s.Namespace().To(room) })
	roomMessage("to-all-except", func(s *socketio.Socket, room string) event.Target { return s.Namespace().Except(room) })
}

// emitMessage emits "message" with the arguments, then acknowledges e.
func emitMessage(to event.Target, args event.Args, e *socketio.Event) error {
	list, err := values(args)
	if err != nil {
		return err
	}
	if err := to.Emit("message", list...); err != nil {
		return err
	}
	return e.Reply()
}

// A sequence is what a socket has received of "seq".
type sequence struct {
	Received   int `json:"received"`
	FirstWrong int `json:"firstWrong"`
}

var sequences = socketio.NewKey[*sequence]("sequence")

// handleSequence registers what the floods need.
func handleSequence(ns *socketio.Namespace) {
	ns.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		sequences.Set(s, &sequence{FirstWrong: -1})
		return nil
	})
	ns.On("seq", func(_ context.Context, e *socketio.Event) error {
		var n int
		if err := e.Decode(&n); err != nil {
			return err
		}
		seen := sequences.Must(e.Socket())
		if n != seen.Received && seen.FirstWrong < 0 {
			seen.FirstWrong = seen.Received
		}
		seen.Received++
		return nil
	})
	ns.On("seq-report", func(_ context.Context, e *socketio.Event) error {
		return e.Reply(sequences.Must(e.Socket()))
	})
	ns.On("flood", func(ctx context.Context, e *socketio.Event) error {
		var n int
		if err := e.Decode(&n); err != nil {
			return err
		}
		socketio.Detach(ctx) // "seq" comes in meanwhile
		for i := range n {
			if err := e.Socket().Emit("seq", i); err != nil {
				return err
			}
			if i%25 == 24 {
				time.Sleep(time.Millisecond)
			}
		}
		return nil
	})
}

// values decodes arguments into what encodes to the same again.
func values(args event.Args) ([]any, error) {
	list := make([]any, args.Len())
	pointers := make([]any, len(list))
	for i := range list {
		pointers[i] = &list[i]
	}
	return list, args.Decode(pointers...)
}

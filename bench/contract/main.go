// Command contract is the server that load tests are run against: a few
// events, the default settings, and nothing else.
//
//	client emits                        server does
//	echo, one argument, ack             acknowledges with that argument
//	broadcast, one argument             emits "msg" with it to everybody in "/"
//	join, an array of rooms, ack        joins them, acknowledges with nothing
//	room-broadcast, a room, an argument emits "msg" with it to everybody in the room
//	gc, ack                             collects garbage, acknowledges with nothing
//
// Namespaces whose name begins with /n- exist on demand and do the same.
//
// It serves /socket.io/ on 127.0.0.1, on the port of -port or of the
// environment variable PORT, or on 3000; besides, what the runtime counts under
// /stats (type stats), and profiles under /debug/pprof/.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
)

func main() {
	port := flag.String("port", envOr("PORT", "3000"), "port on 127.0.0.1")
	plain := flag.Bool("plain", false, "accept all connections through net/http, without the server's Listener")
	flag.Parse()
	var seen tally
	io := newServer(&seen)
	http.Handle("/socket.io/", io)
	http.Handle("/stats", &counters{seen: &seen})
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", *port))
	if err != nil {
		log.Fatal(err)
	}
	if !*plain {
		ln = io.Listener(ln)
	}
	log.Fatal(http.Serve(ln, nil))
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// newServer returns the contract with default settings. What only it can
// see goes to seen.
func newServer(seen *tally) *socketio.Server {
	io := socketio.New(&socketio.Options{Hooks: &socketio.Hooks{Disconnect: seen.disconnected}})
	contract(io.Namespace, seen)
	contract(io.OfFunc(func(name string, _ event.Args) bool { return strings.HasPrefix(name, "/n-") }), seen)
	return io
}

// contract registers the events of one namespace, or of those that a parent
// makes.
func contract(ns *socketio.Namespace, seen *tally) {
	ns.On("echo", func(_ context.Context, e *socketio.Event) error {
		args, err := passOn(e.Arguments())
		if err != nil {
			return err
		}
		return e.Reply(args...)
	})
	ns.On("broadcast", func(_ context.Context, e *socketio.Event) error {
		args, err := passOn(e.Arguments())
		if err != nil {
			return err
		}
		return e.Socket().Namespace().Emit("msg", args...)
	})
	ns.On("join", func(_ context.Context, e *socketio.Event) error {
		var rooms []string
		if err := e.Decode(&rooms); err != nil {
			return err
		}
		start := time.Now()
		err := e.Socket().Join(rooms...)
		seen.joins.add(time.Since(start))
		if err != nil {
			return err
		}
		return e.Reply()
	})
	ns.On("room-broadcast", func(_ context.Context, e *socketio.Event) error {
		var room string
		if err := e.Decode(&room); err != nil {
			return err
		}
		args, err := passOn(e.Arguments().Shift())
		if err != nil {
			return err
		}
		return e.Socket().Namespace().To(room).Emit("msg", args...)
	})
	ns.On("gc", func(_ context.Context, e *socketio.Event) error {
		debug.FreeOSMemory()
		return e.Reply()
	})
}

// passOn returns arguments to be sent as they came: undecoded, unless there
// are attachments among them.
func passOn(args event.Args) ([]any, error) {
	list := make([]any, 0, args.Len())
	if len(args.Attachments()) == 0 {
		for raw := range args.All() {
			list = append(list, json.RawMessage(raw))
		}
		return list, nil
	}
	for i := range args.Len() {
		var v any
		if err := args.Only(i).Decode(&v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

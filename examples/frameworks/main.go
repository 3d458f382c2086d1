// Command frameworks mounts a Socket.IO server in the framework that -with
// names: net/http, chi, gin, echo or fiber. There is one function for each in
// mount.go; the server is the same.
package main

import (
	"context"
	"flag"
	"log"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/siogo/sio/socketio"
)

func main() {
	names := strings.Join(slices.Sorted(maps.Keys(frameworks)), ", ")
	with := flag.String("with", "net/http", "the framework: "+names)
	addr := flag.String("addr", "127.0.0.1:3000", "where to listen")
	flag.Parse()
	mount, ok := frameworks[*with]
	if !ok {
		log.Fatalf("no framework is called %q: there are %s", *with, names)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("Socket.IO in %s at http://%s", *with, listener.Addr())
	log.Fatal(mount(newIO()).Serve(listener))
}

// newIO is the application: it sends every event back.
func newIO() *socketio.Server {
	io := socketio.New(nil)
	io.On("echo", func(_ context.Context, e *socketio.Event) error {
		var text string
		if err := e.Decode(&text); err != nil {
			return err
		}
		return e.Socket().Emit("echo", text)
	})
	return io
}

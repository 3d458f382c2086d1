package main

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/redis/rueidis"
	redisadapter "github.com/siogo/sio/adapters/redis"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
)

// The contract with the page.
type (
	Message struct {
		From string `json:"from"` // the server that the sender is on
		Text string `json:"text"`
	}
	Who    struct{}
	Server struct {
		Name    string `json:"name"`
		Clients int    `json:"clients"` // of all servers
	}
)

var (
	Chat = event.New[Message]("chat")
	WhoE = event.NewRPC[Who, Server]("who")
)

//go:embed page.html
var page []byte

// newServer returns one of the servers.
func newServer(name string, conn redisadapter.Conn) *socketio.Server {
	io := socketio.New(&socketio.Options{
		Adapter:  redisadapter.NewStreams(conn, nil),
		Recovery: &socketio.Recovery{}, // also on another server
	})
	event.On(io, Chat, func(_ context.Context, _ *socketio.Socket, m Message) error {
		m.From = name
		return Chat.Emit(io, m)
	})
	event.Handle(io, WhoE, func(ctx context.Context, _ *socketio.Socket, _ Who) (Server, error) {
		s := Server{Name: name}
		for _, err := range io.All().Sockets(ctx) {
			if err != nil {
				break // some did not report: show those that did
			}
			s.Clients++
		}
		return s, nil
	})
	return io
}

// serve runs one server until ctx ends, and says on standard output where.
func serve(ctx context.Context, name, redis string) error {
	conn, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis}})
	if err != nil {
		return fmt.Errorf("is there a redis-server on %s? %w", redis, err)
	}
	defer conn.Close()
	io := newServer(name, conn)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() {
		patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = io.Shutdown(patience) // clients go to another server, one after the other
		_ = srv.Close()
	})
	fmt.Printf("http://%s\n", l.Addr())
	if err := srv.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

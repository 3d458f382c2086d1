// Command chat is the well-known Socket.IO chat: a page, a name, and whoever
// else is there.
//
// It listens on 127.0.0.1:3000, or on the port in the environment variable
// PORT. The page uses the JavaScript client that the server has; -client names
// a folder with another build, for example node_modules/socket.io-client/dist,
// or "none".
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/siogo/sio/socketio"
)

//go:embed web
var web embed.FS

func main() {
	client := flag.String("client", "", "folder with another build of the JavaScript client, or none")
	flag.Parse()
	if err := run(*client); err != nil {
		log.Fatal(err)
	}
}

// run serves until it is interrupted, then says goodbye to the clients.
func run(client string) error {
	var options socketio.Options
	switch client {
	case "":
	case "none":
		options.DisableClient = true
	default:
		options.ClientFS = os.DirFS(client)
	}
	io := newChat(&options)
	pages, err := fs.Sub(web, "web")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/", http.FileServerFS(pages))

	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	log.Printf("the chat is at http://%s", listener.Addr())

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	// Started here; ends when the signal has come and the clients are gone; run waits for it through closed.
	closed := make(chan error, 1)
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := io.Shutdown(ctx); err != nil {
			log.Print(err) // not everybody was there to hear it
		}
		closed <- server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-closed
}

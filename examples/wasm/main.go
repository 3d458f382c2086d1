// Command wasm is a board of notes whose page is a Go program too: it runs in
// the browser as WebAssembly and uses the same client, and the same contract, as
// any other Go program.
//
// It compiles the page, which takes the Go toolchain, and listens on
// 127.0.0.1:3000, or on the port in the environment variable PORT.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/siogo/sio/examples/wasm/board"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
)

//go:embed index.html
var index []byte

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	io := newBoard()
	handler, err := newPage(ctx, io)
	if err != nil {
		return err
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	log.Printf("the board is at http://%s", listener.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	// Started here; ends when the signal has come; run waits for it through closed.
	closed := make(chan error, 1)
	go func() {
		<-ctx.Done()
		closed <- errors.Join(io.Close(), server.Close())
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-closed
}

// maxNotes is how many notes the board has room for.
const maxNotes = 100

// newBoard returns the server of the board.
func newBoard() *socketio.Server {
	io := socketio.New(nil)
	var mu sync.Mutex
	var notes []board.Note
	event.Handle(io, board.Pin, func(_ context.Context, _ *socketio.Socket, n board.Note) (int, error) {
		if n.Text = strings.TrimSpace(n.Text); n.Text == "" {
			return 0, &socketio.Error{Code: "empty", Message: "a note without text"}
		}
		mu.Lock()
		notes = append(notes, n)
		notes = notes[max(0, len(notes)-maxNotes):]
		count := len(notes)
		mu.Unlock()
		return count, board.Pinned.Emit(io, n)
	})
	event.Handle(io, board.Notes, func(context.Context, *socketio.Socket, struct{}) ([]board.Note, error) {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(notes), nil
	})
	return io
}

// newPage compiles the page and returns what serves it.
func newPage(ctx context.Context, io http.Handler) (http.Handler, error) {
	program, err := compile(ctx)
	if err != nil {
		return nil, err
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	loader := filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js")
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(index)
	})
	mux.HandleFunc("/wasm_exec.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, loader) })
	mux.HandleFunc("/page.wasm", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/wasm")
		w.Header().Set("Content-Encoding", "gzip") // which every browser with WebAssembly takes
		w.Write(program)
	})
	return mux, nil
}

// compile returns the program of the page, compressed.
func compile(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "wasm")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "page.wasm")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "github.com/siogo/sio/examples/wasm/page")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var small bytes.Buffer
	z, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(program); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	log.Printf("the page's program has %d kB, %d kB compressed", len(program)/1000, small.Len()/1000)
	return small.Bytes(), nil
}

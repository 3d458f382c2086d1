package interop

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/siogo/sio/internal/faultproxy"
	"github.com/siogo/sio/socketio"
)

// TestGoClientInBrowser runs our Socket.IO client as WebAssembly in Chromium,
// against our server.
func TestGoClientInBrowser(t *testing.T) {
	var line *faultproxy.Proxy
	io := newBrowserServer(func() { line.CutAll() })
	hs := httptest.NewServer(wasmPage(t, "github.com/siogo/sio/socketio/sioclient/testdata/browser", "/socket.io/", io))
	defer hs.Close()
	defer io.Close()
	var err error
	line, err = faultproxy.Listen(hs.Listener.Addr().String(), 1, func(int) faultproxy.Faults { return faultproxy.Faults{} })
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	t.Run("Chromium", func(t *testing.T) { runSuite(t, page{"http://" + line.Addr()}, "wasm-browser.mjs", "socket", "", "") })
}

// newBrowserServer is what the scenarios of the program talk to; cut breaks all
// connections.
func newBrowserServer(cut func()) *socketio.Server {
	io := socketio.New(&socketio.Options{Recovery: &socketio.Recovery{}, MaxPayload: 1 << 20})
	io.Of("/private").Use(func(context.Context, *socketio.Socket) error { return &socketio.Error{Message: "members only"} })
	chat := io.Of("/chat")
	chat.On("echo", func(_ context.Context, e *socketio.Event) error { return e.Reply(e.Arguments()) })
	chat.On("back", func(_ context.Context, e *socketio.Event) error {
		if e.WantsReply() {
			return e.Reply()
		}
		return e.Socket().Emit("back", e.Arguments())
	})
	chat.On("ask me", func(ctx context.Context, e *socketio.Event) error {
		var auth struct{ Token string }
		if err := e.Socket().Handshake().DecodeAuth(&auth); err != nil {
			return err
		}
		answer, err := e.Socket().Call(ctx, "how many", e.Arguments())
		if err != nil {
			return err
		}
		return e.Reply(answer, auth.Token)
	})
	chat.On("cut me", func(_ context.Context, e *socketio.Event) error {
		cut()
		return nil
	})
	io.On("count", func(ctx context.Context, e *socketio.Event) error {
		if err := e.Reply(); err != nil {
			return err
		}
		socketio.Detach(ctx)
		room := io.To(e.Socket().ID()) // which its successor has as well
		for i := range 30 {
			if i == 10 || i == 20 {
				cut()
			}
			if err := room.Emit("seq", i); err != nil {
				return err
			}
			time.Sleep(5 * time.Millisecond)
		}
		return nil
	})
	return io
}

// wasmPage serves a page that runs a Go program, and a server under a path.
func wasmPage(t *testing.T, program, path string, srv http.Handler) http.Handler {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", file, program)
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("go env: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle(path, srv)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(`<!doctype html><script src="wasm_exec.js"></script><script>
			const go = new Go();
			WebAssembly.instantiateStreaming(fetch("main.wasm"), go.importObject).then(({ instance }) => go.run(instance));
		</script>`))
	})
	mux.HandleFunc("/main.wasm", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	mux.HandleFunc("/wasm_exec.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	})
	return mux
}

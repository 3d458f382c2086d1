package socketio_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siogo/sio/socketio"
)

const handshakeHead = " HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// serveTCP serves srv, with its Listener or without; served counts what
// came to net/http.
func serveTCP(t *testing.T, srv *socketio.Server, listener bool) (addr string, served *atomic.Int32) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, served = ln.Addr().String(), new(atomic.Int32)
	if listener {
		ln = socketio.PatientListener(srv, ln)
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		mux.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() { hs.Serve(ln); close(done) }() // ended and awaited by the cleanup
	t.Cleanup(func() { srv.Close(); hs.Close(); <-done })
	return addr, served
}

// askTCP sends a request and returns the status and what came behind the head:
// a body, or the first bytes of a WebSocket.
func askTCP(t *testing.T, addr, request string) (status int, header http.Header, rest string) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(nc, request)
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		frame := make([]byte, len("\x81\x7e\x00\x000{\"sid\""))
		if _, err := io.ReadFull(br, frame); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header, string(frame)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// Handshakes and their refusals do not come to net/http; the rest does, and gets
// its answer there.
func TestListener(t *testing.T) {
	plain, ours := socketio.New(&socketio.Options{Logger: quiet}), socketio.New(&socketio.Options{Logger: quiet})
	plainAddr, _ := serveTCP(t, plain, false)
	addr, served := serveTCP(t, ours, true)
	const handshake = "GET /socket.io/?EIO=4&transport=websocket" + handshakeHead
	if status, _, frame := askTCP(t, addr, handshake); status != 101 || !strings.Contains(frame, `{"s`) {
		t.Errorf("answered %d %q", status, frame)
	}
	if n := served.Load(); n != 0 {
		t.Errorf("%d requests came to net/http", n)
	}
	for request, want := range map[string]int{
		"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: server\r\n\r\n": 200,
		"GET /socket.io/socket.io.js HTTP/1.1\r\nHost: server\r\n\r\n":             200,
		"GET /socket.io/socket.io.js" + handshakeHead:                              200,
		"GET / HTTP/1.1\r\nHost: server\r\n\r\n":                                   404,
	} {
		if status, _, _ := askTCP(t, addr, request); status != want {
			t.Errorf("%.40q: answered %d", request, status)
		}
	}
	if n := served.Load(); n != 4 {
		t.Errorf("%d of 4 requests came to net/http", n)
	}

	plain.Close()
	ours.Close()
	wantStatus, wantHeader, want := askTCP(t, plainAddr, handshake)
	status, header, got := askTCP(t, addr, handshake)
	if status != 503 || status != wantStatus || got != want || header.Get("Retry-After") != wantHeader.Get("Retry-After") || len(header) != len(wantHeader) {
		t.Errorf("after Close: answered %d %v %q, without a Listener %d %v %q", status, header, got, wantStatus, wantHeader, want)
	}
	if n := served.Load(); n != 4 {
		t.Errorf("the refusal came to net/http")
	}
}

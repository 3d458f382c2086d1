package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gin-gonic/gin"

	"github.com/siogo/sio/socketio"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	m.Run()
}

// Polling, WebSocket and the upgrade from one to the other work in each
// framework.
func TestFrameworks(t *testing.T) {
	for name, mount := range frameworks {
		t.Run(name, func(t *testing.T) {
			addr := start(t, mount)
			t.Run("polling", func(t *testing.T) { testPolling(t, addr) })
			t.Run("websocket", func(t *testing.T) { testWebSocket(t, addr) })
			t.Run("upgrade", func(t *testing.T) { testUpgrade(t, addr) })
		})
	}
}

// start serves on a free port until the test ends.
func start(t *testing.T, mount func(http.Handler) server) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sio := newIO()
	srv := mount(sio)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(listener) }() // ends with Shutdown; the clean-up waits for it
	t.Cleanup(func() {
		sio.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		srv.Shutdown(ctx) // an error says that an idle connection was left; the listener is closed
		<-done
	})
	return listener.Addr().String()
}

func testPolling(t *testing.T, addr string) {
	p := open(t, addr)
	p.post("40")
	if got := p.get(); !strings.HasPrefix(got, `40{"sid":"`) {
		t.Fatalf("joined with %q", got)
	}
	for _, text := range []string{"hello", strings.Repeat("long enough to be compressed ", 100)} {
		p.post(`42["echo","` + text + `"]`)
		if got, want := p.get(), `42["echo","`+text+`"]`; got != want {
			t.Errorf("got %.60q, want %.60q", got, want)
		}
	}
	// A poll that waits is answered as soon as there is something.
	answer := make(chan string, 1)
	go func() { answer <- p.get() }()
	select {
	case got := <-answer:
		t.Fatalf("a poll was answered with %q", got)
	case <-time.After(50 * time.Millisecond):
	}
	p.post(`42["echo","later"]`)
	if got := <-answer; got != `42["echo","later"]` {
		t.Errorf("the waiting poll was answered with %q", got)
	}
}

func testWebSocket(t *testing.T, addr string) {
	ws := dial(t, addr, "")
	ws.expect(`0\{"sid":"[\w-]{20}".*\}`)
	ws.write("40")
	ws.expect(`40\{"sid":"[\w-]{20}"\}`)
	for range 3 {
		ws.write(`42["echo","hello"]`)
		ws.expect(`42\["echo","hello"\]`)
	}
}

func testUpgrade(t *testing.T, addr string) {
	p := open(t, addr)
	p.post("40")
	p.get()
	waiting := make(chan string, 1)
	go func() { waiting <- p.get() }()
	ws := dial(t, addr, "&sid="+p.sid)
	ws.write("2probe")
	ws.expect("3probe")
	if got := <-waiting; got != "6" {
		t.Errorf("the poll that waited was answered with %q, want a noop", got)
	}
	ws.write("5")
	ws.write(`42["echo","hello"]`)
	ws.expect(`42\["echo","hello"\]`)
}

// http.TimeoutHandler keeps handlers from taking over the connection. Upgrades
// through it fail, and the log says why.
func TestTimeoutHandler(t *testing.T) {
	var log bytes.Buffer
	sio := socketio.New(&socketio.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer sio.Close()
	hs := httptest.NewServer(http.TimeoutHandler(sio, time.Minute, "too slow"))
	defer hs.Close()
	_, resp, err := websocket.Dial(t.Context(), hs.URL+"/socket.io/?EIO=4&transport=websocket", nil)
	if err == nil || resp.StatusCode != http.StatusInternalServerError {
		t.Fatalf("answered %v, %v", resp, err)
	}
	for _, want := range []string{"level=ERROR", "*http.timeoutWriter", "http.TimeoutHandler"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
}

// A poller is a client over HTTP long-polling.
type poller struct {
	t   *testing.T
	url string
	sid string
}

func open(t *testing.T, addr string) *poller {
	t.Helper()
	p := &poller{t: t, url: "http://" + addr + "/socket.io/?EIO=4&transport=polling"}
	body := p.get()
	m := regexp.MustCompile(`^0\{"sid":"([\w-]{20})","upgrades":\["websocket"\]`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("handshake answered %q", body)
	}
	p.sid = m[1]
	p.url += "&sid=" + p.sid
	return p
}

func (p *poller) get() string {
	p.t.Helper()
	return p.ask("GET", "")
}

func (p *poller) post(body string) {
	p.t.Helper()
	if got := p.ask("POST", body); got != "ok" {
		p.t.Errorf("POST answered %q", got)
	}
}

// ask sends a request and returns the body of its answer.
func (p *poller) ask(method, body string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.url, strings.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return ""
	}
	req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Errorf("%s answered %s %q, %v", method, resp.Status, b, err)
	}
	return string(b)
}

// A socket is a client over WebSocket.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
	ctx  context.Context
}

func dial(t *testing.T, addr, query string) *socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, "ws://"+addr+"/socket.io/?EIO=4&transport=websocket"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return &socket{t, conn, ctx}
}

func (s *socket) write(packet string) {
	s.t.Helper()
	if err := s.conn.Write(s.ctx, websocket.MessageText, []byte(packet)); err != nil {
		s.t.Fatal(err)
	}
}

// expect reads a packet and matches it against a pattern.
func (s *socket) expect(pattern string) {
	s.t.Helper()
	_, got, err := s.conn.Read(s.ctx)
	if err != nil || !regexp.MustCompile("^"+pattern+"$").Match(got) {
		s.t.Fatalf("got %q, %v, want %s", got, err, pattern)
	}
}

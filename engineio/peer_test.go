package engineio

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/siogo/sio/internal/memnet"
	"github.com/siogo/sio/internal/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a server with the raw peers that talk to it.
type rig struct {
	t      *testing.T
	srv    *Server
	base   string
	dial   func(ctx context.Context) (net.Conn, error)
	client *http.Client
	opened chan *recorder
}

// A recorder is a Handler that keeps what it is told, and echoes messages when
// asked to.
type recorder struct {
	*Session
	echo echoFunc

	mu       sync.Mutex
	messages []string
	closed   chan *CloseError
}

type echoFunc func(r *recorder, data []byte, binary bool)

func (r *recorder) Message(data []byte, binary bool) {
	r.mu.Lock()
	r.messages = append(r.messages, string(data))
	r.mu.Unlock()
	if r.echo != nil {
		r.echo(r, data, binary)
	}
}

func (r *recorder) Closed(err *CloseError) { r.closed <- err }

func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.messages...)
}

func (r *recorder) reason(t *testing.T) Reason {
	t.Helper()
	select {
	case err := <-r.closed:
		return err.Reason
	case <-time.After(time.Minute):
		t.Error("the session did not end")
		return ""
	}
}

func echo(r *recorder, data []byte, binary bool) { r.Send(NewMessage(data, binary)) }

// newRig serves over TCP. The sessions do nothing but record.
func newRig(t *testing.T, o Options) *rig { return overTCP(t, o, nil) }

// newEchoRig serves over TCP; the sessions send every message back.
func newEchoRig(t *testing.T, o Options) *rig { return overTCP(t, o, echo) }

func overTCP(t *testing.T, o Options, echo echoFunc) *rig {
	r := newServer(t, o, echo)
	hs := httptest.NewUnstartedServer(r.srv)
	if os.Getenv(listenerVariable) != "" {
		hs.Listener = r.srv.Listener(hs.Listener)
	}
	hs.Start()
	r.base = hs.URL
	addr := hs.Listener.Addr().String()
	r.dial = func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", addr) }
	r.client = hs.Client()
	t.Cleanup(func() { r.srv.Close(); hs.CloseClientConnections(); hs.Close() })
	return r
}

// newMemRig serves in memory, for virtual time; the sessions send every
// message back. It is to be closed before the test's bubble ends.
func newMemRig(t *testing.T, o Options, configure ...func(*http.Server)) *rig {
	r := newServer(t, o, echo)
	l := memnet.Listen()
	hs := &http.Server{Handler: r.srv}
	for _, f := range configure {
		f(hs)
	}
	done := make(chan struct{})
	go func() { hs.Serve(l); close(done) }() // ended and awaited by the cleanup
	r.base = "http://server"
	r.dial = l.Dial
	r.client = &http.Client{Transport: &http.Transport{DialContext: l.DialContext}}
	t.Cleanup(func() { r.srv.Close(); r.client.CloseIdleConnections(); hs.Close(); <-done })
	return r
}

// readerVariable makes all tests run over the readers with a goroutine for each
// connection, when it is "goroutine".
const readerVariable = "SIO_READER"

// listenerVariable makes all tests over TCP accept through Server.Listener, when
// it is set.
const listenerVariable = "SIO_LISTENER"

func newServer(t *testing.T, o Options, echo echoFunc) *rig {
	r := &rig{t: t, opened: make(chan *recorder, 1<<14)}
	o.GoroutinePerConn = o.GoroutinePerConn || os.Getenv(readerVariable) == "goroutine"
	if o.Open == nil {
		o.Open = func(s *Session) Handler {
			rec := &recorder{Session: s, echo: echo, closed: make(chan *CloseError, 1)}
			r.opened <- rec
			return rec
		}
	}
	var err error
	if r.srv, err = New(&o); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) url(query string) string { return r.base + "/engine.io/?" + query }

// do sends a request and returns status and body.
func (r *rig) do(method, query, contentType, body string) (int, string, http.Header) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url(query), strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func (r *rig) get(query string) (int, string) {
	r.t.Helper()
	status, body, _ := r.do("GET", query, "", "")
	return status, body
}

func (r *rig) post(query, body string) (int, string) {
	r.t.Helper()
	status, answer, _ := r.do("POST", query, "text/plain;charset=UTF-8", body)
	return status, answer
}

// A pollPeer is a raw polling client.
type pollPeer struct {
	r     *rig
	rec   *recorder
	query string
	sid   string
}

func (r *rig) polling(eio string) *pollPeer {
	r.t.Helper()
	status, body := r.get("transport=polling&EIO=" + eio)
	if status != 200 {
		r.t.Fatalf("handshake answered %d %q", status, body)
	}
	i := strings.IndexByte(body, '{')
	j := strings.IndexByte(body, '}')
	var h struct{ Sid string }
	if i < 0 || j < 0 || json.Unmarshal([]byte(body[i:j+1]), &h) != nil || len(h.Sid) != 20 {
		r.t.Fatalf("handshake answered %q", body)
	}
	return &pollPeer{r: r, rec: <-r.opened, sid: h.Sid, query: "transport=polling&EIO=" + eio + "&sid=" + h.Sid}
}

func (p *pollPeer) get() string {
	p.r.t.Helper()
	status, body := p.r.get(p.query)
	if status != 200 {
		p.r.t.Fatalf("poll answered %d %q", status, body)
	}
	return body
}

func (p *pollPeer) post(body string) {
	p.r.t.Helper()
	if status, answer := p.r.post(p.query, body); status != 200 || answer != "ok" {
		p.r.t.Fatalf("POST answered %d %q", status, answer)
	}
}

// goGet polls in the background.
func (p *pollPeer) goGet() <-chan string {
	c := make(chan string, 1)
	go func() {
		resp, err := p.r.client.Get(p.r.url(p.query))
		if err != nil {
			c <- "error: " + err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 {
			c <- fmt.Sprintf("%d %s", resp.StatusCode, b)
			return
		}
		c <- string(b)
	}()
	return c
}

// A wsPeer is a raw WebSocket client.
type wsPeer struct {
	t      *testing.T
	nc     net.Conn
	br     *bufio.Reader
	parser websocket.Parser
	buf    []byte
	rest   []byte
}

var clientFrames = &websocket.Config{Role: websocket.Client, MaxMessage: 64 << 20}

const upgradeHead = "Host: server\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// request opens a connection and sends an upgrade request, followed by extra
// bytes in the same segment. It returns the connection and the answer's head.
func (r *rig) request(query, header, extra string) (*wsPeer, *http.Response) {
	r.t.Helper()
	nc, err := r.dial(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	go io.WriteString(nc, "GET /engine.io/?"+query+" HTTP/1.1\r\n"+header+"\r\n"+extra) // ends with the write or the connection
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	w := &wsPeer{t: r.t, nc: nc, br: br, buf: make([]byte, 64<<10)}
	w.parser.Init(clientFrames, false)
	return w, resp
}

func (r *rig) upgrade(query string) *wsPeer {
	r.t.Helper()
	w, resp := r.request(query, upgradeHead, "")
	if resp.StatusCode != 101 {
		b, _ := io.ReadAll(resp.Body)
		r.t.Fatalf("upgrade answered %d %q", resp.StatusCode, b)
	}
	return w
}

// websocket opens a session over WebSocket and reads its open packet.
func (r *rig) websocket(eio string) (*wsPeer, *recorder) {
	r.t.Helper()
	w := r.upgrade("transport=websocket&EIO=" + eio)
	if open := w.read(); !strings.HasPrefix(open, `0{"sid":"`) {
		r.t.Fatalf("expected the open packet, got %q", open)
	}
	return w, <-r.opened
}

// next returns the next event; kind Close with code 1006 when the connection
// ends without a close frame.
func (w *wsPeer) next() websocket.Event {
	w.t.Helper()
	for {
		ev, n, err := w.parser.Next(w.rest)
		w.rest = w.rest[n:]
		if err != nil {
			w.t.Fatal(err)
		}
		if ev.Kind != websocket.None {
			ev.Data = append([]byte(nil), ev.Data...)
			return ev
		}
		n, err = w.br.Read(w.buf)
		if err != nil {
			return websocket.Event{Kind: websocket.Close, Code: 1006, Data: []byte(err.Error())}
		}
		w.rest = w.buf[:n]
	}
}

// read returns the next message: text as it is, binary as "bin:…", a close as
// "close:<code>".
func (w *wsPeer) read() string {
	w.t.Helper()
	w.nc.SetReadDeadline(time.Now().Add(time.Minute))
	switch ev := w.next(); ev.Kind {
	case websocket.Text:
		return string(ev.Data)
	case websocket.Binary:
		return "bin:" + string(ev.Data)
	case websocket.Ping:
		return "ping:" + string(ev.Data)
	case websocket.Pong:
		return "pong:" + string(ev.Data)
	default:
		return fmt.Sprintf("close:%d", ev.Code)
	}
}

func (w *wsPeer) expect(want ...string) {
	w.t.Helper()
	for _, m := range want {
		if got := w.read(); got != m {
			w.t.Fatalf("got %.200q, want %.200q", got, m)
		}
	}
}

func (w *wsPeer) text(ms ...string) {
	w.t.Helper()
	for _, m := range ms {
		w.raw(websocket.AppendFrame(nil, websocket.Client, websocket.OpText, []byte(m)))
	}
}

func (w *wsPeer) binary(m string) {
	w.t.Helper()
	w.raw(websocket.AppendFrame(nil, websocket.Client, websocket.OpBinary, []byte(m)))
}

func (w *wsPeer) raw(b []byte) {
	w.t.Helper()
	if _, err := w.nc.Write(b); err != nil {
		w.t.Logf("write: %v", err)
	}
}

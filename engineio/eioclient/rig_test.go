//go:build !js

package eioclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/internal/memnet"
	"github.com/siogo/sio/internal/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a server and the way to it.
type rig struct {
	t      testing.TB
	url    string
	addr   string // over TCP
	srv    *engineio.Server
	peers  chan *peer
	dialer func(ctx context.Context, network, addr string) (net.Conn, error)
}

// A peer is the server's side of a session. It sends every message back, unless
// receive is set.
type peer struct {
	*engineio.Session
	receive func(p *peer, data []byte, binary bool)
	closed  chan *engineio.CloseError
}

func (p *peer) Message(data []byte, binary bool) {
	if p.receive != nil {
		p.receive(p, data, binary)
		return
	}
	p.Send(engineio.NewMessage(data, binary))
}

func (p *peer) Closed(err *engineio.CloseError) { p.closed <- err }

func newServer(t testing.TB, o engineio.Options, receive func(p *peer, data []byte, binary bool)) *rig {
	r := &rig{t: t, peers: make(chan *peer, 1<<14)}
	if o.Open == nil {
		o.Open = func(s *engineio.Session) engineio.Handler {
			p := &peer{s, receive, make(chan *engineio.CloseError, 1)}
			r.peers <- p
			return p
		}
	}
	var err error
	if r.srv, err = engineio.New(&o); err != nil {
		t.Fatal(err)
	}
	return r
}

// newRig serves over TCP.
func newRig(t testing.TB, o engineio.Options) *rig {
	r := newServer(t, o, nil)
	r.serveTCP(r.srv)
	return r
}

func (r *rig) serveTCP(h http.Handler) {
	hs := httptest.NewServer(h)
	r.url, r.addr = hs.URL, hs.Listener.Addr().String()
	r.t.Cleanup(func() {
		if r.srv != nil {
			r.srv.Close()
		}
		hs.CloseClientConnections()
		hs.Close()
	})
}

// newMemRig serves in memory, for virtual time.
func newMemRig(t testing.TB, o engineio.Options) *rig {
	r := newServer(t, o, nil)
	r.serveMemory(r.srv)
	return r
}

func (r *rig) serveMemory(h http.Handler) {
	l := memnet.Listen()
	hs := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { hs.Serve(l); close(done) }() // ended and awaited by the cleanup
	r.url, r.dialer = "http://server", l.DialContext
	r.t.Cleanup(func() {
		if r.srv != nil {
			r.srv.Close()
		}
		hs.Close()
		<-done
	})
}

// hostile serves what a test wants, in memory.
func hostile(t testing.TB, h http.HandlerFunc) *rig {
	r := &rig{t: t}
	r.serveMemory(h)
	return r
}

// A recorder is a Handler that keeps what it is told.
type recorder struct {
	*Conn
	onMessage func(data []byte, binary bool)

	mu       sync.Mutex
	messages []string // binary ones with a leading "b:"
	arrived  chan struct{}
	closed   chan *CloseError
}

func newRecorder(c *Conn) *recorder {
	return &recorder{Conn: c, arrived: make(chan struct{}, 1<<16), closed: make(chan *CloseError, 2)}
}

func (r *recorder) Message(data []byte, binary bool) {
	r.mu.Lock()
	if binary {
		r.messages = append(r.messages, "b:"+string(data))
	} else {
		r.messages = append(r.messages, string(data))
	}
	r.mu.Unlock()
	if r.onMessage != nil {
		r.onMessage(data, binary)
	}
	r.arrived <- struct{}{}
}

func (r *recorder) Closed(err *CloseError) { r.closed <- err }

func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// await waits for n messages in all.
func (r *recorder) await(t testing.TB, n int) []string {
	t.Helper()
	for {
		if got := r.got(); len(got) >= n {
			return got
		}
		select {
		case <-r.arrived:
		case err := <-r.closed:
			t.Fatalf("the session ended with %d of %d messages: %v", len(r.got()), n, err)
		case <-time.After(time.Minute):
			t.Fatalf("%d of %d messages came", len(r.got()), n)
		}
	}
}

func (r *recorder) end(t testing.TB) *CloseError {
	t.Helper()
	select {
	case err := <-r.closed:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v is not net.ErrClosed", err)
		}
		return err
	case <-time.After(72 * time.Hour):
		t.Fatal("the session did not end")
		return nil
	}
}

// options completes a test's options; the recorder appears with the session.
func (r *rig) options(o Options) (*Options, func() *recorder) {
	var rec *recorder
	if o.Open == nil {
		o.Open = func(c *Conn) Handler {
			rec = newRecorder(c)
			return rec
		}
	}
	if o.DialContext == nil {
		o.DialContext = r.dialer
	}
	if o.Proxy == nil {
		o.Proxy = noProxy
	}
	return &o, func() *recorder { return rec }
}

// dial opens a session that the test's end closes.
func (r *rig) dial(o Options) *recorder {
	r.t.Helper()
	opts, rec := r.options(o)
	c, err := Dial(context.Background(), r.url, opts)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return rec()
}

// refused dials and returns the error.
func (r *rig) refused(o Options) error {
	r.t.Helper()
	opts, _ := r.options(o)
	c, err := Dial(context.Background(), r.url, opts)
	if err == nil {
		c.Close()
		r.t.Fatal("the session opened")
	}
	return err
}

func (r *rig) peer() *peer {
	r.t.Helper()
	select {
	case p := <-r.peers:
		return p
	case <-time.After(time.Minute):
		r.t.Fatal("no session came to the server")
		return nil
	}
}

// awaitUpgrade waits until the session is over WebSocket.
func (r *recorder) awaitUpgrade(t testing.TB) {
	t.Helper()
	for start := time.Now(); !r.Upgraded(); time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("the session did not upgrade")
		}
	}
}

// A way is one way to carry a session.
type way struct {
	name     string
	options  Options
	upgrades bool
}

var ways = []way{
	{"polling", Options{Transports: []string{Polling}}, false},
	{"websocket", Options{Transports: []string{WebSocket}}, false},
	{"upgrade", Options{}, true},
}

// everyWay runs a test for each revision and transport.
func everyWay(t *testing.T, run func(t *testing.T, o Options, upgrades bool)) {
	for _, rev := range []int{3, 4} {
		for _, w := range ways {
			t.Run(fmt.Sprintf("revision%d/%s", rev, w.name), func(t *testing.T) {
				o := w.options
				o.Revision = revision(rev)
				run(t, o, w.upgrades)
			})
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

// A rawPeer is the server's end of a WebSocket, frame by frame.
type rawPeer struct {
	nc     net.Conn
	br     *bufio.Reader
	parser websocket.Parser
	unread []byte
}

var serverFrames = &websocket.Config{Role: websocket.Server, MaxMessage: 1 << 24, NewInflater: websocket.NewInflater}

// accept makes a WebSocket of a request.
func accept(w http.ResponseWriter, r *http.Request) *rawPeer {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", websocket.AcceptKey(r.Header.Get("Sec-WebSocket-Key")))
	p := &rawPeer{nc: nc, br: rw.Reader}
	p.parser.Init(serverFrames, false)
	return p
}

func (p *rawPeer) send(text string) error {
	_, err := p.nc.Write(websocket.AppendFrame(nil, websocket.Server, websocket.OpText, []byte(text)))
	return err
}

// read returns the next frame as its kind's first letter and its content; ""
// at the end.
func (p *rawPeer) read() string {
	for {
		ev, n, err := p.parser.Next(p.unread)
		p.unread = p.unread[n:]
		switch {
		case err != nil:
			return "error " + err.Error()
		case ev.Kind == websocket.Close:
			return fmt.Sprintf("close %d", ev.Code)
		case ev.Kind != websocket.None:
			return string(ev.Data)
		}
		var buf [4096]byte
		if n, err = p.br.Read(buf[:]); err != nil {
			return ""
		}
		p.unread = append([]byte(nil), buf[:n]...)
	}
}

// drain reads until the client is gone.
func (p *rawPeer) drain() {
	for {
		if s := p.read(); s == "" || strings.HasPrefix(s, "close ") {
			p.nc.Close()
			return
		}
	}
}

const openPacket = `0{"sid":"secret","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`

var discardLog = log.New(io.Discard, "", 0)

// isWebSocket tells the requests for a WebSocket.
func isWebSocket(r *http.Request) bool { return r.URL.Query().Get("transport") == WebSocket }

// isHandshake tells the requests that open a session.
func isHandshake(r *http.Request) bool { return r.URL.Query().Get("sid") == "" }

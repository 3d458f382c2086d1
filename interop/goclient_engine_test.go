package interop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/interop/internal/node"
)

// goPingTimeout is that of the reference server. A busy machine may let one of
// the processes wait for seconds.
const goPingTimeout = 5 * time.Second

// goClients are our Engine.IO client as it talks to each generation of the
// reference server.
var goClients = []struct {
	server   string // npm package
	revision eioparser.Revision
	options  string // of the server
}{
	{"engine.io-3", eioparser.V3, `{"pingInterval":300,"pingTimeout":5000,"perMessageDeflate":true}`},
	{"engine.io", eioparser.V3, `{"pingInterval":300,"pingTimeout":5000,"allowEIO3":true}`},
	{"engine.io", eioparser.V4, `{"pingInterval":300,"pingTimeout":5000,"perMessageDeflate":true}`},
}

var goModes = map[string]eioclient.Options{
	"polling":   {Transports: []string{eioclient.Polling}},
	"websocket": {Transports: []string{eioclient.WebSocket}},
	"upgrade":   {},
}

// TestGoEngineClient runs our Engine.IO client against the reference servers of
// both revisions.
func TestGoEngineClient(t *testing.T) {
	for _, c := range goClients {
		for mode, o := range goModes {
			t.Run(fmt.Sprintf("%s/revision%d/%s", c.server, c.revision, mode), func(t *testing.T) {
				t.Parallel()
				p := node.Start(t, scripts, "engine-server.mjs", c.server, c.options)
				var hello struct{ URL string }
				if err := p.Read(&hello); err != nil {
					t.Fatalf("reference server: %v", err)
				}
				o.Revision = c.revision
				for _, s := range goScenarios {
					t.Run(s.name, func(t *testing.T) { s.run(t, hello.URL, o) })
				}
			})
		}
	}
}

// A goSession is our client's handler.
type goSession struct {
	*eioclient.Conn
	messages chan string
	closed   chan *eioclient.CloseError
}

func (s *goSession) Message(data []byte, binary bool) {
	s.messages <- fmt.Sprintf("%v:%s", binary, data)
}
func (s *goSession) Closed(err *eioclient.CloseError) { s.closed <- err }

func dialGo(t *testing.T, url string, o eioclient.Options) *goSession {
	t.Helper()
	var s *goSession
	o.Open = func(c *eioclient.Conn) eioclient.Handler {
		s = &goSession{c, make(chan string, 10_000), make(chan *eioclient.CloseError, 1)}
		return s
	}
	c, err := eioclient.Dial(t.Context(), url, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return s
}

func (s *goSession) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-s.messages:
		if got != want {
			t.Fatalf("expected %.60q, got %.60q", want, got)
		}
	case err := <-s.closed:
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatalf("expected %.60q, and nothing came", want)
	}
}

func (s *goSession) awaitUpgrade(t *testing.T) {
	t.Helper()
	for start := time.Now(); !s.Upgraded(); time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("there was no upgrade")
		}
	}
}

var goScenarios = []struct {
	name string
	run  func(t *testing.T, url string, o eioclient.Options)
}{
	{"open and close", func(t *testing.T, url string, o eioclient.Options) {
		for _, wait := range []time.Duration{0, 0, 20 * time.Millisecond} {
			s := dialGo(t, url, o)
			if s.ID() == "" || s.PingInterval() != 300*time.Millisecond || s.PingTimeout() != goPingTimeout {
				t.Errorf("session %q, interval %v, timeout %v", s.ID(), s.PingInterval(), s.PingTimeout())
			}
			time.Sleep(wait)
			start := time.Now()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > goPingTimeout { // it does not wait for the server to miss it
				t.Errorf("Close took %v", took)
			}
			if err := <-s.closed; err.Reason != eioclient.ReasonForcedClose {
				t.Error(err)
			}
		}
	}},
	{"messages", func(t *testing.T, url string, o eioclient.Options) {
		for _, deflate := range []*eioclient.Deflate{nil, {}} {
			o.Deflate = deflate
			s := dialGo(t, url, o)
			for range 2 {
				for _, text := range []string{"", "hello", "ünï ☃ 𝒳 👩‍👩‍👧", "\u00001:2", "b", strings.Repeat("x", 100_000)} {
					for _, binary := range []bool{false, true} {
						if err := s.Send(eioclient.Message{Data: []byte(text), Binary: binary}); err != nil {
							t.Fatal(err)
						}
						s.expect(t, fmt.Sprintf("%v:%s", binary, text))
					}
				}
				if o.Transports == nil {
					s.awaitUpgrade(t)
				}
			}
		}
	}},
	{"order", func(t *testing.T, url string, o eioclient.Options) {
		var wg sync.WaitGroup
		var sessions []*goSession
		for range 20 {
			s := dialGo(t, url, o)
			sessions = append(sessions, s)
			wg.Go(func() {
				const n = 500
				for i := range n {
					if err := s.Send(eioclient.Message{Data: fmt.Append(nil, i), Binary: i%4 == 3}); err != nil {
						t.Error(err)
						return
					}
					if i%25 == 0 {
						time.Sleep(time.Millisecond)
					}
				}
				for i := range n {
					select {
					case got := <-s.messages:
						if want := fmt.Sprintf("%v:%d", i%4 == 3, i); got != want {
							t.Errorf("expected %q, got %q", want, got)
							return
						}
					case <-time.After(time.Minute):
						t.Errorf("message %d of %d did not come", i, n)
						return
					}
				}
			})
		}
		wg.Wait()
		if o.Transports == nil {
			for _, s := range sessions { // on a busy machine it may come after the messages
				s.awaitUpgrade(t)
			}
		}
	}},
	{"heartbeat", func(t *testing.T, url string, o eioclient.Options) {
		s := dialGo(t, url, o)
		time.Sleep(goPingTimeout + time.Second) // longer than an interval and a timeout
		if err := s.Send(eioclient.Text("still here")); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "false:still here")
	}},
	{"closed by the server", func(t *testing.T, url string, o eioclient.Options) {
		s := dialGo(t, url, o)
		if o.Transports == nil {
			s.awaitUpgrade(t)
		}
		s.Send(eioclient.Text("many:100"), eioclient.Text("close"))
		err := <-s.closed
		if err.Reason != eioclient.ReasonTransportClose || !err.Remote {
			t.Error(err)
		}
		if n := len(s.messages); n != 100 {
			t.Errorf("%d of 100 messages came before the end", n)
		}
	}},
	{"sent, then closed", func(t *testing.T, url string, o eioclient.Options) {
		s := dialGo(t, url, o)
		for range 50 {
			s.Send(eioclient.Text(strings.Repeat("x", 10_000)))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}},
}

// TestGoEngineClientRefused: what the reference refuses is an error that says
// so.
func TestGoEngineClientRefused(t *testing.T) {
	p := node.Start(t, scripts, "engine-server.mjs", "engine.io")
	var hello struct{ URL string }
	if err := p.Read(&hello); err != nil {
		t.Fatalf("reference server: %v", err)
	}
	open := func(c *eioclient.Conn) eioclient.Handler { return &goSession{Conn: c} }
	_, err := eioclient.Dial(context.Background(), hello.URL, &eioclient.Options{Open: open, Revision: eioparser.V3})
	var status *eioclient.StatusError
	if !errors.As(err, &status) || status.Status != 400 || status.Code != 5 || status.Message != "Unsupported protocol version" {
		t.Errorf("revision 3: %v", err)
	}
	_, err = eioclient.Dial(context.Background(), hello.URL+"/elsewhere/", &eioclient.Options{Open: open})
	if !errors.As(err, &status) || status.Status != http.StatusNotFound {
		t.Errorf("another path: %v", err)
	}
}

// TestGoEngineClientInBrowser runs our Engine.IO client as WebAssembly in
// Chromium, against our server.
func TestGoEngineClientInBrowser(t *testing.T) {
	srv, err := engineio.New(&engineio.Options{Open: func(s *engineio.Session) engineio.Handler { return pageEcho{s} }})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(wasmPage(t, "github.com/siogo/sio/engineio/eioclient/testdata/browser", "/engine.io/", srv))
	defer hs.Close()
	defer srv.Close()
	runSuite(t, page{hs.URL}, "wasm-browser.mjs", "engine", "", "")
}

type page struct{ url string }

func (p page) URL() string { return p.url }

func (page) Restart() (map[string]string, error) { panic("the page is not restarted") }

type pageEcho struct{ s *engineio.Session }

func (p pageEcho) Message(data []byte, binary bool) {
	if string(data) == "close" {
		p.s.Close()
		return
	}
	p.s.Send(engineio.NewMessage(data, binary))
}

func (pageEcho) Closed(*engineio.CloseError) {}

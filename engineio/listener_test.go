package engineio

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/cors"

	"github.com/siogo/sio/internal/intercept"
)

// newListenerRig serves over TCP through a Listener; the sessions send every
// message back.
func newListenerRig(t *testing.T, o Options) (r *rig, hs *httptest.Server) {
	r = newServer(t, o, echo)
	hs = httptest.NewUnstartedServer(r.srv)
	hs.Listener = r.srv.listener(hs.Listener, time.Hour) // however slow the test is
	hs.Start()
	r.base = hs.URL
	addr := hs.Listener.Addr().String()
	r.dial = func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", addr) }
	r.client = hs.Client()
	t.Cleanup(func() { r.srv.Close(); hs.CloseClientConnections(); hs.Close() })
	return r, hs
}

const websocketQuery = "transport=websocket&EIO=4"

// Handshakes do not come to the HTTP server, all else does, and what the
// application sees of them is the same.
func TestListenerTakesHandshakes(t *testing.T) {
	served := make(chan bool, 1)
	r, _ := newListenerRig(t, Options{AllowRequest: func(r *http.Request) error {
		served <- r.Context().Value(http.ServerContextKey) != nil
		return nil
	}})
	w, rec := r.websocket("4")
	if <-served {
		t.Error("the handshake came to the HTTP server")
	}
	w.text("4hello")
	w.expect("4hello")
	hs := rec.Handshake()
	if hs.RemoteAddr() != w.nc.LocalAddr().String() || hs.ClientAddr().String() != "127.0.0.1" || hs.Host() != "server" || hs.Secure() {
		t.Errorf("the handshake is from %s, %v, for %s", hs.RemoteAddr(), hs.ClientAddr(), hs.Host())
	}
	if got := hs.Context().Value(http.LocalAddrContextKey); fmt.Sprint(got) != w.nc.RemoteAddr().String() {
		t.Errorf("the local address is %v", got)
	}
	if got := hs.Header().Get("Upgrade"); got != "websocket" {
		t.Errorf("the headers are %v", hs.Header())
	}
	_, other := r.websocket("3")
	if <-served || other.Handshake().Context() != hs.Context() {
		t.Error("the contexts of sessions are not shared")
	}
	p := r.polling("4")
	if !<-served {
		t.Error("polling did not come to the HTTP server")
	}
	p.post("4on")
	if got := p.get(); got != "4on" {
		t.Errorf("polled %q", got)
	}
	if n := r.srv.Len(); n != 3 {
		t.Errorf("%d sessions", n)
	}
}

// Frames that come with the handshake, or in pieces with it, are not lost.
func TestListenerEarlyFrames(t *testing.T) {
	r, _ := newListenerRig(t, Options{})
	long := "4" + strings.Repeat("x", 10<<10) // more than the first read takes
	w, _ := r.request(websocketQuery, upgradeHead, frame(0x81, "4early")+frame(0x81, long)+frame(0x81, "4last"))
	w.read()
	w.expect("4early", long, "4last")

	for _, cut := range []int{1, 30, 100} { // then it is the HTTP server's
		c := r.connect()
		request := head("GET", websocketQuery) + upgradeHead[len("Host: server\r\n"):] + "\r\n" + frame(0x81, "4early")
		io.WriteString(c.nc, request[:cut])
		io.WriteString(c.nc, request[cut:])
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil || resp.StatusCode != 101 {
			t.Fatal(resp, err)
		}
		w := &wsPeer{t: t, nc: c.nc, br: c.br, buf: make([]byte, 64<<10)}
		w.parser.Init(clientFrames, false)
		w.read()
		w.expect("4early")
	}
}

// An upgrade is taken when it has a connection of its own, and not when polling
// went before. Either way it is the poller that reads it.
func TestListenerUpgrade(t *testing.T) {
	r, _ := newListenerRig(t, Options{})
	switched := func(p *pollPeer, w *wsPeer) {
		t.Helper()
		w.text("2probe")
		w.expect("3probe")
		w.text("5", "4hello")
		w.expect("4hello")
		ws := p.rec.Session.ws.Load()
		if polled := ws != nil && ws.conn.Polled(); polled != (runtime.GOOS == "linux" && os.Getenv(readerVariable) == "") {
			t.Errorf("read by the poller: %v", polled)
		}
	}
	p := r.polling("4")
	switched(p, r.upgrade(p.upgradeQuery()))

	c := r.connect()
	c.send(head("GET", "transport=polling&EIO=4") + "\r\n")
	resp, body := c.answer()
	_, sid, ok := strings.Cut(body, `"sid":"`)
	if resp.StatusCode != 200 || !ok {
		t.Fatalf("answered %d %q", resp.StatusCode, body)
	}
	p = &pollPeer{r: r, rec: <-r.opened, sid: sid[:20], query: "transport=polling&EIO=4&sid=" + sid[:20]}
	c.send(head("GET", p.upgradeQuery()) + upgradeHead[len("Host: server\r\n"):] + "\r\n")
	if resp, err := http.ReadResponse(c.br, nil); err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	w := &wsPeer{t: t, nc: c.nc, br: c.br, buf: make([]byte, 64<<10)}
	w.parser.Init(clientFrames, false)
	switched(p, w)
}

// Refusals, whoever speaks them, are what they are without a Listener, and the
// connection ends with them.
func TestListenerRefusals(t *testing.T) {
	deny := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "who are you?", http.StatusUnauthorized)
		})
	}
	for _, tc := range []struct {
		name    string
		o       Options
		query   string
		headers string // in place of the usual ones of an upgrade, if not empty
		status  int
	}{
		{"transport", Options{}, "transport=x&EIO=4", "", 400},
		{"no transport", Options{}, "EIO=4", "", 400},
		{"polling", Options{}, "transport=polling&EIO=4", "", 400},
		{"session", Options{}, websocketQuery + "&sid=unknown", "", 400},
		{"revision", Options{DisableRevision3: true}, "transport=websocket&EIO=3", "", 400},
		{"WebSocket version", Options{}, websocketQuery, strings.Replace(upgradeHead, "13", "12", 1), 426},
		{"key", Options{}, websocketQuery, strings.Replace(upgradeHead, "dGhl", "", 1), 400},
		{"AllowRequest", Options{AllowRequest: func(*http.Request) error { return errors.New("not you") }}, websocketQuery, "", 400},
		{"another site", Options{}, websocketQuery, upgradeHead + "Origin: https://evil.example\r\nCookie: a=b\r\n", 400},
		{"another site, with CORS", Options{CORS: &cors.Options{AllowedOrigins: []string{appOrigin}}}, websocketQuery, upgradeHead + "Origin: https://evil.example\r\n", 400},
		{"CORS", Options{CORS: &cors.Options{AllowedOrigins: []string{appOrigin}, AllowCredentials: true}}, "transport=x", upgradeHead + "Origin: " + appOrigin + "\r\n", 400},
		{"middleware", Options{Middleware: []func(http.Handler) http.Handler{named("A"), deny}}, websocketQuery, "", 401},
		{"a hidden connection", Options{Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Minute, "") }}}, websocketQuery, "", 500},
		{"deflate", Options{Deflate: &Deflate{}}, websocketQuery, upgradeHead + "Sec-WebSocket-Extensions: ;;\r\n", 400},
		{"the application", Options{MaxSessions: 1, Open: func(*Session) Handler { return nil }}, "transport=x", "", 400},
	} {
		plain := newEchoRig(t, tc.o)
		ours, _ := newListenerRig(t, tc.o)
		headers := orDefault(tc.headers, upgradeHead)
		want, wantBody := refused(t, plain, tc.query, headers)
		got, gotBody := refused(t, ours, tc.query, headers)
		if got.StatusCode != tc.status || !slices.Equal(headerLines(got), headerLines(want)) || gotBody != wantBody {
			t.Errorf("%s: answered\n%d %q %q, without a Listener\n%d %q %q", tc.name, got.StatusCode, headerLines(got), gotBody, want.StatusCode, headerLines(want), wantBody)
		}
		if !got.Close {
			t.Errorf("%s: the connection may be used again", tc.name)
		}
	}
}

// refused sends a handshake and returns the answer; the connection has to end
// then if the answer says so.
func refused(t *testing.T, r *rig, query, headers string) (*http.Response, string) {
	t.Helper()
	c := r.connect()
	c.send("GET /engine.io/?" + query + " HTTP/1.1\r\n" + headers + "\r\n")
	resp, body := c.answer()
	if resp.Close {
		c.expectEOF()
	}
	return resp, body
}

func headerLines(r *http.Response) (lines []string) {
	for name, values := range r.Header {
		if name != "Date" {
			lines = append(lines, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(lines)
	return lines
}

// When the server is closed, handshakes get the same 503; the HTTP server and
// its listener go on.
func TestListenerAfterClose(t *testing.T) {
	plain := newEchoRig(t, Options{})
	ours, _ := newListenerRig(t, Options{})
	w, _ := ours.websocket("4")
	for _, r := range []*rig{plain, ours} {
		if err := r.srv.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.read(); got != "1" && !strings.HasPrefix(got, "close:") {
		t.Errorf("the session ended with %q", got)
	}
	want, wantBody := refused(t, plain, websocketQuery, upgradeHead)
	got, gotBody := refused(t, ours, websocketQuery, upgradeHead)
	if got.StatusCode != 503 || !slices.Equal(headerLines(got), headerLines(want)) || gotBody != wantBody {
		t.Errorf("answered %d %q %q, without a Listener %d %q %q", got.StatusCode, headerLines(got), gotBody, want.StatusCode, headerLines(want), wantBody)
	}
}

// Middleware around a request that is answered here may do what it may do
// elsewhere: wrap the writer, add to the context, take the connection itself.
func TestListenerMiddleware(t *testing.T) {
	type key struct{}
	around := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Around", "yes")
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Nanosecond)) // of the request, not of the session
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "value")))
		})
	}
	for name, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"nothing":      func(w http.ResponseWriter) http.ResponseWriter { return w },
		"Unwrap":       func(w http.ResponseWriter) http.ResponseWriter { return wrapped{w} },
		"Hijack":       func(w http.ResponseWriter) http.ResponseWriter { return hijacking{w} },
		"one by other": func(w http.ResponseWriter) http.ResponseWriter { return wrapped{hijacking{wrapped{w}}} },
	} {
		r, _ := newListenerRig(t, Options{Middleware: []func(http.Handler) http.Handler{around, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrap(w), r) })
		}}})
		w, resp := r.request(websocketQuery, upgradeHead, frame(0x81, "4early"))
		if resp.StatusCode != 101 || resp.Header.Get("X-Around") != "yes" {
			t.Fatalf("%s: answered %d %v", name, resp.StatusCode, resp.Header)
		}
		w.read()
		w.expect("4early")
		w.text("4hello")
		w.expect("4hello")
		if got := (<-r.opened).Handshake().Context().Value(key{}); got != "value" {
			t.Errorf("%s: the context has %v", name, got)
		}
	}
}

// hijacking has a Hijack of its own.
type hijacking struct{ http.ResponseWriter }

func (h hijacking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

// A panic in a middleware ends one connection, and nobody else's.
func TestListenerPanic(t *testing.T) {
	var r *rig
	r, _ = newListenerRig(t, Options{Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.RawQuery, "panic") {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}}})
	b := r.bystander()
	c := r.connect()
	c.send(head("GET", websocketQuery+"&panic") + upgradeHead[len("Host: server\r\n"):] + "\r\n")
	c.expectEOF()
	b.unharmed()
}

// For encrypted connections nothing changes, on whichever side of the Listener TLS
// is. Inside, the others are not answered; outside they are, as is documented.
func TestListenerAndTLS(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	cfg := &tls.Config{Certificates: certified.TLS.Certificates}
	for name, around := range map[string]func(srv *Server, ln net.Listener) net.Listener{
		"inside":  func(srv *Server, ln net.Listener) net.Listener { return srv.Listener(tls.NewListener(ln, cfg)) },
		"outside": func(srv *Server, ln net.Listener) net.Listener { return tls.NewListener(srv.Listener(ln), cfg) },
	} {
		r := newServer(t, Options{}, echo)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		hs, done := &http.Server{Handler: r.srv}, make(chan struct{})
		go func() { hs.Serve(around(r.srv, ln)); close(done) }() // ended and awaited by the cleanup
		t.Cleanup(func() { r.srv.Close(); hs.Close(); <-done })
		r.dial = func(ctx context.Context) (net.Conn, error) {
			d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
			return d.DialContext(ctx, "tcp", ln.Addr().String())
		}
		w, rec := r.websocket("4")
		w.text("4hello")
		w.expect("4hello")
		if !rec.Handshake().Secure() {
			t.Errorf("TLS %s: the handshake does not count as secure", name)
		}
		if nc, err := net.Dial("tcp", ln.Addr().String()); err != nil {
			t.Error(err)
		} else {
			io.WriteString(nc, head("GET", websocketQuery)+upgradeHead[len("Host: server\r\n"):]+"\r\n")
			b := make([]byte, len("HTTP/1.1 101"))
			io.ReadFull(nc, b)
			if answered := string(b) == "HTTP/1.1 101"; answered != (name == "outside") {
				t.Errorf("TLS %s: without TLS, it was answered %q", name, b)
			}
			nc.Close()
		}
	}
}

// A connection whose first bytes nobody has read yet is taken over with them.
func TestTakeOfUnreadConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := intercept.Listen(ln, intercept.Config{Path: "/engine.io/"})
	defer l.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	io.WriteString(client, "buffered head")
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	br := bufio.NewReader(io.LimitReader(server, int64(len("buffered "))))
	br.Peek(1)
	nc, early, err := take(taken{ResponseWriter: httptest.NewRecorder(), nc: server, br: br})
	if _, ok := nc.(*net.TCPConn); !ok || err != nil || string(early) != "buffered head" {
		t.Errorf("%T, %q, %v", nc, early, err)
	}
}

// taken is a ResponseWriter whose connection is there to be taken.
type taken struct {
	http.ResponseWriter
	nc net.Conn
	br *bufio.Reader
}

func (t taken) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return t.nc, bufio.NewReadWriter(t.br, bufio.NewWriter(t.nc)), nil
}

package intercept

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long tests wait for what has to come.
const patience = time.Minute

// A site is an HTTP server with a Listener in front of it, or without.
type site struct {
	t    testing.TB
	addr string
	hs   *http.Server
	done chan struct{}
}

// serve starts a site whose handler is told who it is called by.
func serve(t testing.TB, cfg *Config, handler func(w http.ResponseWriter, r *http.Request, taken bool)) *site {
	t.Helper()
	ln := listenTCP(t)
	s := &site{t: t, addr: ln.Addr().String(), done: make(chan struct{})}
	s.hs = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(w, r, false) })}
	if cfg != nil {
		cfg.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(w, r, true) })
		ln = Listen(ln, *cfg)
	}
	go func() { s.hs.Serve(ln); close(s.done) }() // ended and awaited by the cleanup
	t.Cleanup(func() { s.hs.Close(); <-s.done })
	return s
}

func listenTCP(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func (s *site) dial() net.Conn {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc
}

// An answer is what came back on a connection.
type answer struct {
	status int
	closes bool   // says Connection: close
	body   string // decoded
	head   []string
	framed string // the body as it came
	rest   string // what came behind it
}

// ask sends bytes on a new connection, and returns what comes until the server
// closes it. The lines of the head are sorted; those that differ from one server
// to another, Date and Connection, are left out.
func (s *site) ask(wire string) answer {
	s.t.Helper()
	nc := s.dial()
	defer nc.Close()
	if _, err := io.WriteString(nc, wire); err != nil {
		s.t.Fatal(err)
	}
	var raw strings.Builder
	br := bufio.NewReaderSize(io.TeeReader(nc, &raw), 1<<20)
	method, _, _ := strings.Cut(wire, " ")
	resp, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("no answer to %.100q: %v", wire, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("answer to %.100q: %v after %.1000q", wire, err, raw.String())
	}
	rest, err := io.ReadAll(br)
	if err != nil {
		s.t.Fatalf("%v behind the answer %.1000q", err, raw.String())
	}
	whole := strings.TrimSuffix(raw.String(), string(rest))
	head, framed, _ := strings.Cut(whole, "\r\n\r\n")
	lines := slices.DeleteFunc(strings.Split(head, "\r\n"), func(line string) bool {
		return strings.HasPrefix(line, "Date: ") || strings.HasPrefix(line, "Connection: ")
	})
	slices.Sort(lines)
	return answer{resp.StatusCode, resp.Close, string(body), lines, framed, string(rest)}
}

// same reports whether both are the same, to the byte.
func (a answer) same(b answer) bool {
	return slices.Equal(a.head, b.head) && a.framed == b.framed
}

// handshake is an ordinary request, with more lines.
func handshake(target string, more ...string) string {
	return "GET " + target + " HTTP/1.1\r\n" + strings.Join(append([]string{"Host: example.com",
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, more...), "\r\n") + "\r\n\r\n"
}

// dump says what came with a request, as one line.
func dump(r *http.Request) string {
	b, err := json.Marshal(map[string]any{
		"method": r.Method, "url": r.URL, "proto": fmt.Sprint(r.Proto, r.ProtoMajor, r.ProtoMinor), "header": r.Header, "noBody": r.Body == http.NoBody,
		"length": r.ContentLength, "encoding": r.TransferEncoding, "close": r.Close, "host": r.Host, "trailer": r.Trailer, "uri": r.RequestURI,
		"form": r.Form, "tls": r.TLS, "done": fmt.Sprint(r.Context().Err()),
	})
	if err != nil {
		return err.Error()
	}
	return string(b)
}

package engineio

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A bystander is a pair of well-behaved sessions, one over each transport, on
// the server that a test maltreats. The rig has to echo.
type bystander struct {
	w *wsPeer
	p *pollPeer
	n int
}

func (r *rig) bystander() *bystander {
	r.t.Helper()
	w, _ := r.websocket("4")
	return &bystander{w: w, p: r.polling("4")}
}

// unharmed fails unless both sessions still echo.
func (b *bystander) unharmed() {
	b.p.r.t.Helper()
	b.n++
	m := fmt.Sprintf("4bystander %d", b.n)
	b.w.text(m)
	b.w.expect(m)
	b.p.post(m)
	if got := b.p.get(); got != m {
		b.p.r.t.Errorf("the polling bystander got %q, want %q", got, m)
	}
}

// An httpPeer is a raw HTTP/1.1 connection.
type httpPeer struct {
	t  *testing.T
	nc net.Conn
	br *bufio.Reader
}

// connect opens a connection that nothing has been sent on.
func (r *rig) connect() *httpPeer {
	r.t.Helper()
	nc, err := r.dial(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	return &httpPeer{t: r.t, nc: nc, br: bufio.NewReader(nc)}
}

// head is the beginning of a request, up to its own headers.
func head(method, query string) string {
	return method + " /engine.io/?" + query + " HTTP/1.1\r\nHost: server\r\n"
}

// send writes to the connection in the background: a pipe takes no more than
// is read. The write ends with the connection at the latest.
func (p *httpPeer) send(parts ...string) {
	go func() {
		for _, s := range parts {
			if _, err := io.WriteString(p.nc, s); err != nil {
				return
			}
		}
	}()
}

// answer reads one answer.
func (p *httpPeer) answer() (*http.Response, string) {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(time.Minute))
	resp, err := http.ReadResponse(p.br, nil)
	if err != nil {
		p.t.Fatalf("expected an answer, got %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("expected the body of the answer, got %v", err)
	}
	return resp, string(body)
}

// expectEOF fails unless the server closes the connection.
func (p *httpPeer) expectEOF() {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(time.Minute))
	if b, err := io.ReadAll(p.br); len(b) > 0 || isTimeout(err) {
		p.t.Errorf("expected the end of the connection, got %.100q, %v", b, err)
	}
}

// expectError fails unless the answer is a refusal of this code, in its JSON
// form.
func expectError(t *testing.T, what string, status int, body string, wantStatus, code int) {
	t.Helper()
	if want := fmt.Sprintf(`{"code":%d,"message":"%s"}`, code, codeMessages[code]); status != wantStatus || body != want {
		t.Errorf("%s: answered %d %.200q, want %d %s", what, status, body, wantStatus, want)
	}
}

// memory returns how many bytes of heap and stacks are in use, after a
// collection.
func memory() int64 {
	runtime.GC() // twice: pools keep what the first collection finds
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// within fails unless the memory in use grew by at most limit since before. What
// ends meanwhile, in whatever test, may need a moment to be gone.
func within(t *testing.T, what string, before, limit int64) {
	t.Helper()
	grown := memory() - before
	for tries := 0; grown > limit && tries < 100; tries++ {
		runtime.Gosched()
		grown = memory() - before
	}
	if grown > limit {
		t.Errorf("%s: memory grew by %d bytes, want at most %d", what, grown, limit)
	}
}

// quiet discards what happens to a session.
type quiet struct{}

func (quiet) Message([]byte, bool) {}
func (quiet) Closed(*CloseError)   {}

// repeat joins n copies of s with a separator.
func repeat(s, separator string, n int) string {
	return strings.Repeat(s+separator, n-1) + s
}

// peakMemory runs f and returns how many bytes were allocated meanwhile, which
// is no less than the memory that was in use at its peak.
func peakMemory(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// getRequest returns a GET request as the server's ServeHTTP would see it.
func (r *rig) getRequest(query string) *http.Request {
	req := httptest.NewRequest("GET", r.url(query), nil)
	req.RemoteAddr = "192.0.2.1:1234"
	return req
}

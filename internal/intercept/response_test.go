package intercept

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// handlers answer in all the ways there are.
var handlers = []struct {
	name    string
	handler http.HandlerFunc
}{
	{"nothing", func(w http.ResponseWriter, r *http.Request) {}},
	{"text", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }},
	{"http.Error", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "who are you?", http.StatusUnauthorized) }},
	{"http.NotFound", http.NotFound},
	{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }},
	{"HTML is recognised", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html><body>no") }},
	{"a type of its own", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		io.WriteString(w, `{"code":3}`)
	}},
	{"no type", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "hello")
	}},
	{"encoded", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "\x1f\x8b")
	}},
	{"many headers", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Set-Cookie", "a=b")
		h.Add("Set-Cookie", "c=d")
		h.Set("X-Lines", "a\r\nX-Injected: b")
		h["x-odd"] = []string{" v "}
		h["not a name"] = []string{"v"}
		h.Set("Date", "a day")
		w.WriteHeader(503)
		h.Set("X-Late", "v")
	}},
	{"no date", func(w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = nil }},
	{"its own Connection", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(400)
	}},
	{"a length", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
	}},
	{"more than its length", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
		if _, err := io.WriteString(w, "more"); !errors.Is(err, http.ErrContentLength) {
			panic("ErrContentLength expected")
		}
	}},
	{"in pieces", func(w http.ResponseWriter, r *http.Request) {
		for range 100 {
			io.WriteString(w, "0123456789")
		}
	}},
	{"long", func(w http.ResponseWriter, r *http.Request) {
		for range 700 {
			io.WriteString(w, "0123456789")
		}
	}},
	{"long at once, as bytes", func(w http.ResponseWriter, r *http.Request) { w.Write(bytes.Repeat([]byte("x"), 100<<10)) }},
	{"nothing written", func(w http.ResponseWriter, r *http.Request) { w.Write(nil) }},
	{"long at once", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("x", 100<<10)) }},
	{"just short", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("x", bodyBuffer)) }},
	{"just long", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("x", bodyBuffer+1)) }},
	{"long with a length", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10240")
		io.WriteString(w, strings.Repeat("x", 10<<10))
	}},
	{"flushed", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		io.WriteString(w, "b")
		http.NewResponseController(w).Flush()
		http.NewResponseController(w).Flush()
		io.WriteString(w, "c")
	}},
	{"flushed at first", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		io.WriteString(w, "a")
	}},
	{"no content", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(204)
		if _, err := io.WriteString(w, "a"); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic("ErrBodyNotAllowed expected")
		}
	}},
	{"not modified", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(304)
	}},
	{"a status without a name", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(599) }},
	{"two statuses", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		w.WriteHeader(500)
	}},
	{"full duplex", func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			panic(err)
		}
	}},
	{"deadlines", func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := errors.Join(c.SetReadDeadline(time.Now().Add(patience)), c.SetWriteDeadline(time.Now().Add(patience))); err != nil {
			panic(err)
		}
	}},
	{"the body of the request", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if len(b) > 0 || err != nil {
			panic("no body expected")
		}
	}},
}

// Whatever a handler does, the client gets the same as from an http.Server, but
// for the end of the connection.
func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	logged := capture(t)
	for _, tc := range handlers {
		handler := func(w http.ResponseWriter, r *http.Request, taken bool) { tc.handler(w, r) }
		want := serve(t, nil, handler).ask(handshake("/io/") + ending)
		got := serve(t, &Config{Path: "/io/", Patience: time.Hour}, handler).ask(handshake("/io/") + ending)
		if !got.same(want) {
			t.Errorf("%s: answered\n%q %.200q, by net/http\n%q %.200q", tc.name, got.head, got.framed, want.head, want.framed)
		}
		if !got.closes || got.rest != "" {
			t.Errorf("%s: closes is %v, and then came %q", tc.name, got.closes, got.rest)
		}
	}
	if got := logged.String(); strings.Count(got, "superfluous response.WriteHeader call\n") != 1 || strings.Contains(got, "panic") {
		t.Errorf("the log says\n%s", got)
	}
}

// Informational answers come before the answer.
func TestEarlyHints(t *testing.T) {
	s := serve(t, &Config{Path: "/io/", Patience: time.Hour}, func(w http.ResponseWriter, r *http.Request, taken bool) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(103)
		w.WriteHeader(400)
	})
	nc := s.dial()
	io.WriteString(nc, handshake("/io/"))
	got, err := io.ReadAll(nc)
	if want := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 400 Bad Request\r\n"; err != nil || !strings.HasPrefix(string(got), want) {
		t.Errorf("%v, answered %q", err, got)
	}
}

// A client that has sent a lot behind its request gets the answer all the same:
// nothing resets the connection.
func TestAnswerSurvivesWhatNobodyReads(t *testing.T) {
	s := serve(t, &Config{Path: "/io/", Patience: time.Hour}, func(w http.ResponseWriter, r *http.Request, taken bool) { http.Error(w, "no", http.StatusForbidden) })
	got := s.ask(handshake("/io/") + strings.Repeat("frames", 5000))
	if got.status != 403 || got.body != "no\n" {
		t.Errorf("answered %d %q", got.status, got.body)
	}
}

// A panic is logged as net/http does, but for ErrAbortHandler, and ends the
// connection.
func TestPanic(t *testing.T) {
	logged := capture(t)
	for _, tc := range []struct {
		what any
		log  string
	}{
		{"oops", "http: panic serving 127.0.0.1:"},
		{http.ErrAbortHandler, ""},
	} {
		for name, before := range map[string]func(w http.ResponseWriter){
			"at first":      func(w http.ResponseWriter) {},
			"after a part":  func(w http.ResponseWriter) { io.WriteString(w, "part") },
			"after a flush": func(w http.ResponseWriter) { io.WriteString(w, "part"); w.(http.Flusher).Flush() },
		} {
			logged.Reset()
			s := serve(t, &Config{Path: "/io/", Patience: time.Hour}, func(w http.ResponseWriter, r *http.Request, taken bool) {
				before(w)
				panic(tc.what)
			})
			nc := s.dial()
			io.WriteString(nc, handshake("/io/"))
			got, err := io.ReadAll(nc)
			if err != nil || name != "after a flush" && len(got) > 0 || name == "after a flush" && !bytes.HasSuffix(got, []byte("4\r\npart\r\n")) {
				t.Errorf("%v %s: %v, answered %q", tc.what, name, err, got)
			}
			if log := logged.String(); !strings.Contains(log, tc.log) || tc.log == "" && log != "" || tc.log != "" && !strings.Contains(log, "oops\ngoroutine ") {
				t.Errorf("%v %s: the log says\n%s", tc.what, name, log)
			}
		}
	}
}

// A status that is none is a panic, as in net/http.
func TestStatusThatIsNone(t *testing.T) {
	for _, status := range []int{-1, 0, 99, 1000} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d: no panic", status)
				}
			}()
			new(Response).WriteHeader(status)
		}()
	}
}

// The context of a request ends when it is answered.
func TestContext(t *testing.T) {
	ended := make(chan error, 1)
	s := serve(t, &Config{Path: "/io/", Patience: time.Hour}, func(w http.ResponseWriter, r *http.Request, taken bool) {
		if r.Context().Value(http.ServerContextKey) != nil {
			t.Error("there is no server")
		}
		go func() { <-r.Context().Done(); ended <- r.Context().Err() }() // ends with the request
	})
	s.ask(handshake("/io/"))
	if err := <-ended; err == nil {
		t.Error("no error")
	}
}

// Who takes the connection over gets what came behind the request, buffered, and
// the rest behind it; and the writer is of no use any more.
func TestHijack(t *testing.T) {
	logged := capture(t)
	got := make(chan string, 1)
	s := serve(t, &Config{Path: "/io/", Patience: time.Hour}, func(w http.ResponseWriter, r *http.Request, taken bool) {
		c := http.NewResponseController(w)
		c.SetReadDeadline(time.Now().Add(-time.Second)) // is gone afterwards
		nc, rw, err := c.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		if n := rw.Reader.Buffered(); n != len("early") {
			t.Errorf("%d bytes are buffered", n)
		}
		if _, err := io.WriteString(w, "a"); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("Write: %v", err)
		}
		if err := c.Flush(); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("Flush: %v", err)
		}
		w.WriteHeader(400)
		if _, _, err := c.Hijack(); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("Hijack: %v", err)
		}
		rw.WriteString("go on")
		rw.Flush()
		b, err := io.ReadAll(rw)
		if err != nil {
			t.Error(err)
		}
		got <- string(b)
	})
	nc := s.dial()
	io.WriteString(nc, handshake("/io/")+"early")
	io.ReadFull(nc, make([]byte, len("go on")))
	io.WriteString(nc, " and late")
	nc.Close()
	if got := <-got; got != "early and late" {
		t.Errorf("read %q", got)
	}
	if log := logged.String(); !strings.Contains(log, "hijacked connection") {
		t.Errorf("the log says\n%s", log)
	}
}

// The deadline of an informational answer is not that of the WebSocket.
func TestHijackAfterEarlyHints(t *testing.T) {
	s := serve(t, &Config{Path: "/io/", Patience: time.Hour}, func(w http.ResponseWriter, r *http.Request, taken bool) {
		w.WriteHeader(103)
		if r := w.(*Response); !r.deadlines || !r.bounded {
			t.Error("the answer may take for ever, or its deadline is forgotten")
		}
		nc, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(nc, "mine")
		nc.Close()
	})
	nc := s.dial()
	io.WriteString(nc, handshake("/io/"))
	if got, err := io.ReadAll(nc); err != nil || string(got) != "HTTP/1.1 103 Early Hints\r\n\r\nmine" {
		t.Errorf("%v, read %q", err, got)
	}
}

// A deadline for reading does not mean that the answer may take for ever.
func TestReadDeadlineDoesNotBoundTheAnswer(t *testing.T) {
	s := serve(t, &Config{Path: "/io/", Patience: time.Hour}, func(w http.ResponseWriter, r *http.Request, taken bool) {
		c := http.NewResponseController(w)
		c.SetReadDeadline(time.Now().Add(patience))
		c.Flush()
		if !w.(*Response).bounded {
			t.Error("the answer has no deadline")
		}
	})
	if got := s.ask(handshake("/io/")); got.status != 200 {
		t.Errorf("answered %d", got.status)
	}
}

// What is being answered cannot be taken over.
func TestHijackTooLate(t *testing.T) {
	s := serve(t, &Config{Path: "/io/", Patience: time.Hour}, func(w http.ResponseWriter, r *http.Request, taken bool) {
		w.WriteHeader(400)
		if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
			t.Error("no error")
		}
	})
	if got := s.ask(handshake("/io/")); got.status != 400 {
		t.Errorf("answered %d", got.status)
	}
}

// A logged is what the standard logger was told.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func capture(t *testing.T) *logged {
	l := new(logged)
	log.SetOutput(l)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return l
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

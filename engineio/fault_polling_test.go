package engineio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// patient are options under which virtual time may pass without a heartbeat.
func patient() Options { return Options{PingInterval: time.Hour} }

// A second poll while one is parked ends the session; the parked one is told.
func TestFault_H01_SecondPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		b := r.bystander()
		p := r.polling("4")
		parked := p.goGet()
		synctest.Wait()
		if status, body := r.get(p.query); status != 400 || body != "" {
			t.Errorf("second poll answered %d %q, want an empty 400", status, body)
		}
		if got := <-parked; got != "1" {
			t.Errorf("parked poll answered %q, want a close", got)
		}
		if err := <-p.rec.closed; err.Reason != ReasonTransportError || !errors.Is(err, errOverlap) {
			t.Errorf("closed with %v", err)
		}
		status, body := r.get(p.query)
		expectError(t, "poll after the end", status, body, 400, CodeSessionUnknown)
		b.unharmed()
	})
}

// A second POST while one is being read ends the session, and what the first
// one brings is not delivered any more.
func TestFault_H02_SecondPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		b := r.bystander()
		p := r.polling("4")
		first := r.connect()
		first.send(head("POST", p.query) + "Content-Length: 6\r\n\r\n4he")
		synctest.Wait()
		if status, body := r.post(p.query, "4b"); status != 400 || body != "" {
			t.Errorf("second POST answered %d %q, want an empty 400", status, body)
		}
		if got := p.rec.reason(t); got != ReasonTransportError {
			t.Errorf("reason %q", got)
		}
		first.send("llo")
		if resp, body := first.answer(); resp.StatusCode != 200 || body != "ok" {
			t.Errorf("first POST answered %d %q", resp.StatusCode, body)
		}
		if got := p.rec.got(); len(got) != 0 {
			t.Errorf("messages %q were delivered after the end", got)
		}
		b.unharmed()
	})
}

// A body over the limit is refused before it is read: at once when its length
// is announced, after one byte too many when it is not. The session goes on.
func TestFault_H03_BodyTooLarge(t *testing.T) {
	const limit = 1000
	for _, tc := range []struct {
		name string
		head string
		sent string // all that is ever sent of the body
	}{
		{"announced", "Content-Length: 1001\r\n\r\n", ""},
		{"announced, enormous", "Content-Length: 9223372036854775807\r\n\r\n", "4abc"},
		{"one chunk", "Transfer-Encoding: chunked\r\n\r\n", "3e9\r\n4" + strings.Repeat("x", limit)},
		{"endless chunks", "Transfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\n4\r\n", limit+1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := patient()
				o.MaxPayload = limit
				r := newMemRig(t, o)
				b := r.bystander()
				p := r.polling("4")
				c := r.connect()
				start := time.Now()
				c.send(head("POST", p.query)+tc.head, tc.sent)
				if resp, body := c.answer(); resp.StatusCode != 413 || body != "" {
					t.Errorf("answered %d %q, want an empty 413", resp.StatusCode, body)
				}
				between(t, "the answer", time.Since(start), 0, 0)
				c.expectEOF()
				p.post("4on")
				if got := p.get(); got != "4on" {
					t.Errorf("poll after the refusal answered %q", got)
				}
				b.unharmed()
			})
		})
	}
}

// The most packets that fit into one body take no more memory than one, and
// nobody else waits for them.
func TestFault_H04_PacketsWithoutNumber(t *testing.T) {
	const packets = 499_999
	reached, goOn := make(chan struct{}), make(chan struct{})
	n := 0
	r := newEchoRig(t, Options{})
	b := r.bystander()
	p := r.polling("4")
	p.rec.echo = func(*recorder, []byte, bool) {
		if n++; n == packets/2 {
			close(reached)
			<-goOn
		}
		p.rec.messages = p.rec.messages[:0]
	}
	answered := make(chan string, 1)
	go func() {
		_, body := r.post(p.query, repeat("4", "\x1e", packets))
		answered <- body
	}()
	<-reached
	b.unharmed()
	close(goOn)
	if got := <-answered; got != "ok" || n != packets {
		t.Errorf("answered %q after %d packets, want all %d", got, n, packets)
	}

	s := &Session{srv: r.srv, rev: eioparser.V4, state: open, handler: quiet{}, hs: p.rec.hs, moment: &noMoment}
	allocations := func(packets int) float64 {
		body := []byte(repeat("4", "\x1e", packets))
		return testing.AllocsPerRun(1, func() { s.receivePayload(body, false) })
	}
	if few, many := allocations(10), allocations(packets); many > few+10 {
		t.Errorf("%d packets cost %v allocations, 10 cost %v", packets, many, few)
	}
}

// A body that drips in for ever is cut off after BodyTimeout; the session lives
// by its heartbeat.
func TestFault_H05_DrippingBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		b := r.bystander()
		p := r.polling("4")
		c := r.connect()
		start := time.Now()
		dripped := make(chan struct{})
		go func() { // ends with the connection
			io.WriteString(c.nc, head("POST", p.query)+"Content-Length: 1000000\r\n\r\n4")
			for err := error(nil); err == nil; _, err = io.WriteString(c.nc, "x") {
				time.Sleep(time.Second)
			}
			close(dripped)
		}()
		if resp, body := c.answer(); resp.StatusCode != 408 || body != "" {
			t.Errorf("answered %d %q, want an empty 408", resp.StatusCode, body)
		}
		between(t, "the answer", time.Since(start), 20*time.Second, 20*time.Second)
		c.expectEOF()
		<-dripped
		p.post("4on")
		if got := p.get(); got != "4on" {
			t.Errorf("poll afterwards answered %q", got)
		}
		b.unharmed()
	})
}

// A client that drops its connection in the middle of a request is gone.
func TestFault_H06_DroppedRequest(t *testing.T) {
	for _, tc := range []struct {
		name, request string
		cause         error
	}{
		{"poll", "GET", errPollLost},
		{"POST", "POST", errPostLost},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newMemRig(t, Options{})
				b := r.bystander()
				p := r.polling("4")
				c := r.connect()
				end := "\r\n"
				if tc.request == "POST" {
					end = "Content-Length: 10\r\n\r\n4he"
				}
				c.send(head(tc.request, p.query) + end)
				synctest.Wait()
				c.nc.Close()
				if err := <-p.rec.closed; err.Reason != ReasonTransportError || !err.Remote || !errors.Is(err, tc.cause) {
					t.Errorf("closed with %v", err)
				}
				synctest.Wait()
				if n := r.srv.Len(); n != 2 {
					t.Errorf("%d sessions are left, want the two bystanders", n)
				}
				b.unharmed()
			})
		})
	}
}

// Other methods than GET and POST are refused and change nothing.
func TestFault_H07_Methods(t *testing.T) {
	r := newEchoRig(t, Options{})
	p := r.polling("4")
	for _, method := range []string{"PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"} {
		status, body, h := r.do(method, p.query, "", "")
		if status != 405 || body != "" || h.Get("Allow") != "GET, POST" {
			t.Errorf("%s with a sid answered %d %q, Allow %q", method, status, body, h.Get("Allow"))
		}
		status, body, h = r.do(method, "transport=polling&EIO=4", "", "")
		if method == "HEAD" { // has no body, but the headers of one
			if status != 400 || h.Get("Content-Type") != "application/json" {
				t.Errorf("HEAD without a sid answered %d %q", status, h)
			}
			continue
		}
		expectError(t, method+" without a sid", status, body, 400, CodeBadHandshakeMethod)
	}
	status, body := r.post("transport=polling&EIO=4", "4a")
	expectError(t, "POST without a sid", status, body, 400, CodeBadHandshakeMethod)
	p.post("4on")
	if got := p.get(); got != "4on" {
		t.Errorf("poll afterwards answered %q", got)
	}
}

// Ids that are no session's, whatever they look like, get code 1.
func TestFault_H08_UnknownSession(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for _, sid := range []string{
		"x", "AAAAAAAAAAAAAAAAAAAA", "__proto__", "constructor", "toString", "hasOwnProperty", "0", "null", "undefined",
		"%00", "%", "%zz", "%e2%82", "a%20b", "a+b", "..%2f..", strings.Repeat("a", 64<<10), b.p.sid + "a", b.p.sid[1:], b.p.sid + "%00",
	} {
		for _, method := range []string{"GET", "POST"} {
			status, body, _ := r.do(method, "transport=polling&EIO=4&sid="+sid, "", "4a")
			expectError(t, fmt.Sprintf("%s with sid %.40q", method, sid), status, body, 400, CodeSessionUnknown)
		}
		w, resp := r.request("transport=websocket&EIO=4&sid="+sid, upgradeHead, "")
		if got, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || string(got) != "Session ID unknown" {
			t.Errorf("upgrade with sid %.40q answered %d %q", sid, resp.StatusCode, got)
		}
		w.nc.Close()
	}
	// A megabyte does not get past the HTTP server.
	c := r.connect()
	c.send(head("GET", "transport=polling&EIO=4&sid="+strings.Repeat("a", 2<<20)))
	if resp, _ := c.answer(); resp.StatusCode != 431 {
		t.Errorf("sid of 2 MiB answered %d", resp.StatusCode)
	}
	b.unharmed()
}

// Requests that do not fit the session get code 3 and leave it alone.
func TestFault_H09_WrongTransportOrRevision(t *testing.T) {
	r := newEchoRig(t, Options{})
	for eio, wrong := range map[string][]string{
		"3": {"transport=websocket&EIO=3", "transport=polling&EIO=4", "transport=polling&EIO=3&EIO=4"},
		"4": {"transport=websocket&EIO=4", "transport=polling&EIO=3", "transport=polling", "transport=polling&EIO=",
			"transport=polling&EIO=5", "transport=polling&EIO=04", "transport=polling&EIO=4&EIO=3"},
	} {
		p := r.polling(eio)
		for _, query := range wrong {
			for _, method := range []string{"GET", "POST"} {
				status, body, _ := r.do(method, query+"&sid="+p.sid, "", "4a")
				expectError(t, method+" "+query, status, body, 400, CodeBadRequest)
			}
		}
		on := map[string]string{"3": "3:4on", "4": "4on"}[eio]
		p.post(on)
		if got := p.get(); got != on {
			t.Errorf("poll afterwards answered %q", got)
		}
	}
}

// A sink is a ResponseWriter that keeps the status alone.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }

// Ten thousand handshakes with nothing after them: a bound on sessions holds,
// each costs little, and all are let go when their heartbeat is due.
func TestFault_H10_HandshakeFlood(t *testing.T) {
	const flood, limit = 10_000, 8_000
	synctest.Test(t, func(t *testing.T) {
		srv, err := New(&Options{Open: func(*Session) Handler { return quiet{} }, MaxSessions: limit})
		if err != nil {
			t.Fatal(err)
		}
		before := memory()
		statuses := make(map[int]int)
		for range flood {
			w := &sink{header: make(http.Header), status: 200}
			req := httptest.NewRequest("GET", "/engine.io/?EIO=4&transport=polling", nil)
			req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
			req.Header.Set("Accept", "*/*")
			req.Header.Set("Accept-Language", "en-US,en;q=0.5")
			req.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
			srv.ServeHTTP(w, req)
			statuses[w.status]++
		}
		if statuses[200] != limit || statuses[503] != flood-limit || srv.Len() != limit {
			t.Errorf("answers by status: %v, sessions: %d", statuses, srv.Len())
		}
		within(t, "8,000 sessions", before, limit*4<<10)
		time.Sleep(45*time.Second + wheelTick)
		synctest.Wait()
		if n := srv.Len(); n != 0 {
			t.Errorf("%d sessions are left after the heartbeat", n)
		}
		within(t, "no session", before, 2<<20) // the map keeps its buckets
		srv.Close()
	})
}

// A binary POST has no meaning in revision 4.
func TestFault_H11_BinaryPost(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	p := r.polling("4")
	status, body, _ := r.do("POST", p.query, "application/octet-stream", "\x01\x02\x03")
	if status != 400 || body != "" {
		t.Errorf("answered %d %q, want an empty 400", status, body)
	}
	if err := <-p.rec.closed; err.Reason != ReasonTransportError || !errors.Is(err, errContentType) {
		t.Errorf("closed with %v", err)
	}
	b.unharmed()
}

// Whatever stands in the index of a JSONP request, and in the payload, the
// answer is one call with one string literal.
func TestFault_H12_JSONP(t *testing.T) {
	for _, tc := range []struct{ j, payload, want string }{
		{"0", "a", `___eio[0]("4a");`},
		{"12", "", `___eio[12]("4");`},
		{"", "a", `___eio[]("4a");`},
		{"1];alert(2);x[3", "a", `___eio[123]("4a");`},
		{"<script>", "a", `___eio[]("4a");`},
		{"٣1", "a", `___eio[1]("4a");`},
		{"0", "\u2028\u2029", `___eio[0]("4\u2028\u2029");`},
		{"0", `"\`, `___eio[0]("4\"\\");`},
		{"0", "\n\r\t\x00\x1f\x7f", `___eio[0]("4\n\r\t\u0000\u001f` + "\x7f" + `");`},
		{"0", "</script><!--", `___eio[0]("4\u003c/script>\u003c!--");`},
		{"0", "€😀", `___eio[0]("4€😀");`},
	} {
		r := newRig(t, Options{})
		p := r.polling("4")
		p.rec.Send(NewMessage([]byte(tc.payload), false))
		status, body, h := r.do("GET", p.query+"&j="+url.QueryEscape(tc.j), "", "")
		if status != 200 || body != tc.want || h.Get("Content-Type") != "text/plain; charset=UTF-8" {
			t.Errorf("index %q, payload %q: %d %q %q, want %q", tc.j, tc.payload, status, h.Get("Content-Type"), body, tc.want)
		}
		var decoded string
		literal := strings.TrimSuffix(body[strings.IndexByte(body, '(')+1:], ");")
		if err := json.Unmarshal([]byte(literal), &decoded); err != nil || decoded != "4"+tc.payload {
			t.Errorf("the literal %s means %q, %v", literal, decoded, err)
		}
	}
}

// A client that asks for a poll and does not read the answer is cut off when
// WriteTimeout has passed.
func TestFault_H13_PollAnswerNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		b := r.bystander()
		p := r.polling("4")
		c := r.connect()
		c.send(head("GET", p.query) + "\r\n")
		synctest.Wait()
		start := time.Now()
		p.rec.Send(NewMessage(make([]byte, 100_000), false).NoCompress())
		if err := <-p.rec.closed; err.Reason != ReasonTransportError || !isTimeout(err.Err) {
			t.Errorf("closed with %v", err)
		}
		between(t, "the end", time.Since(start), 20*time.Second, 20*time.Second)
		b.unharmed()
	})
}

// A client that reads slowly, and does read, gets all of a large answer.
func TestFault_H13_PollAnswerReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		p := r.polling("4")
		want := strings.Repeat("slow ", 160_000)
		p.rec.Send(NewMessage([]byte(want), false))
		c := r.connect()
		c.send(head("GET", p.query) + "\r\n")
		start := time.Now()
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		for err == nil {
			time.Sleep(time.Second)
			_, err = io.CopyN(&got, resp.Body, 8000)
		}
		if err != io.EOF || got.String() != "4"+want {
			t.Errorf("%d of %d bytes arrived in %v, then %v", got.Len(), len(want)+1, time.Since(start), err)
		}
		p.post("4on")
		if got := p.get(); got != "4on" {
			t.Errorf("poll afterwards answered %q", got)
		}
	})
}

// The end of the session, whoever makes it, answers the parked poll at once.
func TestFault_H14_ServerClosesWhilePollIsParked(t *testing.T) {
	for name, end := range map[string]func(r *rig, s *Session){
		"Session.Close":   func(r *rig, s *Session) { s.Close() },
		"Session.Abort":   func(r *rig, s *Session) { s.Abort(ReasonForcedClose, nil) },
		"Server.Close":    func(r *rig, s *Session) { r.srv.Close() },
		"Server.Shutdown": func(r *rig, s *Session) { r.srv.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newMemRig(t, patient())
				p := r.polling("4")
				parked := p.goGet()
				synctest.Wait()
				start := time.Now()
				end(r, p.rec.Session)
				if got := <-parked; got != "1" {
					t.Errorf("parked poll answered %q, want a close", got)
				}
				between(t, "the answer", time.Since(start), 0, 0)
				p.rec.reason(t)
			})
		})
	}
}

// Compression is bounded: an endless list of encodings is not read to its end,
// and a reader of one byte per second ends its own session only.
func TestFault_H15_Compression(t *testing.T) {
	t.Run("list", func(t *testing.T) {
		accept := strings.Repeat("x;q=0.001, ", 80_000)
		if got := chooseEncoding(accept + "gzip"); got != -1 {
			t.Errorf("encoding %d was found behind 80,000 others", got)
		}
		if got := testing.AllocsPerRun(100, func() { chooseEncoding(accept) }); got != 0 {
			t.Errorf("%v allocations", got)
		}
	})
	t.Run("reader", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newMemRig(t, patient())
			b := r.bystander()
			p := r.polling("4")
			noise := make([]byte, 500_000)
			rand.NewChaCha8([32]byte{}).Read(noise)
			p.rec.Send(NewMessage(noise, true))
			c := r.connect()
			c.send(head("GET", p.query) + "Accept-Encoding: gzip\r\n\r\n")
			start := time.Now()
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
				t.Fatalf("answered %v, %v", resp, err)
			}
			for reading := true; reading; {
				time.Sleep(time.Second)
				select {
				case err := <-p.rec.closed:
					reading = false
					if err.Reason != ReasonTransportError || !isTimeout(err.Err) {
						t.Errorf("closed with %v", err)
					}
				default:
					resp.Body.Read(make([]byte, 1))
				}
			}
			// The first step fits into nobody's buffer here.
			between(t, "the end", time.Since(start), 20*time.Second, 22*time.Second)
			b.unharmed()
		})
	})
}

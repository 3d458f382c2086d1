package engineio

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/internal/websocket"
)

// Weak or counted session ids could be guessed (CVE-2017-16031): ours are 120
// random bits, each of which is set half of the time, changes half of the
// time, and depends on no counter.
func TestSec_S01_S02_SessionIDsAreRandom(t *testing.T) {
	const n = 1_000_000 / scale
	deviations := int(3.5 * math.Sqrt(n)) // seven standard ones
	seen := make(map[[15]byte]struct{}, n)
	var ones, changes [120]int
	var last [15]byte
	steps := make(map[uint32]int)
	for range n {
		s := newID()
		if len(s) != 20 {
			t.Fatalf("id %q has %d characters, want 20", s, len(s))
		}
		var id [15]byte
		if _, err := base64.RawURLEncoding.Decode(id[:], []byte(s)); err != nil {
			t.Fatalf("id %q: %v", s, err)
		}
		for i, b := range id {
			for d := b; d != 0; d &= d - 1 {
				ones[8*i+bits.TrailingZeros8(d)]++
			}
			for d := b ^ last[i]; d != 0; d &= d - 1 {
				changes[8*i+bits.TrailingZeros8(d)]++
			}
		}
		if step := binary.BigEndian.Uint32(id[11:]) - binary.BigEndian.Uint32(last[11:]); len(steps) < 1000 || steps[step] > 0 {
			steps[step]++
		}
		seen[id] = struct{}{}
		last = id
	}
	if len(seen) != n {
		t.Errorf("%d of %d ids are repeated", n-len(seen), n)
	}
	for i := range ones {
		if d := ones[i] - n/2; d < -deviations || d > deviations {
			t.Errorf("bit %d is set %d times in %d", i, ones[i], n)
		}
		if d := changes[i] - n/2; d < -deviations || d > deviations {
			t.Errorf("bit %d changes %d times in %d", i, changes[i], n)
		}
	}
	for step, count := range steps {
		if count > 10 {
			t.Errorf("the last four bytes advance by %d %d times", step, count)
		}
	}
}

// A body of up to the limit is taken, one byte more is not (CVE-2020-36048),
// however it is sent.
func TestSec_S04_BodyLimit(t *testing.T) {
	const limit = 5000
	r := newEchoRig(t, Options{MaxPayload: limit})
	for _, size := range []int{limit - 1, limit, limit + 1} {
		body := "4" + strings.Repeat("x", size-1)
		want := 200
		if size > limit {
			want = 413
		}
		var chunks, bytewise strings.Builder
		fmt.Fprintf(&chunks, "%x\r\n%s\r\n0\r\n\r\n", 1000, body[:1000])
		chunks.Reset()
		for rest := body; rest != ""; {
			n := min(len(rest), 1000)
			fmt.Fprintf(&chunks, "%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		chunks.WriteString("0\r\n\r\n")
		for i := range body {
			fmt.Fprintf(&bytewise, "1\r\n%c\r\n", body[i])
		}
		bytewise.WriteString("0\r\n\r\n")
		for name, sent := range map[string]string{
			"announced":     fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, body),
			"in chunks":     "Transfer-Encoding: chunked\r\n\r\n" + chunks.String(),
			"in many chunk": "Transfer-Encoding: chunked\r\n\r\n" + bytewise.String(),
		} {
			p := r.polling("4")
			c := r.connect()
			c.send(head("POST", p.query) + sent)
			if resp, _ := c.answer(); resp.StatusCode != want {
				t.Errorf("%d bytes %s: answered %d, want %d", size, name, resp.StatusCode, want)
			}
			if want == 200 {
				if got := p.get(); got != body {
					t.Errorf("%d bytes %s: the echo has %d bytes", size, name, len(got))
				}
			}
		}
	}
}

// A frame that breaks the rules, in the very segment of the request
// (CVE-2022-21676), is answered with 1002.
func TestSec_S06_ViolationWithTheRequest(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	p := r.polling("4")
	for _, b0 := range []byte{0xC1, 0xA1, 0x91, 0xF1} {
		w, _ := r.request("transport=websocket&EIO=4", upgradeHead, frame(b0, "4a"))
		w.read() // the open packet
		w.expect("close:1002")
		w, _ = r.request(p.upgradeQuery(), upgradeHead, frame(b0, "2probe"))
		w.expect("close:1002")
	}
	p.post("4on")
	if got := p.get(); got != "4on" {
		t.Errorf("poll afterwards answered %q", got)
	}
	b.unharmed()
}

// openFiles returns how many descriptors the process has, where the system
// tells; else 0.
func openFiles() int {
	files, _ := os.ReadDir("/proc/self/fd")
	return len(files)
}

// settles waits for a number that ending goroutines and closing descriptors
// bring down. It gives other goroutines the processor and looks again.
func settles(t *testing.T, what string, count func() int, limit int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); count() > limit; runtime.Gosched() {
		if time.Now().After(end) {
			t.Errorf("%d %s are left, want %d", count(), what, limit)
			return
		}
	}
}

// Upgrade requests that are refused, to be followed by a reset (CVE-2022-41940)
// leave no descriptor and no goroutine behind.
func TestSec_S07_RefusedUpgradeAndReset(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	goroutines, files := runtime.NumGoroutine(), openFiles()
	for i := range 1000 {
		nc, err := r.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		path := "/elsewhere/?transport=websocket&EIO=4"
		if i%2 == 0 {
			path = "/engine.io/?transport=websocket&EIO=4&sid=unknown"
		}
		io.WriteString(nc, "GET "+path+" HTTP/1.1\r\n"+upgradeHead+"\r\n")
		nc.(*net.TCPConn).SetLinger(0)
		nc.Close()
	}
	settles(t, "goroutines", runtime.NumGoroutine, goroutines)
	settles(t, "descriptors", openFiles, files)
	b.unharmed()
}

// A transport that is none (CVE-2023-31125) gets code 0.
func TestSec_S09_UnknownTransport(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for _, transport := range []string{
		"", "x", "Polling", "polling%00", "polling%20", "webtransport", "__proto__", "constructor", "toString", "%zz",
		strings.Repeat("polling", 9000), "polling&transport=x", "websocket&transport=", "x&transport=y",
	} {
		query := "EIO=4&transport=" + transport
		status, body := r.get(query)
		expectError(t, fmt.Sprintf("%.50q", query), status, body, 400, CodeTransportUnknown)
		status, body = r.post(query+"&sid="+b.p.sid, "4a")
		expectError(t, fmt.Sprintf("POST %.50q", query), status, body, 400, CodeTransportUnknown)
		_, resp := r.request(query, upgradeHead, "")
		if got, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || string(got) != "Transport unknown" {
			t.Errorf("upgrade with %.50q answered %d %q", query, resp.StatusCode, got)
		}
	}
	status, body := r.get("EIO=4")
	expectError(t, "no transport", status, body, 400, CodeTransportUnknown)
	b.unharmed()
}

// Binary POSTs of revision 4 (CVE-2026-59725) are answered, each and every one.
func TestSec_S14_BinaryPostsAreAnswered(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for i := range 2000 {
		p := r.polling("4")
		if status, _, _ := r.do("POST", p.query, "application/octet-stream", "\x00\x01"); status != 400 {
			t.Fatalf("POST %d answered %d", i, status)
		}
		p.rec.reason(t)
	}
	settles(t, "sessions", r.srv.Len, 2)
	b.unharmed()
}

// A session's revision is fixed, for every kind of request.
func TestSec_S16_RevisionIsFixed(t *testing.T) {
	r := newEchoRig(t, Options{})
	for _, own := range []string{"3", "4"} {
		for _, asked := range []string{"3", "4"} {
			for _, kind := range []string{"GET", "POST", "upgrade"} {
				p := r.polling(own)
				p.rec.Send(text("x"))
				query := strings.Replace(p.query, "EIO="+own, "EIO="+asked, 1)
				var status int
				var body string
				switch kind {
				case "upgrade":
					_, resp := r.request(strings.Replace(query, Polling, WebSocket, 1), upgradeHead, "")
					if status = resp.StatusCode; status != 101 {
						b, _ := io.ReadAll(resp.Body)
						body = string(b)
					}
				case "POST":
					payload := map[string]string{"3": "2:4a", "4": "4a"}[own]
					status, body = r.post(query, payload)
				default:
					status, body = r.get(query)
				}
				want := map[bool]int{true: 200, false: 400}[own == asked]
				if kind == "upgrade" && want == 200 {
					want = 101
				}
				if status != want || status == 400 && !strings.Contains(body, "Bad request") {
					t.Errorf("revision %s, %s with %s: %d %q, want %d", own, kind, asked, status, body, want)
				}
			}
		}
	}
}

// A body in the smallest of chunks costs linear time.
func TestSec_S19_ByteChunks(t *testing.T) {
	took := func(n int) time.Duration {
		sent := strings.NewReader("4" + strings.Repeat("x", n-1))
		start := time.Now()
		b := new(body)
		if err := b.readFrom(&bytewise{sent}, int64(n)); err != nil || len(b.b) != n {
			t.Fatalf("read %d bytes, %v", len(b.b), err)
		}
		return time.Since(start)
	}
	took(1000)
	if few, many := took(50_000), took(1_000_000); many > 200*few+time.Second {
		t.Errorf("50,000 chunks took %v, 1,000,000 took %v", few, many)
	}
	r := newEchoRig(t, Options{})
	p := r.polling("4")
	c := r.connect()
	start := time.Now()
	c.send(head("POST", p.query)+"Transfer-Encoding: chunked\r\n\r\n1\r\n4\r\n", strings.Repeat("1\r\nx\r\n", 999_999), "0\r\n\r\n")
	if resp, _ := c.answer(); resp.StatusCode != 200 {
		t.Errorf("answered %d", resp.StatusCode)
	}
	if took := time.Since(start); took > time.Minute { // a busy machine
		t.Errorf("a million chunks took %v", took)
	}
	if got := p.get(); len(got) != 1_000_000 {
		t.Errorf("the echo has %d bytes", len(got))
	}
}

// bytewise reads one byte at a time.
type bytewise struct{ r io.Reader }

func (b *bytewise) Read(p []byte) (int, error) { return b.r.Read(p[:min(len(p), 1)]) }

// A client that sends pongs nobody asked for (CVE-2026-48802) starts nothing:
// no timer, no goroutine, no ping.
func TestSec_S32_UnsolicitedPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		p := r.polling("4")
		start := time.Now()
		time.Sleep(20 * time.Second) // a pong that counted now would put the ping off
		synctest.Wait()
		goroutines := runtime.NumGoroutine()
		p.post(repeat("3", "\x1e", 100_000))
		synctest.Wait()
		if got := runtime.NumGoroutine(); got > goroutines+100 { // those of earlier tests may come and go
			t.Errorf("%d goroutines, %d before 100,000 pongs", got, goroutines)
		}
		if got := r.srv.wheel.Len(); got != 1 {
			t.Errorf("%d timers, want 1", got)
		}
		if got := p.get(); got != "2" {
			t.Errorf("poll answered %q, want one ping", got)
		}
		between(t, "first ping", time.Since(start), 22500*time.Millisecond, 25*time.Second+wheelTick)
	})
}

// The limit on a message holds on every way in (CVE-2026-48809).
func TestSec_S33_LimitOnEveryPath(t *testing.T) {
	const limit = 1000
	r := newEchoRig(t, Options{MaxPayload: limit, Deflate: &Deflate{Threshold: 1 << 20}})
	fits, over := strings.Repeat("x", limit-1), strings.Repeat("x", limit)
	posted := func(p *pollPeer, contentType, body string) bool {
		status, _, _ := r.do("POST", p.query, contentType, body)
		return status == 200
	}
	onWebSocket := func(w *wsPeer, rec *recorder, wire string) bool {
		w.raw([]byte(wire))
		got := w.read()
		if got != "close:1009" && strings.HasPrefix(got, "close") {
			t.Errorf("closed with %q", got)
		}
		return !strings.HasPrefix(got, "close")
	}
	direct := func(eio string, wire func(m string) string) func(string) bool {
		return func(m string) bool {
			w, rec := r.websocket(eio)
			return onWebSocket(w, rec, wire(m))
		}
	}
	for name, accepts := range map[string]func(m string) bool{
		"POST, revision 4": func(m string) bool { return posted(r.polling("4"), "text/plain", "4"+m) },
		"POST, revision 3": func(m string) bool {
			m = m[:len(m)-4] // for the length
			return posted(r.polling("3"), "text/plain", fmt.Sprintf("%d:4%s", len(m)+1, m))
		},
		"binary POST, revision 3": func(m string) bool {
			return posted(r.polling("3"), "application/octet-stream", "\x01\x09\x09\x05\xff\x04"+m[:len(m)-5])
		},
		"JSONP": func(m string) bool {
			p := r.polling("4")
			p.query += "&j=0"
			return posted(p, "application/x-www-form-urlencoded", "d=4"+m[2:])
		},
		"text":               direct("4", func(m string) string { return frame(0x81, "4"+m) }),
		"binary":             direct("4", func(m string) string { return frame(0x82, "4"+m) }),
		"binary, revision 3": direct("3", func(m string) string { return frame(0x82, "\x04"+m) }),
		"fragments":          direct("4", func(m string) string { return frame(0x01, "4"+m[:500]) + frame(0x80, m[500:]) }),
		"after an upgrade": func(m string) bool {
			p := r.polling("4")
			w := p.probe()
			w.text("5")
			return onWebSocket(w, p.rec, frame(0x81, "4"+m))
		},
		"compressed": func(m string) bool {
			w, _ := r.request("transport=websocket&EIO=4", upgradeHead+"Sec-WebSocket-Extensions: permessage-deflate\r\n", "")
			w.read()
			return onWebSocket(w, <-r.opened, frame(0xC1, string(websocket.Deflate(nil, []byte("4"+m), 0))))
		},
	} {
		if !accepts(fits) {
			t.Errorf("%s: a message of the limit was refused", name)
		}
		if accepts(over) {
			t.Errorf("%s: a message over the limit was accepted", name)
		}
	}
	p := r.polling("4")
	w := r.upgrade(p.upgradeQuery())
	w.raw([]byte(frame(0x81, "2"+over)))
	w.expect("close:1009")
}

// An upgrade that is begun and never finished, by a client that is gone, keeps
// nothing: neither the WebSocket beyond UpgradeTimeout nor the session beyond
// its heartbeat.
func TestSec_S36_AbandonedUpgrade(t *testing.T) {
	for name, step := range map[string]func(w *wsPeer){
		"no probe": func(w *wsPeer) {},
		"probe":    func(w *wsPeer) { w.text("2probe"); w.expect("3probe") },
	} {
		for _, eio := range []string{"3", "4"} {
			t.Run(name+", revision "+eio, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newMemRig(t, Options{})
					p := r.polling(eio)
					start := time.Now()
					w := r.upgrade(p.upgradeQuery())
					step(w)
					w.expect("close:1005")
					between(t, "end of the WebSocket", time.Since(start), 10*time.Second, 10*time.Second+wheelTick)
					if err := <-p.rec.closed; err.Reason != ReasonPingTimeout {
						t.Errorf("closed with %v", err)
					}
					between(t, "end of the session", time.Since(start), 30*time.Second, 45*time.Second+2*wheelTick)
					synctest.Wait()
					if st := r.srv.Stats(); st.Sessions != 0 || st.WebSockets != 0 {
						t.Errorf("left open: %+v", st)
					}
				})
			})
		}
	}
}

// Lengths of frames that overflow a counter (CVE-2020-27813, CVE-2026-27889) are
// refused wherever they come, and however they are cut.
func TestSec_S40_S41_FrameLengths(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for _, n := range []uint64{1<<63 - 1, 1 << 63, 1<<64 - 1, 1<<63 + 1} {
		length := string(binary.BigEndian.AppendUint64([]byte{0x80 | 127}, n))
		want := "close:1009"
		if n>>63 != 0 {
			want = "close:1002"
		}
		for _, wire := range []string{
			"\x81" + length, "\x82" + length, "\x01" + length,
			frame(0x01, "4") + "\x80" + length,
			frame(0x01, "4") + "\x00" + length,
			strings.Repeat(frame(0x02, "a")[:6]+"a", 1) + "\x80" + length,
		} {
			w, _ := r.websocket("4")
			w.raw([]byte(wire))
			w.expect(want)
			w, _ = r.websocket("4")
			for i := range wire {
				w.raw([]byte(wire[i : i+1]))
			}
			w.expect(want)
		}
	}
	b.unharmed()
}

// A bomb is refused as text and as binary, in one frame and in many, and costs
// no more than twice the limit beyond what it is itself.
func TestSec_S42_DeflateBomb(t *testing.T) {
	const limit = 100_000
	bomb := string(websocket.Deflate(nil, bytes.Repeat([]byte("4"), 20<<20), 0))
	r := newEchoRig(t, Options{Deflate: &Deflate{}, MaxPayload: limit})
	b := r.bystander()
	for name, wire := range map[string]string{
		"text":         frame(0xC1, bomb),
		"binary":       frame(0xC2, bomb),
		"in fragments": frame(0x41, bomb[:100]) + frame(0x00, bomb[100:200]) + frame(0x80, bomb[200:]),
	} {
		w, _ := r.request("transport=websocket&EIO=4", upgradeHead+"Sec-WebSocket-Extensions: permessage-deflate\r\n", "")
		w.read()
		most := int64(2*limit + 3*len(bomb) + 256<<10) // and the work space of an inflater
		if peak := peakMemory(func() { w.raw([]byte(wire)); w.expect("close:1009") }); peak > 2*most {
			t.Errorf("%s: %d bytes were allocated, want at most %d", name, peak, 2*most)
		}
	}
	b.unharmed()
}

// Whatever a client says of windows (CVE-2026-2229), it is served: compressed
// when the terms are ours, else not.
func TestSec_S43_WindowBits(t *testing.T) {
	r := newEchoRig(t, Options{Deflate: &Deflate{Threshold: 1}})
	values := []string{"", "x", "-1", "1e1", "15.0", "%31", "08", "015", "\"15\"", "\"9\"", "99999999999999999999"}
	for n := range 100 {
		values = append(values, fmt.Sprint(n))
	}
	for _, value := range values {
		for _, name := range []string{"server_max_window_bits", "client_max_window_bits"} {
			w, resp := r.request("transport=websocket&EIO=4", upgradeHead+"Sec-WebSocket-Extensions: permessage-deflate; "+name+"="+value+"\r\n", "")
			if value == "" { // not a parameter at all
				if resp.StatusCode != 400 {
					t.Errorf("%s=: answered %d", name, resp.StatusCode)
				}
				continue
			}
			if resp.StatusCode != 101 {
				t.Errorf("%s=%s: answered %d", name, value, resp.StatusCode)
				continue
			}
			agreed := resp.Header.Get("Sec-WebSocket-Extensions") != ""
			if want := value == "15" || value == `"15"` || name[0] == 'c' && len(strings.Trim(value, `"`)) <= 2 &&
				(strings.Trim(value, `"`) >= "10" && strings.Trim(value, `"`) < "16" || value == "8" || value == "9" || value == `"9"`); agreed != want {
				t.Errorf("%s=%s: agreed %t, want %t", name, value, agreed, want)
			}
			w.parser.Init(&websocket.Config{Role: websocket.Client, NewInflater: websocket.NewInflater}, agreed)
			w.read()
			w.text("4on")
			w.expect("4on")
			w.nc.Close()
		}
	}
}

// Hundreds of thousands of fragments (CVE-2026-48779) cost nothing each.
func TestSec_S44_FragmentFlood(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for _, payload := range []string{"", "4"} {
		w, rec := r.websocket("4")
		flood := []byte(frame(0x01, payload) + strings.Repeat(frame(0x00, payload), 300_000))
		read := make(chan string, 1)
		go func() { read <- w.read() }() // ends with the close
		before := memory()
		w.nc.Write(flood) // fails when the server has closed
		if got := <-read; got != "close:1008" && got != "close:1006" {
			t.Errorf("got %q, want a close", got)
		}
		within(t, "after the flood", before, 64<<10)
		if err := <-rec.closed; err.Reason != ReasonTransportError || !strings.Contains(err.Error(), "fragments") {
			t.Errorf("closed with %v", err)
		}
	}
	b.unharmed()
}

// A million pings of a client that does not read leave one pong waiting. TCP.
func TestSec_S45_PingFlood(t *testing.T) {
	r := newEchoRig(t, Options{WriteTimeout: 100 * time.Millisecond})
	b := r.bystander()
	w, rec := r.websocket("4")
	flood := []byte(strings.Repeat(frame(0x89, strings.Repeat("x", 125)), 10_000))
	before := memory()
	sent := 0
	for sent < 1_500_000 { // the server closes long before
		if _, err := w.nc.Write(flood); err != nil {
			break
		}
		sent += 10_000
		if sent%100_000 != 0 {
			continue
		}
		// What the reader is at is garbage that no collection has seen yet.
		if grown := memory() - before; grown > 8<<20 {
			t.Fatalf("memory grew by %d bytes after %d pings", grown, sent)
		}
	}
	if err := <-rec.closed; err.Reason != ReasonTransportError || !errors.Is(err, errWriteTimeout) && !isTimeout(err.Err) {
		t.Errorf("closed with %v after %d pings", err, sent)
	}
	settles(t, "WebSockets", func() int { return r.srv.Stats().WebSockets }, 1)
	within(t, "after the flood", before, 1<<20)
	b.unharmed()
}

// An idle WebSocket that has been used pins no buffer.
func TestSec_S46_IdleMemory(t *testing.T) {
	const n = 500
	r := newEchoRig(t, Options{Deflate: &Deflate{}})
	conns := make([]net.Conn, 0, n)
	buf := make([]byte, 4096)
	long := []byte(frame(0x81, "4"+strings.Repeat("x", 20_000)))
	connect := func() {
		nc, err := r.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, "GET /engine.io/?transport=websocket&EIO=4 HTTP/1.1\r\n"+upgradeHead+"\r\n")
		nc.Write(long)
		for read := 0; read < 20_000; {
			m, err := nc.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			read += m
		}
		conns = append(conns, nc)
		rec := <-r.opened
		rec.mu.Lock()
		rec.messages = nil
		rec.mu.Unlock()
	}
	connect()
	before := memory()
	for range n {
		connect()
	}
	within(t, "500 idle connections and their clients", before, n*10_000)
	for _, nc := range conns {
		nc.Close()
	}
}

// What was in a pooled buffer before never leaves with what comes after
// (CVE-2026-45736): short answers follow long ones, on every path out.
func TestSec_S47_NoRemains(t *testing.T) {
	r := newEchoRig(t, Options{Deflate: &Deflate{Threshold: 1}})
	canary := strings.Repeat("CANARY", 2000)
	p, p3 := r.polling("4"), r.polling("3")
	w, _ := r.websocket("4")
	z, _ := r.request("transport=websocket&EIO=4", upgradeHead+"Sec-WebSocket-Extensions: permessage-deflate\r\n", "")
	z.parser.Init(&websocket.Config{Role: websocket.Client, NewInflater: websocket.NewInflater}, true)
	z.read()
	for n := 2000; n >= 0; n -= 97 {
		long, short := canary[:6*n], strings.Repeat("s", n/100)
		p.post("4" + long)
		p.get()
		p.post("4" + short)
		if got := p.get(); got != "4"+short {
			t.Errorf("poll answered %.100q, want %q", got, "4"+short)
		}
		p3.rec.Send(NewMessage([]byte(long), true))
		p3.get()
		p3.rec.Send(NewMessage([]byte(short), true))
		if got := p3.get(); strings.Contains(got, "CANARY") || !strings.HasSuffix(got, "\x04"+short) {
			t.Errorf("poll of revision 3 answered %.100q", got)
		}
		for _, w := range []*wsPeer{w, z} {
			w.text("4"+long, "4"+short)
			w.expect("4"+long, "4"+short)
			w.raw([]byte(frame(0x89, canary[:min(n, 125)]) + frame(0x81, "4x")))
			if got := w.read(); got != "pong:"+canary[:min(n, 125)] {
				t.Errorf("pong %q", got)
			}
			w.expect("4x")
			w.raw([]byte(frame(0x89, "")))
			w.expect("pong:")
		}
	}
	w.raw([]byte(frame(0x88, "\x03\xe8CANARY")))
	if ev := w.next(); ev.Code != 1000 || len(ev.Data) != 0 {
		t.Errorf("close answered %v", ev)
	}
}

// Headers without number (CVE-2024-37890) get an answer, and are not kept when
// they are more than anybody sends.
func TestSec_S48_S53_HeadersWithoutNumber(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for _, tc := range []struct {
		name, headers string
		status        int
	}{
		{"10,000 headers", strings.Repeat("X-Header: value\r\n", 10_000), 431},
		{"1,000 headers", strings.Repeat("X-Header: value\r\n", 1000), 200},
		{"a header of 100 kB", "X: " + strings.Repeat("y", 100_000) + "\r\n", 431},
		{"a header of 2 MB", "X: " + strings.Repeat("y", 2_000_000) + "\r\n", 431},
		{"a header of 32 kB", "X: " + strings.Repeat("y", 32_000) + "\r\n", 200},
	} {
		c := r.connect()
		c.send(head("GET", "transport=polling&EIO=4") + tc.headers + "\r\n")
		if resp, body := c.answer(); resp.StatusCode != tc.status {
			t.Errorf("%s: handshake answered %d %q, want %d", tc.name, resp.StatusCode, body, tc.status)
		}
		c = r.connect()
		c.send(head("GET", "transport=websocket&EIO=4") + upgradeHead[len("Host: server\r\n"):] + tc.headers + "\r\n")
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[int]int{200: 101, 431: 431}[tc.status]; resp.StatusCode != want {
			t.Errorf("%s: upgrade answered %d, want %d", tc.name, resp.StatusCode, want)
		}
		c.nc.Close()
	}
	b.unharmed()
}

// Headers full of spaces (CVE-2021-32640) cost linear time.
func TestSec_S49_Spaces(t *testing.T) {
	srv, err := New(&Options{Open: func(*Session) Handler { return nil }, Deflate: &Deflate{}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	for _, name := range []string{"Protocol", "Extensions", "Version", "Key", "Accept"} {
		for _, c := range []string{" ", ",", ";", "\t", "=", "\"", "a,", "permessage-deflate,", "permessage-deflate;"} {
			best := time.Hour
			for try := 0; try < 20 && best > 50*time.Millisecond; try++ { // others use the processors, too
				r := httptest.NewRequest("GET", "/engine.io/?transport=websocket&EIO=4", nil)
				for line := range strings.Lines(upgradeHead) {
					k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
					r.Header.Set(k, v)
				}
				r.Header.Set("Sec-WebSocket-"+name, "a"+strings.Repeat(c, (60<<10)/len(c))+"b")
				start := time.Now()
				srv.ServeHTTP(httptest.NewRecorder(), r)
				best = min(best, time.Since(start))
			}
			if best > 50*time.Millisecond {
				t.Errorf("60 kB of %q in Sec-WebSocket-%s took %v", c, name, best)
			}
		}
	}
}

// Extensions of any name are passed over; what is no list of extensions is
// refused.
func TestSec_S50_Extensions(t *testing.T) {
	r := newEchoRig(t, Options{Deflate: &Deflate{}})
	for value, want := range map[string]int{
		"__proto__": 101, "constructor; toString=1": 101, "x; y; z=\"1\"": 101, "permessage-deflate; __proto__": 101,
		"permessage-deflate; server_no_context_takeover=1": 101, "permessage-deflate, permessage-deflate": 101, "": 101, ",,": 101,
		"x y": 400, ";": 400, "x;": 400, "x; =1": 400, "x; y=": 400, `x; y="`: 400, "x\x01": 400, "é": 400,
	} {
		w, resp := r.request("transport=websocket&EIO=4", upgradeHead+"Sec-WebSocket-Extensions: "+value+"\r\n", "")
		if resp.StatusCode != want {
			t.Errorf("%q answered %d, want %d", value, resp.StatusCode, want)
		}
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); (got != "") != (value == "permessage-deflate, permessage-deflate") {
			t.Errorf("%q was answered with extension %q", value, got)
		}
		w.nc.Close()
	}
}

// Control frames are short and whole (CVE-2016-10542, CVE-2016-10518).
func TestSec_S51_ControlFrames(t *testing.T) {
	r := newEchoRig(t, Options{})
	for _, op := range []byte{0x8, 0x9, 0xA} {
		for wire, want := range map[string]string{
			frame(0x80|op, strings.Repeat("\x03\xe8", 63)): "close:1002",
			frame(op, ""): "close:1002",
			string(binary.BigEndian.AppendUint64([]byte{0x80 | op, 0x80 | 127}, 1)): "close:1002",
		} {
			w, _ := r.websocket("4")
			w.raw([]byte(wire))
			w.expect(want)
		}
	}
}

// Only version 13 is spoken (CVE-2026-54466); a client of another is told so.
func TestSec_S52_Versions(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for _, version := range []string{"", "0", "7", "8", "12", "14", "013", "13.0", "-13", "99999999999999999999"} {
		_, resp := r.request("transport=websocket&EIO=4", strings.Replace(upgradeHead, "Version: 13", "Version: "+version, 1), "")
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 426 || resp.Header.Get("Sec-WebSocket-Version") != "13" || !strings.Contains(string(body), "13") {
			t.Errorf("version %q answered %d %v %q", version, resp.StatusCode, resp.Header, body)
		}
	}
	_, resp := r.request("transport=websocket&EIO=4", strings.Replace(upgradeHead, "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n", 1), "")
	if resp.StatusCode != 426 {
		t.Errorf("a draft's handshake answered %d", resp.StatusCode)
	}
	b.unharmed()
}

// Memory is taken as bytes arrive, not as they are announced (CVE-2022-35922).
func TestSec_S53_AnnouncedLengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		const n = 50
		var peers []*wsPeer
		var posts []*httpPeer
		for range n {
			w, _ := r.websocket("4")
			p := r.polling("4")
			c := r.connect()
			peers, posts = append(peers, w), append(posts, c)
			c.send(head("POST", p.query))
		}
		synctest.Wait()
		before := memory()
		for i := range n {
			peers[i].raw([]byte(frame(0x82, strings.Repeat("x", 1_000_000))[:20]))
			posts[i].send("Content-Length: 1000000\r\n\r\n4x")
		}
		synctest.Wait()
		within(t, "50 messages and 50 bodies of a megabyte, announced", before, n*20<<10)
		for _, c := range posts {
			c.nc.Close()
		}
		time.Sleep(time.Second) // the HTTP server lingers
	})
}

// A bound on sessions holds for both transports and for any number of
// handshakes at once.
func TestSec_S54_SessionCap(t *testing.T) {
	const limit = 10
	r := newEchoRig(t, Options{MaxSessions: limit})
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := make(map[int]int)
	for i := range 100 {
		wg.Go(func() {
			status := 0
			if i%2 == 0 {
				resp, err := r.client.Get(r.url("transport=polling&EIO=4"))
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				status = resp.StatusCode
			} else {
				_, resp := r.request("transport=websocket&EIO=4", upgradeHead, "")
				if status = resp.StatusCode; status == 101 {
					status = 200
				}
			}
			mu.Lock()
			statuses[status]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if statuses[200] != limit || statuses[503] != 100-limit || r.srv.Len() != limit {
		t.Errorf("answers by status %v, %d sessions", statuses, r.srv.Len())
	}
	// A place that becomes free is given away again.
	rec := <-r.opened
	rec.Abort(ReasonForcedClose, nil)
	rec.reason(t)
	settles(t, "sessions", r.srv.Len, limit-1)
	if status, _ := r.get("transport=polling&EIO=4"); status != 200 {
		t.Errorf("handshake into a free place answered %d", status)
	}
	if status, _ := r.get("transport=polling&EIO=4"); status != 503 {
		t.Errorf("handshake beyond the bound answered %d", status)
	}
}

// Streams of HTTP/2 that are opened and reset (CVE-2023-44487) cost their own
// session and leave no goroutine.
func TestSec_S60_RapidReset(t *testing.T) {
	r := newHTTP2Rig(t, Options{PingInterval: time.Hour})
	b := r.polling("4")
	goroutines := runtime.NumGoroutine()
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		var streams sync.WaitGroup
		var peers []*pollPeer
		for range 50 {
			p := r.polling("4")
			peers = append(peers, p)
			req, err := http.NewRequestWithContext(ctx, "GET", r.url(p.query), nil)
			if err != nil {
				t.Fatal(err)
			}
			streams.Go(func() { // ends with the reset
				if resp, err := r.client.Do(req); err == nil {
					resp.Body.Close()
					t.Errorf("a poll was answered %d", resp.StatusCode)
				}
			})
		}
		for _, p := range peers {
			settles(t, "polls to be parked", func() int {
				p.rec.Session.mu.Lock()
				defer p.rec.Session.mu.Unlock()
				if p.rec.Session.poll != nil {
					return 0
				}
				return 1
			}, 0)
		}
		cancel()
		streams.Wait()
		for _, p := range peers {
			if got := p.rec.reason(t); got != ReasonTransportError {
				t.Fatalf("reason %q", got)
			}
		}
	}
	settles(t, "sessions", r.srv.Len, 1)
	settles(t, "goroutines", runtime.NumGoroutine, goroutines+1)
	b.post("4on")
	if got := b.get(); got != "4on" {
		t.Errorf("poll afterwards answered %q", got)
	}
}

// Parameters and cookies without number (CVE-2025-61726, CVE-2025-58186) are
// not parsed.
func TestSec_S61_Parameters(t *testing.T) {
	few := "EIO=4&transport=polling&sid=x"
	many := strings.Repeat("a=b&", 100_000) + few
	allocations := func(query string) float64 {
		return testing.AllocsPerRun(10, func() { parseQuery(query) })
	}
	if a, b := allocations(few), allocations(many); b > a {
		t.Errorf("100,000 parameters cost %v allocations, none cost %v", b, a)
	}
	if got := parseQuery(many); got.sid != "x" || got.eio != "4" || got.transport != Polling {
		t.Errorf("parsed as %+v", got)
	}
	form := []byte(strings.Repeat("a=b&", 100_000) + "d=4x")
	if a, b := testing.AllocsPerRun(10, func() { decodeJSONP([]byte("d=4x")) }), testing.AllocsPerRun(10, func() { decodeJSONP(form) }); b > a+1 {
		t.Errorf("100,000 fields cost %v allocations, one costs %v", b, a)
	}
	// A POST of JSONP takes nothing from a query or a multipart body.
	r := newEchoRig(t, Options{})
	p := r.polling("4")
	p.query += "&j=0&d=4query"
	status, _, _ := r.do("POST", p.query, "application/x-www-form-urlencoded", "d="+url.QueryEscape("4body"))
	if got := p.rec.got(); status != 200 || len(got) != 1 || got[0] != "body" {
		t.Errorf("answered %d, messages %q", status, got)
	}
}

// Requests that two servers could understand differently (CVE-2025-22871 and
// others) are understood in the safe way or refused.
func TestSec_S62_Smuggling(t *testing.T) {
	for _, tc := range []struct {
		name, request string
		status        int
		messages      string // that were delivered
	}{
		{"length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n4a\r\n0\r\n\r\n", 200, "a"},
		{"two lengths", "Content-Length: 2\r\nContent-Length: 4\r\n\r\n4abc", 400, ""},
		{"chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n4a\r\n0\r\n\r\n", 501, ""},
		{"unknown encoding", "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n4a\r\n0\r\n\r\n", 501, ""},
		{"line feed after a chunk", "Transfer-Encoding: chunked\r\n\r\n2\r\n4a\n0\r\n\r\n", 400, ""},
		{"line feed in a chunk's extension", "Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\n4a\r\n0\r\n\r\n", 400, ""},
		{"sign in a length", "Content-Length: +2\r\n\r\n4a", 400, ""},
		{"space before the colon", "Content-Length : 2\r\n\r\n4a", 400, ""},
	} {
		r := newRig(t, Options{})
		p := r.polling("4")
		c := r.connect()
		c.send(head("POST", p.query) + tc.request)
		resp, _ := c.answer()
		if got := strings.Join(p.rec.got(), ","); resp.StatusCode != tc.status || got != tc.messages {
			t.Errorf("%s: answered %d, messages %q, want %d, %q", tc.name, resp.StatusCode, got, tc.status, tc.messages)
		}
	}
}

// The rest of a refused body is waited for no longer than CloseTimeout,
// whatever it was refused for.
func TestSec_S63_RefusedBodies(t *testing.T) {
	for name, query := range map[string]string{
		"unknown session": "transport=polling&EIO=4&sid=unknown",
		"no session":      "transport=polling&EIO=4",
		"bad transport":   "transport=x",
	} {
		for _, body := range []string{"Content-Length: 1000\r\n\r\n4", "Content-Length: 1000000000\r\n\r\n4", "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 3000) + "\r\n4"} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newMemRig(t, patient())
					b := r.bystander()
					c := r.connect()
					start := time.Now()
					c.send(head("POST", query) + body)
					if resp, _ := c.answer(); resp.StatusCode != 400 {
						t.Errorf("answered %d", resp.StatusCode)
					}
					c.expectEOF()
					between(t, "end of the connection", time.Since(start), 0, 5*time.Second+wheelTick)
					b.unharmed()
				})
			})
		}
	}
}

// A program may set every timeout of http.Server (S64: most servers set none):
// none of them ends a poll that waits, nor the WebSocket after it.
func TestSec_S64_ServerTimeoutsSparePolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient(), func(hs *http.Server) {
			hs.ReadHeaderTimeout, hs.ReadTimeout, hs.WriteTimeout, hs.IdleTimeout = time.Second, time.Second, time.Second, time.Second
		})
		slow := r.connect()
		start := time.Now()
		slow.send("GET /engine.io/?EIO=4") // and never the rest
		io.Copy(io.Discard, slow.br)       // until the server closes
		between(t, "end of a connection without a whole header", time.Since(start), time.Second, 2*time.Second)

		p := r.polling("4")
		got := p.goGet()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		p.rec.Send(text("late"))
		if got := <-got; got != "4late" {
			t.Errorf("a poll of 20 s was answered %q", got)
		}
		w := p.probe()
		w.text("5")
		time.Sleep(20 * time.Second)
		w.text("4on")
		w.expect("4on")
	})
}

package engineio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/internal/websocket"
)

// frame returns a masked frame of the first byte b0, whose key is zero: the
// payload stands as it is. The length is written in the fewest bytes.
func frame(b0 byte, payload string) string {
	switch n := len(payload); {
	case n < 126:
		return string([]byte{b0, 0x80 | byte(n), 0, 0, 0, 0}) + payload
	case n <= 0xffff:
		return string([]byte{b0, 0x80 | 126, byte(n >> 8), byte(n), 0, 0, 0, 0}) + payload
	default:
		return string(binary.BigEndian.AppendUint64([]byte{b0, 0x80 | 127}, uint64(n))) + "\x00\x00\x00\x00" + payload
	}
}

// violations are what a client may not send over WebSocket, and the code it is
// told. The parser's own tests have many more; these show that the server
// passes every kind on.
var violations = []struct {
	name, wire string
	code       int
}{
	{"RSV1 without compression", frame(0xC1, "4a"), 1002},
	{"RSV2", frame(0xA1, "4a"), 1002},
	{"RSV3", frame(0x91, "4a"), 1002},
	{"opcode 3", frame(0x83, "4a"), 1002},
	{"opcode 11", frame(0x8B, "4a"), 1002},
	{"opcode 15", frame(0x8F, ""), 1002},
	{"unmasked text", "\x81\x024a", 1002},
	{"unmasked ping", "\x89\x00", 1002},
	{"fragmented ping", frame(0x09, "a"), 1002},
	{"fragmented close", frame(0x08, "\x03\xe8"), 1002},
	{"ping of 126 bytes", frame(0x89, strings.Repeat("a", 126)), 1002},
	{"close of 126 bytes", frame(0x88, "\x03\xe8"+strings.Repeat("a", 124)), 1002},
	{"close of one byte", frame(0x88, "\x03"), 1002},
	{"close code 0", frame(0x88, "\x00\x00"), 1002},
	{"close code 999", frame(0x88, "\x03\xe7"), 1002},
	{"close code 1005", frame(0x88, "\x03\xed"), 1002},
	{"close code 1006", frame(0x88, "\x03\xee"), 1002},
	{"close code 1015", frame(0x88, "\x03\xf7"), 1002},
	{"close code 5000", frame(0x88, "\x13\x88"), 1002},
	{"close reason of bad UTF-8", frame(0x88, "\x03\xe8\xff"), 1007},
	{"text of bad UTF-8", frame(0x81, "4\xff"), 1007},
	{"text that ends inside a rune", frame(0x81, "4\xe2\x82"), 1007},
	{"a surrogate in UTF-8", frame(0x81, "4\xed\xa0\x80"), 1007},
	{"continuation of nothing", frame(0x80, "4a"), 1002},
	{"message inside a message", frame(0x01, "4a") + frame(0x81, "4b"), 1002},
	{"length of 125 in 16 bits", "\x81\xfe\x00\x7d", 1002},
	{"length of 65535 in 64 bits", "\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", 1002},
}

// A violation ends the session with its close code and harms nobody else.
func TestFault_W01_Violations(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for _, v := range violations {
		t.Run(v.name, func(t *testing.T) {
			w, rec := r.websocket("4")
			w.raw([]byte(v.wire))
			w.expect(fmt.Sprintf("close:%d", v.code))
			err := <-rec.closed
			var violation *websocket.ProtocolError
			if err.Reason != ReasonTransportError || !errors.As(err, &violation) || violation.Code != v.code {
				t.Errorf("closed with %v", err)
			}
		})
	}
	b.unharmed()
}

// The same on a WebSocket that wants to take over a session: only it ends.
func TestFault_W01_ViolationsOfAProbe(t *testing.T) {
	r := newEchoRig(t, Options{})
	p := r.polling("4")
	for _, v := range violations {
		w := r.upgrade("transport=websocket&EIO=4&sid=" + p.sid)
		w.raw([]byte(v.wire))
		w.expect(fmt.Sprintf("close:%d", v.code))
	}
	p.post("4on")
	if got := p.get(); got != "4on" {
		t.Errorf("poll afterwards answered %q", got)
	}
}

// Valid ends of a connection are answered with the same code.
func TestFault_W01_CloseCodes(t *testing.T) {
	r := newEchoRig(t, Options{})
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999} {
		w, rec := r.websocket("4")
		w.raw([]byte(frame(0x88, string([]byte{byte(code >> 8), byte(code)})+"bye €")))
		w.expect(fmt.Sprintf("close:%d", code))
		if got := w.next(); got.Code != 1006 {
			t.Errorf("code %d: expected the end of the connection, got %v", code, got)
		}
		if err := <-rec.closed; err.Reason != ReasonTransportClose || !err.Remote || err.Err != nil {
			t.Errorf("code %d: closed with %v", code, err)
		}
	}
}

// A message over the limit is refused when its header is there, however large
// its length is said to be, and whatever part of the limit is used up already.
func TestFault_W02_MessageTooLarge(t *testing.T) {
	const limit = 1000
	length := func(b0 byte, n uint64) string {
		return string(binary.BigEndian.AppendUint64([]byte{b0, 0x80 | 127}, n))
	}
	for _, tc := range []struct {
		name, wire string
		code       int
	}{
		{"one byte over", "\x81\xfe\x03\xe9", 1009},
		{"one byte over, binary", "\x82\xfe\x03\xe9", 1009},
		{"2^16", length(0x81, 1<<16), 1009},
		{"2^31", length(0x81, 1<<31), 1009},
		{"2^32", length(0x81, 1<<32), 1009},
		{"2^63-1", length(0x81, 1<<63-1), 1009},
		{"2^63", length(0x81, 1<<63), 1002},
		{"2^64-1", length(0x81, 1<<64-1), 1002},
		{"in two fragments", frame(0x01, strings.Repeat("4", 600)) + "\x80\xfe\x01\x91", 1009},
		{"fragments whose sum overflows", frame(0x01, "4") + length(0x80, 1<<63-1), 1009},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := patient()
				o.MaxPayload = limit
				r := newMemRig(t, o)
				b := r.bystander()
				w, rec := r.websocket("4")
				start := time.Now()
				w.raw([]byte(tc.wire))
				w.expect(fmt.Sprintf("close:%d", tc.code))
				between(t, "the close", time.Since(start), 0, 0)
				if got := rec.reason(t); got != ReasonTransportError {
					t.Errorf("reason %q", got)
				}
				b.unharmed()
			})
		})
	}
	t.Run("exactly the limit", func(t *testing.T) {
		r := newEchoRig(t, Options{MaxPayload: limit})
		w, _ := r.websocket("4")
		m := "4" + strings.Repeat("x", limit-1)
		w.text(m)
		w.expect(m)
		w.binary(m)
		w.expect("bin:" + m)
		w.raw([]byte(frame(0x01, m[:600]) + frame(0x00, "") + frame(0x80, m[600:])))
		w.expect(m)
	})
}

// A message in more fragments than anybody needs, of one byte or none, costs
// what its bytes cost and is refused at the cap.
func TestFault_W03_Fragments(t *testing.T) {
	for _, payload := range []string{"", "4"} {
		t.Run(fmt.Sprintf("%d bytes", len(payload)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newMemRig(t, Options{})
				b := r.bystander()
				w, rec := r.websocket("4")
				fragments := []byte(frame(0x01, payload) + strings.Repeat(frame(0x00, payload), websocket.DefaultMaxFragments-1))
				before := memory()
				w.raw(fragments)
				synctest.Wait()
				within(t, "an unfinished message", before, 64<<10)
				if n := r.srv.Len(); n != 3 {
					t.Fatalf("%d sessions below the cap, want 3", n)
				}
				w.raw([]byte(frame(0x80, payload)))
				w.expect("close:1008")
				if got := rec.reason(t); got != ReasonTransportError {
					t.Errorf("reason %q", got)
				}
				b.unharmed()
			})
		})
	}
}

// A client that pings without end and does not read has one pong waiting and
// is cut off when it took nothing for WriteTimeout.
func TestFault_W04_PingFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		b := r.bystander()
		w, rec := r.websocket("4")
		flood := []byte(strings.Repeat(frame(0x89, "payload of a ping"), 1000))
		start, before := time.Now(), memory()
		for range 200 {
			w.raw(flood)
		}
		synctest.Wait()
		within(t, "200,000 pings", before, 64<<10)
		if err := <-rec.closed; err.Reason != ReasonTransportError || !isTimeout(err.Err) {
			t.Errorf("closed with %v", err)
		}
		between(t, "the end", time.Since(start), 20*time.Second, 20*time.Second)
		b.unharmed()
	})
}

// Pings of a client that reads are answered; of those that came together the
// last one at least.
func TestFault_W04_PingsAreAnswered(t *testing.T) {
	r := newEchoRig(t, Options{})
	w, _ := r.websocket("4")
	for _, payload := range []string{"", "a", strings.Repeat("x", 125)} {
		w.raw([]byte(frame(0x89, payload)))
		w.expect("pong:" + payload)
	}
	w.raw([]byte(frame(0x01, "4he") + frame(0x89, "between fragments") + frame(0x80, "llo")))
	w.expect("pong:between fragments", "4hello")
	for range 100 {
		w.raw([]byte(strings.Repeat(frame(0x89, "early"), 100) + frame(0x89, "last") + frame(0x81, "4x")))
		got := w.read()
		for got == "pong:early" {
			got = w.read()
		}
		if got != "pong:last" {
			t.Fatalf("got %q, want the last pong", got)
		}
		w.expect("4x")
	}
}

// A message that inflates beyond the limit is refused, and what it would have
// become is never there.
func TestFault_W05_DeflateBomb(t *testing.T) {
	bomb := websocket.Deflate(nil, make([]byte, 50<<20), 0) // a thousandth of it
	for _, limit := range []int64{1000, 1_000_000} {
		r := newEchoRig(t, Options{Deflate: &Deflate{}, MaxPayload: limit})
		b := r.bystander()
		w, resp := r.request("transport=websocket&EIO=4", upgradeHead+"Sec-WebSocket-Extensions: permessage-deflate\r\n", "")
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
			t.Fatalf("extensions %q", got)
		}
		w.read()
		rec := <-r.opened
		peak := peakMemory(func() {
			w.raw([]byte(frame(0xC2, string(bomb[:min(int64(len(bomb)), limit)]))))
			w.expect("close:1009")
		})
		if most := 3*limit + 1<<20; peak > most {
			t.Errorf("limit %d: %d bytes were allocated, want at most %d", limit, peak, most)
		}
		if got := rec.reason(t); got != ReasonTransportError {
			t.Errorf("reason %q", got)
		}
		b.unharmed()
	}
}

// A client that resets its connection at any moment around the 101 leaves
// nothing behind.
func TestFault_W07_Reset(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	reset := func(w *wsPeer) {
		w.nc.(*net.TCPConn).SetLinger(0)
		w.nc.Close()
	}
	for range 50 {
		w := r.upgrade("transport=websocket&EIO=4")
		rec := <-r.opened
		reset(w)
		if err := <-rec.closed; err.Reason != ReasonTransportClose || !err.Remote {
			t.Fatalf("closed with %v", err)
		}
	}
	p := r.polling("4")
	for range 50 {
		reset(r.upgrade("transport=websocket&EIO=4&sid=" + p.sid))
		p.post("4on")
		if got := p.get(); got != "4on" {
			t.Fatalf("poll after a reset probe answered %q", got)
		}
	}
	b.unharmed()
}

// Frames in the same segment as the request are not lost, in a handshake or an
// upgrade, even when there are more of them than the HTTP server buffers.
func TestFault_W07_FrameWithTheRequest(t *testing.T) {
	r := newEchoRig(t, Options{})
	long := "4" + strings.Repeat("x", 100_000)
	for _, extra := range []string{frame(0x81, "4early"), frame(0x81, "4early") + frame(0x81, long), frame(0x81, "4ea")[:7]} {
		w, resp := r.request("transport=websocket&EIO=4", upgradeHead, extra)
		if resp.StatusCode != 101 {
			t.Fatalf("answered %d", resp.StatusCode)
		}
		w.read()
		switch {
		case len(extra) < 8: // the rest of a frame that was cut
			w.raw([]byte("ea"))
			w.expect("4ea")
		default:
			w.expect("4early")
			if len(extra) > 100 {
				w.expect(long)
			}
		}
	}
	p := r.polling("4")
	w, _ := r.request("transport=websocket&EIO=4&sid="+p.sid, upgradeHead, frame(0x81, "2probe"))
	w.expect("3probe")
	w.text("5", "4on")
	w.expect("4on")
}

// An upgrade request with a body is refused: its bytes would be read as frames.
func TestFault_W08_UpgradeWithBody(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	p := r.polling("4")
	for _, query := range []string{"transport=websocket&EIO=4", "transport=websocket&EIO=4&sid=" + p.sid} {
		for _, tc := range []struct {
			header, body string
			status       int
		}{
			{"Content-Length: 8\r\n", frame(0x81, "4a"), 400},
			{"Transfer-Encoding: chunked\r\n", "8\r\n" + frame(0x81, "4a") + "\r\n0\r\n\r\n", 400},
			{"Transfer-Encoding: chunked\r\nContent-Length: 8\r\n", "0\r\n\r\n" + frame(0x81, "4a"), 400},
			{"Content-Length: 0\r\n", "", 101},
		} {
			w, resp := r.request(query, upgradeHead+tc.header, tc.body)
			if resp.StatusCode != tc.status {
				t.Errorf("%q answered %d, want %d", tc.header, resp.StatusCode, tc.status)
			}
			if tc.status == 400 {
				body, _ := io.ReadAll(resp.Body)
				if !resp.Close || !strings.Contains(string(body), "must not have a body") {
					t.Errorf("%q answered %v %q", tc.header, resp.Header, body)
				}
			}
			w.nc.Close()
		}
	}
	for range len(r.opened) {
		<-(<-r.opened).closed // the one session that was opened
	}
	p.post("4on")
	if got := p.get(); got != "4on" {
		t.Errorf("poll afterwards answered %q", got)
	}
	b.unharmed()
}

// Packets that have no place: a heartbeat in the wrong direction ends the
// session, a close packet closes it, others are ignored.
func TestFault_W10_PacketsOutOfPlace(t *testing.T) {
	for _, tc := range []struct {
		eio, packet string
		reason      Reason
		remote      bool
	}{
		{"4", "2", ReasonTransportError, false},
		{"4", "2probe", ReasonTransportError, false},
		{"3", "3", ReasonTransportError, false},
		{"4", "1", ReasonTransportClose, true},
		{"3", "1", ReasonTransportClose, true},
		{"4", "0", "", false},
		{"4", `0{"sid":"x"}`, "", false},
		{"4", "5", "", false},
		{"4", "6", "", false},
		{"4", "3", "", false},
		{"3", "0", "", false},
		{"3", "5", "", false},
		{"3", "6", "", false},
	} {
		t.Run(fmt.Sprintf("revision %s, packet %s", tc.eio, tc.packet), func(t *testing.T) {
			r := newEchoRig(t, Options{})
			b := r.bystander()
			w, rec := r.websocket(tc.eio)
			w.text(tc.packet)
			if tc.reason == "" {
				w.text("4on")
				w.expect("4on")
			} else {
				w.expect("close:1005")
				if err := <-rec.closed; err.Reason != tc.reason || err.Remote != tc.remote {
					t.Errorf("closed with %v, remote %t", err, err.Remote)
				}
			}
			b.unharmed()
		})
	}
}

// A client that says goodbye and does not wait for the answer has left in order,
// although the answer cannot be written.
func TestGoodbyeThatIsNotAwaited(t *testing.T) {
	r := newServer(t, Options{}, nil)
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path) // a write fails as soon as the peer has closed
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: r.srv}
	done := make(chan struct{})
	go func() { hs.Serve(l); close(done) }() // ends with the test
	defer func() { r.srv.Close(); hs.Close(); <-done }()
	r.base = "http://server"
	r.dial = func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "unix", path) }
	for range 20 {
		w, rec := r.websocket("4")
		rec.Pause() // the frame is read when the client is gone
		if _, err := io.WriteString(w.nc, frame(0x88, "\x03\xe8")); err != nil {
			t.Fatal(err)
		}
		w.nc.Close()
		rec.Resume()
		if err := <-rec.closed; err.Reason != ReasonTransportClose || err.Err != nil {
			t.Fatalf("closed with %v", err)
		}
	}
}

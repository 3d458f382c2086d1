package engineio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPollingRevision4(t *testing.T) {
	r := newEchoRig(t, Options{})
	status, body, head := r.do("GET", "transport=polling&EIO=4", "", "")
	if status != 200 || !regexp.MustCompile(`^0\{"sid":"[\w-]{20}","upgrades":\["websocket"\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$`).MatchString(body) {
		t.Fatalf("handshake: %d %q", status, body)
	}
	if got := head.Get("Content-Type"); got != "text/plain; charset=UTF-8" {
		t.Errorf("Content-Type %q", got)
	}
	if got := head.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	<-r.opened
	p := r.polling("4")
	p.post("4hello\x1ebAQID\x1e4€")
	if got, want := p.get(), "4hello\x1ebAQID\x1e4€"; got != want {
		t.Errorf("echo %q, want %q", got, want)
	}
	p.post("1")
	if got := p.rec.reason(t); got != ReasonTransportClose {
		t.Errorf("reason %q", got)
	}
}

func TestPollingRevision3(t *testing.T) {
	r := newEchoRig(t, Options{})
	status, body := r.get("transport=polling&EIO=3")
	// The very handshake of a 2.x server.
	if status != 200 || !regexp.MustCompile(`^96:0\{"sid":"[\w-]{20}","upgrades":\["websocket"\],"pingInterval":25000,"pingTimeout":5000\}$`).MatchString(body) {
		t.Fatalf("handshake: %d %q", status, body)
	}
	<-r.opened
	p := r.polling("3")
	p.post("6:4hello3:4😀10:b4AQIDBAUG")
	if got, want := p.get(), "\x00\x06\xff4hello"+"\x00\x05\xff4😀"+"\x01\x07\xff\x04\x01\x02\x03\x04\x05\x06"; got != want {
		t.Errorf("echo %q, want %q", got, want)
	}
	p.post("1:2")
	if got := p.get(); got != "1:3" {
		t.Errorf("pong %q", got)
	}
}

// A client that says goodbye has its parked poll answered with a noop.
func TestGoodbyeOverPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		p := r.polling("3")
		waiting := p.goGet()
		synctest.Wait()
		p.post("1:1")
		if got := <-waiting; got != "1:6" {
			t.Errorf("parked poll answered %q, want a noop", got)
		}
		if got := p.rec.reason(t); got != ReasonTransportClose {
			t.Errorf("reason %q", got)
		}
	})
}

func TestRevision3Base64(t *testing.T) {
	r := newEchoRig(t, Options{})
	p := r.polling("3&b64=1")
	p.post("10:b4AQIDBAUG")
	if got, want := p.get(), "10:b4AQIDBAUG"; got != want {
		t.Errorf("echo %q, want %q", got, want)
	}
}

// A client that says that it takes no binary gets base64 over WebSocket too,
// and no compressed frames, which are binary as well.
func TestBase64OverWebSocket(t *testing.T) {
	r := newEchoRig(t, Options{Deflate: &Deflate{}})
	for eio, want := range map[string]string{"3": "b4AQIDBAUG", "4": "bAQIDBAUG"} {
		w, resp := r.request("transport=websocket&b64=1&EIO="+eio, upgradeHead+"Sec-WebSocket-Extensions: permessage-deflate\r\n", "")
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "" {
			t.Errorf("revision %s: extension %q", eio, got)
		}
		w.read()
		<-r.opened
		w.text(want, "4text")
		w.expect(want, "4text")

		p := r.polling(eio + "&b64=1")
		w = r.upgrade("transport=websocket&b64=1&EIO=" + eio + "&sid=" + p.sid)
		w.text("2probe")
		w.expect("3probe")
		p.rec.Send(NewMessage([]byte("\x01\x02\x03\x04\x05\x06"), true))
		w.text("5")
		w.expect(want)
	}
}

// JSONP clients may move to WebSocket like others.
func TestJSONPOffersUpgrade(t *testing.T) {
	r := newEchoRig(t, Options{})
	if _, body := r.get("transport=polling&EIO=4&j=0"); !strings.Contains(body, `\"upgrades\":[\"websocket\"]`) {
		t.Errorf("handshake %q", body)
	}
}

// Keys of the query may be escaped, and the last value of a key counts.
func TestQuery(t *testing.T) {
	r := newEchoRig(t, Options{})
	for query, want := range map[string]int{
		"%74ransport=polling&%45IO=4":                 200,
		"transport=x&transport=poll%69ng&EIO=3&EIO=4": 200,
		"transport=polling&transport=x&EIO=4":         400,
		"transport=polling&EIO=4&sid=":                200,
		"transport=polling&EIO=4&sid=%zz":             400,
	} {
		if status, body := r.get(query); status != want {
			t.Errorf("%s: %d %q, want %d", query, status, body, want)
		}
	}
}

// Answers to Internet Explorer turn its filter off.
func TestOldBrowser(t *testing.T) {
	r := newEchoRig(t, Options{})
	for agent, want := range map[string]string{
		"Mozilla/5.0 (compatible;MSIE 9.0; Windows NT 6.1)":                      "0",
		"Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0) like Gecko":          "0",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "",
	} {
		p := r.polling("4")
		p.post("4x")
		for _, method := range []string{"GET", "POST"} {
			req, err := http.NewRequest(method, r.url(p.query), strings.NewReader("4x"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("User-Agent", agent)
			resp, err := r.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("X-XSS-Protection"); resp.StatusCode != 200 || got != want {
				t.Errorf("%s for %q: %d with %q, want %q", method, agent, resp.StatusCode, got, want)
			}
		}
	}
}

// What is wrong is looked for in the order of the reference.
func TestRefusalOrder(t *testing.T) {
	both := newEchoRig(t, Options{})
	only := newEchoRig(t, Options{Transports: []string{WebSocket}})
	for _, tc := range []struct {
		r             *rig
		request, want string
	}{
		{both, "GET transport=x&sid=unknown&EIO=2", "Transport unknown"},
		{only, "GET transport=polling&sid=unknown&EIO=4", "Transport unknown"},
		{both, "GET transport=polling&sid=unknown&EIO=4", "Session ID unknown"},
		{both, "POST transport=polling&EIO=4", "Bad handshake method"},
		{both, "GET transport=polling&EIO=4", "Bad request"},
	} {
		method, query, _ := strings.Cut(tc.request, " ")
		nc, err := tc.r.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fmt.Fprintf(nc, "%s /engine.io/?%s HTTP/1.1\r\n%s\r\n", method, query, upgradeHead)
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || string(body) != tc.want {
			t.Errorf("upgrade with %s answered %d %q, want %q", tc.request, resp.StatusCode, body, tc.want)
		}
	}
}

func TestWebSocketBothRevisions(t *testing.T) {
	for _, eio := range []string{"3", "4"} {
		r := newEchoRig(t, Options{})
		w, rec := r.websocket(eio)
		w.text("4hello", "4")
		w.expect("4hello", "4")
		if eio == "3" {
			w.binary("\x04abc")
			w.expect("bin:\x04abc")
			w.text("2", "2data")
			w.binary("\x02\xff")
			w.expect("3", "3", "3")
		} else {
			w.binary("abc")
			w.expect("bin:abc")
		}
		w.text("bAQID") // base64 in revision 4
		if eio == "4" {
			w.expect("bin:\x01\x02\x03")
			w.raw([]byte{0x88, 0x80, 0, 0, 0, 0})
			w.expect("close:1005")
			if got := rec.reason(t); got != ReasonTransportClose {
				t.Errorf("reason %q", got)
			}
		} else {
			w.expect("close:1002")
			if got := rec.reason(t); got != ReasonParseError {
				t.Errorf("reason %q", got)
			}
		}
	}
}

// What Open sends travels with the handshake.
func TestOpenSends(t *testing.T) {
	hello := func(s *Session) Handler {
		s.Send(NewMessage([]byte("0"), false))
		return &recorder{Session: s, closed: make(chan *CloseError, 1)}
	}
	r := newRig(t, Options{Open: hello})
	if _, body := r.get("transport=polling&EIO=3"); !strings.HasPrefix(body, "96:0{") || !strings.HasSuffix(body, "}2:40") {
		t.Errorf("revision 3: %q", body)
	}
	if _, body := r.get("transport=polling&EIO=4"); !strings.HasSuffix(body, "}\x1e40") {
		t.Errorf("revision 4: %q", body)
	}
	w := r.upgrade("transport=websocket&EIO=4")
	w.read()
	w.expect("40")
}

func TestOpenRefuses(t *testing.T) {
	r := newRig(t, Options{Open: func(*Session) Handler { return nil }})
	if status, body := r.get("transport=polling&EIO=4"); status != 403 || body != `{"code":4,"message":"Forbidden"}` {
		t.Errorf("polling: %d %q", status, body)
	}
	r.upgrade("transport=websocket&EIO=4").expect("close:1005")
	if n := r.srv.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestUpgrade(t *testing.T) {
	for _, eio := range []string{"3", "4"} {
		r := newEchoRig(t, Options{})
		p := r.polling(eio)
		encode := func(s string) string {
			if eio == "3" {
				return fmt.Sprintf("%d:%s", len(s), s)
			}
			return s
		}
		waiting := p.goGet()
		w := r.upgrade("transport=websocket&EIO=" + eio + "&sid=" + p.sid)
		w.text("2probe")
		w.expect("3probe")
		if got := <-waiting; got != encode("6") {
			t.Errorf("parked poll answered %q, want a noop", got)
		}
		// Until the switch, polling carries everything.
		p.rec.Send(NewMessage([]byte("still polling"), false))
		if got := p.get(); got != encode("4still polling") {
			t.Errorf("poll during the upgrade answered %q", got)
		}
		if got := p.get(); got != encode("6") {
			t.Errorf("empty poll during the upgrade answered %q, want a noop", got)
		}
		p.rec.Send(NewMessage([]byte("held"), false))
		if got := p.rec.Transport(); got != Polling {
			t.Errorf("transport %q before the switch", got)
		}
		w.text("5", "4hi")
		w.expect("4held", "4hi")
		if got := p.rec.Transport(); got != WebSocket {
			t.Errorf("transport %q after the switch", got)
		}
		if status, body := r.get(p.query); status != 400 || body != `{"code":3,"message":"Bad request"}` {
			t.Errorf("poll after the upgrade: %d %q", status, body)
		}
	}
}

// A pause holds messages back, not the upgrade: a client that switches while
// the session is paused is answered, and goes on where it was.
func TestUpgradeWhilePaused(t *testing.T) {
	r := newEchoRig(t, Options{})
	p := r.polling("4")
	p.rec.Pause()
	w := r.upgrade("transport=websocket&EIO=4&sid=" + p.sid)
	w.text("2probe")
	w.expect("3probe")
	if got := p.get(); got != "6" {
		t.Errorf("poll during the upgrade answered %q, want a noop", got)
	}
	w.text("5", "4held")
	p.rec.Send(NewMessage([]byte("sent while paused"), false))
	w.expect("4sent while paused")
	if got := p.rec.got(); len(got) != 0 {
		t.Errorf("messages %q were delivered to a paused session", got)
	}
	p.rec.Resume()
	w.expect("4held")
}

// A paused client that resets its connection is let go when a write finds out.
func TestResetWhilePaused(t *testing.T) {
	r := newRig(t, Options{})
	w, rec := r.websocket("4")
	rec.Pause()
	w.text("4held")
	w.nc.(*net.TCPConn).SetLinger(0)
	w.nc.Close()
	for rec.Send(NewMessage(make([]byte, 1000), false)) == nil {
	}
	rec.reason(t)
	settles(t, "WebSockets that are left", func() int { return r.srv.Stats().WebSockets }, 0)
}

func TestCloseInEveryState(t *testing.T) {
	t.Run("poll parked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newMemRig(t, Options{}).polling("4")
			waiting := p.goGet()
			synctest.Wait()
			p.rec.Close()
			if got := <-waiting; got != "1" {
				t.Errorf("parked poll answered %q, want a close", got)
			}
			if got := p.rec.reason(t); got != ReasonForcedClose {
				t.Errorf("reason %q", got)
			}
		})
	})
	r := newRig(t, Options{})
	t.Run("no poll, messages queued", func(t *testing.T) {
		p := r.polling("4")
		p.rec.Send(NewMessage([]byte("a"), false), NewMessage([]byte("b"), false))
		p.rec.Close()
		if err := p.rec.Send(NewMessage([]byte("c"), false)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send after Close: %v", err)
		}
		if got := p.get(); got != "4a\x1e4b" {
			t.Errorf("poll while closing answered %q", got)
		}
		if got := p.get(); got != "1" {
			t.Errorf("last poll answered %q", got)
		}
		p.rec.reason(t)
		if status, body := r.get(p.query); status != 400 || !strings.Contains(body, `"code":1`) {
			t.Errorf("poll after the close: %d %q", status, body)
		}
	})
	t.Run("websocket", func(t *testing.T) {
		w, rec := r.websocket("4")
		rec.Send(NewMessage([]byte("a"), false))
		rec.Close()
		w.expect("4a", "close:1005")
		if got := rec.reason(t); got != ReasonForcedClose {
			t.Errorf("reason %q", got)
		}
	})
	t.Run("while probing", func(t *testing.T) {
		p := r.polling("4")
		w := r.upgrade("transport=websocket&EIO=4&sid=" + p.sid)
		w.text("2probe")
		w.expect("3probe")
		p.rec.Send(NewMessage([]byte("a"), false))
		p.rec.Close()
		if got := p.get(); got != "4a" {
			t.Errorf("poll while closing answered %q", got)
		}
		if got := p.get(); got != "1" {
			t.Errorf("last poll answered %q", got)
		}
		w.expect("close:1005")
		p.rec.reason(t)
	})
	t.Run("while switching", func(t *testing.T) {
		p := r.polling("4")
		w := r.upgrade("transport=websocket&EIO=4&sid=" + p.sid)
		w.text("2probe")
		w.expect("3probe")
		p.rec.Send(NewMessage([]byte("a"), false))
		p.rec.Close()
		w.text("5") // the client has stopped polling
		w.expect("4a", "close:1005")
		if got := p.rec.reason(t); got != ReasonForcedClose {
			t.Errorf("reason %q", got)
		}
	})
	t.Run("abort", func(t *testing.T) {
		w, rec := r.websocket("4")
		rec.Abort(ReasonParseError, errors.New("nonsense"))
		w.expect("close:1002")
		if err := <-rec.closed; err.Reason != ReasonParseError || err.Err == nil {
			t.Errorf("closed with %v", err)
		}
	})
}

func TestShutdownIsOrderly(t *testing.T) {
	r := newRig(t, Options{})
	p := r.polling("4")
	w, rec := r.websocket("4")
	p.rec.Send(NewMessage([]byte("bye"), false))
	rec.Send(NewMessage([]byte("bye"), false))
	done := make(chan error, 1)
	go func() { done <- r.srv.Shutdown(context.Background()) }()
	w.expect("4bye", "close:1005")
	w.raw([]byte{0x88, 0x80, 0, 0, 0, 0})
	if got := p.get(); got != "4bye" {
		t.Errorf("poll while closing answered %q", got)
	}
	if got := p.get(); got != "1" {
		t.Errorf("last poll answered %q", got)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if p.rec.reason(t) != ReasonServerShutdown || rec.reason(t) != ReasonServerShutdown {
		t.Error("wrong reason")
	}
	if status, body := r.get("transport=polling&EIO=4"); status != 503 {
		t.Errorf("handshake after Shutdown: %d %q", status, body)
	}
	if err := r.srv.Shutdown(context.Background()); err != nil {
		t.Errorf("second Shutdown: %v", err)
	}
}

func TestFault_X07_ShutdownEndsWithItsContext(t *testing.T) {
	r := newRig(t, Options{})
	p := r.polling("4") // never polls again
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if got := p.rec.reason(t); got != ReasonServerShutdown {
		t.Errorf("reason %q", got)
	}
	if n := r.srv.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

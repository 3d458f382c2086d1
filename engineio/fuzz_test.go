package engineio

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzQuery: whatever stands before them, parameters that are encoded by the
// book are read back, the last of each counting; and reading never fails.
func FuzzQuery(f *testing.F) {
	for _, raw := range []string{
		"", "EIO=4&transport=polling", "EIO=3&transport=websocket&sid=abc&t=1&b64=1&j=0", "EIO=4&EIO=3", "sid=%zz&sid", "&&=&=x",
		"%45IO=4&%73id=x", "transport=poll%69ng", "a+b=c+d", ";sid=1;", "j", "b64=", "sid=%e2%82%ac", strings.Repeat("a=b&", 100),
	} {
		f.Add(raw, "4", Polling, "sid", "0", true)
	}
	f.Add("sid=x", "", "", "", "", false)
	f.Add("x", "€", "a&b=c", "a+b%20c", "\x00;", true)
	f.Fuzz(func(t *testing.T, raw, eio, transport, sid, j string, b64 bool) {
		parseQuery(raw)
		v := url.Values{"EIO": {eio}, "transport": {transport}, "sid": {sid}, "j": {j}}
		if b64 {
			v.Set("b64", "1")
		}
		q := parseQuery(raw + "&" + v.Encode())
		if q.eio != eio || q.transport != transport || q.sid != sid || q.j != j || !q.jsonp || b64 && !q.b64 {
			t.Fatalf("%q behind %q was read as %+v", v.Encode(), raw, q)
		}
		if r := q.revision(); (r == 4) != (eio == "4") || r != 4 && r != 3 {
			t.Fatalf("EIO %q is revision %d", eio, r)
		}
	})
}

// statuses are all that the server and the HTTP server before it may answer.
var statuses = []int{101, 200, 204, 400, 403, 404, 405, 408, 413, 417, 426, 431, 500, 501, 505}

// FuzzServeHTTP: whatever a client sends as one request, and behind it, it gets
// an answer; nobody else's session is touched; and when the server is closed
// nothing is left: no session, no connection, no goroutine. Virtual time.
func FuzzServeHTTP(f *testing.F) {
	const handshake, session = "EIO=4&transport=polling", "EIO=4&transport=polling&sid=SID"
	ws := strings.TrimPrefix(upgradeHead, "Host: server\r\n")
	for _, seed := range []struct{ method, query, header, body string }{
		{"GET", handshake, "", ""},
		{"GET", "EIO=3&transport=polling&b64=1", "Cookie: a=b\r\nOrigin: http://evil.example\r\n", ""},
		{"GET", session, "Accept-Encoding: br\r\n", ""},
		{"POST", session, "Content-Length: 6\r\n", "4hello"},
		{"POST", session, "Content-Length: 7\r\n", "4hello"}, // one byte short
		{"POST", session, "Content-Length: 1\r\n", "2"},
		{"POST", session, "Content-Length: 11\r\n", "4a\x1ebAQID\x1e1"},
		{"POST", session, "Transfer-Encoding: chunked\r\n", "2\r\n4a\r\n0\r\n\r\n"},
		{"POST", session, "Content-Type: application/octet-stream\r\nContent-Length: 2\r\n", "4a"},
		{"POST", session + "&j=0", "Content-Length: 6\r\n", "d=4%0A"},
		{"POST", session, "Content-Length: 2\r\nExpect: 100-continue\r\n", "4a"},
		{"POST", session, "Content-Length: 99999999\r\n", "4a"},
		{"PUT", session, "", ""},
		{"OPTIONS", handshake, "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n", ""},
		{"GET", "EIO=4&transport=websocket", ws, frame(0x81, "4hello") + frame(0x88, "\x03\xe8")},
		{"GET", "EIO=4&transport=websocket&sid=SID", ws, frame(0x81, "2probe") + frame(0x81, "5") + frame(0x81, "4hello")},
		{"GET", "EIO=3&transport=websocket&sid=SID", ws, frame(0x81, "2probe")},
		{"GET", "EIO=4&transport=websocket", ws + offerDeflate, frame(0xC1, "\x02\x00")},
		{"GET", "EIO=4&transport=websocket", ws, frame(0x89, "ping") + "\x81\xff\x7f"},
		{"GET", "EIO=4&transport=websocket", ws + "Content-Length: 3\r\n", "abc"},
		{"GET", "", "Connection: Upgrade\r\nUpgrade: h2c\r\n", ""},
		{"PRI", "*", "", "SM\r\n\r\n"},
		{"\r\n", "\x00", ":\r\n\r\n", "\xff"},
	} {
		f.Add(seed.method, seed.query, seed.header, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, query, header, body string) {
		if len(header) > 64<<10 || len(query) > 64<<10 {
			return // the HTTP server's business
		}
		if header != "" && !strings.HasSuffix(header, "\n") {
			header += "\r\n" // or the request would not end
		}
		synctest.Test(t, func(t *testing.T) {
			r := newMemRig(t, Options{MaxPayload: 1000, Deflate: &Deflate{}, CompressionThreshold: 1, Cookie: &http.Cookie{}})
			b := r.bystander()
			p := r.polling("4")
			query = strings.ReplaceAll(query, "SID", p.sid)

			nc, err := r.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c := &httpPeer{t: t, nc: nc, br: bufio.NewReader(nc)}
			c.send(method+" /engine.io/?"+query+" HTTP/1.1\r\nHost: server\r\n"+header+"\r\n", body)
			// A poll is answered with the first ping, a body that is short
			// cut off at BodyTimeout.
			nc.SetReadDeadline(time.Now().Add(time.Minute))
			status := 100
			for status == 100 {
				resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
				if err != nil {
					t.Fatalf("no answer: %v", err)
				}
				status = resp.StatusCode
				if status != 101 {
					io.Copy(io.Discard, resp.Body)
				}
			}
			if !slices.Contains(statuses, status) {
				t.Errorf("answered %d", status)
			}
			if status == 101 {
				io.CopyN(io.Discard, c.br, 1) // a packet, or a close frame
			}
			nc.Close()

			// The bystanders may have been pinged meanwhile.
			b.w.text("3", "4on")
			got := b.w.read()
			if got == "2" {
				got = b.w.read()
			}
			b.p.post("3\x1e4on")
			polled := b.p.get()
			if got != "4on" || strings.TrimPrefix(polled, "2\x1e") != "4on" {
				t.Errorf("the bystanders got %q and %q", got, polled)
			}
			r.srv.Close()
			synctest.Wait()
			if st := r.srv.Stats(); st.Sessions != 0 || st.WebSockets != 0 || r.srv.wheel.Len() != 0 {
				t.Errorf("left: %+v, %d timers", st, r.srv.wheel.Len())
			}
			time.Sleep(time.Second) // the HTTP server lingers
		})
	})
}

// FuzzSec_S25_Cookie: cookie options are refused when the server is made, or
// every handshake carries one cookie of one line with the id as its value.
func FuzzSec_S25_Cookie(f *testing.F) {
	for _, seed := range [][3]string{
		{"", "", ""}, {"io", "/", "example.com"}, {"a b", "/", ""}, {"io", "/;x=y", ""}, {"io", "/\r\nX: y", ""}, {"io\x00", "", "exa mple"}, {"io", "/é", ".example.com"}, {"0", "/\"", "0"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, name, path, domain string) {
		srv, err := New(&Options{Open: func(*Session) Handler { return quiet{} }, Cookie: &http.Cookie{Name: name, Path: path, Domain: domain},
			GenerateID: func(*http.Request) (string, error) { return "SID", nil }})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "engineio: Options.Cookie ") {
				t.Fatal(err)
			}
			return
		}
		defer srv.Close()
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, httptest.NewRequest("GET", "/engine.io/?EIO=4&transport=polling", nil))
		lines := w.Header()["Set-Cookie"]
		if len(lines) != 1 || strings.ContainsFunc(lines[0], isControl) {
			t.Fatalf("cookies %q", lines)
		}
		// Read as RFC 6265 section 5.2 has browsers do it; net/http refuses more.
		attributes := strings.Split(lines[0], ";")
		for i, a := range attributes {
			attributes[i] = strings.Trim(a, " ")
		}
		if attributes[0] != orDefault(name, "io")+"=SID" || !slices.Contains(attributes, "HttpOnly") ||
			attributes[1] != "Path="+strings.Trim(orDefault(path, "/"), " ") {
			t.Fatalf("cookie %q", lines[0])
		}
	})
}

package engineio

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func contextWith(r *http.Request, key, value any) context.Context {
	return context.WithValue(r.Context(), key, value)
}

// X-Forwarded-For is believed as far as it was written by trusted proxies.
func TestTrustedProxies(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("127.0.0.1/32")}
	for _, tc := range []struct {
		remote    string
		forwarded []string
		want      string // with the proxies trusted; without them it is remote
	}{
		{"192.0.2.1:80", nil, "192.0.2.1"},
		{"192.0.2.1:80", []string{"203.0.113.9"}, "192.0.2.1"},
		{"10.1.1.1:80", nil, "10.1.1.1"},
		{"10.1.1.1:80", []string{"203.0.113.9"}, "203.0.113.9"},
		{"10.1.1.1:80", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"10.1.1.1:80", []string{"203.0.113.9, 10.2.2.2"}, "203.0.113.9"},
		{"10.1.1.1:80", []string{"198.51.100.1", "203.0.113.9,10.2.2.2", "10.3.3.3"}, "203.0.113.9"},
		{"10.1.1.1:80", []string{"10.2.2.2, 10.3.3.3"}, "10.2.2.2"},
		{"10.1.1.1:80", []string{"203.0.113.9, evil, 10.2.2.2"}, "10.2.2.2"},
		{"10.1.1.1:80", []string{"203.0.113.9, "}, "10.1.1.1"},
		{"10.1.1.1:80", []string{"unknown"}, "10.1.1.1"},
		{"10.1.1.1:80", []string{"203.0.113.9:1234"}, "203.0.113.9"},
		{"10.1.1.1:80", []string{"[2001:db8::1]:1234"}, "2001:db8::1"},
		{"10.1.1.1:80", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"10.1.1.1:80", []string{"2001:db8::1"}, "2001:db8::1"},
		{"10.1.1.1:80", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"[::ffff:10.1.1.1]:80", []string{"203.0.113.9"}, "203.0.113.9"},
		{"[fd00::1%eth0]:80", []string{"203.0.113.9"}, "203.0.113.9"},
		{"127.0.0.1:80", []string{strings.Repeat("127.0.0.1,", 10_000) + "127.0.0.1"}, "127.0.0.1"},
		{"@", []string{"203.0.113.9"}, "invalid IP"},
		{"", nil, "invalid IP"},
		{"192.0.2.1", nil, "192.0.2.1"},
	} {
		for _, proxies := range [][]netip.Prefix{trusted, nil} {
			srv, err := New(&Options{Open: refuseAll, TrustedProxies: proxies})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "/engine.io/", nil)
			r.RemoteAddr = tc.remote
			if tc.forwarded != nil {
				r.Header["X-Forwarded-For"] = tc.forwarded
			}
			want := tc.want
			if proxies == nil {
				ap, _ := netip.ParseAddrPort(tc.remote)
				if want = ap.Addr().Unmap().WithZone("").String(); tc.remote == "192.0.2.1" {
					want = tc.remote
				}
			}
			if got := srv.cfg.clientAddr(r).String(); got != want {
				t.Errorf("peer %q, forwarded %.100q, trust %t: %s, want %s", tc.remote, tc.forwarded, proxies != nil, got, want)
			}
			srv.Close()
		}
	}
}

// The application sees both: who is connected, and who it is for.
func TestHandshakeAddresses(t *testing.T) {
	r := newEchoRig(t, Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	r.ask("GET", "transport=websocket&EIO=4&a=1&a=%32&b", "X-Forwarded-For: 203.0.113.9", "X-Twice: 1", "X-Twice: 2", "X-Empty:")
	rec := <-r.opened
	hs := rec.Handshake()
	if rec.Revision() != 4 || rec.Transport() != WebSocket || time.Since(hs.Time()) > time.Minute {
		t.Errorf("revision %d over %s at %v", rec.Revision(), rec.Transport(), hs.Time())
	}
	if got := hs.ClientAddr().String(); got != "203.0.113.9" {
		t.Errorf("ClientAddr %s", got)
	}
	if got := hs.RemoteAddr(); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("RemoteAddr %s", got)
	}
	if got := hs.Query(); strings.Join(got["a"], "") != "12" || !got.Has("b") || got.Get("EIO") != "4" {
		t.Errorf("Query %v", got)
	}
	if got := hs.URL(); got.Path != "/engine.io/" || !strings.Contains(got.RawQuery, "a=1&a=%32") {
		t.Errorf("URL %v", got)
	}
	h := hs.Header()
	if _, ok := h["X-Empty"]; strings.Join(h["X-Twice"], ",") != "1,2" || !ok || hs.Host() != "server" || hs.Secure() {
		t.Errorf("headers %v, host %q, secure %t", h, hs.Host(), hs.Secure())
	}
	h.Set("X-Twice", "changed")
	if got := hs.Header().Get("X-Twice"); got != "1" {
		t.Errorf("a change of the copy changed the handshake: %q", got)
	}
}

// The bound per address counts clients, not proxies; who has no address is not
// counted.
func TestSec_S54_SessionsPerAddress(t *testing.T) {
	r := newRig(t, Options{MaxSessionsPerAddress: 2, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}})
	handshake := func(remote, forwarded string) *httptest.ResponseRecorder {
		req := r.getRequest("transport=polling&EIO=4")
		if remote != "" {
			req.RemoteAddr = remote
		}
		if forwarded != "" {
			req.Header.Set("X-Forwarded-For", forwarded)
		}
		w := httptest.NewRecorder()
		r.srv.ServeHTTP(w, req)
		return w
	}
	for _, tc := range []struct {
		remote, forwarded string
		want              int
	}{
		{"", "203.0.113.1", 200}, {"", "203.0.113.1", 200}, {"", "203.0.113.1", 429}, {"203.0.113.1:5", "", 429},
		{"", "203.0.113.2", 200}, {"", "203.0.113.2, 192.0.2.1", 200}, {"", "203.0.113.2", 429},
		{"198.51.100.1:5", "203.0.113.7", 200}, {"198.51.100.1:6", "203.0.113.8", 200}, {"198.51.100.1:7", "203.0.113.9", 429},
		{"@", "", 200}, {"@", "", 200}, {"@", "", 200},
	} {
		w := handshake(tc.remote, tc.forwarded)
		if w.Code != tc.want {
			t.Errorf("handshake of %q for %q answered %d, want %d", tc.remote, tc.forwarded, w.Code, tc.want)
		}
		if tc.want == 429 && (w.Body.String() != `{"code":4,"message":"Too many sessions"}` || w.Header().Get("Retry-After") == "") {
			t.Errorf("refused with %q, %v", w.Body, w.Header())
		}
	}
	// The end of a session makes room for another.
	rec := <-r.opened
	rec.Abort(ReasonForcedClose, nil)
	rec.reason(t)
	settles(t, "sessions", r.srv.Len, 8)
	if w := handshake("", "203.0.113.1"); w.Code != 200 {
		t.Errorf("handshake into a free place answered %d", w.Code)
	}
	if w := handshake("", "203.0.113.1"); w.Code != 429 {
		t.Errorf("handshake beyond the bound answered %d", w.Code)
	}
	// Nothing is kept of addresses without sessions.
	r.srv.Close()
	if n := len(r.srv.perAddr); n != 0 {
		t.Errorf("%d addresses are kept after the end", n)
	}
}

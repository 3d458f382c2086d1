package engineio

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/cors"
)

// wrapped is a ResponseWriter that hides what it wraps, but for Unwrap.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// hiding is one that hides everything.
type hiding struct{ http.ResponseWriter }

// named returns a middleware that leaves its name in the answer.
func named(name string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("X-Calls", name)
			next.ServeHTTP(wrapped{w}, r)
		})
	}
}

// Middleware runs for polls and upgrades alike, the first outermost, and its
// headers are in every answer, the 101 and errors included.
func TestMiddleware(t *testing.T) {
	r := newEchoRig(t, Options{Middleware: []func(http.Handler) http.Handler{named("A"), named("B")}})
	for _, query := range []string{"transport=polling&EIO=4", "transport=websocket&EIO=4", "transport=x"} {
		resp, _ := r.ask("GET", query)
		if got := strings.Join(resp.Header["X-Calls"], " "); got != "A B" {
			t.Errorf("%s: middleware %q answered %d", query, got, resp.StatusCode)
		}
	}
	if resp := elsewhere(t, r); resp.StatusCode != 404 || resp.Header.Get("X-Calls") != "" {
		t.Errorf("outside the path: %d, headers %v", resp.StatusCode, resp.Header)
	}
}

// A middleware that answers by itself refuses the request, whatever it is.
func TestMiddlewareRefuses(t *testing.T) {
	r := newEchoRig(t, Options{
		CORS: &cors.Options{AllowedOrigins: []string{appOrigin}},
		Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "" {
					http.Error(w, "who are you?", http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(w, r)
			})
		}},
	})
	for _, query := range []string{"transport=polling&EIO=4", "transport=websocket&EIO=4"} {
		resp, body := r.ask("GET", query, "Origin: "+appOrigin)
		if resp.StatusCode != 401 || body != "who are you?\n" || resp.Header.Get("Access-Control-Allow-Origin") != appOrigin {
			t.Errorf("%s: %d %q %v", query, resp.StatusCode, body, resp.Header)
		}
	}
	if resp, _ := r.ask("OPTIONS", "transport=polling&EIO=4", "Origin: "+appOrigin, "Access-Control-Request-Method: POST"); resp.StatusCode != 204 {
		t.Errorf("a preflight, which has no credentials, was answered %d", resp.StatusCode)
	}
	if resp, _ := r.ask("GET", "transport=websocket&EIO=4", "Origin: "+appOrigin, "Authorization: me"); resp.StatusCode != 101 {
		t.Errorf("answered %d", resp.StatusCode)
	}
	if n := len(r.opened); n != 1 {
		t.Errorf("%d sessions were opened, want 1", n)
	}
}

// What a middleware puts into the request's context reaches the application.
func TestMiddlewareContext(t *testing.T) {
	type key struct{}
	r := newEchoRig(t, Options{Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(contextWith(r, key{}, "value")))
		})
	}}})
	for _, query := range []string{"transport=polling&EIO=4", "transport=websocket&EIO=4"} {
		r.ask("GET", query)
		ctx := (<-r.opened).Handshake().Context()
		if got := ctx.Value(key{}); got != "value" {
			t.Errorf("%s: the context holds %v", query, got)
		}
		if ctx.Err() != nil || ctx.Done() != nil {
			t.Errorf("%s: the context ends", query)
		}
	}
}

// A middleware that hides the connection makes upgrades fail, and the log says
// which type does; polling goes on.
func TestMiddlewareThatHidesTheConnection(t *testing.T) {
	for name, middleware := range map[string]func(http.Handler) http.Handler{
		"engineio.hiding": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(hiding{w}, r) })
		},
		"*http.timeoutWriter": func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Minute, "") },
	} {
		var log logbook
		r := newEchoRig(t, Options{Middleware: []func(http.Handler) http.Handler{middleware}, Logger: log.logger(), Cookie: &http.Cookie{}})
		resp, body := r.ask("GET", "transport=websocket&EIO=4")
		if resp.StatusCode != 500 || !strings.Contains(body, "cannot take over this connection") {
			t.Errorf("%s: answered %d %q", name, resp.StatusCode, body)
		}
		if got := resp.Header.Get("Set-Cookie"); got != "" {
			t.Errorf("%s: the cookie of a session that is not: %q", name, got)
		}
		if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, name) {
			t.Errorf("%s: the log says\n%s", name, got)
		}
		if n, st := r.srv.Len(), r.srv.Stats(); n != 0 || st.Opened != 0 || st.WebSockets != 0 || len(r.opened) != 0 {
			t.Errorf("%s: %d sessions, stats %+v", name, n, st)
		}
		p := r.polling("4")
		if resp, _ := r.ask("GET", p.upgradeQuery()); resp.StatusCode != 500 {
			t.Errorf("%s: upgrade answered %d", name, resp.StatusCode)
		}
		p.post("4on")
		if got := p.get(); got != "4on" {
			t.Errorf("%s: poll answered %q", name, got)
		}
	}
}

// The log names the type that hides the connection, not one around it that
// does as it should.
func TestTheHidingTypeIsNamed(t *testing.T) {
	var log logbook
	r := newEchoRig(t, Options{Logger: log.logger(), Middleware: []func(http.Handler) http.Handler{
		func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Minute, "") },
		func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrapping{w}, r) })
		},
	}})
	r.ask("GET", "transport=websocket&EIO=4")
	if got := log.String(); !strings.Contains(got, "*http.timeoutWriter") || strings.Contains(got, "wrapping") {
		t.Errorf("the log says\n%s", got)
	}
}

// wrapping is a ResponseWriter that says what it wraps.
type wrapping struct{ http.ResponseWriter }

func (w wrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// The header hooks see the right answers and may change them.
func TestHeaderHooks(t *testing.T) {
	r := newEchoRig(t, Options{
		InitialHeaders: func(h http.Header, r *http.Request) { h.Set("X-Initial", r.URL.Query().Get("transport")) },
		Headers: func(h http.Header, r *http.Request) {
			h.Set("X-Each", r.Method)
			h.Del("X-Accel-Buffering")
		},
	})
	check := func(what string, resp *http.Response, initial, each string) {
		t.Helper()
		if got := resp.Header; got.Get("X-Initial") != initial || got.Get("X-Each") != each || got.Get("X-Accel-Buffering") != "" {
			t.Errorf("%s: %d, headers %v", what, resp.StatusCode, got)
		}
	}
	resp, _ := r.ask("GET", "transport=polling&EIO=4")
	check("handshake", resp, "polling", "GET")
	<-r.opened
	p := r.polling("4")
	p.rec.Send(text("a"))
	resp, _ = r.ask("GET", p.query)
	check("poll", resp, "", "GET")
	resp, _ = r.exchange("POST", p.query, nil, "4a")
	check("POST", resp, "", "POST")
	resp, _ = r.ask("GET", p.upgradeQuery())
	check("upgrade", resp, "", "GET")
	resp, _ = r.ask("GET", "transport=websocket&EIO=4")
	check("WebSocket", resp, "websocket", "GET")
	resp, _ = r.ask("GET", "transport=x")
	check("error", resp, "", "")
}

// The cookie holds the session's id, once, in the answer to the handshake.
func TestCookie(t *testing.T) {
	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		cookie *http.Cookie
		want   string // behind the id
	}{
		{&http.Cookie{}, "io=%s; Path=/; HttpOnly; SameSite=Lax"},
		{&http.Cookie{Name: "node", Path: "/engine.io", Value: "ignored"}, "node=%s; Path=/engine.io; HttpOnly; SameSite=Lax"},
		{&http.Cookie{Domain: "example.com", MaxAge: 60, Secure: true, SameSite: http.SameSiteNoneMode}, "io=%s; Path=/; Domain=example.com; Max-Age=60; HttpOnly; Secure; SameSite=None"},
		{&http.Cookie{Expires: expires, SameSite: http.SameSiteStrictMode, Partitioned: true, Secure: true}, "io=%s; Path=/; Expires=Wed, 02 Jan 2030 03:04:05 GMT; HttpOnly; Secure; SameSite=Strict; Partitioned"},
	} {
		r := newEchoRig(t, Options{Cookie: tc.cookie})
		for _, query := range []string{"transport=polling&EIO=4", "transport=websocket&EIO=4"} {
			resp, _ := r.ask("GET", query)
			want := fmt.Sprintf(tc.want, (<-r.opened).ID())
			if got := resp.Header["Set-Cookie"]; len(got) != 1 || got[0] != want {
				t.Errorf("%s: cookies %q, want %q", query, got, want)
			}
		}
		p := r.polling("4")
		p.rec.Send(text("a"))
		for _, query := range []string{p.query, p.upgradeQuery(), "transport=x"} {
			if resp, _ := r.ask("GET", query); resp.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s: cookie %q", query, resp.Header.Get("Set-Cookie"))
			}
		}
	}
	// Over TLS it is secure by itself.
	r := newRig(t, Options{Cookie: &http.Cookie{}})
	req := r.getRequest("transport=polling&EIO=4")
	req.TLS = &tls.ConnectionState{}
	w := httptest.NewRecorder()
	r.srv.ServeHTTP(w, req)
	if got := w.Header().Get("Set-Cookie"); !strings.Contains(got, "; Secure") {
		t.Errorf("cookie over TLS: %q", got)
	}
	// And without the option there is none.
	r = newRig(t, Options{})
	if resp, _ := r.ask("GET", "transport=polling&EIO=4"); resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("cookie %q without the option", resp.Header.Get("Set-Cookie"))
	}
}

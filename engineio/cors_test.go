package engineio

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/cors"
)

// ask sends a request with headers, "Name: value" each, and returns the answer
// and its body. One that asks for a WebSocket is an upgrade.
func (r *rig) ask(method, query string, headers ...string) (*http.Response, string) {
	r.t.Helper()
	c := r.connect()
	lines := ""
	for _, h := range headers {
		lines += h + "\r\n"
	}
	if strings.Contains(query, "transport=websocket") {
		lines += upgradeHead[len("Host: server\r\n"):]
	}
	c.send(head(method, query) + lines + "\r\n")
	defer c.nc.Close()
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(body)
}

const (
	appOrigin  = "https://app.example"
	evilOrigin = "https://evil.example"
)

// CORS headers are sent only when they were asked for, with polls, preflights,
// errors and upgrades alike, and never allow everybody with credentials
// (CVE-2020-28481).
func TestSec_S03_CORSHeaders(t *testing.T) {
	list := []string{appOrigin}
	for _, tc := range []struct {
		name        string
		cors        *cors.Options
		app, evil   string // Access-Control-Allow-Origin
		credentials string
	}{
		{"none", nil, "", "", ""},
		{"everybody", &cors.Options{}, "*", "*", ""},
		{"a list", &cors.Options{AllowedOrigins: list}, appOrigin, "", ""},
		{"a list, credentials", &cors.Options{AllowedOrigins: list, AllowCredentials: true}, appOrigin, "", "true"},
		{"a pattern", &cors.Options{AllowedOrigins: []string{"https://*pp.example"}}, appOrigin, "", ""},
		{"a function", &cors.Options{AllowOriginFunc: func(o string) bool { return o == appOrigin }, AllowCredentials: true}, appOrigin, "", "true"},
		{"a function of the request", &cors.Options{AllowOriginVaryRequestFunc: func(r *http.Request, o string) (bool, []string) {
			return r.URL.Query().Get("transport") != "" && o == appOrigin, nil
		}}, appOrigin, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newEchoRig(t, Options{CORS: tc.cors})
			for origin, want := range map[string]string{appOrigin: tc.app, evilOrigin: tc.evil, "": "", "null": tc.evil} {
				var headers []string
				if origin != "" {
					headers = []string{"Origin: " + origin}
				}
				for _, kind := range []struct{ method, query string }{
					{"GET", "transport=polling&EIO=4"},
					{"GET", "transport=polling&EIO=4&sid=unknown"},
					{"POST", "transport=polling&EIO=4&sid=unknown"},
					{"GET", "transport=x"},
					{"GET", "transport=websocket&EIO=4"},
					{"GET", "transport=websocket&EIO=4&sid=unknown"},
					{"OPTIONS", "transport=polling&EIO=4"},
				} {
					with := headers
					if kind.method == "OPTIONS" {
						with = append(with[:len(with):len(with)], "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")
					}
					resp, _ := r.ask(kind.method, kind.query, with...)
					h := resp.Header
					name := fmt.Sprintf("%s %s from %q: %d", kind.method, kind.query, origin, resp.StatusCode)
					if got := h.Get("Access-Control-Allow-Origin"); got != want {
						t.Errorf("%s: Allow-Origin %q, want %q", name, got, want)
					}
					wantCredentials := ""
					if want != "" {
						wantCredentials = tc.credentials
					}
					if got := h.Get("Access-Control-Allow-Credentials"); got != wantCredentials {
						t.Errorf("%s: Allow-Credentials %q, want %q", name, got, wantCredentials)
					}
					if vary := strings.Join(h["Vary"], ", "); strings.Contains(vary, "Origin") != (tc.cors != nil) {
						t.Errorf("%s: Vary %q", name, vary)
					}
					switch {
					case kind.method != "OPTIONS":
					case tc.cors == nil:
						if resp.StatusCode != 400 {
							t.Errorf("%s: a preflight without CORS", name)
						}
					case resp.StatusCode != 204 || (h.Get("Access-Control-Allow-Methods") == "POST") != (want != "") || (h.Get("Access-Control-Allow-Headers") == "content-type") != (want != ""):
						t.Errorf("%s: preflight answered %v", name, h)
					}
				}
			}
		})
	}
}

// All origins with credentials is what browsers refuse, and what nobody means.
func TestCORSForEverybodyWithCredentials(t *testing.T) {
	for _, origins := range [][]string{nil, {"*"}, {appOrigin, "*"}} {
		o := Options{Open: func(*Session) Handler { return nil }, CORS: &cors.Options{AllowedOrigins: origins, AllowCredentials: true}}
		if _, err := New(&o); err == nil || !strings.HasPrefix(err.Error(), "engineio: Options.CORS ") {
			t.Errorf("origins %q with credentials: %v", origins, err)
		}
	}
}

// The other fields of the CORS options are honoured.
func TestCORSOptions(t *testing.T) {
	r := newEchoRig(t, Options{CORS: &cors.Options{
		AllowedOrigins: []string{appOrigin}, AllowedMethods: []string{"GET", "POST"}, AllowedHeaders: []string{"X-Token"},
		ExposedHeaders: []string{"X-Node"}, MaxAge: 600, OptionsSuccessStatus: 200,
	}})
	resp, body := r.ask("OPTIONS", "transport=polling&EIO=4", "Origin: "+appOrigin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-token")
	if h := resp.Header; resp.StatusCode != 200 || body != "" || h.Get("Access-Control-Max-Age") != "600" || h.Get("Access-Control-Allow-Headers") != "x-token" {
		t.Errorf("preflight answered %d %v", resp.StatusCode, resp.Header)
	}
	resp, _ = r.ask("GET", "transport=polling&EIO=4", "Origin: "+appOrigin)
	if got := resp.Header.Get("Access-Control-Expose-Headers"); got != "X-Node" {
		t.Errorf("exposed headers %q", got)
	}
	// Outside the path there is no CORS.
	if resp := elsewhere(t, r); resp.StatusCode != 404 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("outside the path: %d %v", resp.StatusCode, resp.Header)
	}
}

func elsewhere(t *testing.T, r *rig) *http.Response {
	t.Helper()
	req, err := http.NewRequest("GET", r.base+"/elsewhere/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", appOrigin)
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// The origin policy: who may connect, over each transport, with and without
// what a browser adds of the visitor (CVE-2019-13611 and eight after it).
func TestSec_S30_S55_OriginPolicy(t *testing.T) {
	origins := []struct {
		name    string
		headers []string
		same    bool // a page of this server, or no page at all
		listed  bool
	}{
		{"no origin", nil, true, true},
		{"this host", []string{"Origin: http://server"}, true, true},
		{"this host, other case", []string{"Origin: http://SERVER"}, true, true},
		{"the browser says same-origin", []string{"Origin: https://public.example", "Sec-Fetch-Site: same-origin"}, true, true},
		{"a listed origin", []string{"Origin: " + appOrigin}, false, true},
		{"a foreign origin", []string{"Origin: " + evilOrigin}, false, false},
		{"this host in a foreign name", []string{"Origin: http://server.evil.example"}, false, false},
		{"this host with another port", []string{"Origin: http://server:81"}, false, false},
		{"an opaque origin", []string{"Origin: null"}, false, false},
		{"nonsense", []string{"Origin: ://"}, false, false},
		{"the browser says cross-site", []string{"Origin: http://server", "Sec-Fetch-Site: cross-site"}, false, false},
		{"the browser says same-site", []string{"Origin: " + evilOrigin, "Sec-Fetch-Site: same-site"}, false, false},
	}
	credentials := []struct {
		name    string
		headers []string
	}{
		{"", nil},
		{", with a cookie", []string{"Cookie: session=1"}},
		{", with Authorization", []string{"Authorization: Bearer x"}},
	}
	for _, list := range []*cors.Options{nil, {AllowedOrigins: []string{appOrigin}}} {
		r := newEchoRig(t, Options{CORS: list})
		p := r.polling("4")
		for _, origin := range origins {
			for _, credential := range credentials {
				allowed := origin.same || list != nil && origin.listed || list == nil && credential.headers == nil
				headers := append(append([]string{"Content-Length: 0"}, origin.headers...), credential.headers...)
				for _, kind := range []struct {
					what, method, query string
					allowed, refused    int
				}{
					{"handshake", "GET", "transport=polling&EIO=4", 200, 403},
					{"request of another method", "PUT", p.query, 405, 403},
					{"WebSocket", "GET", "transport=websocket&EIO=4", 101, 400},
					{"upgrade", "GET", p.upgradeQuery(), 101, 400},
				} {
					want := map[bool]int{true: kind.allowed, false: kind.refused}[allowed]
					resp, body := r.ask(kind.method, kind.query, headers...)
					if resp.StatusCode != want {
						t.Errorf("CORS %t, %s%s: %s answered %d, want %d", list != nil, origin.name, credential.name, kind.what, resp.StatusCode, want)
					}
					if !allowed && !strings.Contains(body, "Forbidden") {
						t.Errorf("%s refused with %q", kind.what, body)
					}
				}
			}
		}
	}
}

// An origin that no browser sends gets code 3; the HTTP server lets it through
// in HTTP/2 only.
func TestOriginOfControlCharacters(t *testing.T) {
	r := newEchoRig(t, Options{})
	for _, origin := range []string{"http://a\x00", "\x01", "http://a\x7f", "http://a\nb"} {
		req := r.getRequest("transport=polling&EIO=4")
		req.Header["Origin"] = []string{origin}
		w := httptest.NewRecorder()
		r.srv.ServeHTTP(w, req)
		expectError(t, fmt.Sprintf("origin %q", origin), w.Code, w.Body.String(), 400, CodeBadRequest)
	}
}

// A request without a host is nobody's same origin.
func TestSameOriginNeedsAHost(t *testing.T) {
	req := httptest.NewRequest("GET", "/engine.io/", nil)
	req.Host = ""
	for _, origin := range []string{"null", "", "file://", "http://"} {
		if sameOrigin(req, origin) {
			t.Errorf("origin %q is the same as that of a request without a host", origin)
		}
	}
}

package engineio

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func refuseAll(*Session) Handler { return nil }

// Options that make no sense are refused, by the name of the field.
func TestInvalidOptions(t *testing.T) {
	if _, err := New(nil); err == nil || !strings.Contains(err.Error(), "Options.Open") {
		t.Errorf("New(nil): %v", err)
	}
	for field, list := range map[string][]Options{
		"Open": {{}},
		"Path": {{Path: "x"}, {Path: "x/"}, {Path: "/x?y"}, {Path: "/x#y"}},
		"PingInterval": {{PingInterval: -1}, {PingInterval: time.Microsecond}, {PingInterval: math.MaxInt64},
			{PingInterval: 25 * 24 * time.Hour}},
		"PingTimeout":           {{PingTimeout: -time.Second}, {PingTimeout: 1}, {PingTimeout: math.MaxInt64}},
		"UpgradeTimeout":        {{UpgradeTimeout: -time.Second}, {UpgradeTimeout: 1}, {UpgradeTimeout: math.MaxInt64}},
		"CloseTimeout":          {{CloseTimeout: -time.Second}, {CloseTimeout: 1}, {CloseTimeout: math.MaxInt64}},
		"WriteTimeout":          {{WriteTimeout: -time.Second}, {WriteTimeout: 1}},
		"BodyTimeout":           {{BodyTimeout: -time.Second}, {BodyTimeout: 1}},
		"MaxPayload":            {{MaxPayload: -1}},
		"MaxQueueBytes":         {{MaxQueueBytes: -1}},
		"MaxQueuePackets":       {{MaxQueuePackets: -1}},
		"MaxSessions":           {{MaxSessions: -1}},
		"MaxSessionsPerAddress": {{MaxSessionsPerAddress: -1}},
		"Transports":            {{Transports: []string{"webtransport"}}, {Transports: []string{Polling, ""}}},
		"Deflate.Threshold":     {{Deflate: &Deflate{Threshold: -1}}},
		"Cookie":                {{Cookie: &http.Cookie{Name: "a b"}}, {Cookie: &http.Cookie{Path: "/;x"}}, {Cookie: &http.Cookie{Path: "x"}}, {Cookie: &http.Cookie{Domain: "a b"}}},
		"Middleware[1]":         {{Middleware: []func(http.Handler) http.Handler{func(h http.Handler) http.Handler { return h }, nil}}},
	} {
		for _, o := range list {
			if field != "Open" {
				o.Open = refuseAll
			}
			if _, err := New(&o); err == nil || !strings.HasPrefix(err.Error(), "engineio: Options."+field+" ") {
				t.Errorf("%s: %v", field, err)
			}
		}
	}
}

// The extremes that are valid are taken, and work.
func TestExtremeOptions(t *testing.T) {
	r := newEchoRig(t, Options{MaxPayload: math.MaxInt64, MaxQueueBytes: math.MaxInt, MaxQueuePackets: math.MaxInt,
		MaxSessions: math.MaxInt, MaxSessionsPerAddress: math.MaxInt, CompressionThreshold: math.MaxInt,
		PingInterval: 12 * 24 * time.Hour, PingTimeout: 12 * 24 * time.Hour, Deflate: &Deflate{Threshold: math.MaxInt}})
	// What is told to the client are numbers it can count to, and set a timer for.
	if _, body := r.get("transport=polling&EIO=4"); !strings.Contains(body, `"pingInterval":1036800000,"pingTimeout":1036800000,"maxPayload":9007199254740991}`) {
		t.Errorf("handshake %s", body)
	}
	<-r.opened
	p := r.polling("4")
	long := "4" + strings.Repeat("x", 2_000_000)
	p.post(long)
	if got := p.get(); got != long {
		t.Errorf("the echo has %d bytes, want %d", len(got), len(long))
	}
	w := p.probe()
	w.text("5", long)
	if got := w.read(); got != long {
		t.Errorf("the echo has %d bytes, want %d", len(got), len(long))
	}
}

// The zero value of every option but Open is its documented default.
func TestDefaultOptions(t *testing.T) {
	srv, err := New(&Options{Open: refuseAll})
	if err != nil {
		t.Fatal(err)
	}
	c := srv.cfg
	for name, pair := range map[string][2]any{
		"Path":                 {c.Path, "/engine.io/"},
		"PingInterval":         {c.PingInterval, 25 * time.Second},
		"PingTimeout":          {c.PingTimeout, 20 * time.Second},
		"pingTimeoutV3":        {c.pingTimeoutV3, 5 * time.Second},
		"UpgradeTimeout":       {c.UpgradeTimeout, 10 * time.Second},
		"CloseTimeout":         {c.CloseTimeout, 5 * time.Second},
		"WriteTimeout":         {c.WriteTimeout, 20 * time.Second},
		"BodyTimeout":          {c.BodyTimeout, 20 * time.Second},
		"MaxPayload":           {c.MaxPayload, int64(1_000_000)},
		"MaxQueueBytes":        {c.MaxQueueBytes, 1 << 20},
		"MaxQueuePackets":      {c.MaxQueuePackets, 10_000},
		"Transports":           {strings.Join(c.Transports, " "), "polling websocket"},
		"CompressionThreshold": {c.CompressionThreshold, 1024},
		"Server.Path":          {srv.Path(), "/engine.io/"},
		"Server.Len":           {srv.Len(), 0},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	if err := srv.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// Options are read once: what becomes of them later is of no interest.
func TestOptionsAreCopied(t *testing.T) {
	o := Options{Open: refuseAll, Transports: []string{Polling}, Cookie: &http.Cookie{Name: "a"}, Hooks: &Hooks{}}
	srv, err := New(&o)
	if err != nil {
		t.Fatal(err)
	}
	o.Transports[0], o.Cookie.Name, o.Open = "x", "b", nil
	o.Hooks.RequestRefused = func(*http.Request, *RequestError) { t.Error("a hook that was set later was called") }
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, httptest.NewRequest("GET", "/engine.io/?transport=polling&EIO=4", nil))
	if w.Code != 403 {
		t.Errorf("handshake answered %d %q", w.Code, w.Body)
	}
	if c := srv.cfg; c.cookie.Name != "a" || c.Transports[0] != Polling {
		t.Errorf("the options changed: %v %v", c.cookie, c.Transports)
	}
}

func TestPath(t *testing.T) {
	for _, tc := range []struct {
		path       string
		prefix     bool
		own        string
		yes, noway []string
	}{
		{"", false, "/engine.io/", []string{"/engine.io/", "/engine.io"}, []string{"/", "/engine.io/x", "/engine.iox", "/engine", "/x/engine.io/", "/Engine.io/", "/engine.io//"}},
		{"/a/b", false, "/a/b/", []string{"/a/b/", "/a/b"}, []string{"/a/", "/a/b/c", "/a/b/c/"}},
		{"/a/b/", false, "/a/b/", []string{"/a/b/", "/a/b"}, []string{"/a/bc"}},
		{"/", false, "/", []string{"/"}, []string{"/x", "/engine.io/"}},
		{"", true, "/engine.io/", []string{"/engine.io/", "/engine.io/x", "/engine.io/x/y"}, []string{"/engine.iox", "/x"}},
		{"/", true, "/", []string{"/", "/x", "/x/y"}, nil},
	} {
		srv, err := New(&Options{Open: refuseAll, Path: tc.path, PathPrefix: tc.prefix})
		if err != nil {
			t.Fatal(err)
		}
		if got := srv.Path(); got != tc.own {
			t.Errorf("Path %q: Server.Path is %q, want %q", tc.path, got, tc.own)
		}
		status := func(path string) int {
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, httptest.NewRequest("GET", path+"?transport=polling&EIO=4", nil))
			return w.Code
		}
		for _, path := range tc.yes {
			if got := status(path); got != 403 {
				t.Errorf("Path %q, prefix %t: %s answered %d", tc.path, tc.prefix, path, got)
			}
		}
		for _, path := range tc.noway {
			if got := status(path); got != 404 {
				t.Errorf("Path %q, prefix %t: %s answered %d, want 404", tc.path, tc.prefix, path, got)
			}
		}
		srv.Close()
	}
}

// The handshake tells the client what the options say.
func TestHandshakeTellsOptions(t *testing.T) {
	for _, tc := range []struct {
		o     Options
		query string
		want  string
	}{
		{Options{}, "transport=polling&EIO=4", `0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`},
		{Options{}, "transport=polling&EIO=3", `96:0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":5000}`},
		{Options{}, "transport=polling", `96:0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":5000}`},
		{Options{PingInterval: 1500 * time.Microsecond, PingTimeout: time.Millisecond, MaxPayload: 5}, "transport=polling&EIO=4", `0{"sid":"S","upgrades":["websocket"],"pingInterval":1,"pingTimeout":1,"maxPayload":5}`},
		{Options{PingTimeout: 7 * time.Second}, "transport=polling&EIO=3", `96:0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":7000}`},
		{Options{DisableUpgrades: true}, "transport=polling&EIO=4", `0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`},
		{Options{Transports: []string{Polling}}, "transport=polling&EIO=4", `0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`},
		{Options{}, "transport=websocket&EIO=4", `0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`},
	} {
		r := newRig(t, tc.o)
		var got string
		if strings.Contains(tc.query, Polling) {
			_, got = r.get(tc.query)
		} else {
			got = r.upgrade(tc.query).read()
		}
		sid := (<-r.opened).ID()
		if got = strings.Replace(got, sid, "S", 1); got != tc.want {
			t.Errorf("handshake\n%s, want\n%s", got, tc.want)
		}
	}
}

// Only the transports that are named are served.
func TestTransports(t *testing.T) {
	for _, tc := range []struct {
		transports         []string
		polling, websocket int
	}{
		{nil, 200, 101},
		{[]string{WebSocket, Polling, Polling}, 200, 101},
		{[]string{Polling}, 200, 400},
		{[]string{WebSocket}, 400, 101},
	} {
		r := newEchoRig(t, Options{Transports: tc.transports})
		if resp, body := r.ask("GET", "transport=polling&EIO=4"); resp.StatusCode != tc.polling || tc.polling == 400 && !strings.Contains(body, `"code":0`) {
			t.Errorf("%q: polling answered %d %q", tc.transports, resp.StatusCode, body)
		}
		if resp, body := r.ask("GET", "transport=websocket&EIO=4"); resp.StatusCode != tc.websocket || tc.websocket == 400 && body != "Transport unknown" {
			t.Errorf("%q: websocket answered %d %q", tc.transports, resp.StatusCode, body)
		}
	}
}

// Without upgrades, a WebSocket for a polling session is closed and the session
// goes on.
func TestDisableUpgrades(t *testing.T) {
	r := newEchoRig(t, Options{DisableUpgrades: true})
	p := r.polling("4")
	w := r.upgrade(p.upgradeQuery())
	w.expect("close:1005")
	p.post("4on")
	if got := p.get(); got != "4on" {
		t.Errorf("poll answered %q", got)
	}
	r.websocket("4") // a session of its own is no upgrade
}

func TestDisableRevision3(t *testing.T) {
	r := newEchoRig(t, Options{DisableRevision3: true})
	for _, query := range []string{"EIO=3", "EIO=", "x=y", "EIO=2", "EIO=5", "EIO=4&EIO=3"} {
		status, body := r.get("transport=polling&" + query)
		expectError(t, query, status, body, 400, CodeUnsupportedProtocol)
		if resp, body := r.ask("GET", "transport=websocket&"+query); resp.StatusCode != 400 || body != "Unsupported protocol version" {
			t.Errorf("WebSocket with %s answered %d %q", query, resp.StatusCode, body)
		}
	}
	r.polling("4")
	r.websocket("4")
}

func TestDisableJSONP(t *testing.T) {
	r := newEchoRig(t, Options{DisableJSONP: true})
	status, body := r.get("transport=polling&EIO=4&j=0")
	expectError(t, "handshake", status, body, 400, CodeBadRequest)
	p := r.polling("4")
	status, body = r.post(p.query+"&j=0", "d=4a")
	expectError(t, "POST", status, body, 400, CodeBadRequest)
	p.post("4on")
	if got := p.get(); got != "4on" {
		t.Errorf("poll answered %q", got)
	}
}

// AllowRequest is asked once per handshake, and not for what follows.
func TestAllowRequest(t *testing.T) {
	asked := 0
	var refuse error
	r := newEchoRig(t, Options{AllowRequest: func(r *http.Request) error {
		asked++
		if r.URL.Query().Get("token") != "1" {
			return fmt.Errorf("no token in %s", r.URL.Path)
		}
		return refuse
	}})
	if status, body := r.get("transport=polling&EIO=4"); status != 403 || body != `{"code":4,"message":"no token in /engine.io/"}` {
		t.Errorf("answered %d %q", status, body)
	}
	if n := r.srv.Len(); n != 0 || asked != 1 {
		t.Errorf("%d sessions after %d questions", n, asked)
	}
	_, body := r.get("transport=polling&EIO=4&token=1")
	rec := <-r.opened
	p := &pollPeer{r: r, rec: rec, sid: rec.ID(), query: "transport=polling&EIO=4&sid=" + rec.ID()}
	if !strings.Contains(body, p.sid) {
		t.Errorf("handshake %q", body)
	}
	p.post("4a")
	p.get()
	w := p.probe()
	w.text("5", "4on")
	w.expect("4on")
	if asked != 2 {
		t.Errorf("asked %d times, want once per handshake", asked)
	}
	// What cannot be a handshake is refused without asking.
	r.get("transport=x&EIO=4&token=1")
	r.post("transport=polling&EIO=4&token=1", "")
	if asked != 2 {
		t.Errorf("asked %d times, want 2", asked)
	}
}

// GenerateID makes the ids; what it makes has to be one.
func TestGenerateID(t *testing.T) {
	var id string
	var err error
	refused := 0
	r := newEchoRig(t, Options{
		GenerateID: func(r *http.Request) (string, error) { return id, err },
		Hooks: &Hooks{RequestRefused: func(_ *http.Request, e *RequestError) {
			if refused++; e.Err == nil {
				t.Error("refused without a cause")
			}
		}},
	})
	for _, good := range []string{"a", "my-own_ID0", strings.Repeat("x", 255)} {
		id = good
		status, body := r.get("transport=polling&EIO=4")
		if status != 200 || !strings.HasPrefix(body, `0{"sid":"`+good+`"`) {
			t.Errorf("id %q: %d %q", good, status, body)
		}
		if got := (<-r.opened).ID(); got != good {
			t.Errorf("Session.ID is %q, want %q", got, good)
		}
		if status, body := r.post("transport=polling&EIO=4&sid="+good, "4a"); status != 200 {
			t.Errorf("POST with id %q: %d %q", good, status, body)
		}
	}
	bad := []string{"", "a b", "a/b", `a"b`, "é", "a\n", "a%20", "a.b", strings.Repeat("x", 256), "my-own_ID0" /* in use */}
	for _, id = range bad {
		status, body := r.get("transport=polling&EIO=4")
		expectError(t, fmt.Sprintf("id %q", id), status, body, 400, CodeBadRequest)
	}
	id, err = "fine", errors.New("no more ids")
	if resp, body := r.ask("GET", "transport=websocket&EIO=4"); resp.StatusCode != 400 || body != "Bad request" {
		t.Errorf("WebSocket answered %d %q", resp.StatusCode, body)
	}
	if n := r.srv.Len(); n != 3 || refused != len(bad)+1 {
		t.Errorf("%d sessions, %d refusals", n, refused)
	}
}

// The initial message comes right after the open packet, before what Open
// sends, over each transport and in each revision.
func TestInitialMessage(t *testing.T) {
	hello := func(s *Session) Handler { s.Send(text("from Open")); return quiet{} }
	r := newRig(t, Options{Open: hello, InitialMessage: text("first")})
	for query, want := range map[string]*regexp.Regexp{
		"transport=polling&EIO=4": regexp.MustCompile(`^0\{[^}]+\}` + "\x1e4first\x1e4from Open$"),
		"transport=polling&EIO=3": regexp.MustCompile(`^96:0\{[^}]+\}6:4first10:4from Open$`),
	} {
		if _, body := r.get(query); !want.MatchString(body) {
			t.Errorf("%s answered %q", query, body)
		}
	}
	w := r.upgrade("transport=websocket&EIO=4")
	w.read()
	w.expect("4first", "4from Open")
	r = newRig(t, Options{Open: hello, InitialMessage: NewMessage([]byte{1, 2, 3}, true)})
	if _, body := r.get("transport=polling&EIO=4"); !strings.HasSuffix(body, "}\x1ebAQID\x1e4from Open") {
		t.Errorf("handshake %q", body)
	}
}

// BodyTimeout counts for each POST.
func TestBodyTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := patient()
		o.BodyTimeout = 3 * time.Second
		r := newMemRig(t, o)
		p := r.polling("4")
		c := r.connect()
		start := time.Now()
		c.send(head("POST", p.query) + "Content-Length: 10\r\n\r\n4")
		if resp, _ := c.answer(); resp.StatusCode != 408 {
			t.Errorf("answered %d", resp.StatusCode)
		}
		between(t, "the answer", time.Since(start), 3*time.Second, 3*time.Second)
		c.expectEOF()
	})
}

// WriteTimeout ends a WebSocket session whose client takes nothing, and not
// one whose client takes little.
func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := patient()
		o.WriteTimeout = 3 * time.Second
		r := newMemRig(t, o)
		w, rec := r.websocket("4")
		rec.Send(text(strings.Repeat("x", 1000)))
		w.nc.SetReadDeadline(time.Time{})
		for range 100 {
			time.Sleep(2 * time.Second)
			if n, err := w.nc.Read(make([]byte, 5)); n == 0 {
				t.Fatalf("cut off: %v", err)
			}
		}
		synctest.Wait()
		start := time.Now()
		if err := <-rec.closed; err.Reason != ReasonTransportError || !isTimeout(err.Err) {
			t.Errorf("closed with %v", err)
		}
		between(t, "the end", time.Since(start), 3*time.Second, 6*time.Second)
	})
}

// UpgradeTimeout bounds the upgrade.
func TestUpgradeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := patient()
		o.UpgradeTimeout = 3 * time.Second
		r := newMemRig(t, o)
		p := r.polling("4")
		start := time.Now()
		p.probe().expect("close:1005")
		between(t, "end of the probe", time.Since(start), 3*time.Second, 3*time.Second+wheelTick)
	})
}

// A cookie goes into a header as it stands, so what could end that header, or
// add an attribute, is refused when the server is made.
func TestSec_S25_CookieIsValidated(t *testing.T) {
	for _, bad := range []http.Cookie{
		{Name: "a b"}, {Name: "a=b"}, {Name: "a;b"}, {Name: "a\r\nX: y"}, {Name: "ä"},
		{Name: "a", Path: "/;Domain=evil.example"}, {Name: "a", Path: "/\r\nX: y"},
		{Name: "a", Domain: "a;b"}, {Name: "a", Domain: "a\nb"},
	} {
		if s, err := New(&Options{Open: refuseAll, Cookie: &bad}); err == nil {
			s.Close()
			t.Errorf("the cookie %+v was accepted", &bad)
		}
	}
}

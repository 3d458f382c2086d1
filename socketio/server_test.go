package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/rs/cors"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

// The interfaces of package event that the types of this package have.
var (
	_ event.Registrar[*socketio.Socket] = (*socketio.Server)(nil)
	_ event.Registrar[*socketio.Socket] = (*socketio.Namespace)(nil)
	_ event.Registrar[*socketio.Socket] = (*socketio.Socket)(nil)
	_ event.Audience                    = (*socketio.Server)(nil)
	_ event.Audience                    = (*socketio.Namespace)(nil)
	_ event.Audience                    = socketio.Emitter{}
	_ event.Peer                        = (*socketio.Socket)(nil)
	_ event.Peer                        = socketio.Direct{}
	_ event.Peer                        = (*socketio.RemoteSocket)(nil)
	_ event.Sender                      = (*socketio.Socket)(nil)
	_ event.Incoming                    = (*socketio.Event)(nil)
	_ http.Handler                      = (*socketio.Server)(nil)
)

// A selection of rooms is no Peer: nobody could say whose answer Call returns.
func TestSelectionsAreNoPeers(t *testing.T) {
	for _, v := range []any{socketio.Emitter{}, &socketio.Server{}, &socketio.Namespace{}} {
		if _, ok := v.(event.Peer); ok {
			t.Errorf("%T is a Peer", v)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		o    socketio.Options
		want string
	}{
		{socketio.Options{}, ""},
		{socketio.Options{AckTimeout: -1, HandlerTimeout: -1}, ""},
		{socketio.Options{Outbound: socketio.Queue{Overflow: socketio.DropNewest}}, ""},
		{socketio.Options{MaxAcks: -1}, "socketio: Options.MaxAcks is -1: it must not be negative"},
		{socketio.Options{ConnectTimeout: -1}, "socketio: Options.ConnectTimeout is -1ns: it must not be negative"},
		{socketio.Options{Inbound: socketio.Queue{MaxBytes: 1}}, "socketio: Options.Inbound.MaxBytes is 1: the queue is bounded in packets only"},
		{socketio.Options{Inbound: socketio.Queue{Overflow: 9}}, "socketio: Options.Inbound.Overflow is overflow 9: it is not known"},
		{socketio.Options{Outbound: socketio.Queue{Overflow: socketio.DropOldest}}, "socketio: Options.Outbound.Overflow is drop oldest: it can be disconnect or drop newest"},
		{socketio.Options{Engine: engineio.Options{Open: func(*engineio.Session) engineio.Handler { return nil }}}, "socketio: Options.Engine.Open must be nil: the server sets it"},
		{socketio.Options{PingTimeout: 1}, "engineio: Options.PingTimeout is 1ns: it must be at least 1ms, or 0 for the default"},
	} {
		err := tt.o.Validate()
		if got := fmt.Sprint(err); got != tt.want && (err != nil || tt.want != "") {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		func() {
			defer func() {
				if got := recover(); fmt.Sprint(got) != fmt.Sprint(err) && (got != nil || err != nil) {
					t.Errorf("New panicked with %v, want %v", got, err)
				}
			}()
			socketio.New(&tt.o)
		}()
	}
}

func TestHandshake(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		type auth struct {
			Token string `json:"token"`
			N     int    `json:"n"`
		}
		began := time.Now()
		c := n.Dial(t, "/", &siotest.Options{
			Auth:   auth{"secret", 7},
			Query:  url.Values{"uid": {"u1"}},
			Header: http.Header{"Origin": {"http://other.example"}, "X-Test": {"a", "b"}},
		})
		s := only(t, io)
		h := s.Handshake()
		var got auth
		if err := h.DecodeAuth(&got); err != nil || got != (auth{"secret", 7}) || h.Auth().Len() != 1 {
			t.Errorf("auth %v, %v", got, err)
		}
		if h.Query.Get("uid") != "u1" || h.URL.Path != "/socket.io/" || h.Address == "" || h.Secure || !h.CrossDomain() || h.Time.Before(began) || h.Time.After(time.Now()) {
			t.Errorf("handshake %+v", h)
		}
		if got := h.Header.Values("X-Test"); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("headers %q", got)
		}
		if s.ID() != c.ID() || len(s.ID()) != 20 || s.Transport() != "websocket" {
			t.Errorf("id %q over %s", s.ID(), s.Transport())
		}
		for r := range io.Sockets(t.Context()) {
			var got map[string]any
			if err := json.Unmarshal(r.Handshake(), &got); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"headers", "time", "address", "xdomain", "secure", "issued", "url", "query", "auth"} {
				if _, ok := got[name]; !ok {
					t.Errorf("%s is missing", name)
				}
			}
			if got["xdomain"] != true || got["headers"].(map[string]any)["x-test"] != "a, b" || got["auth"].(map[string]any)["token"] != "secret" {
				t.Errorf("handshake %s", r.Handshake())
			}
		}
	})
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		n.Dial(t, "/", nil)
		h := only(t, io).Handshake()
		got := "untouched"
		if err := h.DecodeAuth(&got); err != nil || got != "untouched" || h.Auth().Len() != 0 {
			t.Errorf("auth %q, %v", got, err)
		}
	})
}

func TestKeys(t *testing.T) {
	type user struct {
		Name string `json:"name"`
	}
	current, visits := socketio.NewKey[user]("user"), socketio.NewKey[int]("visits")
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		n.Dial(t, "/", nil)
		s := only(t, io)
		if _, ok := current.Get(s); ok {
			t.Error("there is something already")
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("Must did not panic")
				}
			}()
			current.Must(s)
		}()
		current.Set(s, user{"Ann"})
		visits.Set(s, 1)
		visits.Set(s, 2)
		if u, ok := current.Get(s); !ok || u.Name != "Ann" || visits.Must(s) != 2 || current.Name() != "user" {
			t.Errorf("%v, %v, %d", u, ok, visits.Must(s))
		}
		if _, ok := socketio.NewKey[string]("visits").Get(s); ok {
			t.Error("an int is a string")
		}
		for r := range io.Sockets(t.Context()) {
			if u, ok, err := current.Of(r); !ok || u.Name != "Ann" || err != nil || string(r.Data()) != `{"user":{"name":"Ann"},"visits":2}` {
				t.Errorf("%v, %v, %v: %s", u, ok, err, r.Data())
			}
		}
	})
}

func TestFunc(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.On("ack", socketio.Func(func(s *socketio.Socket, room string, ack func(ok bool)) { ack(s.Join(room) == nil) }))
		io.On("results", socketio.Func(func(a, b int) (int, int) { return a + b, a * b }))
		io.On("fails", socketio.Func(func(ctx context.Context, s *socketio.Socket, a int) (int, error) {
			if a == 0 {
				return 0, &socketio.Error{Code: "zero", Message: "m"}
			}
			return 1, nil
		}))
		io.On("variadic", socketio.Func(func(sep string, words ...string) string { return strings.Join(words, sep) }))
		io.On("spread", socketio.Func(func(ack func(...int)) { ack(1, 2, 3) }))
		io.On("nothing", socketio.Func(func() {}))
		io.On("binary", socketio.Func(func(b []byte) int { return len(b) }))
		io.On("panics", socketio.Func(func(m map[string]int) { m["x"] = 1 }))
		io.On("unencodable", socketio.Func(func(ack func(any)) { ack(make(chan int)) }))
		c := n.Dial(t, "/", nil)
		for _, tt := range []struct {
			event string
			args  []any
			want  string
		}{
			{"ack", []any{"room"}, "[true]"},
			{"ack", nil, "[false]"},
			{"ack", []any{7}, `[{"error":{"code":"bad_request","message":"the arguments do not fit the event"}}]`},
			{"results", []any{3, 4}, "[7,12]"},
			{"results", []any{3}, "[3,0]"},
			{"results", []any{3, 4, 5}, "[7,12]"},
			{"fails", []any{0}, `[{"error":{"code":"zero","message":"m"}}]`},
			{"fails", []any{1}, "[1]"},
			{"variadic", []any{"-", "a", "b", "c"}, `["a-b-c"]`},
			{"variadic", nil, `[""]`},
			{"spread", nil, "[1,2,3]"},
			{"nothing", nil, ""},
			{"binary", []any{[]byte("abc")}, "[3]"},
			{"panics", nil, `[{"error":{"code":"internal","message":"internal error"}}]`},
			{"unencodable", nil, `[{"error":{"code":"internal","message":"internal error"}}]`},
		} {
			limit := patience
			if tt.want == "" {
				limit = time.Second
			}
			args, err := c.Call(ctxFor(t, limit), tt.event, tt.args...)
			if got := string(args.Raw()); tt.want != "" && (got != tt.want || err != nil) || tt.want == "" && err != event.ErrAckTimeout {
				t.Errorf("%s%v: got %s, %v, want %s", tt.event, tt.args, got, err, tt.want)
			}
		}
	})
	for _, bad := range []any{
		nil, 7, (func())(nil), func(chan int) {}, func(func(), int) {}, func(int, *socketio.Socket) {},
		func(func() int) {}, func(func()) int { return 0 }, func(int, context.Context) {},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Func(%T) did not panic", bad)
				}
			}()
			socketio.Func(bad)
		}()
	}
}

func TestDynamicNamespaces(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		org := io.Of("/org/{org}/chat")
		org.Use(func(_ context.Context, s *socketio.Socket) error {
			if s.PathValue("org") == "evil" {
				return &socketio.Error{Code: "forbidden", Message: "not a member"}
			}
			return s.Join("all")
		})
		event.On(org, Chat, func(_ context.Context, s *socketio.Socket, m Message) error {
			m.From = s.PathValue("org") + s.PathValue("none")
			return Chat.Emit(s.Namespace(), m)
		})
		var asked []string
		io.OfFunc(func(name string, auth event.Args) bool {
			asked = append(asked, name+string(auth.Raw()))
			return strings.HasPrefix(name, "/game-")
		})
		a := n.Dial(t, "/org/acme/chat", nil)
		b := n.Dial(t, "/org/other/chat", nil)
		if _, err := n.Connect(t.Context(), t, "/org/evil/chat", nil); err == nil || err.Error() != "forbidden: not a member" {
			t.Errorf("got %v", err)
		}
		game := n.Dial(t, "/game-1", &siotest.Options{Auth: map[string]int{"k": 1}})
		n.Dial(t, "/game-1", nil)
		if _, err := n.Connect(t.Context(), t, "/other", nil); err == nil {
			t.Error("admitted to a namespace that does not exist")
		}
		if want := []string{`/game-1[{"k":1}]`, "/other[]"}; !slices.Equal(asked, want) {
			t.Errorf("asked %q, want %q", asked, want)
		}
		inA, inB := event.Subscribe(a, Chat, 9), event.Subscribe(b, Chat, 9)
		Chat.Emit(a, Message{Text: "hi"})
		if m, err := inA.Next(t.Context()); m.From != "acme" || err != nil {
			t.Errorf("got %v, %v", m, err)
		}
		Chat.Emit(org.To("all"), Message{Text: "to all children"}) // a parent stands for its children
		for _, in := range []*event.Subscription[Message]{inA, inB} {
			if m, err := in.Next(ctxFor(t, time.Second)); m.Text != "to all children" || err != nil {
				t.Errorf("got %v, %v", m, err)
			}
		}
		if org.Socket(a.ID()) == nil || org.Socket(game.ID()) != nil || len(slices.Collect(org.LocalSockets())) != 2 {
			t.Error("the sockets of the pattern are not those of its children")
		}
		org.All().Disconnect()
		synctest.Wait()
		if a.Connected() || b.Connected() || !game.Connected() {
			t.Error("not those were disconnected")
		}
	})
}

// Shutdown lets handlers finish, spreads the ends, keeps new clients out, and
// loses nothing that was emitted.
func TestShutdown(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var ends []time.Duration
		start := time.Now()
		finished := false
		io.On("work", func(ctx context.Context, e *socketio.Event) error {
			time.Sleep(3 * time.Second)
			finished = ctx.Err() == nil
			return e.Reply("done")
		})
		io.OnDisconnect(func(ctx context.Context, s *socketio.Socket, r socketio.Reason) {
			if ends = append(ends, time.Since(start)); ctx.Err() != nil || r != socketio.ReasonServerShuttingDown {
				t.Errorf("OnDisconnect: %v, %s", ctx.Err(), r)
			}
		})
		var inboxes []*event.Subscription[int]
		for range 10 {
			inboxes = append(inboxes, event.Subscribe(n.Dial(t, "/", nil), number, 9))
		}
		busy := n.Dial(t, "/", nil)
		answer := make(chan string, 1)
		go func() {
			args, err := busy.Call(t.Context(), "work")
			answer <- fmt.Sprint(string(args.Raw()), err)
		}()
		synctest.Wait()
		number.Emit(io, 7)
		if err := io.Shutdown(ctxFor(t, 20*time.Second)); err != nil {
			t.Error(err)
		}
		for _, in := range inboxes {
			if got, err := in.Next(t.Context()); got != 7 || err != nil {
				t.Errorf("got %d, %v", got, err)
			}
		}
		if got := <-answer; got != `["done"]<nil>` || !finished {
			t.Errorf("the handler's answer: %s, finished %v", got, finished)
		}
		slices.Sort(ends)
		if len(ends) != 11 || ends[9] < 40*time.Millisecond || ends[9] > 60*time.Millisecond || ends[10] < 3*time.Second {
			t.Errorf("disconnected at %v", ends)
		}
		status, body := request(t, n, "GET", "/socket.io/?EIO=4&transport=polling", "")
		if status != http.StatusServiceUnavailable {
			t.Errorf("a new client got %d: %s", status, body)
		}
		if err := io.Shutdown(t.Context()); err != nil {
			t.Error("again: ", err)
		}
		if err := io.Close(); err != nil {
			t.Error("and Close: ", err)
		}
	})
}

// Shutdown ends when its context does, from a handler too.
func TestFault_X07_ShutdownFromAHandler(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var err error
		io.On("stop", func(context.Context, *socketio.Event) error {
			err = io.Shutdown(ctxFor(t, 5*time.Second))
			return nil
		})
		c := n.Dial(t, "/", nil)
		c.Emit("stop")
		pass(6 * time.Second)
		var cut *socketio.ShutdownError
		if !errors.As(err, &cut) || !slices.Equal(cut.Cut, []string{c.ID()}) || c.Connected() {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

func TestClientFiles(t *testing.T) {
	io := socketio.New(&socketio.Options{
		ClientFS: fstest.MapFS{
			"socket.io.js":             {Data: []byte("plain")},
			"socket.io.js.gz":          {Data: []byte("gzipped")},
			"socket.io.js.br":          {Data: []byte("brotli")},
			"socket.io.min.js":         {Data: []byte("min")},
			"socket.io.min.js.map":     {Data: []byte("{}")},
			"secret.txt":               {Data: []byte("secret")},
			"socket.io.msgpack.min.js": {Data: []byte("msgpack")},
			"socket.io.esm.min.js.map": {Data: []byte("{}")},
		},
		Engine: engineio.Options{CORS: &cors.Options{AllowedOrigins: []string{"http://a.example"}}},
	})
	defer io.Close()
	get := func(method, path string, header http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		r.Header = header
		w := httptest.NewRecorder()
		io.ServeHTTP(w, r)
		return w
	}
	none := http.Header{}
	w := get("GET", "/socket.io/socket.io.js?v=1", none)
	tag := w.Header().Get("ETag")
	if w.Code != 200 || w.Body.String() != "plain" || w.Header().Get("Content-Type") != "application/javascript; charset=utf-8" ||
		w.Header().Get("Cache-Control") != "public, max-age=0" || len(tag) < 10 || w.Header().Get("Content-Length") != "5" {
		t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
	}
	for _, match := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		w := get("GET", "/socket.io/socket.io.js", http.Header{"If-None-Match": {match}})
		if w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "" {
			t.Errorf("If-None-Match %s: got %d %q", match, w.Code, w.Body)
		}
	}
	for _, tt := range []struct{ method, path, accept, body, encoding, kind string }{
		{"GET", "socket.io.js", "gzip, deflate, br", "brotli", "br", "application/javascript; charset=utf-8"},
		{"GET", "socket.io.js", "gzip;q=0.5, br;q=0", "gzipped", "gzip", "application/javascript; charset=utf-8"},
		{"GET", "socket.io.min.js", "gzip, br", "min", "", "application/javascript; charset=utf-8"},
		{"POST", "socket.io.min.js", "", "min", "", "application/javascript; charset=utf-8"},
		{"HEAD", "socket.io.min.js", "", "", "", "application/javascript; charset=utf-8"},
		{"GET", "socket.io.min.js.map", "", "{}", "", "application/json; charset=utf-8"},
	} {
		w := get(tt.method, "/socket.io/"+tt.path, http.Header{"Accept-Encoding": {tt.accept}, "Origin": {"http://a.example"}})
		if w.Code != 200 || w.Body.String() != tt.body || w.Header().Get("Content-Encoding") != tt.encoding || w.Header().Get("Content-Type") != tt.kind {
			t.Errorf("%s %s: got %d %q %v", tt.method, tt.path, w.Code, w.Body, w.Header())
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "http://a.example" {
			t.Errorf("%s: no CORS headers: %v", tt.path, w.Header())
		}
	}
	for _, path := range []string{"/socket.io/secret.txt", "/socket.io/socket.io.esm.min.js", "/socket.io/../secret.txt", "/socket.io.js", "/socket.io/socket.io.js.gz"} {
		if w := get("GET", path, none); w.Code < 400 {
			t.Errorf("%s: got %d %q", path, w.Code, w.Body)
		}
	}
}

// The eight names of the reference, from the client of this version; what
// else is asked for goes to the engine, which says 404, or with PathPrefix
// what the reference says.
func TestOwnClientFiles(t *testing.T) {
	io := socketio.New(&socketio.Options{Engine: engineio.Options{PathPrefix: true}})
	defer io.Close()
	get := func(path, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/socket.io/"+path, nil)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		io.ServeHTTP(w, r)
		return w
	}
	for _, name := range []string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"} {
		plain := get(name, "")
		if plain.Code != 200 || !strings.HasSuffix(strings.TrimSpace(plain.Body.String()), "//# sourceMappingURL="+name+".map") {
			t.Errorf("%s: got %d and %d bytes", name, plain.Code, plain.Body.Len())
		}
		for _, encoding := range []string{"br", "gzip"} {
			packed := get(name, encoding)
			if packed.Header().Get("Content-Encoding") != encoding || packed.Body.Len() >= plain.Body.Len()/2 {
				t.Errorf("%s in %s: %d bytes, %v", name, encoding, packed.Body.Len(), packed.Header())
			}
			if packed.Header().Get("ETag") == plain.Header().Get("ETag") {
				t.Errorf("%s in %s has the ETag of the plain form", name, encoding)
			}
		}
		source := get(name+".map", "")
		var m struct{ Sources, SourcesContent []string }
		if err := json.Unmarshal(source.Body.Bytes(), &m); err != nil || len(m.Sources) < 5 || len(m.SourcesContent) != len(m.Sources) {
			t.Errorf("%s.map: got %d, %v, %d sources", name, source.Code, err, len(m.Sources))
		}
	}
	for _, name := range []string{"socket.io.esm.js", "socket.io.js.gz", "socket.io.slim.js", "dist/socket.io.js"} {
		if w := get(name, ""); w.Code != 400 || !strings.Contains(w.Body.String(), `"code":0`) {
			t.Errorf("%s: got %d %q, want 400 with code 0", name, w.Code, w.Body)
		}
	}
	none := socketio.New(&socketio.Options{DisableClient: true})
	defer none.Close()
	w := httptest.NewRecorder()
	none.ServeHTTP(w, httptest.NewRequest("GET", "/socket.io/socket.io.js", nil))
	if w.Code != 404 {
		t.Errorf("with DisableClient: got %d", w.Code)
	}
}

func TestSlowConsumer(t *testing.T) {
	for _, keep := range []bool{false, true} {
		o := &socketio.Options{Outbound: socketio.Queue{MaxPackets: 10}}
		if keep {
			o.Outbound.Overflow = socketio.DropNewest
		}
		bubble(t, o, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
			var reason socketio.Reason
			io.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) { reason = r })
			// A client that polls once, and then no more.
			_, body := request(t, n, "GET", "/socket.io/?transport=polling&EIO=4", "")
			_, rest, _ := strings.Cut(body, `"sid":"`)
			sid, _, _ := strings.Cut(rest, `"`)
			request(t, n, "POST", "/socket.io/?transport=polling&EIO=4&sid="+sid, "40")
			s := only(t, io)
			var err error
			sent := 0
			for err == nil {
				err = s.Emit("e")
				sent++
			}
			synctest.Wait()
			want := socketio.ReasonSlowConsumer
			if keep {
				want = ""
			}
			if !errors.Is(err, socketio.ErrQueueFull) || sent != 10 || reason != want {
				t.Errorf("packet %d: %v; disconnected: %q, want %q", sent, err, reason, want)
			}
			if packets, _ := s.Buffered(); keep && packets != 10 {
				t.Errorf("%d packets are buffered", packets)
			}
			err = s.Send(ctxFor(t, time.Second), "e")
			if keep && !errors.Is(err, context.DeadlineExceeded) || !keep && !errors.Is(err, socketio.ErrDisconnected) {
				t.Errorf("Send: %v", err)
			}
			if err := s.Volatile().Emit("e"); keep && err != nil {
				t.Errorf("volatile: %v", err)
			}
			if !keep {
				return
			}
			flushed := make(chan error, 1)
			go func() { flushed <- s.Flush(t.Context()) }()
			request(t, n, "GET", "/socket.io/?transport=polling&EIO=4&sid="+sid, "")
			if err := <-flushed; err != nil {
				t.Errorf("Flush: %v", err)
			}
			if err := s.Send(t.Context(), "e"); err != nil {
				t.Errorf("Send: %v", err)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	if socketio.ReasonServerNamespaceDisconnect.WillReconnect() || !socketio.ReasonTransportClose.WillReconnect() {
		t.Error("WillReconnect")
	}
	if socketio.ReasonParseError.Recoverable() || !socketio.ReasonPingTimeout.Recoverable() {
		t.Error("Recoverable")
	}
}

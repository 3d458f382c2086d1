package doctest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

// serve runs a server until the end of the test and returns its URL.
func serve(t *testing.T, o socketio.Options, setUp func(io *socketio.Server)) (url string, server *socketio.Server) {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	server = socketio.New(&o)
	if setUp != nil {
		setUp(server)
	}
	h := httptest.NewServer(server)
	t.Cleanup(func() {
		server.Close()
		h.Close()
	})
	return h.URL + "/socket.io/", server
}

// request makes one request and returns its answer.
func request(t *testing.T, method, url string, header http.Header, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// refusalRows makes the requests that are refused, and lists the answers.
func refusalRows(t *testing.T) [][]string {
	rows := [][]string{{"Request", "Status", "Answer"}}
	engine := func(o engineio.Options) socketio.Options { return socketio.Options{Engine: o} }
	const hello = "?EIO=4&transport=polling"
	upgrade := func() http.Header {
		return http.Header{
			"Connection":            {"Upgrade"},
			"Upgrade":               {"websocket"},
			"Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key":     {"dGhlIHNhbXBsZSBub25jZQ=="},
		}
	}
	for _, c := range []struct {
		when    string
		options socketio.Options
		method  string
		query   string // SID stands for a session
		header  http.Header
		body    string
		before  func(io *socketio.Server)
	}{
		{when: "without a transport, or for one that is not served", query: "?EIO=4"},
		{when: "for a session that is not known, or has ended", query: hello + "&sid=x"},
		{when: "that begins a session, but is no GET", method: "POST", query: hello},
		{when: "for WebSocket, but without `Upgrade`", query: "?EIO=4&transport=websocket"},
		{when: "in another revision than the session's", query: "?EIO=3&transport=polling&sid=SID"},
		{when: "from an origin that may not connect", query: hello, header: http.Header{"Origin": {"https://evil.example"}, "Cookie": {"a=b"}}},
		{when: "refused by `engineio.Options.AllowRequest` with the error \"go away\"", query: hello,
			options: engine(engineio.Options{AllowRequest: func(*http.Request) error { return errors.New("go away") }})},
		{when: "refused by `engineio.Options.VerifySession`", query: hello + "&sid=SID",
			options: engine(engineio.Options{VerifySession: func(*engineio.Session, *http.Request) error { return errors.New("secret") }})},
		{when: "of revision 3, with `socketio.Options.DisableV2`", query: "?EIO=3&transport=polling", options: socketio.Options{DisableV2: true}},
		{when: "over `engineio.Options.MaxSessions`", query: hello, options: engine(engineio.Options{MaxSessions: 1}), before: func(*socketio.Server) {}},
		{when: "over `engineio.Options.MaxSessionsPerAddress`", query: hello, options: engine(engineio.Options{MaxSessionsPerAddress: 1}), before: func(*socketio.Server) {}},
		{when: "that begins a session while the server shuts down", query: hello, before: func(io *socketio.Server) { io.Close() }},
		{when: "with a body over `socketio.Options.MaxPayload`", method: "POST", query: hello + "&sid=SID", body: strings.Repeat("4", 1001), options: socketio.Options{MaxPayload: 1000}},
		{when: "of another method than GET and POST, for a session", method: "PUT", query: hello + "&sid=SID"},
		{when: "to upgrade, refused for any of these reasons", query: "?EIO=4&transport=websocket&sid=x", header: upgrade()},
		{when: "to upgrade, with another version of WebSocket", query: "?EIO=4&transport=websocket", header: func() http.Header {
			h := upgrade()
			h.Set("Sec-WebSocket-Version", "8")
			return h
		}()},
	} {
		url, server := serve(t, c.options, nil)
		if c.before != nil || strings.Contains(c.query, "SID") {
			p := openPolling(t, url, eioparser.V4)
			c.query = strings.ReplaceAll(c.query, "SID", p.sid)
		}
		if c.before != nil {
			c.before(server)
		}
		method := c.method
		if method == "" {
			method = http.MethodGet
		}
		status, answer := request(t, method, url+c.query, c.header, c.body)
		if status < 400 {
			t.Errorf("a request %s is answered with %d", c.when, status)
		}
		if answer = strings.TrimSpace(answer); answer != "" {
			answer = "`" + answer + "`"
		}
		rows = append(rows, []string{c.when, strconv.Itoa(status) + " " + http.StatusText(status), answer})
	}
	return rows
}

// A polling is a session over polling, packet by packet.
type polling struct {
	t        *testing.T
	url, sid string
	revision eioparser.Revision
}

func openPolling(t *testing.T, url string, r eioparser.Revision) *polling {
	t.Helper()
	p := &polling{t: t, url: url + "?transport=polling&EIO=" + strconv.Itoa(int(r)), revision: r}
	packets := p.poll()
	_, rest, _ := strings.Cut(string(packets[0].Data), `"sid":"`)
	p.sid, _, _ = strings.Cut(rest, `"`)
	p.url += "&sid=" + p.sid
	return p
}

func (p *polling) poll() []eioparser.Packet {
	p.t.Helper()
	status, body := request(p.t, http.MethodGet, p.url, nil, "")
	if status != http.StatusOK {
		p.t.Fatalf("a poll was answered with %d %s", status, body)
	}
	packets, err := eioparser.DecodePayload(p.revision, []byte(body), 100)
	if err != nil {
		p.t.Fatal(err)
	}
	return packets
}

// send sends a message, written with the digit of the Engine.IO packet in front.
func (p *polling) send(message string) {
	p.t.Helper()
	packet := eioparser.Packet{Type: eioparser.Message, Data: []byte(message[1:])}
	body := eioparser.AppendPayload(nil, p.revision, []eioparser.Packet{packet})
	if status, answer := request(p.t, http.MethodPost, p.url, nil, string(body)); status != http.StatusOK {
		p.t.Fatalf("a POST was answered with %d %s", status, answer)
	}
}

// expect polls until a message that begins so comes, written as in send.
func (p *polling) expect(prefix string) string {
	p.t.Helper()
	for {
		for _, packet := range p.poll() {
			if m := "4" + string(packet.Data); packet.Type == eioparser.Message && strings.HasPrefix(m, prefix) {
				return m
			}
		}
	}
}

// connectErrorRows lists what clients get that are refused by a namespace.
func connectErrorRows(t *testing.T) [][]string {
	rows := [][]string{{"Refused since", "To clients 3.x and 4.x", "To clients 2.x"}}
	refuse := func(err error) func(*socketio.Server) {
		return func(io *socketio.Server) {
			io.Of("/x").Use(func(context.Context, *socketio.Socket) error { return err })
		}
	}
	for _, c := range []struct {
		when    string
		options socketio.Options
		setUp   func(io *socketio.Server)
		first   string
	}{
		{when: "the namespace does not exist", setUp: func(*socketio.Server) {}},
		{when: "the connection has joined too many (`socketio.Options.MaxNamespaces`)", options: socketio.Options{MaxNamespaces: 1},
			setUp: func(io *socketio.Server) { io.Of("/x") }, first: "40"},
		{when: "middleware returned `&socketio.Error{Code: \"c\", Message: \"m\"}`", setUp: refuse(&socketio.Error{Code: "c", Message: "m"})},
		{when: "middleware returned one with `Data: 42`", setUp: refuse(&socketio.Error{Code: "c", Message: "m", Data: 42})},
		{when: "middleware returned another error", setUp: refuse(errors.New("secret"))},
		{when: "middleware took longer than `socketio.Options.ConnectTimeout`", options: socketio.Options{ConnectTimeout: 500 * time.Millisecond},
			setUp: func(io *socketio.Server) {
				io.Of("/x").Use(func(ctx context.Context, _ *socketio.Socket) error { <-ctx.Done(); return ctx.Err() })
			}, first: "40"},
		{when: "middleware returned `socketio.Leave` or `socketio.Hangup`", setUp: refuse(socketio.Leave)},
	} {
		row := []string{c.when}
		for _, r := range []eioparser.Revision{eioparser.V4, eioparser.V3} {
			url, _ := serve(t, c.options, c.setUp)
			p := openPolling(t, url, r)
			if r == eioparser.V4 && c.first != "" {
				p.send(c.first)
				p.expect("40")
			}
			p.send("40/x,")
			row = append(row, "`"+p.expect("44")+"`")
		}
		rows = append(rows, row)
	}
	return rows
}

// answerRows lists how the outcomes of handlers travel.
func answerRows(t *testing.T) [][]string {
	rows := [][]string{{"The handler of an RPC", "`event.Plain`", "`event.ErrorFirst`", "`event.Raw`"}}
	_, server := serve(t, socketio.Options{}, nil)
	conventions := []event.Convention{event.Plain, event.ErrorFirst, event.Raw}
	outcomes := map[string]func() (string, error){
		"result": func() (string, error) { return "r", nil },
		"error":  func() (string, error) { return "", &socketio.Error{Code: "c", Message: "m", Data: 42} },
		"other":  func() (string, error) { return "", errors.New("secret") },
		"panic":  func() (string, error) { panic("secret") },
	}
	for _, convention := range conventions {
		for name, outcome := range outcomes {
			event.Handle(server, event.NewRPC[int, string](name+convention.String(), convention),
				func(context.Context, *socketio.Socket, int) (string, error) { return outcome() })
		}
		event.Handle(server, event.NewRPC[int, string]("limited"+convention.String(), convention),
			func(context.Context, *socketio.Socket, int) (string, error) { return "r", nil }, event.Limit(1e-9, 1))
	}
	client := siotest.NewServer(t, server).Dial(t, "/", nil)
	answer := func(name string, argument any) string {
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second) // a busy machine answers, too
		defer cancel()
		args, err := client.Call(ctx, name, argument)
		switch {
		case errors.Is(err, event.ErrAckTimeout):
			return "no answer"
		case err != nil:
			return err.Error()
		}
		return "`" + string(args.Raw()) + "`"
	}
	cases := []struct {
		when, name string
		argument   any
		times      int
	}{
		{"returned \"r\"", "result", 1, 1},
		{"returned `&socketio.Error{Code: \"c\", Message: \"m\", Data: 42}`", "error", 1, 1},
		{"returned another error", "other", 1, 1},
		{"panicked", "panic", 1, 1},
		{"was not called: the arguments do not fit", "result", "text", 1},
		{"was not called: over `event.Limit`, or the queue is full", "limited", 1, 2},
	}
	var calls sync.WaitGroup // all at once, since some wait for an answer that never comes
	for i, c := range cases {
		rows = append(rows, append([]string{c.when}, make([]string, len(conventions))...))
		for j, convention := range conventions {
			cell := &rows[i+1][j+1]
			calls.Go(func() {
				for range c.times {
					*cell = answer(c.name+convention.String(), c.argument)
				}
			})
		}
	}
	calls.Wait()
	return rows
}

// The defaults that clients are told are those that the reference names.
func TestHandshakeHasTheDefaults(t *testing.T) {
	url, _ := serve(t, socketio.Options{}, nil)
	_, four := request(t, http.MethodGet, url+"?EIO=4&transport=polling", nil, "")
	_, three := request(t, http.MethodGet, url+"?EIO=3&transport=polling", nil, "")
	if !strings.Contains(four, `"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000`) {
		t.Errorf("revision 4 is told %s", four)
	}
	if !strings.Contains(three, `"pingInterval":25000,"pingTimeout":5000}`) {
		t.Errorf("revision 3 is told %s", three)
	}
}

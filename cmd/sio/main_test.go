package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/sioparser"
)

// serve starts a server to talk to.
func serve(t *testing.T, parser sioparser.Parser) (io *socketio.Server, url string) {
	t.Helper()
	io = socketio.New(&socketio.Options{Parser: parser, Logger: slog.New(slog.DiscardHandler)})
	for _, ns := range []*socketio.Namespace{io.Of("/"), io.Of("/chat")} {
		ns.On("echo", func(_ context.Context, e *socketio.Event) error {
			if e.WantsReply() {
				return e.Reply(e.Arguments())
			}
			return e.Socket().Emit("echo", e.Arguments())
		})
		ns.On("fail", func(context.Context, *socketio.Event) error { return &socketio.Error{Code: "bad", Message: "it fails"} })
		ns.On("ask me", func(ctx context.Context, e *socketio.Event) error {
			socketio.Detach(ctx)
			answer, err := e.Socket().Call(ctx, "question", "how many?")
			if err != nil {
				return err
			}
			return e.Socket().Emit("answered", answer)
		})
		ns.On("kick me", func(_ context.Context, e *socketio.Event) error { e.Socket().Disconnect(); return nil })
		ns.On("who", func(_ context.Context, e *socketio.Event) error {
			h := e.Socket().Handshake()
			var auth map[string]any
			if err := h.DecodeAuth(&auth); err != nil {
				return err
			}
			return e.Reply(auth, h.Header.Get("X-Who"), h.Query.Get("who"), e.Socket().Transport())
		})
	}
	io.Of("/private").Use(func(context.Context, *socketio.Socket) error { return &socketio.Error{Message: "members only"} })
	hs := httptest.NewServer(io)
	t.Cleanup(func() { io.Close(); hs.Close() })
	return io, hs.URL
}

// sio runs the program.
func sio(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	code = run(ctx, args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestEmit(t *testing.T) {
	_, url := serve(t, nil)
	_, packed := serve(t, sioparser.MsgPack())
	file := filepath.Join(t.TempDir(), "bytes")
	if err := os.WriteFile(file, []byte{1, 2, 255}, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args           []string
		code           int
		stdout, stderr string // stderr: a part of it
	}{
		{[]string{url, "echo", "x"}, 0, "", ""},
		{[]string{url, "echo", "text", "7", `{"a":[1,null]}`, `"quoted"`, "--ack"}, 0, `["text",7,{"a":[1,null]},"quoted"]` + "\n", ""},
		{[]string{"--ack", url + "/chat", "echo"}, 0, "[]\n", ""},
		{[]string{strings.TrimPrefix(url, "http://"), "-ack", "echo", "--", "-5", "-ack"}, 0, `[-5,"-ack"]` + "\n", ""},
		{[]string{url, "echo", "@" + file, "-ack"}, 0, `[{"_placeholder":true,"num":0}]` + "\n", ""},
		{[]string{packed, "echo", "x", "@" + file, "-ack", "-msgpack"}, 0, `["x","AQL/"]` + "\n", ""},
		{[]string{url, "fail", "-ack"}, 1, `[{"error":{"code":"bad","message":"it fails"}}]` + "\n", "bad: it fails"},
		{[]string{url, "nobody", "-ack", "-timeout", "50ms"}, 1, "", "no acknowledgement in time"},
		{[]string{url + "/private", "x"}, 1, "", "members only"},
		{[]string{"http://127.0.0.1:1", "x"}, 1, "", "refused"},
		{[]string{url, "who", "-ack", "-auth", `{"token":"t"}`, "-header", "X-Who: me", "-query", "who=I", "-transport", "websocket"}, 0, `[{"token":"t"},"me","I","websocket"]` + "\n", ""},
		{[]string{url}, 2, "", "expected a URL and the name of an event"},
		{[]string{url, "connect"}, 2, "", "reserved"},
		{[]string{url, "x", "@/no/such/file"}, 2, "", "no such file"},
		{[]string{url, "x", "-auth", "[]"}, 2, "", "-auth must be a JSON object"},
		{[]string{url, "x", "-header", "none"}, 2, "", "expected name:value"},
		{[]string{url, "x", "-timeout", "0s"}, 2, "", "-timeout must be positive"},
		{[]string{url, "x", "-transport", "pigeon"}, 2, "", "pigeon"},
		{[]string{"ftp://x", "x"}, 2, "", "expected a URL of http"},
		{[]string{url, "x", "-nonsense"}, 2, "", "nonsense"},
	} {
		code, stdout, stderr := sio(t, "", append([]string{"emit"}, tt.args...)...)
		if code != tt.code || stdout != tt.stdout || !strings.Contains(stderr, tt.stderr) || tt.stderr == "" && stderr != "" {
			t.Errorf("sio emit %q: code %d, %q, %q; expected %d, %q, %q", tt.args, code, stdout, stderr, tt.code, tt.stdout, tt.stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		text string
	}{
		{nil, 2, "Usage: sio COMMAND"},
		{[]string{"help"}, 0, "emit one event"},
		{[]string{"help", "emit"}, 0, "-ack"},
		{[]string{"connect", "-h"}, 0, "?EVENT"},
		{[]string{"dance"}, 2, `no command "dance"`},
		{[]string{"connect"}, 2, "expected a URL"},
	} {
		if code, stdout, stderr := sio(t, "", tt.args...); code != tt.code || !strings.Contains(stdout+stderr, tt.text) {
			t.Errorf("sio %q: code %d, %q, %q", tt.args, code, stdout, stderr)
		}
	}
}

// A session talks to the program as a person does: it waits for what is shown.
type session struct {
	t     *testing.T
	in    io.WriteCloser
	lines chan string
	over  chan int
	errs  *bytes.Buffer
}

func connect(t *testing.T, args ...string) *session {
	in, keyboard := io.Pipe()
	screen, out := io.Pipe()
	s := &session{t, keyboard, make(chan string, 1000), make(chan int, 1), &bytes.Buffer{}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	go func() { // ends with the input, or ctx
		s.over <- run(ctx, append([]string{"connect"}, args...), in, out, s.errs)
		out.Close()
	}()
	go func() { // ends with the output
		defer close(s.lines)
		for sc := bufio.NewScanner(screen); sc.Scan(); {
			s.lines <- sc.Text()
		}
	}()
	return s
}

func (s *session) enter(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, text+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits for a line with all of these.
func (s *session) expect(parts ...string) string {
	s.t.Helper()
	var seen []string
	late := time.After(30 * time.Second)
	for {
		select {
		case line, more := <-s.lines:
			if !more {
				s.t.Fatalf("expected a line with %q, saw %q, and the end", parts, seen)
			}
			seen = append(seen, line)
			if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
				return line
			}
		case <-late:
			s.t.Fatalf("expected a line with %q, saw %q", parts, seen)
		}
	}
}

func (s *session) end(code int) {
	s.t.Helper()
	s.in.Close()
	for range s.lines { // until the output ends
	}
	if got := <-s.over; got != code {
		s.t.Errorf("exit code %d, expected %d: %s", got, code, s.errs)
	}
}

func TestConnect(t *testing.T) {
	io, url := serve(t, nil)
	s := connect(t, url+"/chat")
	s.expect("* connecting")
	s.expect("* connected to /chat as")
	s.enter(`echo hello {"a": "b c"} 'd e'`)
	s.expect(`→ echo "hello",{"a":"b c"},"d e"`)
	s.expect(`← echo "hello",{"a": "b c"},"d e"`)
	s.enter(`?echo 1 2`)
	s.expect("← answer to echo 1,2", "ms")
	s.enter(`ask me`) // no quotes: an event "ask" with an argument
	s.expect(`→ ask "me"`)
	s.enter(`"ask me"`)
	s.expect(`→ ask me`)
	s.expect(`← question "how many?"`, "answer with !1")
	s.enter(`!1 42`)
	s.expect("← answered 42")
	s.enter("!1 43")
	s.expect("! no event with the number 1")
	s.enter("?fail")
	s.expect("← answer to fail", "it fails")
	s.enter(".state")
	s.expect("connected as", "0 events kept")
	s.enter(".nonsense")
	s.expect("! there is no command .nonsense")
	s.enter(`echo {"a"`)
	s.expect("! a bracket is not closed")
	s.enter(".help")
	s.expect("Type")
	s.enter(".disconnect")
	s.expect("* disconnected", "io client disconnect")
	s.enter("echo x")
	s.expect("! sioclient: disconnected")
	s.enter(".connect")
	s.expect("* connected")
	io.Of("/chat").Emit("news", []byte{1, 2})
	s.expect(`← news {"_placeholder":true,"num":0}`)
	s.enter(".quit")
	s.end(exitOK)
}

func TestConnectEnds(t *testing.T) {
	_, url := serve(t, nil)
	s := connect(t, url)
	s.expect("* connected")
	s.enter(`"kick me"`)
	s.expect("* disconnected", "io server disconnect")
	s.end(exitFailed)
	if code, _, stderr := sio(t, "", "connect", url+"/private"); code != exitFailed || !strings.Contains(stderr, "members only") {
		t.Errorf("private: %d, %q", code, stderr)
	}
	if code, _, _ := sio(t, "", "connect", "127.0.0.1:1"); code != exitFailed {
		t.Errorf("nobody there: %d", code)
	}
	// At the end of the input, what was asked is still answered.
	code, stdout, stderr := sio(t, "?echo 1\n?echo 2\necho 3", "connect", url, "-wait", "3s")
	for _, want := range []string{"answer to echo 1", "answer to echo 2", "← echo 3"} {
		if code != exitOK || !strings.Contains(stdout, want) {
			t.Errorf("%q is missing: %d, %q, %q", want, code, stdout, stderr)
		}
	}
}

func TestConnectJSON(t *testing.T) {
	_, url := serve(t, nil)
	s := connect(t, url, "-json", "-packets", "-transport", "websocket")
	find := func(kind, name string) (l line) {
		for {
			text := s.expect(`"kind":"` + kind + `"`)
			if err := json.Unmarshal([]byte(text), &l); err != nil || l.Time.IsZero() {
				t.Fatalf("%s: %v", text, err)
			}
			if l.Event == name {
				return l
			}
		}
	}
	if l := find("state", ""); l.State != "connecting" {
		t.Errorf("%+v", l)
	}
	if l := find("state", ""); l.State != "connected" || l.ID == "" || l.Namespace != "/" {
		t.Errorf("%+v", l)
	}
	s.enter("?echo [1] x")
	if l := find("packet", ""); l.Text == "" {
		t.Errorf("%+v", l)
	}
	if l := find("ack", "echo"); string(l.Args) != `[[1],"x"]` || l.TookMS <= 0 {
		t.Errorf("%+v", l)
	}
	s.enter(`"ask me"`)
	find("emit", "ask me")
	if l := find("event", "question"); l.Answer != 1 {
		t.Errorf("%+v", l)
	}
	s.end(exitOK)
}

func TestWords(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string // nil when it cannot be split
	}{
		{"", []string{}},
		{"  a  b ", []string{"a", "b"}},
		{`a {"b": [1, 2], "c": "} "} "d \" e"`, []string{"a", `{"b": [1, 2], "c": "} "}`, `"d \" e"`}},
		{`'a b' c'd`, []string{"a b", "c'd"}},
		{`'' x`, []string{"", "x"}},
		{`["it's"]`, []string{`["it's"]`}},
		{`{"a`, nil}, {`{"a"`, nil}, {`'a`, nil}, {`[1`, nil},
	} {
		got, err := words(tt.line)
		if (err != nil) != (tt.want == nil) || !slices.Equal(got, tt.want) {
			t.Errorf("words(%q) = %q, %v; expected %q", tt.line, got, err, tt.want)
		}
	}
}

// A keyboard types into a line editor, whose screen it keeps.
type keyboard struct {
	io.Reader
	mu     sync.Mutex
	screen bytes.Buffer
}

func (k *keyboard) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.screen.Write(b)
}

func TestLineEditor(t *testing.T) {
	const up = "\x1b[A"
	k := &keyboard{Reader: strings.NewReader("first\rsecod\x1b[Dn\r" + up + up + "\r\x03")}
	h := &history{file: filepath.Join(t.TempDir(), "sio", "history")}
	e := newLineEditor(k, h, true)
	e.Show(&line{Kind: "error", Text: "oh"})
	for _, want := range []string{"first", "second", "first"} {
		if got, err := e.Read(); got != want || err != nil {
			t.Errorf("read %q, %v, expected %q", got, err, want)
		}
	}
	if _, err := e.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("Control-C: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if text := k.screen.String(); !strings.Contains(text, "\x1b[31m! oh\x1b[0m") {
		t.Errorf("the screen shows %q", text)
	}
	info, err := os.Stat(h.file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the history is %v, %v", info, err)
	}
	text, _ := os.ReadFile(h.file)
	if string(text) != "first\nsecond\nfirst\n" {
		t.Errorf("the history is %q", text)
	}
	for range 2 * maxHistory {
		h.Add(time.Now().String())
	}
	if h.Len() != maxHistory {
		t.Errorf("%d lines are remembered", h.Len())
	}
}

package socketio_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

// wireCases are dialogues in frames: "<" from the server, ">" to it, "-" when
// nothing more comes, "x" when the connection has ended.
var wireCases = []struct {
	name     string
	revision string
	setup    func(io *socketio.Server)
	lines    []string
}{
	{"connect", "4", nil, []string{">40", `<40{"sid":"*`, "-"}},
	{"connect to a namespace", "4", nil, []string{">40/chat,", `<40/chat,{"sid":"*`, "-"}},
	{"connect without the comma", "4", nil, []string{">40/chat", `<40/chat,{"sid":"*`}},
	{"connect to the same namespace twice", "4", nil, []string{">40", "<40*", ">40", "x"}},
	{"unknown namespace", "4", nil, []string{">40/nope,", `<44/nope,{"message":"Invalid namespace"}`, ">40", "<40*"}},
	{"leave and come again", "4", nil, []string{">40", "<40*", ">41", ">40", "<40*", "-"}},
	{"event after leaving", "4", nil, []string{">40", "<40*", ">41", `>42["x"]`, "x"}},
	{"leave twice", "4", nil, []string{">40", "<40*", ">41", ">41", "x"}},
	{"event before connect", "4", nil, []string{`>42["x"]`, "x"}},
	{"event for another namespace", "4", nil, []string{">40", "<40*", `>42/chat,["x"]`, "x"}},
	{"connect error from the client", "4", nil, []string{">40", "<40*", `>44{"message":"x"}`, "x"}},
	{"auth that is not an object", "4", nil, []string{`>40["x"]`, "x"}},
	{"unknown type", "4", nil, []string{">40", "<40*", ">49", "x"}},
	{"broken JSON", "4", nil, []string{">40", "<40*", `>42["x"`, "x"}},
	{"reserved name", "4", nil, []string{">40", "<40*", `>42["disconnect"]`, "x"}},
	{"binary that nobody announced", "4", nil, []string{">40", "<40*", ">b:x", "x"}},
	{"text when binary is due", "4", nil, []string{">40", "<40*", `>451-["x",{"_placeholder":true,"num":0}]`, `>42["x"]`, "x"}},

	{"event nobody handles", "4", nil, []string{">40", "<40*", `>427["unknown",1]`, "-"}},
	{"acknowledgement", "4", func(io *socketio.Server) {
		io.On("ask", reply("yes", 1))
	}, []string{">40", "<40*", `>420["ask"]`, `<430["yes",1]`, `>42["ask"]`, "-"}},
	{"a number for a name", "4", func(io *socketio.Server) {
		io.On("7", reply("seven"))
	}, []string{">40", "<40*", `>421[7]`, `<431["seven"]`, "-"}},
	{"only the first answer counts", "4", func(io *socketio.Server) {
		io.On("ask", func(_ context.Context, e *socketio.Event) error {
			e.Reply(1)
			return e.Reply(2)
		})
		io.On("ask", reply(3))
	}, []string{">40", "<40*", `>4212["ask"]`, `<4312[1]`, "-"}},
	{"typed event is acknowledged", "4", func(io *socketio.Server) {
		event.On(io, Chat, func(context.Context, *socketio.Socket, Message) error { return nil })
	}, []string{">40", "<40*", `>421["chat",{"text":"hi"}]`, `<431[]`}},
	{"typed event that does not fit", "4", func(io *socketio.Server) {
		event.On(io, Chat, func(context.Context, *socketio.Socket, Message) error { return nil })
	}, []string{">40", "<40*", `>421["chat",7]`, `<431[{"error":{"code":"bad_request","message":"the arguments do not fit the event"}}]`}},
	{"error for the client", "4", func(io *socketio.Server) {
		io.On("fail", func(context.Context, *socketio.Event) error {
			return &socketio.Error{Code: "no", Message: "not now", Data: map[string]int{"in": 5}}
		})
	}, []string{">40", "<40*", `>423["fail"]`, `<433[{"error":{"code":"no","message":"not now","data":{"in":5}}}]`, `>42["fail"]`, "-"}},
	{"error that stays here", "4", func(io *socketio.Server) {
		io.On("fail", func(context.Context, *socketio.Event) error { return errors.New("password is 1234") })
	}, []string{">40", "<40*", `>423["fail"]`, `<433[{"error":{"code":"internal","message":"internal error"}}]`}},
	{"panic", "4", func(io *socketio.Server) {
		io.On("fail", func(context.Context, *socketio.Event) error { panic("no") })
	}, []string{">40", "<40*", `>423["fail"]`, `<433[{"error":{"code":"internal","message":"internal error"}}]`}},
	{"answer that cannot be encoded", "4", func(io *socketio.Server) {
		io.On("fail", func(_ context.Context, e *socketio.Event) error { return e.Reply(make(chan int)) })
	}, []string{">40", "<40*", `>423["fail"]`, `<433[{"error":{"code":"internal","message":"internal error"}}]`}},
	{"leave from a handler", "4", func(io *socketio.Server) {
		io.On("bye", func(context.Context, *socketio.Event) error { return socketio.Leave })
	}, []string{">40", "<40*", `>42["bye"]`, "<41", `>42["bye"]`, "-", ">40", "<40*"}},
	{"hang up from a handler", "4", func(io *socketio.Server) {
		io.Of("/a")
		io.On("bye", func(context.Context, *socketio.Event) error { return socketio.Hangup })
	}, []string{">40", "<40*", ">40/a,", "<40/a,*", `>42["bye"]`, "<41", "<41/a,", "x"}},
	{"binary both ways", "4", func(io *socketio.Server) {
		io.On("echo", func(_ context.Context, e *socketio.Event) error {
			var b []byte
			if err := e.Decode(&b); err != nil {
				return err
			}
			return e.Socket().Emit("back", b)
		})
	}, []string{">40", "<40*", `>451-["echo",{"_placeholder":true,"num":0}]`, ">b:\x01\x02", `<451-["back",{"_placeholder":true,"num":0}]`, "<b:\x01\x02"}},
	{"binary acknowledgement", "4", func(io *socketio.Server) { io.On("ask", reply([]byte("\x07"), "x")) },
		[]string{">40", "<40*", `>428["ask"]`, `<461-8[{"_placeholder":true,"num":0},"x"]`, "<b:\x07"}},
	{"namespaces are apart", "4", func(io *socketio.Server) {
		io.On("ask", reply("root"))
		io.Of("/a").On("ask", reply("a"))
	}, []string{">40", "<40*", ">40/a,", "<40/a,*", `>42/a,1["ask"]`, `<43/a,1["a"]`, `>422["ask"]`, `<432["root"]`}},
	{"emitted while connecting", "4", func(io *socketio.Server) {
		io.Use(func(_ context.Context, s *socketio.Socket) error { return s.Emit("first", 1) })
		io.OnConnect(func(_ context.Context, s *socketio.Socket) error { return s.Emit("second", 2) })
	}, []string{">40", "<40*", `<42["first",1]`, `<42["second",2]`}},

	{"middleware refuses", "4", func(io *socketio.Server) {
		io.Use(func(_ context.Context, s *socketio.Socket) error {
			return &socketio.Error{Message: "no entry", Data: map[string]string{"why": "full"}}
		})
	}, []string{">40", `<44{"message":"no entry","data":{"why":"full"}}`, ">40", `<44{"message":"no entry","data":{"why":"full"}}`}},
	{"middleware refuses with a code", "4", func(io *socketio.Server) {
		io.Of("/a").Use(func(context.Context, *socketio.Socket) error {
			return &socketio.Error{Code: "unauthorized", Message: "token refused"}
		})
	}, []string{">40/a,", `<44/a,{"message":"token refused","code":"unauthorized","data":{"code":"unauthorized"}}`}},
	{"middleware fails", "4", func(io *socketio.Server) {
		io.Use(func(context.Context, *socketio.Socket) error { return errors.New("the database is down") })
	}, []string{">40", `<44{"message":"internal error","code":"internal","data":{"code":"internal"}}`}},
	{"middleware hangs up", "4", func(io *socketio.Server) {
		io.Use(func(context.Context, *socketio.Socket) error { return socketio.Hangup })
	}, []string{">40", `<44{"message":"Refused"}`, "x"}},

	// Clients of generation 2.x.
	{"2.x: connected without asking", "3", nil, []string{"<40", "-"}},
	{"2.x: asks all the same", "3", nil, []string{"<40", ">40", "-"}},
	{"2.x: namespace", "3", nil, []string{"<40", ">40/chat", "<40/chat,", "-"}},
	{"2.x: namespace with a query", "3", func(io *socketio.Server) {
		io.Of("/chat").OnConnect(func(_ context.Context, s *socketio.Socket) error {
			var auth struct {
				Tok string `json:"tok"`
			}
			if err := s.Handshake().DecodeAuth(&auth); err != nil {
				return err
			}
			return s.Emit("hello", s.ID(), auth.Tok)
		})
	}, []string{"<40", ">40/chat?tok=1,", "<40/chat,", `<42/chat,["hello","/chat#SID","1"]`}},
	{"2.x: id", "3", func(io *socketio.Server) {
		io.OnConnect(func(_ context.Context, s *socketio.Socket) error { return s.Emit("hello", s.ID()) })
	}, []string{"<40", `<42["hello","SID"]`}},
	{"2.x: unknown namespace", "3", nil, []string{"<40", ">40/nope", `<44/nope,"Invalid namespace"`}},
	{"2.x: middleware refuses", "3", func(io *socketio.Server) {
		io.Use(func(context.Context, *socketio.Socket) error { return &socketio.Error{Code: "c", Message: "no entry"} })
	}, []string{`<44"no entry"`}},
	{"2.x: middleware refuses with data", "3", func(io *socketio.Server) {
		io.Of("/a").Use(func(context.Context, *socketio.Socket) error {
			return &socketio.Error{Message: "no entry", Data: map[string]int{"code": 7}}
		})
	}, []string{"<40", ">40/a,", `<44/a,{"code":7}`}},
	{"2.x: middleware waits", "3", func(io *socketio.Server) {
		io.Use(func(context.Context, *socketio.Socket) error { time.Sleep(time.Millisecond); return nil })
	}, []string{"<40", "-"}},
	{"2.x: binary has its type", "3", func(io *socketio.Server) {
		io.On("echo", func(_ context.Context, e *socketio.Event) error {
			var b []byte
			if err := e.Decode(&b); err != nil {
				return err
			}
			return e.Reply(b)
		})
	}, []string{"<40", `>451-0["echo",{"_placeholder":true,"num":0}]`, ">b:\x04\x01", `<461-0[{"_placeholder":true,"num":0}]`, "<b:\x04\x01"}},
	{"2.x: disconnected by the server", "3", func(io *socketio.Server) {
		io.On("bye", func(context.Context, *socketio.Event) error { return socketio.Leave })
	}, []string{"<40", `>42["bye"]`, "<41", "-"}},
}

func TestWire(t *testing.T) {
	for _, tt := range wireCases {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				io.Of("/chat")
				if tt.setup != nil {
					tt.setup(io)
				}
				w := dialWire(t, n, tt.revision)
				if strings.HasSuffix(tt.name, "waits") && realNetwork == nil {
					w.nothing()
					time.Sleep(time.Second)
				}
				w.play(tt.lines...)
			})
		})
	}
}

// The first poll of a 2.x client answers with the handshake and the
// confirmation of "/" in one body.
func TestFirstPollOfOldClients(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		status, body := request(t, n, "GET", "/socket.io/?transport=polling&EIO=3", "")
		if status != 200 || !strings.HasPrefix(body, `96:0{"sid":"`) || !strings.HasSuffix(body, "}2:40") || len(body) != len("96:")+96+len("2:40") {
			t.Errorf("status %d, body %s, want 96:0{…}2:40", status, body)
		}
	})
}

func TestPolling(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.On("ask", reply("yes"))
		_, body := request(t, n, "GET", "/socket.io/?transport=polling&EIO=4", "")
		_, rest, _ := strings.Cut(body, `"sid":"`)
		sid, _, _ := strings.Cut(rest, `"`)
		target := "/socket.io/?transport=polling&EIO=4&sid=" + sid
		if status, body := request(t, n, "POST", target, "40\x1e421[\"ask\"]"); status != 200 || body != "ok" {
			t.Errorf("status %d, body %s", status, body)
		}
		var got string
		for !strings.Contains(got, "431") {
			_, body := request(t, n, "GET", target, "")
			got += body + "\x1e"
		}
		if !strings.HasPrefix(got, `40{"sid":"`) || !strings.HasSuffix(got, "\x1e431[\"yes\"]\x1e") {
			t.Errorf("got %q", got)
		}
	})
}

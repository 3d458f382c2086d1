package main

import (
	"encoding/json"
	"testing"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

var (
	msg  = event.New[json.RawMessage]("msg")
	blob = event.New[[]byte]("msg")
)

func TestContract(t *testing.T) {
	srv := siotest.NewServer(t, newServer(new(tally)))
	a, b, outsider := srv.Dial(t, "/", nil), srv.Dial(t, "/", nil), srv.Dial(t, "/", nil)

	t.Run("echo", func(t *testing.T) {
		for _, text := range []string{`{"n":1.50,"s":"ü","l":[null,true]}`, `"text"`, `12345678901234567890`} {
			answer, err := a.Call(t.Context(), "echo", json.RawMessage(text))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(answer.Raw()); got != "["+text+"]" {
				t.Errorf("echo of %s is %s", text, got)
			}
		}
		answer, err := a.Call(t.Context(), "echo", []byte{0, 1, 2})
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		if err := answer.Decode(&got); err != nil || string(got) != "\x00\x01\x02" {
			t.Errorf("echo of bytes is %v, %v", got, err)
		}
	})

	t.Run("join and room-broadcast", func(t *testing.T) {
		inA, inB, inOutsider := event.Subscribe(a, msg, 8), event.Subscribe(b, msg, 8), event.Subscribe(outsider, msg, 8)
		for _, c := range []*siotest.Client{a, b} {
			answer, err := c.Call(t.Context(), "join", []string{"r1", "r2"})
			if err != nil || answer.Len() != 0 {
				t.Fatalf("join is acknowledged with %d arguments, %v", answer.Len(), err)
			}
		}
		a.Emit("room-broadcast", "r2", map[string]int{"n": 7})
		outsider.Emit("broadcast", "to all")
		for name, inbox := range map[string]*event.Subscription[json.RawMessage]{"a": inA, "b": inB} {
			got := map[string]bool{}
			for range 2 {
				m, err := inbox.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got[string(m)] = true
			}
			if !got[`{"n":7}`] || !got[`"to all"`] {
				t.Errorf("%s got %v", name, got)
			}
		}
		if m, err := inOutsider.Next(t.Context()); err != nil || string(m) != `"to all"` {
			t.Errorf("the outsider got %s, %v", m, err)
		}
		inA.Close()
		inB.Close()
		inOutsider.Close()
	})

	t.Run("binary broadcast", func(t *testing.T) {
		inbox := event.Subscribe(b, blob, 1)
		a.Emit("broadcast", []byte("bytes"))
		if m, err := inbox.Next(t.Context()); err != nil || string(m) != "bytes" {
			t.Errorf("got %q, %v", m, err)
		}
	})

	t.Run("namespaces on demand", func(t *testing.T) {
		inside, aside := srv.Dial(t, "/n-1", nil), srv.Dial(t, "/n-2", nil)
		inInside, inAside := event.Subscribe(inside, msg, 8), event.Subscribe(aside, msg, 8)
		if _, err := aside.Call(t.Context(), "join", []string{"r1"}); err != nil {
			t.Fatal(err)
		}
		inside.Emit("broadcast", 1)
		aside.Emit("room-broadcast", "r1", 2)
		for name, c := range map[string]struct {
			inbox *event.Subscription[json.RawMessage]
			want  string
		}{"/n-1": {inInside, "1"}, "/n-2": {inAside, "2"}} {
			if m, err := c.inbox.Next(t.Context()); err != nil || string(m) != c.want {
				t.Errorf("%s got %s, %v; want %s", name, m, err, c.want)
			}
		}
		inInside.Close()
		inAside.Close()
	})

	t.Run("gc", func(t *testing.T) {
		if answer, err := a.Call(t.Context(), "gc"); err != nil || answer.Len() != 0 {
			t.Errorf("gc is acknowledged with %d arguments, %v", answer.Len(), err)
		}
	})
}

func TestPortOfTheEnvironment(t *testing.T) {
	t.Setenv("PORT", "4000")
	if got := envOr("PORT", "3000"); got != "4000" {
		t.Errorf("with PORT=4000 the port is %s", got)
	}
	t.Setenv("PORT", "")
	if got := envOr("PORT", "3000"); got != "3000" {
		t.Errorf("without PORT the port is %s", got)
	}
}

package main

import (
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

// next waits for an event and fails unless it carries want.
func next[T comparable](t *testing.T, inbox *event.Subscription[T], want T) {
	t.Helper()
	got, err := inbox.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestConversation(t *testing.T) {
	chat := siotest.NewServer(t, newChat(nil))
	ada := chat.Dial(t, "/", nil)
	logins := event.Subscribe(ada, login, 4)
	joins := event.Subscribe(ada, joined, 4)
	leaves := event.Subscribe(ada, left, 4)
	messages := event.Subscribe(ada, said, 4)
	typists := event.Subscribe(ada, isTyping, 4)
	pauses := event.Subscribe(ada, hasStopped, 4)

	if err := addUser.Emit(ada, " Ada "); err != nil {
		t.Fatal(err)
	}
	next(t, logins, headcount{1})
	addUser.Emit(ada, "Eve") // who has a name keeps it

	bob := chat.Dial(t, "/", nil)
	replies := event.Subscribe(bob, said, 4)
	say.Emit(bob, "nobody hears who has no name")
	addUser.Emit(bob, "")
	addUser.Emit(bob, "Bob")
	next(t, joins, presence{"Bob", 2})

	typing.Emit(bob, struct{}{})
	next(t, typists, person{"Bob"})
	stopTyping.Emit(bob, struct{}{})
	next(t, pauses, person{"Bob"})
	say.Emit(bob, "hello")
	next(t, messages, message{"Bob", "hello"})
	say.Emit(ada, "hello yourself")
	next(t, replies, message{"Ada", "hello yourself"})

	bob.Close()
	next(t, leaves, presence{"Bob", 1})
}

func TestPageIsWhole(t *testing.T) {
	page, err := web.ReadFile("web/index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chat.css", "chat.js", "icon.svg"} {
		if !strings.Contains(string(page), `"`+name+`"`) {
			t.Errorf("the page does not use %s", name)
		}
		if _, err := fs.Stat(web, "web/"+name); err != nil {
			t.Error(err)
		}
	}
}

// TestWithoutClientBuild: the page finds out by the missing file, so it has to
// be missing, not an empty script.
func TestWithoutClientBuild(t *testing.T) {
	chat := siotest.NewServer(t, newChat(&socketio.Options{DisableClient: true}))
	res, err := http.Get(chat.URL + "/socket.io/socket.io.js")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode < 400 {
		t.Errorf("status %s for a client build that is not there", res.Status)
	}
}

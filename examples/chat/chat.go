package main

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
)

// What travels from the server to the clients.
type (
	headcount struct {
		NumUsers int64 `json:"numUsers"`
	}
	presence struct {
		Username string `json:"username"`
		NumUsers int64  `json:"numUsers"`
	}
	message struct {
		Username string `json:"username"`
		Message  string `json:"message"`
	}
	person struct {
		Username string `json:"username"`
	}
)

// Events from the clients.
var (
	addUser    = event.New[string]("add user")
	say        = event.New[string]("new message")
	typing     = event.New[struct{}]("typing")
	stopTyping = event.New[struct{}]("stop typing")
)

// Events to the clients. Some have the name of one from them, and carry more.
var (
	login      = event.New[headcount]("login")
	joined     = event.New[presence]("user joined")
	left       = event.New[presence]("user left")
	said       = event.New[message]("new message")
	isTyping   = event.New[person]("typing")
	hasStopped = event.New[person]("stop typing")
)

// username is set once somebody has said who they are.
var username = socketio.NewKey[string]("username")

// newChat returns a server with the handlers of the chat. Errors of Emit are
// dropped: they concern a socket that is going away, which OnDisconnect hears.
func newChat(options *socketio.Options) *socketio.Server {
	io := socketio.New(options)
	var numUsers atomic.Int64

	event.On(io, addUser, func(_ context.Context, s *socketio.Socket, name string) error {
		name = strings.TrimSpace(name)
		if _, named := username.Get(s); named || name == "" {
			return nil
		}
		username.Set(s, name)
		n := numUsers.Add(1)
		login.Emit(s, headcount{n})
		return joined.Emit(s.Others(), presence{name, n})
	})
	event.On(io, say, func(_ context.Context, s *socketio.Socket, text string) error {
		return fromUser(s, func(name string) error { return said.Emit(s.Others(), message{name, text}) })
	})
	event.On(io, typing, func(_ context.Context, s *socketio.Socket, _ struct{}) error {
		return fromUser(s, func(name string) error { return isTyping.Emit(s.Others(), person{name}) })
	})
	event.On(io, stopTyping, func(_ context.Context, s *socketio.Socket, _ struct{}) error {
		return fromUser(s, func(name string) error { return hasStopped.Emit(s.Others(), person{name}) })
	})
	io.OnDisconnect(func(_ context.Context, s *socketio.Socket, _ socketio.Reason) {
		fromUser(s, func(name string) error { return left.Emit(s.Others(), presence{name, numUsers.Add(-1)}) })
	})
	return io
}

// fromUser calls f with the name of the sender; who has none is not heard.
func fromUser(s *socketio.Socket, f func(name string) error) error {
	name, named := username.Get(s)
	if !named {
		return nil
	}
	return f(name)
}

package socketio_test

import "github.com/siogo/sio/socketio/event"

type Message struct {
	Room string `json:"room"`
	From string `json:"from"`
	Text string `json:"text"`
}

var Chat = event.New[Message]("chat")

type socketioArgs = event.Args

package socketio_test

import "github.com/siogo/sio/socketio/event"

// The contract of the examples and tests. In an application it is a package of
// its own, imported by the server, by every client and by emitters.

type Message struct {
	Room string `json:"room"`
	From string `json:"from"`
	Text string `json:"text"`
}

type Item struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type NewItem struct {
	Name string `json:"name"`
}

type Ready struct {
	Load float64 `json:"load"`
}

var (
	Chat    = event.New[Message]("chat")
	Move    = event.New2[float64, float64]("move") // socket.emit("move", x, y)
	AddItem = event.NewRPC[NewItem, Item]("item:add")
	Poll    = event.NewRPC[struct{}, Ready]("poll")
	Frame   = event.New[[]byte]("frame") // []byte travels as a binary attachment
)

type socketioArgs = event.Args

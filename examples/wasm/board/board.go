// Package board is the contract between the server and the page: both are Go,
// and neither can send what the other does not expect.
package board

import "github.com/siogo/sio/socketio/event"

// A Note is one line on the board.
type Note struct {
	Author string `json:"author"`
	Text   string `json:"text"`
}

var (
	Pin    = event.NewRPC[Note, int]("pin")          // answered with how many notes there are
	Pinned = event.New[Note]("pinned")               // to everybody, for each new note
	Notes  = event.NewRPC[struct{}, []Note]("notes") // all of them
)

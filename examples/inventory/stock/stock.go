// Package stock is the contract of the inventory service.
package stock

import (
	"errors"

	"github.com/siogo/sio/socketio/event"
)

// An Item is something of which there is some number.
type Item struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// A Change adds to the count of an item, or takes from it.
type Change struct {
	Name string `json:"name"`
	By   int    `json:"by"`
}

// Validate is called before the handler.
func (c Change) Validate() error {
	if c.Name == "" {
		return errors.New("the name is missing")
	}
	return nil
}

var (
	Adjust  = event.NewRPC[Change, Item]("stock:adjust")   // refused with CodeShort when there is not enough
	List    = event.NewRPC[struct{}, []Item]("stock:list") // in the order of names
	Changed = event.New[Item]("stock:changed")             // to everybody
	Confirm = event.NewRPC[Change, bool]("stock:confirm")  // the service asks who takes more than half
)

// CodeShort is the code of the error when more is taken than there is.
const CodeShort = "short"

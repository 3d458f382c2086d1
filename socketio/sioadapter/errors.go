package sioadapter

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNotMember says that a socket has not been added, or was removed.
	ErrNotMember = errors.New("sioadapter: not a member of the namespace")
	// ErrClosed is returned by methods of a Cluster that was closed.
	ErrClosed = errors.New("sioadapter: the adapter is closed")
	// ErrBusFull says that other nodes were not told, since too many messages
	// wait for the bus.
	ErrBusFull = errors.New("sioadapter: too many messages wait for the bus")
	// ErrNodeGone says that a node left, or fell silent.
	ErrNodeGone = errors.New("sioadapter: the node is gone")
)

// A PartialError says that not all other nodes have reported. What the others
// reported has been given out.
type PartialError struct {
	Answered int      // nodes that have reported
	Expected int      // nodes that were asked; this node is not counted
	Missing  []string // names of those that have not, where they are known
	Err      error    // why: ErrNodeGone, ErrBusFull, ErrClosed, or what ended the wait
}

func (e *PartialError) Error() string {
	s := fmt.Sprintf("sioadapter: %d of %d other nodes have answered", e.Answered, e.Expected)
	if len(e.Missing) > 0 {
		s += ", without " + strings.Join(e.Missing, ", ")
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *PartialError) Unwrap() error { return e.Err }

// A NodeError is why a node, or a socket of it, does not answer.
type NodeError struct {
	Node string
	Err  error
}

func (e *NodeError) Error() string { return fmt.Sprintf("sioadapter: node %s: %v", e.Node, e.Err) }

// Unwrap returns Err.
func (e *NodeError) Unwrap() error { return e.Err }

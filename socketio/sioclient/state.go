package sioclient

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"time"
)

// Kind is what a socket is doing. These are all the moves there are:
//
//	          ┌───────────────┐
//	          ▼               │
//	Disconnected ──► Connecting ──► Connected
//	    │  ▲               │            │  │
//	    │  └───────────────┼────────────┘  │
//	    └──────────────────┴───────────────┴──► Closed
type Kind uint8

const (
	// Disconnected: there is no connection. State.Retry tells when the next
	// attempt is made, if there is one.
	Disconnected Kind = iota
	// Connecting: an attempt is under way.
	Connecting
	// Connected: the namespace is joined, events flow both ways.
	Connected
	// Closed: Close was called. Terminal.
	Closed
)

func (k Kind) String() string {
	names := [...]string{"disconnected", "connecting", "connected", "closed"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", k)
}

// A State is what a socket is doing, and why.
type State struct {
	Kind Kind

	// Err says why a socket is Disconnected: a *[DisconnectError] when it was
	// connected, a *[ConnectError] when the server refused it, else why the
	// attempt failed. It is nil before the first attempt.
	Err error

	// Retry is how long after Disconnected the next attempt is made; zero if
	// none is made unless Connect is called.
	Retry time.Duration

	// Attempt counts the attempts since the socket was last connected, from 1.
	Attempt int

	// ID and Recovered are of Connected: see [Socket.ID] and
	// [Socket.Recovered].
	ID        string
	Recovered bool
}

// String returns the kind and what is known about it.
func (s State) String() string {
	switch {
	case s.Kind == Connected && s.Recovered:
		return "connected, recovered"
	case s.Kind == Disconnected && s.Err != nil && s.Retry > 0:
		return fmt.Sprintf("disconnected, next attempt in %v: %s", s.Retry.Round(time.Millisecond), s.cause())
	case s.Kind == Disconnected && s.Err != nil:
		return "disconnected: " + s.cause()
	}
	return s.Kind.String()
}

// cause returns the text of Err without what String says itself.
func (s State) cause() string {
	text := strings.TrimPrefix(s.Err.Error(), "sioclient: ")
	return strings.TrimPrefix(text, "disconnected: ")
}

// LogValue implements slog.LogValuer.
func (s State) LogValue() slog.Value { return slog.StringValue(s.String()) }

// maxStates is how many states are kept for those who read them late.
const maxStates = 64

// history are the latest states of a socket. The mutex of the manager guards it.
type history struct {
	list    []State // the latest, oldest first; never empty
	first   uint64  // the number of list[0]
	changed chan struct{}
}

func (h *history) last() *State { return &h.list[len(h.list)-1] }

// next is the number that the next state will get.
func (h *history) next() uint64 { return h.first + uint64(len(h.list)) }

// add appends a state.
func (h *history) add(s State) {
	if len(h.list) == maxStates {
		n := copy(h.list, h.list[1:])
		h.list = h.list[:n]
		h.first++
	}
	h.list = append(h.list, s)
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// from returns state n, or the oldest one that is kept; without one, a channel
// that is closed when it is there.
func (h *history) from(n uint64) (s State, number uint64, wait <-chan struct{}) {
	n = max(n, h.first)
	if n < h.next() {
		return h.list[n-h.first], n, nil
	}
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return State{}, n, h.changed
}

// State returns what the socket is doing now.
func (s *Socket) State() State {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return *s.states.last()
}

// States yields the state of the socket, and then each that follows, until ctx
// ends or the socket is closed. Who takes them slowly misses none of the latest
// 64.
func (s *Socket) States(ctx context.Context) iter.Seq[State] {
	return func(yield func(State) bool) {
		s.m.mu.Lock()
		n := s.states.next() - 1
		s.m.mu.Unlock()
		for {
			st, number, err := s.awaitState(ctx, n)
			if err != nil || !yield(st) || st.Kind == Closed {
				return
			}
			n = number + 1
		}
	}
}

// awaitState returns state n, or a later one if that is forgotten.
func (s *Socket) awaitState(ctx context.Context, n uint64) (State, uint64, error) {
	for {
		s.m.mu.Lock()
		st, number, wait := s.states.from(n)
		s.m.mu.Unlock()
		if wait == nil {
			return st, number, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return State{}, n, context.Cause(ctx)
		}
	}
}

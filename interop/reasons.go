package interop

import (
	"context"
	"maps"
	"sync"
)

// reasons remembers why sockets were disconnected, by id.
type reasons struct {
	mu      sync.Mutex
	byID    map[string]string
	changed chan struct{} // closed, and replaced, by each note
}

func newReasons() *reasons {
	return &reasons{byID: map[string]string{}, changed: make(chan struct{})}
}

func (r *reasons) note(id, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[id] = reason
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait returns the reason of a socket as soon as it is known.
func (r *reasons) wait(ctx context.Context, id string) (string, error) {
	for {
		r.mu.Lock()
		reason, known := r.byID[id]
		changed := r.changed
		r.mu.Unlock()
		if known {
			return reason, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

func (r *reasons) all() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.byID)
}

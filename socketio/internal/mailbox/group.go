package mailbox

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Group counts the goroutines of any number of mailboxes. The zero value is
// ready to use. It is one atomic counter until somebody waits.
type Group struct {
	n atomic.Int64

	mu   sync.Mutex
	idle chan struct{} // closed when n falls to zero; nil when nobody waits
}

// Go calls f in a goroutine that the group counts.
func (g *Group) Go(f func()) {
	g.add()
	go func() { // started by whoever has f to run; ends with it; Wait waits for it
		defer g.done()
		f()
	}()
}

func (g *Group) add() { g.n.Add(1) }

func (g *Group) done() {
	if g.n.Add(-1) > 0 {
		return
	}
	g.mu.Lock()
	if g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
	g.mu.Unlock()
}

// Len returns how many goroutines there are.
func (g *Group) Len() int { return int(g.n.Load()) }

// Wait returns when there is no goroutine, or with the cause of ctx.
func (g *Group) Wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		if g.n.Load() <= 0 {
			g.mu.Unlock()
			return nil
		}
		if g.idle == nil {
			g.idle = make(chan struct{})
		}
		idle := g.idle
		g.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

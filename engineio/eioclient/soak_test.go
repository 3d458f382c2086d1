//go:build !js

package eioclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siogo/sio/engineio"
)

// The lives of a session: each dials and, one way or another, closes.
var lives = []struct {
	name string
	live func(r *rig, o *Options) error
}{
	{"closed at once", func(r *rig, o *Options) error {
		c, err := Dial(context.Background(), r.url, o)
		if err != nil {
			return err
		}
		return c.Close()
	}},
	{"closed after an echo", func(r *rig, o *Options) error {
		heard := make(chan struct{}, 1)
		o.Open = func(*Conn) Handler { return hearing(heard) }
		c, err := Dial(context.Background(), r.url, o)
		if err != nil {
			return err
		}
		c.Send(Text("x"))
		<-heard
		return c.Close()
	}},
	{"closed from a handler", func(r *rig, o *Options) error {
		over := make(chan *CloseError, 1)
		o.Open = func(c *Conn) Handler { return &leaving{c, over} }
		c, err := Dial(context.Background(), r.url, o)
		if err != nil {
			return err
		}
		c.Send(Text("x"))
		<-over
		return c.Close()
	}},
	{"closed by the server", func(r *rig, o *Options) error {
		over := make(chan *CloseError, 1)
		o.Open = func(c *Conn) Handler { return ending(over) }
		c, err := Dial(context.Background(), r.url, o)
		if err != nil {
			return err
		}
		c.Send(Text("close"))
		<-over
		return c.Close()
	}},
	{"aborted", func(r *rig, o *Options) error {
		c, err := Dial(context.Background(), r.url, o)
		if err != nil {
			return err
		}
		c.Abort(ReasonParseError, io.EOF)
		return c.Close()
	}},
	{"cut", func(r *rig, o *Options) error {
		over := make(chan *CloseError, 1)
		o.Open = func(c *Conn) Handler { return ending(over) }
		var mu sync.Mutex
		var conns []net.Conn
		dial := o.DialContext
		o.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := dial(ctx, network, addr)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				conns = append(conns, nc)
			}
			return nc, err
		}
		c, err := Dial(context.Background(), r.url, o)
		if err != nil {
			return err
		}
		for gone := false; !gone; { // until no transport is left to fall back to
			mu.Lock()
			for _, nc := range conns {
				nc.Close()
			}
			mu.Unlock()
			select {
			case <-over:
				gone = true
			case <-time.After(time.Millisecond):
			}
		}
		return c.Close()
	}},
	{"given up while dialing", func(r *rig, o *Options) error {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Microsecond)
		defer cancel()
		c, err := Dial(ctx, r.url, o)
		if err == nil {
			c.Close()
		}
		return nil
	}},
	{"refused", func(r *rig, o *Options) error {
		o.Path = "/nothing/"
		if _, err := Dial(context.Background(), r.url, o); !errors.As(err, new(*StatusError)) {
			return fmt.Errorf("expected a refusal, got %w", err)
		}
		return nil
	}},
}

type hearing chan struct{}

func (h hearing) Message([]byte, bool) { h <- struct{}{} }
func (h hearing) Closed(*CloseError)   {}

type leaving struct {
	c    *Conn
	over chan *CloseError
}

func (l *leaving) Message([]byte, bool)   { l.c.Close() }
func (l *leaving) Closed(err *CloseError) { l.over <- err }

type ending chan *CloseError

func (e ending) Message([]byte, bool)   {}
func (e ending) Closed(err *CloseError) { e <- err }

// 10,000 sessions of every kind leave nothing behind.
func TestNothingIsLeftBehind(t *testing.T) {
	r := newServer(t, engineio.Options{}, func(p *peer, data []byte, binary bool) {
		if string(data) == "close" {
			p.Close()
			return
		}
		p.Send(engineio.NewMessage(data, binary))
	})
	r.peers = make(chan *peer, 20_000)
	r.serveMemory(http.HandlerFunc(r.srv.ServeHTTP))
	kinds := len(lives) * 2 * len(ways)
	each := 10_000/scale/kinds + 1
	run := func(each int) {
		var wg sync.WaitGroup
		var next atomic.Int64
		for range 8 {
			wg.Go(func() {
				for {
					n := int(next.Add(1)) - 1
					if n >= each*kinds {
						return
					}
					life, w := lives[n%len(lives)], ways[n/len(lives)%len(ways)]
					o, _ := r.options(w.options)
					o.Revision = revision(3 + n/len(lives)/len(ways)%2)
					if err := life.live(r, o); err != nil {
						t.Errorf("%s over %s: %v", life.name, w.name, err)
					}
				}
			})
		}
		wg.Wait()
	}
	// What remains once nothing moves any more.
	rest := func() int {
		runtime.GC()
		n := runtime.NumGoroutine()
		for quiet := 0; quiet < 20; quiet++ {
			time.Sleep(5 * time.Millisecond)
			if now := runtime.NumGoroutine(); now != n {
				n, quiet = now, 0
			}
		}
		return n
	}
	run(1)
	before := rest()
	run(each)
	after := rest()
	for deadline := time.Now().Add(time.Minute); after > before && time.Now().Before(deadline); { // not all moves all the time
		after = rest()
	}
	if after > before {
		t.Errorf("%d goroutines after %d sessions, %d before", after, each*kinds, before)
	}
	t.Logf("%d sessions of %d kinds", each*kinds, kinds)
}

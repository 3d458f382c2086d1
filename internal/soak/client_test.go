package soak

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio/sioclient"
)

// dialer connects from one of many addresses of the loopback, so that ports do
// not run out.
func dialer(n int) *net.Dialer {
	d := &net.Dialer{}
	if runtime.GOOS == "linux" { // other systems have one such address
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+n%200))}
	}
	return d
}

var quiet = slog.New(slog.DiscardHandler)

// options are those of client n: four of five use WebSocket, the others poll.
func options(n int) *sioclient.Options {
	o := &sioclient.Options{Logger: quiet, Transports: []string{eioclient.WebSocket}}
	if n%5 == 4 {
		o.Transports = []string{eioclient.Polling}
	}
	o.Backoff.Attempts = -1
	o.Engine.DialContext = dialer(n).DialContext
	o.Engine.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	return o
}

// connect connects clients, some at a time, each prepared by prepare.
func connect(t *testing.T, addr string, n int, prepare func(i int, c *sioclient.Socket)) []*sioclient.Socket {
	t.Helper()
	all := make([]*sioclient.Socket, n)
	each(16, n, func(i int) {
		c, err := sioclient.New("http://"+addr, options(i))
		if err != nil {
			t.Error(err)
			return
		}
		all[i] = c
		if prepare != nil {
			prepare(i, c)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Connect(ctx); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
	})
	t.Cleanup(func() { closeAll(all) })
	if t.Failed() {
		t.FailNow()
	}
	return all
}

func closeAll(all []*sioclient.Socket) {
	each(16, len(all), func(i int) { all[i].Close() })
}

// each calls f for 0 to n-1, by so many goroutines, and waits.
func each(workers, n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { // ends when all numbers were given out
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				f(i)
			}
		})
	}
	wg.Wait()
}

// A life is what one client of the churn does, from its begin to its end.
func life(addr string, n int) error {
	o := options(n)
	if n%3 == 0 {
		o.Transports = nil // polling, then WebSocket
	}
	var mu sync.Mutex
	var conns []net.Conn
	dial := o.Engine.DialContext
	o.Engine.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, nc)
		}
		return nc, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := sioclient.Dial(ctx, "http://"+addr, o)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer c.Close()
	for i := range 3 {
		if _, err := c.Call(ctx, "join", fmt.Sprintf("room %d of %d", i, n)); err != nil {
			return fmt.Errorf("joining: %w", err)
		}
	}
	if _, err := c.Call(ctx, "echo", "hello", []byte("binary")); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond) // in or after an upgrade
	if n%4 == 0 {                                                // lost, not closed
		mu.Lock()
		defer mu.Unlock()
		for _, nc := range conns {
			if n%8 == 0 {
				nc.(*net.TCPConn).SetLinger(0)
			}
			nc.Close()
		}
	}
	return nil
}

// churn lets clients come and go, so many in a second, for so long.
func churn(t *testing.T, addr string, rate int, long time.Duration) (cycles int) {
	var wg sync.WaitGroup
	var failed atomic.Int64
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for end := time.Now().Add(long); time.Now().Before(end); cycles++ {
		<-tick.C
		n := cycles
		wg.Go(func() { // ends with the life of the client
			if err := life(addr, n); err != nil && failed.Add(1) <= 10 {
				t.Errorf("life %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	return cycles
}

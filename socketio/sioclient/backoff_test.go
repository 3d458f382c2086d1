//go:build !js

package sioclient

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/internal/goal"
)

func TestBackoffDelays(t *testing.T) {
	exact := Backoff{Min: time.Second, Max: 5 * time.Second, Jitter: -1}
	for n, want := range []time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 5 * time.Second, 5: 5 * time.Second, 1000: 5 * time.Second} {
		if got := exact.delay(n); n > 0 && want > 0 && got != want {
			t.Errorf("attempt %d after %v, expected %v", n, got, want)
		}
	}
	// The jitter is applied after the cap: it never ends.
	jittered := Backoff{Min: time.Second, Max: 5 * time.Second, Jitter: 0.5}
	for _, n := range []int{1, 2, 3, 4, 50, 1 << 30} {
		base := exact.delay(n)
		low, high := time.Hour, time.Duration(0)
		for range 10_000 {
			d := jittered.delay(n)
			low, high = min(low, d), max(high, d)
		}
		if low < base/2 || low > base*6/10 || high > base*3/2 || high < base*14/10 {
			t.Errorf("attempt %d after %v to %v, expected %v to %v", n, low, high, base/2, base*3/2)
		}
	}
	if d := (&Backoff{Min: 1, Max: 1, Jitter: 1}).delay(1); d < time.Millisecond {
		t.Errorf("delay %v", d)
	}
}

// G15: 2,000 clients come back after a restart, at once and after the server was
// away for a minute. No 100 ms window has more than a tenth of them.
func TestReconnectionsAreSpread(t *testing.T) {
	for name, away := range map[string]time.Duration{"at once": 0, "after a minute": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clients := 2000 / min(scale, 5)
				r := newRig(t, newServer(nil))
				var mu sync.Mutex
				var back []time.Duration
				var start time.Time
				var all sync.WaitGroup
				for range clients {
					r.dial("/", &Options{
						Transports: []string{eioclient.WebSocket},
						Hooks: &Hooks{State: func(_ *Socket, st State) {
							mu.Lock()
							defer mu.Unlock()
							if st.Kind == Connected && !start.IsZero() {
								back = append(back, time.Since(start))
								all.Done()
							}
						}},
					})
				}
				synctest.Wait()
				all.Add(clients)
				mu.Lock()
				start = time.Now()
				mu.Unlock()
				r.serve(nil)
				r.cut()
				time.Sleep(away)
				r.serve(newServer(nil))
				all.Wait()
				mu.Lock()
				defer mu.Unlock()
				slices.Sort(back)
				most := 0
				for i, j := 0, 0; j < len(back); j++ {
					for back[j]-back[i] > 100*time.Millisecond {
						i++
					}
					most = max(most, j-i+1)
				}
				t.Logf("%d clients were back after %v to %v, at most %d in any 100 ms", len(back), back[0], back[len(back)-1], most)
				allowed := clients / 10
				if scale > 1 { // chance makes the windows of fewer clients fuller
					allowed += allowed / 2
				}
				goal.Report(t, goal.Figure{
					Goal:   "G15",
					What:   fmt.Sprintf("most of %s clients that come back within 100 ms of each other, the server being away: %s", goal.Count(clients), name),
					Figure: fmt.Sprint(most), Wanted: fmt.Sprint("at most ", allowed), Met: most <= allowed,
				})
			})
		})
	}
}

// 10,000 sockets of all kinds leave nothing behind: the bubble ends only if no
// goroutine is left, and each batch has ended before the next.
func TestNothingIsLeftBehind(t *testing.T) {
	lives := []func(r *rig, o *Options) error{
		func(r *rig, o *Options) error { // unconnected
			s, err := New("http://server", o)
			if err != nil {
				return err
			}
			return s.Close()
		},
		func(r *rig, o *Options) error { // connected
			s, err := Dial(context.Background(), "http://server/chat", o)
			if err != nil {
				return err
			}
			return s.Close()
		},
		func(r *rig, o *Options) error { // used
			s, err := Dial(context.Background(), "http://server/", o)
			if err != nil {
				return err
			}
			chat.Emit(s, message{})
			add.Call(context.Background(), s, [2]int{1, 2})
			return s.Close()
		},
		func(r *rig, o *Options) error { // two namespaces
			s, err := Dial(context.Background(), "http://server/", o)
			if err != nil {
				return err
			}
			other, err := s.Of("/chat", nil)
			if err != nil {
				return err
			}
			if err := other.Connect(context.Background()); err != nil {
				return err
			}
			if err := s.Close(); err != nil {
				return err
			}
			return other.Close()
		},
		func(r *rig, o *Options) error { // refused
			_, err := Dial(context.Background(), "http://server/nothing", o)
			if err == nil {
				return errRefused
			}
			return nil
		},
		func(r *rig, o *Options) error { // given up
			ctx, cancel := context.WithTimeout(context.Background(), 1)
			defer cancel()
			if s, err := Dial(ctx, "http://server/", o); err == nil {
				return s.Close()
			}
			return nil
		},
		func(r *rig, o *Options) error { // lost, and closed while it comes back
			s, err := Dial(context.Background(), "http://server/", o)
			if err != nil {
				return err
			}
			s.m.mu.Lock()
			conn := s.m.link.conn
			s.m.mu.Unlock()
			conn.Abort(eioclient.ReasonTransportError, errRefused)
			return s.Close()
		},
		func(r *rig, o *Options) error { // closed from a handler
			s, err := New("http://server/", o)
			if err != nil {
				return err
			}
			s.OnConnect(func(context.Context, *Socket) error { return s.Close() })
			s.Connect(context.Background())
			return s.Close()
		},
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newServer(nil))
		cycles := 10_000 / scale
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				for i := worker; i < cycles; i += 4 {
					o := r.options(&ways[i/len(lives)%len(ways)].options)
					o.Offline.MaxPackets = i % 2
					o.Retry.Max = i % 3
					if i%5 == 0 {
						o.Auth = Static(map[string]int{"i": i})
					}
					if err := lives[i%len(lives)](r, o); err != nil {
						t.Errorf("life %d: %v", i%len(lives), err)
					}
				}
			})
		}
		wg.Wait()
	})
}

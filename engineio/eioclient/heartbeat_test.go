//go:build !js

package eioclient

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/internal/goal"
)

// silent opens sessions and says nothing more, but to POSTs.
func silent(w http.ResponseWriter, r *http.Request) {
	switch {
	case isWebSocket(r):
		p := accept(w, r)
		p.send(openPacket)
		p.drain()
	case isHandshake(r):
		w.Write([]byte(openPacket))
	case r.Method == http.MethodPost:
		w.Write([]byte("ok"))
	default:
		<-r.Context().Done()
	}
}

// silentAfterUpgrade opens sessions, takes the upgrade, and says nothing more.
func silentAfterUpgrade() http.HandlerFunc {
	release := make(chan struct{})
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isWebSocket(r):
			p := accept(w, r)
			p.read()
			close(release) // as servers do, which answer every poll from now on
			p.send("3probe")
			p.drain()
		case isHandshake(r):
			w.Write([]byte(openPacket))
		default:
			<-release
			w.Write([]byte("6"))
		}
	}
}

func TestSilentServerTimesOut(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := hostile(t, silent)
				if w.upgrades {
					r = hostile(t, silentAfterUpgrade())
				}
				start := time.Now()
				c := r.dial(w.options)
				if err := c.end(t); err.Reason != ReasonPingTimeout || !err.Remote {
					t.Errorf("the session ended with %v", err)
				}
				if c.Upgraded() != (w.name != "polling") {
					t.Errorf("the transport was %s", c.Transport())
				}
				if got, want := time.Since(start), 45*time.Second; got != want {
					t.Errorf("it lasted %v, want exactly %v", got, want)
				}
			})
		})
	}
}

// A client of revision 3 pings; what it hears puts the end off.
func TestRevision3Pings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type heard struct {
			at   time.Duration
			what string
		}
		var got []heard
		start := time.Now()
		r := hostile(t, func(w http.ResponseWriter, req *http.Request) {
			p := accept(w, req)
			p.send(openPacket)
			for {
				m := p.read()
				if m == "" {
					return
				}
				got = append(got, heard{time.Since(start), m})
				if len(got) < 3 {
					time.Sleep(time.Second)
					p.send("3")
				}
			}
		})
		c := r.dial(Options{Revision: 3, Transports: []string{WebSocket}})
		if err := c.end(t); err.Reason != ReasonPingTimeout {
			t.Errorf("the session ended with %v", err)
		}
		if got, want := time.Since(start), 52*time.Second+45*time.Second; got != want {
			t.Errorf("it lasted %v, want exactly %v", got, want)
		}
		c.Close()
		synctest.Wait()
		want := []heard{{25 * time.Second, "2"}, {51 * time.Second, "2"}, {77 * time.Second, "2"}}
		if !slices.Equal(got[:min(len(got), 3)], want) {
			t.Errorf("the server heard %v, want pings: %v", got, want)
		}
	})
}

// A day of heartbeats, with our server, over everything.
func TestSessionsLast(t *testing.T) {
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		begin := time.Now() // real time
		synctest.Test(t, func(t *testing.T) {
			r := newMemRig(t, engineio.Options{})
			c := r.dial(o)
			time.Sleep(24 * time.Hour / scale)
			if upgrades != (c.Upgraded() && len(o.Transports) == 0) {
				t.Errorf("the transport is %s", c.Transport())
			}
			if err := c.Send(Text("good morning")); err != nil {
				t.Fatal(err)
			}
			c.await(t, 1)
		})
		if took := time.Since(begin); goal.Full() { // what a busy machine must not fail
			goal.Report(t, goal.Figure{
				Goal: "G18", What: "24 hours of heartbeats take: " + t.Name(),
				Figure: took.Round(time.Millisecond).String(), Wanted: "less than 1s", Met: took < time.Second,
			})
		}
	})
}

// After a suspension, the first Send notices that the server has been gone for
// too long, before any timer does.
func TestExpiredHeartbeatIsNoticedBySend(t *testing.T) {
	for _, w := range ways[:2] {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newMemRig(t, engineio.Options{})
				c := r.dial(w.options)
				c.mu.Lock()
				c.heard = c.heard.Add(-45 * time.Second) // as if the process had stood still
				c.mu.Unlock()
				if c.SendVolatile(Text("never mind")) {
					t.Error("a volatile message was taken")
				}
				err := c.Send(Text("anybody?"))
				if over := (*CloseError)(nil); !errors.As(err, &over) || over.Reason != ReasonPingTimeout {
					t.Errorf("Send: %v", err)
				}
				if err := c.end(t); err.Reason != ReasonPingTimeout {
					t.Errorf("the session ended with %v", err)
				}
			})
		})
	}
}

// Time asleep counts, though the monotonic clock stood still. A wall clock that
// was set does not.
func TestSleepIsNoticedBySend(t *testing.T) {
	system, gap := asleep, clockGap
	defer func() { asleep, clockGap = system, gap }()
	for _, c := range []struct {
		name       string
		gap, slept time.Duration
		over       bool
	}{
		{"asleep for the whole gap", 8 * time.Hour, 8 * time.Hour, true},
		{"asleep for a moment", 10 * time.Second, 10 * time.Second, false},
		{"the clock was set forward", 8 * time.Hour, 0, false},
		{"the clock was set forward, long after a sleep", 8 * time.Hour, time.Hour, false},
		{"the clock was set back", -8 * time.Hour, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const before = time.Hour
				clockGap = gap
				asleep = func() time.Duration { return before }
				r := newMemRig(t, engineio.Options{})
				s := r.dial(Options{Transports: []string{WebSocket}})
				asleep = func() time.Duration { return before + c.slept }
				clockGap = func(time.Time, time.Time) time.Duration { return c.gap }
				if err := s.Send(Text("good morning")); (err != nil) != c.over {
					t.Errorf("Send: %v", err)
				}
			})
		})
	}
}

// The silence of a server that is not read is not its own.
func TestPauseSuspendsTheDeadline(t *testing.T) {
	for _, w := range ways[:2] {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newMemRig(t, engineio.Options{PingTimeout: 10 * time.Minute, WriteTimeout: time.Hour})
				c := r.dial(w.options)
				p := r.peer()
				c.Pause()
				p.Send(engineio.NewMessage([]byte("one"), false), engineio.NewMessage([]byte("two"), false))
				time.Sleep(9 * time.Minute) // the server waits for a pong by now
				if got := c.got(); len(got) != 1 {
					t.Fatalf("a paused session delivered %q", got)
				}
				c.Resume()
				synctest.Wait()
				if got := c.got(); len(got) != 2 {
					t.Errorf("a resumed session delivered %q", got)
				}
				time.Sleep(time.Hour)
				if c.Send(Text("x")) != nil {
					t.Error("the session has ended")
				}
			})
		})
	}
}

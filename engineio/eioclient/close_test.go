//go:build !js

package eioclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioparser"
)

// ended checks that nothing of a session runs any more.
func ended(t *testing.T, c *Conn) {
	t.Helper()
	select {
	case <-c.done:
	default:
		t.Error("Close returned and the session still runs")
	}
}

func TestFault_K09_DialCancelled(t *testing.T) {
	for _, w := range ways[:2] {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := hostile(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
				reason := errors.New("changed my mind")
				ctx, cancel := context.WithCancelCause(context.Background())
				time.AfterFunc(time.Second, func() { cancel(reason) })
				o, _ := r.options(w.options)
				start := time.Now()
				if _, err := Dial(ctx, r.url, o); !errors.Is(err, reason) {
					t.Errorf("the error is %v", err)
				}
				if got := time.Since(start); got != time.Second {
					t.Errorf("Dial took %v", got)
				}
			})
		})
	}
}

// A connection that is still being made does not outlive Dial.
func TestFault_K09_DialCancelledWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dialing atomic.Int32
		r := &rig{t: t, url: "http://server"}
		r.dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
			dialing.Add(1)
			defer dialing.Add(-1)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if err := r.refused(Options{HandshakeTimeout: time.Second}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		if dialing.Load() != 0 {
			t.Error("a dialer still waits")
		}
	})
}

func TestFault_K09_CloseInOpen(t *testing.T) {
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		for _, c := range []struct {
			name string
			open func(c *Conn, rec *recorder) Handler
			says error
		}{
			{"Close", func(c *Conn, rec *recorder) Handler { c.Send(Text("bye")); c.Close(); return rec }, net.ErrClosed},
			{"Abort", func(c *Conn, rec *recorder) Handler { c.Abort(ReasonParseError, io.EOF); return rec }, io.EOF},
			{"panic", func(*Conn, *recorder) Handler { panic("no") }, errPanicked},
			{"no handler", func(*Conn, *recorder) Handler { return nil }, nil},
		} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newMemRig(t, engineio.Options{})
					var rec *recorder
					o := o
					o.Open = func(conn *Conn) Handler {
						rec = newRecorder(conn)
						return c.open(conn, rec)
					}
					err := r.refused(o)
					if c.says != nil && (!errors.Is(err, c.says) || !errors.As(err, new(*CloseError))) {
						t.Errorf("Dial: %v", err)
					}
					ended(t, rec.Conn)
					if told := len(rec.closed); told != 1 && (c.name == "Close" || c.name == "Abort") {
						t.Errorf("Closed was called %d times", told)
					}
					p := r.peer()
					<-p.closed
					if len(rec.got()) > 0 {
						t.Error("a message was delivered")
					}
				})
			})
		}
	})
}

// Close in a handler returns at once; nothing is delivered after it, and Closed
// is the last call.
func TestFault_K09_CloseInMessage(t *testing.T) {
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		synctest.Test(t, func(t *testing.T) {
			r := newMemRig(t, engineio.Options{})
			c := r.dial(o)
			p := r.peer()
			if upgrades {
				synctest.Wait()
			}
			start := time.Now()
			c.onMessage = func([]byte, bool) {
				c.Close()
				if len(c.closed) > 0 {
					t.Error("Closed was called inside of Message")
				}
			}
			p.Send(engineio.NewMessage([]byte("one"), false), engineio.NewMessage([]byte("two"), false))
			if err := c.end(t); err.Reason != ReasonForcedClose {
				t.Errorf("the session ended with %v", err)
			}
			if got := time.Since(start); got != 0 {
				t.Errorf("it took %v", got)
			}
			if got := c.got(); len(got) != 1 {
				t.Errorf("delivered %q", got)
			}
			c.Close()
			ended(t, c.Conn)
			if err := <-p.closed; err.Reason != engineio.ReasonTransportClose {
				t.Errorf("the server ended with %v", err)
			}
		})
	})
}

// Close in every hook.
func TestFault_K09_CloseInHooks(t *testing.T) {
	for _, name := range []string{"Opened", "Upgraded", "UpgradeFailed", "Closed", "Received", "Sent"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newMemRig(t, engineio.Options{DisableUpgrades: name == "UpgradeFailed"})
				if name == "UpgradeFailed" {
					r = hostile(t, silent) // which answers no probe
				}
				var called atomic.Int32
				leave := func(hook string, c *Conn) {
					if hook == name {
						called.Add(1)
						c.Close()
					}
				}
				o, rec := r.options(Options{Hooks: &Hooks{
					Opened:        func(c *Conn) { leave("Opened", c) },
					Upgraded:      func(c *Conn) { leave("Upgraded", c) },
					UpgradeFailed: func(c *Conn, _ error) { leave("UpgradeFailed", c) },
					Closed:        func(c *Conn, _ *CloseError) { leave("Closed", c) },
					Received:      func(c *Conn, _ eioparser.Packet) { leave("Received", c) },
					Sent:          func(c *Conn, _ eioparser.Packet) { leave("Sent", c) },
				}})
				c, err := Dial(context.Background(), r.url, o)
				if name == "Opened" {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("Dial: %v", err)
					}
					c = rec().Conn
				} else {
					c.Send(Text("x"))
					time.Sleep(11 * time.Second)
				}
				c.Close()
				ended(t, c)
				if called.Load() == 0 {
					t.Error("the hook was not called")
				}
				if told := len(rec().closed); told != 1 {
					t.Errorf("Closed was called %d times", told)
				}
			})
		})
	}
}

// Close from outside waits for the handler that runs.
func TestFault_K09_CloseWaitsForTheHandler(t *testing.T) {
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		synctest.Test(t, func(t *testing.T) {
			r := newMemRig(t, engineio.Options{})
			c := r.dial(o)
			p := r.peer()
			synctest.Wait()
			inside := make(chan struct{})
			var left atomic.Bool
			c.onMessage = func([]byte, bool) {
				close(inside)
				time.Sleep(3 * time.Second)
				left.Store(true)
			}
			p.Send(engineio.NewMessage([]byte("one"), false), engineio.NewMessage([]byte("two"), false))
			<-inside
			start := time.Now()
			c.Close()
			if !left.Load() {
				t.Error("Close did not wait")
			}
			if got := time.Since(start); got != 3*time.Second {
				t.Errorf("Close took %v", got)
			}
			ended(t, c.Conn)
			if len(c.closed) != 1 || len(c.got()) != 1 {
				t.Errorf("%d messages were delivered, Closed was called %d times", len(c.got()), len(c.closed))
			}
		})
	})
}

func TestFault_K09_HandlerThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, engineio.Options{})
		c := r.dial(Options{})
		stuck := make(chan struct{})
		c.onMessage = func([]byte, bool) { <-stuck }
		p := r.peer()
		p.Send(engineio.NewMessage([]byte("x"), false))
		synctest.Wait()
		start := time.Now()
		c.Close()
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("Close took %v, want twice CloseTimeout", got)
		}
		close(stuck)
		c.end(t)
	})
}

// Two sessions whose handlers close the other one.
func TestFault_K09_SessionsThatCloseEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, engineio.Options{})
		a, b := r.dial(Options{}), r.dial(Options{Transports: []string{WebSocket}})
		pa, pb := r.peer(), r.peer()
		var both sync.WaitGroup
		both.Add(2)
		meet := func(other *recorder) func([]byte, bool) {
			return func([]byte, bool) {
				both.Done()
				both.Wait()
				other.Close()
			}
		}
		a.onMessage, b.onMessage = meet(b), meet(a)
		start := time.Now()
		pa.Send(engineio.NewMessage([]byte("x"), false))
		pb.Send(engineio.NewMessage([]byte("x"), false))
		a.end(t)
		b.end(t)
		if got := time.Since(start); got != 0 {
			t.Errorf("it took %v", got)
		}
	})
}

// Close in each phase of an upgrade: what is queued arrives, and the server is
// told at once.
func TestFault_K09_CloseDuringUpgrade(t *testing.T) {
	for _, c := range []struct {
		name      string
		webSocket func(w http.ResponseWriter, r *http.Request)
	}{
		{"no answer to the request", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"no answer to the probe", func(w http.ResponseWriter, r *http.Request) { accept(w, r).drain() }},
		{"the poll is not released", func(w http.ResponseWriter, r *http.Request) {
			p := accept(w, r)
			p.read()
			p.send("3probe")
			p.drain()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var posts []string
				r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
					switch {
					case isWebSocket(r):
						c.webSocket(w, r)
					case r.Method == http.MethodPost:
						b, _ := io.ReadAll(r.Body)
						mu.Lock()
						posts = append(posts, string(b))
						mu.Unlock()
						io.WriteString(w, "ok")
					case isHandshake(r):
						io.WriteString(w, openPacket)
					default:
						<-r.Context().Done()
					}
				})
				s := r.dial(Options{Hooks: &Hooks{UpgradeFailed: func(*Conn, error) { t.Error("closing is no failure") }}})
				synctest.Wait()
				s.Send(Text("last words"))
				start := time.Now()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if got := time.Since(start); got != 0 {
					t.Errorf("Close took %v", got)
				}
				ended(t, s.Conn)
				if !slices.Equal(posts, []string{"4last words\x1e1"}) && !slices.Equal(posts, []string{"4last words", "1"}) {
					t.Errorf("posted %q", posts)
				}
			})
		})
	}
}

// What was sent before Close arrives before the end.
func TestCloseFlushes(t *testing.T) {
	const n = 300
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		for _, when := range []string{"at once", "after the upgrade"} {
			t.Run(when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var got int
					r := newServer(t, engineio.Options{}, func(p *peer, data []byte, _ bool) {
						if string(data[:3]) != fmt.Sprintf("%03d", got) {
							t.Errorf("message %d is %.10q", got, data)
						}
						got++
					})
					r.serveMemory(r.srv)
					c := r.dial(o)
					p := r.peer()
					if when != "at once" {
						synctest.Wait()
					}
					for i := range n {
						if err := c.Send(Text(fmt.Sprintf("%03d", i) + long(3000))); err != nil {
							t.Fatal(err)
						}
					}
					if err := c.Close(); err != nil {
						t.Error(err)
					}
					if err := <-p.closed; err.Reason != engineio.ReasonTransportClose {
						t.Errorf("the server ended with %v", err)
					}
					if got != n {
						t.Errorf("%d of %d messages arrived", got, n)
					}
					if left, _ := c.Buffered(); left != 0 {
						t.Errorf("%d messages are left", left)
					}
				})
			})
		}
	})
}

// A server that takes nothing any more cannot hold Close up.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
			if isWebSocket(r) {
				p := accept(w, r)
				p.send(openPacket)
				<-stop
				p.nc.Close()
				return
			}
			if isHandshake(r) {
				io.WriteString(w, openPacket)
				return
			}
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		})
		for _, w := range ways {
			c := r.dial(w.options)
			c.Send(Text("never"))
			start := time.Now()
			err := c.Close()
			if !errors.Is(err, errLost) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: Close: %v", w.name, err)
			}
			if got := time.Since(start); got != 5*time.Second {
				t.Errorf("%s: Close took %v, want 5s", w.name, got)
			}
			ended(t, c.Conn)
			if n, b := c.Buffered(); n != 1 || b != 5 {
				t.Errorf("%s: %d messages of %d bytes were lost", w.name, n, b)
			}
		}
	})
}

// What was written is not reported as lost, even if the server ends the session
// before the writer has come to say so.
func TestCloseKnowsWhatWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, engineio.Options{})
		goOn := make(chan struct{})
		c := r.dial(Options{Transports: []string{WebSocket}, Hooks: &Hooks{Sent: func(_ *Conn, p eioparser.Packet) {
			if p.Type == eioparser.Message {
				<-goOn // it is written, and not yet counted
			}
		}}})
		c.Send(Text("written"))
		synctest.Wait()
		result := make(chan error, 1)
		go func() { result <- c.Close() }()
		synctest.Wait()
		r.peer().Abort(engineio.ReasonTransportError, nil)
		synctest.Wait()
		close(goOn)
		if err := <-result; err != nil {
			t.Errorf("Close: %v", err)
		}
		if n, b := c.Buffered(); n != 0 || b != 0 {
			t.Errorf("%d messages of %d bytes were lost", n, b)
		}
		ended(t, c.Conn)
	})
}

// Everybody closes and sends at once.
func TestCloseFromEverywhere(t *testing.T) {
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		r := newRig(t, engineio.Options{})
		o.MaxQueuePackets = 100
		for range 20 {
			c := r.dial(o)
			first, once := make(chan struct{}), sync.Once{}
			c.onMessage = func([]byte, bool) { once.Do(func() { close(first) }) }
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for !errors.Is(c.Send(Text("x"), Binary([]byte("y"))), net.ErrClosed) {
						c.Wait(context.Background())
					}
				})
				wg.Go(func() {
					<-first
					c.Close()
					ended(t, c.Conn)
				})
			}
			wg.Wait()
			if len(c.closed) != 1 {
				t.Errorf("Closed was called %d times", len(c.closed))
			}
		}
	})
}

func TestPanicInHandler(t *testing.T) {
	r := newRig(t, engineio.Options{})
	c := r.dial(Options{})
	c.onMessage = func([]byte, bool) { panic("oops") }
	c.Send(Text("x"))
	if err := c.end(t); err.Reason != ReasonForcedClose || !errors.Is(err, errPanicked) {
		t.Errorf("the session ended with %v", err)
	}
}

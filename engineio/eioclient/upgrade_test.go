//go:build !js

package eioclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/internal/faultproxy"
	"github.com/siogo/sio/internal/goal"
)

// A cut is when the connection of a WebSocket ends: after so many bytes out of
// the client, or into it, or so long after its first byte. Negative: never.
type cut struct {
	out, in int
	after   time.Duration
	reset   bool
}

var whole = cut{-1, -1, -1, false}

// A severedConn cuts itself when its first write asks for a WebSocket.
type severedConn struct {
	net.Conn
	cut cut
	in  int // the reader's

	mu    sync.Mutex
	begun bool
	armed bool
	out   int
}

func (c *severedConn) sever() {
	if tc, ok := c.Conn.(*net.TCPConn); ok && c.cut.reset {
		tc.SetLinger(0)
	}
	c.Conn.Close()
}

// Write may be called while the one before is about to return: net/http hands
// out an answer as soon as it is there.
func (c *severedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	if !c.begun {
		c.begun = true
		c.armed = bytes.Contains(b, []byte("transport=websocket"))
		if c.armed && c.cut.after >= 0 {
			time.AfterFunc(c.cut.after, c.sever)
		}
	}
	short := c.armed && c.cut.out >= 0 && c.out+len(b) > c.cut.out
	if short {
		b = b[:c.cut.out-c.out]
	}
	c.out += len(b)
	c.mu.Unlock()
	n, err := c.Conn.Write(b)
	if err == nil && short {
		c.sever()
		err = io.ErrClosedPipe
	}
	return n, err
}

func (c *severedConn) isArmed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.armed
}

func (c *severedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.isArmed() || c.cut.in < 0 {
		return n, err
	}
	if c.in += n; c.in > c.cut.in {
		n -= c.in - c.cut.in
		c.in = c.cut.in
		c.sever()
		if n <= 0 {
			return 0, io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// severed makes a dialer cut the WebSockets it makes.
func severed(dial func(ctx context.Context, network, addr string) (net.Conn, error), next func() cut) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &severedConn{Conn: nc, cut: next()}, nil
	}
}

// A ledger checks that numbered messages arrive once and in order.
type ledger struct {
	mu   sync.Mutex
	next int
	err  error
	full chan struct{} // closed when total are here
}

func (l *ledger) take(m []byte, total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := strconv.Atoi(string(m))
	if (err != nil || n != l.next) && l.err == nil {
		l.err = fmt.Errorf("got message %q, expected %d", m, l.next)
	}
	if l.next = n + 1; l.next == total {
		close(l.full)
	}
}

func (l *ledger) state() (next int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next, l.err
}

// The WebSocket is cut after each byte that the client sends until it has
// switched. Not one byte earlier does the session end; until then it goes on
// over polling, with everything that was sent to either side.
func TestFault_U02_CutAtEveryByteOut(t *testing.T) {
	upgradeAtEveryByte(t, func(n int) cut { return cut{out: n, in: -1, after: -1} })
}

// The same for each byte that the server sends before the switch.
func TestFault_U02_CutAtEveryByteIn(t *testing.T) {
	upgradeAtEveryByte(t, func(n int) cut { return cut{out: -1, in: n, after: -1} })
}

func upgradeAtEveryByte(t *testing.T, at func(n int) cut) {
	const total = 40 // each way; half before the upgrade is over
	for n := 0; ; n++ {
		alive := false
		ok := t.Run(strconv.Itoa(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				toServer, toClient := ledger{full: make(chan struct{})}, ledger{full: make(chan struct{})}
				r := newServer(t, engineio.Options{}, func(_ *peer, data []byte, _ bool) { toServer.take(data, total) })
				r.serveMemory(r.srv)
				memory := r.dialer
				r.dialer = severed(memory, func() cut { return at(n) })
				failed := make(chan error, 1)
				c := r.dial(Options{Hooks: &Hooks{UpgradeFailed: func(_ *Conn, err error) { failed <- err }}})
				c.onMessage = func(data []byte, _ bool) { toClient.take(data, total) }
				p := r.peer()
				for i := range total {
					if i == total/2 {
						time.Sleep(time.Minute)
					}
					// Either may have ended with the switch.
					c.Send(Text(strconv.Itoa(i)))
					p.Send(engineio.NewMessage([]byte(strconv.Itoa(i)), false))
				}
				time.Sleep(time.Minute)
				synctest.Wait()

				c.mu.Lock()
				phase, state := c.phase, c.state
				c.mu.Unlock()
				if _, err := toServer.state(); err != nil {
					t.Errorf("the server: %v", err)
				}
				if _, err := toClient.state(); err != nil {
					t.Errorf("the client: %v", err)
				}
				switch {
				case state == open && phase == polling:
					alive = true
					if got, _ := toServer.state(); got != total {
						t.Errorf("the server has %d of %d messages", got, total)
					}
					if got, _ := toClient.state(); got != total {
						t.Errorf("the client has %d of %d messages", got, total)
					}
					if len(failed) != 1 {
						t.Errorf("UpgradeFailed was called %d times", len(failed))
					}
				case phase < switching:
					t.Errorf("the session ended in phase %d with %v", phase, c.err)
				default: // "upgrade" was out
					if state == open {
						t.Error("a session that was cut is open")
					} else if err := c.end(t); err.Reason != ReasonTransportError && err.Reason != ReasonTransportClose {
						t.Errorf("the session ended with %v", err)
					}
					if len(p.closed) != 1 {
						t.Error("the server's session is still there")
					}
				}
			})
		})
		if !ok || !alive {
			if n < 100 {
				t.Errorf("only the first %d bytes could be cut", n)
			}
			return
		}
	}
}

// The upgrade is given up when it takes too long; polling goes on.
func TestFault_U02_UpgradeTimeout(t *testing.T) {
	for _, c := range []struct {
		name      string
		webSocket func(w http.ResponseWriter, r *http.Request)
		says      error
	}{
		{"no answer to the request", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, errUpgradeTimeout},
		{"no answer to the probe", func(w http.ResponseWriter, r *http.Request) { accept(w, r).drain() }, errUpgradeTimeout},
		{"another answer to the probe", func(w http.ResponseWriter, r *http.Request) {
			p := accept(w, r)
			p.read()
			p.send("3prob")
			p.drain()
		}, errNotProbed},
		{"the poll is not released", func(w http.ResponseWriter, r *http.Request) {
			p := accept(w, r)
			p.read()
			p.send("3probe")
			p.drain()
		}, errUpgradeTimeout},
		{"a message before the switch", func(w http.ResponseWriter, r *http.Request) {
			p := accept(w, r)
			p.read()
			p.send("3probe")
			p.send("4early")
			p.drain()
		}, errNotProbed},
		{"upgrade is not read", func(w http.ResponseWriter, r *http.Request) {
			p := accept(w, r)
			p.read()
			p.send("3probe")
			time.Sleep(time.Millisecond) // of virtual time: the client has read it
			release <- "6"
			<-stop
			p.nc.Close()
		}, errUpgradeTimeout},
		{"refused", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", 400) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release, stop = make(chan string, 2), make(chan struct{})
				defer close(stop)
				var posts atomic.Int32
				r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
					switch {
					case isWebSocket(r):
						c.webSocket(w, r)
					case r.Method == http.MethodPost:
						io.Copy(io.Discard, r.Body)
						posts.Add(1)
						io.WriteString(w, "ok")
					case isHandshake(r):
						io.WriteString(w, openPacket)
					default:
						select {
						case p := <-release:
							io.WriteString(w, p)
						case <-r.Context().Done():
						}
					}
				})
				failed := make(chan error, 2)
				s := r.dial(Options{Hooks: &Hooks{UpgradeFailed: func(_ *Conn, err error) { failed <- err }}})
				time.Sleep(11 * time.Second)
				if len(failed) != 1 {
					t.Fatalf("UpgradeFailed was called %d times", len(failed))
				}
				if err := <-failed; c.says != nil && !errors.Is(err, c.says) {
					t.Errorf("the upgrade failed with %v", err)
				}
				s.Send(Text("still here"))
				if err := s.Flush(context.Background()); err != nil {
					t.Error(err)
				}
				release <- "4and you?"
				if got := s.await(t, 1); got[0] != "and you?" || posts.Load() != 1 {
					t.Errorf("got %q, and %d POSTs", got, posts.Load())
				}
			})
		})
	}
}

// The WebSocket fails at the moment when polling comes to rest: the session
// goes on over polling, or ends, but is never without both.
func TestFault_U02_FailureAtTheSwitch(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 / scale {
				w := &fuzzWire{data: []byte("4too early"), upgrade: true}
				cfg, err := newConfig("http://server", &Options{Open: func(*Conn) Handler { return nobody{} }})
				if err != nil {
					t.Error(err)
					return
				}
				c, err := dial(context.Background(), cfg, func(*config) (wire, error) { return w, nil })
				if err != nil {
					t.Error(err)
					return
				}
				c.Send(Text("x"))
				select {
				case <-c.done: // since the wire breaks
				case <-time.After(time.Minute):
					t.Error("the session is stuck")
					return
				}
			}
		})
	}
	wg.Wait()
}

var (
	release chan string
	stop    chan struct{}
)

// A chaosPeer is the server's side of a chaos session.
type chaosPeer struct {
	s      *engineio.Session
	total  int
	got    ledger
	closed chan *engineio.CloseError
}

func (p *chaosPeer) Message(data []byte, _ bool)     { p.got.take(data, p.total) }
func (p *chaosPeer) Closed(err *engineio.CloseError) { p.closed <- err }

// chaos plays sessions, ever 50 at a time, in which both sides send total
// messages over connections that are delayed and sliced, while the WebSocket is
// cut as next says. It returns how many upgraded, went on over polling, and
// ended because of a cut after the switch. All others are bad, and errors.
func chaos(t *testing.T, sessions, total int, next func(rng *rand.Rand) cut) (upgrades, stayed, ended, bad int) {
	const seed = 20261121
	var peers sync.Map // of *chaosPeer by session id
	r := newServer(t, engineio.Options{
		PingInterval: 5 * time.Second, PingTimeout: 5 * time.Second,
		Open: func(s *engineio.Session) engineio.Handler {
			p := &chaosPeer{s: s, total: total, got: ledger{full: make(chan struct{})}, closed: make(chan *engineio.CloseError, 1)}
			peers.Store(s.ID(), p)
			return p
		},
	}, nil)
	r.serveTCP(r.srv)
	slow, err := faultproxy.Listen(r.addr, seed, func(n int) faultproxy.Faults {
		return faultproxy.Faults{Delay: time.Duration(n%5) * 3 * time.Millisecond, Slice: 200 * (n % 2)}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()

	var mu sync.Mutex
	play := func(rng *rand.Rand) error {
		at := next(rng)
		toClient := ledger{full: make(chan struct{})}
		var rec *recorder
		// Each in its own way: the dialer belongs to the session.
		dial := severed((&net.Dialer{}).DialContext, func() cut { return at })
		c, err := Dial(context.Background(), "http://"+slow.Addr(), &Options{
			DialContext: dial,
			Proxy:       noProxy,
			Open: func(c *Conn) Handler {
				rec = newRecorder(c)
				rec.onMessage = func(data []byte, _ bool) { toClient.take(data, total) }
				return rec
			},
		})
		if err != nil {
			return err
		}
		defer c.Close()
		known, _ := peers.Load(c.ID())
		p := known.(*chaosPeer)
		var wg sync.WaitGroup
		defer wg.Wait()
		pace := time.Duration(rng.Int64N(int64(100*time.Millisecond))) / time.Duration(total) * 10
		wg.Go(func() {
			for i := range total {
				if p.s.Send(engineio.NewMessage(strconv.AppendInt(nil, int64(i), 10), false)) != nil {
					return
				}
				if i%10 == 9 {
					time.Sleep(pace)
				}
			}
		})
		for i := range total {
			if i == total*3/4 && at == whole {
				rec.awaitUpgrade(t) // most messages are sent before or during the upgrade, not all
			}
			if c.Send(Text(strconv.Itoa(i))) != nil {
				break
			}
			if i%10 == 9 {
				time.Sleep(pace)
			}
		}
		over := false
		for _, full := range []chan struct{}{toClient.full, p.got.full} {
			select {
			case <-full:
			case <-c.done:
				over = true
			case <-time.After(time.Minute):
				here, _ := toClient.state()
				there, _ := p.got.state()
				return fmt.Errorf("stuck over %s: the client has %d and the server %d of %d", c.Transport(), here, there, total)
			}
		}
		c.mu.Lock()
		phase := c.phase
		c.mu.Unlock()
		if _, err := toClient.state(); err != nil {
			return fmt.Errorf("the client: %w", err)
		}
		if _, err := p.got.state(); err != nil {
			return fmt.Errorf("the server: %w", err)
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case over && phase < switching:
			return fmt.Errorf("ended in phase %d: %w", phase, <-rec.closed)
		case over:
			ended++
			c.Close()
			if err := <-rec.closed; err.Reason != ReasonTransportClose && err.Reason != ReasonTransportError {
				return fmt.Errorf("ended: %w", err)
			}
			<-p.closed // or the server is stuck
		case phase == switched:
			upgrades++
		default:
			stayed++
		}
		return nil
	}
	var wg sync.WaitGroup
	var started atomic.Int64
	for range 50 {
		wg.Go(func() {
			for {
				n := started.Add(1)
				if n > int64(sessions) {
					return
				}
				if err := play(rand.New(rand.NewPCG(seed, uint64(n)))); err != nil {
					t.Errorf("session %d: %v", n, err)
					mu.Lock()
					bad++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return upgrades, stayed, ended, bad
}

// G5: sessions whose WebSocket is cut at a random instant go on over polling,
// or end and say so when the switch was made; none is stuck, no message of a
// session that goes on is lost, repeated or out of order.
func TestFault_U02_AbortedUpgrades(t *testing.T) {
	sessions, messages := 1000/scale, 100
	upgrades, stayed, ended, bad := chaos(t, sessions, messages, func(rng *rand.Rand) cut {
		c := whole
		c.reset = rng.IntN(2) == 0
		switch rng.IntN(3) {
		case 0: // a request, the probe and "upgrade" are some 270 bytes
			c.out = rng.IntN(280)
		default:
			c.after = time.Duration(rng.Int64N(int64(80 * time.Millisecond)))
		}
		return c
	})
	t.Logf("%d sessions: %d went on over polling, %d ended after the switch, %d were through before the cut", sessions, stayed, ended, upgrades)
	if stayed == 0 {
		t.Error("no upgrade was aborted")
	}
	n := goal.Count
	goal.Report(t, goal.Figure{
		Goal: "G5",
		What: fmt.Sprintf("aborted upgrades: stuck, or messages lost, repeated or out of order, in %s sessions cut at 0 to 80 ms (%s messages each way; %s went on over polling, %s ended after the switch)",
			n(sessions), n(sessions*messages), n(stayed), n(ended)),
		Figure: n(bad), Wanted: "0", Met: bad == 0,
	})
}

// G4: numbered messages both ways across forced upgrades.
func TestFault_U01_UpgradesUnderLoad(t *testing.T) {
	sessions, messages := goal.Size(400/scale, 2000), 500
	upgrades, stayed, ended, bad := chaos(t, sessions, messages, func(*rand.Rand) cut { return whole })
	n := goal.Count
	goal.Report(t, goal.Figure{
		Goal:   "G4",
		What:   fmt.Sprintf("sessions with messages lost, repeated or out of order, of %s upgrades and %s messages each way", n(upgrades), n(sessions*messages)),
		Figure: n(bad), Wanted: "0", Met: bad == 0,
	})
	if upgrades != sessions {
		t.Errorf("%d of %d sessions upgraded, %d stayed and %d ended", upgrades, sessions, stayed, ended)
	}
}

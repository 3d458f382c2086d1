package interop

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/interop/internal/node"
	"github.com/siogo/sio/socketio"
)

// recoverable runs a server that recovers connections, until the end of the
// test. Of the options of the connections, nil are the defaults.
func recoverable(t *testing.T, engine *engineio.Options) (sio *socketio.Server, addr string) {
	if engine == nil {
		engine = &engineio.Options{}
	}
	sio = socketio.New(&socketio.Options{
		// A client that waits for its own timeouts misses thousands of events.
		Recovery: &socketio.Recovery{MaxMissedPackets: 10_000, MaxMissedBytes: 16 << 20},
		Engine:   *engine,
		Logger:   slog.New(slog.DiscardHandler),
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: sio}
	go hs.Serve(listener) // ended by hs.Close
	t.Cleanup(func() {
		if err := errors.Join(sio.Close(), hs.Close()); err != nil {
			t.Error(err)
		}
	})
	return sio, listener.Addr().String()
}

// recoveringClients are the JavaScript clients whose sessions can be recovered:
// the official one, and ours.
var recoveringClients = []string{"socket.io-client-4", "sio-client-4"}

// TestRecovery cuts the connection of a client again and again: by a reset that
// both sides notice, and so that only the client does. It must be recovered
// each time and receive every event once, in order, without having received any
// before the first cut.
func TestRecovery(t *testing.T) {
	const cuts, perCut = 12, 40
	for _, client := range recoveringClients {
		for _, mode := range modes {
			t.Run(client+"/"+mode, func(t *testing.T) {
				t.Parallel()
				sio, addr := recoverable(t, nil)
				wrongAuth := make(chan string, cuts+1)
				sio.Use(func(_ context.Context, s *socketio.Socket) error {
					if a := s.Handshake().Auth(); string(a.At(0)) != `{"token":"secret"}` {
						wrongAuth <- string(a.Raw())
					}
					return nil
				})
				line := newLine(t, addr)
				p := node.Start(t, scripts, "recovery.mjs", client, "http://"+line.addr(), mode)

				var id string
				next, recovered := 0, 0
				emit := func() {
					for range perCut {
						if err := sio.Emit("n", next); err != nil {
							t.Fatal(err)
						}
						next++
					}
				}
				for cut := range cuts + 1 {
					var r struct {
						Connected string
						Recovered bool
					}
					if err := p.Read(&r); err != nil {
						t.Fatal(err)
					}
					switch {
					case cut == 0:
						id = r.Connected
					case r.Recovered && r.Connected == id:
						recovered++
					default:
						t.Fatalf("cut %d: not recovered", cut)
					}
					if cut == cuts {
						break
					}
					if cut > 0 { // the first comes before the first event
						emit()
					}
					if cut%4 >= 2 { // else what was emitted is on its way
						time.Sleep(50 * time.Millisecond)
					}
					line.cut(cut%2 == 1)
					emit()
				}
				if err := sio.Emit("end"); err != nil {
					t.Fatal(err)
				}
				var r struct{ Numbers []int }
				if err := p.Read(&r); err != nil {
					t.Fatal(err)
				}
				want := make([]int, next)
				for i := range want {
					want[i] = i
				}
				if !slices.Equal(r.Numbers, want) {
					t.Errorf("received %v, want 0 to %d", r.Numbers, next-1)
				}
				if n := len(slices.Collect(sio.LocalSockets())); n != 1 {
					t.Errorf("%d sockets", n)
				}
				select {
				case a := <-wrongAuth:
					t.Errorf("the application sees %s as auth", a)
				default:
				}
				t.Logf("%d events, %d cuts, %d recovered", next, cuts, recovered)
			})
		}
	}
}

// TestRecoveryUnderFire lets 20 clients of a kind have their lines cut 500 times
// while 5,000 events are emitted to all of them: cleanly and half open, between
// packets and in the middle of handshakes, events and what is replayed. The
// events are emitted around the cuts, so that they find clients in every state.
func TestRecoveryUnderFire(t *testing.T) {
	// A client that polls, and asks for nothing while its line is down, notices
	// no cut. After so long its line is cut again.
	const unnoticed = 10 * time.Second
	const clients, cuts, perCut = 20, 25, 10
	for _, run := range []struct{ client, mode string }{
		{"socket.io-client-4", "websocket"}, {"socket.io-client-4", "polling"}, {"sio-client-4", "websocket"}, {"sio-client-4", "polling"},
	} {
		t.Run(run.client+"/"+run.mode, func(t *testing.T) {
			t.Parallel()
			sio, addr := recoverable(t, nil)
			lines, args := make([]*line, clients), []string{run.client, run.mode}
			for i := range lines {
				lines[i] = newLine(t, addr)
				args = append(args, "http://"+lines[i].addr())
			}
			p := node.Start(t, scripts, "recoveries.mjs", args...)

			var mu sync.Mutex // keeps the numbers in the order of being emitted
			next := 0
			emit := func() {
				for range perCut / 2 {
					mu.Lock()
					err := sio.Emit("n", next)
					next++
					mu.Unlock()
					if err != nil {
						t.Error(err)
					}
				}
			}
			var cutting, running sync.WaitGroup
			begun := make(chan struct{}) // closed when all are connected, or will not be
			begin := sync.OnceFunc(func() { close(begun) })
			connected := make([]chan struct{}, clients)
			for i, l := range lines {
				connected[i] = make(chan struct{}, 10*cuts) // reports are never waited with
				random := rand.New(rand.NewPCG(uint64(i), 1))
				cutting.Go(func() { // ends with the cuts, or when the reports do; the test waits for it
					<-begun
					for n := 0; n < cuts; n++ {
						for back := false; !back; {
							select {
							case _, back = <-connected[i]:
								if !back {
									return
								}
							case <-time.After(unnoticed):
								l.cut(false)
							}
						}
						emit()
						halfOpen := n%2 == 1
						switch n % 6 {
						case 0, 1:
							l.cut(halfOpen)
						case 2, 3: // in the middle of what is emitted next
							l.cutAfter(1+random.IntN(60), halfOpen)
						default: // and once more, while the client comes back
							l.cut(halfOpen)
							l.cutAfter(1+random.IntN(600), halfOpen)
						}
						emit()
					}
				})
			}
			running.Go(func() { // ends when they have
				cutting.Wait()
				for _, l := range lines {
					l.cutAfter(0, false)
				}
				if err := sio.Emit("end"); err != nil {
					t.Error(err)
				}
			})
			received := make([][]int, clients)
			came, reports, recovered := 0, 0, 0
			for ended := 0; ended < clients; {
				var r struct {
					Client    int
					Connected string
					Recovered bool
					After     string
					Numbers   []int
				}
				if err := p.Read(&r); err != nil {
					t.Error(err)
					break
				}
				if r.Connected == "" {
					received[r.Client] = r.Numbers
					ended++
					continue
				}
				connected[r.Client] <- struct{}{}
				switch {
				case r.After == "": // for the first time
					if came++; came == clients {
						begin()
					}
				case r.Recovered:
					reports++
					recovered++
				default:
					reports++
					t.Logf("client %d was not recovered after %q", r.Client, r.After)
				}
			}
			for _, c := range connected {
				close(c)
			}
			begin()
			running.Wait()

			done, deliveries := 0, 0
			for i, l := range lines {
				done += l.count()
				deliveries += len(received[i])
				if lost, twice, late := compare(received[i], next); lost+twice+late > 0 {
					t.Errorf("client %d: %d lost, %d came twice, %d out of order", i, lost, twice, late)
				}
			}
			if done < clients*cuts || deliveries != clients*next || next != clients*cuts*perCut {
				t.Errorf("%d cuts, %d deliveries of %d events: that is not what was to be tried", done, deliveries, next)
			}
			if recovered*100 < reports*99 {
				t.Errorf("recovered %d times of %d", recovered, reports)
			}
			t.Logf("%d cuts, %d deliveries, recovered %d times of %d", done, deliveries, recovered, reports)
		})
	}
}

// TestUpgradeCutAtItsEnd: when the WebSocket breaks after its probe was answered
// and before the last poll was, the official client neither polls nor sends any
// more, until its ping timeout. It is recovered then, and has lost nothing. Our
// client goes on polling.
func TestUpgradeCutAtItsEnd(t *testing.T) {
	for _, client := range recoveringClients {
		t.Run(client, func(t *testing.T) { upgradeCutAtItsEnd(t, client) })
	}
}

func upgradeCutAtItsEnd(t *testing.T, client string) {
	t.Parallel()
	const pingInterval, pingTimeout = 300 * time.Millisecond, 5 * time.Second // a busy machine may let a process wait for seconds
	sio, addr := recoverable(t, &engineio.Options{PingInterval: pingInterval, PingTimeout: pingTimeout})
	line := newLine(t, addr)
	var once, noticed sync.Once
	var upgrading atomic.Bool
	broken := make(chan struct{})
	line.inspect(func(data []byte) (cut bool) {
		switch {
		case bytes.HasPrefix(data, []byte("HTTP/1.1 101 ")):
			upgrading.Store(true)
		case bytes.Contains(data, []byte("\x81\x063probe")): // a frame of WebSocket
			once.Do(func() { cut = true; close(broken) })
		case upgrading.Load(): // the answer to a poll, which takes longer
			select {
			case <-broken:
				noticed.Do(func() { time.Sleep(time.Second / 2) })
			case <-t.Context().Done():
			}
		}
		return cut
	})
	p := node.Start(t, scripts, "recoveries.mjs", client, "upgrade", "http://"+line.addr())
	next := 0
	emit := func() {
		for range 10 {
			if err := sio.Emit("n", next); err != nil {
				t.Fatal(err)
			}
			next++
		}
	}
	var r struct {
		Connected, After string
		Recovered        bool
		Numbers          []int
	}
	if err := p.Read(&r); err != nil || r.Connected == "" {
		t.Fatal(r, err)
	}
	emit()
	if client == "sio-client-4" {
		<-broken
		time.Sleep(pingInterval + pingTimeout + time.Second) // the timeout would have been hit
	} else {
		if err := p.Read(&r); err != nil {
			t.Fatal(err)
		}
		if !r.Recovered || line.count() != 1 || r.After != "ping timeout" {
			t.Errorf("recovered: %v, after %q and %d cuts", r.Recovered, r.After, line.count())
		}
	}
	emit()
	if err := sio.Emit("end"); err != nil {
		t.Fatal(err)
	}
	for len(r.Numbers) == 0 {
		if err := p.Read(&r); err != nil {
			t.Fatal(err)
		}
		if client == "sio-client-4" && r.After != "" {
			t.Errorf("disconnected: %q", r.After)
		}
	}
	if lost, twice, late := compare(r.Numbers, next); lost+twice+late > 0 {
		t.Errorf("%d lost, %d came twice, %d out of order", lost, twice, late)
	}
}

// compare says how a list differs from the numbers 0 to n-1.
func compare(list []int, n int) (lost, twice, late int) {
	seen, newest := make(map[int]bool), -1
	for _, v := range list {
		switch {
		case seen[v]:
			twice++
		case v < newest:
			late++
		}
		seen[v] = true
		newest = max(newest, v)
	}
	return n - len(seen), twice, late
}

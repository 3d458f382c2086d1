package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/internal/memnet"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// A plan is what is fixed before a world begins.
type plan struct {
	nodes, clients int
	steps          int
	pace           time.Duration // the longest pause between two steps
	recovery       bool
	msgpack        bool // the parser of all
	codec          sioadapter.Codec
	interval       time.Duration // between pings
	timeout        time.Duration // for pongs
	queueBytes     int           // of a connection; 0: the default
	danger         int           // how often a connection has a fault, of 10
	busFaults      bool
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func newPlan(r *rand.Rand) plan {
	return plan{
		nodes:      pick(r, 1, 1, 2, 3),
		clients:    1 + r.IntN(6),
		steps:      20 + r.IntN(150),
		pace:       pick(r, 10*time.Millisecond, 100*time.Millisecond, time.Second),
		recovery:   r.IntN(3) > 0,
		msgpack:    r.IntN(3) == 0,
		codec:      pick(r, sioadapter.Framed, sioadapter.MsgPack),
		interval:   pick(r, time.Second, 5*time.Second, 25*time.Second),
		timeout:    pick(r, time.Second, 4*time.Second, 20*time.Second),
		queueBytes: pick(r, 0, 0, 20_000),
		danger:     pick(r, 0, 3, 6, 9),
		busFaults:  r.IntN(2) == 0,
	}
}

func (p *plan) parser() sioparser.Parser {
	if p.msgpack {
		return sioparser.MsgPack()
	}
	return sioparser.JSON(nil)
}

// A world is one system, from its begin to its end.
type world struct {
	t    *testing.T
	seed uint64
	plan plan
	hub  *sioadapter.Hub
	wg   sync.WaitGroup // what the director has started and does not wait for

	random *rand.Rand // the director's

	mu      sync.Mutex
	nodes   []*node
	clients []*client
	calm    bool // no more faults
	trace   []string
	began   time.Time
	wrong   int
	figures figures

	history history
}

// figures is what a world counts, for the table.
type figures struct {
	events, calls, connections, losses, recovered, restarts, upgrades int
}

func (f *figures) add(o figures) {
	f.events += o.events
	f.calls += o.calls
	f.connections += o.connections
	f.losses += o.losses
	f.recovered += o.recovered
	f.restarts += o.restarts
	f.upgrades += o.upgrades
}

// source returns what one part of the world draws from, by names that do not
// depend on what the others draw.
func (w *world) source(of ...int) *rand.Rand {
	h := uint64(0x9E3779B97F4A7C15)
	for _, n := range of {
		h = (h ^ uint64(n)) * 0xBF58476D1CE4E5B9
		h ^= h >> 29
	}
	return rand.New(rand.NewPCG(w.seed, h))
}

// play plays the world of a seed. It reports failures to t.
func play(t *testing.T, seed uint64) (f figures) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, seed: seed, began: time.Now()}
		w.random = w.source(0)
		w.plan = newPlan(w.random)
		w.hub = sioadapter.NewHub(w.plan.codec)
		w.history.init(w)
		w.logf("%+v", w.plan)
		for i := range w.plan.nodes {
			n := &node{w: w, index: i}
			w.nodes = append(w.nodes, n)
			n.start()
		}
		for i := range w.plan.clients {
			w.clients = append(w.clients, newClient(w, i))
		}
		w.run()
		w.settle()
		w.history.check()
		w.close()
		w.mu.Lock()
		defer w.mu.Unlock()
		f = w.figures
		if w.wrong > 0 || testing.Verbose() && *oneSeed != 0 {
			for _, line := range w.trace {
				t.Log(line)
			}
		}
	})
	return f
}

func (w *world) logf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.trace) < 20_000 {
		w.trace = append(w.trace, fmt.Sprintf("%12v ", time.Since(w.began))+fmt.Sprintf(format, args...))
	}
}

// fail reports something that must not be.
func (w *world) fail(format string, args ...any) {
	w.logf("WRONG: "+format, args...)
	w.t.Errorf("seed %d: "+format, append([]any{w.seed}, args...)...)
	w.mu.Lock()
	w.wrong++
	w.mu.Unlock()
}

func (w *world) count(f func(f *figures)) {
	w.mu.Lock()
	f(&w.figures)
	w.mu.Unlock()
}

var errRefused = errors.New("connection refused")

// dial connects a client to the node that an address names.
func (w *world) dial(ctx context.Context, c *client, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	index := int(host[len(host)-1] - '0')
	w.mu.Lock()
	n := w.nodes[index]
	listener := n.listener
	random := w.source(1, c.index, c.dials)
	c.dials++
	var f memnet.Faults
	if !w.calm {
		f = w.faults(random)
	}
	w.figures.connections++
	w.mu.Unlock()
	if listener == nil {
		return nil, errRefused
	}
	nc, line, err := listener.DialLine(ctx, f, random)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calm {
		line.Heal()
	}
	c.lines = append(c.lines, line)
	n.lines = append(n.lines, line)
	return nc, nil
}

// faults draws what happens to a connection.
func (w *world) faults(r *rand.Rand) (f memnet.Faults) {
	moment := func() time.Duration {
		return 1 + time.Duration(r.Int64N(int64(pick(r, 20*time.Millisecond, time.Second, 30*time.Second))))
	}
	if r.IntN(2) == 0 {
		f.Delay = pick(r, time.Millisecond, 20*time.Millisecond, 200*time.Millisecond)
	}
	if r.IntN(4) == 0 {
		f.Slice = pick(r, 3, 100, 2000)
	}
	f.Reset = r.IntN(2) == 0
	if r.IntN(10) >= w.plan.danger {
		return f
	}
	switch r.IntN(4) {
	case 0:
		f.CutAfter = moment()
	case 1:
		f.CutBytes = 1 + r.IntN(pick(r, 300, 1000, 20_000))
	case 2:
		f.HoleAfter = moment()
	case 3:
		f.StallAfter, f.StallFor = moment(), moment()
	}
	return f
}

// up returns the nodes that take connections.
func (w *world) up() (nodes []*node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.nodes {
		if n.listener != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// background runs something that the director does not wait for before the end.
func (w *world) background(f func()) { w.wg.Go(f) } // ends by itself; settle waits for it

// settle ends all faults, waits until everybody is back, and checks that the
// system works.
func (w *world) settle() {
	w.mu.Lock()
	w.calm = true
	for _, c := range w.clients {
		for _, l := range c.lines {
			l.Heal()
		}
	}
	w.mu.Unlock()
	w.logf("the faults end")
	w.hub.SetFault(nil)
	w.hub.Heal()
	w.hub.Fail(nil)
	w.wg.Wait()
	for _, n := range w.nodes {
		if n.server() == nil {
			n.start()
		}
	}
	for _, c := range w.clients {
		for _, p := range c.players {
			p.comeBack()
		}
	}
	// A loss is noticed within a ping and its timeout; then come the attempts to
	// connect, at most 20s long and 9s apart, and the second of two that met a
	// node that was going.
	deadline := time.Now().Add(w.plan.interval + w.plan.timeout + 2*time.Minute)
	time.Sleep(w.plan.interval + w.plan.timeout + 15*time.Second)
	w.awaitAll(deadline)
	synctest.Wait()
	w.fences()
	w.agree()
}

// awaitAll waits until all players have been connected for some seconds: what
// they have kept meanwhile may ask the server to disconnect them again.
func (w *world) awaitAll(deadline time.Time) {
	for still := 0; still < 50; still++ {
		for _, c := range w.clients {
			for _, p := range c.players {
				if p.socket.Connected() {
					continue
				}
				if still = 0; time.Now().After(deadline) {
					w.fail("%s is not back after the faults have ended: %v", p.name, p.socket.State())
					return
				}
				if !p.socket.Active() {
					p.comeBack()
				}
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// fences sends a last event through everything, in both directions.
func (w *world) fences() {
	for _, n := range w.nodes {
		for _, ns := range namespaces {
			n.publish(ns, toAll, "")
		}
	}
	for _, c := range w.clients {
		for _, p := range c.players {
			p.emit()
			p.ask(true)
		}
	}
	time.Sleep(10 * time.Second)
	w.wg.Wait()
	for _, c := range w.clients {
		for _, p := range c.players {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			if err := p.socket.Flush(ctx); err != nil {
				w.fail("%s cannot flush: %v", p.name, err)
			}
			cancel()
		}
	}
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

// agree checks that all nodes know the same sockets, those that are there.
func (w *world) agree() {
	for _, ns := range namespaces {
		want := make(map[string]string)
		for _, c := range w.clients {
			for _, p := range c.players {
				if p.namespace == ns {
					want[p.socket.ID()] = p.name
				}
			}
		}
		for _, n := range w.nodes {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			got := make(map[string]bool)
			for s, err := range n.server().Of(ns).Sockets(ctx) {
				switch {
				case err != nil:
					w.fail("%s cannot list the sockets of %s: %v", n.name(), ns, err)
				case got[s.ID()]:
					w.fail("%s lists a socket of %s twice", n.name(), ns)
				case want[s.ID()] == "":
					w.fail("%s lists %s in %s, which no client is", n.name(), s.ID(), ns)
				default:
					got[s.ID()] = true
				}
			}
			cancel()
			for id, name := range want {
				if !got[id] {
					w.fail("%s does not list %s (%s) in %s", n.name(), name, id, ns)
				}
			}
		}
	}
}

// close ends everybody and looks for what is left.
func (w *world) close() {
	for _, c := range w.clients {
		for _, p := range c.players {
			if err := p.socket.Close(); err != nil {
				w.fail("closing %s: %v", p.name, err)
			}
		}
	}
	time.Sleep(w.plan.interval + w.plan.timeout + 10*time.Second)
	for _, n := range w.nodes {
		n.checkEmpty()
		n.shutdown(time.Minute)
	}
}

var quiet = slog.New(slog.DiscardHandler)

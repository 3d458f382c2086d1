package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/siogo/sio/socketio/sioadapter"
)

// An action is one step of the director. Its draws do not depend on what the
// system does.
type action struct {
	weight int
	name   string
	do     func(w *world, r *rand.Rand)
}

var actions = []action{
	{20, "publish to all", func(w *world, r *rand.Rand) {
		w.someNode(r).publish(pick(r, namespaces...), toAll, "")
	}},
	{20, "publish to a room", func(w *world, r *rand.Rand) {
		w.someNode(r).publish(pick(r, namespaces...), toRoom, pick(r, rooms...))
	}},
	{20, "publish to a socket", func(w *world, r *rand.Rand) {
		n, ns, i := w.someNode(r), pick(r, namespaces...), r.IntN(100)
		if p := n.publisher(ns); p != nil {
			if s := p.some(i); s != nil {
				n.publish(ns, toSocket, s.ID())
			}
		}
	}},
	{10, "publish a burst", func(w *world, r *rand.Rand) {
		n, ns := w.someNode(r), pick(r, namespaces...)
		for range 1 + r.IntN(50) {
			n.publish(ns, pick(r, toAll, toRoom), pick(r, rooms...))
		}
	}},
	{30, "emit", func(w *world, r *rand.Rand) {
		p := w.somePlayer(r)
		for range 1 + r.IntN(pick(r, 1, 5, 50)) {
			p.emit()
		}
	}},
	{8, "emit to a slow handler", func(w *world, r *rand.Rand) {
		w.somePlayer(r).say("slow", r.IntN(pick(r, 10, 1000)))
	}},
	{10, "a client asks", func(w *world, r *rand.Rand) { w.somePlayer(r).ask(false) }},
	{10, "a server asks", func(w *world, r *rand.Rand) {
		n, ns, i := w.someNode(r), pick(r, namespaces...), r.IntN(100)
		w.background(func() {
			if p := n.publisher(ns); p != nil {
				if s := p.some(i); s != nil {
					ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
					defer cancel()
					p.call(ctx, s)
				}
			}
		})
	}},
	{5, "ask all", func(w *world, r *rand.Rand) {
		n, ns, room := w.someNode(r), pick(r, namespaces...), pick(r, "", rooms[0])
		w.background(func() {
			if p := n.publisher(ns); p != nil {
				p.each(room)
			}
		})
	}},
	{5, "list", func(w *world, r *rand.Rand) {
		n, ns := w.someNode(r), pick(r, namespaces...)
		w.background(func() {
			if p := n.publisher(ns); p != nil {
				p.list()
			}
		})
	}},
	{5, "tell the nodes", func(w *world, r *rand.Rand) {
		n, ns, ask := w.someNode(r), pick(r, namespaces...), r.IntN(2) == 0
		w.background(func() {
			if p := n.publisher(ns); p != nil {
				p.tell(ask)
			}
		})
	}},
	{10, "join", func(w *world, r *rand.Rand) { w.somePlayer(r).request("join", pick(r, rooms...)) }},
	{5, "leave", func(w *world, r *rand.Rand) { w.somePlayer(r).request("leave", pick(r, rooms...)) }},
	{6, "cut a client", func(w *world, r *rand.Rand) { w.someClient(r).cut(false, r.IntN(2) == 0) }},
	{3, "swallow a client", func(w *world, r *rand.Rand) { w.someClient(r).cut(true, false) }},
	{3, "connect", func(w *world, r *rand.Rand) { w.somePlayer(r).comeBack() }},
	{2, "leave the namespace", func(w *world, r *rand.Rand) {
		p := w.somePlayer(r)
		p.socket.Disconnect()
	}},
	{2, "ask to be disconnected", func(w *world, r *rand.Rand) { w.somePlayer(r).say("bye", pick(r, "leave", "hang up")) }},
	{2, "disconnect a socket", func(w *world, r *rand.Rand) {
		n, ns, i, hangup := w.someNode(r), pick(r, namespaces...), r.IntN(100), r.IntN(2) == 0
		if p := n.publisher(ns); p != nil {
			if s := p.some(i); s != nil && hangup {
				s.Hangup()
			} else if s != nil {
				s.Disconnect()
			}
		}
	}},
	{1, "disconnect a room", func(w *world, r *rand.Rand) {
		n, ns, room, hangup := w.someNode(r), pick(r, namespaces...), pick(r, rooms...), r.IntN(2) == 0
		if p := n.publisher(ns); p != nil && hangup {
			p.io.To(room).Hangup()
		} else if p != nil {
			p.io.To(room).Disconnect()
		}
	}},
	{2, "restart a client", func(w *world, r *rand.Rand) { w.someClient(r).restart(r.IntN(2) == 0) }},
	{2, "shut a node down", func(w *world, r *rand.Rand) {
		w.restart(w.someNode(r), false, pick(r, 100*time.Millisecond, 5*time.Second), time.Duration(r.Int64N(int64(5*time.Second))))
	}},
	{2, "crash a node", func(w *world, r *rand.Rand) {
		w.restart(w.someNode(r), true, 0, time.Duration(r.Int64N(int64(20*time.Second))))
	}},
	{3, "disturb the bus", func(w *world, r *rand.Rand) { w.disturb(r) }},
	{3, "calm the bus", func(w *world, r *rand.Rand) {
		w.hub.SetFault(nil)
		w.hub.Heal()
		w.hub.Fail(nil)
	}},
	{2, "wait", func(w *world, r *rand.Rand) { time.Sleep(time.Duration(r.Int64N(int64(40 * time.Second)))) }},
}

// run makes the steps of the plan.
func (w *world) run() {
	sum := 0
	for _, a := range actions {
		sum += a.weight
	}
	for range w.plan.steps {
		time.Sleep(time.Duration(w.random.Int64N(int64(w.plan.pace))))
		draw := w.random.IntN(sum)
		for _, a := range actions {
			if draw -= a.weight; draw < 0 {
				w.logf("%s", a.name)
				a.do(w, w.random)
				break
			}
		}
	}
}

func (w *world) someNode(r *rand.Rand) *node     { return w.nodes[r.IntN(len(w.nodes))] }
func (w *world) someClient(r *rand.Rand) *client { return w.clients[r.IntN(len(w.clients))] }

func (w *world) somePlayer(r *rand.Rand) *player {
	c := w.someClient(r)
	return c.players[r.IntN(2)%len(c.players)]
}

// restart ends a node, and starts it again after a while.
func (w *world) restart(n *node, crash bool, patience, pause time.Duration) {
	w.mu.Lock()
	going := n.going
	n.going = true
	w.mu.Unlock()
	if going {
		return
	}
	w.count(func(f *figures) { f.restarts++ })
	w.background(func() {
		if crash {
			n.crash()
		} else {
			n.shutdown(patience)
		}
		time.Sleep(pause)
		n.start()
		w.logf("%s is up", n.name())
	})
}

// disturb makes the bus lose, delay, repeat and garble messages.
func (w *world) disturb(r *rand.Rand) {
	how, seed := r.IntN(4), r.Uint64()
	from, to := w.someNode(r), w.someNode(r)
	if !w.plan.busFaults {
		return
	}
	switch how {
	case 0:
		w.mu.Lock()
		a, b := from.busName, to.busName
		w.mu.Unlock()
		if from != to {
			w.hub.Cut(a, b)
		}
	case 1:
		w.hub.Fail(errors.New("the bus is down"))
	default:
		random := rand.New(rand.NewPCG(seed, 0))
		w.hub.SetFault(func(_, _ string, _ *sioadapter.Message) (f sioadapter.Fault) {
			w.mu.Lock()
			defer w.mu.Unlock()
			switch random.IntN(8) {
			case 0:
				f.Drop = true
			case 1, 2:
				f.Delay = time.Duration(random.Int64N(int64(time.Second)))
			case 3:
				f.Duplicate = 1 + random.IntN(2)
			case 4:
				f.Corrupt = func(b []byte) []byte { return b[:len(b)/2] }
			}
			return f
		})
	}
}

package simulation

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
)

// A history is what everybody has written down. Some of it is checked at once,
// the rest by check at the end.
type history struct {
	w *world

	mu        sync.Mutex
	players   []*playerLog
	sockets   map[*socketio.Socket]*socketLog
	alive     map[string]*socketio.Socket // by id, between OnConnect and OnDisconnect
	seen      map[string]*receipts        // by player: what servers got of it
	questions int
	handled   map[int]map[string]int // how often a question was handled, by whom
	toAll     map[int]bool           // questions that the bus carries
	nodeOf    map[string]string      // the publisher of a socket, by id
	heardOf   map[gossipKey]bool
}

func (h *history) init(w *world) {
	h.w = w
	h.sockets = make(map[*socketio.Socket]*socketLog)
	h.alive = make(map[string]*socketio.Socket)
	h.seen = make(map[string]*receipts)
	h.handled = make(map[int]map[string]int)
	h.toAll = make(map[int]bool)
	h.nodeOf = make(map[string]string)
	h.heardOf = make(map[gossipKey]bool)
}

type kind uint8

const (
	connected kind = iota
	disconnected
	got
	marked
)

// An entry is one thing that a player has seen, in order.
type entry struct {
	kind      kind
	id        string // of connected
	recovered bool   // of connected
	reason    string // of disconnected
	note      note   // of got
	mark      mark   // of marked
}

type playerLog struct {
	player *player

	mu      sync.Mutex
	entries []entry
	gone    bool // Close was called: nothing may follow
}

func (h *history) player(p *player) *playerLog {
	l := &playerLog{player: p}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.players = append(h.players, l)
	return l
}

func (l *playerLog) add(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
	switch e.kind {
	case connected:
		l.player.client.w.logf("%s is connected as %s, recovered %v", l.player.name, e.id, e.recovered)
	case disconnected:
		l.player.client.w.logf("%s is disconnected: %s", l.player.name, e.reason)
	case got:
		l.player.client.w.logf("%s got %s %d (%s %d)", l.player.name, e.note.From, e.note.N, e.note.Stream, e.note.K)
		if !bytes.Equal(e.note.Blob, blob(e.note.N)) {
			l.player.client.w.fail("%s got other content than was emitted with %s %d", l.player.name, e.note.From, e.note.N)
		}
	}
}

// gone says that nothing has to arrive at a player any more.
func (h *history) gone(p *player) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.players {
		if l.player == p {
			l.gone = true
		}
	}
}

// A socketLog is the life of one socket of a server.
type socketLog struct {
	player string
	last   int // the number of the last event
	state  string
}

// receipts are the events of one player that servers have handled.
type receipts struct {
	seen  map[int]bool
	first int // the largest number so far, of a player that sends again
}

func (h *history) connected(p *publisher, s *socketio.Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sockets[s] != nil {
		h.w.fail("a socket of %s is connected twice", p.name)
	}
	h.sockets[s] = &socketLog{player: playerOf.Must(s), state: "connected"}
	// A client of the generation 2.x that leaves and joins again has the same id
	// over the same connection, and does not wait for the handlers of before.
	if h.alive[s.ID()] != nil && !h.w.player(playerOf.Must(s)).client.options.V2 {
		h.w.fail("the id %s is alive twice, at %s", s.ID(), p.name)
	}
	h.alive[s.ID()] = s
	h.nodeOf[s.ID()] = p.name
}

func (h *history) disconnected(s *socketio.Socket, r socketio.Reason) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.sockets[s]
	switch {
	case l == nil:
		h.w.fail("a socket is disconnected that was not connected")
		return
	case l.state != "connected":
		h.w.fail("a socket of %s is disconnected twice", l.player)
	}
	l.state = "disconnected"
	if h.alive[s.ID()] == s {
		delete(h.alive, s.ID())
	}
	h.w.logf("the server has lost %s: %s", l.player, r)
}

// living returns the log of a socket one of whose handlers runs.
func (h *history) livingLocked(s *socketio.Socket) *socketLog {
	l := h.sockets[s]
	if l == nil || l.state != "connected" {
		h.w.fail("a handler of %s runs outside of its life", s.ID())
		return &socketLog{}
	}
	return l
}

// heard checks a numbered event of a player.
func (h *history) heard(s *socketio.Socket, x note) {
	if !bytes.Equal(x.Blob, blob(x.N)) {
		h.w.fail("other content than was emitted with %s %d arrived", x.From, x.N)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.livingLocked(s)
	if l.player != x.From {
		h.w.fail("an event of %s came from %s", x.From, l.player)
	}
	r := h.seen[x.From]
	if r == nil {
		r = &receipts{seen: make(map[int]bool)}
		h.seen[x.From] = r
	}
	p := h.w.player(x.From)
	switch {
	case p.retry: // at least once, the first time in order
		if l.last > x.N {
			h.w.fail("%s sent %d after %d", x.From, x.N, l.last)
		}
		if x.N > r.first+1 {
			h.w.fail("%s sent %d before %d was handled", x.From, x.N, r.first+1)
		}
		r.first = max(r.first, x.N)
	case r.seen[x.N]:
		h.w.fail("%d of %s came twice", x.N, x.From)
	case l.last != 0 && x.N != l.last+1:
		h.w.fail("%s sent %d after %d on one connection", x.From, x.N, l.last)
	}
	l.last = x.N
	r.seen[x.N] = true
}

// player finds a player of this life by its name.
func (w *world) player(name string) *player {
	for _, l := range w.history.players {
		if l.player.name == name {
			return l.player
		}
	}
	return nil
}

// question returns the number of a new question, to one or to many.
func (h *history) question(many bool) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.questions++
	h.toAll[3*h.questions] = many
	return 3 * h.questions
}

// asked counts that somebody handles a question.
func (h *history) asked(by string, q int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.handled[q] == nil {
		h.handled[q] = make(map[string]int)
	}
	h.handled[q][by]++
	// A client that goes to another node may be there before what the bus brings.
	// It may then ask back twice, too.
	again := h.w.plan.nodes > 1 && (h.toAll[q] || h.toAll[q-1])
	if p := h.w.player(by); h.handled[q][by] > 1 && !p.retry && !again {
		h.w.fail("%s handles the question %d again", by, q)
	}
}

// answered checks the end of a Call. by is the client's end of it.
func (h *history) answered(by string, q int, args event.Args, err error, took, allowed time.Duration) {
	if took > allowed+time.Millisecond {
		h.w.fail("the question %d of %s took %v of %v: %v", q, by, took, allowed, err)
	}
	h.w.count(func(f *figures) { f.calls++ })
	if err != nil {
		return
	}
	var a int
	if args.Decode(&a) != nil || a != answer(q) {
		h.w.fail("the answer to %d is %s", q, args.Raw())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.handled[q][by] == 0 {
		h.w.fail("the question %d of %s was answered by nobody", q, by)
	}
}

type gossipKey struct {
	by, from string
	k        int
}

// gossip checks an event between nodes.
func (h *history) gossip(by *publisher, from string, k int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := gossipKey{by.name, from, k}
	if h.heardOf[key] {
		h.w.fail("%s hears %d of %s twice", by.name, k, from)
	}
	h.heardOf[key] = true
	if by.name == from {
		h.w.fail("%s hears itself", from)
	}
}

// check goes through what the players have seen.
func (h *history) check() {
	for _, l := range h.players {
		h.checkPlayer(l)
	}
	for _, c := range h.w.clients {
		for _, p := range c.players {
			r := h.seen[p.name]
			p.mu.Lock()
			emitted := p.emitted
			p.mu.Unlock()
			switch {
			case r == nil || !r.seen[emitted]:
				h.w.fail("the last event of %s, %d, has not arrived", p.name, emitted)
			case p.retry && len(r.seen) != emitted:
				h.w.fail("%d of %d events of %s have arrived", len(r.seen), emitted, p.name)
			}
		}
	}
}

// A tally is how far a stream has come in one life of a socket.
type tally struct {
	k     int  // the last number
	exact bool // from here on nothing may be missing
	off   bool // nothing may come
}

func (h *history) checkPlayer(l *playerLog) {
	w, name := h.w, l.player.name
	var (
		here  = false // connected
		node  = ""    // the one it is connected to
		home  = ""    // the publisher of the node
		order map[string]int
		taken = make(map[string]bool)
		kept  map[string]*tally // the streams of this life
	)
	for i, e := range l.entries {
		switch e.kind {
		case connected:
			if here {
				w.fail("%s is connected twice", name)
			}
			here, node = true, h.nodeOf[e.id]
			if !e.recovered {
				home, order, kept = "", make(map[string]int), make(map[string]*tally)
			}
		case disconnected:
			if !here {
				w.fail("%s is disconnected twice", name)
			}
			here = false
		case marked:
			if l.player.loose() {
				continue
			}
			if !here {
				w.fail("%s got a mark without a connection", name)
			}
			home = e.mark.From
			if t := kept[e.mark.Stream]; t != nil && t.exact && t.k != e.mark.K {
				w.fail("%s is told %+v, but has got %d", name, e.mark, t.k)
			}
			kept[e.mark.Stream] = &tally{k: e.mark.K, exact: e.mark.On, off: !e.mark.On}
		case got:
			x := e.note
			if !here {
				w.fail("%s got %s %d without a connection", name, x.From, x.N)
			}
			if x.N <= order[x.From] {
				w.fail("%s got %s %d after %d", name, x.From, x.N, order[x.From])
			}
			order[x.From] = x.N
			// A client that goes to another node may be there before what the bus
			// brings, which it may have seen at the first.
			if key := fmt.Sprint(x.From, " ", x.N, " at ", node); taken[key] {
				w.fail("%s got %s twice", name, key)
			} else {
				taken[key] = true
			}
			if l.player.loose() || x.From != home && home != "" {
				continue
			}
			switch t := kept[x.Stream]; {
			case t == nil && home == "": // before the first mark
			case t == nil && x.Stream[0] == 's': // to this socket alone, since it lives
				if x.K != 1 {
					w.fail("%s got %d of its own stream first (entry %d)", name, x.K, i)
				}
				kept[x.Stream] = &tally{k: x.K, exact: true}
			case t == nil || t.off:
				w.fail("%s got %d of %s, and is not in it", name, x.K, x.Stream)
			case t.exact && x.K != t.k+1:
				w.fail("%s got %d of %s after %d", name, x.K, x.Stream, t.k)
				t.k = x.K
			default:
				t.k = x.K
			}
		}
	}
	if !here && !l.gone {
		w.fail("%s ends without a connection", name)
	}
	h.checkEnd(l, home, kept)
}

// checkEnd checks that a player that stays to the end has got everything.
func (h *history) checkEnd(l *playerLog, home string, kept map[string]*tally) {
	if l.gone || l.player.loose() {
		return
	}
	for _, n := range h.w.nodes {
		p := n.publishers[l.player.namespace]
		if p.name != home {
			continue
		}
		for stream, t := range kept {
			if t.exact && t.k != p.numbers[stream] {
				h.w.fail("%s got %d of %d of %s", l.player.name, t.k, p.numbers[stream], stream)
			}
		}
		return
	}
	h.w.fail("%s does not know its node, %q", l.player.name, home)
}

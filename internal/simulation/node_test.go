package simulation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/siogo/sio/internal/memnet"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/sioadapter"
)

// The namespaces of every world. Clients join the second over the connection of
// the first.
var namespaces = []string{"/", "/two"}

// rooms are what clients may ask to join.
var rooms = []string{"red", "green", "blue"}

// A node is one server of the cluster, over any number of restarts.
type node struct {
	w     *world
	index int

	// The world's mutex guards the block.
	generation int
	going      bool             // a restart is under way
	io         *socketio.Server // nil while it is down
	http       *http.Server
	listener   *memnet.Listener
	lines      []*memnet.Line
	served     chan struct{} // closed when http does not serve any more
	busName    string
	publishers map[string]*publisher // by namespace
}

func (n *node) name() string { return fmt.Sprintf("node%d.%d", n.index, n.generation) }

func (n *node) server() *socketio.Server {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	return n.io
}

// start starts the node with nothing in its memory.
func (n *node) start() {
	w := n.w
	n.generation++
	o := &socketio.Options{
		PingInterval: w.plan.interval,
		PingTimeout:  w.plan.timeout,
		Parser:       w.plan.parser(),
		Logger:       quiet,
		Outbound:     socketio.Queue{MaxBytes: w.plan.queueBytes},
		OnError: func(_ context.Context, e *socketio.Event, err error) {
			if errors.As(err, new(*socketio.PanicError)) {
				w.fail("a handler of %s panicked in %q: %v", n.name(), e.Name, err)
			}
		},
	}
	var local sioadapter.Factory
	if w.plan.recovery {
		o.Recovery = &socketio.Recovery{MaxDisconnection: 30 * time.Second}
		local = sioadapter.Recoverable(&sioadapter.RecoveryOptions{MaxDisconnection: 30 * time.Second})
	}
	busName := fmt.Sprintf("%s-", n.name())
	if w.plan.nodes > 1 {
		o.Adapter = sioadapter.Clustered(w.hub, &sioadapter.ClusterOptions{
			NodeName: func() string { return busName },
			Local:    local,
		})
	}
	io := socketio.New(o)
	publishers := make(map[string]*publisher)
	for _, name := range namespaces {
		ns := io.Of(name)
		publishers[name] = &publisher{n: n, io: ns, name: n.name() + name, turn: make(chan struct{}, 1), numbers: make(map[string]int)}
		publishers[name].install()
	}
	listener := memnet.Listen()
	hs := &http.Server{Handler: io}
	served := make(chan struct{})
	go func() { // ended and awaited by stop
		defer close(served)
		hs.Serve(listener)
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	n.going = false
	n.io, n.http, n.listener, n.served, n.busName, n.publishers = io, hs, listener, served, busName, publishers
}

// leave takes the node out of the network and returns what it was.
func (n *node) leave() (io *socketio.Server, stop func()) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if n.listener == nil {
		return nil, nil
	}
	io = n.io
	hs, listener, served := n.http, n.listener, n.served
	n.listener = nil
	return io, func() {
		listener.Close()
		hs.Close()
		<-served
		n.w.mu.Lock()
		n.io = nil
		for _, l := range n.lines {
			l.Heal() // its timers end
		}
		n.lines = nil
		n.w.mu.Unlock()
	}
}

// shutdown ends the node in order.
func (n *node) shutdown(patience time.Duration) {
	io, stop := n.leave()
	if io == nil {
		return
	}
	n.w.logf("%s is shut down", n.name())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	if err := io.Shutdown(ctx); err != nil && !errors.As(err, new(*socketio.ShutdownError)) {
		n.w.fail("%s was shut down: %v", n.name(), err)
	}
	if took := time.Since(start); took > patience+time.Second {
		n.w.fail("the shutdown of %s took %v of %v", n.name(), took, patience)
	}
	// The second has nothing to wait for but WebSockets that say goodbye.
	again, cancelAgain := context.WithTimeout(context.Background(), time.Second)
	defer cancelAgain()
	if err := io.Shutdown(again); err != nil {
		n.w.fail("the second shutdown of %s: %v", n.name(), err)
	}
	stop()
}

// crash ends the node as a kill does: nobody hears from it any more.
func (n *node) crash() {
	io, stop := n.leave()
	if io == nil {
		return
	}
	n.w.logf("%s crashes", n.name())
	n.w.mu.Lock()
	lines := slices.Clone(n.lines)
	n.w.mu.Unlock()
	n.w.hub.Cut(n.busName, "")
	for _, l := range lines {
		l.Cut(true)
	}
	io.Close()
	stop()
}

// checkEmpty looks for what clients have left behind.
func (n *node) checkEmpty() {
	io := n.server()
	for _, name := range namespaces {
		ns := io.Of(name)
		if left := ns.Adapter().Len(); left != 0 {
			n.w.fail("%d sockets of %s are left at %s", left, name, n.name())
		}
		for room, size := range ns.Adapter().RoomSizes() {
			n.w.fail("%d sockets are left in the room %q of %s at %s", size, room, name, n.name())
		}
	}
	if st := io.Engine().Stats(); st.Sessions != 0 || st.WebSockets != 0 {
		n.w.fail("%d sessions and %d WebSockets are left at %s", st.Sessions, st.WebSockets, n.name())
	}
	n.w.count(func(f *figures) { f.upgrades += int(io.Engine().Stats().Upgraded) })
}

// Whom an event is for.
const (
	toAll    = "all"
	toRoom   = "room"
	toSocket = "socket"
)

// A note is the content of a numbered event.
type note struct {
	From   string `json:"from"`   // the publisher
	N      int    `json:"n"`      // counts all its events
	Stream string `json:"stream"` // which of its streams this belongs to
	K      int    `json:"k"`      // counts the events of the stream
	Blob   []byte `json:"blob"`   // made from N
}

// blob is content that is known by its number, mostly small.
func blob(n int) []byte {
	size := n * 7 % 30
	if n%25 == 0 {
		size = n * 131 % 9000
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(n + i*i)
	}
	return b
}

// A publisher numbers and emits the events of a namespace of a node. Who has
// its turn decides what comes next; it is a channel since emitting takes
// virtual time if anything is wrong with it.
type publisher struct {
	n    *node
	io   *socketio.Namespace
	name string
	turn chan struct{} // holds an element while somebody has the turn

	total   int
	numbers map[string]int // of the streams

	mu      sync.Mutex
	sockets []*socketio.Socket // connected ones, in the order they came
}

func (p *publisher) locked(f func()) {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	f()
}

// next returns the next event of a stream.
func (p *publisher) next(stream string) note {
	p.total++
	p.numbers[stream]++
	return note{p.name, p.total, stream, p.numbers[stream], blob(p.total)}
}

func (n *node) publisher(namespace string) *publisher {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if n.listener == nil {
		return nil
	}
	return n.publishers[namespace]
}

// publish emits an event: to all sockets of the cluster, to those in a room, or
// to one of this node.
func (n *node) publish(namespace, to, which string) {
	p := n.publisher(namespace)
	if p == nil {
		return
	}
	n.w.count(func(f *figures) { f.events++ })
	p.locked(func() {
		switch to {
		case toAll:
			p.io.Emit("note", p.next("all"))
		case toRoom:
			p.io.To(which).Emit("note", p.next("room "+which))
		case toSocket:
			if s := p.io.Socket(which); s != nil {
				p.direct(s, "note")
			}
		}
	})
}

// direct emits to one socket. An event that is not accepted has no number.
func (p *publisher) direct(s *socketio.Socket, event string) {
	stream := "socket " + s.ID()
	e := p.next(stream)
	if s.Emit(event, e) != nil {
		p.total--
		p.numbers[stream]--
	}
}

// some returns one of the sockets of this node, or nil.
func (p *publisher) some(i int) *socketio.Socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sockets) == 0 {
		return nil
	}
	return p.sockets[i%len(p.sockets)]
}

// A who is how a client introduces itself.
type who struct {
	Player string `json:"player"`
}

// A mark tells a client where the streams of its node are: from here on it gets
// everything, or nothing any more.
type mark struct {
	From   string `json:"from"`
	Stream string `json:"stream"`
	K      int    `json:"k"`
	On     bool   `json:"on"`
}

var playerOf = socketio.NewKey[string]("player")

func (p *publisher) install() {
	w := p.n.w
	h := &w.history
	p.io.Use(func(_ context.Context, s *socketio.Socket) error {
		var me who
		if err := s.Handshake().DecodeAuth(&me); err != nil {
			return err
		}
		if me.Player == "" { // clients of the generation 2.x
			me.Player = s.Handshake().Query.Get("player")
		}
		playerOf.Set(s, me.Player)
		return nil
	})
	p.io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		h.connected(p, s)
		if !s.Recovered() { // a socket of generation 2.x may have the id of the one before
			p.locked(func() { delete(p.numbers, "socket "+s.ID()) })
		}
		p.mu.Lock()
		p.sockets = append(p.sockets, s)
		p.mu.Unlock()
		p.locked(func() { s.Emit("mark", mark{p.name, "all", p.numbers["all"], true}) })
		return nil
	})
	p.io.OnDisconnect(func(_ context.Context, s *socketio.Socket, r socketio.Reason) {
		p.mu.Lock()
		p.sockets = slices.DeleteFunc(p.sockets, func(o *socketio.Socket) bool { return o == s })
		p.mu.Unlock()
		h.disconnected(s, r)
	})
	p.io.On("note", func(_ context.Context, e *socketio.Event) error {
		var x note
		if err := e.Decode(&x); err != nil {
			w.fail("an event of %s: %v", playerOf.Must(e.Socket()), err)
		}
		h.heard(e.Socket(), x)
		if e.WantsReply() {
			return e.Reply(x.N)
		}
		return nil
	})
	p.io.On("ask", func(ctx context.Context, e *socketio.Event) error {
		var q int
		e.Decode(&q)
		h.asked(playerOf.Must(e.Socket()), q)
		if q%5 == 0 { // ask back, from inside the handler
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			p.call(ctx, e.Socket())
		}
		return e.Reply(answer(q))
	})
	p.io.On("slow", func(ctx context.Context, e *socketio.Event) error {
		var ms int
		e.Decode(&ms)
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
		case <-ctx.Done():
		}
		return nil
	})
	p.io.On("join", func(_ context.Context, e *socketio.Event) error { return p.member(e, true) })
	p.io.On("leave", func(_ context.Context, e *socketio.Event) error { return p.member(e, false) })
	p.io.On("bye", func(_ context.Context, e *socketio.Event) error {
		var how string
		e.Decode(&how)
		if how == "hang up" {
			return socketio.Hangup
		}
		return socketio.Leave
	})
	p.io.Servers().On("gossip", func(_ context.Context, e *socketio.ServerEvent) error {
		var from string
		var k int
		if err := e.Decode(&from, &k); err != nil {
			w.fail("gossip: %v", err)
		}
		h.gossip(p, from, k)
		return e.Reply(answer(k))
	})
}

// member makes a socket join a room or leave it, and tells it at what point of
// what this node emits to the room.
func (p *publisher) member(e *socketio.Event, on bool) error {
	var room string
	if err := e.Decode(&room); err != nil {
		return err
	}
	var err error
	p.locked(func() {
		if on {
			err = e.Socket().Join(room)
		} else {
			err = e.Socket().Leave(room)
		}
		if err == nil {
			e.Socket().Emit("mark", mark{p.name, "room " + room, p.numbers["room "+room], on})
		}
	})
	if err != nil {
		return err
	}
	return e.Reply("done")
}

func answer(q int) int { return 3*q + 1 }

// call asks a socket of this node, and checks what comes of it.
func (p *publisher) call(ctx context.Context, s *socketio.Socket) {
	w := p.n.w
	q := w.history.question(false)
	start := time.Now()
	deadline, _ := ctx.Deadline()
	args, err := s.Call(ctx, "ask", q)
	w.history.answered(playerOf.Must(s), q, args, err, time.Since(start), deadline.Sub(start))
}

// each asks everybody in a room, or in the namespace.
func (p *publisher) each(room string) {
	w := p.n.w
	ctx, cancel := context.WithTimeout(context.Background(), 7*time.Second)
	defer cancel()
	start := time.Now()
	q := w.history.question(true)
	audience := p.io.All()
	if room != "" {
		audience = p.io.To(room)
	}
	seen := make(map[string]bool)
	for a := range audience.Each(ctx, "ask", q) {
		if a.SocketID != "" && seen[a.SocketID] {
			w.fail("%s answered question %d twice", a.SocketID, q)
		}
		seen[a.SocketID] = true
		var got int
		if a.Err == nil && (a.Args.Decode(&got) != nil || got != answer(q)) {
			w.fail("%s answered question %d with %s", a.SocketID, q, a.Args.Raw())
		}
	}
	if took := time.Since(start); took > 8*time.Second {
		w.fail("a question to all took %v", took)
	}
	w.count(func(f *figures) { f.calls++ })
}

// list fetches the sockets of the cluster.
func (p *publisher) list() {
	start := time.Now()
	seen := make(map[string]bool)
	for s, err := range p.io.Sockets(context.Background()) {
		if err != nil {
			continue // who did not report
		}
		if seen[s.ID()] && !p.n.w.plan.recovery {
			p.n.w.fail("%s lists %s twice", p.name, s.ID())
		}
		seen[s.ID()] = true
	}
	if took := time.Since(start); took > 6*time.Second {
		p.n.w.fail("listing the sockets took %v", took)
	}
}

// tell emits to the other nodes, and asks them.
func (p *publisher) tell(ask bool) {
	w := p.n.w
	var k int
	p.locked(func() {
		p.numbers["gossip"]++
		k = p.numbers["gossip"]
		if !ask {
			p.io.Servers().Emit("gossip", p.name, k)
		}
	})
	if !ask {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	start := time.Now()
	seen := make(map[string]bool)
	for a := range p.io.Servers().Each(ctx, "gossip", p.name, k) {
		if a.Err != nil {
			continue
		}
		var got int
		if seen[a.SocketID] || a.Args.Decode(&got) != nil || got != answer(k) {
			w.fail("%s answered %s, twice: %v", a.SocketID, a.Args.Raw(), seen[a.SocketID])
		}
		seen[a.SocketID] = true
	}
	if took := time.Since(start); took > 5*time.Second {
		w.fail("a question to the nodes took %v", took)
	}
}

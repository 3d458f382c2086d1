package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/internal/memnet"
	"github.com/siogo/sio/socketio/sioclient"
)

// A client is one connection, with a player in each namespace that it joins.
type client struct {
	w       *world
	index   int
	options sioclient.Options
	players []*player

	// The world's mutex guards the block.
	dials int
	lines []*memnet.Line
	lives int        // how many players there have been under each name
	home  int        // the node it goes to
	route *rand.Rand // decides where it goes
}

// A player is one socket of a client.
type player struct {
	client    *client
	namespace string
	name      string // told to the server; of this life alone
	socket    *sioclient.Socket
	retry     bool
	offline   bool

	mu      sync.Mutex
	emitted int // the number of the last event that was accepted
}

// loose reports whether the player may miss events without knowing: servers of
// the generation 2.x put every client into "/" before it asks for that.
func (p *player) loose() bool { return p.client.options.V2 && p.namespace == "/" }

func newClient(w *world, index int) *client {
	r := w.source(2, index)
	c := &client{w: w, index: index, route: w.source(3, index)}
	c.home = r.IntN(w.plan.nodes)
	o := &c.options
	o.Parser = w.plan.parser()
	o.Logger = quiet
	o.Transports = pick(r, []string{eioclient.Polling}, []string{eioclient.WebSocket}, nil)
	o.V2 = r.IntN(5) == 0 && !w.plan.msgpack // which that generation has only as a plugin
	if r.IntN(4) == 0 {
		o.Retry = sioclient.Retry{Max: -1, Timeout: 2 * time.Second}
		o.Retry.AppendID = r.IntN(2) == 0
	} else if r.IntN(3) == 0 {
		o.Offline = sioclient.Offline{MaxPackets: 1000, MaxAge: -1}
	}
	o.Backoff = sioclient.Backoff{Min: pick(r, 10*time.Millisecond, time.Second), Max: 5 * time.Second}
	o.Engine.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	o.Engine.DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) { return w.dial(ctx, c, addr) }
	o.Engine.UpgradeTimeout = pick(r, 0, 2*time.Second)
	o.Engine.RememberUpgrade = r.IntN(4) == 0
	o.Endpoint = func(context.Context) (string, error) { return c.choose(), nil }
	o.OnError = func(s *sioclient.Socket, name string, err error) {
		if errors.As(err, new(*sioclient.PanicError)) {
			w.fail("a handler of client %d panicked in %q: %v", index, name, err)
		}
		if errors.As(err, new(*sioclient.UndeliveredError)) {
			w.fail("client %d has not delivered %q: %v", index, name, err)
		}
	}
	c.begin(r.IntN(2) == 0)
	return c
}

// begin makes the players of the client, and connects them.
func (c *client) begin(both bool) {
	c.players = nil
	c.lives++
	for i, ns := range namespaces[:1+btoi(both)] {
		p := &player{
			client: c, namespace: ns, name: fmt.Sprintf("c%d.%d%s", c.index, c.lives, ns),
			retry: c.options.Retry.Max != 0, offline: c.options.Offline.MaxPackets > 0,
		}
		auth := sioclient.Static(who{p.name})
		var err error
		if i == 0 {
			o := c.options
			o.Auth = auth
			if o.V2 { // whose servers put every client into "/", whoever has asked for it
				o.Query = url.Values{"player": {p.name}}
			}
			p.socket, err = sioclient.New("http://node0"+ns, &o)
		} else {
			p.socket, err = c.players[0].socket.Of(ns, &sioclient.SocketOptions{Auth: auth})
		}
		if err != nil {
			c.w.fail("%s: %v", p.name, err)
			return
		}
		p.install()
		c.players = append(c.players, p)
	}
	for _, p := range c.players {
		p.comeBack()
	}
	c.w.logf("client %d begins: %v, v2 %v, retry %v, offline %v, %d namespaces", c.index, c.options.Transports, c.options.V2, c.options.Retry.Max != 0, c.options.Offline.MaxPackets != 0, len(c.players))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// choose says which node the next attempt goes to: mostly the one before, else
// one that is up.
func (c *client) choose() string {
	up := c.w.up()
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if draw := c.route.IntN(len(c.w.nodes) * 8); draw < len(c.w.nodes) {
		c.home = draw
	}
	for _, n := range up {
		if n.index == c.home {
			return fmt.Sprintf("http://node%d", c.home)
		}
	}
	if len(up) > 0 {
		c.home = up[c.index%len(up)].index
	}
	return fmt.Sprintf("http://node%d", c.home)
}

// comeBack connects the player unless it is connected or tries to be.
func (p *player) comeBack() {
	p.client.w.background(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		p.socket.Connect(ctx) // or later, by itself
	})
}

func (p *player) install() {
	h := &p.client.w.history
	w := p.client.w
	log := h.player(p)
	p.socket.OnConnect(func(_ context.Context, s *sioclient.Socket) error {
		log.add(entry{kind: connected, id: s.ID(), recovered: s.Recovered()})
		if s.Recovered() {
			w.count(func(f *figures) { f.recovered++ })
		}
		return nil
	})
	p.socket.OnDisconnect(func(_ context.Context, _ *sioclient.Socket, r sioclient.Reason) {
		log.add(entry{kind: disconnected, reason: string(r)})
		w.count(func(f *figures) { f.losses++ })
	})
	p.socket.On("note", func(_ context.Context, e *sioclient.Event) error {
		var x note
		if err := e.Decode(&x); err != nil {
			w.fail("an event at %s: %v", p.name, err)
		}
		log.add(entry{kind: got, note: x})
		return nil
	})
	p.socket.On("mark", func(_ context.Context, e *sioclient.Event) error {
		var m mark
		if err := e.Decode(&m); err != nil {
			w.fail("a mark at %s: %v", p.name, err)
		}
		log.add(entry{kind: marked, mark: m})
		return nil
	})
	p.socket.On("ask", func(ctx context.Context, e *sioclient.Event) error {
		var q int
		e.Decode(&q)
		h.asked(p.name, q)
		if q%5 == 0 { // ask back, from inside the handler
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			p.call(ctx, "ask", q+1) // no multiple of five: it ends there
		}
		return e.Reply(answer(q))
	})
}

// emit sends the next numbered event. One that is not accepted has no number.
func (p *player) emit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.emitted + 1
	if err := p.socket.Emit("note", note{From: p.name, N: n, Blob: blob(n)}); err == nil {
		p.emitted = n
		p.client.w.count(func(f *figures) { f.events++ })
	}
}

// ask asks the server in the background.
func (p *player) ask(must bool) {
	p.client.w.background(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := p.call(ctx, "ask", p.client.w.history.question(false)); err != nil && must {
			p.client.w.fail("%s gets no answer when all is well: %v", p.name, err)
		}
	})
}

func (p *player) call(ctx context.Context, name string, q int) error {
	start := time.Now()
	deadline, _ := ctx.Deadline()
	args, err := p.socket.Call(ctx, name, q)
	p.client.w.history.answered(p.name, q, args, err, time.Since(start), deadline.Sub(start))
	return err
}

// say emits an event that is not numbered.
func (p *player) say(name string, args ...any) {
	if p.retry { // its order is that of the numbered events; their pace, too
		return
	}
	p.socket.Emit(name, args...)
}

// request asks to join a room, or to leave it.
func (p *player) request(name, room string) {
	p.client.w.background(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		args, err := p.socket.Call(ctx, name, room)
		var got string
		if err == nil && (args.Decode(&got) != nil || got != "done") {
			p.client.w.fail("%s: the answer to %s is %s", p.name, name, args.Raw())
		}
	})
}

// restart closes the client and begins another life.
func (c *client) restart(both bool) {
	for _, p := range c.players {
		p.client.w.history.gone(p)
		if err := p.socket.Close(); err != nil {
			c.w.logf("closing %s: %v", p.name, err)
		}
	}
	c.begin(both)
}

// cut ends the client's connections, or leads them into a black hole.
func (c *client) cut(hole, reset bool) {
	c.w.mu.Lock()
	lines := c.lines
	c.lines = nil
	c.w.mu.Unlock()
	for _, l := range lines {
		if hole {
			l.Swallow()
		} else {
			l.Cut(reset)
		}
	}
}

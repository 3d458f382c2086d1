package sioadapter

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"iter"
	"sync"
	"time"
)

// ClusterOptions configures a [Cluster]. The zero value of every field is its
// default; negative values count as zero.
type ClusterOptions struct {
	// Name begins the name of the node, before a part that is random. It makes
	// errors and logs easier to read. Empty means that there is only the
	// random part, 16 hexadecimal digits as in the reference.
	Name string

	// NodeName makes the names of nodes, a new one each time it is called, for
	// buses that have a form for them. Nil means as described at Name.
	NodeName func() string

	// Local makes the adapter for the members of this node. Nil means
	// InMemory; Recoverable makes clients that come back to this node
	// recoverable.
	Local Factory

	// Count returns how many nodes there are, this one included. It is for
	// buses whose nodes do not announce themselves; there are no heartbeats
	// then, and missing nodes have no names. Nil means that there are.
	Count func(ctx context.Context) (int, error)

	// HeartbeatInterval is how long a node is silent at most. Zero means 5s.
	HeartbeatInterval time.Duration
	// HeartbeatTimeout is how long until a silent node is taken for dead. Zero
	// means 10s.
	HeartbeatTimeout time.Duration

	// RequestTimeout is how long other nodes may take to report: their sockets,
	// or how many of them were asked. Zero means 5s.
	RequestTimeout time.Duration
	// AnswerTimeout is how long this node collects acknowledgements for one
	// that does not say how long it waits. Zero means 1 minute.
	AnswerTimeout time.Duration

	// MaxQueue and MaxQueueBytes bound the messages that wait for the bus, in
	// each namespace. Over them, new ones are dropped, counted and reported:
	// by ErrBusFull where they come from, and by an event. Zero means 10,000
	// messages and 16 MiB.
	MaxQueue      int
	MaxQueueBytes int

	// MaxNodes bounds the nodes that are remembered, so that made-up ones
	// cannot take all memory. Messages of further ones are dropped as
	// malformed. Zero means 1,000.
	MaxNodes int
	// MaxAsked bounds the requests for acknowledgement of other nodes that are
	// being served. Further ones are dropped. Zero means 10,000.
	MaxAsked int

	// Unnumbered reports which messages are not to be counted. It is for buses
	// that do not carry every message to every node. Losses of these are
	// noticed only if the bus reports them. Nil means that all are counted.
	Unnumbered func(m *Message) bool

	// CloseTimeout is how long Close waits for the bus to take what is queued.
	// Zero means 1s.
	CloseTimeout time.Duration

	// OnEvent hears what happens in the cluster. It must not wait.
	OnEvent func(e ClusterEvent)
}

func (o *ClusterOptions) withDefaults() ClusterOptions {
	var r ClusterOptions
	if o != nil {
		r = *o
	}
	if r.Local == nil {
		r.Local = InMemory
	}
	if r.NodeName == nil {
		name := r.Name
		if name != "" {
			name += "-"
		}
		r.NodeName = func() string { return name + randomName() }
	}
	r.HeartbeatInterval = orDefault(r.HeartbeatInterval, 5*time.Second)
	r.HeartbeatTimeout = orDefault(r.HeartbeatTimeout, 10*time.Second)
	r.RequestTimeout = orDefault(r.RequestTimeout, 5*time.Second)
	r.AnswerTimeout = orDefault(r.AnswerTimeout, time.Minute)
	r.MaxQueue = orDefault(r.MaxQueue, 10_000)
	r.MaxQueueBytes = orDefault(r.MaxQueueBytes, 16<<20)
	r.MaxNodes = orDefault(r.MaxNodes, 1_000)
	r.MaxAsked = orDefault(r.MaxAsked, 10_000)
	r.CloseTimeout = orDefault(r.CloseTimeout, time.Second)
	return r
}

// randomName returns 16 hexadecimal digits, as the reference makes them.
func randomName() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Clustered returns the factory of adapters that are connected by bus. o may be
// nil.
func Clustered(bus Bus, o *ClusterOptions) Factory {
	return FactoryFunc(func(ns Namespace) Adapter { return NewCluster(ns, bus, o) })
}

// Cluster is the adapter of one of many nodes. What concerns the members of
// this node is done by another adapter, at once; then the other nodes are told,
// by messages that wait in a bounded queue for the bus. No method waits for
// the bus, but Sockets, which has to.
//
// Each node remembers the others by what they send, heartbeats if nothing
// else. Those that fall silent are forgotten, and named to whoever is waiting
// for them. Messages are numbered, so that each is delivered once, and none
// goes missing unnoticed: see [ClusterEvent].
//
// Goroutines: one while messages wait for the bus, those of timers, and with
// Count one for each request.
type Cluster struct {
	Adapter // for the members of this node; immutable

	ns      Namespace      // immutable
	name    string         // immutable; of the namespace
	options ClusterOptions // immutable
	node    string         // immutable
	link    Link           // immutable once opened is closed
	opened  chan struct{}
	running sync.WaitGroup     // what Close waits for
	ctx     context.Context    // ends when the bus is waited for no longer
	cancel  context.CancelFunc // of ctx

	mu       sync.Mutex
	closed   bool
	handler  func(*ServerEvent)
	queue    queue
	nodes    nodes
	requests map[string]request   // of this node, by their ids
	asked    map[*asking]struct{} // of other nodes
	health   Health               // what is counted of it, and the state of publishing
	deaf     error                // why no messages come from other nodes; nil: they do
	deafAt   time.Time            // since when
	beat     *time.Timer          // the next heartbeat; nil: none
	sweep    *time.Timer          // when a node may have to be taken for dead; nil: none is alive
	sweepAt  time.Time
}

var (
	_ Adapter  = (*Cluster)(nil)
	_ Receiver = receiver{}
)

// NewCluster connects a new node to bus. o may be nil.
func NewCluster(ns Namespace, bus Bus, o *ClusterOptions) *Cluster {
	options := o.withDefaults()
	c := &Cluster{
		Adapter:  options.Local.Open(ns),
		ns:       ns,
		name:     ns.Name(),
		options:  options,
		node:     options.NodeName(),
		opened:   make(chan struct{}),
		requests: make(map[string]request),
		asked:    make(map[*asking]struct{}),
	}
	c.nodes.init(options.MaxNodes, !c.heartbeats())
	c.queue.numbers = make(map[string]uint64)
	c.health.Since = time.Now()
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.link = bus.Open(c.name, c.node, receiver{c})
	close(c.opened)
	if c.heartbeats() {
		c.mu.Lock()
		c.beat = time.AfterFunc(options.HeartbeatInterval, c.heartbeat)
		c.mu.Unlock()
		_ = c.post(&Message{Type: MessageHello}) // the queue is empty
	}
	return c
}

// Node returns the name of this node.
func (c *Cluster) Node() string { return c.node }

// heartbeats reports whether nodes announce themselves.
func (c *Cluster) heartbeats() bool { return c.options.Count == nil }

func (c *Cluster) Broadcast(p *Packet, s *Selection) error {
	err := c.Adapter.Broadcast(p, s)
	if s.Local {
		return err
	}
	return errors.Join(err, c.post(&Message{Type: MessageBroadcast, Packet: p, Selection: *s}))
}

func (c *Cluster) Ask(ctx context.Context, p *Packet, s *Selection, a Answers) (stop func(), err error) {
	if s.Local {
		return c.Adapter.Ask(ctx, p, s, a)
	}
	q := &ask{to: a}
	stopLocal, err := c.Adapter.Ask(ctx, p, s, q)
	if err != nil {
		return nil, err
	}
	m := &Message{Type: MessageBroadcast, Packet: p, Selection: *s, Detailed: true}
	if deadline, ok := ctx.Deadline(); ok {
		m.Timeout = max(time.Until(deadline), time.Millisecond)
	}
	overdue := time.AfterFunc(c.options.RequestTimeout, func() { q.giveUp(context.DeadlineExceeded) })
	c.begin(q, m)
	return func() {
		overdue.Stop()
		stopLocal()
		c.end(m.Request)
		q.stopped(ctx)
	}, nil
}

// Sockets yields the sockets of this node, then those of others as they report.
func (c *Cluster) Sockets(ctx context.Context, s *Selection) iter.Seq2[Info, error] {
	if s.Local {
		return c.Adapter.Sockets(ctx, s)
	}
	return func(yield func(Info, error) bool) {
		ctx, cancel := context.WithTimeout(ctx, c.options.RequestTimeout)
		defer cancel()
		q := &fetch{changed: make(chan struct{}, 1)}
		m := &Message{Type: MessageFetch, Selection: *s}
		m.Selection.Flags = Flags{}
		c.begin(q, m)
		defer func() { c.end(m.Request) }()
		for info, err := range c.Adapter.Sockets(ctx, s) {
			if !yield(info, err) || err != nil {
				return
			}
		}
		for {
			found, complete, err := q.take()
			for _, info := range found {
				if !yield(info, nil) {
					return
				}
			}
			if complete {
				if err != nil {
					yield(Info{}, err)
				}
				return
			}
			select {
			case <-q.changed:
			case <-ctx.Done():
				q.giveUp(context.Cause(ctx))
			}
		}
	}
}

func (c *Cluster) JoinAll(s *Selection, rooms ...string) error {
	return c.both(s, c.Adapter.JoinAll(s, rooms...), &Message{Type: MessageJoin, Rooms: rooms})
}

func (c *Cluster) LeaveAll(s *Selection, rooms ...string) error {
	return c.both(s, c.Adapter.LeaveAll(s, rooms...), &Message{Type: MessageLeave, Rooms: rooms})
}

func (c *Cluster) DisconnectAll(s *Selection, close bool) error {
	return c.both(s, c.Adapter.DisconnectAll(s, close), &Message{Type: MessageDisconnect, Close: close})
}

// both tells the other nodes to do what was done here, with the result err.
func (c *Cluster) both(s *Selection, err error, m *Message) error {
	if s.Local {
		return err
	}
	m.Selection = Selection{Rooms: s.Rooms, Except: s.Except}
	return errors.Join(err, c.post(m))
}

func (c *Cluster) ServerEmit(p *Packet) error {
	return c.post(&Message{Type: MessageServerEvent, Packet: p})
}

func (c *Cluster) ServerAsk(ctx context.Context, p *Packet, a Answers) (stop func(), err error) {
	q := &serverAsk{to: a}
	m := &Message{Type: MessageServerEvent, Packet: p}
	c.begin(q, m)
	return func() {
		c.end(m.Request)
		q.stopped(ctx)
	}, nil
}

func (c *Cluster) OnServerEvent(fn func(*ServerEvent)) {
	c.mu.Lock()
	c.handler = fn
	c.mu.Unlock()
}

// Close says goodbye to the other nodes, waits for the bus to take what is
// queued, at most ClusterOptions.CloseTimeout, and disconnects the node.
// Requests that are waiting end with ErrClosed.
func (c *Cluster) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	if c.heartbeats() { // who does not hear it will notice the silence
		_, _ = c.postLocked(&Message{Type: MessageGoodbye}, overhead)
	}
	c.closed = true
	for _, t := range []*time.Timer{c.beat, c.sweep} {
		if t != nil {
			t.Stop()
		}
	}
	requests := c.requests
	c.requests = make(map[string]request)
	asked := c.asked
	c.asked = make(map[*asking]struct{})
	c.mu.Unlock()

	for _, q := range requests {
		q.giveUp(ErrClosed)
	}
	for a := range asked {
		a.stop()
	}
	patience := time.AfterFunc(c.options.CloseTimeout, c.cancel)
	c.running.Wait()
	patience.Stop()
	c.cancel()
	err := c.link.Close()
	return errors.Join(err, c.Adapter.Close())
}

package sioadapter

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A Hub is a [Bus] within one process. It carries encoded messages, as a bus
// between processes does, and can be told to treat them badly. It is for tests,
// and for several servers in one process.
//
// Messages of one node to another arrive in the order they were published in.
// All methods may be called from any goroutine.
//
// Goroutines: one from each node to each other while messages are on the way.
type Hub struct {
	codec Codec // immutable

	mu    sync.Mutex
	fault func(from, to string, m *Message) Fault
	cut   map[[2]string]bool // from, to
	down  error
	nodes []*hubLink
}

// Fault is what becomes of one message from one node to another. The zero value
// delivers it.
type Fault struct {
	Drop      bool
	Delay     time.Duration // added to what delays those before it
	Duplicate int           // how many more times it is delivered
	// Corrupt changes the encoded message. It may write to its argument.
	Corrupt func([]byte) []byte
}

// NewHub returns a Hub without nodes. codec nil means Framed.
func NewHub(codec Codec) *Hub {
	if codec == nil {
		codec = Framed
	}
	return &Hub{codec: codec, cut: make(map[[2]string]bool)}
}

// SetFault makes fault decide what becomes of messages from now on; nil makes
// all of them arrive. It is called for each receiver, and must not wait.
func (h *Hub) SetFault(fault func(from, to string, m *Message) Fault) {
	h.mu.Lock()
	h.fault = fault
	h.mu.Unlock()
}

// Cut loses all messages between two nodes, in both directions. "" as the name
// of one means each other node.
func (h *Hub) Cut(a, b string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut[[2]string{a, b}], h.cut[[2]string{b, a}] = true, true
}

// Heal undoes Cut, all of them.
func (h *Hub) Heal() {
	h.mu.Lock()
	clear(h.cut)
	h.mu.Unlock()
}

// Fail makes publishing fail with err, until it is called with nil. Nodes are
// told that they are disconnected, and then that they were interrupted.
func (h *Hub) Fail(err error) {
	h.mu.Lock()
	was := h.down
	h.down = err
	nodes := slices.Clone(h.nodes)
	h.mu.Unlock()
	for _, l := range nodes {
		switch {
		case err != nil && was == nil:
			l.to.Disconnected(err)
		case err == nil && was != nil:
			l.to.Interrupted(was)
		}
	}
}

// Inject delivers b to a node as if it had come by the bus.
func (h *Hub) Inject(node string, b []byte) {
	for _, l := range h.links() {
		if l.node == node {
			l.receive(b)
		}
	}
}

func (h *Hub) links() []*hubLink {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.nodes)
}

func (h *Hub) Open(namespace, node string, r Receiver) Link {
	l := &hubLink{hub: h, namespace: namespace, node: node, to: r, pipes: make(map[*hubLink]*pipe), done: make(chan struct{})}
	h.mu.Lock()
	h.nodes = append(h.nodes, l)
	h.mu.Unlock()
	return l
}

// hubLink is a node of a Hub.
type hubLink struct {
	hub       *Hub
	namespace string
	node      string
	to        Receiver
	done      chan struct{} // closed by Close

	mu      sync.Mutex
	pipes   map[*hubLink]*pipe // to other nodes
	closed  bool
	running sync.WaitGroup // deliveries to this node
}

// pipe is the way from one node to another.
type pipe struct {
	mu      sync.Mutex
	waiting []parcel
	running bool
}

type parcel struct {
	payload []byte
	delay   time.Duration
}

var errHubClosed = errors.New("sioadapter: the link to the hub is closed")

func (l *hubLink) Publish(_ context.Context, batch []Outgoing) {
	for i := range batch {
		batch[i].Err = l.publish(batch[i].Message)
	}
}

func (l *hubLink) publish(m *Message) error {
	payload, err := l.hub.codec.Append(nil, m)
	if err != nil {
		return err
	}
	h := l.hub
	h.mu.Lock()
	down, fault, nodes := h.down, h.fault, slices.Clone(h.nodes)
	h.mu.Unlock()
	if down != nil {
		return down
	}
	for _, other := range nodes {
		if other == l || other.namespace != l.namespace || m.To != "" && m.To != other.node || h.isCut(l.node, other.node) {
			continue
		}
		var f Fault
		if fault != nil {
			f = fault(l.node, other.node, m)
		}
		if f.Drop {
			continue
		}
		b := payload
		if f.Corrupt != nil {
			b = f.Corrupt(slices.Clone(b))
		}
		p, err := l.pipe(other)
		if err != nil {
			return err
		}
		for range 1 + f.Duplicate {
			p.put(other, parcel{b, f.Delay})
		}
	}
	return nil
}

func (h *Hub) isCut(from, to string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cut[[2]string{from, to}] || h.cut[[2]string{from, ""}] || h.cut[[2]string{"", to}]
}

func (l *hubLink) pipe(to *hubLink) (*pipe, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errHubClosed
	}
	p := l.pipes[to]
	if p == nil {
		p = &pipe{}
		l.pipes[to] = p
	}
	return p, nil
}

func (p *pipe) put(to *hubLink, x parcel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, x)
	if p.running {
		return
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	if to.closed {
		p.waiting = nil
		return
	}
	p.running = true
	// Started by who finds the pipe empty; ends when it is, or when the
	// receiving node is closed, which waits for it.
	to.running.Go(func() { p.run(to) })
}

func (p *pipe) run(to *hubLink) {
	for {
		p.mu.Lock()
		if len(p.waiting) == 0 {
			p.waiting, p.running = nil, false
			p.mu.Unlock()
			return
		}
		x := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.mu.Unlock()
		if x.delay > 0 {
			t := time.NewTimer(x.delay)
			select {
			case <-t.C:
			case <-to.done:
				t.Stop()
			}
		}
		select {
		case <-to.done: // what is left is lost
		default:
			to.receive(x.payload)
		}
	}
}

// receive decodes a message, for this node alone.
func (l *hubLink) receive(b []byte) {
	m, err := l.hub.codec.Decode(b)
	if err != nil {
		l.to.Malformed(err)
		return
	}
	l.to.Receive(m)
}

func (l *hubLink) Close() error {
	h := l.hub
	h.mu.Lock()
	h.nodes = slices.DeleteFunc(h.nodes, func(other *hubLink) bool { return other == l })
	others := slices.Clone(h.nodes)
	h.mu.Unlock()
	for _, other := range others {
		other.mu.Lock()
		delete(other.pipes, l)
		other.mu.Unlock()
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.pipes = nil
	close(l.done)
	l.mu.Unlock()
	l.running.Wait()
	return nil
}

package sioadapter

import (
	"context"
	"slices"
	"time"
)

// queue holds the messages that wait for the bus. Cluster.mu guards it.
type queue struct {
	waiting    []Outgoing
	bytes      int
	sizes      []int // of waiting
	publishing bool  // the goroutine of Cluster.publish runs
	dropping   uint64
	numbers    map[string]uint64 // of the last message to each node; "": to all
	posted     time.Time         // when the last message to all was queued
}

// batchSize bounds the messages that are handed to the bus at once.
const batchSize = 256

// post queues a message for the bus. It completes m, which the caller does not
// touch any more.
func (c *Cluster) post(m *Message) error {
	if m.Packet != nil {
		m.Packet = &Packet{Args: kept(m.Packet.Args)}
	}
	m.Selection.Rooms, m.Selection.Except = slices.Clone(m.Selection.Rooms), slices.Clone(m.Selection.Except)
	m.Rooms = slices.Clone(m.Rooms)
	size := m.size()

	c.mu.Lock()
	first, err := c.postLocked(m, size)
	c.mu.Unlock()
	if first {
		c.event(ClusterEvent{Kind: EventOverflow, Count: 1, Err: err})
	}
	return err
}

// Post queues a message for the other nodes, for adapters that do more than a
// Cluster does for itself. It completes m, which is immutable from then on:
// Seq is set, unless messages like this are not counted, also if the error,
// ErrBusFull or ErrClosed, says that the message will not arrive.
func (c *Cluster) Post(m *Message) error { return c.post(m) }

// postLocked queues a message that owns its memory. It is numbered first, so
// that other nodes notice what is lost from here on. overflow says that the
// queue has just become full.
func (c *Cluster) postLocked(m *Message, size int) (overflow bool, err error) {
	if c.closed {
		return false, ErrClosed
	}
	q := &c.queue
	m.From, m.Namespace = c.node, c.name
	if (c.options.Unnumbered == nil || !c.options.Unnumbered(m)) && (m.To == "" || c.nodes.known(m.To)) {
		q.numbers[m.To]++
		m.Seq = q.numbers[m.To]
	}
	if m.Type > MessageHeartbeat && m.Type < MessageGoodbye &&
		(len(q.waiting) >= c.options.MaxQueue || len(q.waiting) > 0 && q.bytes+size > c.options.MaxQueueBytes) {
		q.dropping++
		c.health.Dropped++
		return q.dropping == 1, ErrBusFull
	}
	now := time.Now()
	q.waiting = append(q.waiting, Outgoing{Message: m, Posted: now})
	q.sizes = append(q.sizes, size)
	q.bytes += size
	if m.To == "" {
		q.posted = now
	}
	if !q.publishing {
		q.publishing = true
		// Started by who finds the queue idle; ends when it is empty. Close
		// waits for it, and ends its patience with c.ctx.
		c.running.Go(c.publish)
	}
	return false, nil
}

// publish hands what is queued to the bus until there is nothing.
func (c *Cluster) publish() {
	<-c.opened
	for {
		c.mu.Lock()
		q := &c.queue
		n := min(len(q.waiting), batchSize)
		if n == 0 {
			q.publishing = false
			q.waiting, q.sizes = nil, nil
			c.mu.Unlock()
			return
		}
		batch := slices.Clone(q.waiting[:n])
		c.mu.Unlock()

		// They stay in the queue meanwhile, and count.
		c.link.Publish(c.ctx, batch)

		c.mu.Lock()
		for _, size := range q.sizes[:n] {
			q.bytes -= size
		}
		clear(q.waiting[:n])
		q.waiting, q.sizes = q.waiting[n:], q.sizes[n:]
		events := c.publishedLocked(batch)
		c.mu.Unlock()
		for _, e := range events {
			c.event(e)
		}
	}
}

// publishedLocked takes account of what has become of a batch.
func (c *Cluster) publishedLocked(batch []Outgoing) (events []ClusterEvent) {
	var failed uint64
	var err error
	for _, o := range batch {
		if o.Err != nil {
			failed++
			err = o.Err
		}
	}
	h := &c.health
	h.Published += uint64(len(batch)) - failed
	h.Failed += failed
	if failed > 0 {
		events = append(events, ClusterEvent{Kind: EventPublishFailed, Count: failed, Err: err})
	}
	c.publishStateLocked(batch[len(batch)-1].Err)
	if q := &c.queue; q.dropping > 0 && len(q.waiting) <= c.options.MaxQueue/2 && q.bytes <= c.options.MaxQueueBytes/2 {
		events = append(events, ClusterEvent{Kind: EventOverflowEnded, Count: q.dropping})
		q.dropping = 0
	}
	return events
}

// publishStateLocked takes note of why the bus does not take messages, or nil.
func (c *Cluster) publishStateLocked(err error) {
	if h := &c.health; (err == nil) != (h.Err == nil) {
		h.Since = time.Now()
	}
	c.health.Err = err
}

// heartbeat is called by a timer. It tells the others that this node is alive
// unless something else did.
func (c *Cluster) heartbeat() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	silent := time.Since(c.queue.posted)
	due := silent >= c.options.HeartbeatInterval
	if due {
		silent = 0
	}
	idle := len(c.queue.waiting) == 0 // else those will be the heartbeat when the bus takes them
	c.beat.Reset(c.options.HeartbeatInterval - silent)
	c.mu.Unlock()
	if due && idle {
		_ = c.post(&Message{Type: MessageHeartbeat}) // it fails when the adapter is closed
	}
}

// begin sends a request and tells q who has to report.
func (c *Cluster) begin(q request, m *Message) {
	m.Request = randomName()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		q.expectNames(nil)
		q.giveUp(ErrClosed)
		return
	}
	names := c.nodes.alive()
	if c.heartbeats() && len(names) == 0 {
		m.Request = "" // nobody is known who could answer
	} else {
		c.requests[m.Request] = q
	}
	if !c.heartbeats() {
		// Started for each request; ends when the bus has counted, within
		// RequestTimeout. Close waits for it.
		c.running.Go(func() { c.count(q, m) })
		c.mu.Unlock()
		if m.Type != MessageServerEvent {
			c.request(q, m)
		}
		return
	}
	c.mu.Unlock()

	q.expectNames(names)
	if len(names) == 0 && m.Type == MessageFetch {
		return
	}
	c.request(q, m)
	c.mu.Lock()
	names = slices.DeleteFunc(names, c.nodes.isAlive)
	c.mu.Unlock()
	for _, name := range names { // gone before q knew that it waits for them
		q.gone(name)
	}
}

// request posts a message that q waits for answers to.
func (c *Cluster) request(q request, m *Message) {
	if err := c.post(m); err != nil {
		q.giveUp(err)
	}
}

// count tells q how many nodes have to report. Servers are asked after that,
// since it has to be known before the first answer.
func (c *Cluster) count(q request, m *Message) {
	ctx, cancel := context.WithTimeout(c.ctx, c.options.RequestTimeout)
	defer cancel()
	n, err := c.options.Count(ctx)
	q.expectCount(max(n-1, 0), err)
	if m.Type == MessageServerEvent && err == nil && n > 1 {
		c.request(q, m)
	}
}

// end forgets a request.
func (c *Cluster) end(id string) {
	c.mu.Lock()
	delete(c.requests, id)
	c.mu.Unlock()
}

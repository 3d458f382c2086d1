package sioadapter

import (
	"slices"
	"time"
)

// node is what is remembered of another node.
type node struct {
	seen   time.Time
	state  nodeState
	toAll  uint64 // number of its last message to all; 0: they are not counted
	direct uint64 // the same of those to this node
}

// nodeState is the life of another node, as seen from here. Its name is never
// used again, so that one that has left does not come back; one that has fallen
// silent may.
type nodeState uint8

const (
	nodeAlive nodeState = iota
	nodeSilent
	nodeLeft
)

// nodes are the other nodes, and those that were, as far as they are
// remembered. Cluster.mu guards it.
type nodes struct {
	max    int
	forget bool // the node that was silent longest makes room, even if it is alive
	byName map[string]*node
}

func (ns *nodes) init(max int, forget bool) {
	ns.max, ns.forget, ns.byName = max, forget, make(map[string]*node)
}

// of returns the node with this name, which it makes if there is room for it.
// forgotten is one that had to go.
func (ns *nodes) of(name string) (n *node, forgotten string) {
	if n = ns.byName[name]; n != nil {
		return n, ""
	}
	if len(ns.byName) >= ns.max {
		for other, n := range ns.byName {
			if (ns.forget || n.state != nodeAlive) && (forgotten == "" || n.seen.Before(ns.byName[forgotten].seen)) {
				forgotten = other
			}
		}
		if forgotten == "" {
			return nil, ""
		}
		delete(ns.byName, forgotten)
	}
	n = &node{state: nodeSilent}
	ns.byName[name] = n
	return n, forgotten
}

func (ns *nodes) known(name string) bool { return ns.byName[name] != nil }

func (ns *nodes) isAlive(name string) bool {
	n := ns.byName[name]
	return n != nil && n.state == nodeAlive
}

// alive returns the names of the nodes that are alive, in order.
func (ns *nodes) alive() []string {
	var names []string
	for name, n := range ns.byName {
		if n.state == nodeAlive {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// maxGap is the largest gap between two numbers that is believed.
const maxGap = 1 << 30

// number takes note of the number of a message. missed is how many have not
// come that should have before it; isNew is false if it has come already, or
// too late.
func (n *node) number(m *Message) (missed uint64, isNew bool, err error) {
	last := &n.toAll
	if m.To != "" {
		last = &n.direct
	}
	switch {
	case m.Seq == 0:
		return 0, true, nil
	case m.Seq <= *last:
		return 0, false, nil
	case *last > 0:
		if missed = m.Seq - *last - 1; missed > maxGap {
			return 0, false, malformed("message %d of %q after %d", m.Seq, m.From, *last)
		}
	}
	*last = m.Seq
	return missed, true, nil
}

// hear takes note of a message of another node and reports whether it is to be
// acted upon.
func (c *Cluster) hear(m *Message) bool {
	c.mu.Lock()
	events, err := c.hearLocked(m)
	duplicate := len(events) > 0 && events[0].Kind == EventDuplicate
	c.mu.Unlock()
	if err != nil {
		c.malformed(err)
		return false
	}
	for _, e := range events {
		if e.Kind == EventGap && m.To == "" {
			c.breakRecovery()
		}
		c.event(e)
	}
	return !duplicate
}

func (c *Cluster) hearLocked(m *Message) (events []ClusterEvent, err error) {
	n, forgotten := c.nodes.of(m.From)
	if n == nil {
		return nil, malformed("there are %d nodes already, and %.40q is another", c.options.MaxNodes, m.From)
	}
	if forgotten != "" {
		delete(c.queue.numbers, forgotten)
	}
	missed, isNew, err := n.number(m)
	if err != nil {
		return nil, err
	}
	if !isNew || n.state == nodeLeft {
		c.health.Duplicates++
		return []ClusterEvent{{Kind: EventDuplicate, Node: m.From, Count: 1}}, nil
	}
	c.health.Received++
	c.health.Missed += missed
	n.seen = time.Now()
	switch {
	case m.Type == MessageGoodbye:
		n.state = nodeLeft
		events = append(events, ClusterEvent{Kind: EventNodeLeft, Node: m.From})
	case n.state == nodeSilent:
		n.state = nodeAlive
		events = append(events, ClusterEvent{Kind: EventNodeJoined, Node: m.From})
		c.armSweepLocked()
	}
	if missed > 0 {
		events = append(events, ClusterEvent{Kind: EventGap, Node: m.From, Count: missed})
	}
	return events, nil
}

// breakRecovery tells the adapter of this node that it has not got all.
func (c *Cluster) breakRecovery() {
	if r, ok := c.Adapter.(interface{ Break() }); ok {
		r.Break()
	}
}

// armSweepLocked sets the timer for the node that may be the first to be taken
// for dead.
func (c *Cluster) armSweepLocked() {
	if !c.heartbeats() || c.closed || c.sweep != nil {
		return
	}
	var first time.Time
	for _, n := range c.nodes.byName {
		if n.state == nodeAlive && (first.IsZero() || n.seen.Before(first)) {
			first = n.seen
		}
	}
	if first.IsZero() {
		return
	}
	c.sweepAt = first.Add(c.options.HeartbeatTimeout)
	c.sweep = time.AfterFunc(time.Until(c.sweepAt), c.sweepNodes)
}

// sweepNodes takes those for dead that have been silent for too long. When the
// timer is late, this process was stopped, and the others get another chance.
func (c *Cluster) sweepNodes() {
	var dead []string
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.sweep = nil
	now := time.Now()
	stopped := now.Sub(c.sweepAt) >= c.options.HeartbeatInterval
	for name, n := range c.nodes.byName {
		switch {
		case n.state != nodeAlive:
		case stopped:
			n.seen = now
		case now.Sub(n.seen) >= c.options.HeartbeatTimeout:
			n.state = nodeSilent
			dead = append(dead, name)
		}
	}
	c.armSweepLocked()
	c.mu.Unlock()
	slices.Sort(dead)
	for _, name := range dead {
		c.event(ClusterEvent{Kind: EventNodeLost, Node: name, Err: ErrNodeGone})
		c.gone(name)
	}
}

// gone tells all requests that a node will not report.
func (c *Cluster) gone(name string) {
	c.mu.Lock()
	requests := make([]request, 0, len(c.requests))
	for _, q := range c.requests {
		requests = append(requests, q)
	}
	c.mu.Unlock()
	for _, q := range requests {
		q.gone(name)
	}
}

package sioadapter

import (
	"context"
	"sync"
	"time"

	"github.com/siogo/sio/socketio/sioparser"
)

// receiver is a Cluster as its Link sees it.
type receiver struct{ c *Cluster }

func (r receiver) Malformed(err error) { r.c.malformed(err) }

func (r receiver) Disconnected(err error) {
	c := r.c
	c.mu.Lock()
	first := c.deaf == nil
	c.deaf = err
	if first {
		c.deafAt = time.Now()
	}
	c.mu.Unlock()
	if first {
		c.event(ClusterEvent{Kind: EventDisconnected, Err: err})
	}
}

func (r receiver) Resumed() {
	c := r.c
	c.mu.Lock()
	was := c.deaf
	if was != nil {
		c.deaf, c.deafAt = nil, time.Now()
	}
	c.mu.Unlock()
	if was != nil {
		c.event(ClusterEvent{Kind: EventResumed, Err: was})
	}
}

func (r receiver) Blocked(err error) {
	c := r.c
	c.mu.Lock()
	c.publishStateLocked(err)
	c.mu.Unlock()
}

// Interrupted makes the nodes find each other again. What was lost shows in the
// numbers of the messages to come, for nodes that count theirs.
func (r receiver) Interrupted(err error) {
	c := r.c
	c.mu.Lock()
	c.health.Interruptions++
	if c.deaf != nil {
		c.deaf, c.deafAt = nil, time.Now()
	}
	uncounted := c.options.Unnumbered != nil
	for _, n := range c.nodes.byName {
		uncounted = uncounted || n.state == nodeAlive && n.toAll == 0
	}
	c.mu.Unlock()
	if uncounted {
		c.breakRecovery()
	}
	c.event(ClusterEvent{Kind: EventInterrupted, Err: err})
	if c.heartbeats() {
		_ = c.post(&Message{Type: MessageHello}) // it fails when the adapter is closed
	}
}

func (r receiver) Receive(m *Message) {
	c := r.c
	if m.From == c.node || m.To != "" && m.To != c.node || m.Namespace != "" && m.Namespace != c.name {
		return
	}
	if err := m.Validate(); err != nil {
		c.malformed(err)
		return
	}
	switch m.From {
	case emitterName: // is no node
	case "":
		if c.heartbeats() || !m.isAnswer() {
			c.malformed(malformed("%v from nobody", m.Type))
			return
		}
	default:
		if !c.hear(m) {
			return
		}
	}
	c.act(m)
}

// isAnswer reports whether m answers a request.
func (m *Message) isAnswer() bool {
	switch m.Type {
	case MessageSockets, MessageServerAnswer, MessageClientCount, MessageClientAnswer:
		return true
	}
	return false
}

// act does what a message asks for.
func (c *Cluster) act(m *Message) {
	c.mu.Lock()
	closed, handler, q := c.closed, c.handler, c.requests[m.Request]
	c.mu.Unlock()
	if closed {
		return
	}
	sel := &m.Selection
	switch m.Type {
	case MessageHello:
		if c.heartbeats() {
			_ = c.post(&Message{Type: MessageHeartbeat}) // it fails when the adapter is closed
		}
	case MessageGoodbye:
		c.gone(m.From)
	case MessageBroadcast:
		if m.Request != "" {
			c.serveAsk(m)
			return
		}
		_ = c.Adapter.Broadcast(m.Packet, sel) // that of one node does not fail
	case MessageJoin:
		_ = c.Adapter.JoinAll(sel, m.Rooms...)
	case MessageLeave:
		_ = c.Adapter.LeaveAll(sel, m.Rooms...)
	case MessageDisconnect:
		_ = c.Adapter.DisconnectAll(sel, m.Close)
	case MessageFetch:
		answer := &Message{Type: MessageSockets, To: m.From, Request: m.Request}
		for info := range c.Adapter.Sockets(c.ctx, sel) {
			info.Local = nil
			answer.Sockets = append(answer.Sockets, info)
		}
		_ = c.post(answer) // counted; who asked will miss this node
	case MessageServerEvent:
		if handler != nil {
			handler(c.serverEvent(m))
		}
	default:
		if q != nil && m.isAnswer() {
			q.receive(m)
		}
	}
}

func (c *Cluster) serverEvent(m *Message) *ServerEvent {
	e := &ServerEvent{Packet: m.Packet, From: m.From}
	if m.Request != "" {
		var once sync.Once
		e.Reply = func(args sioparser.Args) (err error) {
			once.Do(func() {
				err = c.post(&Message{Type: MessageServerAnswer, To: m.From, Request: m.Request, Answer: firstOf(args)})
			})
			return err
		}
	}
	return e
}

// firstOf returns the first argument alone, which is all that answers carry.
func firstOf(a sioparser.Args) sioparser.Args {
	if a.Len() > 1 {
		a = a.Only(0)
	}
	return kept(a)
}

// asking is a request for acknowledgement of another node: the Answers of this
// node's sockets, on their way there.
type asking struct {
	c *Cluster
	m *Message // the request

	mu       sync.Mutex
	expected int
	asked    bool
	ended    bool
	cancel   func() // stop of the adapter; nil until it is known
	timer    *time.Timer
}

func (c *Cluster) serveAsk(m *Message) {
	a := &asking{c: c, m: m}
	c.mu.Lock()
	if c.closed || len(c.asked) >= c.options.MaxAsked {
		c.health.Dropped++
		c.mu.Unlock()
		return
	}
	c.asked[a] = struct{}{}
	c.mu.Unlock()

	timeout := m.Timeout
	if timeout <= 0 {
		timeout = c.options.AnswerTimeout
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	stop, err := c.Adapter.Ask(ctx, m.Packet, &m.Selection, a)
	if err != nil { // that of one node does not fail
		a.stop()
		return
	}
	a.mu.Lock()
	a.cancel = stop
	ended := a.ended
	if !ended {
		a.timer = time.AfterFunc(timeout, a.stop)
	}
	a.mu.Unlock()
	if ended {
		stop()
	}
}

// Expect tells the node that asked how many will answer, none included.
func (a *asking) Expect(n int, ids []string) {
	a.mu.Lock()
	a.expected += n
	a.mu.Unlock()
	m := &Message{Type: MessageClientCount, Count: n}
	if a.m.Detailed && len(ids) == n && n <= maxAskedIDs {
		m.Asked = ids
	}
	a.post(m)
}

// Answer passes one on. That there will be none, the reference has no form for.
func (a *asking) Answer(id string, args sioparser.Args, err error) {
	if err == nil || a.m.Detailed {
		m := &Message{Type: MessageClientAnswer, Answer: firstOf(args)}
		if a.m.Detailed {
			m.Socket = id
		}
		if err != nil {
			m.Err = err.Error()
			if m.Err == "" {
				m.Err = "no answer"
			}
		}
		a.post(m)
	}
	a.mu.Lock()
	a.expected--
	a.mu.Unlock()
	a.endIfDone()
}

// Asked implements Answers: all sockets of this node have been counted.
func (a *asking) Asked(error) {
	a.mu.Lock()
	a.asked = true
	a.mu.Unlock()
	a.endIfDone()
}

func (a *asking) post(m *Message) {
	m.To, m.Request = a.m.From, a.m.Request
	_ = a.c.post(m) // counted; who asked will miss it
}

func (a *asking) endIfDone() {
	a.mu.Lock()
	done := a.asked && a.expected <= 0
	a.mu.Unlock()
	if done {
		a.stop()
	}
}

// stop ends the request. It is also called by the timer, and by Close.
func (a *asking) stop() {
	a.mu.Lock()
	first := !a.ended
	a.ended = true
	cancel := a.cancel
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	if !first {
		return
	}
	a.c.mu.Lock()
	delete(a.c.asked, a)
	a.c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

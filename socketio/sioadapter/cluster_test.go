package sioadapter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/siogo/sio/socketio/sioparser"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is a node under test: a namespace, its Cluster, and what was heard.
type peer struct {
	*Cluster
	hub *Hub

	mu     sync.Mutex
	events []ClusterEvent
}

// site is the namespace of a peer.
type site struct{ *peer }

func (site) Name() string             { return "/" }
func (site) Parser() sioparser.Parser { return sioparser.JSON(nil) }
func (site) Logger() *slog.Logger     { return slog.New(slog.DiscardHandler) }

func (s site) Describe(m Member) Info      { return Info{ID: m.ID(), Rooms: s.Rooms(m)} }
func (s site) Disconnect(m Member, _ bool) { s.Remove(m) }

func (site) Deliver(p *Packet, _ Flags, to []Member) {
	for _, m := range to {
		m.(*mate).take(p)
	}
}

func (site) Ask(p *Packet, _ Flags, to []Member, a Answers) (stop func()) {
	for _, m := range to {
		m.(*mate).ask(p, a)
	}
	return func() {
		for _, m := range to {
			m.(*mate).stopped(a)
		}
	}
}

// join opens a node with one member, which is called like the node.
func join(hub *Hub, bus Bus, o ClusterOptions) (*peer, *mate) {
	p := &peer{hub: hub}
	o.OnEvent = func(e ClusterEvent) {
		p.mu.Lock()
		p.events = append(p.events, e)
		p.mu.Unlock()
	}
	p.Cluster = NewCluster(site{p}, bus, &o)
	m := &mate{id: "member of " + o.Name}
	p.Add(m)
	return p, m
}

// cluster opens two nodes, and lets them know each other.
func cluster(t *testing.T, o ClusterOptions) (hub *Hub, a, b *peer, ma, mb *mate) {
	hub = NewHub(nil)
	o.Name = "a"
	a, ma = join(hub, hub, o)
	o.Name = "b"
	b, mb = join(hub, hub, o)
	t.Cleanup(func() {
		for _, p := range []*peer{a, b} {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	synctest.Wait()
	a.heard()
	b.heard()
	return hub, a, b, ma, mb
}

// heard returns the events since the last call, without what they do not share
// between runs.
func (p *peer) heard() (kinds []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		s := e.Kind.String()
		if e.Count > 0 {
			s += fmt.Sprint(" ", e.Count)
		}
		kinds = append(kinds, s)
	}
	p.events = nil
	return kinds
}

func (p *peer) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := p.heard(); !slices.Equal(got, want) {
		t.Errorf("%s heard %q, want %q", p.node, got, want)
	}
}

// idle reports what has been left behind by requests.
func (p *peer) idle(t *testing.T) {
	t.Helper()
	p.Cluster.mu.Lock()
	defer p.Cluster.mu.Unlock()
	if n, m := len(p.requests), len(p.asked); n+m > 0 {
		t.Errorf("%s still has %d requests of its own and %d of others", p.node, n, m)
	}
}

// mate is a member that keeps what it gets.
type mate struct {
	id   string
	seat Seat

	mu      sync.Mutex
	inbox   []string
	packets []*Packet // the same
	mute    bool
	err     error // of its answers
	waits   []Answers
}

func (m *mate) ID() string  { return m.id }
func (m *mate) Seat() *Seat { return &m.seat }

func (m *mate) take(p *Packet) {
	m.mu.Lock()
	m.inbox = append(m.inbox, string(p.Args.Raw()))
	m.packets = append(m.packets, p)
	m.mu.Unlock()
}

func (m *mate) ask(p *Packet, a Answers) {
	m.take(p)
	m.mu.Lock()
	mute, err := m.mute, m.err
	if mute {
		m.waits = append(m.waits, a)
	}
	m.mu.Unlock()
	switch {
	case mute:
	case err != nil:
		a.Answer(m.id, sioparser.Args{}, err)
	default:
		a.Answer(m.id, args(`["yes"]`), nil)
	}
}

func (m *mate) stopped(a Answers) {
	m.mu.Lock()
	m.waits = slices.DeleteFunc(m.waits, func(b Answers) bool { return a == b })
	m.mu.Unlock()
}

func (m *mate) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.waits)
}

func (m *mate) got() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	inbox := m.inbox
	m.inbox, m.packets = nil, nil
	return inbox
}

func (m *mate) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := m.got(); !slices.Equal(got, want) {
		t.Errorf("%s got %.200q, want %.200q", m.id, got, want)
	}
}

func number(i int) *Packet { return packet(fmt.Sprintf(`["e",%d]`, i)) }

func numbered(from, to int) (texts []string) {
	for i := from; i <= to; i++ {
		texts = append(texts, fmt.Sprintf(`["e",%d]`, i))
	}
	return texts
}

func emit(t *testing.T, p *peer, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := p.Broadcast(number(i), &Selection{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFault_C16_Duplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, _, mb := cluster(t, ClusterOptions{})
		hub.SetFault(func(_, _ string, m *Message) Fault { return Fault{Duplicate: 2} })
		emit(t, a, 1, 3)
		synctest.Wait()
		mb.expect(t, numbered(1, 3)...)
		if h := b.Health(); h.Duplicates != 6 || h.Missed != 0 {
			t.Errorf("%+v", h)
		}
		if got := b.heard(); len(got) != 6 || got[0] != "duplicate message 1" {
			t.Errorf("events %q", got)
		}
	})
}

func TestLossesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, ma, mb := cluster(t, ClusterOptions{})
		lost := []string{"3", "4", "5", "6", "9"}
		hub.SetFault(func(_, _ string, m *Message) Fault {
			return Fault{Drop: m.Type == MessageBroadcast && slices.Contains(lost, string(m.Packet.Args.At(1)))}
		})
		emit(t, a, 1, 8)
		synctest.Wait()
		ma.expect(t, numbered(1, 8)...)
		mb.expect(t, slices.Concat(numbered(1, 2), numbered(7, 8))...)
		b.expect(t, "messages lost 4")
		if h := b.Health(); h.Missed != 4 {
			t.Errorf("%+v", h)
		}

		// A loss at the end shows with the next heartbeat.
		emit(t, a, 9, 9)
		time.Sleep(a.options.HeartbeatInterval + time.Millisecond)
		synctest.Wait()
		b.expect(t, "messages lost 1")
	})
}

// What is late has been reported as lost: it does not come out of order.
func TestOrderIsKeptWhenTheBusDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, _, mb := cluster(t, ClusterOptions{})
		var late []byte
		hub.SetFault(func(_, _ string, m *Message) Fault {
			if m.Type == MessageBroadcast && string(m.Packet.Args.At(1)) == "2" {
				late, _ = Framed.Append(nil, m)
				return Fault{Drop: true}
			}
			return Fault{}
		})
		emit(t, a, 1, 3)
		synctest.Wait()
		hub.Inject(b.node, late)
		synctest.Wait()
		mb.expect(t, `["e",1]`, `["e",3]`)
		b.expect(t, "messages lost 1", "duplicate message 1")
	})
}

func TestDelaysKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, ma, mb := cluster(t, ClusterOptions{})
		hub.SetFault(func(_, _ string, m *Message) Fault {
			return Fault{Delay: time.Duration(m.Seq%3) * 100 * time.Millisecond}
		})
		emit(t, a, 1, 10)
		ma.expect(t, numbered(1, 10)...) // at once
		time.Sleep(2 * time.Second)
		synctest.Wait()
		mb.expect(t, numbered(1, 10)...)
		b.expect(t)
	})
}

// slowBus is a bus that takes nothing while it is stalled.
type slowBus struct {
	Bus
	mu   sync.Mutex
	gate chan struct{} // nil: it goes on
}

type slowLink struct {
	Link
	bus *slowBus
}

func (b *slowBus) Open(ns, node string, r Receiver) Link {
	return slowLink{b.Bus.Open(ns, node, r), b}
}

func (b *slowBus) stall() (resume func()) {
	gate := make(chan struct{})
	b.mu.Lock()
	b.gate = gate
	b.mu.Unlock()
	return func() {
		b.mu.Lock()
		b.gate = nil
		b.mu.Unlock()
		close(gate)
	}
}

func (l slowLink) Publish(ctx context.Context, batch []Outgoing) {
	l.bus.mu.Lock()
	gate := l.bus.gate
	l.bus.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			for i := range batch {
				batch[i].Err = ctx.Err()
			}
			return
		}
	}
	l.Link.Publish(ctx, batch)
}

// The bus stalls, and much is emitted: local delivery goes on, the queue is
// bounded, what does not fit is reported to who emits it, and counted exactly
// on both sides.
func TestFault_C08_StalledBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		bus := &slowBus{Bus: hub}
		a, ma := join(hub, bus, ClusterOptions{Name: "a", MaxQueue: 100})
		b, mb := join(hub, hub, ClusterOptions{Name: "b"})
		defer b.Close()
		defer a.Close()
		synctest.Wait()
		a.heard()
		b.heard()
		resume := bus.stall()
		start := time.Now()
		emit(t, a, 1, 100)
		for i := 101; i <= 150; i++ {
			if err := a.Broadcast(number(i), &Selection{}); !errors.Is(err, ErrBusFull) {
				t.Fatalf("event %d: %v, want ErrBusFull", i, err)
			}
		}
		ma.expect(t, numbered(1, 150)...)
		if d := time.Since(start); d != 0 {
			t.Errorf("local delivery waited for %v", d)
		}
		if h := a.Health(); h.Dropped != 50 || h.Queued != 100 {
			t.Errorf("%+v", h)
		}
		for _, err := range a.Sockets(t.Context(), &Selection{}) {
			if err != nil && !errors.Is(err, ErrBusFull) {
				t.Errorf("Sockets with a full queue: %v", err)
			}
		}
		a.expect(t, "queue overflow 1")
		resume()
		synctest.Wait()
		a.expect(t, "queue overflow ended 51") // with the request of Sockets
		mb.expect(t, numbered(1, 100)...)
		emit(t, a, 151, 151)
		synctest.Wait()
		mb.expect(t, `["e",151]`)
		b.expect(t, "messages lost 51")
		if h := a.Health(); h.Queued != 0 || h.QueuedBytes != 0 {
			t.Errorf("%+v", h)
		}
	})
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		bus := &slowBus{Bus: hub}
		a, _ := join(hub, bus, ClusterOptions{Name: "a", MaxQueueBytes: 3000})
		defer a.Close()
		synctest.Wait()
		defer bus.stall()()
		big := packet(`["e","` + string(make([]byte, 0)) + fmt.Sprintf("%02000d", 1) + `"]`)
		if err := a.Broadcast(big, &Selection{}); err != nil {
			t.Error(err)
		}
		if err := a.Broadcast(big, &Selection{}); !errors.Is(err, ErrBusFull) {
			t.Errorf("%v, want ErrBusFull", err)
		}
		if err := a.Broadcast(number(1), &Selection{}); err != nil {
			t.Errorf("a small one does not fit: %v", err)
		}
	})
}

func TestFault_C01_BusIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, ma, mb := cluster(t, ClusterOptions{})
		down := errors.New("connection refused")
		hub.Fail(down)
		emit(t, a, 1, 5)
		synctest.Wait()
		ma.expect(t, numbered(1, 5)...)
		if h := a.Health(); !errors.Is(h.Err, down) || h.Failed != 5 {
			t.Errorf("%+v", h)
		}
		if got := a.heard(); len(got) < 2 || got[0] != "bus disconnected" || got[1][:14] != "publish failed" {
			t.Errorf("events %q", got)
		}
		time.Sleep(3 * time.Second)
		hub.Fail(nil)
		emit(t, a, 6, 6)
		synctest.Wait()
		mb.expect(t, `["e",6]`)
		if got := b.heard(); !slices.Contains(got, "messages lost 5") || !slices.Contains(got, "bus interrupted") {
			t.Errorf("events %q, want the five that were lost", got)
		}
		if h := a.Health(); h.Err != nil || h.Interruptions != 1 || len(h.Nodes) != 1 {
			t.Errorf("%+v", h)
		}
	})
}

func TestFault_C02_RequestsWhileTheBusIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, _, _ := cluster(t, ClusterOptions{})
		hub.Fail(errors.New("connection refused"))
		start := time.Now()
		n := 0
		var got error
		for _, err := range a.Sockets(t.Context(), &Selection{}) {
			if got = err; err == nil {
				n++
			}
		}
		var p *PartialError
		if n != 1 || !errors.As(got, &p) || p.Answered != 0 || !slices.Equal(p.Missing, []string{b.node}) || !errors.Is(got, context.DeadlineExceeded) {
			t.Errorf("%d sockets, %v", n, got)
		}
		if d := time.Since(start); d != a.options.RequestTimeout {
			t.Errorf("it took %v, want exactly %v", d, a.options.RequestTimeout)
		}
		a.idle(t)
	})
}

func TestFault_C04_SilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, _, _ := cluster(t, ClusterOptions{})
		emit(t, b, 1, 1)
		synctest.Wait()
		seen := time.Now()
		hub.Cut(b.node, "")
		time.Sleep(a.options.HeartbeatTimeout - time.Nanosecond)
		synctest.Wait()
		a.expect(t)
		if h := a.Health(); len(h.Nodes) != 1 || h.Nodes[0].Name != b.node || h.Nodes[0].Seen != seen {
			t.Errorf("%+v", h)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		a.expect(t, "node lost")
		start := time.Now()
		for _, err := range a.Sockets(t.Context(), &Selection{}) {
			if err != nil {
				t.Errorf("the dead node is missed: %v", err)
			}
		}
		if time.Since(start) != 0 {
			t.Error("the dead node was waited for")
		}
		hub.Heal()
		time.Sleep(a.options.HeartbeatInterval)
		synctest.Wait()
		if got := a.heard(); len(got) != 2 || got[0] != "node joined" {
			t.Errorf("events %q, want that it is back, and what was lost", got)
		}
	})
}

// A request is under way when the node dies.
func TestFault_N05_NodeDiesWhileItIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, _, mb := cluster(t, ClusterOptions{})
		mb.mute = true
		var got answers
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		stop, err := a.Ask(ctx, number(1), &Selection{}, &got)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got.expected != 2 || !got.asked || got.partial != nil || mb.waiting() != 1 {
			t.Fatalf("%+v", got)
		}
		hub.Cut(b.node, "")
		time.Sleep(a.options.HeartbeatTimeout)
		synctest.Wait()
		var node *NodeError
		if len(got.errs) != 1 || !errors.As(got.errs[0], &node) || node.Node != b.node || !errors.Is(node, ErrNodeGone) {
			t.Errorf("errors %v", got.errs)
		}
		stop()
		a.idle(t)
		time.Sleep(time.Minute) // the other node gives up when the request says
		synctest.Wait()
		b.idle(t)
		if mb.waiting() != 0 {
			t.Error("the other node still waits for its socket")
		}
	})
}

// A node that has named whom it asks cannot answer for others, and those that
// will not answer when it has gone have their names.
func TestAnswersAreOfThoseThatWereAsked(t *testing.T) {
	var got answers
	q := &ask{to: &got, local: true}
	q.expectNames([]string{"b"})
	q.receive(&Message{Type: MessageClientAnswer, From: "b", Socket: "s"}) // too early
	q.receive(&Message{Type: MessageClientCount, From: "b", Count: 3, Asked: []string{"s", "t", "u"}})
	q.receive(&Message{Type: MessageClientCount, From: "b", Count: 3, Asked: []string{"x", "y", "z"}})
	q.receive(&Message{Type: MessageClientAnswer, From: "b", Socket: "x"})
	q.receive(&Message{Type: MessageClientAnswer, From: "b"})
	q.receive(&Message{Type: MessageClientAnswer, From: "c", Socket: "s"})
	q.receive(&Message{Type: MessageClientAnswer, From: "b", Socket: "t"})
	q.receive(&Message{Type: MessageClientAnswer, From: "b", Socket: "t"})
	q.gone("b")
	if want := []string{"t", "s", "u"}; !slices.Equal(got.from, want) || len(got.errs) != 2 || got.expected != 3 || !got.asked || got.partial != nil {
		t.Errorf("answers of %q, want %q: %+v", got.from, want, got)
	}
}

// A node does not even report how many it asks.
func TestMuteNodeIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, _, _ := cluster(t, ClusterOptions{HeartbeatTimeout: time.Hour})
		hub.SetFault(func(from, _ string, m *Message) Fault { return Fault{Drop: from == b.node} })
		var p *PartialError

		// It is given up after RequestTimeout.
		var got answers
		start := time.Now()
		stop, _ := a.Ask(t.Context(), number(1), &Selection{}, &got)
		time.Sleep(time.Minute)
		synctest.Wait()
		if d := got.at.Sub(start); d != a.options.RequestTimeout {
			t.Errorf("it was given up after %v, want exactly %v", d, a.options.RequestTimeout)
		}
		if !got.asked || !errors.As(got.partial, &p) || !slices.Equal(p.Missing, []string{b.node}) || p.Expected != 1 || p.Answered != 0 {
			t.Errorf("%+v", got)
		}
		stop()

		// Who asked may lose patience before.
		got = answers{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stop, _ = a.Ask(ctx, number(1), &Selection{}, &got)
		<-ctx.Done()
		stop()
		if !got.asked || !errors.As(got.partial, &p) || !errors.Is(p, context.DeadlineExceeded) || !slices.Equal(p.Missing, []string{b.node}) {
			t.Errorf("%+v", got)
		}
		if text := p.Error(); text != "sioadapter: 0 of 1 other nodes have answered, without "+b.node+": context deadline exceeded" {
			t.Error(text)
		}
		a.idle(t)
		time.Sleep(a.options.AnswerTimeout)
	})
}

func TestErrorsOfOtherNodesSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, _, mb := cluster(t, ClusterOptions{})
		mb.err = errors.New("it has left")
		var got answers
		stop, _ := a.Ask(t.Context(), number(1), &Selection{}, &got)
		synctest.Wait()
		if len(got.errs) != 1 || got.errs[0].Error() != "sioadapter: node "+b.node+": it has left" || !slices.Contains(got.from, mb.id) {
			t.Errorf("%+v", got)
		}
		stop()
		b.idle(t)
	})
}

// The partition heals: nobody gets anything twice, and each loss is counted.
func TestFault_C09_Partition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, ma, mb := cluster(t, ClusterOptions{})
		emit(t, a, 1, 1)
		synctest.Wait()
		hub.Cut(a.node, b.node)
		emit(t, a, 2, 4)
		emit(t, b, 5, 5)
		time.Sleep(29 * time.Second)
		hub.Heal()
		emit(t, a, 6, 6)
		synctest.Wait()
		ma.expect(t, `["e",1]`, `["e",2]`, `["e",3]`, `["e",4]`, `["e",6]`)
		mb.expect(t, `["e",1]`, `["e",5]`, `["e",6]`)
		// While they were apart, heartbeats were lost too.
		if h := b.Health(); h.Missed != 3+5 || h.Duplicates != 0 {
			t.Errorf("%+v", h)
		}
		if got := b.heard(); !slices.Equal(got, []string{"node lost", "node joined", "messages lost 8"}) {
			t.Errorf("events %q", got)
		}
	})
}

// A process that was stopped finds all others silent. It gives them a chance.
func TestFault_C05_StoppedProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, _, _ := cluster(t, ClusterOptions{})
		a.Cluster.mu.Lock()
		a.sweep.Stop()
		a.sweepAt = time.Now().Add(-time.Minute) // the timer was due a minute ago
		for _, n := range a.nodes.byName {
			n.seen = time.Now().Add(-time.Minute)
		}
		a.Cluster.mu.Unlock()
		a.sweepNodes()
		a.expect(t)
		time.Sleep(time.Minute)
		synctest.Wait()
		a.expect(t)
		if h := a.Health(); len(h.Nodes) != 1 || h.Nodes[0].Name != b.node {
			t.Errorf("%+v", h)
		}
	})
}

func TestFault_C03_S31_HostileBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, _, ma, _ := cluster(t, ClusterOptions{MaxNodes: 10})
		for _, wire := range malformedMessages {
			hub.Inject(a.node, []byte(wire))
		}
		if h := a.Health(); h.Malformed != uint64(len(malformedMessages)) {
			t.Errorf("%d malformed messages are counted, want %d", h.Malformed, len(malformedMessages))
		}
		malformed := len(malformedMessages)
		for _, wire := range []string{
			`{"uid":"","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["e"]},"opts":{}}}`,
			`{"uid":"","nsp":"/","type":8,"data":{"requestId":"r","sockets":[]}}`,
		} {
			hub.Inject(a.node, []byte(wire))
			malformed++
		}
		for _, wire := range []string{ // not for us
			`{"uid":"x","nsp":"/other","type":3,"data":{"packet":{"type":2,"data":["e"]},"opts":{}}}`,
			`{"uid":"x","nsp":"/","type":3,"to":"y","data":{"packet":{"type":2,"data":["e"]},"opts":{}}}`,
			`{"uid":"` + a.node + `","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["e"]},"opts":{}}}`,
			`{"uid":"b","nsp":"/","type":8,"data":{"requestId":"never asked","sockets":[]}}`,
			`{"uid":"b","nsp":"/","type":12,"data":{"requestId":"never asked"}}`,
		} {
			hub.Inject(a.node, []byte(wire))
		}
		for i := range 1000 { // made-up nodes
			hub.Inject(a.node, fmt.Appendf(nil, `{"uid":"fake%d","nsp":"/","type":2}`, i))
		}
		malformed += 1000 - (10 - 2) // "b" above is one, too
		hub.Inject(a.node, []byte(`{"uid":"fake1","nsp":"/","type":2,"seq":1}`))
		hub.Inject(a.node, []byte(`{"uid":"fake1","nsp":"/","type":2,"seq":99999999999}`))
		malformed++
		if h := a.Health(); h.Malformed != uint64(malformed) || len(h.Nodes) != 10 {
			t.Errorf("%d malformed messages and %d nodes, want %d and 10", h.Malformed, len(h.Nodes), malformed)
		}
		ma.expect(t)

		// Answers that lie about their number, and come twice.
		var got answers
		ma.mute = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stop, _ := a.Ask(ctx, number(1), &Selection{}, &got)
		a.Cluster.mu.Lock()
		var id string
		for id = range a.requests {
		}
		a.Cluster.mu.Unlock()
		inject := func(format string) { hub.Inject(a.node, fmt.Appendf(nil, format, id)) }
		inject(`{"uid":"fake1","nsp":"/","type":12,"data":{"requestId":"%s","packet":"before the count"}}`)
		inject(`{"uid":"fake1","nsp":"/","type":11,"data":{"requestId":"%s","clientCount":1}}`)
		inject(`{"uid":"fake1","nsp":"/","type":11,"data":{"requestId":"%s","clientCount":5}}`)
		inject(`{"uid":"fake1","nsp":"/","type":12,"data":{"requestId":"%s","packet":1}}`)
		inject(`{"uid":"fake1","nsp":"/","type":12,"data":{"requestId":"%s","packet":2}}`)
		inject(`{"uid":"fake1","nsp":"/","type":8,"data":{"requestId":"%s","sockets":[]}}`)
		inject(`{"uid":"fake1","nsp":"/","type":10,"data":{"requestId":"%s","packet":2}}`)
		synctest.Wait()
		if got.expected != 3 || len(got.from) != 2 { // both nodes' members, one of them is mute, and one of fake1
			t.Errorf("%+v", got)
		}
		<-ctx.Done()
		stop()
		a.idle(t)

		// It all still works.
		emit(t, a, 1, 1)
		if got := ma.got(); len(got) == 0 {
			t.Error("local delivery has stopped")
		}
	})
}

// Requests for acknowledgement from another node are bounded, too.
func TestFloodOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, _, ma, _ := cluster(t, ClusterOptions{MaxAsked: 5})
		ma.mute = true
		for i := range 20 {
			hub.Inject(a.node, fmt.Appendf(nil, `{"uid":"x","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["e"]},"opts":{},"requestId":"%d"}}`, i))
		}
		if n := ma.waiting(); n != 5 {
			t.Errorf("%d requests wait for the socket, want 5", n)
		}
		time.Sleep(a.options.AnswerTimeout)
		synctest.Wait()
		if n := ma.waiting(); n != 0 {
			t.Errorf("%d requests still wait for the socket", n)
		}
		a.idle(t)
	})
}

// Emitters are no nodes: they are not waited for.
func TestEmitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, _, ma, _ := cluster(t, ClusterOptions{})
		hub.Inject(a.node, []byte(`{"uid":"emitter","type":3,"data":{"packet":{"type":2,"data":["e",1],"nsp":"/"},"opts":{"rooms":[],"except":[],"flags":{}}}}`))
		ma.expect(t, `["e",1]`)
		if h := a.Health(); len(h.Nodes) != 1 {
			t.Errorf("%+v", h.Nodes)
		}
	})
}

// Nodes of the reference neither count messages nor say which socket answers.
func TestNodeOfTheReference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(JSON)
		a, ma := join(hub, hub, ClusterOptions{Name: "a"})
		defer a.Close()
		synctest.Wait()
		other := &reference{}
		link := hub.Open("/", "0123456789abcdef", other)
		defer link.Close()
		say := func(m *Message) {
			m.From, m.Namespace = "0123456789abcdef", "/"
			link.Publish(t.Context(), []Outgoing{{Message: m}})
			synctest.Wait()
		}
		say(&Message{Type: MessageHello})
		if got := other.heard(); !slices.Equal(got, []string{"heartbeat"}) {
			t.Errorf("a node that comes is told %q", got)
		}
		say(&Message{Type: MessageBroadcast, Packet: number(1), Request: "1", Timeout: time.Second})
		ma.expect(t, `["e",1]`)
		if got := other.heard(); !slices.Equal(got, []string{"client count 1 of  1", `client answer 1 of  ["yes"]`}) {
			t.Errorf("answers %q", got)
		}
		ma.err = errors.New("no")
		say(&Message{Type: MessageBroadcast, Packet: number(2), Request: "2", Timeout: time.Second})
		if got := other.heard(); !slices.Equal(got, []string{"client count 2 of  1"}) {
			t.Errorf("answers %q, want none: the reference would take an error for an answer", got)
		}
		a.OnServerEvent(func(e *ServerEvent) { _ = e.Reply(args(`[1,2]`)) })
		say(&Message{Type: MessageServerEvent, Packet: number(3), Request: "3"})
		if got := other.heard(); !slices.Equal(got, []string{`server answer 3 of  [1]`}) {
			t.Errorf("answers %q", got)
		}
	})
}

// reference writes down what it is told.
type reference struct {
	mu  sync.Mutex
	log []string
}

func (r *reference) Receive(m *Message) {
	s := m.Type.String()
	if m.isAnswer() {
		s += " " + m.Request + " of " + m.Socket + " "
		if m.Type == MessageClientCount {
			s += fmt.Sprint(m.Count)
		} else {
			s += string(m.Answer.Raw())
		}
	}
	r.mu.Lock()
	r.log = append(r.log, s)
	r.mu.Unlock()
}

func (r *reference) Malformed(err error) { panic(err) }
func (r *reference) Disconnected(error)  {}
func (r *reference) Resumed()            {}
func (r *reference) Interrupted(error)   {}
func (r *reference) Blocked(error)       {}

func (r *reference) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	log := r.log
	r.log = nil
	return log
}

// On a bus that knows how many nodes there are, they need not announce
// themselves.
func TestCountedNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 2
		var failure error
		count := func(ctx context.Context) (int, error) {
			time.Sleep(time.Millisecond)
			return n, failure
		}
		hub, a, b, _, mb := cluster(t, ClusterOptions{Count: count})
		var mu sync.Mutex
		chatter := 0
		hub.SetFault(func(string, string, *Message) Fault {
			mu.Lock()
			chatter++
			mu.Unlock()
			return Fault{}
		})
		time.Sleep(time.Minute)
		if chatter != 0 {
			t.Errorf("%d messages although nothing is to be said", chatter)
		}
		fetch := func() (found int, err error) {
			for _, e := range a.Sockets(t.Context(), &Selection{}) {
				if err = e; e == nil {
					found++
				}
			}
			return found, err
		}
		if found, err := fetch(); found != 2 || err != nil {
			t.Errorf("%d sockets, %v", found, err)
		}
		ask := func() *answers {
			got := &answers{}
			stop, err := a.Ask(t.Context(), number(1), &Selection{}, got)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(a.options.RequestTimeout)
			synctest.Wait()
			stop()
			return got
		}
		if got := ask(); got.expected != 2 || len(got.from) != 2 || got.partial != nil {
			t.Errorf("%+v", got)
		}
		b.OnServerEvent(func(e *ServerEvent) { _ = e.Reply(args(`[7]`)) })
		askServers := func() *answers {
			got := &answers{}
			stop, err := a.ServerAsk(t.Context(), number(1), got)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			stop()
			return got
		}
		if got := askServers(); got.expected != 1 || len(got.from) != 1 || got.from[0] != b.node {
			t.Errorf("%+v", got)
		}

		// One more is counted than answers.
		n = 3
		var p *PartialError
		if found, err := fetch(); found != 2 || !errors.As(err, &p) || p.Answered != 1 || p.Expected != 2 || p.Missing != nil {
			t.Errorf("%d sockets, %v", found, err)
		}
		if got := ask(); got.expected != 2 || !errors.As(got.partial, &p) || p.Answered != 1 || p.Expected != 2 {
			t.Errorf("%+v", got)
		}
		if got := askServers(); got.expected != 2 || len(got.from) != 1 || got.partial != nil {
			t.Errorf("%+v", got)
		}

		// The bus cannot count.
		failure = errors.New("no connection")
		if _, err := fetch(); !errors.Is(err, failure) {
			t.Errorf("error %v", err)
		}
		if got := ask(); !errors.Is(got.partial, failure) {
			t.Errorf("%+v", got)
		}
		if got := askServers(); !errors.Is(got.partial, failure) {
			t.Errorf("%+v", got)
		}
		a.idle(t)
		b.idle(t)
		mb.got()
	})
}

// Close does not wait for a bus that does not answer longer than it should.
func TestCloseWithAStalledBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		bus := &slowBus{Bus: hub}
		a, ma := join(hub, bus, ClusterOptions{Name: "a"})
		b, _ := join(hub, hub, ClusterOptions{Name: "b"})
		defer b.Close()
		synctest.Wait()
		defer bus.stall()()
		ma.mute = true
		var got answers
		stop, _ := a.Ask(t.Context(), number(1), &Selection{}, &got)
		start := time.Now()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != a.options.CloseTimeout {
			t.Errorf("Close took %v, want exactly %v", d, a.options.CloseTimeout)
		}
		if !got.asked || !errors.Is(got.partial, ErrClosed) {
			t.Errorf("%+v", got)
		}
		stop()
		if err := a.Broadcast(number(1), &Selection{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Broadcast after Close: %v", err)
		}
		got = answers{}
		stop, _ = a.ServerAsk(t.Context(), number(1), &got)
		stop()
		if !got.asked || got.expected != 0 {
			t.Errorf("%+v", got)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
	})
}

func TestGoodbyeIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, _, mb := cluster(t, ClusterOptions{})
		emit(t, a, 1, 50)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		mb.expect(t, numbered(1, 50)...)
		b.expect(t, "node left")
		if h := b.Health(); len(h.Nodes) != 0 {
			t.Errorf("%+v", h)
		}
	})
}

// Clients of this node can only be recovered as long as it has heard all of
// what other nodes emitted.
func TestGapsEndRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, b, _, _ := cluster(t, ClusterOptions{Local: Recoverable(nil)})
		rec := b.Recovery()
		m := &mate{id: "me"}
		pid, offset := rec.Add(m)
		claim := func() error {
			_, err := rec.Claim(t.Context(), pid, offset, func(Member) { rec.Detach(m, nil) })
			return err
		}
		emit(t, a, 1, 1)
		synctest.Wait()
		if err := claim(); err != nil {
			t.Fatal(err)
		}
		hub.SetFault(func(string, string, *Message) Fault { return Fault{Drop: true} })
		emit(t, a, 2, 2)
		synctest.Wait()
		hub.SetFault(nil)
		if err := claim(); err != nil {
			t.Errorf("before it is known: %v", err)
		}
		emit(t, a, 3, 3)
		synctest.Wait()
		if err := claim(); !errors.Is(err, ErrNotRecoverable) {
			t.Errorf("after a gap: %v", err)
		}
		m = &mate{id: "you"}
		pid, offset = rec.Add(m)
		emit(t, a, 4, 4)
		synctest.Wait()
		if err := claim(); err != nil {
			t.Errorf("a session that began after the gap: %v", err)
		}
	})
}

// Nothing that comes by the bus harms a node: it stays able to serve its own
// members, and forgets what was asked.
func FuzzNode(f *testing.F) {
	for _, tt := range messageCases {
		f.Add([]byte(tt.wire), []byte(tt.wire))
	}
	for _, wire := range malformedMessages {
		f.Add([]byte(wire), []byte(`{"uid":"b2","nsp":"/","type":13}`))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		hub := NewHub(nil)
		p, m := join(hub, hub, ClusterOptions{Local: Recoverable(nil), AnswerTimeout: time.Millisecond, MaxNodes: 3})
		hub.Inject(p.node, []byte(`{"uid":"b2","nsp":"/","type":1}`))
		p.Cluster.mu.Lock()
		p.Cluster.requests["r"] = &ask{to: &answers{}} // the request of the seeds
		p.Cluster.mu.Unlock()
		hub.Inject(p.node, first)
		hub.Inject(p.node, second)
		p.Add(m) // it may have been disconnected
		m.got()
		if err := p.Broadcast(number(1), &Selection{}); err != nil {
			t.Error(err)
		}
		m.expect(t, `["e",1]`)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		p.idle(t)
	})
}

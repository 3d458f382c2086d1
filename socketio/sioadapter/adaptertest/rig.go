package adaptertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// rig is a cluster in a test. Its sockets keep what they get.
type rig struct {
	*testing.T
	suite   Suite
	cluster *Cluster
	nodes   []*node
	changed chan struct{} // has room for one; something has happened
	fences  int
}

// open opens a cluster and waits until its nodes know each other.
func (s Suite) open(t *testing.T, n int) *rig {
	r := &rig{T: t, suite: s, cluster: s.Open(t, n), changed: make(chan struct{}, 1)}
	if len(r.cluster.Factories) != n {
		t.Fatalf("Open returned %d factories, want %d", len(r.cluster.Factories), n)
	}
	for i, f := range r.cluster.Factories {
		r.nodes = append(r.nodes, r.openNode(i, "/", f))
	}
	r.settle(r.nodes)
	return r
}

func (r *rig) openNode(i int, namespace string, f sioadapter.Factory) *node {
	n := &node{rig: r, index: i, namespace: namespace}
	n.adapter = f.Open(n)
	n.adapter.Watch(sioadapter.RoomEvents{
		Create: func(string) { r.touch() },
		Delete: func(string) { r.touch() },
		Join:   func(string, string) { r.touch() },
		Leave:  func(string, string) { r.touch() },
	})
	r.Cleanup(func() { n.close() })
	return n
}

// settle waits until each node reaches all the others.
func (r *rig) settle(nodes []*node) {
	r.Helper()
	for _, from := range nodes {
		for _, n := range nodes {
			n.adapter.OnServerEvent(func(e *sioadapter.ServerEvent) {
				if e.Reply != nil {
					_ = e.Reply(values(n.index))
				}
			})
		}
		for deadline := time.Now().Add(r.suite.Timeout); ; {
			ctx, cancel := context.WithTimeout(context.Background(), r.suite.Timeout/50)
			got := r.askServers(ctx, from, "are you there?")
			cancel()
			if len(got.values) == len(nodes)-1 {
				break
			}
			if time.Now().After(deadline) {
				r.Fatalf("node %d reaches %d other nodes, want %d", from.index, len(got.values), len(nodes)-1)
			}
		}
	}
	for _, n := range nodes {
		n.adapter.OnServerEvent(nil)
	}
}

// joined waits until the bus knows who is in which room.
func (r *rig) joined() {
	if r.cluster.Settle != nil {
		r.cluster.Settle()
	}
}

// touch says that something has happened.
func (r *rig) touch() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// until waits until ok holds, which is asked again whenever something happens.
func (r *rig) until(what string, ok func() bool) {
	r.Helper()
	deadline := time.NewTimer(r.suite.Timeout)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-r.changed:
		case <-deadline.C:
			if !ok() {
				r.Fatalf("after %v, still not true: %s", r.suite.Timeout, what)
			}
			return
		}
	}
}

// populate adds sockets, id0 to id(n-1), to the nodes in turn.
func (r *rig) populate(n int) []*socket {
	all := make([]*socket, n)
	for i := range all {
		all[i] = r.nodes[i%len(r.nodes)].add(fmt.Sprint("id", i))
	}
	return all
}

// fence waits until all that the nodes have emitted by now has arrived. Every
// node needs a socket that is alive.
func (r *rig) fence(from ...*node) {
	r.Helper()
	if from == nil {
		from = r.nodes
	}
	for _, n := range from {
		r.fences++
		name := fmt.Sprint("fence ", r.fences)
		r.must(n.adapter.Broadcast(event(name), &sioadapter.Selection{}))
		want := fmt.Sprintf(`[%q]`, name)
		for _, m := range r.nodes {
			for _, s := range m.all() {
				r.until(fmt.Sprintf("socket %s of node %d got the fence of node %d", s.id, m.index, n.index), func() bool { return s.fenced(want) })
			}
		}
	}
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// node is a namespace on one node.
type node struct {
	rig       *rig
	index     int
	namespace string
	adapter   sioadapter.Adapter

	mu     sync.Mutex
	closed bool
	list   []*socket
}

var _ sioadapter.Namespace = (*node)(nil)

func (n *node) Name() string             { return n.namespace }
func (n *node) Parser() sioparser.Parser { return sioparser.JSON(nil) }
func (n *node) Logger() *slog.Logger     { return slog.New(slog.DiscardHandler) }

func (n *node) close() {
	n.mu.Lock()
	closed := n.closed
	n.closed = true
	n.mu.Unlock()
	if closed {
		return
	}
	if err := n.adapter.Close(); err != nil {
		n.rig.Errorf("Close of node %d: %v", n.index, err)
	}
}

func (n *node) newSocket(id string) *socket { return &socket{node: n, id: id} }

func (n *node) add(id string) *socket {
	s := n.newSocket(id)
	n.keep(s)
	n.adapter.Add(s)
	n.rig.joined()
	return s
}

func (n *node) keep(s *socket) {
	n.mu.Lock()
	n.list = append(n.list, s)
	n.mu.Unlock()
}

func (n *node) drop(s *socket) {
	n.mu.Lock()
	n.list = slices.DeleteFunc(n.list, func(t *socket) bool { return t == s })
	n.mu.Unlock()
}

func (n *node) remove(s *socket) []string {
	n.drop(s)
	return n.adapter.Remove(s)
}

func (n *node) all() []*socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.list)
}

func (n *node) Deliver(p *sioadapter.Packet, f sioadapter.Flags, to []sioadapter.Member) {
	args := p.Args.For(n.Parser()) // what comes from another node may have another form
	d := delivery{text: string(args.Raw()), args: args.Clone(), offset: p.Offset, flags: f}
	for _, m := range to {
		m.(*socket).take(d)
	}
	n.rig.touch()
}

// Ask has the sockets answer at once, unless they are mute.
func (n *node) Ask(p *sioadapter.Packet, f sioadapter.Flags, to []sioadapter.Member, a sioadapter.Answers) (stop func()) {
	n.Deliver(p, f, to)
	for _, m := range to {
		s := m.(*socket)
		s.mu.Lock()
		mute := s.mute
		if mute {
			s.asked = append(s.asked, a)
		}
		s.mu.Unlock()
		if !mute {
			a.Answer(s.id, values("yes", s.id), nil)
		}
	}
	n.rig.touch()
	return func() {
		for _, m := range to {
			s := m.(*socket)
			s.mu.Lock()
			s.asked = slices.DeleteFunc(s.asked, func(b sioadapter.Answers) bool { return a == b })
			s.mu.Unlock()
		}
		n.rig.touch()
	}
}

func (n *node) Describe(m sioadapter.Member) sioadapter.Info {
	s := m.(*socket)
	return sioadapter.Info{
		ID:        s.id,
		Rooms:     n.adapter.Rooms(m),
		Local:     m,
		Handshake: json.RawMessage(`{"url":"/","query":{"EIO":"4"},"issued":1700000000123}`),
		Data:      json.RawMessage(fmt.Sprintf(`{"node":%d}`, n.index)),
	}
}

func (n *node) Disconnect(m sioadapter.Member, close bool) {
	s := m.(*socket)
	s.mu.Lock()
	s.gone, s.hungUp = true, close
	s.mu.Unlock()
	n.remove(s)
	n.rig.touch()
}

// socket is a member that keeps what it gets.
type socket struct {
	node *node
	id   string
	seat sioadapter.Seat

	mu     sync.Mutex
	inbox  []delivery
	fences []string
	mute   bool // does not answer by itself
	asked  []sioadapter.Answers
	gone   bool
	hungUp bool
}

// delivery is a packet as a socket got it.
type delivery struct {
	text   string // the arguments as JSON
	args   sioparser.Args
	offset string
	flags  sioadapter.Flags
}

func (s *socket) ID() string             { return s.id }
func (s *socket) Seat() *sioadapter.Seat { return &s.seat }

func (s *socket) take(d delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasPrefix(d.text, `["fence `) {
		s.fences = append(s.fences, d.text)
		return
	}
	s.inbox = append(s.inbox, d)
}

func (s *socket) fenced(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.fences, text)
}

// got returns what has come since the last call.
func (s *socket) got() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	inbox := s.inbox
	s.inbox = nil
	return inbox
}

// texts returns what has come since the last call, as JSON.
func (s *socket) texts() []string {
	var all []string
	for _, d := range s.got() {
		all = append(all, d.text)
	}
	return all
}

func (s *socket) join(rooms ...string) {
	s.node.rig.Helper()
	s.node.rig.must(s.node.adapter.Join(s, rooms...))
	s.node.rig.joined()
}

func (s *socket) isGone() (gone, hungUp bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone, s.hungUp
}

func (s *socket) setMute() {
	s.mu.Lock()
	s.mute = true
	s.mu.Unlock()
}

func (s *socket) waiters() []sioadapter.Answers {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// event makes a packet.
func event(name string, args ...any) *sioadapter.Packet {
	encoded, err := sioparser.JSON(nil).EncodeArgs(name, args...)
	if err != nil {
		panic(err)
	}
	return &sioadapter.Packet{Args: encoded}
}

// values encodes values as the arguments of an answer.
func values(args ...any) sioparser.Args { return event("", args...).Args }

func to(rooms ...string) *sioadapter.Selection { return &sioadapter.Selection{Rooms: rooms} }

// answers keeps what it is told, and whether that makes sense.
type answers struct {
	rig *rig

	mu       sync.Mutex
	expected int
	ids      []string
	values   map[string]string // by id
	unnamed  []string          // values without an id
	errs     []error
	asked    int
	partial  error
	faults   []string
}

func (r *rig) answers() *answers { return &answers{rig: r, values: make(map[string]string)} }

func (a *answers) Expect(n int, ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asked > 0 {
		a.faults = append(a.faults, "Expect after Asked")
	}
	a.expected += n
	a.ids = append(a.ids, ids...)
}

func (a *answers) Answer(id string, args sioparser.Args, err error) {
	a.mu.Lock()
	defer a.rig.touch()
	defer a.mu.Unlock()
	if _, twice := a.values[id]; twice && id != "" {
		a.faults = append(a.faults, "two answers of "+id)
	}
	switch {
	case err != nil:
		a.errs = append(a.errs, err)
	case id == "":
		a.unnamed = append(a.unnamed, string(args.At(0)))
	default:
		a.values[id] = string(args.At(0))
	}
	if n := len(a.values) + len(a.unnamed) + len(a.errs); n > a.expected {
		a.faults = append(a.faults, fmt.Sprintf("%d answers, %d are expected", n, a.expected))
	}
}

func (a *answers) Asked(err error) {
	a.mu.Lock()
	defer a.rig.touch()
	defer a.mu.Unlock()
	a.asked++
	a.partial = err
}

// count returns how many answers have come, without errors.
func (a *answers) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.values) + len(a.unnamed)
}

func (a *answers) failures() []error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.errs)
}

// complete reports whether all have answered, one way or the other.
func (a *answers) complete() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked > 0 && len(a.values)+len(a.unnamed)+len(a.errs) == a.expected
}

func (a *answers) wasAsked() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked > 0
}

// check reports what broke the rules, after stop.
func (a *answers) check() {
	a.rig.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asked != 1 {
		a.rig.Errorf("Asked was called %d times", a.asked)
	}
	for _, f := range a.faults {
		a.rig.Error(f)
	}
}

// askServers asks all other nodes and waits until they have answered or ctx
// ends.
func (r *rig) askServers(ctx context.Context, from *node, name string, args ...any) *answers {
	r.Helper()
	a := r.answers()
	stop, err := from.adapter.ServerAsk(ctx, event(name, args...), a)
	if err != nil {
		r.Fatal(err)
	}
	for !a.complete() {
		select {
		case <-r.changed:
			continue
		case <-ctx.Done():
		}
		break
	}
	stop()
	a.check()
	return a
}

// partial checks that err says that one of the other nodes is missing.
func (r *rig) partial(err error, lost *node) {
	r.Helper()
	var p *sioadapter.PartialError
	if !errors.As(err, &p) {
		r.Errorf("error %v, want a *PartialError", err)
		return
	}
	if p.Expected-p.Answered != 1 || p.Expected != len(r.nodes)-1 {
		r.Errorf("%d of %d nodes answered, want one less than %d", p.Answered, p.Expected, len(r.nodes)-1)
	}
	if name, ok := lost.adapter.(interface{ Node() string }); ok && p.Missing != nil && !slices.Equal(p.Missing, []string{name.Node()}) {
		r.Errorf("%v are missing, want %s", p.Missing, name.Node())
	}
}

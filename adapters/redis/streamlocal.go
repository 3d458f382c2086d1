package redisadapter

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// streamLocal is the adapter of the members of this node, with what it takes to
// recover them: it gives each event the position that its receivers have got to
// with it.
//
// Where events are delivered, turn is full, so that positions are those of the
// order of delivery. It is taken before mu, and given back before the
// application is called.
type streamLocal struct {
	*sioadapter.Local
	ns      sioadapter.Namespace
	options *StreamsOptions
	node    string
	link    *streamLink
	cluster *sioadapter.Cluster
	store   *sessionStore

	turn chan struct{}

	mu        sync.Mutex
	pos       streamID // the last entry of this namespace that was handed on
	returnedN uint64   // the number of our last message that has come back
	delivered uint64   // the number of our last message that was delivered here
	own       []*outgoing
	coming    incoming
	sessions  map[sioadapter.Member]*streamSession
	byPID     map[string]*streamSession
	special   int // sessions that are
	recorders map[*recorder]struct{}
	broken    int         // calls of Break
	timer     *time.Timer // for own that waits; nil: none does
}

// outgoing is an event of this node that has not come back from the stream.
type outgoing struct {
	seq       uint64
	args      sioparser.Args
	selection sioadapter.Selection
	only      sioadapter.Member // for it alone
	delivered bool
	posted    time.Time
}

// incoming is an entry that is about to be delivered.
type incoming struct {
	packet *sioadapter.Packet
	id     streamID
	node   string
	seq    uint64
}

// streamSession is a member that can be recovered.
type streamSession struct {
	member sioadapter.Member
	pid    string
	start  position // where it begins
	seen   []seen   // what the client has got beyond the stream, of other nodes
	held   bool     // it gets nothing until it has got what it has missed
	epoch  int      // streamLocal.broken at the beginning
}

// special reports whether the session cannot be served with all the others.
func (s *streamSession) special() bool { return s.held || len(s.seen) > 0 }

func newStreamLocal(ns sioadapter.Namespace, conn Conn, o *StreamsOptions) *streamLocal {
	return &streamLocal{
		Local:     sioadapter.NewLocal(ns),
		ns:        ns,
		options:   o,
		store:     newSessionStore(conn, o),
		turn:      make(chan struct{}, 1),
		sessions:  make(map[sioadapter.Member]*streamSession),
		byPID:     make(map[string]*streamSession),
		recorders: make(map[*recorder]struct{}),
	}
}

// publish delivers an event to the members of this node, and tells the others.
// only is set if it is for one member alone.
func (a *streamLocal) publish(p *sioadapter.Packet, s *sioadapter.Selection, only sioadapter.Member) error {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	m := &sioadapter.Message{Type: sioadapter.MessageBroadcast, Packet: p, Selection: *s}
	if only != nil {
		a.link.setOnly(m)
	}
	err := a.cluster.Post(m)
	o := &outgoing{seq: m.Seq, args: m.Packet.Args, selection: m.Selection, only: only, posted: time.Now()}
	if err != nil { // it gets no place
		a.link.lose(m)
		a.deliver(o.args, &o.selection, only, a.position(), "", 0)
		return err
	}
	a.mu.Lock()
	wait := a.options.WaitForOffset > 0 && a.link.isUp() && len(a.sessions) > 0
	// One does not overtake another.
	wait = wait || len(a.own) > 0 && !a.own[len(a.own)-1].delivered && a.link.isUp()
	a.own = append(a.own, o)
	if wait {
		a.armLocked()
		a.mu.Unlock()
		return nil
	}
	a.mu.Unlock()
	a.deliverOwn(o)
	return nil
}

// deliverOwn delivers what has no place in the stream yet.
func (a *streamLocal) deliverOwn(o *outgoing) {
	a.mu.Lock()
	o.delivered = true
	a.delivered = max(a.delivered, o.seq)
	a.mu.Unlock()
	a.deliver(o.args, &o.selection, o.only, a.position(), a.node, o.seq)
}

// position returns how far the members of this node have got.
func (a *streamLocal) position() position {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.positionLocked()
}

func (a *streamLocal) positionLocked() position {
	p := position{id: a.pos}
	if a.delivered > a.returnedN {
		p.seen = []seen{{a.node, a.delivered}}
	}
	return p
}

// deliver writes an event to the members that are selected. node and seq say
// which message it is.
func (a *streamLocal) deliver(args sioparser.Args, s *sioadapter.Selection, only sioadapter.Member, at position, node string, seq uint64) {
	flags := sioadapter.Flags{NoCompress: s.NoCompress, Volatile: s.Volatile}
	p := &sioadapter.Packet{Args: args}
	a.mu.Lock()
	any, special := len(a.sessions) > 0, a.special > 0
	a.mu.Unlock()
	if any {
		p.Offset = at.String()
	}
	switch {
	case only != nil:
		if a.Lookup(only.ID()) != only { // its connection has just been lost, or is there again
			if only = a.Lookup(only.ID()); only == nil {
				return
			}
		}
		a.deliverTo(p, flags, only, at, node, seq)
	case special:
		for _, m := range a.Members(s) {
			a.deliverTo(p, flags, m, at, node, seq)
		}
	default:
		selection := *s
		selection.Flags = flags
		_ = a.Local.Broadcast(p, &selection)
	}
}

// deliverTo writes an event to one member, unless its client has got it.
func (a *streamLocal) deliverTo(p *sioadapter.Packet, f sioadapter.Flags, m sioadapter.Member, at position, node string, seq uint64) {
	a.mu.Lock()
	if s := a.sessions[m]; s != nil && s.special() {
		if s.held || (position{seen: s.seen}).has(node, seq) {
			a.mu.Unlock()
			return
		}
		at.seen = append(slices.Clone(at.seen), s.seen...)
		p = &sioadapter.Packet{Args: p.Args, Offset: at.String()}
	}
	a.mu.Unlock()
	a.ns.Deliver(p, f, []sioadapter.Member{m})
}

// expect announces the entry that Broadcast is called for next.
func (a *streamLocal) expect(id streamID, m *sioadapter.Message) {
	a.mu.Lock()
	a.coming = incoming{m.Packet, id, m.From, m.Seq}
	a.mu.Unlock()
}

// Broadcast delivers what another node has emitted, and what has no place in the
// stream: events for this node alone, and volatile ones.
func (a *streamLocal) Broadcast(p *sioadapter.Packet, s *sioadapter.Selection) error {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	a.mu.Lock()
	in := a.coming
	a.coming = incoming{}
	if in.packet != p {
		at := a.positionLocked()
		a.mu.Unlock()
		a.deliverUnstored(p, s, nil, at)
		return nil
	}
	a.passLocked(in.id, in.node, in.seq)
	if !s.Volatile {
		a.recordLocked(recorded{in.id, in.node, in.seq, p.Args, *s, nil})
	}
	at := a.positionLocked()
	a.mu.Unlock()
	if s.Volatile {
		a.deliverUnstored(p, s, nil, at)
	} else {
		a.deliver(p.Args, s, nil, at, in.node, in.seq)
	}
	return nil
}

// deliverUnstored delivers an event that nobody is given later. JavaScript
// clients take its last argument for an offset if it is a string; then they get
// the one that they have.
func (a *streamLocal) deliverUnstored(p *sioadapter.Packet, s *sioadapter.Selection, only sioadapter.Member, at position) {
	selection := *s
	a.mu.Lock()
	stamp, special := len(a.sessions) > 0, a.special > 0
	a.mu.Unlock()
	if n := p.Args.Len(); special || stamp && n > 0 && p.Args.At(n - 1)[0] == '"' {
		a.deliver(p.Args, &selection, only, at, "", 0)
		return
	}
	p = &sioadapter.Packet{Args: p.Args}
	if only != nil {
		a.ns.Deliver(p, s.Flags, []sioadapter.Member{only})
		return
	}
	_ = a.Local.Broadcast(p, &selection)
}

// Emit delivers an event to a member that cannot be recovered, or one that it
// need not get.
func (a *streamLocal) Emit(m sioadapter.Member, p *sioadapter.Packet, f sioadapter.Flags) error {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	a.deliverUnstored(p, &sioadapter.Selection{Flags: f}, m, a.position())
	return nil
}

func (a *streamLocal) Ask(ctx context.Context, p *sioadapter.Packet, s *sioadapter.Selection, answers sioadapter.Answers) (stop func(), err error) {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	return a.Local.Ask(ctx, p, s, answers)
}

// advance takes note of an entry that was handed on.
func (a *streamLocal) advance(id streamID, node string, seq uint64) {
	a.turn <- struct{}{}
	a.mu.Lock()
	a.coming = incoming{} // it was dropped
	a.passLocked(id, node, seq)
	a.mu.Unlock()
	<-a.turn
}

func (a *streamLocal) passLocked(id streamID, node string, seq uint64) {
	a.pos = id
	if a.special == 0 {
		return
	}
	for _, s := range a.sessions {
		if len(s.seen) > 0 {
			a.changeLocked(s, func() { s.seen = (position{seen: s.seen}).pass(id, node, seq).seen })
		}
	}
}

// changeLocked changes a session that is among a.sessions.
func (a *streamLocal) changeLocked(s *streamSession, change func()) {
	was := s.special()
	change()
	switch is := s.special(); {
	case is && !was:
		a.special++
	case was && !is:
		a.special--
	}
}

// returned takes an entry of this node.
func (a *streamLocal) returned(id streamID, seq uint64) {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	a.mu.Lock()
	a.passLocked(id, a.node, seq)
	if seq == 0 {
		a.mu.Unlock()
		return
	}
	a.returnedN = max(a.returnedN, seq)
	var late []*outgoing
	for len(a.own) > 0 && a.own[0].seq <= seq {
		o := a.own[0]
		a.own[0] = nil
		a.own = a.own[1:]
		if o.seq == seq {
			a.recordLocked(recorded{id, a.node, seq, o.args, o.selection, o.only})
		}
		if !o.delivered {
			late = append(late, o)
			a.delivered = max(a.delivered, o.seq)
		}
	}
	if len(a.own) == 0 {
		a.own = nil
	}
	at := a.positionLocked()
	a.mu.Unlock()
	for _, o := range late {
		a.deliver(o.args, &o.selection, o.only, at, a.node, o.seq)
	}
}

// drop forgets an event that will not come back.
func (a *streamLocal) drop(seq uint64) {
	a.mu.Lock()
	i := slices.IndexFunc(a.own, func(o *outgoing) bool { return o.seq == seq })
	waits := i >= 0 && !a.own[i].delivered
	if i >= 0 && !waits {
		a.own = slices.Delete(a.own, i, i+1)
	}
	a.mu.Unlock()
	if waits {
		a.stop()
	}
}

// stop delivers what waits for its place in the stream: it does not get it soon.
// It does so on a goroutine of its own, since the turn may be taken by who
// calls.
func (a *streamLocal) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.own) > 0 && !a.own[len(a.own)-1].delivered {
		a.armAtLocked(0)
	}
}

func (a *streamLocal) armLocked() {
	if a.timer == nil {
		a.armAtLocked(a.options.WaitForOffset)
	}
}

func (a *streamLocal) armAtLocked(d time.Duration) {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(d, a.giveUp)
}

// giveUp is called by the timer. If the first event has waited for long enough,
// all that wait are delivered.
func (a *streamLocal) giveUp() {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	a.mu.Lock()
	a.timer = nil
	var list []*outgoing
	up := a.link.isUp()
	for _, o := range a.own {
		if o.delivered {
			continue
		}
		if left := a.options.WaitForOffset - time.Since(o.posted); up && left > 0 && len(list) == 0 {
			a.armAtLocked(left)
			break
		}
		list = append(list, o)
	}
	a.mu.Unlock()
	for _, o := range list {
		a.deliverOwn(o)
	}
}

// Close ends the timer, and what keeps sessions.
func (a *streamLocal) Close() error {
	a.mu.Lock()
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	a.store.close(a.options.Cluster.CloseTimeout)
	return a.Local.Close()
}

package redisadapter

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/rueidis"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// Recovery returns the part of the adapter that recovers connections.
func (a *streamLocal) Recovery() sioadapter.Recovery { return streamRecovery{a} }

// streamRecovery is a streamLocal as a Recovery.
type streamRecovery struct{ *streamLocal }

func (a *streamLocal) canRecover(m sioadapter.Member) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessions[m] != nil
}

func (a streamRecovery) Add(m sioadapter.Member) (pid, offset string) {
	var b [15]byte
	rand.Read(b[:]) // never fails
	s := &streamSession{member: m, pid: base64.RawURLEncoding.EncodeToString(b[:])}
	a.Local.Add(m)
	a.turn <- struct{}{}
	a.mu.Lock()
	s.epoch, s.start = a.broken, a.positionLocked()
	a.putLocked(s)
	a.mu.Unlock()
	<-a.turn
	return s.pid, s.start.String()
}

func (a *streamLocal) putLocked(s *streamSession) {
	a.sessions[s.member] = s
	a.byPID[s.pid] = s
	if s.special() {
		a.special++
	}
}

// takeLocked ends the session of m, and returns it.
func (a *streamLocal) takeLocked(m sioadapter.Member) *streamSession {
	s := a.sessions[m]
	if s == nil {
		return nil
	}
	delete(a.sessions, m)
	delete(a.byPID, s.pid)
	if s.special() {
		a.special--
	}
	return s
}

func (a *streamLocal) Remove(m sioadapter.Member) (rooms []string) {
	a.mu.Lock()
	a.takeLocked(m)
	a.mu.Unlock()
	return a.Local.Remove(m)
}

func (a streamRecovery) Detach(m sioadapter.Member, data any) (rooms []string) {
	a.mu.Lock()
	s := a.takeLocked(m)
	whole := s != nil && s.epoch == a.broken && !s.held
	a.mu.Unlock()
	rooms = a.Local.Remove(m)
	if whole {
		r := &record{SID: m.ID(), PID: s.pid, Rooms: list(rooms), Namespace: a.ns.Name(), Node: a.node, Start: s.start.String()}
		if begin, ok := a.link.begin(); ok {
			r.Begin = begin.String()
		}
		a.store.put(r, data)
	}
	return rooms
}

// Break ends the recovery of all sockets of this node: not all of what was meant
// for them has come, or will.
func (a *streamLocal) Break() {
	a.mu.Lock()
	a.broken++
	a.mu.Unlock()
}

func notRecoverable(why string) error { return fmt.Errorf("%w: %s", sioadapter.ErrNotRecoverable, why) }

// claim is what is known of a session that was claimed.
type claim struct {
	record   *record
	from     position
	missed   []recorded // of the stream, in order
	to       streamID   // missed has all up to this entry
	recorder *recorder
	epoch    int
	used     bool // by Restore
}

// recorded is an event that was delivered while somebody was being recovered.
type recorded struct {
	id        streamID
	node      string
	seq       uint64
	args      sioparser.Args
	selection sioadapter.Selection
	only      sioadapter.Member
}

func (r *recorded) isFor(rooms []string) bool {
	in := func(room string) bool { return slices.Contains(rooms, room) }
	s := &r.selection
	return (len(s.Rooms) == 0 || slices.ContainsFunc(s.Rooms, in)) && !slices.ContainsFunc(s.Except, in)
}

// recorder keeps what is delivered from the moment on that somebody claims a
// session. streamLocal.mu guards it.
type recorder struct {
	list  []recorded
	ended bool
	timer *time.Timer
}

const (
	maxRecorded = 100_000
	maxClaim    = time.Minute // from Claim to Restore
	readAtOnce  = 1000
)

func (a *streamLocal) recordLocked(r recorded) {
	for rec := range a.recorders {
		if len(rec.list) == maxRecorded {
			rec.ended = true
			delete(a.recorders, rec)
			continue
		}
		rec.list = append(rec.list, r)
	}
}

// record starts a recorder. It ends by itself if nobody does it.
func (a *streamLocal) record() *recorder {
	r := &recorder{}
	a.mu.Lock()
	a.recorders[r] = struct{}{}
	r.timer = time.AfterFunc(maxClaim, func() { a.endRecorder(r) })
	a.mu.Unlock()
	return r
}

func (a *streamLocal) endRecorder(r *recorder) {
	a.mu.Lock()
	r.timer.Stop()
	r.ended, r.list = true, nil
	delete(a.recorders, r)
	a.mu.Unlock()
}

func (a streamRecovery) Claim(ctx context.Context, pid, offset string, release func(sioadapter.Member)) (*sioadapter.Session, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if pid == "" || len(pid) > 128 {
		return nil, notRecoverable("the token is none")
	}
	if err := a.releaseHere(pid, release); err != nil {
		return nil, err
	}
	rec, data, err := a.store.take(ctx, pid)
	if errors.Is(err, sioadapter.ErrNotRecoverable) {
		rec, data, err = a.askForRelease(ctx, pid)
	}
	if err != nil {
		return nil, err
	}
	if rec.Namespace != "" && rec.Namespace != a.ns.Name() {
		return nil, notRecoverable("it is of another namespace")
	}
	if offset == "" {
		offset = rec.Start
	}
	from, ok := parsePosition(offset)
	if !ok {
		return nil, notRecoverable("the offset is none")
	}
	if from.id == (streamID{}) && slices.ContainsFunc(from.seen, func(n seen) bool { return n.node != rec.Node }) {
		return nil, notRecoverable("the offset is of another node")
	}
	c := &claim{record: rec, from: from, recorder: a.record()}
	a.mu.Lock()
	c.epoch = a.broken
	a.mu.Unlock()
	if err := a.fetch(ctx, c); err != nil {
		a.endRecorder(c.recorder)
		return nil, err
	}
	return &sioadapter.Session{ID: rec.SID, PID: pid, Rooms: slices.Clone(rec.Rooms), Data: data, State: c}, nil
}

// releaseHere ends the member of this node that has the session.
func (a *streamLocal) releaseHere(pid string, release func(sioadapter.Member)) error {
	for range 10 {
		a.mu.Lock()
		s := a.byPID[pid]
		a.mu.Unlock()
		if s == nil {
			return nil
		}
		release(s.member)
	}
	return notRecoverable("its socket was not detached")
}

// fetch reads what was emitted since c.from.
func (a *streamLocal) fetch(ctx context.Context, c *claim) error {
	if !a.link.isWhole() {
		return notRecoverable("events of this node were lost")
	}
	numbers := make(map[string]uint64)
	at := c.from.id
	size := 0
	first, early := true, false
	if at == (streamID{}) {
		// The client has got no entry: it begins where its node began to read.
		early = true
		begin, ok := parseStreamID(c.record.Begin)
		if !ok {
			return notRecoverable("it began before its node could read the stream")
		}
		at, first = begin, begin != streamID{}
	}
	for {
		start := at.next()
		if first {
			start = at
		}
		reply, err := a.link.conn.Do(ctx, a.link.conn.B().Xrange().Key(a.link.stream).Start(start.String()).End("+").Count(readAtOnce).Build()).AsXRange()
		if err != nil {
			return err
		}
		entries, err := parseEntries(reply)
		if err != nil {
			return err
		}
		if first {
			// The entry itself must be there, and of this namespace: then nothing
			// behind it is gone.
			if len(entries) == 0 || entries[0].id != at || !early && entries[0].fields["nsp"] != a.ns.Name() {
				return notRecoverable("its place in the stream is gone")
			}
			if entries[0].fields["nsp"] == a.ns.Name() {
				numbers[entries[0].fields["uid"]] = entries[0].seq()
			}
			entries = entries[1:]
			first = false
		}
		for i := range entries {
			e := &entries[i]
			at = e.id
			if e.fields["nsp"] != a.ns.Name() {
				continue
			}
			node, seq := e.fields["uid"], e.seq()
			if early && node == c.record.Node && numbers[node] == 0 && seq > 1 {
				return notRecoverable("its place in the stream is gone")
			}
			if e.fields["lost"] != "" || seq != 0 && numbers[node] != 0 && seq > numbers[node]+1 {
				return notRecoverable("events of a node were lost")
			}
			numbers[node] = seq
			r := recorded{id: e.id, node: node, seq: seq}
			if e.fields["type"] == "3" {
				m, err := e.decode()
				if err != nil {
					continue
				}
				others := e.fields["only"] != "" && (len(m.Selection.Rooms) != 1 || m.Selection.Rooms[0] != c.record.SID)
				if m.Request == "" && !m.Selection.Volatile && !others && !c.from.has(node, seq) {
					r.args, r.selection = m.Packet.Args, m.Selection
					if r.isFor(c.record.Rooms) {
						size += len(e.fields["data"])
					} else {
						r.args = sioparser.Args{}
					}
				}
			}
			c.missed = append(c.missed, r)
		}
		matching := 0
		for i := range c.missed {
			if c.missed[i].args.Len() > 0 {
				matching++
			}
		}
		if matching > a.options.Recovery.MaxMissedPackets || size > a.options.Recovery.MaxMissedBytes {
			return notRecoverable("it has missed too much")
		}
		c.to = at
		if len(reply) < readAtOnce {
			return nil
		}
	}
}

func (a streamRecovery) Restore(m sioadapter.Member, of *sioadapter.Session) error {
	c, ok := of.State.(*claim)
	if !ok {
		return sioadapter.ErrNotRecoverable
	}
	defer a.endRecorder(c.recorder)
	if m.ID() != of.ID {
		return notRecoverable("it has another id")
	}
	s := &streamSession{member: m, pid: of.PID, start: c.from, epoch: c.epoch, held: true}
	a.mu.Lock()
	if c.used || c.recorder.ended || c.epoch != a.broken || a.byPID[of.PID] != nil || a.Lookup(of.ID) != nil || a.sessions[m] != nil {
		a.mu.Unlock()
		return notRecoverable("it was claimed again, or events were lost meanwhile")
	}
	c.used = true
	a.putLocked(s)
	a.mu.Unlock()

	// It becomes a member first, since the application may be told of that.
	a.Local.Add(m)
	_ = a.Local.Join(m, of.Rooms...)
	if !slices.Contains(of.Rooms, of.ID) {
		_ = a.Local.Leave(m, of.ID)
	}

	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	a.mu.Lock()
	if c.recorder.ended || s.epoch != a.broken || a.sessions[m] != s {
		a.takeLocked(m)
		a.mu.Unlock()
		a.Local.Remove(m)
		return notRecoverable("events were lost meanwhile")
	}
	// All that the reader has handed on, and all of this node that it has not:
	// that will not come as news.
	var events []recorded
	for _, r := range c.missed {
		if r.id.compare(a.pos) <= 0 {
			events = append(events, r)
		}
	}
	for _, r := range c.recorder.list {
		if r.id.compare(c.to) > 0 {
			events = append(events, r)
		}
	}
	for _, o := range a.own {
		if o.delivered {
			events = append(events, recorded{a.pos, a.node, o.seq, o.args, o.selection, o.only})
		}
	}
	at := c.from
	var missed []*sioadapter.Packet
	var flags []sioadapter.Flags
	for _, r := range events {
		known := at.has(r.node, r.seq)
		beyond := r.node == a.node && r.seq > a.returnedN
		if beyond {
			at = position{r.id, append(slices.Clone(at.seen), seen{r.node, r.seq})}
			at.seen = compact(at.seen)
		} else {
			at = at.pass(r.id, r.node, r.seq)
		}
		mine := r.args.Len() > 0 && r.isFor(of.Rooms)
		if r.only != nil {
			mine = r.only.ID() == of.ID
		}
		if mine && !known {
			missed = append(missed, &sioadapter.Packet{Args: r.args, Offset: at.String()})
			flags = append(flags, sioadapter.Flags{NoCompress: r.selection.NoCompress})
		}
	}
	a.changeLocked(s, func() {
		s.held = false
		for _, n := range at.seen {
			if n.node != a.node {
				s.seen = append(s.seen, n)
			}
		}
	})
	a.mu.Unlock()
	to := []sioadapter.Member{m}
	for i, p := range missed {
		a.ns.Deliver(p, flags[i], to)
	}
	return nil
}

// compact keeps the last number of each node.
func compact(list []seen) []seen {
	var out []seen
	for _, n := range list {
		if i := slices.IndexFunc(out, func(o seen) bool { return o.node == n.node }); i >= 0 {
			out[i].seq = max(out[i].seq, n.seq)
		} else {
			out = append(out, n)
		}
	}
	return out
}

// A record is a session in Redis: what the reference keeps, and what is ours.
type record struct {
	SID   string          `json:"sid"`
	PID   string          `json:"pid"`
	Rooms []string        `json:"rooms"`
	Data  json.RawMessage `json:"data"`

	Namespace string `json:"nsp,omitempty"`
	Node      string `json:"uid,omitempty"`   // where it was
	Begin     string `json:"begin,omitempty"` // what the position of a client without any entry stands for
	Start     string `json:"start,omitempty"`
	Tag       string `json:"tag,omitempty"` // of this record, of no other
}

// encode returns base64 of MessagePack.
func (r *record) encode() (string, error) {
	args, err := sioparser.NewArgs(slices.Concat([]byte{'['}, text(r), []byte{']'}))
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(args.AppendMsgPack(nil)[1:]), nil
}

func decodeRecord(s string) (*record, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, malformed("a session: %v", err)
	}
	b, _, err = fromMsgPack(b)
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil || r.SID == "" {
		return nil, malformed("a session: %v", err)
	}
	return &r, nil
}

// Messages about sessions, on the channels of the namespace. They are of types
// that others ignore.
const (
	typeRelease  = 64 // who has this session gives it up
	typeReleased = 65 // it is in Redis
)

// sessionMessage is a request to give a session up, or its answer.
type sessionMessage struct {
	UID  string             `json:"uid"`
	NSP  string             `json:"nsp"`
	Type int                `json:"type"`
	Data sessionMessageData `json:"data"`
}

type sessionMessageData struct {
	PID string `json:"pid"`
}

// releaseTimeout is how long another node may take to give a session up.
const releaseTimeout = 500 * time.Millisecond

// askForRelease takes a session whose connection another node may take for
// alive. Whoever has had it once says when it is in Redis, so that there may be
// several answers.
func (a *streamLocal) askForRelease(ctx context.Context, pid string) (*record, any, error) {
	waiting, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	none := notRecoverable("there is no such session")
	released := a.store.await(pid)
	if released == nil {
		return nil, nil, none
	}
	defer a.store.awaitNoMore(pid)
	if !a.send(waiting, typeRelease, "", pid) {
		return nil, nil, none
	}
	for {
		select {
		case <-released:
			if r, data, err := a.store.take(ctx, pid); !errors.Is(err, sioadapter.ErrNotRecoverable) {
				return r, data, err
			}
		case <-waiting.Done():
			return nil, nil, none
		}
	}
}

// send publishes a message about a session, to a node or to all. It reports
// whether anybody has got it, beside this node.
func (a *streamLocal) send(ctx context.Context, t int, to, pid string) bool {
	b, err := toMsgPack(sessionMessage{a.node, a.ns.Name(), t, sessionMessageData{pid}})
	if err != nil {
		return false
	}
	channel, others := a.link.channel, int64(1)
	if to != "" {
		channel, others = channel+to+"#", 0
	}
	conn := a.link.conn
	if a.options.Sharded {
		n, err := conn.Do(ctx, conn.B().Spublish().Channel(channel).Message(rueidis.BinaryString(b)).Build()).AsInt64()
		return err == nil && n > others
	}
	n, err := conn.Do(ctx, conn.B().Publish().Channel(channel).Message(rueidis.BinaryString(b)).Build()).AsInt64()
	return err == nil && (n > others || conn.Mode() == rueidis.ClientModeCluster)
}

func toMsgPack(v any) ([]byte, error) {
	args, err := sioparser.NewArgs(slices.Concat([]byte{'['}, text(v), []byte{']'}))
	if err != nil {
		return nil, err
	}
	return args.AppendMsgPack(nil)[1:], nil
}

// sessionMessage reports whether a message is about a session, and does what it
// asks for.
func (a *streamLocal) sessionMessage(payload []byte) bool {
	b, _, err := fromMsgPack(payload)
	if err != nil {
		return false
	}
	var m sessionMessage
	if json.Unmarshal(b, &m) != nil || m.Type != typeRelease && m.Type != typeReleased {
		return false
	}
	if m.UID == a.node || m.NSP != a.ns.Name() || m.UID == "" || len(m.UID) > 128 {
		return true
	}
	if m.Type == typeReleased {
		a.store.released(m.Data.PID)
		return true
	}
	a.mu.Lock()
	s := a.byPID[m.Data.PID]
	a.mu.Unlock()
	if s != nil || a.store.has(m.Data.PID) {
		// Started for each session that moves while its connection looks alive;
		// ends when it is in Redis. Close waits for it.
		a.store.running.Go(func() { a.giveUpSession(s, m.Data.PID, m.UID) })
	}
	return true
}

// giveUpSession puts a session into Redis, and tells who wants it. s is nil if
// it is on its way there.
func (a *streamLocal) giveUpSession(s *streamSession, pid, to string) {
	if s != nil {
		info := a.ns.Describe(s.member)
		var data any
		if len(info.Data) > 0 {
			data = info.Data
		}
		streamRecovery{a}.Detach(s.member, data)
		a.ns.Disconnect(s.member, true)
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if a.store.flushed(ctx, pid) {
		a.send(ctx, typeReleased, to, pid)
	}
}

package redisadapter

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/redis/rueidis"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/tinylib/msgp/msgp"
)

// StreamsOptions configures an adapter over Redis streams. The zero value of
// every field is its default; negative values count as zero.
type StreamsOptions struct {
	// Stream is the name of the stream, and begins the names if there are
	// several. Empty means "socket.io".
	Stream string
	// Streams is how many streams there are. A namespace uses one of them,
	// chosen by its name as in the reference, but for the names that the
	// reference finds no reader for. Zero means 1.
	Streams int
	// MaxLen is about how many entries a stream keeps, and with them how far
	// back a client can be recovered. Zero means 10,000.
	MaxLen int
	// ReadCount is how many entries are read at once. Zero means 100.
	ReadCount int
	// BlockTime is how long one command waits for new entries. Zero means 5s.
	BlockTime time.Duration

	// Key begins the names of the channels, which requests and answers go on.
	// Empty means "socket.io".
	Key string
	// Sharded makes these the channels of sharded Pub/Sub, Redis 7.
	Sharded bool

	// SessionKey begins the names of the keys that hold the sessions of
	// clients whose connection was lost. Empty means "sio:session:".
	SessionKey string
	// Recovery says how long they are kept, and bounds what one client may have
	// missed. MaxPackets and MaxBytes mean nothing here: see MaxLen.
	Recovery sioadapter.RecoveryOptions

	// WaitForOffset is how long what this node emits waits for its place in
	// the stream before its own sockets get it, at most. Then every offset is
	// one that nodes of the reference understand, so that those can recover
	// clients of this node, too. Zero delivers at once: clients can be
	// recovered by nodes of this implementation, and by nodes of the reference
	// if the last event that they have got was from another node.
	WaitForOffset time.Duration

	// MaxAge and MaxRetryInterval are as in Options.
	MaxAge           time.Duration
	MaxRetryInterval time.Duration

	// Cluster is as in Options; Local is the adapter's own, too.
	Cluster sioadapter.ClusterOptions
}

func (o *StreamsOptions) withDefaults() StreamsOptions {
	var r StreamsOptions
	if o != nil {
		r = *o
	}
	r.Stream = cmp.Or(r.Stream, defaultPrefix)
	r.Streams = orDefault(r.Streams, 1)
	r.MaxLen = orDefault(r.MaxLen, 10_000)
	r.ReadCount = orDefault(r.ReadCount, 100)
	r.BlockTime = orDefault(r.BlockTime, 5*time.Second)
	r.Key = cmp.Or(r.Key, defaultPrefix)
	r.SessionKey = cmp.Or(r.SessionKey, "sio:session:")
	r.Recovery.MaxDisconnection = orDefault(r.Recovery.MaxDisconnection, 2*time.Minute)
	r.Recovery.MaxSessions = orDefault(r.Recovery.MaxSessions, 100_000)
	r.Recovery.MaxMissedPackets = orDefault(r.Recovery.MaxMissedPackets, 5_000)
	r.Recovery.MaxMissedBytes = orDefault(r.Recovery.MaxMissedBytes, 512<<10)
	r.MaxAge = orDefault(r.MaxAge, defaultMaxAge)
	r.MaxRetryInterval = orDefault(r.MaxRetryInterval, defaultRetryInterval)
	r.Cluster.CloseTimeout = orDefault(r.Cluster.CloseTimeout, time.Second)
	return r
}

// streamOf returns the stream of a namespace.
func (o *StreamsOptions) streamOf(namespace string) string {
	if o.Streams == 1 {
		return o.Stream
	}
	var hash int32
	for _, unit := range utf16.Encode([]rune(namespace)) {
		hash = hash*31 + int32(unit)
	}
	i := hash % int32(o.Streams)
	if i < 0 { // the reference writes to a stream with this number, and reads none
		i += int32(o.Streams)
	}
	return o.Stream + "-" + strconv.Itoa(int(i))
}

// NewStreams returns the factory of adapters over Redis streams. What is emitted
// is kept for a while in a stream that all nodes read, so that a connection to
// Redis that breaks loses nothing, and clients whose connection breaks can be
// recovered by each node. o may be nil.
//
// Messages are as of @socket.io/redis-streams-adapter 0.3. What the adapters are
// has the methods of [sioadapter.Cluster].
func NewStreams(conn Conn, o *StreamsOptions) sioadapter.Factory {
	f := &streamsFactory{conn: conn, options: o.withDefaults(), readers: make(map[string]*streamReader)}
	if f.options.Sharded {
		f.subscriptions = newSubscriptions(conn, f.options.MaxRetryInterval)
	} else {
		f.subscriptions = newSubscriber(conn, f.options.MaxRetryInterval)
	}
	return f
}

type streamsFactory struct {
	conn          Conn
	options       StreamsOptions
	subscriptions subscriptions // of all namespaces

	mu      sync.Mutex
	readers map[string]*streamReader // by stream
}

func (f *streamsFactory) Open(ns sioadapter.Namespace) sioadapter.Adapter {
	o := f.options
	local := newStreamLocal(ns, f.conn, &o)
	l := &streamLink{
		conn:          f.conn,
		subscriptions: f.subscriptions,
		options:       &o,
		local:         local,
		namespace:     ns.Name(),
		stream:        o.streamOf(ns.Name()),
		channel:       o.Key + "#" + ns.Name() + "#",
		maxLen:        strconv.Itoa(o.MaxLen),
		ready:         make(chan struct{}),
		sender:        sender{conn: f.conn, maxAge: o.MaxAge, retry: o.MaxRetryInterval},
		reader:        f.reader(o.streamOf(ns.Name())),
	}
	kind := channelTopic
	if o.Sharded {
		kind = shardTopic
	}
	l.kind = kind
	local.link = l
	cluster := o.Cluster
	cluster.NodeName = nil
	cluster.Count = l.count
	cluster.Unnumbered = isEphemeral // these overtake the others
	cluster.Local = sioadapter.FactoryFunc(func(sioadapter.Namespace) sioadapter.Adapter { return local })
	local.cluster = sioadapter.NewCluster(ns, l, &cluster)
	// Its entry is where clients begin that have not got any event.
	_ = local.cluster.Post(&sioadapter.Message{Type: sioadapter.MessageHello}) // the queue is empty
	return &streamsAdapter{local.cluster, local}
}

func (f *streamsFactory) reader(stream string) *streamReader {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.readers[stream]
	if r == nil {
		r = newStreamReader(f.conn, stream, &f.options)
		f.readers[stream] = r
	}
	return r
}

// streamsAdapter is a Cluster whose events have places in a stream.
type streamsAdapter struct {
	*sioadapter.Cluster
	local *streamLocal
}

func (a *streamsAdapter) Broadcast(p *sioadapter.Packet, s *sioadapter.Selection) error {
	if s.Local || s.Volatile {
		return a.Cluster.Broadcast(p, s)
	}
	return a.local.publish(p, s, nil)
}

func (a *streamsAdapter) Emit(m sioadapter.Member, p *sioadapter.Packet, f sioadapter.Flags) error {
	if f.Volatile || !a.local.canRecover(m) {
		return a.local.Emit(m, p, f)
	}
	return a.local.publish(p, &sioadapter.Selection{Rooms: []string{m.ID()}, Flags: f}, m)
}

// isEphemeral reports whether a message goes on a channel, and not into the
// stream.
func isEphemeral(m *sioadapter.Message) bool {
	switch m.Type {
	case sioadapter.MessageServerEvent, sioadapter.MessageFetch:
		return true
	}
	return m.Type == sioadapter.MessageBroadcast && m.Request != ""
}

// streamLink is the Bus of one namespace over a stream, and its only Link.
type streamLink struct {
	conn          Conn
	subscriptions subscriptions
	options       *StreamsOptions
	local         *streamLocal
	namespace     string
	stream        string
	channel       string // that of a node follows it, with a "#" at its end
	kind          topicKind
	maxLen        string
	node          string
	to            sioadapter.Receiver
	sender        sender // that Publish uses
	reader        *streamReader

	mu        sync.Mutex
	ready     chan struct{}                    // closed when the channels and the stream are there for the first time
	subscribe bool                             // to the channels, now
	reading   bool                             // the stream, now
	only      map[*sioadapter.Message]struct{} // waiting to be published: for one socket alone
	first     streamID                         // what the reader began behind
	begun     bool                             // it has
	lost      uint64                           // messages for the stream that have not got there; the next entry says so
}

var (
	_ sioadapter.Bus  = (*streamLink)(nil)
	_ sioadapter.Link = (*streamLink)(nil)
	_ consumer        = (*streamLink)(nil)
)

func (l *streamLink) Open(_, node string, r sioadapter.Receiver) sioadapter.Link {
	l.node, l.to = node, r
	l.local.node = node
	l.sender.blocked = r.Blocked
	l.subscriptions.add(l, topic{l.kind, l.channel}, topic{l.kind, l.channel + node + "#"})
	l.reader.add(l)
	return l
}

func (l *streamLink) Close() error {
	l.subscriptions.removeAll(l)
	l.reader.remove(l)
	return nil
}

// change takes note of what is connected now.
func (l *streamLink) change(set func()) {
	l.mu.Lock()
	was := l.subscribe && l.reading
	set()
	is := l.subscribe && l.reading
	if is {
		select {
		case <-l.ready:
		default:
			close(l.ready)
		}
	}
	l.mu.Unlock()
	if is && !was {
		l.to.Resumed()
	}
}

// What is lost with a channel are requests and answers. Who waits for them will
// be told.
func (l *streamLink) connected(error) { l.change(func() { l.subscribe = true }) }

func (l *streamLink) disconnected(err error) {
	l.change(func() { l.subscribe = false })
	l.to.Disconnected(err)
}

// reads is called by the reader. lost is why entries may be missing, or nil.
func (l *streamLink) reads(lost error) {
	if lost != nil {
		l.to.Interrupted(lost)
	}
	l.change(func() { l.reading = true })
}

func (l *streamLink) stalls(err error) {
	l.change(func() { l.reading = false })
	l.to.Disconnected(err)
	l.local.stop()
}

// begin returns the last entry that this node did not read, once that is known.
func (l *streamLink) begin() (streamID, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.begun
}

func (l *streamLink) beginAt(id streamID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		l.first, l.begun = id, true
	}
}

// isUp reports whether what is published will come back soon.
func (l *streamLink) isUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.subscribe && l.reading
}

// Publish waits until this node is subscribed to the answers.
func (l *streamLink) Publish(ctx context.Context, batch []sioadapter.Outgoing) {
	awaitReady(ctx, l.ready, batch, l.options.MaxAge)
	requests := make([]request, len(batch))
	l.mu.Lock()
	lost := l.lost
	l.mu.Unlock()
	reported := lost == 0
	for i := range batch {
		if batch[i].Err != nil {
			continue
		}
		requests[i], batch[i].Err = l.encode(batch[i].Message)
		if requests[i].verb == xadd && !reported {
			reported = true
			requests[i].fields = append(requests[i].fields, "lost", strconv.FormatUint(lost, 10))
			defer func() {
				if batch[i].Err == nil {
					l.mu.Lock()
					l.lost -= lost
					l.mu.Unlock()
				}
			}()
		}
	}
	l.sender.send(ctx, batch, requests)
	for i := range batch {
		if m := batch[i].Message; batch[i].Err != nil && !isEphemeral(m) && m.To == "" {
			l.lose(m)
		}
		l.mu.Lock()
		delete(l.only, batch[i].Message)
		l.mu.Unlock()
	}
}

// lose takes note that a message will not be in the stream: who has not got it
// yet, never will.
func (l *streamLink) lose(m *sioadapter.Message) {
	l.mu.Lock()
	l.lost++
	l.mu.Unlock()
	l.local.drop(m.Seq)
	l.local.Break()
}

// isWhole reports whether all that this node has emitted is in the stream, or on
// its way.
func (l *streamLink) isWhole() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost == 0
}

func (l *streamLink) setOnly(m *sioadapter.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.only == nil {
		l.only = make(map[*sioadapter.Message]struct{})
	}
	l.only[m] = struct{}{}
}

func (l *streamLink) encode(m *sioadapter.Message) (request, error) {
	if m.To != "" || isEphemeral(m) {
		r := request{verb: publish, to: l.channel}
		if l.options.Sharded {
			r.verb = spublish
		}
		if m.To != "" {
			r.to += m.To + "#"
		}
		payload, err := sioadapter.MsgPack.Append(nil, m)
		r.payload = rueidis.BinaryString(payload)
		return r, err
	}
	l.mu.Lock()
	_, only := l.only[m]
	l.mu.Unlock()
	fields, err := entryFields(m, only)
	return request{verb: xadd, to: l.stream, maxLen: l.maxLen, fields: fields}, err
}

// entryFields returns the fields of an entry. Those behind data are ours.
func entryFields(m *sioadapter.Message, only bool) ([]string, error) {
	fields := []string{"uid", m.From, "nsp", m.Namespace, "type", strconv.Itoa(int(m.Type))}
	b, err := sioadapter.JSON.Append(nil, m)
	switch {
	case errors.Is(err, sioadapter.ErrBinary):
		if b, err = sioadapter.MsgPack.Append(nil, m); err != nil {
			return nil, err
		}
		_, err = eachMember(b, func(key, value []byte) error {
			if string(key) == "data" {
				fields = append(fields, "data", base64.StdEncoding.EncodeToString(value))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		// Inside strings the quotes would have backslashes.
		if _, data, ok := bytes.Cut(b, []byte(`,"data":`)); ok {
			fields = append(fields, "data", string(data[:len(data)-1]))
		}
	}
	if m.Seq != 0 {
		fields = append(fields, "seq", strconv.FormatUint(m.Seq, 10))
	}
	if only {
		fields = append(fields, "only", "1")
	}
	return fields, nil
}

// entry is one of a stream, as it comes.
type entry struct {
	id     streamID
	fields map[string]string
}

// seq returns the number of the message, or 0.
func (e *entry) seq() uint64 {
	n, err := strconv.ParseUint(e.fields["seq"], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// decode returns the message of an entry.
func (e *entry) decode() (*sioadapter.Message, error) {
	t, err := strconv.ParseUint(e.fields["type"], 10, 8)
	if err != nil {
		return nil, malformed("an entry of type %.40q", e.fields["type"])
	}
	data, uid, nsp := e.fields["data"], e.fields["uid"], e.fields["nsp"]
	if data == "" || data[0] == '{' {
		b := append([]byte(`{"uid":`), text(uid)...)
		b = append(append(b, `,"nsp":`...), text(nsp)...)
		b = strconv.AppendUint(append(b, `,"type":`...), t, 10)
		b = strconv.AppendUint(append(b, `,"seq":`...), e.seq(), 10)
		if data != "" {
			if !json.Valid([]byte(data)) { // it must not end the object that it is put into
				return nil, malformed("data that is no JSON")
			}
			b = append(append(b, `,"data":`...), data...)
		}
		return sioadapter.JSON.Decode(append(b, '}'))
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, malformed("data: %v", err)
	}
	b := msgp.AppendMapHeader(nil, 5)
	b = msgp.AppendString(msgp.AppendString(b, "uid"), uid)
	b = msgp.AppendString(msgp.AppendString(b, "nsp"), nsp)
	b = msgp.AppendUint64(msgp.AppendString(b, "type"), t)
	b = msgp.AppendUint64(msgp.AppendString(b, "seq"), e.seq())
	b = append(msgp.AppendString(b, "data"), raw...)
	return sioadapter.MsgPack.Decode(b)
}

// entry takes the next entry of the stream, for this namespace.
func (l *streamLink) entry(e *entry) {
	if e.fields["uid"] == l.node {
		l.local.returned(e.id, e.seq())
		return
	}
	m, err := e.decode()
	if err != nil {
		l.to.Malformed(err)
		l.local.advance(e.id, "", 0)
		return
	}
	if isEphemeral(m) || isAnswer(m.Type) {
		if m.Type != sioadapter.MessageServerEvent || m.Request != "" { // emitters put server events there
			l.to.Malformed(malformed("%v in the stream", m.Type))
			l.local.advance(e.id, "", 0)
			return
		}
	}
	if e.fields["lost"] != "" {
		l.local.Break()
	}
	switch {
	case m.Type == sioadapter.MessageBroadcast && e.fields["only"] != "":
		heartbeat := *m
		heartbeat.Type, heartbeat.Packet = sioadapter.MessageHeartbeat, nil
		l.to.Receive(&heartbeat)
	case m.Type == sioadapter.MessageBroadcast:
		l.local.expect(e.id, m)
		l.to.Receive(m)
	default:
		l.to.Receive(m)
	}
	l.local.advance(e.id, m.From, m.Seq)
}

func (l *streamLink) message(_ topic, _, payload string) {
	m, err := sioadapter.MsgPack.Decode([]byte(payload))
	switch {
	case err == nil:
		l.to.Receive(m)
	case !l.local.sessionMessage([]byte(payload)):
		l.to.Malformed(err)
	}
}

func (l *streamLink) count(ctx context.Context) (int, error) {
	select {
	case <-l.ready: // else this node is not among them
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	which := "NUMSUB"
	if l.options.Sharded {
		which = "SHARDNUMSUB"
	}
	return numSub(ctx, l.conn, which, l.channel)
}

var errTrimmed = errors.New("redisadapter: entries of the stream may have been lost: the last one that was read is not there any more")

func parseEntries(list []rueidis.XRangeEntry) ([]entry, error) {
	entries := make([]entry, len(list))
	for i, x := range list {
		id, ok := parseStreamID(x.ID)
		if !ok {
			return nil, fmt.Errorf("redisadapter: a stream has an entry %q", x.ID)
		}
		entries[i] = entry{id, x.FieldValues}
	}
	return entries, nil
}

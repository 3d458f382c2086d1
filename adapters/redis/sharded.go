package redisadapter

import (
	"context"
	"errors"
	"sync"
	"unicode/utf16"

	"github.com/redis/rueidis"
	"github.com/siogo/sio/socketio/sioadapter"
)

// shardedFactory opens adapters over sharded Pub/Sub.
type shardedFactory struct {
	conn          Conn
	options       Options
	subscriptions subscriptions // of all namespaces
}

func (f *shardedFactory) Open(ns sioadapter.Namespace) sioadapter.Adapter {
	o := f.options
	l := &sharded{
		conn:          f.conn,
		subscriptions: f.subscriptions,
		options:       o,
		namespace:     ns.Name(),
		channel:       o.Key + "#" + ns.Name() + "#",
		ready:         make(chan struct{}),
		sender:        sender{conn: f.conn, maxAge: o.MaxAge, retry: o.MaxRetryInterval},
	}
	cluster := o.Cluster
	cluster.NodeName = nil
	cluster.Count = l.count
	if o.Subscription != Static {
		// A message on the channel of a room reaches some nodes only.
		cluster.Unnumbered = func(m *sioadapter.Message) bool { return l.roomOf(m) != "" }
		cluster.Local = watchRooms(cluster.Local, l.roomCreated, l.roomDeleted)
	}
	return sioadapter.NewCluster(ns, l, &cluster)
}

// sharded is the Bus of one namespace over sharded Pub/Sub, and its only Link.
// Messages are those of package sioadapter: as JSON, or as MessagePack where
// there is binary data.
type sharded struct {
	conn          Conn
	subscriptions subscriptions
	options       Options
	namespace     string
	channel       string // that of a room or node follows it, with a "#" at its end
	to            sioadapter.Receiver
	sender        sender // that Publish uses

	once  sync.Once
	ready chan struct{} // closed when the channels are subscribed to for the first time
}

var (
	_ sioadapter.Bus  = (*sharded)(nil)
	_ sioadapter.Link = (*sharded)(nil)
	_ consumer        = (*sharded)(nil)
)

func (l *sharded) Open(_, node string, r sioadapter.Receiver) sioadapter.Link {
	l.to = r
	l.sender.blocked = r.Blocked
	l.sender.subscribers = l.count
	l.subscriptions.add(l, topic{shardTopic, l.channel}, topic{shardTopic, l.channel + node + "#"})
	return l
}

func (l *sharded) Close() error {
	l.subscriptions.removeAll(l)
	return nil
}

func (l *sharded) connected(err error) {
	l.once.Do(func() { close(l.ready) })
	if err != nil {
		l.to.Interrupted(err)
	}
}

func (l *sharded) disconnected(err error) { l.to.Disconnected(err) }

// Publish waits until this node is subscribed to the answers.
func (l *sharded) Publish(ctx context.Context, batch []sioadapter.Outgoing) {
	awaitReady(ctx, l.ready, batch, l.options.MaxAge)
	requests := make([]request, len(batch))
	for i := range batch {
		if batch[i].Err == nil {
			requests[i], batch[i].Err = l.encode(batch[i].Message)
		}
	}
	l.sender.send(ctx, batch, requests)
}

func (l *sharded) encode(m *sioadapter.Message) (request, error) {
	r := request{verb: spublish, to: l.channel}
	if m.To != "" {
		r.to += m.To + "#"
	} else if room := l.roomOf(m); room != "" {
		r.to += room + "#"
	}
	payload, err := sioadapter.JSON.Append(nil, m)
	if errors.Is(err, sioadapter.ErrBinary) {
		payload, err = sioadapter.MsgPack.Append(nil, m)
	}
	r.payload = rueidis.BinaryString(payload)
	return r, err
}

// roomOf returns the room on whose channel m goes, or "".
func (l *sharded) roomOf(m *sioadapter.Message) string {
	if m.Type != sioadapter.MessageBroadcast || m.Request != "" || len(m.Selection.Rooms) != 1 || !l.hasChannel(m.Selection.Rooms[0]) {
		return ""
	}
	return m.Selection.Rooms[0]
}

// hasChannel reports whether a room has a channel of its own.
func (l *sharded) hasChannel(room string) bool {
	switch l.options.Subscription {
	case Dynamic:
		return !looksLikeAnID(room)
	case DynamicPrivate:
		return true
	}
	return false
}

// looksLikeAnID reports whether a room may be the own room of a socket: the
// reference goes by the length of the name, in the units of JavaScript.
func looksLikeAnID(room string) bool {
	const length = 20
	if len(room) < length || len(room) > 3*length {
		return false
	}
	n := 0
	for _, r := range room {
		n += utf16.RuneLen(r)
	}
	return n == length
}

// roomCreated and roomDeleted are called when a room gets its first member on
// this node, and when it has lost its last. Those have channels that messages
// go on; the reference goes by whether there is a socket with this id, and
// misses what is for one whose id has another length.
func (l *sharded) roomCreated(room string) {
	if l.hasChannel(room) {
		l.subscriptions.add(l, topic{shardTopic, l.channel + room + "#"})
	}
}

func (l *sharded) roomDeleted(room string) {
	if l.hasChannel(room) {
		l.subscriptions.remove(l, topic{shardTopic, l.channel + room + "#"})
	}
}

func (l *sharded) count(ctx context.Context) (int, error) {
	select {
	case <-l.ready: // else this node is not among them
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	return numSub(ctx, l.conn, "SHARDNUMSUB", l.channel)
}

func (l *sharded) message(_ topic, _, payload string) {
	b := []byte(payload)
	codec := sioadapter.MsgPack
	if len(b) > 0 && b[0] == '{' {
		codec = sioadapter.JSON
	}
	m, err := codec.Decode(b)
	if err != nil {
		l.to.Malformed(err)
		return
	}
	l.to.Receive(m)
}

package redisadapter

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/siogo/sio/socketio/sioadapter"
)

// New returns the factory of adapters that use the Pub/Sub of Redis, one for
// each namespace. They are [sioadapter.Cluster]s. All of them share one
// connection for subscriptions, which is there as long as one of them is open.
// o may be nil.
//
// Messages are as of @socket.io/redis-adapter 8.x, which 6.x and 7.x understand,
// too; with Options.Sharded as of its sharded adapter.
func New(conn Conn, o *Options) sioadapter.Factory {
	options := o.withDefaults()
	if options.Sharded {
		return &shardedFactory{conn, options, newSubscriptions(conn, options.MaxRetryInterval)}
	}
	s := newSubscriber(conn, options.MaxRetryInterval)
	return sioadapter.FactoryFunc(func(ns sioadapter.Namespace) sioadapter.Adapter {
		return openPubSub(ns, conn, s, options)
	})
}

func openPubSub(ns sioadapter.Namespace, conn Conn, s *subscriber, o Options) *sioadapter.Cluster {
	l := &pubSub{
		conn:       conn,
		subscriber: s,
		options:    o,
		names:      pubSubNamesOf(o.Key, ns.Name()),
		ready:      make(chan struct{}),
		sender:     sender{conn: conn, maxAge: o.MaxAge, retry: o.MaxRetryInterval},
	}
	cluster := o.Cluster
	cluster.NodeName = shortName
	cluster.Count = l.count
	c := sioadapter.NewCluster(ns, l, &cluster)
	l.local.Store(&c.Adapter)
	return c
}

// pubSubNames are the channels of a namespace.
type pubSubNames struct {
	namespace string
	broadcast string // that of a room follows it, with a "#" at its end
	pattern   string // of all channels that begin with broadcast
	request   string
	response  string // that of a node follows it, likewise
}

func pubSubNamesOf(key, namespace string) pubSubNames {
	n := pubSubNames{
		namespace: namespace,
		broadcast: key + "#" + namespace + "#",
		request:   key + "-request#" + namespace + "#",
		response:  key + "-response#" + namespace + "#",
	}
	n.pattern = globEscaper.Replace(n.broadcast) + "*"
	return n
}

// globEscaper makes a pattern of a name that matches nothing else.
var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// pubSub is the Bus of one namespace, and its only Link.
type pubSub struct {
	conn       Conn
	subscriber *subscriber
	options    Options
	names      pubSubNames
	node       string
	to         sioadapter.Receiver
	sender     sender // that Publish uses
	local      atomic.Pointer[sioadapter.Adapter]

	once  sync.Once
	ready chan struct{} // closed when the channels are subscribed to for the first time

	mu      sync.Mutex
	closed  bool
	replies int            // being published
	running sync.WaitGroup // those
}

var (
	_ sioadapter.Bus  = (*pubSub)(nil)
	_ sioadapter.Link = (*pubSub)(nil)
	_ consumer        = (*pubSub)(nil)
)

func (l *pubSub) Open(_, node string, r sioadapter.Receiver) sioadapter.Link {
	l.node, l.to = node, r
	l.sender.blocked = r.Blocked
	l.sender.subscribers = l.count
	l.subscriber.add(l,
		topic{patternTopic, l.names.pattern},
		topic{channelTopic, l.names.request},
		topic{channelTopic, l.names.response},
		topic{channelTopic, l.names.response + node + "#"},
	)
	return l
}

func (l *pubSub) Close() error {
	l.subscriber.removeAll(l)
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.running.Wait()
	return nil
}

func (l *pubSub) connected(err error) {
	l.once.Do(func() { close(l.ready) })
	if err != nil {
		l.to.Interrupted(err)
	}
}

func (l *pubSub) disconnected(err error) { l.to.Disconnected(err) }

// Publish waits until this node is subscribed to the answers.
func (l *pubSub) Publish(ctx context.Context, batch []sioadapter.Outgoing) {
	awaitReady(ctx, l.ready, batch, l.options.MaxAge)
	requests := make([]request, len(batch))
	for i := range batch {
		if batch[i].Err == nil {
			requests[i], batch[i].Err = l.encode(batch[i].Message)
		}
	}
	l.sender.send(ctx, batch, requests)
}

func (l *pubSub) encode(m *sioadapter.Message) (request, error) {
	r := request{verb: publish}
	var payload []byte
	var err error
	switch {
	case m.Type == sioadapter.MessageBroadcast && m.Request == "":
		r.to = l.names.broadcast
		if rooms := m.Selection.Rooms; len(rooms) == 1 {
			r.to += rooms[0] + "#"
		}
		payload = appendBroadcast(nil, m)
	case isAnswer(m.Type):
		r.to = l.names.response
		if l.options.DirectResponses && m.Type != sioadapter.MessageServerAnswer {
			r.to += m.To + "#"
		}
		payload, err = encodeResponse(m)
	default:
		r.to = l.names.request
		payload, err = encodeRequest(m)
	}
	r.payload = rueidis.BinaryString(payload)
	return r, err
}

func isAnswer(t sioadapter.MessageType) bool {
	switch t {
	case sioadapter.MessageSockets, sioadapter.MessageServerAnswer, sioadapter.MessageClientCount, sioadapter.MessageClientAnswer:
		return true
	}
	return false
}

// count returns how many nodes there are.
func (l *pubSub) count(ctx context.Context) (int, error) {
	select {
	case <-l.ready: // else this node is not among them
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	return numSub(ctx, l.conn, "NUMSUB", l.names.request)
}

// numSub returns how many connections are subscribed to a channel, on all nodes
// of Redis.
func numSub(ctx context.Context, conn Conn, which, channel string) (int, error) {
	nodes := map[string]rueidis.Client{"": conn}
	if conn.Mode() == rueidis.ClientModeCluster {
		nodes = conn.Nodes()
	}
	sum := 0
	for _, node := range nodes {
		n, err := numSubOf(ctx, node, which, channel)
		if err != nil {
			return 0, fmt.Errorf("redisadapter: counting nodes: %w", err)
		}
		sum += n
	}
	return sum, nil
}

func numSubOf(ctx context.Context, conn Conn, which, channel string) (int, error) {
	reply, err := conn.Do(ctx, conn.B().Arbitrary("PUBSUB", which).Args(channel).Build()).AsIntMap()
	if err != nil {
		return 0, err
	}
	return int(reply[channel]), nil
}

func (l *pubSub) message(t topic, channel, payload string) {
	var err error
	switch {
	case t.kind == patternTopic:
		err = l.broadcast(channel, []byte(payload))
	case t.name == l.names.request:
		err = l.request([]byte(payload))
	default:
		var m *sioadapter.Message
		if m, err = decodeResponse([]byte(payload), l.names.namespace); err == nil && m != nil {
			l.to.Receive(m)
		}
	}
	if err != nil {
		l.to.Malformed(err)
	}
}

// broadcast decodes as little as possible of what is for a room that nobody
// here is in.
func (l *pubSub) broadcast(channel string, payload []byte) error {
	room, ok := strings.CutPrefix(channel, l.names.broadcast)
	if !ok || room != "" && !strings.HasSuffix(room, "#") {
		return malformed("a broadcast on the channel %.40q", channel)
	}
	room = strings.TrimSuffix(room, "#")
	m, err := decodeBroadcast(payload, l.names.namespace, room == "" || l.hasRoom(room))
	if err == nil && m != nil {
		l.to.Receive(m)
	}
	return err
}

func (l *pubSub) hasRoom(room string) bool {
	a := l.local.Load()
	return a == nil || hasRoom(*a, room)
}

// hasRoom reports whether anybody on this node is in a room.
func hasRoom(a sioadapter.Adapter, room string) bool {
	if a, ok := a.(interface{ HasRoom(room string) bool }); ok {
		return a.HasRoom(room)
	}
	return len(a.Members(&sioadapter.Selection{Rooms: []string{room}})) > 0
}

func (l *pubSub) request(payload []byte) error {
	m, q, err := decodeRequest(payload, l.names.namespace)
	if err != nil {
		return err
	}
	if m != nil {
		l.to.Receive(m)
	}
	if reply := l.answerOld(q); reply != "" {
		l.reply(reply)
	}
	return nil
}

// answerOld answers the requests that only nodes of the reference make, and
// only old ones some of them.
func (l *pubSub) answerOld(q oldRequest) string {
	a := l.local.Load()
	if a == nil || q.kind == noOldRequest {
		return ""
	}
	var list []string
	name := "sockets"
	switch q.kind {
	case oldSockets:
		for _, m := range (*a).Members(&sioadapter.Selection{Rooms: q.rooms}) {
			list = append(list, m.ID())
		}
	case oldRooms:
		name = "rooms"
		for _, m := range (*a).Members(&sioadapter.Selection{}) {
			list = append(list, m.ID())
		}
		for room := range (*a).RoomSizes() {
			if (*a).Lookup(room) == nil {
				list = append(list, room)
			}
		}
	case oldSocket:
		if (*a).Lookup(q.rooms[0]) == nil {
			return ""
		}
		return string(text(struct {
			RequestID string `json:"requestId"`
		}{q.id}))
	}
	return string(text(map[string]any{"requestId": q.id, name: append([]string{}, list...)}))
}

// maxReplies bounds the replies that are being published; further ones are
// dropped, and who asked will wait in vain.
const maxReplies = 100

func (l *pubSub) reply(payload string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.replies == maxReplies {
		return
	}
	l.replies++
	// Started for each reply; ends when Redis has taken it, or cannot be
	// reached. Close waits for it.
	l.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), l.options.MaxRetryInterval)
		defer cancel()
		l.conn.Do(ctx, l.conn.B().Publish().Channel(l.names.response).Message(payload).Build())
		l.mu.Lock()
		l.replies--
		l.mu.Unlock()
	})
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", sioadapter.ErrMessage, fmt.Sprintf(format, args...))
}

// awaitReady waits until ready is closed, as long as the messages of batch may
// wait. If it is not, it sets their errors.
func awaitReady(ctx context.Context, ready <-chan struct{}, batch []sioadapter.Outgoing, maxAge time.Duration) {
	select {
	case <-ready:
		return
	default:
	}
	patience := time.NewTimer(time.Until(batch[len(batch)-1].Posted.Add(maxAge)))
	defer patience.Stop()
	err := fmt.Errorf("%w: there is no connection for subscriptions yet", ErrExpired)
	select {
	case <-ready:
		return
	case <-patience.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	for i := range batch {
		batch[i].Err = err
	}
}

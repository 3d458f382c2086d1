package redisadapter

import (
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// A namespace of a test, whose sockets keep what they get.
type testNamespace struct {
	name    string
	adapter sioadapter.Adapter

	mu      sync.Mutex
	got     map[string][]string // by id of the socket
	at      map[string]time.Time
	gone    []string
	changed chan struct{}
}

func openNamespace(t testing.TB, f sioadapter.Factory, name string) *testNamespace {
	n := &testNamespace{name: name, got: make(map[string][]string), at: make(map[string]time.Time), changed: make(chan struct{}, 1)}
	n.adapter = f.Open(n)
	t.Cleanup(func() { n.adapter.Close() })
	return n
}

func (n *testNamespace) Name() string             { return n.name }
func (n *testNamespace) Parser() sioparser.Parser { return jsonParser }
func (n *testNamespace) Logger() *slog.Logger     { return slog.New(slog.DiscardHandler) }

func (n *testNamespace) Deliver(p *sioadapter.Packet, _ sioadapter.Flags, to []sioadapter.Member) {
	text := string(inJSON(p.Args).Raw())
	now := time.Now()
	n.mu.Lock()
	for _, m := range to {
		n.got[m.ID()] = append(n.got[m.ID()], text)
	}
	n.at[text] = now
	n.mu.Unlock()
	n.touch()
}

func (n *testNamespace) Ask(p *sioadapter.Packet, f sioadapter.Flags, to []sioadapter.Member, a sioadapter.Answers) func() {
	n.Deliver(p, f, to)
	for _, m := range to {
		a.Answer(m.ID(), jsonArgs(`["yes"]`), nil)
	}
	return func() {}
}

func (n *testNamespace) Describe(m sioadapter.Member) sioadapter.Info {
	return sioadapter.Info{ID: m.ID(), Rooms: n.adapter.Rooms(m), Local: m, Data: json.RawMessage("{}")}
}

func (n *testNamespace) Disconnect(m sioadapter.Member, _ bool) {
	n.adapter.Remove(m)
	n.mu.Lock()
	n.gone = append(n.gone, m.ID())
	n.mu.Unlock()
	n.touch()
}

func (n *testNamespace) touch() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// texts returns what a socket has got.
func (n *testNamespace) texts(id string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.got[id])
}

// until waits until ok holds.
func (n *testNamespace) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-n.changed:
		case <-time.After(20 * time.Millisecond):
		case <-deadline.C:
			t.Fatalf("still not true after a minute: %s", what)
		}
	}
}

type testSocket struct {
	id   string
	seat sioadapter.Seat
}

func (s *testSocket) ID() string             { return s.id }
func (s *testSocket) Seat() *sioadapter.Seat { return &s.seat }

func (n *testNamespace) add(id string, rooms ...string) *testSocket {
	s := &testSocket{id: id}
	n.adapter.Add(s)
	_ = n.adapter.Join(s, rooms...)
	return s
}

func TestEmitters(t *testing.T) {
	server := startRedis(t)
	for _, tt := range []struct {
		name    string
		factory func(Conn) sioadapter.Factory
		emitter func(Conn) Emitter
	}{
		{"pubsub", func(c Conn) sioadapter.Factory { return New(c, &Options{Key: "a"}) }, func(c Conn) Emitter { return NewEmitter(c, &EmitterOptions{Key: "a"}) }},
		{"sharded", func(c Conn) sioadapter.Factory { return New(c, &Options{Key: "b", Sharded: true}) }, func(c Conn) Emitter { return NewEmitter(c, &EmitterOptions{Key: "b", Sharded: true}) }},
		{"streams", func(c Conn) sioadapter.Factory { return NewStreams(c, &StreamsOptions{Key: "c", Streams: 3}) }, func(c Conn) Emitter { return NewStreamsEmitter(c, &StreamsEmitterOptions{Streams: 3}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := dial(t, server.Addr)
			f := tt.factory(conn)
			n := openNamespace(t, f, "/chat")
			n.add("one", "room")
			n.add("two", "room")
			n.add("three")
			var events []string
			n.adapter.OnServerEvent(func(e *sioadapter.ServerEvent) {
				n.mu.Lock()
				events = append(events, string(inJSON(e.Packet.Args).Raw()))
				n.mu.Unlock()
				n.touch()
			})
			em := tt.emitter(conn).Of("chat")
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			n.until(t, "the node listens", func() bool {
				must(em.To("three").Emit("ready?"))
				return len(n.texts("three")) > 0
			})
			if s, ok := f.(*shardedFactory); ok {
				settle(t, s.subscriptions)
			}
			must(em.To("room").Except("two").Volatile().Compress(false).Emit("a", 1, []byte{1, 2}))
			must(em.Emit("b", map[string]any{"x": "<&>"}))
			must(em.To("one").Join("more"))
			must(em.To("one").Leave("room"))
			must(em.Servers().Emit("reload", "all"))
			must(em.To("two").Hangup())
			n.until(t, "two is gone, and servers are told", func() bool {
				n.mu.Lock()
				defer n.mu.Unlock()
				return len(n.gone) == 1 && len(events) == 1
			})
			if got := n.texts("one"); !slices.Equal(got, []string{`["a",1,` + placeholder0 + `]`, `["b",{"x":"<&>"}]`}) {
				t.Errorf("one got %q", got)
			}
			if got := n.texts("two"); !slices.Equal(got, []string{`["b",{"x":"<&>"}]`}) {
				t.Errorf("two got %q", got)
			}
			if got := n.adapter.Rooms(n.adapter.Lookup("one")); !slices.Equal(got, []string{"one", "more"}) {
				t.Errorf("one is in %q", got)
			}
			if events[0] != `["reload","all"]` {
				t.Errorf("servers got %q", events)
			}
			if err := em.Emit("disconnect"); err == nil {
				t.Error("a reserved name was emitted")
			}
		})
	}
}

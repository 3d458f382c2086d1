// Package cluster tests clusters of nodes in Go and in Node.js, on one Redis.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"
	redisadapter "github.com/siogo/sio/adapters/redis"
	"github.com/siogo/sio/internal/redisserver"
	"github.com/siogo/sio/interop/internal/node"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioclient"
)

// adapters are the names that js/cluster.mjs knows, and ours for each.
var adapters = []struct {
	name string
	ours func(conn redisadapter.Conn) sioadapter.Factory
}{
	{"pubsub", func(c redisadapter.Conn) sioadapter.Factory { return redisadapter.New(c, nil) }},
	{"pubsub-7", func(c redisadapter.Conn) sioadapter.Factory { return redisadapter.New(c, nil) }},
	{"direct", func(c redisadapter.Conn) sioadapter.Factory {
		return redisadapter.New(c, &redisadapter.Options{DirectResponses: true})
	}},
	{"sharded", func(c redisadapter.Conn) sioadapter.Factory {
		return redisadapter.New(c, &redisadapter.Options{Sharded: true})
	}},
	{"sharded-static", func(c redisadapter.Conn) sioadapter.Factory {
		return redisadapter.New(c, &redisadapter.Options{Sharded: true, Subscription: redisadapter.Static})
	}},
	{"sharded-private", func(c redisadapter.Conn) sioadapter.Factory {
		return redisadapter.New(c, &redisadapter.Options{Sharded: true, Subscription: redisadapter.DynamicPrivate})
	}},
	{"streams", func(c redisadapter.Conn) sioadapter.Factory {
		return redisadapter.NewStreams(c, &redisadapter.StreamsOptions{WaitForOffset: time.Second})
	}},
}

// A command is one for js/cluster.mjs, and a choice of receivers.
type command struct {
	Op       string   `json:"op"`
	Rooms    []string `json:"rooms,omitempty"`
	Except   []string `json:"except,omitempty"`
	Local    bool     `json:"local,omitempty"`
	Volatile bool     `json:"volatile,omitempty"`
	Args     []any    `json:"args,omitempty"`
	Join     string   `json:"join,omitempty"`
	URL      string   `json:"url,omitempty"`
	Delay    int      `json:"delay,omitempty"`
}

// remote is what a node knows of a socket.
type remote struct {
	ID    string
	Rooms []string
	Data  map[string]any
}

// A server is a node of the cluster.
type server interface {
	url() string
	emit(c command)
	ask(c command) []string // answers as JSON
	fetch(c command) []remote
	join(c command)
	leave(c command)
	disconnect(c command)
	serverEmit(c command)
	serverAsk(c command) []string
	events() []string // what other servers have emitted, as JSON
}

type jsServer struct {
	t       *testing.T
	p       *node.Process
	address string
	pid     int
}

func startJS(t *testing.T, kind, port string) *jsServer {
	p := node.Start(t, "../js", "cluster.mjs", kind, port)
	var hello struct {
		URL string
		PID int
	}
	if err := p.Read(&hello); err != nil {
		t.Fatal(err)
	}
	return &jsServer{t, p, hello.URL, hello.PID}
}

func (s *jsServer) do(op string, c command, result any) {
	s.t.Helper()
	c.Op = op
	if err := s.p.Write(c); err != nil {
		s.t.Fatal(err)
	}
	var answer struct {
		Result json.RawMessage
		Error  string
	}
	if err := s.p.Read(&answer); err != nil || answer.Error != "" {
		s.t.Fatalf("%s in Node.js: %v %s", op, err, answer.Error)
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			s.t.Fatalf("%s in Node.js: %v", op, err)
		}
	}
}

func (s *jsServer) texts(op string, c command) []string {
	var list []json.RawMessage
	s.do(op, c, &list)
	texts := make([]string, len(list))
	for i, raw := range list {
		texts[i] = string(raw)
	}
	return texts
}

func (s *jsServer) url() string                  { return s.address }
func (s *jsServer) emit(c command)               { s.do("emit", c, nil) }
func (s *jsServer) ask(c command) []string       { return s.texts("ask", c) }
func (s *jsServer) join(c command)               { s.do("join", c, nil) }
func (s *jsServer) leave(c command)              { s.do("leave", c, nil) }
func (s *jsServer) disconnect(c command)         { s.do("disconnect", c, nil) }
func (s *jsServer) serverEmit(c command)         { s.do("serverEmit", c, nil) }
func (s *jsServer) serverAsk(c command) []string { return s.texts("serverAsk", c) }
func (s *jsServer) events() []string             { return s.texts("events", command{}) }
func (s *jsServer) fetch(c command) (list []remote) {
	s.do("fetch", c, &list)
	return list
}

type goServer struct {
	t       *testing.T
	io      *socketio.Server
	address string

	mu  sync.Mutex
	got []string
}

var nodeKey = socketio.NewKey[string]("node")

func startGo(t *testing.T, conn redisadapter.Conn, f sioadapter.Factory, recovers bool) *goServer {
	o := &socketio.Options{Adapter: f}
	if recovers {
		o.Recovery = &socketio.Recovery{}
	}
	s := &goServer{t: t, io: socketio.New(o)}
	s.io.OnConnect(func(_ context.Context, sock *socketio.Socket) error {
		nodeKey.Set(sock, "go")
		return nil
	})
	s.io.On("join", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		var room string
		if err := e.Decode(&room); err != nil {
			return err
		}
		if err := e.Socket().Join(room); err != nil {
			return err
		}
		return e.Reply()
	}))
	s.io.Servers().On("tick", func(_ context.Context, e *socketio.ServerEvent) error {
		s.mu.Lock()
		s.got = append(s.got, text(plain(e.Arguments())))
		s.mu.Unlock()
		if e.WantsReply() {
			return e.Reply("from go")
		}
		return nil
	})
	h := httptest.NewServer(s.io)
	s.address = h.URL
	t.Cleanup(func() {
		s.io.Close()
		h.Close()
	})
	return s
}

func (s *goServer) target(c command) socketio.Emitter {
	e := s.io.To(c.Rooms...).Except(c.Except...)
	if c.Volatile {
		e = e.Volatile()
	}
	if c.Local {
		e = e.Local()
	}
	return e
}

func (s *goServer) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *goServer) url() string { return s.address }
func (s *goServer) emit(c command) {
	s.must(s.target(c).Emit(c.Args[0].(string), real(c.Args[1:]).([]any)...))
}
func (s *goServer) ask(c command) (list []string) {
	for a := range s.target(c).Each(s.t.Context(), c.Args[0].(string), real(c.Args[1:]).([]any)...) {
		if a.Err != nil {
			s.t.Errorf("an answer: %v", a.Err)
			continue
		}
		list = append(list, text(plain(a.Args)[0]))
	}
	return list
}
func (s *goServer) fetch(c command) (list []remote) {
	for r, err := range s.target(c).Sockets(s.t.Context()) {
		if err != nil {
			s.t.Errorf("Sockets: %v", err)
			break
		}
		node, _, _ := nodeKey.Of(r)
		list = append(list, remote{r.ID(), r.Rooms(), map[string]any{"node": node}})
	}
	return list
}
func (s *goServer) join(c command)       { s.must(s.target(c).Join(c.Join)) }
func (s *goServer) leave(c command)      { s.must(s.target(c).Leave(c.Join)) }
func (s *goServer) disconnect(c command) { s.must(s.target(c).Disconnect()) }
func (s *goServer) serverEmit(c command) {
	s.must(s.io.Servers().Emit(c.Args[0].(string), real(c.Args[1:]).([]any)...))
}
func (s *goServer) serverAsk(c command) (list []string) {
	for a := range s.io.Servers().Each(s.t.Context(), c.Args[0].(string), real(c.Args[1:]).([]any)...) {
		if a.Err != nil {
			s.t.Errorf("an answer: %v", a.Err)
			continue
		}
		list = append(list, text(plain(a.Args)[0]))
	}
	return list
}
func (s *goServer) events() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// binary is bytes in a command.
func binary(b ...byte) any {
	list := make([]any, len(b))
	for i := range b {
		list[i] = float64(b[i])
	}
	return map[string]any{"$bin": list}
}

// real replaces what stands for bytes.
func real(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = real(v[i])
		}
		return out
	case map[string]any:
		if list, ok := v["$bin"].([]any); ok {
			b := make([]byte, len(list))
			for i := range list {
				b[i] = byte(list[i].(float64))
			}
			return b
		}
	}
	return v
}

// plain decodes arguments, and puts what stands for bytes in their place.
func plain(args event.Args) []any {
	out := make([]any, args.Len())
	dst := make([]any, args.Len())
	for i := range out {
		dst[i] = &out[i]
	}
	if err := args.Decode(dst...); err != nil {
		panic(err)
	}
	for i := range out {
		out[i] = marked(out[i])
	}
	return out
}

func marked(v any) any {
	switch v := v.(type) {
	case []byte:
		return binary(v...)
	case []any:
		for i := range v {
			v[i] = marked(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = marked(v[k])
		}
	}
	return v
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

var offset = regexp.MustCompile(`^[0-9]{13}-[0-9]+$`)

// client is a client of one node.
type client struct {
	name string
	s    *sioclient.Socket

	mu   sync.Mutex
	got  []string
	gone bool
}

func dial(t *testing.T, name, url string) *client {
	t.Helper()
	c := &client{name: name}
	s, err := sioclient.New(url, &sioclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.s = s
	s.OnAny(func(_ context.Context, e *sioclient.Event) error {
		args := plain(e.Arguments())
		if n := len(args); n > 0 { // the server in Node.js sends offsets, asked or not
			if s, ok := args[n-1].(string); ok && offset.MatchString(s) {
				args = args[:n-1]
			}
		}
		c.mu.Lock()
		c.got = append(c.got, text(append([]any{e.Name}, args...)))
		c.mu.Unlock()
		if e.WantsReply() {
			return e.Reply("yes, " + name)
		}
		return nil
	})
	s.OnDisconnect(func(context.Context, *sioclient.Socket, sioclient.Reason) {
		c.mu.Lock()
		c.gone = true
		c.mu.Unlock()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return c
}

func (c *client) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

func (c *client) has(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.got, text)
}

func (c *client) isGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

func (c *client) join(t *testing.T, room string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := c.s.Call(ctx, "join", room); err != nil {
		t.Fatal(err)
	}
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not true: %s", what)
		}
	}
}

// cluster is one node in Node.js and two in Go, with a client each.
type cluster struct {
	*testing.T
	conn    redisadapter.Conn
	js      *jsServer
	servers []server
	clients []*client
	fences  int
}

func start(t *testing.T, kind string, ours func(redisadapter.Conn) sioadapter.Factory) *cluster {
	redis := redisserver.Start(t)
	_, port, _ := strings.Cut(redis.Addr, ":")
	conn, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis.Addr}, ForceSingleClient: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	c := &cluster{T: t, conn: conn, js: startJS(t, kind, port)}
	c.servers = []server{c.js}
	for range 2 {
		c.servers = append(c.servers, startGo(t, conn, ours(conn), kind == "streams"))
	}
	for i, s := range c.servers {
		c.clients = append(c.clients, dial(t, []string{"js", "go1", "go2"}[i], s.url()))
	}
	for i := range c.servers { // until all hear each other
		until(t, "the nodes hear each other", func() bool {
			name := fmt.Sprint("hello ", i)
			c.servers[i].emit(command{Args: []any{name}})
			time.Sleep(10 * time.Millisecond)
			return !slices.ContainsFunc(c.clients, func(c *client) bool { return !c.has(`["` + name + `"]`) })
		})
	}
	c.fence()
	return c
}

// fence waits until all that was emitted has arrived, and forgets it if nobody
// has asked for it.
func (c *cluster) fence() map[string][]string {
	c.Helper()
	c.fences++
	for i, s := range c.servers {
		name := fmt.Sprintf("fence %d of %d", c.fences, i)
		s.emit(command{Args: []any{name}})
		for _, to := range c.clients {
			until(c, to.name+" has got "+name, func() bool { return to.has(`["` + name + `"]`) })
		}
	}
	got := make(map[string][]string)
	for _, to := range c.clients {
		for _, text := range to.take() {
			if !strings.HasPrefix(text, `["fence`) && !strings.HasPrefix(text, `["hello`) {
				got[to.name] = append(got[to.name], text)
			}
		}
	}
	return got
}

func (c *cluster) expect(what string, got map[string][]string, names string, want string) {
	c.Helper()
	for _, to := range c.clients {
		list := got[to.name]
		if in := slices.Contains(strings.Fields(names), to.name); in && !slices.Equal(list, []string{want}) || !in && list != nil {
			c.Errorf("%s: %s got %q; want %s for %s", what, to.name, list, want, names)
		}
	}
}

func TestFault_C15_MixedCluster(t *testing.T) {
	for _, a := range adapters {
		t.Run(a.name, func(t *testing.T) { testMixed(start(t, a.name, a.ours)) })
	}
}

func testMixed(c *cluster) {
	c.clients[0].join(c.T, "even")
	c.clients[1].join(c.T, "odd")
	c.clients[2].join(c.T, "even")
	// Those that subscribe to rooms do so on the way.
	for _, s := range c.servers {
		for room, members := range map[string][]int{"even": {0, 2}, "odd": {1}} {
			until(c, "the room is known everywhere", func() bool {
				s.emit(command{Rooms: []string{room}, Args: []any{"hello"}})
				time.Sleep(5 * time.Millisecond)
				for _, i := range members {
					if !c.clients[i].has(`["hello"]`) {
						return false
					}
				}
				return true
			})
			c.fence()
		}
	}

	for i, s := range []server{c.servers[0], c.servers[1]} {
		from := c.clients[i].name
		emit := func(what string, cmd command, names string) {
			c.Helper()
			s.emit(cmd)
			c.expect(what+" from "+from, c.fence(), names, text(cmd.Args))
		}
		all := "js go1 go2"
		emit("broadcast", command{Args: []any{"a", 1.0, "two", nil, map[string]any{"x": []any{true}}}}, all)
		emit("a room", command{Rooms: []string{"even"}, Args: []any{"b"}}, "js go2")
		emit("rooms", command{Rooms: []string{"even", "odd"}, Args: []any{"c"}}, all)
		emit("except", command{Except: []string{"odd"}, Args: []any{"d"}}, "js go2")
		emit("an id", command{Rooms: []string{c.clients[2].s.ID()}, Args: []any{"e"}}, "go2")
		emit("local", command{Local: true, Args: []any{"f"}}, from)
		emit("volatile", command{Volatile: true, Args: []any{"g"}}, all)
		emit("binary", command{Args: []any{"h", binary(1, 2, 255), []any{binary(), "x"}}}, all)
		emit("binary to a room", command{Rooms: []string{"even"}, Args: []any{"i", binary(7)}}, "js go2")

		answers := s.ask(command{Args: []any{"ask", binary(1)}})
		slices.Sort(answers)
		if want := []string{`"yes, go1"`, `"yes, go2"`, `"yes, js"`}; !slices.Equal(answers, want) {
			c.Errorf("answers to %s: %q, want %q", from, answers, want)
		}
		c.expect("with acknowledgement from "+from, c.fence(), all, text([]any{"ask", binary(1)}))

		found := s.fetch(command{})
		if len(found) != 3 {
			c.Errorf("%s finds %d sockets, want 3: %+v", from, len(found), found)
		}
		for _, r := range found {
			k := slices.IndexFunc(c.clients, func(c *client) bool { return c.s.ID() == r.ID })
			if k < 0 || r.Data["node"] != c.clients[k].name[:2] || len(r.Rooms) != 2 {
				c.Errorf("%s finds %+v", from, r)
			}
		}
		if found := s.fetch(command{Rooms: []string{"odd"}}); len(found) != 1 || found[0].ID != c.clients[1].s.ID() {
			c.Errorf("%s finds %+v in odd, want go1", from, found)
		}

		room := "new room of " + from
		s.join(command{Except: []string{"odd"}, Join: room})
		until(c, "the sockets have joined", func() bool { return len(s.fetch(command{Rooms: []string{room}})) == 2 })
		s.leave(command{Rooms: []string{"even"}, Join: room})
		until(c, "the sockets have left", func() bool { return len(s.fetch(command{Rooms: []string{room}})) == 0 })

		for k, other := range c.servers {
			guests := command{Rooms: []string{"guests of " + from}}
			guest := dial(c.T, fmt.Sprintf("guest %d of %s", k, from), other.url())
			guest.join(c.T, guests.Rooms[0])
			until(c, "the guest is found", func() bool { return len(s.fetch(guests)) == 1 })
			s.disconnect(guests)
			until(c, "the guest is disconnected", guest.isGone)
			until(c, "the guest is found no more", func() bool { return len(s.fetch(guests)) == 0 })
		}

		tick := command{Args: []any{"tick", from, 1.0}}
		s.serverEmit(tick)
		for k, other := range c.servers {
			until(c, "the other servers are told", func() bool {
				n := 0
				for _, e := range other.events() {
					if e == text(tick.Args[1:]) {
						n++
					}
				}
				return n == 1 || k == i && n == 0
			})
		}
		answers = s.serverAsk(command{Args: []any{"tick", from, "with an answer"}})
		slices.Sort(answers)
		want := []string{`"from go"`, `"from js"`}
		if i == 0 {
			want = []string{`"from go"`, `"from go"`}
		}
		if !slices.Equal(answers, want) {
			c.Errorf("servers answered %q to %s, want %q", answers, from, want)
		}
	}
}

func TestMixedEmitters(t *testing.T) {
	for _, a := range adapters {
		sharded := strings.HasPrefix(a.name, "sharded")
		if sharded && a.name != "sharded" || a.name == "pubsub-7" || a.name == "direct" {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			c := start(t, a.name, a.ours)
			em := redisadapter.NewEmitter(c.conn, &redisadapter.EmitterOptions{Sharded: sharded})
			if a.name == "streams" {
				em = redisadapter.NewStreamsEmitter(c.conn, nil)
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(em.Emit("from go", 1, []byte{1, 2}))
			c.expect("the emitter in Go", c.fence(), "js go1 go2", text([]any{"from go", 1, binary(1, 2)}))
			must(em.Except(c.clients[0].s.ID()).Join("room"))
			for _, s := range c.servers {
				until(t, "the sockets have joined", func() bool { return len(s.fetch(command{Rooms: []string{"room"}})) == 2 })
			}
			must(em.Servers().Emit("tick", "emitter"))
			for _, s := range c.servers {
				until(t, "the servers are told", func() bool { return slices.Contains(s.events(), `["emitter"]`) })
			}

			if a.name == "pubsub" { // @socket.io/redis-emitter knows no other adapter
				c.js.do("emitter", command{Args: []any{"from js", 1.0, binary(3)}, Except: []string{c.clients[1].s.ID()}}, nil)
				c.expect("the emitter in Node.js", c.fence(), "js go2", text([]any{"from js", 1.0, binary(3)}))
				c.js.do("emitterJoin", command{Rooms: []string{"room"}, Join: "more"}, nil)
				for _, s := range c.servers {
					until(t, "the sockets have joined", func() bool { return len(s.fetch(command{Rooms: []string{"more"}})) == 2 })
				}
				c.js.do("emitterServer", command{Args: []any{"tick", "emitter in js"}}, nil)
				for _, s := range c.servers {
					until(t, "the servers are told", func() bool { return slices.Contains(s.events(), `["emitter in js"]`) })
				}
			}
			must(em.To("room").Disconnect())
			until(t, "the sockets are gone", func() bool { return len(c.servers[0].fetch(command{})) == 1 })
		})
	}
}

// A node is shut down, as when a new version is rolled out. Its clients are
// recovered by another node, with what was emitted meanwhile.
func TestMixedRecoveryAfterShutdown(t *testing.T) {
	c := start(t, "streams", adapters[len(adapters)-1].ours)
	var id string
	c.js.do("connect", command{URL: c.servers[1].url()}, &id)
	c.servers[0].emit(command{Args: []any{"e", 1.0}})
	c.fence()
	received := func(n float64) bool {
		var all [][]any
		c.js.do("received", command{}, &all)
		return slices.ContainsFunc(all, func(args []any) bool { return args[0] == "e" && args[1] == n })
	}
	until(t, "the client has got an event", func() bool { return received(1) })
	c.js.do("move", command{URL: c.servers[2].url()}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.servers[1].(*goServer).io.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	c.servers[0].emit(command{Args: []any{"e", 2.0}})
	var back struct {
		ID        string
		Recovered bool
	}
	c.js.do("back", command{}, &back)
	if !back.Recovered || back.ID != id {
		t.Fatalf("the client is %+v, want %s recovered", back, id)
	}
	until(t, "the client has got what it has missed", func() bool { return received(2) })
}

// The node in Node.js stands still, and goes on. The others serve their clients
// meanwhile, and say that one has not reported.
func TestMixedFault_C05_NodeStopped(t *testing.T) {
	for _, a := range adapters {
		if a.name != "pubsub" && a.name != "sharded" && a.name != "streams" {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			c := start(t, a.name, func(conn redisadapter.Conn) sioadapter.Factory {
				impatient := sioadapter.ClusterOptions{RequestTimeout: 2 * time.Second}
				switch a.name {
				case "sharded":
					return redisadapter.New(conn, &redisadapter.Options{Sharded: true, Cluster: impatient})
				case "streams":
					return redisadapter.NewStreams(conn, &redisadapter.StreamsOptions{Cluster: impatient})
				}
				return redisadapter.New(conn, &redisadapter.Options{Cluster: impatient})
			})
			signal := func(s syscall.Signal) {
				if err := syscall.Kill(c.js.pid, s); err != nil {
					t.Fatal(err)
				}
			}
			signal(syscall.SIGSTOP)
			defer signal(syscall.SIGCONT)
			const count = 100
			for i := range count {
				c.servers[1].emit(command{Args: []any{"n", float64(i)}})
			}
			last := text([]any{"n", float64(count - 1)})
			until(t, "the nodes in Go have got all", func() bool { return c.clients[1].has(last) && c.clients[2].has(last) })
			found := 0
			var partial *sioadapter.PartialError
			for _, err := range c.servers[1].(*goServer).io.All().Sockets(t.Context()) {
				if err == nil {
					found++
				} else if !errors.As(err, &partial) {
					t.Errorf("error %v, want a *PartialError", err)
				}
			}
			if found != 2 || partial == nil || partial.Expected-partial.Answered != 1 {
				t.Errorf("%d sockets and %v, want two, and one node that has not reported", found, partial)
			}
			signal(syscall.SIGCONT)
			got := c.fence()
			for _, to := range c.clients {
				if len(got[to.name]) != count {
					t.Errorf("%s got %d events, want each of %d once", to.name, len(got[to.name]), count)
				}
			}
			if found := c.servers[1].fetch(command{}); len(found) != 3 {
				t.Errorf("%d sockets, want 3", len(found))
			}
		})
	}
}

// The official client loses its connection to one node, and comes back to
// another: it gets what it has missed, once.
func TestMixedRecovery(t *testing.T) {
	c := start(t, "streams", adapters[len(adapters)-1].ours)
	path := []int{0, 1, 0, 2, 1} // Node.js to Go, back, and from Go to Go
	var id string
	c.js.do("connect", command{URL: c.servers[path[0]].url()}, &id)
	n := 0
	emit := func() {
		for _, s := range c.servers {
			n++
			s.emit(command{Args: []any{"e", float64(n)}})
			c.fence()
		}
	}
	numbers := func() (list []float64) {
		var all [][]any
		c.js.do("received", command{}, &all)
		for _, args := range all {
			if args[0] == "e" {
				list = append(list, args[1].(float64))
			}
		}
		return list
	}
	emit()
	for _, to := range path[1:] {
		until(t, "the client has got all", func() bool { return len(numbers()) >= n })
		c.js.do("cut", command{URL: c.servers[to].url(), Delay: 1500}, nil)
		emit()
		var back struct {
			ID        string
			Recovered bool
		}
		c.js.do("back", command{}, &back)
		if !back.Recovered || back.ID != id {
			t.Fatalf("on node %d the client is %+v, want %s recovered", to, back, id)
		}
		emit()
	}
	until(t, "the client has got all", func() bool { return len(numbers()) >= n })
	for i, got := range numbers() {
		if got != float64(i+1) {
			t.Fatalf("got %v, want each once and in order", numbers())
		}
	}
}

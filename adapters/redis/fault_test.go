package redisadapter

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/internal/goal"
	"github.com/siogo/sio/internal/redisserver"
	"github.com/siogo/sio/socketio/sioadapter"
)

// chaos is how long TestFault_Chaos goes on for each adapter.
var chaos = flag.Duration("chaos", 12*time.Second, "how long the tests with random faults go on, for each adapter")

// kinds are the adapters whose messages all are counted.
var kinds = []struct {
	name string
	open func(c Conn, o sioadapter.ClusterOptions) sioadapter.Factory
}{
	{"pubsub", func(c Conn, o sioadapter.ClusterOptions) sioadapter.Factory { return New(c, &Options{Cluster: o}) }},
	{"sharded", func(c Conn, o sioadapter.ClusterOptions) sioadapter.Factory {
		return New(c, &Options{Sharded: true, Subscription: Static, Cluster: o})
	}},
	{"streams", func(c Conn, o sioadapter.ClusterOptions) sioadapter.Factory {
		return NewStreams(c, &StreamsOptions{BlockTime: time.Second, Cluster: o})
	}},
}

// forEachKind runs a test with each of the adapters, on a Redis of its own.
func forEachKind(t *testing.T, run func(t *testing.T, r *faultRig)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			run(t, &faultRig{T: t, kind: k.name, open: k.open, server: startRedis(t)})
		})
	}
}

type faultRig struct {
	*testing.T
	kind   string
	open   func(c Conn, o sioadapter.ClusterOptions) sioadapter.Factory
	server *redisserver.Server
	nodes  []*faultNode
}

// faultNode is a node with one socket, its name.
type faultNode struct {
	*testNamespace
	line  *line
	index int
	id    string

	mu     sync.Mutex
	events map[sioadapter.EventKind]uint64
	sent   int
}

// start opens nodes that know each other.
func (r *faultRig) start(n int, o sioadapter.ClusterOptions) {
	r.Helper()
	for i := range n {
		node := &faultNode{line: &line{}, index: i, id: fmt.Sprint("s", i), events: make(map[sioadapter.EventKind]uint64)}
		conn, _ := dialThrough(r, r.server.Addr, node.line)
		options := o
		options.OnEvent = func(e sioadapter.ClusterEvent) {
			node.mu.Lock()
			node.events[e.Kind] += max(e.Count, 1)
			node.mu.Unlock()
		}
		node.testNamespace = openNamespace(r, r.open(conn, options), "/")
		node.add(node.id)
		r.nodes = append(r.nodes, node)
	}
	for _, from := range r.nodes {
		for _, to := range r.nodes {
			to.until(r, "the nodes hear each other", func() bool {
				hello := fmt.Sprintf(`["hello",%d]`, from.index)
				if slices.Contains(to.texts(to.id), hello) {
					return true
				}
				_ = from.adapter.Broadcast(packetOf(hello), &sioadapter.Selection{})
				time.Sleep(5 * time.Millisecond)
				return false
			})
		}
	}
}

func (n *faultNode) health() sioadapter.Health {
	return n.adapter.(interface{ Health() sioadapter.Health }).Health()
}

func (n *faultNode) heard(k sioadapter.EventKind) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.events[k]
}

// emit sends the next numbered event, and returns how long this node's own
// socket waited for it.
func (n *faultNode) emit(t testing.TB) time.Duration {
	text := fmt.Sprintf(`["n",%d,%d]`, n.index, n.sent)
	n.sent++
	begin := time.Now()
	if err := n.adapter.Broadcast(packetOf(text), &sioadapter.Selection{}); err != nil && !errors.Is(err, sioadapter.ErrBusFull) {
		t.Error(err)
	}
	n.testNamespace.mu.Lock()
	defer n.testNamespace.mu.Unlock()
	at, ok := n.at[text]
	if !ok {
		t.Fatalf("node %d has not delivered %s to its own socket", n.index, text)
	}
	return at.Sub(begin)
}

// numbers returns which events of a node have come, in order.
func (n *faultNode) numbers(from *faultNode) []int {
	var list []int
	for _, text := range n.texts(n.id) {
		var node, i int
		if _, err := fmt.Sscanf(text, `["n",%d,%d]`, &node, &i); err == nil && node == from.index {
			list = append(list, i)
		}
	}
	return list
}

// converge emits until an event of each node arrives at each other, so that all
// that was lost before has been noticed.
func (r *faultRig) converge() {
	r.Helper()
	for _, from := range r.nodes {
		for _, to := range r.nodes {
			first := from.sent
			to.until(r, fmt.Sprintf("node %d hears node %d again", to.index, from.index), func() bool {
				from.emit(r)
				time.Sleep(10 * time.Millisecond)
				got := to.numbers(from)
				return len(got) > 0 && got[len(got)-1] >= first
			})
		}
	}
	// Until all that was emitted is there.
	for _, from := range r.nodes {
		for _, to := range r.nodes {
			to.until(r, "the last event came", func() bool {
				got := to.numbers(from)
				return len(got) > 0 && got[len(got)-1] == from.sent-1
			})
		}
	}
}

// check checks the history: the order of each publisher is kept, nothing was
// delivered twice, and what is missing is what was reported.
func (r *faultRig) check() {
	r.Helper()
	for _, to := range r.nodes {
		var missing uint64
		for _, from := range r.nodes {
			got := to.numbers(from)
			for i := 1; i < len(got); i++ {
				if got[i] <= got[i-1] {
					r.Errorf("node %d got event %d of node %d behind %d", to.index, got[i], from.index, got[i-1])
				}
			}
			missing += uint64(from.sent - len(got))
			if from == to && len(got) != from.sent {
				r.Errorf("node %d got %d of its own %d events", to.index, len(got), from.sent)
			}
		}
		if h := to.health(); h.Missed != missing {
			r.Errorf("node %d misses %d events, and reports %d: %+v", to.index, missing, h.Missed, h)
		}
	}
}

// G12: Redis is killed, and comes back after some time, empty.
func TestFault_C01_RedisKilled(t *testing.T) {
	forEachKind(t, func(t *testing.T, r *faultRig) {
		r.start(2, sioadapter.ClusterOptions{})
		a, b := r.nodes[0], r.nodes[1]
		best, bestP99 := time.Hour, time.Hour // a busy machine may spoil one of them
		for range 3 {
			var waits []time.Duration
			emitFor := func(d time.Duration) {
				for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
					waits = append(waits, a.emit(t))
				}
			}
			emitFor(100 * time.Millisecond)
			r.server.Kill()
			emitFor(time.Second)
			if h := b.health(); h.Err == nil {
				t.Errorf("the node does not know that Redis is away: %+v", h)
			}
			slices.Sort(waits)
			bestP99 = min(bestP99, waits[len(waits)*99/100])
			r.server.Start()
			back, before := time.Now(), len(b.numbers(a))
			b.until(t, "remote delivery goes on", func() bool {
				a.emit(t)
				return len(b.numbers(a)) > before
			})
			best = min(best, time.Since(back))
			r.converge()
		}
		wait, away := goal.Size(50*time.Millisecond, 5*time.Millisecond), goal.Size(5*time.Second, 500*time.Millisecond) // a busy machine
		goal.Report(t, goal.Figure{
			Goal: "G12", What: "wait of a node's own sockets while Redis is away, 99th percentile: " + r.kind,
			Figure: bestP99.String(), Wanted: "at most " + wait.String(), Met: bestP99 <= wait,
		})
		goal.Report(t, goal.Figure{
			Goal: "G12", What: "until events reach the other node when Redis is back: " + r.kind,
			Figure: best.Round(10 * time.Microsecond).String(), Wanted: "at most " + away.String(), Met: best <= away,
		})
		r.check()
		lost := b.health().Missed
		t.Logf("%d events, %d lost and reported, remote delivery back after %v, own sockets waited for %v", a.sent, lost, best, bestP99)
		if b.heard(sioadapter.EventGap) != lost {
			t.Errorf("%d events are reported as lost, %d are counted", b.heard(sioadapter.EventGap), lost)
		}
	})
}

// Redis is stalled, and goes on.
func TestFault_C01_RedisStalled(t *testing.T) {
	forEachKind(t, func(t *testing.T, r *faultRig) {
		r.start(2, sioadapter.ClusterOptions{})
		r.server.Stop()
		var longest time.Duration
		for range 500 {
			longest = max(longest, r.nodes[0].emit(t))
			time.Sleep(time.Millisecond)
		}
		r.server.Continue()
		r.converge()
		r.check()
		if h := r.nodes[1].health(); h.Missed != 0 {
			t.Errorf("%d events were lost, although no connection was", h.Missed)
		}
	})
}

func TestFault_C02_RequestsWhileRedisIsAway(t *testing.T) {
	forEachKind(t, func(t *testing.T, r *faultRig) {
		r.start(2, sioadapter.ClusterOptions{RequestTimeout: 500 * time.Millisecond})
		r.server.Kill()
		found := 0
		var last error
		for _, err := range r.nodes[0].adapter.Sockets(t.Context(), &sioadapter.Selection{}) {
			if err != nil {
				last = err
				continue
			}
			found++
		}
		var partial *sioadapter.PartialError
		if found != 1 || !errors.As(last, &partial) {
			t.Errorf("%d sockets and %v, want that of this node and a *PartialError", found, last)
		}
	})
}

func TestFault_C03_MalformedOnEveryChannel(t *testing.T) {
	forEachKind(t, func(t *testing.T, r *faultRig) {
		r.start(2, sioadapter.ClusterOptions{})
		conn := dial(t, r.server.Addr)
		node := r.nodes[1].health().Node
		names := pubSubNamesOf("socket.io", "/")
		publish, channels := "PUBLISH", []string{names.broadcast, names.broadcast + "s0#", names.request, names.response, names.response + node + "#"}
		switch r.kind {
		case "sharded":
			publish, channels = "SPUBLISH", []string{names.broadcast, names.broadcast + node + "#"}
		case "streams":
			channels = []string{names.broadcast, names.broadcast + node + "#"}
			for _, wire := range malformedClassic {
				conn.Do(t.Context(), conn.B().Arbitrary("XADD").Keys("socket.io").Args("*", "nsp", "/", "uid", "x", "type", "3", "data", wire).Build())
				conn.Do(t.Context(), conn.B().Arbitrary("XADD").Keys("socket.io").Args("*", "nsp", "/", "type", wire).Build())
			}
			conn.Do(t.Context(), conn.B().Arbitrary("XADD").Keys("socket.io").Args("*", "x", "y").Build())
		}
		for _, channel := range channels {
			for _, wire := range append(slices.Clone(malformedClassic), "\xc1", "{", `{"uid":"x","nsp":"/","type":3}`) {
				if err := conn.Do(t.Context(), conn.B().Arbitrary(publish).Keys(channel).Args(wire).Build()).Error(); err != nil {
					t.Fatal(err)
				}
			}
		}
		r.converge()
		r.check()
		if n := r.nodes[1].health().Malformed; n == 0 {
			t.Error("nothing was counted")
		}
	})
}

func TestFault_C04_DeadNode(t *testing.T) {
	forEachKind(t, func(t *testing.T, r *faultRig) {
		r.start(3, sioadapter.ClusterOptions{RequestTimeout: 3 * time.Second}) // in which nodes[1] must answer
		r.nodes[2].line.cut()
		found := 0
		var last error
		for _, err := range r.nodes[0].adapter.Sockets(t.Context(), &sioadapter.Selection{}) {
			if err != nil {
				last = err
				continue
			}
			found++
		}
		var partial *sioadapter.PartialError
		if found != 2 || !errors.As(last, &partial) || partial.Answered != 1 || partial.Expected != 2 {
			t.Errorf("%d sockets and %v, want two and a *PartialError", found, last)
		}
	})
}

// A node stands still for some time, and goes on.
func TestFault_C05_NodeStopped(t *testing.T) {
	forEachKind(t, func(t *testing.T, r *faultRig) {
		r.start(2, sioadapter.ClusterOptions{})
		r.nodes[1].line.stop()
		for range 300 {
			r.nodes[0].emit(t)
			time.Sleep(time.Millisecond)
		}
		r.nodes[1].line.resume()
		r.converge()
		r.check()
		if n := r.nodes[1].adapter.Len(); n != 1 {
			t.Errorf("%d members, want 1", n)
		}
	})
}

// Redis ends the connection of a subscriber that does not read.
func TestFault_C06_OutputBufferLimit(t *testing.T) {
	for _, k := range kinds[:2] { // nothing is pushed to those that read a stream: see C07
		r := &faultRig{T: t, kind: k.name, open: k.open, server: startRedis(t)}
		r.start(2, sioadapter.ClusterOptions{})
		r.server.Do("CONFIG", "SET", "client-output-buffer-limit", "pubsub 65536 65536 0")
		a, b := r.nodes[0], r.nodes[1]
		b.line.stop()
		large := packetOf(`["large","` + strings.Repeat("x", 100_000) + `"]`)
		const count = 200
		for range count {
			if err := a.adapter.Broadcast(large, &sioadapter.Selection{}); err != nil {
				t.Fatal(err)
			}
		}
		a.until(t, "all is published", func() bool { return a.health().Queued == 0 })
		b.line.resume()
		b.until(t, "the node knows that it was interrupted", func() bool { return b.heard(sioadapter.EventInterrupted) > 0 })
		r.converge()
		got := 0
		for _, text := range b.texts(b.id) {
			if strings.HasPrefix(text, `["large"`) {
				got++
			}
		}
		if h := b.health(); got == count || h.Missed != uint64(count-got) {
			t.Errorf("%s: %d of %d large events came, %d are reported as lost", k.name, got, count, h.Missed)
		}
	}
}

// The stream is trimmed beyond where a node reads, and deleted.
func TestFault_C07_StreamTrimmed(t *testing.T) {
	for _, command := range [][]string{{"XTRIM", "socket.io", "MAXLEN", "1"}, {"DEL", "socket.io"}} {
		t.Run(command[0], func(t *testing.T) {
			r := &faultRig{T: t, kind: "streams", open: kinds[2].open, server: startRedis(t)}
			r.start(2, sioadapter.ClusterOptions{})
			a, b := r.nodes[0], r.nodes[1]
			rec := b.adapter.Recovery()
			lost := &testSocket{id: "lost"}
			pid, offset := rec.Add(lost)
			rec.Detach(lost, map[string]any{})
			b.line.stop()
			for range 50 {
				a.emit(t)
			}
			a.until(t, "all is published", func() bool { return a.health().Queued == 0 })
			r.server.Do(command...)
			a.emit(t)
			b.line.resume()
			r.converge()
			if b.heard(sioadapter.EventInterrupted) == 0 {
				t.Error("the node does not know that entries are gone")
			}
			r.check()
			if _, err := rec.Claim(t.Context(), pid, offset, func(sioadapter.Member) {}); !errors.Is(err, sioadapter.ErrNotRecoverable) {
				t.Errorf("a session from before: %v, want ErrNotRecoverable", err)
			}
		})
	}
}

// More is emitted than the queue holds.
func TestFault_C08_PublishBurst(t *testing.T) {
	forEachKind(t, func(t *testing.T, r *faultRig) {
		r.start(2, sioadapter.ClusterOptions{MaxQueue: 500})
		a, b := r.nodes[0], r.nodes[1]
		r.server.Stop()
		for range 5000 {
			a.emit(t)
		}
		if h := a.health(); h.Queued > 500 || h.Dropped < 4000 || a.heard(sioadapter.EventOverflow) != 1 {
			t.Errorf("%+v, want at most 500 in the queue, and the rest dropped", h)
		}
		r.server.Continue()
		r.converge()
		r.check()
		a.until(t, "the end of the overflow is reported", func() bool { return a.heard(sioadapter.EventOverflowEnded) == a.health().Dropped })
		if b.health().Missed != a.health().Dropped {
			t.Errorf("%d events are missing, %d were dropped", b.health().Missed, a.health().Dropped)
		}
	})
}

// One node alone does not reach Redis.
func TestFault_C09_Partition(t *testing.T) {
	forEachKind(t, func(t *testing.T, r *faultRig) {
		r.start(2, sioadapter.ClusterOptions{})
		a := r.nodes[0]
		a.line.cut()
		for range 500 {
			a.emit(t)
			time.Sleep(time.Millisecond)
		}
		a.line.heal()
		r.converge()
		r.check()
	})
}

// The master becomes a replica, and a master again.
func TestFault_C10_Failover(t *testing.T) {
	forEachKind(t, func(t *testing.T, r *faultRig) {
		r.start(2, sioadapter.ClusterOptions{})
		other := startRedis(t)
		host, port, _ := strings.Cut(other.Addr, ":")
		r.server.Do("REPLICAOF", host, port)
		for range 200 {
			r.nodes[0].emit(t)
			time.Sleep(time.Millisecond)
		}
		r.server.Do("REPLICAOF", "NO", "ONE")
		back := time.Now()
		r.converge()
		if d := time.Since(back); d > 20*time.Second { // a busy machine
			t.Errorf("delivery was back %v after the master", d)
		}
		r.check()
	})
}

func TestFault_C12_SubscriptionsReturnToTheBaseline(t *testing.T) {
	server := startRedis(t)
	conn := dial(t, server.Addr)
	f := New(conn, &Options{Sharded: true})
	n := openNamespace(t, f, "/")
	s := n.add("somebody whose id is long enough")
	settle(t, f.(*shardedFactory).subscriptions)
	channels := func() int {
		list, err := conn.Do(t.Context(), conn.B().PubsubShardchannels().Build()).AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := channels()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2500 {
				room := fmt.Sprint("room ", g, " ", i)
				_ = n.adapter.Join(s, room)
				if i%10 != 0 {
					_ = n.adapter.Leave(s, room)
				}
			}
		})
	}
	wg.Wait()
	settle(t, f.(*shardedFactory).subscriptions)
	full := channels()
	if got := full; got != before+1000 {
		t.Errorf("%d subscriptions, want %d", got, before+1000)
	}
	n.adapter.Remove(s)
	settle(t, f.(*shardedFactory).subscriptions)
	n.until(t, "the subscriptions are gone", func() bool { return channels() == before-1 })
	goal.Report(t, goal.Figure{
		Goal: "G11", What: "subscriptions that are left of 10,000 rooms which were joined and left",
		Figure: fmt.Sprint(channels() - before + 1), Wanted: "0", Met: channels() == before-1,
	})
}

// Redis, or who replays what it has, delivers twice.
func TestFault_C16_Duplicates(t *testing.T) {
	server := startRedis(t)
	conn := dial(t, server.Addr)
	n := openNamespace(t, New(conn, nil), "/")
	n.add("s")
	names := pubSubNamesOf("socket.io", "/")
	for seq := uint64(1); seq <= 5; seq++ {
		m := &sioadapter.Message{Type: sioadapter.MessageBroadcast, From: "abcdef", Namespace: "/", Seq: seq, Packet: packetOf(fmt.Sprintf(`["e",%d]`, seq))}
		for range 3 {
			n.until(t, "somebody listens", func() bool {
				got, _ := conn.Do(t.Context(), conn.B().Publish().Channel(names.broadcast).Message(string(appendBroadcast(nil, m))).Build()).AsInt64()
				return got > 0
			})
		}
	}
	n.until(t, "the last came", func() bool { return slices.Contains(n.texts("s"), `["e",5]`) })
	if got := n.texts("s"); len(got) != 5 {
		t.Errorf("got %q, want each once", got)
	}
}

// G13: faults at random, as long as the flag -chaos says.
func TestFault_Chaos(t *testing.T) {
	forEachKind(t, func(t *testing.T, r *faultRig) {
		r.start(3, sioadapter.ClusterOptions{})
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		ctx, cancel := context.WithTimeout(t.Context(), *chaos)
		defer cancel()
		var wg sync.WaitGroup
		for _, n := range r.nodes {
			wg.Go(func() {
				for ctx.Err() == nil {
					n.emit(t)
					time.Sleep(2 * time.Millisecond)
				}
			})
		}
		pause := func(longest time.Duration) { time.Sleep(time.Duration(random.Int64N(int64(longest)))) }
		faults := make(map[string]int)
		for ctx.Err() == nil {
			n := r.nodes[random.IntN(len(r.nodes))]
			var fault string
			switch random.IntN(7) {
			case 0:
				fault = "kill"
				r.server.Kill()
				pause(time.Second)
				r.server.Start()
			case 1:
				fault = "stall"
				r.server.Stop()
				pause(500 * time.Millisecond)
				r.server.Continue()
			case 2:
				fault = "partition"
				n.line.cut()
				pause(500 * time.Millisecond)
				n.line.heal()
			case 3:
				fault = "stop a node"
				n.line.stop()
				pause(500 * time.Millisecond)
				n.line.resume()
			case 4:
				fault = "end subscriptions"
				r.server.Do("CLIENT", "KILL", "TYPE", "pubsub")
			case 5:
				fault = "trim"
				r.server.Do("DEL", "socket.io")
			case 6:
				fault = "malformed"
				r.server.Do("PUBLISH", "socket.io#/#", malformedClassic[random.IntN(len(malformedClassic))])
			}
			faults[fault]++
			pause(300 * time.Millisecond)
		}
		wg.Wait()
		r.converge()
		r.check()
		for _, n := range r.nodes {
			t.Logf("node %d: %d events, %+v", n.index, n.sent, n.health())
		}
		sent, got, missing, sum := 0, 0, uint64(0), 0
		for _, to := range r.nodes {
			sent += to.sent
			missing += to.health().Missed
			for _, from := range r.nodes {
				got += len(to.numbers(from))
			}
		}
		for _, n := range faults {
			sum += n
		}
		verdict := "clean"
		if t.Failed() {
			verdict = "not clean"
		}
		c := goal.Count
		goal.Report(t, goal.Figure{
			Goal: "G13",
			What: fmt.Sprintf("history of %s over %v and %s faults: %s events of 3 nodes, %s deliveries, %s lost and each of these reported",
				r.kind, *chaos, c(sum), c(sent), c(got), c(int(missing))),
			Figure: verdict, Wanted: "clean", Met: !t.Failed(),
		})
		t.Logf("faults: %v", faults)
	})
}

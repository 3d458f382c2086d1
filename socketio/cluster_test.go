package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/siotest"
)

// A cluster is servers that a bus in memory connects, each with two clients.
type cluster struct {
	*testing.T
	hub     *sioadapter.Hub
	servers []*socketio.Server
	nets    []*siotest.Network
	clients []*siotest.Client // of node i: 2i and 2i+1
	got     []*numbers
}

var sizes = []int{1, 2, 5}

// onClusters runs a test on clusters of every size. Client i is in the rooms
// "all" and "even" or "odd", its node in "node0" and so on.
func onClusters(t *testing.T, f func(c *cluster)) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%d nodes", size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cluster{T: t, hub: sioadapter.NewHub(nil)}
				for i := range size {
					io := socketio.New(&socketio.Options{
						Adapter: sioadapter.Clustered(c.hub, &sioadapter.ClusterOptions{Name: fmt.Sprint("node", i)}),
						Logger:  quiet,
					})
					io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
						return s.Join(fmt.Sprint("node", i), "all")
					})
					c.servers = append(c.servers, io)
					c.nets = append(c.nets, siotest.NewNetwork(t, io))
				}
				synctest.Wait()
				for i, n := range c.nets {
					for range 2 {
						client, got := come(t, n, nil)
						client.On("ask", func(event.Args) []any { return []any{i} })
						c.clients, c.got = append(c.clients, client), append(c.got, got)
					}
				}
				synctest.Wait()
				for i, client := range c.clients {
					c.servers[i/2].Socket(client.ID()).Join([]string{"even", "odd"}[i%2])
				}
				f(c)
			})
		})
	}
}

// want says which clients have received what since the last time.
func (c *cluster) want(v int, who func(i int) bool) {
	c.Helper()
	for i, got := range c.got {
		if who(i) {
			got.want(c.T, v)
		} else {
			got.want(c.T)
		}
	}
}

func everybody(int) bool       { return true }
func even(i int) bool          { return i%2 == 0 }
func not(j int) func(int) bool { return func(i int) bool { return i != j } }

// A node is there as soon as its server is, before anybody uses that.
func TestIdleNodesAreInTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := sioadapter.NewHub(nil)
		var mu sync.Mutex
		heard := make(map[int]int)
		var last *socketio.Server
		for i := range 3 {
			made := ""
			last = socketio.New(&socketio.Options{
				Adapter: sioadapter.Clustered(hub, nil),
				Hooks:   &socketio.Hooks{Namespace: func(n *socketio.Namespace) { made += n.Name() }},
				Logger:  quiet,
			})
			siotest.NewNetwork(t, last) // closes it
			last.Servers().On("refresh", func(context.Context, *socketio.ServerEvent) error {
				mu.Lock()
				defer mu.Unlock()
				heard[i]++
				return nil
			})
			if made != "/" {
				t.Errorf("the hook was told of the namespaces %q, want /", made)
			}
		}
		synctest.Wait()
		if err := last.Servers().Emit("refresh"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if !maps.Equal(heard, map[int]int{0: 1, 1: 1}) {
			t.Errorf("heard by the nodes %v, want 0 and 1, once each", heard)
		}
	})
}

func TestClusterBroadcast(t *testing.T) {
	onClusters(t, func(c *cluster) {
		for node, io := range c.servers {
			number.Emit(io, 1)
			c.want(1, everybody)
			number.Emit(io.To("even"), 2)
			c.want(2, even)
			number.Emit(io.To("even", "odd", "all"), 3)
			c.want(3, everybody)
			number.Emit(io.Except("odd"), 4)
			c.want(4, even)
			number.Emit(io.To(c.clients[0].ID()), 5)
			c.want(5, func(i int) bool { return i == 0 })
			number.Emit(io.Local(), 6)
			c.want(6, func(i int) bool { return i/2 == node })
			own := io.Socket(c.clients[2*node].ID())
			number.Emit(own.Others(), 7)
			c.want(7, not(2*node))
			number.Emit(own.To("even").Except("node0"), 8)
			c.want(8, func(i int) bool { return even(i) && i != 2*node && i > 1 })
		}
	})
}

func TestClusterSelections(t *testing.T) {
	onClusters(t, func(c *cluster) {
		ids := func(e socketio.Emitter) (ids []string) {
			for r, err := range e.Sockets(c.Context()) {
				if err != nil {
					c.Fatal(err)
				}
				ids = append(ids, r.ID())
			}
			slices.Sort(ids)
			return ids
		}
		for node, io := range c.servers {
			var all, evens []string
			for i, client := range c.clients {
				all = append(all, client.ID())
				if even(i) {
					evens = append(evens, client.ID())
				}
			}
			slices.Sort(all)
			slices.Sort(evens)
			if got := ids(io.All()); !slices.Equal(got, all) {
				c.Errorf("node %d sees %v, want %v", node, got, all)
			}
			if got := ids(io.To("even")); !slices.Equal(got, evens) {
				c.Errorf("node %d sees %v in a room, want %v", node, got, evens)
			}
			if err := io.To("odd").Join("extra"); err != nil {
				c.Error(err)
			}
			synctest.Wait()
			if got := ids(io.To("extra")); len(got) != len(c.servers) {
				c.Errorf("%d sockets have joined", len(got))
			}
			if err := io.To("extra").Leave("extra"); err != nil {
				c.Error(err)
			}
			synctest.Wait()
			if got := ids(io.To("extra")); len(got) != 0 {
				c.Errorf("%d sockets have not left", len(got))
			}
		}

		// A remote socket can do what a local one can.
		last := c.clients[len(c.clients)-1]
		for r, err := range c.servers[0].To(last.ID()).Sockets(c.Context()) {
			if err != nil || r.ID() != last.ID() || !slices.Contains(r.Rooms(), "odd") || (r.Local() == nil) != (len(c.servers) > 1) {
				c.Errorf("remote socket %v, %v", r, err)
			}
			number.Emit(r, 9)
			c.want(9, func(i int) bool { return i == len(c.clients)-1 })
			args, err := r.Call(c.Context(), "ask")
			if err != nil || string(args.At(0)) != fmt.Sprint(len(c.servers)-1) {
				c.Errorf("answer %s, %v", args.Raw(), err)
			}
			if err := r.Disconnect(); err != nil {
				c.Error(err)
			}
		}
		synctest.Wait()
		if last.Connected() {
			c.Error("the remote socket is still connected")
		}
		if err := c.servers[0].All().Disconnect(); err != nil {
			c.Error(err)
		}
		synctest.Wait()
		for i, client := range c.clients {
			if client.Connected() {
				c.Errorf("client %d is still connected", i)
			}
		}
	})
}

func TestClusterData(t *testing.T) {
	user := socketio.NewKey[[]string]("user")
	onClusters(t, func(c *cluster) {
		for i, io := range c.servers {
			user.Set(io.Socket(c.clients[2*i].ID()), []string{"a", fmt.Sprint(i)})
		}
		for _, io := range c.servers {
			found := 0
			for r, err := range io.To("even").Sockets(c.Context()) {
				if err != nil {
					c.Fatal(err)
				}
				if v, ok, err := user.Of(r); ok && err == nil && len(v) == 2 {
					found++
				}
			}
			if found != len(c.servers) {
				c.Errorf("data of %d sockets was found", found)
			}
		}
	})
}

func TestClusterEach(t *testing.T) {
	onClusters(t, func(c *cluster) {
		for _, io := range c.servers {
			sum, want := 0, 0
			seen := make(map[string]bool)
			for a := range io.To("even").Each(c.Context(), "ask") {
				var v int
				if err := a.Args.Decode(&v); err != nil || a.Err != nil {
					c.Error(err, a.Err)
				}
				sum += v
				seen[a.SocketID] = true
			}
			for i := range c.servers {
				want += i
				if !seen[c.clients[2*i].ID()] {
					c.Errorf("no answer has the id of client %d", 2*i)
				}
			}
			if sum != want || len(seen) != len(c.servers) {
				c.Errorf("answers %v with the sum %d, want %d", seen, sum, want)
			}
		}
	})
}

// Of an acknowledgement with several arguments, other nodes pass on the first.
func TestClusterEachOfSeveralArguments(t *testing.T) {
	onClusters(t, func(c *cluster) {
		for _, client := range c.clients {
			client.On("several", func(event.Args) []any { return []any{1, "two"} })
		}
		for node, io := range c.servers {
			for a := range io.Each(c.Context(), "several") {
				want := `[1]`
				if io.Socket(a.SocketID) != nil {
					want = `[1,"two"]`
				}
				if got := string(a.Args.Raw()); got != want || a.Err != nil {
					c.Errorf("node %d: %s has answered %s, %v, want %s", node, a.SocketID, got, a.Err, want)
				}
			}
		}
	})
}

func TestServers(t *testing.T) {
	type topic struct{ Name string }
	refresh, load := event.New[topic]("refresh"), event.NewRPC[topic, int]("load")
	onClusters(t, func(c *cluster) {
		var mu sync.Mutex
		heard := make(map[int][]string)
		for i, io := range c.servers {
			event.On(io.Servers(), refresh, func(_ context.Context, e *socketio.ServerEvent, v topic) error {
				mu.Lock()
				defer mu.Unlock()
				heard[i] = append(heard[i], v.Name)
				return nil
			})
			event.Handle(io.Servers(), load, func(_ context.Context, e *socketio.ServerEvent, v topic) (int, error) {
				if v.Name == "panic" {
					panic("no")
				}
				return i, nil
			})
		}
		if err := refresh.Emit(c.servers[0].Servers(), topic{"x"}); err != nil {
			c.Error(err)
		}
		synctest.Wait()
		for i := range c.servers {
			if got := heard[i]; (i == 0) != (got == nil) || i > 0 && !slices.Equal(got, []string{"x"}) {
				c.Errorf("node %d heard %q", i, got)
			}
		}
		sum, n, want := 0, 0, 0
		for i := range c.servers {
			want += i
		}
		for r := range load.Each(c.Context(), c.servers[0].Servers(), topic{}) {
			if r.Err != nil || r.SocketID == "" {
				c.Errorf("node %q: %v", r.SocketID, r.Err)
			}
			sum += r.Value
			n++
		}
		if sum != want || n != len(c.servers)-1 {
			c.Errorf("%d answers with the sum %d, want %d with %d", n, sum, len(c.servers)-1, want)
		}
		n = 0
		for r := range load.Each(c.Context(), c.servers[0].Servers(), topic{"panic"}) {
			if e := (*socketio.Error)(nil); !errors.As(r.Err, &e) || e.Code != event.CodeInternal {
				c.Errorf("a handler that panics answers %v", r.Err)
			}
			n++
		}
		if n != len(c.servers)-1 {
			c.Errorf("%d nodes have answered", n)
		}
		if err := c.servers[0].Servers().Emit("connection"); err == nil {
			c.Error("a reserved name was emitted")
		}
	})
}

// kill takes the last node off the bus, as a crash would.
func (c *cluster) kill() (name string) {
	last := c.servers[len(c.servers)-1]
	name = last.Adapter().(*sioadapter.Cluster).Node()
	c.hub.Cut(name, "")
	return name
}

func TestFault_N05_NodesAndSocketsGo(t *testing.T) {
	onClusters(t, func(c *cluster) {
		n := len(c.servers)
		for _, client := range c.clients {
			client.On("slow", func(event.Args) []any { return nil })
			client.On("quick", func(event.Args) []any { return []any{1} })
		}
		io := c.servers[0]
		ctx, cancel := context.WithTimeout(c.Context(), 20*time.Second)
		defer cancel()

		// A socket leaves while it is waited for.
		time.AfterFunc(time.Second, func() { c.clients[0].Abort() })
		answers, failed := 0, 0
		for a := range io.To("all").Each(ctx, "slow") {
			answers++
			if a.Err != nil {
				failed++
			}
			if !slices.ContainsFunc(c.clients, func(client *siotest.Client) bool { return client.ID() == a.SocketID }) {
				c.Errorf("an answer of %q: %v", a.SocketID, a.Err)
			}
			if a.SocketID == c.clients[0].ID() && !errors.Is(a.Err, socketio.ErrDisconnected) {
				c.Errorf("the socket that left: %v", a.Err)
			}
		}
		if answers != len(c.clients) || failed != answers {
			c.Errorf("%d answers, %d errors, for %d sockets", answers, failed, len(c.clients))
		}
		for s := range io.LocalSockets() {
			if k := socketio.PendingAcks(s); k != 0 {
				c.Errorf("%d acknowledgements are still awaited", k)
			}
		}
		if n == 1 {
			return
		}

		// A node dies before it can report.
		dead := c.kill()
		ok := 0
		var partial *sioadapter.PartialError
		for a := range io.To("all").Each(c.Context(), "quick") {
			if a.Err == nil {
				ok++
			} else if !errors.As(a.Err, &partial) {
				c.Errorf("%q: %v", a.SocketID, a.Err)
			}
		}
		if want := len(c.clients) - 1 - 2; ok != want {
			c.Errorf("%d answers, want %d", ok, want)
		}
		if partial == nil || partial.Expected != n-1 || partial.Answered != n-2 || !slices.Equal(partial.Missing, []string{dead}) {
			c.Errorf("got %v, want that %s is missing", partial, dead)
		}

		// When its silence was noticed, nobody waits for it any more.
		pass(15 * time.Second)
		start := time.Now()
		found := 0
		for _, err := range io.Sockets(c.Context()) {
			if err != nil {
				c.Error(err)
			}
			found++
		}
		if want := len(c.clients) - 3; found != want || time.Since(start) != 0 {
			c.Errorf("%d sockets after %v, want %d at once", found, time.Since(start), want)
		}
	})
}

// A node dies after it has begun to do what it was asked for. What the others
// answer is there, and for what will not come, there is the name of the node.
func TestFault_N05_NodeDiesMidRequest(t *testing.T) {
	onClusters(t, func(c *cluster) {
		n := len(c.servers)
		if n == 1 {
			return
		}
		for i, client := range c.clients {
			client.On("late", func(event.Args) []any {
				if i/2 == n-1 {
					return nil // never
				}
				time.Sleep(time.Second)
				return []any{i}
			})
		}
		for i, io := range c.servers {
			io.Servers().On("late", func(ctx context.Context, e *socketio.ServerEvent) error {
				if i == n-1 {
					<-ctx.Done() // when the server is closed
					return nil
				}
				time.Sleep(time.Second)
				return e.Reply(i)
			})
		}
		ctx, cancel := context.WithTimeout(c.Context(), time.Hour)
		defer cancel()
		io, dead := c.servers[0], c.servers[n-1].Adapter().(*sioadapter.Cluster).Node()
		time.AfterFunc(2*time.Second, func() { c.kill() })

		var fromServers sync.WaitGroup
		fromServers.Go(func() {
			answered, named := 0, false
			for a := range io.Servers().Each(ctx, "late") {
				var lost *sioadapter.NodeError
				switch {
				case a.Err == nil:
					answered++
				case errors.As(a.Err, &lost):
					named = lost.Node == dead && a.SocketID == dead
				}
			}
			if answered != n-2 || !named {
				c.Errorf("%d servers have answered, want %d; the dead one is named: %v", answered, n-2, named)
			}
		})

		start := time.Now()
		answered, missing := 0, make(map[string]string) // node by socket
		for a := range io.Each(ctx, "late") {
			var lost *sioadapter.NodeError
			switch {
			case a.Err == nil:
				answered++
			case errors.As(a.Err, &lost):
				missing[a.SocketID] = lost.Node
			default:
				c.Errorf("%s: %v", a.SocketID, a.Err)
			}
		}
		fromServers.Wait()
		want := map[string]string{c.clients[2*n-2].ID(): dead, c.clients[2*n-1].ID(): dead}
		if answered != len(c.clients)-2 || !maps.Equal(missing, want) {
			c.Errorf("%d answers, and without one %v, want %d and %v", answered, missing, len(c.clients)-2, want)
		}
		if d := time.Since(start); d > 2*time.Second+15*time.Second {
			c.Errorf("that took %v, although the node was known to be dead", d)
		}
	})
}

func TestClusterPartialSockets(t *testing.T) {
	onClusters(t, func(c *cluster) {
		if len(c.servers) == 1 {
			return
		}
		dead := c.kill()
		found := 0
		var last error
		for _, err := range c.servers[0].Sockets(c.Context()) {
			if err == nil {
				found++
			}
			last = err
		}
		partial := (*sioadapter.PartialError)(nil)
		if !errors.As(last, &partial) || !slices.Equal(partial.Missing, []string{dead}) || found != len(c.clients)-2 {
			c.Errorf("%d sockets, then %v", found, last)
		}
	})
}

// Recovery works on the node that a client was connected to.
func TestClusterRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := sioadapter.NewHub(nil)
		var servers []*socketio.Server
		var nets []*siotest.Network
		for range 2 {
			io := socketio.New(&socketio.Options{
				Logger:   quiet,
				Recovery: &socketio.Recovery{},
				Adapter:  sioadapter.Clustered(hub, &sioadapter.ClusterOptions{Local: sioadapter.Recoverable(nil)}),
			})
			servers, nets = append(servers, io), append(nets, siotest.NewNetwork(t, io))
		}
		synctest.Wait()
		a, _ := come(t, nets[0], nil)
		a.Abort()
		synctest.Wait()
		number.Emit(servers[1], 1)
		number.Emit(servers[1].To(a.ID()), 2)
		synctest.Wait()
		b, got := come(t, nets[0], a)
		if !b.Recovered() {
			t.Error("not recovered")
		}
		got.want(t, 1, 2)
		b.Abort()
		c, got := come(t, nets[1], b)
		if c.Recovered() {
			t.Error("recovered on the other node")
		}
		got.want(t)
	})
}

// A broadcast and what is emitted to one socket after it arrive in that order,
// whichever node the socket is on.
func TestFault_C11_BroadcastThenEmit(t *testing.T) {
	onClusters(t, func(c *cluster) {
		const rounds = 100
		from, want := c.servers[0], []int(nil)
		for i := range rounds {
			if err := from.Emit("n", 2*i); err != nil {
				c.Fatal(err)
			}
			for _, client := range c.clients {
				if err := from.To(client.ID()).Emit("n", 2*i+1); err != nil {
					c.Fatal(err)
				}
			}
			want = append(want, 2*i, 2*i+1)
		}
		for _, got := range c.got {
			got.want(c.T, want...)
		}
	})
}

package redisadapter

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/siogo/sio/socketio/sioadapter"
)

// hostileNames mean something to Redis, to its patterns, to its protocol or to
// the names of our channels.
var hostileNames = []string{
	"#", "*", "?", "[a-z]", `\`, `\*`, "a*", "ab", "a?", "a#b", "a#", "{a}", "}{", `"`, "'", "\x00", "\r\nFLUSHALL\r\n", "-", "$", " ", "ж",
	strings.Repeat("x", 64<<10),
}

// TestSec_S70_HostileNames: rooms and namespaces become names of channels, and
// parts of a pattern. Each gets what is for it, from another node, and nothing
// that is for one that looks alike.
func TestSec_S70_HostileNames(t *testing.T) {
	for _, k := range []struct {
		name string
		open func(c Conn) sioadapter.Factory
	}{
		{"pubsub", func(c Conn) sioadapter.Factory { return New(c, nil) }},
		{"sharded, a channel for each room", func(c Conn) sioadapter.Factory {
			return New(c, &Options{Sharded: true, Subscription: DynamicPrivate})
		}},
		{"sharded, one channel", func(c Conn) sioadapter.Factory { return New(c, &Options{Sharded: true, Subscription: Static}) }},
		{"streams", func(c Conn) sioadapter.Factory { return NewStreams(c, nil) }},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			addr := startRedis(t).Addr
			near, far := k.open(dial(t, addr)), k.open(dial(t, addr))
			settled := func() {
				t.Helper()
				for _, f := range []sioadapter.Factory{near, far} {
					if f, ok := f.(*shardedFactory); ok {
						settle(t, f.subscriptions)
					}
				}
			}
			// hello waits until what is sent from one arrives at the other.
			hello := func(from, to *testNamespace, id string) {
				t.Helper()
				to.until(t, fmt.Sprintf("%.20q hears the other node", to.name), func() bool {
					if err := from.adapter.Broadcast(packetOf(`["hello"]`), &sioadapter.Selection{}); err != nil {
						t.Fatal(err)
					}
					return slices.Contains(to.texts(id), `["hello"]`)
				})
			}
			got := func(n *testNamespace, id string) []string {
				return slices.DeleteFunc(n.texts(id), func(text string) bool { return text == `["hello"]` })
			}

			// Each room has one socket.
			from, to := openNamespace(t, near, "/"), openNamespace(t, far, "/")
			for i, room := range hostileNames {
				to.add(fmt.Sprint("s", i), room)
			}
			hello(from, to, "s0")
			settled()
			for i, room := range hostileNames {
				if err := from.adapter.Broadcast(packetOf(fmt.Sprintf(`["room",%d]`, i)), &sioadapter.Selection{Rooms: []string{room}}); err != nil {
					t.Errorf("room %.20q: %v", room, err)
				}
			}
			for i, room := range hostileNames {
				id := fmt.Sprint("s", i)
				to.until(t, fmt.Sprintf("room %.20q hears", room), func() bool { return len(got(to, id)) > 0 })
			}
			// What went to all of them after that is the last: nothing is under way.
			if err := from.adapter.Broadcast(packetOf(`["end"]`), &sioadapter.Selection{}); err != nil {
				t.Fatal(err)
			}
			for i, room := range hostileNames {
				id := fmt.Sprint("s", i)
				to.until(t, "the end", func() bool { return slices.Contains(to.texts(id), `["end"]`) })
				if want := []string{fmt.Sprintf(`["room",%d]`, i), `["end"]`}; !slices.Equal(got(to, id), want) {
					t.Errorf("room %.20q got %q, want %q", room, got(to, id), want)
				}
			}

			// Each namespace has one socket.
			var here, there []*testNamespace
			for _, name := range hostileNames {
				here, there = append(here, openNamespace(t, near, "/"+name)), append(there, openNamespace(t, far, "/"+name))
				there[len(there)-1].add("s")
			}
			for i := range here {
				hello(here[i], there[i], "s")
			}
			settled()
			for round := range 2 { // the second shows that nothing of the first came late
				for i := range here {
					if err := here[i].adapter.Broadcast(packetOf(fmt.Sprintf(`["nsp",%d,%d]`, i, round)), &sioadapter.Selection{}); err != nil {
						t.Errorf("namespace %.20q: %v", here[i].name, err)
					}
				}
				for i, n := range there {
					n.until(t, fmt.Sprintf("namespace %.20q hears", n.name), func() bool {
						return slices.Contains(n.texts("s"), fmt.Sprintf(`["nsp",%d,%d]`, i, round))
					})
				}
			}
			for i, n := range there {
				if want := []string{fmt.Sprintf(`["nsp",%d,0]`, i), fmt.Sprintf(`["nsp",%d,1]`, i)}; !slices.Equal(got(n, "s"), want) {
					t.Errorf("namespace %.20q got %q, want %q", n.name, got(n, "s"), want)
				}
			}
		})
	}
}

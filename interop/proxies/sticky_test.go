package proxies

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
)

func nginx(file, dir string) []string { return []string{"-p", dir, "-c", file, "-e", "stderr"} }

func haproxy(file, _ string) []string { return []string{"-db", "-f", file} }

func TestNginxByAddress(t *testing.T) {
	nodes := startNodes(t)
	testSticky(t, nodes, startProxy(t, "nginx-ip.conf", nodes, "nginx", nginx), false)
}

func TestNginxByCookie(t *testing.T) {
	nodes := startNodes(t)
	testSticky(t, nodes, startProxy(t, "nginx-cookie.conf", nodes, "nginx", nginx), true)
}

func TestNginxBySession(t *testing.T) {
	nodes := startNodes(t)
	testSticky(t, nodes, startProxy(t, "nginx-sid.conf", nodes, "nginx", nginx), false)
}

func TestHAProxyBySession(t *testing.T) {
	nodes := startNodes(t)
	testSticky(t, nodes, startProxy(t, "haproxy-sid.cfg", nodes, "haproxy", haproxy), false)
}

func TestHAProxyByCookie(t *testing.T) {
	nodes := startNodes(t)
	testSticky(t, nodes, startProxy(t, "haproxy-cookie.cfg", nodes, "haproxy", haproxy), true)
}

// TestHAProxyWithoutCookies shows that the tests above can fail: a client that
// keeps no cookies ends up at both nodes, one of which does not know it.
func TestHAProxyWithoutCookies(t *testing.T) {
	nodes := startNodes(t)
	addr := startProxy(t, "haproxy-cookie.cfg", nodes, "haproxy", haproxy)
	if got, err := newClient(t, addr, "127.0.1.1", false).poll(); err == nil || !strings.Contains(err.Error(), "Session ID unknown") {
		t.Errorf("polled %q, %v", got, err)
	}
}

// testSticky lets clients use the proxy at the same time, in each way there is,
// and checks that each session stays on one node, that both nodes have some,
// and that they know the clients' addresses.
func testSticky(t *testing.T, nodes []*node, addr string, cookies bool) {
	var running sync.WaitGroup
	want := make(map[netip.Addr]int)
	for i := range 8 {
		from := fmt.Sprintf("127.0.%d.1", i+1) // ip_hash looks at the first three
		for name, use := range map[string]func(*client) ([]string, error){
			"polling": (*client).poll, "upgrade": (*client).upgrade, "websocket": (*client).talk,
		} {
			want[netip.MustParseAddr(from)]++
			// Ends after a few requests, each with a deadline; awaited below.
			running.Go(func() {
				names, err := use(newClient(t, addr, from, cookies))
				if err != nil {
					t.Errorf("%s from %s: %v", name, from, err)
				} else if len(slices.Compact(slices.Clone(names))) != 1 || names[0] != "a" && names[0] != "b" {
					t.Errorf("%s from %s: answered by %q, want one node", name, from, names)
				}
			})
		}
	}
	running.Wait()
	got := make(map[netip.Addr]int)
	for _, n := range nodes {
		if len(n.seen()) == 0 {
			t.Errorf("node %s had no session", n.Name)
		}
		for _, from := range n.seen() {
			got[from]++
		}
	}
	for from, n := range want {
		if got[from] != n {
			t.Errorf("%d sessions from %s, want %d; all: %v", got[from], from, n, got)
		}
	}
}

package proxies

import (
	"crypto/rand"
	"embed"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/siogo/sio/engineio"
)

//go:embed *.conf *.cfg
var configs embed.FS

// --- nodes ---

// A node is one of our servers. It tells clients its name.
type node struct {
	Name, Addr string // for the templates

	mu      sync.Mutex
	clients []netip.Addr // of the sessions, as the node sees them
}

// startNodes starts two.
func startNodes(t *testing.T) (nodes []*node) {
	for _, name := range []string{"a", "b"} {
		n := &node{Name: name}
		engine, err := engineio.New(&engineio.Options{
			Cookie:         &http.Cookie{Name: "io"},
			GenerateID:     func(*http.Request) (string, error) { return name + "-" + rand.Text(), nil },
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			Open:           n.open,
		})
		if err != nil {
			t.Fatal(err)
		}
		hs := httptest.NewServer(engine)
		t.Cleanup(func() {
			engine.Close()
			hs.CloseClientConnections()
			hs.Close()
		})
		n.Addr = hs.Listener.Addr().String()
		nodes = append(nodes, n)
	}
	return nodes
}

func (n *node) open(s *engineio.Session) engineio.Handler {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clients = append(n.clients, s.Handshake().ClientAddr())
	return teller{n, s}
}

func (n *node) seen() []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]netip.Addr(nil), n.clients...)
}

// A teller answers "who" with the node's name, and all else with its length.
type teller struct {
	node    *node
	session *engineio.Session
}

// Message ignores the error, which says that the session is closing.
func (a teller) Message(data []byte, binary bool) {
	answer := fmt.Sprint(len(data))
	if string(data) == "who" {
		answer = a.node.Name
	}
	_ = a.session.Send(engineio.NewMessage([]byte(answer), false))
}

func (teller) Closed(*engineio.CloseError) {}

// --- proxies ---

// startProxy starts a program with a configuration and returns where it
// listens. It is stopped with the test.
func startProxy(t *testing.T, config string, nodes []*node, program string, args func(file, dir string) []string) (addr string) {
	path := find(t, program)
	for attempt := 1; ; attempt++ {
		addr = freeAddr(t)
		dir := t.TempDir()
		file := filepath.Join(dir, config)
		write(t, file, config, map[string]any{"Listen": addr, "Nodes": nodes, "Dir": dir})
		cmd := exec.Command(path, args(file, dir)...)
		cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
		cmd.WaitDelay = 5 * time.Second
		cmd.SysProcAttr = dieWithTest()
		if err := cmd.Start(); err != nil {
			t.Fatalf("starting %s: %v", program, err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }() // ends with the process, which is stopped below
		if listens(addr, ended) {
			t.Cleanup(func() {
				cmd.Process.Signal(syscall.SIGTERM)
				select {
				case <-ended:
				case <-time.After(5 * time.Second):
					cmd.Process.Kill()
					<-ended
				}
			})
			return addr
		}
		cmd.Process.Kill() // an error says that it has ended
		if attempt == 3 {  // more than somebody else taking the port
			t.Fatalf("%s does not listen on %s", program, addr)
		}
	}
}

// find returns the path of a program. Debian has these where only root looks.
func find(t *testing.T, program string) string {
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("%s is missing: run `make deps`, or install the package %q", program, program)
	return ""
}

// freeAddr returns an address that was free a moment ago.
func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, file, config string, data any) {
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := template.Must(template.ParseFS(configs, config)).Execute(out, data); err != nil {
		t.Fatal(err)
	}
}

// listens waits until somebody listens on addr. It gives up when the process
// has ended.
func listens(addr string, ended chan error) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			return true
		}
		select {
		case err := <-ended:
			ended <- err
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

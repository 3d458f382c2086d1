package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siogo/sio/interop/internal/node"
)

// browserClient is the folder of our own client, relative to this package.
const browserClient = "../browser"

// TestBrowserUnits runs the unit tests of our own client in Node and, the same
// ones, in a page and in a worker of Chromium.
func TestBrowserUnits(t *testing.T) {
	t.Run("Node", func(t *testing.T) {
		t.Parallel()
		cmd := exec.CommandContext(t.Context(), "node", "--test", "testlib/")
		cmd.Dir = browserClient
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("node --test: %v\n%s", err, out)
		}
		passed := regexp.MustCompile(`(?m)^(?:#|ℹ) pass (\d+)$`).FindSubmatch(out)
		if passed == nil {
			t.Fatalf("node --test counts nothing:\n%s", out)
		}
		if n, _ := strconv.Atoi(string(passed[1])); n < 100 {
			t.Errorf("node --test ran %d tests, which are not all:\n%s", n, out)
		}
	})
	for _, where := range []string{"page", "worker"} {
		t.Run("Chromium/"+where, func(t *testing.T) {
			t.Parallel()
			runSuite(t, serveUnits(t), "units.mjs", "units", "-", where)
		})
	}
}

// TestBrowserSizes measures the bundles beside those of the official client. The
// README says the same, and that ours have at most 70 % of their size.
func TestBrowserSizes(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"socket.io.esm.min.js", "socket.io.min.js", "socket.io.msgpack.min.js"} {
		ours := gzipped(t, filepath.Join(browserClient, "dist", name))
		theirs := gzipped(t, filepath.Join(scripts, "node_modules", "socket.io-client-4", "dist", name))
		if ours*100 > theirs*70 {
			t.Errorf("%s has %d bytes, more than 70 %% of %d", name, ours, theirs)
		}
		row := fmt.Sprintf("| `%s` | %s | %s | %.0f %% |", name, thousands(ours), thousands(theirs), 100*float64(ours)/float64(theirs))
		if !strings.Contains(string(readme), row+"\n") {
			t.Errorf("README.md should say\n%s", row)
		}
	}
}

// gzipped returns the size of a file behind gzip -9.
func gzipped(t *testing.T, path string) int {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.CommandContext(t.Context(), "gzip", "-9", "-n")
	cmd.Stdin = file
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gzip: %v", err)
	}
	return len(out)
}

// thousands writes 12867 as 12,867.
func thousands(n int) string { return fmt.Sprintf("%d,%03d", n/1000, n%1000) }

// TestBrowserSurface compares what users of our client can get hold of with
// what the official one has.
func TestBrowserSurface(t *testing.T) {
	runSuite(t, serveUnits(t), "surface.mjs", "surface", "socket.io-client-4", "-")
}

// TestBrowserPackage installs the npm package as it would be published, and
// uses it in each way in which it can be had.
func TestBrowserPackage(t *testing.T) {
	dir := t.TempDir()
	npm := func(where string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "npm", args...)
		cmd.Dir, cmd.Stderr = where, t.Output()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("npm %q: %v", args, err)
		}
		return string(out)
	}
	packed := strings.Fields(npm(browserClient, "pack", "--silent", "--pack-destination", dir))
	tarball := filepath.Join(dir, packed[len(packed)-1])
	// What it depends on is there already; nothing is fetched.
	modules := filepath.Join(dir, "node_modules", "@siogo", "client")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "tar", "-xzf", tarball, "-C", modules, "--strip-components", "1").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v %s", err, out)
	}
	ws, err := filepath.Abs(filepath.Join(browserClient, "node_modules", "ws"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(ws, filepath.Join(dir, "node_modules", "ws")); err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"src", "build", "test", "tsconfig.json", "dist/socket.io.js.gz"} {
		if _, err := os.Stat(filepath.Join(modules, absent)); err == nil {
			t.Errorf("the package has %s", absent)
		}
	}
	url := startServer(t, nil).URL()
	for name, script := range map[string]string{
		"import.mjs":          `import { io } from "@siogo/client"; import all from "@siogo/client"; if (all !== io) throw 1; go(io);`,
		"require.cjs":         `const io = require("@siogo/client"); if (io !== io.io || io !== io.default || !io.Manager) throw 1; go(io);`,
		"unref-polling.cjs":   `stay({ transports: ["polling"], autoUnref: true });`,
		"unref-websocket.cjs": `stay({ transports: ["websocket"], autoUnref: true });`,
		"msgpack.mjs":         `import { Encoder, Decoder } from "@siogo/client/msgpack"; if (!Encoder || !Decoder) throw 1; console.log("echoed");`,
		"bundle.cjs":          `const io = require("@siogo/client/dist/socket.io.js"); if (typeof io !== "function") throw 1; go(io, ["polling"]);`,
	} {
		script += `
			function go(io, transports) {
				const socket = io("` + url + `", transports && { transports });
				socket.emit("echo", "hello", (text) => { console.log(text === "hello" && "echoed"); socket.disconnect(); });
			}
			function stay(options) { // connected, which keeps no process that has nothing else to do
				const socket = require("@siogo/client").io("` + url + `", options);
				const wait = setInterval(() => {}, 1000);
				socket.emit("echo", "hello", (text) => { console.log(text === "hello" && "echoed"); clearInterval(wait); });
			}`
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		// It must end by itself: a client that is disconnected holds nothing.
		out, err := exec.CommandContext(t.Context(), "node", path).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "echoed" {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// units serves the tests as a page needs them.
type units struct{ url string }

func (u units) URL() string { return u.url }

func (units) Restart() (map[string]string, error) { panic("there is nothing to restart") }

func serveUnits(t *testing.T) units {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(os.DirFS(scripts)))
	mux.Handle("/units/", http.StripPrefix("/units/", http.FileServerFS(os.DirFS(browserClient+"/testlib"))))
	mux.Handle("/testdata/", http.StripPrefix("/testdata/", http.FileServerFS(os.DirFS("../testdata"))))
	server := &http.Server{Handler: mux}
	go server.Serve(listener) // ended by Close
	t.Cleanup(func() { server.Close() })
	return units{"http://" + listener.Addr().String()}
}

// TestFault_K11_BrowserPages: a page loses its network, is told that it goes to
// the back-forward cache, is left for good.
func TestFault_K11_BrowserPages(t *testing.T) {
	t.Run("Chromium", func(t *testing.T) {
		runSuite(t, startServer(t, nil), "page-life.mjs", "page-life", "-", "-")
	})
}

// TestFault_U02_BrowserClientAbortedUpgrades cuts the WebSocket of each of 200
// sessions at a random moment of its upgrade, over a line with a delay: of every
// second one at any moment, of the others when the client begins to switch. No
// session may hang, and those that stay on polling may lose nothing. (The
// official client hangs until its ping timeout in a part of them.)
func TestFault_U02_BrowserClientAbortedUpgrades(t *testing.T) {
	const sessions = 200
	for name, start := range map[string]func(*testing.T) target{
		"sio":       func(t *testing.T) target { return startServer(t, nil) },
		"reference": func(t *testing.T) target { return startReference(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := node.Start(t, scripts, "aborted.mjs", "sio-client-4", fraying(t, start(t)), strconv.Itoa(sessions))
			var r struct{ Survived, Reconnected, Stuck, Lost, WhileSwitching int }
			if err := p.Read(&r); err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r)
			if r.Stuck != 0 || r.Lost != 0 || r.Survived+r.Reconnected != sessions {
				t.Errorf("of %d sessions: %+v", sessions, r)
			}
			if r.Survived < sessions/10 || r.WhileSwitching == 0 {
				t.Errorf("%+v: that is not what was to be tried", r)
			}
		})
	}
}

// TestFault_L08_BrowserClientAndReference cuts our client off while the
// reference, which sends what was missed before the answer to CONNECT, replays
// it: nothing may come twice, nor late.
func TestFault_L08_BrowserClientAndReference(t *testing.T) {
	t.Parallel()
	const clients, cuts = 10, 15
	server := node.Start(t, scripts, "reference-recovery.mjs", "1000", strconv.Itoa(clients))
	var hello struct{ URL string }
	if err := server.Read(&hello); err != nil {
		t.Fatal(err)
	}
	lines, args := make([]*line, clients), []string{"sio-client-4", "websocket"}
	for i := range lines {
		lines[i] = newLine(t, hello.URL)
		args = append(args, "http://"+lines[i].addr())
	}
	p := node.Start(t, scripts, "recoveries.mjs", args...)
	connected, sessions := make([]int, clients), make([]int, clients)
	random := rand.New(rand.NewPCG(8, 8))
	cut, recovered, ended := 0, 0, 0
	var cutting sync.WaitGroup
	defer cutting.Wait()
	received := make([][]int, clients)
	for ended < clients {
		var r struct {
			Client    int
			Connected string
			Recovered bool
			Numbers   []int
		}
		if err := p.Read(&r); err != nil {
			t.Fatal(err)
		}
		if r.Connected == "" {
			received[r.Client] = r.Numbers
			ended++
			continue
		}
		if r.Recovered {
			recovered++
		} else {
			sessions[r.Client]++
		}
		if connected[r.Client]++; connected[r.Client] <= cuts {
			cut++
			l := lines[r.Client]
			if connected[r.Client]%2 == 1 { // at first: without an event before it, the reference recovers nothing
				l.cutAfter(400+random.IntN(2000), false) // into what is emitted
			} else {
				again := 200 + random.IntN(600)
				cutting.Go(func() { // ends after the moment that a cut takes; the test waits for it
					l.cut(false)
					l.cutAfter(again, false) // and once more, into the handshake or what is replayed
				})
			}
			if cut == clients*cuts {
				if err := server.WriteLine("enough"); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var last struct{ Emitted int }
	if err := server.Read(&last); err != nil {
		t.Fatal(err)
	}
	for i, numbers := range received {
		gone, twice, late := compare(numbers, last.Emitted)
		// A client that the reference did not recover has lost what came meanwhile.
		if twice+late > 0 || gone > 0 && sessions[i] == 1 {
			t.Errorf("client %d: %d lost, %d came twice, %d out of order", i, gone, twice, late)
		}
	}
	if recovered < cut*9/10 || cut < clients*cuts {
		t.Errorf("%d cuts, %d recovered: that is not what was to be tried", cut, recovered)
	}
	t.Logf("%d cuts, %d recovered, %d events to each of %d", cut, recovered, last.Emitted, clients)
}

// fraying carries connections to a target, each byte 3 ms later. WebSockets are
// cut, every second one after 0 to 80 ms, the others up to 10 ms after the answer
// to their probe, which a busy machine may need longer for. It returns the
// address in front.
func fraying(t *testing.T, to target) string {
	const delay = 3 * time.Millisecond
	var webSockets atomic.Int64
	there, err := url.Parse(to.URL())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	// Ends when the listener is closed; the clean-up waits for it, and for what it starts.
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer client.Close()
				head := make([]byte, 32<<10) // a request comes in one piece, if it has no body
				n, err := client.Read(head)
				if err != nil {
					return
				}
				server, err := net.Dial("tcp", there.Host)
				if err != nil {
					return
				}
				defer server.Close()
				from := server
				if bytes.Contains(bytes.ToLower(head[:n]), []byte("upgrade: websocket")) {
					cut := time.AfterFunc(time.Minute, func() {
						client.(*net.TCPConn).SetLinger(0)
						client.Close()
						server.Close()
					})
					defer cut.Stop()
					if webSockets.Add(1)%2 == 0 {
						cut.Reset(rand.N(80 * time.Millisecond))
					} else {
						from = spotter{server, "3probe", func() { cut.Reset(delay + rand.N(10*time.Millisecond)) }}
					}
				}
				time.Sleep(delay)
				if _, err := server.Write(head[:n]); err != nil {
					return
				}
				var back sync.WaitGroup
				back.Go(func() { carry(client, from, delay) }) // each ends the other
				carry(server, client, delay)
				back.Wait()
			})
		}
	})
	return "http://" + listener.Addr().String()
}

// A spotter is a connection on which a text is waited for, in what is read at
// once.
type spotter struct {
	net.Conn
	text  string
	found func()
}

func (s spotter) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if bytes.Contains(b[:n], []byte(s.text)) {
		s.found()
	}
	return n, err
}

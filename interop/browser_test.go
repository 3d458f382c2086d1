package interop

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
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
		if n, _ := strconv.Atoi(string(passed[1])); n < 80 {
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

// TestFault_U02_BrowserClientAbortedUpgrades cuts the WebSocket of each of 200
// sessions at a random moment of its upgrade, over a line with a delay. No
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

// fraying carries connections to a target, each byte 3 ms later. WebSockets are
// cut after 0 to 80 ms. It returns the address in front.
func fraying(t *testing.T, to target) string {
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
				if bytes.Contains(bytes.ToLower(head[:n]), []byte("upgrade: websocket")) {
					cut := time.AfterFunc(rand.N(80*time.Millisecond), func() {
						client.(*net.TCPConn).SetLinger(0)
						client.Close()
						server.Close()
					})
					defer cut.Stop()
				}
				time.Sleep(3 * time.Millisecond)
				if _, err := server.Write(head[:n]); err != nil {
					return
				}
				var back sync.WaitGroup
				back.Go(func() { carry(client, server, 3*time.Millisecond) }) // each ends the other
				carry(server, client, 3*time.Millisecond)
				back.Wait()
			})
		}
	})
	return "http://" + listener.Addr().String()
}

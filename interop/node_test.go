package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// scripts is the folder of the JavaScript side, relative to this package.
const scripts = "js"

// A result is one line that a script prints: the outcome of a scenario, a
// request to the test, or the end.
type result struct {
	Scenario string
	OK       bool
	MS       int
	Error    string
	Note     string

	Control string // "restart", answered by a reply on standard input
	Done    bool   // the suite ran to its end
}

// A reply answers Control: "restart" with the reasons for which the sockets
// of the stopped server ended, by id.
type reply struct {
	Reasons map[string]string `json:"reasons"`
}

// A target is a server that keeps the contract.
type target interface {
	// URL is where it listens, without a trailing slash.
	URL() string
	// Restart shuts the server down, starts a new one on the same port and
	// returns why the sockets of the old one ended, by id.
	Restart() (reasons map[string]string, err error)
}

// runSuite runs a script against a target and makes each scenario a subtest.
func runSuite(t *testing.T, to target, script, suite, client, mode string) {
	t.Helper()
	p := startNode(t, script, suite, to.URL(), client, mode)
	scenarios, done := 0, false
	for !done {
		var r result
		if err := p.read(&r); err != nil {
			t.Fatalf("%s %s ended after %d scenarios: %v", script, suite, scenarios, err)
		}
		switch {
		case r.Done:
			done = true
		case r.Control == "restart":
			reasons, err := to.Restart()
			if err != nil {
				t.Fatalf("restart: %v", err)
			}
			if err := p.write(reply{reasons}); err != nil {
				t.Fatalf("answering %s: %v", script, err)
			}
		default:
			scenarios++
			t.Run(r.Scenario, func(t *testing.T) {
				if r.Note != "" {
					t.Log(r.Note)
				}
				if !r.OK {
					t.Errorf("after %d ms: %s", r.MS, r.Error)
				}
			})
		}
	}
	if scenarios == 0 {
		t.Errorf("%s %s ran no scenario", script, suite)
	}
}

// A node is a running script that talks in lines of JSON.
type node struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

// startNode starts a script of the js folder; it is ended with the test.
func startNode(t *testing.T, script string, args ...string) *node {
	t.Helper()
	if _, err := os.Stat(filepath.Join(scripts, "node_modules")); err != nil {
		t.Fatalf("the npm packages are missing: run `make deps`, or `npm ci` in interop/js (%v)", err)
	}
	cmd := exec.CommandContext(t.Context(), "node", append([]string{script}, args...)...)
	cmd.Dir = scripts
	cmd.Stderr = t.Output()
	cmd.WaitDelay = 5 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting node: %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait() // t.Context is cancelled by now: the script has ended, or is killed
	})
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	return &node{in, lines}
}

// read waits for the next line. A script that ended is io.ErrUnexpectedEOF.
func (n *node) read(v any) error {
	if !n.out.Scan() {
		if err := n.out.Err(); err != nil {
			return err
		}
		return io.ErrUnexpectedEOF
	}
	if err := json.Unmarshal(n.out.Bytes(), v); err != nil {
		return fmt.Errorf("line %q: %w", n.out.Bytes(), err)
	}
	return nil
}

func (n *node) write(v any) error {
	return json.NewEncoder(n.in).Encode(v)
}

package interop

import (
	"testing"

	"github.com/siogo/sio/interop/internal/node"
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
	p := node.Start(t, scripts, script, suite, to.URL(), client, mode)
	scenarios, done := 0, false
	for !done {
		var r result
		if err := p.Read(&r); err != nil {
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
			if err := p.Write(reply{reasons}); err != nil {
				t.Fatalf("answering %s: %v", script, err)
			}
		default:
			scenarios++
			t.Run(r.Scenario, func(t *testing.T) {
				if !r.OK {
					t.Fatalf("after %d ms: %s", r.MS, r.Error)
				}
				t.Logf("%d ms %s", r.MS, r.Note)
			})
		}
	}
	if scenarios == 0 {
		t.Errorf("%s %s ran no scenario", script, suite)
	}
}

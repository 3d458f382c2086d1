//go:build languages

package languages

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/siogo/sio/interop"
	"github.com/siogo/sio/interop/internal/process"
)

// What `make interop-all` has made, relative to this folder.
const (
	python = "../../build/python/bin/python"
	java   = "../../build/java/interop.jar"
	rust   = "../../build/rust/release/sio-interop-rust"
)

// A client is a program that runs the scenarios. Its arguments are followed by
// the server's URL and the mode.
type client struct {
	name string // as in the table of README.md, and the name of its subtest
	made string // what has to be there
	argv []string
}

var clients = []client{
	{"Python", python, []string{python, "python/client.py", "sync"}},
	{"Python-asyncio", python, []string{python, "python/client.py", "async"}},
	{"Java", java, []string{"java", "-jar", java}},
	{"Rust", rust, []string{rust, "blocking"}},
	{"Rust-async", rust, []string{rust, "async"}},
}

var modes = []string{"polling", "websocket", "upgrade"}

// A result is one line that a client prints: the outcome of a scenario, a
// request to the test, or the end.
type result struct {
	Scenario string
	OK       bool
	MS       int
	Error    string
	Limit    string // why the client cannot do it

	Control string // "restart", answered by any line on standard input
	Done    bool   // the client ran to its end
}

// TestClients runs each client over each mode against a server of its own, and
// compares what came out with the table of README.md.
func TestClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			if _, err := os.Stat(c.made); err != nil {
				t.Fatalf("run `make interop-all`: %v", err)
			}
			table := readTable(t, c.name)
			for _, mode := range modes {
				t.Run(mode, func(t *testing.T) {
					seen := map[string]bool{}
					for _, r := range play(t, c, mode) {
						seen[r.Scenario] = true
						t.Run(r.Scenario, func(t *testing.T) { table.check(t, mode, r) })
					}
					for scenario := range table {
						if !seen[scenario] {
							t.Errorf("README.md lists %q, and there was no such scenario", scenario)
						}
					}
				})
			}
		})
	}
}

// play runs a client to its end.
func play(t *testing.T, c client, mode string) (results []result) {
	server, err := interop.Start(os.DirFS("."), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	p := process.Start(t, ".", c.argv[0], append(slices.Clone(c.argv[1:]), server.URL(), mode)...)
	for {
		var r result
		if err := p.Read(&r); err != nil {
			t.Fatalf("%s ended after %d scenarios: %v", c.name, len(results), err)
		}
		switch {
		case r.Done:
			return results
		case r.Control == "restart":
			if _, err := server.Restart(); err != nil {
				t.Fatalf("restart: %v", err)
			}
			if err := p.WriteLine("restarted"); err != nil {
				t.Fatal(err)
			}
		default:
			results = append(results, r)
		}
	}
}

// A table is the column of one client in README.md: by scenario, "yes",
// "no [2]", "not over polling [2]" or "over polling only [2]", where the number is that of a note.
type table map[string]string

// readTable reads the column whose heading is name.
func readTable(t *testing.T, name string) table {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	cells, column := table{}, 0
	for line := range strings.Lines(string(text)) {
		line, isRow := strings.CutPrefix(line, "| ")
		if !isRow {
			if !strings.HasPrefix(line, "|-") {
				column = 0 // the end of a table
			}
			continue
		}
		row := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), " |"), " | ")
		switch {
		case row[0] == "Scenario":
			column = slices.Index(row, name)
		case column > 0:
			cells[row[0]] = row[column]
		}
	}
	if len(cells) == 0 {
		t.Fatalf("README.md has no column %q", name)
	}
	return cells
}

// check compares an outcome with what the table says: that it works, or that
// the client cannot do it.
func (cells table) check(t *testing.T, mode string, r result) {
	want := cmp.Or(cells[r.Scenario], "nothing")
	denied := strings.HasPrefix(want, "no [") || strings.HasPrefix(want, "not over "+mode+" [") ||
		strings.HasPrefix(want, "over polling only [") && mode != "polling"
	switch {
	case want == "nothing":
		t.Error("README.md does not list it")
	case !r.OK:
		t.Errorf("after %d ms: %s", r.MS, r.Error)
	case r.Limit == "" && denied:
		t.Errorf("it works, and README.md says %s", want)
	case r.Limit != "" && !denied:
		t.Errorf("the client cannot (%s), and README.md says %s", r.Limit, want)
	}
}

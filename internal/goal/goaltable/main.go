// Goaltable reads what `go test -json` writes, shows the failures, and ends
// with a table of the figures that the tests have reported (package goal). It
// fails if a test has, or if there was no figure.
//
//	go test -json -run Goal ./... | go run ./internal/goal/goaltable
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/siogo/sio/internal/goal"
)

// An event is what `go test -json` writes: see `go doc test2json`.
type event struct {
	Action, Package, Test, Output, Key, Value string
}

func main() {
	if !run(os.Stdin, os.Stdout) {
		os.Exit(1)
	}
}

// run reports whether all tests have passed, and told of figures.
func run(in io.Reader, out io.Writer) (ok bool) {
	var (
		figures []goal.Figure
		output  = make(map[[2]string][]string) // by package and test
		failed  = false
	)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text()) // of the go command itself
			continue
		}
		key := [2]string{e.Package, e.Test}
		switch e.Action {
		case "output", "build-output":
			output[key] = append(output[key], e.Output)
		case "attr":
			if f, ok := goal.Decode(e.Key, e.Value); ok {
				figures = append(figures, f)
			}
		case "fail", "build-fail":
			failed = true
			for _, text := range output[key] {
				fmt.Fprint(out, text)
			}
			delete(output, key)
		case "pass":
			if e.Test == "" {
				fmt.Fprintf(out, "ok  %s\n", e.Package)
			}
			delete(output, key)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(out, err)
		failed = true
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "goal\tverdict\tfigure\twanted\tmeasured")
	for _, f := range figures {
		verdict := "met"
		if !f.Met {
			verdict, failed = "MISSED", true
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.Goal, verdict, f.Figure, f.Wanted, f.What)
	}
	table.Flush()
	return !failed && len(figures) > 0
}

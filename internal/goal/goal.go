// Package goal is how tests that measure say what they have measured: the goal,
// the figure, and whether one meets the other. The figures of a run are
// collected into one table by goaltable, the program beside it.
//
// Tests of goals come in two sizes: a short one, which runs with all tests, and
// the size of the goal, which takes minutes and is asked for by SIO_GOALS=full.
package goal

import (
	"fmt"
	"os"
	"strings"
)

// attribute is the key of the attribute of a test that carries a figure.
const attribute = "goal"

// TB is the part of testing.TB that this package needs.
type TB interface {
	Helper()
	Attr(key, value string)
	Errorf(format string, args ...any)
}

// A Figure is one line of the table.
type Figure struct {
	Goal   string // as docs/reliability.md numbers it: "G4"
	What   string // what was measured: "messages lost"
	Figure string // the result: "0 of 2,000,000"
	Wanted string // what the goal asks for: "0"
	Met    bool
}

// Report says what was measured. If the goal is not met, the test fails.
func Report(t TB, f Figure) {
	t.Helper()
	t.Attr(attribute, f.encode())
	if !f.Met {
		t.Errorf("%s, %s: %s, want %s", f.Goal, f.What, f.Figure, f.Wanted)
	}
}

// Full reports whether the tests are to run at the size of the goals.
func Full() bool { return os.Getenv("SIO_GOALS") == "full" }

// Size returns full if the tests run at the size of the goals, else short.
func Size[T any](short, full T) T {
	if Full() {
		return full
	}
	return short
}

const separator = " | "

func (f Figure) encode() string {
	verdict := "met"
	if !f.Met {
		verdict = "MISSED"
	}
	fields := []string{f.Goal, f.What, f.Figure, f.Wanted, verdict}
	for i, s := range fields {
		fields[i] = strings.NewReplacer("|", "/", "\n", " ").Replace(s)
	}
	return strings.Join(fields, separator)
}

// Decode returns the figure in the value of an attribute.
func Decode(key, value string) (f Figure, ok bool) {
	fields := strings.Split(value, separator)
	if key != attribute || len(fields) != 5 {
		return f, false
	}
	return Figure{fields[0], fields[1], fields[2], fields[3], fields[4] == "met"}, true
}

// Count writes a number with commas between its thousands.
func Count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

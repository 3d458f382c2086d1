package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	testName     = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")
	testFunc     = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	statusRow    = regexp.MustCompile(`(?m)^\| ((?:engine|socket)\.io\S*) \|([^|]*)\| ([^|]*) \|([^|]*)\|$`)
	proofName    = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	proofFunc    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	relativeLink = regexp.MustCompile(`\]\(([^):#"\s]+)(#[^)]*)?\)`)
)

// TestDocsNameExistingTests: docs/differences.md says which test holds each
// difference, so those tests have to be there.
func TestDocsNameExistingTests(t *testing.T) {
	root := repository(t)
	exists := map[string]bool{}
	walk(t, root, "_test.go", func(file string, text []byte) {
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			exists[string(m[1])] = true
		}
	})
	text, err := os.ReadFile(filepath.Join(root, "docs", "differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range testName.FindAllSubmatch(text, -1) {
		if name := string(m[1]); !exists[name] && name != "TestFault" && name != "TestSec" {
			t.Errorf("docs/differences.md names %s, which does not exist", name)
		}
	}
}

// TestStatusTable: README.md says of each part of the family what there is.
// What it calls more than "not begun" has its package, and what it calls
// complete has tests that show it.
func TestStatusTable(t *testing.T) {
	root := repository(t)
	exists := map[string]bool{}
	walk(t, root, "_test.go", func(file string, text []byte) {
		for _, m := range proofFunc.FindAllSubmatch(text, -1) {
			exists[string(m[1])] = true
		}
	})
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range statusRow.FindAllStringSubmatch(string(text), -1) {
		part, folder, state, proofs := m[1], strings.Trim(m[2], "` "), m[3], proofName.FindAllStringSubmatch(m[4], -1)
		seen[part] = true
		begun := !strings.HasPrefix(state, "not begun")
		if _, err := os.Stat(filepath.Join(root, folder)); begun && (folder == "" || err != nil) || !begun && folder != "" {
			t.Errorf("%s is called %q, and its package is %q", part, state, folder)
		}
		if strings.HasPrefix(state, "complete") && len(proofs) == 0 {
			t.Errorf("%s is called complete, and no test shows it", part)
		}
		for _, p := range proofs {
			if !exists[p[1]] {
				t.Errorf("%s is shown by %s, which does not exist", part, p[1])
			}
		}
	}
	for _, part := range []string{
		"engine.io-parser", "engine.io", "engine.io-client", "socket.io-parser",
		"socket.io-adapter", "socket.io", "socket.io-client", "socket.io-redis",
	} {
		if !seen[part] {
			t.Errorf("the status table does not mention %s", part)
		}
	}
}

// TestPackageMapIsComplete: docs/README.md is where a newcomer looks for what
// there is. Internal packages may be left out.
func TestPackageMapIsComplete(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository(t), "docs", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list(t) {
		if folder := p.folder(); !strings.Contains(folder, "internal/") && !strings.Contains(string(text), "`"+folder+"`") {
			t.Errorf("docs/README.md does not mention `%s`", folder)
		}
	}
}

func TestDocsLinkToWhatExists(t *testing.T) {
	root := repository(t)
	walk(t, root, ".md", func(file string, text []byte) {
		for _, m := range relativeLink.FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), string(m[1]))); err != nil {
				name, _ := filepath.Rel(root, file)
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
	})
}

// walk calls f with every file of the repository whose name ends so.
func walk(t *testing.T, root, ending string, f func(file string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && notOurs(d.Name()) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(d.Name(), ending) {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		f(file, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// notOurs reports whether a folder holds no source of this repository.
func notOurs(folder string) bool {
	return folder == "node_modules" || folder == "testdata" || folder == "build" || strings.HasPrefix(folder, ".")
}

var (
	tableRow  = regexp.MustCompile(`(?m)^\| (.*) \|$`)
	faultRow  = regexp.MustCompile(`^[A-Z]\d\d$`)
	exampleOr = regexp.MustCompile("`((?:Test|Fuzz|Example)[A-Za-z0-9_]+)`")
	anyFunc   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w+)\(`)
)

// missingFaults have no row in faults.md; the page says why.
var missingFaults = []string{"C13", "C14"}

// TestFeaturesAndFaultsAreShown: each row of these pages names tests that exist;
// those of a fault have its number. What is not there says so, and is listed.
func TestFeaturesAndFaultsAreShown(t *testing.T) {
	root := repository(t)
	exists := map[string]bool{}
	walk(t, root, "_test.go", func(file string, text []byte) {
		for _, m := range anyFunc.FindAllSubmatch(text, -1) {
			exists[string(m[1])] = true
		}
	})
	seen := map[string]bool{} // faults
	for _, page := range []string{"features.md", "faults.md"} {
		text, err := os.ReadFile(filepath.Join(root, "docs", "reference", page))
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, m := range tableRow.FindAllStringSubmatch(string(text), -1) {
			cells := strings.Split(m[1], " | ")
			shown := cells[len(cells)-1]
			if shown == "Shown by" || shown == "Tests" || strings.Contains(cells[0], "---") {
				continue
			}
			rows++
			tests := exampleOr.FindAllStringSubmatch(shown, -1)
			numbered := page == "features.md"
			for _, name := range tests {
				if !exists[name[1]] {
					t.Errorf("%s: %s does not exist", page, name[1])
				}
				numbered = numbered || strings.Contains(name[1], "_"+cells[0]+"_")
			}
			switch {
			case page == "faults.md" && !faultRow.MatchString(cells[0]):
				t.Errorf("%s: a row without a number: %q", page, cells[0])
			case !numbered:
				t.Errorf("%s: no test of %s has its number in its name", page, cells[0])
			case len(tests) == 0 && !strings.Contains(shown, "](#") && cells[len(cells)-2] != "no":
				t.Errorf("%s: nothing shows %q", page, cells[0])
			}
			seen[cells[0]] = true
		}
		if rows < 30 {
			t.Errorf("%s: only %d rows were found", page, rows)
		}
	}
	for _, group := range []struct {
		letter string
		n      int
	}{{"P", 15}, {"H", 15}, {"W", 10}, {"U", 10}, {"L", 12}, {"N", 8}, {"B", 6}, {"C", 16}, {"X", 8}, {"K", 11}} {
		for i := range group.n {
			id := fmt.Sprintf("%s%02d", group.letter, i+1)
			if !seen[id] && !slices.Contains(missingFaults, id) {
				t.Errorf("faults.md: there is no row %s", id)
			}
		}
	}
}

var (
	numberedTest = regexp.MustCompile(`(?m)^func (Test(?:Fault|Sec)_\w+)\(`)
	attackRow    = regexp.MustCompile(`(?m)^\| (S\d\d) \|.*\| (.*) \|$`)
	attack       = regexp.MustCompile(`\bS\d\d\b`)
	countOfTests = regexp.MustCompile(`([\d,]+) tests carry the number`)
)

// TestAttacksAreAnswered: each known attack has a row in SECURITY.md with tests
// that exist and have its number, or is said not to concern us.
func TestAttacksAreAnswered(t *testing.T) {
	root := repository(t)
	exists := map[string]bool{}
	walk(t, root, "_test.go", func(file string, text []byte) {
		for _, m := range numberedTest.FindAllSubmatch(text, -1) {
			exists[string(m[1])] = true
		}
	})
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := attackRow.FindAllStringSubmatch(string(text), -1)
	if len(rows) < 40 {
		t.Errorf("SECURITY.md has only %d rows", len(rows))
	}
	told := map[string]bool{}
	for _, row := range rows {
		told[row[1]] = true
		numbered := false
		for _, name := range testName.FindAllStringSubmatch(row[2], -1) {
			if !exists[name[1]] {
				t.Errorf("SECURITY.md names %s, which does not exist", name[1])
			}
			numbered = numbered || strings.Contains(name[1], "_"+row[1]+"_")
		}
		if !numbered {
			t.Errorf("no test of %s has its number in its name", row[1])
		}
	}
	for name := range exists {
		for _, id := range attack.FindAllString(strings.ReplaceAll(name, "_", " "), -1) {
			if !told[id] {
				t.Errorf("%s tests the attack %s, which SECURITY.md does not list", name, id)
			}
		}
	}
}

// TestReadmeCountsTheTestsOfFaults: README.md says how many tests carry the
// number of a fault or an attack, and no more than there are.
func TestReadmeCountsTheTestsOfFaults(t *testing.T) {
	root := repository(t)
	n := 0
	walk(t, root, "_test.go", func(file string, text []byte) { n += len(numberedTest.FindAll(text, -1)) })
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := countOfTests.FindSubmatch(text)
	if m == nil {
		t.Fatalf("README.md does not say that %d tests carry the number of a fault or an attack", n)
	}
	// Others add tests at the same time, so a few more are no error.
	if said, err := strconv.Atoi(strings.ReplaceAll(string(m[1]), ",", "")); err != nil || said > n || said < n-25 {
		t.Errorf("README.md counts %s tests of faults and attacks, and there are %d", m[1], n)
	}
}

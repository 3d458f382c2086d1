package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testName     = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")
	testFunc     = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
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

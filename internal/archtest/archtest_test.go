// Package archtest keeps the repository in the shape that docs/README.md
// draws: which package may import which. It has tests only.
//
// A new package fails TestImports until it has a line in the table below; that
// line is the decision where it belongs.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/siogo/sio"

// imports says, for each package of the core module by its folder, which other
// folders it may import ("…/..." is a folder and all below it), tests aside.
// Third-party modules are in thirdParty.
var imports = map[string][]string{
	// Leaves: parsers, contracts, internals. They know nothing of sessions.
	"engineio/eioparser":    {},
	"socketio/sioparser":    {},
	"socketio/event":        {"socketio/sioparser"},
	"internal/...":          {"internal/..."},
	"socketio/internal/...": {"internal/..."},
	"browser":               {}, // the files of the client for pages

	// Servers.
	"engineio":            {"engineio/eioparser", "internal/..."},
	"socketio/sioadapter": {"socketio/sioparser"},
	"socketio":            {"engineio", "engineio/eioparser", "socketio/sioadapter", "socketio/sioparser", "socketio/event", "socketio/internal/...", "browser", "internal/..."},

	// Clients.
	"engineio/eioclient": {"engineio/eioparser", "internal/..."},
	"socketio/sioclient": {"engineio/eioclient", "engineio/eioparser", "socketio/sioparser", "socketio/event", "socketio/internal/mailbox"},

	// Both sides: test kits, programs.
	"socketio/siotest":                {"engineio/...", "socketio/...", "internal/..."},
	"socketio/sioadapter/adaptertest": {"socketio/sioadapter", "socketio/sioparser"},
	"socketio/sioparser/parsertest":   {"socketio/sioparser"},
	"adapters/...":                    {"socketio/sioadapter", "socketio/sioparser", "socketio/event"},
	"examples/...":                    {"engineio/...", "socketio/...", "examples/..."},
	"cmd/...":                         {"engineio/...", "socketio/...", "adapters/..."},
}

// thirdParty are the modules that non-test code of the core may import, and
// who may import them.
var thirdParty = map[string][]string{
	"github.com/gobwas/ws":               {"internal/...", "engineio", "engineio/eioclient", "socketio/siotest"},
	"github.com/rs/cors":                 {"engineio", "socketio"},
	"github.com/andybalholm/brotli":      {"engineio"},
	"github.com/klauspost/compress":      {"internal/...", "engineio", "engineio/eioclient", "socketio"},
	"github.com/go-json-experiment/json": {"socketio/sioparser", "socketio/event"},
	"github.com/tinylib/msgp":            {"socketio/sioparser"},
	"golang.org/x/sys":                   {"internal/..."},
}

// pure packages reach no network, not even through what they import.
var pure = []string{"engineio/eioparser", "socketio/sioparser", "socketio/event", "internal/wheel", "socketio/internal/mailbox"}

// A listed is what `go list -json` says of one package.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// folder is where the package lies in the repository; "." is the root.
func (l listed) folder() string {
	return strings.TrimPrefix(strings.TrimPrefix(l.ImportPath, module), "/")
}

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		row, known := rowOf(p.folder())
		if !known {
			t.Errorf("%s has no line in the table of allowed imports", p.folder())
			continue
		}
		for _, imported := range p.Imports {
			switch {
			case isOurs(imported):
				if folder := (listed{ImportPath: imported}).folder(); !slices.ContainsFunc(row, covers(folder)) {
					t.Errorf("%s may not import %s", p.folder(), folder)
				}
			case strings.Contains(firstElement(imported), "."):
				if !mayUse(p.folder(), imported) {
					t.Errorf("%s may not import %s: it is not on the list of third-party modules", p.folder(), imported)
				}
			}
		}
	}
}

// The table itself may not allow what the design forbids.
func TestTableKeepsTheSidesApart(t *testing.T) {
	servers := []string{"engineio", "socketio"}
	clients := []string{"engineio/eioclient", "socketio/sioclient"}
	engines := []string{"engineio", "engineio/eioclient"}
	forbid := func(from, to []string) {
		for _, f := range from {
			for _, target := range to {
				if slices.ContainsFunc(imports[f], covers(target)) {
					t.Errorf("the table lets %s import %s", f, target)
				}
			}
		}
	}
	forbid(servers, clients)
	forbid(clients, servers)
	forbid([]string{"engineio/eioparser", "socketio/sioparser", "socketio/event", "socketio/sioadapter", "adapters/..."}, engines)
}

func TestPurePackagesReachNoNetwork(t *testing.T) {
	for _, p := range list(t) {
		if !slices.Contains(pure, p.folder()) {
			continue
		}
		for _, d := range p.Deps {
			if d == "net" || d == "net/http" || d == "crypto/tls" {
				t.Errorf("%s depends on %s", p.folder(), d)
			}
		}
	}
}

// TestPackageNamesAreUnique covers the nested modules too, so it reads the
// package clauses itself.
func TestPackageNamesAreUnique(t *testing.T) {
	root := repository(t)
	folders := map[string]string{} // package name → folder
	walk(t, root, ".go", func(file string, text []byte) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.PackageClauseOnly)
		if err != nil {
			t.Error(err)
			return
		}
		name, folder := parsed.Name.Name, filepath.Dir(file)
		if other, taken := folders[name]; taken && other != folder && name != "main" {
			t.Errorf("package %s exists twice, in %s and %s", name, other, folder)
		}
		folders[name] = folder
	})
}

// rowOf finds the line for a folder; an exact one goes before a "/..." one.
func rowOf(folder string) ([]string, bool) {
	if row, ok := imports[folder]; ok {
		return row, true
	}
	for pattern, row := range imports {
		if strings.HasSuffix(pattern, "/...") && matches(pattern, folder) {
			return row, true
		}
	}
	return nil, false
}

// covers reports, of a pattern, whether it includes the folder.
func covers(folder string) func(pattern string) bool {
	return func(pattern string) bool { return matches(pattern, folder) }
}

func matches(pattern, folder string) bool {
	above, below := strings.CutSuffix(pattern, "/...")
	return folder == above || below && strings.HasPrefix(folder, above+"/")
}

func mayUse(folder, imported string) bool {
	for thirdPartyModule, users := range thirdParty {
		if imported == thirdPartyModule || strings.HasPrefix(imported, thirdPartyModule+"/") {
			return slices.ContainsFunc(users, covers(folder))
		}
	}
	return false
}

func isOurs(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

func firstElement(importPath string) string {
	first, _, _ := strings.Cut(importPath, "/")
	return first
}

// list describes the packages of the core module. One that does not compile
// at the moment is still listed with its imports.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = repository(t)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatal("go list found no package")
	}
	return all
}

// repository is the folder of the core's go.mod.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

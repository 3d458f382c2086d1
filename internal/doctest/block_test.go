package doctest

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	// The blocks are checked against the export data of these packages. Their
	// being imported makes the result of the test depend on them.
	_ "github.com/siogo/sio/engineio"
	_ "github.com/siogo/sio/engineio/eioclient"
	_ "github.com/siogo/sio/socketio"
	_ "github.com/siogo/sio/socketio/event"
	_ "github.com/siogo/sio/socketio/sioadapter"
	_ "github.com/siogo/sio/socketio/sioclient"
	_ "github.com/siogo/sio/socketio/sioparser"
	_ "github.com/siogo/sio/socketio/siotest"
)

const module = "github.com/siogo/sio"

// autoImports are the packages whose names need no import in a block. The name
// io is not among them: it is the server.
var autoImports = byName(
	"bufio", "bytes", "context", "crypto/rand", "embed", "encoding/json", "errors", "expvar", "fmt", "io/fs", "iter", "log", "log/slog",
	"net", "net/http", "net/netip", "net/url", "os", "os/exec", "os/signal", "slices", "strings", "sync", "sync/atomic", "syscall",
	"testing", "testing/synctest", "time",
	module+"/engineio", module+"/engineio/eioclient", module+"/socketio", module+"/socketio/sioclient", module+"/socketio/event", module+"/socketio/sioadapter",
	module+"/socketio/sioparser", module+"/socketio/siotest",
	"github.com/rs/cors",
	// Packages of the reader, and of frameworks (testdata/stub).
	"example.com/chat/api",
	"github.com/go-chi/chi/v5", "github.com/gin-gonic/gin", "github.com/labstack/echo/v5",
	"github.com/gofiber/fiber/v3", "github.com/gofiber/fiber/v3/middleware/adaptor",
)

func byName(paths ...string) map[string]string {
	m := make(map[string]string)
	for _, p := range paths {
		m[packageName(p)] = p
	}
	return m
}

// packageName is the last element of an import path that is no version.
func packageName(importPath string) string {
	name := path.Base(importPath)
	if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
		name = path.Base(path.Dir(importPath))
	}
	return name
}

// parameters are what the blocks of statements can use.
const parameters = "ctx context.Context, io *socketio.Server, ns *socketio.Namespace, s *socketio.Socket, e *socketio.Event, " +
	"c *sioclient.Socket, w http.ResponseWriter, r *http.Request, t *testing.T"

func TestBlocksCompile(t *testing.T) {
	var all []block
	for _, p := range pages(t) {
		all = append(all, p.blocks...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d blocks of Go were found", len(all))
	}
	for _, err := range check(t, all) {
		t.Error(err)
	}
}

// The check itself has to notice what it is there for.
func TestCheckNotices(t *testing.T) {
	for _, tt := range []struct{ name, code, want string }{
		{"statements", "if err := io.Emit(\"x\"); err != nil {\n\treturn err\n}\n", ""},
		{"declarations", "var key = socketio.NewKey[string](\"k\")\n", ""},
		{"file", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n", ""},
		{"unused variable of statements", "n := 1\n", ""},
		{"unknown method", "io.Broadcast(\"x\")\n", "io.Broadcast undefined"},
		{"wrong type", "s.Join(1)\n", "cannot use 1"},
		{"unknown name", "x := nothing\n", "undefined: nothing"},
		{"unknown import", "package main\n\nimport _ \"example.org/nothing\"\n", "could not import"},
		{"unused import", "package main\n\nimport \"fmt\"\n\nfunc main() {}\n", "imported and not used"},
		{"syntax of statements", "x := \n", "expected operand"},
		{"syntax of declarations", "func f( {\n}\n", "expected"},
		{"format", "x  := 1\n", "gofmt"},
		{"line", "x := 1\n\n\ns.Nothing()\n", "x.md:13"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := errors.Join(check(t, []block{{page: "x.md", line: 10, text: tt.code}})...)
			switch {
			case tt.want == "" && got != nil:
				t.Errorf("unexpected: %v", got)
			case tt.want != "" && (got == nil || !strings.Contains(got.Error(), tt.want)):
				t.Errorf("got %v, want it to say %q", got, tt.want)
			}
		})
	}
	t.Run("foreign", func(t *testing.T) {
		if err := errors.Join(check(t, []block{{"x.md", 1, true, "any.Thing(1)\n"}})...); err != nil {
			t.Error(err)
		}
		if check(t, []block{{"x.md", 1, true, "any.Thing(\n"}}) == nil {
			t.Error("foreign code that does not parse was accepted")
		}
	})
	t.Run("a page is a package", func(t *testing.T) {
		one := block{page: "x.md", line: 1, text: "type shared struct{}\n"}
		two := block{page: "x.md", line: 9, text: "var _ shared\n"}
		if err := errors.Join(check(t, []block{two, one})...); err != nil {
			t.Error(err)
		}
		two.page = "y.md"
		if check(t, []block{two, one}) == nil {
			t.Error("a declaration of another page was found")
		}
	})
}

// check compiles blocks and returns what is wrong with them.
func check(t *testing.T, blocks []block) (errs []error) {
	t.Helper()
	c := &checker{fset: token.NewFileSet(), own: make(map[string]*types.Package)}
	report := func(err error) { errs = append(errs, err) }
	loose := make(map[string][]*ast.File) // of each page
	var files, packages []*ast.File
	for _, b := range blocks {
		file, kind, err := c.parse(b)
		if err != nil {
			report(err)
			continue
		}
		if b.foreign {
			continue
		}
		if formatted, err := format.Source([]byte(b.text)); err != nil || string(formatted) != b.text {
			report(fmt.Errorf("%s:%d: gofmt would change this block", b.page, b.line))
		}
		switch {
		case kind != wholeFile:
			loose[b.page] = append(loose[b.page], file)
		case file.Name.Name == "main":
			files = append(files, file)
		default:
			packages = append(packages, file)
		}
	}
	c.load(t, slices.Concat(packages, files, slices.Concat(slices.Collect(maps.Values(loose))...)))
	for _, f := range packages {
		c.own[f.Name.Name] = c.compile(f.Name.Name, []*ast.File{f}, report)
	}
	for _, f := range files {
		c.compile("main", []*ast.File{f}, report)
	}
	for _, name := range slices.Sorted(maps.Keys(loose)) {
		c.compile("page", loose[name], report)
	}
	return errs
}

// A checker type-checks blocks. It is the importer of the packages it finds.
type checker struct {
	fset *token.FileSet
	gc   types.Importer
	own  map[string]*types.Package // by name: of blocks; by import path: of testdata/stub
}

type kind uint8

const (
	wholeFile kind = iota
	declarations
	statements
)

// parse makes a file of a block.
func (c *checker) parse(b block) (*ast.File, kind, error) {
	at := fmt.Sprintf("//line %s:%d\n", b.page, b.line)
	whole, err := parser.ParseFile(c.fset, "", at+b.text, parser.ParseComments)
	if err == nil || whole != nil && whole.Name != nil && whole.Name.Name != "" && whole.Name.Name != "_" {
		return whole, wholeFile, err
	}
	kind, before, after := declarations, "", ""
	file, err := parser.ParseFile(c.fset, "", "package page\n"+at+b.text, 0)
	if err != nil {
		kind, before, after = statements, "func _("+parameters+") error {\n{\n", "}\nreturn nil\n}\n"
		body, bodyErr := parser.ParseFile(c.fset, "", "package page\n"+before+at+b.text+after, 0)
		switch {
		case bodyErr == nil:
			file = body
		case beginsDeclaration(b.text):
			return nil, kind, err
		default:
			return nil, kind, bodyErr
		}
	}
	if b.foreign {
		return file, kind, nil
	}
	var imports strings.Builder
	for _, name := range missing(file) {
		fmt.Fprintf(&imports, "import %q\n", autoImports[name])
	}
	file, err = parser.ParseFile(c.fset, "", "package page\n"+imports.String()+before+at+b.text+after, 0)
	return file, kind, err
}

func beginsDeclaration(code string) bool {
	first, _, _ := strings.Cut(strings.TrimLeft(code, " \t\n"), " ")
	return slices.Contains([]string{"func", "type", "const", "import"}, first)
}

// missing returns the names of packages that a file uses without importing
// them.
func missing(f *ast.File) []string {
	var names []string
	qualifies := make(map[*ast.Ident]bool)
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				qualifies[x] = true
			}
		}
		return true
	})
	imported := make(map[string]bool)
	for _, spec := range f.Imports {
		imported[packageName(strings.Trim(spec.Path.Value, `"`))] = true
	}
	for _, x := range f.Unresolved {
		if qualifies[x] && autoImports[x.Name] != "" && !imported[x.Name] && !slices.Contains(names, x.Name) {
			names = append(names, x.Name)
		}
	}
	slices.Sort(names)
	return names
}

// compile type-checks the files of one package.
func (c *checker) compile(name string, files []*ast.File, report func(error)) *types.Package {
	config := types.Config{
		Importer:  c,
		GoVersion: "go1.26",
		Error: func(err error) {
			var e types.Error
			if name == "page" && errors.As(err, &e) && e.Soft && strings.Contains(e.Msg, "declared and not used") {
				return
			}
			report(err)
		},
	}
	p, _ := config.Check(name, c.fset, files, nil) // its error is the first of those reported
	return p
}

// exports are the files with export data that were found, by import path.
var exports = make(map[string]string)

// load finds the export data of all packages that files and stubs import.
func (c *checker) load(t *testing.T, files []*ast.File) {
	t.Helper()
	wanted := make(map[string]bool)
	for _, f := range files {
		for _, spec := range f.Imports {
			importPath := strings.Trim(spec.Path.Value, `"`)
			if !strings.HasPrefix(importPath, "example.") && stubs(importPath) == "" {
				wanted[importPath] = true
			}
		}
	}
	wanted["net/http"] = true // of stubs
	maps.DeleteFunc(wanted, func(importPath string, _ bool) bool { return exports[importPath] != "" })
	if len(wanted) > 0 {
		args := append([]string{"list", "-e", "-export", "-f", "{{.ImportPath}}\t{{.Export}}"}, slices.Sorted(maps.Keys(wanted))...)
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Stderr = root, t.Output()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for l := range strings.Lines(string(out)) {
			importPath, file, _ := strings.Cut(strings.TrimSpace(l), "\t")
			exports[importPath] = file
		}
	}
	c.gc = importer.ForCompiler(c.fset, "gc", func(importPath string) (io.ReadCloser, error) {
		file := exports[importPath]
		if file == "" {
			return nil, fmt.Errorf("there is no export data of %s", importPath)
		}
		data, err := os.ReadFile(file)
		return io.NopCloser(bytes.NewReader(data)), err
	})
}

// stubs returns the folder with the stub of a package, or "". A stub declares
// as much of a framework as the documentation uses.
func stubs(importPath string) string {
	folder := filepath.Join("testdata", "stub", filepath.FromSlash(importPath))
	if _, err := os.Stat(folder); err != nil {
		return ""
	}
	return folder
}

// Import implements types.Importer.
func (c *checker) Import(importPath string) (*types.Package, error) {
	if strings.HasPrefix(importPath, "example.com/") {
		if p := c.own[path.Base(importPath)]; p != nil {
			return p, nil
		}
		return nil, fmt.Errorf("no block declares package %s", path.Base(importPath))
	}
	if p := c.own[importPath]; p != nil {
		return p, nil
	}
	folder := stubs(importPath)
	if folder == "" {
		return c.gc.Import(importPath)
	}
	name := filepath.Join(folder, "stub.go")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseFile(c.fset, name, text, 0)
	if err != nil {
		return nil, err
	}
	var errs []error
	p := c.compile(importPath, []*ast.File{f}, func(err error) { errs = append(errs, err) })
	c.own[importPath] = p
	return p, errors.Join(errs...)
}

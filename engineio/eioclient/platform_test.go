//go:build !js

package eioclient

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// In a browser, the browser makes the requests: net/http, with its TLS, is not
// part of the program.
func TestBrowserDoesWithoutNetHTTP(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	deps := strings.Fields(string(out))
	for _, heavy := range []string{"net", "net/http", "crypto/tls", "github.com/gobwas/ws", "github.com/klauspost/compress/flate"} {
		if slices.Contains(deps, heavy) {
			t.Errorf("the browser's client depends on %s", heavy)
		}
	}
	if !slices.Contains(deps, "syscall/js") {
		t.Error("this is not the browser's client")
	}
}

func TestBrowserClientBuilds(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "vet", ".")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go vet: %v\n%s", err, out)
	}
}

// Options exists twice. What both have is the same, to the word.
func TestOptionsAgree(t *testing.T) {
	native, browser := fields(t, "options.go"), fields(t, "options_js.go")
	for name, f := range browser {
		if name == "WithCredentials" { // natively, a Jar
			continue
		}
		if n, ok := native[name]; !ok || n != f {
			t.Errorf("in a browser, %s is\n%s\nand natively\n%s", name, f, n)
		}
	}
	for name := range native {
		if _, ok := browser[name]; !ok && !slices.Contains([]string{"Deflate", "Jar", "TLSConfig", "Proxy", "DialContext"}, name) {
			t.Errorf("in a browser there is no %s", name)
		}
	}
}

// fields returns documentation and type of the fields of Options, by name.
func fields(t *testing.T, file string) map[string]string {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	s := f.Scope.Lookup("Options").Decl.(*ast.TypeSpec).Type.(*ast.StructType)
	for _, field := range s.Fields.List {
		for _, name := range field.Names {
			doc := ""
			if field.Doc != nil { // a group shares the comment of its first
				doc = field.Doc.Text()
			}
			all[name.Name] = doc + types.ExprString(field.Type)
		}
	}
	return all
}

package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wallClock are the methods of time.Time, and functions of package time, whose
// results have no monotonic reading any more. Methods of other types have some of these
// names; allowed says which calls are fine.
var wallClock = map[string]bool{
	"Unix": true, "UnixMilli": true, "UnixMicro": true, "UnixNano": true, "Round": true, "Truncate": true,
	"UTC": true, "In": true, "AddDate": true,
}

// allowed are the files that use them, and what for.
var allowed = map[string]string{
	"engineio/eioclient/suspension.go":   "compares the two clocks, to notice that the machine has slept",
	"engineio/handshake.go":              "keeps in eight bytes when a connection began, for who asks",
	"internal/intercept/response.go":     "writes the Date of an answer",
	"socketio/func.go":                   "reflect.Type.In",
	"socketio/handshake.go":              "tells other nodes when a connection began",
	"socketio/internal/peer/peer.go":     "a deadline that has passed",
	"socketio/sioclient/errors.go":       "shows a duration",
	"socketio/sioclient/state.go":        "shows a duration",
	"socketio/sioparser/msgpack_text.go": "dates of the application",
}

// TestFault_L11_NoWallClock: whoever reckons with the wall clock gives clients
// up, or keeps them for ever, when it is set. Differences of time.Now are not
// concerned, as long as they are taken of what it returned.
func TestFault_L11_NoWallClock(t *testing.T) {
	root := repository(t)
	used := map[string]bool{}
	files := 0
	walk(t, root, ".go", func(file string, text []byte) {
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.ToSlash(name)
		inside := slices.ContainsFunc([]string{"engineio/", "socketio/", "internal/", "adapters/"}, func(prefix string) bool {
			return strings.HasPrefix(name, prefix)
		})
		if !inside || strings.HasSuffix(name, "_test.go") {
			return
		}
		files++
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && wallClock[f.Sel.Name] {
				if allowed[name] == "" {
					t.Errorf("%s calls %s, which forgets the monotonic clock: see clock_test.go", fset.Position(call.Pos()), f.Sel.Name)
				}
				used[name] = true
			}
			return true
		})
	})
	if files < 50 {
		t.Errorf("only %d files were found", files)
	}
	for name := range maps.Keys(allowed) {
		if !used[name] {
			t.Errorf("%s is allowed what it does not do", name)
		}
	}
}

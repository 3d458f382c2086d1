package archtest

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// serverModules are the third-party modules that a program with our server
// links, without tests and clients. Another one is a decision to be made here:
// each is code that runs with the rights of the server, and a name that can be
// hijacked. docs/reliability.md has why there are so many.
var serverModules = []string{
	"github.com/andybalholm/brotli",      // compression of answers
	"github.com/go-json-experiment/json", // JSON with hooks for attachments
	"github.com/gobwas/httphead",         // of gobwas/ws
	"github.com/gobwas/ws",               // the headers of WebSocket frames
	"github.com/klauspost/compress",      // deflate
	"github.com/philhofer/fwd",           // of msgp
	"github.com/rs/cors",                 // CORS
	"github.com/tinylib/msgp",            // MessagePack
}

// TestSec_S26_DependencyBudget: a hijacked release of a dependency becomes a
// part of every program, so there are few, and none comes unnoticed.
func TestSec_S26_DependencyBudget(t *testing.T) {
	linked := map[string]bool{}
	for _, p := range list(t) {
		if p.folder() != "socketio" {
			continue
		}
		for _, d := range p.Deps {
			if first := firstElement(d); strings.Contains(first, ".") && !isOurs(d) {
				parts := strings.Split(d, "/")
				linked[strings.Join(parts[:min(3, len(parts))], "/")] = true
			}
		}
	}
	if got := slices.Sorted(maps.Keys(linked)); !slices.Equal(got, serverModules) {
		t.Errorf("the server links %q, and the list here is %q", got, serverModules)
	}
}

var (
	httpServer = regexp.MustCompile(`(?s)http\.Server\{.*?\n?\}\n`)
	goVersion  = regexp.MustCompile(`(?m)^go (\d+\.\d+)\.\d+$`)
)

// TestSec_S64_HeadersAreWaitedForInTime: http.Server waits for a header for ever
// unless it is told otherwise. Our engine sees nothing before the header is
// complete, so what we show, and what we ship, has to set the timeout.
func TestSec_S64_HeadersAreWaitedForInTime(t *testing.T) {
	root := repository(t)
	found := 0
	check := func(file string, text []byte) {
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.ToSlash(name)
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "bench/") || strings.HasPrefix(name, "interop/") {
			return // they listen on the loopback device, for peers that we start
		}
		for _, literal := range httpServer.FindAllString(string(text), -1) {
			found++
			if !strings.Contains(literal, "ReadHeaderTimeout:") {
				t.Errorf("%s makes a server that waits for headers for ever: %s", name, literal)
			}
		}
	}
	walk(t, root, ".go", check)
	walk(t, root, ".md", check)
	if found < 8 {
		t.Errorf("only %d servers were found: does the pattern still match?", found)
	}
}

// TestSec_S65_OneGoVersion: holes in TLS and HTTP are closed by the version of
// Go, so each module asks for the same one, and README.md says which. Known
// holes of the version that is used are found by govulncheck, in make lint.
func TestSec_S65_OneGoVersion(t *testing.T) {
	root := repository(t)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string][]string{}
	note := func(file string, text []byte) {
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		m := goVersion.FindSubmatch(text)
		if m == nil {
			t.Errorf("%s has no line like \"go 1.26.0\"", name)
			return
		}
		versions[string(m[1])] = append(versions[string(m[1])], name)
		if !strings.Contains(string(readme), "Go "+string(m[1])) {
			t.Errorf("%s asks for Go %s, which README.md does not say", name, m[1])
		}
	}
	walk(t, root, "go.mod", note)
	walk(t, root, "go.work", note)
	if len(versions) != 1 {
		t.Errorf("modules ask for different versions of Go: %v", versions)
	}
}

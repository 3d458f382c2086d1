package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/siogo/sio/browser"
)

// TestDistIsFresh builds dist anew. The committed files must be the same, or
// servers would serve something else than what is tested.
func TestDistIsFresh(t *testing.T) {
	want, err := dist("..")
	if err != nil {
		t.Fatal(err)
	}
	committed := os.DirFS("../dist")
	have, err := fs.Glob(committed, "*")
	if err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(want)); !slices.Equal(names, have) {
		t.Errorf("dist has %q, want %q", have, names)
	}
	for name, data := range want {
		got, err := fs.ReadFile(committed, name)
		if err != nil {
			t.Error(err)
			continue
		}
		// Other releases of Go may compress to other bytes; what counts is what comes out.
		switch {
		case strings.HasSuffix(name, ".gz"):
			got, data = gunzip(t, got), gunzip(t, data)
		case strings.HasSuffix(name, ".br"):
			got, data = unbrotli(t, got), unbrotli(t, data)
		}
		if !bytes.Equal(got, data) {
			t.Errorf("dist/%s is stale: run `make build-browser` and commit it", name)
		}
	}
}

// Of the files, servers get all that pages want.
func TestFilesAreEmbedded(t *testing.T) {
	have, err := fs.Glob(browser.Files(), "*")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, b := range bundles {
		want = append(want, b.name, b.name+".br", b.name+".gz", b.name+".map")
	}
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("got %q, want %q", have, want)
	}
}

// Names that pages and servers see may not be shortened.
func TestManglingSparesTheWire(t *testing.T) {
	files, err := dist("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, words := range map[string][]string{
		"socket.io.min.js":         {"_placeholder", "_readyState", "emitWithAck", "xhr poll error"},
		"socket.io.esm.min.js":     {"_placeholder", "as NodeWebSocket", "as NodeXHR", "as protocol", "as default"},
		"socket.io.msgpack.min.js": {"_readyState"},
	} {
		for _, word := range words {
			if !bytes.Contains(files[name], []byte(word)) {
				t.Errorf("%s has no %q", name, word)
			}
		}
	}
}

func TestNpmModules(t *testing.T) {
	files, err := modules("..")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"index.cjs", "index.js", "msgpack.cjs", "msgpack.js", "node.cjs", "node.js", "types-cjs/package.json"}
	if names := slices.Sorted(maps.Keys(files)); !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if bytes.Contains(files["index.js"], []byte("node:")) {
		t.Error("the module for pages imports something of Node")
	}
}

// The sources have no any: the types of events need it, and stand apart.
func TestSourcesHaveNoAny(t *testing.T) {
	word := regexp.MustCompile(`[:<,|&(=]\s*any\b|\bas any\b|@ts-`)
	sources, err := filepath.Glob("../src/*.ts")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../src/*/*.ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(sources, more...) {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if found := word.Find(source); found != nil && filepath.Base(path) != "events.ts" {
			t.Errorf("%s has %q", path, found)
		}
	}
	if len(sources)+len(more) < 15 {
		t.Errorf("only %d sources were found", len(sources)+len(more))
	}
}

func gunzip(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, r)
}

func unbrotli(t *testing.T, data []byte) []byte {
	t.Helper()
	return readAll(t, brotli.NewReader(bytes.NewReader(data)))
}

func readAll(t *testing.T, r io.Reader) []byte {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Package doctest keeps the documentation true. It has tests only:
//
//   - every block of Go in docs/ and README.md compiles (TestBlocksCompile);
//   - every link leads somewhere, and every name of this module that a page
//     mentions exists (TestLinks, TestNames);
//   - the tables of the reference are those that the code has (TestTables, which
//     writes them with -update), and the answers on the wire that it shows are
//     those of the server (TestAnswers).
//
// # Blocks of Go
//
// A block that begins with a package clause is a file of its own. Of any other
// package than main, all pages can import it: it stands for a package of the
// reader, under an import path that begins with "example.com/" and ends with
// its name.
//
// All other blocks of a page together are one package, in which the
// declarations of each block can be used by the others. A block of statements
// is the body of a function with these parameters:
//
//	ctx context.Context, io *socketio.Server, ns *socketio.Namespace,
//	s *socketio.Socket, e *socketio.Event, w http.ResponseWriter,
//	r *http.Request, t *testing.T
//
// which returns an error. What is imported follows from the names that are
// used; autoImports has them. Variables of statements need not be used.
//
// A block whose fence says "go foreign" shows another library. It has to parse.
package doctest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A page is one file of the documentation.
type page struct {
	name   string // from the root of the repository, with slashes
	text   []byte
	prose  []line // outside of blocks
	blocks []block
}

type line struct {
	number int
	text   string
}

// A block is a fenced block of Go.
type block struct {
	page    string
	line    int // of its first line of code
	foreign bool
	text    string
}

var fence = regexp.MustCompile("^(```+|~~~+)\\s*(.*)$")

// readPage cuts a file into prose and blocks.
func readPage(name string, text []byte) page {
	p := page{name: name, text: text}
	open, code, from := "", []string(nil), 0
	var info []string
	n := 0
	for l := range strings.Lines(string(text)) {
		n++
		l = strings.TrimRight(l, "\r\n")
		m := fence.FindStringSubmatch(l)
		switch {
		case open == "" && m != nil:
			open, info, code, from = m[1], strings.Fields(m[2]), nil, n+1
		case open == "":
			p.prose = append(p.prose, line{n, l})
		case m != nil && m[2] == "" && strings.HasPrefix(m[1], open):
			if len(info) > 0 && info[0] == "go" {
				p.blocks = append(p.blocks, block{
					page:    name,
					line:    from,
					foreign: len(info) > 1 && info[1] == "foreign",
					text:    strings.Join(code, "\n") + "\n",
				})
			}
			open = ""
		default:
			code = append(code, l)
		}
	}
	return p
}

// root is the folder of the repository, seen from this package.
const root = "../.."

// pages reads README.md and everything in docs/.
func pages(t *testing.T) []page {
	t.Helper()
	all := []page{readPage("README.md", read(t, "README.md"))}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".md") {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		all = append(all, readPage(name, read(t, name)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestReadPage(t *testing.T) {
	p := readPage("x.md", []byte("a\n```go\nx := 1\n```\nb\n~~~ go foreign\ny\n~~~\n```js\nz\n```\n````md\n```go\nq\n```\n````\nend"))
	want := []block{{"x.md", 3, false, "x := 1\n"}, {"x.md", 7, true, "y\n"}}
	if len(p.blocks) != len(want) {
		t.Fatalf("got %+v, want %+v", p.blocks, want)
	}
	for i := range want {
		if p.blocks[i] != want[i] {
			t.Errorf("block %d is %+v, want %+v", i, p.blocks[i], want[i])
		}
	}
	var prose bytes.Buffer
	for _, l := range p.prose {
		prose.WriteString(l.text)
	}
	if got := prose.String(); got != "abend" {
		t.Errorf("the prose is %q", got)
	}
}

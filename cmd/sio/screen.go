package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// A line is something that happened. As JSON it has the members that are set.
type line struct {
	Time      time.Time       `json:"time"`
	Kind      string          `json:"kind"` // state, event, ack, emit, packet, error, info, help
	Namespace string          `json:"namespace,omitempty"`
	Event     string          `json:"event,omitempty"`
	Args      json.RawMessage `json:"args,omitempty"`
	Answer    uint64          `json:"answer,omitempty"` // the number to answer it with, or that is answered
	State     string          `json:"state,omitempty"`
	ID        string          `json:"id,omitempty"`
	Recovered bool            `json:"recovered,omitempty"`
	RetryMS   int64           `json:"retryMs,omitempty"`
	TookMS    float64         `json:"tookMs,omitempty"`
	Text      string          `json:"text,omitempty"` // for people
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
	cyan   = "36"
	dim    = "2"
)

// text returns the line for people.
func (l *line) text(coloured bool) string {
	paint := func(colour, s string) string {
		if !coloured || s == "" {
			return s
		}
		return "\x1b[" + colour + "m" + s + "\x1b[0m"
	}
	args := strings.TrimSuffix(strings.TrimPrefix(string(l.Args), "["), "]")
	switch l.Kind {
	case "event":
		s := paint(cyan, "← "+l.Event) + " " + args
		if l.Answer > 0 {
			s += paint(dim, fmt.Sprintf(" (answer with !%d)", l.Answer))
		}
		return s
	case "ack":
		return paint(cyan, "← answer to "+l.Event) + " " + args + paint(dim, fmt.Sprintf(" (%.1f ms)", l.TookMS))
	case "emit":
		return paint(blue, "→ "+l.Event) + " " + args
	case "packet":
		return paint(dim, "  "+l.Text)
	case "info":
		return "* " + l.Text
	case "error":
		return paint(red, "! "+l.Text)
	case "state":
		colour := yellow
		if l.State == "connected" {
			colour = green
		}
		return paint(colour, "* "+l.Text)
	}
	return l.Text
}

// A screen shows lines, and takes what is typed. Show may be called while Read
// waits.
type screen interface {
	Read() (string, error) // io.EOF at the end
	Show(l *line)
	Close() error
}

// newScreen returns the screen for where the program runs.
func newScreen(stdin io.Reader, stdout io.Writer, asJSON, noColour bool) (screen, error) {
	coloured := isTerminal(stdout) && !noColour && !asJSON && os.Getenv("NO_COLOR") == ""
	if isTerminal(stdin) && isTerminal(stdout) && !asJSON {
		return newTerminal(stdin.(*os.File), stdout, coloured)
	}
	return &pipe{in: bufio.NewReader(stdin), out: stdout, json: asJSON, coloured: coloured}, nil
}

func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// A pipe is a screen that is not one.
type pipe struct {
	in       *bufio.Reader
	json     bool
	coloured bool

	mu  sync.Mutex
	out io.Writer
}

func (p *pipe) Read() (string, error) {
	s, err := p.in.ReadString('\n')
	if err == io.EOF && s != "" {
		err = nil
	}
	return strings.TrimSpace(s), err
}

func (p *pipe) Show(l *line) {
	text := l.text(p.coloured)
	if p.json {
		b, err := json.Marshal(l)
		if err != nil { // what came was valid JSON
			return
		}
		text = string(b)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.out, text)
}

func (p *pipe) Close() error { return nil }

// A terminal edits the line that is typed, below what is shown.
type terminal struct {
	*term.Terminal
	restore  func() error
	history  *history
	coloured bool
}

func newTerminal(in *os.File, out io.Writer, coloured bool) (*terminal, error) {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	t := newLineEditor(struct {
		io.Reader
		io.Writer
	}{in, out}, loadHistory(), coloured)
	t.restore = func() error {
		fmt.Fprint(out, "\r\x1b[K") // the prompt
		return term.Restore(int(in.Fd()), state)
	}
	if w, h, err := term.GetSize(int(in.Fd())); err == nil && w > 0 {
		_ = t.SetSize(w, h) // a wrong size only looks wrong
	}
	return t, nil
}

func newLineEditor(rw io.ReadWriter, h *history, coloured bool) *terminal {
	t := &terminal{Terminal: term.NewTerminal(rw, "> "), restore: func() error { return nil }, history: h, coloured: coloured}
	t.History = h
	return t
}

func (t *terminal) Read() (string, error) {
	s, err := t.ReadLine()
	return strings.TrimSpace(s), err
}

func (t *terminal) Show(l *line) { fmt.Fprintln(t.Terminal, l.text(t.coloured)) }

func (t *terminal) Close() error {
	t.history.save()
	return t.restore()
}

// maxHistory is how many lines are remembered.
const maxHistory = 500

// A history is the lines that were typed, the latest first. It implements
// term.History.
type history struct {
	file  string // empty: it is not kept
	lines []string
}

func loadHistory() *history {
	dir, err := os.UserCacheDir()
	if err != nil {
		return &history{}
	}
	h := &history{file: filepath.Join(dir, "sio", "history")}
	text, err := os.ReadFile(h.file)
	if err != nil {
		return h // there is none yet
	}
	for l := range strings.Lines(string(text)) {
		h.Add(strings.TrimSuffix(l, "\n"))
	}
	return h
}

func (h *history) Add(entry string) {
	if entry == "" || len(h.lines) > 0 && h.lines[0] == entry {
		return
	}
	h.lines = append([]string{entry}, h.lines[:min(len(h.lines), maxHistory-1)]...)
}

func (h *history) Len() int        { return len(h.lines) }
func (h *history) At(i int) string { return h.lines[i] }

// save keeps the history for the next time. That it cannot be kept is no reason
// to fail. The file is the user's alone: events may carry secrets.
func (h *history) save() {
	if h.file == "" || os.MkdirAll(filepath.Dir(h.file), 0o700) != nil {
		return
	}
	var text strings.Builder
	for i := len(h.lines) - 1; i >= 0; i-- {
		text.WriteString(h.lines[i] + "\n")
	}
	_ = os.WriteFile(h.file, []byte(text.String()), 0o600)
}

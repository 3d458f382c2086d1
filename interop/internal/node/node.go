// Package node runs the JavaScript side of the tests: a script of the js
// folder, in Node.js, that talks in lines of JSON.
package node

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A Process is a running script. It is not safe for concurrent use.
type Process struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

// Start starts a script of the folder scripts, whose npm packages must be
// installed. It is ended with the test.
func Start(t testing.TB, scripts, script string, args ...string) *Process {
	t.Helper()
	if _, err := os.Stat(filepath.Join(scripts, "node_modules")); err != nil {
		t.Fatalf("the npm packages are missing: run `make deps`, or `npm ci` in interop/js (%v)", err)
	}
	cmd := exec.CommandContext(t.Context(), "node", append([]string{script}, args...)...)
	cmd.Dir = scripts
	cmd.Stderr = t.Output()
	cmd.WaitDelay = 5 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting node: %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait() // t.Context is cancelled by now: the script has ended, or is killed
	})
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	return &Process{in, lines}
}

// Read waits for the next line and decodes it into v. A script that ended is
// io.ErrUnexpectedEOF.
func (p *Process) Read(v any) error {
	if !p.out.Scan() {
		if err := p.out.Err(); err != nil {
			return err
		}
		return io.ErrUnexpectedEOF
	}
	if err := json.Unmarshal(p.out.Bytes(), v); err != nil {
		return fmt.Errorf("line %q: %w", p.out.Bytes(), err)
	}
	return nil
}

// Write sends v as one line.
func (p *Process) Write(v any) error { return json.NewEncoder(p.in).Encode(v) }

// WriteLine sends a line as it is.
func (p *Process) WriteLine(line string) error {
	_, err := io.WriteString(p.in, line+"\n")
	return err
}

// Package process runs the other side of a test, a program in whatever
// language, that talks in lines of JSON on its standard input and output.
package process

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"testing"
	"time"
)

// A Process is a running program. It is not safe for concurrent use.
type Process struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

// Start starts a program in the folder dir. What it writes to its standard
// error goes to the test's output. It is ended with the test.
func Start(t testing.TB, dir, program string, args ...string) *Process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
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
		t.Fatalf("starting %s: %v", program, err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait() // t.Context is cancelled by now: the program has ended, or is killed
	})
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	return &Process{in, lines}
}

// Read waits for the next line and decodes it into v. A program that ended is
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

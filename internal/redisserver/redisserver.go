// Package redisserver runs redis-server for tests, on a free port of 127.0.0.1
// and without files to keep.
package redisserver

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Server is a Redis process. Its methods fail the test when something does not
// work, and must be called by the test's goroutine.
type Server struct {
	Addr string // "127.0.0.1:port"

	t    testing.TB
	args []string
	mu   sync.Mutex
	cmd  *exec.Cmd     // nil: not running
	over chan struct{} // closed when cmd has ended
}

// Start starts a server, which ends with the test. Without a redis-server on
// this machine the test fails. args are further arguments, such as
// "--cluster-enabled", "yes".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s, dir := &Server{t: t}, t.TempDir()
	t.Cleanup(s.Kill)
	const tries = 3 // somebody else may take the port before the server does
	var err error
	for range tries {
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			break
		}
		s.Addr = l.Addr().String()
		l.Close()
		_, port, _ := net.SplitHostPort(s.Addr)
		s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir, "--loglevel", "warning"}, args...)
		if err = s.start(); err == nil || !errors.Is(err, errEnded) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var errEnded = errors.New("redis-server has ended")

// Start starts the process again, on the same port and without data. It waits
// until the server answers.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) start() error {
	log := &bytes.Buffer{}
	cmd, over := exec.Command("redis-server", s.args...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("redis-server is needed for this test: %w", err)
	}
	go func() { // ends with the process; Kill waits for it
		defer close(over)
		_ = cmd.Wait()
	}()
	s.mu.Lock()
	s.cmd, s.over = cmd, over
	s.mu.Unlock()
	// Another server that has the port would answer, too.
	ours := fmt.Sprintf(`return string.find(redis.call("INFO", "server"), "process_id:%d\r", 1, true) and 1 or 0`, cmd.Process.Pid)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		reply, err := s.command("EVAL", ours, "0")
		if err == nil && reply == ":1" {
			return nil
		}
		select {
		case <-over:
			s.Kill()
			return fmt.Errorf("%w\n%s", errEnded, log)
		default:
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("redis-server does not answer: %v %s\n%s", err, reply, log)
		}
	}
}

// Kill ends the process at once, by SIGKILL. Nothing happens if it does not run.
func (s *Server) Kill() {
	s.mu.Lock()
	cmd, over := s.cmd, s.over
	s.cmd = nil
	s.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Kill()
		<-over
	}
}

// Stop stops the process until Continue, by SIGSTOP.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Continue undoes Stop.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Do runs a command, on a connection of its own, and returns the first line of
// the reply. An error reply fails the test.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	reply, err := s.command(args...)
	if err != nil || strings.HasPrefix(reply, "-") {
		s.t.Fatalf("%q: %s %v", args, reply, err)
	}
	return reply
}

func (s *Server) command(args ...string) (string, error) {
	c, err := net.DialTimeout("tcp", s.Addr, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := c.Write(b.Bytes()); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSuffix(line, "\r\n"), err
}

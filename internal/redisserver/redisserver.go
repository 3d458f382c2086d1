// Package redisserver runs redis-server for tests, on a free port of 127.0.0.1
// and without files to keep.
package redisserver

import (
	"bufio"
	"bytes"
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
	cmd  *exec.Cmd // nil: not running
	log  *bytes.Buffer
}

// Start starts a server, which ends with the test. Without a redis-server on
// this machine the test fails. args are further arguments, such as
// "--cluster-enabled", "yes".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: l.Addr().String(), t: t}
	l.Close()
	_, port, _ := net.SplitHostPort(s.Addr)
	s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir(), "--loglevel", "warning"}, args...)
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// Start starts the process again, on the same port and without data. It waits
// until the server answers.
func (s *Server) Start() {
	s.t.Helper()
	s.log = &bytes.Buffer{}
	cmd := exec.Command("redis-server", s.args...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("redis-server is needed for this test: %v", err)
	}
	s.mu.Lock()
	s.cmd = cmd
	s.mu.Unlock()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if reply, err := s.command("PING"); err == nil && strings.HasPrefix(reply, "+") {
			return
		} else if time.Now().After(deadline) {
			s.Kill()
			s.t.Fatalf("redis-server does not answer: %v %s\n%s", err, reply, s.log)
		}
	}
}

// Kill ends the process at once, by SIGKILL. Nothing happens if it does not run.
func (s *Server) Kill() {
	s.mu.Lock()
	cmd := s.cmd
	s.cmd = nil
	s.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
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

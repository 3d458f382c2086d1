//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// programs are built from the folders beside this one.
var programs = []string{"contract", "floor-gobwas", "floor-http", "loadgen"}

// build compiles the programs into a folder.
func build(ctx context.Context, dir string) error {
	args := []string{"build", "-o", dir + string(os.PathSeparator)}
	for _, p := range programs {
		args = append(args, "github.com/siogo/sio/bench/"+p)
	}
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// A server is a way to serve the bench contract.
type server struct {
	name string
	argv []string
}

// server returns the server that a command line of one of the programs starts.
func (s *suite) server(name, command string) server {
	argv := strings.Fields(command)
	argv[0] = s.program(argv[0])
	return server{name, argv}
}

func (s *suite) sio() server       { return s.server("sio", "contract") }
func (s *suite) floor() server     { return s.server("floor", "floor-gobwas") }
func (s *suite) floorHTTP() server { return s.server("floor", "floor-http") }
func (s *suite) nodejs() server {
	return server{"Node.js", []string{"node", "--expose-gc", s.node + "/server.js"}}
}

// A process is a server that runs.
type process struct {
	server
	cmd   *exec.Cmd
	addr  string
	ended chan struct{} // closed once the process has ended
}

// start starts a server on a port that is free, and waits until it listens. If
// somebody else took the port before the server did, it tries another one.
func start(ctx context.Context, s server) (p *process, err error) {
	const tries = 3
	for range tries {
		if p, err = startOnce(ctx, s); err == nil || !errors.Is(err, errEnded) {
			return p, err
		}
	}
	return nil, err
}

var errEnded = errors.New("the process ended")

func startOnce(ctx context.Context, s server) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...)
	cmd.Env = append(os.Environ(), "PORT="+port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{server: s, cmd: cmd, addr: "127.0.0.1:" + port, ended: make(chan struct{})}
	// Started with the process, ends with it; stop waits for it.
	go func() {
		cmd.Wait()
		close(p.ended)
	}()
	if err := p.listens(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// freePort asks for a port and gives it back.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

func (p *process) listens(ctx context.Context) error {
	const patience = 30 * time.Second
	for began := time.Now(); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return fmt.Errorf("%s does not listen on %s: %w", p.name, p.addr, errEnded)
		case <-time.After(20 * time.Millisecond):
		}
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			return c.Close()
		}
		if time.Since(began) > patience {
			return fmt.Errorf("%s does not listen on %s: %w", p.name, p.addr, err)
		}
	}
}

// stop ends the process, and waits until it has.
func (p *process) stop() {
	p.cmd.Process.Kill()
	<-p.ended
}

// stats is what the contract server of this repository says under /stats.
func (p *process) stats(ctx context.Context) (figures, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/stats", nil)
	if err != nil {
		return nil, err
	}
	// Not kept alive: a connection at rest would be counted as growth.
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var f figures
	return f, json.NewDecoder(res.Body).Decode(&f)
}

// figures are the numbers of one run, by name.
type figures map[string]float64

// load runs loadgen against the server until it ends.
func (s *suite) load(ctx context.Context, p *process, args string) (figures, error) {
	l, err := s.begin(ctx, p, args)
	if err != nil {
		return nil, err
	}
	return l.wait()
}

// A running is a loadgen that was begun.
type running struct {
	suite  *suite
	what   string
	cmd    *exec.Cmd
	out    *bufio.Reader
	errors bytes.Buffer
}

func (s *suite) begin(ctx context.Context, p *process, args string) (*running, error) {
	argv := append(strings.Fields(args), "-q", "-name", p.name, "-addr", p.addr, "-pid", strconv.Itoa(p.cmd.Process.Pid))
	l := &running{suite: s, what: p.name + " " + args, cmd: exec.CommandContext(ctx, s.program("loadgen"), argv...)}
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	l.cmd.Stderr = &l.errors
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.out = bufio.NewReader(out)
	return l, l.cmd.Start()
}

// ready waits for the line by which a paced broadcast says that all receivers
// are there.
func (l *running) ready() error {
	line, err := l.out.ReadString('\n')
	if err == nil && strings.TrimSpace(line) != `{"ready":true}` {
		err = fmt.Errorf("it printed %q", line)
	}
	if err != nil {
		l.cmd.Process.Kill()
		_, failed := l.wait()
		return errors.Join(fmt.Errorf("%s did not get ready: %w", l.what, err), failed)
	}
	return nil
}

// wait returns the figures of the run. Called once.
func (l *running) wait() (figures, error) {
	line, _ := io.ReadAll(l.out)
	if err := l.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", l.what, err, l.errors.String())
	}
	l.suite.record.Write(line)
	var all map[string]any
	if err := json.Unmarshal(line, &all); err != nil {
		return nil, fmt.Errorf("%s printed %q: %w", l.what, line, err)
	}
	f := figures{}
	for key, value := range all {
		if n, ok := value.(float64); ok {
			f[key] = n
		}
	}
	return f, nil
}

// measure starts a fresh server, loads it once, and ends it.
func (s *suite) measure(ctx context.Context, srv server, args string) (figures, error) {
	p, err := start(ctx, srv)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	return s.load(ctx, p, args)
}

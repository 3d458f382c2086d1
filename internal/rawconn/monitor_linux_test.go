package rawconn

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/siogo/sio/internal/handoff"
)

// With one processor, a goroutine that computes is interrupted for others,
// although the poller's system calls do not wake Go's monitor.
func TestComputingIsInterrupted(t *testing.T) {
	if os.Getenv(computing) != "" {
		compute(t)
		return
	}
	for range 5 { // the monitor may be awake by chance
		interrupt(t)
	}
}

// interrupt has another process compute, and asks it meanwhile.
func interrupt(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestComputingIsInterrupted$")
	cmd.Env = append(os.Environ(), computing+"=1", "GOMAXPROCS=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var clients [2]net.Conn
	for i := range clients {
		if clients[i], err = net.Dial("tcp", strings.TrimSpace(addr)); err != nil {
			t.Fatal(err)
		}
		defer clients[i].Close()
		clients[i].SetDeadline(time.Now().Add(time.Minute))
	}
	answer := make([]byte, 1)
	ask := func(i int, what string) {
		t.Helper()
		if _, err := io.WriteString(clients[i], what); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(clients[i], answer); err != nil {
			t.Fatal(err)
		}
	}
	ask(1, "a")
	time.Sleep(100 * time.Millisecond) // of silence, in which the monitor goes to sleep
	ask(0, "c")
	ask(1, "a")
	if answer[0] != 'a' {
		t.Error("nobody was answered until the computation had ended")
	}
}

// computing is set in the process that computes.
const computing = "SIO_TEST_COMPUTING"

// compute accepts two connections. To "c" it answers at once, and computes in
// another goroutine; to "a" it answers "a" during the computation, and "A" after it.
func compute(t *testing.T) {
	p, err := NewPoller(1)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(ln.Addr())
	ended := make(chan struct{})
	for range 2 {
		nc, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c := p.Detach(nc, nil)
		if err := c.Watch(&asked{c, ended}); err != nil {
			t.Fatal(err)
		}
	}
	select {} // until the other process kills this one
}

type asked struct {
	c     *Conn
	ended chan struct{}
}

func (a *asked) Ready(Readiness) (bool, handoff.Task) {
	for {
		b, buf, _, err := a.c.TryRead()
		if err != nil {
			return false, nil
		}
		answer := []byte{b[0]}
		if b[0] == 'c' {
			go func() { // ends after two seconds
				for begin := time.Now(); time.Since(begin) < 2*time.Second; {
				}
				close(a.ended)
			}()
		}
		select {
		case <-a.ended:
			answer[0] = 'A'
		default:
		}
		Release(buf)
		a.c.TryWriteOne(answer)
	}
}

func (a *asked) Settle() {}

//go:build unix

package socketio_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/internal/peer"
	"github.com/siogo/sio/socketio/siotest"
)

// A server that was stopped while it waited for the answers to its pings does
// not hold the silence against its clients. It is another process, in which this
// test runs once more.
func TestFault_L11_StoppedProcess(t *testing.T) {
	if os.Getenv("SIO_SERVE") != "" {
		srv := socketio.New(&socketio.Options{PingInterval: time.Second, PingTimeout: 5 * time.Second, Logger: quiet})
		srv.On("ask", reply(1))
		fmt.Println(siotest.NewServer(t, srv).URL)
		io.Copy(io.Discard, os.Stdin) // until the other process closes it
		return
	}
	t.Parallel() // it takes its time
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFault_L11_StoppedProcess$")
	cmd.Env = append(os.Environ(), "SIO_SERVE=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}

	var running sync.WaitGroup
	defer running.Wait()
	clients, answered := make([]*peer.Conn, 10), make(chan error, 10)
	pinged, stopped := make(chan struct{}, 10), make(chan struct{})
	stop := sync.OnceFunc(func() { close(stopped) })
	defer stop()
	for i := range clients {
		nc, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSpace(url), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := peer.Dial(nc, "/socket.io/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Abort()
		c.Write(peer.Message{Data: []byte("40")})
		clients[i] = c
		running.Go(func() { // ends with the connection; the test waits for it
			for {
				m, err := c.Read()
				switch text := string(m.Data); {
				case err != nil:
					answered <- err
					return
				case text == "2":
					select {
					case pinged <- struct{}{}:
					default: // enough are known
					}
					<-stopped
					c.Write(peer.Message{Data: []byte("3")})
				case text == "431[1]":
					answered <- nil
				}
			}
		})
	}
	ask := func() {
		t.Helper()
		for _, c := range clients {
			c.Write(peer.Message{Data: []byte(`421["ask"]`)})
		}
		for range clients {
			select {
			case err := <-answered:
				if err != nil {
					t.Errorf("a client was given up: %v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("no answer")
			}
		}
	}
	ask()
	for range clients {
		<-pinged
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stop()                      // the answers to the pings wait to be read
	time.Sleep(9 * time.Second) // the timeout, and more than half of it
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	ask()
	time.Sleep(time.Second)
	ask() // the deadlines that were due have been looked at
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/siogo/sio/internal/redisserver"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
)

// The program is built and run as its users do: a proxy, three servers, Redis.
func TestThreeServersAreOne(t *testing.T) {
	redis := redisserver.Start(t)
	binary := filepath.Join(t.TempDir(), "cluster")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary, "-listen", "127.0.0.1:0", "-redis", redis.Addr)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the program ended with %v", err)
		}
	}()
	var address string
	pids := make(map[string]int)
	isServer := regexp.MustCompile(`(server-\d), process (\d+)`)
	lines := bufio.NewScanner(stderr)
	for address == "" && lines.Scan() {
		if m := isServer.FindStringSubmatch(lines.Text()); m != nil {
			var pid int
			fmt.Sscan(m[2], &pid)
			pids[m[1]] = pid
		}
		if _, after, ok := strings.Cut(lines.Text(), "open "); ok {
			address = after
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }() // ends with the program
	if address == "" || len(pids) != 3 {
		t.Fatalf("the program did not start: %q, %v", address, pids)
	}
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if !strings.Contains(string(body), `id="server"`) {
		t.Errorf("the page is %s", body)
	}

	// Clients until each server has one. Each has cookies of its own, and begins
	// with polling, so that stickiness is needed.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	heard := make(chan string, 100)
	on := make(map[string]*sioclient.Socket) // by the server
	for len(on) < 3 {
		s, err := sioclient.New(address, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		event.On(s, Chat, func(_ context.Context, s *sioclient.Socket, m Message) error {
			heard <- m.From + ": " + m.Text
			return nil
		})
		if err := s.Connect(ctx); err != nil {
			t.Fatal(err)
		}
		server, err := WhoE.Call(ctx, s, Who{})
		if err != nil {
			t.Fatal(err)
		}
		if on[server.Name] != nil {
			s.Close()
			continue
		}
		on[server.Name] = s
	}
	if err := Chat.Emit(on["server-2"], Message{Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		select {
		case m := <-heard:
			if m != "server-2: hello" {
				t.Errorf("somebody heard %q", m)
			}
		case <-ctx.Done():
			t.Fatal("not all have heard it")
		}
	}

	// One server dies. Its client goes on with another.
	if err := syscall.Kill(pids["server-1"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for {
		server, err := WhoE.Call(ctx, on["server-1"], Who{})
		if err == nil {
			if server.Name == "server-1" {
				t.Error("a dead server answers")
			}
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the client of the dead server is nowhere: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

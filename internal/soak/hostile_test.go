package soak

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/internal/goal"
	"github.com/siogo/sio/internal/websocket"
)

// peak returns how much memory a process has had at most, in bytes, or 0 where
// nobody tells.
func peak(pid int) (n int64) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, line, ok := strings.Cut(string(status), "VmHWM:"); ok {
		fmt.Sscan(line, &n)
	}
	return n << 10
}

// A server with little memory, under clients that shake hands and no more, that
// do not read what is emitted to them, and that flood it with pings: it stays
// up, refuses sessions above its cap, and serves those who behave.
func TestFault_X05_LittleMemory(t *testing.T) {
	t.Parallel()
	const limit, sessions = 256 << 20, 1000
	server := start(t, setup{
		PingInterval: 5 * time.Minute, PingTimeout: 20 * time.Second, // no place becomes free meanwhile
		Memory: limit, Sessions: sessions, Ticks: 100 * time.Millisecond, Blob: 50_000,
	})
	good := connect(t, server.addr, 5, nil)
	var hostile sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	for n := range 40 { // do not read; every second one floods
		nc, err := dialer(n).Dial("tcp", server.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, nc)
		fmt.Fprintf(nc, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReaderSize(nc, 16), nil); err != nil || resp.StatusCode != 101 {
			t.Fatalf("%v, %v", resp, err)
		}
		nc.Write(websocket.AppendFrame(nil, websocket.Client, websocket.OpText, []byte("40")))
		if n%2 == 0 {
			continue
		}
		ping := websocket.AppendFrame(nil, websocket.Client, websocket.OpPing, make([]byte, 125))
		hostile.Go(func() { // ends when its connection is closed, by either side, or stands still
			for range 100_000 {
				nc.SetWriteDeadline(time.Now().Add(5 * time.Second))
				if _, err := nc.Write(ping); err != nil {
					return
				}
			}
		})
	}
	refused := 0
	each(8, 2*sessions, func(i int) {
		resp, err := http.Get("http://" + server.addr + "/socket.io/?EIO=4&transport=polling")
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			mu.Lock()
			refused++
			mu.Unlock()
		}
	})
	hostile.Wait()
	for i, c := range good {
		if !echoes(c) {
			t.Errorf("client %d gets no answer: %v", i, c.State())
		}
	}
	for _, nc := range conns {
		nc.Close()
	}
	if refused < sessions {
		t.Errorf("%d of %d handshakes were refused, at least %d expected", refused, 2*sessions, sessions)
	}
	most := peak(server.cmd.Process.Pid)
	goal.Report(t, goal.Figure{
		Goal: "X05", What: "most memory of a server with a limit of 256 MiB, under 40 clients that do not read and 2,000 empty handshakes",
		Figure: fmt.Sprintf("%d MiB", most>>20), Wanted: "at most 256 MiB", Met: raceEnabled || most <= limit,
	})
}

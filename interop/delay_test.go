package interop

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// A distant is a target seen through a line with a delay: as fast as the real
// one, but each byte arrives later. On loopback an upgrade is over before the
// second poll; over a distance polls and probe run side by side.
type distant struct {
	target
	url string
}

func (d distant) URL() string { return d.url }

// far puts a delay each way before a target. Order is kept.
func far(t *testing.T, to target, delay time.Duration) target {
	there, err := url.Parse(to.URL())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	// Ends when the listener is closed; the clean-up waits for it.
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", there.Host)
			if err != nil {
				client.Close()
				continue
			}
			// Each direction ends with its source, and then ends the other one; the clean-up waits for both.
			running.Go(func() { carry(server, client, delay) })
			running.Go(func() { carry(client, server, delay) })
		}
	})
	return distant{to, "http://" + listener.Addr().String()}
}

// carry copies src to dst, each piece after the delay, and closes both at the end.
func carry(dst, src net.Conn, delay time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	line := make(chan piece, 1024)
	go func() { // ended by src, or by the close below; carry waits for it by draining line
		defer close(line)
		for {
			data := make([]byte, 32<<10)
			n, err := src.Read(data)
			if n > 0 {
				line <- piece{time.Now().Add(delay), data[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range line {
		time.Sleep(time.Until(p.due))
		if _, err := dst.Write(p.data); err != nil {
			src.Close()
		}
	}
	dst.Close()
	src.Close()
}

package memnet

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// ends returns both sides of a new line.
func ends(t *testing.T, f Faults) (client, server net.Conn, line *Line) {
	l := Listen()
	accepted := make(chan net.Conn, 1)
	go func() { // ends with the dial
		c, _ := l.Accept()
		accepted <- c
	}()
	client, line, err := l.DialLine(t.Context(), f, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	return client, <-accepted, line
}

func onLine(t *testing.T, f Faults, test func(t *testing.T, client, server net.Conn, line *Line)) {
	synctest.Test(t, func(t *testing.T) {
		client, server, line := ends(t, f)
		test(t, client, server, line)
		client.Close()
		server.Close()
	})
}

// Whatever the pace, all bytes arrive in order, and then the end.
func TestLinePassesEverythingOn(t *testing.T) {
	for name, f := range map[string]Faults{
		"at once": {},
		"late":    {Delay: time.Second},
		"sliced":  {Slice: 7},
		"both":    {Delay: 10 * time.Millisecond, Slice: 100},
		"stalled": {StallAfter: time.Millisecond, StallFor: time.Minute, Delay: 3 * time.Millisecond, Slice: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			onLine(t, f, func(t *testing.T, client, server net.Conn, _ *Line) {
				sent := make([]byte, 300_000) // several times the buffer
				for i := range sent {
					sent[i] = byte(i * i >> 3)
				}
				var both sync.WaitGroup
				for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
					both.Go(func() {
						got, err := io.ReadAll(way[1])
						if err != nil || !bytes.Equal(got, sent) {
							t.Errorf("%d bytes of %d, the same: %v, %v", len(got), len(sent), bytes.Equal(got, sent), err)
						}
					})
					both.Go(func() {
						if n, err := way[0].Write(sent); n != len(sent) || err != nil {
							t.Errorf("wrote %d, %v", n, err)
						}
						way[0].(*lineEnd).out.mu.Lock() // the end, of this direction alone
						way[0].(*lineEnd).out.closed = true
						way[0].(*lineEnd).out.changed.Broadcast()
						way[0].(*lineEnd).out.mu.Unlock()
					})
				}
				both.Wait()
			})
		})
	}
}

func TestLineIsCut(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults Faults
		sent   int // bytes that the client writes, at once
		got    int // that the server reads
		after  time.Duration
		want   error
	}{
		{"after a while", Faults{CutAfter: time.Second}, 10, 10, time.Second, io.EOF},
		{"reset after a while", Faults{CutAfter: time.Second, Reset: true}, 10, 10, time.Second, syscall.ECONNRESET},
		{"what is on the way is lost", Faults{CutAfter: 1, Delay: time.Hour}, 10, 0, 1, io.EOF},
		{"after some bytes", Faults{CutBytes: 4}, 10, 4, 0, io.EOF},
		{"after some slices", Faults{CutBytes: 4, Slice: 2}, 10, 4, 0, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onLine(t, tt.faults, func(t *testing.T, client, server net.Conn, _ *Line) {
				start := time.Now()
				client.Write(make([]byte, tt.sent))
				n, err := 0, error(nil)
				for b := make([]byte, 100); err == nil; {
					var m int
					m, err = server.Read(b)
					n += m
				}
				if n != tt.got || !errors.Is(err, tt.want) || time.Since(start) != tt.after {
					t.Errorf("%d bytes, %v after %v", n, err, time.Since(start))
				}
				if _, err := server.Write([]byte("x")); err == nil {
					t.Error("the line that was cut takes bytes")
				}
			})
		})
	}
}

// A black hole takes bytes until it is full, and says nothing of the other end.
func TestLineIsABlackHole(t *testing.T) {
	onLine(t, Faults{HoleAfter: time.Second}, func(t *testing.T, client, server net.Conn, _ *Line) {
		time.Sleep(2 * time.Second)
		if _, err := client.Write([]byte("lost")); err != nil {
			t.Error(err)
		}
		server.SetReadDeadline(time.Now().Add(time.Hour))
		start := time.Now()
		if n, err := server.Read(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("%d, %v after %v", n, err, time.Since(start))
		}
		client.Close()
		server.SetWriteDeadline(time.Now().Add(time.Hour))
		n, err := server.Write(make([]byte, 10*lineBuffer))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes went into the hole, %v", n, err)
		}
	})
}

// Deadlines, and the end of a side, wake what waits.
func TestLineWakesWhoWaits(t *testing.T) {
	for _, tt := range []struct {
		name string
		wake func(client, server net.Conn)
		want error
	}{
		{"deadline in the past", func(client, _ net.Conn) { client.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		{"deadline to come", func(client, _ net.Conn) { client.SetReadDeadline(time.Now().Add(time.Minute)) }, os.ErrDeadlineExceeded},
		{"closed here", func(client, _ net.Conn) { client.Close() }, net.ErrClosed},
		{"closed there", func(_, server net.Conn) { server.Close() }, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onLine(t, Faults{}, func(t *testing.T, client, server net.Conn, _ *Line) {
				got := make(chan error)
				go func() { // ends when it is woken
					_, err := client.Read(make([]byte, 1))
					got <- err
				}()
				synctest.Wait()
				tt.wake(client, server)
				if err := <-got; !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
			})
		})
	}
	onLine(t, Faults{}, func(t *testing.T, client, server net.Conn, _ *Line) {
		server.Close()
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("writing to who has closed: %v", err)
		}
	})
}

func TestDialLineOfAClosedListener(t *testing.T) {
	l := Listen()
	l.Close()
	if _, _, err := l.DialLine(t.Context(), Faults{}, nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}

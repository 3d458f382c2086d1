//go:build unix

package engineio

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The kernel reports room for a write once. When it does so between a write
// that it did not take whole and the note that one waits for room, the write
// goes on all the same: with small buffers, that happens once in some thousand
// times.
func TestRoomWhileWriting(t *testing.T) {
	r := newServer(t, Options{PingInterval: time.Hour, WriteTimeout: 10 * time.Second, MaxQueueBytes: 64 << 10}, nil)
	l, err := (&net.ListenConfig{Control: smallBuffers}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hs, done := &http.Server{Handler: r.srv}, make(chan struct{})
	go func() { hs.Serve(l); close(done) }() // ended and awaited by the cleanup
	t.Cleanup(func() { r.srv.Close(); hs.Close(); <-done })
	r.base = "http://" + l.Addr().String()
	r.dial = func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{Control: smallBuffers}).DialContext(ctx, "tcp", l.Addr().String())
	}
	m := text(strings.Repeat("x", 2000))
	var wg sync.WaitGroup
	for range 4 {
		w, rec := r.websocket("4")
		wg.Go(func() {
			defer w.nc.Close()
			for i := range 8000 {
				if err := rec.Send(m); err != nil {
					t.Errorf("message %d: %v", i, err)
					return
				}
				if err := rec.Wait(t.Context()); err != nil {
					t.Errorf("after message %d: %v", i, err)
					return
				}
			}
			if err := rec.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() { io.Copy(io.Discard, w.br) })
	}
	wg.Wait()
}

// smallBuffers makes the kernel keep little for a connection.
func smallBuffers(_, _ string, raw syscall.RawConn) error {
	var err error
	if cerr := raw.Control(func(fd uintptr) {
		if err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10); err == nil {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 16<<10)
		}
	}); cerr != nil {
		return cerr
	}
	return err
}

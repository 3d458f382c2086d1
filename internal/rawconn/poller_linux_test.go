package rawconn

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/siogo/sio/internal/handoff"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A reflector is a Watcher that sends back what it reads.
type reflector struct {
	t    *testing.T
	c    *Conn
	done chan struct{}

	ended bool
	mu    sync.Mutex // Ready may be called by Watch's caller and the poller
	out   []byte     // what the kernel did not take
}

func (r *reflector) Ready(what Readiness) (again bool, task handoff.Task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.c == nil {
		return false, nil
	}
	r.ended = r.ended || what&Ended != 0
	r.flush()
	for range 4 {
		b, buf, drained, err := r.c.TryRead()
		switch {
		case err == syscall.EAGAIN:
			return false, nil
		case err != nil:
			if len(r.out) == 0 || err != io.EOF {
				r.c.Close()
				r.c = nil
				close(r.done)
			}
			return false, nil
		}
		r.out = append(r.out, b...)
		Release(buf)
		r.flush()
		if drained && !r.ended {
			return false, nil
		}
	}
	return true, nil
}

func (r *reflector) Settle() {}

func (r *reflector) flush() {
	if len(r.out) == 0 {
		return
	}
	n, err := r.c.TryWrite([][]byte{r.out[:len(r.out)/2], r.out[len(r.out)/2:]})
	if err != nil {
		r.t.Errorf("write: %v", err)
	}
	r.out = r.out[n:]
}

func pair(t *testing.T) (client, server net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// Many connections of one poller get back all that they send, however it is
// cut, and each ends when its client does.
func TestPollerReflects(t *testing.T) {
	p, err := NewPoller(2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var wg sync.WaitGroup
	for i := range 50 {
		client, server := pair(t)
		c := p.Detach(server, []byte("early"))
		if c == nil || !c.Polled() || !c.CanTry() {
			t.Fatal("a TCP connection was not detached")
		}
		r := &reflector{t: t, c: c, done: make(chan struct{})}
		if err := c.Watch(r); err != nil {
			t.Fatal(err)
		}
		r.Ready(Readable)
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			sent := make([]byte, 300_000)
			for i := range sent {
				sent[i] = byte(rng.Uint32())
			}
			go func() { // ends when all is written
				for b := sent; len(b) > 0; {
					n := min(len(b), 1+rng.IntN(40_000))
					client.Write(b[:n])
					b = b[n:]
				}
			}()
			got := make([]byte, len("early")+len(sent))
			if _, err := io.ReadFull(client, got); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
			if !bytes.Equal(got, append([]byte("early"), sent...)) {
				t.Errorf("connection %d got something else than it sent", i)
			}
			client.Close()
			<-r.done
		})
	}
	wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) != len(p.slots) {
		t.Errorf("%d of %d slots are free after the end", len(p.free), len(p.slots))
	}
}

// A cut is seen by the watcher as the end.
func TestCut(t *testing.T) {
	p, err := NewPoller(2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	client, server := pair(t)
	defer client.Close()
	r := &reflector{t: t, c: p.Detach(server, nil), done: make(chan struct{})}
	if err := r.c.Watch(r); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.c.Cut()
	r.mu.Unlock()
	<-r.done
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client read %v, want the end", err)
	}
}

// What is no connection of the operating system stays as it is.
func TestDetachRefuses(t *testing.T) {
	p, err := NewPoller(2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if p.Detach(a, nil) != nil || HasDescriptor(a) {
		t.Error("a pipe was detached")
	}
}

// A slot that was given to another connection gets no events of the old one.
func TestStaleEvents(t *testing.T) {
	p, err := NewPoller(2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	client, server := pair(t)
	defer client.Close()
	c := p.Detach(server, nil)
	r := &reflector{t: t}
	if err := c.Watch(r); err != nil {
		t.Fatal(err)
	}
	slot, gen := c.slot, p.gens[c.slot]
	c.Close()
	if w := p.watcher(slot, int32(gen)); w != nil {
		t.Error("a late event found the connection that had ended")
	}
}

// A laborer is a Watcher that has a task whenever bytes have come, and notes when
// it is told that the task is over. It reads nothing.
type laborer struct {
	task    func(r *handoff.Role)
	settled chan struct{}
}

func (w *laborer) Ready(what Readiness) (bool, handoff.Task) {
	if what&Ended != 0 || what&Readable == 0 {
		return false, nil
	}
	return false, w
}

func (w *laborer) Run(r *handoff.Role) { w.task(r) }
func (w *laborer) Settle()             { w.settled <- struct{}{} }

// A connection whose task goes on, or ends its goroutine, does not keep the
// others from being polled, nor the poller from being closed.
func TestTasksThatTakeThePoller(t *testing.T) {
	release := make(chan struct{})
	for name, task := range map[string]func(*handoff.Role){
		"ends":                 func(*handoff.Role) {},
		"waits":                func(*handoff.Role) { <-release },
		"says so and waits":    func(r *handoff.Role) { r.HandOff(); <-release },
		"ends its goroutine":   func(*handoff.Role) { runtime.Goexit() },
		"says so and ends its": func(r *handoff.Role) { r.HandOff(); runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewPoller(2)
			if err != nil {
				t.Fatal(err)
			}
			var ended sync.WaitGroup
			w := &laborer{settled: make(chan struct{}, 1)}
			w.task = func(r *handoff.Role) { defer ended.Done(); task(r) }
			client, server := pair(t)
			defer client.Close()
			c := p.Detach(server, nil)
			if err := c.Watch(w); err != nil {
				t.Fatal(err)
			}
			other, server := pair(t)
			r := &reflector{t: t, c: p.Detach(server, nil), done: make(chan struct{})}
			if err := r.c.Watch(r); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				ended.Add(1)
				client.Write([]byte("x"))
				<-w.settled
				other.Write([]byte("hello"))
				if _, err := io.ReadFull(other, make([]byte, 5)); err != nil {
					t.Fatal(err)
				}
			}
			other.Close()
			<-r.done
			c.Close()
			p.Close()
			if name == "waits" || name == "says so and waits" {
				for range 3 {
					release <- struct{}{}
				}
			}
			ended.Wait()
		})
	}
}

// A task may close the poller that runs it.
func TestCloseByATask(t *testing.T) {
	p, err := NewPoller(2)
	if err != nil {
		t.Fatal(err)
	}
	client, server := pair(t)
	defer client.Close()
	c := p.Detach(server, nil)
	closed := make(chan struct{})
	w := &laborer{settled: make(chan struct{}, 1)}
	w.task = func(*handoff.Role) { c.Close(); p.Close(); close(closed) }
	if err := c.Watch(w); err != nil {
		t.Fatal(err)
	}
	client.Write([]byte("x"))
	<-closed
}

// The end of a connection is told with or after its last bytes: a watcher that
// stops reading when all is drained, unless the end was told, sees it.
func TestEndWithTheLastBytes(t *testing.T) {
	p, err := NewPoller(2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 200 {
		client, server := pair(t)
		r := &reflector{t: t, c: p.Detach(server, nil), done: make(chan struct{})}
		if err := r.c.Watch(r); err != nil {
			t.Fatal(err)
		}
		client.Write([]byte("bye"))
		client.(*net.TCPConn).CloseWrite()
		<-r.done
		client.Close()
	}
}

// A busybody is a Watcher that wants to be called again and again until its
// worker is behind, and then keeps it waiting, as no other Watcher may.
type busybody struct {
	mu               sync.Mutex
	calls            int
	reached, release chan struct{}
}

func (b *busybody) Ready(Readiness) (again bool, task handoff.Task) {
	b.mu.Lock()
	b.calls++
	n := b.calls
	b.mu.Unlock()
	switch {
	case n < 2*behind:
		return true, nil
	case n == 2*behind:
		close(b.reached)
		<-b.release
	}
	return false, nil
}

func (b *busybody) Settle() {}

// A worker that always finds something to do calls another, which handles what
// the first does not get to.
func TestWorkerThatFallsBehind(t *testing.T) {
	p, err := NewPoller(2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	busyClient, server := pair(t)
	defer busyClient.Close()
	busy := p.Detach(server, nil)
	b := &busybody{reached: make(chan struct{}), release: make(chan struct{})}
	if err := busy.Watch(b); err != nil {
		t.Fatal(err)
	}
	client, server := pair(t)
	r := &reflector{t: t, c: p.Detach(server, nil), done: make(chan struct{})}
	if err := r.c.Watch(r); err != nil {
		t.Fatal(err)
	}
	busyClient.Write([]byte("x"))
	<-b.reached
	client.Write([]byte("hello"))
	if _, err := io.ReadFull(client, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	client.Close()
	<-r.done
	close(b.release)
	busy.Close()
}

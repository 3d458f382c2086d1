package engineio

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/internal/goal"
)

// A client that does not read is closed when its queue passes a cap: it costs
// no more than the cap and one message, and nobody waits for it. TCP.
func TestFault_B01_WebSocketDoesNotRead(t *testing.T) {
	limit := goal.Size(256<<10, 1<<20)
	r := newEchoRig(t, Options{MaxQueueBytes: limit})
	b := r.bystander()
	w, rec := r.websocket("4")
	m := text(strings.Repeat("x", 10_000))
	before := memory()
	start := time.Now()
	var err error
	sent, most := 0, 0
	for ; err == nil && sent < 100_000; sent++ { // a gigabyte
		if err = rec.Send(m); err != nil {
			break
		}
		packets, bytes := rec.Buffered()
		if most = max(most, bytes); bytes > limit || packets > limit/10_000 {
			t.Fatalf("%d packets of %d bytes are queued", packets, bytes)
		}
	}
	if !errors.Is(err, ErrQueueFull) {
		t.Errorf("Send: %v after %d messages", err, sent)
	}
	full := time.Now()
	end := <-rec.closed
	closed := time.Since(full)
	goal.Report(t, goal.Figure{
		Goal: "G9", What: fmt.Sprintf("bytes that were queued at most for a client that does not read, with a cap of %s", goal.Count(limit)),
		Figure: goal.Count(most), Wanted: "the cap", Met: most <= limit,
	})
	goal.Report(t, goal.Figure{
		Goal: "G9", What: "from the full queue to the end of the session",
		Figure: closed.Round(10 * time.Microsecond).String(), Wanted: "at most 1s", Met: closed <= goal.Size(10*time.Second, time.Second), // a busy machine
	})
	if end.Reason != ReasonSlowConsumer || end.Remote || !errors.Is(end, ErrQueueFull) || !errors.Is(end, net.ErrClosed) {
		t.Errorf("closed with %v", end)
	}
	if took := time.Since(start); took > time.Minute { // a busy machine
		t.Errorf("it took %v", took)
	}
	if err := rec.Send(m); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after the end: %v", err)
	}
	settles(t, "WebSockets", func() int { return r.srv.Stats().WebSockets }, 1)
	within(t, "after the end", before, 64<<10)
	b.unharmed()
	w.nc.Close()
}

// In memory, where nothing is taken that is not read, the caps are exact.
func TestFault_B01_CapsAreExact(t *testing.T) {
	for _, transport := range []string{WebSocket, Polling} {
		for _, o := range []Options{{MaxQueueBytes: 1000}, {MaxQueuePackets: 10}} {
			synctest.Test(t, func(t *testing.T) {
				o.PingInterval = time.Hour
				r := newMemRig(t, o)
				var rec *recorder
				var w *wsPeer
				if transport == WebSocket {
					w, rec = r.websocket("4")
				} else {
					rec = r.polling("4").rec
				}
				synctest.Wait()
				m := text(strings.Repeat("x", 100))
				for i := range 10 {
					if err := rec.Send(m); err != nil {
						t.Fatalf("%s: message %d: %v", transport, i, err)
					}
				}
				synctest.Wait()
				if err := rec.Send(text("")); o.MaxQueueBytes != 0 && err != nil {
					t.Errorf("%s: nothing at all did not fit into a queue of bytes: %v", transport, err)
				} else if o.MaxQueuePackets != 0 && err != ErrQueueFull {
					t.Errorf("%s: message 11: %v", transport, err)
				}
				if err := rec.Send(text("x")); err == nil {
					t.Errorf("%s: the cap was passed", transport)
				}
				if err := <-rec.closed; err.Reason != ReasonSlowConsumer {
					t.Errorf("%s: closed with %v", transport, err)
				}
				if w != nil { // it is told, as far as it reads at last
					w.expect("4" + strings.Repeat("x", 100))
				}
			})
		}
	}
}

// A slow client that is kept is not sent what does not fit, and goes on.
func TestFault_B01_KeepSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := patient()
		o.KeepSlow, o.MaxQueuePackets = true, 3
		r := newMemRig(t, o)
		w, rec := r.websocket("4")
		synctest.Wait()
		for i, m := range []string{"a", "b", "c", "d", "e"} {
			if err := rec.Send(text(m)); (err == nil) != (i < 3) || err != nil && err != ErrQueueFull {
				t.Errorf("message %d: %v", i, err)
			}
			synctest.Wait()
		}
		w.expect("4a", "4b", "4c")
		if err := rec.Wait(t.Context()); err != nil {
			t.Errorf("Wait: %v", err)
		}
		rec.Send(text("f"))
		w.expect("4f")
	})
}

// A client that polls no more has the same caps, and its heartbeat.
func TestFault_B02_PollingClientStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		b := r.bystander()
		p := r.polling("4")
		synctest.Wait()
		m := text(strings.Repeat("x", 1000))
		before := memory()
		sent := 0
		for p.rec.Send(m) == nil {
			sent++
		}
		if sent != 1<<20/1000 {
			t.Errorf("%d messages were queued, want %d", sent, 1<<20/1000)
		}
		if err := <-p.rec.closed; err.Reason != ReasonSlowConsumer {
			t.Errorf("closed with %v", err)
		}
		if lost, _ := p.rec.Buffered(); lost != sent {
			t.Errorf("%d packets were counted as lost, want %d", lost, sent)
		}
		within(t, "after the end", before, 64<<10)
		status, body := r.get(p.query)
		expectError(t, "the client's return", status, body, 400, CodeSessionUnknown)
		b.unharmed()
	})
	// In revision 3 a client that pings and does not poll fills its own queue.
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		p := r.polling("3")
		p.post(strings.Repeat("1:2", 10_001))
		if err := <-p.rec.closed; err.Reason != ReasonSlowConsumer {
			t.Errorf("closed with %v", err)
		}
	})
}

// A client that floods while the application has paused it is not read: it has
// to wait, and nothing grows. TCP.
func TestFault_B04_Flood(t *testing.T) {
	r := newRig(t, Options{WriteTimeout: time.Hour, BodyTimeout: time.Hour})
	w, rec := r.websocket("4")
	p := r.polling("4")
	var taken atomic.Int64
	paused := make(chan struct{})
	rec.echo = func(rec *recorder, _ []byte, _ bool) {
		rec.mu.Lock()
		rec.messages = nil
		rec.mu.Unlock()
		if taken.Add(1) == 10 {
			rec.Pause()
			close(paused)
		}
	}
	one := frame(0x81, "4"+strings.Repeat("x", 10_000))
	flood := []byte(strings.Repeat(one, 10))
	w.raw(flood)
	sent := len(flood)
	<-paused
	before := memory()
	// The kernel's buffers take some of it; then the client has to wait.
	for {
		w.nc.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := w.nc.Write(flood)
		sent += n
		if err != nil {
			if !isTimeout(err) {
				t.Fatalf("write: %v", err)
			}
			break
		}
	}
	within(t, "a client that has to wait", before, 64<<10)
	if n := taken.Load(); n != 10 {
		t.Errorf("%d messages were delivered, want the 10 before the pause", n)
	}
	// Others go on, and so does this one.
	p.post("4on")
	if got := p.rec.got(); len(got) != 1 {
		t.Errorf("messages %q", got)
	}
	rec.Resume()
	settles(t, "messages that were not delivered", func() int { return sent/len(one) - int(taken.Load()) }, 0)
	// A paused session can be ended, and then reads no less than others: the end
	// of its client is noticed.
	rec.Pause()
	w.nc.SetWriteDeadline(time.Time{})
	w.raw(flood[:1000])
	settles(t, "readers that go on", func() int {
		rec.Session.mu.Lock()
		defer rec.Session.mu.Unlock()
		if c := rec.Session.ws.Load(); c.parked || !c.conn.Polled() {
			return 0
		}
		return 1
	}, 0)
	rec.Abort(ReasonForcedClose, nil)
	rec.reason(t)
	w.nc.Close()
	settles(t, "WebSockets", func() int { return r.srv.Stats().WebSockets }, 0)
}

// A paused POST waits with its answer, so that a polling client waits too.
func TestFault_B04_PausedPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		p := r.polling("4")
		p.rec.echo = func(rec *recorder, _ []byte, _ bool) { rec.Pause() }
		answered := make(chan int, 1)
		go func() {
			status, _ := r.post(p.query, "4a\x1e4b")
			answered <- status
		}()
		time.Sleep(time.Minute)
		if got := p.rec.got(); len(answered) != 0 || len(got) != 1 {
			t.Errorf("answered %d times, messages %q", len(answered), got)
		}
		p.rec.Resume()
		synctest.Wait()
		if got := p.rec.got(); len(answered) != 0 || len(got) != 2 {
			t.Errorf("answered %d times, messages %q", len(answered), got)
		}
		p.rec.Resume()
		if got := <-answered; got != 200 {
			t.Errorf("answered %d", got)
		}
	})
}

// A large message to many is encoded once and shared.
func TestFault_B06_LargeBroadcast(t *testing.T) {
	const n, size = 2000, 1_000_000
	r := newRig(t, Options{})
	sessions := make([]*Session, n)
	for i := range sessions {
		req := r.getRequest("transport=polling&EIO=4")
		r.srv.ServeHTTP(&sink{header: req.Header}, req)
		sessions[i] = (<-r.opened).Session
	}
	before := memory()
	m := NewMessage(make([]byte, size), true)
	for _, s := range sessions {
		if err := s.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "a megabyte queued for 2,000", before, 2*size+n*128)
	for _, s := range sessions {
		s.Abort(ReasonForcedClose, nil)
	}
	settles(t, "sessions", r.srv.Len, 0)
	// Over WebSocket it is the same bytes that are written, in each revision.
	for _, eio := range []string{"3", "4"} {
		w, rec := r.websocket(eio)
		rec.Send(m)
		if got := len(w.read()); got < size {
			t.Errorf("revision %s: %d bytes arrived", eio, got)
		}
	}
	if a, b := m.frame(4), m.frame(4); &a[0] != &b[0] || &a[len(a)-1] != &m.buf[len(m.buf)-1] {
		t.Error("the frame of revision 4 is a copy")
	}
	if a, b := m.frame(3), m.frame(3); &a[0] != &b[0] {
		t.Error("the frame of revision 3 is built twice")
	}
}

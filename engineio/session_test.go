package engineio

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func text(s string) *Message { return NewMessage([]byte(s), false) }

// Flush is over when what was accepted before has been written, whatever comes
// later.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newMemRig(t, patient()).polling("4")
		synctest.Wait() // for the answer to be booked
		if err := p.rec.Flush(t.Context()); err != nil {
			t.Errorf("Flush of an empty queue: %v", err)
		}
		p.rec.Send(text("a"), text("bc"))
		if packets, bytes := p.rec.Buffered(); packets != 2 || bytes != 3 {
			t.Errorf("Buffered() is %d, %d, want 2, 3", packets, bytes)
		}
		flushed := make(chan error, 1)
		go func() { flushed <- p.rec.Flush(t.Context()) }()
		synctest.Wait()
		if len(flushed) > 0 {
			t.Error("Flush returned before the client polled")
		}
		p.get()
		p.rec.Send(text("later"))
		if err := <-flushed; err != nil {
			t.Errorf("Flush: %v", err)
		}
		if packets, bytes := p.rec.Buffered(); packets != 1 || bytes != 5 {
			t.Errorf("Buffered() is %d, %d, want 1, 5", packets, bytes)
		}
	})
}

// Flush says so when what it waits for is lost, and Buffered how much.
func TestFlushFailsWhenTheSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		p := r.polling("4")
		synctest.Wait() // for the answer to be booked
		p.rec.Send(text("a"), text("bc"))
		flushed := make(chan error, 1)
		go func() { flushed <- p.rec.Flush(t.Context()) }()
		synctest.Wait()
		p.rec.Abort(ReasonForcedClose, nil)
		var end *CloseError
		if err := <-flushed; !errors.As(err, &end) || end.Reason != ReasonForcedClose {
			t.Errorf("Flush: %v", err)
		}
		if err := p.rec.Flush(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Flush after the end: %v", err)
		}
		if packets, bytes := p.rec.Buffered(); packets != 2 || bytes != 3 {
			t.Errorf("Buffered() after the end is %d, %d, want the 2, 3 that were lost", packets, bytes)
		}
		synctest.Wait()
		if got := r.srv.Stats().Lost; got != 2 {
			t.Errorf("%d packets were counted as lost, want 2", got)
		}
	})
}

// A session that was closed in order has lost nothing.
func TestFlushOfAnOrderlyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		p := r.polling("4")
		w, rec := r.websocket("4")
		for _, s := range []*Session{p.rec.Session, rec.Session} {
			s.Send(text("a"))
			s.Close()
		}
		p.get()
		w.expect("4a", "close:1005")
		for _, rec := range []*recorder{p.rec, rec} {
			rec.reason(t)
			if err := rec.Flush(t.Context()); err != nil {
				t.Errorf("Flush after an orderly end: %v", err)
			}
			if packets, bytes := rec.Buffered(); packets != 0 || bytes != 0 {
				t.Errorf("Buffered() is %d, %d, want nothing", packets, bytes)
			}
		}
	})
}

func TestFlushEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newMemRig(t, patient()).polling("4")
		synctest.Wait() // for the answer to be booked
		p.rec.Send(text("a"))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		if err := p.rec.Flush(ctx); err == nil || err.Error() != "enough" {
			t.Errorf("Flush: %v, want the cause of its context", err)
		}
	})
}

// Wait returns when the queue is below half of its caps, and fails when that
// will never be.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := patient()
		o.MaxQueuePackets, o.KeepSlow = 4, true
		p := newMemRig(t, o).polling("4")
		synctest.Wait() // for the answer to be booked
		for _, m := range []string{"a", "b", "c", "d"} {
			if err := p.rec.Send(text(m)); err != nil {
				t.Fatalf("Send: %v", err)
			}
		}
		if err := p.rec.Send(text("e")); err != ErrQueueFull {
			t.Errorf("Send to a full queue: %v", err)
		}
		waited := make(chan error, 1)
		go func() { waited <- p.rec.Wait(t.Context()) }()
		synctest.Wait()
		if len(waited) > 0 {
			t.Error("Wait returned while the queue was full")
		}
		if got := p.get(); got != "4a\x1e4b\x1e4c\x1e4d" {
			t.Errorf("poll answered %q", got)
		}
		if err := <-waited; err != nil {
			t.Errorf("Wait: %v", err)
		}
		p.rec.Send(text("e"), text("f"), text("g"))
		go func() { waited <- p.rec.Wait(t.Context()) }()
		synctest.Wait()
		p.rec.Abort(ReasonForcedClose, nil)
		if err := <-waited; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Wait when the session ends: %v", err)
		}
		if err := p.rec.Wait(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Wait after the end: %v", err)
		}
	})
}

// What is sent in one call stays together, in order, also when it does not
// fit: then none of it is sent.
func TestSendIsAllOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := patient()
		o.MaxQueueBytes, o.KeepSlow = 10, true
		p := newMemRig(t, o).polling("4")
		synctest.Wait() // for the answer to be booked
		p.rec.Send(text("12345"))
		if err := p.rec.Send(text("678"), text("9abc")); err != ErrQueueFull {
			t.Errorf("Send: %v", err)
		}
		p.rec.Send(text("67890"))
		if got := p.get(); got != "412345\x1e467890" {
			t.Errorf("poll answered %q", got)
		}
		synctest.Wait()
		// An empty queue takes what is larger than the cap.
		if err := p.rec.Send(text("larger than the cap")); err != nil {
			t.Errorf("Send to an empty queue: %v", err)
		}
	})
}

// A volatile message is sent only when it leaves at once.
func TestSendVolatile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		p := r.polling("4")
		if p.rec.SendVolatile(text("nobody asks")) {
			t.Error("a volatile message was accepted without a poll")
		}
		parked := p.goGet()
		synctest.Wait()
		if !p.rec.SendVolatile(text("now")) {
			t.Error("a volatile message was refused while a poll was parked")
		}
		if got := <-parked; got != "4now" {
			t.Errorf("poll answered %q", got)
		}
		w, rec := r.websocket("4")
		if !rec.SendVolatile(text("now")) {
			t.Error("a volatile message was refused by an idle WebSocket")
		}
		w.expect("4now")
		synctest.Wait()
		rec.Send(text("not read"))
		synctest.Wait()
		rec.Send(text("waits"))
		if rec.SendVolatile(text("behind others")) {
			t.Error("a volatile message was accepted by a WebSocket that takes nothing")
		}
		w.expect("4not read", "4waits")
		if got := r.srv.Stats().Dropped; got != 2 {
			t.Errorf("%d messages were counted as dropped, want 2", got)
		}
		rec.Abort(ReasonForcedClose, nil)
		if rec.SendVolatile(text("late")) {
			t.Error("a volatile message was accepted after the end")
		}
	})
}

// An orderly close of a session whose client does not come back ends after
// CloseTimeout.
func TestCloseTimeoutOfPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := patient()
		o.CloseTimeout = 3 * time.Second
		r := newMemRig(t, o)
		p := r.polling("4")
		p.rec.Send(text("a"))
		start := time.Now()
		p.rec.Close()
		p.rec.Close() // changes nothing
		if got := p.rec.reason(t); got != ReasonForcedClose {
			t.Errorf("reason %q", got)
		}
		between(t, "the end", time.Since(start), 3*time.Second, 3*time.Second+wheelTick)
		if packets, _ := p.rec.Buffered(); packets != 1 {
			t.Errorf("%d packets were lost, want 1", packets)
		}
	})
}

// A server that is closed inside a handshake still tells the handler, once.
func TestAbortBeforeOpen(t *testing.T) {
	r := newRig(t, Options{})
	req := r.getRequest("transport=polling&EIO=4")
	q := parseQuery(req.URL.RawQuery)
	s, refusal := r.srv.newSession(req, q)
	if refusal != nil {
		t.Fatal(refusal)
	}
	s.Abort(ReasonServerShutdown, nil)
	if s.open(true) {
		t.Error("an aborted session was opened")
	}
	rec := <-r.opened
	if got := rec.reason(t); got != ReasonServerShutdown {
		t.Errorf("reason %q", got)
	}
	if n := r.srv.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// A session may be ended from inside each of its handler's calls.
func TestEndInsideTheHandler(t *testing.T) {
	for name, end := range map[string]func(*Session){
		"Close": (*Session).Close,
		"Abort": func(s *Session) { s.Abort(ReasonForcedClose, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newMemRig(t, patient())
				p := r.polling("4")
				p.rec.echo = func(rec *recorder, _ []byte, _ bool) { end(rec.Session) }
				p.post("4a\x1e4b")
				p.r.get(p.query)
				p.rec.reason(t)
				if got := p.rec.got(); len(got) != 1 {
					t.Errorf("messages %q were delivered, want one", got)
				}
				w, rec := r.websocket("4")
				rec.echo = p.rec.echo
				w.raw([]byte(frame(0x81, "4a") + frame(0x81, "4b")))
				w.expect("close:1005")
				rec.reason(t)
				if got := rec.got(); len(got) != 1 {
					t.Errorf("messages %q were delivered, want one", got)
				}
			})
		})
	}
}

// A deadline that is looked at much too late, because the process stood still,
// is not held against the client.
func TestFault_L11_StandstillGivesTime(t *testing.T) {
	for _, eio := range []string{"3", "4"} {
		synctest.Test(t, func(t *testing.T) {
			r := newMemRig(t, Options{PingTimeout: 20 * time.Second})
			w, rec := r.websocket(eio)
			if eio == "4" {
				w.expect("2")
			}
			synctest.Wait()
			s := rec.Session
			s.mu.Lock()
			due := s.pongBy
			s.scheduled = due
			s.mu.Unlock()
			s.expire(due + 11*time.Second) // more than half of the timeout
			s.mu.Lock()
			st, by, want := s.state, s.pongBy, due+31*time.Second
			s.mu.Unlock()
			if eio == "3" {
				want += 25 * time.Second
			}
			if st != open || by != want {
				t.Errorf("revision %s: state %d, deadline %v, want it at %v", eio, st, by, want)
			}
			s.expire(by)
			if got := rec.reason(t); got != ReasonPingTimeout {
				t.Errorf("revision %s: reason %q", eio, got)
			}
			w.expect("close:1005")
		})
	}
}

// Where connections are polled, WriteTimeout counts from when the client last
// took something.
func TestWriteTimeoutOfPolledConnections(t *testing.T) {
	r := newRig(t, Options{PingInterval: time.Hour, WriteTimeout: time.Hour, KeepSlow: true})
	w, rec := r.websocket("4")
	s := rec.Session
	m := text(strings.Repeat("x", 100_000))
	stalled := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ws.Load().stalled
	}
	fill := func() {
		for ; !stalled(); runtime.Gosched() {
			if err := s.Send(m); err != nil && err != ErrQueueFull {
				t.Fatal(err)
			}
		}
	}
	if !s.ws.Load().conn.Polled() {
		return // its writer waits with a deadline of the connection's
	}
	fill()
	s.mu.Lock()
	c, progress := s.ws.Load(), s.ws.Load().aside.progress
	s.mu.Unlock()
	ended := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.state == closed
	}
	c.Expire(progress + time.Hour - 1)
	if ended() {
		t.Fatal("cut off too early")
	}
	// The client takes something, and has its time again.
	buf := make([]byte, 64<<10)
	for progressed := false; !progressed; {
		w.nc.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := w.nc.Read(buf); err != nil && !isTimeout(err) {
			t.Fatal(err)
		}
		s.mu.Lock()
		progressed = !c.stalled || c.aside.progress > progress
		s.mu.Unlock()
	}
	fill()
	c.Expire(progress + time.Hour)
	if ended() {
		t.Fatal("cut off although the client had taken something")
	}
	s.mu.Lock()
	progress = c.aside.progress
	s.mu.Unlock()
	c.Expire(progress + time.Hour)
	if err := <-rec.closed; err.Reason != ReasonTransportError || !errors.Is(err, errWriteTimeout) {
		t.Errorf("closed with %v", err)
	}
}

// Errors say what happened, and match what they are.
func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	for _, tc := range []struct {
		err  error
		want string
		is   []error
	}{
		{&CloseError{Reason: ReasonPingTimeout}, "engineio: session closed: ping timeout", []error{net.ErrClosed}},
		{&CloseError{Reason: ReasonParseError, Err: cause}, "engineio: session closed: parse error: cause", []error{net.ErrClosed, cause}},
		{&RequestError{Code: 1, Message: "Session ID unknown"}, "engineio: request refused: Session ID unknown (code 1)", nil},
		{&RequestError{Code: 4, Message: "no", Err: cause}, "engineio: request refused: no (code 4): cause", []error{cause}},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
		for _, is := range tc.is {
			if !errors.Is(tc.err, is) {
				t.Errorf("%v is not %v", tc.err, is)
			}
		}
	}
}

// SendAll does for each session what Send does, whatever carries it, and goes on
// after one that has ended.
func TestSendAll(t *testing.T) {
	r := newRig(t, Options{})
	var sessions []*Session
	var sockets []*wsPeer
	for range lookAhead + 2 {
		w, rec := r.websocket("4")
		sessions, sockets = append(sessions, rec.Session), append(sockets, w)
	}
	old, rec := r.websocket("3")
	sessions, sockets = append(sessions, rec.Session), append(sockets, old)
	poller := r.polling("4")
	gone := r.polling("4")
	gone.rec.Abort(ReasonForcedClose, nil)
	sessions = append([]*Session{gone.rec.Session, poller.rec.Session}, sessions...)

	SendAll(nil, text("to nobody"))
	SendAll(sessions)
	SendAll(sessions, text("one"))
	SendAll(sessions, text("two"), NewMessage([]byte("three"), true))
	for i, w := range sockets {
		third := "bin:three"
		if w == old {
			third = "bin:\x04three"
		}
		if got := []string{w.read(), w.read(), w.read()}; got[0] != "4one" || got[1] != "4two" || got[2] != third {
			t.Errorf("WebSocket %d got %q", i, got)
		}
	}
	if got, want := poller.get(), "4one\x1e4two\x1ebdGhyZWU="; got != want {
		t.Errorf("the poll was answered %q, want %q", got, want)
	}
}

package engineio

import (
	"testing"
	"testing/synctest"
	"time"
)

// between fails unless got is within a tick of the wheel after want.
func between(t *testing.T, what string, got, from, to time.Duration) {
	t.Helper()
	if got < from || got > to {
		t.Errorf("%s after %v, want it between %v and %v", what, got, from, to)
	}
}

const wheelTick = 50 * time.Millisecond // of a server with default options

func TestHeartbeatRevision4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		w, rec := r.websocket("4")
		start := time.Now()
		w.expect("2")
		// The first ping is up to a tenth early, the later ones are not.
		between(t, "first ping", time.Since(start), 22500*time.Millisecond, 25*time.Second+wheelTick)
		for range 100 {
			w.text("3")
			synctest.Wait()
			pong := time.Now()
			w.expect("2")
			between(t, "ping after a pong", time.Since(pong), 25*time.Second, 25*time.Second+wheelTick)
		}
		last := time.Now()
		w.expect("close:1005")
		if got := rec.reason(t); got != ReasonPingTimeout {
			t.Errorf("reason %q", got)
		}
		between(t, "timeout", time.Since(last), 20*time.Second, 20*time.Second+wheelTick)
	})
}

func TestHeartbeatRevision3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		w, rec := r.websocket("3")
		for range 10 {
			time.Sleep(25 * time.Second)
			w.text("2")
			w.expect("3")
		}
		last := time.Now()
		w.expect("close:1005")
		if got := rec.reason(t); got != ReasonPingTimeout {
			t.Errorf("reason %q", got)
		}
		between(t, "timeout", time.Since(last), 30*time.Second, 30*time.Second+wheelTick)
	})
}

// PingTimeout counts for both revisions when it is set.
func TestPingTimeoutOption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{PingInterval: 10 * time.Second, PingTimeout: 7 * time.Second})
		start := time.Now()
		_, rec := r.websocket("3")
		rec.reason(t)
		between(t, "timeout", time.Since(start), 17*time.Second, 17*time.Second+wheelTick)
	})
}

// While a pong is awaited, the first other packet extends the deadline, once.
func TestBusyClientGetsMoreTimeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		w, rec := r.websocket("4")
		w.expect("2")
		ping := time.Now()
		time.Sleep(15 * time.Second)
		w.text("4a")
		w.expect("4a")
		time.Sleep(10 * time.Second)
		w.text("4b")
		w.expect("4b", "close:1005")
		rec.reason(t)
		between(t, "timeout", time.Since(ping), 35*time.Second, 35*time.Second+wheelTick)
	})
}

// A session that the application has paused is not blamed for its silence.
func TestPauseSuspendsTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		w, rec := r.websocket("4")
		w.text("4a")
		w.expect("4a")
		rec.Pause()
		go w.text("4b", "3")
		w.expect("2")
		time.Sleep(10 * time.Minute)
		if got := rec.got(); len(got) != 1 {
			t.Errorf("messages %q were delivered to a paused session", got)
		}
		rec.Resume()
		w.expect("4b")
		w.expect("2") // the heartbeat goes on
		w.text("3")
		rec.Close()
		w.expect("close:1005")
	})
}

func TestPollingTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		p := r.polling("4")
		start := time.Now()
		waiting := p.goGet()
		if got := <-waiting; got != "2" {
			t.Errorf("poll answered %q, want a ping", got)
		}
		waiting = p.goGet()
		if got := <-waiting; got != "1" {
			t.Errorf("poll answered %q, want a close", got)
		}
		if got := p.rec.reason(t); got != ReasonPingTimeout {
			t.Errorf("reason %q", got)
		}
		between(t, "timeout", time.Since(start), 42500*time.Millisecond, 45*time.Second+2*wheelTick)
	})
}

// A probe that is answered and never followed by the upgrade costs only the
// WebSocket.
func TestFault_U03_UpgradeNeverFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		p := r.polling("4")
		w := r.upgrade("transport=websocket&EIO=4&sid=" + p.sid)
		start := time.Now()
		w.text("2probe")
		w.expect("3probe", "close:1005")
		between(t, "end of the probe", time.Since(start), 10*time.Second, 10*time.Second+wheelTick)
		waiting := p.goGet()
		synctest.Wait()
		p.rec.Send(NewMessage([]byte("on"), false))
		if got := <-waiting; got != "4on" {
			t.Errorf("poll after the aborted upgrade answered %q", got)
		}
		w = r.upgrade("transport=websocket&EIO=4&sid=" + p.sid)
		w.text("2probe")
		w.expect("3probe")
		w.text("5", "4again")
		w.expect("4again")
	})
}

// A ping is outstanding while the upgrade completes, and then the client is
// silent: the deadline stands, in both revisions.
func TestFault_U04_HeartbeatSurvivesTheUpgrade(t *testing.T) {
	for _, eio := range []string{"3", "4"} {
		synctest.Test(t, func(t *testing.T) {
			r := newMemRig(t, Options{})
			p := r.polling(eio)
			start := time.Now()
			limit := 30 * time.Second
			if eio == "4" {
				if got := p.get(); got != "2" {
					t.Fatalf("poll answered %q, want a ping", got)
				}
				start, limit = time.Now(), 20*time.Second
			}
			w := r.upgrade("transport=websocket&EIO=" + eio + "&sid=" + p.sid)
			w.text("2probe")
			w.expect("3probe")
			w.text("5")
			w.expect("close:1005")
			if got := p.rec.reason(t); got != ReasonPingTimeout {
				t.Errorf("reason %q", got)
			}
			between(t, "timeout", time.Since(start), limit, limit+wheelTick)
		})
	}
}

// A pong may come over another leg than its ping.
func TestFault_U05_PongOnTheOtherLeg(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		p := r.polling("4")
		if got := p.get(); got != "2" {
			t.Fatalf("poll answered %q, want a ping", got)
		}
		w := r.upgrade("transport=websocket&EIO=4&sid=" + p.sid)
		w.text("2probe")
		w.expect("3probe")
		w.text("5", "3")
		synctest.Wait()
		pong := time.Now()
		w.expect("2")
		between(t, "next ping", time.Since(pong), 25*time.Second, 25*time.Second+wheelTick)
	})
}

// The close handshake is not waited for longer than CloseTimeout.
func TestFault_W06_CloseNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		w, rec := r.websocket("4")
		start := time.Now()
		rec.Close()
		w.expect("close:1005")
		if got := w.next(); got.Code != 1006 {
			t.Errorf("expected the end of the connection, got %v", got)
		}
		between(t, "end of the connection", time.Since(start), 5*time.Second, 5*time.Second+wheelTick)
	})
}

// Unsolicited pongs change nothing.
func TestFault_W09_UnsolicitedPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, Options{})
		w, rec := r.websocket("4")
		start := time.Now()
		for range 100_000 / 1000 {
			for range 1000 {
				w.text("3")
			}
			if n := r.srv.wheel.Len(); n != 1 {
				t.Fatalf("%d timers for one session", n)
			}
		}
		w.expect("2")
		between(t, "first ping", time.Since(start), 22500*time.Millisecond, 25*time.Second+wheelTick)
		rec.Abort(ReasonForcedClose, nil)
	})
}

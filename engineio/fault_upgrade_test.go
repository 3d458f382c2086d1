package engineio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// upgradeQuery is what an upgrade of the session asks for.
func (p *pollPeer) upgradeQuery() string {
	return strings.Replace(p.query, "transport=polling", "transport=websocket", 1)
}

// probe opens a WebSocket for the session and has its probe answered.
func (p *pollPeer) probe() *wsPeer {
	p.r.t.Helper()
	w := p.r.upgrade(p.upgradeQuery())
	w.text("2probe")
	w.expect("3probe")
	return w
}

// Messages that are sent at each step of an upgrade arrive once and in order.
// (The chaos tests do this at scale, with delays and cuts.)
func TestFault_U01_MessagesAtEachStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		p := r.polling("4")
		p.rec.echo = nil
		n := 0
		send := func() {
			n++
			p.rec.Send(text(fmt.Sprint(n)))
		}
		send()
		parked := p.goGet()
		if got := <-parked; got != "41" {
			t.Errorf("poll answered %q", got)
		}
		parked = p.goGet()
		synctest.Wait()
		w := r.upgrade(p.upgradeQuery())
		send() // while probing: the parked poll takes it
		if got := <-parked; got != "42" {
			t.Errorf("poll answered %q", got)
		}
		p.post("4a")
		w.text("2probe")
		w.expect("3probe")
		send() // while draining
		p.post("4b")
		if got := p.get(); got != "43" {
			t.Errorf("poll answered %q", got)
		}
		send()
		send()
		w.text("5", "4c")
		w.expect("44", "45")
		send()
		w.expect("46")
		synctest.Wait()
		if got := p.rec.got(); strings.Join(got, "") != "abc" {
			t.Errorf("messages %q arrived", got)
		}
	})
}

// The WebSocket is cut at each step of an upgrade: until the client has said
// "upgrade", the session goes on with polling and nothing is lost.
func TestFault_U02_CutAtEachStep(t *testing.T) {
	half := frame(0x81, "5")[:3]
	for _, tc := range []struct {
		name  string
		steps func(w *wsPeer)
	}{
		{"after the 101", func(w *wsPeer) {}},
		{"inside the probe", func(w *wsPeer) { w.raw([]byte(frame(0x81, "2probe")[:8])) }},
		{"before the probe's answer is read", func(w *wsPeer) { w.text("2probe") }},
		{"after the probe's answer", func(w *wsPeer) { w.text("2probe"); w.expect("3probe") }},
		{"inside the upgrade packet", func(w *wsPeer) { w.text("2probe"); w.expect("3probe"); w.raw([]byte(half)) }},
		{"with a close frame", func(w *wsPeer) { w.text("2probe"); w.expect("3probe"); w.raw([]byte(frame(0x88, ""))) }},
		{"with a close packet", func(w *wsPeer) { w.text("2probe"); w.expect("3probe"); w.text("1") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := patient()
				failed := 0
				o.Hooks = &Hooks{UpgradeFailed: func(*Session) { failed++ }}
				r := newMemRig(t, o)
				p := r.polling("4")
				p.rec.Send(text("1"))
				w := r.upgrade(p.upgradeQuery())
				tc.steps(w)
				p.rec.Send(text("2"))
				w.nc.Close()
				synctest.Wait()
				p.rec.Send(text("3"))
				if got := p.get(); got != "41\x1e42\x1e43" {
					t.Errorf("poll answered %q", got)
				}
				parked := p.goGet()
				synctest.Wait()
				if len(parked) > 0 {
					t.Errorf("a poll was answered %q, though the upgrade was over", <-parked)
				}
				p.post("4on")
				if got := <-parked; got != "4on" {
					t.Errorf("poll answered %q", got)
				}
				if failed != 1 {
					t.Errorf("UpgradeFailed was called %d times, want once", failed)
				}
				if st := r.srv.Stats(); st.WebSockets != 0 || st.Sessions != 1 || st.Upgraded != 0 {
					t.Errorf("stats %+v", st)
				}
				// The next attempt succeeds.
				w = p.probe()
				w.text("5", "4again")
				w.expect("4again")
			})
		})
	}
	t.Run("after the upgrade packet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newMemRig(t, patient())
			p := r.polling("4")
			w := p.probe()
			w.text("5")
			w.nc.Close()
			if got := p.rec.reason(t); got != ReasonTransportClose {
				t.Errorf("reason %q", got)
			}
		})
	})
}

// While the upgrade waits for the client, each poll is answered at once, be it
// parked before the probe or sent after it, and none twice.
func TestFault_U06_PollsWhileUpgrading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		b := r.bystander()
		p := r.polling("4")
		parked := p.goGet()
		synctest.Wait()
		start := time.Now()
		w := p.probe()
		if got := <-parked; got != "6" {
			t.Errorf("parked poll answered %q, want a noop", got)
		}
		for range promptNoops {
			if got := p.get(); got != "6" {
				t.Errorf("poll answered %q, want a noop", got)
			}
		}
		between(t, "the answers", time.Since(start), 0, 0)
		// A client that goes on polling, since the answer to its probe does not
		// come, is not answered as fast as it can ask.
		for range 10 {
			if got := p.get(); got != "6" {
				t.Errorf("poll answered %q, want a noop", got)
			}
		}
		between(t, "ten more", time.Since(start), 10*noopPace, 10*noopPace)
		p.rec.Send(text("data"))
		if got := p.get(); got != "4data" {
			t.Errorf("poll answered %q, want the data", got)
		}
		between(t, "the data", time.Since(start), 10*noopPace, 10*noopPace)
		// A client that did not wait for its last poll is forgiven.
		p.rec.Send(text("held"))
		w.text("5")
		w.expect("4held")
		if status, body := r.get(p.query); status != 400 {
			t.Errorf("poll after the switch answered %d %q", status, body)
		}
		b.unharmed()
	})
}

// Of any number of WebSockets that race for one session, one wins; the others
// are accepted and closed, and so is one that comes after the upgrade.
func TestFault_U07_UpgradeRace(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for range 5 {
		p := r.polling("4")
		const racers = 8
		won := make(chan *wsPeer, racers)
		var wg sync.WaitGroup
		for range racers {
			w, resp := r.request(p.upgradeQuery(), upgradeHead, "")
			if resp.StatusCode != 101 {
				t.Fatalf("answered %d", resp.StatusCode)
			}
			wg.Go(func() {
				w.text("2probe")
				if got := w.read(); got == "3probe" {
					won <- w
				} else if got != "close:1005" {
					t.Errorf("a racer got %q", got)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d of %d racers won, want 1", len(won), racers)
		}
		w := <-won
		w.text("5", "4on")
		w.expect("4on")
		late := r.upgrade(p.upgradeQuery())
		late.expect("close:1005")
		w.text("4still on")
		w.expect("4still on")
	}
	b.unharmed()
}

// Who knows a session's id is not enough when requests are bound to the
// session by something else; each attempt is reported.
func TestFault_U08_ForeignRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token := func(h http.Header) string { return h.Get("Cookie") }
		refused := make(map[int]int)
		errForeign := errors.New("not your session")
		o := patient()
		o.VerifySession = func(s *Session, r *http.Request) error {
			if token(r.Header) != token(s.Handshake().Header()) {
				return errForeign
			}
			return nil
		}
		o.Hooks = &Hooks{RequestRefused: func(r *http.Request, err *RequestError) {
			refused[err.Code]++
			if !errors.Is(err, errForeign) {
				t.Errorf("refused with %v", err)
			}
		}}
		r := newMemRig(t, o)
		victim := r.bystander() // sends no cookie
		parked := victim.p.goGet()
		synctest.Wait()
		for _, method := range []string{"GET", "POST", "PUT"} {
			c := r.connect()
			c.send(head(method, victim.p.query) + "Cookie: mine\r\nContent-Length: 2\r\n\r\n4x")
			resp, body := c.answer()
			expectError(t, method, resp.StatusCode, body, 403, CodeForbidden)
		}
		_, resp := r.request(victim.p.upgradeQuery(), upgradeHead+"Cookie: mine\r\n", "")
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || string(body) != "Forbidden" {
			t.Errorf("upgrade answered %d %q", resp.StatusCode, body)
		}
		if refused[CodeForbidden] != 4 || r.srv.Stats().Refused[CodeForbidden] != 4 {
			t.Errorf("refused %v, counted %v", refused, r.srv.Stats().Refused)
		}
		if len(parked) > 0 {
			t.Errorf("the victim's poll was answered %q", <-parked)
		}
		victim.p.rec.Send(text("secret"))
		if got := <-parked; got != "4secret" {
			t.Errorf("the victim's poll was answered %q", got)
		}
		if got := victim.p.rec.got(); len(got) != 0 {
			t.Errorf("messages %q were delivered for the victim", got)
		}
		victim.unharmed()
		victim.p.probe().text("5")
	})
}

// An upgrade that speaks another revision than its session is refused, and the
// session goes on. (It ended the whole reference server once.)
func TestFault_U09_UpgradeOfAnotherRevision(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for eio, other := range map[string]string{"3": "4", "4": "3"} {
		p := r.polling(eio)
		query := strings.Replace(p.upgradeQuery(), "EIO="+eio, "EIO="+other, 1)
		_, resp := r.request(query, upgradeHead, frame(0x81, "2probe")+frame(0x81, "5")+frame(0x81, "2"))
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || string(body) != "Bad request" {
			t.Errorf("answered %d %q", resp.StatusCode, body)
		}
		w := p.probe()
		w.text("5", "4on")
		w.expect("4on")
	}
	b.unharmed()
}

// The end of a session at each step of an upgrade: an orderly one delivers
// what is queued, an abrupt one counts it as lost, and neither leaves anything
// open.
func TestFault_U10_EndDuringTheUpgrade(t *testing.T) {
	steps := []struct {
		name string
		do   func(p *pollPeer) *wsPeer
	}{
		{"probing", func(p *pollPeer) *wsPeer { return p.r.upgrade(p.upgradeQuery()) }},
		{"draining", func(p *pollPeer) *wsPeer { return p.probe() }},
		{"switched", func(p *pollPeer) *wsPeer {
			w := p.probe()
			w.text("5")
			synctest.Wait()
			return w
		}},
	}
	ends := []struct {
		name    string
		orderly bool
		do      func(r *rig, s *Session)
	}{
		{"Session.Close", true, func(r *rig, s *Session) { s.Close() }},
		{"Session.Abort", false, func(r *rig, s *Session) { s.Abort(ReasonForcedClose, nil) }},
		{"Server.Shutdown", true, func(r *rig, s *Session) {
			go r.srv.Shutdown(context.Background()) // ends with the sessions
			synctest.Wait()
		}},
		{"Server.Close", false, func(r *rig, s *Session) { r.srv.Close() }},
	}
	for _, step := range steps {
		for _, end := range ends {
			t.Run(step.name+", "+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newMemRig(t, patient())
					p := r.polling("4")
					synctest.Wait()
					w := step.do(p)
					read := make(chan string, 10)
					go func() { // the client reads its WebSocket to the end
						defer close(read)
						for {
							m := w.read()
							read <- m
							if strings.HasPrefix(m, "close:") {
								w.raw([]byte(frame(0x88, "")))
								w.nc.Close()
								return
							}
						}
					}()
					if step.name == "switched" {
						// What was taken by the connection's writer counts as
						// lost only if it did not get out.
						p.rec.Send(text("a"), text("b"), text("c"))
						synctest.Wait()
					} else {
						p.rec.Send(text("a"), text("b"), text("c"))
					}
					end.do(r, p.rec.Session)
					var got []string
					if step.name != "switched" && end.orderly {
						got = append(got, p.get(), p.get())
					}
					for m := range read {
						got = append(got, m)
					}
					want := map[bool][]string{
						true:  {"4a\x1e4b\x1e4c", "1", "close:1005"},
						false: {"close:1005"},
					}[end.orderly]
					if step.name == "switched" {
						want = []string{"4a", "4b", "4c", "close:1005"}
					}
					if strings.Join(got, "|") != strings.Join(want, "|") {
						t.Errorf("the client got %q, want %q", got, want)
					}
					err := <-p.rec.closed
					if strings.HasPrefix(end.name, "Server") != (err.Reason == ReasonServerShutdown) {
						t.Errorf("closed with %v", err)
					}
					synctest.Wait()
					lost, _ := p.rec.Buffered()
					if wantLost := map[bool]int{true: 0, false: 3}[end.orderly || step.name == "switched"]; lost != wantLost || r.srv.Stats().Lost != uint64(lost) {
						t.Errorf("%d packets were counted as lost, want %d", lost, wantLost)
					}
					if st := r.srv.Stats(); st.Sessions != 0 || st.WebSockets != 0 {
						t.Errorf("left open: %+v", st)
					}
				})
			})
		}
	}
}

package engineio

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// diary notes what the hooks tell, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := strings.Join(d.lines, "; ")
	d.lines = nil
	return s
}

func (d *diary) hooks() *Hooks {
	return &Hooks{
		SessionOpened:   func(s *Session) { d.note("opened %s", s.Transport()) },
		SessionUpgraded: func(s *Session) { d.note("upgraded to %s", s.Transport()) },
		UpgradeFailed:   func(s *Session) { d.note("upgrade failed, %s", s.Transport()) },
		SessionClosed:   func(s *Session, err *CloseError) { d.note("closed: %s", err.Reason) },
		RequestRefused:  func(r *http.Request, err *RequestError) { d.note("refused %s: %d", r.Method, err.Code) },
	}
}

// The hooks tell a session's life, each step once and in order.
func TestHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		o := patient()
		o.Hooks = d.hooks()
		r := newMemRig(t, o)
		expect := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := d.take(); got != want {
				t.Errorf("the hooks told %q, want %q", got, want)
			}
		}
		p := r.polling("4")
		expect("opened polling")
		r.upgrade(p.upgradeQuery()).nc.Close()
		expect("upgrade failed, polling")
		w := r.upgrade(p.upgradeQuery())
		w.text("4out of place")
		w.expect("close:1005")
		expect("upgrade failed, polling")
		w = p.probe()
		second := r.upgrade(p.upgradeQuery())
		second.expect("close:1005")
		expect("") // it never was one
		w.text("5")
		expect("upgraded to websocket")
		w.text("1")
		expect("closed: transport close")
		r.get("transport=x")
		r.post("transport=polling&EIO=4&sid=x", "")
		expect("refused GET: 0; refused POST: 1")
		_, rec := r.websocket("4")
		expect("opened websocket")
		rec.Abort(ReasonParseError, errors.New("nonsense"))
		expect("closed: parse error")
		r.srv.Close()
		r.get("transport=polling&EIO=4")
		expect("refused GET: 4")
	})
}

// A session that the application refuses, or ends inside Open, was never open:
// what is counted by the hooks adds up.
func TestHooksOfRefusedSessions(t *testing.T) {
	for name, open := range map[string]func(s *Session) Handler{
		"nil":   func(*Session) Handler { return nil },
		"Abort": func(s *Session) Handler { s.Abort(ReasonForcedClose, nil); return quiet{} },
		"Close": func(s *Session) Handler { s.Close(); return quiet{} },
	} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			o := patient()
			o.Open, o.Hooks = open, d.hooks()
			r := newMemRig(t, o)
			r.get("transport=polling&EIO=4")
			w := r.upgrade("transport=websocket&EIO=4")
			w.expect("close:1005")
			w.nc.Close()
			synctest.Wait()
			if got := d.take(); got != "refused GET: 4" {
				t.Errorf("%s: the hooks told %q", name, got)
			}
			if st := r.srv.Stats(); st.Opened != 0 || len(st.Closed) != 0 || st.Sessions != 0 || st.WebSockets != 0 || st.Lost != 0 {
				t.Errorf("%s: stats %+v", name, st)
			}
		})
	}
}

// Stats count what happened.
func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		p := r.polling("4")
		w, _ := r.websocket("4")
		synctest.Wait()
		base := r.srv.Stats()
		if base.Sessions != 2 || base.WebSockets != 1 || base.Opened != 2 || base.Upgraded != 0 || len(base.Closed) != 0 || base.MessagesIn != 0 || base.MessagesOut != 0 {
			t.Errorf("at first %+v", base)
		}
		p.post("4hello\x1ebAQID")
		p.get()
		w.text("4€")
		w.expect("4€")
		synctest.Wait()
		st := r.srv.Stats()
		if st.MessagesIn != 3 || st.BytesIn != 11 || st.MessagesOut != 3 || st.BytesOut != 11 {
			t.Errorf("after three messages each way %+v", st)
		}
		up := p.probe()
		up.text("5")
		synctest.Wait()
		w.text("1")
		r.get("transport=x")
		r.get("transport=x")
		r.get("transport=polling&EIO=4&sid=x")
		up.raw([]byte(frame(0x81, "9")))
		up.expect("close:1002")
		up.nc.Close()
		w.nc.Close()
		synctest.Wait()
		st = r.srv.Stats()
		if st.Sessions != 0 || st.WebSockets != 0 || st.Opened != 2 || st.Upgraded != 1 {
			t.Errorf("at last %+v", st)
		}
		if len(st.Closed) != 2 || st.Closed[ReasonTransportClose] != 1 || st.Closed[ReasonParseError] != 1 {
			t.Errorf("closed %v", st.Closed)
		}
		if st.Refused != [6]uint64{2, 1} {
			t.Errorf("refused %v", st.Refused)
		}
		if st.MessagesOut != 3 {
			t.Errorf("the answer to a probe counts as a message: %d", st.MessagesOut)
		}
	})
}

// Session ids are secrets: neither the log nor an error that may get there
// holds one, whatever happens.
func TestLogHoldsNoSessionID(t *testing.T) {
	var log logbook
	var ids []string
	var mu sync.Mutex
	o := patient()
	o.Logger = log.logger()
	o.VerifySession = func(s *Session, r *http.Request) error {
		if r.Header.Get("X-Foreign") != "" {
			return errors.New("not yours")
		}
		return nil
	}
	o.Hooks = &Hooks{RequestRefused: func(_ *http.Request, err *RequestError) { log.Write([]byte("hook: " + err.Error() + "\n")) }}
	r := newEchoRig(t, o)
	r.srv.cfg.Open = func(open func(*Session) Handler) func(s *Session) Handler {
		return func(s *Session) Handler {
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, s.ID())
			return open(s)
		}
	}(r.srv.cfg.Open)

	p := r.polling("4")
	r.ask("GET", p.query, "X-Foreign: 1")
	r.get(strings.Replace(p.query, "EIO=4", "EIO=3", 1))
	r.get(strings.Replace(p.query, Polling, "x", 1))
	r.ask("GET", p.upgradeQuery(), "X-Foreign: 1")
	r.ask("GET", p.upgradeQuery(), "Origin: "+evilOrigin, "Cookie: io="+p.sid)
	w := p.probe()
	w.text("5", "4on")
	w.expect("4on")
	r.get(p.query) // another transport now
	w.text("9")
	w.expect("close:1002")
	p.rec.reason(t)
	settles(t, "sessions", r.srv.Len, 0)
	r.get(p.query) // unknown now: an id that was one, perhaps of another node
	r.post(p.query, "4a")
	p = r.polling("4")
	r.do("POST", p.query, typeBinary, "x")
	_, rec := r.websocket("3")
	rec.Close()
	rec.reason(t)
	panicky := r.polling("4")
	panicky.rec.echo = func(*recorder, []byte, bool) { panic("handler") }
	panicky.post("4a")
	panicky.rec.reason(t)
	settles(t, "sessions", r.srv.Len, 0)

	text := log.String()
	for _, id := range ids {
		if i := strings.Index(text, id); i >= 0 {
			t.Errorf("the log holds the id of a session: %s", text[max(0, i-200):i+30])
		}
	}
	for _, want := range []string{"session opened", "session upgraded", "session closed", "request refused", "panicked", "hook: "} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not tell of %q:\n%s", want, text)
		}
	}
	if len(ids) != 4 {
		t.Errorf("%d sessions, want 4", len(ids))
	}
}

// Without hooks and logger, nothing of them is paid for: a message costs no
// allocation beyond the transport's.
func TestHooksCostNothing(t *testing.T) {
	r := newRig(t, Options{})
	p := r.polling("4")
	s := p.rec.Session
	s.handler = quiet{}
	data := []byte("hello")
	if got := testing.AllocsPerRun(100, func() { s.deliver(data, false) }); got != 0 {
		t.Errorf("delivering a message costs %v allocations, want none", got)
	}
}

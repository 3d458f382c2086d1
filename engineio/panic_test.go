package engineio

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// A logbook is a slog handler's output that may be read while it is written.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// panicker is a handler that panics in the call it is named after.
type panicker struct {
	*recorder
	where string
}

func (h panicker) Message(data []byte, binary bool) {
	if string(data) == "panic" && h.where == "Message" {
		panic("in Message")
	}
	h.recorder.Message(data, binary)
}

func (h panicker) Closed(err *CloseError) {
	h.recorder.Closed(err)
	if h.where == "Closed" {
		panic("in Closed")
	}
}

// A panic of the application ends the session it happened in, is logged, and
// harms nothing else; the server can still be shut down.
func TestPanicEndsItsSession(t *testing.T) {
	for _, where := range []string{"Open", "Message", "Closed", "SessionOpened", "SessionUpgraded", "UpgradeFailed", "SessionClosed"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logbook
				var r *rig
				victim := false
				hook := func(name string) {
					if victim && name == where {
						panic("in " + name)
					}
				}
				o := patient()
				o.Logger = log.logger()
				o.Open = func(s *Session) Handler {
					hook("Open")
					rec := &recorder{Session: s, echo: echo, closed: make(chan *CloseError, 1)}
					r.opened <- rec
					if victim {
						return panicker{rec, where}
					}
					return rec
				}
				o.Hooks = &Hooks{
					SessionOpened:   func(*Session) { hook("SessionOpened") },
					SessionUpgraded: func(*Session) { hook("SessionUpgraded") },
					UpgradeFailed:   func(*Session) { hook("UpgradeFailed") },
					SessionClosed:   func(*Session, *CloseError) { hook("SessionClosed") },
				}
				r = newMemRig(t, o)
				b := r.bystander()
				victim = true
				if where == "Open" || where == "SessionOpened" {
					status, body := r.get("transport=polling&EIO=4")
					expectError(t, "handshake", status, body, 403, CodeForbidden)
					r.upgrade("transport=websocket&EIO=4").expect("close:1005")
				} else {
					p := r.polling("4")
					w := r.upgrade("transport=websocket&EIO=4&sid=" + p.sid)
					if where == "UpgradeFailed" {
						w.text("4out of place")
						w.expect("close:1005")
					} else {
						w.text("2probe")
						w.expect("3probe")
						w.text("5")
						synctest.Wait()
						w.text("4panic")
					}
					if where == "Message" || where == "SessionUpgraded" || where == "UpgradeFailed" {
						err := <-p.rec.closed
						if err.Reason != ReasonForcedClose || err.Err == nil || !strings.Contains(err.Error(), "in "+where) {
							t.Errorf("closed with %v", err)
						}
					} else {
						p.rec.Abort(ReasonForcedClose, nil)
					}
				}
				synctest.Wait()
				if n := r.srv.Len(); n != 2 {
					t.Errorf("%d sessions are left, want the two bystanders", n)
				}
				if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "in "+where) || !strings.Contains(got, "panic_test.go") {
					t.Errorf("the log does not tell of the panic and where it was:\n%s", got)
				}
				b.unharmed()
			})
		})
	}
}

// A POST whose handler panics is answered, and its poll too.
func TestPanicInPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, patient())
		p := r.polling("4")
		p.rec.echo = func(*recorder, []byte, bool) { panic(http.ErrAbortHandler) }
		parked := p.goGet()
		synctest.Wait()
		p.post("4a\x1e4b")
		if got := <-parked; got != "1" {
			t.Errorf("parked poll answered %q, want a close", got)
		}
		if got := p.rec.reason(t); got != ReasonForcedClose {
			t.Errorf("reason %q", got)
		}
	})
}

// A panic in a hook that changes headers ends the session, with its messages,
// rather than losing those of one answer.
func TestPanicInHeaders(t *testing.T) {
	for _, which := range []string{"InitialHeaders", "Headers"} {
		synctest.Test(t, func(t *testing.T) {
			armed := true
			hook := func(name string) func(http.Header, *http.Request) {
				return func(http.Header, *http.Request) {
					if armed && name == which {
						panic("in " + name)
					}
				}
			}
			o := patient()
			o.InitialHeaders, o.Headers = hook("InitialHeaders"), hook("Headers")
			r := newMemRig(t, o)
			for _, query := range []string{"transport=polling&EIO=4", "transport=websocket&EIO=4"} {
				r.ask("GET", query)
				if got := (<-r.opened).reason(t); got != ReasonForcedClose {
					t.Errorf("%s, %s: reason %q", which, query, got)
				}
			}
			armed = false
			p := r.polling("4")
			armed = true
			p.rec.Send(text("a"))
			if which == "Headers" {
				r.get(p.query)
				if got := p.rec.reason(t); got != ReasonForcedClose {
					t.Errorf("reason %q", got)
				}
			}
			armed = false
			r.bystander().unharmed()
		})
	}
}

package engineio

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/siogo/sio/internal/handoff"
	"github.com/siogo/sio/internal/rawconn"
)

// A batching is a Handler whose work is done by the poller, after the messages
// of one read. A message that somebody else reads, as when the connection is
// new, it sends back at once.
type batching struct {
	*Session
	work   func(s *Session, message string)
	within bool // a batch
	got    []string
	closed chan struct{}

	batches, tasks atomic.Int32
}

func (b *batching) Closed(*CloseError) { close(b.closed) }

func (b *batching) BeginBatch() {
	b.within = true
	b.batches.Add(1)
}

func (b *batching) Message(data []byte, _ bool) {
	if b.within {
		b.got = append(b.got, string(data))
	} else {
		b.Send(NewMessage(bytes.Clone(data), false))
	}
}

func (b *batching) EndBatch() handoff.Task {
	b.within = false
	if len(b.got) == 0 {
		return nil
	}
	return b
}

func (b *batching) Run(*handoff.Role) {
	b.tasks.Add(1)
	got := b.got
	b.got = nil
	for _, m := range got {
		b.work(b.Session, m)
	}
}

// What is sent during the work waits for its end, unless it is much, or somebody
// waits for it. In the end it is written, whatever has happened meanwhile.
func TestCork(t *testing.T) {
	say := func(s *Session, text string) {
		if err := s.Send(NewMessage([]byte(text), false)); err != nil {
			t.Error(err)
		}
	}
	waiting := func(s *Session) int { n, _ := s.Buffered(); return n }
	for name, work := range map[string]func(s *Session, message string){
		"little": func(s *Session, m string) {
			say(s, m)
			if n := waiting(s); n != 1 {
				t.Errorf("%d packets wait, want 1", n)
			}
		},
		"much": func(s *Session, m string) {
			for range 10 * batch {
				s.SendVolatile(NewMessage([]byte("filling"), false))
				if n := waiting(s); n >= batch {
					t.Errorf("%d packets wait", n)
				}
			}
			say(s, m)
		},
		"large": func(s *Session, m string) {
			say(s, string(make([]byte, corkLimit)))
			if n := waiting(s); n != 0 {
				t.Errorf("%d packets wait, want none", n)
			}
			say(s, m)
		},
		"flush": func(s *Session, m string) {
			say(s, m)
			if err := s.Flush(t.Context()); err != nil || waiting(s) != 0 {
				t.Errorf("%d packets wait after Flush: %v", waiting(s), err)
			}
		},
		"wait": func(s *Session, m string) {
			say(s, m)
			if err := s.Wait(t.Context()); err != nil || waiting(s) != 0 {
				t.Errorf("%d packets wait after Wait: %v", waiting(s), err)
			}
		},
		"read meanwhile": func(s *Session, m string) {
			say(s, m)
			s.ws.Load().ready(rawconn.Readable, nil) // as by Resume
		},
		"pause and resume": func(s *Session, m string) {
			s.Pause()
			say(s, m)
			s.Resume()
		},
	} {
		t.Run(name, func(t *testing.T) {
			sessions := make(chan *batching, 1)
			r := newRig(t, Options{Open: func(s *Session) Handler {
				b := &batching{Session: s, work: work, closed: make(chan struct{})}
				sessions <- b
				return b
			}})
			w := r.upgrade("transport=websocket&EIO=4")
			b := <-sessions
			if !b.ws.Load().conn.Polled() {
				return // there is no poller to do the work
			}
			for i := 0; b.tasks.Load() < 5; i++ {
				m := fmt.Sprint("message ", i)
				w.text("4" + m)
				for got := ""; got != "4"+m; {
					if got = w.read(); strings.HasPrefix(got, "close:") {
						t.Fatalf("expected %s, got %s", m, got)
					}
				}
			}
			w.nc.Close()
			<-b.closed
		})
	}
}

// A probe has no batches: messages come by polling meanwhile, in goroutines of
// their own. The race detector looks at it, too.
func TestProbeHasNoBatches(t *testing.T) {
	sessions := make(chan *batching, 1)
	r := newRig(t, Options{Open: func(s *Session) Handler {
		b := &batching{Session: s, closed: make(chan struct{}), work: func(s *Session, m string) {
			if err := s.Send(NewMessage([]byte(m), false)); err != nil {
				t.Error(err)
			}
		}}
		sessions <- b
		return b
	}})
	_, open := r.get("transport=polling&EIO=4")
	sid, _, _ := strings.Cut(strings.TrimPrefix(open, `0{"sid":"`), `"`)
	query := "EIO=4&transport=polling&sid=" + sid
	b := <-sessions
	w := r.upgrade("EIO=4&transport=websocket&sid=" + sid)
	posted := make(chan struct{})
	go func() { // ends when all is posted
		defer close(posted)
		for range 50 {
			if status, body := r.post(query, "4by polling"); status != 200 {
				t.Errorf("POST answered %d %q", status, body)
			}
		}
	}()
	for range 50 {
		w.text("2probe")
		w.expect("3probe")
	}
	<-posted
	if n := b.batches.Load(); n != 0 {
		t.Errorf("there were %d batches before the switch", n)
	}
	w.text("5")
	for range 50 {
		w.expect("4by polling")
	}
	for i := 0; b.tasks.Load() == 0 && b.ws.Load().conn.Polled(); i++ {
		m := fmt.Sprint("message ", i)
		w.text("4" + m)
		w.expect("4" + m)
	}
	w.nc.Close()
	<-b.closed
}

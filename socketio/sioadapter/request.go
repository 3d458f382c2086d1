package sioadapter

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/siogo/sio/socketio/sioparser"
)

// A request is something that other nodes have to report on. Its methods may be
// called from any goroutine, without a lock.
type request interface {
	// expectNames or expectCount is called once: who, or how many, have to
	// report. err is why that is not known.
	expectNames(names []string)
	expectCount(n int, err error)
	// receive takes an answer.
	receive(m *Message)
	// gone says that a node will not report, nor answer any more.
	gone(node string)
	// giveUp says that nobody will, and why.
	giveUp(err error)
}

// roll is the list of nodes that have to report. The mutex of the request
// guards it.
type roll struct {
	known    bool // it is known who has to
	expected int
	missing  []string // names of those that have not, where they are known
	named    bool
	reported map[string]struct{} // those that have
	unnamed  int                 // how many have without a name
	lost     []string            // those that were missing when they went
	err      error               // why some are not waited for
}

func (r *roll) namesLocked(names []string) {
	r.known, r.named, r.expected = true, true, len(names)
	r.missing = slices.Clone(names)
}

func (r *roll) countLocked(n int, err error) {
	r.known, r.expected = true, n
	if err != nil {
		r.err = err
	}
}

// reportLocked takes note that a node has reported. It returns false if it had
// already.
func (r *roll) reportLocked(node string) bool {
	if node == "" {
		r.unnamed++
		return true
	}
	if _, twice := r.reported[node]; twice {
		return false
	}
	if r.reported == nil {
		r.reported = make(map[string]struct{})
	}
	r.reported[node] = struct{}{}
	if i := slices.Index(r.missing, node); i >= 0 {
		r.missing = slices.Delete(r.missing, i, i+1)
	}
	return true
}

func (r *roll) goneLocked(node string) {
	if i := slices.Index(r.missing, node); i >= 0 {
		r.missing = slices.Delete(r.missing, i, i+1)
		r.lost = append(r.lost, node)
		if r.err == nil {
			r.err = ErrNodeGone
		}
	}
}

func (r *roll) giveUpLocked(err error) {
	if r.completeLocked() {
		return
	}
	r.known = true
	r.lost = append(r.lost, r.missing...)
	r.missing = nil
	r.err = err
}

// completeLocked reports whether nothing is waited for any more.
func (r *roll) completeLocked() bool {
	switch {
	case !r.known:
		return false
	case r.named:
		return len(r.missing) == 0
	}
	return r.err != nil || len(r.reported)+r.unnamed >= r.expected
}

// errLocked says what is missing of a complete roll, or nil.
func (r *roll) errLocked() error {
	if r.err == nil {
		return nil
	}
	answered := min(len(r.reported)+r.unnamed, r.expected)
	if r.named {
		answered = r.expected - len(r.lost)
	}
	slices.Sort(r.lost)
	return &PartialError{Answered: answered, Expected: r.expected, Missing: slices.Clone(r.lost), Err: r.err}
}

// ask is a broadcast that waits for acknowledgements. It is the Answers of this
// node's sockets too.
type ask struct {
	to    Answers
	calls serial // those of to

	mu     sync.Mutex
	roll   roll
	tally  map[string]*tally // of each node that has reported
	local  bool              // this node has
	closed bool              // Asked was called
}

// tally counts the answers of one node; without names, of all.
type tally struct {
	expected, answered int
	ids                []string // of those that have not answered, where they are known
	named              bool     // they are
}

// take takes note of the answer of a socket, and reports whether one was
// expected.
func (t *tally) take(id string) bool {
	if t == nil || t.answered >= t.expected {
		return false
	}
	if t.named {
		i := slices.Index(t.ids, id)
		if i < 0 {
			return false
		}
		t.ids = slices.Delete(t.ids, i, i+1)
	}
	t.answered++
	return true
}

func (q *ask) Expect(n int, ids []string) { q.calls.do(func() { q.to.Expect(n, ids) }) }

func (q *ask) Answer(id string, args sioparser.Args, err error) {
	q.calls.do(func() { q.to.Answer(id, args, err) })
}

func (q *ask) Asked(error) {
	q.change(func() { q.local = true })
}

// change calls f with the lock held, and Asked if that was what was missing.
func (q *ask) change(f func()) {
	q.mu.Lock()
	f()
	if !q.closed && q.local && q.roll.completeLocked() {
		q.closed = true
		err := q.roll.errLocked()
		q.calls.add(func() { q.to.Asked(err) })
	}
	q.mu.Unlock()
	q.calls.run()
}

func (q *ask) expectNames(names []string) { q.change(func() { q.roll.namesLocked(names) }) }

func (q *ask) expectCount(n int, err error) { q.change(func() { q.roll.countLocked(n, err) }) }

func (q *ask) receive(m *Message) {
	switch m.Type {
	case MessageClientCount:
		q.change(func() {
			if q.closed || !q.roll.reportLocked(m.From) {
				return
			}
			if q.tally == nil {
				q.tally = make(map[string]*tally)
			}
			t := q.tally[m.From]
			if t == nil {
				t = &tally{}
				q.tally[m.From] = t
			}
			t.expected += m.Count
			if m.From != "" {
				t.ids, t.named = slices.Clone(m.Asked), len(m.Asked) > 0
			}
			asked := slices.Clone(t.ids)
			q.calls.add(func() { q.to.Expect(m.Count, asked) })
		})
	case MessageClientAnswer:
		var err error
		if m.Err != "" {
			err = &NodeError{m.From, errors.New(m.Err)}
		}
		q.change(func() {
			if q.tally[m.From].take(m.Socket) {
				q.calls.add(func() { q.to.Answer(m.Socket, m.Answer, err) })
			}
		})
	}
}

func (q *ask) gone(node string) {
	q.change(func() {
		q.roll.goneLocked(node)
		if t := q.tally[node]; t != nil {
			for ; t.answered < t.expected; t.answered++ {
				id := ""
				if t.named {
					id, t.ids = t.ids[0], t.ids[1:]
				}
				q.calls.add(func() { q.to.Answer(id, sioparser.Args{}, &NodeError{node, ErrNodeGone}) })
			}
		}
	})
}

func (q *ask) giveUp(err error) { q.change(func() { q.roll.giveUpLocked(err) }) }

// stopped is the end of the wait. When it returns, Asked has been called.
func (q *ask) stopped(ctx context.Context) {
	q.change(func() {
		q.local = true
		q.roll.giveUpLocked(causeOf(ctx))
	})
	q.calls.wait()
}

// causeOf returns why who asked waits no longer.
func causeOf(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return context.Canceled // it was broken off
}

// fetch collects descriptions of sockets.
type fetch struct {
	changed chan struct{} // has room for one

	mu    sync.Mutex
	roll  roll
	found []Info
}

func (q *fetch) change(f func()) {
	q.mu.Lock()
	f()
	q.mu.Unlock()
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

func (q *fetch) expectNames(names []string)   { q.change(func() { q.roll.namesLocked(names) }) }
func (q *fetch) expectCount(n int, err error) { q.change(func() { q.roll.countLocked(n, err) }) }
func (q *fetch) gone(node string)             { q.change(func() { q.roll.goneLocked(node) }) }
func (q *fetch) giveUp(err error)             { q.change(func() { q.roll.giveUpLocked(err) }) }

func (q *fetch) receive(m *Message) {
	if m.Type != MessageSockets {
		return
	}
	q.change(func() {
		if q.roll.reportLocked(m.From) {
			q.found = append(q.found, m.Sockets...)
		}
	})
}

// take returns what has come, whether that is all, and what is missing then.
func (q *fetch) take() (found []Info, complete bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	found, q.found = q.found, nil
	if complete = q.roll.completeLocked(); complete {
		err = q.roll.errLocked()
	}
	return found, complete, err
}

// serverAsk collects the answers of servers.
type serverAsk struct {
	to    Answers
	calls serial

	mu     sync.Mutex
	roll   roll
	closed bool // Asked was called
}

func (q *serverAsk) change(f func()) {
	q.mu.Lock()
	f()
	q.mu.Unlock()
	q.calls.run()
}

// announceLocked says who will answer.
func (q *serverAsk) announceLocked(names []string, err error) {
	n := q.roll.expected
	q.closed = true
	q.calls.add(func() {
		q.to.Expect(n, names)
		q.to.Asked(err)
	})
}

func (q *serverAsk) expectNames(names []string) {
	q.change(func() {
		q.roll.namesLocked(names)
		q.announceLocked(names, nil)
	})
}

func (q *serverAsk) expectCount(n int, err error) {
	q.change(func() {
		if q.closed {
			return // given up meanwhile
		}
		q.roll.countLocked(n, err)
		q.announceLocked(nil, q.roll.errLocked())
	})
}

func (q *serverAsk) receive(m *Message) {
	if m.Type != MessageServerAnswer {
		return
	}
	q.change(func() {
		// A server that was not expected has got the event too, but is not
		// counted.
		if q.roll.completeLocked() || q.roll.named && !slices.Contains(q.roll.missing, m.From) || !q.roll.reportLocked(m.From) {
			return
		}
		q.calls.add(func() { q.to.Answer(m.From, m.Answer, nil) })
	})
}

func (q *serverAsk) gone(node string) {
	q.change(func() {
		if slices.Contains(q.roll.missing, node) {
			q.roll.goneLocked(node)
			q.answerLocked(node, ErrNodeGone)
		}
	})
}

func (q *serverAsk) answerLocked(node string, err error) {
	if node != "" {
		err = &NodeError{node, err}
	}
	q.calls.add(func() { q.to.Answer(node, sioparser.Args{}, err) })
}

// giveUp answers for all that have not.
func (q *serverAsk) giveUp(err error) {
	q.change(func() {
		missing := q.roll.missing
		unnamed := 0
		if q.roll.known && !q.roll.named {
			unnamed = q.roll.expected - len(q.roll.reported) - q.roll.unnamed
		}
		q.roll.giveUpLocked(err)
		if !q.closed {
			q.announceLocked(nil, q.roll.errLocked())
		}
		for _, node := range missing {
			q.answerLocked(node, err)
		}
		for range unnamed {
			q.answerLocked("", err)
		}
	})
}

// stopped is the end of the wait. When it returns, Asked has been called.
func (q *serverAsk) stopped(ctx context.Context) {
	q.change(func() {
		q.roll.giveUpLocked(causeOf(ctx))
		if !q.closed {
			q.announceLocked(nil, q.roll.errLocked())
		}
	})
	q.calls.wait()
}

// serial makes calls one after the other, in the order they are added, on the
// goroutine of whoever finds none going on. No lock is held meanwhile.
type serial struct {
	mu   sync.Mutex
	list []func()
	busy bool
}

// add adds a call, which is made by the next run.
func (s *serial) add(f func()) {
	s.mu.Lock()
	s.list = append(s.list, f)
	s.mu.Unlock()
}

func (s *serial) do(f func()) {
	s.add(f)
	s.run()
}

func (s *serial) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return
	}
	s.busy = true
	for len(s.list) > 0 {
		list := s.list
		s.list = nil
		s.mu.Unlock()
		for _, f := range list {
			f()
		}
		s.mu.Lock()
	}
	s.busy = false
}

// wait waits until the calls that have been added have been made. It must not
// be called by one of them.
func (s *serial) wait() {
	done := make(chan struct{})
	s.do(func() { close(done) })
	<-done
}

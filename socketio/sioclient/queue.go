package sioclient

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/siogo/sio/socketio/event"
)

// A keptQueue is what Options.Offline keeps, oldest first. The mutex of the
// manager guards it.
type keptQueue struct {
	list    []*outgoing
	bytes   int
	waiting bool // for room in the queue of the connection
}

func (q *keptQueue) push(o *outgoing) {
	q.list = append(q.list, o)
	q.bytes += o.size
}

func (q *keptQueue) pop() *outgoing {
	o := q.list[0]
	q.list[0] = nil
	q.list = q.list[1:]
	q.bytes -= o.size
	return o
}

func (q *keptQueue) remove(o *outgoing) bool {
	i := slices.Index(q.list, o)
	if i < 0 {
		return false
	}
	q.list = slices.Delete(q.list, i, i+1)
	q.bytes -= o.size
	return true
}

// keepLocked keeps an event until there is a connection.
func (s *Socket) keepLocked(o *outgoing) error {
	l := &s.cfg.offline
	s.expireLocked()
	fits := func() bool {
		return len(s.kept.list) < l.MaxPackets && (s.kept.bytes+o.size <= l.MaxBytes || len(s.kept.list) == 0)
	}
	for l.DropOldest && !fits() {
		s.failLocked(s.kept.pop(), errReplaced)
	}
	if !fits() {
		return ErrQueueFull
	}
	s.kept.push(o)
	return nil
}

// expireLocked drops what was kept for too long.
func (s *Socket) expireLocked() {
	age := s.cfg.offline.MaxAge
	if age < 0 {
		return
	}
	now := time.Now()
	for len(s.kept.list) > 0 && now.Sub(s.kept.list[0].at) > age {
		s.failLocked(s.kept.pop(), errExpired)
	}
}

// failLocked tells that an event that was accepted is not delivered.
func (s *Socket) failLocked(o *outgoing, why error) {
	s.movedLocked() // it has left its queue
	if o.call != nil {
		o.call.settle(event.Args{}, why)
		return
	}
	err := &UndeliveredError{Event: o.name, ID: o.label, Tries: o.tries, After: time.Since(o.at), Err: why}
	s.notify(func() { s.report(s.ctx, o.name, err) })
}

// drainLocked sends what was kept, as far as the connection takes it.
func (s *Socket) drainLocked() {
	s.expireLocked()
	for s.phase == connected && len(s.kept.list) > 0 {
		o := s.kept.list[0]
		err := s.sendLocked(o)
		switch {
		case errors.Is(err, ErrQueueFull):
			if !s.kept.waiting {
				s.kept.waiting = true
				s.awaitRoomLocked(func() { s.kept.waiting = false; s.drainLocked() })
			}
			return
		case errors.Is(err, ErrDisconnected):
			return // to be sent over the next connection
		}
		s.kept.pop()
		if err != nil {
			s.failLocked(o, err)
		}
		s.movedLocked()
	}
}

// awaitRoomLocked calls then, with the lock held, when the queue of the
// connection has room or the connection has ended.
func (s *Socket) awaitRoomLocked(then func()) {
	l := s.link
	// Ends with the connection or the socket; Close waits for it.
	s.running.Go(func() {
		_ = l.conn.Wait(s.ctx) // if it fails, then finds out
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		then()
	})
}

// A retryQueue is what Options.Retry sends until it is acknowledged: the first
// element is under way, the others wait. The mutex of the manager guards it.
type retryQueue struct {
	list    []*outgoing
	sending bool // list[0] was sent over the connection there is
	waiting bool // for room in the queue of the connection
	timer   *time.Timer

	once   sync.Once
	prefix string // of labels; immutable once set
}

// label returns an id that no other event of any client has.
func (q *retryQueue) label(id uint64) string {
	q.once.Do(func() {
		// It has to be unique, not secret; crypto/rand is large in a browser.
		q.prefix = strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36)
	})
	return q.prefix + "-" + strconv.FormatUint(id, 10)
}

// queueLocked adds an event to those that are sent until they are acknowledged.
func (s *Socket) queueLocked(o *outgoing) error {
	if len(s.retry.list) >= s.cfg.retry.MaxPackets {
		return ErrQueueFull
	}
	s.retry.list = append(s.retry.list, o)
	s.pumpLocked()
	return nil
}

// pumpLocked sends the first event of the queue, unless it is under way.
func (s *Socket) pumpLocked() {
	q := &s.retry
	for s.phase == connected && !q.sending && !q.waiting && len(q.list) > 0 {
		o := q.list[0]
		err := s.sendLocked(o)
		switch {
		case err == nil:
			q.sending = true
			tries := o.tries
			q.timer = time.AfterFunc(s.cfg.retry.Timeout, func() { s.retryTimedOut(o, tries) })
		case errors.Is(err, ErrQueueFull):
			q.waiting = true
			s.awaitRoomLocked(func() { q.waiting = false; s.pumpLocked() })
		case errors.Is(err, ErrDisconnected):
			return // to be sent over the next connection
		default: // it can never be sent
			q.list = q.list[1:]
			s.failLocked(o, err)
		}
	}
}

// retryTimedOut is called when a try was not acknowledged in time.
func (s *Socket) retryTimedOut(o *outgoing, tries int) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	q := &s.retry
	if !q.sending || q.list[0] != o || o.tries != tries {
		return
	}
	q.sending = false
	s.giveUpLocked(ErrAckTimeout)
	s.pumpLocked()
}

// giveUpLocked takes the first event out if it was sent as often as allowed.
func (s *Socket) giveUpLocked(why error) {
	q := &s.retry
	o := q.list[0]
	if s.cfg.retry.Max < 0 || o.tries <= s.cfg.retry.Max {
		return
	}
	delete(s.acks, o.id)
	q.list = q.list[1:]
	s.failLocked(o, why)
	s.movedLocked()
}

// interruptLocked is called when the connection is lost: the event that is under
// way is sent again over the next.
func (s *Socket) interruptLocked() {
	q := &s.retry
	if !q.sending {
		return
	}
	q.sending = false
	q.timer.Stop()
	s.giveUpLocked(s.whyLocked())
}

// dequeueLocked takes an event out of the queue and reports whether it was
// there.
func (s *Socket) dequeueLocked(o *outgoing) bool {
	q := &s.retry
	i := slices.Index(q.list, o)
	if i < 0 {
		return false
	}
	q.list = slices.Delete(q.list, i, i+1)
	if i == 0 && q.sending {
		q.sending = false
		q.timer.Stop()
		s.pumpLocked()
	}
	return true
}

// loseLocked empties the queues of a socket that is closed, and returns how many
// events are lost with them. Those who wait are told.
func (s *Socket) loseLocked() (lost int) {
	for _, list := range [][]*outgoing{s.kept.list, s.retry.list} {
		for _, o := range list {
			if o.call != nil {
				o.call.settle(event.Args{}, ErrClosed)
			} else {
				lost++
			}
		}
	}
	if s.retry.timer != nil {
		s.retry.timer.Stop()
	}
	s.kept.list, s.kept.bytes = nil, 0
	s.retry.list, s.retry.sending = nil, false
	return lost
}

package redisadapter

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// topic is something to subscribe to.
type topic struct {
	kind topicKind
	name string
}

type topicKind uint8

const (
	channelTopic topicKind = iota // SUBSCRIBE
	patternTopic                  // PSUBSCRIBE
	shardTopic                    // SSUBSCRIBE
)

// A consumer gets what comes on its topics. Its methods do not wait.
type consumer interface {
	message(t topic, channel, payload string)
	// disconnected says that nothing comes any more, and why.
	disconnected(err error)
	// connected says that all its topics are subscribed to. err is what was
	// given to disconnected before, if it was called.
	connected(err error)
}

// subscriber keeps subscriptions on one connection, which it makes again
// whenever it is lost.
//
// Goroutines: one while there are topics. It is started by the first, and ends
// with the last, or when the client of Redis is closed; remove waits for it.
type subscriber struct {
	conn  Conn          // immutable
	retry time.Duration // immutable; the longest interval

	mu      sync.Mutex
	topics  map[topic]consumer
	changed map[topic]struct{} // since the goroutine looked
	busy    bool               // it is making the changes that it has seen
	states  map[consumer]*consumerState
	wake    chan struct{} // has room for one: something has changed
	cancel  context.CancelFunc
	done    chan struct{} // closed when the goroutine has ended
}

type consumerState struct {
	topics    int
	connected bool
	lost      error          // what disconnected was last called with; nil: connected since
	calls     sync.WaitGroup // of its methods; it grows only while the state is among subscriber.states
}

func newSubscriber(conn Conn, retry time.Duration) *subscriber {
	return &subscriber{
		conn:    conn,
		retry:   retry,
		topics:  make(map[topic]consumer),
		changed: make(map[topic]struct{}),
		states:  make(map[consumer]*consumerState),
		wake:    make(chan struct{}, 1),
	}
}

// add subscribes c to topics that nobody else has.
func (s *subscriber) add(c consumer, topics ...topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.states[c]
	if state == nil {
		state = &consumerState{}
		s.states[c] = state
	}
	for _, t := range topics {
		if _, ok := s.topics[t]; ok {
			continue
		}
		s.topics[t] = c
		s.changed[t] = struct{}{}
		state.topics++
	}
	s.touchLocked()
	if s.cancel == nil && len(s.topics) > 0 {
		ctx, cancel := context.WithCancel(context.Background())
		s.cancel, s.done = cancel, make(chan struct{})
		go s.run(ctx, s.done) // ends when remove has taken the last topic; it waits
	}
}

// remove ends subscriptions of c. When c has none left, it is not called any
// more once remove has returned.
func (s *subscriber) remove(c consumer, topics ...topic) {
	s.mu.Lock()
	state := s.states[c]
	for _, t := range topics {
		if s.topics[t] == c {
			delete(s.topics, t)
			s.changed[t] = struct{}{}
			state.topics--
		}
	}
	if state != nil && state.topics == 0 {
		delete(s.states, c)
	}
	s.touchLocked()
	gone := state != nil && state.topics == 0
	var done chan struct{}
	if len(s.topics) == 0 && s.cancel != nil {
		s.cancel()
		done, s.cancel = s.done, nil
	}
	s.mu.Unlock()
	if gone {
		state.calls.Wait()
	}
	if done != nil {
		<-done
	}
}

// removeAll is remove of all topics of c.
func (s *subscriber) removeAll(c consumer) {
	var topics []topic
	s.mu.Lock()
	for t, of := range s.topics {
		if of == c {
			topics = append(topics, t)
		}
	}
	s.mu.Unlock()
	s.remove(c, topics...)
}

func (s *subscriber) touchLocked() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscriber) run(ctx context.Context, done chan struct{}) {
	defer close(done)
	wait := backoff{max: s.retry}
	for {
		err := s.session(ctx, &wait)
		if ctx.Err() != nil {
			return
		}
		s.tellDisconnected(err)
		if errors.Is(err, rueidis.ErrClosing) && s.isClosed(ctx) {
			return
		}
		if !wait.sleep(ctx) {
			return
		}
	}
}

// isClosed reports whether the client of Redis was closed, after which it will
// never connect again.
func (s *subscriber) isClosed(ctx context.Context) bool {
	return errors.Is(s.conn.Do(ctx, s.conn.B().Arbitrary("PING").Build()).Error(), rueidis.ErrClosing)
}

// tellDisconnected tells all consumers, once for each time.
func (s *subscriber) tellDisconnected(err error) {
	s.tell(func(c consumer, state *consumerState) func() {
		first := state.connected || state.lost == nil
		state.connected, state.lost = false, err
		if !first {
			return nil
		}
		return func() { c.disconnected(err) }
	})
}

// tellConnected tells those consumers that are not known to be connected.
func (s *subscriber) tellConnected() {
	s.tell(func(c consumer, state *consumerState) func() {
		if state.connected {
			return nil
		}
		err := state.lost
		state.connected, state.lost = true, nil
		return func() { c.connected(err) }
	})
}

// tell makes the calls that choose returns. The lock is held for choose, and
// not for them.
func (s *subscriber) tell(choose func(consumer, *consumerState) func()) {
	var calls []func()
	s.mu.Lock()
	for c, state := range s.states {
		if call := choose(c, state); call != nil {
			state.calls.Add(1)
			calls = append(calls, func() {
				defer state.calls.Done()
				call()
			})
		}
	}
	s.mu.Unlock()
	for _, call := range calls {
		call()
	}
}

// session is the life of one connection. It returns why it has ended.
func (s *subscriber) session(ctx context.Context, wait *backoff) error {
	// Taking a connection cannot be broken off, asking for an answer can. The
	// command is built by Arbitrary, so that it is tried once: the client repeats
	// those that it knows to read only, at intervals of up to a second.
	if err := s.conn.Do(ctx, s.conn.B().Arbitrary("PING").Build()).Error(); err != nil {
		return err
	}
	d, release := s.conn.Dedicate()
	defer release()
	var l listener
	defer s.end(&l) // nothing comes of this connection when the next one begins
	defer d.Close()
	broken := d.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) { s.receive(&l, m) }})

	s.mu.Lock()
	clear(s.changed)
	for t := range s.topics {
		s.changed[t] = struct{}{}
	}
	s.touchLocked()
	s.mu.Unlock()

	have := make(map[topic]struct{})
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-broken:
			if err == nil {
				err = errors.New("redisadapter: the connection for subscriptions was closed")
			}
			return err
		case <-s.wake:
		}
		if err := s.apply(ctx, d, have); err != nil {
			return err
		}
		wait.reset()
	}
}

// maxBatch bounds the subscriptions that are made at once.
const maxBatch = 512

// apply makes have what is wanted, and tells those who have all they want.
func (s *subscriber) apply(ctx context.Context, d rueidis.DedicatedClient, have map[topic]struct{}) error {
	for {
		var commands rueidis.Commands
		var topics []topic
		s.mu.Lock()
		for t := range s.changed {
			if len(topics) == maxBatch {
				break
			}
			delete(s.changed, t)
			_, wanted := s.topics[t]
			if _, had := have[t]; wanted == had {
				continue
			}
			topics = append(topics, t)
			commands = append(commands, subscribe(d, t, wanted))
		}
		more := len(s.changed) > 0
		s.busy = true
		s.mu.Unlock()
		for i, r := range d.DoMulti(ctx, commands...) {
			if err := r.Error(); err != nil {
				return err
			}
			if _, had := have[topics[i]]; had {
				delete(have, topics[i])
			} else {
				have[topics[i]] = struct{}{}
			}
		}
		if !more {
			break
		}
	}

	s.mu.Lock()
	s.busy = false
	s.mu.Unlock()
	s.tellConnected()
	return nil
}

func subscribe(d rueidis.DedicatedClient, t topic, wanted bool) rueidis.Completed {
	b := d.B()
	switch {
	case t.kind == channelTopic && wanted:
		return b.Subscribe().Channel(t.name).Build()
	case t.kind == channelTopic:
		return b.Unsubscribe().Channel(t.name).Build()
	case t.kind == patternTopic && wanted:
		return b.Psubscribe().Pattern(t.name).Build()
	case t.kind == patternTopic:
		return b.Punsubscribe().Pattern(t.name).Build()
	case wanted:
		return b.Ssubscribe().Channel(t.name).Build()
	}
	return b.Sunsubscribe().Channel(t.name).Build()
}

// listener is a connection that messages come on. subscriber.mu guards over.
type listener struct {
	over  bool
	calls sync.WaitGroup // of receive; it grows only until over
}

func (s *subscriber) end(l *listener) {
	s.mu.Lock()
	l.over = true
	s.mu.Unlock()
	l.calls.Wait()
}

// receive is called by the connection, for one message after the other.
func (s *subscriber) receive(l *listener, m rueidis.PubSubMessage) {
	t := topic{channelTopic, m.Channel}
	if m.Pattern != "" {
		t = topic{patternTopic, m.Pattern}
	}
	s.mu.Lock()
	c := s.topics[t]
	if c == nil && m.Pattern == "" {
		t.kind = shardTopic
		c = s.topics[t]
	}
	if c == nil || l.over {
		s.mu.Unlock()
		return
	}
	state := s.states[c]
	state.calls.Add(1)
	l.calls.Add(1)
	s.mu.Unlock()
	defer l.calls.Done()
	defer state.calls.Done()
	c.message(t, m.Channel, m.Message)
}

// backoff is a wait that grows from 10 ms to a longest one, with jitter.
type backoff struct {
	max  time.Duration
	next time.Duration
}

func (b *backoff) reset() { b.next = 0 }

// sleep waits, and reports false when ctx has ended.
func (b *backoff) sleep(ctx context.Context) bool {
	b.next = min(max(2*b.next, 10*time.Millisecond), b.max)
	d := b.next/2 + rand.N(b.next/2+1)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

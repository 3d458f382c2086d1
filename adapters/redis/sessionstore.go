package redisadapter

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// sessionStore keeps the sessions of clients whose connection was lost, in Redis.
// Nobody waits for them to get there: meanwhile they are kept here.
//
// Goroutines: one while there are sessions on their way.
type sessionStore struct {
	conn    Conn
	options *StreamsOptions
	running sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc

	mu      sync.Mutex
	closed  bool
	pending map[string]*pendingSession // by pid
	order   []string                   // of pending, those that have to be written
	writing bool                       // the goroutine runs
	values  map[string]keptValue       // of sessions that left from here, by pid
	waiting map[string]chan struct{}   // for another node to give a session up
}

type pendingSession struct {
	record  *record
	data    any
	expires time.Time
	inRedis chan struct{} // closed when it is, or never will be
}

// keptValue is the data of a session as it was given, for the node that it was
// given to.
type keptValue struct {
	data    any
	tag     string // of the record that it is from
	expires time.Time
}

func newSessionStore(conn Conn, o *StreamsOptions) *sessionStore {
	s := &sessionStore{
		conn:    conn,
		options: o,
		pending: make(map[string]*pendingSession),
		values:  make(map[string]keptValue),
		waiting: make(map[string]chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// put keeps a session, here and soon in Redis.
func (s *sessionStore) put(r *record, data any) {
	expires := time.Now().Add(s.options.Recovery.MaxDisconnection)
	b, err := json.Marshal(data)
	if err != nil || b[0] != '{' {
		b = []byte("{}")
	}
	r.Data, r.Tag = b, rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.pending) >= s.options.Recovery.MaxSessions {
		return
	}
	s.pending[r.PID] = &pendingSession{record: r, data: data, expires: expires, inRedis: make(chan struct{})}
	s.order = append(s.order, r.PID)
	s.keepValueLocked(r.PID, keptValue{data, r.Tag, expires})
	if !s.writing {
		s.writing = true
		// Started by who finds nothing on its way; ends when there is nothing.
		// close waits for it.
		s.running.Go(s.write)
	}
}

// keepValueLocked forgets some that are too old on the way.
func (s *sessionStore) keepValueLocked(pid string, v keptValue) {
	now, n := time.Now(), 0
	for old, k := range s.values {
		if n++; n > 8 {
			break
		}
		if now.After(k.expires) || len(s.values) >= s.options.Recovery.MaxSessions {
			delete(s.values, old)
		}
	}
	s.values[pid] = v
}

// maxWrites bounds the sessions that are written at once.
const maxWrites = 256

func (s *sessionStore) write() {
	wait := backoff{max: s.options.MaxRetryInterval}
	for {
		var batch []*pendingSession
		var commands rueidis.Commands
		s.mu.Lock()
		for len(s.order) > 0 && len(batch) < maxWrites {
			p := s.pending[s.order[0]]
			s.order = s.order[1:]
			left := time.Until(p.expires)
			text, err := p.record.encode()
			if left <= 0 || err != nil {
				delete(s.pending, p.record.PID)
				close(p.inRedis)
				continue
			}
			batch = append(batch, p)
			commands = append(commands, s.conn.B().Set().Key(s.options.SessionKey+p.record.PID).Value(text).Px(left).Build())
		}
		if len(batch) == 0 {
			s.writing, s.order = false, nil
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		failed := false
		for i, r := range s.conn.DoMulti(s.ctx, commands...) {
			p := batch[i]
			s.mu.Lock()
			if r.Error() != nil && s.ctx.Err() == nil {
				failed = true
				s.order = append(s.order, p.record.PID)
			} else {
				delete(s.pending, p.record.PID)
				close(p.inRedis)
			}
			s.mu.Unlock()
		}
		if failed {
			wait.sleep(s.ctx)
		}
	}
}

// has reports whether a session has left from here: it is in Redis, or on its
// way there.
func (s *sessionStore) has(pid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, here := s.values[pid]
	return here || s.pending[pid] != nil
}

// flushed waits until a session is not on its way any more.
func (s *sessionStore) flushed(ctx context.Context, pid string) bool {
	s.mu.Lock()
	p := s.pending[pid]
	s.mu.Unlock()
	if p == nil {
		return true
	}
	select {
	case <-p.inRedis:
		return true
	case <-ctx.Done():
		return false
	}
}

// take returns a session, and consumes it: nobody else gets it.
func (s *sessionStore) take(ctx context.Context, pid string) (*record, any, error) {
	if !s.flushed(ctx, pid) {
		return nil, nil, context.Cause(ctx)
	}
	// GETDEL is of Redis 6.2, and a transaction is awkward in Redis Cluster.
	const getAndDelete = `local v = redis.call("GET", KEYS[1]); redis.call("DEL", KEYS[1]); return v`
	text, err := s.conn.Do(ctx, s.conn.B().Eval().Script(getAndDelete).Numkeys(1).Key(s.options.SessionKey+pid).Build()).ToString()
	if rueidis.IsRedisNil(err) {
		return nil, nil, notRecoverable("there is no such session")
	}
	if err != nil {
		return nil, nil, err
	}
	r, err := decodeRecord(text)
	if err != nil {
		return nil, nil, notRecoverable(err.Error())
	}
	r.PID = pid
	s.mu.Lock()
	v, here := s.values[pid]
	delete(s.values, pid)
	s.mu.Unlock()
	if here && r.Tag == v.tag {
		return r, v.data, nil
	}
	return r, r.Data, nil
}

// await returns a channel that released sends on, or nil if somebody waits for
// this session already.
func (s *sessionStore) await(pid string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[pid] != nil || s.closed {
		return nil
	}
	s.waiting[pid] = make(chan struct{}, 1)
	return s.waiting[pid]
}

func (s *sessionStore) awaitNoMore(pid string) {
	s.mu.Lock()
	delete(s.waiting, pid)
	s.mu.Unlock()
}

func (s *sessionStore) released(pid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.waiting[pid] <- struct{}{}: // never if nobody waits: then it is nil
	default:
	}
}

// close waits until all sessions are in Redis, for some time at most.
func (s *sessionStore) close(patience time.Duration) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	t := time.AfterFunc(patience, s.cancel)
	s.running.Wait()
	t.Stop()
	s.cancel()
}

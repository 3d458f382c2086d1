package sioclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio/internal/mailbox"
)

// A manager keeps one connection for its sockets, as long as any of them wants
// one.
//
// Goroutines: the loop makes the attempts and waits for the end of each
// connection; it exists while a socket wants to be connected. Others wait until
// nothing of a connection that has ended runs. running counts them, and whoever
// closes the last socket waits for them. All others belong to a socket, which
// counts them.
//
// mu guards the block under it and that of all its sockets. While it is held,
// nothing is called but methods that touch memory only: of the mailboxes, and
// Send, Pause, Resume and Abort of the connection.
// Lock order: manager.mu, then those inside eioclient.Conn and mailbox.Mailbox.
type manager struct {
	cfg     *config // immutable
	ctx     context.Context
	cancel  context.CancelFunc // when the last socket was closed
	running mailbox.Group

	mu         sync.Mutex
	sockets    map[string]*Socket // by namespace; those that are closed are gone
	looping    bool
	dialing    context.CancelFunc // ends the attempt under way; nil between them
	link       *link              // nil without a connection
	wake       chan struct{}      // has room for one: the loop looks whether it is wanted
	full       int                // mailboxes that are full
	closeError error              // of the connection's orderly end
}

func newManager(cfg *config) *manager {
	m := &manager{cfg: cfg, sockets: make(map[string]*Socket), wake: make(chan struct{}, 1)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// wantedLocked reports whether a socket wants a connection.
func (m *manager) wantedLocked() bool {
	for _, s := range m.sockets {
		if s.phase.wants() {
			return true
		}
	}
	return false
}

// startLocked makes sure that the loop runs and looks around.
func (m *manager) startLocked() {
	if m.looping {
		m.pokeLocked()
		return
	}
	m.looping = true
	// Started by the first socket that wants a connection; ends when none does;
	// Close waits for it.
	m.running.Go(m.loop)
}

// pokeLocked makes the loop look whether it is still wanted.
func (m *manager) pokeLocked() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
	if m.dialing != nil && !m.wantedLocked() {
		m.dialing()
	}
}

// loop makes attempts until no socket wants a connection.
func (m *manager) loop() {
	failures := 0
	for {
		m.mu.Lock()
		if !m.wantedLocked() {
			m.looping = false
			m.mu.Unlock()
			return
		}
		for _, s := range m.sockets {
			s.attemptLocked()
		}
		ctx, cancel := context.WithCancel(m.ctx)
		m.dialing = cancel
		m.mu.Unlock()

		l, err := m.dial(ctx)
		unwanted := ctx.Err() != nil
		if l != nil {
			unwanted = m.attend(l)
			err = &DisconnectError{Reason: Reason(l.err.Reason), Err: l.err}
			// Ends when nothing of the connection runs any more, its farewell to
			// the server included, within a second or so; Close waits for it.
			m.running.Go(func() { _ = l.conn.Close() }) // it has ended: this only waits
		}
		cancel()

		m.mu.Lock()
		m.dialing, m.link = nil, nil
		if unwanted { // if anybody wants one by now, it is a new beginning
			failures = 0
			m.mu.Unlock()
			continue
		}
		if l != nil && l.joined {
			failures = 0
		}
		failures++
		var delay time.Duration
		if !m.cfg.Backoff.exhausted(failures) {
			delay = m.cfg.Backoff.delay(failures)
		}
		for _, s := range m.sockets {
			s.lostLocked(err, delay)
		}
		m.mu.Unlock()
		m.sleep(delay)
	}
}

// sleep waits between two attempts, as long as another one is wanted.
func (m *manager) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		m.mu.Lock()
		wanted := m.wantedLocked()
		m.mu.Unlock()
		if !wanted {
			return
		}
		select {
		case <-t.C:
			return
		case <-m.wake:
		}
	}
}

// dial makes one attempt. A link that it returns has been opened, and may have
// ended.
func (m *manager) dial(ctx context.Context) (*link, error) {
	origin, query := m.cfg.origin, m.cfg.query
	if m.cfg.Endpoint != nil {
		var raw string
		var err error
		if p := callback(func() { raw, err = m.cfg.Endpoint(ctx) }); p != nil {
			err = p
		}
		if err != nil {
			return nil, fmt.Errorf("sioclient: Options.Endpoint: %w", err)
		}
		u, err := parseURL(raw)
		if err != nil {
			return nil, err
		}
		c := *m.cfg
		c.setTarget(u)
		origin, query = c.origin, c.query
	}
	extra, err := m.handshakeAuth(ctx)
	if err != nil {
		return nil, err
	}
	var l *link
	o := m.cfg.dialOptions(query, extra)
	o.Open = func(c *eioclient.Conn) eioclient.Handler {
		l = newLink(m, c)
		m.opened(l)
		return l
	}
	_, err = eioclient.Dial(ctx, origin, o)
	switch {
	case l != nil:
		return l, nil
	case errors.Is(err, eioclient.ErrRevision):
		err = fmt.Errorf("sioclient: the server is of the generation 2.x, see Options.V2: %w", err)
	}
	return nil, err
}

// handshakeAuth returns what the auth object of "/" adds to the query of the
// handshake: a server of the generation 2.x gets it nowhere else.
func (m *manager) handshakeAuth(ctx context.Context) (url.Values, error) {
	m.mu.Lock()
	s := m.sockets["/"]
	wants := s != nil && s.phase.wants()
	m.mu.Unlock()
	if !m.cfg.V2 || !wants || s.cfg.auth == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.JoinTimeout)
	defer cancel()
	auth, err := s.askAuth(ctx)
	if err != nil {
		return nil, err
	}
	return authQuery(auth)
}

// authQuery turns an auth object into parameters.
func authQuery(auth any) (url.Values, error) {
	if auth == nil {
		return nil, nil
	}
	text, err := json.Marshal(auth)
	if err != nil {
		return nil, fmt.Errorf("sioclient: Options.Auth: %w", err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, errors.New("sioclient: Options.Auth must return what encodes as a JSON object")
	}
	q := make(url.Values)
	for k, v := range members {
		switch v := v.(type) {
		case string:
			q.Set(k, v)
		case nil:
		default:
			raw, err := json.Marshal(v)
			if err != nil {
				return nil, fmt.Errorf("sioclient: Options.Auth: %w", err)
			}
			q.Set(k, string(raw))
		}
	}
	return q, nil
}

// opened is called inside the handshake of a connection: what it sends goes
// first.
func (m *manager) opened(l *link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.link = l
	if m.full > 0 {
		l.conn.Pause()
	}
	m.dialing = nil
	for _, s := range m.sockets {
		if s.phase == waiting {
			s.joinLocked(l)
		}
	}
}

// attend waits for the end of a connection, and brings it about when no socket
// wants it any more, which it then reports.
func (m *manager) attend(l *link) (unwanted bool) {
	for {
		m.mu.Lock()
		unwanted = !m.wantedLocked()
		if unwanted {
			m.link = nil // who wants one from now on waits for another
		}
		m.mu.Unlock()
		if unwanted {
			err := l.conn.Close()
			<-l.closed
			m.mu.Lock()
			m.closeError = err
			m.mu.Unlock()
			return true
		}
		select {
		case <-l.closed:
			return false
		case <-m.wake:
		}
	}
}

// Room is called by a mailbox that was full and has room again.
func (m *manager) Room() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full--
	if m.full == 0 && m.link != nil {
		m.link.conn.Resume()
	}
}

// putLocked gives an event to the mailbox of its socket. When that is full, the
// connection is read no further.
func (s *Socket) putLocked(e *Event) {
	if r := s.box.Put(&e.turn, task{e}, mailbox.Block); r.Full {
		s.m.full++
		if s.m.link != nil {
			s.m.link.conn.Pause()
		}
	}
}

// putOutgoing gives an event that was emitted to the handlers for that, unless
// too many wait already.
func (s *Socket) putOutgoing(e *Event) bool {
	return s.box.Put(&e.turn, task{e}, mailbox.DropNewest).Dropped == nil
}

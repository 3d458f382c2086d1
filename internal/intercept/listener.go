// Package intercept answers WebSocket handshakes on the way from a listener to
// an HTTP server, without that server.
//
// An HTTP server has to expect anything on a connection: a body, another
// request, a client that goes away while it is answered. It keeps a goroutine
// that reads ahead, buffers, deadlines and contexts for that. A connection that
// begins with a WebSocket handshake needs none of it: there is one request, it
// has no body, and no other one follows, whether it is granted or refused.
//
// So a [Listener] looks at the first bytes of each connection. It takes those
// that begin with one complete, ordinary handshake (head.go says what that is),
// and has them answered by a handler (response.go). All others it hands on with
// those bytes (conn.go), and whoever serves them cannot tell that somebody
// looked. Nothing is taken by halves: what has doubts about a request leaves it
// to the HTTP server.
package intercept

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Config says which connections a [Listener] takes.
type Config struct {
	// Path is the path of the handshakes that are taken, with a slash at its
	// end, which a request may leave out. With Prefix, those below are taken too.
	Path   string
	Prefix bool

	// Handler answers what is taken. It need not be safe against panics.
	Handler http.Handler

	// Patience is how long a connection may take to send its first bytes before
	// it is handed on without them. Zero means 1s.
	Patience time.Duration
}

const defaultPatience = time.Second

// maxQueue is how many connections that were handed on may wait for Accept
// before no more are accepted. More wait in the queue of the operating system,
// as they do without us. Those that are being looked at are not counted.
const maxQueue = 64

// A Listener hands on the connections of another listener that are not answered
// here. All methods may be called from any goroutine.
type Listener struct {
	net.Listener // the other one
	cfg          Config
	bases        bases

	mu      sync.Mutex
	changed sync.Cond // there is something for Accept
	room    sync.Cond // there is room in the queue
	queue   []net.Conn
	failure error // of the other listener, for Accept; ends the loop
	looping bool
	closed  bool

	looks     lookList // those who have nothing yet, the oldest first
	sweeper   *time.Timer
	sweepLive bool
}

// Listen returns a listener in front of ln.
func Listen(ln net.Listener, cfg Config) *Listener {
	if cfg.Patience == 0 {
		cfg.Patience = defaultPatience
	}
	l := &Listener{Listener: ln, cfg: cfg}
	l.changed.L, l.room.L = &l.mu, &l.mu
	return l
}

// Accept returns the next connection that is not answered here. It returns the
// errors of the other listener; after one, nothing is accepted until it is
// called again, so that who waits after a temporary error is waited for.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.closed:
			return nil, l.closedError()
		case len(l.queue) > 0:
			nc := l.queue[0]
			l.queue[0] = nil
			l.queue = l.queue[1:]
			l.room.Signal()
			return nc, nil
		case l.failure != nil:
			err := l.failure
			l.failure = nil
			return nil, err
		case !l.looping:
			l.looping = true
			go l.loop() // ends with the first error, which Close causes
		}
		l.changed.Wait()
	}
}

func (l *Listener) closedError() error {
	return &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: net.ErrClosed}
}

// Close closes the other listener, the connections that wait for Accept, and
// those that have sent nothing yet. What is being answered is answered.
func (l *Listener) Close() error {
	l.mu.Lock()
	queue := l.queue
	l.queue, l.closed = nil, true
	for k := l.looks.first; k != nil; k = k.next {
		k.giveUpLocked()
	}
	if l.sweeper != nil {
		l.sweeper.Stop()
	}
	l.changed.Broadcast()
	l.room.Broadcast()
	l.mu.Unlock()
	for _, nc := range queue {
		nc.Close()
	}
	return l.Listener.Close()
}

// loop accepts until that fails.
func (l *Listener) loop() {
	for l.awaitRoom() {
		nc, err := l.Listener.Accept()
		if err != nil {
			l.mu.Lock()
			l.failure, l.looping = err, false
			l.changed.Broadcast()
			l.mu.Unlock()
			return
		}
		if tcp, ok := nc.(*net.TCPConn); ok {
			go l.serve(tcp) // ends when it is answered or handed on; the latter comes with Patience or Close at the latest
		} else {
			l.handOn(nc)
		}
	}
}

// awaitRoom reports false when the listener was closed meanwhile.
func (l *Listener) awaitRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) >= maxQueue && !l.closed {
		l.room.Wait()
	}
	if l.closed {
		l.looping = false
	}
	return !l.closed
}

// handOn gives a connection to Accept.
func (l *Listener) handOn(nc net.Conn) {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.queue = append(l.queue, nc)
		l.changed.Signal()
	}
	l.mu.Unlock()
	if closed {
		nc.Close()
	}
}

// serve answers a connection or hands it on.
func (l *Listener) serve(nc *net.TCPConn) {
	k := looks.Get().(*look)
	n := l.read(k, nc)
	var r http.Request
	size := l.request(&r, k.buf[:n])
	switch {
	case size > 0:
		var early []byte
		if size < n {
			early = append(early, k.buf[size:n]...)
		}
		k.release()
		l.answer(nc, &r, early)
	case n > 0:
		head := append([]byte(nil), k.buf[:n]...)
		k.release()
		l.handOn(&Conn{TCPConn: nc, head: head})
	default: // silent so far, or ended, which shows itself again
		k.release()
		l.handOn(nc)
	}
}

// A look is the wait for the first bytes of a connection.
type look struct {
	nc         *net.TCPConn
	since      time.Time
	late       bool // it was given up, by a deadline; guarded by Listener.mu, as is the list
	prev, next *look

	// buf takes the head of a handshake. One that does not fit in is the HTTP
	// server's.
	buf [4 << 10]byte
}

var looks = sync.Pool{New: func() any { return new(look) }}

func (k *look) release() {
	k.nc = nil
	looks.Put(k)
}

// read reads once. It returns 0 when nothing has come in time.
//
// A deadline for each connection would cost a timer each. Instead all that wait
// are in a list, and one timer goes through it.
func (l *Listener) read(k *look, nc *net.TCPConn) int {
	k.nc, k.since, k.late = nc, time.Now(), false
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return 0 // handOn closes it
	}
	l.looks.add(k)
	if !l.sweepLive {
		l.sweepLive = true
		l.armLocked(l.cfg.Patience)
	}
	l.mu.Unlock()

	n, _ := nc.Read(k.buf[:])

	l.mu.Lock()
	l.looks.remove(k)
	late := k.late
	l.mu.Unlock()
	if late {
		nc.SetReadDeadline(time.Time{})
	}
	return n
}

func (l *Listener) armLocked(d time.Duration) {
	if l.sweeper == nil {
		l.sweeper = time.AfterFunc(d, l.sweep)
	} else {
		l.sweeper.Reset(d)
	}
}

// sweep ends the waits that are over Patience, and comes back as long as there
// are others.
func (l *Listener) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	now := time.Now()
	for k := l.looks.first; k != nil; k = k.next {
		if k.late {
			continue // it has not noticed yet
		}
		if left := l.cfg.Patience - now.Sub(k.since); left > 0 {
			l.armLocked(left)
			return
		}
		k.giveUpLocked()
	}
	l.sweepLive = false
}

// giveUpLocked ends the wait. The deadline is set under the lock, so that it is in
// effect when the wait ends and takes it back; to set it waits for nothing.
func (k *look) giveUpLocked() {
	k.late = true
	k.nc.SetReadDeadline(time.Now())
}

// A lookList holds looks in the order in which they were added.
type lookList struct{ first, last *look }

func (s *lookList) add(k *look) {
	k.prev, k.next = s.last, nil
	if s.last != nil {
		s.last.next = k
	} else {
		s.first = k
	}
	s.last = k
}

func (s *lookList) remove(k *look) {
	if k.prev != nil {
		k.prev.next = k.next
	} else {
		s.first = k.next
	}
	if k.next != nil {
		k.next.prev = k.prev
	} else {
		s.last = k.prev
	}
	k.prev, k.next = nil, nil
}

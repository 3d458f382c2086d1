package memnet

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Faults is what happens to one line. The zero value passes everything on at
// once.
type Faults struct {
	// Delay is the longest time that what is written takes to arrive; each
	// piece takes a random part of it. Order is kept.
	Delay time.Duration

	// Slice is the most bytes that arrive at once; each piece is of a random
	// size up to it. Zero keeps together what was written together, up to 16 KiB.
	Slice int

	// CutAfter ends the line that long after it began. Zero never does.
	CutAfter time.Duration

	// CutBytes ends the line when that many bytes were written to it, in both
	// directions together. Zero never does.
	CutBytes int

	// Reset makes a cut an error on both sides, and takes with it what is on
	// the way. Without it both sides read what has arrived, and then the end.
	Reset bool

	// HoleAfter turns the line into a black hole that long after it began: it
	// looks alive, takes what fits into its buffer, and passes nothing on, not
	// even that a side has closed it. Zero never does.
	HoleAfter time.Duration

	// StallAfter holds the line up for StallFor, that long after it began: what
	// is written meanwhile arrives when that is over. A StallFor of zero never
	// does.
	StallAfter, StallFor time.Duration
}

// lineBuffer is how much one direction of a line holds, as the buffers of an
// operating system do.
const lineBuffer = 64 << 10

// A Line is a connection in memory that has a buffer, other than a pipe, and is
// subject to [Faults]. It starts no goroutine.
type Line struct {
	faults Faults
	up     direction // from who dialled
	down   direction

	mu     sync.Mutex // guards the block; its holder may lock one of the directions
	random *rand.Rand
	began  time.Time
	passed int
	timers []*time.Timer
	ended  bool
}

// DialLine is Dial for a line. What the faults leave to chance is drawn from
// random, which nobody else may use.
func (l *Listener) DialLine(ctx context.Context, f Faults, random *rand.Rand) (net.Conn, *Line, error) {
	line := &Line{faults: f, random: random, began: time.Now()}
	line.up.init()
	line.down.init()
	server := &lineEnd{line: line, in: &line.up, out: &line.down}
	client := &lineEnd{line: line, in: &line.down, out: &line.up}
	select {
	case l.incoming <- server:
	case <-l.done:
		return nil, nil, &net.OpError{Op: "dial", Net: "mem", Addr: addr{}, Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	line.mu.Lock()
	defer line.mu.Unlock()
	if f.CutAfter > 0 && !line.ended {
		line.timers = append(line.timers, time.AfterFunc(f.CutAfter, line.cut))
	}
	if f.HoleAfter > 0 && !line.ended {
		line.timers = append(line.timers, time.AfterFunc(f.HoleAfter, line.Swallow))
	}
	return client, line, nil
}

// Cut ends the line. With reset, both sides get an error at once.
func (l *Line) Cut(reset bool) {
	l.stopTimers()
	l.up.cut(reset)
	l.down.cut(reset)
}

func (l *Line) cut() {
	l.mu.Lock()
	reset := l.faults.Reset
	l.mu.Unlock()
	l.Cut(reset)
}

// Swallow makes the line a black hole: see Faults.HoleAfter.
func (l *Line) Swallow() {
	l.stopTimers()
	l.up.swallow()
	l.down.swallow()
}

// Heal ends the faults that lie ahead: what is written from now on arrives at
// once. What was cut or swallowed stays so.
func (l *Line) Heal() {
	l.stopTimers()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = Faults{}
}

func (l *Line) stopTimers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for _, t := range l.timers {
		t.Stop()
	}
}

// plan draws the fate of the next piece of b: how much of it there is, when it
// arrives, and whether the line ends with it.
func (l *Line) plan(b []byte) (n int, due time.Time, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, due = min(len(b), lineBuffer/4), time.Now()
	f := &l.faults
	if f.Slice > 0 {
		n = min(n, 1+l.random.IntN(f.Slice))
	}
	if f.CutBytes > 0 && l.passed+n >= f.CutBytes {
		n, last = max(f.CutBytes-l.passed, 0), true
	}
	l.passed += n
	if f.Delay > 0 {
		due = due.Add(time.Duration(l.random.Int64N(int64(f.Delay))))
	}
	if stall := l.began.Add(f.StallAfter); f.StallFor > 0 && !due.Before(stall) && due.Before(stall.Add(f.StallFor)) {
		due = stall.Add(f.StallFor)
	}
	return n, due, last
}

// A direction is one way of a line.
type direction struct {
	mu      sync.Mutex
	changed sync.Cond // of mu: something a Read or a Write waits for may be true
	pieces  []piece
	size    int       // of the pieces together
	due     time.Time // when the last piece arrives
	closed  bool      // by the writer: the end follows the pieces, at due
	unread  bool      // closed by the reader: writing fails
	hole    bool      // nothing arrives any more
	err     error     // of a reset; before anything else

	alarm       *time.Timer // wakes the reader when a piece is due
	readUntil   limit
	writeUntil  limit
	writerEnded bool // Close of the writing side: its own calls fail
	readerEnded bool
}

type piece struct {
	b   []byte
	due time.Time
}

func (d *direction) init() { d.changed.L = &d.mu }

// A limit is a deadline of one side.
type limit struct {
	at    time.Time
	timer *time.Timer
}

func (d *direction) setLimit(l *limit, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.at = at
	if wait := time.Until(at); !at.IsZero() && wait > 0 {
		l.timer = time.AfterFunc(wait, d.wake)
	}
	d.changed.Broadcast()
}

func (l *limit) passed() bool { return !l.at.IsZero() && !time.Now().Before(l.at) }

func (d *direction) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed.Broadcast()
}

func (d *direction) read(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.readerEnded:
			return 0, net.ErrClosed
		case d.readUntil.passed():
			return 0, os.ErrDeadlineExceeded
		case d.err != nil:
			return 0, d.err
		case len(b) == 0:
			return 0, nil
		}
		if !d.hole && len(d.pieces) > 0 {
			if wait := time.Until(d.pieces[0].due); wait > 0 {
				d.wakeAfter(wait)
			} else {
				return d.take(b), nil
			}
		} else if !d.hole && d.closed {
			if wait := time.Until(d.due); wait > 0 {
				d.wakeAfter(wait)
			} else {
				return 0, io.EOF
			}
		}
		d.changed.Wait()
	}
}

// take moves what has arrived into b.
func (d *direction) take(b []byte) (n int) {
	for n < len(b) && len(d.pieces) > 0 && time.Until(d.pieces[0].due) <= 0 {
		p := &d.pieces[0]
		m := copy(b[n:], p.b)
		n += m
		if p.b = p.b[m:]; len(p.b) == 0 {
			d.pieces = d.pieces[1:]
		}
	}
	d.size -= n
	d.changed.Broadcast()
	return n
}

func (d *direction) wakeAfter(wait time.Duration) {
	if d.alarm != nil {
		d.alarm.Stop()
	}
	d.alarm = time.AfterFunc(wait, d.wake)
}

// write puts one piece on its way, as soon as there is room.
func (d *direction) write(b []byte, due time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.writerEnded:
			return net.ErrClosed
		case d.writeUntil.passed():
			return os.ErrDeadlineExceeded
		case d.err != nil:
			return d.err
		case d.closed || d.unread && !d.hole:
			return syscall.EPIPE
		case d.size < lineBuffer:
			if due.Before(d.due) {
				due = d.due
			}
			d.pieces = append(d.pieces, piece{append([]byte(nil), b...), due})
			d.size += len(b)
			d.due = due
			d.changed.Broadcast()
			return nil
		}
		d.changed.Wait()
	}
}

func (d *direction) cut(reset bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case reset && d.err == nil:
		d.err, d.pieces = syscall.ECONNRESET, nil
	case !reset:
		for i, p := range d.pieces { // what has not arrived is lost
			if time.Until(p.due) > 0 {
				d.pieces = d.pieces[:i]
				break
			}
		}
		d.closed, d.due = true, time.Now()
	}
	d.changed.Broadcast()
}

func (d *direction) swallow() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hole = true
	d.changed.Broadcast()
}

// A lineEnd is one side of a line.
type lineEnd struct {
	line    *Line
	in, out *direction
}

func (c *lineEnd) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, failure("read", err)
}

func (c *lineEnd) Write(b []byte) (n int, err error) {
	for n < len(b) {
		size, due, last := c.line.plan(b[n:])
		if size > 0 {
			if err := c.out.write(b[n:n+size], due); err != nil {
				return n, failure("write", err)
			}
			n += size
		}
		if last {
			c.line.cut()
			if n < len(b) {
				return n, failure("write", syscall.EPIPE)
			}
		}
	}
	return n, nil
}

func (c *lineEnd) Close() error {
	c.out.mu.Lock()
	again := c.out.writerEnded
	c.out.writerEnded, c.out.closed = true, true
	if now := time.Now(); c.out.due.Before(now) {
		c.out.due = now
	}
	c.out.changed.Broadcast()
	c.out.mu.Unlock()

	c.in.mu.Lock()
	c.in.readerEnded, c.in.unread = true, true
	other := c.in.writerEnded
	c.in.changed.Broadcast()
	c.in.mu.Unlock()
	if other {
		c.line.stopTimers()
	}
	if again {
		return failure("close", net.ErrClosed)
	}
	return nil
}

func (c *lineEnd) SetDeadline(t time.Time) error {
	c.in.setLimit(&c.in.readUntil, t)
	c.out.setLimit(&c.out.writeUntil, t)
	return nil
}

func (c *lineEnd) SetReadDeadline(t time.Time) error {
	c.in.setLimit(&c.in.readUntil, t)
	return nil
}

func (c *lineEnd) SetWriteDeadline(t time.Time) error {
	c.out.setLimit(&c.out.writeUntil, t)
	return nil
}

func (c *lineEnd) LocalAddr() net.Addr  { return addr{} }
func (c *lineEnd) RemoteAddr() net.Addr { return addr{} }

// failure gives an error the form that those of the net package have.
func failure(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "mem", Addr: addr{}, Err: err}
}

package rawconn

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/siogo/sio/internal/handoff"
)

// A Poller waits for any number of descriptors with an epoll instance. A
// connection that it watches owns no goroutine and no net.Conn.
//
// It has workers, each a goroutine that handles events. While one keeps up, it
// is alone: what arrives while it is being woken is handled in one go, which
// costs less than to wake another for it. One that falls behind calls another.
//
// One worker at a time waits, for the epoll instance itself, which Go's own poller
// watches: so no thread is blocked.
type Poller struct {
	fd     int      // of the epoll instance
	file   *os.File // the same, as Go's poller knows it
	raw    syscall.RawConn
	closed chan struct{}

	workers []*worker // immutable
	living  sync.WaitGroup

	idle atomic.Int32 // the length of parked

	mu      sync.Mutex
	slots   []Watcher // by slot; nil: free
	gens    []uint32  // generation of each slot, so that late events find nobody
	free    []int32
	parked  []*worker // those with nothing to do
	waiting bool      // one waits for events, or is about to look
}

// A worker handles events of its poller. To do so is a role that changes its
// goroutine when a task takes too long; all fields but called belong to the
// goroutine that has it.
type worker struct {
	p      *Poller
	role   handoff.Role
	called chan struct{} // holds a token when there is more to do than others can

	busy   Watcher // whose task was the last thing the role was used for; nil: done with
	events [64]syscall.EpollEvent
	n      int                   // how many events there are
	ready  []syscall.EpollEvent  // those that nobody was told of yet
	turn   []Watcher             // to be called again now
	again  []Watcher             // to be called again after the next look
	look   func(fd uintptr) bool // tryPoll
	err    error                 // of look
	streak int                   // how much there was to do since there was one thing at most
}

// behind is after how many events in a streak a worker calls another.
const behind = 16

// A Watcher is told when its descriptor may have become readable or writable,
// or has ended. Its methods are called by the poller's workers, maybe by several
// at once: they must not wait. Edges are reported, not levels.
type Watcher interface {
	// Ready is to read and write what can be. It reports true to be called
	// again, as Readable, after others had their turn. The worker does the task,
	// if it is not nil, before anything else, in the manner of package handoff.
	Ready(r Readiness) (again bool, task handoff.Task)

	// Settle is called after a task that Ready returned has ended or has lost its
	// worker.
	Settle()
}

// Readiness is a set of what has changed about a descriptor.
type Readiness uint8

const (
	Readable Readiness = 1 << iota
	Writable
	Ended // by the peer, or broken; Readable and, if it is broken, Writable too
)

const (
	epollET    = 1 << 31
	watchFor   = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | epollET
	readableOn = syscall.EPOLLIN | endedOn
	writableOn = syscall.EPOLLOUT | syscall.EPOLLHUP | syscall.EPOLLERR
	endedOn    = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
)

func readiness(events uint32) (r Readiness) {
	if events&readableOn != 0 {
		r |= Readable
	}
	if events&writableOn != 0 {
		r |= Writable
	}
	if events&endedOn != 0 {
		r |= Ended
	}
	return r
}

// NewPoller starts a poller with so many workers. They end with Close.
func NewPoller(workers int) (*Poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // or os.File would not have it watched
		syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &Poller{fd: fd, file: os.NewFile(uintptr(fd), "epoll"), closed: make(chan struct{})}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, err
	}
	p.living.Add(workers)
	p.workers = make([]*worker, workers)
	for i := range p.workers {
		w := &worker{p: p, called: make(chan struct{}, 1)}
		w.look = w.tryPoll
		w.role.Init(w.run)
		p.workers[i] = w
	}
	for _, w := range p.workers {
		go w.run() // ends with Close, which waits for it, or hands its role off
	}
	return p, nil
}

// Close ends the poller. Nothing may be watched any more. It may be called by a
// task; tasks that go on are not waited for.
func (p *Poller) Close() {
	close(p.closed)
	p.file.SetReadDeadline(time.Now()) // wakes the worker that waits
	for _, w := range p.workers {
		w.role.HandOff()
	}
	p.living.Wait()
	p.file.Close()
}

// call wakes a worker that has nothing to do, if there is one.
func (p *Poller) call() {
	if p.idle.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.parked); n > 0 {
		p.parked[n-1].called <- struct{}{} // which has room for it
		p.parked = p.parked[:n-1]
		p.idle.Add(-1)
	}
}

// park waits until the worker is called, unless nobody else waits for events. It
// reports false when the poller is closed.
func (p *Poller) park(w *worker) bool {
	p.mu.Lock()
	if !p.waiting {
		p.mu.Unlock()
		return true
	}
	p.parked = append(p.parked, w)
	p.idle.Add(1)
	p.mu.Unlock()
	select {
	case <-w.called:
		return true
	case <-p.closed:
		return false
	}
}

// claimWait makes the caller the one that waits, if there is none, until it
// calls endWait.
func (p *Poller) claimWait() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting {
		return false
	}
	p.waiting = true
	return true
}

func (p *Poller) endWait() {
	p.mu.Lock()
	p.waiting = false
	p.mu.Unlock()
}

// run is the life of a goroutine with the role of a worker.
func (w *worker) run() {
	for {
		if w.busy != nil {
			w.busy.Settle()
			w.busy = nil
		}
		var c Watcher
		r := Readable
		switch {
		case len(w.ready) > 0:
			e := &w.ready[0]
			c, r = w.p.watcher(e.Fd, e.Pad), readiness(e.Events)
			w.ready = w.ready[1:]
		case len(w.turn) > 0:
			c = w.turn[0]
			w.turn = w.turn[1:]
		case !w.next():
			w.p.living.Done()
			return
		}
		if c == nil {
			continue
		}
		again, task := c.Ready(r)
		if again {
			w.again = append(w.again, c)
		}
		if task != nil {
			w.busy = c
			if !w.role.Do(task) {
				return
			}
		}
	}
}

// next gets the worker something to do: it waits for events if nobody else
// does, else until it is called. It reports false when the poller is closed.
func (w *worker) next() bool {
	for {
		var err error
		waits := w.p.claimWait()
		if waits {
			err = w.wait()
			w.p.endWait()
		} else {
			err = w.poll()
		}
		if err != nil {
			return false
		}
		if w.n > 0 || len(w.again) > 0 {
			break
		}
		if !waits && !w.p.park(w) {
			return false
		}
	}
	w.ready = w.events[:w.n]
	w.turn, w.again = w.again, nil
	switch n := len(w.ready) + len(w.turn); {
	case n == 1 && len(w.turn) == 0: // it keeps up
		w.streak = 0
	case w.streak+n < behind:
		w.streak += n
	default:
		w.streak = 0
		w.p.call()
	}
	return true
}

// wait waits for events, but not if somebody is to be called again. It fails
// when the poller is closed.
func (w *worker) wait() error {
	if len(w.again) > 0 {
		return w.poll()
	}
	if err := w.p.raw.Read(w.look); err != nil {
		return err
	}
	if w.role.Stir() {
		wakeMonitor()
	}
	return w.err
}

// wakeMonitor has Go's monitor look at what runs from now on. It sleeps when all
// goroutines wait, for a minute if no timer comes sooner, and only a system call
// that the scheduler hears of wakes it: without that, nobody would interrupt a
// handler that computes, and with one processor all else would wait for its end.
// The looks of the role keep it from such a sleep while there are events.
func wakeMonitor() { syscall.Syscall(syscall.SYS_GETPID, 0, 0, 0) }

// tryPoll looks for events, and reports false to wait for them.
func (w *worker) tryPoll(uintptr) bool {
	w.err = w.poll()
	return w.n > 0 || w.err != nil
}

// poll looks for events. It fails when the poller is closed.
func (w *worker) poll() error {
	n, err := lookBrief(w.p.fd, w.events[:])
	w.n = max(n, 0)
	if err != nil && err != syscall.EINTR {
		return os.NewSyscallError("epoll_wait", err)
	}
	select {
	case <-w.p.closed:
		return os.ErrClosed
	default:
		return nil
	}
}

func (p *Poller) watcher(slot, gen int32) Watcher {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gens[slot] != uint32(gen) {
		return nil
	}
	return p.slots[slot]
}

// watch begins to watch a connection. Its slot is set before its first event.
func (p *Poller) watch(c *Conn, w Watcher) error {
	p.mu.Lock()
	var slot int32
	if n := len(p.free); n > 0 {
		slot, p.free = p.free[n-1], p.free[:n-1]
		p.slots[slot] = w
	} else {
		slot = int32(len(p.slots))
		p.slots = append(p.slots, w)
		p.gens = append(p.gens, 0)
	}
	gen := p.gens[slot]
	c.slot = slot
	p.mu.Unlock()
	// The two halves of the event's data come back as they are.
	e := syscall.EpollEvent{Events: watchFor & 0xFFFFFFFF, Fd: slot, Pad: int32(gen)}
	if err := syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, int(c.fd), &e); err != nil {
		p.forget(slot)
		c.slot = -1
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

func (p *Poller) unwatch(fd int, slot int32) {
	syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_DEL, fd, nil)
	p.forget(slot)
}

func (p *Poller) forget(slot int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slots[slot] = nil
	p.gens[slot]++
	p.free = append(p.free, slot)
}

// Detach takes the descriptor out of a TCP or Unix connection, closes the
// connection's other parts, and returns it as a Conn to be watched by p. It
// returns nil, and leaves nc as it is, when that cannot be done.
func (p *Poller) Detach(nc net.Conn, early []byte) *Conn {
	var sc syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	fd := -1
	if err := raw.Control(func(old uintptr) {
		// The copy shares the file description, which is non-blocking already.
		r, _, e := syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		if e == 0 {
			fd = int(r)
		}
	}); err != nil || fd < 0 {
		return nil
	}
	nc.Close()
	c := &Conn{poller: p, fd: int32(fd), slot: -1}
	if len(early) > 0 {
		c.held = &held{early: early}
	}
	return c
}

// Watch begins to report to w. It is called once, by the owner.
func (c *Conn) Watch(w Watcher) error { return c.poller.watch(c, w) }

// TryRead fills a pooled buffer with what is there. It fails with EAGAIN when
// nothing is, and with io.EOF at the end. The result is to be given back by
// Release. drained means that this was all for now: what comes later, be it the
// end, is told as Readable.
func (c *Conn) TryRead() (p []byte, b *Buffer, drained bool, err error) {
	if p, b := c.takeEarly(); p != nil {
		return p, b, false, nil
	}
	b = buffers.Get().(*Buffer)
	n, err := readBrief(c.fd, b.mem[:])
	if n > 0 {
		return b.mem[:n], b, n < len(b.mem), nil
	}
	Release(b)
	if err == nil {
		err = errEOF
	}
	return nil, nil, false, err
}

// TryWriteOne is TryWrite of one buffer to a detached connection.
func (c *Conn) TryWriteOne(b []byte) (int, error) {
	n, err := writeBrief(c.fd, b)
	if err == syscall.EAGAIN {
		err = nil
	}
	return max(n, 0), err
}

func (a *attempt) writeDetached(fd int32) (int, error) {
	if b := a.joined(); b != nil {
		return writeBrief(fd, b)
	}
	return writevFD(uintptr(fd), a.bufs)
}

// closeFD lets a detached descriptor go.
func (c *Conn) closeFD() {
	if c.slot >= 0 {
		c.poller.unwatch(int(c.fd), c.slot)
	}
	syscall.Close(int(c.fd))
}

func (c *Conn) shutdownFD() { syscall.Shutdown(int(c.fd), syscall.SHUT_RDWR) }

package rawconn

import (
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/siogo/sio/internal/handoff"
)

// A Poller waits for any number of descriptors with one goroutine: an epoll
// instance that Go's own poller watches, so that no thread is blocked. A
// connection that it watches owns no goroutine and no net.Conn.
type Poller struct {
	epoll *os.File
	raw   syscall.RawConn
	fd    int
	done  chan struct{}

	mu    sync.Mutex
	slots []Watcher // by slot; nil: free
	gens  []uint32  // generation of each slot, so that late events find nobody
	free  []int32

	// Polling is a role that changes its goroutine when a task takes too long.
	// What follows belongs to the goroutine that has it.
	role   handoff.Role
	busy   Watcher // whose task was the last thing the role was used for; nil: done with
	events [256]syscall.EpollEvent
	ready  []syscall.EpollEvent // those of events that nobody was told of yet
	turn   []Watcher            // to be called again now
	again  []Watcher            // to be called again after the next wait
}

// A Watcher is told when its descriptor may have become readable or writable,
// or has ended. Its methods are called by the poller's goroutine, one at a
// time: they must not wait. Edges are reported, not levels.
type Watcher interface {
	// Ready is to read and write what can be. It reports true to be called
	// again, as Readable, after others had their turn. The poller does the task,
	// if it is not nil, before anything else, in the manner of package handoff.
	Ready(r Readiness) (again bool, task handoff.Task)

	// Settle is called after the task of the last Ready has ended or has lost
	// the poller's role.
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

// NewPoller starts a poller. Its goroutine ends with Close.
func NewPoller() (*Poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // or os.File would not poll it
		syscall.Close(fd)
		return nil, err
	}
	p := &Poller{epoll: os.NewFile(uintptr(fd), "epoll"), fd: fd, done: make(chan struct{})}
	if p.raw, err = p.epoll.SyscallConn(); err != nil {
		p.epoll.Close()
		return nil, err
	}
	p.role.Init(p.run)
	go p.run() // ends with Close, which waits for it, or hands its role off
	return p, nil
}

// Close ends the poller. Nothing may be watched any more. It may be called by a
// task; tasks that go on are not waited for.
func (p *Poller) Close() {
	p.epoll.Close()
	p.role.HandOff()
	<-p.done
}

// run is the life of a goroutine with the role of polling.
func (p *Poller) run() {
	for {
		if p.busy != nil {
			p.busy.Settle()
			p.busy = nil
		}
		var w Watcher
		r := Readable
		switch {
		case len(p.ready) > 0:
			e := &p.ready[0]
			w, r = p.watcher(e.Fd, e.Pad), readiness(e.Events)
			p.ready = p.ready[1:]
		case len(p.turn) > 0:
			w = p.turn[0]
			p.turn = p.turn[1:]
		case !p.wait():
			close(p.done)
			return
		}
		if w == nil {
			continue
		}
		again, task := w.Ready(r)
		if again {
			p.again = append(p.again, w)
		}
		if task != nil {
			p.busy = w
			if !p.role.Do(task) {
				return
			}
		}
	}
}

// wait waits for events, but not if somebody is to be called again. It reports
// false when the poller is closed.
func (p *Poller) wait() bool {
	n := 0
	err := p.raw.Read(func(fd uintptr) bool {
		var err error
		n, err = syscall.EpollWait(int(fd), p.events[:], 0)
		return n > 0 || len(p.again) > 0 || err != nil && err != syscall.EINTR
	})
	p.ready = p.events[:max(n, 0)]
	p.turn, p.again = p.again, nil
	return err == nil
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
	n, err := readFD(uintptr(c.fd), b.mem[:])
	if n > 0 {
		return b.mem[:n], b, n < len(b.mem), nil
	}
	Release(b)
	if err == nil {
		err = errEOF
	}
	return nil, nil, false, err
}

// closeFD lets a detached descriptor go.
func (c *Conn) closeFD() {
	if c.slot >= 0 {
		c.poller.unwatch(int(c.fd), c.slot)
	}
	syscall.Close(int(c.fd))
}

func (c *Conn) shutdownFD() { syscall.Shutdown(int(c.fd), syscall.SHUT_RDWR) }

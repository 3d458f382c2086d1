package rawconn

import (
	"net"
	"os"
	"sync"
	"syscall"
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
}

// A Watcher is told when its descriptor may have become readable or writable,
// or has ended, which counts as both. Ready is called by the poller's
// goroutine: it must not wait. Edges are reported, not levels: after it, the
// descriptor is to be read until it has no more. It reports true to be called
// again, as readable, after others had their turn.
type Watcher interface {
	Ready(readable, writable bool) (again bool)
}

const (
	epollET    = 1 << 31
	watchFor   = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | epollET
	readableOn = syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	writableOn = syscall.EPOLLOUT | syscall.EPOLLHUP | syscall.EPOLLERR
)

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
	go p.run()
	return p, nil
}

// Close ends the poller. Nothing may be watched any more.
func (p *Poller) Close() {
	p.epoll.Close()
	<-p.done
}

func (p *Poller) run() {
	defer close(p.done)
	var (
		events [256]syscall.EpollEvent
		n      int
		again  []Watcher
	)
	wait := func(fd uintptr) bool {
		var err error
		n, err = syscall.EpollWait(int(fd), events[:], 0)
		return n > 0 || len(again) > 0 || err != nil && err != syscall.EINTR
	}
	for {
		n = 0
		if err := p.raw.Read(wait); err != nil {
			return // closed
		}
		turn := again
		again = nil
		for _, e := range events[:max(n, 0)] {
			if w := p.watcher(e.Fd, e.Pad); w != nil && w.Ready(e.Events&readableOn != 0, e.Events&writableOn != 0) {
				again = append(again, w)
			}
		}
		for _, w := range turn {
			if w.Ready(true, false) {
				again = append(again, w)
			}
		}
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
	if err := syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, c.fd, &e); err != nil {
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
	return &Conn{poller: p, fd: fd, slot: -1, early: early}
}

// Watch begins to report to w. It is called once, by the owner.
func (c *Conn) Watch(w Watcher) error { return c.poller.watch(c, w) }

// TryRead fills a pooled buffer with what is there. It fails with EAGAIN when
// nothing is, and with io.EOF at the end. The result is to be given back by
// Release.
func (c *Conn) TryRead() ([]byte, *Buffer, error) {
	if p, b := c.takeEarly(); p != nil {
		return p, b, nil
	}
	b := buffers.Get().(*Buffer)
	n, err := readFD(uintptr(c.fd), b.mem[:])
	if n > 0 {
		return b.mem[:n], b, nil
	}
	Release(b)
	if err == nil {
		err = errEOF
	}
	return nil, nil, err
}

// closeFD lets a detached descriptor go.
func (c *Conn) closeFD() {
	if c.slot >= 0 {
		c.poller.unwatch(c.fd, c.slot)
	}
	syscall.Close(c.fd)
}

func (c *Conn) shutdownFD() { syscall.Shutdown(c.fd, syscall.SHUT_RDWR) }

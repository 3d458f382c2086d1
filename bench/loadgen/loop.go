//go:build linux

package main

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A loop drives all connections of one run from one goroutine: non-blocking
// sockets, edge-triggered epoll, plain system calls. Go's own network poller
// would cost the client as much as it costs the server under test, on the same
// cores.
type loop struct {
	epfd   int
	byFD   []*sock
	events []unix.EpollEvent
	buf    []byte // what one read returns; handed to owners, never kept
	addr   unix.SockaddrInet4
	nextIP int           // source addresses are taken in turn
	nap    time.Duration // sleep when nothing is there, instead of waiting in epoll
	rcvbuf int           // SO_RCVBUF of connections dialled from now on; 0 is the system's
	mss    int           // the largest segment they take; 0 is the system's
}

// A sock is one TCP connection. It belongs to its loop's goroutine.
type sock struct {
	l       *loop
	fd      int
	owner   owner
	out     []byte // what the kernel did not take yet
	ready   bool   // connected
	stalled bool   // no longer reads
	dead    bool
}

// An owner is told what happens on its connection.
type owner interface {
	onOpen()
	onData(b []byte) // b is valid only during the call
	onEOF(err error) // the last call; nil if one of the sides closed in good order
}

// Connections come from 127.0.0.1 to 127.0.0.20 in turn, so that ports do not
// run out.
const sourceIPs = 20

func newLoop(host [4]byte, port int) (*loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	return &loop{
		epfd:   ep,
		byFD:   make([]*sock, 1024),
		events: make([]unix.EpollEvent, 1024),
		buf:    make([]byte, 256<<10),
		addr:   unix.SockaddrInet4{Port: port, Addr: host},
	}, nil
}

// dial begins a connection; its owner hears of the end of it by onOpen or onEOF.
func (l *loop) dial(o owner) (*sock, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	if l.rcvbuf > 0 {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, l.rcvbuf)
	}
	if l.mss > 0 {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, l.mss)
	}
	source := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + l.nextIP)}}
	l.nextIP = (l.nextIP + 1) % sourceIPs
	if err := unix.Bind(fd, &source); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Connect(fd, &l.addr); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, fmt.Errorf("connect: %w", err)
	}
	s := &sock{l: l, fd: fd, owner: o}
	for fd >= len(l.byFD) {
		l.byFD = append(l.byFD, make([]*sock, len(l.byFD))...)
	}
	l.byFD[fd] = s
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: int32(fd)}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		l.byFD[fd] = nil
		unix.Close(fd)
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	return s, nil
}

// poll waits at most d for events and serves those that are there.
//
// With a nap it does not wait in epoll. On loopback the server's write runs the
// receiving side too, and would be charged for waking this process up at every
// message, which no remote client costs it.
func (l *loop) poll(d time.Duration) error {
	if l.nap > 0 {
		d = 0
	}
	n, err := unix.EpollWait(l.epfd, l.events, int(d.Milliseconds()))
	if err == unix.EINTR {
		return nil
	}
	if err != nil {
		return fmt.Errorf("epoll_wait: %w", err)
	}
	if n == 0 && l.nap > 0 {
		time.Sleep(l.nap)
	}
	for _, ev := range l.events[:n] {
		if s := l.byFD[ev.Fd]; s != nil {
			s.serve(ev.Events)
		}
	}
	return nil
}

func (s *sock) serve(events uint32) {
	if events&unix.EPOLLOUT != 0 {
		switch {
		case !s.ready:
			s.ready = true
			if e, _ := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR); e != 0 {
				s.close(syscall.Errno(e))
				return
			}
			s.owner.onOpen()
		case len(s.out) > 0:
			b := s.out
			s.out = nil
			s.write(b)
		}
	}
	const closing = unix.EPOLLHUP | unix.EPOLLERR | unix.EPOLLRDHUP
	if events&(unix.EPOLLIN|closing) != 0 {
		s.read(events&closing != 0)
	}
}

// read takes what is there. With edge triggering a socket must be read until
// it is empty; a short read says that it is, unless the peer has closed.
func (s *sock) read(closing bool) {
	for !s.dead && !s.stalled {
		n, err := rawIO(syscall.SYS_READ, s.fd, s.l.buf)
		switch {
		case err == syscall.EAGAIN:
			return
		case err != 0:
			s.close(err)
			return
		case n == 0:
			s.close(nil)
			return
		}
		s.owner.onData(s.l.buf[:n])
		if n < len(s.l.buf) && !closing {
			return
		}
	}
}

// write sends b now, and later what the kernel does not take.
func (s *sock) write(b []byte) {
	if s.dead {
		return
	}
	if len(s.out) > 0 {
		s.out = append(s.out, b...)
		return
	}
	n, err := rawIO(syscall.SYS_WRITE, s.fd, b)
	switch {
	case err == syscall.EAGAIN:
		n = 0
	case err != 0:
		s.close(err)
		return
	}
	if n < len(b) {
		s.out = append(s.out, b[n:]...)
	}
}

func (s *sock) close(err error) {
	if s.dead {
		return
	}
	s.dead = true
	s.l.byFD[s.fd] = nil
	unix.Close(s.fd)
	s.owner.onEOF(err)
}

// rawIO reads or writes without telling the Go scheduler: no descriptor here blocks.
func rawIO(call uintptr, fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if e == syscall.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(n), 0
	}
}

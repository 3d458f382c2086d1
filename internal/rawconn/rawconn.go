// Package rawconn reads and writes a hijacked connection without owning memory
// or goroutines while nothing happens.
//
// Reading waits for readability first and takes a buffer from a pool only when
// bytes are there. Writing is one non-blocking attempt; what the kernel does
// not take is the caller's to write later, waiting, from a goroutine of its
// own. Both need a raw descriptor: a TCP or Unix connection. For others (TLS,
// net.Pipe) a small buffer waits for the first bytes, and an attempt to write
// takes nothing.
package rawconn

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// BufferSize is how many bytes one read returns at the most.
const BufferSize = 16 << 10

// A Buffer is a pooled read buffer.
type Buffer struct{ mem [BufferSize]byte }

var buffers = sync.Pool{New: func() any { return new(Buffer) }}

// A Conn wraps a net.Conn, or owns a descriptor that was taken out of one by
// [Poller.Detach]. One goroutine may read while another writes.
type Conn struct {
	poller *Poller // set when detached
	fd     int32
	slot   int32 // at the poller; -1: not watched

	// Immutable unless detached, else owned by the reader, and nil when nothing
	// is left in it: there may be very many idle connections.
	held *held
}

// held is what a connection has that is not detached. Of a detached one, it is
// early alone.
type held struct {
	nc    net.Conn
	raw   syscall.RawConn // nil: no descriptor to be had
	early []byte          // read by the HTTP server before the hijack; owned by the reader
}

// HasDescriptor reports whether nc is a connection of the operating system, and
// nothing wrapped around one.
func HasDescriptor(nc net.Conn) bool {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// errEOF is the end of a detached connection.
var errEOF = io.EOF

// Polled reports whether the connection is detached: it is read by TryRead when
// its Watcher is told to, and never waits.
func (c *Conn) Polled() bool { return c.poller != nil }

// Close lets the connection go. A detached one must not be in use: see Cut.
func (c *Conn) Close() {
	if c.poller != nil {
		c.closeFD()
		return
	}
	c.held.nc.Close()
}

// Cut ends the connection both ways, so that whoever reads or writes it finds
// out. It may be called at any time before Close returns; Close is still due.
func (c *Conn) Cut() {
	if c.poller != nil {
		c.shutdownFD()
		return
	}
	c.held.nc.Close()
}

// New wraps nc. early is what was read from it already; it is returned by the
// first reads.
func New(nc net.Conn, early []byte) *Conn {
	h := &held{nc: nc, early: early}
	switch nc := nc.(type) {
	case *net.TCPConn:
		h.raw, _ = nc.SyscallConn()
	case *net.UnixConn:
		h.raw, _ = nc.SyscallConn()
	}
	if !canTry {
		h.raw = nil
	}
	return &Conn{held: h}
}

// Reader returns a function that waits for bytes and returns them, with the
// pooled buffer they are in, to be given back by Release. It is to be called
// by one goroutine.
func (c *Conn) Reader() func() ([]byte, *Buffer, error) {
	if c.held.raw == nil {
		head := make([]byte, 512)
		return func() ([]byte, *Buffer, error) { return c.readWrapped(head) }
	}
	var (
		b   *Buffer
		n   int
		err error
	)
	attempt := func(fd uintptr) (done bool) {
		b = buffers.Get().(*Buffer)
		n, err = readFD(fd, b.mem[:])
		if err == syscall.EAGAIN {
			Release(b)
			b = nil
			return false
		}
		return true
	}
	return func() ([]byte, *Buffer, error) {
		if p, eb := c.takeEarly(); p != nil {
			return p, eb, nil
		}
		b, n, err = nil, 0, nil
		if werr := c.held.raw.Read(attempt); werr != nil {
			Release(b)
			return nil, nil, werr
		}
		if err != nil || n <= 0 {
			Release(b)
			if err == nil {
				err = io.EOF
			}
			return nil, nil, err
		}
		return b.mem[:n], b, nil
	}
}

// readWrapped waits with the few bytes of head only. What does not fit into
// them is returned by the next call.
func (c *Conn) readWrapped(head []byte) ([]byte, *Buffer, error) {
	if p, b := c.takeEarly(); p != nil {
		return p, b, nil
	}
	n, err := c.held.nc.Read(head)
	if n == 0 {
		return nil, nil, err
	}
	return head[:n], nil, nil
}

func (c *Conn) takeEarly() ([]byte, *Buffer) {
	h := c.held
	if h == nil || len(h.early) == 0 {
		return nil, nil
	}
	b := buffers.Get().(*Buffer)
	n := copy(b.mem[:], h.early)
	if h.early = h.early[n:]; len(h.early) == 0 {
		h.early = nil
		if c.poller != nil {
			c.held = nil
		}
	}
	return b.mem[:n], b
}

// Release gives b back to the pool. A nil b is ignored.
func Release(b *Buffer) {
	if b != nil {
		buffers.Put(b)
	}
}

// joinLimit is up to where several frames are copied into one buffer rather
// than written as a vector: below it the copy is cheaper.
const joinLimit = 4 << 10

// An attempt is a pooled write: the function handed to RawConn.Write must not
// be allocated for each one.
type attempt struct {
	bufs [][]byte
	n    int
	err  error
	run  func(fd uintptr) bool
	join [joinLimit]byte
}

var attempts = sync.Pool{New: func() any {
	a := new(attempt)
	a.run = func(fd uintptr) bool {
		a.n, a.err = a.write(fd)
		return true // never wait
	}
	return a
}}

func (a *attempt) write(fd uintptr) (int, error) {
	if b := a.joined(); b != nil {
		return writeFD(fd, b)
	}
	return writevFD(fd, a.bufs)
}

// joined returns the buffers as one, or nil if it would be too large.
func (a *attempt) joined() []byte {
	if len(a.bufs) == 1 {
		return a.bufs[0]
	}
	n := 0
	for _, b := range a.bufs {
		if n+len(b) > joinLimit {
			return nil
		}
		n += copy(a.join[n:], b)
	}
	return a.join[:n]
}

// CanTry reports whether TryWrite can write at all.
func (c *Conn) CanTry() bool { return c.poller != nil || c.held.raw != nil }

// TryWrite writes as much of bufs as the kernel takes at once, without
// waiting, and returns how much that was: fewer bytes than there are and a nil
// error mean that it is full. It keeps no reference to bufs.
func (c *Conn) TryWrite(bufs [][]byte) (int, error) {
	switch {
	case !c.CanTry():
		return 0, nil
	case c.poller != nil && len(bufs) == 1:
		return c.TryWriteOne(bufs[0])
	}
	a := attempts.Get().(*attempt)
	a.bufs, a.n, a.err = bufs, 0, nil
	var err error
	if c.poller != nil {
		a.n, a.err = a.writeDetached(c.fd)
	} else {
		err = c.held.raw.Write(a.run)
	}
	n, werr := a.n, a.err
	a.bufs = nil
	attempts.Put(a)
	switch {
	case err != nil:
		return 0, err
	case werr == syscall.EAGAIN:
		return max(n, 0), nil
	case werr != nil:
		return max(n, 0), werr
	}
	return n, nil
}

// SetWriteDeadline bounds a Write that is under way. A detached connection has
// none, since it never waits.
func (c *Conn) SetWriteDeadline(t time.Time) {
	if c.poller == nil {
		c.held.nc.SetWriteDeadline(t)
	}
}

// Write writes bufs, waiting until the peer took all of it or timeout has
// passed, and returns how many bytes it took. It consumes bufs.
func (c *Conn) Write(bufs *net.Buffers, timeout time.Duration) (int, error) {
	if err := c.held.nc.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	n, err := bufs.WriteTo(c.held.nc)
	return int(n), err
}

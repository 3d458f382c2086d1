package intercept

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// A Conn is a connection that was handed on after its first bytes had been
// read. It returns them first, and is a *net.TCPConn otherwise.
type Conn struct {
	*net.TCPConn

	mu   sync.Mutex
	head []byte // what has not been read again yet
}

var errHead = errors.New("intercept: the first bytes of the connection are to be read by Read")

// Unwrap returns the TCP connection and what is still to be read before it. The
// Conn must not be used any more.
func (c *Conn) Unwrap() (*net.TCPConn, []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	head := c.head
	c.head = nil
	return c.TCPConn, head
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	if len(c.head) > 0 {
		n := copy(p, c.head)
		if c.head = c.head[n:]; len(c.head) == 0 {
			c.head = nil
		}
		c.mu.Unlock()
		return n, nil
	}
	c.mu.Unlock()
	return c.TCPConn.Read(p)
}

// WriteTo implements [io.WriterTo].
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	_, head := c.Unwrap()
	var written int64
	if len(head) > 0 {
		n, err := w.Write(head)
		if written = int64(n); err != nil {
			return written, err
		}
	}
	n, err := c.TCPConn.WriteTo(w)
	return written + n, err
}

// File returns a copy of the descriptor. It fails while the first bytes have not
// been read, since whoever uses it would miss them.
func (c *Conn) File() (*os.File, error) {
	if c.unread() {
		return nil, errHead
	}
	return c.TCPConn.File()
}

// SyscallConn returns the raw connection. Its Read fails while the first bytes
// have not been read.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &rawConn{raw, c}, nil
}

func (c *Conn) unread() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.head) > 0
}

type rawConn struct {
	syscall.RawConn
	c *Conn
}

func (r *rawConn) Read(f func(fd uintptr) (done bool)) error {
	if r.c.unread() {
		return errHead
	}
	return r.RawConn.Read(f)
}

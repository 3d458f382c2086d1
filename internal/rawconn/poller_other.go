//go:build !linux

package rawconn

import (
	"errors"
	"net"
	"syscall"
)

// A Poller is what only Linux has so far; elsewhere there is none.
type Poller struct{}

// A Watcher is told when its descriptor is ready.
type Watcher interface {
	Ready(readable, writable bool) (again bool)
}

// NewPoller fails.
func NewPoller() (*Poller, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (p *Poller) Close() {}

// Detach returns nil: it cannot be done.
func (p *Poller) Detach(net.Conn, []byte) *Conn { return nil }

// Watch is for what Detach returns.
func (c *Conn) Watch(Watcher) error { return errors.ErrUnsupported }

// TryRead is for what Detach returns.
func (c *Conn) TryRead() ([]byte, *Buffer, error) { return nil, nil, syscall.EINVAL }

func (c *Conn) closeFD()    {}
func (c *Conn) shutdownFD() {}

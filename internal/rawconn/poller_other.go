//go:build !linux

package rawconn

import (
	"errors"
	"net"
	"syscall"

	"github.com/siogo/sio/internal/handoff"
)

// A Poller is what only Linux has so far; elsewhere there is none.
type Poller struct{}

// A Watcher is told when its descriptor is ready.
type Watcher interface {
	Ready(r Readiness) (again bool, task handoff.Task)
	Settle()
}

// Readiness is what a Watcher is told.
type Readiness uint8

// What there is to tell.
const (
	Readable Readiness = 1 << iota
	Writable
	Ended
)

// NewPoller fails.
func NewPoller(int) (*Poller, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (p *Poller) Close() {}

// Detach returns nil: it cannot be done.
func (p *Poller) Detach(net.Conn, []byte) *Conn { return nil }

// Watch is for what Detach returns.
func (c *Conn) Watch(Watcher) error { return errors.ErrUnsupported }

// TryRead is for what Detach returns.
func (c *Conn) TryRead() ([]byte, *Buffer, bool, error) { return nil, nil, false, syscall.EINVAL }

// TryWriteOne is for what Detach returns.
func (c *Conn) TryWriteOne([]byte) (int, error) { return 0, syscall.EINVAL }

func (a *attempt) writeDetached(int32) (int, error) { return 0, syscall.EINVAL }

func (c *Conn) closeFD()    {}
func (c *Conn) shutdownFD() {}

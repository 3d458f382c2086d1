// Package memnet is a network in memory: a listener whose connections are
// pairs of net.Pipe, or lines that delay, slice, stall, swallow and cut what
// passes ([Line]). Nothing in it waits on the operating system, so that a whole
// server and its clients run under the fake clock of testing/synctest.
package memnet

import (
	"context"
	"net"
	"sync"
)

// A Listener is a [net.Listener] whose clients come from [Listener.Dial].
type Listener struct {
	incoming chan net.Conn
	done     chan struct{}
	once     sync.Once
}

// Listen returns a new listener.
func Listen() *Listener {
	return &Listener{incoming: make(chan net.Conn), done: make(chan struct{})}
}

// Dial connects to the listener. It waits until the connection is accepted.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.incoming <- conn{server}:
		return conn{client}, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: "mem", Addr: addr{}, Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// DialContext is Dial in the form that [net/http.Transport] wants; it ignores
// where to.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return l.Dial(ctx)
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener]. Connections that were accepted stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return addr{} }

// conn gives a pipe an address that looks like one of the loopback: code that
// splits host and port works.
type conn struct{ net.Conn }

func (conn) LocalAddr() net.Addr  { return addr{} }
func (conn) RemoteAddr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "mem" }
func (addr) String() string  { return "127.0.0.1:0" }

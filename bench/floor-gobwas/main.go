//go:build linux

// Command floor-gobwas is the floor for WebSocket: gobwas/ws on bare TCP
// connections, one goroutine with a small stack for each, and no buffer while a
// connection is idle. It has no polling and no heartbeat timeout.
//
// With -http it accepts its connections through net/http, as every server must
// that shares its port with others and takes part in Go's world of middleware.
package main

import (
	"bytes"
	"flag"
	"log"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/gobwas/ws"

	"github.com/siogo/sio/bench/floor"
)

func main() {
	hub := floor.NewHub(func(to []*floor.Session, text []byte) {
		frame := ws.MustCompileFrame(ws.NewTextFrame(text))
		for _, s := range to {
			s.Conn.(*conn).write(frame)
		}
	})
	overHTTP := flag.Bool("http", false, "accept connections through net/http")
	flag.Parse()
	l, err := net.Listen("tcp", floor.Addr())
	if err != nil {
		log.Fatal(err)
	}
	if *overHTTP {
		log.Fatal(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			nc, _, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				return // it was answered
			}
			start(nc, hub)
		})))
	}
	for {
		nc, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go accept(nc, hub)
	}
}

// accept answers the WebSocket handshake. Its stack has grown by then, so that
// what stays is a new goroutine with a small one; it ends with the connection.
func accept(nc net.Conn, hub *floor.Hub) {
	if _, err := ws.Upgrade(nc); err != nil {
		nc.Close()
		return
	}
	start(nc, hub)
}

func start(nc net.Conn, hub *floor.Hub) {
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		nc.Close()
		return
	}
	c := &conn{Conn: nc, raw: raw}
	go c.serve(hub) // ends with the connection
}

type conn struct {
	net.Conn
	raw syscall.RawConn
	mu  sync.Mutex // one writer at a time
}

// Send implements floor.Conn.
func (c *conn) Send(binary bool, p []byte) {
	op := ws.OpText
	if binary {
		op = ws.OpBinary
	}
	c.write(ws.MustCompileFrame(ws.NewFrame(op, true, p)))
}

func (c *conn) write(frame []byte) {
	c.mu.Lock()
	c.Conn.Write(frame)
	c.mu.Unlock()
}

var buffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// serve reads until the end. While nothing has arrived it waits in Go's network
// poller without a buffer.
func (c *conn) serve(hub *floor.Hub) {
	defer c.Close()
	s := hub.Open(c)
	defer s.Close()
	var rest []byte
	for {
		buf, n := c.read()
		if n <= 0 {
			return
		}
		b := buf[:n]
		if rest != nil {
			b = append(rest, b...)
		}
		b, ok := c.frames(s, b)
		rest = nil
		if len(b) > 0 {
			rest = bytes.Clone(b)
		}
		buffers.Put(buf)
		if !ok {
			return
		}
	}
}

// read returns a buffer and how much has arrived in it; nothing at the end.
func (c *conn) read() (buf *[16 << 10]byte, n int) {
	err := c.raw.Read(func(fd uintptr) bool {
		buf = buffers.Get().(*[16 << 10]byte)
		var err error
		if n, err = syscall.Read(int(fd), buf[:]); err == syscall.EAGAIN {
			buffers.Put(buf)
			return false
		}
		return true
	})
	if err != nil {
		return nil, 0
	}
	return buf, n
}

// frames handles the whole frames in b and returns what is left of it; ok is
// false after a close frame.
func (c *conn) frames(s *floor.Session, b []byte) (rest []byte, ok bool) {
	var r bytes.Reader
	for {
		r.Reset(b)
		h, err := ws.ReadHeader(&r)
		if err != nil || int64(r.Len()) < h.Length {
			return b, true
		}
		start := len(b) - r.Len()
		p := b[start:][:h.Length]
		b = b[start+int(h.Length):]
		ws.Cipher(p, h.Mask, 0)
		switch h.OpCode {
		case ws.OpText, ws.OpBinary:
			s.Message(h.OpCode == ws.OpBinary, p)
		case ws.OpClose:
			c.write(ws.CompiledClose)
			return nil, false
		}
	}
}

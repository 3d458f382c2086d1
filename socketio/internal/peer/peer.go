// Package peer is the client side of a WebSocket, for tests: whole messages in
// and out, over any net.Conn, in real or in virtual time.
package peer

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/siogo/sio/internal/websocket"
)

// A Conn is a WebSocket. Write may be called from any goroutine; Read from one
// at a time. What is written goes through a queue, so that a peer that is slow
// to read does not stop the writer.
type Conn struct {
	net    net.Conn
	in     *bufio.Reader
	parser websocket.Parser
	buf    []byte // read and not yet parsed
	room   []byte // what buf lies in

	mu     sync.Mutex
	out    []byte
	closed bool
	wake   chan struct{} // has room for one
	done   chan struct{} // closed when the writer has ended
}

// A Message is one message; a binary one if Binary.
type Message struct {
	Data   []byte
	Binary bool
}

// A CloseError says that the other side closed the WebSocket, and with which
// code: 1005 if it gave none.
type CloseError struct{ Code int }

func (e *CloseError) Error() string { return fmt.Sprintf("peer: closed with code %d", e.Code) }

// Dial opens a WebSocket for target, a path with a query, over nc, which it
// takes over. The error has the response if there was one.
func Dial(nc net.Conn, target string, header http.Header) (*Conn, error) {
	c := &Conn{net: nc, in: bufio.NewReader(nc), wake: make(chan struct{}, 1), done: make(chan struct{})}
	req, err := http.NewRequest(http.MethodGet, "http://"+"server"+target, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = slices.Clone(values)
	}
	var key [16]byte
	rand.Read(key[:]) // never fails
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(key[:]))
	if err := req.Write(nc); err != nil {
		nc.Close()
		return nil, err
	}
	resp, err := http.ReadResponse(c.in, req)
	if err != nil {
		nc.Close()
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		nc.Close()
		return nil, fmt.Errorf("peer: expected status 101, got %s", resp.Status)
	}
	c.parser.Init(&websocket.Config{Role: websocket.Client, MaxMessage: 64 << 20}, false)
	c.room = make([]byte, 4096)
	go c.write() // ends with Close or when writing fails; Close waits for it
	return c, nil
}

// WriteText queues a text message.
func (c *Conn) WriteText(text string) { c.Write(Message{Data: []byte(text)}) }

// Write queues messages, all of them contiguous.
func (c *Conn) Write(ms ...Message) {
	c.mu.Lock()
	for _, m := range ms {
		op := websocket.OpText
		if m.Binary {
			op = websocket.OpBinary
		}
		c.out = websocket.AppendFrame(c.out, websocket.Client, op, m.Data)
	}
	c.mu.Unlock()
	c.signal()
}

func (c *Conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Conn) write() {
	defer close(c.done)
	for range c.wake {
		c.mu.Lock()
		out, closed := c.out, c.closed
		c.out = nil
		c.mu.Unlock()
		if len(out) > 0 {
			if _, err := c.net.Write(out); err != nil {
				return
			}
		}
		if closed {
			return
		}
	}
}

// Read returns the next message, in memory of its own. It answers pings, and
// returns a *CloseError after a close frame.
func (c *Conn) Read() (Message, error) {
	for {
		for len(c.buf) > 0 {
			ev, n, err := c.parser.Next(c.buf)
			c.buf = c.buf[n:]
			if err != nil {
				return Message{}, err
			}
			switch ev.Kind {
			case websocket.Text, websocket.Binary:
				return Message{slices.Clone(ev.Data), ev.Kind == websocket.Binary}, nil
			case websocket.Ping:
				c.control(websocket.AppendFrame(nil, websocket.Client, websocket.OpPong, ev.Data))
			case websocket.Close:
				c.control(websocket.AppendClose(nil, websocket.Client, ev.Code, ""))
				return Message{}, &CloseError{ev.Code}
			}
		}
		n, err := c.in.Read(c.room)
		c.buf = c.room[:n]
		if n == 0 && err != nil {
			return Message{}, err
		}
	}
}

// StopReading makes Read fail from now on. The connection stays open.
func (c *Conn) StopReading() { _ = c.net.SetReadDeadline(time.Unix(1, 0)) }

func (c *Conn) control(frame []byte) {
	c.mu.Lock()
	c.out = append(c.out, frame...)
	c.mu.Unlock()
	c.signal()
}

// Close sends what is queued and a close frame, as far as the other side takes
// it before ctx ends, and closes the connection.
func (c *Conn) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		<-c.done
		return nil
	}
	c.closed = true
	c.out = websocket.AppendClose(c.out, websocket.Client, 1000, "")
	c.mu.Unlock()
	c.signal()
	select {
	case <-c.done:
	case <-ctx.Done():
	}
	return c.abort()
}

// Abort closes the connection without a word.
func (c *Conn) Abort() {
	c.mu.Lock()
	c.closed = true
	c.out = nil
	c.mu.Unlock()
	c.signal()
	_ = c.abort()
}

func (c *Conn) abort() error {
	err := c.net.Close()
	<-c.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

package wsfuzz

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/siogo/sio/internal/websocket"
)

// A client is the client role of our package on a connection.
type client struct {
	t      *testing.T
	nc     net.Conn
	br     *bufio.Reader
	parser websocket.Parser
	rest   []byte
	buf    []byte
}

var clientConfig = &websocket.Config{Role: websocket.Client, MaxMessage: maxMessage, NewInflater: websocket.NewInflater}

// dialOurs opens a WebSocket. The offer of extensions may be empty, else it
// must be accepted.
func dialOurs(t *testing.T, addr, offer string) *client {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute))
	if offer != "" {
		offer = "Sec-WebSocket-Extensions: " + offer + "\r\n"
	}
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", offer)
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := resp.Header.Get("Sec-WebSocket-Accept"), websocket.AcceptKey("dGhlIHNhbXBsZSBub25jZQ=="); resp.StatusCode != 101 || got != want {
		t.Fatalf("answered %s with key %q, want %q", resp.Status, got, want)
	}
	deflate, err := websocket.AcceptDeflate(resp.Header["Sec-Websocket-Extensions"])
	if err != nil || deflate != (offer != "") {
		t.Fatalf("extensions %q: %t, %v", resp.Header["Sec-Websocket-Extensions"], deflate, err)
	}
	c := &client{t: t, nc: nc, br: br, buf: make([]byte, 64<<10)}
	c.parser.Init(clientConfig, deflate)
	return c
}

// send writes a message or a ping in one frame.
func (c *client) send(op byte, payload string, compress bool) {
	switch {
	case op == pingFrame:
		c.write(websocket.AppendFrame(nil, websocket.Client, websocket.OpPing, []byte(payload)))
	case op == textFrame && compress:
		c.write(websocket.AppendDeflated(nil, websocket.Client, websocket.OpText, websocket.Deflate(nil, []byte(payload), 0)))
	case op == textFrame:
		c.write(websocket.AppendFrame(nil, websocket.Client, websocket.OpText, []byte(payload)))
	case compress:
		c.write(websocket.AppendDeflated(nil, websocket.Client, websocket.OpBinary, websocket.Deflate(nil, []byte(payload), 0)))
	default:
		c.write(websocket.AppendFrame(nil, websocket.Client, websocket.OpBinary, []byte(payload)))
	}
}

func (c *client) write(b []byte) {
	go c.nc.Write(b) // ends with the write, or the connection at the end of the test
}

// next returns what comes next.
func (c *client) next() string {
	c.t.Helper()
	for {
		ev, n, err := c.parser.Next(c.rest)
		c.rest = c.rest[n:]
		if err != nil {
			c.t.Fatal(err)
		}
		switch ev.Kind {
		case websocket.Text, websocket.Binary:
			return name(ev.Kind == websocket.Binary) + string(ev.Data)
		case websocket.Pong:
			return "pong " + string(ev.Data)
		case websocket.Close:
			return fmt.Sprintf("close %d", ev.Code)
		}
		if n, err = c.br.Read(c.buf); err != nil {
			c.t.Fatal(err)
		}
		c.rest = c.buf[:n]
	}
}

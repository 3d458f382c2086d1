//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
)

// A client is one Socket.IO session on the namespace "/", over WebSocket, over
// long-polling, or over WebSocket after having begun with long-polling. It
// belongs to its loop's goroutine.
type client struct {
	*sock          // the WebSocket; nil while there is none
	polling *polls // nil over WebSocket
	index   int
	stage   stage
	answer  bool   // the HTTP answer to the WebSocket handshake has come
	in      []byte // of a frame, or of the HTTP answer, that is not whole yet
	frag    []byte // payload of a message that came in several frames
	op      byte   // of that message
	got     int    // messages so far, for those who check the first
	ev      events
}

// A stage is how far a client has come.
type stage byte

const (
	opening    stage = iota // no "open" packet yet
	connecting              // CONNECT is sent
	upgrading               // connected by polling, the WebSocket is being probed
	ready                   // connected, over the transport that was asked for
	done                    // closes, and is meant to
)

// events is what a mode of load does with a client. data is a Socket.IO packet:
// without the type of the Engine.IO packet around it, and valid only during the
// call.
type events interface {
	onReady(c *client)
	onPacket(c *client, data []byte)
	onBinary(c *client, data []byte)
	onClosed(c *client, err error)
}

// dialWebSocket begins a client over WebSocket alone.
func dialWebSocket(l *loop, index int, ev events) (*client, error) {
	c := &client{index: index, ev: ev}
	return c, c.dialUpgrade(l)
}

func (c *client) dialUpgrade(l *loop) (err error) {
	c.sock, err = l.dial(c)
	return err
}

func (c *client) onOpen() {
	query := ""
	if c.polling != nil {
		query = c.polling.query
	}
	c.write([]byte("GET /socket.io/?EIO=4&transport=websocket" + query + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n" +
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + wsKey + "\r\n\r\n"))
}

func (c *client) onEOF(err error) {
	if err == nil && c.stage != done {
		err = fmt.Errorf("closed by the server at stage %d", c.stage)
	}
	c.ev.onClosed(c, err)
}

func (c *client) onData(b []byte) {
	if len(c.in) > 0 {
		c.in = append(c.in, b...)
		b = c.in
	}
	if !c.answer {
		i := bytes.Index(b, []byte("\r\n\r\n"))
		if i < 0 {
			c.in = keep(c.in, b)
			return
		}
		if !bytes.HasPrefix(b, []byte("HTTP/1.1 101")) || !bytes.Contains(b[:i], []byte(wsAccept)) {
			c.close(fmt.Errorf("WebSocket refused: %.80q", b))
			return
		}
		c.answer, b = true, b[i+4:]
		if c.stage == upgrading {
			c.write(frameProbe)
		}
	}
	for !c.dead {
		fin, op, payload, n := serverFrame(b)
		if n == 0 {
			c.in = keep(c.in, b)
			return
		}
		b = b[n:]
		c.frame(fin, op, payload)
	}
}

func (c *client) frame(fin bool, op byte, payload []byte) {
	switch op {
	case opClose:
		c.stage = done
		c.close(nil)
		return
	case opPing:
		c.write(frameWSPong)
		return
	case opPong:
		return
	}
	if op != 0 {
		c.op = op
	}
	if !fin {
		c.frag = append(c.frag, payload...)
		return
	}
	if len(c.frag) > 0 {
		payload = append(c.frag, payload...)
		c.frag = nil
	}
	if c.op == opBinary {
		c.ev.onBinary(c, payload)
		return
	}
	if err := c.packet(payload); err != nil {
		c.close(err)
	}
}

// packet handles one Engine.IO packet, from whichever transport.
func (c *client) packet(p []byte) error {
	switch {
	case len(p) == 0:
		return errors.New("empty packet")
	case p[0] == '4' && c.stage == ready:
		c.ev.onPacket(c, p[1:])
	case string(p) == "2":
		c.pong()
	case p[0] == '0' && c.stage == opening:
		return c.opened(p)
	case bytes.HasPrefix(p, []byte("40{")) && c.stage == connecting:
		return c.connected()
	case string(p) == "3probe" && c.stage == upgrading:
		c.polling.probed = true
		c.upgrade()
	case p[0] == '6':
	default:
		return fmt.Errorf("unexpected packet %.80q", p)
	}
	return nil
}

func (c *client) opened(p []byte) error {
	c.stage = connecting
	if c.polling == nil {
		c.write(frameConnect)
		return nil
	}
	_, rest, _ := bytes.Cut(p, []byte(`"sid":"`))
	sid, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return fmt.Errorf("no sid in %.80q", p)
	}
	c.polling.query = "&sid=" + string(sid)
	c.polling.post("40")
	return nil
}

func (c *client) connected() error {
	if c.polling != nil && c.polling.upgrade {
		c.stage = upgrading
		return c.dialUpgrade(c.polling.l)
	}
	c.stage = ready
	c.ev.onReady(c)
	return nil
}

// upgrade leaves polling once the probe is answered and no poll is pending any
// more. Source: Engine.IO protocol v4, "Upgrade".
func (c *client) upgrade() {
	if !c.polling.probed || !c.polling.idle {
		return
	}
	c.write(frameUpgrade)
	c.polling.giveUp()
	c.polling = nil
	c.stage = ready
	c.ev.onReady(c)
}

func (c *client) pong() {
	if c.polling != nil {
		c.polling.post("3")
		return
	}
	c.write(framePong)
}

// send sends one Socket.IO packet, which is text.
func (c *client) send(packet string) {
	if c.polling != nil {
		c.polling.post("4" + packet)
		return
	}
	c.write(textFrame("4" + packet))
}

// giveUp closes a client that got no answer.
func (c *client) giveUp() {
	c.stage = done
	if c.polling != nil {
		c.polling.giveUp()
	}
	if c.sock != nil {
		c.close(nil)
	}
}

// bye leaves the namespace and closes politely; the server then hangs up.
func (c *client) bye() {
	c.stage = done
	c.write(frameDisconnect)
}

// ackID takes apart an acknowledgement, `3<id>[...]`.
func ackID(p []byte) (id int, args []byte, ok bool) {
	if len(p) < 2 || p[0] != '3' {
		return 0, nil, false
	}
	i := 1
	for i < len(p) && p[i] >= '0' && p[i] <= '9' {
		id = id*10 + int(p[i]-'0')
		i++
	}
	return id, p[i:], i > 1
}

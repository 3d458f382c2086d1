package differential

import (
	"fmt"
	"strings"
	"time"

	"github.com/siogo/sio/internal/websocket"
)

// A script is what is done to both servers. Sessions and WebSockets are
// numbered as they are first named.
type script struct {
	name   string
	config string
	steps  []step
}

// A step is one thing done to a server.
type step struct {
	do      action
	session int // whose sid stands for $sid in query; -1: nobody's
	socket  int // the WebSocket that frames are for, or that an upgrade request opens; -1: none

	// Of a request.
	method string
	path   string // below /engine.io/
	query  string
	header []string // "Name: value"
	body   string
	part   int  // how many bytes of body are sent at first; -1: all
	poll   bool // a poll: its packets are the session's

	frames []byte // for the WebSocket
	wait   time.Duration
}

type action uint8

const (
	ask      action = iota // send a request
	finish                 // send the rest of the session's unfinished POST
	dropAsk                // break the connections of the session's unanswered requests
	transmit               // send frames on a WebSocket
	hangUp                 // break the connection of a WebSocket
	wait                   // until nothing has happened for that long
)

func (s *script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, configuration %q\n", s.name, s.config)
	for i, st := range s.steps {
		fmt.Fprintf(&b, "  %2d  %s\n", i, st)
	}
	return b.String()
}

func (s step) String() string {
	switch s.do {
	case ask:
		line := fmt.Sprintf("session %d: %s /engine.io/%s?%s", s.session, s.method, s.path, s.query)
		if len(s.header) > 0 {
			line += fmt.Sprintf(" %q", s.header)
		}
		if s.body != "" {
			line += fmt.Sprintf(" body %.200q (%d bytes)", s.body, len(s.body))
		}
		if s.part >= 0 {
			line += fmt.Sprintf(", of which %d bytes", s.part)
		}
		if s.socket >= 0 {
			line += fmt.Sprintf(" → websocket %d", s.socket)
		}
		return line
	case finish:
		return fmt.Sprintf("session %d: send the rest of the POST", s.session)
	case dropAsk:
		return fmt.Sprintf("session %d: break off what is unanswered", s.session)
	case transmit:
		return fmt.Sprintf("websocket %d: send % .200x (%q)", s.socket, s.frames, unmasked(s.frames))
	case hangUp:
		return fmt.Sprintf("websocket %d: break the connection", s.socket)
	}
	return fmt.Sprintf("wait for %v of silence", s.wait)
}

// unmasked shows what frames say, as far as they can be read.
func unmasked(b []byte) (texts []string) {
	var p websocket.Parser
	p.Init(&websocket.Config{Role: websocket.Server}, false)
	for b = append([]byte(nil), b...); len(b) > 0; {
		ev, n, err := p.Next(b)
		b = b[n:]
		if err != nil {
			return append(texts, err.Error())
		}
		if ev.Kind != websocket.None {
			texts = append(texts, fmt.Sprintf("%.60s", ev.Data))
		}
	}
	return texts
}

// --- steps ---

const (
	plain  = "Content-Type: text/plain;charset=UTF-8"
	octets = "Content-Type: application/octet-stream"
)

func get(session int, query string, header ...string) step {
	return step{do: ask, session: session, socket: -1, method: "GET", query: query, header: header, part: -1}
}

func poll(session int, query string, header ...string) step {
	s := get(session, query, header...)
	s.poll = true
	return s
}

func post(session int, query, body string, header ...string) step {
	s := get(session, query, append(header, fmt.Sprintf("Content-Length: %d", len(body)))...)
	s.method, s.body = "POST", body
	return s
}

// upgradeHead is what makes a request an upgrade.
var upgradeHead = []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}

func upgrade(session, socket int, query string, header ...string) step {
	s := get(session, query, append(append([]string(nil), upgradeHead...), header...)...)
	s.socket = socket
	return s
}

func textFrame(data string) []byte {
	return websocket.AppendFrame(nil, websocket.Client, websocket.OpText, []byte(data))
}

func binaryFrame(data string) []byte {
	return websocket.AppendFrame(nil, websocket.Client, websocket.OpBinary, []byte(data))
}

func text(socket int, messages ...string) step {
	var b []byte
	for _, m := range messages {
		b = append(b, textFrame(m)...)
	}
	return raw(socket, b)
}

func raw(socket int, frames []byte) step {
	return step{do: transmit, session: -1, socket: socket, frames: frames}
}

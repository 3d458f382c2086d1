package wsfuzz

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gorilla "github.com/gorilla/websocket"

	"github.com/siogo/sio/internal/websocket"
)

// A verdict is what a reader makes of a stream of frames.
type verdict struct {
	events []string // messages, pings and pongs
	end    string   // "more": the stream ends before a frame or message does; "close 1000": the peer closes; "fail 1002": a violation
	reason string   // of a failure, in words
}

const limit = 1 << 20

// judge feeds the stream to our parser, in pieces of chop bytes.
func judge(stream []byte, role websocket.Role, chop int) (v verdict) {
	var p websocket.Parser
	p.Init(&websocket.Config{Role: role, MaxMessage: limit}, false)
	for piece := range slices.Chunk(bytes.Clone(stream), chop) {
		for len(piece) > 0 {
			ev, n, err := p.Next(piece)
			piece = piece[n:]
			if e := (*websocket.ProtocolError)(nil); errors.As(err, &e) {
				v.end, v.reason = fmt.Sprintf("fail %d", e.Code), e.Reason
				return v
			}
			switch ev.Kind {
			case websocket.Text, websocket.Binary:
				v.events = append(v.events, name(ev.Kind == websocket.Binary)+string(ev.Data))
			case websocket.Ping:
				v.events = append(v.events, "ping "+string(ev.Data))
			case websocket.Pong:
				v.events = append(v.events, "pong "+string(ev.Data))
			case websocket.Close:
				v.end = fmt.Sprintf("close %d %q", ev.Code, ev.Data)
				return v
			}
		}
	}
	v.end = "more"
	return v
}

// judgeGorilla feeds the stream to gorilla's reader.
func judgeGorilla(t *testing.T, stream []byte, role websocket.Role) (v verdict) {
	conn, pipe := gorillaOn(t, stream, role)
	conn.SetReadLimit(limit)
	conn.SetPingHandler(func(data string) error {
		v.events = append(v.events, "ping "+data)
		return nil
	})
	conn.SetPongHandler(func(data string) error {
		v.events = append(v.events, "pong "+data)
		return nil
	})
	conn.SetCloseHandler(func(int, string) error { return nil })
	for {
		kind, data, err := conn.ReadMessage()
		switch {
		case err == nil && kind == gorilla.TextMessage && !utf8.Valid(data): // which gorilla leaves to its user
			v.end, v.reason = "fail 1007", "a text message is not valid UTF-8"
			return v
		case err == nil:
			v.events = append(v.events, name(kind == gorilla.BinaryMessage)+string(data))
			continue
		}
		var closed *gorilla.CloseError
		switch {
		case errors.Is(err, gorilla.ErrReadLimit):
			v.end = "fail 1009"
		case errors.As(err, &closed) && closed.Code == gorilla.CloseAbnormalClosure, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			v.end = "more"
		case errors.As(err, &closed):
			v.end = fmt.Sprintf("close %d %q", closed.Code, closed.Text)
		default:
			v.end = fmt.Sprintf("fail %d", pipe.code())
		}
		v.reason = err.Error()
		return v
	}
}

// agree reports what speaks against both verdicts being about the same stream,
// or "". Where the libraries differ by design, less is asked for.
func agree(ours, gorillas verdict) string {
	shared := min(len(ours.events), len(gorillas.events))
	if !slices.Equal(ours.events[:shared], gorillas.events[:shared]) {
		return "different events"
	}
	same := len(ours.events) == len(gorillas.events)
	switch {
	case same && ours.end == gorillas.end:
		return ""
	case len(ours.events) == shared && stricter(ours):
		return ""
	case same && ours.end == "fail 1009" && gorillas.end == "more": // ours does not wait for the key behind the length
		return ""
	case same && ours.end == "fail 1007" && strings.Contains(ours.reason, "close reason") && gorillas.end == "fail 1002": // both may be said
		return ""
	case same && strings.HasPrefix(ours.end, "close 1014 ") && gorillas.end == "fail 1002": // a code younger than gorilla
		return ""
	}
	return "different ends"
}

// stricter reports whether we stop, by design, where gorilla goes on.
func stricter(ours verdict) bool {
	says := func(part string) bool { return strings.Contains(ours.reason, part) }
	switch ours.end {
	case "fail 1002":
		return says("takes") || says("top bit") || // a length in more bytes than it takes, or over 2^63
			says("at least 2, not 1") // a close frame of one byte
	case "fail 1007":
		return says("a text message") // in the middle of one
	case "fail 1008":
		return says("fragments")
	}
	return false
}

func FuzzFrames(f *testing.F) {
	for _, g := range cases() {
		for _, c := range g.cases {
			if len(c.wire) < 1000 {
				f.Add([]byte(c.wire), true, uint16(c.chop))
				f.Add(unmask([]byte(c.wire)), false, uint16(3))
			}
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, server bool, chop uint16) {
		if len(stream) > 64<<10 {
			return
		}
		role := websocket.Client
		if server {
			role = websocket.Server
		}
		ours := judge(stream, role, max(len(stream), 1))
		if chopped := judge(stream, role, max(int(chop), 1)); !slices.Equal(ours.events, chopped.events) || ours.end != chopped.end {
			t.Fatalf("in one piece %.200q, %s %s\nin pieces of %d %.200q, %s %s", ours.events, ours.end, ours.reason, chop, chopped.events, chopped.end, chopped.reason)
		}
		gorillas := judgeGorilla(t, stream, role)
		if what := agree(ours, gorillas); what != "" {
			t.Fatalf("%s\nours    %.300q, %s %s\ngorilla %.300q, %s %s", what, ours.events, ours.end, ours.reason, gorillas.events, gorillas.end, gorillas.reason)
		}
	})
}

// unmask makes a client's frames a server's, as far as they can be read.
func unmask(b []byte) (out []byte) {
	for len(b) >= 2 {
		size := 2 + map[byte]int{126: 2, 127: 8}[b[1]&0x7f]
		if len(b) < size+4 || b[1]&0x80 == 0 {
			return append(out, b...)
		}
		n := uint64(b[1] & 0x7f)
		if size > 2 {
			n = 0
			for _, c := range b[2:size] {
				n = n<<8 | uint64(c)
			}
		}
		out = append(append(out, b[0], b[1]&0x7f), b[2:size]...)
		k := b[size : size+4]
		b = b[size+4:]
		n = min(n, uint64(len(b)))
		for i, c := range b[:n] {
			out = append(out, c^k[i%4])
		}
		b = b[n:]
	}
	return append(out, b...)
}

// --- gorilla without a network ---

// gorillaOn returns gorilla's end of a WebSocket whose peer sends the stream
// and nothing more.
func gorillaOn(t *testing.T, stream []byte, role websocket.Role) (*gorilla.Conn, *pipe) {
	p := &pipe{in: bytes.NewReader(stream), peer: websocket.Client}
	if role == websocket.Server {
		r := &http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
		}}
		conn, err := new(gorilla.Upgrader).Upgrade(hijackable{p}, r, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.handshake = p.out.Len()
		return conn, p
	}
	p.peer = websocket.Server
	p.answer = func(request *http.Request) []byte {
		return []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
			websocket.AcceptKey(request.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n")
	}
	d := gorilla.Dialer{NetDial: func(string, string) (net.Conn, error) { return p, nil }}
	conn, _, err := d.Dial("ws://server/", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.handshake = p.out.Len()
	return conn, p
}

// A pipe is a connection that reads from memory and keeps what is written.
type pipe struct {
	in        io.Reader
	out       bytes.Buffer
	handshake int            // size of what was written before the frames
	peer      websocket.Role // who reads what is written, seen from our parser: the other end
	answer    func(*http.Request) []byte
}

func (p *pipe) Read(b []byte) (int, error) {
	if p.answer != nil { // a client waits for the answer to its handshake
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p.out.Bytes())))
		if err != nil {
			return 0, err
		}
		p.in, p.answer = io.MultiReader(bytes.NewReader(p.answer(r)), p.in), nil
	}
	return p.in.Read(b)
}

// code returns the code of the close frame that was written, or 0.
func (p *pipe) code() int {
	var parser websocket.Parser
	parser.Init(&websocket.Config{Role: p.peer}, false)
	for b := bytes.Clone(p.out.Bytes()[p.handshake:]); len(b) > 0; {
		ev, n, err := parser.Next(b)
		if err != nil || ev.Kind == websocket.None {
			return 0
		}
		if ev.Kind == websocket.Close {
			return ev.Code
		}
		b = b[n:]
	}
	return 0
}

func (p *pipe) Write(b []byte) (int, error)      { return p.out.Write(b) }
func (p *pipe) Close() error                     { return nil }
func (p *pipe) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (p *pipe) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (p *pipe) SetDeadline(time.Time) error      { return nil }
func (p *pipe) SetReadDeadline(time.Time) error  { return nil }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// hijackable is a ResponseWriter over a pipe.
type hijackable struct{ *pipe }

func (h hijackable) Header() http.Header { return http.Header{} }
func (h hijackable) WriteHeader(int)     {}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	// Large enough for gorilla to go on using it.
	return h.pipe, bufio.NewReadWriter(bufio.NewReaderSize(h.pipe, 4096), bufio.NewWriterSize(h.pipe, 4096)), nil
}

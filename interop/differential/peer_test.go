package differential

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"

	"github.com/siogo/sio/internal/websocket"
)

// patience bounds every wait for a server.
const patience = 30 * time.Second

// An answer is what came back for one request.
type answer struct {
	status int
	header []string // "name: value", sorted, without what every answer has
	body   string   // decompressed
	broken string   // instead of all that: how the connection ended
}

func (a *answer) String() string {
	if a.broken != "" {
		return a.broken
	}
	return fmt.Sprintf("%d %q %q", a.status, a.header, a.body)
}

// A request is one that was sent, and perhaps answered.
type request struct {
	nc   net.Conn
	rest []byte // of a body that was sent in part
	done chan struct{}

	// Set when done is closed.
	answer answer
	br     *bufio.Reader // behind a 101
}

// send opens a connection and writes a request. Of the body, only the first
// part bytes are written when part is not negative.
func send(addr, method, target string, header []string, body string, part int) (*request, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: server\r\n", method, target)
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	r := &request{nc: nc, done: make(chan struct{})}
	if part >= 0 {
		part = min(part, len(body))
		body, r.rest = body[:part], []byte(body[part:])
	}
	b.WriteString(body)
	go r.exchange(b.Bytes(), method) // ends with the answer or the connection; whoever waits, waits for done
	return r, nil
}

// exchange writes the request and reads the answer, both ways at once: a
// server may answer before it has read everything.
func (r *request) exchange(b []byte, method string) {
	defer close(r.done)
	go r.nc.Write(b) // ends with the write or the connection
	br := bufio.NewReader(r.nc)
	resp, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		r.answer.broken = brokenBy(err)
		return
	}
	r.answer.status = resp.StatusCode
	r.answer.header = headerLines(resp)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		r.br = br
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		body, err = decompress(resp.Header.Get("Content-Encoding"), body)
	}
	r.answer.body = string(body)
	if err != nil {
		r.answer.broken = "answer cut off: " + err.Error()
	}
	r.nc.Close()
}

func brokenBy(err error) string {
	if errors.Is(err, net.ErrClosed) {
		return "closed by the script"
	}
	return "closed without an answer"
}

func decompress(encoding string, body []byte) ([]byte, error) {
	if len(body) == 0 {
		return body, nil
	}
	var r io.Reader = bytes.NewReader(body)
	var err error
	switch encoding {
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// dropped are headers that say nothing about the protocol, or are checked in
// another way.
var dropped = map[string]bool{
	"Date": true, "Connection": true, "Keep-Alive": true, "Content-Length": true,
	"Sec-Websocket-Accept": true, "Upgrade": true,
}

// headerLines returns the headers that matter. A body's length is "length:
// known", "chunked" or "until close".
func headerLines(resp *http.Response) []string {
	var lines []string
	for name, values := range resp.Header {
		for _, v := range values {
			if name == "Set-Cookie" {
				v = sortAttributes(v)
			}
			if !dropped[name] {
				lines = append(lines, strings.ToLower(name)+": "+v)
			}
		}
	}
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols || resp.StatusCode == http.StatusNoContent:
	case len(resp.TransferEncoding) > 0:
		lines = append(lines, "length: chunked")
	case resp.ContentLength >= 0:
		lines = append(lines, "length: known")
	default:
		lines = append(lines, "length: until close")
	}
	slices.Sort(lines)
	return lines
}

// sortAttributes puts the attributes of a cookie in order, which means nothing.
func sortAttributes(cookie string) string {
	parts := strings.Split(cookie, "; ")
	slices.Sort(parts[1:])
	return strings.Join(parts, "; ")
}

// finish writes the rest of a body.
func (r *request) finish() {
	r.nc.Write(r.rest)
	r.rest = nil
}

func (r *request) answered() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// A peer is the client's end of a WebSocket.
type peer struct {
	nc net.Conn

	mu     sync.Mutex
	frames []string // what arrived, one per message or control frame; the last one is "end" when the connection ended
}

// newPeer reads the WebSocket behind a 101 until it ends.
func newPeer(r *request) *peer {
	p := &peer{nc: r.nc}
	deflate := slices.ContainsFunc(r.answer.header, func(h string) bool { return strings.HasPrefix(h, "sec-websocket-extensions: ") })
	go p.read(r.br, deflate) // ends with the connection
	return p
}

var frames = &websocket.Config{Role: websocket.Client, MaxMessage: 64 << 20, NewInflater: websocket.NewInflater}

func (p *peer) read(br *bufio.Reader, deflate bool) {
	var parser websocket.Parser
	parser.Init(frames, deflate)
	buf := make([]byte, 64<<10)
	for {
		n, err := br.Read(buf)
		for b := buf[:n]; len(b) > 0; {
			ev, n, err := parser.Next(b)
			b = b[n:]
			if err != nil {
				p.add("violation: " + err.Error())
				p.nc.Close()
				return
			}
			switch ev.Kind {
			case websocket.Text:
				p.add("text " + string(ev.Data))
			case websocket.Binary:
				p.add(fmt.Sprintf("binary %x", ev.Data))
			case websocket.Ping:
				p.add(fmt.Sprintf("ping %q", ev.Data))
			case websocket.Pong:
				p.add(fmt.Sprintf("pong %q", ev.Data))
			case websocket.Close:
				p.add(fmt.Sprintf("close %d %q", ev.Code, ev.Data))
				p.nc.Write(websocket.AppendClose(nil, websocket.Client, ev.Code, ""))
				p.nc.(*net.TCPConn).CloseWrite() // a server that has stopped reading frames sees this
			}
		}
		if err != nil {
			p.add("end")
			p.nc.Close()
			return
		}
	}
}

func (p *peer) add(frame string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames = append(p.frames, frame)
}

func (p *peer) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.frames)
}

package engineio

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// echoer sends every message back.
type echoer struct{ s *Session }

func (e echoer) Message(data []byte, binary bool) { e.s.Send(NewMessage(data, binary)) }
func (e echoer) Closed(*CloseError)               {}

func echoing(s *Session) Handler { return echoer{s} }

// serve serves o on l until the benchmark ends.
func serve(b *testing.B, l net.Listener, o Options) *Server {
	srv, err := New(&o)
	if err != nil {
		b.Fatal(err)
	}
	hs := &http.Server{Handler: srv}
	done := make(chan struct{})
	go func() { hs.Serve(l); close(done) }() // ended and awaited by the cleanup
	b.Cleanup(func() { srv.Close(); hs.Close(); <-done })
	return srv
}

func loopback(b *testing.B) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// dialWebSocket opens a session and reads up to the end of the open packet.
func dialWebSocket(b *testing.B, addr net.Addr) (net.Conn, *bufio.Reader) {
	nc, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	io.WriteString(nc, "GET /engine.io/?transport=websocket&EIO=4 HTTP/1.1\r\n"+upgradeHead+"\r\n")
	br := bufio.NewReader(nc)
	if _, err := br.ReadSlice('}'); err != nil {
		b.Fatal(err)
	}
	return nc, br
}

// One message over WebSocket to the server and back, over the loopback. What
// the client costs is in it; it allocates nothing.
func BenchmarkEchoWebSocket(b *testing.B) {
	for _, bc := range []struct {
		name, frame string
		answer      int // its size
		depth       int // messages under way
	}{
		{"text 64B", frame(0x81, "4"+strings.Repeat("x", 63)), 2 + 64, 1},
		{"text 64B, 16 under way", frame(0x81, "4"+strings.Repeat("x", 63)), 2 + 64, 16},
		{"binary 1KiB", frame(0x82, strings.Repeat("x", 1024)), 4 + 1024, 1},
		{"text 64KiB", frame(0x81, "4"+strings.Repeat("x", 64<<10-1)), 10 + 64<<10, 1},
	} {
		b.Run(bc.name, func(b *testing.B) {
			l := loopback(b)
			serve(b, l, Options{Open: echoing})
			nc, br := dialWebSocket(b, l.Addr())
			batch := bytes.Repeat([]byte(bc.frame), bc.depth)
			b.ReportAllocs()
			b.SetBytes(int64(bc.answer))
			for n := 0; n < b.N; n += bc.depth {
				if _, err := nc.Write(batch); err != nil {
					b.Fatal(err)
				}
				if _, err := br.Discard(bc.answer * bc.depth); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One POST and the poll that brings its echo, over the loopback, each on a
// connection of its own.
func BenchmarkPollingRoundTrip(b *testing.B) {
	l := loopback(b)
	serve(b, l, Options{Open: echoing})
	dial := func() (net.Conn, *bufio.Reader) {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { nc.Close() })
		return nc, bufio.NewReader(nc)
	}
	get, gets := dial()
	post, posts := dial()
	io.WriteString(get, head("GET", "transport=polling&EIO=4")+"\r\n")
	open := readBody(b, gets)
	sid := open[len(`0{"sid":"`):][:20]
	poll := []byte(head("GET", "transport=polling&EIO=4&sid="+sid) + "\r\n")
	message := []byte(head("POST", "transport=polling&EIO=4&sid="+sid) + "Content-Length: 64\r\n\r\n4" + strings.Repeat("x", 63))
	b.ReportAllocs()
	for b.Loop() {
		post.Write(message)
		readBody(b, posts)
		get.Write(poll)
		if got := readBody(b, gets); len(got) != 64 {
			b.Fatalf("poll answered %q", got)
		}
	}
}

// readBody reads one answer and returns its body, which is valid until the
// next read.
func readBody(b *testing.B, br *bufio.Reader) string {
	length := -1
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
		}
		if len(line) == 2 {
			break
		}
	}
	body, err := br.Peek(length)
	if err != nil {
		b.Fatal(err)
	}
	br.Discard(length)
	return string(body)
}

// One shared message to a thousand sessions: over WebSocket, with the system
// call for each but no network, and into the queues of polling clients.
func BenchmarkSendShared(b *testing.B) {
	const n = 1000
	m := text(strings.Repeat("x", 63))
	b.Run("websocket", func(b *testing.B) {
		l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
		if err != nil {
			b.Fatal(err)
		}
		opened := make(chan *Session, n)
		serve(b, l, Options{Open: func(s *Session) Handler { opened <- s; return quiet{} }, PingInterval: time.Hour})
		peers := make([]*bufio.Reader, n)
		for i := range peers {
			_, peers[i] = dialWebSocket(b, l.Addr())
		}
		sessions := make([]*Session, n)
		for i := range sessions {
			sessions[i] = <-opened
		}
		// The kernel holds what is sent until it is read, off the clock.
		const batch = 200
		frame := len(m.frame(4))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			for _, s := range sessions {
				if err := s.Send(m); err != nil {
					b.Fatal(err)
				}
			}
			if i%batch == batch-1 {
				b.StopTimer()
				for _, p := range peers {
					if _, err := p.Discard(batch * frame); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/delivery")
	})
	b.Run("polling", func(b *testing.B) {
		var sessions []*Session
		srv, err := New(&Options{Open: func(s *Session) Handler { sessions = append(sessions, s); return quiet{} }})
		if err != nil {
			b.Fatal(err)
		}
		defer srv.Close()
		for range n {
			srv.ServeHTTP(&sink{header: make(http.Header)}, httptest.NewRequest("GET", "/engine.io/?transport=polling&EIO=4", nil))
		}
		const batch = 100
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			for _, s := range sessions {
				if err := s.Send(m); err != nil {
					b.Fatal(err)
				}
			}
			if i%batch == batch-1 {
				b.StopTimer()
				for _, s := range sessions {
					s.answerPoll(&sink{header: make(http.Header)}, httptest.NewRequest("GET", "/", nil), query{})
				}
				b.StartTimer()
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/delivery")
	})
}

// A handshake over WebSocket, from the connection to the open packet, and the
// end of the session.
func BenchmarkHandshakeWebSocket(b *testing.B) {
	l := loopback(b)
	serve(b, l, Options{Open: echoing})
	request := []byte("GET /engine.io/?transport=websocket&EIO=4 HTTP/1.1\r\n" + upgradeHead + "\r\n")
	buf := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		nc.Write(request)
		for got := 0; ; {
			n, err := nc.Read(buf[got:])
			if err != nil {
				b.Fatal(err)
			}
			if got += n; buf[got-1] == '}' {
				break
			}
		}
		nc.(*net.TCPConn).SetLinger(0) // no ports are kept waiting
		nc.Close()
	}
}

// The first request of a client over polling, without the HTTP server, and the
// end of the session.
func BenchmarkHandshakePolling(b *testing.B) {
	var last *Session
	srv, err := New(&Options{Open: func(s *Session) Handler { last = s; return quiet{} }})
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	r := httptest.NewRequest("GET", "/engine.io/?transport=polling&EIO=4", nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	w := &sink{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		srv.ServeHTTP(w, r)
		last.Abort(ReasonForcedClose, nil)
	}
}

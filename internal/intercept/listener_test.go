package intercept

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/siogo/sio/internal/memnet"
)

// refuse answers 403.
var refuse = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) })

// until waits for a condition that others bring about.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// listen returns a Listener over TCP, from which the test accepts.
func listen(t *testing.T, cfg Config) *Listener {
	t.Helper()
	cfg.Path = "/io/"
	if cfg.Handler == nil {
		cfg.Handler = refuse
	}
	l := Listen(listenTCP(t), cfg)
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc
}

func accept(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc
}

func (l *Listener) waiting() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := l.looks.first; k != nil; k = k.next {
		n++
	}
	return n
}

// Whatever comes in whatever pieces, the server behind reads all of it.
func TestHandedOnWithAllBytes(t *testing.T) {
	l, hasty := listen(t, Config{Patience: time.Hour}), listen(t, Config{Patience: 1})
	whole := handshake("/io/") // which is not taken when it comes in pieces
	for _, pieces := range [][]string{
		{"GET / HTTP/1.1\r\n\r\n"}, {whole[:1], whole[1:]}, {whole[:len(whole)-1], whole[len(whole)-1:]}, {whole[:50], whole[50:100], whole[100:]},
		{"\x16\x03\x01\x02\x00"}, {strings.Repeat("x", 20<<10)}, {"\x00"}, {""}, {"", whole},
	} {
		l := l
		if pieces[0] == "" {
			l = hasty
		}
		client := dial(t, l)
		io.WriteString(client, pieces[0])
		server := accept(t, l) // so the first piece was looked at
		for _, p := range pieces[1:] {
			io.WriteString(client, p)
		}
		client.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(server)
		if want := strings.Join(pieces, ""); err != nil || string(got) != want {
			t.Errorf("%v, read %.100q, want %.100q", err, got, want)
		}
		if _, wrapped := server.(*Conn); wrapped == (pieces[0] == "") {
			t.Errorf("%.20q was handed on as a %T", pieces, server)
		}
		client.Close()
		server.Close()
	}
}

// A connection that sends nothing is handed on after Patience, and waits without
// a deadline then.
func TestSilentConnection(t *testing.T) {
	l := listen(t, Config{Patience: time.Millisecond})
	for range 3 { // the timer stops and starts again
		client := dial(t, l)
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := server.(*net.TCPConn); !ok {
			t.Errorf("it is a %T", server)
		}
		time.AfterFunc(5*time.Millisecond, func() { io.WriteString(client, "late") })
		got := make([]byte, 4)
		if _, err := io.ReadFull(server, got); err != nil || string(got) != "late" {
			t.Errorf("%v, read %q", err, got)
		}
		server.Close()
		client.Close()
	}
}

// A connection that has ended is handed on, and shows it.
func TestEndedConnection(t *testing.T) {
	l := listen(t, Config{Patience: time.Hour})
	dial(t, l).Close()
	if n, err := accept(t, l).Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// Silent clients do not keep others from being answered or served.
func TestSilentConnectionsHinderNobody(t *testing.T) {
	s := serve(t, &Config{Path: "/io/", Patience: time.Hour}, func(w http.ResponseWriter, r *http.Request, taken bool) { w.WriteHeader(403) })
	for range 3 * maxQueue {
		s.dial()
	}
	for _, target := range []string{"/io/", "/other"} {
		if got := s.ask(handshake(target) + ending); got.status != 403 {
			t.Errorf("%s: answered %d", target, got.status)
		}
	}
}

// Connections of other types are handed on as they are.
func TestOtherTypes(t *testing.T) {
	ln := memnet.Listen()
	l := Listen(ln, Config{Path: "/io/", Handler: refuse})
	defer l.Close()
	go func() {
		if nc, err := ln.Dial(context.Background()); err == nil {
			io.WriteString(nc, handshake("/io/")) // ends when it is read or the server's side closes
			nc.Close()
		}
	}()
	nc := accept(t, l)
	if got, err := io.ReadAll(nc); string(got) != handshake("/io/") || err != nil {
		t.Errorf("%v, read %q", err, got)
	}
	if l.Addr() != ln.Addr() {
		t.Errorf("the address is %v", l.Addr())
	}
}

// A script is a listener that says what its test wants.
type script struct {
	net.Listener
	results chan result
	closed  chan struct{}
	once    sync.Once
}

type result struct {
	nc  net.Conn
	err error
}

func newScript() *script { return &script{results: make(chan result), closed: make(chan struct{})} }

func (s *script) Accept() (net.Conn, error) {
	select {
	case r := <-s.results:
		return r.nc, r.err
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *script) Close() error   { s.once.Do(func() { close(s.closed) }); return errScript }
func (s *script) Addr() net.Addr { return &net.TCPAddr{} }

var errScript = errors.New("as the script has it")

// Errors come out as they are; then nothing is accepted until Accept is called
// again.
func TestAcceptErrors(t *testing.T) {
	s := newScript()
	l := Listen(s, Config{Path: "/io/", Handler: refuse})
	temporary := &net.OpError{Op: "accept", Err: syscall.EMFILE}
	for _, want := range []error{temporary, io.ErrUnexpectedEOF, temporary} {
		go func() { s.results <- result{err: want} }() // ends when Accept gets it
		if nc, err := l.Accept(); err != want || nc != nil {
			t.Errorf("Accept returned %v, want %v", err, want)
		}
		select {
		case s.results <- result{err: errScript}:
			t.Error("it goes on accepting")
		default:
		}
	}
	// What was accepted before comes first.
	client, server := net.Pipe()
	defer client.Close()
	go func() { s.results <- result{nc: server}; s.results <- result{err: temporary} }() // ends when Accept gets them
	if nc, err := l.Accept(); nc != server || err != nil {
		t.Errorf("Accept returned %v, %v", nc, err)
	}
	if _, err := l.Accept(); err != temporary {
		t.Errorf("Accept returned %v", err)
	}
	if err := l.Close(); err != errScript {
		t.Errorf("Close returned %v", err)
	}
}

// No more are accepted than Accept will take soon.
func TestBackPressure(t *testing.T) {
	s := newScript()
	l := Listen(s, Config{Path: "/io/", Handler: refuse})
	defer l.Close()
	sent := make(chan int, 1)
	stop := make(chan struct{})
	go func() { // ends by stop
		for n := 0; ; n++ {
			client, server := net.Pipe()
			client.Close()
			select {
			case s.results <- result{nc: server}:
			case <-stop:
				sent <- n
				return
			}
		}
	}()
	accept(t, l)
	until(t, "a full queue", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.queue) == maxQueue })
	for range 1000 {
		runtime.Gosched()
	}
	close(stop)
	if n := <-sent; n > maxQueue+1 {
		t.Errorf("%d were accepted", n)
	}
	for range maxQueue {
		accept(t, l)
	}
}

// Close ends everything: those that wait in Accept, and connections that sent
// nothing or were not accepted.
func TestClose(t *testing.T) {
	l := Listen(listenTCP(t), Config{Path: "/io/", Handler: refuse, Patience: time.Hour})
	ended := make(chan error, 2)
	first, silent, queued := dial(t, l), dial(t, l), dial(t, l)
	io.WriteString(first, "x")
	accept(t, l)
	io.WriteString(queued, "x")
	until(t, "one that is silent and one in the queue", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.queue) == 1 && l.looks.first != nil && l.looks.first.next == nil
	})
	other := Listen(listenTCP(t), Config{Path: "/io/", Handler: refuse})
	for range 2 {
		go func() { _, err := other.Accept(); ended <- err }() // ends with Close
	}
	for _, l := range []*Listener{l, other} {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the second Close returned %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept returned %v", err)
		}
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept returned %v", err)
		}
	}
	for name, nc := range map[string]net.Conn{"silent": silent, "queued": queued} {
		if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: read %d bytes, %v", name, n, err)
		}
	}
	until(t, "nobody waits", func() bool { return l.waiting() == 0 })
}

// What comes between Close and its effect is closed too.
func TestCloseRaces(t *testing.T) {
	for range 50 {
		l := Listen(listenTCP(t), Config{Path: "/io/", Handler: refuse})
		var clients sync.WaitGroup
		closed := make(chan struct{})
		for i := range 8 {
			clients.Go(func() {
				nc, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					return // closed before
				}
				nc.SetDeadline(time.Now().Add(patience))
				io.WriteString(nc, []string{handshake("/io/"), "x", ""}[i%3])
				if i%3 == 2 { // the kernel forgets who was not accepted, and says so only when asked
					<-closed
					io.WriteString(nc, "x")
				}
				if _, err := io.ReadAll(nc); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				nc.Close()
			})
		}
		go func() { // ends with Close
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				nc.Close()
			}
		}()
		runtime.Gosched()
		l.Close()
		close(closed)
		clients.Wait()
	}
}

// Shutdown of the HTTP server ends the Listener, and waits for nobody there.
func TestShutdown(t *testing.T) {
	s := serve(t, &Config{Path: "/io/", Patience: time.Hour}, func(w http.ResponseWriter, r *http.Request, taken bool) { w.WriteHeader(403) })
	s.ask(handshake("/io/"))
	silent := s.dial()
	if err := s.hs.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-s.done
	if n, err := silent.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// The first bytes come first, however they are read.
func TestConn(t *testing.T) {
	open := func() (*Conn, net.Conn) {
		l := listen(t, Config{Patience: time.Hour})
		client := dial(t, l)
		io.WriteString(client, "head")
		c := accept(t, l).(*Conn)
		io.WriteString(client, "tail")
		client.(*net.TCPConn).CloseWrite()
		return c, client
	}
	c, client := open()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Read(func(uintptr) bool { return true }); err == nil {
		t.Error("the raw connection skips the head")
	}
	if err := raw.Control(func(uintptr) {}); err != nil {
		t.Error(err)
	}
	if err := raw.Write(func(uintptr) bool { return true }); err != nil {
		t.Error(err)
	}
	if _, err := c.File(); err == nil {
		t.Error("File skips the head")
	}
	b := make([]byte, 3)
	for _, want := range []string{"hea", "d"} {
		if n, err := c.Read(b); string(b[:n]) != want || err != nil {
			t.Errorf("%v, read %q", err, b[:n])
		}
	}
	if err := raw.Read(func(uintptr) bool { return true }); err != nil {
		t.Error(err)
	}
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if got, err := io.ReadAll(c); string(got) != "tail" || err != nil {
		t.Errorf("%v, read %q", err, got)
	}
	if n, err := c.ReadFrom(strings.NewReader("answer")); n != 6 || err != nil {
		t.Error(n, err)
	}
	c.CloseWrite()
	if got, err := io.ReadAll(client); string(got) != "answer" || err != nil {
		t.Errorf("%v, the client read %q", err, got)
	}

	c, _ = open()
	var all bytes.Buffer
	if n, err := io.Copy(&all, c); n != 8 || err != nil || all.String() != "headtail" {
		t.Errorf("copied %d bytes, %v: %q", n, err, all.String())
	}

	c, _ = open()
	c.Read(b)
	if tcp, head := c.Unwrap(); tcp != c.TCPConn || string(head) != "d" {
		t.Errorf("unwrapped with %q", head)
	}
}

package engineio

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siogo/sio/internal/websocket"
)

// residue is what a server must not leave behind.
type residue struct {
	goroutines, timers, sessions, conns, addresses, files int
}

func (r *rig) residue() residue {
	srv := r.srv
	files, _ := os.ReadDir("/proc/self/fd") // empty where there is no such thing
	res := residue{goroutines: runtime.NumGoroutine(), timers: srv.wheel.Len(), files: len(files)}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	res.sessions, res.conns, res.addresses = len(srv.sessions), srv.connCount, len(srv.perAddr)
	return res
}

// A soaker makes connections of every kind, each from one of many loopback
// addresses, so that ports do not run out.
type soaker struct {
	addr   string
	dialer net.Dialer
	client *http.Client
}

func newSoaker(addr string, n int) *soaker {
	s := &soaker{addr: addr}
	s.dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+n%40))}
	if runtime.GOOS != "linux" {
		s.dialer.LocalAddr = nil // other systems have one loopback address
	}
	s.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return s.dialer.DialContext(ctx, network, addr)
		},
		MaxIdleConnsPerHost: 2,
	}}
	return s
}

func (s *soaker) fetch(ctx context.Context, method, query, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+"/engine.io/?"+query, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func (s *soaker) handshake() (sid string, err error) {
	status, body, err := s.fetch(context.Background(), "GET", "EIO=4&transport=polling", "")
	if err != nil || status != 200 {
		return "", fmt.Errorf("handshake: %d %q %v", status, body, err)
	}
	_, sid, _ = strings.Cut(body, `"sid":"`)
	return sid[:20], nil
}

// websocket opens a WebSocket; sid is empty for a new session.
func (s *soaker) websocket(query string) (*chaosSocket, *net.TCPConn, error) {
	nc, err := s.dialer.Dial("tcp", s.addr)
	if err != nil {
		return nil, nil, err
	}
	w := &chaosSocket{nc: nc, br: bufio.NewReaderSize(nc, 512)}
	w.parser.Init(clientFrames, false)
	fmt.Fprintf(nc, "GET /engine.io/?EIO=4&transport=websocket%s HTTP/1.1\r\n%s\r\n", query, upgradeHead)
	if _, err := http.ReadResponse(w.br, nil); err != nil {
		nc.Close()
		return nil, nil, err
	}
	return w, nc.(*net.TCPConn), nil
}

// expect reads until a message comes, past pings.
func (w *chaosSocket) expect(want string) error {
	for {
		switch m, err := w.read(); {
		case err != nil:
			return err
		case m == want:
			return nil
		case m != "2":
			return fmt.Errorf("got %q, want %q", m, want)
		}
	}
}

// kinds are the lives of a connection. Each returns when its part is done;
// the server may still be at its own.
var kinds = []struct {
	name string
	run  func(s *soaker) error
}{
	{"WebSocket, clean close", func(s *soaker) error {
		w, nc, err := s.websocket("")
		if err != nil {
			return err
		}
		defer nc.Close()
		w.read()
		w.send("4hello")
		if err := w.expect("4hello"); err != nil {
			return err
		}
		nc.Write(websocket.AppendClose(nil, websocket.Client, 1000, ""))
		for err == nil {
			_, err = w.read()
		}
		if err == io.EOF {
			return nil
		}
		return err
	}},
	{"WebSocket, reset", func(s *soaker) error {
		w, nc, err := s.websocket("")
		if err != nil {
			return err
		}
		w.read()
		nc.SetLinger(0)
		return nc.Close()
	}},
	{"WebSocket, reset in the middle of a frame", func(s *soaker) error {
		_, nc, err := s.websocket("")
		if err != nil {
			return err
		}
		nc.Write([]byte{0x81, 0xFE, 0x10, 0x00, 1, 2, 3, 4, 'x'})
		nc.SetLinger(0)
		return nc.Close()
	}},
	{"polling, goodbye", func(s *soaker) error {
		sid, err := s.handshake()
		if err != nil {
			return err
		}
		_, _, err = s.fetch(context.Background(), "POST", "EIO=4&transport=polling&sid="+sid, "1")
		return err
	}},
	{"polling, poll cut", func(s *soaker) error {
		sid, err := s.handshake()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		s.fetch(ctx, "GET", "EIO=4&transport=polling&sid="+sid, "")
		return nil
	}},
	{"polling, silence until the timeout", func(s *soaker) error {
		_, err := s.handshake()
		return err
	}},
	{"refused", func(s *soaker) error {
		status, _, err := s.fetch(context.Background(), "GET", "EIO=4&transport=polling&sid=nobody", "")
		if err == nil && status != 400 {
			err = fmt.Errorf("status %d, want 400", status)
		}
		return err
	}},
	{"upgrade cut after the probe", func(s *soaker) error {
		sid, err := s.handshake()
		if err != nil {
			return err
		}
		w, nc, err := s.websocket("&sid=" + sid)
		if err != nil {
			return err
		}
		w.send("2probe")
		w.read()
		nc.SetLinger(0)
		nc.Close()
		_, _, err = s.fetch(context.Background(), "POST", "EIO=4&transport=polling&sid="+sid, "1")
		return err
	}},
	{"upgrade, then reset", func(s *soaker) error {
		sid, err := s.handshake()
		if err != nil {
			return err
		}
		w, nc, err := s.websocket("&sid=" + sid)
		if err != nil {
			return err
		}
		w.send("2probe")
		w.read()
		w.send("5")
		w.send("4hello")
		if err := w.expect("4hello"); err != nil {
			return err
		}
		nc.SetLinger(0)
		return nc.Close()
	}},
	{"closed by the server", func(s *soaker) error {
		w, nc, err := s.websocket("")
		if err != nil {
			return err
		}
		defer nc.Close()
		w.read()
		w.send("4close")
		for err == nil { // a ping may come first
			_, err = w.read()
		}
		if err == io.EOF {
			return nil
		}
		return err
	}},
}

// Connections of every kind leave nothing behind: no goroutine, no timer, no
// entry in a map, no descriptor.
func TestFault_X06_ChurnLeavesNothing(t *testing.T) {
	const workers = 16
	cycles := 200_000 / scale
	r := overTCP(t, Options{
		PingInterval: 2 * time.Second, PingTimeout: 2 * time.Second, CloseTimeout: time.Second,
		MaxSessionsPerAddress: 1 << 20, // so that addresses are counted
	}, nil)
	r.srv.cfg.Open = func(s *Session) Handler { return soakHandler{s} }
	addr := strings.TrimPrefix(r.base, "http://")
	var next atomic.Int64
	round := func(cycles int) {
		var wg sync.WaitGroup
		next.Store(0)
		for n := range workers {
			wg.Go(func() {
				s := newSoaker(addr, n)
				defer s.client.CloseIdleConnections()
				for {
					i := int(next.Add(1)) - 1
					if i >= cycles {
						return
					}
					k := kinds[i%len(kinds)]
					if err := k.run(s); err != nil {
						t.Errorf("cycle %d, %s: %v", i, k.name, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	round(10 * workers) // what is made once: pools, connections of the test's own
	base := r.settle(residue{})
	round(cycles)
	if got := r.settle(base); got != base {
		buf := make([]byte, 1<<20)
		t.Errorf("after %d cycles %+v is left, it was %+v before\n%s", cycles, got, base, buf[:runtime.Stack(buf, true)])
	}
	st := r.srv.Stats()
	t.Logf("%d cycles: %d sessions opened, %d upgraded, closed %v", cycles, st.Opened, st.Upgraded, st.Closed)
}

// settle waits until no session is left and what is there is no more than
// base, and returns what is there; at the latest after the longest timeout.
func (r *rig) settle(base residue) residue {
	var got residue
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		runtime.GC()
		got = r.residue()
		if got.sessions == 0 && got.conns == 0 && got.timers == 0 &&
			(base == residue{} || got.goroutines <= base.goroutines && got.files <= base.files) {
			if (base != residue{}) { // fewer of the test's own connections is as good
				got.goroutines, got.files = base.goroutines, base.files
			}
			return got
		}
		time.Sleep(10 * time.Millisecond)
	}
	return got
}

type soakHandler struct{ *Session }

func (h soakHandler) Message(data []byte, binary bool) {
	if string(data) == "close" {
		h.Close()
		return
	}
	h.Send(NewMessage(data, binary))
}

func (h soakHandler) Closed(*CloseError) {}

// The memory of a hostile client is bounded by a formula of the options: what
// it sends and does not finish, and what it does not read.
func TestFault_I12_MemoryFormula(t *testing.T) {
	const (
		clients    = 20
		maxPayload = 1_000_000
		queueBytes = 1 << 20
		fixed      = 64 << 10 // the session, its stacks, its read buffer, the rounding of size classes
		message    = 100_000
	)
	r := newRig(t, Options{MaxPayload: maxPayload, MaxQueueBytes: queueBytes, KeepSlow: true})
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	base := heap()
	head := []byte{0x82, 0xFF, 0, 0, 0, 0, 0, 0x0F, 0x42, 0x40 - 1, 0, 0, 0, 0} // 999,999 bytes, masked with zeros
	chunk := make([]byte, 10_000)
	for range clients {
		w, rec := r.websocket("4")
		w.raw(head)
		for range 99 {
			w.raw(chunk)
		}
		w.raw(chunk[:9_998]) // all but one byte: the message stays unfinished
		for rec.Send(NewMessage(make([]byte, message), true)) == nil {
		}
	}
	const least = maxPayload + queueBytes/2
	perClient := int64(0)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); { // until what was sent has been taken in
		if perClient = (heap() - base) / clients; perClient >= least {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	const limit = fixed + maxPayload + queueBytes + message
	t.Logf("%d bytes per hostile client; the formula allows %d", perClient, limit)
	if perClient > limit {
		t.Errorf("a hostile client costs %d bytes, more than the formula's %d", perClient, limit)
	}
	if perClient < least {
		t.Errorf("a hostile client costs only %d bytes: the test does not drive the formula's terms", perClient)
	}
}

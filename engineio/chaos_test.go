package engineio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/internal/faultproxy"
	"github.com/siogo/sio/internal/websocket"
)

// A ledger checks that numbered messages arrive once and in order.
type ledger struct {
	next int
	err  error
}

func (l *ledger) take(m string, prefix byte) {
	n, err := strconv.Atoi(m[1:])
	if err != nil || m[0] != prefix {
		l.fail(fmt.Errorf("unexpected message %.40q", m))
		return
	}
	if n != l.next {
		l.fail(fmt.Errorf("got message %d, expected %d", n, l.next))
	}
	l.next = n + 1
}

func (l *ledger) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// A chaosHandler is the server's side of a chaos session: it counts what the
// client sends and sends as much itself.
type chaosHandler struct {
	s      *Session
	total  int
	closed chan *CloseError
	done   chan struct{} // all messages of the client are here

	mu  sync.Mutex
	got ledger
}

func (h *chaosHandler) Message(data []byte, binary bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.got.take(string(data), 'c'); h.got.next == h.total {
		close(h.done)
	}
}

func (h *chaosHandler) Closed(err *CloseError) { h.closed <- err }

// produce sends the server's messages, as fast as the client takes them.
func (h *chaosHandler) produce() {
	for i := range h.total {
		if err := h.s.Send(NewMessage(fmt.Appendf(nil, "s%d", i), false)); err != nil {
			return
		}
		if i%100 == 99 && h.s.Wait(context.Background()) != nil {
			return
		}
	}
}

// A chaosClient is a client as the protocol asks for: before it switches, it
// waits for its poll and its POST; when the WebSocket fails before that, it
// goes on polling.
type chaosClient struct {
	http   *http.Client
	base   string // of the polling leg
	wsAddr string // of the WebSocket leg
	sid    string
	total  int

	sent int
	got  ledger

	mu      sync.Mutex
	paused  bool          // the poll loop is to end
	resting bool          // it has ended
	polling chan struct{} // closed when it has
}

func (c *chaosClient) url(extra string) string {
	return c.base + "/engine.io/?EIO=4&transport=polling" + extra
}

func (c *chaosClient) fetch(method, extra, body string) (string, error) {
	req, err := http.NewRequest(method, c.url(extra), strings.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("%s answered %d %s", method, resp.StatusCode, b)
	}
	return string(b), err
}

func (c *chaosClient) packet(p string) {
	switch p[0] {
	case '4':
		c.got.take(p[1:], 's')
	case '2', '6':
	default:
		c.got.fail(fmt.Errorf("unexpected packet %.40q", p))
	}
}

// startPolling runs the poll loop until pause.
func (c *chaosClient) startPolling() {
	c.paused, c.resting, c.polling = false, false, make(chan struct{})
	go func() { // ends after the poll during which paused was set
		defer close(c.polling)
		for {
			body, err := c.fetch("GET", "&sid="+c.sid, "")
			if err != nil {
				c.got.fail(err)
				return
			}
			for p := range strings.SplitSeq(body, "\x1e") {
				c.packet(p)
			}
			c.mu.Lock()
			stop := c.paused || c.got.err != nil
			c.resting = stop
			c.mu.Unlock()
			if stop {
				return
			}
		}
	}()
}

// pause brings the poll loop to rest while w stays whole. If w breaks, the
// server has gone back to polling and may let the poll wait for ever: then
// polling goes on, and pause reports false.
func (c *chaosClient) pause(w *chaosSocket) bool {
	c.mu.Lock()
	c.paused = true
	c.mu.Unlock()
	broken := w.watch()
	select {
	case <-c.polling:
		if w.nc.SetReadDeadline(time.Now()); !<-broken {
			w.nc.SetReadDeadline(time.Time{})
			return true
		}
	case <-broken:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused = false; c.resting {
		<-c.polling
		c.startPolling()
	}
	return false
}

// postSome sends the next messages over polling.
func (c *chaosClient) postSome(n int) error {
	var b strings.Builder
	for range min(n, c.total-c.sent) {
		if b.Len() > 0 {
			b.WriteByte(0x1e)
		}
		fmt.Fprintf(&b, "4c%d", c.sent)
		c.sent++
	}
	if b.Len() == 0 {
		return nil
	}
	_, err := c.fetch("POST", "&sid="+c.sid, b.String())
	return err
}

// upgrade tries to switch. It returns nil when the WebSocket failed before the
// switch; then polling goes on.
func (c *chaosClient) upgrade() (*chaosSocket, error) {
	nc, err := net.Dial("tcp", c.wsAddr)
	if err != nil {
		return nil, nil // cut before it began
	}
	w := &chaosSocket{nc: nc, br: bufio.NewReader(nc)}
	w.parser.Init(clientFrames, false)
	fmt.Fprintf(nc, "GET /engine.io/?EIO=4&transport=websocket&sid=%s HTTP/1.1\r\n%s\r\n", c.sid, upgradeHead)
	resp, err := http.ReadResponse(w.br, nil)
	if err != nil || resp.StatusCode != 101 {
		nc.Close()
		return nil, nil
	}
	w.send("2probe")
	if m, err := w.read(); err != nil || m != "3probe" {
		nc.Close()
		return nil, nil
	}
	if !c.pause(w) {
		nc.Close()
		return nil, nil
	}
	if c.got.err != nil {
		return nil, c.got.err
	}
	w.send("5")
	return w, nil
}

type chaosSocket struct {
	nc     net.Conn
	br     *bufio.Reader
	parser websocket.Parser
	rest   []byte
	buf    [4096]byte
}

func (w *chaosSocket) send(m string) error {
	_, err := w.nc.Write(websocket.AppendFrame(nil, websocket.Client, websocket.OpText, []byte(m)))
	return err
}

func (w *chaosSocket) read() (string, error) {
	for {
		ev, n, err := w.parser.Next(w.rest)
		w.rest = w.rest[n:]
		switch {
		case err != nil:
			return "", err
		case ev.Kind == websocket.Text:
			return string(ev.Data), nil
		case ev.Kind == websocket.Close:
			return "", io.EOF
		case ev.Kind != websocket.None:
			continue
		}
		if n, err = w.br.Read(w.buf[:]); err != nil {
			return "", err
		}
		w.rest = w.buf[:n]
	}
}

// watch tells whether the connection ends before its read deadline; nothing
// else can come before the switch.
func (w *chaosSocket) watch() <-chan bool {
	broken := make(chan bool, 1)
	go func() { // ends with the connection, or at its deadline
		_, err := w.br.Peek(1)
		broken <- err == nil || !isTimeout(err)
	}()
	return broken
}

// runChaosSession plays one session to its end. It reports false when the
// WebSocket was cut after the switch: then the session is lost by rights, and
// only order was checked.
func runChaosSession(c *chaosClient, handlers *sync.Map, rng *rand.Rand, attempts int) (whole bool, err error) {
	body, err := c.fetch("GET", "", "")
	if err != nil {
		return false, err
	}
	_, c.sid, _ = strings.Cut(body, `"sid":"`)
	c.sid = c.sid[:20]
	known, _ := handlers.Load(c.sid)
	h := known.(*chaosHandler)
	producer := make(chan struct{})
	go func() { h.produce(); close(producer) }()
	c.startPolling()
	var w *chaosSocket
	// The last attempts are not cut; they may still come too early, while the
	// server has not noticed the end of the one before.
	for try := 0; w == nil; try++ {
		switch {
		case try == attempts+100:
			return false, fmt.Errorf("the attempts that were not cut failed")
		case try >= attempts-1:
			c.wsAddr = strings.TrimPrefix(c.base, "http://")
		}
		for range 1 + rng.IntN(3) {
			if err := c.postSome(1 + rng.IntN(max(1, c.total/20))); err != nil {
				return false, err
			}
		}
		if w, err = c.upgrade(); err != nil {
			return false, err
		}
	}
	defer w.nc.Close()
	writer := make(chan error, 1)
	go func() {
		for c.sent < c.total {
			if err := w.send(fmt.Sprintf("4c%d", c.sent)); err != nil {
				writer <- err
				return
			}
			c.sent++
		}
		writer <- nil
	}()
	var severed error
	for c.got.next < c.total && c.got.err == nil && severed == nil {
		m, err := w.read()
		if severed = err; err == nil {
			c.packet(m)
		}
	}
	if err := <-writer; err != nil {
		severed = err
	}
	if c.got.err == nil && severed == nil {
		end := make(chan error, 1)
		go func() { // ends with the connection
			_, err := w.read()
			end <- err
		}()
		select {
		case <-h.done:
		case severed = <-end: // cut, with the client's last messages under way
		case <-time.After(time.Minute):
			severed = errStuck
		}
	}
	switch {
	case c.got.err != nil || severed == errStuck:
		h.s.Abort(ReasonForcedClose, nil) // or the producer would wait for ever
	case severed != nil:
		w.nc.Close()
		c.fetch("POST", "&sid="+c.sid, "1") // if the switch was cut on its way, the session is still polling
		<-h.closed
	}
	<-producer
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case c.got.err != nil:
		return false, c.got.err
	case h.got.err != nil:
		return false, h.got.err
	case errors.Is(severed, errStuck):
		return false, fmt.Errorf("%w: the server has %d of %d messages", errStuck, h.got.next, h.total)
	}
	return severed == nil, nil
}

var errStuck = errors.New("stuck")

// Sessions are upgraded while both sides send numbered messages; both legs are
// delayed and sliced, and the WebSocket is cut at a random instant of several
// attempts. Nothing is lost, repeated, reordered or stuck.
func TestFault_U01_U02_UpgradeUnderFire(t *testing.T) {
	const sessions = 100
	total := 10_000 / scale
	var handlers sync.Map // of *chaosHandler by session id
	r := newRig(t, Options{PingInterval: time.Hour, Open: func(s *Session) Handler {
		h := &chaosHandler{s: s, total: total, closed: make(chan *CloseError, 1), done: make(chan struct{})}
		handlers.Store(s.ID(), h)
		return h
	}})
	addr := strings.TrimPrefix(r.base, "http://")
	const seed = 20261120
	slow, err := faultproxy.Listen(addr, seed, func(n int) faultproxy.Faults {
		return faultproxy.Faults{Delay: time.Duration(n%4) * 2 * time.Millisecond}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	plan := rand.New(rand.NewPCG(seed, 1))
	cut, err := faultproxy.Listen(addr, seed, func(n int) faultproxy.Faults {
		// A request and its two packets are some 290 bytes: most cuts fall
		// somewhere in them, the others at any instant until after the switch.
		f := faultproxy.Faults{Delay: time.Millisecond, Slice: 80, Reset: n%2 == 0}
		if n%3 == 0 {
			f.CutAfter = time.Duration(1 + plan.Int64N(int64(20*time.Millisecond)))
		} else {
			f.CutBytes = 1 + plan.IntN(290)
		}
		return f
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cut.Close()

	var (
		wg             sync.WaitGroup
		mu             sync.Mutex
		whole, severed int
	)
	for i := range sessions {
		wg.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 2}
			defer transport.CloseIdleConnections()
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for range 20 { // until a session's cuts all fall before the switch
				c := &chaosClient{http: &http.Client{Transport: transport}, base: "http://" + slow.Addr(), wsAddr: cut.Addr(), total: total}
				ok, err := runChaosSession(c, &handlers, rng, 4)
				if err != nil {
					t.Errorf("session %d: %v", i, err)
					return
				}
				mu.Lock()
				if ok {
					whole++
				} else {
					severed++
				}
				mu.Unlock()
				if ok {
					return
				}
			}
			t.Errorf("session %d was severed every time", i)
		})
	}
	wg.Wait()
	t.Logf("%d sessions of 2×%d messages over %d cut WebSockets; %d sessions severed after the switch", whole, total, cut.Count(), severed)
}

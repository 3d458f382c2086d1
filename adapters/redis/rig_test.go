package redisadapter

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/siogo/sio/internal/redisserver"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startRedis(t testing.TB) *redisserver.Server { return redisserver.Start(t) }

// startRedisCluster starts n nodes that have the slots among them, and returns
// the address of one.
func startRedisCluster(t testing.TB, n int) string {
	t.Helper()
	const slots = 16384
	var nodes []*redisserver.Server
	for i := range n {
		s := redisserver.Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
		s.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/n), strconv.Itoa((i+1)*slots/n-1))
		nodes = append(nodes, s)
		if i > 0 {
			host, port, _ := net.SplitHostPort(nodes[0].Addr)
			s.Do("CLUSTER", "MEET", host, port)
		}
	}
	for _, s := range nodes {
		// The first line of the reply is its length, so it is asked with a script.
		for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			known := s.Do("EVAL", `return #redis.call("CLUSTER", "SLOTS")`, "0")
			if known == ":"+strconv.Itoa(n) && s.Do("EVAL", `return string.find(redis.call("CLUSTER", "INFO"), "cluster_state:ok") and 1 or 0`, "0") == ":1" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the nodes of Redis Cluster do not agree")
			}
		}
	}
	return nodes[0].Addr
}

// dial returns a client of a server, which is closed at the end of the test.
func dial(t testing.TB, addr string) Conn {
	conn, _ := dialThrough(t, addr, &line{})
	return conn
}

// dialThrough returns a client whose connections go through a line.
func dialThrough(t testing.TB, addr string, l *line) (Conn, *line) {
	t.Helper()
	conn, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr},
		DialCtxFn:   l.dial,
		// Many clients are made in tests; their buffers need not be large.
		ReadBufferEachConn: 32 << 10, WriteBufferEachConn: 32 << 10, RingScaleEachConn: 8,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn, l
}

// line is the network between a client and Redis. It can be cut, so that
// nothing arrives any more on either side, and nobody is told.
type line struct {
	mu      sync.Mutex
	isCut   bool
	stopped chan struct{} // closed by resume; nil: it is not stopped
	conns   map[net.Conn]struct{}
}

// stop keeps all bytes back until resume, as when the process is stopped.
func (l *line) stop() {
	l.mu.Lock()
	l.stopped = make(chan struct{})
	l.mu.Unlock()
}

func (l *line) resume() {
	l.mu.Lock()
	close(l.stopped)
	l.stopped = nil
	l.mu.Unlock()
}

// pass waits while the line is stopped.
func (l *line) pass() {
	l.mu.Lock()
	stopped := l.stopped
	l.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
}

func (l *line) dial(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		l.conns = make(map[net.Conn]struct{})
	}
	l.conns[c] = struct{}{}
	return &lineConn{Conn: c, line: l}, nil
}

// cut loses all bytes from now on.
func (l *line) cut() {
	l.mu.Lock()
	l.isCut = true
	l.mu.Unlock()
}

// heal makes new connections work; those that were cut end.
func (l *line) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = false
	for c := range l.conns {
		c.Close()
	}
	clear(l.conns)
}

func (l *line) cutNow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isCut
}

type lineConn struct {
	net.Conn
	line   *line
	closed atomic.Bool
}

func (c *lineConn) Read(b []byte) (int, error) {
	for {
		c.line.pass()
		n, err := c.Conn.Read(b)
		c.line.pass()
		if err != nil || !c.line.cutNow() {
			return n, err
		}
	}
}

func (c *lineConn) Write(b []byte) (int, error) {
	c.line.pass()
	if c.line.cutNow() && !c.closed.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *lineConn) Close() error {
	c.closed.Store(true)
	c.line.mu.Lock()
	delete(c.line.conns, c.Conn)
	c.line.mu.Unlock()
	return c.Conn.Close()
}

// Package faultproxy is a TCP proxy that mistreats what passes through it, for
// tests: it delays, slices, stalls and cuts connections, each according to a
// plan of its own.
//
// What it does to a connection is drawn from a seeded source, so that a run can
// be repeated. When things happen is up to the scheduler.
package faultproxy

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Faults is what happens to one connection. The zero value forwards faithfully.
type Faults struct {
	// Delay is the longest time that a chunk waits before it is passed on; each
	// waits a random part of it. Order is kept.
	Delay time.Duration

	// Slice is the most bytes passed on at once; each slice is of a random size
	// up to it. Zero passes chunks on as they come.
	Slice int

	// CutAfter ends the connection that long after it began. Zero never does.
	CutAfter time.Duration

	// CutBytes ends the connection when that many bytes have passed from the
	// client to the server. Zero never does.
	CutBytes int

	// Reset makes a cut an RST rather than a FIN, on both sides.
	Reset bool

	// BlackHole keeps the connection open and passes nothing on.
	BlackHole bool
}

// A Proxy forwards connections to one address.
type Proxy struct {
	target string
	plan   func(n int) Faults
	l      net.Listener

	mu     sync.Mutex
	rng    *rand.Rand
	conns  map[net.Conn]struct{}
	count  int
	closed bool
	wg     sync.WaitGroup
}

// Listen starts a proxy on a free port of 127.0.0.1. plan says what happens to
// the n-th connection, counted from 0; it is called by one goroutine at a time.
func Listen(target string, seed uint64, plan func(n int) Faults) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		target: target,
		plan:   plan,
		l:      l,
		rng:    rand.New(rand.NewPCG(seed, seed)),
		conns:  make(map[net.Conn]struct{}),
	}
	p.wg.Go(p.accept) // ends when Close closes the listener; Close waits for it
	return p, nil
}

// Addr returns where the proxy listens, as "host:port".
func (p *Proxy) Addr() string { return p.l.Addr().String() }

// Count returns how many connections there have been.
func (p *Proxy) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// CutAll ends all connections that there are now.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// Close stops the proxy, cuts all connections, and waits until nothing runs.
func (p *Proxy) Close() {
	p.l.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.CutAll()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for n := 0; ; n++ {
		client, err := p.l.Accept()
		if err != nil {
			return
		}
		faults := p.plan(n)
		p.mu.Lock()
		p.count++
		p.mu.Unlock()
		p.wg.Go(func() { p.serve(client, faults) }) // ends with the connection
	}
}

func (p *Proxy) serve(client net.Conn, f Faults) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.track(client, server) {
		return
	}
	defer p.untrack(client, server)
	cut := func() {
		if f.Reset {
			client.(*net.TCPConn).SetLinger(0)
			server.(*net.TCPConn).SetLinger(0)
		}
		client.Close()
		server.Close()
	}
	if f.CutAfter > 0 {
		t := time.AfterFunc(f.CutAfter, cut)
		defer t.Stop()
	}
	var both sync.WaitGroup
	both.Go(func() { p.pipe(server, client, f, f.CutBytes, cut) })
	both.Go(func() { p.pipe(client, server, f, 0, cut) })
	both.Wait()
}

func (p *Proxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return !p.closed
}

func (p *Proxy) untrack(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

func (p *Proxy) random(n int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.Int64N(n)
}

// pipe passes bytes on until either side ends, then ends the other's reading.
func (p *Proxy) pipe(dst, src net.Conn, f Faults, cutBytes int, cut func()) {
	buf := make([]byte, 32<<10)
	passed := 0
	for {
		n, err := src.Read(buf)
		for b := buf[:n]; len(b) > 0 && !f.BlackHole; {
			size := len(b)
			if f.Slice > 0 {
				size = min(size, 1+int(p.random(int64(f.Slice))))
			}
			if cutBytes > 0 && passed+size >= cutBytes {
				dst.Write(b[:cutBytes-passed])
				cut()
				return
			}
			if f.Delay > 0 {
				time.Sleep(time.Duration(p.random(int64(f.Delay))))
			}
			if _, werr := dst.Write(b[:size]); werr != nil {
				src.Close()
				return
			}
			passed += size
			b = b[size:]
		}
		if err != nil {
			if tc, ok := dst.(*net.TCPConn); ok {
				tc.CloseWrite()
			}
			return
		}
	}
}

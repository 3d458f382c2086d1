//go:build linux

package main

import "bytes"

// polls is the long-polling side of a client. Like a browser it has one
// connection for the pending GET; its POSTs go over connections of a pool,
// which clients may share, as behind a proxy.
type polls struct {
	c       *client
	l       *loop
	gets    *httpConn
	pool    *postPool
	query   string // "&sid=...", empty before the handshake
	waiting string // packets for the next POST: the protocol allows one at a time
	posting bool
	posted  func(body string) // hears of every POST that was answered

	upgrade bool // go on over WebSocket once connected
	probed  bool // the probe was answered
	idle    bool // the last poll came back, and no other is begun
}

// dialPolling begins a client over long-polling, and has it upgrade if that is
// asked for.
func dialPolling(l *loop, index int, ev events, pool *postPool, upgrade bool) (*client, error) {
	c := &client{index: index, ev: ev}
	p := &polls{c: c, l: l, pool: pool, upgrade: upgrade}
	c.polling = p
	var err error
	p.gets, err = dialHTTP(l, p.poll, p.answered, p.failed)
	return c, err
}

func (p *polls) poll() { p.gets.get(p.query) }

// answered takes the body of a GET: packets with 0x1e between them.
func (p *polls) answered(body []byte) error {
	for packet := range bytes.SplitSeq(body, []byte{0x1e}) {
		if err := p.c.packet(packet); err != nil {
			return err
		}
	}
	if p.c.stage == upgrading && p.c.sock != nil && bytes.Equal(body, []byte("6")) {
		p.idle = true
		p.c.upgrade()
		return nil
	}
	p.poll()
	return nil
}

func (p *polls) failed(err error) { p.c.ev.onClosed(p.c, err) }

// post sends Engine.IO packets, which are text.
func (p *polls) post(packet string) {
	if p.waiting != "" {
		packet = p.waiting + "\x1e" + packet
	}
	p.waiting = packet
	if !p.posting {
		p.begin()
	}
}

func (p *polls) begin() {
	if p.waiting == "" {
		return
	}
	body := p.waiting
	p.posting, p.waiting = true, ""
	p.pool.post(p, body)
}

// ended is called by the pool when a POST was answered.
func (p *polls) ended(body string) {
	p.posting = false
	if p.posted != nil {
		p.posted(body)
	}
	p.begin()
}

func (p *polls) giveUp() { p.gets.giveUp() }

// A postPool is a number of connections for POSTs. Who finds all of them busy
// waits in line.
type postPool struct {
	l      *loop
	size   int // at most so many connections
	failed func(error)

	conns int
	free  []*postConn
	line  []posting
}

type postConn struct {
	*httpConn
	pool    *postPool
	posting // the one that is not answered yet
}

type posting struct {
	from *polls
	body string
}

func (pool *postPool) post(from *polls, body string) {
	pool.line = append(pool.line, posting{from, body})
	if n := len(pool.free); n > 0 {
		h := pool.free[n-1]
		pool.free = pool.free[:n-1]
		h.next()
		return
	}
	if pool.conns == pool.size {
		return
	}
	pool.conns++
	h := &postConn{pool: pool}
	var err error
	if h.httpConn, err = dialHTTP(pool.l, h.next, h.answered, pool.failed); err != nil {
		pool.failed(err)
	}
}

// next begins the first POST in line, if there is one.
func (h *postConn) next() {
	if len(h.pool.line) == 0 {
		h.pool.free = append(h.pool.free, h)
		return
	}
	h.posting = h.pool.line[0]
	h.pool.line = h.pool.line[1:]
	h.httpConn.post(h.from.query, h.body)
}

func (h *postConn) answered([]byte) error {
	was := h.posting
	h.next()
	was.from.ended(was.body)
	return nil
}

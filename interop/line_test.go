package interop

import (
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// A line carries connections to a server, until it is cut.
type line struct {
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex
	pairs    [][2]net.Conn // client, server
	kept     []net.Conn    // ends at servers that do not know
	down     bool
	cuts     int  // those that met a connection
	fuse     int  // cut after so many bytes more for the client; 0: never
	halfOpen bool // how the fuse cuts
	watch    func(data []byte) (cut bool)
}

func newLine(t *testing.T, to string) *line {
	l := &line{}
	var err error
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	l.running.Go(func() { // ended by the clean-up, which waits for it
		for {
			client, err := l.listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			l.mu.Lock()
			down := l.down
			if !down {
				l.pairs = append(l.pairs, [2]net.Conn{client, server})
			}
			l.mu.Unlock()
			if down {
				client.Close()
				server.Close()
				continue
			}
			l.running.Go(func() { l.carry(server, client, passAll) })
			l.running.Go(func() { l.carry(client, server, l.passFuse) })
		}
	})
	t.Cleanup(func() {
		l.listener.Close()
		l.cut(false)
		l.mu.Lock()
		for _, c := range l.kept {
			c.Close()
		}
		l.mu.Unlock()
		l.running.Wait()
	})
	return l
}

func (l *line) addr() string { return l.listener.Addr().String() }

// carry copies until one end is gone, or the line is cut. pass says how much
// goes to dst of what has come, and, if that is not all, how the line is cut
// then. The other end is told, if it is not to be kept in the dark.
func (l *line) carry(dst, src net.Conn, pass func([]byte) (n int, cut func())) {
	for buf := make([]byte, 32<<10); ; {
		n, err := src.Read(buf)
		n, cut := pass(buf[:n])
		_, werr := dst.Write(buf[:n])
		if cut != nil {
			cut()
			break
		}
		if err != nil || werr != nil {
			break
		}
	}
	l.mu.Lock()
	kept := slices.Contains(l.kept, dst) || slices.Contains(l.kept, src)
	l.mu.Unlock()
	if !kept {
		dst.Close()
		src.Close()
	}
}

// passAll lets everything pass.
func passAll(data []byte) (n int, cut func()) { return len(data), nil }

// passFuse lets pass what the fuse and the watch allow.
func (l *line) passFuse(data []byte) (n int, cut func()) {
	l.mu.Lock()
	watch := l.watch
	l.mu.Unlock()
	alone := watch != nil && watch(data)

	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case alone:
		l.cuts++
		return len(data), func() {}
	case l.fuse == 0:
		return len(data), nil
	case l.fuse > len(data):
		l.fuse -= len(data)
		return len(data), nil
	}
	n, halfOpen := l.fuse, l.halfOpen
	pairs := l.severLocked(halfOpen)
	return n, func() {
		reset(pairs, halfOpen)
		l.restore()
	}
}

// cutAfter cuts the line when so many bytes more have gone to the client,
// whatever they are part of.
func (l *line) cutAfter(n int, halfOpen bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fuse, l.halfOpen = n, halfOpen
}

// inspect shows f everything that goes to clients, which it may hold back. Where
// it returns true, the one connection is cut behind that.
func (l *line) inspect(f func(data []byte) (cut bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = f
}

// cut resets all connections; with halfOpen, as far as the clients can see. For
// a moment there are no new ones, so that a client that polls notices too.
func (l *line) cut(halfOpen bool) {
	l.mu.Lock()
	pairs := l.severLocked(halfOpen)
	l.mu.Unlock()
	reset(pairs, halfOpen)
	l.restore()
}

func (l *line) severLocked(halfOpen bool) (pairs [][2]net.Conn) {
	pairs, l.pairs = l.pairs, nil
	l.down, l.fuse = true, 0
	if len(pairs) > 0 {
		l.cuts++
	}
	if halfOpen {
		for _, p := range pairs {
			l.kept = append(l.kept, p[1])
		}
	}
	return pairs
}

func (l *line) restore() {
	time.Sleep(100 * time.Millisecond)
	l.mu.Lock()
	l.down = false
	l.mu.Unlock()
}

func reset(pairs [][2]net.Conn, halfOpen bool) {
	for _, p := range pairs {
		p[0].(*net.TCPConn).SetLinger(0)
		p[0].Close()
		if !halfOpen {
			p[1].(*net.TCPConn).SetLinger(0)
			p[1].Close()
		}
	}
}

// count returns how often the line was cut while it carried something.
func (l *line) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cuts
}

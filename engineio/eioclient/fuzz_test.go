//go:build !js

package eioclient

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

func fuzzSeeds(add func(packet string)) {
	for _, bad := range badHandshakes {
		add(bad.packet)
	}
	for _, s := range []string{openPacket, "4hello", "bAQID", "2", "3", "2probe", "3probe", "1", "5", "6", "4a\x1e4b\x1e1", "6:4hello6:b4AQID", "\x00\x06\xff4hello\x01\x04\xff\x04\x01\x02\x03"} {
		add(s)
	}
}

// FuzzHandshake: whatever the open packet says is refused or becomes values
// that can be counted with.
func FuzzHandshake(f *testing.F) {
	fuzzSeeds(func(p string) { f.Add([]byte(strings.TrimPrefix(p, "0"))) })
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := parseHandshake(data)
		if err != nil {
			return
		}
		if h.sid == "" || len(h.sid) > maxSID || h.maxPayload < 0 ||
			h.pingInterval <= 0 || h.pingInterval > maxHeartbeat || h.pingTimeout <= 0 || h.pingTimeout > maxHeartbeat {
			t.Fatalf("%q became %+v", data, h)
		}
	})
}

// FuzzServerPackets: whatever a server sends, on either transport and in the
// middle of an upgrade, the session keeps its id and ends once, and Close
// leaves nothing behind.
func FuzzServerPackets(f *testing.F) {
	for i := range uint8(16) {
		fuzzSeeds(func(p string) { f.Add([]byte(p), i) })
	}
	f.Fuzz(func(t *testing.T, data []byte, how uint8) {
		w := &fuzzWire{data: data, binary: how&1 != 0, upgrade: how&2 != 0}
		rev := eioparser.V4
		if how&4 != 0 {
			rev = eioparser.V3
		}
		var rec *recorder
		cfg, err := newConfig("http://server", &Options{Revision: rev, Open: func(c *Conn) Handler {
			rec = newRecorder(c)
			return rec
		}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := dial(context.Background(), cfg, func(*config) (wire, error) { return w, nil })
		if err != nil {
			t.Fatal(err)
		}
		c.Send(Text("x"))
		if how&8 != 0 {
			<-c.done // the wire breaks soon
		}
		c.Close()
		if c.ID() != "secret" {
			t.Fatalf("the session is now %q", c.ID())
		}
		rec.end(t)
		select {
		case err := <-rec.closed:
			t.Fatalf("Closed was called again, with %v", err)
		default:
		}
	})
}

// A fuzzWire answers one poll, or one WebSocket, with data, and then breaks.
type fuzzWire struct {
	data            []byte
	binary, upgrade bool
	mu              sync.Mutex
	polls, reads    int
}

func (w *fuzzWire) request(ctx context.Context, r request) (answer, error) {
	switch {
	case r.handshake && w.upgrade:
		return answer{status: 200, body: []byte(openPayload(r))}, nil
	case r.handshake:
		return answer{status: 200, body: []byte(strings.Replace(openPayload(r), "websocket", "other_way", 1))}, nil
	case r.body != nil:
		return answer{status: 200, body: []byte("ok")}, nil
	}
	w.mu.Lock()
	w.polls++
	n := w.polls
	w.mu.Unlock()
	if n > 1 || w.upgrade && n == 1 {
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
		return answer{}, io.ErrUnexpectedEOF
	}
	return answer{status: 200, binary: w.binary, body: w.data}, nil
}

func openPayload(r request) string {
	if strings.HasPrefix(r.query, "EIO=3") {
		return fmt.Sprintf("%d:%s", len(openPacket), openPacket)
	}
	return openPacket
}

func (w *fuzzWire) close() {}

func (w *fuzzWire) websocket(context.Context, string, bool) (socket, error) {
	return (*fuzzSocket)(w), nil
}

type fuzzSocket fuzzWire

func (w *fuzzSocket) read() (event, error) {
	w.mu.Lock()
	w.reads++
	n := w.reads
	w.mu.Unlock()
	switch kind := socketText; n {
	case 1:
		return event{kind: socketText, data: []byte("3probe")}, nil
	case 2:
		if w.binary {
			kind = socketBinary
		}
		return event{kind: kind, data: w.data}, nil
	}
	return event{}, io.ErrUnexpectedEOF
}

func (w *fuzzSocket) write([]packet) error    { return nil }
func (w *fuzzSocket) abort()                  {}
func (w *fuzzSocket) close(int, string) error { return nil }

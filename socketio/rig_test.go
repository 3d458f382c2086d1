package socketio_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/internal/peer"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/siotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is the logger of tests that provoke errors.
var quiet = slog.New(slog.DiscardHandler)

// clusterSize is how many nodes bubble makes. 0: one, and no cluster.
var clusterSize int

// realNetwork, if it is not nil, has bubble serve real sockets with these
// options of the transport. Time is real then, too.
var realNetwork *engineio.Options

// patience is how long tests over real sockets wait for what has to come.
const patience = time.Minute

// bubble runs a test in virtual time with a server. If it is to be a node of a
// cluster, the other nodes have no clients.
func bubble(t *testing.T, o *socketio.Options, f func(t *testing.T, io *socketio.Server, n *siotest.Network)) {
	t.Helper()
	if o == nil {
		o = &socketio.Options{}
	}
	if realNetwork != nil {
		own := *o
		if own.Logger == nil {
			own.Logger = quiet
		}
		if own.PingInterval == 0 && own.Engine.PingInterval == 0 {
			own.PingInterval = patience + 30*time.Second // no pings between frames, however slow the machine is
		}
		own.Engine.GoroutinePerConn = realNetwork.GoroutinePerConn
		io := socketio.New(&own)
		f(t, io, siotest.NewServer(t, io).Network)
		return
	}
	synctest.Test(t, func(t *testing.T) {
		own := *o
		if own.Logger == nil {
			own.Logger = quiet
		}
		if clusterSize > 0 {
			own.Adapter = clustered(own.Recovery)
			for range clusterSize - 1 {
				other := socketio.New(&socketio.Options{Adapter: own.Adapter, Recovery: own.Recovery, Parser: own.Parser, Logger: quiet})
				siotest.NewNetwork(t, other) // closes it
			}
		}
		io := socketio.New(&own)
		synctest.Wait() // the nodes know each other
		f(t, io, siotest.NewNetwork(t, io))
	})
}

// clustered returns what makes servers the nodes of a new cluster, which keep
// for their clients what a single server would.
func clustered(r *socketio.Recovery) sioadapter.Factory {
	o := sioadapter.ClusterOptions{HeartbeatInterval: time.Minute, HeartbeatTimeout: 2 * time.Minute} // since days may pass
	if r != nil {
		o.Local = sioadapter.Recoverable(&sioadapter.RecoveryOptions{
			MaxDisconnection: r.MaxDisconnection,
			MaxPackets:       r.MaxPackets,
			MaxBytes:         r.MaxBytes,
			MaxSessions:      r.MaxSessions,
			MaxMissedPackets: r.MaxMissedPackets,
			MaxMissedBytes:   r.MaxMissedBytes,
		})
	}
	return sioadapter.Clustered(sioadapter.NewHub(nil), &o)
}

// A wire is a client that speaks in frames.
type wire struct {
	t      *testing.T
	conn   *peer.Conn
	frames chan string // binary frames begin with "b:"
	end    error       // after frames is closed
	sid    string
}

// dialWire opens a WebSocket of a protocol revision and takes its open packet.
func dialWire(t *testing.T, n *siotest.Network, revision string) *wire {
	t.Helper()
	nc, err := n.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := peer.Dial(nc, "/socket.io/?transport=websocket&EIO="+revision, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, conn: conn, frames: make(chan string, 4096)}
	done := make(chan struct{})
	go func() { // ends with the connection; the cleanup waits for it
		defer close(done)
		defer close(w.frames)
		for {
			m, err := conn.Read()
			if err != nil {
				w.end = err
				return
			}
			s := string(m.Data)
			if m.Binary {
				s = "b:" + s
			}
			w.frames <- s
		}
	}()
	t.Cleanup(func() { conn.Abort(); <-done })
	open := <-w.frames
	_, rest, _ := strings.Cut(open, `"sid":"`)
	w.sid, _, _ = strings.Cut(rest, `"`)
	if open[0] != '0' || len(w.sid) != 20 {
		t.Fatalf("expected an open packet, got %s", open)
	}
	return w
}

// join joins namespaces and takes the answers.
func (w *wire) join(namespaces ...string) *wire {
	w.t.Helper()
	for _, ns := range namespaces {
		if ns == "/" {
			w.send("40")
			w.expect("40*")
			continue
		}
		w.send("40" + ns + ",")
		w.expect("40" + ns + ",*")
	}
	return w
}

func (w *wire) send(frames ...string) {
	for _, f := range frames {
		data, binary := strings.CutPrefix(f, "b:")
		w.conn.Write(peer.Message{Data: []byte(data), Binary: binary})
	}
}

// expect takes as many frames and compares them: "*" stands for anything
// behind, SID for the id of the session.
func (w *wire) expect(frames ...string) {
	w.t.Helper()
	for _, want := range frames {
		got, open := w.next(want)
		if !open {
			w.t.Fatalf("expected %s, but the connection ended: %v", want, w.end)
		}
		want := strings.ReplaceAll(want, "SID", w.sid)
		if start, any := strings.CutSuffix(want, "*"); got != want && !(any && strings.HasPrefix(got, start)) {
			w.t.Fatalf("expected %s, got %s", want, got)
		}
	}
}

// next returns the next frame, or that the connection has ended. In virtual time
// it has to be there as soon as nothing can happen any more.
func (w *wire) next(want string) (frame string, open bool) {
	w.t.Helper()
	if realNetwork != nil {
		select {
		case frame, open = <-w.frames:
		case <-time.After(patience):
			w.t.Fatalf("expected %s, got nothing in %v", want, patience)
		}
		return frame, open
	}
	synctest.Wait()
	select {
	case frame, open = <-w.frames:
	default:
		w.t.Fatalf("expected %s, got nothing", want)
	}
	return frame, open
}

// settled waits until all that is under way has happened. In real time, where
// nobody can say when that is, it waits until a condition holds.
func settled(t *testing.T, condition func() bool) {
	t.Helper()
	if realNetwork == nil {
		synctest.Wait()
		return
	}
	for end := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("what has to come did not come in %v", patience)
		}
	}
}

// take returns what comes through a channel.
func take[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("nothing came in %v", patience)
	}
	return v
}

// nothing says that no frame has come and the connection is open. In real time a
// frame that should not come may be found by the next expect only.
func (w *wire) nothing() {
	w.t.Helper()
	if realNetwork == nil {
		synctest.Wait()
	}
	select {
	case got, ok := <-w.frames:
		w.t.Fatalf("expected nothing, got %q (connection open: %v)", got, ok)
	default:
	}
}

// closed says that the connection has ended without a further frame.
func (w *wire) closed() {
	w.t.Helper()
	if got, open := w.next("the end of the connection"); open {
		w.t.Fatalf("expected the end of the connection, got %s", got)
	}
}

// play plays a dialogue: lines of a direction, ">" to the server and "<" from
// it, and a frame. "x" is the end of the connection, "-" is silence.
func (w *wire) play(lines ...string) {
	w.t.Helper()
	for _, line := range lines {
		switch frame := line[1:]; line[0] {
		case '>':
			w.send(frame)
		case '<':
			w.expect(frame)
		case '-':
			w.nothing()
		case 'x':
			w.closed()
		default:
			w.t.Fatalf("line %q", line)
		}
	}
}

// request makes one HTTP request in memory.
func request(t *testing.T, n *siotest.Network, method, target, body string) (status int, answer string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://server"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// logged returns options with a logger that writes to memory.
func logged(o socketio.Options) (*socketio.Options, *bytes.Buffer) {
	var b bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelInfo}))
	return &o, &b
}

func reply(args ...any) socketio.HandlerFunc {
	return func(_ context.Context, e *socketio.Event) error { return e.Reply(args...) }
}

// pass lets virtual time pass, and then everything that it set off.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

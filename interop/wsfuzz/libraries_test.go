package wsfuzz

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/internal/websocket"
)

// A library is one whose client dials our server.
type library struct {
	name string
	dial func(ctx context.Context, addr string, compress bool) (connection, error)
}

var libraries = []library{{"gorilla", dialGorilla}, {"coder", dialCoder}}

// A connection is a library's client connection, which can also be written to
// without the library. Reading is the library's.
type connection interface {
	raw() net.Conn
	// read returns the next message or pong, or the code of a close frame.
	read() (event string, code int, err error)
	write(binary bool, message string) error
	close()
}

// patience bounds every wait.
const patience = 30 * time.Second

const engineQuery = "/engine.io/?EIO=4&transport=websocket"

// --- gorilla ---

type gorillaConn struct {
	*gorilla.Conn
	pongs []string
	held  string // a message that was read behind a pong
}

func dialGorilla(ctx context.Context, addr string, compress bool) (connection, error) {
	d := gorilla.Dialer{EnableCompression: compress}
	conn, _, err := d.DialContext(ctx, "ws://"+addr+engineQuery, nil)
	if err != nil {
		return nil, err
	}
	c := &gorillaConn{Conn: conn}
	conn.SetPongHandler(func(data string) error {
		c.pongs = append(c.pongs, "pong "+data)
		return nil
	})
	return c, nil
}

func (c *gorillaConn) raw() net.Conn { return c.NetConn() }
func (c *gorillaConn) close()        { c.Conn.Close() }

func (c *gorillaConn) read() (event string, code int, err error) {
	if len(c.pongs) == 0 && c.held == "" {
		c.SetReadDeadline(time.Now().Add(patience))
		var kind int
		var data []byte
		kind, data, err = c.ReadMessage()
		c.held = name(kind == gorilla.BinaryMessage) + string(data)
	}
	if len(c.pongs) > 0 {
		event, c.pongs = c.pongs[0], c.pongs[1:]
		return event, 0, nil
	}
	if e := (*gorilla.CloseError)(nil); errors.As(err, &e) {
		return "", e.Code, nil
	}
	event, c.held = c.held, ""
	return event, 0, err
}

func (c *gorillaConn) write(binary bool, message string) error {
	kind := gorilla.TextMessage
	if binary {
		kind = gorilla.BinaryMessage
	}
	return c.WriteMessage(kind, []byte(message))
}

func name(binary bool) string {
	if binary {
		return "binary "
	}
	return "text "
}

// --- coder ---

type coderConn struct {
	*coder.Conn
	ctx   context.Context
	nc    net.Conn
	pongs chan string
	held  string
}

func dialCoder(ctx context.Context, addr string, compress bool) (connection, error) {
	c := &coderConn{ctx: ctx, pongs: make(chan string, 1000)}
	o := &coder.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			c.nc = nc
			return nc, err
		}}},
		OnPongReceived: func(_ context.Context, payload []byte) { c.pongs <- "pong " + string(payload) },
	}
	if compress {
		o.CompressionMode, o.CompressionThreshold = coder.CompressionNoContextTakeover, 1
	}
	var err error
	if c.Conn, _, err = coder.Dial(ctx, "ws://"+addr+engineQuery, o); err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return c, nil
}

func (c *coderConn) raw() net.Conn { return c.nc }
func (c *coderConn) close()        { c.CloseNow() }

func (c *coderConn) read() (event string, code int, err error) {
	if len(c.pongs) == 0 && c.held == "" {
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		defer cancel()
		var kind coder.MessageType
		var data []byte
		kind, data, err = c.Read(ctx)
		c.held = name(kind == coder.MessageBinary) + string(data)
	}
	select {
	case pong := <-c.pongs: // before the message, or the end, behind which it was read
		return pong, 0, nil
	default:
	}
	if status := coder.CloseStatus(err); status != -1 {
		return "", int(status), nil
	}
	event, c.held = c.held, ""
	return event, 0, err
}

func (c *coderConn) write(binary bool, message string) error {
	kind := coder.MessageText
	if binary {
		kind = coder.MessageBinary
	}
	return c.Write(c.ctx, kind, []byte(message))
}

// --- their clients, our server ---

// startEcho starts an Engine.IO server that sends every message back.
func startEcho(t *testing.T, deflate *engineio.Deflate) (addr string) {
	engine, err := engineio.New(&engineio.Options{
		MaxPayload: maxMessage, MaxQueueBytes: 8 * maxMessage, Deflate: deflate,
		Open: func(s *engineio.Session) engineio.Handler { return echo{s} },
	})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(engine)
	t.Cleanup(func() {
		engine.Close()
		hs.Close()
	})
	return hs.Listener.Addr().String()
}

type echo struct{ session *engineio.Session }

// Message ignores the error, which says that the session is closing.
func (e echo) Message(data []byte, binary bool) {
	_ = e.session.Send(engineio.NewMessage(data, binary))
}

func (echo) Closed(*engineio.CloseError) {}

// TestClients: messages of all sizes through each library, compressed and not
// (groups 1, 9, 12 and 13 of Autobahn).
func TestClients(t *testing.T) {
	for _, library := range libraries {
		for _, compress := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/compress %t", library.name, compress), func(t *testing.T) {
				addr := startEcho(t, &engineio.Deflate{Threshold: 64})
				conn, err := library.dial(t.Context(), addr, compress)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.close()
				if open, _, err := conn.read(); err != nil || !strings.HasPrefix(open, `text 0{"sid"`) {
					t.Fatalf("read %q, %v", open, err)
				}
				for _, m := range messages() {
					for _, binary := range []bool{false, true} {
						want := name(binary) + m
						if err := conn.write(binary, m); err != nil {
							t.Fatal(err)
						}
						if got, code, err := conn.read(); err != nil || got != want {
							t.Fatalf("sent %.40q… (%d bytes), read %.40q… (%d bytes), close code %d, %v", want, len(want), got, len(got), code, err)
						}
					}
				}
			})
		}
	}
}

// messages are texts of all sizes that matter, easy and hard to compress.
func messages() (all []string) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 63, 64, 65, 125, 126, 127, 1023, 1024, 4095, 4096, 4097, 32767, 32768, 65535, 65536, maxMessage} {
		noise := make([]byte, n)
		for i := range noise {
			noise[i] = 'a' + byte(random.IntN(26))
		}
		noise[0] = '4'
		all = append(all, "4"+strings.Repeat("é", (n-1)/2), string(noise))
	}
	return all
}

// --- our client role, their servers ---

// TestServers: frames of our client role are read by each library's server, and
// its frames by our parser.
func TestServers(t *testing.T) {
	servers := map[string]http.HandlerFunc{
		"gorilla": func(w http.ResponseWriter, r *http.Request) {
			up := gorilla.Upgrader{EnableCompression: true}
			conn, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			for {
				kind, data, err := conn.ReadMessage()
				if err != nil {
					return // it has answered a close frame by itself
				}
				conn.WriteMessage(kind, data)
			}
		},
		"coder": func(w http.ResponseWriter, r *http.Request) {
			conn, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: coder.CompressionNoContextTakeover, CompressionThreshold: 64})
			if err != nil {
				return
			}
			defer conn.CloseNow()
			conn.SetReadLimit(-1)
			for {
				kind, data, err := conn.Read(r.Context())
				if err != nil {
					return
				}
				conn.Write(r.Context(), kind, data)
			}
		},
	}
	for name, handler := range servers {
		for _, compress := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/compress %t", name, compress), func(t *testing.T) {
				hs := httptest.NewServer(handler)
				defer hs.Close()
				testServer(t, hs.Listener.Addr().String(), compress)
			})
		}
	}
}

func testServer(t *testing.T, addr string, compress bool) {
	offer := ""
	if compress {
		offer = websocket.DeflateOffer
	}
	c := dialOurs(t, addr, offer)
	for _, m := range messages() {
		for _, op := range []byte{textFrame, binaryFrame} {
			c.send(op, m, compress)
			if got, want := c.next(), name(op == binaryFrame)+m; got != want {
				t.Fatalf("sent %.40q… (%d bytes), read %.40q… (%d bytes)", want, len(want), got, len(got))
			}
		}
	}
	c.send(pingFrame, "are you there", false)
	if got := c.next(); got != "pong are you there" {
		t.Errorf("ping answered with %q", got)
	}
	c.write(websocket.AppendClose(nil, websocket.Client, 4000, "bye"))
	if got := c.next(); got != "close 4000" {
		t.Errorf("close answered with %q", got)
	}
}

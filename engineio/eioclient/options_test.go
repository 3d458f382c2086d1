//go:build !js

package eioclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/internal/websocket"
)

func TestWrongArguments(t *testing.T) {
	open := func(*Conn) Handler { return nobody{} }
	for _, c := range []struct {
		url  string
		o    *Options
		says string
	}{
		{"http://a", nil, "Options.Open"},
		{"http://a", &Options{}, "Options.Open"},
		{"", &Options{Open: open}, "scheme"},
		{"a.example", &Options{Open: open}, "scheme"},
		{"ftp://a.example", &Options{Open: open}, "scheme"},
		{"http:///path", &Options{Open: open}, "host"},
		{"http://:80", &Options{Open: open}, "host"},
		{"http://user:secret@a\x00", &Options{Open: open}, "parsed"},
		{"http://a/?%zz", &Options{Open: open}, "query"},
		{"http://a/" + long(maxURL), &Options{Open: open}, "8000 bytes"},
		{"http://a", &Options{Open: open, Path: "engine.io"}, "Options.Path"},
		{"http://a", &Options{Open: open, Transports: []string{"webtransport"}}, "Options.Transports"},
		{"http://a", &Options{Open: open, Transports: []string{Polling, Polling}}, "Options.Transports"},
		{"http://a", &Options{Open: open, Revision: 5}, "Options.Revision"},
		{"http://a", &Options{Open: open, HandshakeTimeout: -1}, "Options.HandshakeTimeout"},
		{"http://a", &Options{Open: open, UpgradeTimeout: 1 << 62}, "Options.UpgradeTimeout"},
		{"http://a", &Options{Open: open, WriteTimeout: -1}, "Options.WriteTimeout"},
		{"http://a", &Options{Open: open, CloseTimeout: -1}, "Options.CloseTimeout"},
		{"http://a", &Options{Open: open, MaxPayload: -1}, "Options.MaxPayload"},
		{"http://a", &Options{Open: open, MaxMessage: -1}, "Options.MaxMessage"},
		{"http://a", &Options{Open: open, MaxQueueBytes: -1}, "Options.MaxQueueBytes"},
		{"http://a", &Options{Open: open, MaxQueuePackets: -1}, "Options.MaxQueuePackets"},
		{"http://a", &Options{Open: open, Deflate: &Deflate{Threshold: -1}}, "Options.Deflate.Threshold"},
	} {
		conn, err := Dial(context.Background(), c.url, c.o)
		if err == nil {
			conn.Close()
			t.Errorf("%.60q was accepted, expected an error that says %q", c.url, c.says)
		} else if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.60q: %v, expected an error that says %q", c.url, err, c.says)
		}
	}
}

func TestURLs(t *testing.T) {
	for _, c := range []struct{ url, path, base, query string }{
		{"http://a.example", "", "http://a.example/engine.io/", ""},
		{"http://a.example/", "", "http://a.example/engine.io/", ""},
		{"ws://a.example:8080/x%2fy/", "", "http://a.example:8080/x%2fy/", ""},
		{"wss://a.example/x/", "/socket.io/", "https://a.example/socket.io/", ""},
		{"https://u:p@[::1]:1/?b=2&a=1&EIO=3&sid=x&transport=y&t=1&j=0&b64=1#f", "", "https://u:p@[::1]:1/engine.io/", "&a=1&b=2&c=3&c=4"},
	} {
		cfg := &config{Options: Options{Path: c.path}}
		if strings.Contains(c.url, "?") {
			cfg.Query = url.Values{"c": {"3", "4"}, "sid": {"mine"}}
		}
		if err := cfg.setURL(c.url); err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if got := cfg.base.String(); got != c.base || cfg.query != c.query {
			t.Errorf("%s became %q and %q, want %q and %q", c.url, got, cfg.query, c.base, c.query)
		}
	}
}

// Headers, query, basic authentication and cookies go with every request.
func TestRequests(t *testing.T) {
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		var mu sync.Mutex
		seen := map[string]int{}
		r := newServer(t, engineio.Options{Cookie: &http.Cookie{Name: "node"}}, nil)
		r.serveTCP(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			mu.Lock()
			kind := req.Method + " " + req.URL.Query().Get("transport")
			seen[kind]++
			mu.Unlock()
			user, password, _ := req.BasicAuth()
			if got := []string{req.Header.Get("X-One"), req.URL.Query().Get("token"), req.URL.Query().Get("q"), user, password, req.Host}; !slices.Equal(got, []string{"1", "a b&c", "2", "u", "p", "virtual.example"}) {
				t.Errorf("%s came with %q", kind, got)
			}
			cookie, err := req.Cookie("node")
			if isHandshake(req) != (err != nil) || err == nil && cookie.Value != req.URL.Query().Get("sid") {
				t.Errorf("%s came with cookie %v", kind, cookie)
			}
			r.srv.ServeHTTP(w, req)
		}))
		r.url = strings.Replace(r.url, "http://", "ws://u:p@", 1) + "?q=2"
		o.Header = map[string][]string{"x-one": {"1"}, "Host": {"virtual.example"}}
		o.Query = url.Values{"token": {"a b&c"}}
		c := r.dial(o)
		if upgrades {
			c.awaitUpgrade(t)
		}
		c.Send(Text("x"))
		c.await(t, 1)
		c.Close()
	})
}

// An HTTP proxy carries polls, and WebSockets through CONNECT.
func TestProxy(t *testing.T) {
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		r := newRig(t, engineio.Options{})
		var tunnels, requests atomic.Int32
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Proxy-Authorization") != "Basic dTpw" {
				w.WriteHeader(http.StatusProxyAuthRequired)
				return
			}
			if req.Method != http.MethodConnect {
				requests.Add(1)
				if req.Header.Get("Upgrade") != "" {
					t.Error("a WebSocket came without CONNECT")
				}
				req.RequestURI = ""
				req.Header.Del("Proxy-Authorization")
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				defer resp.Body.Close()
				for k, v := range resp.Header {
					w.Header()[k] = v
				}
				w.WriteHeader(resp.StatusCode)
				io.Copy(w, resp.Body)
				return
			}
			tunnels.Add(1)
			there, err := net.Dial("tcp", req.Host)
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			here, _, _ := http.NewResponseController(w).Hijack()
			io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
			go func() { // ends with either side, as does the copy below
				io.Copy(there, here)
				there.Close()
			}()
			io.Copy(here, there)
			here.Close()
		}))
		defer proxy.Close()
		defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		via, _ := url.Parse(strings.Replace(proxy.URL, "http://", "http://u:p@", 1))
		o.Proxy = http.ProxyURL(via)
		c := r.dial(o)
		if upgrades {
			c.awaitUpgrade(t)
		}
		c.Send(Text("by way of a proxy"))
		c.await(t, 1)
		c.Close()
		if overWebSocket := o.Transports == nil || o.Transports[0] == WebSocket; overWebSocket != (tunnels.Load() == 1) {
			t.Errorf("%d tunnels", tunnels.Load())
		}
		wrong, _ := url.Parse(proxy.URL)
		o.Proxy = http.ProxyURL(wrong)
		var status *StatusError
		if err := r.refused(o); !errors.As(err, &status) || status.Status != http.StatusProxyAuthRequired {
			t.Errorf("without a password: %v", err)
		}
	})
}

func TestDeflate(t *testing.T) {
	for _, rev := range []eioparser.Revision{3, 4} {
		var wire atomic.Int64
		r := newRig(t, engineio.Options{Deflate: &engineio.Deflate{}})
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &countingConn{nc, &wire}, err
		}
		c := r.dial(Options{Revision: rev, Transports: []string{WebSocket}, Deflate: &Deflate{}, DialContext: dial})
		ms := []Message{Text(long(50_000)), Binary([]byte(long(50_000))), Text("short")}
		c.Send(ms...)
		if got := c.await(t, 3); !slices.Equal(got, want(ms)) {
			t.Error("the echo is not what was sent")
		}
		if n := wire.Load(); n > 5_000 {
			t.Errorf("%d bytes were sent for 100,000 equal ones", n)
		}
		c.Send(Message{Data: []byte(long(50_000)), NoCompress: true})
		c.await(t, 4)
		if n := wire.Load(); n < 50_000 {
			t.Errorf("%d bytes were sent: NoCompress was ignored", n)
		}
	}
}

type countingConn struct {
	net.Conn
	written *atomic.Int64
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.written.Add(int64(len(b)))
	return c.Conn.Write(b)
}

// What the server must not answer to the request for a WebSocket.
func TestBadUpgradeAnswers(t *testing.T) {
	key := func(r *bufio.Reader) string {
		req, err := http.ReadRequest(r)
		if err != nil {
			return ""
		}
		return req.Header.Get("Sec-WebSocket-Key")
	}
	for name, answer := range map[string]string{
		"no Upgrade":             "HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		"another protocol":       "HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		"no Connection":          "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		"a wrong key":            "HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x%s\r\n\r\n",
		"a subprotocol":          "HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: x\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		"an extension":           "HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		"no HTTP":                "SSH-2.0-x%s\r\n",
		"a header without end":   "HTTP/1.1 101 OK\r\nX: %s" + long(maxHeader),
		"an ordinary 200 answer": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: %s\r\n\r\nhi",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprintf(nc, answer, websocket.AcceptKey(key(bufio.NewReader(nc))))
				io.Copy(io.Discard, nc)
				nc.Close()
			})
			r := &rig{t: t, url: "http://" + l.Addr().String()}
			var refused *HandshakeError
			if err := r.refused(Options{Transports: []string{WebSocket}}); !errors.As(err, &refused) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// POSTs are split at what the server takes.
func TestPostsAreSplit(t *testing.T) {
	for _, c := range []struct {
		announced string
		option    int
		limit     int
	}{{`,"maxPayload":1000`, 0, 1000}, {"", 0, defaultMaxPayload}, {"", 500, 500}, {`,"maxPayload":1000`, 500, 500}} {
		for _, rev := range []eioparser.Revision{3, 4} {
			t.Run(fmt.Sprint(rev, c), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var sizes []int
					var got int
					open := `0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000` + c.announced + `}`
					if rev == 3 {
						open = fmt.Sprintf("%d:%s", len(open), open)
					}
					r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
						switch {
						case isHandshake(r):
							io.WriteString(w, open)
						case r.Method == http.MethodPost:
							b, _ := io.ReadAll(r.Body)
							sizes = append(sizes, len(b))
							packets := eioparser.Packets(rev, b)
							if r.Header.Get("Content-Type") == typeBinary {
								packets = eioparser.PacketsBinary(b)
							}
							for p, err := range packets {
								if err != nil || p.Type == eioparser.Message && p.Binary != (got%3 == 0) {
									t.Errorf("packet %d: %v %v", got, p, err)
								}
								got++
							}
							io.WriteString(w, "ok")
						default:
							<-r.Context().Done()
						}
					})
					s := r.dial(Options{Revision: rev, MaxPayload: c.option})
					const n = 20_000 / 100
					ms := make([]Message, n)
					for i := range ms {
						ms[i] = Message{Data: []byte(long(100)), Binary: i%3 == 0}
					}
					if err := s.Send(ms...); err != nil {
						t.Fatal(err)
					}
					if err := s.Flush(context.Background()); err != nil {
						t.Fatal(err)
					}
					if got != n {
						t.Errorf("%d of %d packets arrived", got, n)
					}
					if most := slices.Max(sizes); most > c.limit {
						t.Errorf("a POST had %d bytes, want at most %d", most, c.limit)
					}
					if fewest := n * 100 / c.limit; len(sizes) > 2*fewest+3 {
						t.Errorf("%d POSTs where %d would do", len(sizes), fewest)
					}
				})
			})
		}
	}
}

// A message that would end the session is refused.
func TestTooLarge(t *testing.T) {
	for _, c := range []struct {
		name    string
		options Options
		size    int // the largest text, in bytes
		binary  int
	}{
		{"websocket", Options{Transports: []string{WebSocket}}, 999, 1000},
		{"websocket, revision 3", Options{Transports: []string{WebSocket}, Revision: 3}, 999, 999},
		{"polling", Options{Transports: []string{Polling}}, 999, 747},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, engineio.Options{MaxPayload: 1000})
			s := r.dial(c.options)
			if s.Revision() == 3 {
				s.hs.maxPayload = 1000 // which a server of revision 3 does not announce
			}
			for i, m := range []Message{Text(long(c.size)), Binary([]byte(long(c.binary)))} {
				if err := s.Send(m); err != nil {
					t.Errorf("the largest message: %v", err)
				}
				s.await(t, i+1)
				m.Data = append(m.Data, 'x')
				var large *TooLargeError
				if err := s.Send(Text("before"), m); !errors.As(err, &large) || large.Limit != 1000 || large.Size <= 1000 {
					t.Errorf("one byte more: %v", err)
				}
			}
			if got := s.await(t, 2); len(got) != 2 {
				t.Errorf("a part of what was refused was sent: %q", got[2:])
			}
		})
	}
}

func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{}, 10)
		r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case isHandshake(r):
				io.WriteString(w, strings.Replace(openPacket, "websocket", "", 1))
			case r.Method == http.MethodPost:
				io.Copy(io.Discard, r.Body)
				<-release
				io.WriteString(w, "ok")
			default:
				<-r.Context().Done()
			}
		})
		c := r.dial(Options{MaxQueueBytes: 1000, MaxQueuePackets: 10})
		defer close(release)
		if err := c.Send(Text(long(5000))); err != nil {
			t.Errorf("an empty queue refused a message: %v", err)
		}
		synctest.Wait()
		if err := c.Send(Text("x")); err != ErrQueueFull {
			t.Errorf("a full queue: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := c.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait: %v", err)
		}
		release <- struct{}{}
		if err := c.Wait(context.Background()); err != nil {
			t.Errorf("Wait: %v", err)
		}
		for i := range 10 {
			if err := c.Send(Text("x")); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		}
		if err := c.Send(Text("x")); err != ErrQueueFull {
			t.Errorf("eleven messages: %v", err)
		}
		if n, b := c.Buffered(); n != 10 || b != 10 {
			t.Errorf("%d messages of %d bytes are buffered", n, b)
		}
	})
}

func TestVolatile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{}, 10)
		var bodies []string
		r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case isHandshake(r):
				io.WriteString(w, strings.Replace(openPacket, "websocket", "", 1))
			case r.Method == http.MethodPost:
				b, _ := io.ReadAll(r.Body)
				bodies = append(bodies, string(b))
				<-release
				io.WriteString(w, "ok")
			default:
				<-r.Context().Done()
			}
		})
		c := r.dial(Options{})
		defer close(release)
		for i, sent := range []bool{true, true, false, false} { // one under way, one in hand
			if c.SendVolatile(Text(fmt.Sprint(i))) != sent {
				t.Errorf("message %d was taken: %v, want %v", i, !sent, sent)
			}
			synctest.Wait()
		}
		release <- struct{}{}
		release <- struct{}{}
		synctest.Wait()
		if !slices.Equal(bodies, []string{"40", "41"}) {
			t.Errorf("posted %q", bodies)
		}
		c.Close()
		if c.SendVolatile(Text("late")) {
			t.Error("a closed session took a message")
		}
	})
}

func TestTryAllTransports(t *testing.T) {
	r := newServer(t, engineio.Options{}, nil)
	var polls, sockets atomic.Int32
	var broken atomic.Value // the transport that does not work
	r.serveTCP(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if isHandshake(req) {
			if isWebSocket(req) {
				sockets.Add(1)
			} else {
				polls.Add(1)
			}
		}
		if b := broken.Load(); b == "both" || b == req.URL.Query().Get("transport") {
			w.WriteHeader(503)
			return
		}
		r.srv.ServeHTTP(w, req)
	}))
	broken.Store(WebSocket)
	o := Options{Transports: []string{WebSocket, Polling}}
	var refused *HandshakeError
	if err := r.refused(o); !errors.As(err, &refused) || refused.Transport != WebSocket || polls.Load() != 0 {
		t.Errorf("without TryAllTransports: %v, %d polls", err, polls.Load())
	}
	o.TryAllTransports = true
	if c := r.dial(o); c.Transport() != Polling {
		t.Error("the session is not over polling")
	}
	broken.Store(Polling)
	o.Transports = nil
	if c := r.dial(o); c.Transport() != WebSocket {
		t.Error("the session is not over WebSocket")
	}
	broken.Store("both")
	err := r.refused(o)
	if !strings.Contains(err.Error(), "over polling") || !strings.Contains(err.Error(), "over websocket") {
		t.Errorf("both fail: %v", err)
	}
}

func TestRememberUpgrade(t *testing.T) {
	r := newServer(t, engineio.Options{}, nil)
	var noSockets atomic.Bool
	var first atomic.Value
	r.serveTCP(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if isHandshake(req) {
			first.CompareAndSwap("", req.URL.Query().Get("transport"))
		}
		if isWebSocket(req) && noSockets.Load() {
			w.WriteHeader(503)
			return
		}
		r.srv.ServeHTTP(w, req)
	}))
	o := Options{RememberUpgrade: true}
	open := func(want string) *recorder {
		t.Helper()
		first.Store("")
		c := r.dial(o)
		if got := first.Load(); got != want {
			t.Errorf("the first request was for %v, want %s", got, want)
		}
		return c
	}
	open(Polling).awaitUpgrade(t)
	open(WebSocket)
	noSockets.Store(true)
	if c := open(WebSocket); c.Transport() != Polling {
		t.Error("Dial did not fall back to polling")
	}
	open(Polling)
	noSockets.Store(false)
	open(Polling).awaitUpgrade(t)
	o.RememberUpgrade = false
	open(Polling)
}

func TestDisableUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, off := range []bool{true, false} {
			r := newMemRig(t, engineio.Options{DisableUpgrades: !off})
			c := r.dial(Options{DisableUpgrade: off})
			time.Sleep(time.Minute)
			if c.Upgraded() {
				t.Error("the session upgraded")
			}
		}
	})
}

func TestHooks(t *testing.T) {
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var got []string
			note := func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, fmt.Sprintf(format, args...))
			}
			r := newMemRig(t, engineio.Options{})
			o := o
			o.Hooks = &Hooks{
				Opened:   func(c *Conn) { note("opened over %s", c.Transport()) },
				Upgraded: func(c *Conn) { note("upgraded to %s", c.Transport()) },
				Closed:   func(_ *Conn, err *CloseError) { note("closed: %s", err.Reason) },
				Received: func(_ *Conn, p eioparser.Packet) {
					if p.Type != eioparser.Noop {
						note("received %v %s", p.Type, p.Data)
					}
				},
				Sent: func(_ *Conn, p eioparser.Packet) { note("sent %v %s", p.Type, p.Data) },
			}
			c := r.dial(o)
			synctest.Wait()
			c.Send(Text("x"))
			c.await(t, 1)
			time.Sleep(26 * time.Second)
			c.Close()
			want := []string{"opened over polling", "upgraded to websocket", "sent message x", "received message x", "received ping ", "sent pong ", "closed: forced close"}
			if o.Revision == 3 {
				want[4], want[5] = "sent ping ", "received pong "
			}
			if !upgrades {
				want = slices.Delete(want, 1, 2)
				want[0] = "opened over " + o.Transports[0]
			}
			if o.Transports != nil && o.Transports[0] == Polling {
				want = slices.Insert(want, len(want)-1, "sent close ")
			}
			// A POST's answer may be overtaken by that of a poll.
			slices.Sort(got[1 : len(got)-1])
			slices.Sort(want[1 : len(want)-1])
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	})
}

//go:build !js

package eioclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio"
)

// open packets that no client can work with, and what is wrong with them.
var badHandshakes = []struct{ packet, says string }{
	{`0`, "unexpected end of JSON"},
	{`0null`, "null"},
	{`0[]`, "array"},
	{`0"text"`, "string"},
	{`0{`, "unexpected end of JSON"},
	{`0{}`, "sid"},
	{`0{"sid":"","upgrades":[],"pingInterval":1,"pingTimeout":1}`, "sid"},
	{`0{"sid":7,"upgrades":[],"pingInterval":1,"pingTimeout":1}`, "number"},
	{`0{"sid":"a","pingInterval":1,"pingTimeout":1}`, "upgrades"},
	{`0{"sid":"a","upgrades":null,"pingInterval":1,"pingTimeout":1}`, "upgrades"},
	{`0{"sid":"a","upgrades":"websocket","pingInterval":1,"pingTimeout":1}`, "string"},
	{`0{"sid":"a","upgrades":[1],"pingInterval":1,"pingTimeout":1}`, "number"},
	{`0{"sid":"a","upgrades":[],"pingTimeout":1}`, "pingInterval"},
	{`0{"sid":"a","upgrades":[],"pingInterval":1}`, "pingTimeout"},
	{`0{"sid":"a","upgrades":[],"pingInterval":null,"pingTimeout":1}`, "pingInterval"},
	{`0{"sid":"a","upgrades":[],"pingInterval":0,"pingTimeout":1}`, "pingInterval"},
	{`0{"sid":"a","upgrades":[],"pingInterval":-25000,"pingTimeout":1}`, "pingInterval"},
	{`0{"sid":"a","upgrades":[],"pingInterval":"25000","pingTimeout":1}`, "string"},
	{`0{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":-1}`, "pingTimeout"},
	{`0{"sid":"a","upgrades":[],"pingInterval":1e999,"pingTimeout":1}`, "1e999"},
	{`0{"sid":"a","upgrades":[],"pingInterval":NaN,"pingTimeout":1}`, "invalid"},
	{`0{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":"big"}`, "string"},
	{`0{"sid":"` + long(maxSID+1) + `","upgrades":[],"pingInterval":1,"pingTimeout":1}`, "sid"},
	{`4hello`, "open packet"},
	{`6`, "open packet"},
	{`9`, "packet type"},
	{"0\xff", "UTF-8"},
	{``, "empty"},
}

func TestFault_K01_K04_BadHandshake(t *testing.T) {
	for _, w := range ways[:2] {
		for _, bad := range badHandshakes {
			if bad.packet == "0\xff" && w.name == "websocket" {
				continue // which WebSocket itself refuses
			}
			t.Run(w.name+"/"+excerpt([]byte(bad.packet[:min(len(bad.packet), 60)])), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
						if isWebSocket(r) {
							p := accept(w, r)
							p.send(bad.packet)
							p.drain()
							return
						}
						io.WriteString(w, bad.packet)
					})
					err := r.refused(w.options)
					var refused *HandshakeError
					if !errors.As(err, &refused) || refused.Transport != w.options.Transports[0] || !strings.Contains(err.Error(), bad.says) {
						t.Errorf("the error is %v, expected one that says %q", err, bad.says)
					}
				})
			})
		}
	}
}

func TestFault_K04_ImpossibleHeartbeat(t *testing.T) {
	for _, c := range []struct {
		json     string
		interval time.Duration
		timeout  time.Duration
	}{
		{`"pingInterval":1e15,"pingTimeout":1e15`, maxHeartbeat, maxHeartbeat},
		{`"pingInterval":1e308,"pingTimeout":9223372036854775807`, maxHeartbeat, maxHeartbeat},
		{`"pingInterval":18446744073710,"pingTimeout":1`, maxHeartbeat, time.Millisecond},
		{`"pingInterval":25000.0,"pingTimeout":2.5`, 25 * time.Second, 2500 * time.Microsecond},
	} {
		t.Run(c.json, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
					p := accept(w, r)
					p.send(`0{"sid":"a","upgrades":[],` + c.json + `}`)
					p.drain()
				})
				s := r.dial(Options{Transports: []string{WebSocket}})
				if s.PingInterval() != c.interval || s.PingTimeout() != c.timeout {
					t.Errorf("interval %v and timeout %v, want %v and %v", s.PingInterval(), s.PingTimeout(), c.interval, c.timeout)
				}
				start := time.Now()
				s.end(t)
				if got := time.Since(start); got != c.interval+c.timeout {
					t.Errorf("it lasted %v, want %v", got, c.interval+c.timeout)
				}
			})
		})
	}
}

// Packets that have no business here change nothing; those that cannot be
// decoded end the session.
func TestFault_K05_StrangePackets(t *testing.T) {
	for _, c := range []struct {
		name, packet string
		reason       Reason // empty: the session goes on
	}{
		{"a second open packet", `0{"sid":"stolen","upgrades":[],"pingInterval":1,"pingTimeout":1}`, ""},
		{"an open packet without data", "0", ""},
		{"a pong", "3", ""},
		{"a pong to no probe", "3probe", ""},
		{"an upgrade", "5", ""},
		{"a noop", "6", ""},
		{"an unknown type", "7", ReasonParseError},
		{"no type", "x", ReasonParseError},
		{"base64 that is none", "b!", ReasonParseError},
		{"goodbye", "1", ReasonTransportClose},
	} {
		for _, w := range ways[:2] {
			t.Run(c.name+"/"+w.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					packets := make(chan string, 2)
					packets <- c.packet
					packets <- "4after"
					r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
						switch {
						case isWebSocket(r):
							p := accept(w, r)
							p.send(`0{"sid":"secret","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`)
							p.send(<-packets)
							p.send(<-packets)
							p.drain()
						case isHandshake(r):
							io.WriteString(w, `0{"sid":"secret","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`)
						case r.Method == http.MethodPost:
							io.WriteString(w, "ok")
						default:
							select {
							case p := <-packets:
								io.WriteString(w, p)
							case <-r.Context().Done():
							}
						}
					})
					s := r.dial(w.options)
					if c.reason != "" {
						if err := s.end(t); err.Reason != c.reason || err.Remote != (c.reason == ReasonTransportClose) {
							t.Errorf("the session ended with %v", err)
						}
						return
					}
					if got := s.await(t, 1); got[0] != "after" {
						t.Errorf("got %q", got)
					}
					if s.ID() != "secret" || s.PingInterval() != 25*time.Second {
						t.Errorf("the session is now %q with an interval of %v", s.ID(), s.PingInterval())
					}
				})
			})
		}
	}
}

func TestFault_K05_OversizeMessage(t *testing.T) {
	for _, w := range ways[:2] {
		t.Run(w.name, func(t *testing.T) {
			r := newRig(t, engineio.Options{})
			o := w.options
			o.MaxMessage = 10_000
			c := r.dial(o)
			p := r.peer()
			p.Send(engineio.NewMessage([]byte(long(9_000)), false))
			c.await(t, 1)
			p.Send(engineio.NewMessage([]byte(long(10_001)), false))
			if err := c.end(t); err.Reason != ReasonTransportError || err.Remote {
				t.Errorf("the session ended with %v", err)
			}
		})
	}
}

// The server vanishes; the reason says how.
func TestFault_K06_ServerVanishes(t *testing.T) {
	type vanishing func(nc net.Conn)
	reset := func(nc net.Conn) { nc.(*net.TCPConn).SetLinger(0); nc.Close() }
	for _, c := range []struct {
		name   string
		before string // what it sends first, as bytes of a frame or an answer
		vanish vanishing
		reason map[string]Reason
	}{
		{"FIN", "", func(nc net.Conn) { nc.Close() }, map[string]Reason{Polling: ReasonTransportError, WebSocket: ReasonTransportClose}},
		{"RST", "", reset, map[string]Reason{Polling: ReasonTransportError, WebSocket: ReasonTransportError}},
		{"FIN in a message", "half", func(nc net.Conn) { nc.Close() }, map[string]Reason{Polling: ReasonTransportError, WebSocket: ReasonTransportClose}},
		{"RST in a message", "half", reset, map[string]Reason{Polling: ReasonTransportError, WebSocket: ReasonTransportError}},
		{"black hole", "", nil, map[string]Reason{Polling: ReasonPingTimeout, WebSocket: ReasonPingTimeout}},
		{"black hole in a message", "half", nil, map[string]Reason{Polling: ReasonPingTimeout, WebSocket: ReasonPingTimeout}},
	} {
		for _, w := range ways[:2] {
			t.Run(c.name+"/"+w.name, func(t *testing.T) {
				opened := make(chan struct{})
				gone := make(chan struct{})
				defer close(gone)
				r := &rig{t: t}
				r.serveTCP(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					open := `0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}` // others notice at once
					if c.vanish == nil {
						open = `0{"sid":"a","upgrades":[],"pingInterval":100,"pingTimeout":100}`
					}
					if !isWebSocket(req) && isHandshake(req) {
						io.WriteString(w, open)
						return
					}
					var nc net.Conn
					if isWebSocket(req) {
						p := accept(w, req)
						p.send(open)
						nc = p.nc
						if c.before != "" {
							io.WriteString(nc, "\x81\x7e\x01\x004half")
						}
					} else {
						nc, _, _ = http.NewResponseController(w).Hijack()
						if c.before != "" {
							io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n4half")
						}
					}
					<-opened
					time.Sleep(10 * time.Millisecond) // let the bytes arrive first: an RST overtakes them
					if c.vanish != nil {
						c.vanish(nc)
						return
					}
					<-gone
					nc.Close()
				}))
				s := r.dial(w.options)
				start := time.Now()
				close(opened)
				err := s.end(t)
				if want := c.reason[w.options.Transports[0]]; err.Reason != want || !err.Remote || err.Err == nil {
					t.Errorf("the session ended with %v, want %q", err, want)
				}
				if got := time.Since(start); got > 20*time.Second { // less than a ping timeout, if there was to be none
					t.Errorf("it was noticed after %v", got)
				}
				if len(s.got()) > 0 {
					t.Errorf("half a message was delivered: %q", s.got())
				}
			})
		}
	}
}

// A poll whose connection breaks is not sent again: what its answer held would
// be missing, and nobody would know.
func TestFault_K06_PollIsNotRepeated(t *testing.T) {
	var polls atomic.Int32
	r := &rig{t: t}
	r.serveTCP(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case isHandshake(req):
			io.WriteString(w, `0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`)
		case polls.Add(1) < 3: // the connection is in use, as net/http wants it to repeat
			io.WriteString(w, "4x")
		default:
			nc, _, _ := http.NewResponseController(w).Hijack()
			nc.Close()
		}
	}))
	c := r.dial(Options{})
	if err := c.end(t); err.Reason != ReasonTransportError {
		t.Errorf("the session ended with %v", err)
	}
	if n := polls.Load(); n != 3 {
		t.Errorf("there were %d polls, want 3", n)
	}
}

func TestFault_K07_NoSuchServer(t *testing.T) {
	notFound := &net.DNSError{Err: "no such host", Name: "nowhere.invalid", IsNotFound: true}
	for _, w := range ways[:2] {
		t.Run(w.name, func(t *testing.T) {
			r := &rig{t: t, url: "http://nowhere.invalid"}
			r.dialer = func(context.Context, string, string) (net.Conn, error) { return nil, notFound }
			if err := r.refused(w.options); !errors.Is(err, notFound) {
				t.Errorf("name not found: %v", err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			r = &rig{t: t, url: "http://" + l.Addr().String()}
			var refused *HandshakeError
			if err := r.refused(w.options); !errors.As(err, &refused) || !errors.As(err, new(*net.OpError)) {
				t.Errorf("connection refused: %v", err)
			}
		})
	}
}

func TestFault_K07_S23_S24_TLS(t *testing.T) {
	srv, err := engineio.New(&engineio.Options{Open: func(s *engineio.Session) engineio.Handler {
		return &peer{Session: s, closed: make(chan *engineio.CloseError, 1)}
	}})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewUnstartedServer(srv)
	hs.EnableHTTP2 = true
	hs.Config.ErrorLog = discardLog
	hs.StartTLS()
	defer hs.Close()
	defer srv.Close()
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		r := &rig{t: t, url: hs.URL}
		if err := r.refused(o); !errors.As(err, new(*tls.CertificateVerificationError)) {
			t.Errorf("a certificate of nobody: %v", err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(hs.Certificate())
		for name, config := range map[string]*tls.Config{
			"an expired certificate": {RootCAs: roots, Time: func() time.Time { return hs.Certificate().NotAfter.Add(time.Hour) }},
			"another's certificate":  {RootCAs: roots, ServerName: "other.invalid"},
		} {
			o.TLSConfig = config
			if err := r.refused(o); !errors.As(err, new(*tls.CertificateVerificationError)) {
				t.Errorf("%s: %v", name, err)
			}
		}
		o.TLSConfig = &tls.Config{RootCAs: roots}
		c := r.dial(o)
		if upgrades {
			c.awaitUpgrade(t)
		}
		c.Send(Text("over TLS"), Binary([]byte{1}))
		if got := c.await(t, 2); got[0] != "over TLS" || got[1] != "b:\x01" {
			t.Errorf("got %q", got)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What answers is no Engine.IO server.
func TestFault_K07_OtherAnswers(t *testing.T) {
	const page = "<html><body>\x00502 Bad Gateway</body></html>"
	for _, c := range []struct {
		name    string
		answer  func(w http.ResponseWriter, r *http.Request)
		polling StatusError
	}{
		{"a gateway's error page", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(502)
			io.WriteString(w, page+long(10_000))
		}, StatusError{Status: 502, Code: -1, Body: (strings.ReplaceAll(page, "\x00", " ") + long(10_000))[:maxExcerpt]}},
		{"a captive portal", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, page) },
			StatusError{Status: 200, Code: -1, Body: strings.ReplaceAll(page, "\x00", " ")}},
		{"a redirect to a login page", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://user:pass@login.invalid/portal?token=secret", http.StatusFound)
		}, StatusError{Status: 302, Code: -1, Location: "http://login.invalid/portal"}},
		{"a refusal", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(403)
			io.WriteString(w, `{"code":4,"message":"not you"}`)
		}, StatusError{Status: 403, Code: 4, Message: "not you", Body: `{"code":4,"message":"not you"}`}},
	} {
		for _, w := range ways[:2] {
			t.Run(c.name+"/"+w.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := hostile(t, c.answer)
					err := r.refused(w.options)
					var status *StatusError
					if !errors.As(err, &status) {
						t.Fatalf("the error is %v", err)
					}
					got := *status
					if c.polling.Location != "" {
						got.Body = ""
					}
					if got != c.polling {
						t.Errorf("got  %+v\nwant %+v", got, c.polling)
					}
					if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "pass") {
						t.Errorf("the error tells secrets: %v", err)
					}
				})
			})
		}
	}
}

// Redirects are followed where headers and cookies may go, and nowhere else.
func TestFault_K07_S66_Redirects(t *testing.T) {
	var leaked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { leaked.Add(1) }))
	defer other.Close()
	for _, w := range ways[:2] {
		t.Run(w.name, func(t *testing.T) {
			r := newServer(t, engineio.Options{}, nil)
			r.serveTCP(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				switch req.URL.Path {
				case "/away/":
					http.Redirect(w, req, other.URL+"/engine.io/?"+req.URL.RawQuery, http.StatusTemporaryRedirect)
				case "/here/":
					http.Redirect(w, req, "/engine.io/?"+req.URL.RawQuery, http.StatusPermanentRedirect)
				case "/round/":
					http.Redirect(w, req, "/round/?"+req.URL.RawQuery, http.StatusFound)
				default:
					if req.Header.Get("X-Token") != "secret" {
						t.Error("the header did not follow the redirect")
					}
					r.srv.ServeHTTP(w, req)
				}
			}))
			base := r.url
			o := w.options
			o.Header = http.Header{"X-Token": {"secret"}, "Authorization": {"Bearer secret"}}
			for _, path := range []string{"/away/", "/round/"} {
				r.url = base + path
				var status *StatusError
				if err := r.refused(o); !errors.As(err, &status) || status.Status/100 != 3 || status.Location == "" {
					t.Errorf("%s: %v", path, err)
				}
			}
			r.url = base + "/here/"
			c := r.dial(o)
			c.Send(Text("found"))
			c.await(t, 1)
		})
	}
	if n := leaked.Load(); n > 0 {
		t.Errorf("%d requests went to another origin", n)
	}
}

func TestRedirectPolicy(t *testing.T) {
	for _, c := range []struct {
		from, to string
		follow   bool
	}{
		{"http://a.example/x", "http://a.example/y", true},
		{"http://A.example/x", "http://a.example/y", true},
		{"http://a.example/x", "https://a.example/x", true},
		{"https://a.example/x", "http://a.example/x", false},
		{"http://a.example/x", "http://b.a.example/x", false},
		{"http://a.example/x", "http://a.example:8080/x", false},
		{"http://a.example:8080/x", "https://a.example/x", false},
	} {
		from, _ := url.Parse(c.from)
		to, _ := url.Parse(c.to)
		err := checkRedirect(&http.Request{URL: to}, []*http.Request{{URL: from}})
		if (err == nil) != c.follow {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
	}
}

// A server that accepts connections and never answers.
func TestFault_K08_NoAnswer(t *testing.T) {
	for _, w := range ways[:2] {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := hostile(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
				start := time.Now()
				if err := r.refused(w.options); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the error is %v", err)
				}
				if got := time.Since(start); got != 20*time.Second {
					t.Errorf("Dial took %v, want 20s", got)
				}
			})
		})
		t.Run(w.name+"/half an answer", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
					if isWebSocket(r) {
						accept(w, r).drain() // without an open packet
						return
					}
					io.WriteString(w, `0{"sid":`)
					http.NewResponseController(w).Flush()
					<-r.Context().Done()
				})
				o := w.options
				o.HandshakeTimeout = time.Second
				start := time.Now()
				if err := r.refused(o); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the error is %v", err)
				}
				if got := time.Since(start); got != time.Second {
					t.Errorf("Dial took %v, want 1s", got)
				}
			})
		})
	}
}

// A POST that is never answered.
func TestFault_K08_NoAnswerToPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
			if isHandshake(r) {
				io.WriteString(w, `0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`)
				return
			}
			io.Copy(io.Discard, r.Body) // or net/http does not look whether the client is there
			<-r.Context().Done()
		})
		c := r.dial(Options{})
		start := time.Now()
		c.Send(Text("lost"))
		if err := c.end(t); err.Reason != ReasonTransportError || !errors.Is(err, errNoProgress) {
			t.Errorf("the session ended with %v", err)
		}
		if got := time.Since(start); got != 20*time.Second {
			t.Errorf("after %v, want 20s", got)
		}
		if n, b := c.Buffered(); n != 1 || b != 4 {
			t.Errorf("%d messages of %d bytes were lost", n, b)
		}
	})
}

// A server that does not read the WebSocket.
func TestFault_K08_NoProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		r := hostile(t, func(w http.ResponseWriter, r *http.Request) {
			p := accept(w, r)
			p.send(openPacket)
			<-stop
			p.nc.Close()
		})
		c := r.dial(Options{Transports: []string{WebSocket}})
		start := time.Now()
		c.Send(Text("lost"))
		if err := c.end(t); err.Reason != ReasonTransportError || !errors.Is(err, errNoProgress) {
			t.Errorf("the session ended with %v", err)
		}
		if got := time.Since(start); got != 20*time.Second {
			t.Errorf("after %v, want 20s", got)
		}
		close(stop)
	})
}

// Sessions ended by the server, in the middle of traffic.
func TestServerCloses(t *testing.T) {
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		r := newRig(t, engineio.Options{})
		c := r.dial(o)
		p := r.peer()
		if upgrades {
			c.awaitUpgrade(t)
		}
		for i := range 10 {
			p.Send(engineio.NewMessage(fmt.Append(nil, i), false))
		}
		p.Session.Close()
		err := c.end(t)
		if err.Reason != ReasonTransportClose || !err.Remote {
			t.Errorf("the session ended with %v", err)
		}
		if got := c.got(); len(got) != 10 {
			t.Errorf("%d of 10 messages came before the end", len(got))
		}
		if err := c.Send(Text("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send: %v", err)
		}
		if err := c.Flush(context.Background()); err != nil {
			t.Errorf("Flush with nothing to write: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close of a closed session: %v", err)
		}
	})
}

// A server of revision 3 answers in its own form, whatever it is asked.
func TestServerOfAnotherRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hostile(t, func(w http.ResponseWriter, req *http.Request) {
			io.WriteString(w, `76:0{"sid":"secret","upgrades":["websocket"],"pingInterval":1000,"pingTimeout":1}2:40`)
		})
		if err := r.refused(Options{}); !errors.Is(err, ErrRevision) {
			t.Errorf("revision 4: %v", err)
		}
		r = hostile(t, func(w http.ResponseWriter, req *http.Request) { io.WriteString(w, "4:oops") })
		if err := r.refused(Options{}); errors.Is(err, ErrRevision) {
			t.Errorf("what is no handshake: %v", err)
		}
	})
}

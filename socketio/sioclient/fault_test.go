//go:build !js

package sioclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/internal/goal"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/sioparser"
)

// A handshake that no client can work with is an error of the attempt; others
// follow, and once the server is itself again they succeed.
func TestFault_K01_K04_BadHandshake(t *testing.T) {
	for _, packet := range []string{
		`0`, `0null`, `0{`, `0[]`, `0{"sid":"a"}`, `2`, ``, "\xff",
		`0{"sid":"a","pingInterval":1,"pingTimeout":1}`,
		`0{"sid":"a","upgrades":[],"pingInterval":-1,"pingTimeout":1}`,
		`0{"sid":"a","upgrades":[],"pingInterval":"25000","pingTimeout":1}`,
		`0{"sid":"a","upgrades":[],"pingInterval":0,"pingTimeout":0}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(packet)) }))
			c := r.client("/", &Options{Backoff: Backoff{Jitter: -1}})
			if err := c.Connect(t.Context()); err == nil {
				t.Fatalf("%q: connected", packet)
			}
			if st := c.State(); st.Kind != Disconnected || st.Retry != time.Second || st.Err == nil {
				t.Errorf("%q: state %v", packet, st)
			}
			r.serve(newServer(nil))
			if err := c.Connect(t.Context()); err != nil {
				t.Errorf("%q: %v", packet, err)
			}
		})
	}
}

// An interval that overflows a duration makes no pings at once, nor time-outs.
func TestFault_K04_ImpossibleHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handshakes := 0
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			switch {
			case req.Method == http.MethodPost:
				w.Write([]byte("ok"))
			case req.URL.Query().Get("sid") == "":
				handshakes++
				w.Write([]byte(`0{"sid":"a","upgrades":[],"pingInterval":1e15,"pingTimeout":1e15}` + "\x1e" + `40{"sid":"b"}`))
			default:
				select {
				case <-req.Context().Done():
				case <-time.After(10 * time.Second):
					w.Write([]byte("6"))
				}
			}
		}))
		c := r.dial("/", nil)
		time.Sleep(time.Hour)
		if !c.Connected() || c.ID() != "b" || handshakes != 1 {
			t.Errorf("connected %v as %q, %d handshakes", c.Connected(), c.ID(), handshakes)
		}
	})
}

// Answers to CONNECT that make no sense are errors of Connect.
func TestFault_K02_ConnectWithoutData(t *testing.T) {
	for _, tt := range []struct {
		answer  string
		refused bool // else the connection is broken off, and another attempt made
	}{
		{`0`, true}, {`0{}`, true}, {`0{"sid":""}`, true}, {`0{"sid":7}`, false}, {`0{"sid":null}`, true},
		{`0[]`, false}, {`0"x"`, false}, {`0null`, false}, {`0{`, false},
		{`4`, false}, {`4{}`, true}, {`4{"message":""}`, true}, {`4{"message":7}`, true}, {`4"no"`, true},
		{`4{"message":"no","data":null}`, true}, {`4{"message":"no","code":[]}`, true}, {`4null`, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, script(t, func(s *engineio.Session, m string) {
				if m != "" {
					say(s, tt.answer)
				}
			}))
			c := r.client("/", nil)
			err := c.Connect(t.Context())
			var refused *ConnectError
			var lost *DisconnectError
			switch {
			case errors.As(err, &refused) != tt.refused, tt.refused && (refused.Message == "" || c.Active()):
				t.Errorf("%s: %v", tt.answer, err)
			case !tt.refused && (!errors.As(err, &lost) || lost.Reason != ReasonParseError || !c.Active()):
				t.Errorf("%s: %v", tt.answer, err)
			}
		})
	}
}

const welcome = `0{"sid":"x"}`

// An acknowledgement without data, or without an id, or one that nobody awaits.
func TestFault_K03_AckWithoutData(t *testing.T) {
	for _, tt := range []struct {
		answer string
		reason Reason // "" when the answer means nothing
	}{
		{`30`, ReasonParseError}, {`3`, ReasonParseError}, {`3[]`, ReasonParseError}, {`30{}`, ReasonParseError},
		{`30null`, ReasonParseError}, {`3-1[]`, ReasonParseError}, {`30[`, ReasonParseError}, {`60-0[]`, ReasonParseError},
		{`31[]`, ""}, {`399999999[]`, ""}, {`3/chat,0[]`, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, script(t, func(s *engineio.Session, m string) {
				switch {
				case m == "0":
					say(s, welcome)
				case strings.HasPrefix(m, "2"):
					say(s, tt.answer)
				}
			}))
			c := r.dial("/", nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.Call(ctx, "x")
			if tt.reason == "" {
				if err != ErrAckTimeout || !c.Connected() {
					t.Errorf("%s: %v", tt.answer, err)
				}
				return
			}
			var lost *DisconnectError
			if !errors.As(err, &lost) || lost.Reason != tt.reason {
				t.Errorf("%s: %v", tt.answer, err)
			}
			if _, err := c.Call(ctx, "x"); !errors.Is(err, ErrDisconnected) {
				t.Errorf("%s: then %v", tt.answer, err)
			}
		})
	}
}

// What a server may not send, or may not send now, changes nothing or ends the
// connection; it is never a panic.
func TestFault_K05_StrangePackets(t *testing.T) {
	for _, tt := range []struct {
		messages []string
		survives bool
	}{
		{[]string{`0{"sid":"y"}`}, true}, // a second answer
		{[]string{`0{"sid":"y","pid":"p"}`}, true},
		{[]string{`4{"message":"late"}`}, true},
		{[]string{`0/other,{"sid":"z"}`, `2/other,["x"]`, `1/other,`, `4/other,{"message":"m"}`}, true},
		{[]string{`2["x"]`, `25["x",{}]`}, true}, // events without a handler
		{[]string{`7`}, false},
		{[]string{`5["x"]`}, false},
		{[]string{`50-["x"]`}, false}, // no attachments at all
		{[]string{`51-["x"]`}, true},  // one that is not mentioned, and does not come
		{[]string{`51-["x",{"_placeholder":true,"num":7}]`}, false},
		{[]string{`51-["x",{"_placeholder":true,"num":0}]`, `2["y"]`}, false}, // text in between
		{[]string{`2["connect"]`}, false},
		{[]string{`2[]`}, false}, {[]string{`2{}`}, false},
		{[]string{`2["x",` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `]`}, false},
		{[]string{`59999999-["x"]`}, false},
		{[]string{strings.Repeat("0", 1000)}, false},
	} {
		name := strings.Join(tt.messages, " ")
		if len(name) > 60 {
			name = name[:60]
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, script(t, func(s *engineio.Session, m string) {
					if m == "0" {
						say(s, welcome)
						say(s, tt.messages...)
					}
				}))
				c := r.dial("/", nil)
				time.Sleep(time.Millisecond)
				if c.Connected() != tt.survives {
					t.Errorf("connected: %v", c.Connected())
				}
				if st := c.State(); tt.survives && st.ID != "x" || !tt.survives && !strings.Contains(fmt.Sprint(st.Err), "parse error") {
					t.Errorf("state %v", st)
				}
			})
		})
	}
}

// A server that vanishes is noticed: at once when the connection is broken,
// within an interval and a timeout when nothing comes any more. Whoever waits
// for an acknowledgement is told why it does not come.
func TestFault_K06_ServerVanishes(t *testing.T) {
	for _, w := range ways {
		for _, how := range []struct {
			name   string
			vanish func(r *rig)
			reason []Reason
			after  time.Duration // at most
		}{
			{"cut", (*rig).cut, []Reason{ReasonTransportClose, ReasonTransportError}, 0},
			{"black hole", (*rig).swallow, []Reason{ReasonPingTimeout}, 45 * time.Second},
			{"closed", func(r *rig) { r.serve(nil) }, []Reason{ReasonTransportClose}, 10 * time.Millisecond},
		} {
			t.Run(w.name+"/"+how.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					io := newServer(nil)
					io.On("hang", func(ctx context.Context, _ *socketio.Event) error { <-ctx.Done(); return nil })
					r := newRig(t, io)
					o := w.options
					o.AckTimeout = time.Hour
					c := r.dial("/", &o)
					reasons := make(chan Reason, 1)
					c.OnDisconnect(func(_ context.Context, _ *Socket, r Reason) { reasons <- r })
					for o.Transports == nil && c.Transport() != eioclient.WebSocket {
						time.Sleep(time.Millisecond)
					}
					call := make(chan error, 1)
					go func() { _, err := c.Call(context.Background(), "hang"); call <- err }() // ends with the connection
					time.Sleep(7 * time.Second)                                                 // in the middle of an interval
					start := time.Now()
					how.vanish(r)
					got := <-reasons
					if took := time.Since(start); took > how.after || !slices.Contains(how.reason, got) {
						t.Errorf("%q after %v", got, took)
					}
					var lost *DisconnectError
					if err := <-call; !errors.As(err, &lost) || lost.Reason != got {
						t.Errorf("Call: %v", err)
					}
					r.serve(newServer(nil))
					if err := c.Connect(t.Context()); err != nil {
						if err = c.Connect(t.Context()); err != nil { // the first attempt may have been under way
							t.Errorf("it does not come back: %v", err)
						}
					}
					if n, err := add.Call(t.Context(), c, [2]int{1, 2}); n != 3 || err != nil {
						t.Errorf("then: %v", err)
					}
				})
			})
		}
	}
}

// G8: whatever a connection is doing when it falls into a black hole, the client
// notices within an interval and a timeout, and is back.
func TestFault_K06_LivenessInEveryState(t *testing.T) {
	const interval, timeout = 5 * time.Second, 3 * time.Second
	for _, tt := range []struct {
		name    string
		options Options
		hangs   bool // the request to upgrade is not answered
	}{
		{"polling", Options{Transports: []string{eioclient.Polling}}, false},
		{"upgrading", Options{}, true},
		{"upgraded", Options{}, false},
		{"websocket", Options{Transports: []string{eioclient.WebSocket}}, false},
		{"2.x", Options{V2: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(5, 6))
				trials, longest := 100/min(scale, 5), time.Duration(0)
				for range trials {
					io := newServer(&socketio.Options{PingInterval: interval, PingTimeout: timeout})
					r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
						if tt.hangs && req.Header.Get("Upgrade") != "" {
							<-req.Context().Done()
							return
						}
						io.ServeHTTP(w, req)
					}))
					t.Cleanup(func() { io.Close() })
					o := tt.options
					c := r.dial("/", &o)
					time.Sleep(time.Duration(rng.Int64N(int64(9 * time.Second)))) // an upgrade is given up after 10
					if !c.Connected() {
						t.Fatalf("the client is %v before it fell", c.State())
					}
					fell := time.Now()
					seen := c.seen()
					r.swallow()
					for c.seen() == seen {
						time.Sleep(time.Millisecond)
					}
					longest = max(longest, time.Since(fell))
					await(t, c, Connected)
					c.Close()
				}
				const bound = interval + timeout + 250*time.Millisecond
				goal.Report(t, goal.Figure{
					Goal:   "G8",
					What:   fmt.Sprintf("until a client notices that it is cut off, at the longest, in %d trials: %s", trials, tt.name),
					Figure: longest.String(), Wanted: "at most " + bound.String(), Met: longest <= bound,
				})
			})
		})
	}
}

// What is in the way is told by the state, with growing delays, and when it is
// gone the client is back.
func TestFault_K07_NoSuchServer(t *testing.T) {
	html := func(status int, header ...string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			w.Write([]byte("<html>please log in</html>"))
		})
	}
	dns := &net.DNSError{Err: "no such host", Name: "server", IsNotFound: true}
	for _, tt := range []struct {
		name    string
		handler http.Handler
		dial    error
		says    func(error) bool
	}{
		{"DNS", nil, dns, func(err error) bool { return errors.As(err, new(*net.DNSError)) }},
		{"refused", nil, errRefused, func(err error) bool { return errors.Is(err, errRefused) }},
		{"TLS", nil, &tls.CertificateVerificationError{Err: errors.New("expired")}, func(err error) bool { return errors.As(err, new(*tls.CertificateVerificationError)) }},
		{"502", html(502), nil, func(err error) bool {
			status := (*eioclient.StatusError)(nil)
			return errors.As(err, &status) && status.Status == 502
		}},
		{"captive portal", html(200), nil, func(err error) bool { return strings.Contains(fmt.Sprint(err), "please log in") }},
		{"redirect", html(302, "Location", "http://evil/"), nil, func(err error) bool { return strings.Contains(fmt.Sprint(err), "evil") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, tt.handler)
				failing := true
				c := r.client("/", &Options{
					Backoff: Backoff{Jitter: -1},
					Engine: eioclient.Options{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						if addr != "server:80" {
							t.Errorf("another server was asked: %s", addr)
						}
						if failing && tt.dial != nil {
							return nil, &net.OpError{Op: "dial", Err: tt.dial}
						}
						return r.dialContext(ctx, network, addr)
					}},
				})
				for _, delay := range []time.Duration{1, 2, 4, 5, 5} {
					err := c.Connect(t.Context())
					if st := c.State(); !tt.says(err) || st.Retry != delay*time.Second || st.Err != err {
						t.Errorf("Connect: %v; state %v", err, st)
					}
				}
				failing = false
				r.serve(newServer(nil))
				if err := c.Connect(t.Context()); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// A server that takes the connection and never answers is given up: the
// handshake after 20 s, the namespace after a minute.
func TestFault_K08_NoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }))
		c := r.client("/", nil)
		start := time.Now()
		err := c.Connect(t.Context())
		if took := time.Since(start); took != 20*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v", err, took)
		}
		r.serve(script(t, func(*engineio.Session, string) {}))
		await(t, c, Connecting)
		start = time.Now()
		err = c.Connect(t.Context())
		if took := time.Since(start); took != time.Minute || !errors.Is(err, errJoinTimeout) {
			t.Errorf("%v after %v", err, took)
		}
		r.serve(newServer(nil))
		if err := c.Connect(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Nothing of what a server may send panics; whatever comes of it, the socket can
// be closed.
func FuzzServerPackets(f *testing.F) {
	for _, seed := range []string{
		welcome, `0{"sid":"x","pid":"p","offset":"o"}`, `0`, `4{"message":"m"}`, `1`, `2["x"]`, `212["x",1,"offset"]`, `30[1]`, `3`,
		`51-["x",{"_placeholder":true,"num":0}]`, `61-0[{"_placeholder":true,"num":0}]`, `0/chat,{"sid":"y"}`, `2/chat,["x"]`, `1/chat,`,
		`2["x","abc"]`, `4`, `4"text"`, `7`, `0{"sid":7}`,
	} {
		f.Add(seed, "2[\"x\"]", []byte{1, 2}, false)
		f.Add(welcome, seed, []byte(seed), true)
	}
	dead := deadConn(f)
	f.Fuzz(func(t *testing.T, first, second string, binary []byte, v2 bool) {
		m := newManager(&config{Options: Options{Parser: sioparser.JSON(nil), Logger: discard, V2: v2, CloseTimeout: time.Minute, JoinTimeout: time.Hour}})
		l := newLink(m, dead)
		m.link = l
		sc := &socketConfig{inbound: 4, maxAcks: 10, retry: Retry{Max: 1, MaxPackets: 2, Timeout: time.Hour}}
		root, chat := newSocketLocked(m, sc, "/"), newSocketLocked(m, sc, "/chat")
		handled := func(_ context.Context, e *Event) error {
			var v any
			if err := e.Decode(&v); err != nil {
				return err
			}
			return e.Reply(v)
		}
		for _, s := range []*Socket{root, chat} {
			s.On("x", handled)
			s.OnAny(handled)
			m.mu.Lock()
			s.phase = waiting
			s.joinLocked(l)
			m.mu.Unlock()
			s.Emit("y")
		}
		l.Message([]byte(first), false)
		l.Message([]byte(second), false)
		l.Message(binary, true)
		l.Message([]byte(first), false)
		for _, s := range []*Socket{root, chat} {
			s.Close()
		}
	})
}

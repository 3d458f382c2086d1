//go:build !js

package sioclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio"
)

func TestRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := newServer(nil)
		io.Of("/private").Use(func(context.Context, *socketio.Socket) error {
			return &socketio.Error{Code: "unauthorized", Message: "token refused", Data: map[string]int{"n": 7}}
		})
		r := newRig(t, io)
		c := r.client("/private", nil)
		err := c.Connect(t.Context())
		var refused *ConnectError
		var public *Error
		var data struct{ N int }
		switch {
		case !errors.As(err, &refused) || refused.Code != "unauthorized" || refused.Message != "token refused" || refused.Namespace != "/private":
			t.Errorf("Connect: %v", err)
		case refused.DecodeData(&data) != nil || data.N != 7:
			t.Errorf("data: %s", refused.Data)
		case !errors.As(err, &public) || public.Code != "unauthorized":
			t.Errorf("it is no *Error: %v", err)
		}
		time.Sleep(time.Hour) // no further attempt
		if st := c.State(); st.Kind != Disconnected || st.Retry != 0 || !errors.As(st.Err, &refused) || c.Active() {
			t.Errorf("state %v", st)
		}
		if c.Transport() != "" {
			t.Error("the connection that nobody wants is open")
		}
		if _, err := Dial(t.Context(), "http://server/nothing", r.options(nil)); !errors.As(err, &refused) || refused.Message != "Invalid namespace" {
			t.Errorf("Dial: %v", err)
		}
		c, err = Dial(t.Context(), "http://server", r.options(nil))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

func TestWrongArguments(t *testing.T) {
	for _, tt := range []struct {
		url     string
		options *Options
		want    string
	}{
		{"example.org", nil, "expected a URL of http, https, ws or wss"},
		{"ftp://example.org", nil, "expected a URL of http, https, ws or wss"},
		{"http:///chat", nil, "expected a URL with a host"},
		{"http://u:secret@h:x/", nil, "the URL cannot be parsed"},
		{"http://h/a,b", nil, "the name of a namespace"},
		{"http://h", &Options{Backoff: Backoff{Jitter: 1.5}}, "Options.Backoff.Jitter"},
		{"http://h", &Options{Backoff: Backoff{Min: -1}}, "Options.Backoff.Min"},
		{"http://h", &Options{JoinTimeout: -1}, "Options.JoinTimeout"},
		{"http://h", &Options{Inbound: -1}, "Options.Inbound"},
		{"http://h", &Options{Offline: Offline{MaxPackets: -1}}, "Options.Offline.MaxPackets"},
		{"http://h", &Options{Transports: []string{"pigeon"}}, "Transports"},
		{"http://h", &Options{Engine: eioclient.Options{Open: func(*eioclient.Conn) eioclient.Handler { return nil }}}, "Options.Engine.Open"},
	} {
		if _, err := New(tt.url, tt.options); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%q, %+v): %v, expected %q", tt.url, tt.options, err, tt.want)
		}
	}
	if err := (&Options{}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestAuthIsAskedForEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newServer(nil))
		n := 0
		c := r.dial("/chat", &Options{Auth: func(ctx context.Context) (any, error) {
			n++
			if n == 2 {
				return nil, errors.New("no token today")
			}
			return map[string]int{"attempt": n}, nil
		}})
		whoami := func() (auth struct{ Attempt int }) {
			args, err := c.Call(t.Context(), "whoami")
			if err != nil || args.Decode(nil, &auth) != nil {
				t.Errorf("whoami: %v", err)
			}
			return auth
		}
		if got := whoami(); got.Attempt != 1 {
			t.Errorf("auth %v", got)
		}
		r.lose(c)
		st := await(t, c, Connecting)
		if st.Attempt != 1 {
			t.Errorf("attempt %d", st.Attempt)
		}
		st = await(t, c, Disconnected)
		if st.Err == nil || !strings.Contains(st.Err.Error(), "no token today") || st.Retry == 0 {
			t.Errorf("state %v", st)
		}
		if await(t, c, Connected); n != 3 {
			t.Errorf("%d calls of Auth", n)
		}
		if got := whoami(); got.Attempt != 3 {
			t.Errorf("auth %v", got)
		}
	})
}

func TestAuthThatHangsOrPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newServer(nil))
		var n atomic.Int32
		c := r.client("/", &Options{JoinTimeout: 10 * time.Second, Backoff: Backoff{Attempts: 3}, Auth: func(ctx context.Context) (any, error) {
			switch n.Add(1) {
			case 1:
				<-ctx.Done()
				return nil, context.Cause(ctx)
			case 2:
				panic("oh")
			case 3:
				return "not an object", nil
			}
			return nil, nil
		}})
		start := time.Now()
		err := c.Connect(t.Context())
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 10*time.Second {
			t.Errorf("Connect: %v after %v", err, took)
		}
		var p *PanicError
		if err := c.Connect(t.Context()); !errors.As(err, &p) || p.Value != "oh" {
			t.Errorf("Connect: %v", err)
		}
		if err := c.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "JSON object") {
			t.Errorf("Connect: %v", err)
		}
		if err := c.Connect(t.Context()); err != nil {
			t.Errorf("Connect: %v", err)
		}
	})
}

func TestAttemptsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c := r.client("/", &Options{Backoff: Backoff{Jitter: -1, Attempts: 2}})
		var kinds []string
		for range 3 {
			if err := c.Connect(t.Context()); !errors.Is(err, errRefused) {
				t.Fatal(err)
			}
			kinds = append(kinds, fmt.Sprint(c.State().Retry))
		}
		if got := fmt.Sprint(kinds); got != "[1s 2s 0s]" {
			t.Errorf("delays %s", got)
		}
		r.serve(newServer(nil))
		time.Sleep(time.Hour)
		if c.Active() {
			t.Error("it goes on trying")
		}
		if err := c.Connect(t.Context()); err != nil {
			t.Error(err)
		}
		once := r.client("/", &Options{Backoff: Backoff{Attempts: -1}})
		if err := once.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.lose(once)
		if st := await(t, once, Disconnected); st.Retry != 0 || once.Active() {
			t.Errorf("state %v", st)
		}
	})
}

func TestServerDisconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := newServer(nil)
		io.On("kick me", func(_ context.Context, e *socketio.Event) error { e.Socket().Disconnect(); return nil })
		r := newRig(t, io)
		c := r.dial("/", nil)
		reasons := make(chan Reason, 1)
		c.OnDisconnect(func(_ context.Context, _ *Socket, r Reason) { reasons <- r })
		_, err := c.Call(t.Context(), "kick me")
		var d *DisconnectError
		if !errors.As(err, &d) || d.Reason != ReasonIOServerDisconnect || !errors.Is(err, ErrDisconnected) {
			t.Errorf("Call: %v", err)
		}
		if got := <-reasons; got != ReasonIOServerDisconnect || got.WillReconnect() {
			t.Errorf("reason %q", got)
		}
		time.Sleep(time.Hour)
		if c.Active() || c.Transport() != "" {
			t.Error("it came back by itself, or kept the connection")
		}
		if err := c.Emit("x"); !errors.As(err, &d) || d.Reason != ReasonIOServerDisconnect || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Emit: %v", err)
		}
		if err := c.Connect(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestDisconnectAndConnectAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newServer(nil))
		c := r.dial("/chat", nil)
		first := c.ID()
		for range 3 { // also while the connection is on its way down
			c.Disconnect()
			if err := c.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if c.ID() == first {
			t.Error("the same id")
		}
		root := r.of(c, "/")
		if err := root.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 3 { // while the connection stays
			c.Disconnect()
			if err := c.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// Asked for, not answered, not wanted, wanted again.
		io := r.handler.(*socketio.Server)
		release := make(chan struct{})
		io.Of("/slow").Use(func(context.Context, *socketio.Socket) error { <-release; return nil })
		slow := r.of(c, "/slow")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := slow.Connect(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Connect: %v", err)
		}
		slow.Disconnect()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := slow.Connect(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Connect: %v", err)
		}
		close(release)
		if err := slow.Connect(t.Context()); err != nil {
			t.Error(err)
		}
		if !root.Connected() || !c.Connected() {
			t.Error("the server found fault with the connection")
		}
	})
}

func TestEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hosts []string
		io := newServer(nil)
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Query().Get("sid") == "" {
				hosts = append(hosts, req.Host+" "+req.URL.Query().Get("node"))
			}
			io.ServeHTTP(w, req)
		}))
		t.Cleanup(func() { io.Close() })
		n := 0
		c := r.dial("/chat", &Options{Transports: []string{"websocket"}, Endpoint: func(context.Context) (string, error) {
			n++
			return fmt.Sprintf("ws://node%d?node=%d", n, n), nil
		}})
		r.lose(c)
		await(t, c, Connected)
		if got := fmt.Sprint(hosts); got != "[node1 1 node2 2]" {
			t.Errorf("connected to %s", got)
		}
	})
}

// A server that takes connections and drops them is asked less and less often;
// the delay starts anew when a namespace was joined.
func TestDelaysGrowUntilANamespaceIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, script(t, func(s *engineio.Session, m string) {
			if m == "0" {
				s.Abort(engineio.ReasonTransportError, nil)
			}
		}))
		c := r.client("/", &Options{Transports: []string{eioclient.WebSocket}, Backoff: Backoff{Jitter: -1}})
		for _, delay := range []time.Duration{1, 2, 4, 5} {
			c.Connect(t.Context())
			if st := c.State(); st.Retry != delay*time.Second {
				t.Errorf("state %v, expected a delay of %v", st, delay*time.Second)
			}
		}
		r.serve(newServer(nil))
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.lose(c)
		if st := c.State(); st.Retry != time.Second {
			t.Errorf("state %v", st)
		}
	})
}

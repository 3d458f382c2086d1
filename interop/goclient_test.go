package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/interop/internal/node"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
	"github.com/siogo/sio/socketio/sioparser"
)

// goServers are the generations of the reference server that our client talks
// to.
var goServers = []struct {
	name    string
	server  string // npm package
	options string // of the server
	parser  string // npm package; "" for the default
	client  sioclient.Options
}{
	{"2.x", "socket.io-2", `{}`, "", sioclient.Options{V2: true}},
	{"3.x", "socket.io-3", `{}`, "", sioclient.Options{}},
	{"4.x", "socket.io", `{"connectionStateRecovery":{}}`, "", sioclient.Options{}},
	{"4.x with 2.x clients", "socket.io", `{"allowEIO3":true}`, "", sioclient.Options{V2: true}},
	{"4.x msgpack", "socket.io", `{"connectionStateRecovery":{}}`, "socket.io-msgpack-parser", sioclient.Options{Parser: sioparser.MsgPack()}},
}

var goSocketModes = []struct {
	name       string
	transports []string
}{
	{"polling", []string{eioclient.Polling}},
	{"websocket", []string{eioclient.WebSocket}},
	{"upgrade", nil},
}

// TestGoClient runs our client against the reference servers of all
// generations.
func TestGoClient(t *testing.T) {
	for _, c := range goServers {
		for _, mode := range goSocketModes {
			t.Run(c.name+"/"+mode.name, func(t *testing.T) {
				t.Parallel()
				r := &goRig{process: node.Start(t, scripts, "socket-server.mjs", c.server, c.options, c.parser), options: c.client}
				if c.parser == "" {
					r.process = node.Start(t, scripts, "socket-server.mjs", c.server, c.options)
				}
				r.options.Transports = mode.transports
				r.recovers = strings.Contains(c.options, "connectionStateRecovery")
				var hello struct{ URL string }
				if err := r.process.Read(&hello); err != nil {
					t.Fatalf("reference server: %v", err)
				}
				r.url = hello.URL
				for _, s := range goSocketScenarios {
					t.Run(s.name, func(t *testing.T) { s.run(t, r) })
				}
			})
		}
	}
}

// A goRig is a reference server and how to talk to it.
type goRig struct {
	process  *node.Process
	url      string
	options  sioclient.Options
	recovers bool
}

// command makes the server do something.
func (r *goRig) command(t *testing.T, line string) {
	t.Helper()
	if err := r.process.WriteLine(line); err != nil {
		t.Fatal(err)
	}
	var done struct{}
	if err := r.process.Read(&done); err != nil {
		t.Fatalf("reference server: %v", err)
	}
}

// client returns a socket that is not connected.
func (r *goRig) client(t *testing.T, namespace string, change func(*sioclient.Options)) *sioclient.Socket {
	t.Helper()
	o := r.options
	o.Backoff = sioclient.Backoff{Min: 20 * time.Millisecond, Max: 100 * time.Millisecond}
	o.AckTimeout = time.Minute
	if change != nil {
		change(&o)
	}
	c, err := sioclient.New(r.url+namespace, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// dial returns one that is connected, and has upgraded if it will.
func (r *goRig) dial(t *testing.T, namespace string, change func(*sioclient.Options)) *sioclient.Socket {
	t.Helper()
	c := r.client(t, namespace, change)
	if err := c.Connect(patient(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *goRig) awaitUpgrade(t *testing.T, c *sioclient.Socket) {
	t.Helper()
	if r.options.Transports != nil {
		return
	}
	for start := time.Now(); c.Transport() != eioclient.WebSocket; time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("there was no upgrade")
		}
	}
}

// patient is how long a busy machine may take.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

type goPayload struct {
	Text  string            `json:"text"`
	Data  []byte            `json:"data"`
	More  []goPayload       `json:"more,omitempty"`
	Named map[string][]byte `json:"named,omitempty"`
}

var (
	goEcho    = event.New[goPayload]("echo")
	goEchoAck = event.NewRPC[goPayload, goPayload]("echo")
	goSeq     = event.New[int]("seq")
)

type goIdentity struct{ ID, Namespace, Transport, Token, Query string }

func whoami(t *testing.T, c *sioclient.Socket) (who goIdentity) {
	t.Helper()
	args, err := c.Call(patient(t), "whoami")
	if err == nil {
		err = args.Decode(&who)
	}
	if err != nil {
		t.Fatalf("whoami: %v", err)
	}
	return who
}

var goSocketScenarios = []struct {
	name string
	run  func(t *testing.T, r *goRig)
}{
	{"namespaces", func(t *testing.T, r *goRig) {
		root := r.dial(t, "?q=1", func(o *sioclient.Options) { o.Auth = sioclient.Static(map[string]string{"token": "r"}) })
		chat, err := root.Of("/chat", &sioclient.SocketOptions{Auth: sioclient.Static(map[string]string{"token": "c&d=e"})})
		if err != nil {
			t.Fatal(err)
		}
		defer chat.Close()
		if err := chat.Connect(patient(t)); err != nil {
			t.Fatal(err)
		}
		if who := whoami(t, root); who.ID != root.ID() || who.Namespace != "/" || who.Token != "r" || who.Query != "1" {
			t.Errorf("root is %+v, id %q", who, root.ID())
		}
		// In 2.x, a namespace has the query of its own as well as that of the handshake.
		if who := whoami(t, chat); who.ID != chat.ID() || who.Namespace != "/chat" || who.Token != "c&d=e" {
			t.Errorf("chat is %+v, id %q", who, chat.ID())
		}
		chat.Disconnect()
		if err := chat.Connect(patient(t)); err != nil {
			t.Errorf("a second time: %v", err)
		}
		whoami(t, chat)
		if r.options.V2 { // such a server lets nobody into "/" again over the same connection
			return
		}
		root.Disconnect()
		if err := root.Connect(patient(t)); err != nil {
			t.Errorf("a second time: %v", err)
		}
		whoami(t, root)
	}},
	{"events", func(t *testing.T, r *goRig) {
		c := r.dial(t, "/chat", nil)
		inbox := event.Subscribe(c, goEcho, 16)
		for range 2 {
			for _, p := range []goPayload{
				{Text: "hello", Data: []byte{}},
				{Text: "ünï ☃ 𝒳 👩‍👩‍👧 \x00\x1e\u2028", Data: []byte{0, 1, 0x1e, 255}},
				{Text: strings.Repeat("x", 100_000), Data: bytes.Repeat([]byte{7}, 100_000)},
				{More: []goPayload{{Text: "a", Data: []byte("b")}, {Named: map[string][]byte{"k": {1}, "l": {2}}, Data: []byte{3}}}, Data: []byte{4}},
			} {
				if err := goEcho.Emit(c, p); err != nil {
					t.Fatal(err)
				}
				got, err := inbox.Next(patient(t))
				if err != nil || fmt.Sprint(got) != fmt.Sprint(p) {
					t.Fatalf("emitted %.200v, got %.200v, %v", p, got, err)
				}
				if got, err = goEchoAck.Call(patient(t), c, p); err != nil || fmt.Sprint(got) != fmt.Sprint(p) {
					t.Fatalf("asked %.200v, got %.200v, %v", p, got, err)
				}
			}
			r.awaitUpgrade(t, c)
		}
	}},
	{"asked by the server", func(t *testing.T, r *goRig) {
		c := r.dial(t, "/", nil)
		event.Handle(c, event.NewRPC[int, []byte]("give"), func(ctx context.Context, c *sioclient.Socket, n int) ([]byte, error) {
			if who := whoami(t, c); who.ID != c.ID() { // while it awaits our answer
				t.Errorf("who is %+v", who)
			}
			return bytes.Repeat([]byte{9}, n), nil
		})
		var gift []byte
		args, err := c.Call(patient(t), "ask", "give", 1000)
		if err != nil || args.Decode(&gift) != nil || len(gift) != 1000 {
			t.Errorf("got %d bytes, %v", len(gift), err)
		}
	}},
	{"order", func(t *testing.T, r *goRig) {
		const n = 2000
		c := r.client(t, "/chat", nil)
		inbox := event.Subscribe(c, goSeq, 16)
		if err := c.Connect(patient(t)); err != nil {
			t.Fatal(err)
		}
		if err := c.Emit("flood", n); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := goSeq.Send(patient(t), c, i); err != nil {
				t.Fatal(err)
			}
			if got, err := inbox.Next(patient(t)); err != nil || got != i {
				t.Fatalf("expected %d, got %d, %v", i, got, err)
			}
		}
		var report struct{ Received, FirstWrong int }
		args, err := c.Call(patient(t), "seq-report")
		if err != nil || args.Decode(&report) != nil || report.Received != n || report.FirstWrong != -1 {
			t.Errorf("the server got %+v, %v", report, err)
		}
		r.awaitUpgrade(t, c)
	}},
	{"refused", func(t *testing.T, r *goRig) {
		var refused *sioclient.ConnectError
		c := r.client(t, "/denied", nil)
		if err := c.Connect(patient(t)); !errors.As(err, &refused) || refused.Message != "denied" || refused.Data != nil {
			t.Errorf("denied: %v", err)
		}
		if c.Active() {
			t.Error("it tries again")
		}
		c = r.client(t, "/nowhere", nil)
		if err := c.Connect(patient(t)); !errors.As(err, &refused) || refused.Message != "Invalid namespace" {
			t.Errorf("unknown namespace: %v", err)
		}
		token := "wrong"
		c = r.client(t, "/private", func(o *sioclient.Options) {
			o.Auth = func(context.Context) (any, error) { return map[string]string{"token": token}, nil }
		})
		var data struct{ Hint []string }
		err := c.Connect(patient(t))
		if !errors.As(err, &refused) || refused.DecodeData(&data) != nil || !slices.Equal(data.Hint, []string{"token"}) {
			t.Errorf("wrong token: %v, %s", err, refused.Data)
		}
		token = "secret"
		if err := c.Connect(patient(t)); err != nil {
			t.Errorf("right token: %v", err)
		}
	}},
	{"kicked", func(t *testing.T, r *goRig) {
		c := r.dial(t, "/chat", nil)
		reasons := make(chan sioclient.Reason, 1)
		c.OnDisconnect(func(_ context.Context, _ *sioclient.Socket, r sioclient.Reason) { reasons <- r })
		c.Emit("kick", false)
		if got := <-reasons; got != sioclient.ReasonIOServerDisconnect || c.Active() {
			t.Errorf("reason %q, active %v", got, c.Active())
		}
		if err := c.Connect(patient(t)); err != nil {
			t.Fatal(err)
		}
		whoami(t, c)
		c.Emit("kick", true)
		if got := <-reasons; got != sioclient.ReasonIOServerDisconnect {
			t.Errorf("reason %q of a whole connection", got)
		}
	}},
	{"retries", func(t *testing.T, r *goRig) {
		c := r.dial(t, "/chat", func(o *sioclient.Options) {
			o.Retry = sioclient.Retry{Max: 5, Timeout: 150 * time.Millisecond, AppendID: true}
		})
		const n = 6
		for i := range n {
			if err := c.Emit("unreliable", i); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Flush(patient(t)); err != nil {
			t.Fatal(err)
		}
		var tries []int
		args, err := r.dial(t, "/", nil).Call(patient(t), "tries")
		if err != nil || args.Decode(&tries) != nil {
			t.Fatal(err)
		}
		if compact := slices.Compact(slices.Clone(tries)); !slices.Equal(compact, []int{0, 1, 2, 3, 4, 5}) {
			t.Errorf("the server saw %v", tries)
		}
		if len(tries) < n+n/2 {
			t.Errorf("the server saw %v: too few", tries)
		}
	}},
	{"heartbeat", func(t *testing.T, r *goRig) {
		c := r.dial(t, "/", nil)
		id := c.ID()
		time.Sleep(time.Second) // some intervals
		if who := whoami(t, c); who.ID != id {
			t.Errorf("the connection was lost")
		}
	}},
	{"cut", func(t *testing.T, r *goRig) {
		c := r.client(t, "/", func(o *sioclient.Options) { o.Offline.MaxPackets = 100 })
		numbers := event.Subscribe(c, event.New[int]("n"), 1000)
		if err := c.Connect(patient(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Call(patient(t), "join", "news"); err != nil {
			t.Fatal(err)
		}
		whoami(t, c)
		r.awaitUpgrade(t, c)
		r.command(t, "emit 10")
		for i := range 10 {
			if got, err := numbers.Next(patient(t)); err != nil || got != i {
				t.Fatalf("expected %d, got %d, %v", i, got, err)
			}
		}
		id := c.ID()
		r.command(t, "cut")
		r.command(t, "emit 10") // some of it before the client is back
		for st := range c.States(patient(t)) {
			if st.Kind == sioclient.Connected && c.ID() == st.ID && (st.Recovered || st.ID != id) {
				break
			}
		}
		if c.Recovered() != r.recovers || (c.ID() == id) != r.recovers {
			t.Errorf("recovered %v, same id %v", c.Recovered(), c.ID() == id)
		}
		if r.recovers {
			for i := range 10 {
				if got, err := numbers.Next(patient(t)); err != nil || got != i {
					t.Fatalf("expected %d, got %d, %v", i, got, err)
				}
			}
		}
		whoami(t, c)
	}},
	{"restart", func(t *testing.T, r *goRig) {
		c := r.dial(t, "/chat", func(o *sioclient.Options) { o.Offline.MaxPackets = 10 })
		other, err := c.Of("/", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if err := other.Connect(patient(t)); err != nil {
			t.Fatal(err)
		}
		r.awaitUpgrade(t, c)
		before := map[*sioclient.Socket]string{c: c.ID(), other: other.ID()}
		r.command(t, "restart")
		for s, id := range before {
			for st := range s.States(patient(t)) {
				if st.Kind == sioclient.Connected && st.ID != id {
					break
				}
			}
			if err := s.Send(patient(t), "nothing"); err != nil {
				t.Fatal(err)
			}
			whoami(t, s)
		}
	}},
}

// TestGoClientNoticesOldServer: a server of the generation 2.x is told apart
// when one of a later generation was expected.
func TestGoClientNoticesOldServer(t *testing.T) {
	p := node.Start(t, scripts, "socket-server.mjs", "socket.io-2")
	var hello struct{ URL string }
	if err := p.Read(&hello); err != nil {
		t.Fatalf("reference server: %v", err)
	}
	for _, mode := range goSocketModes {
		_, err := sioclient.Dial(patient(t), hello.URL, &sioclient.Options{Transports: mode.transports})
		if err == nil || !strings.Contains(err.Error(), "Options.V2") {
			t.Errorf("Dial over %s: %v", mode.name, err)
		}
	}
}

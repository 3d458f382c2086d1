package differential

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/interop/internal/node"
)

// A server is one implementation in all configurations.
type server interface {
	addr(config string) string
	fate(sid string) (*fate, error) // nil when there never was such a session
}

// A fate is what became of a session, as its application sees it.
type fate struct {
	Open     bool
	Reason   string
	Messages []string
}

// --- theirs ---

type reference struct {
	ports   map[string]int
	control string
	client  *http.Client
}

func startReference(t *testing.T) *reference {
	p := node.Start(t, "../js", "reference-engine.mjs", theirConfigs())
	var hello struct {
		Ports   map[string]int
		Control int
	}
	if err := p.Read(&hello); err != nil {
		t.Fatalf("reference server: %v", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: workers}
	t.Cleanup(transport.CloseIdleConnections)
	return &reference{hello.Ports, fmt.Sprintf("http://127.0.0.1:%d/", hello.Control), &http.Client{Transport: transport}}
}

func (r *reference) addr(config string) string {
	return "127.0.0.1:" + strconv.Itoa(r.ports[config])
}

func (r *reference) fate(sid string) (f *fate, err error) {
	resp, err := r.client.Get(r.control + sid)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return f, json.NewDecoder(resp.Body).Decode(&f)
}

// --- ours ---

type sio struct {
	listeners map[string]net.Listener

	mu       sync.Mutex
	sessions map[string]*application
}

func startOurs(t *testing.T) *sio {
	s := &sio{listeners: make(map[string]net.Listener), sessions: make(map[string]*application)}
	for _, c := range configs {
		o := c.ours
		o.Open = s.open
		engine, err := engineio.New(&o)
		if err != nil {
			t.Fatalf("configuration %q: %v", c.name, err)
		}
		mux := http.NewServeMux()
		mux.Handle("/engine.io/", engine)
		hs := httptest.NewServer(mux)
		s.listeners[c.name] = hs.Listener
		t.Cleanup(func() {
			engine.Close()
			hs.CloseClientConnections()
			hs.Close()
		})
	}
	return s
}

func (s *sio) addr(config string) string { return s.listeners[config].Addr().String() }

func (s *sio) fate(sid string) (*fate, error) {
	s.mu.Lock()
	a := s.sessions[sid]
	s.mu.Unlock()
	if a == nil {
		return nil, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return &fate{a.fate.Open, a.fate.Reason, append([]string{}, a.fate.Messages...)}, nil
}

func (s *sio) open(session *engineio.Session) engineio.Handler {
	a := &application{session: session, fate: fate{Open: true, Messages: []string{}}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session.ID()] = a
	return a
}

// An application is one session's; see the package comment.
type application struct {
	session *engineio.Session

	mu   sync.Mutex
	fate fate
}

func (a *application) Message(data []byte, binary bool) {
	seen := "text " + string(data)
	if binary {
		seen = fmt.Sprintf("binary %x", data)
	}
	a.mu.Lock()
	a.fate.Messages = append(a.fate.Messages, seen)
	a.mu.Unlock()
	if binary {
		a.send(string(data), true)
		return
	}
	if string(data) == "close" {
		a.session.Close()
		return
	}
	command := strings.Split(string(data), ":")
	if command[0] != "send" || len(command) != 3 {
		a.send(string(data), false)
		return
	}
	n, _ := strconv.Atoi(command[2])
	switch command[1] {
	case "text":
		a.send(strings.Repeat("x", n), false)
	case "unicode":
		a.send(strings.Repeat("é😀\u2028", n), false)
	case "binary":
		a.send(strings.Repeat("\a", n), true)
	case "many":
		for i := range n {
			a.send("n"+strconv.Itoa(i), false)
		}
	}
}

// send ignores the error, which says that the session is closing: Closed hears
// of that as well.
func (a *application) send(data string, binary bool) {
	_ = a.session.Send(engineio.NewMessage([]byte(data), binary))
}

func (a *application) Closed(err *engineio.CloseError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fate.Open, a.fate.Reason = false, string(err.Reason)
}

// Command floor-http is the floor for long-polling: net/http, a map of sessions,
// and a channel that wakes up the pending GET. It has no WebSocket, and it
// forgets no session.
package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"sync"

	"github.com/siogo/sio/bench/floor"
)

func main() {
	v := &server{}
	v.hub = floor.NewHub(func(to []*floor.Session, text []byte) {
		for _, s := range to {
			s.Send(false, text)
		}
	})
	http.Handle("/socket.io/", v)
	log.Fatal(http.ListenAndServe(floor.Addr(), nil))
}

type server struct {
	hub   *floor.Hub
	polls sync.Map // sid → *poll
}

// A poll is one session.
type poll struct {
	s    *floor.Session
	wake chan struct{} // something is there

	mu  sync.Mutex
	out []byte // packets with 0x1e between them
}

// Send implements floor.Conn, for text.
func (p *poll) Send(_ bool, packet []byte) {
	p.mu.Lock()
	if len(p.out) > 0 {
		p.out = append(p.out, 0x1e)
	}
	p.out = append(p.out, packet...)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *poll) take() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.out
	p.out = nil
	return b
}

func (v *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sid := r.URL.Query().Get("sid")
	if sid == "" {
		v.open(w)
		return
	}
	session, ok := v.polls.Load(sid)
	if !ok {
		http.Error(w, "unknown sid", http.StatusBadRequest)
		return
	}
	p := session.(*poll)
	if r.Method == http.MethodPost {
		p.post(w, r)
		return
	}
	p.get(w, r)
}

func (v *server) open(w http.ResponseWriter) {
	p := &poll{wake: make(chan struct{}, 1)}
	p.s = v.hub.Open(p)
	body := p.take()
	_, rest, _ := bytes.Cut(body, []byte(`"sid":"`))
	sid, _, _ := bytes.Cut(rest, []byte(`"`))
	v.polls.Store(string(sid), p)
	w.Write(body)
}

func (p *poll) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for packet := range bytes.SplitSeq(body, []byte{0x1e}) {
		p.s.Message(false, packet)
	}
	io.WriteString(w, "ok")
}

func (p *poll) get(w http.ResponseWriter, r *http.Request) {
	for {
		if b := p.take(); b != nil {
			w.Write(b)
			return
		}
		select {
		case <-p.wake:
		case <-r.Context().Done():
			return
		}
	}
}

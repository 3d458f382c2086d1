// Command floor-http is the floor for long-polling: net/http, a map of sessions,
// and a channel that wakes up the pending GET. It has no WebSocket, and it
// forgets no session.
//
// With -duties it does, around the same matching of strings, what a server of
// the protocol owes to its clients at least: a body is bounded in size and time,
// an answer in time, the answers have the headers that the protocol has, and
// events have a goroutine of their own, since a handler may wait. What that costs
// is no floor, but what is left of it.
package main

import (
	"bytes"
	"flag"
	"io"
	"log"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/siogo/sio/bench/floor"
)

func main() {
	v := &server{}
	flag.BoolVar(&v.duties, "duties", false, "do what a server of the protocol owes to its clients")
	flag.Parse()
	v.hub = floor.NewHub(func(to []*floor.Session, text []byte) {
		for _, s := range to {
			s.Send(false, text)
		}
	})
	http.Handle("/socket.io/", v)
	log.Fatal(http.ListenAndServe(floor.Addr(), nil))
}

type server struct {
	duties bool
	hub    *floor.Hub
	polls  sync.Map // sid → *poll
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
	switch {
	case r.Method == http.MethodPost && v.duties:
		p.postWithDuties(w, r)
	case r.Method == http.MethodPost:
		p.post(w, r)
	case v.duties:
		p.get(dutiful{w}, r)
	default:
		p.get(w, r)
	}
}

const (
	maxBody  = 1 << 20
	patience = 20 * time.Second
)

// A dutiful writes an answer for as long as the client takes it.
type dutiful struct{ http.ResponseWriter }

func (w dutiful) Write(b []byte) (int, error) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	rc := http.NewResponseController(w.ResponseWriter)
	rc.SetWriteDeadline(time.Now().Add(patience))
	defer rc.SetWriteDeadline(time.Time{})
	n, err := w.ResponseWriter.Write(b)
	if err != nil {
		return n, err
	}
	return n, rc.Flush()
}

func (p *poll) postWithDuties(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Now().Add(patience))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	rc.SetReadDeadline(time.Time{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	go func() { // ends with the events; in order, and one goroutine for most
		for packet := range bytes.SplitSeq(body, []byte{0x1e}) {
			p.s.Message(false, packet)
		}
	}()
	h := w.Header()
	h.Set("Content-Type", "text/html")
	h.Set("Content-Length", "2")
	h.Set("Cache-Control", "no-store")
	io.WriteString(w, "ok")
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

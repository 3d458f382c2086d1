// Package floor answers the bench contract by matching strings: nothing is
// decoded, nothing checked, nothing bounded. What such a server costs is what
// the kernel, the runtime and the way of reading and writing cost. It is a limit
// to compare with, and no Socket.IO server.
package floor

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// A Conn sends one message to one client. It must not keep p.
type Conn interface {
	Send(binary bool, p []byte)
}

// A Hub holds the sessions of one server. Any goroutine may use it.
type Hub struct {
	fan func(to []*Session, text []byte)

	mu    sync.RWMutex
	all   map[*Session]struct{}
	rooms map[string]map[*Session]struct{}
}

// A Session is one client. Its methods are called from the goroutine that reads
// from that client.
type Session struct {
	Conn
	hub   *Hub
	rooms []string
	ack   []byte // head of the answer to a binary emit whose bytes are to come
}

// NewHub returns a hub that sends one text to many by fan, which may encode it
// once. It starts a goroutine for the heartbeat, which ends with the process.
func NewHub(fan func(to []*Session, text []byte)) *Hub {
	h := newHub(fan)
	go h.beat()
	return h
}

// newHub returns a hub whose heart does not beat.
func newHub(fan func(to []*Session, text []byte)) *Hub {
	return &Hub{fan: fan, all: map[*Session]struct{}{}, rooms: map[string]map[*Session]struct{}{}}
}

// beat pings each session every 25 seconds, a hundredth of them at a time.
func (h *Hub) beat() {
	ping := []byte("2")
	var turn []*Session
	step := 0
	for range time.Tick(time.Second / 4) {
		if len(turn) == 0 {
			turn = h.members("")
			step = len(turn)/100 + 1
		}
		n := min(len(turn), step)
		h.fan(turn[:n], ping)
		turn = turn[n:]
	}
}

// Open starts a session with the packet "open".
func (h *Hub) Open(c Conn) *Session {
	c.Send(false, append(append([]byte(`0{"sid":"`), id()...), `","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`...))
	return &Session{Conn: c, hub: h}
}

func id() string {
	var b [15]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Close forgets the session.
func (s *Session) Close() {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, s)
	for _, r := range s.rooms {
		delete(h.rooms[r], s)
		if len(h.rooms[r]) == 0 {
			delete(h.rooms, r)
		}
	}
	s.rooms = nil
}

// members returns those of a room; "" is everybody.
func (h *Hub) members(room string) []*Session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	from := h.all
	if room != "" {
		from = h.rooms[room]
	}
	to := make([]*Session, 0, len(from))
	for s := range from {
		to = append(to, s)
	}
	return to
}

// Message handles one message of the client.
func (s *Session) Message(binary bool, p []byte) {
	if binary {
		s.Send(false, append(s.ack, `[{"_placeholder":true,"num":0}]`...))
		s.Send(true, p)
		return
	}
	switch {
	case bytes.HasPrefix(p, []byte("42")):
		s.event(p[2:])
	case bytes.HasPrefix(p, []byte("451-")):
		i := bytes.IndexByte(p, '[')
		s.ack = append([]byte("461-"), p[4:i]...)
	case string(p) == "40":
		// Under the lock: a client that has the answer is in every later fan-out.
		s.hub.mu.Lock()
		s.hub.all[s] = struct{}{}
		s.Send(false, append(append([]byte(`40{"sid":"`), id()...), `"}`...))
		s.hub.mu.Unlock()
	}
}

// event handles `<id>["name",arg]`.
func (s *Session) event(p []byte) {
	n := bytes.IndexByte(p, '[')
	id, list := p[:n], p[n:]
	name, arg, _ := bytes.Cut(list[1:len(list)-1], []byte(","))
	switch string(name) {
	case `"echo"`:
		s.answer(id, arg)
	case `"broadcast"`:
		s.hub.fan(s.hub.members(""), msg(arg))
	case `"room-broadcast"`:
		room, rest, _ := bytes.Cut(arg, []byte(","))
		s.hub.fan(s.hub.members(strings.Trim(string(room), `"`)), msg(rest))
	case `"join"`:
		s.join(strings.Split(strings.Trim(string(arg), `[]"`), `","`))
		s.answer(id, nil)
	case `"gc"`:
		debug.FreeOSMemory()
		s.answer(id, nil)
	}
}

func (s *Session) answer(id, args []byte) {
	out := make([]byte, 0, 64+len(args))
	out = append(append(append(out, "43"...), id...), '[')
	s.Send(false, append(append(out, args...), ']'))
}

func msg(arg []byte) []byte {
	return append(append([]byte(`42["msg",`), arg...), ']')
}

func (s *Session) join(rooms []string) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range rooms {
		if h.rooms[r] == nil {
			h.rooms[r] = map[*Session]struct{}{}
		}
		h.rooms[r][s] = struct{}{}
		s.rooms = append(s.rooms, r)
	}
}

// Addr is where the contract wants a server to listen.
func Addr() string {
	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	return "127.0.0.1:" + port
}

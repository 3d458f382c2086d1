package eioclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// A handshake is what the server's open packet says.
type handshake struct {
	sid          string
	upgrade      bool // to WebSocket is offered
	pingInterval time.Duration
	pingTimeout  time.Duration
	maxPayload   int // 0: not announced
}

const (
	// maxSID is the longest session id that is taken, in bytes: it goes into
	// every request.
	maxSID = 1024

	// maxHeartbeat is the longest interval or timeout that is used; a server
	// that announces more gets this one.
	maxHeartbeat = 24 * time.Hour
)

// parseHandshake reads the data of an open packet. Its errors say what is wrong
// with it: a server is free to send anything.
func parseHandshake(data []byte) (handshake, error) {
	fail := func(format string, args ...any) (handshake, error) {
		return handshake{}, fmt.Errorf("the open packet of the server: "+format, args...)
	}
	var fields *struct {
		SID          string    `json:"sid"`
		Upgrades     *[]string `json:"upgrades"`
		PingInterval *float64  `json:"pingInterval"`
		PingTimeout  *float64  `json:"pingTimeout"`
		MaxPayload   float64   `json:"maxPayload"`
	}
	if err := json.Unmarshal(data, &fields); err != nil {
		return fail("%w", err)
	}
	switch {
	case fields == nil:
		return fail("expected an object, got null")
	case fields.SID == "" || len(fields.SID) > maxSID:
		return fail("expected a sid of 1 to %d bytes, got one of %d", maxSID, len(fields.SID))
	case fields.Upgrades == nil:
		return fail("it has no list of upgrades")
	}
	h := handshake{sid: fields.SID, upgrade: slices.Contains(*fields.Upgrades, WebSocket)}
	var err error
	if h.pingInterval, err = heartbeat("pingInterval", fields.PingInterval); err != nil {
		return fail("%w", err)
	}
	if h.pingTimeout, err = heartbeat("pingTimeout", fields.PingTimeout); err != nil {
		return fail("%w", err)
	}
	if fields.MaxPayload > 0 {
		h.maxPayload = int(min(fields.MaxPayload, math.MaxInt32))
	}
	return h, nil
}

// heartbeat turns a server's number of milliseconds into a duration that can be
// counted with.
func heartbeat(field string, ms *float64) (time.Duration, error) {
	switch {
	case ms == nil:
		return 0, fmt.Errorf("it has no %s", field)
	case !(*ms >= 1):
		return 0, fmt.Errorf("expected a %s of at least 1 ms, got %v", field, *ms)
	case *ms > float64(maxHeartbeat/time.Millisecond):
		return maxHeartbeat, nil
	}
	return time.Duration(*ms * float64(time.Millisecond)), nil
}

// Dial opens a session with the server at a URL: http or ws, https or wss, which
// mean the same here. The query of the URL goes with each request.
//
// It makes the handshake, calls [Options.Open], and returns; an upgrade goes on
// by itself. ctx bounds the call, not the session. Errors of the handshake are
// *[HandshakeError]; others are wrong arguments, or a *[CloseError] when Open
// closed the session.
//
// The handshake follows redirects within its origin, and those that lead to the
// same host by https; the session goes on where they lead. Others are errors, so
// that no other server sees headers or cookies.
func Dial(ctx context.Context, rawURL string, o *Options) (*Conn, error) {
	cfg, err := newConfig(rawURL, o)
	if err != nil {
		return nil, err
	}
	return dial(ctx, cfg, newWire)
}

// dial is Dial over wires of any make.
func dial(ctx context.Context, cfg *config, newWire func(*config) (wire, error)) (*Conn, error) {
	transports := cfg.Transports
	if !cfg.TryAllTransports {
		transports = transports[:1]
	}
	// A remembered upgrade is tried first, and does not count when it fails.
	if cfg.RememberUpgrade && cfg.upgrades && transports[0] != WebSocket && upgraded.has(cfg.origin()) {
		transports = append([]string{WebSocket}, transports...)
	}
	var failures []error
	for i, t := range transports {
		if slices.Contains(transports[:i], t) {
			continue
		}
		w, err := newWire(cfg)
		if err != nil {
			return nil, err
		}
		c, err := connect(ctx, cfg, w, t)
		if err == nil {
			return c, nil
		}
		if cfg.RememberUpgrade {
			upgraded.forget(cfg.origin())
		}
		if over := (*CloseError)(nil); errors.As(err, &over) {
			return nil, err
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	if len(failures) == 1 {
		return nil, failures[0]
	}
	return nil, errors.Join(failures...)
}

// An opened is a handshake that was made.
type opened struct {
	handshake
	socket  socket                             // nil: over polling
	packets iter.Seq2[eioparser.Packet, error] // that came with it
}

// connect makes a handshake over one transport and starts the session.
func connect(ctx context.Context, cfg *config, w wire, transport string) (*Conn, error) {
	hctx, cancel := context.WithTimeoutCause(ctx, cfg.HandshakeTimeout, fmt.Errorf("no answer within %v: %w", cfg.HandshakeTimeout, context.DeadlineExceeded))
	defer cancel()
	var o opened
	var err error
	if transport == WebSocket {
		o, err = openWebSocket(hctx, cfg, w)
	} else {
		o, err = openPolling(hctx, cfg, w)
	}
	if err != nil {
		w.close()
		if hctx.Err() != nil {
			err = context.Cause(hctx)
		}
		return nil, &HandshakeError{transport, err}
	}
	return newConn(cfg, w, o)
}

func openPolling(ctx context.Context, cfg *config, w wire) (opened, error) {
	a, err := w.request(ctx, request{query: cfg.encodeQuery(Polling, ""), handshake: true})
	if err != nil {
		return opened{}, err
	}
	if a.status != 200 {
		return opened{}, newStatusError(a.status, a.location, a.body)
	}
	next, stop := iter.Pull2(a.packets(cfg.Revision))
	first, err, _ := next() // there is one: an empty payload is an error
	stop()
	if err == nil && first.Type != eioparser.Open {
		err = fmt.Errorf("expected an open packet, got one of type %v", first.Type)
	}
	if err != nil && cfg.Revision != eioparser.V3 && a.isRevision3() {
		return opened{}, ErrRevision
	}
	if err != nil {
		// Whatever answers here, it is no Engine.IO server; let it speak.
		return opened{}, fmt.Errorf("%w: %w", err, newStatusError(a.status, a.location, a.body))
	}
	h, err := parseHandshake(first.Data)
	return opened{handshake: h, packets: rest(a.packets(cfg.Revision))}, err
}

// isRevision3 reports whether the answer is a handshake of a server that speaks
// revision 3, whatever it was asked for: those do not look at the query.
func (a answer) isRevision3() bool {
	for p, err := range a.packets(eioparser.V3) {
		return err == nil && p.Type == eioparser.Open
	}
	return false
}

func openWebSocket(ctx context.Context, cfg *config, w wire) (opened, error) {
	s, err := w.websocket(ctx, cfg.encodeQuery(WebSocket, ""), true)
	if err != nil {
		return opened{}, err
	}
	stop := context.AfterFunc(ctx, s.abort)
	h, err := readHandshake(cfg, s)
	if !stop() && err == nil { // it may be cut already
		err = context.Cause(ctx)
	}
	if err != nil {
		s.abort()
		return opened{}, err
	}
	return opened{handshake: h, socket: s}, nil
}

func readHandshake(cfg *config, s socket) (handshake, error) {
	for {
		ev, err := s.read()
		if err != nil {
			return handshake{}, err
		}
		switch ev.kind {
		case socketPing: // too early to care
		case socketClose:
			return handshake{}, closedBy(ev)
		default:
			p, err := decode(cfg.Revision, ev)
			if err == nil && p.Type != eioparser.Open {
				err = fmt.Errorf("expected an open packet, got one of type %v", p.Type)
			}
			if err != nil {
				return handshake{}, err
			}
			return parseHandshake(p.Data)
		}
	}
}

// decode decodes the packet in a message of a WebSocket.
func decode(r eioparser.Revision, ev event) (eioparser.Packet, error) {
	if ev.kind == socketBinary {
		return eioparser.DecodeBinary(r, ev.data)
	}
	return eioparser.DecodeText(r, ev.data)
}

// packets are those in the answer to a poll.
func (a answer) packets(r eioparser.Revision) iter.Seq2[eioparser.Packet, error] {
	if a.binary && r == eioparser.V3 {
		return eioparser.PacketsBinary(a.body)
	}
	return eioparser.Packets(r, a.body)
}

// rest leaves the first element out.
func rest[K, V any](seq iter.Seq2[K, V]) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		first := true
		for k, v := range seq {
			if !first && !yield(k, v) {
				return
			}
			first = false
		}
	}
}

// requests numbers the polls of the process, for the query parameter t, which
// keeps caches away.
var requests atomic.Uint64

func (c *config) encodeQuery(transport, sid string) string {
	q := "EIO=" + strconv.Itoa(int(c.Revision)) + "&transport=" + transport
	if transport == Polling {
		q += "&t=" + strconv.FormatUint(requests.Add(1), 36)
	}
	if sid != "" {
		q += "&sid=" + url.QueryEscape(sid)
	}
	return q + c.query
}

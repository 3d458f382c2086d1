package sioclient

import (
	"encoding/json"
	"fmt"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
)

// A session is what a client shows to a server that recovers connections. The
// mutex of the manager guards it.
type session struct {
	pid    string // the secret that the server gave; empty: it does not recover
	offset string // of the last event that was received, or of the beginning
	// exact: the server told where offsets begin, as this project's does. Its
	// events carry one if and only if a string is the last argument of one
	// without acknowledgement.
	exact bool
}

// begin notes what the server answered and reports whether it has recovered the
// session.
func (s *session) begin(pid, offset string) (recovered bool) {
	if pid != "" && pid == s.pid {
		s.exact = s.exact || offset != ""
		return true
	}
	*s = session{pid: pid, offset: offset, exact: offset != ""}
	return false
}

// noteOffsetLocked remembers the offset at the end of the arguments of an event,
// and returns them without it.
//
// Servers that recover connections add it to events that they keep, which
// volatile ones and those with acknowledgement are not. Of the reference it
// cannot be known whether the last string is an offset, so it stays where it is,
// as in the reference's clients; handlers with types do not see it.
func (s *Socket) noteOffsetLocked(args event.Args, hasID bool) event.Args {
	last := args.Len() - 1
	if s.session.pid == "" || hasID || last < 0 {
		return args
	}
	var offset string
	if raw := args.At(last); len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &offset) != nil {
		return args
	}
	if s.session.exact {
		s.session.offset = offset
		return args.First(last)
	}
	if plausibleOffset(offset) {
		s.session.offset = offset
	}
	return args
}

// plausibleOffset reports whether s has the form of the offsets of the
// reference's adapters: letters and digits without spaces, of moderate length. A
// text that was taken for one by mistake would cost the recovery.
func plausibleOffset(s string) bool {
	if len(s) < 3 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// What a client keeps of events that come before the answer that the namespace
// is joined.
const (
	maxEarly      = 10_000
	maxEarlyBytes = 16 << 20
)

// earlyLocked keeps an event until the namespace is joined. The reference sends
// what a recovered client has missed before it answers.
func (s *Socket) earlyLocked(e *Event) {
	for arg := range e.args.All() {
		s.earlyBytes += len(arg)
	}
	for _, a := range e.args.Attachments() {
		s.earlyBytes += len(a)
	}
	if len(s.early) >= maxEarly || s.earlyBytes > maxEarlyBytes {
		s.session = session{} // the same would come again
		s.link.conn.Abort(eioclient.ReasonTransportError, errReplay)
		return
	}
	s.early = append(s.early, e)
}

// askLocked asks the server for the namespace.
func (s *Socket) askLocked(auth any) error {
	l := s.link
	h := sioparser.Header{Type: sioparser.Connect, Namespace: s.namespace}
	var args []any
	if s.m.cfg.V2 {
		q, err := authQuery(auth)
		if err != nil {
			return err
		}
		if len(q) > 0 {
			h.Namespace += "?" + q.Encode()
		}
	} else {
		payload, err := s.session.payload(auth)
		if err != nil {
			return err
		}
		if payload != nil {
			args = append(args, payload)
		}
	}
	frame, _, err := s.m.cfg.Parser.AppendPacket(nil, h, "", args...)
	if err != nil {
		return fmt.Errorf("sioclient: Options.Auth must return what encodes as a JSON object: %w", err)
	}
	l.unanswered[s.namespace] = ask{s, s.round}
	s.expectLocked()
	_ = l.conn.Send(eioclient.Message{Data: frame, Binary: s.m.cfg.Parser.Binary()}) // a connection that has ended will be noticed
	return nil
}

// payload returns the auth object with what a client says that comes back. What
// the application says goes first.
func (s *session) payload(auth any) (any, error) {
	if s.pid == "" {
		return auth, nil
	}
	members := map[string]any{"pid": s.pid}
	if s.offset != "" {
		members["offset"] = s.offset
	}
	if auth != nil {
		text, err := json.Marshal(auth)
		if err != nil {
			return nil, fmt.Errorf("sioclient: Options.Auth: %w", err)
		}
		if err := json.Unmarshal(text, &members); err != nil {
			return nil, fmt.Errorf("sioclient: Options.Auth must return what encodes as a JSON object: %w", err)
		}
	}
	return members, nil
}

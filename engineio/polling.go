package engineio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// A poll is a GET request that waits for packets. It is not pooled: its channel
// belongs to the bubble of a test in virtual time.
type poll struct {
	wake chan struct{} // holds one token when there is a reason to answer
	end  *Message      // what to answer when the session is closed; guarded by the session's mu
}

// release lets the poll be answered. It never waits.
func (p *poll) release() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

var (
	errOverlap     = errors.New("two requests of the same kind at once for one polling session")
	errPollLost    = errors.New("the connection of a poll was lost")
	errPostLost    = errors.New("the connection of a POST was lost")
	errContentType = errors.New("binary body from a client of revision 4")
)

const (
	typeText   = "text/plain; charset=UTF-8"
	typeBinary = "application/octet-stream"
)

// servePoll answers a GET: with what is queued, as soon as there is something.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request, q query) {
	p := &poll{wake: make(chan struct{}, 1)}
	s.mu.Lock()
	switch {
	case s.state == closed:
		s.mu.Unlock()
		s.srv.refuse(w, r, unknownSession())
		return
	case s.ws.Load() != nil:
		s.mu.Unlock()
		s.srv.refuse(w, r, transportMismatch(Polling, WebSocket))
		return
	case s.poll != nil:
		s.mu.Unlock()
		s.finish(&CloseError{Reason: ReasonTransportError, Err: errOverlap})
		s.srv.dismiss(w, r, http.StatusBadRequest)
		return
	}
	s.momentLocked().poll = p
	ready := len(s.queue) > 0 || s.state == closing
	var pace <-chan time.Time // nil: no noop is due
	if s.draining && !ready {
		if ready = s.noops < promptNoops; ready {
			s.noops++
		} else {
			pace = time.After(noopPace)
		}
	}
	s.mu.Unlock()

	if !ready {
		select {
		case <-p.wake:
		case <-pace:
		case <-r.Context().Done():
			s.pollLost()
			return
		}
	}
	s.answerPoll(w, r, q)
}

func (s *Session) pollLost() {
	s.mu.Lock()
	s.momentLocked().poll = nil
	s.finishLocked(&CloseError{Reason: ReasonTransportError, Remote: true, Err: errPollLost})
}

// answerPoll writes what is queued. The session's first answer, to the
// handshake, comes here too.
func (s *Session) answerPoll(w http.ResponseWriter, r *http.Request, q query) {
	s.mu.Lock()
	ms, end := s.queue, noopPacket
	// The close comes with the poll after the last data: clients of generation
	// 4.x would act on it before the packets it comes with.
	last := s.state == closing && len(ms) == 0
	s.queue = nil
	switch {
	case s.state == closed && s.poll != nil:
		end = s.poll.end
	case s.state >= closing:
		end = closePacket
	case s.ws.Load() != nil: // switched meanwhile: the queue is the WebSocket's
		s.queue, ms = ms, nil
	}
	if s.poll != nil {
		s.momentLocked().poll = nil
		s.passLocked()
	}
	s.mu.Unlock()

	out := ms
	if len(ms) == 0 {
		out = append(ms[:len(ms):len(ms)], end)
	}
	err := s.writePayload(w, r, q, out)

	s.mu.Lock()
	switch {
	case s.state == closed:
		s.mu.Unlock()
	case err != nil:
		s.finishLocked(&CloseError{Reason: ReasonTransportError, Remote: true, Err: err})
	default:
		var t tally
		for _, m := range ms {
			t.add(m)
		}
		s.writtenLocked(t)
		if last {
			s.finishLocked(s.err)
			return
		}
		s.mu.Unlock()
	}
}

// A body is the pooled memory of one request's or answer's body.
type body struct{ b []byte }

var bodies = sync.Pool{New: func() any { return new(body) }}

// keepBody is up to which size a body's memory goes back to the pool.
const keepBody = 64 << 10

func (b *body) release() {
	if cap(b.b) <= keepBody {
		bodies.Put(b)
	}
}

// readFrom reads r to its end, or limit+1 bytes of it.
func (b *body) readFrom(r io.Reader, limit int64) error {
	b.b = slices.Grow(b.b[:0], bytes.MinRead)
	for int64(len(b.b)) <= limit {
		if len(b.b) == cap(b.b) {
			b.b = slices.Grow(b.b, bytes.MinRead)
		}
		room := b.b[len(b.b):cap(b.b)]
		n, err := r.Read(room[:min(int64(len(room)), limit+1-int64(len(b.b)))])
		b.b = b.b[:len(b.b)+n]
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// writePayload writes packets as the body of a poll's answer.
func (s *Session) writePayload(w http.ResponseWriter, r *http.Request, q query, ms []*Message) error {
	body := bodies.Get().(*body)
	defer body.release()
	b := body.b[:0]
	contentType := typeText
	if s.rev == eioparser.V3 && !s.b64 && !q.jsonp && anyBinary(ms) {
		contentType = typeBinary
		for _, m := range ms {
			b = eioparser.AppendPayloadBinary(b, m.packet())
		}
	} else {
		for i, m := range ms {
			b = eioparser.AppendPayloadPacket(b, s.rev, m.packet(), i == 0)
		}
	}
	if q.jsonp {
		b = appendJSONP(nil, q.j, b)
	}
	body.b = b

	h := w.Header()
	if t := s.srv.cfg.CompressionThreshold; t > 0 && len(b) >= t && !allPlain(ms) {
		h.Add("Vary", "Accept-Encoding")
		var encoding string
		if b, encoding = compress(r, b); encoding != "" {
			h.Set("Content-Encoding", encoding)
		}
	}
	setHeaders(h,
		header{"Content-Type", contentType},
		header{"Content-Length", strconv.Itoa(len(b))},
		header{"Cache-Control", "no-store"},
		header{"X-Accel-Buffering", "no"})
	oldBrowser(h, r)
	s.hookHeaders(h, r)
	return s.writeBody(w, b)
}

// A header is one line of an answer; its name is in canonical form.
type header struct{ name, value string }

// setHeaders sets lines with one allocation for all of them.
func setHeaders(h http.Header, lines ...header) {
	values := make([]string, len(lines))
	for i, l := range lines {
		values[i] = l.value
		h[l.name] = values[i : i+1 : i+1]
	}
}

// writeStep is how much of a body has to be taken within WriteTimeout.
const writeStep = 64 << 10

// writeBody writes the body of an answer, for as long as the client takes it.
func (s *Session) writeBody(w http.ResponseWriter, b []byte) error {
	rc := http.NewResponseController(w)
	for {
		// A long poll outlives http.Server.WriteTimeout, which counts from the
		// request. Writers that know no deadlines answer with an error; so be it.
		rc.SetWriteDeadline(time.Now().Add(s.srv.cfg.WriteTimeout))
		n := min(len(b), writeStep)
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; len(b) == 0 {
			break
		}
	}
	err := rc.Flush()
	rc.SetWriteDeadline(time.Time{})
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

func anyBinary(ms []*Message) bool {
	for _, m := range ms {
		if m.binary {
			return true
		}
	}
	return false
}

func allPlain(ms []*Message) bool {
	for _, m := range ms {
		if !m.plain {
			return false
		}
	}
	return true
}

// servePost takes a POST: packets from the client.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request, q query) {
	s.mu.Lock()
	switch {
	case s.state == closed:
		s.mu.Unlock()
		s.srv.refuse(w, r, unknownSession())
		return
	case s.ws.Load() != nil:
		s.mu.Unlock()
		s.srv.refuse(w, r, transportMismatch(Polling, WebSocket))
		return
	case s.posting:
		s.mu.Unlock()
		s.finish(&CloseError{Reason: ReasonTransportError, Err: errOverlap})
		s.srv.dismiss(w, r, http.StatusBadRequest)
		return
	}
	s.posting = true
	s.mu.Unlock()

	status := s.takePost(w, r, q)

	s.mu.Lock()
	s.posting = false
	s.mu.Unlock()
	switch status {
	case http.StatusOK:
		h := w.Header()
		setHeaders(h,
			header{"Content-Type", "text/html"}, // keeps old browsers from offering a download
			header{"Content-Length", "2"},
			header{"Cache-Control", "no-store"})
		oldBrowser(h, r)
		s.hookHeaders(h, r)
		io.WriteString(w, "ok")
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		w.Header().Set("Connection", "close") // the rest of the body is not read
		fallthrough
	default:
		s.srv.dismiss(w, r, status)
	}
}

// takePost reads the body and delivers its packets. It returns the status to
// answer with.
func (s *Session) takePost(w http.ResponseWriter, r *http.Request, q query) int {
	binary := r.Header.Get("Content-Type") == typeBinary
	if binary && s.rev != eioparser.V3 {
		s.finish(&CloseError{Reason: ReasonTransportError, Err: errContentType})
		return http.StatusBadRequest
	}
	limit := s.srv.cfg.MaxPayload
	if r.ContentLength > limit {
		return http.StatusRequestEntityTooLarge
	}
	body := bodies.Get().(*body)
	defer body.release()
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Now().Add(s.srv.cfg.BodyTimeout))
	err := body.readFrom(r.Body, limit)
	rc.SetReadDeadline(time.Time{})
	switch {
	case err != nil && isTimeout(err):
		return http.StatusRequestTimeout
	case err != nil:
		s.finish(&CloseError{Reason: ReasonTransportError, Remote: true, Err: fmt.Errorf("%w: %w", errPostLost, err)})
		return http.StatusBadRequest
	case int64(len(body.b)) > limit:
		return http.StatusRequestEntityTooLarge
	}
	payload := body.b
	if q.jsonp {
		if payload, err = decodeJSONP(payload); err != nil {
			s.finish(&CloseError{Reason: ReasonParseError, Err: err})
			return http.StatusOK
		}
	}
	s.receivePayload(payload, binary)
	return http.StatusOK
}

// receivePayload delivers the packets of a body, one after the other, so that
// a body of many packets costs no more memory than one of few.
func (s *Session) receivePayload(body []byte, binary bool) {
	var packets iter.Seq2[eioparser.Packet, error]
	if binary {
		packets = eioparser.PacketsBinary(body)
	} else {
		packets = eioparser.Packets(s.rev, body)
	}
	for p, err := range packets {
		if err != nil {
			s.finish(&CloseError{Reason: ReasonParseError, Err: err})
			return
		}
		s.awaitResume()
		if !s.receive(p) {
			return
		}
	}
	s.awaitResume() // before the answer, so that a polling client has to wait
}

// appendJSONP appends a script that hands the payload to the page's callback.
// The index is reduced to its digits: nothing else of it may become code.
func appendJSONP(dst []byte, index string, payload []byte) []byte {
	dst = append(dst, "___eio["...)
	for _, c := range []byte(index) {
		if '0' <= c && c <= '9' {
			dst = append(dst, c)
		}
	}
	dst = append(dst, "]("...)
	dst = appendScriptString(dst, payload)
	return append(dst, ");"...)
}

// appendScriptString appends a string literal that is valid both as JSON and
// as JavaScript of every age: line separators are escaped, and what could end
// the script element too.
func appendScriptString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range string(s) {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x20 || r == '<' || r == '\u2028' || r == '\u2029':
			dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}

// formLines undoes what clients do to line breaks in a form.
var formLines = strings.NewReplacer(`\\n`, `\n`, `\n`, "\n")

// decodeJSONP takes the payload out of a form body: the field d, in which a
// form has turned line breaks around. A line break that is part of the payload
// arrives as the two characters \n, and those two with a second backslash before
// them; so does a backslash before a line break, which cannot be told apart.
func decodeJSONP(body []byte) ([]byte, error) {
	for pair := range strings.SplitSeq(string(body), "&") {
		field, ok := strings.CutPrefix(pair, "d=")
		if !ok {
			continue
		}
		d, err := unescapeForm(field)
		if err != nil {
			return nil, err
		}
		return []byte(formLines.Replace(d)), nil
	}
	return nil, errors.New("expected a form with the field \"d\", and there is none")
}

package eioclient

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall/js"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

const (
	isOpen = 1 // WebSocket.readyState

	// maxUnsent is how much may wait in the browser before a write waits too,
	// and unsentCheck how often that is looked at: browsers have no event for it.
	maxUnsent   = 1 << 20
	unsentCheck = 5 * time.Millisecond
)

// A browserSocket is a WebSocket of the browser.
type browserSocket struct {
	cfg *config
	ws  js.Value

	mu      sync.Mutex
	funcs   map[string]js.Func // by event; nil once released
	events  []event            // arrived, not yet read
	err     error              // after events
	opened  bool
	changed chan struct{} // holds one token when one of the above has changed
}

var errSocketFailed = errors.New("the browser reports an error of the WebSocket")

// websocket implements [wire].
func (w *browserWire) websocket(ctx context.Context, query string, _ bool) (_ socket, err error) {
	defer catch(&err)
	u := w.url(query)
	if u.Scheme = "ws"; w.cfg.base.Scheme == "https" {
		u.Scheme = "wss"
	}
	s := &browserSocket{cfg: w.cfg, ws: js.Global().Get("WebSocket").New(u.String()), changed: make(chan struct{}, 1)}
	s.ws.Set("binaryType", "arraybuffer")
	s.funcs = map[string]js.Func{
		"open":    js.FuncOf(s.onOpen),
		"message": js.FuncOf(s.onMessage),
		"error":   js.FuncOf(s.onError),
		"close":   js.FuncOf(s.onClose),
	}
	for name, f := range s.funcs {
		s.ws.Call("addEventListener", name, f)
	}
	if err := s.awaitOpen(ctx); err != nil {
		s.abort()
		return nil, err
	}
	context.AfterFunc(w.ctx, func() { s.fail(context.Cause(w.ctx)) }) // ends at once
	return s, nil
}

func (s *browserSocket) awaitOpen(ctx context.Context) error {
	for {
		s.mu.Lock()
		opened, err := s.opened, s.err
		if !opened && err == nil && len(s.events) > 0 { // it can only be its close
			err = closedBy(s.events[0])
		}
		s.mu.Unlock()
		if opened || err != nil {
			return err
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *browserSocket) onOpen(js.Value, []js.Value) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = true
	s.changedLocked()
	return nil
}

func (s *browserSocket) onMessage(_ js.Value, args []js.Value) any {
	data := args[0].Get("data")
	ev := event{kind: socketText}
	if data.Type() == js.TypeString {
		ev.data = []byte(data.String())
	} else {
		ev.kind, ev.data = socketBinary, bytesOf(js.Global().Get("Uint8Array").New(data))
	}
	if int64(len(ev.data)) > s.cfg.MaxMessage {
		s.fail(errMessageSize)
		return nil
	}
	s.add(ev)
	return nil
}

func (s *browserSocket) onError(js.Value, []js.Value) any {
	s.fail(errSocketFailed)
	return nil
}

func (s *browserSocket) onClose(_ js.Value, args []js.Value) any {
	s.add(event{kind: socketClose, code: args[0].Get("code").Int(), data: []byte(args[0].Get("reason").String())})
	return nil
}

func (s *browserSocket) add(ev event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, ev)
	s.changedLocked()
}

func (s *browserSocket) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.changedLocked()
}

func (s *browserSocket) changedLocked() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// read implements [socket].
func (s *browserSocket) read() (event, error) {
	for {
		s.mu.Lock()
		if len(s.events) > 0 && s.err == nil {
			ev := s.events[0]
			s.events[0] = event{}
			s.events = s.events[1:]
			s.mu.Unlock()
			return ev, nil
		}
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return event{}, err
		}
		<-s.changed
	}
}

// write implements [socket].
func (s *browserSocket) write(packets []packet) (err error) {
	defer catch(&err)
	for _, p := range packets {
		// A socket that is closing takes what is sent and drops it.
		if s.ws.Get("readyState").Int() != isOpen {
			return fmt.Errorf("%w before all was sent", errSocketClosed)
		}
		if !p.Binary {
			s.ws.Call("send", string(eioparser.AppendText(nil, p.Packet)))
			continue
		}
		b := eioparser.AppendBinary(nil, s.cfg.Revision, p.Packet)
		array := js.Global().Get("Uint8Array").New(len(b))
		js.CopyBytesToJS(array, b)
		s.ws.Call("send", array)
	}
	for start := time.Now(); s.ws.Get("bufferedAmount").Int() > maxUnsent; time.Sleep(unsentCheck) {
		if time.Since(start) > s.cfg.WriteTimeout {
			return errNoProgress
		}
	}
	return nil
}

// close implements [socket]. Of the codes that a page may give, only one means
// what ours mean.
func (s *browserSocket) close(int, string) (err error) {
	defer catch(&err)
	s.ws.Call("close", closeNormal)
	return nil
}

// abort implements [socket].
func (s *browserSocket) abort() {
	s.fail(context.Canceled)
	s.mu.Lock()
	funcs := s.funcs
	s.funcs = nil
	s.mu.Unlock()
	if funcs == nil {
		return
	}
	for name, f := range funcs {
		s.ws.Call("removeEventListener", name, f)
		f.Release()
	}
	s.ws.Call("close")
}

// isViolation reports whether an error is the server's breach of RFC 6455, of
// which a browser does not tell.
func isViolation(error) bool { return false }

// closeCode returns what the server's WebSocket is told about the end of the
// session.
func closeCode(*CloseError) (code int, reason string) { return closeNormal, "" }

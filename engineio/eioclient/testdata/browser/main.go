//go:build js

// Command browser is the client as a page runs it: it plays scenarios against
// the server that the page came from, and reports each to the page's function
// report, as a line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall/js"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/engineio/eioparser"
)

var base = js.Global().Get("location").Get("origin").String()

func main() {
	for _, s := range scenarios {
		for _, rev := range []eioparser.Revision{3, 4} {
			for name, o := range map[string]eioclient.Options{
				"polling":   {Transports: []string{eioclient.Polling}},
				"websocket": {Transports: []string{eioclient.WebSocket}},
				"upgrade":   {},
			} {
				o.Revision = rev
				o.Header = map[string][]string{"X-Page": {"yes"}}
				start := time.Now()
				err := s.run(o)
				report(map[string]any{
					"scenario": fmt.Sprintf("%s/revision%d/%s", s.name, rev, name),
					"ok":       err == nil,
					"error":    fmt.Sprint(err),
					"ms":       time.Since(start).Milliseconds(),
				})
			}
		}
	}
	report(map[string]any{"done": true})
}

func report(line map[string]any) {
	b, _ := json.Marshal(line)
	js.Global().Call("report", string(b))
}

type session struct {
	*eioclient.Conn
	messages chan string
	closed   chan *eioclient.CloseError
}

func (s *session) Message(data []byte, binary bool) {
	s.messages <- fmt.Sprintf("%v:%s", binary, data)
}
func (s *session) Closed(err *eioclient.CloseError) { s.closed <- err }

func dial(o eioclient.Options) (s *session, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	o.Open = func(c *eioclient.Conn) eioclient.Handler {
		s = &session{c, make(chan string, 1000), make(chan *eioclient.CloseError, 1)}
		return s
	}
	if o.Path == "" {
		o.Path = "/engine.io/"
	}
	_, err = eioclient.Dial(ctx, base, &o)
	return s, err
}

func (s *session) expect(want string) error {
	select {
	case got := <-s.messages:
		if got != want {
			return fmt.Errorf("expected %.40q, got %.40q", want, got)
		}
		return nil
	case err := <-s.closed:
		return err
	case <-time.After(10 * time.Second):
		return fmt.Errorf("expected %.40q, and nothing came", want)
	}
}

var scenarios = []struct {
	name string
	run  func(o eioclient.Options) error
}{
	{"echo", func(o eioclient.Options) error {
		s, err := dial(o)
		if err != nil {
			return err
		}
		defer s.Close()
		for range 2 {
			for _, m := range []string{"", "hello", "ünï ☃ 𝒳", strings.Repeat("x", 100_000)} {
				for _, binary := range []bool{false, true} {
					if err := s.Send(eioclient.Message{Data: []byte(m), Binary: binary}); err != nil {
						return err
					}
					if err := s.expect(fmt.Sprintf("%v:%s", binary, m)); err != nil {
						return err
					}
				}
			}
			for start := time.Now(); o.Transports == nil && !s.Upgraded(); time.Sleep(time.Millisecond) {
				if time.Since(start) > 10*time.Second {
					return errors.New("there was no upgrade")
				}
			}
		}
		if err := s.Close(); err != nil {
			return err
		}
		if err := <-s.closed; err.Reason != eioclient.ReasonForcedClose {
			return fmt.Errorf("closed with %w", err)
		}
		return nil
	}},
	{"numbers across the upgrade", func(o eioclient.Options) error {
		s, err := dial(o)
		if err != nil {
			return err
		}
		defer s.Close()
		for i := range 500 {
			if err := s.Send(eioclient.Text(fmt.Sprint(i))); err != nil {
				return err
			}
			if i%50 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		for i := range 500 {
			if err := s.expect(fmt.Sprintf("false:%d", i)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"closed by the server", func(o eioclient.Options) error {
		s, err := dial(o)
		if err != nil {
			return err
		}
		s.Send(eioclient.Text("close"))
		if err := <-s.closed; err.Reason != eioclient.ReasonTransportClose {
			return fmt.Errorf("closed with %w", err)
		}
		return s.Close()
	}},
	{"refused", func(o eioclient.Options) error {
		o.Path = "/nothing/"
		var refused *eioclient.HandshakeError
		if _, err := dial(o); !errors.As(err, &refused) {
			return fmt.Errorf("expected a refusal, got %w", err)
		}
		var status *eioclient.StatusError
		if errors.As(refused, &status) && status.Status != 404 {
			return fmt.Errorf("expected 404, got %w", status)
		}
		return nil
	}},
	{"offline", func(o eioclient.Options) error {
		s, err := dial(o)
		if err != nil {
			return err
		}
		defer s.Close()
		js.Global().Call("dispatchEvent", js.Global().Get("Event").New("offline"))
		select {
		case err := <-s.closed:
			return fmt.Errorf("a local server is not lost with the network: %w", err)
		case <-time.After(50 * time.Millisecond):
			return nil
		}
	}},
}

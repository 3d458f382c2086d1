//go:build !js

package sioclient

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
)

// closing watches that nothing of the application is called after Close has
// returned.
type closing struct {
	t      *testing.T
	closed atomic.Bool
}

func (c *closing) called(what string) {
	if c.closed.Load() {
		c.t.Errorf("%s was called after Close", what)
	}
}

// watch adds every kind of callback.
func (c *closing) watch(o *Options) {
	o.OnError = func(*Socket, string, error) { c.called("OnError") }
	o.Hooks = &Hooks{
		State: func(*Socket, State) { c.called("State") },
		Event: func(ctx context.Context, _ *Event) (context.Context, func(error)) {
			c.called("Event")
			return ctx, func(error) { c.called("the end of Event") }
		},
	}
	if o.Auth == nil {
		o.Auth = func(context.Context) (any, error) { c.called("Auth"); return nil, nil }
	}
}

func (c *closing) handlers(s *Socket) {
	s.OnAny(func(context.Context, *Event) error { c.called("OnAny"); return nil })
	s.OnConnect(func(context.Context, *Socket) error { c.called("OnConnect"); return nil })
	s.OnDisconnect(func(context.Context, *Socket, Reason) { c.called("OnDisconnect") })
	s.OnAnyOutgoing(func(context.Context, *Event) error { c.called("OnAnyOutgoing"); return nil })
}

// Close in every phase: it returns, nothing is called afterwards, and no
// goroutine is left, which the bubble would not end with.
func TestFault_K09_CloseInEveryPhase(t *testing.T) {
	for _, w := range ways {
		for _, tt := range []struct {
			name    string
			handler func(io *socketio.Server) http.Handler
			until   func(r *rig, s *Socket)
		}{
			{"unconnected", nil, func(*rig, *Socket) {}},
			{"dialing", func(*socketio.Server) http.Handler {
				return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			}, func(_ *rig, s *Socket) { time.Sleep(time.Second) }},
			{"in the first moment", nil, func(_ *rig, s *Socket) {}},
			{"joining", func(io *socketio.Server) http.Handler {
				io.Use(func(ctx context.Context, _ *socketio.Socket) error { <-ctx.Done(); return ctx.Err() })
				return io
			}, func(*rig, *Socket) { time.Sleep(time.Second) }},
			{"upgrading", nil, func(_ *rig, s *Socket) { await(t, s, Connected) }},
			{"connected", nil, func(*rig, *Socket) { time.Sleep(time.Second) }},
			{"events coming", nil, func(r *rig, s *Socket) {
				await(t, s, Connected)
				for range 100 {
					chat.Emit(s, message{Text: "x"})
				}
			}},
			{"backoff", nil, func(r *rig, s *Socket) {
				await(t, s, Connected)
				r.serve(nil)
				r.lose(s)
			}},
			{"swallowed", nil, func(r *rig, s *Socket) {
				await(t, s, Connected)
				r.swallow()
			}},
		} {
			t.Run(w.name+"/"+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var h http.Handler = newServer(nil)
					if tt.handler != nil {
						h = tt.handler(h.(*socketio.Server))
					}
					r := newRig(t, h)
					watch := &closing{t: t}
					o := w.options
					watch.watch(&o)
					s := r.client("/", &o)
					watch.handlers(s)
					if tt.name != "unconnected" {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						go s.Connect(ctx) // ends with Close
						if tt.name != "in the first moment" {
							synctest.Wait()
						}
					}
					tt.until(r, s)
					start := time.Now()
					if err := s.Close(); err != nil && tt.name != "swallowed" && tt.name != "events coming" {
						t.Error(err)
					}
					watch.closed.Store(true)
					if took := time.Since(start); took > 10*time.Second {
						t.Errorf("Close took %v", took)
					}
					if err := s.Connect(t.Context()); err != ErrClosed {
						t.Errorf("Connect: %v", err)
					}
					if err := s.Emit("x"); err != ErrClosed {
						t.Errorf("Emit: %v", err)
					}
					if _, err := s.Call(t.Context(), "x"); err != ErrClosed {
						t.Errorf("Call: %v", err)
					}
					if err := s.Send(t.Context(), "x"); err != ErrClosed {
						t.Errorf("Send: %v", err)
					}
					if context.Cause(s.Context()) != ErrClosed || s.State().Kind != Closed {
						t.Errorf("context %v, state %v", context.Cause(s.Context()), s.State())
					}
					if err := s.Close(); err != nil && tt.name != "swallowed" {
						t.Errorf("a second time: %v", err)
					}
					time.Sleep(5 * time.Minute)
				})
			})
		}
	}
}

// Close from within a callback of any kind does not wait, and is the last thing.
func TestFault_K09_CloseFromCallbacks(t *testing.T) {
	for _, tt := range []struct {
		name string
		hook func(o *Options, s func() *Socket, close func())
	}{
		{"handler", func(o *Options, s func() *Socket, close func()) {
			event.On(s(), chat, func(context.Context, *Socket, message) error { close(); return nil })
		}},
		{"OnAny", func(_ *Options, s func() *Socket, close func()) {
			s().OnAny(func(context.Context, *Event) error { close(); return nil })
		}},
		{"OnConnect", func(_ *Options, s func() *Socket, close func()) {
			s().OnConnect(func(context.Context, *Socket) error { close(); return nil })
		}},
		{"OnDisconnect", func(_ *Options, s func() *Socket, close func()) {
			s().OnDisconnect(func(context.Context, *Socket, Reason) { close() })
		}},
		{"OnAnyOutgoing", func(_ *Options, s func() *Socket, close func()) {
			s().OnAnyOutgoing(func(context.Context, *Event) error { close(); return nil })
		}},
		{"Auth", func(o *Options, _ func() *Socket, close func()) {
			o.Auth = func(context.Context) (any, error) { close(); return nil, nil }
		}},
		{"Endpoint", func(o *Options, _ func() *Socket, close func()) {
			o.Endpoint = func(context.Context) (string, error) { close(); return "http://server", nil }
		}},
		{"State", func(o *Options, _ func() *Socket, close func()) {
			o.Hooks = &Hooks{State: func(*Socket, State) { close() }}
		}},
		{"Received", func(o *Options, _ func() *Socket, close func()) {
			o.Hooks = &Hooks{Received: func(*sioparser.Packet) { close() }}
		}},
		{"Engine.Hooks.Opened", func(o *Options, _ func() *Socket, close func()) {
			o.Engine.Hooks = &eioclient.Hooks{Opened: func(*eioclient.Conn) { close() }}
		}},
		{"Engine.Hooks.Received", func(o *Options, _ func() *Socket, close func()) {
			o.Engine.Hooks = &eioclient.Hooks{Received: func(*eioclient.Conn, eioparser.Packet) { close() }}
		}},
		{"Engine.Hooks.Sent", func(o *Options, _ func() *Socket, close func()) {
			o.Engine.Hooks = &eioclient.Hooks{Sent: func(*eioclient.Conn, eioparser.Packet) { close() }}
		}},
		{"OnError", func(o *Options, s func() *Socket, close func()) {
			o.OnError = func(*Socket, string, error) { close() }
			event.On(s(), chat, func(context.Context, *Socket, message) error { return errors.New("oh") })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newServer(nil))
				var s *Socket
				closed := make(chan error, 100)
				o := &Options{}
				shut := func() {
					start := time.Now()
					closed <- s.Close()
					if took := time.Since(start); took != 0 {
						t.Errorf("Close took %v", took)
					}
				}
				// The options are needed for the socket, and the socket for some of
				// the handlers.
				tt.hook(o, func() *Socket { return &Socket{} }, shut)
				s = r.client("/", o)
				tt.hook(&Options{}, func() *Socket { return s }, shut)
				if err := s.Connect(t.Context()); err == nil {
					chat.Emit(s, message{})
					if tt.name == "OnDisconnect" {
						r.lose(s)
					}
				}
				if err := <-closed; err != nil {
					t.Errorf("Close: %v", err)
				}
				synctest.Wait()
				if s.State().Kind != Closed {
					t.Errorf("state %v", s.State())
				}
				if err := s.Close(); err != nil { // from outside: waits
					t.Error(err)
				}
			})
		})
	}
}

// A handler that does not return cannot hold Close for ever, and nothing new
// begins once it has given up.
func TestFault_K09_HandlerThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newServer(nil))
		s := r.dial("/", nil)
		release, running := make(chan struct{}), make(chan struct{}, 1)
		event.On(s, chat, func(context.Context, *Socket, message) error {
			running <- struct{}{}
			<-release
			return nil
		})
		s.OnDisconnect(func(context.Context, *Socket, Reason) { t.Error("OnDisconnect was called after Close") })
		chat.Emit(s, message{})
		<-running
		start := time.Now()
		if err := s.Close(); err == nil {
			t.Error("Close says that all is well")
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("Close took %v", took)
		}
		close(release)
		synctest.Wait()
	})
}

// A handler that waits in Call is told when the socket is closed, and Close
// waits for it.
func TestFault_K09_HandlerThatCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := newServer(nil)
		io.On("hang", func(ctx context.Context, _ *socketio.Event) error { <-ctx.Done(); return nil })
		r := newRig(t, io)
		s := r.dial("/", nil)
		ended := false
		event.On(s, chat, func(ctx context.Context, s *Socket, _ message) error {
			_, err := s.Call(ctx, "hang")
			if !errors.Is(err, ErrDisconnected) && !errors.Is(err, ErrClosed) {
				t.Errorf("Call: %v", err)
			}
			ended = true
			return nil
		})
		chat.Emit(s, message{})
		time.Sleep(time.Second)
		if err := s.Close(); err != nil || !ended {
			t.Errorf("Close: %v, the handler has ended: %v", err, ended)
		}
	})
}

package sioclient

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siogo/sio/socketio/event"
)

// A HandlerFunc handles events by name.
type HandlerFunc func(ctx context.Context, e *Event) error

// routes are the handlers of a socket. They are read without a lock and changed
// by copying.
type routes struct {
	mu  sync.Mutex // one change at a time
	now atomic.Pointer[table]
}

// table is the state of routes at one time. Immutable.
type table struct {
	events     map[string][]*handler
	any        []*handler
	outgoing   []*handler
	connect    []*connectHandler
	disconnect []*disconnectHandler
}

// Handlers are pointers, so that each can be found again to be removed.
type (
	handler struct {
		fn      HandlerFunc
		options event.Options
		bucket  *bucket // nil without a limit
	}
	connectHandler struct {
		fn func(context.Context, *Socket) error
	}
	disconnectHandler struct {
		fn func(context.Context, *Socket, Reason)
	}
)

var noRoutes table

func (r *routes) load() *table {
	if t := r.now.Load(); t != nil {
		return t
	}
	return &noRoutes
}

func (r *routes) change(f func(*table)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := *r.load()
	f(&t)
	r.now.Store(&t)
}

// with and without change a list by copying it.
func with[T any](list []T, v T) []T { return append(slices.Clip(list), v) }

func without[T comparable](list []T, v T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(w T) bool { return w == v })
}

func (r *routes) on(name string, fn HandlerFunc, o event.Options) (remove func()) {
	h := &handler{fn: fn, options: o}
	if o.PerSecond > 0 {
		h.bucket = newBucket(o)
	}
	set := func(list func([]*handler) []*handler) {
		r.change(func(t *table) {
			t.events = maps.Clone(t.events)
			if t.events == nil {
				t.events = make(map[string][]*handler)
			}
			if t.events[name] = list(t.events[name]); len(t.events[name]) == 0 {
				delete(t.events, name)
			}
		})
	}
	set(func(list []*handler) []*handler { return with(list, h) })
	return func() { set(func(list []*handler) []*handler { return without(list, h) }) }
}

// On adds a handler for an event, behind those that it has already. It panics
// when the name is empty or reserved. An event that is answered by none of them
// is not acknowledged, unless one returns an error.
func (s *Socket) On(name string, h HandlerFunc, opts ...event.Option) (remove func()) {
	var o event.Options
	for _, f := range opts {
		f(&o)
	}
	return s.routes.on(mustName(name), h, o)
}

// Register is On for package event.
func (s *Socket) Register(name string, h event.Handler[*Socket], o event.Options) (remove func()) {
	return s.routes.on(mustName(name), func(ctx context.Context, e *Event) error { return h(ctx, e.socket, e) }, o)
}

// OnAny adds a handler that is called for every event, before the others.
func (s *Socket) OnAny(fn HandlerFunc) (remove func()) {
	h := &handler{fn: fn}
	s.routes.change(func(t *table) { t.any = with(t.any, h) })
	return func() { s.routes.change(func(t *table) { t.any = without(t.any, h) }) }
}

// OnAnyOutgoing adds a handler for every event that is emitted, called in the
// turn of the socket, after the event was accepted.
func (s *Socket) OnAnyOutgoing(fn HandlerFunc) (remove func()) {
	h := &handler{fn: fn}
	s.routes.change(func(t *table) { t.outgoing = with(t.outgoing, h) })
	return func() { s.routes.change(func(t *table) { t.outgoing = without(t.outgoing, h) }) }
}

// OnConnect adds a handler that is called each time the socket is connected,
// before the events that follow. What it emits goes behind what [Options.Offline]
// has kept. An error is reported.
func (s *Socket) OnConnect(fn func(ctx context.Context, s *Socket) error) (remove func()) {
	h := &connectHandler{fn}
	s.routes.change(func(t *table) { t.connect = with(t.connect, h) })
	return func() { s.routes.change(func(t *table) { t.connect = without(t.connect, h) }) }
}

// OnDisconnect adds a handler that is called each time the socket was connected
// and is not any more, after the events that came before.
func (s *Socket) OnDisconnect(fn func(ctx context.Context, s *Socket, r Reason)) (remove func()) {
	h := &disconnectHandler{fn}
	s.routes.change(func(t *table) { t.disconnect = with(t.disconnect, h) })
	return func() { s.routes.change(func(t *table) { t.disconnect = without(t.disconnect, h) }) }
}

func mustName(name string) string {
	if err := event.CheckName(name); err != nil {
		panic(err.Error())
	}
	return name
}

// A bucket is the state of event.Limit for one handler.
type bucket struct {
	mu     sync.Mutex
	tokens float64
	at     time.Time
	rate   float64 // tokens a second
	size   float64
}

func newBucket(o event.Options) *bucket {
	size := float64(max(o.Burst, 1))
	return &bucket{tokens: size, at: time.Now(), rate: o.PerSecond, size: size}
}

func (b *bucket) take() bool {
	if b == nil {
		return true
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.tokens+now.Sub(b.at).Seconds()*b.rate, b.size)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

package socketio

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/siogo/sio/socketio/event"
)

// A Handler serves events.
type Handler interface {
	ServeEvent(ctx context.Context, e *Event) error
}

// A HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, e *Event) error

// ServeEvent calls f.
func (f HandlerFunc) ServeEvent(ctx context.Context, e *Event) error { return f(ctx, e) }

// routes are the handlers of one namespace or socket. They are read without a
// lock and changed by copying.
type routes struct {
	mu  sync.Mutex // one change at a time
	now atomic.Pointer[table]
}

// table is the state of routes at one time. Immutable.
type table struct {
	use        []*connectHandler
	connect    []*connectHandler
	disconnect []*disconnectHandler
	any        []*handler
	outgoing   []*handler
	events     map[string][]*handler
	unknown    []*handler
	server     map[string][]*serverHandler // of events from other nodes
	middleware []func(Handler) Handler
	chain      Handler // middleware around the handlers; nil without middleware
}

// Handlers are pointers, so that each can be found again to be removed.
type (
	handler struct {
		name    string
		fn      HandlerFunc
		options event.Options
		pace
	}
	connectHandler struct {
		fn func(context.Context, *Socket) error
	}
	serverHandler struct {
		fn      event.Handler[*ServerEvent]
		options event.Options
	}
	disconnectHandler struct {
		fn func(context.Context, *Socket, Reason)
	}
)

var noRoutes table

func (r *routes) load() *table {
	if r == nil {
		return &noRoutes
	}
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

// withNamed and withoutNamed do the same to the list under a name.
func withNamed[T any](lists map[string][]T, name string, v T) map[string][]T {
	lists = maps.Clone(lists)
	if lists == nil {
		lists = make(map[string][]T)
	}
	lists[name] = with(lists[name], v)
	return lists
}

func withoutNamed[T comparable](lists map[string][]T, name string, v T) map[string][]T {
	lists = maps.Clone(lists)
	if lists[name] = without(lists[name], v); len(lists[name]) == 0 {
		delete(lists, name)
	}
	return lists
}

func (r *routes) on(name string, fn HandlerFunc, o event.Options) (remove func()) {
	h := &handler{name: name, fn: fn, options: o}
	h.mean.Store(firstPace)
	r.change(func(t *table) { t.events = withNamed(t.events, name, h) })
	return func() { r.change(func(t *table) { t.events = withoutNamed(t.events, name, h) }) }
}

func (r *routes) onServer(name string, fn event.Handler[*ServerEvent], o event.Options) (remove func()) {
	h := &serverHandler{fn, o}
	r.change(func(t *table) { t.server = withNamed(t.server, name, h) })
	return func() { r.change(func(t *table) { t.server = withoutNamed(t.server, name, h) }) }
}

func (r *routes) onAny(fn HandlerFunc) (remove func()) {
	h := &handler{fn: fn}
	r.change(func(t *table) { t.any = with(t.any, h) })
	return func() { r.change(func(t *table) { t.any = without(t.any, h) }) }
}

func (r *routes) onOutgoing(fn HandlerFunc) (remove func()) {
	h := &handler{fn: fn}
	r.change(func(t *table) { t.outgoing = with(t.outgoing, h) })
	return func() { r.change(func(t *table) { t.outgoing = without(t.outgoing, h) }) }
}

func (r *routes) onUnknown(fn HandlerFunc) (remove func()) {
	h := &handler{fn: fn}
	r.change(func(t *table) { t.unknown = with(t.unknown, h) })
	return func() { r.change(func(t *table) { t.unknown = without(t.unknown, h) }) }
}

func (r *routes) onConnect(fn func(context.Context, *Socket) error) (remove func()) {
	h := &connectHandler{fn}
	r.change(func(t *table) { t.connect = with(t.connect, h) })
	return func() { r.change(func(t *table) { t.connect = without(t.connect, h) }) }
}

func (r *routes) onDisconnect(fn func(context.Context, *Socket, Reason)) (remove func()) {
	h := &disconnectHandler{fn}
	r.change(func(t *table) { t.disconnect = with(t.disconnect, h) })
	return func() { r.change(func(t *table) { t.disconnect = without(t.disconnect, h) }) }
}

func (r *routes) useConnect(fn func(context.Context, *Socket) error) {
	r.change(func(t *table) { t.use = with(t.use, &connectHandler{fn}) })
}

func (r *routes) useEvents(m func(Handler) Handler) {
	r.change(func(t *table) {
		t.middleware = with(t.middleware, m)
		t.chain = t.wrap(HandlerFunc(serveEvent))
	})
}

// wrap puts the middleware of t around h; the first is the outermost.
func (t *table) wrap(h Handler) Handler {
	for _, m := range slices.Backward(t.middleware) {
		h = m(h)
	}
	return h
}

// stack are the tables that concern a socket, the most general first: of the
// pattern that its namespace was made from, of the namespace, its own.
type stack [3]*table

func (s *Socket) stack() stack {
	st := s.ns.stack()
	st[2] = s.ownRoutes().load()
	return st
}

// stack returns the tables that concern all sockets of the namespace.
func (n *Namespace) stack() stack {
	st := stack{&noRoutes, n.routes.load(), &noRoutes}
	if n.parent != nil {
		st[0] = n.parent.routes.load()
	}
	return st
}

// watchesOutgoing reports whether anybody wants to know what is emitted.
func (st *stack) watchesOutgoing() bool {
	for _, t := range st {
		if len(t.outgoing) > 0 {
			return true
		}
	}
	return false
}

// first returns the first handler for an event, or nil.
func (st *stack) first(name []byte) *handler {
	for _, t := range st {
		if list := t.events[string(name)]; len(list) > 0 {
			return list[0]
		}
	}
	return nil
}

// handlesAll reports whether anything is interested in events without a handler
// of their own.
func (st *stack) handlesAll() bool {
	for _, t := range st {
		if len(t.any) > 0 || t.chain != nil || len(t.unknown) > 0 {
			return true
		}
	}
	return false
}

// chain returns the middleware around the handlers.
func (st *stack) chain() Handler {
	var h Handler
	for _, t := range slices.Backward(st[:]) {
		switch {
		case t.chain == nil:
		case h == nil:
			h = t.chain
		default:
			h = t.wrap(h)
		}
	}
	if h == nil {
		return HandlerFunc(serveEvent)
	}
	return h
}

// serveEvent runs the handlers of an event: those that keep the turn, then
// those outside of it. It returns the first error; the others are reported
// here.
func serveEvent(ctx context.Context, e *Event) error {
	st := e.socket.stack()
	var first error
	run := func(h *handler) {
		if err := e.call(ctx, h); err != nil {
			if first == nil {
				first = err
			} else {
				e.report(ctx, err)
			}
		}
	}
	found, outside := false, false
	for _, t := range st {
		for _, h := range t.events[e.Name] {
			found = true
			if h.options.Concurrent {
				outside = true
				continue
			}
			run(h)
		}
	}
	if outside {
		e.turn.Detach()
		for _, t := range st {
			for _, h := range t.events[e.Name] {
				if h.options.Concurrent {
					run(h)
				}
			}
		}
	}
	if !found {
		for _, t := range st {
			for _, h := range t.unknown {
				run(h)
			}
		}
	}
	return first
}

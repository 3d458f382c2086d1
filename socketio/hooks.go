package socketio

import "context"

// Hooks are optional functions for metrics and traces. They must not wait.
type Hooks struct {
	// Connect is called when a socket is connected, before OnConnect;
	// Disconnect when it is disconnected, before OnDisconnect.
	Connect    func(s *Socket)
	Disconnect func(s *Socket, err *DisconnectError)

	// Event is called before the handlers of an event. It returns the context
	// for them, and a function that is called with their error, or nil.
	Event func(ctx context.Context, e *Event) (context.Context, func(error))

	// Namespace is called when a namespace has been made, "/" included.
	Namespace func(n *Namespace)

	// Dropped is called for an event that is not handled because of a Limit, or
	// since the inbound queue was full.
	Dropped func(s *Socket, name string)
}

// MergeHooks returns hooks that call all of these, in order; nil ones are left
// out. Of several Event hooks, each gets the context that the one before it
// returned, and the functions that they return are called the other way round.
func MergeHooks(all ...*Hooks) *Hooks {
	m := &Hooks{}
	for _, h := range all {
		if h == nil {
			continue
		}
		if f, g := m.Connect, h.Connect; f == nil {
			m.Connect = g
		} else if g != nil {
			m.Connect = func(s *Socket) { f(s); g(s) }
		}
		if f, g := m.Disconnect, h.Disconnect; f == nil {
			m.Disconnect = g
		} else if g != nil {
			m.Disconnect = func(s *Socket, err *DisconnectError) { f(s, err); g(s, err) }
		}
		if f, g := m.Event, h.Event; f == nil {
			m.Event = g
		} else if g != nil {
			m.Event = func(ctx context.Context, e *Event) (context.Context, func(error)) {
				ctx, outer := f(ctx, e)
				ctx, inner := g(ctx, e)
				return ctx, func(err error) {
					for _, done := range []func(error){inner, outer} {
						if done != nil {
							done(err)
						}
					}
				}
			}
		}
		if f, g := m.Namespace, h.Namespace; f == nil {
			m.Namespace = g
		} else if g != nil {
			m.Namespace = func(n *Namespace) { f(n); g(n) }
		}
		if f, g := m.Dropped, h.Dropped; f == nil {
			m.Dropped = g
		} else if g != nil {
			m.Dropped = func(s *Socket, name string) { f(s, name); g(s, name) }
		}
	}
	return m
}

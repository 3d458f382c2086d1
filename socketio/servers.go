package socketio

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// Servers are the other nodes of a cluster, in one namespace. It is a Target
// and an Audience of package event, and a Registrar:
//
//	event.On(io.Servers(), Refresh, func(ctx context.Context, e *socketio.ServerEvent, t Topic) error { … })
//	Refresh.Emit(io.Servers(), topic) // on another node
//
// Events go to the handlers of the other nodes, never to those of this one. On
// a single node there is nobody to hear them.
type Servers struct{ ns *Namespace }

// Servers returns the other nodes.
func (n *Namespace) Servers() Servers { return Servers{n} }

// Emit emits an event to the other nodes. The error is about encoding it and
// handing it to the bus.
func (v Servers) Emit(name string, args ...any) error {
	p, err := v.ns.serverPacket(name, args)
	if err != nil {
		return err
	}
	return v.ns.All().each(func(a sioadapter.Adapter) error { return a.ServerEmit(p) })
}

// Each emits an event to the other nodes and yields what they answer, one value
// each, as it arrives; SocketID is the name of the node. When ctx runs out, or
// Options.AckTimeout if it has no deadline, a last Answer has the error that
// says which nodes did not.
func (v Servers) Each(ctx context.Context, name string, args ...any) iter.Seq[event.Answer] {
	return func(yield func(event.Answer) bool) {
		p, err := v.ns.serverPacket(name, args)
		if err != nil {
			yield(event.Answer{Err: err})
			return
		}
		v.ns.ask(ctx, func(ctx context.Context, a sioadapter.Adapter, to sioadapter.Answers) (func(), error) {
			return a.ServerAsk(ctx, p, to)
		}, yield)
	}
}

func (n *Namespace) serverPacket(name string, args []any) (*sioadapter.Packet, error) {
	switch name {
	case "connection", "new_namespace":
		return nil, fmt.Errorf("socketio: %q is a reserved event name between servers", name)
	}
	return n.All().packet(name, args)
}

// A ServerEvent is an event that another node emitted by Servers.
type ServerEvent struct {
	Name string
	From string // the name of the node

	args  event.Args
	reply func(sioparser.Args) error
	srv   *Server
}

// Arguments returns the arguments, without the name.
func (e *ServerEvent) Arguments() event.Args { return e.args }

// Decode decodes the arguments: see [Event.Decode].
func (e *ServerEvent) Decode(dst ...any) error { return e.args.Decode(dst...) }

// WantsReply reports whether the other node asked for an answer.
func (e *ServerEvent) WantsReply() bool { return e.reply != nil }

// Reply answers with one value; none stands for null. It does nothing if no
// answer was asked for; only the first counts.
func (e *ServerEvent) Reply(args ...any) error {
	if e.reply == nil {
		return nil
	}
	list, err := e.srv.encodeArgs("", args)
	if err != nil {
		return err
	}
	return e.reply(list)
}

// On adds a handler for an event that other nodes emit. Each call has a
// goroutine of its own, so that events may overtake each other, and a handler
// may ask the other nodes in turn; ctx ends with the server. A node that asked
// gets one value: the first that is replied, or that which reports the error
// that is returned; nothing if neither is done.
func (v Servers) On(name string, fn func(ctx context.Context, e *ServerEvent) error, opts ...event.Option) (remove func()) {
	return v.Register(name, func(ctx context.Context, e *ServerEvent, _ event.Incoming) error { return fn(ctx, e) }, options(opts))
}

// Register is On for package event. Of the options, Timeout and the convention
// count.
func (v Servers) Register(name string, fn event.Handler[*ServerEvent], o event.Options) (remove func()) {
	return v.ns.routes.onServer(mustName(name), fn, o)
}

// serverEvent hands an event of another node to the handlers.
func (n *Namespace) serverEvent(in *sioadapter.ServerEvent) {
	e := &ServerEvent{From: in.From, args: in.Packet.Args.Shift(), reply: in.Reply, srv: n.srv}
	if err := in.Packet.Args.Decode(&e.Name); err != nil {
		n.srv.cfg.Logger.Warn("an event of another server has no name", "from", in.From, "err", err)
		return
	}
	handlers := n.routes.load().server[e.Name]
	if n.parent != nil {
		handlers = slices.Concat(n.parent.routes.load().server[e.Name], handlers)
	}
	for _, h := range handlers {
		n.srv.running.Go(func() { e.serve(h) }) // ends with the handler; Shutdown waits for it
	}
}

func (e *ServerEvent) serve(h *serverHandler) {
	cfg := e.srv.cfg
	ctx := e.srv.ctx
	timeout := cfg.HandlerTimeout
	if h.options.Timeout != 0 {
		timeout = h.options.Timeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	err := e.protect(ctx, h)
	if err == nil {
		return
	}
	cfg.Logger.Error("handler of another server's event failed", "event", e.Name, "from", e.From, "err", err)
	if args, ok := h.options.Convention.Failure(publicError(err)); ok {
		_ = e.Reply(args...) // the other node notices the silence
	}
}

// protect calls the handler and makes its panic an error.
func (e *ServerEvent) protect(ctx context.Context, h *serverHandler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
			if e.srv.cfg.CrashOnPanic {
				panic(v)
			}
		}
	}()
	return h.fn(ctx, e, e)
}

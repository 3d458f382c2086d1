package socketio

import (
	"context"
	"encoding/json"
	"iter"
	"slices"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioadapter"
)

// An Emitter is a choice of receivers and of how they are reached. It is an
// immutable value: each method returns a changed copy, and any goroutine may
// keep and reuse one. It is a Target and an Audience of package event.
type Emitter struct {
	ns     *Namespace
	rooms  []string
	except []string
	flags  sioadapter.Flags
}

// To adds rooms: the receivers are the sockets in any of them, each once.
func (e Emitter) To(rooms ...string) Emitter {
	e.rooms = append(slices.Clip(e.rooms), rooms...)
	return e
}

// Except leaves out the sockets in any of the rooms.
func (e Emitter) Except(rooms ...string) Emitter {
	e.except = append(slices.Clip(e.except), rooms...)
	return e
}

// Local leaves out the sockets of other nodes.
func (e Emitter) Local() Emitter {
	e.flags.Local = true
	return e
}

// Volatile makes each socket that cannot be written to at once miss the event.
func (e Emitter) Volatile() Emitter {
	e.flags.Volatile = true
	return e
}

// Compress says whether the event is worth compressing, where compression was
// agreed on. It is by default.
func (e Emitter) Compress(on bool) Emitter {
	e.flags.NoCompress = !on
	return e
}

func (e Emitter) selection() *sioadapter.Selection {
	return &sioadapter.Selection{Rooms: e.rooms, Except: e.except, Flags: e.flags}
}

// packet encodes an event once for all receivers.
func (e Emitter) packet(name string, args []any) (*sioadapter.Packet, error) {
	if err := event.CheckName(name); err != nil {
		return nil, err
	}
	encoded, err := e.ns.srv.encodeArgs(name, args)
	if err != nil {
		return nil, err
	}
	return &sioadapter.Packet{Args: encoded}, nil
}

// Emit emits an event. The error is about encoding it and telling other nodes;
// it says nothing about the single sockets.
func (e Emitter) Emit(name string, args ...any) error {
	p, err := e.packet(name, args)
	if err != nil {
		return err
	}
	sel := e.selection()
	return e.each(func(a sioadapter.Adapter) error { return a.Broadcast(p, sel) })
}

// each calls f for all adapters concerned and returns the first error.
func (e Emitter) each(f func(sioadapter.Adapter) error) (err error) {
	if a := e.ns.adapter(); a != nil {
		return f(a)
	}
	for _, ns := range e.ns.concrete() {
		if one := f(ns.adapter()); err == nil {
			err = one
		}
	}
	return err
}

// Join makes the selected sockets join rooms.
func (e Emitter) Join(rooms ...string) error {
	if err := e.ns.srv.checkRooms(rooms); err != nil {
		return err
	}
	return e.each(func(a sioadapter.Adapter) error { return a.JoinAll(e.selection(), rooms...) })
}

// Leave makes the selected sockets leave rooms.
func (e Emitter) Leave(rooms ...string) error {
	return e.each(func(a sioadapter.Adapter) error { return a.LeaveAll(e.selection(), rooms...) })
}

// Disconnect disconnects the selected sockets from the namespace.
func (e Emitter) Disconnect() error {
	return e.each(func(a sioadapter.Adapter) error { return a.DisconnectAll(e.selection(), false) })
}

// Hangup closes the connections of the selected sockets.
func (e Emitter) Hangup() error {
	return e.each(func(a sioadapter.Adapter) error { return a.DisconnectAll(e.selection(), true) })
}

// LocalSockets yields the selected sockets of this node.
func (e Emitter) LocalSockets() iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		for _, ns := range e.ns.concrete() {
			for _, m := range ns.adapter().Members(e.selection()) {
				if !yield(m.(*member).socket) {
					return
				}
			}
		}
	}
}

// Sockets yields the selected sockets of all nodes. An error is the last that
// is yielded; the sockets of this node come before it.
func (e Emitter) Sockets(ctx context.Context) iter.Seq2[*RemoteSocket, error] {
	return func(yield func(*RemoteSocket, error) bool) {
		ctx, cancel := e.ns.srv.ackContext(ctx)
		defer cancel()
		for _, ns := range e.ns.concrete() {
			for info, err := range ns.adapter().Sockets(ctx, e.selection()) {
				if err != nil {
					yield(nil, err)
					return
				}
				if !yield(&RemoteSocket{ns, info}, nil) {
					return
				}
			}
		}
	}
}

// A RemoteSocket is a socket of any node, as it was when it was asked for.
type RemoteSocket struct {
	ns   *Namespace
	info sioadapter.Info
}

// ID returns the id of the socket.
func (r *RemoteSocket) ID() string { return r.info.ID }

// Rooms returns the rooms the socket was in.
func (r *RemoteSocket) Rooms() []string { return slices.Clone(r.info.Rooms) }

// Local returns the socket itself if it is connected to this node, else nil.
func (r *RemoteSocket) Local() *Socket {
	if m, ok := r.info.Local.(*member); ok {
		return m.socket
	}
	return nil
}

// Handshake returns the details of the handshake as a JSON object with the
// names of the reference: headers, time, address, xdomain, secure, issued, url,
// query, auth.
func (r *RemoteSocket) Handshake() json.RawMessage { return r.info.Handshake }

// Data returns the data of the socket as a JSON object, by the names of their
// keys.
func (r *RemoteSocket) Data() json.RawMessage { return r.info.Data }

// target selects the socket.
func (r *RemoteSocket) target() Emitter { return r.ns.To(r.info.ID) }

// Emit emits an event to the socket.
func (r *RemoteSocket) Emit(name string, args ...any) error { return r.target().Emit(name, args...) }

// Call emits an event to the socket and waits for its acknowledgement, as
// [Socket.Call] does.
func (r *RemoteSocket) Call(ctx context.Context, name string, args ...any) (event.Args, error) {
	if s := r.Local(); s != nil {
		return s.Call(ctx, name, args...)
	}
	for a := range r.target().Each(ctx, name, args...) {
		return a.Args, a.Err
	}
	return event.Args{}, ErrDisconnected
}

// Join makes the socket join rooms.
func (r *RemoteSocket) Join(rooms ...string) error { return r.target().Join(rooms...) }

// Leave makes the socket leave rooms.
func (r *RemoteSocket) Leave(rooms ...string) error { return r.target().Leave(rooms...) }

// Disconnect disconnects the socket from its namespace.
func (r *RemoteSocket) Disconnect() error { return r.target().Disconnect() }

// Hangup closes the connection of the socket.
func (r *RemoteSocket) Hangup() error { return r.target().Hangup() }

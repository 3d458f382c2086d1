package redisadapter

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// EmitterOptions configures an [Emitter]. The zero value of every field is its
// default.
type EmitterOptions struct {
	// Key, Sharded and Subscription are those of the nodes: see Options.
	Key          string
	Sharded      bool
	Subscription Subscription

	// Timeout is how long the methods without a context wait for Redis. Zero
	// means 5s.
	Timeout time.Duration
}

// StreamsEmitterOptions configures an [Emitter] for nodes that use streams. The
// zero value of every field is its default.
type StreamsEmitterOptions struct {
	// Stream, Streams and MaxLen are those of the nodes: see StreamsOptions.
	Stream  string
	Streams int
	MaxLen  int

	// Timeout is how long the methods without a context wait for Redis. Zero
	// means 5s.
	Timeout time.Duration
}

// An Emitter reaches the clients of a cluster from a process that is no node of
// it. It is a choice of receivers, an immutable value: each method returns a
// changed copy, and any goroutine may keep and reuse one. It is a Target of
// package event, so that events are emitted by their contracts.
//
// Emitting returns when Redis has taken the event, or not; an error says that
// nobody has got it, or, if the connection broke meanwhile, that this is not
// known. What one goroutine emits keeps its order.
type Emitter struct {
	to        *emitterTo
	namespace string
	selection sioadapter.Selection
}

// emitterTo is what the copies of an Emitter share.
type emitterTo struct {
	conn    Conn
	timeout time.Duration
	encode  func(m *sioadapter.Message) (request, error)
}

var (
	_ event.Target = Emitter{}
	_ event.Sender = Emitter{}
)

// NewEmitter returns an emitter for nodes that use New, or for nodes of the
// reference, as of @socket.io/redis-emitter. o may be nil.
func NewEmitter(conn Conn, o *EmitterOptions) Emitter {
	if o == nil {
		o = &EmitterOptions{}
	}
	options := (&Options{Key: o.Key, Sharded: o.Sharded, Subscription: o.Subscription}).withDefaults()
	return newEmitter(conn, o.Timeout, func(m *sioadapter.Message) (request, error) {
		if options.Sharded {
			return (&sharded{options: options, channel: options.Key + "#" + m.Namespace + "#"}).encode(m)
		}
		return (&pubSub{options: options, names: pubSubNamesOf(options.Key, m.Namespace)}).encode(m)
	})
}

// NewStreamsEmitter returns an emitter for nodes that use NewStreams, or for
// nodes of the reference, as of @socket.io/redis-streams-emitter. o may be nil.
func NewStreamsEmitter(conn Conn, o *StreamsEmitterOptions) Emitter {
	if o == nil {
		o = &StreamsEmitterOptions{}
	}
	options := (&StreamsOptions{Stream: o.Stream, Streams: o.Streams, MaxLen: o.MaxLen}).withDefaults()
	return newEmitter(conn, o.Timeout, func(m *sioadapter.Message) (request, error) {
		fields, err := entryFields(m, false)
		return request{verb: xadd, to: options.streamOf(m.Namespace), maxLen: strconv.Itoa(options.MaxLen), fields: fields}, err
	})
}

func newEmitter(conn Conn, timeout time.Duration, encode func(m *sioadapter.Message) (request, error)) Emitter {
	return Emitter{to: &emitterTo{conn, cmp.Or(max(timeout, 0), 5*time.Second), encode}, namespace: "/"}
}

// Of returns an emitter for another namespace. The first is "/".
func (e Emitter) Of(namespace string) Emitter {
	if namespace == "" || namespace[0] != '/' {
		namespace = "/" + namespace
	}
	e.namespace = namespace
	return e
}

// To adds rooms: the receivers are the sockets in any of them, each once.
// Without any they are all sockets of the namespace.
func (e Emitter) To(rooms ...string) Emitter {
	e.selection.Rooms = append(slices.Clip(e.selection.Rooms), rooms...)
	return e
}

// Except leaves out the sockets in any of the rooms.
func (e Emitter) Except(rooms ...string) Emitter {
	e.selection.Except = append(slices.Clip(e.selection.Except), rooms...)
	return e
}

// Volatile makes each socket that cannot be written to at once miss the event.
func (e Emitter) Volatile() Emitter {
	e.selection.Volatile = true
	return e
}

// Compress says whether the event is worth compressing, where compression was
// agreed on. It is by default.
func (e Emitter) Compress(on bool) Emitter {
	e.selection.NoCompress = !on
	return e
}

// Emit sends an event. Its arguments are encoded as those of a server's.
func (e Emitter) Emit(name string, args ...any) error {
	return e.limited(func(ctx context.Context) error { return e.Send(ctx, name, args...) })
}

// Send is Emit that waits for Redis as long as ctx lasts.
func (e Emitter) Send(ctx context.Context, name string, args ...any) error {
	p, err := packet(name, args)
	if err != nil {
		return err
	}
	return e.publish(ctx, &sioadapter.Message{Type: sioadapter.MessageBroadcast, Packet: p})
}

func packet(name string, args []any) (*sioadapter.Packet, error) {
	if err := event.CheckName(name); err != nil {
		return nil, err
	}
	encoded, err := jsonParser.EncodeArgs(name, sioparser.Spread(args)...)
	if err != nil {
		return nil, err
	}
	return &sioadapter.Packet{Args: encoded}, nil
}

// Join makes the sockets join rooms.
func (e Emitter) Join(rooms ...string) error {
	return e.command(&sioadapter.Message{Type: sioadapter.MessageJoin, Rooms: rooms})
}

// Leave makes the sockets leave rooms.
func (e Emitter) Leave(rooms ...string) error {
	return e.command(&sioadapter.Message{Type: sioadapter.MessageLeave, Rooms: rooms})
}

// Disconnect makes the sockets leave the namespace.
func (e Emitter) Disconnect() error {
	return e.command(&sioadapter.Message{Type: sioadapter.MessageDisconnect})
}

// Hangup closes the connections of the sockets.
func (e Emitter) Hangup() error {
	return e.command(&sioadapter.Message{Type: sioadapter.MessageDisconnect, Close: true})
}

// Servers returns a Target that reaches the servers of the namespace, all of
// them, rather than their clients.
func (e Emitter) Servers() event.Target { return emitterServers{e} }

type emitterServers struct{ e Emitter }

func (t emitterServers) Emit(name string, args ...any) error {
	p, err := packet(name, args)
	if err != nil {
		return err
	}
	return t.e.command(&sioadapter.Message{Type: sioadapter.MessageServerEvent, Packet: p})
}

func (e Emitter) command(m *sioadapter.Message) error {
	return e.limited(func(ctx context.Context) error { return e.publish(ctx, m) })
}

func (e Emitter) limited(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), e.to.timeout)
	defer cancel()
	return f(ctx)
}

func (e Emitter) publish(ctx context.Context, m *sioadapter.Message) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	m.From, m.Namespace = emitterName, e.namespace
	if m.Type != sioadapter.MessageServerEvent {
		m.Selection = e.selection
	}
	if err := m.Validate(); err != nil {
		return err
	}
	r, err := e.to.encode(m)
	if err != nil {
		return err
	}
	batch := []sioadapter.Outgoing{{Message: m, Posted: time.Now()}}
	s := sender{conn: e.to.conn, maxAge: forever, retry: defaultRetryInterval, blocked: func(error) {}}
	s.send(ctx, batch, []request{r})
	if err := batch[0].Err; err != nil && ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return batch[0].Err
}

// forever is longer than any context.
const forever = time.Duration(1<<63 - 1)

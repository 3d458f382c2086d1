package socketio

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/socketio/internal/mailbox"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// Options configures a [Server]. The zero value of every field is its default.
// For durations and counts that can be turned off, a negative value does so.
type Options struct {
	// Path is where the server answers, with a slash at its end. Empty means
	// "/socket.io/".
	Path string

	// PingInterval and PingTimeout are the heartbeat: the server pings after
	// each interval, and a client that stays silent for PingTimeout is gone.
	// Zero means 25s and 20s (5s for 2.x clients).
	PingInterval, PingTimeout time.Duration

	// MaxPayload bounds one message, in bytes, and the attachments of one
	// packet together. Zero means 1,000,000.
	MaxPayload int64

	// DisableV2 refuses JavaScript clients of generation 2.x.
	DisableV2 bool

	// Engine has all other options of the connections: CORS, cookies,
	// compression, transports and so on. Of the fields that stand here too,
	// those here win unless they are zero. Engine.Open must be nil.
	Engine engineio.Options

	// ConnectTimeout is how long a client may take to join its first
	// namespace, and the middleware of any namespace to decide. Zero means
	// 45s.
	ConnectTimeout time.Duration

	// HandlerTimeout ends the context of a handler; event.Timeout overrides it
	// for one. Zero means never.
	HandlerTimeout time.Duration

	// AckTimeout is how long an acknowledgement is waited for with a context
	// that has no deadline. Zero means 20s, negative for ever.
	AckTimeout time.Duration

	// Inbound is the queue of events that wait for their handlers, one for each
	// socket. Its default is 128 packets and Block: the connection is read no
	// further until there is room, for all its namespaces, and the client's
	// silence is not held against it meanwhile. MaxBytes must be zero.
	//
	// MaxPackets is also how many handlers of a socket may run outside of its
	// turn (event.Concurrent, Detach).
	Inbound Queue

	// Outbound is the queue of packets that wait to be written, one for each
	// connection. Its default is 10,000 packets, 1 MiB and Disconnect: the
	// connection is closed with ReasonSlowConsumer. With DropNewest, the packet
	// is not sent and Emit returns ErrQueueFull. Other values are errors.
	Outbound Queue

	// MaxNamespaces bounds the namespaces one connection may join; further ones
	// are refused. Zero means 100.
	MaxNamespaces int

	// MaxAcks bounds the acknowledgements that are awaited of one socket. Zero
	// means 10,000.
	MaxAcks int

	// MaxName bounds the names of rooms, namespaces and events, in bytes. Zero
	// means 255.
	MaxName int

	// MaxAttachments bounds the attachments of one packet. Zero means 10. They
	// must all have come within the ping timeout.
	MaxAttachments int

	// CleanupNamespaces removes namespaces that were made from a pattern or a
	// function when their last socket has gone.
	CleanupNamespaces bool

	// Recovery lets clients that lost their connection come back to the socket
	// that they had. Nil means that they get a new one each time.
	Recovery *Recovery

	// Parser is the wire form of packets; clients must use the same. Nil means
	// sioparser.JSON(nil).
	Parser sioparser.Parser

	// Adapter carries packets to other nodes. Nil means that there are none:
	// sioadapter.InMemory, or with Recovery, sioadapter.Recoverable.
	Adapter sioadapter.Factory

	// ClientFS has a build of the browser client, to be served under Path: the
	// files socket.io.js, socket.io.min.js, socket.io.esm.min.js and
	// socket.io.msgpack.min.js, and their source maps with ".map". Beside a
	// file may lie its compressed forms, with ".br" or ".gz". Nil means
	// browser.Files, the client of this version.
	ClientFS fs.FS

	// DisableClient serves no browser client.
	DisableClient bool

	// OnError hears of every error of a handler or middleware, whatever else
	// becomes of it: an *Error is told to the client if it asked for an
	// acknowledgement; of any other error the client learns that there was one,
	// by the code "internal". A panic is a *PanicError. Afterwards it is
	// logged: an *Error as a warning, others as errors. e is the event; for
	// OnConnect, Use and OnDisconnect its Name is "connect" or "disconnect".
	OnError func(ctx context.Context, e *Event, err error)

	// DisconnectOnPanic disconnects the socket whose handler panicked.
	// CrashOnPanic panics again after logging.
	DisconnectOnPanic, CrashOnPanic bool

	// Hooks are called at the points they are named for.
	Hooks *Hooks

	// Logger gets packets as debug records, refused handshakes as information,
	// and the errors of handlers. Nil means slog.Default().
	Logger *slog.Logger
}

// A Queue bounds a queue. Zero fields mean the default of the queue.
type Queue struct {
	MaxPackets int
	MaxBytes   int
	Overflow   Overflow
}

// Overflow says what becomes of a packet that does not fit into its queue.
type Overflow uint8

const (
	DefaultOverflow Overflow = iota
	Block                    // the sender waits
	Disconnect               // the socket, or the connection, is closed
	DropOldest               // the packet that has waited longest is dropped
	DropNewest               // the packet is dropped
)

func (o Overflow) String() string {
	names := [...]string{"default", "block", "disconnect", "drop oldest", "drop newest"}
	if int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("overflow %d", o)
}

// Validate reports the first field that makes no sense, by its name.
func (o *Options) Validate() error {
	_, err := newConfig(o)
	return err
}

// config is Options with every default filled in. Immutable.
type config struct {
	Options
	engine  engineio.Options
	inbound mailbox.Policy
	limits  sioparser.Limits
}

func newConfig(o *Options) (*config, error) {
	if o == nil {
		o = &Options{}
	}
	bad := func(field, format string, args ...any) error {
		return fmt.Errorf("socketio: Options.%s %s", field, fmt.Sprintf(format, args...))
	}
	c := &config{Options: *o, engine: o.Engine}
	for _, n := range []struct {
		field string
		n     *int
		def   int
	}{
		{"MaxNamespaces", &c.MaxNamespaces, 100},
		{"MaxAcks", &c.MaxAcks, 10_000},
		{"MaxName", &c.MaxName, 255},
		{"MaxAttachments", &c.MaxAttachments, 10},
		{"Inbound.MaxPackets", &c.Inbound.MaxPackets, 128},
		{"Outbound.MaxPackets", &c.Outbound.MaxPackets, 0},
		{"Outbound.MaxBytes", &c.Outbound.MaxBytes, 0},
	} {
		if *n.n < 0 {
			return nil, bad(n.field, "is %d: it must not be negative", *n.n)
		}
		*n.n = cmp.Or(*n.n, n.def)
	}
	if c.ConnectTimeout < 0 {
		return nil, bad("ConnectTimeout", "is %v: it must not be negative", c.ConnectTimeout)
	}
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 45*time.Second)
	c.AckTimeout = cmp.Or(c.AckTimeout, 20*time.Second)

	switch c.Inbound.Overflow {
	case DefaultOverflow, Block:
		c.inbound = mailbox.Block
	case DropOldest:
		c.inbound = mailbox.DropOldest
	case DropNewest, Disconnect:
		c.inbound = mailbox.DropNewest
	default:
		return nil, bad("Inbound.Overflow", "is %v: it is not known", c.Inbound.Overflow)
	}
	if c.Inbound.MaxBytes != 0 {
		return nil, bad("Inbound.MaxBytes", "is %d: the queue is bounded in packets only", c.Inbound.MaxBytes)
	}

	e := &c.engine
	if e.Open != nil {
		return nil, bad("Engine.Open", "must be nil: the server sets it")
	}
	switch c.Outbound.Overflow {
	case DefaultOverflow:
	case Disconnect:
		e.KeepSlow = false
	case DropNewest:
		e.KeepSlow = true
	default:
		return nil, bad("Outbound.Overflow", "is %v: it can be %v or %v", c.Outbound.Overflow, Disconnect, DropNewest)
	}
	e.Path = cmp.Or(c.Path, e.Path, "/socket.io/")
	e.PingInterval = cmp.Or(c.PingInterval, e.PingInterval)
	e.PingTimeout = cmp.Or(c.PingTimeout, e.PingTimeout)
	e.MaxPayload = cmp.Or(c.MaxPayload, e.MaxPayload)
	e.MaxQueueBytes = cmp.Or(c.Outbound.MaxBytes, e.MaxQueueBytes)
	e.MaxQueuePackets = cmp.Or(c.Outbound.MaxPackets, e.MaxQueuePackets)
	e.DisableRevision3 = c.DisableV2 || e.DisableRevision3
	c.PingTimeout = cmp.Or(e.PingTimeout, 20*time.Second)
	c.limits = sioparser.Limits{
		Attachments:     c.MaxAttachments,
		AttachmentBytes: e.MaxPayload,
		Namespace:       c.MaxName,
		EventName:       c.MaxName,
	}
	if c.Parser == nil {
		c.Parser = sioparser.JSON(nil)
	}
	if err := c.setRecovery(); err != nil {
		return nil, err
	}
	if c.Adapter == nil {
		c.Adapter = sioadapter.InMemory
	}
	if c.Hooks == nil {
		c.Hooks = &Hooks{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if e.Logger == nil {
		e.Logger = c.Logger
	}
	probe := *e
	probe.Open = func(*engineio.Session) engineio.Handler { return nil }
	if err := probe.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

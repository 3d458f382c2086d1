package sioclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/socketio/sioparser"
)

// Options configures a [Socket] and its connection. The zero value of every
// field is its default. Nothing in it may be changed afterwards.
type Options struct {
	// Path is where the server answers. Empty means "/socket.io/". It has
	// nothing to do with the path of the URL, which is the namespace.
	Path string

	// Query is added to the query of each request, after that of the URL.
	Query url.Values

	// Header is added to each request; an http.Header fits. In a browser it
	// goes with polling only.
	Header map[string][]string

	// Transports are the transports to use, the one to begin with first:
	// eioclient.Polling, eioclient.WebSocket or both. Empty means polling, which
	// moves to WebSocket.
	Transports []string

	// V2 speaks to a server of the generation 2.x. Such a server puts every
	// client into "/" and takes the auth object as a query: see Auth.
	V2 bool

	// Engine has all other options of the connection: TLS, proxy, cookies,
	// compression, queues and so on. Of the fields that stand here too, those
	// here win unless they are zero. Engine.Open must be nil.
	Engine eioclient.Options

	// Parser is the wire form of packets; the server must use the same. Nil
	// means sioparser.JSON(nil).
	Parser sioparser.Parser

	// Limits bound what is accepted of the server. Nil means 1,000 attachments
	// of 16 MiB together for a packet, and else the defaults of sioparser.
	Limits *sioparser.Limits

	// Endpoint, when set, is asked before each attempt where to connect, and
	// its answer used instead of the URL: for clients that balance themselves.
	// Only the origin and the query of the answer count.
	Endpoint func(ctx context.Context) (rawURL string, err error)

	// Backoff says when the client comes back after its connection was lost.
	Backoff Backoff

	// ConnectTimeout bounds the handshake of one attempt. Zero means 20s.
	ConnectTimeout time.Duration

	// JoinTimeout bounds how long Auth takes, and then how long the server may
	// take to answer whether a namespace is joined. If it passes, the
	// connection is of no use: another attempt is made. Zero means 1m, which is
	// more than servers give their middleware.
	JoinTimeout time.Duration

	// CloseTimeout bounds how long Close waits for what is queued to be
	// written, and then for handlers. Zero means 5s.
	CloseTimeout time.Duration

	// Auth is called in every attempt, for each socket, and returns what the
	// server's middleware gets to see: a value that encodes as a JSON object,
	// or nil. ctx ends with the attempt. An error fails the attempt. Static
	// returns one for a value that does not change.
	//
	// With V2, the members of the object become parameters of a query: for "/"
	// of that of the handshake, for other namespaces of their own.
	Auth func(ctx context.Context) (any, error)

	// AckTimeout is how long an acknowledgement is waited for with a context
	// that has no deadline. Zero means 20s, negative for ever.
	AckTimeout time.Duration

	// HandlerTimeout ends the context of a handler; event.Timeout overrides it
	// for one. Zero means never.
	HandlerTimeout time.Duration

	// Inbound is how many events of a socket may wait for their handlers. When
	// it is full, the connection is read no further, for all its sockets, and
	// the server's silence is not held against it meanwhile. It is also how many
	// handlers may run outside of the turn. Zero means 128.
	Inbound int

	// MaxAcks bounds the acknowledgements that are awaited by one socket. Zero
	// means 10,000.
	MaxAcks int

	// Offline keeps what is emitted without a connection.
	Offline Offline

	// Retry sends events again until they are acknowledged.
	Retry Retry

	// OnError hears of errors that have nobody else to go to: an error or a
	// panic (a *[PanicError]) of a handler, and of events that were accepted and
	// not delivered (an *[UndeliveredError]). name is that of the event, or
	// "connect", "disconnect" or "auth". Afterwards it is logged: an *[Error] as
	// a warning, others as errors.
	OnError func(s *Socket, name string, err error)

	// Hooks are called at the points they are named for.
	Hooks *Hooks

	// Logger gets packets as debug records and the errors that OnError hears.
	// Nil means slog.Default().
	Logger *slog.Logger
}

// Offline bounds what a socket keeps while it has no connection. It is sent, in
// order, as soon as there is one. The zero value keeps nothing: Emit fails with
// [ErrDisconnected].
type Offline struct {
	// MaxPackets is how many events are kept. Zero means none.
	MaxPackets int

	// MaxBytes is how large they may be together. Zero means 1 MiB.
	MaxBytes int

	// MaxAge is how long an event is kept. Zero means 5m, negative for ever.
	MaxAge time.Duration

	// DropOldest makes room for a new event by dropping those that have waited
	// longest, which OnError hears. By default the new one is refused: Emit
	// returns ErrQueueFull.
	DropOldest bool
}

// Retry makes delivery at least once: each event, but volatile ones, is sent
// with the request to acknowledge it, and again when no acknowledgement comes or
// the connection is lost. There is one under way at a time, so that they arrive
// in order. The handler at the server has to acknowledge, and may see an event
// twice: every time with the same acknowledgement id, and with AppendID with an
// id that it can keep.
type Retry struct {
	// Max is how often an event is sent again after the first time, before
	// OnError hears that it failed, or Call returns it. Zero means that there
	// are no retries; negative that there is no limit.
	Max int

	// Timeout is how long an acknowledgement may take before the event is sent
	// again. Zero means Options.AckTimeout, or 20s if that is for ever.
	Timeout time.Duration

	// MaxPackets is how many events wait for their turn; then Emit returns
	// ErrQueueFull. Zero means 1,000.
	MaxPackets int

	// AppendID adds a last argument to every event: a string that is the same
	// each time an event is sent, and of no other event of any client.
	AppendID bool
}

// Static returns a function for Options.Auth that always answers v.
func Static(v any) func(context.Context) (any, error) {
	return func(context.Context) (any, error) { return v, nil }
}

// SocketOptions configures a socket that [Socket.Of] makes. Zero fields mean
// what the socket has that it is made from.
type SocketOptions struct {
	Auth           func(ctx context.Context) (any, error)
	AckTimeout     time.Duration
	HandlerTimeout time.Duration
	Inbound        int
	MaxAcks        int
	Offline        *Offline
	Retry          *Retry
}

// Hooks are optional functions for metrics and traces. They must not wait.
type Hooks struct {
	// State is called for each state of a socket.
	State func(s *Socket, st State)

	// Event is called before the handlers of an event. It returns the context
	// for them, and a function that is called with their error, or nil.
	Event func(ctx context.Context, e *Event) (context.Context, func(error))

	// Dropped is called for an event that is not handled because of a Limit, or
	// that OnAnyOutgoing handlers miss since too many of their calls wait.
	Dropped func(s *Socket, name string)

	// Received is called for every packet that comes, before it is handled. p is
	// valid during the call.
	Received func(p *sioparser.Packet)
}

// config is what a connection and its sockets share of Options, with every
// default filled in. Immutable.
type config struct {
	Options
	hooks  Hooks
	engine eioclient.Options
	limits sioparser.Limits
	origin string // scheme and host
	query  url.Values
}

// socketConfig is what a socket has for itself. Immutable.
type socketConfig struct {
	auth           func(ctx context.Context) (any, error)
	ackTimeout     time.Duration
	handlerTimeout time.Duration
	inbound        int
	maxAcks        int
	offline        Offline
	retry          Retry
}

// newConfig checks a URL and options. It returns the namespace of the URL.
func newConfig(rawURL string, o *Options) (*config, *socketConfig, string, error) {
	if o == nil {
		o = &Options{}
	}
	c := &config{Options: *o, engine: o.Engine}
	if err := c.check(); err != nil {
		return nil, nil, "", fmt.Errorf("sioclient: Options.%w", err)
	}
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, nil, "", err
	}
	c.setTarget(u)
	sc := &socketConfig{
		auth:           o.Auth,
		ackTimeout:     cmp.Or(o.AckTimeout, defaultAckTimeout),
		handlerTimeout: o.HandlerTimeout,
		inbound:        cmp.Or(o.Inbound, 128),
		maxAcks:        cmp.Or(o.MaxAcks, 10_000),
		offline:        o.Offline,
		retry:          o.Retry,
	}
	sc.setDefaults()
	return c, sc, cmp.Or(u.Path, "/"), nil
}

const defaultAckTimeout = 20 * time.Second

// Validate reports the first field that makes no sense, by its name.
func (o *Options) Validate() error {
	_, _, _, err := newConfig("http://localhost", o)
	return err
}

// check completes the options; its errors begin with the field's name.
func (c *config) check() error {
	if err := firstNegative(
		field[time.Duration]{"ConnectTimeout", c.ConnectTimeout},
		field[time.Duration]{"JoinTimeout", c.JoinTimeout},
		field[time.Duration]{"CloseTimeout", c.CloseTimeout},
		field[time.Duration]{"HandlerTimeout", c.HandlerTimeout},
		field[time.Duration]{"Backoff.Min", c.Backoff.Min},
		field[time.Duration]{"Backoff.Max", c.Backoff.Max},
		field[time.Duration]{"Retry.Timeout", c.Retry.Timeout},
	); err != nil {
		return err
	}
	if err := firstNegative(
		field[int]{"Inbound", c.Inbound},
		field[int]{"MaxAcks", c.MaxAcks},
		field[int]{"Offline.MaxPackets", c.Offline.MaxPackets},
		field[int]{"Offline.MaxBytes", c.Offline.MaxBytes},
		field[int]{"Retry.MaxPackets", c.Retry.MaxPackets},
	); err != nil {
		return err
	}
	if c.Backoff.Jitter > 1 {
		return fmt.Errorf("Backoff.Jitter is %v: it must not be more than 1", c.Backoff.Jitter)
	}
	c.Backoff.Min = cmp.Or(c.Backoff.Min, time.Second)
	c.Backoff.Max = max(cmp.Or(c.Backoff.Max, 5*time.Second), c.Backoff.Min)
	c.Backoff.Jitter = cmp.Or(c.Backoff.Jitter, 0.8)
	c.JoinTimeout = cmp.Or(c.JoinTimeout, time.Minute)

	e := &c.engine
	if e.Open != nil {
		return errors.New("Engine.Open must be nil: the client sets it")
	}
	e.Path = cmp.Or(c.Path, e.Path, "/socket.io/")
	e.HandshakeTimeout = cmp.Or(c.ConnectTimeout, e.HandshakeTimeout)
	e.CloseTimeout = cmp.Or(c.CloseTimeout, e.CloseTimeout)
	c.CloseTimeout = cmp.Or(e.CloseTimeout, 5*time.Second)
	if c.Query != nil {
		e.Query = c.Query
	}
	if c.Header != nil {
		e.Header = c.Header
	}
	if c.Transports != nil {
		e.Transports = c.Transports
	}
	if c.V2 {
		e.Revision = eioparser.V3
	}
	c.V2 = e.Revision == eioparser.V3
	if c.Parser == nil {
		c.Parser = sioparser.JSON(nil)
	}
	c.limits = sioparser.Limits{Attachments: 1000, AttachmentBytes: 16 << 20}
	if c.Limits != nil {
		c.limits = *c.Limits
	}
	if c.Hooks != nil {
		c.hooks = *c.Hooks
	}
	if e.Hooks != nil {
		e.Hooks = marked(*e.Hooks)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if e.Logger == nil {
		e.Logger = c.Logger
	}
	if err := e.Validate(); err != nil {
		return fmt.Errorf("%s: %w", "Engine", err)
	}
	return nil
}

// marked returns hooks whose calls inCallback recognizes, so that a socket can be
// closed in them.
func marked(h eioclient.Hooks) *eioclient.Hooks {
	call := func(f func()) {
		if p := callback(f); p != nil {
			panic(p.Value) // package eioclient says what becomes of it
		}
	}
	conn := func(f func(*eioclient.Conn)) func(*eioclient.Conn) {
		if f == nil {
			return nil
		}
		return func(c *eioclient.Conn) { call(func() { f(c) }) }
	}
	packet := func(f func(*eioclient.Conn, eioparser.Packet)) func(*eioclient.Conn, eioparser.Packet) {
		if f == nil {
			return nil
		}
		return func(c *eioclient.Conn, p eioparser.Packet) { call(func() { f(c, p) }) }
	}
	out := &eioclient.Hooks{Opened: conn(h.Opened), Upgraded: conn(h.Upgraded), Received: packet(h.Received), Sent: packet(h.Sent)}
	if f := h.UpgradeFailed; f != nil {
		out.UpgradeFailed = func(c *eioclient.Conn, err error) { call(func() { f(c, err) }) }
	}
	if f := h.Closed; f != nil {
		out.Closed = func(c *eioclient.Conn, err *eioclient.CloseError) { call(func() { f(c, err) }) }
	}
	return out
}

type field[T int | time.Duration] struct {
	name  string
	value T
}

func firstNegative[T int | time.Duration](fields ...field[T]) error {
	for _, f := range fields {
		if f.value < 0 {
			return fmt.Errorf("%s is %v: it must not be negative", f.name, f.value)
		}
	}
	return nil
}

func (sc *socketConfig) setDefaults() {
	if sc.offline.MaxPackets > 0 {
		sc.offline.MaxBytes = cmp.Or(sc.offline.MaxBytes, 1<<20)
		sc.offline.MaxAge = cmp.Or(sc.offline.MaxAge, 5*time.Minute)
	}
	if sc.retry.Max != 0 {
		sc.retry.MaxPackets = cmp.Or(sc.retry.MaxPackets, 1000)
		if sc.retry.Timeout == 0 {
			sc.retry.Timeout = sc.ackTimeout
		}
		if sc.retry.Timeout < 0 {
			sc.retry.Timeout = defaultAckTimeout
		}
	}
}

// with returns the configuration with what o changes.
func (sc socketConfig) with(o *SocketOptions) (*socketConfig, error) {
	if o == nil {
		return &sc, nil
	}
	if o.Auth != nil {
		sc.auth = o.Auth
	}
	sc.ackTimeout = cmp.Or(o.AckTimeout, sc.ackTimeout)
	sc.handlerTimeout = cmp.Or(o.HandlerTimeout, sc.handlerTimeout)
	sc.inbound = cmp.Or(o.Inbound, sc.inbound)
	sc.maxAcks = cmp.Or(o.MaxAcks, sc.maxAcks)
	if o.Offline != nil {
		sc.offline = *o.Offline
	}
	if o.Retry != nil {
		sc.retry = *o.Retry
	}
	if err := firstNegative(
		field[int]{"Inbound", sc.inbound},
		field[int]{"MaxAcks", sc.maxAcks},
		field[int]{"Offline.MaxPackets", sc.offline.MaxPackets},
		field[int]{"Offline.MaxBytes", sc.offline.MaxBytes},
		field[int]{"Retry.MaxPackets", sc.retry.MaxPackets},
	); err != nil {
		return nil, fmt.Errorf("sioclient: SocketOptions.%w", err)
	}
	sc.setDefaults()
	return &sc, nil
}

// parseURL checks the URL of a server.
func parseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("sioclient: the URL cannot be parsed") // the parser's error repeats it, passwords included
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default:
		return nil, fmt.Errorf("sioclient: expected a URL of http, https, ws or wss, got %q", u.Redacted())
	}
	if u.Host == "" {
		return nil, fmt.Errorf("sioclient: expected a URL with a host, got %q", u.Redacted())
	}
	if err := checkNamespace(cmp.Or(u.Path, "/")); err != nil {
		return nil, err
	}
	return u, nil
}

func checkNamespace(name string) error {
	if !strings.HasPrefix(name, "/") || strings.ContainsAny(name, ",?") {
		return fmt.Errorf("sioclient: expected the name of a namespace, which begins with a slash and has no comma, got %q", name)
	}
	return nil
}

// setTarget takes origin and query of a URL.
func (c *config) setTarget(u *url.URL) {
	c.origin = (&url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}).String()
	c.query = u.Query()
}

// dialOptions returns the options of one attempt. extra is added to the query.
func (c *config) dialOptions(query, extra url.Values) *eioclient.Options {
	e := c.engine
	e.Query = maps.Clone(query)
	if e.Query == nil {
		e.Query = make(url.Values)
	}
	maps.Copy(e.Query, c.engine.Query)
	maps.Copy(e.Query, extra)
	return &e
}

package engineio

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Transport names, as they stand in requests.
const (
	Polling   = "polling"
	WebSocket = "websocket"
)

// Options configures a [Server]. Open is required; the zero value of every
// other field means its default. Durations and sizes may not be negative
// unless the field says so.
type Options struct {
	// Open is called once per session, inside its handshake. What it sends
	// travels with the handshake. The Handler it returns receives all that
	// happens to the session; nil refuses the session.
	Open func(s *Session) Handler

	// Path is where the server answers, with a slash at its end.
	// Empty means "/engine.io/". Requests are matched exactly, with or without
	// the last slash; others get 404.
	Path string

	// PathPrefix makes Path match everything below it too, as the reference
	// does.
	PathPrefix bool

	// PingInterval is the time between heartbeats. Zero means 25s; under 1ms
	// is an error. It is told to the client.
	PingInterval time.Duration

	// PingTimeout is how long after a ping the client may stay silent before
	// the session ends with ReasonPingTimeout; in revision 3, where the client
	// pings, how long after PingInterval has passed without a ping. Zero means
	// the default of the client's generation: 20s in revision 4, 5s in
	// revision 3. Under 1ms is an error. It is told to the client.
	PingTimeout time.Duration

	// UpgradeTimeout is how long a WebSocket may take to replace polling
	// before it is closed; the session goes on with polling. Zero means 10s.
	UpgradeTimeout time.Duration

	// CloseTimeout is how long Close waits for the client to take what is
	// queued and to answer the close. Zero means 5s.
	CloseTimeout time.Duration

	// WriteTimeout is how long a write may make no progress before the session
	// ends with ReasonTransportError. Zero means 20s.
	WriteTimeout time.Duration

	// BodyTimeout is how long a client may take to send the body of a POST.
	// Zero means 20s.
	BodyTimeout time.Duration

	// MaxPayload bounds one polling body or one WebSocket message, in bytes
	// after decompression. A larger body is refused with 413, a larger message
	// ends the session. Zero means 1,000,000. It is told to the client.
	MaxPayload int64

	// MaxQueueBytes and MaxQueuePackets bound what waits to be written to one
	// client. Zero means 1 MiB and 10,000. See KeepSlow.
	MaxQueueBytes   int
	MaxQueuePackets int

	// KeepSlow keeps a session whose outbound queue is full: Send returns
	// ErrQueueFull and the message is not sent. By default the session is
	// closed with ReasonSlowConsumer.
	KeepSlow bool

	// Transports are the transports that are served: Polling, WebSocket, or
	// both. Empty means both.
	Transports []string

	// DisableUpgrades stops sessions from moving from polling to WebSocket.
	DisableUpgrades bool

	// DisableRevision3 refuses clients of generation 2.x with code 5.
	DisableRevision3 bool

	// AllowRequest, when set, is asked before a session is made. An error
	// refuses the handshake with 403 and code 4; its text goes to the client.
	AllowRequest func(r *http.Request) error

	// Logger gets debug records of sessions and refused requests. Nil means
	// none are written.
	Logger *slog.Logger
}

const (
	defaultPath            = "/engine.io/"
	defaultPingInterval    = 25 * time.Second
	defaultPingTimeout     = 20 * time.Second
	defaultPingTimeoutV3   = 5 * time.Second
	defaultUpgradeTimeout  = 10 * time.Second
	defaultCloseTimeout    = 5 * time.Second
	defaultWriteTimeout    = 20 * time.Second
	defaultBodyTimeout     = 20 * time.Second
	defaultMaxPayload      = 1_000_000
	defaultMaxQueueBytes   = 1 << 20
	defaultMaxQueuePackets = 10_000
)

// Validate reports the first field that makes no sense, by its name.
func (o *Options) Validate() error {
	bad := func(field, format string, args ...any) error {
		return fmt.Errorf("engineio: Options.%s %s", field, fmt.Sprintf(format, args...))
	}
	if o.Open == nil {
		return bad("Open", "is required: nothing would receive the messages")
	}
	if o.Path != "" && (!strings.HasPrefix(o.Path, "/") || strings.ContainsAny(o.Path, "?#")) {
		return bad("Path", "is %q: it must begin with a slash and have no query", o.Path)
	}
	for _, d := range []struct {
		field string
		d     time.Duration
	}{
		{"PingInterval", o.PingInterval}, {"PingTimeout", o.PingTimeout},
		{"UpgradeTimeout", o.UpgradeTimeout}, {"CloseTimeout", o.CloseTimeout},
		{"WriteTimeout", o.WriteTimeout}, {"BodyTimeout", o.BodyTimeout},
	} {
		if d.d != 0 && d.d < time.Millisecond {
			return bad(d.field, "is %v: it must be at least 1ms, or 0 for the default", d.d)
		}
	}
	for _, n := range []struct {
		field string
		n     int64
	}{
		{"MaxPayload", o.MaxPayload}, {"MaxQueueBytes", int64(o.MaxQueueBytes)}, {"MaxQueuePackets", int64(o.MaxQueuePackets)},
	} {
		if n.n < 0 {
			return bad(n.field, "is %d: it must not be negative", n.n)
		}
	}
	for _, t := range o.Transports {
		if t != Polling && t != WebSocket {
			return bad("Transports", "names %q: only %q and %q are known", t, Polling, WebSocket)
		}
	}
	return nil
}

// config is Options with every default filled in. Immutable.
type config struct {
	Options
	polling, websocket bool
	pingTimeoutV3      time.Duration
}

func newConfig(o *Options) (*config, error) {
	if o == nil {
		return nil, errors.New("engineio: New(nil): Options.Open is required")
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := &config{Options: *o}
	c.pingTimeoutV3 = orDefault(c.PingTimeout, defaultPingTimeoutV3)
	c.Path = strings.TrimSuffix(orDefault(c.Path, defaultPath), "/") + "/"
	c.PingInterval = orDefault(c.PingInterval, defaultPingInterval)
	c.PingTimeout = orDefault(c.PingTimeout, defaultPingTimeout)
	c.UpgradeTimeout = orDefault(c.UpgradeTimeout, defaultUpgradeTimeout)
	c.CloseTimeout = orDefault(c.CloseTimeout, defaultCloseTimeout)
	c.WriteTimeout = orDefault(c.WriteTimeout, defaultWriteTimeout)
	c.BodyTimeout = orDefault(c.BodyTimeout, defaultBodyTimeout)
	c.MaxPayload = orDefault(c.MaxPayload, defaultMaxPayload)
	c.MaxQueueBytes = orDefault(c.MaxQueueBytes, defaultMaxQueueBytes)
	c.MaxQueuePackets = orDefault(c.MaxQueuePackets, defaultMaxQueuePackets)
	if len(c.Transports) == 0 {
		c.Transports = []string{Polling, WebSocket}
	}
	c.Transports = slices.Clone(c.Transports)
	c.polling = slices.Contains(c.Transports, Polling)
	c.websocket = slices.Contains(c.Transports, WebSocket)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

package engineio

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rs/cors"
)

// Transport names, as they stand in requests.
const (
	Polling   = "polling"
	WebSocket = "websocket"
)

// Options configures a [Server]. Open is required; the zero value of every
// other field means its default. Durations and sizes may not be negative
// unless the field says so; durations are at most 12 days.
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
	// ends with ReasonTransportError; in the answer to a poll, how long each
	// 64 KiB may take. Zero means 20s.
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

	// DisableJSONP refuses polling through script elements, which browsers
	// without CORS needed.
	DisableJSONP bool

	// AllowRequest, when set, is asked before a session is made. An error
	// refuses the handshake with 403 and code 4; its text goes to the client.
	AllowRequest func(r *http.Request) error

	// VerifySession, when set, is asked before a request takes part in a
	// session that exists: a poll, a POST or an upgrade. Who knows a session's
	// id can otherwise speak for it; compare the request's cookie or address
	// with the handshake's to bind them together. An error refuses the request
	// with 403 and code 4; the session goes on, and the text stays here.
	VerifySession func(s *Session, r *http.Request) error

	// CORS, when set, answers cross-origin requests accordingly: polls,
	// preflights, errors and upgrades alike. It is also the list of origins
	// that may open WebSockets. When it is nil, no CORS headers are sent, and
	// cross-origin requests that carry cookies or an Authorization header are
	// refused. Allowing credentials from every origin is an error.
	CORS *cors.Options

	// Cookie, when set, is sent with the answer to each handshake, with the
	// session's id as its value; load balancers use it to find the node. Its
	// Name is "io" when empty, its Path "/"; it is HttpOnly, and Secure over
	// TLS; SameSite is Lax unless it is set.
	Cookie *http.Cookie

	// InitialMessage, when set, is sent right after the open packet of each
	// session, before anything that Open sends.
	InitialMessage *Message

	// GenerateID makes the session ids. They are bearer secrets: at least 120
	// random bits are advised. An error, or an id that is empty, longer than
	// 255 bytes, in use, or of other characters than letters, digits, "-" and
	// "_", refuses the handshake with code 3. Nil means 15 random bytes as 20
	// characters of base64url.
	GenerateID func(r *http.Request) (string, error)

	// CompressionThreshold is from how many bytes on the answer to a poll is
	// compressed, with br, gzip or deflate, when the client takes it. Zero
	// means 1024; negative turns compression off.
	CompressionThreshold int

	// Deflate, when set, offers permessage-deflate to WebSocket clients. It
	// costs no memory per connection: no context is taken over from one
	// message to the next, and the work space, about 1.2 MB for each message
	// being compressed at the same time and 40 KB for each being inflated, is
	// shared. A message sent to many is compressed once.
	Deflate *Deflate

	// GoroutinePerConn reads every WebSocket with a goroutine of its own. By
	// default, plain TCP connections on Linux are read by a few shared pollers,
	// which costs an idle connection neither a goroutine nor a net.Conn; with
	// them, a Handler that waits makes other clients wait.
	GoroutinePerConn bool

	// InitialHeaders may change the headers of the first answer of each
	// session, Headers those of every answer to a poll, POST or upgrade. They
	// must not keep h.
	InitialHeaders func(h http.Header, r *http.Request)
	Headers        func(h http.Header, r *http.Request)

	// Middleware wraps the handling of every request that is for the server,
	// upgrades included; the first is the outermost. A middleware that answers
	// by itself refuses the request. The ResponseWriter it hands on must have
	// Hijack or Unwrap, or upgrades fail.
	Middleware []func(http.Handler) http.Handler

	// TrustedProxies are the networks whose X-Forwarded-For is believed; see
	// [Handshake.ClientAddr].
	TrustedProxies []netip.Prefix

	// MaxSessions bounds the sessions of this server; further handshakes are
	// refused with 503. MaxSessionsPerAddress bounds those of one client
	// address (see TrustedProxies; clients that have none are not counted);
	// further ones are refused with 429. Zero means no bound.
	MaxSessions           int
	MaxSessionsPerAddress int

	// Hooks are told what happens, for metrics and traces. Nil costs nothing.
	Hooks *Hooks

	// Logger gets debug records of sessions and refused requests, and errors
	// of the deployment. Session ids are not in them: they are secrets. Nil
	// means none are written.
	Logger *slog.Logger
}

// Deflate are the options of permessage-deflate (RFC 7692).
type Deflate struct {
	// Threshold is from how many bytes on a message is compressed. Zero means
	// 1024.
	Threshold int
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
	defaultThreshold       = 1024
)

// maxDuration bounds every duration. Clients in JavaScript wait for the sum of
// PingInterval and PingTimeout with a timer that knows no more than 2^31-1 ms.
const maxDuration = 12 * 24 * time.Hour

// maxSafe is the largest number that JavaScript counts to.
const maxSafe = 1<<53 - 1

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
		if d.d > maxDuration {
			return bad(d.field, "is %v: it must be at most %v", d.d, maxDuration)
		}
	}
	for _, n := range []struct {
		field string
		n     int64
	}{
		{"MaxPayload", o.MaxPayload}, {"MaxQueueBytes", int64(o.MaxQueueBytes)}, {"MaxQueuePackets", int64(o.MaxQueuePackets)},
		{"MaxSessions", int64(o.MaxSessions)}, {"MaxSessionsPerAddress", int64(o.MaxSessionsPerAddress)},
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
	if o.Deflate != nil && o.Deflate.Threshold < 0 {
		return bad("Deflate.Threshold", "is %d: it must not be negative", o.Deflate.Threshold)
	}
	if c := o.CORS; c != nil && c.AllowCredentials && allowsEverybody(c) {
		return bad("CORS", "allows credentials from every origin: name the origins, or decide with one of its functions")
	}
	if o.Cookie != nil {
		if path := o.Cookie.Path; path != "" && path[0] != '/' {
			return bad("Cookie", "has the path %q: it must begin with a slash, or browsers choose one", path)
		}
		if err := cookieTemplate(o.Cookie).Valid(); err != nil {
			return bad("Cookie", "cannot be sent: %v", err)
		}
	}
	for i, m := range o.Middleware {
		if m == nil {
			return bad(fmt.Sprintf("Middleware[%d]", i), "is nil")
		}
	}
	return nil
}

// config is Options with every default filled in. Immutable.
type config struct {
	Options
	polling, websocket bool
	pingTimeoutV3      time.Duration
	deflateThreshold   int        // -1: off
	hooks              Hooks      // empty when there are none
	cors               *cors.Cors // nil: none
	cookie             *http.Cookie
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
	c.MaxPayload = min(orDefault(c.MaxPayload, defaultMaxPayload), maxSafe)
	c.MaxQueueBytes = orDefault(c.MaxQueueBytes, defaultMaxQueueBytes)
	c.MaxQueuePackets = orDefault(c.MaxQueuePackets, defaultMaxQueuePackets)
	if len(c.Transports) == 0 {
		c.Transports = []string{Polling, WebSocket}
	}
	c.Transports = slices.Clone(c.Transports)
	c.polling = slices.Contains(c.Transports, Polling)
	c.websocket = slices.Contains(c.Transports, WebSocket)
	c.CompressionThreshold = orDefault(c.CompressionThreshold, defaultThreshold)
	c.deflateThreshold = -1
	if c.Deflate != nil {
		c.deflateThreshold = orDefault(c.Deflate.Threshold, defaultThreshold)
	}
	if c.Hooks != nil {
		c.hooks = *c.Hooks
	}
	if c.CORS != nil {
		c.cors = cors.New(*c.CORS)
	}
	if c.Cookie != nil {
		c.cookie = cookieTemplate(c.Cookie)
	}
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

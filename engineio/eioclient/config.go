package eioclient

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// Transport names, as they stand in requests.
const (
	Polling   = "polling"
	WebSocket = "websocket"
)

const (
	defaultHandshakeTimeout = 20 * time.Second
	defaultUpgradeTimeout   = 10 * time.Second
	defaultWriteTimeout     = 20 * time.Second
	defaultCloseTimeout     = 5 * time.Second
	defaultMaxPayload       = 1_000_000
	defaultMaxMessage       = 16 << 20
	defaultMaxQueueBytes    = 1 << 20
	defaultMaxQueuePackets  = 10_000

	// maxDuration bounds all durations, so that sums of them do not overflow.
	maxDuration = 12 * 24 * time.Hour
)

// A config is Options and a URL, checked and complete. It is immutable.
type config struct {
	Options
	platform

	base     url.URL // http or https; scheme, userinfo, host and path
	query    string  // the application's, encoded, to go after the protocol's
	polling  bool    // is among Transports
	upgrades bool    // sessions that began with polling may move to WebSocket
	hooks    Hooks
}

// newConfig checks a URL and options and puts the defaults in.
func newConfig(rawURL string, o *Options) (*config, error) {
	if o == nil || o.Open == nil {
		return nil, errors.New("eioclient: Options.Open is required: it makes the session's Handler")
	}
	c := &config{Options: *o}
	if err := c.validate(); err != nil {
		return nil, err
	}
	if err := c.setURL(rawURL); err != nil {
		return nil, fmt.Errorf("eioclient: %w", err)
	}
	c.Revision = orDefault(c.Revision, eioparser.V4)
	c.HandshakeTimeout = orDefault(c.HandshakeTimeout, defaultHandshakeTimeout)
	c.UpgradeTimeout = orDefault(c.UpgradeTimeout, defaultUpgradeTimeout)
	c.WriteTimeout = orDefault(c.WriteTimeout, defaultWriteTimeout)
	c.CloseTimeout = orDefault(c.CloseTimeout, defaultCloseTimeout)
	c.MaxMessage = orDefault(c.MaxMessage, defaultMaxMessage)
	c.MaxQueueBytes = orDefault(c.MaxQueueBytes, defaultMaxQueueBytes)
	c.MaxQueuePackets = orDefault(c.MaxQueuePackets, defaultMaxQueuePackets)
	if len(c.Transports) == 0 {
		c.Transports = []string{Polling, WebSocket}
	}
	c.Transports = slices.Clone(c.Transports)
	c.polling = slices.Contains(c.Transports, Polling)
	c.upgrades = slices.Contains(c.Transports, WebSocket) && !c.DisableUpgrade
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Hooks != nil {
		c.hooks = *c.Hooks
	}
	return c, nil
}

// Validate reports the first field that makes no sense, by its name. Open is not
// looked at: the layer above sets it.
func (o *Options) Validate() error {
	c := &config{Options: *o}
	return c.validate()
}

func (c *config) validate() (err error) {
	if err = c.check(); err == nil {
		c.platform, err = c.Options.platform()
	}
	if err != nil {
		return fmt.Errorf("eioclient: Options.%w", err)
	}
	return nil
}

// check checks the options; its errors begin with the field's name.
func (c *config) check() error {
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"HandshakeTimeout", c.HandshakeTimeout},
		{"UpgradeTimeout", c.UpgradeTimeout},
		{"WriteTimeout", c.WriteTimeout},
		{"CloseTimeout", c.CloseTimeout},
	} {
		if d.value < 0 || d.value > maxDuration {
			return fmt.Errorf("%s must be between 0 and %v, got %v", d.field, maxDuration, d.value)
		}
	}
	if c.Revision != 0 && c.Revision != eioparser.V3 && c.Revision != eioparser.V4 {
		return fmt.Errorf("%s must be 3 or 4, got %d", "Revision", c.Revision)
	}
	for i, t := range c.Transports {
		if t != Polling && t != WebSocket {
			return fmt.Errorf("%s must be of %q and %q, got %q", "Transports", Polling, WebSocket, t)
		}
		if slices.Contains(c.Transports[:i], t) {
			return fmt.Errorf("%s must not have %q twice", "Transports", t)
		}
	}
	return errors.Join(
		notNegative("MaxPayload", c.MaxPayload),
		notNegative("MaxMessage", c.MaxMessage),
		notNegative("MaxQueueBytes", c.MaxQueueBytes),
		notNegative("MaxQueuePackets", c.MaxQueuePackets),
	)
}

// maxURL is the longest URL that is taken, in bytes; the reference's bound.
const maxURL = 8000

// setURL takes base and query from a URL.
func (c *config) setURL(raw string) error {
	if len(raw) > maxURL {
		return fmt.Errorf("expected a URL of at most %d bytes, got %d", maxURL, len(raw))
	}
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("the URL cannot be parsed") // the parser's error repeats it, passwords included
	}
	switch u.Scheme {
	case "http", "https":
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return fmt.Errorf("expected a URL with scheme http, https, ws or wss, got %q", u.Scheme)
	}
	if u.Hostname() == "" {
		return errors.New("expected a URL with a host")
	}
	path := c.Path
	switch {
	case path != "" && path[0] != '/':
		return fmt.Errorf("Options.Path must begin with a slash, got %q", path)
	case path != "":
		u.RawPath = ""
	case u.Path == "" || u.Path == "/":
		path = "/engine.io/"
	default:
		path = u.Path
	}
	c.base = url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: path, RawPath: u.RawPath}

	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fmt.Errorf("the query of the URL: %w", err)
	}
	for k, v := range c.Query {
		query[k] = v
	}
	for _, k := range []string{"EIO", "transport", "sid", "t", "j", "b64"} {
		query.Del(k)
	}
	if c.query = query.Encode(); c.query != "" {
		c.query = "&" + c.query
	}
	return nil
}

// origin names the server, for the memory of upgrades.
func (c *config) origin() string {
	return c.base.Scheme + "://" + strings.ToLower(c.base.Host) + c.base.Path
}

func notNegative[T int | int64](field string, v T) error {
	if v < 0 {
		return fmt.Errorf("%s must not be negative, got %d", field, v)
	}
	return nil
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

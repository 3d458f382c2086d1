//go:build !js

package eioclient

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// Options configures a [Conn]. Open is required; the zero value of every other
// field means its default. Durations and sizes may not be negative. Nothing in
// it may be changed while a Dial with it is under way; several may share it.
type Options struct {
	// Open is called once per session, inside [Dial], when the server has
	// accepted it and before anything is delivered. What it sends goes first.
	// The Handler it returns receives all that happens to the session; nil
	// makes Dial fail.
	Open func(c *Conn) Handler

	// Path is where the server answers. Empty means the path of the URL, or
	// "/engine.io/" when that has none.
	Path string

	// Query is added to the query of each request, after that of the URL. EIO,
	// transport, sid, t, j and b64 are the protocol's and are ignored here.
	Query url.Values

	// Header is added to each request; an http.Header fits. In a browser it
	// goes with polling only, since browsers allow no headers on WebSocket.
	Header map[string][]string

	// Transports are the transports to use: Polling, WebSocket, or both, the
	// one for the handshake first. Empty means Polling, then WebSocket.
	Transports []string

	// DisableUpgrade keeps sessions on the transport of the handshake.
	DisableUpgrade bool

	// RememberUpgrade begins with WebSocket when the last session of this
	// process with the same server had moved to it, or had begun with it; if
	// that fails, with the first of Transports after all.
	RememberUpgrade bool

	// TryAllTransports goes on with the next of Transports when a handshake
	// fails. By default the first failure is Dial's.
	TryAllTransports bool

	// Revision is the protocol revision to speak: eioparser.V3 for servers of
	// Socket.IO 2.x. Zero means eioparser.V4.
	Revision eioparser.Revision

	// HandshakeTimeout bounds each handshake inside Dial, beside its context.
	// Zero means 20s.
	HandshakeTimeout time.Duration

	// UpgradeTimeout is how long a WebSocket may take to replace polling before
	// it is given up; the session goes on with polling. Zero means 10s.
	UpgradeTimeout time.Duration

	// WriteTimeout is how long a write may make no progress, or a POST take,
	// before the session ends with ReasonTransportError. Zero means 20s.
	WriteTimeout time.Duration

	// CloseTimeout is how long Close takes at most to write what is queued and
	// to part from the server. Zero means 5s.
	CloseTimeout time.Duration

	// MaxPayload bounds the body of a POST that carries more than one packet,
	// in bytes. Zero means what the server announces, or 1,000,000 when it
	// announces nothing.
	MaxPayload int

	// MaxMessage bounds one WebSocket message or one answer to a poll, in bytes
	// after decompression. More ends the session. Zero means 16 MiB.
	MaxMessage int64

	// MaxQueueBytes and MaxQueuePackets bound what waits to be written. Zero
	// means 1 MiB and 10,000. An empty queue takes any message.
	MaxQueueBytes   int
	MaxQueuePackets int

	// Deflate, when set, offers permessage-deflate on WebSocket.
	Deflate *Deflate

	// Jar keeps cookies. Nil means a jar of the session's own, so that a cookie
	// set by the handshake reaches the session's other requests: load balancers
	// route by it.
	Jar http.CookieJar

	// TLSConfig is used for https and wss; it is cloned. Nil means the default.
	TLSConfig *tls.Config

	// Proxy chooses a proxy for a request, as in [http.Transport]. Nil means
	// http.ProxyFromEnvironment. WebSockets go through a proxy with CONNECT.
	Proxy func(*http.Request) (*url.URL, error)

	// DialContext makes the connections. Nil means those of a net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Logger receives what happens to sessions: their begin, upgrade and end at
	// debug level, panics of the application as errors. Session ids are not
	// logged. Nil means no logs.
	Logger *slog.Logger

	// Hooks are called when something happens. Nil means none.
	Hooks *Hooks
}

// Deflate configures permessage-deflate (RFC 7692). No context is taken over
// from one message to the next, so that a connection owns no window.
type Deflate struct {
	// Threshold is from how many bytes on a message is compressed. Zero means
	// 1024.
	Threshold int
}

// platform is what only the native client has.
type platform struct {
	deflate *Deflate // nil: not offered; else complete
	jar     http.CookieJar
	tls     *tls.Config
	proxy   func(*http.Request) (*url.URL, error)
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
}

func (o *Options) platform() (p platform, err error) {
	p = platform{jar: o.Jar, tls: o.TLSConfig, proxy: o.Proxy, dial: o.DialContext}
	if o.Deflate != nil {
		if err := notNegative("Deflate.Threshold", o.Deflate.Threshold); err != nil {
			return p, err
		}
		p.deflate = &Deflate{Threshold: orDefault(o.Deflate.Threshold, 1024)}
	}
	if p.proxy == nil {
		p.proxy = http.ProxyFromEnvironment
	}
	if p.dial == nil {
		p.dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	return p, nil
}

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/siogo/sio/socketio/sioclient"
	"github.com/siogo/sio/socketio/sioparser"
)

// connection is the flags that say how to connect.
type connection struct {
	path      string
	transport string
	auth      string
	headers   pairs
	query     pairs
	v2        bool
	msgpack   bool
	insecure  bool
	timeout   time.Duration
	debug     bool
}

func (o *connection) register(f *flag.FlagSet) {
	o.headers.separator, o.query.separator = ":", "="
	f.StringVar(&o.path, "path", "/socket.io/", "`path` where the server answers")
	f.StringVar(&o.transport, "transport", "", "`transports` to use, the first to begin with: polling, websocket, or both with a comma (default polling,websocket)")
	f.StringVar(&o.auth, "auth", "", "auth object, as `JSON`")
	f.Var(&o.headers, "header", "header of every request, as `\"Name: value\"`; may be repeated")
	f.Var(&o.query, "query", "parameter of every request, as `name=value`; may be repeated")
	f.BoolVar(&o.v2, "v2", false, "the server is of the generation 2.x")
	f.BoolVar(&o.msgpack, "msgpack", false, "packets are MessagePack (socket.io-msgpack-parser)")
	f.BoolVar(&o.insecure, "insecure", false, "do not check the server's certificate")
	f.DurationVar(&o.timeout, "timeout", 20*time.Second, "`time` for the handshake, and for an acknowledgement")
	f.BoolVar(&o.debug, "debug", false, "log to standard error")
}

// options returns the client's options.
func (o *connection) options(stderr io.Writer) (*sioclient.Options, error) {
	out := &sioclient.Options{
		Path:           o.path,
		V2:             o.v2,
		ConnectTimeout: o.timeout,
		AckTimeout:     o.timeout,
		Logger:         slog.New(slog.DiscardHandler),
		Header:         http.Header(o.headers.values),
		Query:          url.Values(o.query.values),
	}
	if o.timeout <= 0 {
		return nil, usagef("-timeout must be positive, got %v", o.timeout)
	}
	if o.transport != "" {
		out.Transports = strings.Split(o.transport, ",")
	}
	if o.msgpack {
		out.Parser = sioparser.MsgPack()
	}
	if o.insecure {
		out.Engine.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	}
	if o.auth != "" {
		var auth map[string]any
		if err := json.Unmarshal([]byte(o.auth), &auth); err != nil {
			return nil, usagef("-auth must be a JSON object: %v", err)
		}
		out.Auth = sioclient.Static(auth)
	}
	if o.debug {
		out.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return out, nil
}

// newClient returns a client for a URL as people type it.
func newClient(rawURL string, o *sioclient.Options) (*sioclient.Socket, error) {
	if !strings.Contains(rawURL, "://") {
		rawURL = "http://" + rawURL
	}
	c, err := sioclient.New(rawURL, o)
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	return c, nil
}

// connectOnce makes one attempt.
func connectOnce(ctx context.Context, rawURL string, o *sioclient.Options) (*sioclient.Socket, error) {
	c, err := newClient(rawURL, o)
	if err != nil {
		return nil, err
	}
	if err := c.Connect(ctx); err != nil {
		_ = c.Close() // nothing was sent
		return nil, err
	}
	return c, nil
}

// pairs is a flag of names and values that may be repeated.
type pairs struct {
	separator string
	values    map[string][]string
}

func (p *pairs) String() string { return "" }

func (p *pairs) Set(s string) error {
	name, value, ok := strings.Cut(s, p.separator)
	if name = strings.TrimSpace(name); !ok || name == "" {
		return fmt.Errorf("expected name%svalue, got %q", p.separator, s)
	}
	if p.values == nil {
		p.values = make(map[string][]string)
	}
	p.values[name] = append(p.values[name], strings.TrimSpace(value))
	return nil
}

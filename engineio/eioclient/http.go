//go:build !js

package eioclient

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/siogo/sio/internal/websocket"
)

const (
	tlsTimeout = 10 * time.Second
	maxHeader  = 256 << 10 // bytes of an answer's header
	maxHops    = 10        // redirects of a handshake

	// idleTimeout is how long a connection may wait for another request.
	// Node.js closes connections after 5s; a POST that goes out at that moment
	// is lost, so be earlier.
	idleTimeout = 3 * time.Second
)

// An httpWire reaches a server with net/http. Its connections are its own, so
// that closing it closes them all.
type httpWire struct {
	cfg    *config
	client http.Client
	pool   *http.Transport

	mu     sync.Mutex
	base   url.URL // moved by redirects of the handshake
	conns  map[*conn]struct{}
	closed bool
	dials  context.Context // ends with the wire
	stop   context.CancelFunc
}

func newWire(cfg *config) (wire, error) {
	w := &httpWire{cfg: cfg, base: cfg.base, conns: make(map[*conn]struct{})}
	w.dials, w.stop = context.WithCancel(context.Background())
	w.pool = &http.Transport{
		Proxy:                  cfg.proxy,
		DialContext:            w.dial,
		TLSClientConfig:        cfg.tls.Clone(),
		TLSHandshakeTimeout:    tlsTimeout,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
	}
	w.client = http.Client{Transport: w.pool, Jar: cfg.jar, CheckRedirect: checkRedirect}
	if w.client.Jar == nil {
		w.client.Jar, _ = cookiejar.New(nil) // without options it does not fail
	}
	return w, nil
}

// A conn is a connection that the wire can close.
type conn struct {
	net.Conn
	w *httpWire
}

func (c *conn) Close() error {
	c.w.mu.Lock()
	delete(c.w.conns, c)
	c.w.mu.Unlock()
	return c.Conn.Close()
}

// dial makes a connection, for as long as the wire is open.
func (w *httpWire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.dials, cancel)()
	nc, err := w.cfg.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &conn{nc, w}
	w.mu.Lock()
	gone := w.closed
	if !gone {
		w.conns[c] = struct{}{}
	}
	w.mu.Unlock()
	if gone {
		nc.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

func (w *httpWire) close() {
	w.mu.Lock()
	w.closed = true
	conns := w.conns
	w.conns = nil
	w.mu.Unlock()
	w.stop()
	w.pool.CloseIdleConnections()
	for c := range conns {
		c.Conn.Close()
	}
}

// request implements [wire].
func (w *httpWire) request(ctx context.Context, r request) (answer, error) {
	req, err := w.newRequest(ctx, r.query)
	if err != nil {
		return answer{}, err
	}
	switch {
	case r.body != nil:
		req.Method = http.MethodPost
		req.ContentLength = int64(len(r.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.body)), nil }
		req.Body, _ = req.GetBody()
		req.Header.Set("Content-Type", typeText)
		if r.binary {
			req.Header.Set("Content-Type", typeBinary)
		}
	case !r.handshake:
		// net/http repeats a GET whose connection broke. A poll must not be:
		// the packets in the answer that got lost would be missing. It repeats
		// nothing that has a body it cannot rewind, be it an empty one.
		req.Body = io.NopCloser(strings.NewReader(""))
	}
	resp, err := w.do(w.client, req, r.handshake)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	contentType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	a := answer{
		status:   resp.StatusCode,
		binary:   strings.EqualFold(strings.TrimSpace(contentType), typeBinary),
		location: location(resp),
	}
	limit := w.cfg.MaxMessage
	if a.status != http.StatusOK {
		limit = maxExcerpt
	}
	buf := bytes.NewBuffer(r.into[:0])
	_, err = buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	a.body = buf.Bytes()
	switch {
	case a.status != http.StatusOK:
		return a, nil // the status matters, not whether its text arrived
	case err != nil:
		return a, err
	case int64(len(a.body)) > limit:
		return a, errMessageSize
	}
	return a, nil
}

// newRequest makes a GET.
func (w *httpWire) newRequest(ctx context.Context, query string) (*http.Request, error) {
	w.mu.Lock()
	u := w.base
	w.mu.Unlock()
	u.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, unwrapURL(err)
	}
	for k, v := range w.cfg.Header {
		k = http.CanonicalHeaderKey(k)
		req.Header[k] = append(req.Header[k], v...)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req, nil
}

// do sends a request and, for a handshake, makes the session's home where
// redirects led.
func (w *httpWire) do(client http.Client, req *http.Request, handshake bool) (*http.Response, error) {
	if !handshake {
		client.CheckRedirect = refuseRedirect
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, unwrapURL(err)
	}
	if handshake && resp.Request != req { // redirected
		home := *resp.Request.URL
		home.RawQuery, home.Fragment = "", ""
		w.mu.Lock()
		w.base = home
		w.mu.Unlock()
	}
	return resp, nil
}

// unwrapURL takes the URL out of an error: it has the session id in it.
func unwrapURL(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// checkRedirect follows what stays with the server: within the origin, and from
// http to https. Headers and cookies are for nobody else.
func checkRedirect(req *http.Request, via []*http.Request) error {
	from, to := via[len(via)-1].URL, req.URL
	same := from.Scheme == to.Scheme && strings.EqualFold(from.Host, to.Host)
	secured := from.Scheme == "http" && to.Scheme == "https" && from.Port() == "" && to.Port() == "" &&
		strings.EqualFold(from.Hostname(), to.Hostname())
	if !same && !secured || len(via) >= maxHops {
		return http.ErrUseLastResponse
	}
	to.User = from.User
	return nil
}

// location returns where a redirect leads, without what may be secret.
func location(resp *http.Response) string {
	if resp.StatusCode/100 != 3 {
		return ""
	}
	u, err := resp.Location()
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return excerpt([]byte(u.String()))
}

// websocket implements [wire].
func (w *httpWire) websocket(ctx context.Context, query string, handshake bool) (socket, error) {
	var nc net.Conn
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { nc = info.Conn },
	})
	req, err := w.newRequest(ctx, query)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, 16)
	rand.Read(nonce) // does not fail
	key := base64.StdEncoding.EncodeToString(nonce)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", key)
	req.Header.Del("Sec-WebSocket-Extensions")
	if w.cfg.deflate != nil {
		req.Header.Set("Sec-WebSocket-Extensions", websocket.DeflateOffer)
	}
	client := w.client
	if client.Transport, err = w.tunnel(req); err != nil {
		return nil, err
	}
	resp, err := w.do(client, req, handshake)
	if err != nil {
		return nil, err
	}
	deflate, err := w.checkUpgrade(resp, key)
	rwc, ok := resp.Body.(io.ReadWriteCloser)
	if err == nil && !ok {
		err = fmt.Errorf("the connection cannot be written to: net/http gave a %T", resp.Body)
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return newFrameSocket(w.cfg, rwc, nc, deflate), nil
}

// checkUpgrade checks the server's side of the opening handshake, RFC 6455
// section 4.1, and reports whether permessage-deflate was agreed on.
func (w *httpWire) checkUpgrade(resp *http.Response, key string) (deflate bool, err error) {
	h := resp.Header
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxExcerpt)) // what there is of it
		return false, newStatusError(resp.StatusCode, location(resp), body)
	case !headerHas(h, "Connection", "upgrade") || !headerHas(h, "Upgrade", "websocket"):
		return false, fmt.Errorf("expected an upgrade to websocket, got Connection %.40q, Upgrade %.40q", h.Get("Connection"), h.Get("Upgrade"))
	case h.Get("Sec-WebSocket-Accept") != websocket.AcceptKey(key):
		return false, errors.New("Sec-WebSocket-Accept does not answer our key")
	case h.Get("Sec-WebSocket-Protocol") != "":
		return false, fmt.Errorf("the server chose subprotocol %.40q, and none was offered", h.Get("Sec-WebSocket-Protocol"))
	}
	if w.cfg.deflate == nil && h.Get("Sec-WebSocket-Extensions") != "" {
		return false, fmt.Errorf("the server chose extensions %.40q, and none was offered", h.Get("Sec-WebSocket-Extensions"))
	}
	return websocket.AcceptDeflate(h["Sec-Websocket-Extensions"])
}

// headerHas reports whether a list of tokens in a header has one.
func headerHas(h http.Header, name, token string) bool {
	for _, v := range h.Values(name) {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// rawConn returns what is under TLS, whose Close would wait for a last word to
// be written.
func rawConn(nc net.Conn) net.Conn {
	if t, ok := nc.(*tls.Conn); ok {
		return t.NetConn()
	}
	return nc
}

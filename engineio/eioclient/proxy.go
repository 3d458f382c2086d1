//go:build !js

package eioclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// tunnel returns the transport for a WebSocket. net/http speaks CONNECT with a
// proxy for https only; a proxy that is asked for an http URL would take the
// request for one to answer itself, and most cannot upgrade.
func (w *httpWire) tunnel(req *http.Request) (http.RoundTripper, error) {
	if req.URL.Scheme != "http" {
		return w.pool, nil
	}
	proxy, err := w.cfg.proxy(req)
	if err != nil || proxy == nil || proxy.Scheme != "http" && proxy.Scheme != "https" {
		return w.pool, err
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return w.dialThrough(ctx, proxy, network, addr)
		},
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxHeader,
	}, nil
}

// dialThrough makes a connection through an HTTP proxy.
func (w *httpWire) dialThrough(ctx context.Context, proxy *url.URL, network, addr string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, fmt.Errorf("proxy %s: %w", proxy.Host, err)
	}
	port := proxy.Port()
	switch {
	case port != "":
	case proxy.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	nc, err := w.dial(ctx, network, net.JoinHostPort(proxy.Hostname(), port))
	if err != nil {
		return fail(err)
	}
	cut := context.AfterFunc(ctx, func() { nc.Close() })
	c := nc
	if proxy.Scheme == "https" {
		cfg := w.cfg.tls.Clone()
		if cfg == nil {
			cfg = &tls.Config{}
		}
		if cfg.ServerName == "" {
			cfg.ServerName = proxy.Hostname()
		}
		cfg.NextProtos = nil
		c = tls.Client(nc, cfg)
	}
	err = requestTunnel(c, proxy, addr)
	if !cut() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		nc.Close()
		return fail(err)
	}
	return c, nil
}

// requestTunnel asks a proxy for a tunnel.
func requestTunnel(c net.Conn, proxy *url.URL, addr string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := req.Write(c); err != nil {
		return err
	}
	// Nothing follows the answer before we have spoken, so the reader can be
	// dropped with what it has buffered.
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 4<<10), req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return newStatusError(resp.StatusCode, "", nil)
	}
	return nil
}

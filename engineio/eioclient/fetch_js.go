package eioclient

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"syscall/js"
)

// A browserWire reaches a server with the browser's fetch and WebSocket. What
// calls back from the browser runs on a goroutine that must not wait, since the
// browser waits for it.
type browserWire struct {
	cfg      *config
	ctx      context.Context // ends with the wire, or when the browser goes offline
	cut      context.CancelCauseFunc
	offline  js.Func
	listener bool // offline is an event listener

	mu   sync.Mutex
	base url.URL // moved by redirects of the handshake
}

func newWire(cfg *config) (wire, error) {
	w := &browserWire{cfg: cfg, base: cfg.base}
	w.base.User = nil // which neither fetch nor WebSocket take
	w.ctx, w.cut = context.WithCancelCause(context.Background())
	w.offline = js.FuncOf(func(js.Value, []js.Value) any {
		w.cut(errOffline)
		return nil
	})
	host := w.base.Hostname()
	if host != "localhost" && host != "127.0.0.1" && host != "::1" && js.Global().Get("addEventListener").Type() == js.TypeFunction {
		js.Global().Call("addEventListener", "offline", w.offline)
		w.listener = true
	}
	return w, nil
}

func (w *browserWire) close() {
	w.cut(context.Canceled)
	if w.listener {
		js.Global().Call("removeEventListener", "offline", w.offline)
	}
	w.offline.Release()
}

func (w *browserWire) url(query string) url.URL {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.base
	u.RawQuery = query
	return u
}

// request implements [wire].
func (w *browserWire) request(ctx context.Context, r request) (a answer, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(w.ctx, func() { cancel(context.Cause(w.ctx)) })()
	defer catch(&err)

	abort := js.Global().Get("AbortController").New()
	init := map[string]any{
		"method":      "GET",
		"headers":     w.headers(r),
		"credentials": w.cfg.credentials,
		"cache":       "no-store",
		"redirect":    "error",
		"signal":      abort.Get("signal"),
	}
	if r.handshake {
		init["redirect"] = "follow"
	}
	if r.body != nil {
		init["method"] = "POST"
		body := js.Global().Get("Uint8Array").New(len(r.body))
		js.CopyBytesToJS(body, r.body)
		init["body"] = body
	}
	u := w.url(r.query)
	resp, err := await(ctx, abort, js.Global().Call("fetch", u.String(), init))
	if err != nil {
		return answer{}, err
	}
	a.status = resp.Get("status").Int()
	contentType, _, _ := strings.Cut(resp.Get("headers").Call("get", "Content-Type").String(), ";")
	a.binary = strings.EqualFold(strings.TrimSpace(contentType), typeBinary)
	if resp.Get("redirected").Truthy() && a.status == 200 {
		w.move(resp.Get("url").String())
	}
	limit := w.cfg.MaxMessage
	if a.status != 200 {
		limit = maxExcerpt
	}
	a.body, err = readBody(ctx, abort, resp.Get("body"), r.into, limit)
	if a.status != 200 {
		a.body, err = a.body[:min(len(a.body), maxExcerpt)], nil // the status matters, not whether its text arrived
	}
	return a, err
}

func (w *browserWire) headers(r request) map[string]any {
	h := make(map[string]any)
	if u := w.cfg.base.User; u != nil {
		password, _ := u.Password()
		h["Authorization"] = "Basic " + js.Global().Call("btoa", u.Username()+":"+password).String()
	}
	for k, v := range w.cfg.Header {
		h[k] = strings.Join(v, ", ")
	}
	if r.body != nil {
		h["Content-Type"] = typeText
		if r.binary {
			h["Content-Type"] = typeBinary
		}
	}
	return h
}

// move makes the session's home where redirects led.
func (w *browserWire) move(to string) {
	u, err := url.Parse(to)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.base = url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
}

// readBody reads a stream of bytes to its end, or over the limit.
func readBody(ctx context.Context, abort, stream js.Value, into []byte, limit int64) ([]byte, error) {
	body := into[:0]
	if stream.IsNull() {
		return body, nil
	}
	reader := stream.Call("getReader")
	for {
		chunk, err := await(ctx, abort, reader.Call("read"))
		if err != nil || chunk.Get("done").Bool() {
			return body, err
		}
		value := chunk.Get("value")
		if n := value.Length(); int64(len(body)+n) > limit {
			abort.Call("abort")
			return body, errMessageSize
		}
		body = append(body, bytesOf(value)...)
	}
}

// await waits for a promise. When ctx ends it aborts what the promise is about.
func await(ctx context.Context, abort, promise js.Value) (js.Value, error) {
	type result struct {
		value js.Value
		err   error
	}
	settled := make(chan result, 1)
	fulfilled := js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- result{value: args[0]}
		return nil
	})
	defer fulfilled.Release()
	rejected := js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- result{err: errors.New(excerpt([]byte(js.Global().Call("String", args[0]).String())))}
		return nil
	})
	defer rejected.Release()
	promise.Call("then", fulfilled, rejected)
	select {
	case r := <-settled:
		return r.value, r.err
	case <-ctx.Done():
		abort.Call("abort")
		<-settled // it is, now; the functions may be released
		return js.Value{}, context.Cause(ctx)
	}
}

// bytesOf copies a Uint8Array.
func bytesOf(array js.Value) []byte {
	b := make([]byte, array.Length())
	js.CopyBytesToGo(b, array)
	return b
}

// catch turns an exception of JavaScript into an error.
func catch(err *error) {
	switch e := recover().(type) {
	case nil:
	case js.Error:
		*err = fmt.Errorf("the browser: %s", excerpt([]byte(e.Error())))
	default:
		panic(e)
	}
}

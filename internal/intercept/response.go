package intercept

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/textproto"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// answer has a request answered by the handler. The request is the caller's: it
// is copied.
func (l *Listener) answer(nc *net.TCPConn, r *http.Request, early []byte) {
	r.RemoteAddr = nc.RemoteAddr().String()
	ctx, cancel := context.WithCancel(l.bases.of(nc.LocalAddr()))
	defer cancel()
	w := &Response{nc: nc, early: early, length: -1}
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			stack := make([]byte, 64<<10)
			log.Printf("http: panic serving %v: %v\n%s", r.RemoteAddr, v, stack[:runtime.Stack(stack, false)])
		}
		if !w.hijacked {
			nc.Close()
		}
	}()
	l.cfg.Handler.ServeHTTP(w, r.WithContext(ctx))
	if !w.hijacked {
		w.finish()
	}
}

// A Base is the context of requests that are answered here: never cancelled,
// with the value of [http.LocalAddrContextKey]. Requests that came to the same
// address share one.
type Base struct {
	context.Context
	local net.Addr
}

// Value implements [context.Context].
func (b *Base) Value(key any) any {
	if key == http.LocalAddrContextKey {
		return b.local
	}
	return nil
}

// bases makes a Base for each address, and keeps the last.
type bases struct{ last atomic.Pointer[Base] }

func (bs *bases) of(local net.Addr) *Base {
	if b := bs.last.Load(); b != nil && sameAddr(b.local, local) {
		return b
	}
	b := &Base{context.Background(), local}
	bs.last.Store(b)
	return b
}

func sameAddr(a, b net.Addr) bool {
	x, _ := a.(*net.TCPAddr)
	y, _ := b.(*net.TCPAddr)
	return x != nil && y != nil && x.Port == y.Port && x.Zone == y.Zone && x.IP.Equal(y.IP)
}

// A Response is the http.ResponseWriter of a request that is answered here. It
// answers as that of an [http.Server] would if the request had asked for the
// connection to be closed, which it always is, unless it is taken over. There
// are no trailers, and framing is not the handler's to choose.
//
// Like the others, it is for one goroutine.
type Response struct {
	nc        *net.TCPConn
	early     []byte // read beyond the request
	deadlines bool   // some are set
	bounded   bool   // so is that of writing, or the handler wants none
	hijacked  bool

	header  http.Header
	sent    http.Header // what the head consists of, from WriteHeader on
	status  int         // 0 until WriteHeader
	length  int64       // as the handler declared it; -1: it has not
	written int64
	body    *bufio.Writer // in front of part: what fits into it is sent with Content-Length
	out     *bufio.Writer // to the connection
	done    bool          // the handler has returned
	begun   bool          // the head is in out
	chunked bool
}

// Sizes of the buffers, and so where an answer is cut into chunks.
const (
	bodyBuffer = 2 << 10
	outBuffer  = 4 << 10
)

// Bounds of what a client can make us wait for.
const (
	writeTimeout = 20 * time.Second       // to take the answer, unless the handler sets a deadline for that
	linger       = 500 * time.Millisecond // to close the connection then
	lingerBytes  = 64 << 10               // sent by it meanwhile
)

// Take gives the connection to the caller, with what was read of it beyond the
// request. It is Hijack without the buffers.
func (w *Response) Take() (nc *net.TCPConn, early []byte, err error) {
	if w.hijacked {
		return nil, nil, http.ErrHijacked
	}
	if w.status != 0 {
		return nil, nil, errAnswered
	}
	w.hijacked = true
	if w.deadlines {
		w.nc.SetDeadline(time.Time{})
	}
	return w.nc, w.early, nil
}

var errAnswered = errors.New("intercept: the connection cannot be taken over, since it is being answered")

// Hijack implements [http.Hijacker].
func (w *Response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, early, err := w.Take()
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(early), nc))
	r.Peek(len(early)) // so that it has them buffered
	return nc, bufio.NewReadWriter(r, bufio.NewWriter(nc)), nil
}

// SetReadDeadline is for [http.ResponseController].
func (w *Response) SetReadDeadline(t time.Time) error {
	w.deadlines = true
	return w.nc.SetReadDeadline(t)
}

// SetWriteDeadline is for [http.ResponseController].
func (w *Response) SetWriteDeadline(t time.Time) error {
	w.deadlines, w.bounded = true, true
	return w.nc.SetWriteDeadline(t)
}

// EnableFullDuplex is for [http.ResponseController]. There is no body that could
// be read meanwhile.
func (w *Response) EnableFullDuplex() error { return nil }

// Header implements [http.ResponseWriter].
func (w *Response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// WriteHeader implements [http.ResponseWriter].
func (w *Response) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case w.hijacked:
		log.Print("http: response.WriteHeader on hijacked connection")
		return
	case w.status != 0:
		log.Print("http: superfluous response.WriteHeader call")
		return
	case status < 200 && status != http.StatusSwitchingProtocols: // informational: another one follows
		out := w.writer()
		writeStatus(out, status)
		w.header.WriteSubset(out, framing)
		out.WriteString("\r\n")
		out.Flush()
		return
	}
	w.status, w.sent = status, w.header.Clone()
	if v := w.sent.Get("Content-Length"); v != "" {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
			w.length = n
		} else {
			log.Printf("http: invalid Content-Length of %q", v)
			w.sent.Del("Content-Length")
		}
	}
}

// framing are the headers that say where an answer ends.
var framing = map[string]bool{"Content-Length": true, "Transfer-Encoding": true}

// Write implements [http.ResponseWriter].
func (w *Response) Write(p []byte) (int, error) {
	if err := w.admit(len(p)); err != nil || len(p) == 0 {
		return 0, err
	}
	return w.body.Write(p)
}

// WriteString implements [io.StringWriter].
func (w *Response) WriteString(s string) (int, error) {
	if err := w.admit(len(s)); err != nil || len(s) == 0 {
		return 0, err
	}
	return w.body.WriteString(s)
}

// admit prepares for n bytes of the body.
func (w *Response) admit(n int) error {
	if w.hijacked {
		return http.ErrHijacked
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if n == 0 {
		return nil
	}
	if !hasBody(w.status) {
		return http.ErrBodyNotAllowed
	}
	w.written += int64(n)
	if w.length >= 0 && w.written > w.length {
		return http.ErrContentLength
	}
	if w.body == nil {
		w.body = bufio.NewWriterSize(part{w}, bodyBuffer)
	}
	return nil
}

// FlushError is for [http.ResponseController].
func (w *Response) FlushError() error {
	if err := w.admit(0); err != nil {
		return err
	}
	if w.body != nil {
		if err := w.body.Flush(); err != nil {
			return err
		}
	}
	w.writeHead(nil)
	return w.out.Flush()
}

// Flush implements [http.Flusher].
func (w *Response) Flush() { w.FlushError() }

// A part takes the body in the parts in which it is sent.
type part struct{ w *Response }

func (p part) Write(b []byte) (int, error) {
	p.w.writeHead(b)
	out := p.w.out
	if !p.w.chunked {
		return out.Write(b)
	}
	fmt.Fprintf(out, "%x\r\n", len(b))
	n, err := out.Write(b)
	out.WriteString("\r\n")
	return n, err
}

// writeHead writes the head of the answer, if that has not been done. The body
// begins with p.
func (w *Response) writeHead(p []byte) {
	if w.begun {
		return
	}
	w.begun = true
	h := w.sent
	if h == nil {
		h = make(http.Header)
	}
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			delete(h, name)
		}
	}
	delete(h, "Trailer")
	delete(h, "Transfer-Encoding")
	if hasBody(w.status) {
		if _, declared := h["Content-Length"]; w.done && !declared {
			w.length = int64(len(p))
			h.Set("Content-Length", strconv.Itoa(len(p)))
		}
		if w.chunked = w.length < 0; w.chunked {
			delete(h, "Content-Length")
			h.Set("Transfer-Encoding", "chunked")
		}
		if _, typed := h["Content-Type"]; !typed && len(p) > 0 && h.Get("Content-Encoding") == "" {
			h.Set("Content-Type", http.DetectContentType(p))
		}
	} else {
		delete(h, "Content-Length")
		if w.status == http.StatusNotModified {
			delete(h, "Content-Type")
		}
	}
	if _, dated := h["Date"]; !dated {
		h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	if !hasOption(h.Get("Connection"), "close") {
		h.Set("Connection", "close")
	}
	out := w.writer()
	writeStatus(out, w.status)
	h.Write(out) // errors stay in out until it is flushed
	out.WriteString("\r\n")
}

// finish sends what is left of the answer, and closes the connection so that
// the client gets all of it: bytes that nobody read would make the system reset
// it.
func (w *Response) finish() {
	w.done = true
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.body != nil {
		w.body.Flush()
	}
	w.writeHead(nil)
	if w.chunked {
		w.out.WriteString("0\r\n\r\n")
	}
	if w.out.Flush() == nil && w.nc.CloseWrite() == nil {
		w.nc.SetReadDeadline(time.Now().Add(linger))
		io.CopyN(io.Discard, w.nc, lingerBytes)
	}
}

func writeStatus(out *bufio.Writer, status int) {
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	fmt.Fprintf(out, "HTTP/1.1 %03d %s\r\n", status, text)
}

// hasBody reports whether an answer with this status has a body.
func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// hasOption reports whether a list contains a token, in any case.
func hasOption(list, option string) bool {
	for o := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(textproto.TrimString(o), option) {
			return true
		}
	}
	return false
}

// writer returns the writer of the connection.
func (w *Response) writer() *bufio.Writer {
	if w.out == nil {
		w.out = bufio.NewWriterSize(w.nc, outBuffer)
		if !w.bounded {
			w.SetWriteDeadline(time.Now().Add(writeTimeout))
		}
	}
	return w.out
}

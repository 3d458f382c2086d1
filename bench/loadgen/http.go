//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// An httpConn is one keep-alive connection to the server, with one request on
// it at a time.
type httpConn struct {
	*sock
	in       []byte // of an answer that is not whole yet
	busy     bool
	opened   func()
	answered func(body []byte) error // body is valid only during the call
	failed   func(err error)
}

// dialHTTP begins a connection. All three functions are called from the loop;
// failed is told of every end that giveUp did not ask for.
func dialHTTP(l *loop, opened func(), answered func(body []byte) error, failed func(error)) (*httpConn, error) {
	h := &httpConn{opened: opened, answered: answered, failed: failed}
	s, err := l.dial(h)
	h.sock = s
	return h, err
}

func (h *httpConn) onOpen() { h.opened() }

func (h *httpConn) onEOF(err error) {
	if h.failed == nil {
		return
	}
	if err == nil {
		err = errors.New("HTTP connection closed by the server")
	}
	h.failed(err)
}

func (h *httpConn) giveUp() {
	h.failed = nil
	h.close(nil)
}

func (h *httpConn) get(query string) {
	h.busy = true
	b := append(make([]byte, 0, 160), "GET /socket.io/?EIO=4&transport=polling"...)
	h.write(append(append(b, query...), " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"...))
}

func (h *httpConn) post(query, body string) {
	h.busy = true
	b := append(make([]byte, 0, 320), "POST /socket.io/?EIO=4&transport=polling"...)
	b = append(append(b, query...), " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	h.write(append(append(b, "\r\n\r\n"...), body...))
}

func (h *httpConn) onData(b []byte) {
	if len(h.in) > 0 {
		h.in = append(h.in, b...)
		b = h.in
	}
	for !h.dead {
		status, body, n, err := response(b)
		switch {
		case err != nil:
		case n == 0:
			h.in = keep(h.in, b)
			return
		case !h.busy:
			err = errors.New("an HTTP answer without a request")
		case status != 200:
			err = fmt.Errorf("HTTP status %d: %.80q", status, body)
		default:
			b, h.busy = b[n:], false
			err = h.answered(body)
		}
		if err != nil {
			h.close(err)
			return
		}
	}
}

// keep stores rest, which may be a tail of old, as the bytes to go on with.
func keep(old, rest []byte) []byte {
	if len(rest) == 0 {
		return nil
	}
	return append(old[:0], rest...)
}

// response cuts the first whole HTTP answer off b. n is its length, 0 when b
// holds no whole answer. body aliases b unless it came in chunks.
func response(b []byte) (status int, body []byte, n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil, 0, nil
	}
	head := b[:end+2]
	if len(head) < 12 || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return 0, nil, 0, fmt.Errorf("expected an HTTP answer, got %.40q", head)
	}
	if status, err = strconv.Atoi(string(head[9:12])); err != nil {
		return 0, nil, 0, fmt.Errorf("expected an HTTP status, got %.40q", head)
	}
	end += 4
	if value, ok := header(head, "\r\ncontent-length: "); ok {
		size, err := strconv.Atoi(value)
		if err != nil || size < 0 {
			return 0, nil, 0, fmt.Errorf("content-length is %q", value)
		}
		if len(b) < end+size {
			return 0, nil, 0, nil
		}
		return status, b[end : end+size], end + size, nil
	}
	if value, _ := header(head, "\r\ntransfer-encoding: "); value == "chunked" {
		body, n, err = chunks(b, end)
		return status, body, n, err
	}
	return status, nil, end, nil
}

// chunks joins the chunks that begin at b[at:]; n is where they end, 0 when
// they are not all there.
func chunks(b []byte, at int) (body []byte, n int, err error) {
	for {
		i := bytes.Index(b[at:], []byte("\r\n"))
		if i < 0 {
			return nil, 0, nil
		}
		size, err := strconv.ParseUint(string(b[at:at+i]), 16, 31)
		if err != nil {
			return nil, 0, fmt.Errorf("expected the size of a chunk, got %.20q", b[at:at+i])
		}
		at += i + 2
		if len(b) < at+int(size)+2 {
			return nil, 0, nil
		}
		body = append(body, b[at:at+int(size)]...)
		at += int(size) + 2
		if size == 0 {
			return body, at, nil
		}
	}
}

// header finds a header by its lower-case key, written with the line end before it.
func header(head []byte, key string) (value string, ok bool) {
	for i := 0; i+len(key) < len(head); i++ {
		if head[i] == '\r' && bytes.EqualFold(head[i:i+len(key)], []byte(key)) {
			rest := head[i+len(key):]
			return string(rest[:bytes.IndexByte(rest, '\r')]), true
		}
	}
	return "", false
}

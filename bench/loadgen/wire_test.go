//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestClientFrame(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte{'x'}, size)
		frame := clientFrame(opText, payload)
		if frame[0] != 0x81 || frame[1]&0x80 == 0 {
			t.Errorf("%d bytes: the frame begins with % x", size, frame[:2])
		}
		// Without the mask it is what a server would send.
		plain := bytes.Clone(frame[:len(frame)-size-4])
		plain[1] &= 0x7f
		mask := frame[len(frame)-size-4:][:4]
		for i, c := range frame[len(frame)-size:] {
			plain = append(plain, c^mask[i&3])
		}
		fin, op, got, n := serverFrame(plain)
		if !fin || op != opText || n != len(plain) || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes come back as %v, %d, %d bytes of %d", size, fin, op, len(got), n)
		}
	}
}

func TestServerFrame(t *testing.T) {
	for _, c := range []struct {
		name, wire string
		fin        bool
		op         byte
		payload    string
		n          int
	}{
		{"text and the beginning of another", "\x81\x02hi\x81", true, opText, "hi", 4},
		{"the first of several", "\x02\x01a", false, opBinary, "a", 3},
		{"continuation", "\x80\x01b", true, 0, "b", 3},
		{"16 bit length", "\x81\x7e\x00\x01a", true, opText, "a", 5},
		{"64 bit length", "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x01a", true, opText, "a", 11},
		{"a length beyond all memory", "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", false, 0, "", 0},
	} {
		fin, op, payload, n := serverFrame([]byte(c.wire))
		if fin != c.fin || op != c.op || string(payload) != c.payload || n != c.n {
			t.Errorf("%s: %v, %d, %q, %d", c.name, fin, op, payload, n)
		}
		for i := range c.n {
			if _, _, _, n := serverFrame([]byte(c.wire[:i])); n != 0 {
				t.Errorf("%s: the first %d bytes are taken for a frame", c.name, i)
			}
		}
	}
}

func TestResponse(t *testing.T) {
	for _, c := range []struct{ name, wire, body, rest string }{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP", "ok", "HTTP"},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", ""},
		{"no body", "HTTP/1.1 200 OK\r\nDate: now\r\n\r\n", "", ""},
	} {
		status, body, n, err := response([]byte(c.wire))
		if err != nil || status != 200 || string(body) != c.body || c.wire[n:] != c.rest {
			t.Errorf("%s: %d, %q, %d, %v", c.name, status, body, n, err)
		}
		for i := range len(c.wire) - len(c.rest) {
			if _, _, n, err := response([]byte(c.wire[:i])); n != 0 || err != nil {
				t.Errorf("%s: the first %d bytes are taken for an answer (%v)", c.name, i, err)
			}
		}
	}
	for _, wire := range []string{
		"SSH-2.0-something\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	} {
		if _, _, _, err := response([]byte(wire)); err == nil {
			t.Errorf("%q is no error", wire)
		}
	}
}

func TestAckID(t *testing.T) {
	for packet, want := range map[string]string{
		`312["a"]`: `12 ["a"] true`, `30[]`: `0 [] true`, `3[]`: `0 [] false`, `2["a"]`: `0  false`, ``: `0  false`, `3`: `0  false`,
	} {
		id, args, ok := ackID([]byte(packet))
		if got := strings.TrimSpace(fmt.Sprintf("%d %s %v", id, args, ok)); got != want {
			t.Errorf("%q is %q, want %q", packet, got, want)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if h.quantile(.5) != 0 {
		t.Error("the median of nothing is not 0")
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{.5: 500 * time.Microsecond, .99: 990 * time.Microsecond, 1: time.Millisecond} {
		if got := h.quantile(q); got < want*97/100 || got > want*103/100 {
			t.Errorf("quantile %v is %v, want %v within 3 %%", q, got, want)
		}
	}
	for _, v := range []uint64{0, 1, 31, 32, 33, 1e3, 1e6, 1e9, 1e12, 1 << 62} {
		if got := middleOf(stepOf(v)); got < v-v/32 || got > v+v/32 {
			t.Errorf("%d is kept as %d", v, got)
		}
	}
}

func TestLoopbackOnly(t *testing.T) {
	if ip, port, err := loopback("127.0.0.7:80"); err != nil || ip != [4]byte{127, 0, 0, 7} || port != 80 {
		t.Errorf("127.0.0.7:80 is %v, %d, %v", ip, port, err)
	}
	for _, addr := range []string{"192.0.2.1:80", "0.0.0.0:80", "nowhere"} {
		if _, _, err := loopback(addr); err == nil {
			t.Errorf("%s is accepted", addr)
		}
	}
}

func TestReport(t *testing.T) {
	var r report
	r.set("b", "x\"y")
	r.set("a", 1.23456789)
	r.set("n", int64(123456789))
	if got, err := r.json(); err != nil || got != `{"b":"x\"y","a":1.2346,"n":123456789}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestProcess(t *testing.T) {
	pid := os.Getpid()
	u := readUsage(pid)
	for time.Since(u.at) < 30*time.Millisecond {
	}
	if _, cpu, _ := readUsage(pid).since(u); cpu <= 0 {
		t.Errorf("%v of CPU were used by a busy loop", cpu)
	}
	if m := readMemory(pid); m.rss == 0 || m.anon == 0 {
		t.Errorf("memory is %+v", m)
	}
	if n := descriptors(pid); n < 3 {
		t.Errorf("%d descriptors are open", n)
	}
	if n := descriptors(-1); n != -1 {
		t.Errorf("a process that does not exist has %d descriptors", n)
	}
}

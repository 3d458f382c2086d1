package redisadapter

import (
	"strings"
	"testing"
)

func TestPositions(t *testing.T) {
	for _, text := range []string{"1700000000123-0", "1700000000123-18446744073709551615", "0-0~9f86d081884c7d65.42", "5-1~a.1~b.2"} {
		p, ok := parsePosition(text)
		if !ok || p.String() != text {
			t.Errorf("%q is read as %v, %v", text, p, ok)
		}
	}
	for _, text := range []string{"", "hello", "1", "1-", "-1", "+1-0", "1-0x", "1-0~", "1-0~a", "1-0~.1", "1-0~a.", "1-0~a.x", "1-0~a.-1", "1-0~a.1~", "99999999999999999999999-0",
		"1-0~a.1~b.1~c.1~d.1~e.1", "1-0~" + strings.Repeat("x", 300) + ".1", "1-0 ", "１-0"} {
		if p, ok := parsePosition(text); ok {
			t.Errorf("%q is read as %v", text, p)
		}
	}
	p, _ := parsePosition("5-1~a.7~b.2")
	if !p.has("a", 7) || p.has("a", 8) || p.has("c", 1) || p.has("a", 0) {
		t.Errorf("%v has the wrong messages", p)
	}
	if got := p.pass(streamID{6, 0}, "a", 6).String(); got != "6-0~a.7~b.2" {
		t.Errorf("behind message 6 of a: %s", got)
	}
	if got := p.pass(streamID{6, 0}, "a", 7).String(); got != "6-0~b.2" {
		t.Errorf("behind message 7 of a: %s", got)
	}
	if got := (streamID{5, 1<<64 - 1}).next(); got != (streamID{6, 0}) {
		t.Errorf("behind the last id of a millisecond: %v", got)
	}
}

// The reference hashes the name as Java does. Where the remainder is negative it
// names a stream that nobody reads.
func TestStreamOfANamespace(t *testing.T) {
	o := (&StreamsOptions{Streams: 3}).withDefaults()
	for namespace, want := range map[string]string{"/": "socket.io-2", "/a": "socket.io-0", "/chat": "socket.io-1", "/notifications": "socket.io-1"} {
		if got := o.streamOf(namespace); got != want {
			t.Errorf("%s is in %s, want %s", namespace, got, want)
		}
	}
	o = (*StreamsOptions)(nil).withDefaults()
	if got := o.streamOf("/notifications"); got != "socket.io" {
		t.Errorf("the only stream is %s", got)
	}
}

func FuzzPosition(f *testing.F) {
	for _, text := range []string{"1700000000123-0", "0-0~9f86d081884c7d65.42", "5-1~a.1~b.2", "1-0~"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := parsePosition(text)
		if !ok {
			return
		}
		if again, ok := parsePosition(p.String()); !ok || again.String() != p.String() {
			t.Fatalf("%q is read as %v, and that as %v, %v", text, p, again, ok)
		}
	})
}

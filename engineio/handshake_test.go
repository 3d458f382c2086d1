package engineio

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// What is kept of the headers is what was sent, whatever it looks like.
func TestHeadersAreKept(t *testing.T) {
	if len(usual) > ' ' {
		t.Fatalf("%d usual headers do not fit into the control characters", len(usual))
	}
	h := http.Header{
		"User-Agent":   {"Mozilla/5.0"},
		"Accept":       {"*/*", "text/html"},
		"Upgrade":      {"websocket", "WebSocket", ""},
		"Cookie":       {"a=b; c=d", "e=f"},
		"X-Own":        {"value: with colons", "", "\tand a tab"},
		"é":            {"not ASCII"},
		"\x01Odd":      {"a name that begins like a mark"},
		"":             {"no name"},
		"Content-Type": {"\x03"},
	}
	for _, u := range usual[1:] {
		if u.name != "\n" && h[u.name] == nil {
			h[u.name] = []string{u.value, u.value + "x"}
		}
	}
	packed := string(packHeader(nil, h))
	if got := unpackHeader(packed); !reflect.DeepEqual(got, h) {
		t.Errorf("got %q, want %q", got, h)
	}
	if n, plain := len(packed), headerSize(h); n >= plain {
		t.Errorf("%d bytes packed, %d plain", n, plain)
	}
	if strings.Contains(packed, "User-Agent") {
		t.Error("the name of a usual header was kept")
	}
}

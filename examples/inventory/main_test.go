package main

import (
	"bufio"
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestInventory(t *testing.T) {
	srv := newService()
	hs := httptest.NewServer(srv)
	defer hs.Close()
	defer srv.Close()

	ctx, cancel := context.WithCancel(t.Context())
	watched, screen := io.Pipe()
	watching := make(chan error, 1)
	go func() { watching <- ask(ctx, hs.URL, screen, "watch", nil); screen.Close() }() // ends with ctx
	for srv.Adapter().Len() == 0 {                                                     // until it is there
		time.Sleep(time.Millisecond)
	}
	run := func(line string) (string, error) {
		var out strings.Builder
		args := strings.Fields(line)
		err := ask(t.Context(), hs.URL, &out, args[0], args[1:])
		return strings.TrimSpace(out.String()), err
	}
	lines := bufio.NewScanner(watched)
	for _, tt := range []struct{ line, out, err, change string }{
		{"list", "", "", ""},
		{"adjust tea 12", "12 tea", "", "12 tea"},
		{"adjust coffee 3", "3 coffee", "", "3 coffee"},
		{"adjust tea -- -2", "10 tea", "", "10 tea"},
		{"adjust tea -8", "that is more than half of all tea\n2 tea", "", "2 tea"},
		{"adjust tea -8", "", "only 2 of tea are left", ""},
		{"list", "3 coffee\n2 tea", "", ""},
		{"adjust tea", "", "expected adjust", ""},
		{"adjust tea many", "", "invalid syntax", ""},
	} {
		out, err := run(tt.line)
		if out != tt.out || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %q, %v; expected %q, %q", tt.line, out, err, tt.out, tt.err)
		}
		if tt.change != "" && (!lines.Scan() || lines.Text() != tt.change) {
			t.Errorf("%s: watched %q, expected %q", tt.line, lines.Text(), tt.change)
		}
	}
	cancel()
	if err := <-watching; err != nil {
		t.Error(err)
	}
}

//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	// So that a cached result is none when the server has changed.
	_ "github.com/siogo/sio/socketio"
)

// TestShort runs everything that this program can do, with small counts. The
// load generator fails when an answer is wrong or missing, or when there is one
// too many; what the figures are does not matter here.
func TestShort(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	bin := t.TempDir()
	if err := build(ctx, bin); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"cases": {"memory of an idle connection", "handshake", "through net/http", "16 in flight", "1 KiB binary", "per delivery", "long-polling", "with duties", "leave"},
		"scale": {"over WebSocket", "over long-polling", "upgraded", "Rooms", "Namespaces"},
		"tail":  {"Echo and joins", "A room of 5,000 with 16 KB", "A room of 5,000 with 40 KB", "longest call of Socket.Join"},
		"churn": {"came and went", "goroutines"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			record := filepath.Join(t.TempDir(), "record.jsonl")
			args := []string{name, "-short", "-reps", "1", "-bin", bin, "-record", record}
			if err := run(ctx, args, &out, io.Discard); err != nil {
				t.Fatal(err)
			}
			t.Log(out.String())
			for _, w := range want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("the tables do not have %q", w)
				}
			}
			if lines, err := os.ReadFile(record); err != nil || len(lines) == 0 {
				t.Errorf("the record holds %q, %v", lines, err)
			}
		})
	}
}

func TestWrongArguments(t *testing.T) {
	for args, want := range map[string]string{
		"":                             `expected cases, scale, tail or churn, got ""`,
		"cases -reps 0":                "-reps is 0",
		"cases -bin /nowhere -cases x": `there is no case "x"`,
		"scale -bin /nowhere -cases x": `there is no curve "x"`,
		"tail -bin /nowhere -cases x":  `there is no case "x"`,
	} {
		err := run(t.Context(), strings.Fields(args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("suite %s: %v, want %q", args, err, want)
		}
	}
}

// TestNothingStaysBehind: a run that fails ends the server that it started.
func TestNothingStaysBehind(t *testing.T) {
	ctx := t.Context()
	bin := t.TempDir()
	if err := build(ctx, bin); err != nil {
		t.Fatal(err)
	}
	s := &suite{bin: bin, out: io.Discard, progress: io.Discard, record: io.Discard}
	p, err := start(ctx, s.sio())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.load(ctx, p, "-mode juggle"); err == nil || !strings.Contains(err.Error(), `there is no mode "juggle"`) {
		t.Errorf("an unknown mode: %v", err)
	}
	p.stop()
	if _, err := p.stats(ctx); err == nil {
		t.Error("the server still answers after it was stopped")
	}
	if _, err := start(ctx, server{"no server", []string{"true"}}); !errors.Is(err, errEnded) {
		t.Errorf("a server that ends at once: %v", err)
	}
}

// TestStalledThatAreClosed: a run fails when others were closed than those who
// have overflowed, or not all of them.
func TestStalledThatAreClosed(t *testing.T) {
	s := new(suite)
	overflow, stalled := s.tailLoads().overflow, s.tailLoads().stalled
	for _, c := range []struct {
		load                   string
		before, after, stalled float64
		want                   string
	}{
		{overflow, 0, 50, 50, ""},
		{overflow, 0, 49, 50, "49 of 50 clients"},
		{overflow, 0, 0, 50, "0 of 50 clients"},
		{overflow, 0, 51, 50, "51 clients were closed"},
		{overflow, 1, 50, 50, "before the measurement"},
		{stalled, 0, 0, 50, ""},
		{stalled, 0, 7, 50, ""},
		{stalled, 0, 51, 50, "51 clients were closed"},
		{s.tailLoads().readers, 0, 0, 0, ""},
		{s.tailLoads().readers, 0, 1, 0, "1 clients were closed"},
	} {
		err := s.checkClosed(c.load, c.before, c.after, c.stalled)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v closed before, %v after, of %v: %v, want %q", c.before, c.after, c.stalled, err, c.want)
		}
	}
}

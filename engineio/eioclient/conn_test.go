//go:build !js

package eioclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioparser"
)

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

func revision(n int) eioparser.Revision { return eioparser.Revision(n) }

var sample = []Message{
	Text(""),
	Text("hello"),
	Text("ünï ☃ 𝒳 👩‍👩‍👧"),
	Text("\u00001:2"),
	Text("b"),
	Binary([]byte{}),
	Binary([]byte{0}),
	Binary([]byte("\x00\x01\xff\x1e\n")),
	Text(long(100_000)),
	Binary([]byte(long(100_000))),
	Text("last"),
}

func want(ms []Message) []string {
	var s []string
	for _, m := range ms {
		if m.Binary {
			s = append(s, "b:"+string(m.Data))
		} else {
			s = append(s, string(m.Data))
		}
	}
	return s
}

func TestEcho(t *testing.T) {
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		r := newRig(t, engineio.Options{})
		c := r.dial(o)
		p := r.peer()
		if c.ID() != p.ID() || c.Revision() != p.Revision() {
			t.Errorf("session %q of revision %d, the server has %q of %d", c.ID(), c.Revision(), p.ID(), p.Revision())
		}
		expected := want(sample)
		if err := c.Send(sample...); err != nil {
			t.Fatal(err)
		}
		if upgrades {
			c.awaitUpgrade(t)
			for _, m := range sample {
				if err := c.Send(m); err != nil {
					t.Fatal(err)
				}
			}
			expected = append(expected, want(sample)...)
		}
		got := c.await(t, len(expected))
		for i := range expected {
			if got[i] != expected[i] {
				t.Fatalf("message %d is %.60q, want %.60q", i, got[i], expected[i])
			}
		}
		if err := c.Flush(context.Background()); err != nil {
			t.Error(err)
		}
		if n, b := c.Buffered(); n != 0 || b != 0 {
			t.Errorf("%d messages of %d bytes are left", n, b)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := c.end(t); err.Reason != ReasonForcedClose || err.Err != nil {
			t.Errorf("the client ended with %v", err)
		}
		if err := <-p.closed; err.Reason != engineio.ReasonTransportClose {
			t.Errorf("the server ended with %v", err)
		}
		if err := c.Send(Text("late")); err == nil {
			t.Error("a message was accepted after Close")
		}
	})
}

func TestNumbersBothWays(t *testing.T) {
	const n = 2000
	everyWay(t, func(t *testing.T, o Options, upgrades bool) {
		r := newRig(t, engineio.Options{})
		c := r.dial(o)
		for i := range n {
			for c.Send(Text(fmt.Sprint(i))) == ErrQueueFull {
				c.Wait(context.Background())
			}
		}
		for i, m := range c.await(t, n) {
			if m != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, m)
			}
		}
	})
}

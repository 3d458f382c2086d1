package websocket

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// The examples of RFC 6455, section 5.7.
func TestAppendSamples(t *testing.T) {
	for _, tc := range []struct {
		name string
		got  []byte
		want string
	}{
		{"text", AppendFrame(nil, Server, OpText, []byte("Hello")), "810548656c6c6f"},
		{"first fragment", append(AppendHeader(nil, OpText, false, false, 3), "Hel"...), "010348656c"},
		{"last fragment", append(AppendHeader(nil, OpContinuation, true, false, 2), "lo"...), "80026c6f"},
		{"ping", AppendFrame(nil, Server, OpPing, []byte("Hello")), "890548656c6c6f"},
		{"pong", AppendFrame(nil, Server, OpPong, []byte("Hello")), "8a0548656c6c6f"},
		{"256 bytes", AppendHeader(nil, OpBinary, true, false, 256), "827e0100"},
		{"64 KiB", AppendHeader(nil, OpBinary, true, false, 1<<16), "827f0000000000010000"},
		{"125 bytes", AppendHeader(nil, OpBinary, true, false, 125), "827d"},
		{"126 bytes", AppendHeader(nil, OpBinary, true, false, 126), "827e007e"},
		{"65535 bytes", AppendHeader(nil, OpBinary, true, false, 65_535), "827effff"},
		{"the most", AppendHeader(nil, OpBinary, true, false, math.MaxInt), "827f7fffffffffffffff"},
		{"compressed", AppendDeflated(nil, Server, OpText, Deflate(nil, []byte(""), 0)), "c10100"},
		{"compressed fragment", AppendHeader(nil, OpText, false, true, 1), "4101"},
		{"close", AppendClose(nil, Server, 1000, "bye"), "880503e8627965"},
		{"close without code", AppendClose(nil, Server, 1005, "bye"), "8800"},
		{"close with a code that is never sent", AppendClose(nil, Server, 1006, ""), "8800"},
		{"close with a reason that is no text", AppendClose(nil, Server, 1000, "\xff"), "880203e8"},
		{"append", AppendFrame([]byte{1, 2}, Server, OpText, nil), "01028100"},
	} {
		if got := hex.EncodeToString(tc.got); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestAcceptKey(t *testing.T) {
	// The example of RFC 6455, section 1.3.
	if got, want := AcceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What one role writes, the other reads.
func TestFramesRoundTrip(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		peer := &Config{Role: 1 - role, NewInflater: NewInflater}
		for _, n := range []int{0, 1, 5, 125, 126, 1000, 65_535, 65_536, 100_000} {
			payload := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
			original := bytes.Clone(payload)
			read := func(wire []byte, op ws.OpCode) {
				t.Helper()
				got, code := parse(t, peer, true, wire)
				want := map[ws.OpCode]string{OpText: "text ", OpBinary: "binary ", OpPing: "ping ", OpPong: "pong "}[op] + string(payload)
				if len(got) != 1 || got[0] != want || code != 0 {
					t.Fatalf("role %d, opcode %d, %d bytes: read back with code %d", role, op, n, code)
				}
			}
			for _, op := range []ws.OpCode{OpText, OpBinary, OpPing, OpPong} {
				if op.IsControl() && n > maxControl {
					continue
				}
				read(AppendFrame(nil, role, op, payload), op)
			}
			read(AppendDeflated(nil, role, OpText, Deflate(nil, payload, 0)), OpText)
			if !bytes.Equal(payload, original) {
				t.Fatal("the payload was changed")
			}
		}
	}
}

func TestClientKeysAreFresh(t *testing.T) {
	keys := make(map[string]bool)
	for range 100 {
		keys[string(AppendFrame(nil, Client, OpText, []byte("x"))[2:6])] = true
	}
	if len(keys) < 95 {
		t.Errorf("100 frames had %d masking keys", len(keys))
	}
}

func TestAppendCloseReadsBack(t *testing.T) {
	for _, reason := range []string{"", "bye", strings.Repeat("x", 123), strings.Repeat("x", 124), strings.Repeat("é", 100), "x" + strings.Repeat("é", 100), strings.Repeat("😀", 40), strings.Repeat("y", 5000)} {
		for _, role := range []Role{Server, Client} {
			wire := AppendClose(nil, role, 1011, reason)
			var p Parser
			p.Init(&Config{Role: 1 - role}, false)
			ev, _, err := p.Next(wire)
			if err != nil || ev.Code != 1011 || !strings.HasPrefix(reason, string(ev.Data)) || !utf8.Valid(ev.Data) {
				t.Fatalf("%q came back as %d %q, %v", reason, ev.Code, ev.Data, err)
			}
			if len(ev.Data) < min(len(reason), 120) {
				t.Errorf("%d bytes of reason were cut to %d", len(reason), len(ev.Data))
			}
		}
	}
}

// Every error of the parser fits into the close frame that it asks for.
func TestProtocolErrorMakesACloseFrame(t *testing.T) {
	for _, tc := range parserCases {
		if tc.code == 0 {
			continue
		}
		var p Parser
		p.Init(testConfig(Server), strings.HasPrefix(tc.name, "deflate"))
		b := tc.stream(Server)
		for {
			_, n, err := p.Next(b)
			if b = b[n:]; err == nil {
				continue
			}
			e := err.(*ProtocolError)
			var peer Parser
			peer.Init(testConfig(Client), false)
			ev, _, err := peer.Next(AppendClose(nil, Server, e.Code, e.Reason))
			if err != nil || ev.Code != e.Code || string(ev.Data) != e.Reason {
				t.Errorf("%s: %v came over as %+v, %v", tc.name, e, ev, err)
			}
			break
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	payload := make([]byte, 1024)
	for _, bc := range []struct {
		name string
		role Role
	}{{"server/1KB", Server}, {"client/1KB", Client}} {
		b.Run(bc.name, func(b *testing.B) {
			var dst []byte
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendFrame(dst[:0], bc.role, OpBinary, payload)
			}
		})
	}
}

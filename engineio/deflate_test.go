package engineio

import (
	"strings"
	"sync"
	"testing"

	"github.com/siogo/sio/internal/websocket"
)

const offerDeflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n"

// deflating opens a session over a WebSocket with permessage-deflate.
func (r *rig) deflating(eio string) (*wsPeer, *recorder) {
	r.t.Helper()
	w, resp := r.request("transport=websocket&EIO="+eio, upgradeHead+offerDeflate, "")
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); resp.StatusCode != 101 || !strings.HasPrefix(got, "permessage-deflate") {
		r.t.Fatalf("answered %d, extensions %q", resp.StatusCode, got)
	}
	w.parser.Init(&websocket.Config{Role: websocket.Client, MaxMessage: 64 << 20, NewInflater: websocket.NewInflater}, true)
	w.read()
	return w, <-r.opened
}

// firstByte returns the first byte of the next frame: 0xC1 and 0xC2 are
// compressed text and binary.
func (w *wsPeer) firstByte() byte {
	w.t.Helper()
	if len(w.rest) > 0 {
		return w.rest[0]
	}
	b, err := w.br.Peek(1)
	if err != nil {
		w.t.Fatal(err)
	}
	return b[0]
}

// The extension is agreed on only when it is configured and offered on terms
// that let one compressed form serve all.
func TestDeflateNegotiation(t *testing.T) {
	const ours = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, tc := range []struct {
		deflate     *Deflate
		offer, want string
	}{
		{nil, "permessage-deflate", ""},
		{&Deflate{}, "", ""},
		{&Deflate{}, "permessage-deflate", ours},
		{&Deflate{}, "permessage-deflate; client_max_window_bits", ours},
		{&Deflate{}, "permessage-deflate; client_max_window_bits=10", ours},
		{&Deflate{}, "permessage-deflate; server_max_window_bits=15", ours + "; server_max_window_bits=15"},
		{&Deflate{}, "permessage-deflate; server_max_window_bits=10", ""},
		{&Deflate{}, "x-webkit-deflate-frame, permessage-deflate", ours},
		{&Deflate{}, "permessage-deflate; unknown, permessage-deflate", ours},
		{&Deflate{}, "permessage-bzip2", ""},
	} {
		r := newEchoRig(t, Options{Deflate: tc.deflate})
		header := ""
		if tc.offer != "" {
			header = "Sec-WebSocket-Extensions: " + tc.offer + "\r\n"
		}
		_, resp := r.request("transport=websocket&EIO=4", upgradeHead+header, "")
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); resp.StatusCode != 101 || got != tc.want {
			t.Errorf("offer %q: %d, agreed %q, want %q", tc.offer, resp.StatusCode, got, tc.want)
		}
	}
}

// Messages from the threshold on are compressed, if they are worth it; control
// packets never are.
func TestDeflateThreshold(t *testing.T) {
	for _, tc := range []struct {
		name      string
		threshold int
		message   *Message
		first     byte
	}{
		{"below the default", 0, text(strings.Repeat("x", 1023)), 0x81},
		{"at the default", 0, text(strings.Repeat("x", 1024)), 0xC1},
		{"binary", 0, NewMessage(make([]byte, 1024), true), 0xC2},
		{"threshold 1", 1, text("x"), 0xC1},
		{"threshold 1, nothing", 1, text(""), 0x81},
		{"not worth it", 0, text(strings.Repeat("x", 100_000)).NoCompress(), 0x81},
	} {
		for _, upgraded := range []bool{false, true} {
			r := newEchoRig(t, Options{Deflate: &Deflate{Threshold: tc.threshold}})
			var w *wsPeer
			var rec *recorder
			if upgraded {
				p := r.polling("4")
				w, _ = r.request(p.upgradeQuery(), upgradeHead+offerDeflate, "")
				w.parser.Init(&websocket.Config{Role: websocket.Client, MaxMessage: 64 << 20, NewInflater: websocket.NewInflater}, true)
				w.text("2probe")
				w.expect("3probe")
				w.text("5", "4on")
				w.expect("4on")
				rec = p.rec
			} else {
				w, rec = r.deflating("4")
			}
			rec.Send(tc.message)
			if got := w.firstByte(); got != tc.first {
				t.Errorf("%s, upgraded %t: first byte %#x, want %#x", tc.name, upgraded, got, tc.first)
			}
			want := "4" + string(tc.message.buf[Headroom:])
			if tc.message.binary {
				want = "bin:" + want[1:]
			}
			w.expect(want)
		}
	}
}

// Both revisions and both kinds of message come through, compressed or not.
func TestDeflateRoundTrip(t *testing.T) {
	r := newEchoRig(t, Options{Deflate: &Deflate{Threshold: 1}})
	for _, eio := range []string{"3", "4"} {
		w, _ := r.deflating(eio)
		for _, m := range []string{"", "a", strings.Repeat("hello ", 10_000), "€😀"} {
			w.text("4" + m)
			w.expect("4" + m)
			w.raw([]byte(frame(0xC1, string(websocket.Deflate(nil, []byte("4"+m), 0)))))
			w.expect("4" + m)
			b := m
			if eio == "3" {
				b = "\x04" + m
			}
			w.binary(b)
			w.expect("bin:" + b)
			w.raw([]byte(frame(0xC2, string(websocket.Deflate(nil, []byte(b), 0)))))
			w.expect("bin:" + b)
		}
	}
}

// A message sent to many is compressed once, whoever comes first, and those who
// take no compressed form get the plain one.
func TestDeflateIsShared(t *testing.T) {
	r := newEchoRig(t, Options{Deflate: &Deflate{}})
	m := text(strings.Repeat("shared ", 1000))
	plain, plainRec := r.websocket("4")
	p := r.polling("4")
	var peers []*wsPeer
	var recs []*recorder
	for range 20 {
		w, rec := r.deflating("4")
		peers, recs = append(peers, w), append(recs, rec)
	}
	plainRec.Send(m)
	if m.deflated.Load() != nil {
		t.Error("a message was compressed for a client that does not take it")
	}
	var wg sync.WaitGroup
	for _, rec := range recs {
		wg.Go(func() { rec.Send(m) })
	}
	wg.Wait()
	p.rec.Send(m)
	z := m.deflated.Load()
	if z == nil {
		t.Fatal("the message was not compressed")
	}
	recs[0].Send(m)
	if m.deflated.Load() != z {
		t.Error("the message was compressed again")
	}
	want := "4" + strings.Repeat("shared ", 1000)
	for _, w := range append(peers, peers[0]) {
		w.expect(want)
	}
	plain.expect(want)
	if got := p.get(); got != want {
		t.Errorf("poll answered %d bytes, want %d", len(got), len(want))
	}
	if allocs := testing.AllocsPerRun(10, func() { recs[0].deflateAll([]*Message{m}) }); allocs != 0 {
		t.Errorf("sending a message that is compressed already costs %v allocations", allocs)
	}
}

// What is no deflate data ends the session.
func TestDeflateOfNonsense(t *testing.T) {
	r := newEchoRig(t, Options{Deflate: &Deflate{}})
	b := r.bystander()
	for _, wire := range []string{frame(0xC1, "\xff\xff\xff\xff"), frame(0xC1, string(websocket.Deflate(nil, []byte("4\xff"), 0)))} {
		w, rec := r.deflating("4")
		w.raw([]byte(wire))
		w.expect("close:1007")
		if got := rec.reason(t); got != ReasonTransportError {
			t.Errorf("reason %q", got)
		}
	}
	w, _ := r.deflating("4")
	w.raw([]byte(frame(0xC9, "")))
	w.expect("close:1002")
	b.unharmed()
}

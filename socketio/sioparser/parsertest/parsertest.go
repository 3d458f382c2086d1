// Package parsertest is the contract test of [sioparser.Parser]: what a wire
// form has to do for package socketio to stand on it. Whoever writes a parser,
// or a [sioparser.Codec] for the JSON one, runs it from a test of theirs:
//
//	func TestParser(t *testing.T) {
//		parsertest.Run(t, sioparser.JSON(codec{}))
//	}
//
// It looks at what comes out of a decoder that is fed what the parser encoded,
// never at the bytes between: those are the parser's own.
package parsertest

import (
	"bytes"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/siogo/sio/socketio/sioparser"
)

// A message is what travels as one Engine.IO message.
type message struct {
	data   []byte
	binary bool
}

// sample has a bit of everything that applications send.
type sample struct {
	Text   string         `json:"text"`
	Number float64        `json:"number"`
	Whole  int            `json:"whole"`
	Flag   bool           `json:"flag"`
	Bytes  []byte         `json:"bytes"`
	List   []string       `json:"list"`
	Map    map[string]int `json:"map"`
	Absent string         `json:"absent,omitempty"`
	Hidden string         `json:"-"`
}

func newSample() sample {
	return sample{
		Text: "h€llo 😀 <b>\u2028", Number: 1.5, Whole: -42, Flag: true, Bytes: []byte{0, 1, 0x1E, 0xFF},
		List: []string{"a", ""}, Map: map[string]int{"x": 1 << 40},
	}
}

var packets = []struct {
	name   string
	header sioparser.Header
	event  string
	args   []any
}{
	{"connect", sioparser.Header{Type: sioparser.Connect, Namespace: "/"}, "", nil},
	{"connect with auth", sioparser.Header{Type: sioparser.Connect, Namespace: "/admin"}, "", []any{map[string]string{"token": "t"}}},
	{"disconnect", sioparser.Header{Type: sioparser.Disconnect, Namespace: "/admin"}, "", nil},
	{"event", sioparser.Header{Type: sioparser.Event, Namespace: "/"}, "hello", nil},
	{"event with arguments", sioparser.Header{Type: sioparser.Event, Namespace: "/a"}, "hello", []any{"x", 1.5, nil, true}},
	{"event with id", sioparser.Header{Type: sioparser.Event, Namespace: "/", ID: 9007199254740991, HasID: true}, "ask", []any{"x"}},
	{"event with id 0", sioparser.Header{Type: sioparser.Event, Namespace: "/", HasID: true}, "ask", nil},
	{"event with bytes", sioparser.Header{Type: sioparser.Event, Namespace: "/"}, "frame", []any{[]byte{1, 2, 3}, map[string]any{"b": []byte{}}}},
	{"event with a struct", sioparser.Header{Type: sioparser.Event, Namespace: "/"}, "struct", []any{newSample()}},
	{"name with quotes", sioparser.Header{Type: sioparser.Event, Namespace: "/"}, "a \"b\" \\ ü", []any{"x"}},
	{"acknowledgement", sioparser.Header{Type: sioparser.Ack, Namespace: "/a", ID: 12, HasID: true}, "", []any{"ok"}},
	{"empty acknowledgement", sioparser.Header{Type: sioparser.Ack, Namespace: "/", ID: 1, HasID: true}, "", nil},
	{"acknowledgement with bytes", sioparser.Header{Type: sioparser.Ack, Namespace: "/", ID: 7, HasID: true}, "", []any{[]byte("bytes")}},
	{"refusal", sioparser.Header{Type: sioparser.ConnectError, Namespace: "/a"}, "", []any{map[string]any{"message": "no"}}},
}

// Run tests p. It is quick, and made for the race detector too.
func Run(t *testing.T, p sioparser.Parser) {
	for _, tc := range packets {
		t.Run("RoundTrip/"+tc.name, func(t *testing.T) {
			want := decoded(t, p, encode(t, p, tc.header, tc.event, tc.args))
			check(t, want, tc.header, tc.event, tc.args)

			args, err := p.EncodeArgs(tc.event, tc.args...)
			if err != nil {
				t.Fatalf("EncodeArgs: %v", err)
			}
			check(t, decoded(t, p, frame(p, tc.header, args)), tc.header, tc.event, tc.args)
		})
	}
	t.Run("Struct", func(t *testing.T) { structs(t, p) })
	t.Run("OtherForms", func(t *testing.T) { otherForms(t, p) })
	t.Run("Refusals", func(t *testing.T) { refusals(t, p) })
	t.Run("Limits", func(t *testing.T) { limits(t, p) })
	t.Run("Garbage", func(t *testing.T) { garbage(t, p) })
	t.Run("Ownership", func(t *testing.T) { ownership(t, p) })
	t.Run("Concurrency", func(t *testing.T) { concurrency(t, p) })
}

func encode(t *testing.T, p sioparser.Parser, h sioparser.Header, name string, args []any) []message {
	t.Helper()
	const prefix = "kept"
	b, attachments, err := p.AppendPacket([]byte(prefix), h, name, args...)
	if err != nil {
		t.Fatalf("AppendPacket: %v", err)
	}
	if !bytes.HasPrefix(b, []byte(prefix)) {
		t.Fatalf("AppendPacket did not append: %q", b)
	}
	return messages(p, b[len(prefix):], attachments)
}

func frame(p sioparser.Parser, h sioparser.Header, a sioparser.Args) []message {
	return messages(p, p.AppendArgs(nil, h, a), a.For(p).Attachments())
}

func messages(p sioparser.Parser, frame []byte, attachments [][]byte) []message {
	ms := []message{{frame, p.Binary()}}
	for _, a := range attachments {
		ms = append(ms, message{a, true})
	}
	return ms
}

// decoded feeds messages to a new decoder: only the last completes the packet.
func decoded(t *testing.T, p sioparser.Parser, ms []message) sioparser.Packet {
	t.Helper()
	d := p.NewDecoder(nil)
	for i, m := range ms {
		packet, ok, err := d.Add(m.data, m.binary)
		last := i == len(ms)-1
		if err != nil || ok != last || d.Pending() == last {
			t.Fatalf("message %d of %d: complete %t, pending %t, error %v", i+1, len(ms), ok, d.Pending(), err)
		}
		if ok {
			return packet
		}
	}
	panic("unreachable: the last message returns or fails the test")
}

func check(t *testing.T, got sioparser.Packet, h sioparser.Header, name string, args []any) {
	t.Helper()
	if got.Header != h {
		t.Errorf("header %+v, want %+v", got.Header, h)
	}
	if string(got.Name()) != name {
		t.Errorf("event %q, want %q", got.Name(), name)
	}
	a := got.Args
	if name != "" {
		a = a.Shift()
	}
	if a.Len() != len(args) {
		t.Fatalf("%d arguments, want %d", a.Len(), len(args))
	}
	for i, want := range args {
		dst := reflect.New(reflect.TypeFor[any]())
		if want != nil {
			dst = reflect.New(reflect.TypeOf(want))
		}
		if err := a.Only(i).Decode(dst.Interface()); err != nil {
			t.Fatalf("argument %d: %v", i, err)
		}
		if got := dst.Elem().Interface(); !reflect.DeepEqual(got, want) {
			t.Errorf("argument %d is %#v, want %#v", i, got, want)
		}
	}
}

// structs: the rules of encoding/json hold, whatever the form.
func structs(t *testing.T, p sioparser.Parser) {
	in := newSample()
	in.Hidden = "not sent"
	packet := decoded(t, p, encode(t, p, sioparser.Header{Type: sioparser.Event, Namespace: "/"}, "e", []any{in, "rest"}))
	fields := map[string]any{}
	if err := packet.Args.Shift().Decode(&fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"text", "number", "whole", "flag", "bytes", "list", "map"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("field %q is missing", name)
		}
	}
	if len(fields) != 7 {
		t.Errorf("fields %v: empty ones with omitempty and hidden ones are left out", fields)
	}
	if b, ok := fields["bytes"].([]byte); !ok || !bytes.Equal(b, in.Bytes) {
		t.Errorf("bytes in an any are %#v", fields["bytes"])
	}
	out := sample{Absent: "untouched"}
	var rest, none string
	if err := packet.Args.Shift().Decode(&out, &rest, &none); err != nil || rest != "rest" || none != "" {
		t.Errorf("Decode: %v, %q, %q", err, rest, none)
	}
	if err := packet.Args.Shift().Decode(new(int)); err == nil {
		t.Error("an object was decoded into an int")
	}
}

// otherForms: arguments of the built-in parsers can be sent on.
func otherForms(t *testing.T, p sioparser.Parser) {
	for _, other := range []sioparser.Parser{sioparser.JSON(nil), sioparser.MsgPack()} {
		in := []any{"x", []byte{1, 2}, map[string]any{"k": []byte{3}}}
		args, err := other.EncodeArgs("e", in...)
		if err != nil {
			t.Fatal(err)
		}
		h := sioparser.Header{Type: sioparser.Event, Namespace: "/"}
		check(t, decoded(t, p, frame(p, h, args)), h, "e", in)
	}
}

// refusals: what must not be sent is not encoded.
func refusals(t *testing.T, p sioparser.Parser) {
	event := sioparser.Header{Type: sioparser.Event, Namespace: "/"}
	for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		if b, _, err := p.AppendPacket(nil, event, name); err == nil {
			t.Errorf("the reserved event %q was encoded: %q", name, b)
		}
	}
	dst := []byte("dst")
	if b, _, err := p.AppendPacket(dst, event, "e", func() {}); err == nil || string(b) != "dst" {
		t.Errorf("a function was encoded: %q, %v", b, err)
	}
}

// limits: a decoder bounds what it takes.
func limits(t *testing.T, p sioparser.Parser) {
	event := func(ns string) sioparser.Header { return sioparser.Header{Type: sioparser.Event, Namespace: ns} }
	for _, tc := range []struct {
		name string
		ms   []message
		l    *sioparser.Limits
	}{
		{"namespace", encode(t, p, event("/"+strings.Repeat("n", 300)), "e", nil), nil},
		{"event name", encode(t, p, event("/"), strings.Repeat("e", 300), nil), nil},
		{"depth", encode(t, p, event("/"), "e", []any{nested(20)}), &sioparser.Limits{Depth: 10}},
	} {
		d := p.NewDecoder(tc.l)
		refused := false
		for _, m := range tc.ms {
			_, ok, err := d.Add(m.data, m.binary)
			if refused = err != nil; refused || ok {
				break
			}
		}
		if !refused || d.Pending() {
			t.Errorf("%s: a packet over the limit was accepted", tc.name)
		}
	}
}

func nested(depth int) any {
	var v any = "x"
	for range depth {
		v = []any{v}
	}
	return v
}

// garbage: whatever arrives, the answer is a packet or an error, and a decoder
// that was reset works.
func garbage(t *testing.T, p sioparser.Parser) {
	for _, tc := range packets {
		ms := encode(t, p, tc.header, tc.event, tc.args)
		for n := range ms[0].data {
			d := p.NewDecoder(nil)
			d.Add(ms[0].data[:n], ms[0].binary)
			d.Add(ms[0].data[n:], !ms[0].binary)
			d.Reset()
			if d.Pending() {
				t.Fatalf("%s, cut at %d: pending after Reset", tc.name, n)
			}
		}
	}
	if _, ok, err := p.NewDecoder(nil).Add(nil, p.Binary()); ok || err == nil {
		t.Errorf("an empty message: complete %t, error %v", ok, err)
	}
}

// ownership: what was cloned does not change with the input.
func ownership(t *testing.T, p sioparser.Parser) {
	h := sioparser.Header{Type: sioparser.Event, Namespace: "/"}
	in := []any{"text", []byte{1, 2, 3}}
	ms := encode(t, p, h, "e", in)
	for i := range ms {
		ms[i].data = bytes.Clone(ms[i].data)
	}
	packet := decoded(t, p, ms)
	packet.Args = packet.Args.Clone()
	for _, m := range ms {
		clear(m.data)
	}
	check(t, packet, h, "e", in)
}

// concurrency: a parser is shared by all connections.
func concurrency(t *testing.T, p sioparser.Parser) {
	h := sioparser.Header{Type: sioparser.Event, Namespace: "/"}
	args, err := p.EncodeArgs("e", newSample())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				b, _, err := p.AppendPacket(nil, h, "e", newSample())
				if err != nil || len(b) == 0 {
					t.Errorf("AppendPacket: %v", err)
				}
				p.AppendArgs(nil, h, args)
				if err := args.Shift().Decode(new(sample)); err != nil {
					t.Errorf("Decode: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

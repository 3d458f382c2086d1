package sioparser

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// packMessages writes a sequence of messages as fuzz input: for each a varint,
// twice its length plus one if it is binary, and its bytes.
func packMessages(frames []vectorFrame) (b []byte) {
	for _, f := range frames {
		n := uint64(len(f.data)) << 1
		if f.binary {
			n |= 1
		}
		b = append(binary.AppendUvarint(b, n), f.data...)
	}
	return b
}

func unpackMessages(b []byte) (frames []vectorFrame) {
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return frames
		}
		b = b[size:]
		cut := min(n>>1, uint64(len(b)))
		frames = append(frames, vectorFrame{b[:cut:cut], n&1 == 1})
		b = b[cut:]
	}
	return frames
}

// Whatever the sequence of messages: no panic; what is pending stays within
// the limits and is gone after an error; the arguments of a packet are JSON;
// and a packet encodes to frames that decode to the same packet.
func FuzzDecoder(f *testing.F) {
	for _, file := range []string{"packets.json", "decoding.json"} {
		var all []vectorFrame
		for _, v := range readVectors(f, file) {
			f.Add(packMessages(v.Frames))
			all = append(all, v.Frames...)
		}
		f.Add(packMessages(all))
	}
	limits := &Limits{Depth: 20, Attachments: 4, AttachmentBytes: 64, Namespace: 40, EventName: 20}
	f.Fuzz(func(t *testing.T, input []byte) {
		parser := JSON(nil)
		d := parser.NewDecoder(limits).(*decoder)
		for _, message := range unpackMessages(input) {
			p, ok, err := d.Add(message.data, message.binary)
			if err != nil {
				if d.Pending() || ok || p.Args.Len() > 0 || !reflect.DeepEqual(p, Packet{}) {
					t.Fatalf("after %v: pending %v, packet %+v", err, d.Pending(), p)
				}
				continue
			}
			if w := d.pending; w != nil && (w.received > limits.AttachmentBytes || len(w.packet.Args.att) >= limits.Attachments) {
				t.Fatalf("pending: %d bytes, %d attachments", w.received, len(w.packet.Args.att))
			}
			if ok == d.Pending() {
				t.Fatalf("ok %v, pending %v", ok, d.Pending())
			}
			if ok {
				checkAgain(t, parser, limits, p)
			}
		}
	})
}

func checkAgain(t *testing.T, parser Parser, limits *Limits, p Packet) {
	t.Helper()
	if raw := p.Args.Raw(); !json.Valid(raw) || !utf8.Valid(raw) {
		t.Fatalf("arguments %q are not JSON", raw)
	}
	if p.Type > ConnectError || p.Type == Event && (p.Name() == nil || reserved(p.Name())) || p.Namespace[0] != '/' || p.ID > maxID {
		t.Fatalf("packet %+v", p)
	}
	text := parser.AppendArgs(nil, p.Header, p.Args)
	d := parser.NewDecoder(limits)
	again, ok, err := d.Add(text, false)
	for _, b := range p.Args.Attachments() {
		if !ok && err == nil {
			again, ok, err = d.Add(b, true)
		}
	}
	if err != nil || !ok {
		t.Fatalf("%q decodes to %v, %v", text, ok, err)
	}
	if again.Header != p.Header || !bytes.Equal(again.Args.Raw(), p.Args.Raw()) || len(again.Args.att) != len(p.Args.att) {
		t.Fatalf("%+v became %+v", p, again)
	}
	if twice := parser.AppendArgs(nil, again.Header, again.Args); !bytes.Equal(text, twice) {
		t.Fatalf("%q, then %q", text, twice)
	}
}

// fuzzTarget has a field of each kind that the decoders treat differently.
type fuzzTarget struct {
	Room  string `json:"room"`
	N     int
	U     uint8   `json:"u,omitempty"`
	F     float64 `json:",string"`
	OK    *bool
	List  []fuzzTarget
	Arr   [2]int
	M     map[string]string
	I     map[int]any
	V     any `json:"v"`
	Num   json.Number
	Raw   json.RawMessage
	Bytes []byte `json:"bytes"`
	embedded
}

// The scanner accepts what encoding/json and unicode/utf8 accept, and decoding
// without attachments gives what encoding/json gives, value or error.
func FuzzArgsDecode(f *testing.F) {
	for _, v := range append(readVectors(f, "packets.json"), readVectors(f, "decoding.json")...) {
		if _, array, ok := bytes.Cut(v.Frames[0].data, []byte("[")); ok {
			f.Add(append([]byte("["), array...))
		}
	}
	for _, s := range []string{`[{"ROOM":"x","N":1,"u":300}]`, `[{"F":"1.5","ok":true,"list":[{"n":1}],"arr":[1]}]`, `[{"m":{"a":"b"},"i":{"1":[]},"v":{"x":1e400}}]`,
		`[{"num":1e5,"raw":[1, 2],"bytes":"AAEC","Inner":"AA=="}]`, `["\ud800\udc00\ud800",-0.0,1E400,0e1,null,true]`, "[\"\u2028\",{\"\":{}}]", "[[[[[[]]]]]]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := NewArgs(text)
		var std []json.RawMessage
		valid := utf8.Valid(text) && json.Unmarshal(text, &std) == nil && bytes.TrimSpace(text)[0] == '['
		if valid != (err == nil) {
			if !valid || !strings.Contains(err.Error(), ErrDepth.Error()) {
				t.Fatalf("%q: %v, encoding/json says %v", text, err, valid)
			}
			return
		}
		if err != nil {
			return
		}
		if a.Len() != len(std) {
			t.Fatalf("%q: %d arguments, want %d", text, a.Len(), len(std))
		}
		for i := range std {
			one := a.Only(i)
			var raw json.RawMessage
			if err := one.Decode(&raw); err != nil || !bytes.Equal(raw, std[i]) {
				t.Fatalf("%q: argument %d is %q, %v, want %q", text, i, raw, err, std[i])
			}
			for _, target := range []func() any{
				func() any { return new(any) }, func() any { return new(fuzzTarget) }, func() any { return new(map[string]any) },
				func() any { return new(string) }, func() any { return new(int) }, func() any { return new(int64) }, func() any { return new(float64) }, func() any { return new(bool) },
				func() any { return new([]byte) }, func() any { return new([]any) }, func() any { return new(map[string][]fuzzTarget) }, func() any { return new(json.Number) },
			} {
				got, want := target(), target()
				gotErr, wantErr := one.Decode(got), json.Unmarshal(std[i], want)
				if (gotErr == nil) != (wantErr == nil) {
					t.Fatalf("%q into %T: %v, encoding/json: %v", std[i], got, gotErr, wantErr)
				}
				if gotErr == nil && !reflect.DeepEqual(got, want) {
					t.Fatalf("%q: %+v, encoding/json: %+v", std[i], got, want)
				}
			}
		}
	})
}

// attach replaces the strings that begin with "b" in a decoded JSON tree by
// bytes, and counts them.
func attach(v any, n *int) any {
	switch v := v.(type) {
	case string:
		if strings.HasPrefix(v, "b") {
			*n++
			return []byte(v)
		}
	case []any:
		for i := range v {
			v[i] = attach(v[i], n)
		}
	case map[string]any:
		for name := range v {
			v[name] = attach(v[name], n)
		}
	}
	return v
}

// A tree with bytes anywhere in it comes back as it went, whether it is an
// argument or inside of a struct; only what looks like a placeholder, beside
// bytes, is refused.
func FuzzEncodeDecodeValue(f *testing.F) {
	for _, s := range []string{`"b"`, `["b",{"x":"bytes"},1.5,null]`, `{"a":{"b":["b1","b2"]},"c":true}`, `{"_placeholder":true,"num":0}`, `["b",{"_placeholder":true}]`,
		`"<&>\u2028\ud800"`, `[1e21,1e-7,-0.0,123456789012345678]`, `{"":[],"z":{}}`} {
		f.Add([]byte(s), "b\x00name")
	}
	type box struct {
		V any
		S string
		B blob `json:",omitempty"`
		M map[string]any
	}
	f.Fuzz(func(t *testing.T, text []byte, s string) {
		var tree any
		if json.Unmarshal(text, &tree) != nil {
			return
		}
		attachments := 0
		tree = attach(tree, &attachments)
		in := box{V: tree, S: strings.ToValidUTF8(s, "\uFFFD"), B: blob(s), M: map[string]any{s: 1}}
		lookalike := bytes.Contains(text, []byte("_placeholder")) || bytes.Contains(text, []byte(`\u`)) || strings.Contains(s, "_placeholder")
		for name, arg := range map[string]any{"tree": tree, "struct": in} {
			p := JSON(nil)
			frame, list, err := p.AppendPacket(nil, Header{Type: Event}, "x", arg)
			if err != nil {
				if lookalike || strings.Contains(err.Error(), ErrDepth.Error()) {
					continue
				}
				t.Fatalf("%s: %v", name, err)
			}
			want := attachments
			if name == "struct" && len(s) > 0 {
				want++
			}
			if len(list) != want || !utf8.Valid(frame) {
				t.Fatalf("%s: %q with %d attachments, want %d", name, frame, len(list), want)
			}
			d := p.NewDecoder(&Limits{Attachments: 1 << 20, AttachmentBytes: 1 << 30})
			packet, ok, err := d.Add(frame, false)
			for _, b := range list {
				packet, ok, err = d.Add(b, true)
			}
			if !ok || err != nil {
				t.Fatalf("%s: %q is refused: %v", name, frame, err)
			}
			if name == "tree" {
				var got any
				if err := packet.Args.Shift().Decode(&got); err != nil || !reflect.DeepEqual(got, tree) {
					t.Fatalf("%q: %#v, %v, want %#v", frame, got, err, tree)
				}
				continue
			}
			var got box
			if err := packet.Args.Shift().Decode(&got); err != nil || !reflect.DeepEqual(got.V, in.V) || got.S != in.S || !bytes.Equal(got.B, in.B) || len(got.M) != 1 {
				t.Fatalf("%q: %#v, %v, want %#v", frame, got, err, in)
			}
		}
	})
}

package sioparser

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"
)

// Whatever the message: no panic; an error comes with an empty packet; the
// arguments of a packet are JSON, and decode into anything without a panic;
// and a packet encodes to a message that decodes to the same packet, in both
// forms.
func FuzzMsgPackDecoder(f *testing.F) {
	for _, v := range readVectors(f, "msgpack.json") {
		f.Add(v.Frames[0].data)
	}
	f.Add([]byte("\xdd\xff\xff\xff\xff"))
	f.Add([]byte("\x83\xa4type\x02\xa4data\x92\xa1x\xcb\x80\x00\x00\x00\x00\x00\x00\x00\xa3nsp\xa1/")) // -0
	limits := &Limits{Depth: 20, Namespace: 40, EventName: 20}
	f.Fuzz(func(t *testing.T, message []byte) {
		d := MsgPack().NewDecoder(limits)
		p, ok, err := d.Add(message, true)
		if ok != (err == nil) || d.Pending() {
			t.Fatalf("%v, %v, pending %v", ok, err, d.Pending())
		}
		if err != nil {
			if !reflect.DeepEqual(p, Packet{}) {
				t.Fatalf("after %v: %+v", err, p)
			}
			return
		}
		if raw := p.Args.Raw(); !json.Valid(raw) || !utf8.Valid(raw) {
			t.Fatalf("arguments %q are not JSON", raw)
		}
		if p.Type > ConnectError || p.Type == Event && (p.Name() == nil || reserved(p.Name())) || p.Namespace[0] != '/' || p.ID > maxID {
			t.Fatalf("packet %+v", p)
		}
		for i := range p.Args.Len() {
			one := p.Args.Only(i)
			for _, dst := range []any{new(any), new(fuzzTarget), new(map[string]any), new(map[int][]any), new(string), new(int8), new(uint64), new(float32), new(bool), new([]byte), new([2]json.Number), new(time.Time), new(json.RawMessage), new(map[string]time.Time)} {
				_ = one.Decode(dst)
			}
		}
		again := MsgPack().AppendArgs(nil, p.Header, p.Args)
		q, _, err := MsgPack().NewDecoder(limits).Add(again, true)
		if err != nil || q.Header != p.Header || q.Args.Len() != p.Args.Len() || !bytes.Equal(q.Args.list, p.Args.list) {
			t.Fatalf("%+v became %+v, %v", p, q, err)
		}
		// As JSON, and back: from there on nothing changes any more.
		text := p.Args.For(JSON(nil))
		if _, err := NewArgs(text.Raw(), text.Attachments()...); err != nil {
			t.Fatalf("%s with %d attachments: %v", text.Raw(), len(text.Attachments()), err)
		}
		if back := text.For(MsgPack()).For(JSON(nil)); !bytes.Equal(back.list, text.list) || !reflect.DeepEqual(back.att, text.att) {
			t.Fatalf("%s and %q became %s and %q", text.list, text.att, back.list, back.att)
		}
	})
}

// A tree with bytes anywhere in it comes back as it went; and what
// encoding/json decodes from a text, value or error, is decoded from the text
// converted.
func FuzzMsgPackRoundTrip(f *testing.F) {
	for _, v := range append(readVectors(f, "packets.json"), readVectors(f, "decoding.json")...) {
		if _, array, ok := bytes.Cut(v.Frames[0].data, []byte("[")); ok {
			f.Add(append([]byte("["), array...), "name")
		}
	}
	for _, s := range []string{`"b"`, `["b",{"x":"bytes"},1.5,null]`, `{"a":{"b":["b1","b2"]},"c":true}`, `{"_placeholder":true,"num":0}`, `{"ROOM":"x","N":1,"u":300}`,
		`{"F":"1.5","ok":true,"list":[{"n":1}],"arr":[1]}`, `{"num":1e5,"raw":[1, 2],"bytes":"AAEC","Inner":"AA=="}`, `[1e21,1e-7,-0.0,123456789012345678,18446744073709551616,-9223372036854775809]`} {
		f.Add([]byte(s), "b\x00name")
	}
	f.Fuzz(func(t *testing.T, text []byte, s string) {
		if a, err := NewArgs(append(append([]byte("["), text...), ']')); err == nil && a.Len() == 1 {
			checkLikeEncodingJSON(t, a.packed())
		}
		var tree any
		if json.Unmarshal(text, &tree) != nil {
			return
		}
		attachments := 0
		in := []any{attach(tree, &attachments), s, []byte(s), time.UnixMilli(int64(len(s))).UTC(), map[string]any{s: 1.0}}
		frame, _, err := MsgPack().AppendPacket(nil, Header{Type: Event}, "x", in...)
		if err != nil {
			if !bytes.Contains([]byte(err.Error()), []byte(ErrDepth.Error())) {
				t.Fatal(err)
			}
			return
		}
		p, _, err := MsgPack().NewDecoder(nil).Add(frame, true)
		if err != nil {
			t.Fatalf("%x: %v", frame, err)
		}
		out := make([]any, len(in))
		if err := p.Args.Shift().Decode(&out[0], &out[1], &out[2], &out[3], &out[4]); err != nil {
			t.Fatal(err)
		}
		if s := string([]rune(s)); s != in[1] { // what is not UTF-8 is replaced
			in[1], in[4] = s, map[string]any{s: 1.0}
		}
		if !reflect.DeepEqual(out, in) {
			t.Fatalf("%#v, want %#v", out, in)
		}
	})
}

// checkLikeEncodingJSON decodes an argument made of JSON into types of many
// kinds, and compares with what encoding/json makes of its text.
func checkLikeEncodingJSON(t *testing.T, a Args) {
	t.Helper()
	text := a.At(0)
	if again := a.text(false).packed(); !bytes.Equal(again.list, a.list) {
		return // a number that is too large for a float64, which is null in JSON
	}
	for _, target := range []func() any{
		func() any { return new(any) }, func() any { return new(fuzzTarget) }, func() any { return new(map[string]any) },
		func() any { return new(string) }, func() any { return new(int) }, func() any { return new(uint8) }, func() any { return new(float64) }, func() any { return new(bool) },
		func() any { return new([]byte) }, func() any { return new([]any) }, func() any { return new(map[string][]fuzzTarget) }, func() any { return new(json.Number) },
		func() any { return new(map[int8]*string) }, func() any { return new(json.RawMessage) }, func() any { return new(time.Time) },
	} {
		got, want := target(), target()
		gotErr, wantErr := a.Decode(got), json.Unmarshal(text, want)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%s into %T: %v, encoding/json: %v", text, got, gotErr, wantErr)
		}
		if gotErr == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: %+v, encoding/json: %+v", text, got, want)
		}
	}
}

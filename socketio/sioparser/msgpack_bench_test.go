package sioparser

import (
	"strings"
	"testing"
)

func packedFrame(b *testing.B, args ...any) []byte {
	b.Helper()
	frame, _, err := MsgPack().AppendPacket(nil, Header{Type: Event, Namespace: "/app", ID: 7, HasID: true}, "chat", args...)
	if err != nil {
		b.Fatal(err)
	}
	return frame
}

var (
	chatValue = &chat{"lobby", "hello <everybody> & all", 42, []string{"a", "b"}}
	chatTree  = map[string]any{"room": "lobby", "text": "hello <everybody> & all", "n": 42.0, "tags": []any{"a", "b"}}
)

func BenchmarkMsgPackSplit(b *testing.B) {
	var list []any
	for range 80 {
		list = append(list, map[string]any{"id": 123, "name": "abc", "list": []int{1, 2, 3}, "ok": true})
	}
	for name, frame := range map[string][]byte{
		"small":  packedFrame(b, chatValue),
		"4KiB":   packedFrame(b, strings.Repeat("0123456789abcde ", 256)),
		"nested": packedFrame(b, list...),
		"bytes":  packedFrame(b, map[string]any{"name": "n", "data": make([]byte, 1024)}),
	} {
		b.Run(name, func(b *testing.B) {
			d := MsgPack().NewDecoder(nil)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok, err := d.Add(frame, true); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// unpackInto splits and decodes a frame again and again.
func unpackInto[T any](b *testing.B, frame []byte) {
	d := MsgPack().NewDecoder(nil)
	b.ReportAllocs()
	for b.Loop() {
		p, _, err := d.Add(frame, true)
		if err != nil {
			b.Fatal(err)
		}
		var v T
		if err := p.Args.Shift().Decode(&v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMsgPackDecode(b *testing.B) {
	b.Run("struct", func(b *testing.B) { unpackInto[chat](b, packedFrame(b, chatValue)) })
	b.Run("string", func(b *testing.B) { unpackInto[string](b, packedFrame(b, "hello")) })
	b.Run("int", func(b *testing.B) { unpackInto[int](b, packedFrame(b, 12345)) })
	b.Run("any", func(b *testing.B) { unpackInto[any](b, packedFrame(b, chatValue)) })
	b.Run("map", func(b *testing.B) { unpackInto[map[string]any](b, packedFrame(b, chatValue)) })
	b.Run("bytes", func(b *testing.B) { unpackInto[[]byte](b, packedFrame(b, make([]byte, 64))) })
	b.Run("struct with bytes", func(b *testing.B) { unpackInto[upload](b, packedFrame(b, &upload{"n", make([]byte, 64)})) })
}

func BenchmarkMsgPackEncode(b *testing.B) {
	for _, c := range []struct {
		name string
		arg  any
	}{
		{"struct", chatValue},
		{"string", "hello"},
		{"map", chatTree},
		{"struct with any", &loose{"n", chatTree}},
		{"bytes", make([]byte, 64)},
		{"struct with bytes", &upload{"n", make([]byte, 64)}},
		{"map of ints", map[string]int{"a": 1, "b": 2, "c": 3}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, h := MsgPack(), Header{Type: Event, Namespace: "/app", ID: 7, HasID: true}
			dst := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := p.AppendPacket(dst, h, "chat", c.arg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMsgPackAppendArgs(b *testing.B) {
	p, h := MsgPack(), Header{Type: Event, Namespace: "/app"}
	for name, from := range map[string]Parser{"same form": p, "from JSON": JSON(nil)} {
		b.Run(name, func(b *testing.B) {
			a, err := from.EncodeArgs("chat", chatValue)
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				p.AppendArgs(dst, h, a)
			}
		})
	}
	b.Run("to JSON", func(b *testing.B) {
		a, err := p.EncodeArgs("chat", chatValue)
		if err != nil {
			b.Fatal(err)
		}
		dst := make([]byte, 0, 1024)
		b.ReportAllocs()
		for b.Loop() {
			JSON(nil).AppendArgs(dst, h, a)
		}
	})
}

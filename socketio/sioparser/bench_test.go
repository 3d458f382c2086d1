package sioparser

import (
	"strings"
	"testing"
)

type chat struct {
	Room string   `json:"room"`
	Text string   `json:"text"`
	N    int      `json:"n"`
	Tags []string `json:"tags,omitempty"`
}

type upload struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

type loose struct {
	Name string `json:"name"`
	Meta any    `json:"meta"`
}

const chatText = `2/app,7["chat",{"room":"lobby","text":"hello <everybody> & all","n":42,"tags":["a","b"]}]`

func BenchmarkSplit(b *testing.B) {
	for name, text := range map[string]string{
		"small":  chatText,
		"4KiB":   `2["text","` + strings.Repeat("0123456789abcde ", 256) + `"]`,
		"nested": `2["n"` + strings.Repeat(`,{"id":123,"name":"abc","list":[1,2,3],"ok":true}`, 80) + `]`,
	} {
		b.Run(name, func(b *testing.B) {
			d, data := JSON(nil).NewDecoder(nil), []byte(text)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok, err := d.Add(data, false); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkSplitBinary(b *testing.B) {
	d, att := JSON(nil).NewDecoder(nil), make([]byte, 1024)
	text := []byte(`51-["up",{"name":"n","data":{"_placeholder":true,"num":0}}]`)
	b.ReportAllocs()
	for b.Loop() {
		d.Add(text, false)
		if _, ok, err := d.Add(att, true); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// decodeInto splits and decodes text again and again.
func decodeInto[T any](b *testing.B, text string, attachments ...[]byte) {
	d, data := JSON(nil).NewDecoder(nil), []byte(text)
	b.ReportAllocs()
	for b.Loop() {
		p, _, err := d.Add(data, false)
		for _, a := range attachments {
			p, _, err = d.Add(a, true)
		}
		var v T
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Args.Shift().Decode(&v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	b.Run("struct", func(b *testing.B) { decodeInto[chat](b, chatText) })
	b.Run("string", func(b *testing.B) { decodeInto[string](b, `2["x","hello"]`) })
	b.Run("int", func(b *testing.B) { decodeInto[int](b, `2["x",12345]`) })
	b.Run("any", func(b *testing.B) { decodeInto[any](b, chatText) })
	b.Run("map", func(b *testing.B) { decodeInto[map[string]any](b, chatText) })
	b.Run("struct with any", func(b *testing.B) { decodeInto[loose](b, `2["x",{"name":"n","meta":{"a":1,"b":[1,2,3],"c":"d"}}]`) })
	b.Run("attachment", func(b *testing.B) {
		decodeInto[[]byte](b, `51-["up",{"_placeholder":true,"num":0}]`, make([]byte, 64))
	})
	b.Run("struct with attachment", func(b *testing.B) {
		decodeInto[upload](b, `51-["up",{"name":"n","data":{"_placeholder":true,"num":0}}]`, make([]byte, 64))
	})
}

func BenchmarkEncode(b *testing.B) {
	tree := map[string]any{"room": "lobby", "text": "hello <everybody> & all", "n": 42, "tags": []any{"a", "b"}}
	for _, c := range []struct {
		name string
		arg  any
	}{
		{"struct", &chat{"lobby", "hello <everybody> & all", 42, []string{"a", "b"}}},
		{"string", "hello"},
		{"map", tree},
		{"struct with any", &loose{"n", tree}},
		{"attachment", make([]byte, 64)},
		{"struct with attachment", &upload{"n", make([]byte, 64)}},
		{"map with attachment", map[string]any{"name": "n", "data": make([]byte, 64)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, h := JSON(nil), Header{Type: Event, Namespace: "/app", ID: 7, HasID: true}
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

func BenchmarkAppendArgs(b *testing.B) {
	p, h := JSON(nil), Header{Type: Event, Namespace: "/app"}
	a, err := p.EncodeArgs("chat", &chat{"lobby", "hello", 42, nil})
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		p.AppendArgs(dst, h, a)
	}
}

package eioparser

import (
	"bytes"
	"fmt"
	"testing"
)

// benchPackets are what a busy session has to send: text, some of it not ASCII,
// and with binary set every fourth packet as bytes.
func benchPackets(n int, binary bool) (packets []Packet) {
	for i := range n {
		p := Packet{Type: Message, Data: fmt.Appendf(nil, `2["update",{"id":%d,"name":"Zoë 😀","values":[1,2,3,4]}]`, i)}
		if binary && i%4 == 3 {
			p = Packet{Type: Message, Binary: true, Data: bytes.Repeat([]byte{1, 2, 3, 4}, 16)}
		}
		packets = append(packets, p)
	}
	return packets
}

func BenchmarkAppendPayload(b *testing.B) {
	packets := benchPackets(16, true)
	for _, r := range []Revision{V3, V4} {
		b.Run(fmt.Sprintf("v%d", r), func(b *testing.B) {
			dst := AppendPayload(nil, r, packets)
			b.SetBytes(int64(len(dst)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendPayload(dst[:0], r, packets)
			}
		})
	}
	b.Run("v3 binary", func(b *testing.B) {
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst = dst[:0]
			for _, p := range packets {
				dst = AppendPayloadBinary(dst, p)
			}
		}
		b.SetBytes(int64(len(dst)))
	})
}

func BenchmarkPackets(b *testing.B) {
	for _, binary := range []bool{false, true} {
		packets := benchPackets(16, binary)
		for _, r := range []Revision{V3, V4} {
			b.Run(fmt.Sprintf("v%d/binary=%t", r, binary), func(b *testing.B) {
				body := AppendPayload(nil, r, packets)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					for _, err := range Packets(r, body) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
	b.Run("v3 binary", func(b *testing.B) {
		var body []byte
		for _, p := range benchPackets(16, true) {
			body = AppendPayloadBinary(body, p)
		}
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			for _, err := range PacketsBinary(body) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkDecodeText(b *testing.B) {
	p := benchPackets(1, false)[0]
	for _, bc := range []struct {
		name  string
		frame []byte
	}{
		{"text", AppendText(nil, p)},
		{"text 16KB", AppendText(nil, Packet{Type: Message, Data: bytes.Repeat([]byte("x"), 16<<10)})},
		{"base64", AppendBase64(nil, V4, p)},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.SetBytes(int64(len(bc.frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeText(V4, bc.frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendText(b *testing.B) {
	p := benchPackets(1, false)[0]
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendText(dst[:0], p)
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkFrameHeader(b *testing.B) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendFrameHeader(dst[:0], FrameHeader{Length: 70_000})
		if _, _, err := ReadFrameHeader(dst); err != nil {
			b.Fatal(err)
		}
	}
}

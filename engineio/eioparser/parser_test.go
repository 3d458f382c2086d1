package eioparser

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestTypeString(t *testing.T) {
	for typ, want := range map[Type]string{Open: "open", Close: "close", Ping: "ping", Pong: "pong", Message: "message", Upgrade: "upgrade", Noop: "noop", 7: "Type(7)", 255: "Type(255)"} {
		if got := typ.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestErrorsSaySomething(t *testing.T) {
	for _, tc := range []struct {
		wire, want string
	}{
		{"", "eioparser: at byte 0: a payload must not be empty"},
		{"4a\x1e", "eioparser: at byte 3: a packet must not be empty"},
		{"4a\x1e9", "eioparser: at byte 3: a packet type is 0 to 6, got '9'"},
		{"4a\x1e\x1b", `eioparser: at byte 3: a packet type is 0 to 6, got '\x1b'`},
		{"4\xff", "eioparser: at byte 1: text must be valid UTF-8"},
		{"bA", "eioparser: at byte 1: binary data in text must be padded base64"},
	} {
		if _, err := DecodePayload(V4, []byte(tc.wire), 10); err == nil || err.Error() != tc.want {
			t.Errorf("%q: got %q, want %q", tc.wire, err, tc.want)
		}
	}
}

// Every byte where a type belongs, in every form. A lone 4 is a message without
// text here; it is for the layer above to say what it makes of that.
func TestFault_P01_PacketTypes(t *testing.T) {
	for c := range 256 {
		digit := c >= '0' && c <= '6'
		for _, r := range []Revision{V3, V4} {
			for _, data := range []string{"", "data"} {
				p, err := DecodeText(r, append([]byte{byte(c)}, data...))
				switch {
				case digit && (err != nil || p.Type != Type(c-'0') || string(p.Data) != data):
					t.Errorf("revision %d, type 0x%02x: got %v, %v", r, byte(c), p, err)
				case !digit && c != 'b' && !errors.Is(err, ErrPacketType):
					t.Errorf("revision %d, type 0x%02x: got %v, %v", r, byte(c), p, err)
				}
			}
		}
		if _, err := DecodeText(V3, []byte{'b', byte(c)}); (err == nil) != digit {
			t.Errorf("base64 of type 0x%02x: got %v", byte(c), err)
		}
		if p, err := DecodeBinary(V3, []byte{byte(c)}); (err == nil) != (c <= 6) || err == nil && p.Type != Type(c) {
			t.Errorf("binary of type %d: got %v, %v", c, p, err)
		}
	}
	for _, r := range []Revision{V3, V4} {
		if _, err := DecodeText(r, nil); !errors.Is(err, ErrEmptyPacket) {
			t.Errorf("revision %d, empty frame: got %v", r, err)
		}
		if p, err := DecodeText(r, []byte("4")); err != nil || p.Type != Message || len(p.Data) != 0 {
			t.Errorf("revision %d, lone 4: got %v, %v", r, p, err)
		}
	}
}

// Text that is not UTF-8 is refused on every way in; text that looks odd is not.
func TestFault_P11_TextIsUTF8(t *testing.T) {
	for _, text := range []string{"\xff", "\xc3", "a\xe2\x82", "\xed\xa0\x80", "\xed\xb0\x80", "\xf4\x90\x80\x80", "\xc0\x80", "\x80", "\xf0\x9f\x98", "valid \u20ac then \xfe"} {
		at := strings.IndexFunc(text, func(r rune) bool { return r == '\ufffd' })
		frame := "4" + text
		check := func(way string, offset int, err error) {
			t.Helper()
			var e *DecodeError
			if !errors.Is(err, ErrUTF8) || !errors.As(err, &e) || e.Offset != offset {
				t.Errorf("%s: %q: got %v, want an error at byte %d", way, text, err, offset)
			}
		}
		for _, r := range []Revision{V3, V4} {
			_, err := DecodeText(r, []byte(frame))
			check("frame", 1+at, err)
		}
		_, err := collect(t, Packets(V4, []byte(frame)))
		check("payload of revision 4", 1+at, err)
		_, err = collect(t, PacketsBinary(fmt.Appendf(nil, "\x00%c\xff%s", rune(len(frame)), frame)))
		if len(frame) < 10 {
			check("binary payload", 4+at, err)
		}
		// The length is what a decoder that replaces bytes might count.
		units := len(utf16.Encode([]rune(frame)))
		_, err = collect(t, Packets(V3, fmt.Appendf(nil, "%d:%s", units, frame)))
		check("payload of revision 3", len(fmt.Sprint(units))+2+at, err)
	}
	for _, text := range []string{"\x00", "\u2028\u2029", "\ufeff", "\ufffe\uffff", "\ufffd", "\U0010ffff", `"\ud800"`, "\r\n"} {
		for _, r := range []Revision{V3, V4} {
			wire := AppendPayload(nil, r, []Packet{{Type: Message, Data: []byte(text)}})
			got, err := DecodePayload(r, wire, 1)
			if err != nil || len(got) != 1 || string(got[0].Data) != text {
				t.Errorf("revision %d: %q came back as %v, %v", r, text, got, err)
			}
		}
	}
}

// Lengths of revision 3, in both forms, against a body of a known size: only
// the right one is accepted.
func TestFault_P12_Lengths(t *testing.T) {
	for length := range 300 {
		for _, size := range []int{1, 2, 9, 10, 11, 99, 100, 101} {
			packet := "4" + strings.Repeat("x", size-1)
			text := fmt.Appendf(nil, "%d:%s", length, packet)
			got, err := collect(t, Packets(V3, text))
			if (err == nil) != (length == size) || err == nil && len(got) != 1 {
				t.Errorf("length %d of %d: got %d packets, %v", length, size, len(got), err)
			}
			binary := appendBinaryHeader(nil, kindText, length)
			got, err = collect(t, PacketsBinary(append(binary, packet...)))
			if (err == nil) != (length == size) || err == nil && len(got) != 1 {
				t.Errorf("binary: length %d of %d: got %d packets, %v", length, size, len(got), err)
			}
		}
	}
	// Mixed kinds in one body.
	var body []byte
	for i := range 100 {
		body = AppendPayloadBinary(body, Packet{Type: Message, Binary: i%2 == 0, Data: bytes.Repeat([]byte{'a' + byte(i%26)}, i)})
	}
	got, err := collect(t, PacketsBinary(body))
	if err != nil || len(got) != 100 || !got[98].Binary || got[99].Binary || len(got[99].Data) != 99 {
		t.Errorf("mixed kinds: %d packets, %v", len(got), err)
	}
}

// Every prefix of a payload ends in an error or in whole packets.
func TestFault_P12_Truncated(t *testing.T) {
	packets := []Packet{{Message, false, []byte("héllo😀")}, {Message, true, []byte{1, 2, 3, 4}}, {Ping, false, []byte("probe")}, {Message, false, []byte(strings.Repeat("y", 120))}}
	var binary []byte
	for _, p := range packets {
		binary = AppendPayloadBinary(binary, p)
	}
	ends := func(encode func(n int) int) map[int]int {
		m := make(map[int]int)
		for n := range packets {
			m[encode(n+1)] = n + 1
		}
		return m
	}
	text := AppendPayload(nil, V3, packets)
	textEnds := ends(func(n int) int { return len(AppendPayload(nil, V3, packets[:n])) })
	for n := range len(text) + 1 {
		got, err := collect(t, Packets(V3, text[:n]))
		if whole := textEnds[n]; (err == nil) != (whole > 0) || err == nil && len(got) != whole {
			t.Errorf("%q: %d packets, %v", text[:n], len(got), err)
		}
	}
	binaryEnds := ends(func(n int) (size int) {
		for _, p := range packets[:n] {
			size += len(AppendPayloadBinary(nil, p))
		}
		return size
	})
	for n := range len(binary) + 1 {
		got, err := collect(t, PacketsBinary(binary[:n]))
		if whole := binaryEnds[n]; (err == nil) != (whole > 0) || err == nil && len(got) != whole {
			t.Errorf("% x: %d packets, %v", binary[:n], len(got), err)
		}
	}
}

// Every byte as a length digit of a binary payload, at each place: no overflow,
// no packet out of thin air.
func TestSec_S35_BinaryLengthBytes(t *testing.T) {
	packet := []byte("4" + strings.Repeat("x", 199))
	for digits := 1; digits <= 3; digits++ {
		for place := range digits {
			for c := range 256 {
				length := bytes.Repeat([]byte{1}, digits)
				length[place] = byte(c)
				body := append([]byte{0}, length...)
				body = append(append(body, 0xff), packet...)
				got, err := collect(t, PacketsBinary(body))
				if c > 9 && c != 0xff && (err == nil || len(got) > 0) {
					t.Errorf("length % x: got %d packets, %v", length, len(got), err)
				}
				if len(got) > 0 && len(got[0].Data)+1 > len(packet) {
					t.Errorf("length % x: a packet of %d bytes", length, len(got[0].Data))
				}
			}
		}
	}
	for digits := range 400 {
		for _, digit := range []byte{0, 1, 9, 10, 0xfe} {
			body := append(bytes.Repeat([]byte{digit}, digits+1), 0xff)
			if got, err := collect(t, PacketsBinary(append([]byte{1}, body...))); err == nil || len(got) > 0 {
				t.Fatalf("%d digits %d: got %d packets, %v", digits, digit, len(got), err)
			}
		}
	}
}

// Each decimal as the length of a text payload, in and out of every notation.
func TestSec_S35_TextLengths(t *testing.T) {
	for _, length := range []string{"", " ", "1 ", " 1", "+1", "-1", "1.0", "1e0", "0x1", "01", "001", "1_0", "٠", "１", "4294967297", "18446744073709551617", "9223372036854775807", strings.Repeat("9", 400), strings.Repeat("1", 100_000)} {
		if got, err := collect(t, Packets(V3, []byte(length+":4"))); !errors.Is(err, ErrLength) || len(got) > 0 {
			t.Errorf("length %.40q: got %d packets, %v", length, len(got), err)
		}
	}
	if got, err := collect(t, Packets(V3, []byte("1:4"))); err != nil || len(got) != 1 {
		t.Errorf("length 1: got %d packets, %v", len(got), err)
	}
}

func TestDecodePayloadLimit(t *testing.T) {
	for _, r := range []Revision{V3, V4} {
		var packets []Packet
		for range 10 {
			packets = append(packets, Packet{Type: Message, Data: []byte("x")})
		}
		body := AppendPayload(nil, r, packets)
		for max := range 12 {
			got, err := DecodePayload(r, body, max)
			if errors.Is(err, ErrTooMany) != (max < 10) || len(got) != min(max, 10) {
				t.Errorf("revision %d, at most %d: got %d packets, %v", r, max, len(got), err)
			}
		}
	}
}

// A caller may stop early.
func TestPacketsCanBeLeft(t *testing.T) {
	for name, packets := range map[string]func(yield func(Packet, error) bool){
		"revision 4": Packets(V4, []byte("4a\x1e4b\x1e4c")),
		"revision 3": Packets(V3, []byte("2:4a2:4b2:4c")),
		"binary":     PacketsBinary([]byte("\x00\x02\xff4a\x00\x02\xff4b\x00\x02\xff4c")),
	} {
		n := 0
		for range packets {
			if n++; n == 2 {
				break
			}
		}
		if n != 2 {
			t.Errorf("%s: stopped after %d packets", name, n)
		}
	}
}

// Half a million packets in one body cost no memory.
func TestPacketsInConstantMemory(t *testing.T) {
	for name, packets := range map[string]func(yield func(Packet, error) bool){
		"revision 4": Packets(V4, []byte("4"+strings.Repeat("\x1e4", 499_999))),
		"revision 3": Packets(V3, []byte(strings.Repeat("1:4", 500_000))),
		"binary":     PacketsBinary(bytes.Repeat([]byte("\x00\x01\xff4"), 500_000)),
	} {
		n := 0
		allocs := testing.AllocsPerRun(1, func() {
			n = 0
			for _, err := range packets {
				if n++; err != nil {
					t.Fatal(err)
				}
			}
		})
		if n != 500_000 || allocs > 4 {
			t.Errorf("%s: %d packets, %v allocations", name, n, allocs)
		}
	}
}

// Go's decoder skips line breaks anywhere; a packet must not be made of them.
func TestBase64OfLineBreaks(t *testing.T) {
	for _, r := range []Revision{V3, V4} {
		prefix := "b"
		if r == V3 {
			prefix = "b4"
		}
		for _, breaks := range []string{"\r", "\n", "\r\r", "\r\n", "\n\n\n\n", "\n=", "\nAQID"} {
			if p, err := DecodeText(r, []byte(prefix+breaks)); !errors.Is(err, ErrBase64) {
				t.Errorf("revision %d: %q: got %v, %v", r, breaks, p, err)
			}
		}
		// As Java's and Android's default encoder writes it.
		for n := range 200 {
			data := bytes.Repeat([]byte{0xab}, n)
			var lines strings.Builder
			for line := base64.StdEncoding.EncodeToString(data); line != ""; {
				cut := min(76, len(line))
				lines.WriteString(line[:cut] + "\n")
				line = line[cut:]
			}
			p, err := DecodeText(r, []byte(prefix+lines.String()))
			if err != nil || !bytes.Equal(p.Data, data) {
				t.Fatalf("revision %d: %d bytes came back as %d, %v", r, n, len(p.Data), err)
			}
		}
	}
}

func TestUTF16Len(t *testing.T) {
	for _, s := range []string{"", "abc", "é", "€", "😀", "a😀€éz", "\uffff\U00010000\U0010ffff", strings.Repeat("x😀", 1000)} {
		want := len(utf16.Encode([]rune(s)))
		if got := utf16Len([]byte(s)); got != want {
			t.Errorf("%.20q has %d units, got %d", s, want, got)
		}
		if n, err := cutUTF16([]byte(s+"behind"), want); n != len(s) || err != nil {
			t.Errorf("%.20q of %d bytes was cut after %d, %v", s, len(s), n, err)
		}
	}
}

package eioparser

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"
)

// wire is a value of the vector files: text, or bytes as {"$bytes": base64}.
type wire struct {
	binary bool
	bytes  []byte
}

func (w *wire) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*w = wire{bytes: []byte(text)}
		return nil
	}
	var binary struct {
		Bytes *string `json:"$bytes"`
	}
	if err := json.Unmarshal(b, &binary); err != nil || binary.Bytes == nil {
		return fmt.Errorf("neither text nor $bytes: %s", b)
	}
	data, err := base64.StdEncoding.DecodeString(*binary.Bytes)
	*w = wire{true, data}
	return err
}

type vectorPacket struct {
	Type Type `json:"type"`
	Data wire `json:"data"`
}

func (p vectorPacket) packet() Packet {
	return Packet{Type: p.Type, Binary: p.Data.binary, Data: p.Data.bytes}
}

// vector is one case of any of the files; each uses some of the fields.
type vector struct {
	Name       string         `json:"name"`
	Revision   Revision       `json:"revision"`
	Wire       wire           `json:"wire"`
	Packet     vectorPacket   `json:"packet"`
	Packets    []vectorPacket `json:"packets"`
	Header     FrameHeader    `json:"header"`
	Error      string         `json:"error"`
	Offset     int            `json:"offset"`
	DecodeOnly bool           `json:"decodeOnly"`
	Reference  string         `json:"reference"`
	Deviation  string         `json:"deviation"`
}

func (v *vector) packets() (packets []Packet) {
	for _, p := range v.Packets {
		packets = append(packets, p.packet())
	}
	return packets
}

// vectorErrors are the names of the errors in the vector files.
var vectorErrors = map[string]error{
	"empty payload": ErrEmptyPayload,
	"empty packet":  ErrEmptyPacket,
	"packet type":   ErrPacketType,
	"packet kind":   ErrPacketKind,
	"length":        ErrLength,
	"base64":        ErrBase64,
	"utf-8":         ErrUTF8,
}

func vectors(t testing.TB, file string) []vector {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../testdata/vectors/engineio", file))
	if err != nil {
		t.Fatal(err)
	}
	var content struct {
		About string   `json:"about"`
		Cases []vector `json:"cases"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&content); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(content.Cases) == 0 {
		t.Fatalf("%s has no cases", file)
	}
	return content.Cases
}

// run runs one subtest per case. Names repeat between revisions only.
func run(t *testing.T, file string, test func(t *testing.T, v *vector)) {
	seen := make(map[string]bool)
	for _, v := range vectors(t, file) {
		name := v.Name
		if v.Revision != 0 {
			name = fmt.Sprintf("v%d/%s", v.Revision, name)
		}
		if v.Wire.binary && file == "packets.json" {
			name += " (binary)"
		}
		if seen[name] {
			t.Errorf("%s has %q twice", file, name)
		}
		seen[name] = true
		t.Run(name, func(t *testing.T) { test(t, &v) })
	}
}

// checkError compares err with what the vector demands.
func (v *vector) checkError(t *testing.T, err error) {
	t.Helper()
	if v.Error == "" {
		if err != nil {
			t.Fatalf("got error %v", err)
		}
		return
	}
	want, ok := vectorErrors[v.Error]
	if !ok {
		t.Fatalf("the vector names an unknown error %q", v.Error)
	}
	var decodeError *DecodeError
	if !errors.Is(err, want) || !errors.As(err, &decodeError) || decodeError.Offset != v.Offset {
		t.Fatalf("got error %v, want %q at byte %d", err, want, v.Offset)
	}
}

func checkPackets(t *testing.T, got, want []Packet) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d packets %v, want %d", len(got), got, len(want))
	}
	for i := range got {
		checkPacket(t, got[i], want[i])
	}
}

func checkPacket(t *testing.T, got, want Packet) {
	t.Helper()
	if got.Type != want.Type || got.Binary != want.Binary || !bytes.Equal(got.Data, want.Data) {
		t.Fatalf("got %v, binary %t, %q, want %v, binary %t, %q", got.Type, got.Binary, got.Data, want.Type, want.Binary, want.Data)
	}
	if got.Data == nil || cap(got.Data) != len(got.Data) {
		t.Fatalf("data is nil or has spare capacity: appending to it would write into the input")
	}
}

// collect gathers an iteration and checks that an error ends it.
func collect(t testing.TB, packets iter.Seq2[Packet, error]) (list []Packet, err error) {
	t.Helper()
	for p, e := range packets {
		if err != nil {
			t.Fatalf("packet %v, error %v came after error %v", p, e, err)
		}
		if err = e; err != nil {
			if p.Data != nil || p.Type != 0 || p.Binary {
				t.Fatalf("packet %v came with error %v", p, e)
			}
			continue
		}
		list = append(list, p)
	}
	return list, err
}

// encode runs an encoder on a slice with content and without room.
func encode(t *testing.T, encoder func(dst []byte) []byte) []byte {
	t.Helper()
	got := encoder([]byte("kept")[:4:4])
	if !bytes.HasPrefix(got, []byte("kept")) {
		t.Fatalf("the content of dst was lost: %q", got)
	}
	got = got[4:]
	room := make([]byte, 0, len(got)+64)
	if allocs := testing.AllocsPerRun(10, func() { encoder(room) }); allocs != 0 {
		t.Fatalf("%v allocations with enough room", allocs)
	}
	return got
}

func TestPacketVectors(t *testing.T) {
	run(t, "packets.json", func(t *testing.T, v *vector) {
		decode := DecodeText
		if v.Wire.binary {
			decode = DecodeBinary
		}
		got, err := decode(v.Revision, v.Wire.bytes)
		v.checkError(t, err)
		if v.Error != "" {
			return
		}
		want := v.Packet.packet()
		checkPacket(t, got, want)
		if v.DecodeOnly {
			return
		}
		wire := encode(t, func(dst []byte) []byte {
			switch {
			case v.Wire.binary:
				return AppendBinary(dst, v.Revision, want)
			case want.Binary:
				return AppendBase64(dst, v.Revision, want)
			}
			return AppendText(dst, want)
		})
		if !bytes.Equal(wire, v.Wire.bytes) {
			t.Errorf("encodes to %q", wire)
		}
	})
}

func TestPayloadVectors(t *testing.T) {
	run(t, "payloads.json", func(t *testing.T, v *vector) {
		want := v.packets()
		got, err := collect(t, Packets(v.Revision, v.Wire.bytes))
		v.checkError(t, err)
		checkPackets(t, got, want)

		got, err = DecodePayload(v.Revision, v.Wire.bytes, len(want))
		v.checkError(t, err)
		checkPackets(t, got, want)

		if v.DecodeOnly || v.Error != "" {
			return
		}
		wire := encode(t, func(dst []byte) []byte { return AppendPayload(dst, v.Revision, want) })
		if !bytes.Equal(wire, v.Wire.bytes) {
			t.Errorf("encodes to %q", wire)
		}
	})
}

func TestBinaryPayloadVectors(t *testing.T) {
	run(t, "payloads-binary.json", func(t *testing.T, v *vector) {
		want := v.packets()
		got, err := collect(t, PacketsBinary(v.Wire.bytes))
		v.checkError(t, err)
		checkPackets(t, got, want)
		if v.DecodeOnly || v.Error != "" {
			return
		}
		wire := encode(t, func(dst []byte) []byte {
			for _, p := range want {
				dst = AppendPayloadBinary(dst, p)
			}
			return dst
		})
		if !bytes.Equal(wire, v.Wire.bytes) {
			t.Errorf("encodes to % x", wire)
		}
	})
}

func TestFrameHeaderVectors(t *testing.T) {
	run(t, "frame-headers.json", func(t *testing.T, v *vector) {
		for n := range v.Wire.bytes {
			if h, n, err := ReadFrameHeader(v.Wire.bytes[:n]); n != 0 || err != nil || h != (FrameHeader{}) {
				t.Fatalf("incomplete, but got %v, %d, %v", h, n, err)
			}
		}
		got, n, err := ReadFrameHeader(append(bytes.Clone(v.Wire.bytes), "behind"...))
		v.checkError(t, err)
		if v.Error != "" {
			if n != 0 {
				t.Errorf("an error came with size %d", n)
			}
			return
		}
		if got != v.Header || n != len(v.Wire.bytes) {
			t.Fatalf("got %v of %d bytes, want %v", got, n, v.Header)
		}
		if v.DecodeOnly {
			return
		}
		if wire := encode(t, func(dst []byte) []byte { return AppendFrameHeader(dst, v.Header) }); !bytes.Equal(wire, v.Wire.bytes) {
			t.Errorf("encodes to % x", wire)
		}
	})
}

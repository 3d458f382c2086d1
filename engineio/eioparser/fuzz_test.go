package eioparser

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

// equal compares packets as their receiver sees them.
func equal(a, b Packet) bool {
	return a.Type == b.Type && a.Binary == b.Binary && bytes.Equal(a.Data, b.Data)
}

// checkDecoded states what holds for every packet that any decoder lets through.
func checkDecoded(t *testing.T, r Revision, p Packet) {
	t.Helper()
	if p.Type > Noop {
		t.Fatalf("type %d was let through", p.Type)
	}
	if !p.Binary && !utf8.Valid(p.Data) {
		t.Fatalf("text %q was let through", p.Data)
	}
	if r == V4 && p.Binary && p.Type != Message {
		t.Fatalf("a binary %v was let through", p.Type)
	}
}

// checkOffset states that the error points into the input.
func checkOffset(t *testing.T, err error, size int) {
	t.Helper()
	if e, ok := err.(*DecodeError); !ok || e.Offset < 0 || e.Offset > size || e.Err == nil {
		t.Fatalf("error %#v does not point into %d bytes", err, size)
	}
}

// FuzzDecodePacket: a frame that decodes encodes to one that decodes to the
// same packet, and from then on to the same bytes.
func FuzzDecodePacket(f *testing.F) {
	for _, v := range vectors(f, "packets.json") {
		f.Add(v.Revision == V3, v.Wire.binary, v.Wire.bytes)
	}
	f.Fuzz(func(t *testing.T, v3, binary bool, frame []byte) {
		r := V4
		if v3 {
			r = V3
		}
		decode, original := DecodeText, bytes.Clone(frame)
		if binary {
			decode = DecodeBinary
		}
		p, err := decode(r, frame)
		if !bytes.Equal(frame, original) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			checkOffset(t, err, len(frame))
			return
		}
		checkDecoded(t, r, p)
		encode := func() []byte {
			switch {
			case binary:
				return AppendBinary(nil, r, p)
			case p.Binary:
				return AppendBase64(nil, r, p)
			}
			return AppendText(nil, p)
		}
		once := encode()
		if (binary || !p.Binary) && !bytes.Equal(once, frame) {
			t.Fatalf("%q encodes to %q", frame, once)
		}
		again, err := decode(r, once)
		if err != nil || !equal(p, again) {
			t.Fatalf("%v encodes to %q, which decodes to %v, %v", p, once, again, err)
		}
	})
}

// FuzzDecodePayload: the packets of a payload, up to the first error, encode to
// a payload of the same packets; a limit cuts the list and changes nothing else.
func FuzzDecodePayload(f *testing.F) {
	for _, v := range vectors(f, "payloads.json") {
		f.Add(v.Revision == V3, v.Wire.bytes, 16)
	}
	f.Fuzz(func(t *testing.T, v3 bool, body []byte, limit int) {
		r := V4
		if v3 {
			r = V3
		}
		packets, err := collect(t, Packets(r, body))
		if err != nil {
			checkOffset(t, err, len(body))
		}
		size := 0
		for _, p := range packets {
			checkDecoded(t, r, p)
			size += len(p.Data)
		}
		if size > len(body) || len(packets) > len(body) {
			t.Fatalf("%d bytes became %d packets with %d bytes", len(body), len(packets), size)
		}
		limited, _ := DecodePayload(r, body, limit)
		if len(limited) != min(len(packets), max(limit, 0)) {
			t.Fatalf("at most %d of %d packets were %d", limit, len(packets), len(limited))
		}
		if len(packets) == 0 && r == V4 {
			return // there is no payload of no packets
		}
		once := AppendPayload(nil, r, packets)
		if err == nil && len(once) > len(body)+len(body) {
			t.Fatalf("%q encodes to %q", body, once)
		}
		again, err := DecodePayload(r, once, len(packets))
		if err != nil || len(again) != len(packets) {
			t.Fatalf("%q encodes to %q, which decodes to %d packets, %v", body, once, len(again), err)
		}
		for i := range again {
			if !equal(packets[i], again[i]) {
				t.Fatalf("packet %d is %v, then %v", i, packets[i], again[i])
			}
		}
	})
}

// FuzzBinaryPayload: as FuzzDecodePayload; and what has no base64 in it encodes
// to the same bytes, as each packet has only one form.
func FuzzBinaryPayload(f *testing.F) {
	for _, v := range vectors(f, "payloads-binary.json") {
		f.Add(v.Wire.bytes)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		packets, err := collect(t, PacketsBinary(body))
		if err != nil {
			checkOffset(t, err, len(body))
		}
		var once []byte
		for _, p := range packets {
			checkDecoded(t, V3, p)
			once = AppendPayloadBinary(once, p)
		}
		if len(packets) == 0 {
			return
		}
		if len(once) > len(body) {
			t.Fatalf("% x encodes to % x", body, once)
		}
		if len(once) == len(body) && !bytes.Equal(once, body) {
			t.Fatalf("% x encodes to % x", body, once)
		}
		again, err := collect(t, PacketsBinary(once))
		if err != nil || len(again) != len(packets) {
			t.Fatalf("% x encodes to % x, which decodes to %d packets, %v", body, once, len(again), err)
		}
		for i := range again {
			if !equal(packets[i], again[i]) {
				t.Fatalf("packet %d is %v, then %v", i, packets[i], again[i])
			}
		}
	})
}

// FuzzFrameHeader: a header that is read is written in at most as many bytes,
// and read back; more bytes behind it change nothing; fewer are incomplete.
func FuzzFrameHeader(f *testing.F) {
	for _, v := range vectors(f, "frame-headers.json") {
		f.Add(v.Wire.bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := ReadFrameHeader(b)
		if err != nil {
			checkOffset(t, err, len(b))
			return
		}
		if n == 0 {
			if len(b) >= MaxFrameHeader {
				t.Fatalf("% x is no header and no error", b)
			}
			return
		}
		if n > len(b) || n > MaxFrameHeader || h.Length == 0 || h.Length > maxFrameLength {
			t.Fatalf("% x gives %v of %d bytes", b, h, n)
		}
		for short := range n {
			if _, n, err := ReadFrameHeader(b[:short]); n != 0 || err != nil {
				t.Fatalf("% x is no prefix: %d, %v", b[:short], n, err)
			}
		}
		wire := AppendFrameHeader(nil, h)
		again, m, err := ReadFrameHeader(wire)
		if err != nil || again != h || m != len(wire) || m > n {
			t.Fatalf("%v is written as % x, which is %v, %v", h, wire, again, err)
		}
	})
}

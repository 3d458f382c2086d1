package sioadapter

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// As FuzzMessage, for the encoding in MessagePack.
func FuzzMessageMsgPack(f *testing.F) {
	for _, tt := range messageCases {
		if b, err := MsgPack.Append(nil, &tt.want); err == nil {
			f.Add(b)
		}
	}
	for _, wire := range greedy {
		f.Add([]byte(wire))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m, err := MsgPack.Decode(wire)
		if err != nil {
			if !errors.Is(err, ErrMessage) {
				t.Fatalf("the error is %v, want ErrMessage", err)
			}
			return
		}
		once, err := MsgPack.Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := MsgPack.Decode(once)
		if err != nil {
			t.Fatalf("% x is written as % x, which is refused: %v", wire, once, err)
		}
		if twice, err := MsgPack.Append(nil, again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("% x is written as % x, then as % x (%v)", wire, once, twice, err)
		}
	})
}

// Messages that announce more than they have, or are nested, or of many parts.
var greedy = []string{
	"\xdf\xff\xff\xff\xff",            // a map of 4,294,967,295 members
	"\x81\xa3uid\xdb\xff\xff\xff",     // a text whose length is cut off
	"\x81\xa3uid\xdb\x7f\xff\xff\xff", // a text of 2 GiB
	"\x84\xa3uid\xa1a\xa3nsp\xa1/\xa4type\x03\xa4data\x81\xa6packet\xdd\xff\xff\xff\xff",
	"\x84\xa3uid\xa1a\xa3nsp\xa1/\xa4type\x03\xa4data\x81\xa4opts\x81\xa5rooms\xdd\xff\xff\xff\xff\xa1r",
	"\x84\xa3uid\xa1a\xa3nsp\xa1/\xa4type\x08\xa4data\x82\xa9requestId\xa1r\xa7sockets\xdd\x0f\xff\xff\xff",
	"\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f{}", // Framed: very many attachments
	"\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f{}",
}

// nested is what the scanner of encoding/json keeps a few bytes for at each
// level, up to 10,000 levels.
var nested = `{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":[` + strings.Repeat("[", 200_000)

// What comes from a bus costs no more memory than a few times its size, whatever
// it announces.
func TestFault_C03_AllocationIsBounded(t *testing.T) {
	for _, c := range []Codec{JSON, MsgPack, Framed} {
		for _, wire := range append(slices.Clone(greedy), nested) {
			b := []byte(wire)
			least := ^uint64(0) // of several, since others may allocate meanwhile
			for range 5 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				m, err := c.Decode(b)
				runtime.ReadMemStats(&after)
				if !errors.Is(err, ErrMessage) {
					t.Errorf("%T takes %.60q: %+v, %v", c, wire, m, err)
				}
				least = min(least, after.TotalAlloc-before.TotalAlloc)
			}
			if limit := uint64(4*len(b) + 4<<10); least > limit {
				t.Errorf("%T allocates %d bytes for the %d of %.60q, at most %d expected", c, least, len(b), wire, limit)
			}
		}
	}
}

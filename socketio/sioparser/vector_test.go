package sioparser

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// vector is a row of testdata/vectors/socketio.
type vector struct {
	Name      string
	Frames    []vectorFrame
	Packet    *vectorPacket
	Error     string
	Reference string
	Deviation string
}

// vectorFrame is a string, or {"base64": …} for a binary message.
type vectorFrame struct {
	data   []byte
	binary bool
}

func (f *vectorFrame) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		f.data = []byte(text)
		return nil
	}
	var o struct{ Base64 []byte }
	err := json.Unmarshal(b, &o)
	f.data, f.binary = o.Base64, true
	return err
}

type vectorPacket struct {
	Type Type
	NSP  string
	ID   *uint64
	Data any
}

func (p *vectorPacket) header() Header {
	h := Header{Type: p.Type, Namespace: p.NSP}
	if p.ID != nil {
		h.ID, h.HasID = *p.ID, true
	}
	return h
}

// args returns the values of the packet, {"$bytes": …} as []byte.
func (p *vectorPacket) args() []any {
	if p.Data == nil {
		return nil
	}
	if list, ok := withBytes(p.Data).([]any); ok {
		return list
	}
	return []any{withBytes(p.Data)}
}

func withBytes(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = withBytes(v[i])
		}
		return list
	case map[string]any:
		if s, ok := v["$bytes"].(string); ok {
			b, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				panic(err)
			}
			return b
		}
		m := make(map[string]any, len(v))
		for name := range v {
			m[name] = withBytes(v[name])
		}
		return m
	}
	return v
}

func readVectors(t testing.TB, file string) []vector {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "vectors", "socketio", file))
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Cases []vector }
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Cases) == 0 {
		t.Fatalf("%s has no cases", file)
	}
	return f.Cases
}

// feed adds the frames of a vector until one is refused or the last.
func feed(d Decoder, frames []vectorFrame) (p Packet, ok bool, err error) {
	for _, f := range frames {
		if p, ok, err = d.Add(f.data, f.binary); err != nil {
			return p, ok, err
		}
	}
	return p, ok, err
}

func checkPacketIs(t *testing.T, p Packet, want *vectorPacket) {
	t.Helper()
	if p.Header != want.header() {
		t.Errorf("header %+v, want %+v", p.Header, want.header())
	}
	args := want.args()
	if p.Args.Len() != len(args) {
		t.Fatalf("%d arguments, want %d", p.Args.Len(), len(args))
	}
	got := make([]any, len(args))
	dst := make([]any, len(args))
	for i := range got {
		dst[i] = &got[i]
	}
	if err := p.Args.Decode(dst...); err != nil {
		t.Fatal(err)
	}
	if len(args) > 0 && !reflect.DeepEqual(got, args) {
		t.Errorf("arguments %#v, want %#v", got, args)
	}
	if p.Type != Event {
		return
	}
	if name, ok := args[0].(string); ok && string(p.Name()) != name {
		t.Errorf("name %q, want %q", p.Name(), name)
	}
}

func TestVectorsBothWays(t *testing.T) {
	for _, v := range readVectors(t, "packets.json") {
		t.Run(v.Name, func(t *testing.T) {
			p, ok, err := feed(JSON(nil).NewDecoder(nil), v.Frames)
			if err != nil || !ok {
				t.Fatalf("decoding: %v, %v", ok, err)
			}
			checkPacketIs(t, p, v.Packet)

			again := JSON(nil).AppendArgs(nil, p.Header, p.Args)
			checkFrames(t, "encoded arguments", v.Frames, again, p.Args.Attachments())

			args, name := v.Packet.args(), ""
			if p.Type == Event {
				name, args = args[0].(string), args[1:]
			}
			text, attachments, err := JSON(nil).AppendPacket([]byte("kept"), p.Header, name, args...)
			if err != nil {
				t.Fatal(err)
			}
			checkFrames(t, "values", v.Frames, text[len("kept"):], attachments)

			if p.Type == Event || p.Type == Ack {
				a, err := JSON(nil).EncodeArgs(name, args...)
				if err != nil {
					t.Fatal(err)
				}
				checkFrames(t, "values encoded once", v.Frames, JSON(nil).AppendArgs(nil, p.Header, a), a.Attachments())
			}
		})
	}
}

func checkFrames(t *testing.T, what string, want []vectorFrame, text []byte, attachments [][]byte) {
	t.Helper()
	if !bytes.Equal(text, want[0].data) {
		t.Errorf("%s: %q, want %q", what, text, want[0].data)
	}
	if len(attachments) != len(want)-1 {
		t.Fatalf("%s: %d attachments, want %d", what, len(attachments), len(want)-1)
	}
	for i, b := range attachments {
		if !bytes.Equal(b, want[i+1].data) {
			t.Errorf("%s: attachment %d is %q, want %q", what, i, b, want[i+1].data)
		}
	}
}

// causes are the errors that vectors name by their text.
var causes = []error{
	ErrEmptyPacket, ErrPacketType, ErrIllegalAttachments, ErrTooManyAttachments, ErrAttachmentBytes,
	ErrPlaintext, ErrUnexpectedBinary, ErrNamespace, ErrID, ErrPayload, ErrUTF8,
}

func TestVectorsDecoding(t *testing.T) {
	for _, v := range readVectors(t, "decoding.json") {
		t.Run(v.Name, func(t *testing.T) {
			if (v.Packet == nil) == (v.Error == "") {
				t.Fatal("a vector has either a packet or an error")
			}
			if differs := (v.Packet != nil) != (v.Reference == "accepted"); differs && v.Deviation == "" {
				t.Error("the verdict differs from the reference without a reason")
			}
			d := JSON(nil).NewDecoder(nil)
			p, ok, err := feed(d, v.Frames)
			if v.Packet != nil {
				if err != nil || !ok {
					t.Fatalf("refused: %v, %v", ok, err)
				}
				checkPacketIs(t, p, v.Packet)
				return
			}
			var decodeErr *DecodeError
			if !errors.As(err, &decodeErr) {
				t.Fatalf("got %+v, %v, want a *DecodeError", p, err)
			}
			if cause := causeNamed(t, v.Error); !errors.Is(err, cause) {
				t.Errorf("got %v, want %v", err, cause)
			}
			if decodeErr.Offset > len(v.Frames[len(v.Frames)-1].data) && decodeErr.Offset > len(v.Frames[0].data) {
				t.Errorf("offset %d is outside the message", decodeErr.Offset)
			}
			if len(err.Error()) > 200 || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("error text %q", err)
			}
			if d.Pending() {
				t.Error("something is pending after the error")
			}
		})
	}
}

func causeNamed(t *testing.T, text string) error {
	for _, err := range causes {
		if err.Error() == text {
			return err
		}
	}
	t.Fatalf("no error has the text %q", text)
	return nil
}

// Every prefix of a packet is refused or is another packet; none panics.
func TestVectorsCutShort(t *testing.T) {
	for _, v := range append(readVectors(t, "packets.json"), readVectors(t, "decoding.json")...) {
		if v.Frames[0].binary {
			continue
		}
		text := v.Frames[0].data
		for n := range text {
			p, ok, err := JSON(nil).NewDecoder(nil).Add(text[:n:n], false)
			if err == nil && ok && !json.Valid(p.Args.Raw()) {
				t.Errorf("%q: arguments %q are not JSON", text[:n], p.Args.Raw())
			}
		}
	}
}

package sioparser

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// packArgs returns the values of a MessagePack vector: as args, and
// {"$date": …} and {"$number": …} as what they stand for.
func packArgs(p *vectorPacket) []any {
	args := p.args()
	for i := range args {
		args[i] = withDates(args[i])
	}
	return args
}

func withDates(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withDates(v[i])
		}
	case map[string]any:
		if ms, ok := v["$date"].(float64); ok {
			return time.UnixMilli(int64(ms)).UTC()
		}
		if s, ok := v["$number"].(string); ok {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil {
				panic(err)
			}
			return f
		}
		for name := range v {
			v[name] = withDates(v[name])
		}
	}
	return v
}

func checkPackedIs(t *testing.T, p Packet, want *vectorPacket) {
	t.Helper()
	if p.Header != want.header() {
		t.Errorf("header %+v, want %+v", p.Header, want.header())
	}
	args := packArgs(want)
	got, dst := make([]any, p.Args.Len()), make([]any, p.Args.Len())
	for i := range got {
		dst[i] = &got[i]
	}
	if err := p.Args.Decode(dst...); err != nil {
		t.Fatal(err)
	}
	if !same(got, args) {
		t.Errorf("arguments %#v, want %#v", got, args)
	}
	if p.Type != Event {
		return
	}
	if want, err := json.Marshal(args[0]); err != nil || string(p.Name()) != strings.Trim(string(want), `"`) {
		t.Errorf("name %q, want %s", p.Name(), want)
	}
}

// same is reflect.DeepEqual for which NaN is NaN.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && (a == b || math.IsNaN(a) && math.IsNaN(b))
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			if v, ok := b[name]; !ok || !same(a[name], v) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

func TestMsgPackVectors(t *testing.T) {
	for _, v := range readVectors(t, "msgpack.json") {
		t.Run(v.Name, func(t *testing.T) {
			if (v.Packet == nil) == (v.Error == "") || len(v.Frames) != 1 || !v.Frames[0].binary {
				t.Fatal("a vector has one binary frame, and either a packet or an error")
			}
			frame := v.Frames[0].data
			p, ok, err := MsgPack().NewDecoder(nil).Add(frame, true)
			if v.Packet == nil {
				checkRefusal(t, v, frame, p, err)
				return
			}
			if err != nil || !ok {
				t.Fatalf("refused: %v, %v", ok, err)
			}
			if v.Reference == "refused" && v.Deviation == "" {
				t.Error("the verdict differs from the reference without a reason")
			}
			checkPackedIs(t, p, v.Packet)
			if v.Reference == "" {
				checkPackedEncoding(t, p, v.Packet, frame)
			}
		})
	}
}

func checkRefusal(t *testing.T, v vector, frame []byte, p Packet, err error) {
	t.Helper()
	if v.Reference == "accepted" && v.Deviation == "" {
		t.Error("the verdict differs from the reference without a reason")
	}
	var decodeErr *DecodeError
	if !errors.As(err, &decodeErr) || !reflect.DeepEqual(p, Packet{}) {
		t.Fatalf("got %+v, %v, want a *DecodeError", p, err)
	}
	if cause := causeNamed(t, v.Error); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	if decodeErr.Offset > len(frame) || len(err.Error()) > 200 {
		t.Errorf("%v, of %d bytes", err, len(frame))
	}
}

// checkPackedEncoding encodes the packet in each way that there is.
func checkPackedEncoding(t *testing.T, p Packet, want *vectorPacket, frame []byte) {
	t.Helper()
	check := func(what string, got []byte) {
		t.Helper()
		if !bytes.Equal(got, frame) {
			t.Errorf("%s:\n% x, want\n% x", what, got, frame)
		}
	}
	check("encoded arguments", MsgPack().AppendArgs(nil, p.Header, p.Args))
	args, name := packArgs(want), ""
	if p.Type == Event {
		name, args = args[0].(string), args[1:]
	}
	got, attachments, err := MsgPack().AppendPacket([]byte("kept"), p.Header, name, args...)
	if err != nil || attachments != nil || string(got[:4]) != "kept" {
		t.Fatalf("%q, %d attachments, %v", got[:4], len(attachments), err)
	}
	check("values", got[4:])
	if name != "" || p.Type == Ack {
		a, err := MsgPack().EncodeArgs(name, args...)
		if err != nil {
			t.Fatal(err)
		}
		check("values encoded once", MsgPack().AppendArgs(nil, p.Header, a))
	}
}

// No prefix of a packet is a packet.
func TestMsgPackVectorsCutShort(t *testing.T) {
	for _, v := range readVectors(t, "msgpack.json") {
		if v.Packet == nil {
			continue
		}
		frame := v.Frames[0].data
		for n := range frame {
			if p, _, err := MsgPack().NewDecoder(nil).Add(frame[:n:n], true); err == nil {
				t.Errorf("%s: %d of %d bytes are %+v", v.Name, n, len(frame), p)
			}
		}
	}
}

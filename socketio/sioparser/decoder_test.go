package sioparser

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func decode(l *Limits, frames ...string) (Packet, bool, error) {
	d := JSON(nil).NewDecoder(l)
	var list []vectorFrame
	for i, f := range frames {
		list = append(list, vectorFrame{data: []byte(f), binary: i > 0})
	}
	return feed(d, list)
}

// wantCause checks that the message is refused for the reason.
func wantCause(t *testing.T, text string, cause error) {
	t.Helper()
	if p, _, err := decode(nil, text); !errors.Is(err, cause) {
		t.Errorf("%.60q: got %v, %v, want %v", text, p.Header, err, cause)
	}
}

func nested(levels int) string {
	return `2["x",` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + "]"
}

func TestFault_P02_UnknownType(t *testing.T) {
	for c := range 256 {
		_, _, err := decode(nil, string([]byte{byte(c)}))
		if known := c >= '0' && c <= '6'; errors.Is(err, ErrPacketType) == known {
			t.Errorf("type %#x: %v", c, err)
		}
	}
	wantCause(t, "9", ErrPacketType)
}

// A missing payload is an error, where the reference delivers an event without
// data.
func TestFault_P03_NoPayload(t *testing.T) {
	for _, text := range []string{"2", "3", "30", "2/a,", "2/a", "3/a,1", "4", "4/a,"} {
		wantCause(t, text, ErrPayload)
	}
}

func TestFault_P04_EventName(t *testing.T) {
	for _, name := range []string{`"connect"`, `"connect_error"`, `"disconnect"`, `"disconnecting"`, `"newListener"`,
		`"removeListener"`, `"\u0063onnect"`, `{}`, `{"toString":1}`, `null`, `true`, `false`, `[]`, `["a"]`} {
		wantCause(t, "2["+name+"]", ErrEventName)
		wantCause(t, "51-["+name+"]", ErrEventName)
	}
	wantCause(t, "2[]", ErrEventName)
}

func TestFault_P05_AttachmentCount(t *testing.T) {
	for _, n := range []string{"", "0", "-1", "1e1", "+1", " 1", "0x1", "01", "1.0", "00", "1 ", "١"} {
		wantCause(t, "5"+n+`-["x"]`, ErrIllegalAttachments)
		wantCause(t, "6"+n+`-["x"]`, ErrIllegalAttachments)
	}
	for _, n := range []string{"11", "999999", strings.Repeat("9", 1000)} {
		wantCause(t, "5"+n+`-["x"]`, ErrTooManyAttachments)
	}
	for n := 1; n <= 10; n++ {
		if _, _, err := decode(nil, "5"+strconv.Itoa(n)+`-["x"]`); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestFault_P06_Placeholder(t *testing.T) {
	for _, num := range []string{"1", "-1", "0.5", "1e308", "1e400", `"0"`, `"splice"`, "null", "true", "[0]", "{}", "00000000000"} {
		text := `51-["x",{"_placeholder":true,"num":` + num + `}]`
		if p, _, err := decode(nil, text, "a"); err == nil {
			t.Errorf("%s: got %s", text, p.Args.Raw())
		}
	}
	// An attachment may be named once, many times, or not at all.
	p, ok, err := decode(nil, `51-["x",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":0}]]`, "a")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	var one []byte
	var two []any
	if err := p.Args.Shift().Decode(&one, &two); err != nil || string(one) != "a" || string(two[0].([]byte)) != "a" {
		t.Errorf("%q, %v, %v", one, two, err)
	}
}

func TestFault_P07_WrongOrder(t *testing.T) {
	d := JSON(nil).NewDecoder(nil)
	if _, _, err := d.Add([]byte("a"), true); !errors.Is(err, ErrUnexpectedBinary) {
		t.Errorf("binary first: %v", err)
	}
	header := []byte(`52-/a,1["x"]`)
	p, ok, err := d.Add(header, false)
	if ok || err != nil || !d.Pending() {
		t.Fatal(ok, err, d.Pending())
	}
	if want := (Header{Type: Event, Namespace: "/a", ID: 1, HasID: true}); p.Header != want || p.Args.Len() != 0 {
		t.Errorf("while awaiting: %+v, want the header alone", p)
	}
	if _, _, err := d.Add([]byte(`2["y"]`), false); !errors.Is(err, ErrPlaintext) {
		t.Errorf("text while awaiting: %v", err)
	}
	if d.Pending() {
		t.Error("still pending after the error")
	}
}

// P08: the owner of the connection has the deadline; what it calls is Reset.
func TestFault_P08_ResetFreesAttachments(t *testing.T) {
	d := JSON(nil).NewDecoder(&Limits{AttachmentBytes: 100 << 20})
	before := heap()
	for range 3 {
		if _, _, err := d.Add([]byte(`510-["x"]`), false); err != nil {
			t.Fatal(err)
		}
		big := make([]byte, 4<<20)
		for range 9 {
			if _, ok, err := d.Add(big, true); ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		d.Reset()
		if d.Pending() {
			t.Fatal("pending after Reset")
		}
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("%d bytes are kept after Reset", grown)
	}
	if _, ok, err := d.Add([]byte(`2["y"]`), false); !ok || err != nil {
		t.Error("not usable after Reset:", ok, err)
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestFault_P09_ID(t *testing.T) {
	for _, id := range []string{"9007199254740992", "9999999999999999", "18446744073709551616", strings.Repeat("1", 22), strings.Repeat("0", 17)} {
		wantCause(t, "2"+id+`["x"]`, ErrID)
		wantCause(t, "3"+id+`[]`, ErrID)
	}
	for _, id := range []string{"-1", "+1", "1.5", "1e3", " 1", "1 ", "0x1"} {
		wantCause(t, "2"+id+`["x"]`, ErrPayload)
	}
	p, _, err := decode(nil, `29007199254740991["x"]`)
	if err != nil || p.ID != 1<<53-1 {
		t.Error(p.Header, err)
	}
}

func TestFault_P10_Nesting(t *testing.T) {
	if _, _, err := decode(nil, nested(DefaultDepth)); err != nil {
		t.Errorf("%d levels: %v", DefaultDepth, err)
	}
	for _, levels := range []int{DefaultDepth + 1, 5_000, 400_000} {
		wantCause(t, nested(levels), ErrDepth)
		wantCause(t, `0{"a":`+strings.Repeat(`{"a":`, levels)+strings.Repeat("}", levels)+"}", ErrDepth)
		wantCause(t, `2["x",`+strings.Repeat("[", levels), ErrDepth) // never closed
	}
	deep := &Limits{Depth: 50_000}
	if _, _, err := decode(deep, nested(10_000)); err != nil {
		t.Errorf("10,000 levels where they are admitted: %v", err)
	}
	if _, _, err := decode(deep, nested(10_001)); !errors.Is(err, ErrDepth) {
		t.Errorf("10,001 levels: %v", err)
	}
}

// An application that passes on what it received gets an error, not a crash.
func TestFault_P10_EncodingNesting(t *testing.T) {
	p, _, err := decode(&Limits{Depth: 5000}, nested(4000))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	var raw json.RawMessage
	if err := p.Args.Shift().Decode(&tree); err != nil {
		t.Fatal(err)
	}
	if err := p.Args.Shift().Decode(&raw); err != nil {
		t.Fatal(err)
	}
	type list struct{ Next *list }
	chain := new(list)
	for range 2000 {
		chain = &list{Next: chain}
	}
	cycle := new(list)
	cycle.Next = cycle
	type fork struct{ A, B any }
	forks := new(fork)
	forks.A, forks.B = forks, forks
	loop := map[string]any{}
	loop["self"] = loop
	for name, v := range map[string]any{"tree": tree, "raw": raw, "in a struct": struct{ V any }{tree},
		"chain": chain, "cycle": cycle, "cycle of interfaces": forks, "cyclic map": loop,
		"with bytes": []any{tree, []byte("a")}, "struct with bytes": struct {
			V any
			B []byte
		}{tree, []byte("a")}} {
		text, attachments, err := JSON(nil).AppendPacket([]byte("kept"), Header{Type: Event}, "x", v)
		var argErr *ArgError
		if !errors.As(err, &argErr) || argErr.Index != 0 || string(text) != "kept" || attachments != nil {
			t.Errorf("%s: %.40q, %d attachments, %v", name, text, len(attachments), err)
		}
	}
	// The last level that a decoder takes is the last that the encoder writes.
	for levels, want := range map[int]error{DefaultDepth - 1: nil, DefaultDepth: ErrDepth} {
		var v any = []any{}
		for range levels - 1 {
			v = []any{v}
		}
		for name, v := range map[string]any{"tree": v, "struct": struct{ V any }{v.([]any)[0]}, "array": [1]any{v.([]any)[0]}} {
			text, _, err := JSON(nil).AppendPacket(nil, Header{Type: Event}, "x", v)
			if !errors.Is(err, want) {
				t.Errorf("%s with %d levels: %v, want %v", name, levels, err, want)
			}
			if err == nil {
				if _, _, err := decode(nil, string(text)); err != nil {
					t.Errorf("%s with %d levels: encoded, and then %v", name, levels, err)
				}
			}
		}
	}
}

func TestFault_P13_OddData(t *testing.T) {
	p, _, err := decode(nil, `2["x",{"__proto__":{"admin":true},"a":1,"a":2},1e400,123456789012345678901234567890]`)
	if err != nil {
		t.Fatal(err)
	}
	var obj map[string]any
	var huge float64
	var number json.Number
	if err := p.Args.Shift().Decode(&obj); err != nil || obj["a"] != 2.0 || len(obj) != 2 {
		t.Error(obj, err)
	}
	var argErr *ArgError
	if err := p.Args.Shift().Decode(nil, &huge); !errors.As(err, &argErr) || argErr.Index != 1 || math.IsInf(huge, 0) {
		t.Errorf("1e400 as float64: %v, %v", huge, err)
	}
	var any1 any
	if err := p.Args.Shift().Decode(nil, &any1); err == nil {
		t.Errorf("1e400 as any: %v", any1)
	}
	if err := p.Args.Shift().Decode(nil, &number); err != nil || number != "1e400" {
		t.Error(number, err)
	}
	if err := p.Args.Shift().Decode(nil, nil, &number); err != nil || number != "123456789012345678901234567890" {
		t.Error(number, err)
	}
}

func TestFault_P14_LongNames(t *testing.T) {
	long := strings.Repeat("n", 900_000)
	for text, cause := range map[string]error{
		"0/" + long + ",":      ErrNamespace,
		"2/" + long + `,["x"]`: ErrNamespace,
		"2/" + long:            ErrNamespace,
		`2["` + long + `"]`:    ErrEventName,
	} {
		_, _, err := decode(nil, text)
		if !errors.Is(err, cause) || len(err.Error()) > 120 {
			t.Errorf("got %.200v, want a short %v", err, cause)
		}
	}
}

// The limits hold on both sides of their value.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		frames []string
		cause  error
	}{
		{"namespace of 255", Limits{}, []string{"0/" + strings.Repeat("n", 254) + ","}, nil},
		{"namespace of 256", Limits{}, []string{"0/" + strings.Repeat("n", 255) + ","}, ErrNamespace},
		{"namespace of 255 without comma", Limits{}, []string{"0/" + strings.Repeat("n", 254)}, nil},
		{"namespace of 256 without comma", Limits{}, []string{"0/" + strings.Repeat("n", 255)}, ErrNamespace},
		{"no namespaces", Limits{Namespace: -1}, []string{"0/,"}, ErrNamespace},
		{"no namespaces, root", Limits{Namespace: -1}, []string{"0"}, nil},
		{"event name of 255", Limits{}, []string{`2["` + strings.Repeat("n", 255) + `"]`}, nil},
		{"event name of 256", Limits{}, []string{`2["` + strings.Repeat("n", 256) + `"]`}, ErrEventName},
		{"number of 256 as event name", Limits{}, []string{`2[` + strings.Repeat("1", 256) + `]`}, ErrEventName},
		{"ack is no event", Limits{}, []string{`31["` + strings.Repeat("n", 256) + `"]`}, nil},
		{"longer event name", Limits{EventName: 300}, []string{`2["` + strings.Repeat("n", 256) + `"]`}, nil},
		{"three attachments", Limits{Attachments: 3}, []string{`53-["x"]`}, nil},
		{"four attachments", Limits{Attachments: 3}, []string{`54-["x"]`}, ErrTooManyAttachments},
		{"no attachments", Limits{Attachments: -1}, []string{`51-["x"]`}, ErrTooManyAttachments},
		{"attachments of 10 bytes", Limits{AttachmentBytes: 10}, []string{`52-["x"]`, "12345", "67890"}, nil},
		{"attachments of 11 bytes", Limits{AttachmentBytes: 10}, []string{`52-["x"]`, "12345", "678901"}, ErrAttachmentBytes},
		{"attachments of no bytes", Limits{AttachmentBytes: -1}, []string{`51-["x"]`, ""}, nil},
		{"two levels", Limits{Depth: 2}, []string{nested(2)}, nil},
		{"three levels", Limits{Depth: 2}, []string{nested(3)}, ErrDepth},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := decode(&c.limits, c.frames...); !errors.Is(err, c.cause) || (err == nil) != (c.cause == nil) {
				t.Errorf("got %v, want %v", err, c.cause)
			}
		})
	}
}

// S05: a megabyte of anything is read, or refused, in linear time.
func TestSec_S05_LinearTime(t *testing.T) {
	for name, text := range map[string]func(n int) string{
		"namespace":         func(n int) string { return "0/" + strings.Repeat("n", n) },
		"digits":            func(n int) string { return "2" + strings.Repeat("1", n) },
		"count":             func(n int) string { return "5" + strings.Repeat("1", n) },
		"event name":        func(n int) string { return `2["` + strings.Repeat("n", n) + `"]` },
		"escapes":           func(n int) string { return `2["` + strings.Repeat(`\u0041`, n/6) + `"]` },
		"string":            func(n int) string { return `2["x","` + strings.Repeat("s", n) + `"]` },
		"string, not ASCII": func(n int) string { return `2["x","` + strings.Repeat("é", n/2) + `"]` },
		"string, mixed":     func(n int) string { return `2["x","` + strings.Repeat(`é\n`, n/4) + `"]` },
		"number":            func(n int) string { return `2["x",` + strings.Repeat("1", n) + "]" },
		"elements":          func(n int) string { return `2["x"` + strings.Repeat(",1", n/2) + "]" },
		"members":           func(n int) string { return `51-["x",{"a":1` + strings.Repeat(`,"_placeholder":0`, n/17) + "}]" },
		"white space":       func(n int) string { return `2["x"` + strings.Repeat(" ", n) + "]" },
		"open brackets":     func(n int) string { return `2["x",` + strings.Repeat("[", n) },
		"open objects":      func(n int) string { return `2["x",` + strings.Repeat(`{"a":`, n/5) },
		"objects":           func(n int) string { return `2["x"` + strings.Repeat(`,{"a":{}}`, n/9) + "]" },
	} {
		// Sixteen times the bytes take sixteen times the time, not 256 times; the
		// best of some tries, since others use the processors, too. Below a
		// millisecond nothing is measured.
		const n, times = 1 << 20, 16
		short, long := text(n/times), text(n)
		little, much := time.Hour, time.Hour
		for try := 0; try < 20 && (try == 0 || much > 4*times*little); try++ {
			start := time.Now()
			_, _, _ = decode(nil, short)
			between := time.Now()
			_, _, _ = decode(nil, long)
			little = max(time.Millisecond, min(little, between.Sub(start)))
			much = min(much, time.Since(between))
		}
		if much > 4*times*little {
			t.Errorf("%s: 64 KB took %v, 1 MB took %v", name, little, much)
		}
	}
}

func TestSec_S08_PlaceholderIsNoFunction(t *testing.T) {
	for _, member := range []string{`"num":"splice"`, `"num":-1`, `"num":0.5`, `"num":1e308`, `"num":null`, `"num":"0"`,
		`"x":0`, `"num":0,"num":0`, `"num":0,"num":"splice"`, `"num":"splice","num":0`, `"nu\u006d":"splice"`} {
		for _, text := range []string{`51-["x",{"_placeholder":true,` + member + `}]`, `61-1[[{` + member + `,"_placeholder":true}]]`} {
			wantCause(t, text, ErrIllegalAttachments)
		}
	}
}

// What one client sends as data must not become a placeholder when an
// application passes it on together with bytes: the receivers would close
// their connections.
func TestSec_S08_LookalikeIsNotPassedOn(t *testing.T) {
	p, _, err := decode(nil, `2["x",{"_placeholder":true,"num":99}]`)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := p.Args.Shift().Decode(&m); err != nil || m["num"] != 99.0 {
		t.Fatal(m, err)
	}
	bytes := []byte("b")
	if _, _, err := JSON(nil).AppendPacket(nil, Header{Type: Event}, "y", m); err != nil {
		t.Errorf("without bytes it is data: %v", err)
	}
	for _, m := range []any{m, json.RawMessage(`{"_placeholder":true,"num":0}`), json.RawMessage(`{"\u005fplaceholder":true,"num":0}`),
		map[string]any{"_placeholder": true, "num": 0, "x": []byte("c")}} {
		for _, args := range [][]any{{m, bytes}, {bytes, m}, {[]any{bytes, m}}, {struct{ A, B any }{m, bytes}}} {
			if text, _, err := JSON(nil).AppendPacket(nil, Header{Type: Event}, "y", args...); !errors.Is(err, ErrIllegalAttachments) {
				t.Errorf("%v: %s, %v", args, text, err)
			}
			if _, err := JSON(nil).EncodeArgs("y", args...); !errors.Is(err, ErrIllegalAttachments) {
				t.Errorf("%v: %v", args, err)
			}
		}
	}
	if _, err := p.Args.Append(bytes); !errors.Is(err, ErrIllegalAttachments) {
		t.Errorf("appended: %v", err)
	}
}

func TestSec_S10_EventNameIsNoObject(t *testing.T) {
	for _, name := range []string{`{"toString":"foo"}`, `{"toString":{"call":1}}`, `["x"]`, `null`, `true`} {
		wantCause(t, "2["+name+"]", ErrPayload)
	}
}

func TestSec_S11_ErrorIsAnOrdinaryName(t *testing.T) {
	p, ok, err := decode(nil, `2["error","x"]`)
	if err != nil || !ok || string(p.Name()) != "error" {
		t.Error(p, ok, err)
	}
}

func TestSec_S12_AttachmentsAreBounded(t *testing.T) {
	wantCause(t, `55999999-["x"]`, ErrTooManyAttachments)
	wantCause(t, `511-["x"]`, ErrTooManyAttachments)
	d := JSON(nil).NewDecoder(nil)
	if _, _, err := d.Add([]byte(`510-["x"]`), false); err != nil {
		t.Fatal(err)
	}
	mb, before := make([]byte, 1_000_000), heap()
	var err error
	for n := 0; err == nil; n++ {
		if n == 10 {
			t.Fatal("ten attachments of 1 MB were taken")
		}
		_, _, err = d.Add(mb, true)
	}
	if !errors.Is(err, ErrAttachmentBytes) || d.Pending() {
		t.Error(err, d.Pending())
	}
	if grown := heap() - before; grown > 100_000 {
		t.Errorf("%d bytes are kept", grown)
	}
	runtime.KeepAlive(d)
	runtime.KeepAlive(mb)
}

func TestSec_S13_ZeroAttachmentsArmNothing(t *testing.T) {
	d := JSON(nil).NewDecoder(nil)
	if _, _, err := d.Add([]byte(`50-["x"]`), false); !errors.Is(err, ErrIllegalAttachments) || d.Pending() {
		t.Fatal(err, d.Pending())
	}
	b, before := make([]byte, 900_000), heap()
	for range 200 {
		if _, ok, err := d.Add(b, true); ok || !errors.Is(err, ErrUnexpectedBinary) {
			t.Fatal(ok, err)
		}
	}
	if grown := heap() - before; grown > 100_000 {
		t.Errorf("%d bytes are kept", grown)
	}
	runtime.KeepAlive(d)
	runtime.KeepAlive(b)
}

// The header of a binary packet is handed out before its attachments, so that
// a connection can refuse one for a namespace it has not joined.
func TestSec_S34_HeaderBeforeAttachments(t *testing.T) {
	p, ok, err := decode(nil, `61-/secret,4[{"_placeholder":true,"num":0}]`)
	if want := (Header{Type: Ack, Namespace: "/secret", ID: 4, HasID: true}); ok || err != nil || p.Header != want {
		t.Error(p, ok, err)
	}
}

// A text packet is split without allocation once the namespace is known.
func TestSplitDoesNotAllocate(t *testing.T) {
	d := JSON(nil).NewDecoder(&Limits{})
	for _, text := range []string{"0", "1", `2["chat",{"text":"héllo","n":[1,2.5e3,true,null]}]`, `2/admin,12["chat",{"a":[{}]}]`, `31["ok"]`, `4"no"`} {
		b := []byte(text)
		var p Packet
		n := testing.AllocsPerRun(100, func() {
			var err error
			if p, _, err = d.Add(b, false); err != nil {
				t.Fatal(err)
			}
			_ = p.Name()
			for range p.Args.Shift().All() {
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

// The packet outlives the input only as far as promised: text aliases it,
// packets with attachments and clones do not.
func TestOwnership(t *testing.T) {
	d := JSON(nil).NewDecoder(nil)
	text, att := []byte(`52-["x",{"_placeholder":true,"num":1}]`), []byte("abc")
	for _, f := range []vectorFrame{{text, false}, {att, true}} {
		if _, _, err := d.Add(f.data, f.binary); err != nil {
			t.Fatal(err)
		}
		clear(f.data)
	}
	p, ok, err := d.Add([]byte("def"), true)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	var got []byte
	if err := p.Args.Clone().Shift().Decode(&got); err != nil || string(got) != "def" {
		t.Errorf("%q, %v", got, err)
	}
	if first := p.Args.Attachments()[0]; string(first) != "abc" {
		t.Errorf("%q", first)
	}
	if cap(got) != len(got) {
		t.Error("an append to the argument would write behind it")
	}

	text = []byte(`2["x","y"]`)
	p, _, _ = d.Add(text, false)
	kept := p.Args.Clone()
	clear(text)
	if !bytes.Equal(kept.Raw(), []byte(`["x","y"]`)) {
		t.Errorf("%q", kept.Raw())
	}
}

func TestIdleDecoderOwnsNothing(t *testing.T) {
	const n = 1000
	ds := make([]Decoder, n)
	text := []byte(`2["chat",{"a":1}]`)
	before := heap()
	for i := range ds {
		ds[i] = JSON(nil).NewDecoder(nil)
		if _, _, err := ds[i].Add(text, false); err != nil {
			t.Fatal(err)
		}
	}
	if each := (heap() - before) / n; each > 100 {
		t.Errorf("an idle decoder has %d bytes", each)
	}
	runtime.KeepAlive(ds)
}

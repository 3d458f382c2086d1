package sioparser

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func packed(t testing.TB, args ...any) Args {
	t.Helper()
	a, err := MsgPack().EncodeArgs("", args...)
	if err != nil {
		t.Fatalf("encoding %#v: %v", args, err)
	}
	return a
}

// unhex returns the arguments of a MessagePack array in hexadecimal digits.
func unhex(t testing.TB, s string) Args {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewMsgPackArgs(b)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return a
}

func packedEvent(args string) []byte {
	return []byte("\x83\xa4type\x02\xa4data" + args + "\xa3nsp\xa1/")
}

func TestFault_P15_MsgPack(t *testing.T) {
	deep := func(levels int, open, last string) string { return strings.Repeat(open, levels) + last }
	for name, c := range map[string]struct {
		message []byte
		cause   error
	}{
		"array of 4 GB":               {[]byte("\xdd\xff\xff\xff\xff"), ErrPayload},
		"arguments of 4 GB":           {packedEvent("\xdd\xff\xff\xff\xff\xa1x"), ErrPayload},
		"arguments of 2 GB":           {packedEvent("\xdd\x7f\xff\xff\xff\xa1x"), ErrPayload},
		"map of 4 GB":                 {packedEvent("\x92\xa1x\xdf\xff\xff\xff\xff"), ErrPayload},
		"map of 2 GB":                 {packedEvent("\x92\xa1x\xdf\x7f\xff\xff\xff"), ErrPayload},
		"map, half of it":             {packedEvent("\x92\xa1x\xde\x00\x08"), ErrPayload},
		"string of 4 GB":              {packedEvent("\x92\xa1x\xdb\xff\xff\xff\xff"), ErrPayload},
		"bytes of 2 GB":               {packedEvent("\x92\xa1x\xc6\x7f\xff\xff\xff"), ErrPayload},
		"extension of 4 GB":           {packedEvent("\x92\xa1x\xc9\xff\xff\xff\xff\x05"), ErrPayload},
		"extension without type":      {[]byte("\x81\xa1x\xc7\x00"), ErrPayload},
		"extension without length":    {[]byte("\x81\xa1x\xc8"), ErrPayload},
		"fixed extension, no type":    {[]byte("\x81\xa1x\xd7"), ErrPayload},
		"timestamp cut short":         {[]byte("\x81\xa1x\xc7\x0c\xff\x00"), ErrPayload},
		"old date cut short":          {[]byte("\x81\xa1x\xd7\x00\x00"), ErrPayload},
		"undefined cut short":         {[]byte("\x81\xa1x\xd4\x00"), ErrPayload},
		"1,001 arrays":                {packedEvent(deep(1001, "\x91", "\xa1x")), ErrDepth},
		"1,001 arrays, never closed":  {[]byte("\x83\xa4type\x02\xa4data" + deep(1001, "\x91", "")), ErrDepth},
		"400,000 arrays":              {packedEvent(deep(400_000, "\x91", "")), ErrDepth},
		"400,000 maps":                {packedEvent("\x92\xa1x" + deep(400_000, "\x81\xa0", "")), ErrDepth},
		"400,000 arrays, not as data": {[]byte("\x81\xa1x" + deep(400_000, "\x91", "")), ErrDepth},
		"trailing byte":               {append(packedEvent("\x91\xa1x"), 0xc0), ErrPayload},
		"unused byte":                 {packedEvent("\x92\xa1x\xc1"), ErrPayload},
		"nothing":                     {nil, ErrEmptyPacket},
	} {
		t.Run(name, func(t *testing.T) {
			d := MsgPack().NewDecoder(nil)
			p, ok, err := d.Add(c.message, true)
			if !errors.Is(err, c.cause) || ok || !reflect.DeepEqual(p, Packet{}) || d.Pending() {
				t.Errorf("got %+v, %v, %v, want %v", p, ok, err, c.cause)
			}
			if cost := bytesOf(func() { d.Add(c.message, true) }); cost > 1024 && !raceEnabled {
				t.Errorf("costs %d bytes", cost)
			}
		})
	}
	if _, _, err := MsgPack().NewDecoder(nil).Add(packedEvent(deep(999, "\x91", "\x91\xa1x")), true); !errors.Is(err, ErrEventName) {
		t.Errorf("1,000 levels: %v", err) // an array is no name, but not too deep
	}
	if _, _, err := MsgPack().NewDecoder(nil).Add([]byte(`2["x"]`), false); !errors.Is(err, ErrUnexpectedText) {
		t.Errorf("text: %v", err)
	}
}

// bytesOf returns how many bytes f allocates.
func bytesOf(f func()) uint64 {
	const runs = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}

// S69: what is announced is never allocated, neither when a message is checked
// nor when it is decoded.
func TestSec_S69_AnnouncedLengths(t *testing.T) {
	message := []byte("\xdd\xff\xff\xff\xff")
	d := MsgPack().NewDecoder(nil)
	if cost := bytesOf(func() { d.Add(message, true) }); cost > 1024 && !raceEnabled {
		t.Errorf("costs %d bytes", cost)
	}
	if cost := bytesOf(func() { _, _ = NewMsgPackArgs(message) }); cost > 1024 && !raceEnabled {
		t.Errorf("as arguments it costs %d bytes", cost)
	}
	// A mistake in the first of many elements is found before there is room for all.
	type large struct{ A [1024]int64 }
	many, err := NewMsgPackArgs(append([]byte("\x91\xdd\x00\x01\x00\x00\xa1x"), make([]byte, 1<<16-1)...))
	if err != nil {
		t.Fatal(err)
	}
	var out []large
	if cost := bytesOf(func() { out = nil; _ = many.Decode(&out) }); cost > 256<<10 && !raceEnabled {
		t.Errorf("65,536 elements that do not fit cost %d bytes", cost)
	}
	// Equal keys make one member.
	same := append([]byte("\x91\xdf\x00\x01\x00\x00"), bytes.Repeat([]byte{0xa0, 0}, 1<<16)...)
	if many, err = NewMsgPackArgs(same); err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if cost := bytesOf(func() { tree = nil; _ = many.Decode(&tree) }); cost > 16<<10 && !raceEnabled {
		t.Errorf("65,536 equal members cost %d bytes", cost)
	}
	if len(tree) != 1 {
		t.Error(len(tree))
	}
}

func TestMsgPackSplitDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		return
	}
	frame, _, err := MsgPack().AppendPacket(nil, Header{Type: Event, Namespace: "/app", ID: 7, HasID: true}, "chat",
		&chat{"lobby", "hello", 42, []string{"a"}}, []byte("bytes"), time.Now(), math.Pi)
	if err != nil {
		t.Fatal(err)
	}
	d := MsgPack().NewDecoder(nil)
	var p Packet
	if n := testing.AllocsPerRun(100, func() {
		if p, _, err = d.Add(frame, true); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
	if n := testing.AllocsPerRun(100, func() { p.Args.Shift().Len(); p.Name() }); n != 0 {
		t.Errorf("%v allocations for the name and the rest", n)
	}
	dst := make([]byte, 0, 1024)
	v := any(&chat{"lobby", "hello", 42, []string{"a"}})
	if n := testing.AllocsPerRun(100, func() { MsgPack().AppendPacket(dst, p.Header, "chat", v) }); n != 0 {
		t.Errorf("%v allocations for encoding a struct", n)
	}
	var c chat
	if n := testing.AllocsPerRun(100, func() { p.Args.Decode(nil, &c) }); n > 4 { // three strings and the list
		t.Errorf("%v allocations for decoding a struct", n)
	}
}

// The bytes are those of notepack.io 3.0.1 and, behind them, 2.2.0.
func TestMsgPackDates(t *testing.T) {
	for _, c := range []struct {
		ms         int64
		stamp, old string
	}{
		{0, "d6ff00000000", "d7000000000000000000"},
		{5000, "d6ff00000005", "d7000000000000001388"},
		{4294967295000, "d6ffffffffff", "d700000003e7fffffc18"},
		{4294967296000, "d7ff0000000100000000", "d700000003e800000000"},
		{1700000000123, "d7ff1d5353006553f100", "d7000000018bcfe5687b"},
		{1, "d7ff003d090000000000", "d7000000000000000001"},
		{17179869183999, "d7ffee2e1f03ffffffff", "d70000000f9fffffffff"},
		{17179869184000, "c70cff000000000000000400000000", "d70000000fa000000000"},
		{-1, "c70cff3b8b87c0ffffffffffffffff", "d700ffffffffffffffff"},
		{-62135596800000, "c70cff00000000fffffff1886e0900", "d700ffffc77cedd32800"},
		{8640000000000000, "c70cff00000000000007dba8218000", "d700001eb208c2dc0000"},
	} {
		want := time.UnixMilli(c.ms).UTC()
		for wire, p := range map[string]Parser{c.stamp: MsgPackTimestamps(), c.old: MsgPack()} {
			for name, v := range map[string]any{"value": want, "elsewhere": want.In(time.FixedZone("", 3600)), "pointer": &want} {
				a, err := p.EncodeArgs("", v)
				if err != nil || hex.EncodeToString(a.list) != wire {
					t.Errorf("%v, %s: %x, %v, want %s", want, name, a.list, err, wire)
				}
			}
			// Both are read by every parser.
			a := unhex(t, "91"+wire)
			var got time.Time
			var v any
			var in struct{ P *time.Time }
			if err := a.Decode(&got); err != nil || got != want {
				t.Errorf("%s: %v, %v, want %v", wire, got, err, want)
			}
			if err := a.Decode(&v); err != nil || v != any(want) {
				t.Errorf("%s: %v, %v, want %v", wire, v, err, want)
			}
			if err := unhex(t, "9181a150"+wire).Decode(&in); err != nil || *in.P != want {
				t.Errorf("%s: %v, %v, want %v", wire, in.P, err, want)
			}
		}
	}
	precise := time.Unix(5, 123456789).UTC()
	a, err := MsgPackTimestamps().EncodeArgs("", precise)
	var got time.Time
	if err != nil || a.Decode(&got) != nil || got != precise {
		t.Error(got, err)
	}
	if a, err = a.Append(precise); err != nil || a.Shift().Decode(&got) != nil || got != precise {
		t.Error("appended:", got, err)
	}
	if err := packed(t, precise).Decode(&got); err != nil || got != precise.Truncate(time.Millisecond) {
		t.Error("milliseconds:", got, err)
	}
	// As text, and from it.
	for wire, want := range map[string]string{"d70000000000000013 88": "1970-01-01T00:00:05.000Z", "d7ff00000004 00000005": "1970-01-01T00:00:05.000000001Z", "c70cff000000007fffffffffffffff": ""} {
		a := unhex(t, "91"+wire)
		var s string
		if err := a.Decode(&s); s != want || (err != nil) != (want == "") {
			t.Errorf("%s as string: %q, %v", wire, s, err)
		}
		if want != "" {
			if err := packed(t, want).Decode(&got); err != nil || got.Format("2006-01-02T15:04:05.000Z") != want[:23]+"Z" {
				t.Errorf("%s as time: %v, %v", want, got, err)
			}
			want = `"` + want + `"`
		} else {
			want = "null"
		}
		if string(a.At(0)) != want {
			t.Errorf("%s as JSON: %s, want %s", wire, a.At(0), want)
		}
	}
}

func TestMsgPackLongHeads(t *testing.T) {
	for n, heads := range map[int][4]string{
		65535: {"\xda\xff\xff", "\xc5\xff\xff", "\xdc\xff\xff", "\xde\xff\xff"},
		65536: {"\xdb\x00\x01\x00\x00", "\xc6\x00\x01\x00\x00", "\xdd\x00\x01\x00\x00", "\xdf\x00\x01\x00\x00"},
	} {
		m := make(map[int]any)
		for i := range n {
			m[i] = nil
		}
		for i, v := range []any{strings.Repeat("s", n), make([]byte, n), make([]any, n), m} {
			a := packed(t, v)
			if !bytes.HasPrefix(a.list, []byte(heads[i])) {
				t.Errorf("%d of %T begin with % x", n, v, a.list[:5])
			}
			got := reflect.New(reflect.TypeOf(v))
			if err := a.Decode(got.Interface()); err != nil || !reflect.DeepEqual(got.Elem().Interface(), v) {
				t.Errorf("%d of %T do not come back: %v", n, v, err)
			}
		}
	}
}

// Types for the rules of fields.
type (
	Promoted struct {
		A int
		B int `json:"b"`
		C int
	}
	hidden struct {
		C, D int
		e    int
	}
	Deep     struct{ *Deeper }
	Deeper   struct{ Z int }
	loud     string
	maybe    struct{ N int }
	pointing struct{ N int }
	keyed    int
	withTags struct {
		Promoted
		*hidden
		Deep
		Renamed Promoted `json:"renamed"`
		C       string   `json:"C,omitempty"`
		Skip    int      `json:"-"`
		Odd     int      `json:"a b&c"`
		Zero    maybe    `json:"zero,omitzero"`
		PZero   pointing `json:"pzero,omitzero"`
		Plain   int      `json:",omitzero"`
		Quoted  *int     `json:"q,string"`
		QText   string   `json:"qt,string"`
		QBool   bool     `json:",string"`
		QFloat  float64  `json:",string"`
		L       loud
		M       map[keyed]loud
		E       any        `json:"e,omitempty"`
		P       *Promoted  `json:",omitempty"`
		Arr     [2]float32 `json:",omitempty"`
	}
	// Hide hide each other's X, which is the same depth twice.
	Left  struct{ X, Y int }
	Right struct{ X, Y int }
	twice struct {
		Left
		Right
		W int
		Y int
	}
	tagged struct {
		LeftTagged
		Right
	}
	LeftTagged struct {
		Q int `json:"X"`
	}
	both struct { // C is embedded twice on one level: its fields hide each other
		viaA
		viaB
		Own int
	}
	viaA   struct{ Common }
	viaB   struct{ Common }
	Common struct{ X int }
	zeros  struct {
		I interface{ IsZero() bool } `json:",omitzero"`
		P *maybe                     `json:",omitzero"`
		T time.Duration              `json:",omitzero,omitempty"`
		S struct{ A int }            `json:",omitempty"`
		N []int                      `json:",omitempty"`
		B *bool                      `json:",string"`
		U loud                       `json:",string"`
	}
	wide struct {
		A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q int `json:",omitempty"`
	}
)

type loudKey struct{ n int }

func (k *loudKey) MarshalText() ([]byte, error) { return []byte{'k', byte('0' + k.n)}, nil }

func (l loud) MarshalText() ([]byte, error)     { return []byte(strings.ToUpper(string(l))), nil }
func (m maybe) IsZero() bool                    { return m.N == 7 }
func (p *pointing) IsZero() bool                { return p.N == 7 }
func (k keyed) MarshalText() ([]byte, error)    { return []byte("key" + string(rune('0'+int(k)))), nil }
func (k *keyed) UnmarshalText(b []byte) error   { *k = keyed(b[len(b)-1] - '0'); return nil }
func (l *loud) UnmarshalText(text []byte) error { *l = loud(strings.ToLower(string(text))); return nil }

func taggedValue() withTags {
	n := 5
	return withTags{Promoted: Promoted{1, 2, 3}, hidden: &hidden{4, 5, 6}, Renamed: Promoted{7, 8, 9}, Skip: 1, Odd: 3,
		Zero: maybe{1}, PZero: pointing{7}, Quoted: &n, QText: "a\"<é", QBool: true, QFloat: 1.5, L: "loud", M: map[keyed]loud{1: "a", 2: "b"}, Arr: [2]float32{0.5, 2}}
}

// oddTags returns a struct whose tags no linter lets pass.
func oddTags() any {
	field := func(name string, of any, tag reflect.StructTag) reflect.StructField {
		return reflect.StructField{Name: name, Type: reflect.TypeOf(of), Tag: tag}
	}
	v := reflect.New(reflect.StructOf([]reflect.StructField{
		field("Dash", 0, `json:"-,"`), field("Bad", 0, `json:"a\"b"`), field("Bytes", []int{}, `json:",string"`), field("Unknown", "", `json:"u,unknown,omitempty,"`),
	})).Elem()
	v.Field(0).SetInt(5)
	return v.Interface()
}

// What is encoded is, as JSON, what encoding/json encodes.
func TestMsgPackIsThatOfEncodingJSON(t *testing.T) {
	n := 5
	full := taggedValue()
	other := taggedValue()
	other.hidden, other.Deep.Deeper, other.Zero, other.E, other.Quoted, other.C, other.P = nil, &Deeper{1}, maybe{7}, []int{1}, nil, "c", &Promoted{}
	for _, v := range []any{
		nil, true, false, "", "héllo\u2028\x00\"\\", "bad \xff utf-8 \xed\xa0\x80", strings.Repeat("long é ", 100), "bad" + strings.Repeat("\xff", 50),
		0, -1, 127, 128, 255, 256, 65535, 65536, -32, -33, -128, -129, -32768, -32769, int64(math.MaxInt64), int64(math.MinInt64), int8(-3), uint64(math.MaxUint64), uintptr(1), &n, (*int)(nil),
		0.0, 1.5, 1e18, 1e19, 1e20, 1e21, -1e21, 1e-6, 1e-7, math.MaxFloat64, 5e-324, float32(0.5), 100.0, -9223372036854775808.0, 18446744073709551615.0,
		[]int{1, 2}, []int(nil), []string{}, map[string]int{"b": 1, "a": 2}, map[string]any(nil), []any(nil), map[string]any{}, []any{}, [0]int{},
		map[string]any{"z": nil, "a": []any{1, "x", map[string]any{"é\n": 1.5, "": true}}, "<": "&"},
		map[int]string{2: "b", 10: "a"}, map[uint8]bool{1: true}, map[loud]int{"a": 1}, map[keyed]int{1: 1}, map[netip.Addr]int{netip.MustParseAddr("::1"): 1},
		struct{}{}, struct{ A, b int }{1, 2}, chat{"r", "<t>", 1, nil}, &chat{Tags: []string{"x"}}, loose{"n", map[string]any{"a": 1}}, loose{"n", loose{"m", nil}},
		big.NewInt(1 << 40), big.NewFloat(1.5), netip.MustParseAddr("::1"), json.Number("1e3"), json.Number(""), json.Number("-12"), []json.Number{"1.25"},
		json.RawMessage(`{"a": [1, {"b" : "\u00e9\ud800"}, [], {} ,-0.5e1]}`), []json.RawMessage{json.RawMessage(`[]`), nil}, error(nil), time.Hour, [3]byte{1, 2, 3}, struct{ E error }{},
		ownJSON{blob("z")}, &ownJSON{blob("z")}, hexBytes("h"), []hexBytes{hexBytes("h"), nil}, struct{ H *hexBytes }{}, struct{ L json.Marshaler }{ownJSON{blob("z")}},
		full, &full, other, &other, oddTags(), []withTags{full}, twice{}, &tagged{}, wide{}, wide{A: 1}, wide{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0}, wide{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17},
		both{Own: 1}, zeros{}, zeros{I: maybe{1}, P: &maybe{2}, T: 1, N: []int{1}, U: "u"}, zeros{I: maybe{7}, P: &maybe{7}}, zeros{I: (*maybe)(nil)}, map[*loudKey]int{nil: 1, {2}: 2},
		struct{ *Promoted }{}, struct{ Promoted any }{Promoted{}}, struct {
			T struct{ time.Time }
		}{}, Base64("b64"), Base64(nil),
	} {
		want := canonical(t, v)
		for name, v := range map[string]any{"value": v, "in a slice": []any{v}, "in a struct": struct{ V any }{v}, "in a map": map[string]any{"v": v}} {
			a := packed(t, v)
			got := a.At(0)
			got = bytes.TrimSuffix(bytes.TrimPrefix(got, []byte(`{"`)), []byte("}"))
			switch name {
			case "value":
				got = a.At(0)
			case "in a slice":
				got = bytes.TrimSuffix(bytes.TrimPrefix(a.At(0), []byte("[")), []byte("]"))
			default:
				got = got[len(`v":`):]
			}
			if string(got) != want {
				t.Errorf("%#v %s: %s, want %s", v, name, got, want)
			}
			if _, err := NewMsgPackArgs(a.AppendMsgPack(nil)); err != nil {
				t.Errorf("%#v: %v", v, err)
			}
		}
	}
}

// canonical returns the JSON of v that encoding/json makes, with numbers as a
// float64 is written.
func canonical(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	text := bytes.TrimSpace(b.Bytes())
	return string(newArgs(t, "["+string(text)+"]").packed().At(0))
}

func TestMsgPackTypesOfTheirOwn(t *testing.T) {
	b := []byte("a")
	for _, c := range []struct {
		name string
		arg  any
		wire string
	}{
		{"bytes", b, "c40161"},
		{"no bytes", []byte{}, "c400"},
		{"nil bytes", []byte(nil), "c0"},
		{"pointer", &b, "c40161"},
		{"named", blob("n"), "c4016e"},
		{"nil named", blob(nil), "c0"},
		{"named elements", []octet("o"), "c4016f"},
		{"in a struct", embedded{b}, "81a5496e6e6572c40161"},
		{"in a slice", [][]byte{b, nil}, "92c40161c0"},
		{"in a map", map[string]blob{"x": blob("n")}, "81a178c4016e"},
		{"array of bytes", [2]byte{1, 200}, "9201ccc8"},
		{"base64", Base64("a"), "a459513d3d"},
		{"NaN", math.NaN(), "cb7ff8000000000000"},
		{"infinite", math.Inf(-1), "cbfff0000000000000"},
		{"-0", math.Copysign(0, -1), "00"},
		{"whole float", 5.0, "05"},
		{"whole float of 2^64", 0x1p64, "cb43f0000000000000"},
		{"below -2^63", -0x1.0000000000001p63, "cbc3e0000000000001"},
		{"float32", float32(0.1), "cb3fb99999a0000000"},
		{"duration", time.Second, "ce3b9aca00"},
		{"own JSON", ownJSON{blob("z")}, "a56f776e207a"},
		{"text form", hexBytes("z"), "a56865783a7a"},
		{"raw JSON", json.RawMessage(` {"a" : [1.0, -1e3, 1e400, 12345678901234567890, 123456789012345678901] } `), "81a1619501d1fc18cb7ff0000000000000cfab54a98ceb1f0ad2cb441ac53a7e04bcda"},
	} {
		if got := hex.EncodeToString(packed(t, c.arg).list); got != c.wire {
			t.Errorf("%s: %s, want %s", c.name, got, c.wire)
		}
	}
}

func TestMsgPackRoundTripOfEverything(t *testing.T) {
	b := []byte("pointed")
	in := everything{
		embedded: embedded{[]byte("inner")}, A: []byte("a"), P: &b, L: [][]byte{[]byte("l0"), []byte("l1")},
		M: map[string][]byte{"k": []byte("m")}, N: blob("n"), O: []octet("o"), H: hexBytes("h"), J: ownJSON{blob("j")},
		V: map[string]any{"x": []any{[]byte("v"), "s", 1.5, nil, true, time.UnixMilli(5).UTC()}}, Arr: [2]byte{7, 8}, R: json.RawMessage(`{"r":[1,2]}`),
		S: Base64("s"), Num: "12.5", T: time.UnixMilli(1).UTC(), D: time.Minute, F: 1.1, Str: 5,
	}
	tags := taggedValue()
	frame, _, err := MsgPack().AppendPacket(nil, Header{Type: Ack, ID: 1, HasID: true}, "", in, &in, tags)
	if err != nil {
		t.Fatal(err)
	}
	p, ok, err := MsgPack().NewDecoder(nil).Add(frame, true)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	for name, a := range map[string]Args{"as it came": p.Args, "cloned": p.Args.Clone()} {
		var out [2]everything
		gotTags := withTags{hidden: new(hidden)}
		if err := a.Decode(&out[0], &out[1], &gotTags); err != nil {
			t.Fatal(err)
		}
		for _, out := range out {
			if !reflect.DeepEqual(in, out) {
				t.Errorf("%s: got  %+v\nwant %+v", name, out, in)
			}
		}
		tags.Skip, tags.hidden.e, tags.hidden.C, tags.Promoted.C, tags.PZero.N = 0, 0, 0, 0, 0
		if !reflect.DeepEqual(gotTags, tags) {
			t.Errorf("%s: got  %+v\nwant %+v", name, gotTags, tags)
		}
	}
	// The same as JSON with attachments.
	text := JSON(nil).AppendArgs(nil, p.Header, p.Args)
	a := p.Args.For(JSON(nil))
	d := JSON(nil).NewDecoder(&Limits{Attachments: 100})
	q, ok, err := d.Add(text, false)
	for _, att := range a.Attachments() {
		q, ok, err = d.Add(att, true)
	}
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	var out everything
	if err := q.Args.Decode(&out); err != nil {
		t.Fatal(err)
	}
	in.V.(map[string]any)["x"].([]any)[5] = "1970-01-01T00:00:00.005Z"
	if !reflect.DeepEqual(in, out) {
		t.Errorf("as JSON: got  %+v\nwant %+v", out, in)
	}
}

// Numbers go into whatever has the same value.
func TestMsgPackNumbers(t *testing.T) {
	for _, c := range []struct {
		wire string
		dst  any
		want any // nil: does not fit
	}{
		{"05", new(int8), int8(5)}, {"ff", new(int8), int8(-1)}, {"cc80", new(int8), nil}, {"d080", new(int8), int8(-128)}, {"ff", new(uint), nil},
		{"cb4014000000000000", new(int), 5}, {"cbc014000000000000", new(int), -5}, {"cb3ff8000000000000", new(int), nil}, {"ca40a00000", new(uint8), uint8(5)},
		{"cb7ff8000000000000", new(int), nil}, {"cb43f0000000000000", new(uint64), nil}, {"cb43e0000000000000", new(int64), nil}, {"cb43e0000000000000", new(uint64), uint64(1 << 63)},
		{"cbc3e0000000000000", new(int64), int64(math.MinInt64)}, {"cb8000000000000000", new(uint), uint(0)},
		{"cfffffffffffffffff", new(uint64), uint64(math.MaxUint64)}, {"cfffffffffffffffff", new(int64), nil}, {"cf0020000000000001", new(int64), int64(1<<53 + 1)},
		{"cf0020000000000001", new(json.Number), json.Number("9007199254740993")}, {"cf0020000000000001", new(any), float64(1 << 53)}, {"d38000000000000000", new(float64), -0x1p63},
		{"cb7ff0000000000000", new(float64), math.Inf(1)}, {"cb7ff0000000000000", new(float32), float32(math.Inf(1))}, {"cb7fefffffffffffff", new(float32), nil}, {"ca3fc00000", new(float32), float32(1.5)},
		{"cb7ff0000000000000", new(json.Number), nil}, {"a3312e35", new(json.Number), json.Number("1.5")}, {"a178", new(json.Number), nil}, {"05", new(string), nil}, {"05", new(bool), nil}, {"a135", new(int), nil},
		{"05", new(time.Duration), time.Duration(5)}, {"c3", new(int), nil}, {"05", new([]int), nil}, {"05", new(map[string]int), nil}, {"05", new(chat), nil}, {"05", new(error), nil}, {"05", new(chan int), nil},
	} {
		err := unhex(t, "91"+c.wire).Decode(c.dst)
		if got := reflect.ValueOf(c.dst).Elem().Interface(); (err != nil) != (c.want == nil) || err == nil && got != c.want {
			t.Errorf("%s into %T: %v, %v, want %v", c.wire, c.dst, got, err, c.want)
		}
		var argErr *ArgError
		if err != nil && !errors.As(err, &argErr) {
			t.Errorf("%T is no *ArgError", err)
		}
	}
}

// null, merging and case are those of encoding/json, as are the errors.
func TestMsgPackDecodeLikeEncodingJSON(t *testing.T) {
	type inner struct{ A, B int }
	type dst struct {
		Name   string
		In     inner
		P      *inner
		PP     **inner
		List   []inner
		M      map[string]int
		MI     map[int8]inner
		MK     map[keyed]any
		V      any
		W      any
		Arr    [2]int
		Quote  int    `json:",string"`
		QT     string `json:",string"`
		Num    json.Number
		I8     int8
		U      uint
		E      error
		Fn     func()
		K      loud
		KP     *loud
		Own    ownJSON
		OwnP   *ownJSON
		T      time.Time
		Kelvin int
		skip   int
		Raw    json.RawMessage
		*Promoted
		*hidden
	}
	fresh := func() dst {
		p := &inner{3, 4}
		return dst{Name: "old", In: inner{1, 2}, P: &inner{3, 4}, PP: &p, List: []inner{{5, 6}, {7, 8}}, M: map[string]int{"old": 1}, V: &inner{9, 9}, W: &p, Arr: [2]int{1, 2}, skip: 1, K: "k"}
	}
	for _, text := range []string{
		`{}`, `{"NAME":"x","iN":{"a":5}}`, `{"name":null,"In":null,"P":null,"PP":null,"List":null,"M":null,"V":null,"W":null,"K":null,"KP":null,"T":null,"Raw":null}`, `{"Own":null}`, `{"OwnP":null}`,
		`{"In":{"A":9},"P":{"B":9},"PP":{"A":7},"List":[{"A":1}],"M":{"new":2},"V":{"A":1},"W":{"B":1}}`, `{"List":[]}`, `{"List":[{},{},{},{}]}`, `{"Arr":[7]}`, `{"Arr":[1,2,3]}`, `{"Quote":"5"}`, `{"Quote":5}`, `{"Quote":"x"}`, `{"Quote":null}`,
		`{"QT":"\"a\""}`, `{"QT":"a"}`, `{"MI":{"1":{"A":1},"-2":{}}}`, `{"MI":{"300":{}}}`, `{"MI":{"x":{}}}`, `{"MK":{"key1":[1]}}`, `{"K":"LOUD","KP":"X"}`, `{"K":1}`, `{"K":[]}`, `{"K":{}}`, `{"Own":"own b","OwnP":"own c"}`, `{"Own":1}`,
		`{"Name":5,"In":{"A":3}}`, `{"Num":"12"}`, `{"Num":1.5}`, `{"Num":"x"}`, `{"I8":300}`, `{"U":-1}`, `{"I8":1.5}`, `{"E":null,"Fn":null}`, `{"E":1}`, `{"Fn":1}`, `{"In":[]}`, `{"List":{}}`, `{"M":[]}`, `{"M":{"a":"x"}}`,
		`{"M":{"a":1,"a":2}}`, `{"Name":"a","Name":"b"}`, `{"V":[1,"x",{"y":null}]}`, `{"skip":1,"other":[{}]}`, `{"A":1,"b":2}`, `{"D":1}`, `{"T":"2020-01-02T03:04:05Z"}`, `{"T":"x"}`, `{"T":5}`, `{"\u212Aelvin":5}`, `{"KELVIN":5}`,
		`{"Raw":[1,{"a":"b"}]}`, `[]`, `"x"`, `null`, `5`, `true`, `{"List":[{"A":"x"}]}`, `{"P":{"A":true}}`,
	} {
		want, got := fresh(), fresh()
		wantErr := json.Unmarshal([]byte(text), &want)
		err := newArgs(t, "["+text+"]").packed().Decode(&got)
		if (err == nil) != (wantErr == nil) || wantErr == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v, %v", text, got, err, want, wantErr)
		}
		var gotType, wantType *json.UnmarshalTypeError
		if errors.As(wantErr, &wantType) && errors.As(err, &gotType) && gotType.Error() != wantType.Error() {
			t.Errorf("%s: %v, want %v", text, gotType, wantType)
		}
	}
	var self any
	self = &self
	if err := packed(t, 1).Decode(&self); !errors.Is(err, ErrDepth) {
		t.Errorf("a pointer to itself: %v", err)
	}
	type endless *endless
	var p endless
	if err := packed(t, 1).Decode(&p); !errors.Is(err, ErrDepth) {
		t.Errorf("a type that points to itself: %v", err)
	}
	for _, dst := range []any{0, (*int)(nil), (*point)(nil)} {
		if err := packed(t, 1).Decode(dst); err == nil || !strings.Contains(err.Error(), "pointer") {
			t.Errorf("into %#v: %v", dst, err)
		}
	}
	for _, dst := range []any{new(map[float64]int), new(map[error]int), new(map[int8]int)} {
		if err := packed(t, map[string]int{"300": 1}).Decode(dst); err == nil {
			t.Errorf("%v", dst)
		}
	}
	keys := map[uint16]string{}
	if err := unhex(t, "918205a162 cd0100a163").Decode(&keys); err != nil || keys[5] != "b" || keys[256] != "c" {
		t.Error(keys, err)
	}
	if err := unhex(t, "9181ffa162").Decode(&keys); err == nil {
		t.Error(keys)
	}
	s := "untouched"
	if err := packed(t).Decode(&s); err != nil || s != "untouched" {
		t.Error(s, err)
	}
	if err := packed(t, 1, "x").Decode(nil, &s); err != nil || s != "x" {
		t.Error(s, err)
	}
}

func TestMsgPackBytes(t *testing.T) {
	frame, _, err := MsgPack().AppendPacket(nil, Header{Type: Event}, "x", []byte("abc"), Base64("b"), []byte{})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := MsgPack().NewDecoder(nil).Add(frame, true)
	if err != nil {
		t.Fatal(err)
	}
	a := p.Args.Shift()
	var b, none []byte
	var v any
	var arr [3]byte
	var s string
	if err := a.Decode(&b, nil, &none); err != nil || string(b) != "abc" || none == nil || len(none) > 0 {
		t.Errorf("%q, %q, %v", b, none, err)
	}
	if err := a.Decode(&v); err != nil || string(v.([]byte)) != "abc" {
		t.Error(v, err)
	}
	if a.Decode(&arr) == nil || a.Decode(&s) == nil || a.Decode(new([]int)) == nil || a.Decode(new(chat)) == nil {
		t.Error("bytes fit what they should not")
	}
	kept := a.Clone()
	var shared, again []byte
	if err := kept.Decode(&shared); err != nil {
		t.Fatal(err)
	}
	for i := range frame {
		frame[i] = 0xc0 // the input is used again
	}
	if string(b) != "abc" || string(shared) != "abc" {
		t.Errorf("%q and %q are not their own", b, shared)
	}
	if cap(shared) != 3 {
		t.Errorf("there is more behind the bytes: %q", shared[:cap(shared)])
	}
	shared[0] = 'X'
	if err := kept.Decode(&again, &b); err != nil || string(again) != "Xbc" || string(b) != "b" {
		t.Errorf("%q, %q, %v", again, b, err)
	}
}

func TestMsgPackWhatCannotBeEncoded(t *testing.T) {
	chain := new(node)
	for range 2000 {
		chain = &node{Next: chain}
	}
	cycle := new(node)
	cycle.Next = cycle
	loop := map[string]any{}
	loop["self"] = loop
	var self any
	self = &self
	type slices []slices
	circle := make(slices, 1)
	circle[0] = circle
	for name, v := range map[string]any{
		"failing JSON": failing{}, "failing text": failingText{}, "failing key": map[failingText]int{{}: 1}, "failing argument": failingArg{}, "NaN in quotes": struct {
			F float64 `json:",string"`
		}{math.NaN()},
		"channel": make(chan int), "function": func() {}, "complex": 1i, "channel in a tree": []any{make(chan int)}, "bad keys": map[float64]int{1: 1},
		"broken raw": json.RawMessage(`{"a"`), "empty raw": json.RawMessage(``), "two raws": json.RawMessage(`1 2`), "bad number": json.Number("1x"),
		"deep raw": json.RawMessage(nested(DefaultDepth + 1)[1:]), "chain": chain, "cycle": cycle, "cyclic map": loop, "cyclic slice": circle, "pointer to itself": self,
	} {
		frame, _, err := MsgPack().AppendPacket([]byte("kept"), Header{Type: Event}, "x", 1, v)
		var argErr *ArgError
		if !errors.As(err, &argErr) || argErr.Index != 1 || string(frame) != "kept" {
			t.Errorf("%s: %q, %v", name, frame, err)
		}
		if _, err := MsgPack().EncodeArgs("x", 1, v); !errors.As(err, &argErr) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := packed(t, 1).Append(v); !errors.As(err, &argErr) || argErr.Index != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The last level that a decoder takes is the last that the encoder writes.
	for levels, want := range map[int]error{DefaultDepth - 1: nil, DefaultDepth: ErrDepth} {
		var v any = []any{}
		for range levels - 1 {
			v = []any{v}
		}
		for name, v := range map[string]any{"tree": v, "struct": struct{ V any }{v.([]any)[0]}, "array": [1]any{v.([]any)[0]}, "raw": json.RawMessage(strings.Repeat("[", levels) + strings.Repeat("]", levels))} {
			frame, _, err := MsgPack().AppendPacket(nil, Header{Type: Event}, "x", v)
			if !errors.Is(err, want) {
				t.Errorf("%s with %d levels: %v, want %v", name, levels, err, want)
			}
			if err == nil {
				if _, _, err := MsgPack().NewDecoder(nil).Add(frame, true); err != nil {
					t.Errorf("%s with %d levels: encoded, and then %v", name, levels, err)
				}
			}
		}
	}
}

func TestMsgPackHeadersThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		h     Header
		event string
		args  []any
		cause error
	}{
		"binary event":           {Header{Type: BinaryEvent}, "x", nil, ErrPacketType},
		"namespace with comma":   {Header{Type: Connect, Namespace: "/a,b"}, "", nil, ErrNamespace},
		"large id":               {Header{Type: Event, ID: 1 << 53, HasID: true}, "x", nil, ErrID},
		"reserved name":          {Header{Type: Event}, "connect", nil, ErrEventName},
		"connect with a string":  {Header{Type: Connect}, "", []any{"x"}, ErrPayload},
		"connect with nil":       {Header{Type: Connect}, "", []any{nil}, ErrPayload},
		"connect error, nothing": {Header{Type: ConnectError}, "", nil, ErrPayload},
		"connect error, number":  {Header{Type: ConnectError}, "", []any{5}, ErrPayload},
		"disconnect with value":  {Header{Type: Disconnect}, "", []any{1}, ErrPayload},
	} {
		frame, _, err := MsgPack().AppendPacket(nil, c.h, c.event, c.args...)
		if !errors.Is(err, c.cause) || len(frame) > 0 {
			t.Errorf("%s: got %q, %v, want %v", name, frame, err, c.cause)
		}
	}
	if _, err := MsgPack().EncodeArgs("disconnecting"); !errors.Is(err, ErrEventName) {
		t.Errorf("EncodeArgs: %v", err)
	}
	if !MsgPack().Binary() || JSON(nil).Binary() {
		t.Error("Binary")
	}
}

func TestMsgPackLimits(t *testing.T) {
	packet := func(namespace, name string) []byte {
		b, err := MsgPack().EncodeArgs("", name)
		if err != nil {
			t.Fatal(err)
		}
		return MsgPack().AppendArgs(nil, Header{Type: Event, Namespace: namespace}, b)
	}
	long := strings.Repeat("n", 900_000)
	for _, c := range []struct {
		name    string
		limits  *Limits
		message []byte
		cause   error
	}{
		{"namespace of 255", nil, packet("/"+strings.Repeat("n", 254), "x"), nil},
		{"namespace of 256", nil, packet("/"+strings.Repeat("n", 255), "x"), ErrNamespace},
		{"no namespaces", &Limits{Namespace: -1}, packet("/a", "x"), ErrNamespace},
		{"no namespaces, root", &Limits{Namespace: -1}, packet("/", "x"), nil},
		{"long namespace", nil, packet("/"+long, "x"), ErrNamespace},
		{"event name of 255", nil, packet("/", strings.Repeat("n", 255)), nil},
		{"event name of 256", nil, packet("/", strings.Repeat("n", 256)), ErrEventName},
		{"longer event name", &Limits{EventName: 300}, packet("/", strings.Repeat("n", 256)), nil},
		{"long event name", nil, packet("/", long), ErrEventName},
		{"two levels", &Limits{Depth: 2}, packedEvent("\x92\xa1x\x90"), nil},
		{"three levels", &Limits{Depth: 2}, packedEvent("\x92\xa1x\x91\x80"), ErrDepth},
		{"bytes count for nothing", &Limits{Attachments: -1, AttachmentBytes: -1}, packedEvent("\x92\xa1x\xc4\x01x"), nil},
	} {
		_, _, err := MsgPack().NewDecoder(c.limits).Add(c.message, true)
		if !errors.Is(err, c.cause) || (err == nil) != (c.cause == nil) || err != nil && len(err.Error()) > 120 {
			t.Errorf("%s: got %.200v, want %v", c.name, err, c.cause)
		}
	}
	d := MsgPack().NewDecoder(nil)
	d.Reset()
	a, _, _ := d.Add(packet("/same", "x"), true)
	b, ok, err := d.Add(packet("/other", "y"), true)
	if a.Namespace != "/same" || b.Namespace != "/other" || !ok || err != nil {
		t.Error(a.Header, b.Header, ok, err)
	}
}

type (
	failing     struct{}
	failingText struct{}
	failingArg  struct{}
)

var errFailing = errors.New("failing")

func (failing) MarshalJSON() ([]byte, error)                            { return nil, errFailing }
func (failingText) MarshalText() ([]byte, error)                        { return nil, errFailing }
func (failingArg) AppendArg(dst []byte, _ *Attachments) ([]byte, error) { return dst, errFailing }

// The two forms have the same methods.
func TestArgsOfBothForms(t *testing.T) {
	values := []any{"name", 1, -2.5, "é\"", []byte("abc"), map[string]any{"b": []byte("d"), "a": nil}, []any{true}, json.RawMessage(`{"x":[1,2]}`)}
	text, err := JSON(nil).EncodeArgs("", values...)
	if err != nil {
		t.Fatal(err)
	}
	pack := packed(t, values...)
	const asJSON = `["name",1,-2.5,"é\"","YWJj",{"a":null,"b":"ZA=="},[true],{"x":[1,2]}]`
	if string(pack.Raw()) != asJSON || string(pack.AppendJSON([]byte("kept"))) != "kept"+asJSON {
		t.Errorf("%s, want %s", pack.Raw(), asJSON)
	}
	if !pack.Binary() || text.Binary() || pack.Len() != len(values) || pack.Attachments() != nil {
		t.Error(pack.Binary(), text.Binary(), pack.Len(), pack.Attachments())
	}
	if got := text.For(MsgPack()); !bytes.Equal(got.list, pack.list) || got.n != pack.n || got.Attachments() != nil || !got.Binary() {
		t.Errorf("converted: %x, want %x", got.list, pack.list)
	}
	if got := text.For(MsgPackTimestamps()); !bytes.Equal(got.list, pack.list) {
		t.Errorf("converted: %x", got.list)
	}
	if got := pack.For(JSON(nil)); !bytes.Equal(got.list, text.list) || !reflect.DeepEqual(got.att, text.att) || got.Binary() {
		t.Errorf("converted: %s, %q, want %s, %q", got.list, got.att, text.list, text.att)
	}
	if got := text.For(JSON(nil)); !reflect.DeepEqual(got, text) {
		t.Errorf("the same form: %+v", got)
	}
	if got := pack.For(MsgPack()); !reflect.DeepEqual(got, pack) {
		t.Errorf("the same form: %+v", got)
	}
	array := append([]byte{0x98}, pack.list...)
	for name, a := range map[string]Args{"JSON": text, "MessagePack": pack} {
		if got := a.AppendMsgPack(nil); !bytes.Equal(got, array) {
			t.Errorf("%s: %x, want %x", name, got, array)
		}
		h := Header{Type: Event, Namespace: "/a", ID: 3, HasID: true}
		if got, want := MsgPack().AppendArgs(nil, h, a), MsgPack().AppendArgs(nil, h, pack); !bytes.Equal(got, want) {
			t.Errorf("%s: framed %x, want %x", name, got, want)
		}
		if got, want := JSON(nil).AppendArgs(nil, h, a), JSON(nil).AppendArgs(nil, h, text); !bytes.Equal(got, want) || !bytes.HasPrefix(got, []byte("52-/a,3[")) {
			t.Errorf("%s: framed %s, want %s", name, got, want)
		}
	}
	again, err := NewMsgPackArgs(array)
	if err != nil || !bytes.Equal(again.list, pack.list) || again.Len() != 8 {
		t.Error(again, err)
	}
	i := 0
	for raw := range pack.All() {
		if string(raw) != string(pack.At(i)) || string(raw) != string(pack.Only(i).At(0)) || pack.Only(i).Len() != 1 || !json.Valid(raw) {
			t.Errorf("element %d is %s, %s", i, raw, pack.At(i))
		}
		if i == 2 {
			break
		}
		i++
	}
	if i != 2 || pack.At(-1) != nil || pack.At(8) != nil || pack.Only(8).Len() != 0 || packed(t).At(0) != nil {
		t.Error("there is something outside")
	}
	rest := pack
	for n := range values {
		if rest.Len() != len(values)-n || string(rest.At(0)) != string(pack.At(n)) {
			t.Errorf("after %d shifts: %s", n, rest.Raw())
		}
		rest = rest.Shift()
	}
	if rest.Len() != 0 || string(rest.Shift().Raw()) != "[]" {
		t.Errorf("what is left: %s", rest.Raw())
	}
	more, err := pack.Shift().Append("end", []byte("e"))
	if err != nil || more.Len() != 9 || string(more.At(7)) != `"end"` || string(more.At(8)) != `"ZQ=="` || pack.Len() != 8 {
		t.Errorf("%s, %v", more.Raw(), err)
	}
	clone := pack.Only(0).Clone()
	if !clone.Binary() || string(clone.At(0)) != `"name"` {
		t.Errorf("%s", clone.Raw())
	}
	for _, wire := range []string{"", "c0", "80", "91", "9101 02", "92 01", "dd7fffffff", "dc0001"} {
		b, _ := hex.DecodeString(strings.ReplaceAll(wire, " ", ""))
		var decodeErr *DecodeError
		if a, err := NewMsgPackArgs(b); !errors.As(err, &decodeErr) {
			t.Errorf("%s: %s, %v", wire, a.Raw(), err)
		}
	}
}

// What only one of the forms has.
func TestConversionOfOddValues(t *testing.T) {
	a := unhex(t, "98 cb7ff8000000000000 d7000000000000001388 d40000 c7020501ff 81 01 a161 cfffffffffffffffff ca3fc00000 c70100aa")
	const want = `[null,"1970-01-01T00:00:05.000Z",null,[5,"Af8="],{"1":"a"},18446744073709551615,1.5,"qg=="]`
	if string(a.Raw()) != want {
		t.Errorf("%s, want %s", a.Raw(), want)
	}
	text := a.For(JSON(nil))
	if len(text.Attachments()) != 2 || !bytes.Equal(text.Attachments()[0], []byte{1, 255}) {
		t.Errorf("%q", text.Attachments())
	}
	// What could be taken for an attachment keeps bytes in the text.
	for _, v := range []any{map[string]any{"_placeholder": true, "num": 0}, map[string]any{"_placeholder": 5}} {
		a := packed(t, v, []byte("a")).For(JSON(nil))
		var got, b any
		if len(a.Attachments()) > 0 || a.Decode(&got, &b) != nil || b != "YQ==" {
			t.Errorf("%s, %v", a.Raw(), b)
		}
		if alone := packed(t, v).For(JSON(nil)); !bytes.Equal(alone.At(0), a.At(0)) {
			t.Errorf("%s", alone.Raw())
		}
	}
	// Placeholders are bytes only where there are attachments.
	if a := newArgs(t, "["+ph("0")+`,{"a":[`+ph("0")+"]}]", "x").For(MsgPack()); hex.EncodeToString(a.list) != "c4017881a16191c40178" {
		t.Errorf("%x", a.list)
	}
	if a := newArgs(t, "["+ph("0")+"]").For(MsgPack()); string(a.Raw()) != "["+ph("0")+"]" {
		t.Errorf("%s", a.Raw())
	}
	for _, h := range []Header{{Type: Connect}, {Type: ConnectError}} {
		payload := map[string]any{"key": []byte("abc")}
		if got := JSON(nil).AppendArgs(nil, h, packed(t, payload)); string(got[1:]) != `{"key":"YWJj"}` {
			t.Errorf("%s", got)
		}
		if got := MsgPack().AppendArgs(nil, h, encodeArgs(t, payload)); !bytes.Contains(got, []byte("\xc4\x03abc")) {
			t.Errorf("%q", got)
		}
	}
	for _, h := range []Header{{Type: Connect}, {Type: Disconnect}} {
		want, _, err := MsgPack().AppendPacket(nil, h, "")
		if got := MsgPack().AppendArgs(nil, h, Args{}); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q, want %q, %v", got, want, err)
		}
	}
}

// Arguments that are sent on stay what they are.
func TestMsgPackSpread(t *testing.T) {
	in := packed(t, time.UnixMilli(5), math.NaN(), map[string]any{"_placeholder": true, "b": []byte("x")})
	want := packed(t, 1, time.UnixMilli(5), math.NaN(), map[string]any{"_placeholder": true, "b": []byte("x")}, []byte("y"), true)
	if out := packed(t, Spread([]any{1, in, encodeArgs(t, []byte("y"), true), Args{}})...); !bytes.Equal(out.list, want.list) || out.Len() != 6 {
		t.Errorf("%x, want %x", out.list, want.list)
	}
	deep := MsgPack().NewDecoder(&Limits{Depth: 5000})
	p, _, err := deep.Add(packedEvent("\x92\xa1x"+strings.Repeat("\x91", 4000)+"\xc0"), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := MsgPack().EncodeArgs("", Spread([]any{p.Args.Shift()})...); !errors.Is(err, ErrDepth) {
		t.Errorf("4,000 levels: %v", err)
	}
}

// The hooks for codecs speak JSON in both forms.
func TestMsgPackHooks(t *testing.T) {
	a := packed(t, point{1, 2}, &point{3, 4}, (*point)(nil))
	if len(a.Attachments()) > 0 || string(a.At(2)) != "null" {
		t.Errorf("%s", a.Raw())
	}
	var p, q point
	if err := a.Decode(&p, &q); err != nil || p != (point{1, 2}) || q != (point{3, 4}) {
		t.Error(p, q, err)
	}
	if err := unhex(t, "91d40000").Decode(&p); err == nil {
		t.Error(p)
	}
}

func TestMsgPackNames(t *testing.T) {
	for wire, want := range map[string]string{"\x91\xa4chat": "chat", "\x91\xa0": "", "\x91\x0c": "12", "\x91\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00": "1.5", "\x91\xd9\x02\xc3\xa9": "é"} {
		p, _, err := MsgPack().NewDecoder(nil).Add(packedEvent(wire), true)
		if err != nil || string(p.Name()) != want || p.Name() == nil {
			t.Errorf("%q: %q, %v, want %q", wire, p.Name(), err, want)
		}
	}
}

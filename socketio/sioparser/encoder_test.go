package sioparser

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Types of many shapes, with and without bytes.
type (
	blob     []byte           // bytes by another name
	octet    byte             // an element that is a byte by another name
	hexBytes []byte           // has its own text form
	ownJSON  struct{ B blob } // has its own JSON
	embedded struct {
		Inner []byte
	}
	node struct {
		Data []byte `json:"data,omitempty"`
		Next *node  `json:"next,omitempty"`
	}
	everything struct {
		embedded
		A     []byte
		P     *[]byte           `json:"p"`
		L     [][]byte          `json:"l"`
		M     map[string][]byte `json:"m"`
		N     blob
		O     []octet
		H     hexBytes
		J     ownJSON
		V     any
		Arr   [2]byte
		R     json.RawMessage
		S     Base64
		Num   json.Number
		Skip  []byte `json:"-"`
		Empty []byte `json:"empty,omitempty"`
		T     time.Time
		D     time.Duration
		F     float32
		Str   int `json:",string"`
	}
)

func (h hexBytes) MarshalText() ([]byte, error) { return []byte("hex:" + string(h)), nil }

func (h *hexBytes) UnmarshalText(b []byte) error {
	*h = hexBytes(strings.TrimPrefix(string(b), "hex:"))
	return nil
}

func (o ownJSON) MarshalJSON() ([]byte, error) { return json.Marshal("own " + string(o.B)) }

func (o *ownJSON) UnmarshalJSON(b []byte) error {
	var s string
	err := json.Unmarshal(b, &s)
	o.B = blob(strings.TrimPrefix(s, "own "))
	return err
}

func encodeArgs(t testing.TB, args ...any) Args {
	t.Helper()
	a, err := JSON(nil).EncodeArgs("", args...)
	if err != nil {
		t.Fatalf("encoding %#v: %v", args, err)
	}
	return a
}

func ph(n string) string { return `{"_placeholder":true,"num":` + n + `}` }

func TestBytesBecomeAttachments(t *testing.T) {
	b := []byte("a")
	for _, c := range []struct {
		name string
		arg  any
		json string
		att  string // joined by commas
	}{
		{"bytes", b, ph("0"), "a"},
		{"no bytes", []byte{}, ph("0"), ""},
		{"nil bytes", []byte(nil), "null", "-"},
		{"pointer", &b, ph("0"), "a"},
		{"named", blob("n"), ph("0"), "n"},
		{"nil named", blob(nil), "null", "-"},
		{"named elements", []octet("o"), ph("0"), "o"},
		{"in a slice", [][]byte{b, nil, []byte("b")}, "[" + ph("0") + ",null," + ph("1") + "]", "a,b"},
		{"in an array", [1][]byte{b}, "[" + ph("0") + "]", "a"},
		{"in a map", map[string][]byte{"y": []byte("b"), "x": b}, `{"x":` + ph("0") + `,"y":` + ph("1") + "}", "a,b"},
		{"named in a map", map[string]blob{"x": blob("n")}, `{"x":` + ph("0") + "}", "n"},
		{"in an any map", map[string]any{"x": []any{b, blob("n"), 1}}, `{"x":[` + ph("0") + "," + ph("1") + ",1]}", "a,n"},
		{"in a struct", embedded{b}, `{"Inner":` + ph("0") + "}", "a"},
		{"in an embedded struct", struct{ embedded }{embedded{b}}, `{"Inner":` + ph("0") + "}", "a"},
		{"in a pointer to a struct", &embedded{b}, `{"Inner":` + ph("0") + "}", "a"},
		{"in an interface of a struct", struct{ V any }{b}, `{"V":` + ph("0") + "}", "a"},
		{"named in an interface", struct{ V any }{[]any{blob("n")}}, `{"V":[` + ph("0") + "]}", "n"},
		{"struct in an interface", struct{ V any }{&embedded{b}}, `{"V":{"Inner":` + ph("0") + "}}", "a"},
		{"in an unexported embedded interface field", struct{ L []any }{[]any{map[string]any{"x": &b}}}, `{"L":[{"x":` + ph("0") + "}]}", "a"},
		{"map of ints", map[int]any{1: b}, `{"1":` + ph("0") + "}", "a"},
		{"recursive", &node{b, &node{[]byte("b"), nil}}, `{"data":` + ph("0") + `,"next":{"data":` + ph("1") + "}}", "a,b"},
		{"omitted", node{}, "{}", "-"},
		{"base64", Base64("a"), `"YQ=="`, "-"},
		{"nil base64", Base64(nil), "null", "-"},
		{"base64 beside bytes", struct {
			B Base64
			A []byte
		}{Base64("a"), b}, `{"B":"YQ==","A":` + ph("0") + "}", "a"},
		{"base64 in a map", map[string]any{"x": Base64("a"), "y": b}, `{"x":"YQ==","y":` + ph("0") + "}", "a"},
		{"array of bytes", [2]byte{1, 2}, "[1,2]", "-"},
		{"text form", hexBytes("z"), `"hex:z"`, "-"},
		{"text form beside bytes", []any{hexBytes("z"), b}, `["hex:z",` + ph("0") + "]", "a"},
		{"own JSON", ownJSON{blob("z")}, `"own z"`, "-"},
		{"own JSON beside bytes", struct {
			O ownJSON
			B blob
		}{ownJSON{blob("z")}, blob("n")}, `{"O":"own z","B":` + ph("0") + "}", "n"},
		{"number beside bytes", struct {
			N json.Number
			Z json.Number
			B []byte
		}{"1.50", "", b}, `{"N":1.50,"Z":0,"B":` + ph("0") + "}", "a"},
		{"raw beside bytes", []any{json.RawMessage(`{"a":[1]}`), b}, `[{"a":[1]},` + ph("0") + "]", "a"},
		{"raw", json.RawMessage(`"\ud800 "`), `"\ud800 "`, "-"},
		{"nil raw", json.RawMessage(nil), "null", "-"},
		{"HTML beside bytes", struct {
			S string
			B []byte
		}{"<&>", b}, `{"S":"<&>","B":` + ph("0") + "}", "a"},
		{"time beside bytes", struct {
			T time.Time
			D time.Duration
			B []byte
		}{time.Unix(0, 0).UTC(), time.Second, b}, `{"T":"1970-01-01T00:00:00Z","D":1000000000,"B":` + ph("0") + "}", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, p := range map[string]Parser{"built-in": JSON(nil), "other codec": JSON(stdCodec{})} {
				a, err := p.EncodeArgs("", c.arg)
				if err != nil {
					t.Fatal(err)
				}
				if got := string(a.At(0)); got != c.json {
					t.Errorf("%s: %s, want %s", name, got, c.json)
				}
				att := "-"
				if len(a.Attachments()) > 0 {
					att = string(bytes.Join(a.Attachments(), []byte(",")))
				}
				if att != c.att {
					t.Errorf("%s: attachments %q, want %q", name, att, c.att)
				}
			}
		})
	}
}

// stdCodec is a codec of a user.
type stdCodec struct{}

func (stdCodec) Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
func (stdCodec) Unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

// Everything comes back as it went.
func TestRoundTripOfEverything(t *testing.T) {
	b := []byte("pointed")
	in := everything{
		embedded: embedded{[]byte("inner")}, A: []byte("a"), P: &b, L: [][]byte{[]byte("l0"), []byte("l1")},
		M: map[string][]byte{"k": []byte("m")}, N: blob("n"), O: []octet("o"), H: hexBytes("h"), J: ownJSON{blob("j")},
		V: map[string]any{"x": []any{[]byte("v"), "s", 1.5, nil, true}}, Arr: [2]byte{7, 8}, R: json.RawMessage(`{"r":[1,2]}`),
		S: Base64("s"), Num: "12.50", T: time.Unix(1, 5).UTC(), D: time.Minute, F: 1.1, Str: 5,
	}
	a := encodeArgs(t, in, &in)
	text := JSON(nil).AppendArgs(nil, Header{Type: Ack, ID: 1, HasID: true}, a)
	d := JSON(nil).NewDecoder(&Limits{Attachments: 100})
	p, ok, err := d.Add(text, false)
	for _, att := range a.Attachments() {
		p, ok, err = d.Add(att, true)
	}
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	var out [2]everything
	if err := p.Args.Decode(&out[0], &out[1]); err != nil {
		t.Fatal(err)
	}
	for _, out := range out {
		if !reflect.DeepEqual(in, out) {
			t.Errorf("got  %+v\nwant %+v", out, in)
		}
	}
}

// Without bytes, the text is that of encoding/json.
func TestTextIsThatOfEncodingJSON(t *testing.T) {
	n := 5
	for _, v := range []any{
		nil, true, false, "", "héllo\u2028\u2029\x00\x1f\x7f\"\\/<>&\n\r\t\b\f", "bad \xff utf-8 \xed\xa0\x80", strings.Repeat("long é ", 100),
		0, -1, int64(math.MaxInt64), int64(math.MinInt64), int8(-3), uint64(math.MaxUint64), uintptr(1), &n, (*int)(nil),
		0.0, math.Copysign(0, -1), 1.5, 1e20, 1e21, -1e21, 1e-6, 1e-7, 1.7976931348623157e308, 5e-324, float32(0.1), 123456789.125, 100.0,
		[]int{1, 2}, []int(nil), []string{}, map[string]int{"b": 1, "a": 2}, map[string]any(nil), []any(nil), map[string]any{}, []any{},
		map[string]any{"z": nil, "a": []any{1, "x", map[string]any{"é\n": 1.5, "": true}}, "<": "&"},
		map[int]string{2: "b", 10: "a"}, struct{}{}, struct{ A, b int }{1, 2}, chat{"r", "<t>", 1, nil}, &chat{Tags: []string{"x"}},
		loose{"n", map[string]any{"a": 1}}, loose{"n", loose{"m", nil}}, time.Unix(0, 0).UTC(), big.NewInt(1 << 40), netip.MustParseAddr("::1"),
		json.Number("1e3"), json.Number(""), []json.RawMessage{json.RawMessage(`{"a": 1}`)}, error(nil), time.Hour, [3]byte{1, 2, 3}, struct{ E error }{},
	} {
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		if got := encodeArgs(t, v).At(0); string(got) != strings.TrimSuffix(want.String(), "\n") {
			t.Errorf("%#v: %s, want %s", v, got, &want)
		}
		if v == nil {
			continue
		}
		// The same inside of trees, where it is one of their types, and beside bytes.
		want.Truncate(want.Len() - 1)
		if got := encodeArgs(t, map[string]any{"k": []any{v}}).At(0); string(got) != `{"k":[`+want.String()+"]}" {
			t.Errorf("in a tree: %s, want %s", got, &want)
		}
		got := encodeArgs(t, struct {
			B []byte
			V any
		}{[]byte("x"), v}).At(0)
		got = bytes.ReplaceAll(got, []byte("\uFFFD"), []byte(`\ufffd`)) // written without the escape there
		if string(got) != `{"B":`+ph("0")+`,"V":`+want.String()+"}" {
			t.Errorf("beside bytes: %s, want %s", got, &want)
		}
	}
}

func TestWhatCannotBeEncoded(t *testing.T) {
	type pair struct {
		A any
		B []byte
	}
	for name, v := range map[string]any{
		"NaN": math.NaN(), "Inf": math.Inf(1), "NaN in a tree": map[string]any{"x": math.NaN()}, "NaN beside bytes": pair{math.NaN(), []byte("a")},
		"channel": make(chan int), "function": func() {}, "channel in a tree": []any{make(chan int)}, "channel beside bytes": pair{make(chan int), []byte("a")},
		"complex": 1i, "broken raw": json.RawMessage(`{"a"`), "empty raw": json.RawMessage(``), "two raws": json.RawMessage(`1 2`),
		"broken raw in a struct": struct{ R json.RawMessage }{json.RawMessage("x")}, "broken raw beside bytes": pair{json.RawMessage("x"), []byte("a")},
		"bad number": json.Number("1x"), "bad number beside bytes": pair{json.Number("1x"), []byte("a")},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // an error leaves nothing behind in what is used again
				text, att, err := JSON(nil).AppendPacket([]byte("kept"), Header{Type: Event}, "x", 1, v)
				var argErr *ArgError
				if !errors.As(err, &argErr) || argErr.Index != 1 || string(text) != "kept" || att != nil {
					t.Errorf("got %q, %q, %v", text, att, err)
				}
			}
			if got := string(encodeArgs(t, pair{1, []byte("a")}).Raw()); got != `[{"A":1,"B":`+ph("0")+`}]` {
				t.Errorf("afterwards: %s", got)
			}
		})
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		h     Header
		event string
		args  []any
		cause error
	}{
		"binary event":           {Header{Type: BinaryEvent}, "x", nil, ErrPacketType},
		"type 9":                 {Header{Type: 9}, "", nil, ErrPacketType},
		"namespace with comma":   {Header{Type: Connect, Namespace: "/a,b"}, "", nil, ErrNamespace},
		"namespace, no slash":    {Header{Type: Connect, Namespace: "a"}, "", nil, ErrNamespace},
		"large id":               {Header{Type: Event, ID: 1 << 53, HasID: true}, "x", nil, ErrID},
		"reserved name":          {Header{Type: Event}, "connect", nil, ErrEventName},
		"name of an ack":         {Header{Type: Ack}, "x", nil, ErrPayload},
		"two connect payloads":   {Header{Type: Connect}, "", []any{1, 2}, ErrPayload},
		"connect with a string":  {Header{Type: Connect}, "", []any{"x"}, ErrPayload},
		"connect with nil":       {Header{Type: Connect}, "", []any{nil}, ErrPayload},
		"connect error, nothing": {Header{Type: ConnectError}, "", nil, ErrPayload},
		"disconnect with value":  {Header{Type: Disconnect}, "", []any{1}, ErrPayload},
	} {
		t.Run(name, func(t *testing.T) {
			text, _, err := JSON(nil).AppendPacket(nil, c.h, c.event, c.args...)
			if !errors.Is(err, c.cause) || len(text) > 0 {
				t.Errorf("got %q, %v, want %v", text, err, c.cause)
			}
		})
	}
	if _, err := JSON(nil).EncodeArgs("disconnecting"); !errors.Is(err, ErrEventName) {
		t.Errorf("EncodeArgs: %v", err)
	}
}

// Packets that have no attachments carry bytes as base64 text, and 2.x error
// payloads are any value.
func TestPayloadsOfOtherPackets(t *testing.T) {
	for _, c := range []struct {
		h    Header
		arg  any
		want string
	}{
		{Header{Type: Connect}, map[string]any{"key": []byte("abc")}, `0{"key":"YWJj"}`},
		{Header{Type: Connect, Namespace: "/a"}, embedded{[]byte("abc")}, `0/a,{"Inner":"YWJj"}`},
		{Header{Type: Connect}, json.RawMessage(`{"a":1}`), `0{"a":1}`},
		{Header{Type: ConnectError}, []byte("abc"), `4"YWJj"`},
		{Header{Type: ConnectError}, "Not authorized", `4"Not authorized"`},
		{Header{Type: ConnectError, Namespace: "/a"}, []int{1}, `4/a,[1]`},
		{Header{Type: ConnectError}, nil, `4null`},
		{Header{Type: ConnectError}, 5, `45`},
	} {
		text, att, err := JSON(nil).AppendPacket(nil, c.h, "", c.arg)
		if err != nil || string(text) != c.want || att != nil {
			t.Errorf("got %s, %q, %v, want %s", text, att, err, c.want)
		}
	}
	if _, _, err := JSON(nil).AppendPacket(nil, Header{Type: Connect}, "", point{1, 2}); err == nil {
		t.Error("a connect with an attachment was encoded")
	}
}

// point is what generated code looks like: it writes and reads itself.
type point struct{ X, Y byte }

func (p point) AppendArg(dst []byte, at *Attachments) ([]byte, error) {
	if p.X == 0 {
		return dst, errors.New("no point")
	}
	return append(at.Append(append(dst, `{"xy":`...), []byte{p.X, p.Y}), '}'), nil
}

func (p *point) UnmarshalArg(a Args) error {
	var v struct {
		XY []byte `json:"xy"`
	}
	if err := a.Decode(&v); err != nil {
		return err
	}
	if len(v.XY) != 2 {
		return errors.New("two bytes were expected")
	}
	p.X, p.Y = v.XY[0], v.XY[1]
	return nil
}

func TestArgumentsThatEncodeThemselves(t *testing.T) {
	a := encodeArgs(t, []byte("first"), point{3, 4}, (*point)(nil))
	if got, want := string(a.Raw()), "["+ph("0")+`,{"xy":`+ph("1")+"},null]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var p point
	if err := a.Decode(nil, &p); err != nil || p != (point{3, 4}) {
		t.Error(p, err)
	}
	var argErr *ArgError
	if err := a.Decode(&p); !errors.As(err, &argErr) || argErr.Index != 0 {
		t.Error(err)
	}
	if _, err := JSON(nil).EncodeArgs("x", 1, point{}); !errors.As(err, &argErr) || argErr.Index != 1 {
		t.Error(err)
	}
	for _, text := range []string{"", "{", "1,2", "]", strings.Repeat("[", 2000) + strings.Repeat("]", 2000)} {
		if _, err := JSON(nil).EncodeArgs("", literal(text)); err == nil {
			t.Errorf("%.20q was taken from an argument that encodes itself", text)
		}
	}
	if got := encodeArgs(t, literal("\"\xff\"")).At(0); string(got) != "\"\uFFFD\"" {
		t.Errorf("%q", got)
	}
}

// literal writes itself as it is.
type literal string

func (l literal) AppendArg(dst []byte, _ *Attachments) ([]byte, error) { return append(dst, l...), nil }

// shouting is a codec that can be told from the built-in one.
type shouting struct{ stdCodec }

func (c shouting) Marshal(v any) ([]byte, error) {
	b, err := c.stdCodec.Marshal(v)
	return bytes.ToUpper(b), err
}

func (c shouting) Unmarshal(b []byte, v any) error { return c.stdCodec.Unmarshal(bytes.ToLower(b), v) }

func TestCodecOfTheUser(t *testing.T) {
	p := JSON(shouting{})
	a, err := p.EncodeArgs("name", "text", chat{Room: "r"}, []byte("b"), upload{"quiet", []byte("c")}, json.RawMessage(`"raw"`))
	if err != nil {
		t.Fatal(err)
	}
	want := `["name","TEXT",{"ROOM":"R","TEXT":"","N":0},` + ph("0") + `,{"name":"quiet","data":` + ph("1") + `},"raw"]`
	if string(a.Raw()) != want {
		t.Errorf("%s, want %s", a.Raw(), want)
	}
	d := p.NewDecoder(nil)
	packet, _, err := d.Add([]byte(`2["name","TEXT",{"ROOM":"R"}]`), false)
	if err != nil {
		t.Fatal(err)
	}
	var s string
	var c chat
	if err := packet.Args.Shift().Decode(&s, &c); err != nil || s != "text" || c.Room != "r" {
		t.Error(s, c, err)
	}
	if _, err := p.EncodeArgs("", math.NaN()); err == nil {
		t.Error("the error of the codec is lost")
	}
	if _, err := JSON(broken{}).EncodeArgs("", 1); err == nil {
		t.Error("what the codec wrote is not checked")
	}
}

type broken struct{ stdCodec }

func (broken) Marshal(any) ([]byte, error) { return []byte(`{"a":`), nil }

// What is encoded once and framed many times is what is encoded each time.
func TestEncodedOnce(t *testing.T) {
	p := JSON(nil)
	a, err := p.EncodeArgs("up", upload{"n", []byte("x")}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []Header{{Type: Event}, {Type: Event, Namespace: "/"}, {Type: Event, Namespace: "/a", ID: 7, HasID: true}} {
		want, att, err := p.AppendPacket(nil, h, "up", upload{"n", []byte("x")}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.AppendArgs([]byte("kept"), h, a); string(got) != "kept"+string(want) || !reflect.DeepEqual(att, a.Attachments()) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for h, want := range map[Header]string{{Type: Disconnect, Namespace: "/a"}: "1/a,", {Type: Connect}: `0"up"`} {
		if got := p.AppendArgs(nil, h, a); string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := p.AppendArgs(nil, Header{Type: Ack, ID: 3, HasID: true}, Args{}); string(got) != "33[]" {
		t.Errorf("%s", got)
	}
}

// Values without bytes cost no allocation beyond their text.
func TestEncodingDoesNotAllocate(t *testing.T) {
	p, h, dst := JSON(nil), Header{Type: Event, Namespace: "/a", ID: 1, HasID: true}, make([]byte, 0, 1024)
	args := []any{&chat{Room: "r", Text: "t"}, "s", 5, map[string]any{"a": 1.5}}
	if n := testing.AllocsPerRun(200, func() {
		if _, _, err := p.AppendPacket(dst, h, "x", args...); err != nil {
			t.Fatal(err)
		}
	}); n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

func TestBase64IsWhatEncodingJSONWrites(t *testing.T) {
	b := []byte("\x00\xff\xfe bytes")
	if got, want := string(encodeArgs(t, Base64(b)).At(0)), `"`+base64.StdEncoding.EncodeToString(b)+`"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// angry is a type whose method panics.
type angry struct{}

func (angry) MarshalJSON() ([]byte, error) { panic("angry") }

func TestPanicOfTheUserLeavesNothingBehind(t *testing.T) {
	for range 10 {
		func() {
			defer func() {
				if r := recover(); r != "angry" {
					t.Errorf("recovered %v", r)
				}
			}()
			_, _, _ = JSON(nil).AppendPacket(nil, Header{Type: Event}, "x", []any{[]byte("a"), struct {
				B []byte
				A angry
			}{B: []byte("a")}})
		}()
		if got := string(encodeArgs(t, embedded{[]byte("a")}).Raw()); got != `[{"Inner":`+ph("0")+`}]` {
			t.Fatalf("afterwards: %s", got)
		}
	}
}

func TestFramesAreText(t *testing.T) {
	if JSON(nil).Binary() {
		t.Error("JSON frames are binary")
	}
}

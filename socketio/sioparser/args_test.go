package sioparser

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func newArgs(t testing.TB, array string, attachments ...string) Args {
	t.Helper()
	var list [][]byte
	for _, s := range attachments {
		list = append(list, []byte(s))
	}
	a, err := NewArgs([]byte(array), list...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestArgsElements(t *testing.T) {
	for _, c := range []struct {
		array string
		want  []string
	}{
		{"[]", nil},
		{" [ ] ", nil},
		{"[1]", []string{"1"}},
		{"\t[ \"a,]\\\"\" ,\r\n {\"b\" : [ 1 , 2 ]} , [ ] , null,-1.5e3 ]\n", []string{`"a,]\""`, `{"b" : [ 1 , 2 ]}`, "[ ]", "null", "-1.5e3"}},
		{`["é\\",["]"],{"}":"{"}]`, []string{`"é\\"`, `["]"]`, `{"}":"{"}`}},
	} {
		a := newArgs(t, c.array)
		var got []string
		for raw := range a.All() {
			got = append(got, string(raw))
		}
		if !slices.Equal(got, c.want) || a.Len() != len(c.want) {
			t.Errorf("%q: %q, %d, want %q", c.array, got, a.Len(), c.want)
		}
		for i := range c.want {
			if string(a.At(i)) != c.want[i] || string(a.Only(i).At(0)) != c.want[i] || a.Only(i).Len() != 1 {
				t.Errorf("%q: element %d is %q, %q", c.array, i, a.At(i), a.Only(i).Raw())
			}
		}
		if a.At(-1) != nil || a.At(len(c.want)) != nil || a.Only(len(c.want)).Len() != 0 {
			t.Errorf("%q: there is something outside", c.array)
		}
		for n := range c.want {
			if a.Len() != len(c.want)-n || string(a.At(0)) != c.want[n] {
				t.Errorf("%q: after %d shifts: %d, %q", c.array, n, a.Len(), a.At(0))
			}
			if again := newArgs(t, string(a.Raw())); again.Len() != a.Len() {
				t.Errorf("%q: raw text %q", c.array, a.Raw())
			}
			a = a.Shift()
		}
		if a.Len() != 0 || string(a.Shift().Raw()) != "[]" {
			t.Errorf("%q: what is left: %q", c.array, a.Raw())
		}
	}
	for _, array := range []string{"", " ", "1", "{}", "[", "[1", "[1,]", "[1]]", "[1] 2", "[\"\xff\"]", "[1]\x00", strings.Repeat("[", 1001) + strings.Repeat("]", 1001)} {
		var decodeErr *DecodeError
		if a, err := NewArgs([]byte(array)); !errors.As(err, &decodeErr) {
			t.Errorf("%.20q: %q, %v", array, a.Raw(), err)
		}
	}
	if _, err := NewArgs([]byte("["+ph("1")+"]"), []byte("a")); !errors.Is(err, ErrIllegalAttachments) {
		t.Error(err)
	}
}

func TestArgsDecode(t *testing.T) {
	a := newArgs(t, `["s",1,{"room":"r","n":2},[1,2],true,null,"AAEC",{"a":"\u00e9"}]`)
	var (
		s    string
		n    int
		c    chat
		list []int
		ok   bool
		v    any = 5
		b    []byte
		m    map[string]any
		more = "untouched"
	)
	if err := a.Decode(&s, &n, &c, &list, &ok, &v, &b, &m, &more); err != nil {
		t.Fatal(err)
	}
	if s != "s" || n != 1 || c.Room != "r" || c.N != 2 || len(list) != 2 || !ok || v != nil || string(b) != "\x00\x01\x02" || m["a"] != "é" || more != "untouched" {
		t.Error(s, n, c, list, ok, v, b, m, more)
	}
	var raw json.RawMessage
	if err := a.Decode(nil, nil, &raw); err != nil || string(raw) != `{"room":"r","n":2}` {
		t.Errorf("%s, %v", raw, err)
	}
	if err := a.Decode(); err != nil {
		t.Error(err)
	}
	if err := (Args{}).Decode(&s); err != nil || s != "s" {
		t.Error(s, err)
	}
}

// null, merging and case are those of encoding/json.
func TestArgsDecodeLikeEncodingJSON(t *testing.T) {
	type inner struct{ A, B int }
	type dst struct {
		Name  string
		In    inner
		P     *inner
		List  []inner
		M     map[string]int
		V     any
		Arr   [2]int
		Quote int `json:",string"`
		Num   json.Number
		I8    int8
		U     uint
		E     error
		Fn    func()
		skip  int
	}
	fresh := func() dst {
		return dst{Name: "old", In: inner{1, 2}, P: &inner{3, 4}, List: []inner{{5, 6}, {7, 8}}, M: map[string]int{"old": 1}, V: &inner{9, 9}, Arr: [2]int{1, 2}, skip: 1}
	}
	for _, text := range []string{
		`{}`, `{"NAME":"x","iN":{"a":5}}`, `{"name":null,"In":null,"P":null,"List":null,"M":null,"V":null}`,
		`{"In":{"A":9},"P":{"B":9},"List":[{"A":1}],"M":{"new":2},"V":{"A":1}}`, `{"Arr":[7]}`, `{"Arr":[1,2,3]}`, `{"Quote":"5"}`, `{"Quote":5}`, `{"Quote":"x"}`,
		`{"Name":5,"In":{"A":3}}`, `{"Num":"12"}`, `{"Num":1.50}`, `{"Num":"x"}`, `{"I8":300}`, `{"U":-1}`, `{"I8":1.5}`, `{"E":null,"Fn":null}`, `{"E":1}`, `{"Fn":1}`,
		`{"M":{"a":1,"a":2}}`, `{"Name":"a","Name":"b"}`, `{"Name":"\ud800"}`, `{"V":[1e400]}`, `{"skip":1,"other":[{}]}`, `[]`, `"x"`, `null`, `5`,
	} {
		want, got := fresh(), fresh()
		wantErr := json.Unmarshal([]byte(text), &want)
		err := newArgs(t, "["+text+"]").Decode(&got)
		if (err == nil) != (wantErr == nil) || wantErr == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v, %v", text, got, err, want, wantErr)
		}
		// Beside an attachment another decoder is at work.
		var both struct {
			B []byte
			D dst
		}
		both.D = fresh()
		err = newArgs(t, `[{"B":`+ph("0")+`,"D":`+text+"}]", "x").Decode(&both)
		if (err == nil) != (wantErr == nil) || wantErr == nil && (!reflect.DeepEqual(both.D, want) || string(both.B) != "x") {
			t.Errorf("%s beside bytes: %+v, %v, want %+v, %v", text, both.D, err, want, wantErr)
		}
	}
}

func TestArgsDecodeErrors(t *testing.T) {
	type order struct{ Qty int }
	for _, c := range []struct {
		array string
		dst   []any
		index int
		parts []string // of the text
	}{
		{`["x"]`, []any{new(int)}, 0, []string{"argument 0", "string", "int"}},
		{`[1,"x"]`, []any{new(int), new(order)}, 1, []string{"argument 1", "string", "order"}},
		{`[1,{"Qty":"many"}]`, []any{new(int), new(order)}, 1, []string{"argument 1", "string", "Qty", "int"}},
		{`[300]`, []any{new(int8)}, 0, []string{"argument 0", "300", "int8"}},
		{`[5]`, []any{new(string)}, 0, []string{"number", "string"}},
		{`[5]`, []any{new(bool)}, 0, []string{"number", "bool"}},
		{`["x"]`, []any{new(float64)}, 0, []string{"string", "float64"}},
		{`[1.5]`, []any{new(int64)}, 0, []string{"1.5", "int64"}},
		{`["%"]`, []any{new([]byte)}, 0, []string{"argument 0", "base64"}},
		{`[1]`, []any{0}, 0, []string{"pointer"}},
		{`[1]`, []any{(*int)(nil)}, 0, []string{"pointer"}},
		{`[1]`, []any{(*point)(nil)}, 0, []string{"pointer"}},
		{`[1e999]`, []any{new(any)}, 0, []string{"1e999", "float64"}},
	} {
		err := newArgs(t, c.array).Decode(c.dst...)
		var argErr *ArgError
		if !errors.As(err, &argErr) || argErr.Index != c.index {
			t.Errorf("%s: %v, want an *ArgError for %d", c.array, err, c.index)
			continue
		}
		for _, part := range c.parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", c.array, err, part)
			}
		}
	}
	var typeErr *json.UnmarshalTypeError
	if err := newArgs(t, `[{"Qty":"x"}]`).Decode(new(order)); !errors.As(err, &typeErr) || typeErr.Field != "Qty" {
		t.Errorf("%v is no *json.UnmarshalTypeError", err)
	}
}

func TestArgsAttachments(t *testing.T) {
	array := "[" + ph("0") + `,{"a":` + ph("1") + `,"l":[` + ph("0") + `,"AA==",null],"n":{"_placeholder":false}},"x"]`
	a := newArgs(t, array, "zero", "one")
	var (
		b []byte
		s struct {
			A blob
			L [][]byte
			N map[string]any
		}
	)
	if err := a.Decode(&b, &s); err != nil || string(b) != "zero" || string(s.A) != "one" || string(s.L[0]) != "zero" || string(s.L[1]) != "\x00" || s.L[2] != nil {
		t.Error(b, s, err)
	}
	var v, w any
	want := map[string]any{"a": []byte("one"), "l": []any{[]byte("zero"), "AA==", nil}, "n": map[string]any{"_placeholder": false}}
	if err := a.Decode(&v, &w); err != nil || string(v.([]byte)) != "zero" || !reflect.DeepEqual(w, want) {
		t.Error(v, w, err)
	}
	for name, dst := range map[string]any{"blob": new(blob), "pointer": new(*[]byte), "base64": new(Base64), "octets": new([]octet)} {
		if err := a.Decode(dst); err != nil || fmt.Sprintf("%s", reflect.Indirect(reflect.Indirect(reflect.ValueOf(dst)))) != "zero" {
			t.Errorf("%s: %s, %v", name, dst, err)
		}
	}
	var typed struct {
		A, B any
		M    map[string]any
		S    Base64
		R    json.RawMessage
	}
	if err := newArgs(t, `[{"A":`+ph("0")+`,"B":1,"M":{"x":`+ph("0")+`},"S":`+ph("0")+`,"R":`+ph("0")+"}]", "b").Decode(&typed); err != nil ||
		string(typed.A.([]byte)) != "b" || typed.B != 1.0 || string(typed.M["x"].([]byte)) != "b" || string(typed.S) != "b" || string(typed.R) != ph("0") {
		t.Errorf("%+v, %v", typed, err)
	}
	// Bytes do not fit anything else.
	for _, dst := range []any{new(string), new(int), new([]int), new([4]byte)} {
		if err := a.Decode(dst); err == nil {
			t.Errorf("%T took an attachment: %v", dst, dst)
		}
	}
	for _, dst := range []any{new([]byte), new(blob), new([][]byte), new(map[string][]byte)} {
		if err := newArgs(t, `[{"no":{"placeholder":1}},`+ph("0")+"]", "a").Decode(dst); err == nil {
			t.Errorf("%T took an object", dst)
		}
	}
}

func TestArgsAppend(t *testing.T) {
	a := newArgs(t, `["name",`+ph("0")+"]", "old")
	b, err := a.Append(5, []byte("new"), embedded{[]byte("newer")})
	if err != nil {
		t.Fatal(err)
	}
	if want := `["name",` + ph("0") + ",5," + ph("1") + `,{"Inner":` + ph("2") + "}]"; string(b.Raw()) != want || b.Len() != 5 {
		t.Errorf("%s, %d, want %s", b.Raw(), b.Len(), want)
	}
	if len(b.Attachments()) != 3 || len(a.Attachments()) != 1 || a.Len() != 2 {
		t.Errorf("%q, and before %q", b.Attachments(), a.Attachments())
	}
	var old, last []byte
	if err := b.Decode(nil, &old, nil, &last); err != nil || string(old) != "old" || string(last) != "new" {
		t.Error(old, last, err)
	}
	none, err := (Args{}).Append()
	if err != nil || string(none.Raw()) != "[]" {
		t.Errorf("%s, %v", none.Raw(), err)
	}
	one, err := none.Append("x")
	if err != nil || string(one.Raw()) != `["x"]` {
		t.Errorf("%s, %v", one.Raw(), err)
	}
	var argErr *ArgError
	if _, err := a.Append(1, make(chan int)); !errors.As(err, &argErr) || argErr.Index != 1 {
		t.Error(err)
	}
}

func TestName(t *testing.T) {
	for text, want := range map[string]string{
		`2["chat"]`: "chat", `2["a\"\u0062\n"]`: "a\"b\n", `2["\ud83d\ude00\ud83d"]`: "😀\uFFFD", `2[""]`: "", `2[12,"x"]`: "12", `2["é"]`: "é",
	} {
		p, _, err := decode(nil, text)
		if err != nil || string(p.Name()) != want || p.Name() == nil {
			t.Errorf("%s: %q, %v, want %q", text, p.Name(), err, want)
		}
	}
	for _, text := range []string{`31["x"]`, "0", `4"x"`, "1"} {
		if p, _, err := decode(nil, text); err != nil || p.Name() != nil {
			t.Errorf("%s: %q, %v", text, p.Name(), err)
		}
	}
	if name := (&Packet{Header: Header{Type: Event}}).Name(); name != nil {
		t.Errorf("of nothing: %q", name)
	}
}

func TestTypeNames(t *testing.T) {
	for typ, want := range map[Type]string{Connect: "connect", ConnectError: "connect error", BinaryAck: "binary ack", 7: "type 7"} {
		if typ.String() != want {
			t.Errorf("%q, want %q", typ.String(), want)
		}
	}
}

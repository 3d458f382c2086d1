package sioparser_test

import (
	"bytes"
	"testing"

	"github.com/siogo/sio/socketio/sioparser"
)

func TestSpread(t *testing.T) {
	p := sioparser.JSON(nil)
	in, err := sioparser.NewArgs([]byte(`["a" , {"x": [1, {"_placeholder":true,"num":1}], "y":"{\"_placeholder\""}, {"num":0,"_placeholder":true}]`), []byte{1}, []byte{2})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name        string
		values      []any
		frame       string
		attachments [][]byte
	}{
		{"nothing to spread", []any{1, "x"}, `2["e",1,"x"]`, nil},
		{"alone", []any{in}, `52-["e","a",{"x": [1, {"_placeholder":true,"num":0}], "y":"{\"_placeholder\""},{"_placeholder":true,"num":1}]`, [][]byte{{2}, {1}}},
		{"among others", []any{[]byte{9}, in.Only(2), true}, `52-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},true]`, [][]byte{{9}, {1}}},
		{"without attachments", []any{in.First(1), in.First(1)}, `2["e","a","a"]`, nil},
		{"empty", []any{sioparser.Args{}}, `2["e"]`, nil},
	} {
		frame, attachments, err := p.AppendPacket(nil, sioparser.Header{Type: sioparser.Event}, "e", sioparser.Spread(tt.values)...)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := string(frame); got != tt.frame || len(attachments) != len(tt.attachments) {
			t.Errorf("%s: got %s with %d attachments, want %s", tt.name, got, len(attachments), tt.frame)
			continue
		}
		for i, b := range attachments {
			if !bytes.Equal(b, tt.attachments[i]) {
				t.Errorf("%s: attachment %d is %v, want %v", tt.name, i, b, tt.attachments[i])
			}
		}
	}
}

func TestFirst(t *testing.T) {
	for _, p := range []sioparser.Parser{sioparser.JSON(nil), sioparser.MsgPack()} {
		all, err := p.EncodeArgs("e", "a, ", 2, []byte{3})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 6 {
			var e, a string
			var two int
			var three []byte
			got := all.First(n)
			if err := got.Decode(&e, &a, &two, &three); err != nil {
				t.Fatal(err)
			}
			if got.Len() != min(n, 4) || (e == "e") != (n > 0) || (a == "a, ") != (n > 1) || (two == 2) != (n > 2) || (len(three) == 1) != (n > 3) {
				t.Errorf("First(%d) is %s", n, got.Raw())
			}
		}
	}
}

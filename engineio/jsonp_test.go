package engineio

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/siogo/sio/engineio/eioparser"
)

// jsonpForm is how a client sends a payload: line breaks as two characters, and
// those two with a second backslash before them. It cannot send a backslash
// before a line break.
func jsonpForm(payload string) string {
	payload = strings.NewReplacer(`\n`, `\\n`, "\n", `\n`).Replace(payload)
	return "d=" + url.QueryEscape(payload)
}

var jsonpPayloads = []string{
	"4a", "4", "4a\nb", `4a\nb`, `4a\\nb`, `4\\\n`, "4\n\n", `4\n\n`, `4\`, `4\r`, "4\r\n", "4\x00", "4\x00n", "4a+b c&d=e%20;f",
	"4\u2028\u2029", "4€😀", `4{"a":"\n\u0000"}`, "4\x1e4b\x1ebAQID", "4" + strings.Repeat(`\n`+"\n", 1000),
}

// A payload goes through a form unchanged, whatever is in it.
func TestJSONPForm(t *testing.T) {
	for _, payload := range jsonpPayloads {
		for _, form := range []string{jsonpForm(payload), "x=y&" + jsonpForm(payload) + "&z", jsonpForm(payload) + "&d=4other"} {
			got, err := decodeJSONP([]byte(form))
			if err != nil || string(got) != payload {
				t.Errorf("form %.100q holds %.100q, %v, want %.100q", form, got, err, payload)
			}
		}
	}
	for _, form := range []string{"", "x=4a", "D=4a", "d", "=4a", "4a", "d=%", "d=%zz", "d=%4", "&&"} {
		if got, err := decodeJSONP([]byte(form)); err == nil {
			t.Errorf("form %q holds %q, want an error", form, got)
		}
	}
}

// The whole way of a JSONP client, in both revisions.
func TestJSONP(t *testing.T) {
	r := newEchoRig(t, Options{})
	for _, eio := range []string{"3", "4"} {
		revision := eioparser.Revision(eio[0] - '0')
		call := func(body string) string {
			t.Helper()
			var payload string
			literal, ok := strings.CutPrefix(body, "___eio[7](")
			if literal, ok2 := strings.CutSuffix(literal, ");"); !ok || !ok2 || json.Unmarshal([]byte(literal), &payload) != nil {
				t.Fatalf("answered %.100q, want a call with a string", body)
			}
			return payload
		}
		_, body := r.get("transport=polling&EIO=" + eio + "&j=7")
		if got := call(body); !strings.Contains(got, `0{"sid":"`) {
			t.Fatalf("handshake %q", got)
		}
		rec := <-r.opened
		query := "transport=polling&EIO=" + eio + "&j=7&sid=" + rec.ID()
		for _, m := range []string{"hello", "a\nb", `a\nb`, "\u2028", "€😀"} {
			packets := []eioparser.Packet{{Type: eioparser.Message, Data: []byte(m)}, {Type: eioparser.Message, Binary: true, Data: []byte{1, 2, 3}}}
			payload := string(eioparser.AppendPayload(nil, revision, packets))
			status, answer, h := r.do("POST", query, "application/x-www-form-urlencoded", jsonpForm(payload))
			if status != 200 || answer != "ok" || h.Get("Content-Type") != "text/html" {
				t.Errorf("POST answered %d %q %q", status, answer, h.Get("Content-Type"))
			}
			_, body := r.get(query)
			if got := call(body); got != payload { // binary as base64: a script has no bytes
				t.Errorf("echo %q, want %q", got, payload)
			}
		}
		// What is no form ends the session like any payload that is none.
		if status, answer, _ := r.do("POST", query, "application/x-www-form-urlencoded", "x=y"); status != 200 || answer != "ok" {
			t.Errorf("bad form answered %d %q", status, answer)
		}
		if got := rec.reason(t); got != ReasonParseError {
			t.Errorf("reason %q", got)
		}
	}
}

// FuzzJSONP: the answer is one call of one string, which is the payload; and a
// payload comes through a form unchanged.
func FuzzJSONP(f *testing.F) {
	for _, payload := range jsonpPayloads {
		f.Add("0", payload)
	}
	f.Add("1];alert(2);x[3", "</script>")
	f.Fuzz(func(t *testing.T, index, payload string) {
		script := string(appendJSONP(nil, index, []byte(payload)))
		rest, ok := strings.CutPrefix(script, "___eio[")
		rest = strings.TrimLeft(rest, "0123456789")
		literal, ok2 := strings.CutPrefix(rest, "](")
		literal, ok3 := strings.CutSuffix(literal, ");")
		var got string
		if err := json.Unmarshal([]byte(literal), &got); !ok || !ok2 || !ok3 || err != nil {
			t.Fatalf("script %q, %v", script, err)
		}
		if want := string([]rune(payload)); got != want { // what is no rune becomes U+FFFD
			t.Fatalf("%q became %q, want %q", payload, got, want)
		}
		if strings.ContainsAny(literal, "\u2028\u2029<\n\r") {
			t.Fatalf("the literal %q is not safe in every script", literal)
		}
		if strings.Contains(payload, "\\\n") {
			return // ambiguous
		}
		back, err := decodeJSONP([]byte(jsonpForm(payload)))
		if err != nil || string(back) != payload {
			t.Fatalf("%q went through a form as %q, %v", payload, back, err)
		}
	})
}

package engineio

import (
	"strings"
	"testing"
)

// What is no packet ends the session with "parse error", over each transport,
// and harms no other.
func TestFault_P01_NoPackets(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for _, tc := range []struct{ eio, packet string }{
		{"4", ""}, {"4", "7"}, {"4", "9x"}, {"4", "x"}, {"4", " 4a"}, {"4", "\x00"}, {"4", "b!"}, {"4", "bAQI"}, {"4", "bAQ\rID="}, {"4", "b\r\r"}, {"4", "٤a"},
		{"3", ""}, {"3", "7"}, {"3", "x"}, {"3", "bAQID"}, {"3", "b4AQI"}, {"3", "b7AQID"}, {"3", "b"},
	} {
		w, rec := r.websocket(tc.eio)
		w.text("4before", tc.packet, "4after")
		w.expect("4before", "close:1002")
		err := <-rec.closed
		if err.Reason != ReasonParseError || err.Err == nil {
			t.Errorf("revision %s, %q over WebSocket: closed with %v", tc.eio, tc.packet, err)
		}
		if got := rec.got(); len(got) != 1 {
			t.Errorf("revision %s, %q: messages %q", tc.eio, tc.packet, got)
		}

		if tc.eio+tc.packet == "3" {
			continue // "0:" is a payload without packets there
		}
		p := r.polling(tc.eio)
		payload := "4before\x1e" + tc.packet + "\x1e4after"
		if tc.eio == "3" {
			payload = "7:4before" + string(rune('0'+len(tc.packet))) + ":" + tc.packet + "6:4after"
		}
		p.post(payload) // "ok", as the reference has it
		if got := p.rec.reason(t); got != ReasonParseError {
			t.Errorf("revision %s, %q over polling: reason %q", tc.eio, tc.packet, got)
		}
		if got := p.rec.got(); len(got) != 1 || got[0] != "before" {
			t.Errorf("revision %s, %q: messages %q", tc.eio, tc.packet, got)
		}
	}
	// A message of nothing is a message.
	w, _ := r.websocket("4")
	w.text("4")
	w.expect("4")
	w.binary("")
	w.expect("bin:")
	p := r.polling("4")
	p.post("4\x1eb")
	if got := p.get(); got != "4\x1eb" {
		t.Errorf("echo %q", got)
	}
	b.unharmed()
}

// The same for a WebSocket that wants to take over a session: the session
// goes on.
func TestFault_P01_NoPacketsFromAProbe(t *testing.T) {
	r := newEchoRig(t, Options{})
	p := r.polling("4")
	for _, packet := range []string{"", "7", "x", "b!"} {
		w := r.upgrade(p.upgradeQuery())
		w.text(packet)
		w.expect("close:1002")
		w = p.probe()
		w.text(packet)
		w.expect("close:1002")
	}
	p.post("4on")
	if got := p.get(); got != "4on" {
		t.Errorf("poll answered %q", got)
	}
}

// Text that is not UTF-8 ends the session: with close code 1007 on WebSocket,
// as a parse error on polling. What is UTF-8 comes through, escaped surrogates,
// NUL and line separators included.
func TestFault_P11_Text(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for _, bad := range []string{"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "€\x80"} {
		w, rec := r.websocket("4")
		w.text("4" + bad)
		w.expect("close:1007")
		if got := rec.reason(t); got != ReasonTransportError {
			t.Errorf("%q over WebSocket: reason %q", bad, got)
		}
		p := r.polling("4")
		p.post("4" + bad)
		if got := p.rec.reason(t); got != ReasonParseError {
			t.Errorf("%q over polling: reason %q", bad, got)
		}
	}
	w, _ := r.websocket("4")
	p := r.polling("4")
	for _, good := range []string{"\x00", "a\x00b", "\u2028\u2029", `"\ud800"`, "\ufeff", "\ufffd\uffff", "€😀", "\U0010ffff", "\x7f", "\x01\x1f"} {
		w.text("4" + good)
		w.expect("4" + good)
		p.post("4" + good)
		if got := p.get(); got != "4"+good {
			t.Errorf("%q came back as %q", good, got)
		}
	}
	b.unharmed()
}

// Payloads of revision 3 that do not add up end the session.
func TestFault_P12_PayloadsOfRevision3(t *testing.T) {
	r := newEchoRig(t, Options{})
	b := r.bystander()
	for _, payload := range []string{
		"", "4hello", "x:4a", ":4a", "2", "2:", "3:4a", "1:4a", "-2:4a", "+2:4a", " 2:4a", "2 :4a", "02:4a", "0x2:4a", "2e0:4a",
		"99999999999999999999:4a", "9223372036854775807:4a", "18446744073709551615:4a", "2:4a2", "2:4a3:4b", "2:😀", "0:x",
		strings.Repeat("9", 1000) + ":4a",
	} {
		p := r.polling("3")
		p.post(payload)
		if got := p.rec.reason(t); got != ReasonParseError {
			t.Errorf("%.40q: reason %q", payload, got)
		}
	}
	binary := func(eio, payload string) Reason {
		p := r.polling(eio)
		if status, _, _ := r.do("POST", p.query, typeBinary, payload); status != 200 {
			t.Errorf("%.40q answered %d", payload, status)
		}
		return p.rec.reason(t)
	}
	bad := []string{"", "\x00", "\x00\x02", "\x00\x02\xff", "\x00\x02\xff4", "\x00\xff4a", "\x02\x02\xff4a", "\x00\x00\x02\xff4a", "\x01\x01\xff\x07", "\x01\x00\xff",
		"\x00" + strings.Repeat("\x09", 20) + "\xff4a", "\x00" + strings.Repeat("\x09", 400) + "\xff4a", "\x00\x02\xff4a\x01", "\x00\x02\xff4a\x00\x09\xff4b", "2:4a"}
	for c := 10; c < 255; c++ { // no digit (CVE of another server: it overflowed)
		bad = append(bad, "\x00"+string([]byte{byte(c)})+"\xff4a", "\x00\x01"+string([]byte{byte(c)})+"\xff4a")
	}
	for _, payload := range bad {
		if got := binary("3", payload); got != ReasonParseError {
			t.Errorf("binary %.40q: reason %q", payload, got)
		}
	}
	b.unharmed()
}

// Binary payloads of revision 3 come and go, text and binary mixed; a client
// that asked for base64 gets text payloads.
func TestBinaryPayloads(t *testing.T) {
	r := newEchoRig(t, Options{})
	const payload = "\x00\x06\xff4hello" + "\x01\x04\xff\x04\x01\x02\x03" + "\x00\x08\xff4€😀"
	for query, want := range map[string]struct{ contentType, body string }{
		"3":       {typeBinary, payload},
		"3&b64=1": {typeText, "6:4hello6:b4AQID4:4€😀"},
		"3&b64":   {typeBinary, payload}, // no value: not asked for
	} {
		p := r.polling(query)
		if status, answer, _ := r.do("POST", p.query, typeBinary, payload); status != 200 || answer != "ok" {
			t.Errorf("EIO=%s: POST answered %d %q", query, status, answer)
		}
		status, body, h := r.do("GET", p.query, "", "")
		if status != 200 || h.Get("Content-Type") != want.contentType || body != want.body {
			t.Errorf("EIO=%s: poll answered %d %q %q, want %q", query, status, h.Get("Content-Type"), body, want.body)
		}
		// Text alone is a text payload.
		p.rec.Send(text("€😀"))
		if _, body, h = r.do("GET", p.query, "", ""); h.Get("Content-Type") != typeText || body != "4:4€😀" {
			t.Errorf("EIO=%s: text went as %q %q", query, h.Get("Content-Type"), body)
		}
	}
}

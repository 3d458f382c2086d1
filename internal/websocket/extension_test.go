package websocket

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A header that a server gets: what it answers ("" when it declines), or an error.
var offerCases = []struct {
	name, header, answer string
	bad                  bool
}{
	{"nothing", "", "", false},
	{"plain", "permessage-deflate", DeflateOffer, false},
	{"browsers", "permessage-deflate; client_max_window_bits", DeflateOffer, false},
	{"our client", DeflateOffer, DeflateOffer, false},
	{"no spaces", "permessage-deflate;client_max_window_bits;server_no_context_takeover", DeflateOffer, false},
	{"spaces and tabs", "\t permessage-deflate \t ; \t client_max_window_bits \t = \t 10 \t ", DeflateOffer, false},
	{"client window with value", "permessage-deflate; client_max_window_bits=8", DeflateOffer, false},
	{"quoted", `permessage-deflate; server_max_window_bits="10"`, DeflateOffer + "; server_max_window_bits=10", false},
	{"quoted pair", `permessage-deflate; server_max_window_bits="1\0"`, DeflateOffer + "; server_max_window_bits=10", false},
	{"fallback", "permessage-deflate; server_max_window_bits=7, permessage-deflate", DeflateOffer, false},
	{"the first that fits", "permessage-deflate; server_max_window_bits=9, permessage-deflate; server_max_window_bits=10", DeflateOffer + "; server_max_window_bits=9", false},
	{"another extension first", "x-webkit-deflate-frame, permessage-deflate", DeflateOffer, false},
	{"another extension alone", "x-webkit-deflate-frame", "", false},
	{"object property", "__proto__; constructor=toString, hasOwnProperty", "", false},
	{"empty elements", ", ,permessage-deflate,, ", DeflateOffer, false},
	{"other case", "Permessage-Deflate", "", false},
	{"unknown parameter", "permessage-deflate; foo", "", false},
	{"parameter twice", "permessage-deflate; client_max_window_bits; client_max_window_bits", "", false},
	{"parameter twice, other value", "permessage-deflate; server_max_window_bits=9; server_max_window_bits=10", "", false},
	{"value where none belongs", "permessage-deflate; server_no_context_takeover=true", "", false},
	{"server window without value", "permessage-deflate; server_max_window_bits", "", false},
	{"semicolon alone", "permessage-deflate;", "", true},
	{"empty parameter", "permessage-deflate; ; client_max_window_bits", "", true},
	{"no name", "; client_max_window_bits", "", true},
	{"no value", "permessage-deflate; server_max_window_bits=", "", true},
	{"empty quotes", `permessage-deflate; server_max_window_bits=""`, "", true},
	{"open quotes", `permessage-deflate; server_max_window_bits="10`, "", true},
	{"open quotes, backslash", `permessage-deflate; server_max_window_bits="10\`, "", true},
	{"quotes around no token", `permessage-deflate; server_max_window_bits="1 0"`, "", true},
	{"two values", "permessage-deflate; server_max_window_bits=1 0", "", true},
	{"two words", "permessage-deflate client_max_window_bits", "", true},
	{"control character", "permessage-deflate\x00", "", true},
	{"not ASCII", "permessage-déflate", "", true},
	{"equals on the name", "permessage-deflate=1", "", true},
}

func TestNegotiateDeflate(t *testing.T) {
	for _, tc := range offerCases {
		t.Run(tc.name, func(t *testing.T) {
			p, ok, err := NegotiateDeflate([]string{tc.header})
			if (err != nil) != tc.bad || ok != (tc.answer != "") {
				t.Fatalf("got %v, %v, %v", p, ok, err)
			}
			if ok && p.String() != tc.answer {
				t.Errorf("answered %q, want %q", p, tc.answer)
			}
			if ok {
				if accepted, err := AcceptDeflate([]string{tc.answer}); !accepted || err != nil {
					t.Errorf("our client does not take %q: %v", tc.answer, err)
				}
			}
		})
	}
	p, ok, err := NegotiateDeflate([]string{"foo", "permessage-deflate; server_max_window_bits=9", "permessage-deflate"})
	if p.ServerMaxWindowBits != 9 || !ok || err != nil {
		t.Errorf("several headers: %v, %v, %v", p, ok, err)
	}
	if _, ok, err := NegotiateDeflate([]string{"permessage-deflate", ";"}); ok || err == nil {
		t.Errorf("a bad header after a good one: %v, %v", ok, err)
	}
}

func TestSec_S43_WindowBits(t *testing.T) {
	values := []string{"", "-8", "+8", "08", "8.0", "1e1", "0x8", "8bits", "abc", "٨", "NaN", "100", "999999999999999999999"}
	for n := range 100 {
		values = append(values, fmt.Sprint(n))
	}
	for _, value := range values {
		valid := len(value) <= 2 && (value == "8" || value == "9" || value >= "10" && value <= "15" && len(value) == 2)
		for _, name := range []string{"server_max_window_bits", "client_max_window_bits"} {
			p, ok, _ := NegotiateDeflate([]string{"permessage-deflate; " + name + "=" + value})
			if ok != valid {
				t.Errorf("%s=%s: accepted is %v, want %v", name, value, ok, valid)
			}
			if want := fmt.Sprint("; server_max_window_bits=", value); ok && name[0] == 's' && !strings.HasSuffix(p.String(), want) {
				t.Errorf("%s=%s was answered with %q", name, value, p)
			}
		}
		if ok, err := AcceptDeflate([]string{DeflateOffer + "; server_max_window_bits=" + value}); ok != valid || (err == nil) != valid {
			t.Errorf("an answer with server_max_window_bits=%s: %v, %v", value, ok, err)
		}
	}
}

func TestAcceptDeflate(t *testing.T) {
	for _, tc := range []struct {
		header  string
		ok, bad bool
	}{
		{"", false, false},
		{DeflateOffer, true, false},
		{"permessage-deflate; server_no_context_takeover", true, false},
		{"permessage-deflate", false, true},                                                       // would need a window that was not kept
		{"permessage-deflate; server_no_context_takeover; client_max_window_bits=9", false, true}, // not offered
		{"permessage-deflate; server_no_context_takeover; client_max_window_bits", false, true},
		{"permessage-deflate; server_no_context_takeover; foo", false, true},
		{DeflateOffer + ", " + DeflateOffer, false, true},
		{"foo", false, true},
		{";", false, true},
	} {
		if ok, err := AcceptDeflate([]string{tc.header}); ok != tc.ok || (err != nil) != tc.bad {
			t.Errorf("%q: got %v, %v", tc.header, ok, err)
		}
	}
	if ok, err := AcceptDeflate(nil); ok || err != nil {
		t.Errorf("no header: %v, %v", ok, err)
	}
}

func TestSec_S49_ExtensionHeaderInLinearTime(t *testing.T) {
	for _, unit := range []string{" ", "\t", ",", ", ", ";", "a", "a,", "a;b=c;", `a;b="c",`, `"`, `\`, "permessage-deflate,", "permessage-deflate; a, ", ";a"} {
		header := strings.Repeat(unit, 64<<10/len(unit))
		for _, header := range []string{header, "permessage-deflate" + header, `a;b="` + header} {
			best := time.Hour
			for try := 0; try < 20 && best > 50*time.Millisecond; try++ { // others use the processors, too
				start := time.Now()
				NegotiateDeflate([]string{header})
				best = min(best, time.Since(start))
			}
			if best > 50*time.Millisecond {
				t.Errorf("64 KB of %q took %v", unit, best)
			}
		}
	}
}

// FuzzExtensionHeader: an accepted offer is answered with what our own client
// accepts, and being asked twice changes nothing.
func FuzzExtensionHeader(f *testing.F) {
	for _, tc := range offerCases {
		f.Add(tc.header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		p, ok, err := NegotiateDeflate([]string{header})
		if ok && err != nil {
			t.Fatalf("both accepted and refused: %v", err)
		}
		AcceptDeflate([]string{header})
		if !ok {
			return
		}
		if bits := p.ServerMaxWindowBits; bits != 0 && (bits < 8 || bits > 15) {
			t.Fatalf("window of %d bits", bits)
		}
		if accepted, err := AcceptDeflate([]string{p.String()}); !accepted || err != nil {
			t.Fatalf("answer %q: %v", p, err)
		}
		again, ok, err := NegotiateDeflate([]string{p.String()})
		if again != p || !ok || err != nil {
			t.Fatalf("%q gives %v, %v, %v", p, again, ok, err)
		}
	})
}

func BenchmarkNegotiateDeflate(b *testing.B) {
	values := []string{"permessage-deflate; client_max_window_bits"}
	b.ReportAllocs()
	for b.Loop() {
		NegotiateDeflate(values)
	}
}

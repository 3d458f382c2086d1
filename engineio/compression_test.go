package engineio

import (
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

// answerTo polls with an Accept-Encoding and returns the answer and its body,
// decoded.
func (p *pollPeer) answerTo(acceptEncoding string) (*http.Response, string) {
	p.r.t.Helper()
	var headers []string
	if acceptEncoding != "" {
		headers = []string{"Accept-Encoding: " + acceptEncoding}
	}
	resp, body := p.r.ask("GET", p.query, headers...)
	var decoded io.Reader = strings.NewReader(body)
	var err error
	switch resp.Header.Get("Content-Encoding") {
	case "br":
		decoded = brotli.NewReader(decoded)
	case "gzip":
		decoded, err = gzip.NewReader(decoded)
	case "deflate":
		decoded, err = zlib.NewReader(decoded)
	}
	if err != nil {
		p.r.t.Fatal(err)
	}
	b, err := io.ReadAll(decoded)
	if err != nil {
		p.r.t.Fatal(err)
	}
	return resp, string(b)
}

// The best encoding that the client takes is used, and said.
func TestCompressionNegotiation(t *testing.T) {
	r := newEchoRig(t, Options{})
	p := r.polling("4")
	message := strings.Repeat("compress me ", 1000)
	for accept, want := range map[string]string{
		"":                            "",
		"identity":                    "",
		"gzip":                        "gzip",
		"deflate":                     "deflate",
		"br":                          "br",
		"GZIP":                        "gzip",
		"gzip, deflate, br, zstd":     "br",
		"deflate, gzip":               "gzip",
		"br;q=0, gzip":                "gzip",
		"br;q=0.0, gzip;q=0.000":      "",
		"br; q=0.1, gzip;q=1":         "br", // any that is taken will do
		"gzip;q=0":                    "",
		"x-gzip":                      "",
		"*":                           "",
		",, ;q=1, gzip;level=9;q=0.5": "gzip",
		"gzipx, brx":                  "",
	} {
		p.rec.Send(text(message))
		resp, body := p.answerTo(accept)
		if got := resp.Header.Get("Content-Encoding"); got != want || body != "4"+message {
			t.Errorf("Accept-Encoding %q: %q, %d bytes, want %q", accept, got, len(body), want)
		}
		if resp.ContentLength < 0 || (want == "") != (resp.ContentLength == int64(len(message)+1)) {
			t.Errorf("Accept-Encoding %q: Content-Length %d", accept, resp.ContentLength)
		}
		if got := resp.Header.Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: Vary %q", accept, got)
		}
	}
}

// Answers under the threshold are not compressed, nor those of nothing but
// messages that are not worth it.
func TestCompressionThreshold(t *testing.T) {
	const size = 2000
	plain := func(n int) *Message { return text(strings.Repeat("x", n)).NoCompress() }
	for _, tc := range []struct {
		name      string
		threshold int
		messages  []*Message
		want      string
	}{
		{"below the default", 0, []*Message{text(strings.Repeat("x", 1022))}, ""},
		{"at the default", 0, []*Message{text(strings.Repeat("x", 1023))}, "gzip"},
		{"several, together at the default", 0, []*Message{text(strings.Repeat("x", 511)), text(strings.Repeat("x", 510))}, "gzip"},
		{"threshold 1", 1, []*Message{text("")}, "gzip"},
		{"threshold larger", size + 2, []*Message{text(strings.Repeat("x", size))}, ""},
		{"off", -1, []*Message{text(strings.Repeat("x", 100_000))}, ""},
		{"not worth it", 0, []*Message{plain(size), plain(size)}, ""},
		{"one worth it", 0, []*Message{plain(size), text("")}, "gzip"},
		{"binary", 0, []*Message{NewMessage(make([]byte, size), true)}, "gzip"},
	} {
		r := newEchoRig(t, Options{CompressionThreshold: tc.threshold})
		p := r.polling("4")
		p.rec.Send(tc.messages...)
		resp, _ := p.answerTo("gzip")
		if got := resp.Header.Get("Content-Encoding"); got != tc.want {
			t.Errorf("%s: encoding %q, want %q", tc.name, got, tc.want)
		}
		if got := resp.Header.Get("Vary"); (got != "") != (tc.want != "") {
			t.Errorf("%s: Vary %q", tc.name, got)
		}
	}
}

// Every kind of answer can be compressed: handshakes, JSONP, the binary payloads
// of revision 3; CORS and compression both have their say in Vary.
func TestCompressionOfEveryAnswer(t *testing.T) {
	r := newRig(t, Options{CompressionThreshold: 1, Open: func(s *Session) Handler {
		s.Send(text("hello"))
		return quiet{}
	}})
	for query, prefix := range map[string]string{
		"transport=polling&EIO=4":     `0{"sid":`,
		"transport=polling&EIO=3":     `96:0{"sid":`,
		"transport=polling&EIO=4&j=0": `___eio[0]("0{\"sid\":`,
	} {
		p := &pollPeer{r: r, query: query}
		resp, body := p.answerTo("br")
		if resp.Header.Get("Content-Encoding") != "br" || !strings.HasPrefix(body, prefix) {
			t.Errorf("%s: %v %q", query, resp.Header, body)
		}
	}
	r = newEchoRig(t, Options{CompressionThreshold: 1})
	p := r.polling("3")
	p.rec.Send(NewMessage([]byte{1, 2, 3}, true))
	resp, body := p.answerTo("gzip")
	if resp.Header.Get("Content-Type") != typeBinary || body != "\x01\x04\xff\x04\x01\x02\x03" {
		t.Errorf("binary payload: %v %q", resp.Header, body)
	}
}

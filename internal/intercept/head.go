package intercept

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// maxHeaders bounds the header lines of a handshake. Browsers send some fifteen.
const maxHeaders = 64

// request parses the request that b begins with into r, and returns how many
// bytes it takes; 0 if it is not one to be taken. That is, by intention, narrower
// than what the HTTP server takes:
//
//   - the head is complete, its lines end with CRLF, and no line is folded;
//   - the request line is GET, a path that needs no decoding, maybe a query, and
//     HTTP/1.1;
//   - there is one Host, and nothing that speaks of a body, of trailers, of
//     closing the connection, or of waiting for "100 Continue";
//   - it asks for a WebSocket, and for nothing else.
//
// For such a request the result is what [http.ReadRequest] returns and an
// [http.Server] gives to its handlers.
func (l *Listener) request(r *http.Request, b []byte) (size int) {
	size = bytes.Index(b, []byte("\r\n\r\n")) + 4
	if size < 4 || !bytes.HasPrefix(b, []byte("GET /")) {
		return 0
	}
	end := bytes.IndexByte(b, '\r')
	target, ok := bytes.CutSuffix(b[len("GET "):end], []byte(" HTTP/1.1"))
	if !ok || !l.answers(target) {
		return 0
	}
	head := string(b[:size-2]) // all lines, each with its end; the request is made of parts of it
	if !parseHead(r, head, len("GET ")+len(target)) {
		return 0
	}
	return size
}

// answers reports whether the target of a request is the path we are there for.
// Paths that a mux would clean are not looked at.
func (l *Listener) answers(target []byte) bool {
	path, query, asked := bytes.Cut(target, []byte("?"))
	if asked && len(query) == 0 || !all(query, isQuery) {
		return false
	}
	own := l.cfg.Path
	if string(path) == own || string(path) == own[:len(own)-1] {
		return len(path) > 0 && all(path, isPath)
	}
	return l.cfg.Prefix && bytes.HasPrefix(path, []byte(own)) && all(path, isPath) &&
		!bytes.Contains(path, []byte("//")) && !bytes.Contains(path, []byte("/."))
}

// parseHead parses the lines of a head whose target, which is one to be taken,
// ends at targetEnd.
func parseHead(r *http.Request, head string, targetEnd int) bool {
	target := head[len("GET "):targetEnd]
	path, query, _ := strings.Cut(target, "?")
	lines := head[targetEnd+len(" HTTP/1.1"):]
	if !strings.HasPrefix(lines, "\r\n") {
		return false
	}
	lines = lines[2:]
	n := strings.Count(lines, "\n")
	if n > maxHeaders {
		return false
	}
	h := make(http.Header, n)
	values := make([]string, 0, n)
	host := ""
	for lines != "" {
		var line string
		line, lines, _ = strings.Cut(lines, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || !all(name, isToken) || !all(value, isValue) {
			return false
		}
		name, value = canonical(name), strings.Trim(value, " \t")
		switch name {
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect":
			return false
		case "Host":
			if host != "" || value == "" || !all(value, isHost) {
				return false
			}
			host = value
			continue
		}
		if h[name] != nil {
			h[name] = append(h[name], value)
			continue
		}
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	if host == "" || !isHandshake(h) {
		return false
	}
	*r = http.Request{
		Method:     http.MethodGet,
		URL:        &url.URL{Path: path, RawQuery: query},
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     h,
		Body:       http.NoBody,
		Host:       host,
		RequestURI: target,
	}
	return true
}

// isHandshake reports whether the headers ask to upgrade to WebSocket and
// nothing else.
func isHandshake(h http.Header) bool {
	upgrade, connection := h["Upgrade"], h["Connection"]
	if len(upgrade) != 1 || !strings.EqualFold(upgrade[0], "websocket") || len(connection) != 1 {
		return false
	}
	asked := false
	for option := range strings.SplitSeq(connection[0], ",") {
		switch option = strings.Trim(option, " \t"); {
		case strings.EqualFold(option, "upgrade"):
			asked = true
		case !strings.EqualFold(option, "keep-alive"):
			return false
		}
	}
	// The HTTP server derives the one from the other.
	return asked && (h["Pragma"] == nil || h["Cache-Control"] != nil)
}

// canonical is [textproto.CanonicalMIMEHeaderKey], which allocates for names that
// are in every handshake.
func canonical(name string) string {
	switch name {
	case "Sec-WebSocket-Key":
		return "Sec-Websocket-Key"
	case "Sec-WebSocket-Version":
		return "Sec-Websocket-Version"
	case "Sec-WebSocket-Extensions":
		return "Sec-Websocket-Extensions"
	case "Sec-WebSocket-Protocol":
		return "Sec-Websocket-Protocol"
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// A class is a set of bytes.
type class [256]bool

func classOf(chars string) *class {
	var c class
	for i := range len(chars) {
		c[chars[i]] = true
	}
	return &c
}

// with adds a range of bytes.
func (c *class) with(from, to byte) *class {
	for i := int(from); i <= int(to); i++ {
		c[i] = true
	}
	return c
}

// without takes bytes away.
func (c *class) without(chars string) *class {
	for i := range len(chars) {
		c[chars[i]] = false
	}
	return c
}

func alphanumeric(more string) *class {
	return classOf(more).with('0', '9').with('A', 'Z').with('a', 'z')
}

var (
	isPath  = alphanumeric("/-._~")                           // what no decoding or encoding changes
	isQuery = new(class).with(0x21, 0x7E).without("#")        // printable, but for the fragment
	isToken = alphanumeric("!#$%&'*+-.^_`|~")                 // RFC 9110, section 5.6.2
	isValue = classOf("\t").with(0x20, 0x7E).with(0x80, 0xFF) // RFC 9110, section 5.5
	isHost  = alphanumeric("-._~:[]")                         // names, addresses, ports
)

func all[T string | []byte](s T, c *class) bool {
	for i := range len(s) {
		if !c[s[i]] {
			return false
		}
	}
	return true
}

package websocket

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// deflateName is the name of the extension in Sec-WebSocket-Extensions.
const deflateName = "permessage-deflate"

// DeflateOffer is the Sec-WebSocket-Extensions of a client that wants
// permessage-deflate: neither side takes context over, so that no connection
// owns a window.
const DeflateOffer = deflateName + "; server_no_context_takeover; client_no_context_takeover"

const (
	minWindowBits = 8
	maxWindowBits = 15
)

// DeflateParams are the terms of permessage-deflate on one connection. Neither
// side takes context over: we never do, and ask the peer not to.
type DeflateParams struct {
	// ServerMaxWindowBits bounds the window a server compresses with: 8 to 15,
	// or 0 when the client did not ask, which means 15.
	ServerMaxWindowBits int
}

// String returns the Sec-WebSocket-Extensions with which a server accepts p.
func (p DeflateParams) String() string {
	if p.ServerMaxWindowBits == 0 {
		return DeflateOffer
	}
	return DeflateOffer + "; server_max_window_bits=" + strconv.Itoa(p.ServerMaxWindowBits)
}

// NegotiateDeflate chooses, for a server, from the values of the client's
// Sec-WebSocket-Extensions headers: the first valid offer of permessage-deflate.
// ok is false when there is none; other extensions, and offers with unknown,
// repeated or invalid parameters, are passed over, as section 5.1 of RFC 7692
// demands. Values that are not a list of extensions at all are an error, to be
// answered with status 400.
func NegotiateDeflate(values []string) (p DeflateParams, ok bool, err error) {
	for _, value := range values {
		for e, err := range extensions(value) {
			if err != nil {
				return DeflateParams{}, false, err
			}
			if ok || e.name != deflateName {
				continue
			}
			if o, err := e.deflate(); err == nil {
				p, ok = DeflateParams{ServerMaxWindowBits: o.serverBits}, true
			}
		}
	}
	return p, ok, nil
}

// AcceptDeflate checks, for a client that sent [DeflateOffer], the values of
// the server's Sec-WebSocket-Extensions headers. ok is false when there are
// none. Anything but an acceptance of the offer is an error, and the client
// must fail the connection.
func AcceptDeflate(values []string) (ok bool, err error) {
	for _, value := range values {
		for e, err := range extensions(value) {
			if err != nil {
				return false, err
			}
			if e.name != deflateName {
				return false, fmt.Errorf("websocket: the server answered with extension %.40q, which was not offered", e.name)
			}
			if ok {
				return false, fmt.Errorf("websocket: the server accepted %s twice", deflateName)
			}
			o, err := e.deflate()
			switch {
			case err != nil:
				return false, err
			case !o.serverNoTakeover:
				return false, fmt.Errorf("websocket: the server answered %s without server_no_context_takeover", deflateName)
			case o.clientBits != 0:
				return false, fmt.Errorf("websocket: the server answered with client_max_window_bits, which was not offered")
			}
			ok = true
		}
	}
	return ok, nil
}

// options are the parameters of one offer or answer.
type options struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits                         int // 0: absent
	clientBits                         int // 0: absent; 15 also when it came without value
}

// deflate reads the parameters of permessage-deflate (RFC 7692, section 7.1).
func (e *extension) deflate() (o options, err error) {
	seen := make(map[string]bool, len(e.params))
	for _, p := range e.params {
		if seen[p.name] {
			return o, fmt.Errorf("websocket: parameter %s is there twice", p.name)
		}
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.hasValue {
				return o, fmt.Errorf("websocket: parameter %s takes no value, got %.40q", p.name, p.value)
			}
			if p.name[0] == 's' {
				o.serverNoTakeover = true
			} else {
				o.clientNoTakeover = true
			}
		case "server_max_window_bits":
			if o.serverBits, err = windowBits(p); err != nil {
				return o, err
			}
		case "client_max_window_bits":
			o.clientBits = maxWindowBits
			if p.hasValue {
				if o.clientBits, err = windowBits(p); err != nil {
					return o, err
				}
			}
		default:
			return o, fmt.Errorf("websocket: %s has no parameter %.40q", deflateName, p.name)
		}
		seen[p.name] = true
	}
	return o, nil
}

// windowBits reads a decimal from 8 to 15 without leading zero.
func windowBits(p param) (int, error) {
	for bits := minWindowBits; bits <= maxWindowBits; bits++ {
		if p.value == strconv.Itoa(bits) {
			return bits, nil
		}
	}
	return 0, fmt.Errorf("websocket: parameter %s must be 8 to 15, got %.40q", p.name, p.value)
}

// extension is one element of the header.
type extension struct {
	name   string
	params []param // the first maxParams of them
}

type param struct {
	name, value string
	hasValue    bool
}

// maxParams is one more than permessage-deflate has parameters, so that a list
// cut off here still has one that is unknown or repeated.
const maxParams = 5

// extensions reads one Sec-WebSocket-Extensions header: extensions joined by
// commas, each a token and parameters that begin with semicolons; a parameter
// is a token, or a token, "=" and a token that may be quoted. White space is
// allowed around each of these, and list elements may be empty. An error ends
// the sequence. Source: RFC 6455, section 9.1, and RFC 7230, section 7.
func extensions(value string) iter.Seq2[extension, error] {
	return func(yield func(extension, error) bool) {
		s := scanner{rest: value}
		for {
			for s.take(',') {
			}
			if s.rest == "" {
				return
			}
			e, ok := s.extension()
			if !ok || s.rest != "" && s.rest[0] != ',' {
				yield(extension{}, fmt.Errorf("websocket: Sec-WebSocket-Extensions is not a list of extensions at byte %d", len(value)-len(s.rest)))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// scanner reads a header value from the front. Between calls, rest does not
// begin with white space, except before the first.
type scanner struct{ rest string }

// extension reads one list element; ok is false if there is none.
func (s *scanner) extension() (e extension, ok bool) {
	if e.name = s.token(); e.name == "" {
		return e, false
	}
	for s.take(';') {
		p := param{name: s.token()}
		if p.hasValue = s.take('='); p.hasValue {
			p.value = s.value()
		}
		if p.name == "" || p.hasValue && p.value == "" {
			return e, false
		}
		if len(e.params) < maxParams {
			e.params = append(e.params, p)
		}
	}
	return e, true
}

func (s *scanner) skip(n int) { s.rest = strings.TrimLeft(s.rest[n:], " \t") }

// take reads c if it is next.
func (s *scanner) take(c byte) bool {
	s.skip(0)
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.skip(1)
	return true
}

// token reads a token; it returns "" if there is none.
func (s *scanner) token() string {
	s.skip(0)
	n := 0
	for n < len(s.rest) && isToken(s.rest[n]) {
		n++
	}
	token := s.rest[:n]
	s.skip(n)
	return token
}

// value reads a token, plain or quoted; it returns "" if there is none.
func (s *scanner) value() string {
	if s.rest == "" || s.rest[0] != '"' {
		return s.token()
	}
	var token strings.Builder
	for i := 1; i < len(s.rest); i++ {
		c := s.rest[i]
		if c == '"' {
			s.skip(i + 1)
			return token.String()
		}
		if c == '\\' {
			if i++; i == len(s.rest) {
				break
			}
			c = s.rest[i]
		}
		if !isToken(c) {
			break
		}
		token.WriteByte(c)
	}
	return ""
}

func isToken(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

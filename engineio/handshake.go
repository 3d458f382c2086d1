package engineio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
)

// A Handshake is what is known of the request that began a session. It is
// immutable. The request itself is not kept: its texts are stored in one string,
// since a server keeps one of these per client.
type Handshake struct {
	text   string    // path, query, host, remote address, headers as of packHeader
	ends   [4]uint32 // of each but the last
	client [16]byte  // the client's address, as in netip.Addr.As16
	known  bool      // client is one
	secure bool
	time   int64 // Unix time in nanoseconds
	ctx    context.Context
}

func (srv *Server) newHandshake(r *http.Request, client netip.Addr) *Handshake {
	h := &Handshake{
		known:  client.IsValid(),
		time:   time.Now().UnixNano(),
		secure: r.TLS != nil,
		ctx:    srv.values.of(r.Context()),
	}
	if h.known {
		h.client = client.As16() // it has no zone
	}
	buf := bodies.Get().(*body)
	defer buf.release()
	b := buf.b[:0]
	for i, s := range [...]string{r.URL.Path, r.URL.RawQuery, r.Host, r.RemoteAddr} {
		b = append(b, s...)
		h.ends[i] = uint32(len(b))
	}
	b = packHeader(b, r.Header)
	h.text, buf.b = string(b), b
	return h
}

func (h *Handshake) path() string       { return h.text[:h.ends[0]] }
func (h *Handshake) query() string      { return h.text[h.ends[0]:h.ends[1]] }
func (h *Handshake) host() string       { return h.text[h.ends[1]:h.ends[2]] }
func (h *Handshake) remoteAddr() string { return h.text[h.ends[2]:h.ends[3]] }
func (h *Handshake) header() string     { return h.text[h.ends[3]:] }

// Header returns the request's headers, decoded anew at each call; the caller
// owns the result.
func (h *Handshake) Header() http.Header { return unpackHeader(h.header()) }

// URL returns the request's path and query; the caller owns the result.
func (h *Handshake) URL() *url.URL {
	return &url.URL{Path: h.path(), RawQuery: h.query()}
}

// Query returns the query parameters, decoded anew at each call; the caller
// owns the result. Pairs that cannot be decoded are left out.
func (h *Handshake) Query() url.Values {
	v, _ := url.ParseQuery(h.query())
	return v
}

// Host returns the host the client asked for.
func (h *Handshake) Host() string { return h.host() }

// RemoteAddr returns the address of the peer, "host:port".
func (h *Handshake) RemoteAddr() string { return h.remoteAddr() }

// ClientAddr returns the address of the client: the peer's, unless that is one
// of [Options.TrustedProxies]; then the last one in X-Forwarded-For that is
// not. It is the zero Addr when the peer has no IP address.
func (h *Handshake) ClientAddr() netip.Addr {
	if !h.known {
		return netip.Addr{}
	}
	return netip.AddrFrom16(h.client).Unmap() // IPv4 addresses are never kept in the form of IPv6
}

// Time returns when the handshake was received.
func (h *Handshake) Time() time.Time { return time.Unix(0, h.time) }

// Secure reports whether the client came over TLS that ended in this process.
func (h *Handshake) Secure() bool { return h.secure }

// Context returns the values of the request's context. It is never cancelled.
func (h *Handshake) Context() context.Context { return h.ctx }

// maxHandshake bounds what is kept of a handshake, in bytes. Proxies and the
// reference take less.
const maxHandshake = 64 << 10

// handshakeSize returns how many bytes the handshake of r would keep.
func handshakeSize(r *http.Request) int {
	return len(r.URL.Path) + len(r.URL.RawQuery) + len(r.Host) + headerSize(r.Header)
}

func headerSize(h http.Header) int {
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 2
		}
	}
	return n
}

// usual are headers that clients send, and some with the value that they have.
// They are kept as one byte, the index, which is a control character other than
// the line break. The order is of this process alone.
var usual = [...]header{
	{"", ""}, // marks a name that begins with a control character itself
	{"Accept", ""}, {"Accept-Encoding", ""}, {"Accept-Language", ""}, {"Authorization", ""}, {"Cache-Control", ""},
	{"Connection", ""}, {"Content-Type", ""}, {"Cookie", ""}, {"Origin", ""},
	{"\n", ""}, // no index: it ends lines
	{"Referer", ""}, {"Sec-Websocket-Extensions", ""}, {"Sec-Websocket-Key", ""}, {"Upgrade", ""}, {"User-Agent", ""},
	{"X-Forwarded-For", ""}, {"X-Forwarded-Host", ""}, {"X-Forwarded-Proto", ""}, {"X-Real-Ip", ""},
	{"Sec-Fetch-Dest", ""}, {"Sec-Fetch-Mode", ""}, {"Sec-Fetch-Site", ""},
	{"Accept", "*/*"}, {"Cache-Control", "no-cache"}, {"Pragma", "no-cache"}, {"Connection", "Upgrade"}, {"Connection", "keep-alive"},
	{"Upgrade", "websocket"}, {"Sec-Websocket-Version", "13"},
	{"Sec-Websocket-Extensions", "permessage-deflate; client_max_window_bits"}, {"Accept-Encoding", "gzip, deflate, br, zstd"},
}

var usualIndex = func() map[header]byte {
	index := make(map[header]byte)
	for i, h := range usual {
		index[h] = byte(i)
	}
	return index
}()

// packHeader appends headers as lines. Names and values cannot contain line
// breaks: net/http refuses such requests.
func packHeader(b []byte, h http.Header) []byte {
	for name, values := range h {
		for _, v := range values {
			if i := usualIndex[header{name, v}]; i != 0 && v != "" {
				b = append(b, i, '\n')
				continue
			}
			if i := usualIndex[header{name: name}]; i != 0 && name != "\n" {
				b = append(b, i)
			} else {
				if name == "" || name[0] < ' ' {
					b = append(b, 0)
				}
				b = append(append(b, name...), ':')
			}
			b = append(append(b, v...), '\n')
		}
	}
	return b
}

func unpackHeader(s string) http.Header {
	h := make(http.Header)
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(line, "\n")
		var name, value string
		switch i := line[0]; { // a line has a name, or a mark
		case i == 0:
			name, value, _ = strings.Cut(line[1:], ":")
		case i >= ' ':
			name, value, _ = strings.Cut(line, ":")
		case usual[i].value != "":
			name, value = usual[i].name, usual[i].value
		default:
			name, value = usual[i].name, line[1:]
		}
		h[name] = append(h[name], value)
	}
	return h
}

// newID returns a session id: 15 random bytes as 20 characters of base64url.
func newID() string {
	var b [15]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// openPacket is the packet that begins a session. In revision 3 it has the
// keys that servers of that generation sent, and no more.
func (s *Session) openPacket(upgrades bool) *Message {
	c := s.srv.cfg
	b := make([]byte, 0, 160)
	b = append(b, `{"sid":`...)
	b = strconv.AppendQuote(b, s.id)
	b = append(b, `,"upgrades":[`...)
	if upgrades {
		b = append(b, `"websocket"`...)
	}
	b = append(b, `],"pingInterval":`...)
	b = strconv.AppendInt(b, c.PingInterval.Milliseconds(), 10)
	b = append(b, `,"pingTimeout":`...)
	b = strconv.AppendInt(b, s.pingTimeout().Milliseconds(), 10)
	if s.rev != eioparser.V3 {
		b = append(b, `,"maxPayload":`...)
		b = strconv.AppendInt(b, c.MaxPayload, 10)
	}
	b = append(b, '}')
	return newPacket(eioparser.Open, string(b))
}

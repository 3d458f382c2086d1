package socketio

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/socketio/event"
)

// A Handshake is what is known of how a socket came to be. Each call of
// [Socket.Handshake] makes a new one, which the caller owns.
type Handshake struct {
	Header  http.Header // of the HTTP request that began the connection
	URL     *url.URL    // its path and query
	Query   url.Values  // its query
	Address string      // of the peer, "host:port"; no header is believed
	Time    time.Time   // when the connection began
	Secure  bool        // over TLS that ended in this process

	auth event.Args
}

func newHandshake(h *engineio.Handshake, auth event.Args) *Handshake {
	return &Handshake{
		Header:  h.Header(),
		URL:     h.URL(),
		Query:   h.Query(),
		Address: h.RemoteAddr(),
		Time:    h.Time(),
		Secure:  h.Secure(),
		auth:    auth,
	}
}

// DecodeAuth decodes the object that the client sent to be admitted to the
// namespace, by the rules of encoding/json. It leaves dst as it is when the
// client sent none. With 2.x clients it is the query of the namespace, every
// value a string; for "/" these clients cannot send one.
func (h *Handshake) DecodeAuth(dst any) error { return h.auth.Decode(dst) }

// Auth returns the same object undecoded, as the one element of a list, or no
// element.
func (h *Handshake) Auth() event.Args { return h.auth }

// CrossDomain reports whether the request came from a page of another origin.
func (h *Handshake) CrossDomain() bool { return h.Header.Get("Origin") != "" }

// json returns the handshake as the reference describes it to other nodes.
func (h *Handshake) json() json.RawMessage {
	headers := make(map[string]string, len(h.Header))
	for name, values := range h.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	query := make(map[string]string, len(h.Query))
	for name, values := range h.Query {
		query[name] = values[len(values)-1]
	}
	auth := json.RawMessage("{}")
	if raw := h.auth.At(0); raw != nil {
		auth = raw
	}
	b, err := json.Marshal(struct {
		Headers map[string]string `json:"headers"`
		Time    string            `json:"time"`
		Address string            `json:"address"`
		XDomain bool              `json:"xdomain"`
		Secure  bool              `json:"secure"`
		Issued  int64             `json:"issued"`
		URL     string            `json:"url"`
		Query   map[string]string `json:"query"`
		Auth    json.RawMessage   `json:"auth"`
	}{headers, h.Time.Format(javaScriptTime), h.Address, h.CrossDomain(), h.Secure, h.Time.UnixMilli(), h.URL.RequestURI(), query, auth})
	if err != nil { // everything in it is a string or a number, or was valid JSON
		return json.RawMessage("{}")
	}
	return b
}

// javaScriptTime is the layout of Date.prototype.toString.
const javaScriptTime = "Mon Jan 02 2006 15:04:05 GMT-0700 (MST)"

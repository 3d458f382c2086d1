package intercept

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siogo/sio/internal/memnet"
)

const query = "?EIO=4&transport=websocket"

// Chrome's, and what nginx makes of one.
var (
	browserHead = "GET /socket.io/" + query + " HTTP/1.1\r\nHost: localhost:3000\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nUpgrade: websocket\r\nOrigin: http://localhost:3000\r\nSec-WebSocket-Version: 13\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: a=b; c=\"d\"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
	proxiedHead = "GET /socket.io/" + query + " HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nHost: [::1]:80\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n" +
		"X-Real-IP:10.0.0.1\r\nsec-websocket-key: \tdGhlIHNhbXBsZSBub25jZQ== \r\nsec-websocket-version: 13\r\nX-Empty:\r\nx-odd!name: \xe2\x82\xac\ttab\r\n\r\n"
)

var headCases = []struct {
	name, wire string
	taken      bool
}{
	{"plain", handshake("/socket.io/" + query), true},
	{"without the last slash", handshake("/socket.io" + query), true},
	{"without a query", handshake("/socket.io/"), true},
	{"odd query", handshake("/socket.io/?%zz=%&&=;?x=\"<>\\^`{|}"), true},
	{"a browser's", browserHead, true},
	{"a proxy's", proxiedHead, true},
	{"keep-alive besides", strings.Replace(handshake("/socket.io/"), "Connection: Upgrade", "Connection: keep-alive, Upgrade", 1), true},
	{"a key that is none", strings.Replace(handshake("/socket.io/"), "dGhl", "", 1), true}, // the handler says so
	{"an empty value", handshake("/socket.io/", "X-Empty: ", "X-Empty:"), true},
	{"no Sec-WebSocket-Key", strings.Replace(handshake("/socket.io/"), "Sec-WebSocket-Key", "Other", 1), true},

	{"another path", handshake("/chat/"), false},
	{"below the path", handshake("/socket.io/x"), false},
	{"above the path", handshake("/"), false},
	{"the path twice", handshake("//socket.io/"), false},
	{"an encoded path", handshake("/socket%2eio/"), false},
	{"another case", handshake("/Socket.IO/"), false},
	{"an empty query", handshake("/socket.io/?"), false},
	{"a fragment", handshake("/socket.io/?a#b"), false},
	{"absolute form", handshake("http://example.com/socket.io/"), false},
	{"a query that is no ASCII", handshake("/socket.io/?a=\xc3\xa9"), false},
	{"a control character in the query", handshake("/socket.io/?a=\x7f"), false},
	{"a space in the target", handshake("/socket.io/?a b"), false},
	{"polling", "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"POST", "POST" + strings.TrimPrefix(handshake("/socket.io/", "Content-Length: 0"), "GET"), false},
	{"HEAD", "HEAD" + strings.TrimPrefix(handshake("/socket.io/"), "GET"), false},
	{"get", "get" + strings.TrimPrefix(handshake("/socket.io/"), "GET"), false},
	{"HTTP/1.0", strings.Replace(handshake("/socket.io/"), "HTTP/1.1", "HTTP/1.0", 1), false},
	{"HTTP/1.2", strings.Replace(handshake("/socket.io/"), "HTTP/1.1", "HTTP/1.2", 1), false},
	{"HTTP/2.0", strings.Replace(handshake("/socket.io/"), "HTTP/1.1", "HTTP/2.0", 1), false},
	{"no version", strings.Replace(handshake("/socket.io/"), " HTTP/1.1", "", 1), false},
	{"two spaces", strings.Replace(handshake("/socket.io/"), " HTTP/1.1", "  HTTP/1.1", 1), false},
	{"an empty line before", "\r\n" + handshake("/socket.io/"), false},
	{"no Host", strings.Replace(handshake("/socket.io/"), "Host:", "Hast:", 1), false},
	{"two Hosts", handshake("/socket.io/", "Host: example.com"), false},
	{"an empty Host", strings.Replace(handshake("/socket.io/"), "example.com", "", 1), false},
	{"a Host with a path", strings.Replace(handshake("/socket.io/"), "example.com", "example.com/", 1), false},
	{"Content-Length", handshake("/socket.io/", "Content-Length: 3") + "abc", false},
	{"Content-Length of nothing", handshake("/socket.io/", "content-length: 0"), false},
	{"chunked", handshake("/socket.io/", "Transfer-Encoding: chunked") + "0\r\n\r\n", false},
	{"both", handshake("/socket.io/", "Content-Length: 3", "Transfer-Encoding: chunked") + "0\r\n\r\n", false},
	{"Expect", handshake("/socket.io/", "Expect: 100-continue"), false},
	{"Trailer", handshake("/socket.io/", "Trailer: X"), false},
	{"Connection: close", strings.Replace(handshake("/socket.io/"), "Connection: Upgrade", "Connection: Upgrade, close", 1), false},
	{"two Connections", handshake("/socket.io/", "Connection: close"), false},
	{"another option", strings.Replace(handshake("/socket.io/"), "Connection: Upgrade", "Connection: Upgrade, X-Secret", 1), false},
	{"no Connection", strings.Replace(handshake("/socket.io/"), "Connection: Upgrade", "X: Upgrade", 1), false},
	{"another protocol", strings.Replace(handshake("/socket.io/"), "Upgrade: websocket", "Upgrade: h2c", 1), false},
	{"two protocols", strings.Replace(handshake("/socket.io/"), "Upgrade: websocket", "Upgrade: websocket, h2c", 1), false},
	{"two Upgrades", handshake("/socket.io/", "Upgrade: websocket"), false},
	{"Pragma alone", handshake("/socket.io/", "Pragma: no-cache"), false},
	{"a folded line", handshake("/socket.io/", "X-A: b", " c"), false},
	{"a folded line with a tab", handshake("/socket.io/", "X-A: b", "\tc"), false},
	{"a folded first line", strings.Replace(handshake("/socket.io/"), "Host", " Host", 1), false},
	{"a space before the colon", handshake("/socket.io/", "X-A : b"), false},
	{"no colon", handshake("/socket.io/", "X-A"), false},
	{"no name", handshake("/socket.io/", ": b"), false},
	{"a name that is none", handshake("/socket.io/", "X(A): b"), false},
	{"a name that is no ASCII", handshake("/socket.io/", "X-\xc3\xa9: b"), false},
	{"a control character", handshake("/socket.io/", "X-A: \x01"), false},
	{"NUL", handshake("/socket.io/", "X-A: a\x00b"), false},
	{"a bare CR", handshake("/socket.io/", "X-A: a\rb"), false},
	{"a bare LF", strings.Replace(handshake("/socket.io/", "X-A: b"), "b\r\n", "b\n", 1), false},
	{"bare LFs only", strings.ReplaceAll(handshake("/socket.io/"), "\r\n", "\n"), false},
	{"a bare LF in the request line", strings.Replace(handshake("/socket.io/"), "HTTP/1.1\r\n", "HTTP/1.1\n", 1), false},
	{"a CR before the version", strings.Replace(handshake("/socket.io/"), " HTTP/1.1\r\n", "\r HTTP/1.1\r\n", 1), false},
	{"too many headers", handshake("/socket.io/", strings.Split(strings.Repeat("A: b\n", maxHeaders)+"A: b", "\n")...), false},
	{"too long", handshake("/socket.io/", "Cookie: "+strings.Repeat("c", 4<<10)), false},
}

// Each request is sent to a server with a Listener and to one without: who
// answers is as the table says, what the handler sees and the client gets is the
// same.
func TestSec_S62_RequestsThatAreTaken(t *testing.T) {
	var last atomic.Bool
	say := func(w http.ResponseWriter, r *http.Request, taken bool) {
		last.Store(taken)
		local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprint(w, dump(r), host, err, local != nil && strings.HasSuffix(local.String(), "127.0.0.1:"+strconv.Itoa(local.Port)))
	}
	plain := serve(t, nil, say)
	ours := serve(t, &Config{Path: "/socket.io/", Patience: time.Hour}, say)
	for _, tc := range headCases {
		last.Store(false)
		got := ours.ask(tc.wire + ending)
		taken := last.Load()
		want := plain.ask(tc.wire + ending)
		if taken != tc.taken {
			t.Errorf("%s: taken is %v", tc.name, taken)
		}
		if tc.taken && got.status != 200 {
			t.Errorf("%s: answered %d", tc.name, got.status)
		}
		if !got.same(want) {
			t.Errorf("%s: answered\n%q %s, without us\n%q %s", tc.name, got.head, got.body, want.head, want.body)
		}
		if tc.taken && (!got.closes || got.rest != "") {
			t.Errorf("%s: closes is %v, and then came %q", tc.name, got.closes, got.rest)
		}
		if !tc.taken && (got.closes != want.closes || (got.rest == "") != (want.rest == "")) {
			t.Errorf("%s: closes is %v, and then came %q; without us %v, %q", tc.name, got.closes, got.rest, want.closes, want.rest)
		}
	}
}

// ending is a request that follows, so that a server which mistakes where the
// first one ends shows it.
const ending = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

// With a prefix, paths below are taken, but for those that a mux would clean.
func TestPrefix(t *testing.T) {
	l := Listen(nil, Config{Path: "/io/", Prefix: true})
	for target, want := range map[string]bool{
		"/io/": true, "/io": true, "/io/a/b": true, "/io/a/b?c=d": true, "/iox": false, "/": false,
		"/io//a": false, "/io/../a": false, "/io/./a": false, "/io/a/..": false, "/io/a%20b": false,
	} {
		var r http.Request
		if got := l.request(&r, []byte(handshake(target))) > 0; got != want {
			t.Errorf("%s: taken is %v", target, got)
		}
	}
}

// Of no request that is taken could a part be taken.
func TestIncompleteHeads(t *testing.T) {
	l := Listen(nil, Config{Path: "/socket.io/"})
	for i := range browserHead {
		var r http.Request
		if l.request(&r, []byte(browserHead[:i])) != 0 {
			t.Fatalf("%q was taken", browserHead[:i])
		}
	}
}

// FuzzListenerHead: what is taken is read by http.ReadRequest, and served by an
// http.Server, as the same request of the same length.
func FuzzListenerHead(f *testing.F) {
	for _, tc := range headCases {
		f.Add([]byte(tc.wire))
	}
	f.Add([]byte(browserHead + "\x81\x80\x00\x00\x00\x00"))
	ln := memnet.Listen()
	hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, dump(r)) })}
	done := make(chan struct{})
	go func() { hs.Serve(ln); close(done) }() // ended and awaited by the cleanup
	f.Cleanup(func() { hs.Close(); <-done })
	l := Listen(nil, Config{Path: "/socket.io/", Prefix: true})
	f.Fuzz(func(t *testing.T, b []byte) {
		var got http.Request
		size := l.request(&got, b)
		if size == 0 {
			return
		}
		br := bufio.NewReader(bytes.NewReader(b))
		want, err := http.ReadRequest(br)
		if err != nil {
			t.Fatalf("%q was taken: %v", b[:size], err)
		}
		want.Header.Del("Host") // as the server has it
		if rest, _ := io.ReadAll(br); len(rest) != len(b)-size {
			t.Fatalf("%q ends with the request, but there are %q", b[:size], rest)
		}
		mine := dump(&got)
		if read := dump(want); mine != read {
			t.Fatalf("%q was read as\n%s, by http.ReadRequest as\n%s", b[:size], mine, read)
		}
		nc, err := ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		go nc.Write(b[:size]) // ends with the write or the connection
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 || mine != string(body) {
			t.Fatalf("%q was read as\n%s, by http.Server as\n%d %s", b[:size], mine, resp.StatusCode, body)
		}
	})
}

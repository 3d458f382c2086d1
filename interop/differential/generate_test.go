package differential

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// generate makes script number n of a seed.
func generate(seed uint64, n int) *script {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, uint64(n)))}
	g.script = &script{name: fmt.Sprintf("script %d of seed %d", n, seed), config: g.config()}
	switch g.script.config {
	case "heartbeat":
		g.silence()
	case "upgrade timeout":
		g.lateUpgrade()
	default:
		for steps := 3 + g.IntN(8); len(g.script.steps) < steps; {
			g.next()
		}
	}
	if w := patient[g.script.config]; w > 0 {
		g.add(step{do: wait, session: -1, socket: -1, wait: w})
	}
	return g.script
}

// patient are the configurations in which time passing shows something, and
// how much has to pass.
var patient = map[string]time.Duration{
	"heartbeat":       5 * time.Second,
	"upgrade timeout": 3500 * time.Millisecond,
}

// silence is a script of a session that falls silent. There is nothing else in
// it: whether a ping comes before or after another packet is a matter of luck.
func (g *generator) silence() {
	g.handshake()
	if m := g.sessions[0]; !m.upgraded && g.chance(70) {
		g.add(poll(m.number, m.sid(g.query(m, "polling")), m.header...))
	}
}

// lateUpgrade is a script of an upgrade that is not completed, for the same
// reason with nothing else in it.
func (g *generator) lateUpgrade() {
	m := g.session()
	g.add(get(m.number, g.query(m, "polling"), m.header...))
	if g.chance(50) {
		g.add(poll(m.number, m.sid(g.query(m, "polling")), m.header...))
	}
	m.socket = 0
	g.add(upgrade(m.number, m.socket, m.sid(g.query(m, "websocket")), g.offer(m.header)...))
	if g.chance(70) {
		g.add(text(m.socket, "2probe"))
	}
}

// A generator writes one script. It keeps track of what should be the case, so
// that most steps make sense; nothing depends on its being right.
type generator struct {
	*rand.Rand
	script   *script
	sessions []*made
	sockets  int
}

// made is a session, as far as the generator knows.
type made struct {
	number   int
	eio      string
	extra    string // query: b64, j
	header   []string
	jsonp    bool
	socket   int // its WebSocket, or the one that wants to become it; -1: none
	upgraded bool
	probed   bool
	half     bool // a POST is unfinished
	parked   bool
}

func (g *generator) config() string {
	total := 0
	for _, c := range configs {
		total += c.weight
	}
	at := g.IntN(total)
	for _, c := range configs {
		if at -= c.weight; at < 0 {
			return c.name
		}
	}
	panic("unreachable")
}

func (g *generator) add(s step) { g.script.steps = append(g.script.steps, s) }

// chance is true in percent of the cases.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// next writes the next step, or the next few.
func (g *generator) next() {
	if len(g.sessions) == 0 || g.chance(8) {
		if g.chance(30) {
			g.badHandshake()
		} else {
			g.handshake()
		}
		return
	}
	m := g.sessions[g.IntN(len(g.sessions))]
	if g.chance(12) {
		g.badRequest(m)
		return
	}
	if m.upgraded {
		g.overWebSocket(m)
	} else {
		g.overPolling(m)
	}
}

// --- handshakes ---

func (g *generator) session() *made {
	m := &made{number: len(g.sessions), eio: pick(g, "3", "4", "4"), socket: -1}
	if g.chance(15) {
		m.extra += "&b64=" + pick(g, "1", "true", "")
	}
	if g.chance(15) {
		m.extra += "&j=" + pick(g, "0", "12", "x1%29y", "")
		m.jsonp = true
	}
	if g.chance(20) {
		m.extra += "&t=" + strconv.Itoa(g.IntN(1000))
	}
	m.header = g.headers()
	g.sessions = append(g.sessions, m)
	return m
}

func (g *generator) query(m *made, transport string) string {
	return "EIO=" + m.eio + "&transport=" + transport + m.extra
}

func (m *made) sid(query string) string { return query + "&sid=$sid" }

func (g *generator) headers() (h []string) {
	if g.chance(25) || strings.HasPrefix(g.script.config, "cors") {
		h = append(h, "Origin: "+pick(g, "https://a.example", "https://b.example", "https://evil.example", "null", "http://server"))
	}
	if g.chance(10) {
		h = append(h, "Cookie: a=b")
	}
	if g.chance(25) {
		h = append(h, "Accept-Encoding: "+pick(g, "gzip", "deflate", "gzip, deflate", "br", "identity", "gzip;q=0, deflate", "*"))
	}
	if g.chance(8) {
		h = append(h, "User-Agent: "+pick(g, "Mozilla/5.0 (compatible;MSIE 9.0; Windows NT 6.1)", "Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0) like Gecko", "Mozilla/5.0"))
	}
	return h
}

func (g *generator) handshake() {
	m := g.session()
	if g.script.config == "allow request" && g.chance(40) {
		m.extra += "&refuse=" + pick(g, "no", "not%20you")
	}
	if g.chance(30) && g.script.config != "polling only" || g.script.config == "websocket only" {
		m.socket, m.upgraded = g.sockets, true
		g.sockets++
		g.add(upgrade(m.number, m.socket, g.query(m, "websocket"), g.offer(m.header)...))
		return
	}
	s := get(m.number, g.query(m, "polling"), m.header...)
	g.add(s)
}

func (g *generator) offer(h []string) []string {
	if g.chance(30) {
		extension := pick(g, "permessage-deflate; client_max_window_bits", "permessage-deflate", "x-unknown")
		if g.script.config == "deflate" { // the script's end of the WebSocket keeps no context
			extension = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
		}
		return append(h[:len(h):len(h)], "Sec-WebSocket-Extensions: "+extension)
	}
	return h
}

func (g *generator) badHandshake() {
	m := g.session()
	transport := pick(g, "polling", "polling", "websocket", "", "webtransport", "Polling", "toString", "polling,websocket")
	query := "EIO=" + pick(g, "4", "3", "2", "", "04", "4.0", "four") + "&transport=" + transport + m.extra
	if g.chance(15) {
		query = strings.ReplaceAll(query, "&transport="+transport, "")
	}
	if g.chance(20) {
		query += "&transport=" + pick(g, "polling", "websocket", "x") + "&EIO=4" // the last one counts
	}
	if g.chance(20) {
		query += "&sid=" + pick(g, "", "unknown", "toString", "__proto__", "%00", strings.Repeat("x", 500))
	}
	if g.chance(10) {
		query = strings.Replace(query, "transport", "%74ransport", 1)
	}
	s := get(m.number, query, m.header...)
	if g.chance(40) {
		s = upgrade(m.number, g.sockets, query, m.header...)
		g.sockets++
		if g.chance(40) {
			s.header = g.breakUpgrade(s.header)
		}
	}
	if g.chance(30) {
		s.method = pick(g, "POST", "PUT", "DELETE", "PATCH", "HEAD")
		if s.socket < 0 && g.chance(20) {
			s.method = "OPTIONS"
		}
		if s.method == "OPTIONS" && g.chance(60) {
			s.header = append(s.header, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")
		}
	}
	g.add(s)
}

// breakUpgrade spoils what makes a request an upgrade.
func (g *generator) breakUpgrade(h []string) []string {
	h = append([]string(nil), h...)
	change := [][2]string{
		{"Connection: Upgrade", "Connection: keep-alive, Upgrade"},
		{"Connection: Upgrade", "Connection: close"},
		{"Upgrade: websocket", "Upgrade: h2c"},
		{"Upgrade: websocket", "Upgrade: WebSocket"},
		{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"},
		{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 99"},
		{"Sec-WebSocket-Version: 13", "X-Nothing: x"},
		{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: short"},
		{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X-Nothing: x"},
	}
	c := pick(g, change...)
	for i := range h {
		if h[i] == c[0] {
			h[i] = c[1]
		}
	}
	return h
}

// --- an open session ---

// badRequest asks for something that is not right for the session.
func (g *generator) badRequest(m *made) {
	query := m.sid(g.query(m, "polling"))
	wrongRevision := map[string]string{"3": "4", "4": "3"}[m.eio]
	switch g.IntN(7) {
	case 0:
		g.add(get(m.number, strings.Replace(query, "EIO="+m.eio, "EIO="+wrongRevision, 1), m.header...))
	case 1:
		g.add(get(m.number, strings.Replace(query, "polling", "websocket", 1), m.header...))
	case 2:
		g.add(get(m.number, query+"x", m.header...))
	case 3:
		s := get(m.number, query, m.header...)
		s.method = pick(g, "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD")
		g.add(s)
	case 4:
		s := upgrade(m.number, g.sockets, strings.Replace(query, "EIO="+m.eio, "EIO="+wrongRevision, 1), m.header...)
		s.query = strings.Replace(s.query, "polling", "websocket", 1)
		g.sockets++
		g.add(s)
	case 5:
		s := upgrade(m.number, g.sockets, strings.Replace(query, "polling", pick(g, "polling", "websocket"), 1), m.header...)
		s.header = g.breakUpgrade(s.header)
		s.poll = !s.upgrades() && s.last("transport") == "polling" // it has become an ordinary poll
		g.sockets++
		g.add(s)
	case 6:
		g.add(post(m.number, query, "", plain))
	}
}

func (g *generator) overPolling(m *made) {
	query := m.sid(g.query(m, "polling"))
	switch p := g.IntN(100); {
	case p < 30:
		g.add(poll(m.number, query, m.header...))
		m.parked = true
	case p < 60:
		g.post(m, query)
	case p < 64: // a second poll while one waits
		g.add(poll(m.number, query, m.header...))
		g.add(poll(m.number, query, m.header...))
	case p < 68 && !m.half: // a POST that does not end, and perhaps another one
		body := g.payload(m, g.good(m))
		s := post(m.number, query, body, plain)
		s.part = g.IntN(len(body))
		g.add(s)
		m.half = true
		if g.chance(40) {
			g.post(m, query)
		}
	case p < 74 && m.half:
		g.add(step{do: pick(g, finish, finish, dropAsk), session: m.number, socket: -1})
		m.half = false
	case p < 76:
		g.add(step{do: dropAsk, session: m.number, socket: -1})
		m.parked = false
	case p < 94 && m.socket < 0:
		m.socket = g.sockets
		g.sockets++
		g.add(upgrade(m.number, m.socket, m.sid(g.query(m, "websocket")), g.offer(m.header)...))
		if g.chance(70) {
			g.probe(m)
		}
	case m.socket >= 0:
		g.probe(m)
	}
}

// probe goes on with an upgrade, for better or worse.
func (g *generator) probe(m *made) {
	switch p := g.IntN(100); {
	case p < 50 && !m.probed:
		g.add(text(m.socket, "2probe"))
		m.probed = true
	case p < 60:
		g.add(text(m.socket, pick(g, "2", "2prob", "4hello", "3probe", "6", "", "x", "1")))
		m.socket, m.probed = -1, false
	case p < 65:
		g.add(raw(m.socket, g.frames(m)))
		m.socket, m.probed = -1, false
	case p < 72:
		g.add(step{do: hangUp, session: -1, socket: m.socket})
		m.socket, m.probed = -1, false
	case p < 78: // another one at the same time
		g.add(upgrade(m.number, g.sockets, m.sid(g.query(m, "websocket")), m.header...))
		g.sockets++
	default:
		if m.half || m.parked && g.chance(80) {
			return // what a client does not do: see the deviations
		}
		g.add(text(m.socket, "5"))
		m.upgraded = true
	}
}

func (g *generator) overWebSocket(m *made) {
	switch p := g.IntN(100); {
	case p < 50:
		g.add(text(m.socket, g.good(m)...))
	case p < 60:
		data := g.bytes()
		if m.eio == "3" {
			data = pick(g, "\x04", "\x04", "\x04", "\x02", "\x09") + data
		}
		g.add(raw(m.socket, binaryFrame(data)))
	case p < 75:
		g.add(raw(m.socket, g.frames(m)))
	case p < 82:
		g.add(text(m.socket, g.bad()))
	case p < 86:
		g.add(step{do: hangUp, session: -1, socket: m.socket})
	case p < 90:
		g.add(get(m.number, m.sid(g.query(m, "polling")), m.header...))
	case p < 94:
		g.add(post(m.number, m.sid(g.query(m, "polling")), g.payload(m, g.good(m)), plain))
	default:
		g.add(upgrade(m.number, g.sockets, m.sid(g.query(m, "websocket")), m.header...))
		g.sockets++
	}
}

// post writes a POST: most are as they should be.
func (g *generator) post(m *made, query string) {
	packets := g.good(m)
	if m.probed && !m.upgraded {
		packets = packets[:1]
	}
	if g.chance(15) {
		packets = append(packets[:g.IntN(len(packets)+1)], g.bad())
	}
	body, kind := g.payload(m, packets), plain
	switch {
	case g.chance(5):
		body = pick(g, "", "\x1e", "4a\x1e", "\x1e4a", "4a\x1e\x1e4b", "3:4a", "2:4a3:4b", "5", ":", "x:4a", "-1:4a", "0:", "0:2:4a", "4a\xff\xfe")
	case g.chance(4):
		body = strings.Repeat("4", pick(g, 299, 300, 301, 1_000_000, 1_000_001))
	case g.chance(8) && m.eio == "4":
		kind = octets
	case g.chance(30) && m.eio == "3" && !m.jsonp:
		kind = octets
		body = g.binaryPayload()
	}
	s := post(m.number, query, body, append([]string{kind}, m.header...)...)
	if g.chance(15) {
		s.header[len(s.header)-1] = "Transfer-Encoding: chunked"
		s.body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		if body == "" {
			s.body = "0\r\n\r\n"
		}
	}
	g.add(s)
}

// --- packets ---

// good returns packets that make sense, in the text form.
func (g *generator) good(m *made) (packets []string) {
	for range 1 + g.IntN(3) {
		packets = append(packets, pick(g,
			"4hello", "4", "4é😀", "4\u2028<script>\"\\n\\\\n\n\r", "4"+strings.Repeat("long ", 30),
			"4send:text:2000", "4send:unicode:3", "4send:binary:5", "4send:many:3", "4send:text:0",
			g.base64(m), g.heartbeat(m), "6"))
	}
	if g.chance(8) {
		packets = append(packets, "4close")
	}
	return packets
}

func (g *generator) heartbeat(m *made) string {
	if m.eio == "3" {
		return "2"
	}
	return "3"
}

func (g *generator) base64(m *made) string {
	prefix := "b"
	if m.eio == "3" {
		prefix = "b4"
	}
	return prefix + base64.StdEncoding.EncodeToString([]byte(g.bytes()))
}

// bad returns a packet that makes little sense.
func (g *generator) bad() string {
	return pick(g, "", "7", "9x", "x", "1", "1", "2", "3", "5", "6x", "0", "0{}", "2abc", "b", "b4", "b!!!!", "b4====", "b4YQ", "bYQ", "bYQ==\n", "b9AAAA", "-1", "４")
}

func (g *generator) bytes() string {
	b := make([]byte, g.IntN(6))
	for i := range b {
		b[i] = byte(g.IntN(256))
	}
	return string(b)
}

// payload packs packets as the session's revision has it.
func (g *generator) payload(m *made, packets []string) string {
	body := strings.Join(packets, "\x1e")
	if m.eio == "3" {
		var b strings.Builder
		for _, p := range packets {
			fmt.Fprintf(&b, "%d:%s", len(utf16.Encode([]rune(p))), p)
		}
		body = b.String()
	}
	if m.jsonp {
		body = "d=" + formEscape(body)
	}
	return body
}

// formEscape is what the JavaScript client does for JSONP.
func formEscape(s string) string {
	s = strings.ReplaceAll(s, `\n`, `\\n`)
	s = strings.ReplaceAll(s, "\n", `\n`)
	return strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", "=", "%3D", "#", "%23", " ", "+").Replace(s)
}

// binaryPayload is the form of revision 3 with binary packets.
func (g *generator) binaryPayload() string {
	var b strings.Builder
	for range 1 + g.IntN(3) {
		kind, data := byte(0), pick(g, "4hi", "2", "4é", "7", "4")
		if g.chance(50) {
			kind, data = 1, pick(g, "\x04", "\x04", "\x02", "\x07")+g.bytes()
		}
		b.WriteByte(kind)
		for _, digit := range strconv.Itoa(len(data)) {
			b.WriteByte(byte(digit - '0'))
		}
		b.WriteByte(0xFF)
		b.WriteString(data)
	}
	s := b.String()
	if g.chance(15) {
		s = pick(g, "", "\x00", "\x02\x01\xff4", "\x00\x05\xff4a", "\x00\xff", s+"\x00", "4hello")
	}
	return s
}

// frames returns something on the level of WebSocket.
func (g *generator) frames(m *made) []byte {
	data := "4fragmented"
	masked := func(first byte, payload string) []byte {
		f := textFrame(payload)
		f[0] = first
		return f
	}
	long := strings.Repeat("y", 400)
	return pick(g,
		append(masked(0x01, data[:3]), masked(0x80, data[3:])...),
		append(append(masked(0x01, data[:3]), masked(0x89, "ping")...), masked(0x80, data[3:])...),
		masked(0x89, "ping"), masked(0x8A, "pong"), masked(0x89, ""),
		masked(0x88, ""), masked(0x88, "\x03\xe8"), masked(0x88, "\x03\xe9bye"), masked(0x88, "\x0f\xa0"),
		masked(0x88, "\x03"), masked(0x88, "\x03\xed"), masked(0x88, "\x03\xe8\xff"), masked(0x88, "\x07\xd0"),
		masked(0x81, "4\xff\xfe"), masked(0x81, "4\xed\xa0\x80"), masked(0x81, "4"+long), masked(0x82, long),
		masked(0x83, "x"), masked(0x8B, "x"), masked(0xC1, "4x"), masked(0xA1, "4x"), masked(0x91, "4x"),
		masked(0x80, "4x"), masked(0x09, "ping"), masked(0x89, strings.Repeat("p", 125)),
		append(masked(0x01, "4"), masked(0x81, "4x")...),
		[]byte("\x81\x024x"),                         // not masked
		[]byte("\x81\xfe\x00\x02\x00\x00\x00\x004x"), // a length in more bytes than it takes
		[]byte("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		[]byte("\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00"),
		append(textFrame("4first"), masked(0x83, "x")...),
	)
}

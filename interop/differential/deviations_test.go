package differential

import (
	"encoding/base64"
	"io"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A deviation is an entry of docs/differences.md, by its number there.
type deviation struct {
	number int
	name   string // of the subtest that shows it; several may share a number

	// One of these makes the two sides equal in the respect that the deviation
	// is about, and reports whether they were not.
	answer func(st *step, ours, theirs *answer) bool
	whole  func(v *view) bool

	ends  bool // the sides are in different states from then on
	fixed bool // what it is about does not change any more: no need to wait whether it does

	example script // in which it occurs
}

// A view is what a deviation may look at and change: what the sides show
// after a step.
type view struct {
	script       *script
	step         int // the last one that was done
	ours, theirs *observation
}

func (v *view) last() *step { return &v.script.steps[v.step] }

var deviations = []deviation{
	{
		number: 1, name: "RefusalHeaders",
		answer: func(st *step, ours, theirs *answer) bool {
			if ours.status < 400 {
				return false
			}
			met := swap(theirs, "length: chunked", ours, "length: known")
			met = swap(theirs, "length: until close", ours, "length: known") || met
			for _, line := range []string{"cache-control: no-store", "x-content-type-options: nosniff"} {
				met = lend(theirs, ours, line) || met
			}
			return met
		},
		example: script{config: "default", steps: []step{get(0, "EIO=4&transport=x")}},
	},
	{
		number: 2, name: "UnbufferedPolls",
		answer: func(_ *step, ours, theirs *answer) bool {
			return lend(theirs, ours, "x-accel-buffering: no")
		},
		example: script{config: "default", steps: []step{get(0, "EIO=4&transport=polling")}},
	},
	{
		number: 3, name: "Compression",
		answer: func(st *step, ours, theirs *answer) bool {
			if !slices.Contains(ours.header, "vary: Accept-Encoding") {
				return false
			}
			if st.has("Accept-Encoding: *") {
				swap(theirs, "content-encoding: gzip", ours, "")
			}
			met := lend(theirs, ours, "vary: Accept-Encoding")
			met = swap(theirs, "length: chunked", ours, "length: known") || met
			for _, encoding := range []string{"br", "gzip", "deflate"} {
				if line := "content-encoding: " + encoding; slices.Contains(ours.header, line) {
					for _, other := range []string{"content-encoding: gzip", "content-encoding: deflate"} {
						met = swap(theirs, other, ours, line) || met
					}
					met = lend(theirs, ours, line) || met
				}
			}
			return met
		},
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"), post(0, "EIO=4&transport=polling&sid=$sid", "4send:text:2000", plain),
			poll(0, "EIO=4&transport=polling&sid=$sid", "Accept-Encoding: br, gzip"),
		}},
	},
	{
		number: 4, name: "Revision3Handshake", fixed: true,
		whole: func(v *view) bool {
			met := false
			v.handshakes(func(ours, theirs *string) {
				like := strings.Replace(maxPayload.ReplaceAllString(*theirs, ""), `"pingTimeout":20000`, `"pingTimeout":5000`, 1)
				if *ours != *theirs && maxPayload.MatchString(*theirs) && (*ours == like || *ours == maxPayload.ReplaceAllString(*theirs, "")) {
					*theirs, met = *ours, true
				}
			})
			return met
		},
		example: script{config: "default", steps: []step{get(0, "EIO=3&transport=polling")}},
	},
	{
		number: 5, name: "CookieOverWebSocket",
		answer: func(_ *step, ours, theirs *answer) bool {
			i := slices.IndexFunc(ours.header, func(h string) bool { return strings.HasPrefix(h, "set-cookie: ") })
			return i >= 0 && ours.status == 101 && lend(theirs, ours, ours.header[i])
		},
		example: script{config: "cookie", steps: []step{upgrade(0, 0, "EIO=4&transport=websocket")}},
	},
	{
		number: 6, name: "Origin",
		whole: func(v *view) bool {
			return v.last().has("Origin: ") && v.answers(func(_ *step, ours, theirs *answer) bool {
				return forbidden(ours) && theirs.body != ours.body
			})
		},
		ends:    true,
		example: script{config: "cors", steps: []step{get(0, "EIO=4&transport=polling", "Origin: https://evil.example")}},
	},
	{
		number: 7, name: "CORSHeaders",
		answer: func(st *step, ours, theirs *answer) bool {
			met := swap(theirs, "access-control-allow-credentials: true", ours, "") // which says nothing without an origin
			if !st.has("Origin: ") {
				met = swap(theirs, "access-control-allow-origin: *", ours, "") || met // nobody asked
			}
			for _, prefix := range []string{"vary: ", "access-control-allow-origin: ", "access-control-allow-credentials: "} {
				refusedUpgrade := st.upgrades() && ours.status >= 400
				preflight := st.method == "OPTIONS" && ours.status == 204
				if prefix == "vary: " || refusedUpgrade {
					met = drop(ours, prefix+"Origin") || met
					met = drop(theirs, prefix+"Origin") || met
				}
				if refusedUpgrade || preflight && prefix == "vary: " {
					met = dropAll(ours, prefix) || met
					met = dropAll(theirs, prefix) || met
				}
				if preflight {
					met = drop(ours, "access-control-allow-methods: POST") || met
					met = drop(theirs, "access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE") || met
					if !slices.ContainsFunc(ours.header, func(h string) bool { return strings.HasPrefix(h, "access-control-") }) {
						met = drop(theirs, "access-control-allow-headers: content-type") || met // of an origin that is refused
					}
				}
			}
			return met
		},
		example: script{config: "cors", steps: []step{
			{do: ask, socket: -1, part: -1, method: "OPTIONS", query: "EIO=4&transport=polling", header: []string{
				"Origin: https://a.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type",
			}},
		}},
	},
	{
		number: 7, name: "Options",
		answer: func(st *step, ours, theirs *answer) bool {
			if st.method != "OPTIONS" || st.has("Access-Control-Request-Method") || ours.status < 400 || theirs.status != 204 {
				return false
			}
			*theirs = *cloneAnswer(ours)
			return true
		},
		example: script{config: "cors", steps: []step{{do: ask, socket: -1, part: -1, method: "OPTIONS", query: "EIO=4&transport=polling"}}},
	},
	{
		number: 8, name: "OtherMethods",
		answer: func(st *step, ours, theirs *answer) bool {
			if ours.status != 405 || theirs.status != 500 {
				return false
			}
			theirs.status = 405
			return lend(theirs, ours, "allow: GET, POST")
		},
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"),
			{do: ask, socket: -1, part: -1, method: "PUT", query: "EIO=4&transport=polling&sid=$sid"},
		}},
	},
	{
		number: 9, name: "Path",
		whole: func(v *view) bool {
			return v.answers(func(st *step, ours, theirs *answer) bool {
				return st.path != "" && ours.status == 404 && theirs.status == 200
			})
		},
		ends: true,
		example: script{config: "default", steps: []step{
			{do: ask, socket: -1, part: -1, method: "GET", path: "below", query: "EIO=4&transport=polling"},
		}},
	},
	{
		number: 10, name: "WebSocketHandshake",
		answer: func(st *step, ours, theirs *answer) bool {
			if !st.upgrades() || ours.status < 400 || theirs.status < 400 || !strings.Contains(theirs.body, "nvalid ") {
				return false
			}
			*theirs = *cloneAnswer(ours)
			return true
		},
		example: script{config: "default", steps: []step{
			{do: ask, part: -1, method: "GET", query: "EIO=4&transport=websocket", header: []string{
				"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 99", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
			}},
		}},
	},
	{
		number: 10, name: "WebSocketVersion8",
		whole: func(v *view) bool {
			return v.answers(func(st *step, ours, theirs *answer) bool {
				return st.has("Sec-WebSocket-Version: 8") && ours.status == 426 && theirs.status == 101
			})
		},
		ends: true,
		example: script{config: "default", steps: []step{
			{do: ask, part: -1, method: "GET", query: "EIO=4&transport=websocket", header: []string{
				"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
			}},
		}},
	},
	{
		number: 11, name: "OtherUpgrades",
		whole: func(v *view) bool {
			return v.answers(func(st *step, ours, theirs *answer) bool {
				return st.has("Upgrade: h2c") && (ours.status != theirs.status || ours.body != theirs.body)
			}) || v.last().has("Upgrade: h2c")
		},
		ends: true,
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"),
		}},
	},
	{
		number: 12, name: "UpgradeWithOtherTransport",
		whole: func(v *view) bool {
			st := v.last()
			ours, theirs := v.ours.Answers[v.step], v.theirs.Answers[v.step]
			if st.upgrades() && ours != nil && ours.status == 400 && theirs == nil {
				return true
			}
			return v.answers(func(st *step, ours, theirs *answer) bool {
				return st.upgrades() && st.last("transport") != "websocket" && ours.status == 400 && ours.body == "Bad request" && theirs.body != ours.body
			})
		},
		ends:    true,
		example: script{config: "default", steps: []step{upgrade(0, 0, "EIO=4&transport=polling")}},
	},
	{
		number: 13, name: "WebSocketOff",
		answer: func(st *step, ours, theirs *answer) bool {
			const text, json = "content-type: text/html", "content-type: application/json"
			if !st.upgrades() || ours.status < 400 || !slices.Contains(ours.header, text) || !slices.Contains(theirs.header, json) || !strings.Contains(theirs.body, ours.body) {
				return false
			}
			*theirs = *cloneAnswer(ours)
			return true
		},
		example: script{config: "polling only", steps: []step{upgrade(0, 0, "EIO=4&transport=websocket")}},
	},
	{
		number: 14, name: "Revision4OnlyOverWebSocket",
		whole: func(v *view) bool {
			return v.answers(func(st *step, ours, theirs *answer) bool {
				return st.upgrades() && ours.body == "Unsupported protocol version" && theirs.status == 101
			})
		},
		ends:    true,
		example: script{config: "revision4", steps: []step{upgrade(0, 0, "EIO=3&transport=websocket")}},
	},
	{
		number: 15, name: "Deflate",
		answer: func(st *step, ours, theirs *answer) bool {
			const line = "sec-websocket-extensions: permessage-deflate"
			if ours.status != 101 || theirs.status != 101 || slices.Equal(ours.header, theirs.header) {
				return false
			}
			return (dropAll(ours, line) || st.last("b64") != "") && dropAll(theirs, line)
		},
		example: script{config: "deflate", steps: []step{
			upgrade(0, 0, "EIO=4&transport=websocket", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
		}},
	},
	{
		number: 15, name: "CompressedFrame", fixed: true,
		whole: func(v *view) bool {
			met := false
			for socket := range v.ours.Sockets {
				if v.refusedFrame(socket, "RSV1 is set, but compression was not negotiated") && v.openedWith(socket, "b64") {
					met = v.framesOf(socket, func(ours, theirs *string) bool {
						if !strings.HasPrefix(*ours, "close 1002") || *theirs != `close 1007 ""` {
							return false
						}
						*theirs = *ours
						return true
					}) || met
				}
			}
			return met
		},
		example: script{config: "deflate", steps: []step{
			upgrade(0, 0, "EIO=4&transport=websocket&b64=1", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
			raw(0, []byte("\xc1\x82\x00\x00\x00\x004x")), // which is no compressed data
		}},
	},
	{
		number: 16, name: "FrameLengths",
		whole: func(v *view) bool {
			heard := unmasked(v.last().frames)
			if slices.ContainsFunc(heard, func(s string) bool { return strings.Contains(s, "takes 7 bits, not 16") }) {
				return true
			}
			return slices.ContainsFunc(heard, func(s string) bool { return strings.Contains(s, "top bit of a 64-bit length") }) &&
				v.frames(func(ours, theirs *string) bool {
					return strings.HasPrefix(*ours, "close 1002") && *theirs == `close 1009 ""`
				})
		},
		ends:    true,
		example: script{config: "default", steps: []step{upgrade(0, 0, "EIO=4&transport=websocket"), raw(0, []byte("\x81\xfe\x00\x02\x00\x00\x00\x004x"))}},
	},
	{
		number: 17, name: "CloseFrames", fixed: true,
		whole: func(v *view) bool {
			return v.frames(func(ours, theirs *string) bool {
				switch {
				case *ours == `close 1002 "parse error"` && *theirs == `close 1005 ""`:
				case strings.HasPrefix(*ours, "close ") && strings.HasPrefix(*theirs, (*ours)[:len("close 1000")]):
				default:
					return false
				}
				*theirs = *ours
				return true
			})
		},
		example: script{config: "default", steps: []step{upgrade(0, 0, "EIO=4&transport=websocket"), text(0, "x")}},
	},
	{
		number: 18, name: "ClosePacketOverWebSocket",
		whole: func(v *view) bool {
			return v.last().do == transmit && slices.Contains(unmasked(v.last().frames), "1") &&
				v.fates(func(ours, theirs *fate) bool {
					return !ours.Open && ours.Reason == "transport close" && theirs.Reason != ours.Reason
				})
		},
		ends:    true,
		example: script{config: "default", steps: []step{upgrade(0, 0, "EIO=4&transport=websocket"), text(0, "1")}},
	},
	{
		number: 19, name: "StrictDecoding",
		whole: func(v *view) bool {
			return loose(v.last()) && v.fates(func(ours, theirs *fate) bool {
				return !ours.Open && ours.Reason == "parse error" && theirs.Reason != ours.Reason
			}) || v.probeClosed(`close 1002 "parse error"`)
		},
		ends: true,
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"), post(0, "EIO=4&transport=polling&sid=$sid", "b!!!!", plain),
		}},
	},
	{
		number: 20, name: "JSONPForm",
		whole: func(v *view) bool {
			st := v.last()
			return st.method == "POST" && strings.Contains(st.query, "j=") && v.fates(func(ours, theirs *fate) bool {
				return !ours.Open && ours.Reason == "parse error" && theirs.Reason != ours.Reason
			})
		},
		ends: true,
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling&j=0"), post(0, "EIO=4&transport=polling&j=0&sid=$sid", "x=4hello", plain),
		}},
	},
	{
		number: 21, name: "BinaryJSONP",
		whole: func(v *view) bool {
			for i := range v.theirs.Sessions {
				if slices.ContainsFunc(v.theirs.Sessions[i].Packets, func(p string) bool { return strings.Contains(p, `({"type":"Buffer","data":[`) }) {
					return true
				}
			}
			return false
		},
		ends: true,
		example: script{config: "default", steps: []step{
			get(0, "EIO=3&transport=polling&j=0"), post(0, "EIO=3&transport=polling&j=0&sid=$sid", "d=14:4send:binary:5", plain),
			poll(0, "EIO=3&transport=polling&j=0&sid=$sid"),
		}},
	},
	{
		number: 22, name: "BodyBeforeRefusal",
		whole: func(v *view) bool {
			met := false
			for i, a := range v.ours.Answers {
				if b := v.theirs.Answers[i]; v.script.steps[i].part >= 0 && (a == nil || a.broken == "closed by the script") && b != nil && b.status >= 400 {
					v.ours.Answers[i], met = cloneAnswer(b), true
				}
			}
			return met
		},
		example: script{config: "default", steps: []step{part(post(0, "EIO=4&transport=polling&sid=unknown", "4hello", plain), 2)}},
	},
	{
		number: 23, name: "PostOfEndedSession",
		whole: func(v *view) bool {
			met := false
			for i, a := range v.ours.Answers {
				if b := v.theirs.Answers[i]; v.script.steps[i].part >= 0 && b != nil && b.broken == "closed without an answer" && (a == nil || a.broken != b.broken) {
					v.theirs.Answers[i], met = cloneAnswer(a), true
				}
			}
			return met
		},
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"), part(post(0, "EIO=4&transport=polling&sid=$sid", "4hello", plain), 2),
			post(0, "EIO=4&transport=polling&sid=$sid", "4hello", plain), // the second at once: both servers end the session
		}},
	},
	{
		number: 24, name: "RequestWithoutUpgrade",
		whole: func(v *view) bool {
			met := false
			for i, a := range v.ours.Answers {
				b, st := v.theirs.Answers[i], &v.script.steps[i]
				if a != nil && a.status >= 400 && b == nil && !st.upgrades() && strings.Contains(st.query, "transport=websocket") && strings.Contains(st.query, "sid=") {
					v.theirs.Answers[i], met = cloneAnswer(a), true
				}
			}
			return met
		},
		example: script{config: "default", steps: []step{
			upgrade(0, 0, "EIO=4&transport=websocket"), get(0, "EIO=4&transport=websocket&sid=$sid"),
		}},
	},
	{
		number: 25, name: "CloseWithoutNoop", fixed: true,
		whole: func(v *view) bool {
			met := false
			for i := range v.ours.Sessions {
				a, b := v.ours.Sessions[i].Packets, v.theirs.Sessions[i].Packets
				if n := len(a); n > 0 && len(b) == n+1 && a[n-1] == "1" && b[n-1] == "6" && b[n] == "1" {
					v.theirs.Sessions[i].Packets, met = slices.Delete(b, n-1, n), true
				}
			}
			return met
		},
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"), post(0, "EIO=4&transport=polling&sid=$sid", "4hello\x1e4close", plain),
			poll(0, "EIO=4&transport=polling&sid=$sid"), poll(0, "EIO=4&transport=polling&sid=$sid"),
		}},
	},
	{
		number: 26, name: "AnswerAfterError",
		whole: func(v *view) bool {
			for i := range v.ours.Sessions {
				a, b := &v.ours.Sessions[i], &v.theirs.Sessions[i]
				n := len(a.Packets)
				if a.Fate != nil && !a.Fate.Open && b.Fate != nil && !b.Fate.Open && n > 0 && isEnd(a.Packets[n-1]) &&
					len(b.Packets) >= n && slices.Equal(a.Packets[:n-1], b.Packets[:n-1]) && !isEnd(b.Packets[n-1]) {
					return true
				}
			}
			return false
		},
		ends: true,
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"), poll(0, "EIO=4&transport=polling&sid=$sid"),
			post(0, "EIO=4&transport=polling&sid=$sid", "4hello\x1ex", plain),
		}},
	},
	{
		number: 27, name: "FirstReasonWins",
		whole: func(v *view) bool {
			met := false
			v.fates(func(ours, theirs *fate) bool {
				if !ours.Open && !theirs.Open && ours.Reason == "forced close" && theirs.Reason != ours.Reason && slices.Contains(ours.Messages, "text close") {
					theirs.Reason, met = ours.Reason, true
				}
				return false
			})
			return met
		},
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"), post(0, "EIO=4&transport=polling&sid=$sid", "4close", plain),
			part(post(0, "EIO=4&transport=polling&sid=$sid", "4hello", plain), 2), {do: dropAsk, socket: -1},
		}},
	},
	{
		number: 28, name: "ViolationWhileClosing",
		whole: func(v *view) bool {
			return v.last().method == "POST" && v.fates(func(ours, theirs *fate) bool {
				return !ours.Open && ours.Reason == "forced close" && theirs.Open && slices.Contains(theirs.Messages, "text close")
			})
		},
		ends: true,
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"), post(0, "EIO=4&transport=polling&sid=$sid", "4close\x1ex", plain),
		}},
	},
	{
		number: 29, name: "UpgradesOff",
		whole: func(v *view) bool {
			return v.script.config == "no upgrades" && v.probeClosed(`close 1005 ""`)
		},
		ends: true,
		example: script{config: "no upgrades", steps: []step{
			get(0, "EIO=4&transport=polling"), upgrade(0, 0, "EIO=4&transport=websocket&sid=$sid"),
		}},
	},
	{
		number: 29, name: "UpgradeOfWebSocket",
		whole: func(v *view) bool {
			st := v.last()
			return st.do == ask && st.upgrades() && strings.Contains(st.query, "sid=") && v.begunOverWebSocket(st.session) && v.probeClosed(`close 1005 ""`)
		},
		ends: true,
		example: script{config: "default", steps: []step{
			upgrade(0, 0, "EIO=4&transport=websocket"), upgrade(0, 1, "EIO=4&transport=websocket&sid=$sid"),
		}},
	},
	{
		number: 29, name: "UpgradeWhileClosing",
		whole: func(v *view) bool {
			st := v.last()
			return st.do == ask && st.upgrades() && v.probeClosed(`close 1005 ""`) && v.fates(func(ours, theirs *fate) bool {
				return theirs.Open && slices.Contains(theirs.Messages, "text close")
			})
		},
		ends: true,
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"), post(0, "EIO=4&transport=polling&sid=$sid", "4close", plain),
			upgrade(0, 0, "EIO=4&transport=websocket&sid=$sid"),
		}},
	},
	{
		number: 30, name: "PollAtSwitch",
		whole: func(v *view) bool {
			if v.last().do != transmit || !slices.Contains(unmasked(v.last().frames), "5") {
				return false
			}
			for i := range v.ours.Sessions {
				a, b := v.ours.Sessions[i].Packets, v.theirs.Sessions[i].Packets
				if n := len(a); n > 0 && n == len(b) && a[n-1] == "6" && b[n-1] == "1" {
					return true
				}
			}
			return false
		},
		ends: true,
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"), poll(0, "EIO=4&transport=polling&sid=$sid"),
			upgrade(0, 0, "EIO=4&transport=websocket&sid=$sid"), text(0, "5"),
		}},
	},
	{
		number: 30, name: "PostAtSwitch",
		whole: func(v *view) bool {
			if v.last().do != transmit || !slices.Contains(unmasked(v.last().frames), "5") {
				return false
			}
			for i := range v.script.steps {
				if a, asked := v.ours.Answers[i]; asked && a == nil && v.script.steps[i].part >= 0 {
					return true
				}
			}
			return false
		},
		ends: true,
		example: script{config: "default", steps: []step{
			get(0, "EIO=4&transport=polling"), part(post(0, "EIO=4&transport=polling&sid=$sid", "4hello", plain), 2),
			upgrade(0, 0, "EIO=4&transport=websocket&sid=$sid"), text(0, "5"),
		}},
	},
	{
		number: 31, name: "Revision3Heartbeat",
		whole: func(v *view) bool {
			return v.script.config == "heartbeat" && v.fates(func(ours, theirs *fate) bool {
				return !ours.Open && ours.Reason == "ping timeout" && theirs.Open
			})
		},
		ends: true,
		example: script{config: "heartbeat", steps: []step{
			get(0, "EIO=3&transport=polling"), upgrade(0, 0, "EIO=3&transport=websocket&sid=$sid"),
			text(0, "2probe"), text(0, "5"), {do: wait, session: -1, wait: patient["heartbeat"]},
		}},
	},
	{
		number: 66, name: "DamagedBinaryPayload", fixed: true,
		whole: func(v *view) bool {
			met := false
			for i := range v.ours.Sessions {
				a, b := v.ours.Sessions[i].Fate, v.theirs.Sessions[i].Fate
				if a == nil || b == nil || a.Open || b.Open || a.Reason != "parse error" || b.Reason != "parse error" {
					continue
				}
				before := len(b.Messages)
				if len(a.Messages) <= before || !slices.Equal(a.Messages[:before], b.Messages) {
					continue
				}
				for _, st := range v.script.steps[:v.step+1] {
					if st.session == i && slices.Equal(messagesBeforeDamage(&st), a.Messages[before:]) {
						b.Messages, met = slices.Clone(a.Messages), true
						break
					}
				}
			}
			return met
		},
		example: script{config: "default", steps: []step{
			get(0, "EIO=3&transport=polling"),
			post(0, "EIO=3&transport=polling&sid=$sid", "\x00\x03\xff4hi\x01\x03\xff\x04\x93\xc9\x00", octets),
		}},
	},
}

// --- what deviations look for ---

func part(st step, n int) step {
	st.part = n
	return st
}

// has reports whether a request has a header line that begins so.
func (s *step) has(prefix string) bool {
	return slices.ContainsFunc(s.header, func(h string) bool { return strings.HasPrefix(h, prefix) })
}

// upgrades reports whether a request asks for a WebSocket.
func (s *step) upgrades() bool {
	asks := func(name, value string) bool {
		return slices.ContainsFunc(s.header, func(h string) bool {
			return strings.HasPrefix(h, name+": ") && strings.Contains(strings.ToLower(h), value)
		})
	}
	return asks("Connection", "upgrade") && asks("Upgrade", "websocket")
}

// last returns the last value of a key of a request's query.
func (s *step) last(key string) string {
	all, err := url.ParseQuery(s.query)
	if err != nil || len(all[key]) == 0 {
		return ""
	}
	return all[key][len(all[key])-1]
}

// answers reports whether any pair of answers is as asked.
func (v *view) answers(like func(st *step, ours, theirs *answer) bool) bool {
	return eachAnswer(v.script, v.ours, v.theirs, like)
}

func (v *view) fates(like func(ours, theirs *fate) bool) bool {
	for i := range v.ours.Sessions {
		if a, b := v.ours.Sessions[i].Fate, v.theirs.Sessions[i].Fate; a != nil && b != nil && like(a, b) {
			return true
		}
	}
	return false
}

// frames changes pairs of frames that differ.
func (v *view) frames(change func(ours, theirs *string) bool) (met bool) {
	for i, a := range v.ours.Sockets {
		b := v.theirs.Sockets[i]
		for j := range min(len(a), len(b)) {
			if a[j] != b[j] && change(&a[j], &b[j]) {
				met = true
			}
		}
	}
	return met
}

// framesOf changes pairs of frames of one WebSocket that differ.
func (v *view) framesOf(socket int, change func(ours, theirs *string) bool) bool {
	return (&view{v.script, v.step, v.ours.only(socket), v.theirs.only(socket)}).frames(change)
}

// only is an observation of one WebSocket; its frames are shared.
func (o *observation) only(socket int) *observation {
	return &observation{Sockets: map[int][]string{socket: o.Sockets[socket]}}
}

// handshakes calls f for each pair of open packets.
func (v *view) handshakes(f func(ours, theirs *string)) {
	for i, a := range v.ours.Answers {
		if b := v.theirs.Answers[i]; a != nil && b != nil && strings.Contains(a.body, `"sid"`) {
			f(&a.body, &b.body)
		}
	}
	for i, a := range v.ours.Sockets {
		if b := v.theirs.Sockets[i]; len(a) > 0 && len(b) > 0 && strings.Contains(a[0], `"sid"`) {
			f(&a[0], &b[0])
		}
	}
}

// probeClosed reports whether we, and only we, closed a WebSocket so.
func (v *view) probeClosed(with string) bool {
	for i, a := range v.ours.Sockets {
		if slices.Contains(a, with) && !slices.ContainsFunc(v.theirs.Sockets[i], func(f string) bool { return strings.HasPrefix(f, "close ") }) {
			return true
		}
	}
	return false
}

// openedWith reports whether the request that opened a WebSocket has a key in
// its query.
func (v *view) openedWith(socket int, key string) bool {
	return slices.ContainsFunc(v.script.steps, func(st step) bool {
		return st.do == ask && st.upgrades() && st.socket == socket && st.last(key) != ""
	})
}

// refusedFrame reports whether a frame was sent on a WebSocket that a parser
// without extensions refuses so.
func (v *view) refusedFrame(socket int, because string) bool {
	return slices.ContainsFunc(v.script.steps[:v.step+1], func(st step) bool {
		return st.do == transmit && st.socket == socket &&
			slices.ContainsFunc(unmasked(st.frames), func(s string) bool { return strings.Contains(s, because) })
	})
}

func (v *view) begunOverWebSocket(session int) bool {
	for _, st := range v.script.steps {
		if st.do == ask && st.session == session {
			return st.upgrades()
		}
	}
	return false
}

var maxPayload = regexp.MustCompile(`,"maxPayload":[0-9]+`)

func forbidden(a *answer) bool {
	return a.status == 403 && a.body == `{"code":4,"message":"Forbidden"}` || a.status == 400 && a.body == "Forbidden"
}

// loose reports whether a step sends what only a lenient decoder takes: text
// that is not UTF-8, base64 that is not quite that, or a body without anything.
func loose(st *step) bool {
	sent := unmasked(st.frames)
	if st.do == ask {
		body := st.content()
		sent = strings.FieldsFunc(body, func(r rune) bool { return r == 0x1e || r == ':' || r == 0xFF })
		if !utf8.ValidString(body) || st.method == "POST" && body == "" {
			return true
		}
	}
	for _, packet := range sent {
		if data, ok := strings.CutPrefix(packet, "b"); ok {
			_, err4 := base64.StdEncoding.DecodeString(data)
			_, err3 := base64.StdEncoding.DecodeString(strings.TrimPrefix(data, "4")) // revision 3 has a type there
			if err3 != nil || err4 != nil || data == "" || data[0] < '0' || data[0] > '6' {
				return true
			}
		}
	}
	return false
}

// content returns the body of a request as it is meant, without chunks.
func (s *step) content() string {
	if !s.has("Transfer-Encoding: chunked") {
		return s.body
	}
	b, _ := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(s.body)))
	return string(b)
}

// messagesBeforeDamage returns the messages of a binary payload of revision 3
// that come before the first packet that is none, as the application notes
// them. It returns none unless the payload cannot be split into packets.
func messagesBeforeDamage(st *step) (messages []string) {
	if st.do != ask || st.method != "POST" || st.last("EIO") != "3" || !st.has(octets) {
		return nil
	}
	packets, err := decodeBinary(st.content())
	if err == nil {
		return nil
	}
	for _, p := range packets {
		data, binary := strings.CutPrefix(p, "binary 0")
		message, ok := strings.CutPrefix(data, "4")
		switch {
		case ok && binary:
			messages = append(messages, "binary "+message)
		case ok:
			messages = append(messages, "text "+message)
		case data == "" || data[0] < '2' || data[0] > '6': // which ends the session itself
			return messages
		}
	}
	return messages
}

// isEnd reports whether a packet is one with which a poll is let go.
func isEnd(packet string) bool { return packet == "1" || packet == "6" }

// swap gives theirs our header line for one of its own.
func swap(theirs *answer, line string, ours *answer, with string) bool {
	i := slices.Index(theirs.header, line)
	if i < 0 || line == with || slices.Contains(ours.header, line) {
		return false
	}
	if with == "" {
		theirs.header = slices.Delete(theirs.header, i, i+1)
		return true
	}
	if !slices.Contains(ours.header, with) {
		return false
	}
	theirs.header[i] = with
	slices.Sort(theirs.header)
	return true
}

// lend gives theirs a header line that only we send.
func lend(theirs, ours *answer, line string) bool {
	if !slices.Contains(ours.header, line) || slices.Contains(theirs.header, line) {
		return false
	}
	theirs.header = append(theirs.header, line)
	slices.Sort(theirs.header)
	return true
}

func drop(a *answer, line string) bool {
	n := len(a.header)
	a.header = slices.DeleteFunc(a.header, func(h string) bool { return h == line })
	return len(a.header) < n
}

func dropAll(a *answer, prefix string) bool {
	n := len(a.header)
	a.header = slices.DeleteFunc(a.header, func(h string) bool { return strings.HasPrefix(h, prefix) })
	return len(a.header) < n
}

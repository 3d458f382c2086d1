package websocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// frame writes one frame by hand, valid or not. first holds FIN, RSV and the
// opcode. A server's parser gets it masked with a key that is not symmetric.
func frame(role Role, first byte, payload string) []byte {
	return frameOf(role, first, uint64(len(payload)), 0, payload)
}

// frameOf is frame with any announced length, in the form of 0 (shortest), 16
// or 64 bits.
func frameOf(role Role, first byte, length uint64, bits int, payload string) []byte {
	var mask byte
	if role == Server {
		mask = maskBit
	}
	b := []byte{first}
	switch {
	case bits == 64 || bits == 0 && length > math.MaxUint16:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), length)
	case bits == 16 || bits == 0 && length > 125:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(length))
	default:
		b = append(b, mask|byte(length))
	}
	if role == Server {
		key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
		body := []byte(payload)
		ws.Cipher(body, key, 0)
		return append(append(b, key[:]...), body...)
	}
	return append(b, payload...)
}

const fin = finBit

// A parserCase is a stream of frames, written once for each role, and what a
// parser makes of it: events, each as "kind payload", and a close code when it
// ends with an error.
type parserCase struct {
	name   string
	stream func(r Role) []byte
	want   []string
	code   int
}

// frames is a stream of well-formed frames: pairs of first byte and payload.
func frames(pairs ...any) func(Role) []byte {
	return func(r Role) (b []byte) {
		for i := 0; i < len(pairs); i += 2 {
			b = append(b, frame(r, byte(pairs[i].(int)), pairs[i+1].(string))...)
		}
		return b
	}
}

// raw is a stream of one frame with the announced length and its form chosen.
func raw(first byte, length uint64, bits int, payload string) func(Role) []byte {
	return func(r Role) []byte { return frameOf(r, first, length, bits, payload) }
}

func closeFrame(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

const (
	testMaxMessage   = 70_000
	testMaxFragments = 8
)

func testConfig(r Role) *Config {
	return &Config{Role: r, MaxMessage: testMaxMessage, MaxFragments: testMaxFragments, NewInflater: NewInflater}
}

const (
	text, bin, cont       = 1, 2, 0
	closeOp, ping, pong   = 8, 9, 10
	rsv1, rsv2, rsv3      = 0x40, 0x20, 0x10
	kosme                 = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5" // κόσμε, 2-byte and 3-byte runes
	surrogate, overTop    = "\xed\xa0\x80", "\xf4\x90\x80\x80"
	truncated4, emoji     = "\xf0\x9f\x98", "\xf0\x9f\x98\x80"
	overlong, loneTail    = "\xc0\xaf", "\x80"
	long7, long16, long64 = 125, 65_535, 65_536
)

func x(n int) string { return strings.Repeat("x", n) }

// The groups follow those of the Autobahn test suite.
var parserCases = slices.Concat(
	framingCases, pingCases, reservedCases, opcodeCases, fragmentCases, utf8Cases, closeCases, limitCases, deflateCases)

var framingCases = []parserCase{
	{"nothing", frames(), nil, 0},
	{"empty text", frames(fin|text, ""), []string{"text "}, 0},
	{"text", frames(fin|text, "hello"), []string{"text hello"}, 0},
	{"empty binary", frames(fin|bin, ""), []string{"binary "}, 0},
	{"binary", frames(fin|bin, "\x00\xff"), []string{"binary \x00\xff"}, 0},
	{"125 bytes", frames(fin|text, x(long7)), []string{"text " + x(long7)}, 0},
	{"126 bytes", frames(fin|text, x(126)), []string{"text " + x(126)}, 0},
	{"127 bytes", frames(fin|bin, x(127)), []string{"binary " + x(127)}, 0},
	{"two messages", frames(fin|text, "a", fin|bin, "b"), []string{"text a", "binary b"}, 0},
	{"125 bytes in a 16-bit length", raw(fin|text, 125, 16, x(125)), nil, 1002},
	{"0 bytes in a 16-bit length", raw(fin|text, 0, 16, ""), nil, 1002},
	{"65535 bytes in a 64-bit length", raw(fin|text, 65_535, 64, ""), nil, 1002},
	{"0 bytes in a 64-bit length", raw(fin|bin, 0, 64, ""), nil, 1002},
	{"wrong masking", func(r Role) []byte { return frame(1-r, fin|text, "hello") }, nil, 1002},
	{"wrong masking of an empty ping", func(r Role) []byte { return frame(1-r, fin|ping, "") }, nil, 1002},
	{"wrong masking after a message", func(r Role) []byte {
		return append(frame(r, fin|text, "a"), frame(1-r, fin|text, "b")...)
	}, []string{"text a"}, 1002},
}

var pingCases = []parserCase{
	{"empty ping", frames(fin|ping, ""), []string{"ping "}, 0},
	{"ping", frames(fin|ping, "hello"), []string{"ping hello"}, 0},
	{"binary ping", frames(fin|ping, "\x00\xff\xfe\xfd"), []string{"ping \x00\xff\xfe\xfd"}, 0},
	{"ping of 125", frames(fin|ping, x(125)), []string{"ping " + x(125)}, 0},
	{"ping of 126", frames(fin|ping, x(126)), nil, 1002},
	{"ping of 126 announced", raw(fin|ping, 126, 16, ""), nil, 1002},
	{"ping of 2^63-1", raw(fin|ping, math.MaxInt64, 64, ""), nil, 1002},
	{"pong unasked", frames(fin|pong, "", fin|pong, "p"), []string{"pong ", "pong p"}, 0},
	{"pong of 126", frames(fin|pong, x(126)), nil, 1002},
	{"pings in a row", frames(fin|ping, "1", fin|ping, "2", fin|ping, "3"), []string{"ping 1", "ping 2", "ping 3"}, 0},
}

var reservedCases = []parserCase{
	{"RSV3", frames(fin|rsv3|text, "x"), nil, 1002},
	{"RSV2", frames(fin|rsv2|text, "x"), nil, 1002},
	{"RSV2 and RSV3", frames(fin|rsv2|rsv3|bin, "x"), nil, 1002},
	{"RSV1 without deflate", frames(fin|rsv1|text, "x"), nil, 1002},
	{"RSV1 after a message", frames(fin|text, "a", fin|rsv1|text, "x"), []string{"text a"}, 1002},
	{"RSV on a ping", frames(fin|rsv3|ping, ""), nil, 1002},
	{"RSV on a close", frames(fin|rsv1|rsv2|rsv3|closeOp, ""), nil, 1002},
	{"RSV on a continuation", frames(text, "a", fin|rsv1|cont, "b"), nil, 1002},
}

var opcodeCases = func() (cases []parserCase) {
	for _, op := range []int{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases = append(cases,
			parserCase{fmt.Sprintf("opcode %d empty", op), frames(fin|op, ""), nil, 1002},
			parserCase{fmt.Sprintf("opcode %d between messages", op), frames(fin|text, "a", fin|op, "x", fin|ping, ""), []string{"text a"}, 1002},
			parserCase{fmt.Sprintf("opcode %d inside a message", op), frames(text, "a", op, "x"), nil, 1002})
	}
	return cases
}()

var fragmentCases = []parserCase{
	{"two fragments", frames(text, "frag1", fin|cont, "frag2"), []string{"text frag1frag2"}, 0},
	{"two binary fragments", frames(bin, "\xff", fin|cont, "\xfe"), []string{"binary \xff\xfe"}, 0},
	{"three fragments", frames(text, "a", cont, "b", fin|cont, "c"), []string{"text abc"}, 0},
	{"empty fragments", frames(text, "", cont, "", fin|cont, ""), []string{"text "}, 0},
	{"empty fragments around one", frames(text, "", cont, "middle", fin|cont, ""), []string{"text middle"}, 0},
	{"two fragmented messages", frames(text, "a", fin|cont, "b", bin, "c", fin|cont, "d"), []string{"text ab", "binary cd"}, 0},
	{"ping between fragments", frames(text, "a", fin|ping, "p", fin|cont, "b"), []string{"ping p", "text ab"}, 0},
	{"pings between fragments", frames(text, "a", fin|ping, "p1", cont, "b", fin|ping, "p2", fin|cont, "c"), []string{"ping p1", "ping p2", "text abc"}, 0},
	{"pong after an empty fragment", frames(bin, "", fin|pong, "p", fin|cont, "b"), []string{"pong p", "binary b"}, 0},
	{"fragmented ping", frames(ping, "a", fin|cont, "b"), nil, 1002},
	{"fragmented pong", frames(pong, "a", fin|cont, "b"), nil, 1002},
	{"fragmented close", frames(closeOp, "", fin|cont, ""), nil, 1002},
	{"continuation of nothing", frames(fin|cont, "x", fin|text, "a"), nil, 1002},
	{"unfinished continuation of nothing", frames(cont, "x"), nil, 1002},
	{"continuation after a whole message", frames(fin|text, "a", fin|cont, "b"), []string{"text a"}, 1002},
	{"continuation after the last", frames(text, "a", fin|cont, "b", cont, "c"), []string{"text ab"}, 1002},
	{"text inside a message", frames(text, "a", fin|text, "b"), nil, 1002},
	{"binary fragment inside a message", frames(text, "a", bin, "b"), nil, 1002},
	{"unfinished", frames(text, "a", cont, "b"), nil, 0},
}

var utf8Cases = []parserCase{
	{"valid", frames(fin|text, "Hello-µ@ßöäüàá-UTF-8!!"), []string{"text Hello-µ@ßöäüàá-UTF-8!!"}, 0},
	{"valid, cut between runes", frames(text, "Hello-µ@ßöä", fin|cont, "üàá-UTF-8!!"), []string{"text Hello-µ@ßöäüàá-UTF-8!!"}, 0},
	{"valid, cut inside runes", frames(text, kosme[:1], cont, kosme[1:3], cont, "", cont, kosme[3:4], fin|cont, kosme[4:]), []string{"text " + kosme}, 0},
	{"valid, cut with a ping inside the rune", frames(text, emoji[:2], fin|ping, "\xff", fin|cont, emoji[2:]), []string{"ping \xff", "text " + emoji}, 0},
	{"NUL and U+2028", frames(fin|text, "\x00\u2028"), []string{"text \x00\u2028"}, 0},
	{"noncharacters", frames(fin|text, "\uffff\ufffe\U0010ffff"), []string{"text \uffff\ufffe\U0010ffff"}, 0},
	{"surrogate", frames(fin|text, kosme+surrogate+"edited"), nil, 1007},
	{"surrogate in the first fragment", frames(text, kosme+surrogate, cont, "x"), nil, 1007},
	{"above U+10FFFF", frames(fin|text, overTop), nil, 1007},
	{"above U+10FFFF, cut", frames(text, overTop[:1], fin|cont, overTop[1:]), nil, 1007},
	{"overlong", frames(fin|text, overlong), nil, 1007},
	{"lone continuation byte", frames(fin|text, loneTail), nil, 1007},
	{"five continuation bytes", frames(fin|text, strings.Repeat(loneTail, 5)), nil, 1007},
	{"ends inside a rune", frames(fin|text, truncated4), nil, 1007},
	{"ends inside a rune, fragmented", frames(text, "a", fin|cont, truncated4), nil, 1007},
	{"ends inside a rune before an empty fragment", frames(text, truncated4, fin|cont, ""), nil, 1007},
	{"lead bytes alone", frames(fin|text, "\xc3 \xe2 \xf0 "), nil, 1007},
	{"0xff and 0xfe", frames(fin|text, "\xfe\xff"), nil, 1007},
	{"six-byte form", frames(fin|text, "\xfc\x83\xbf\xbf\xbf\xbf"), nil, 1007},
	{"the same in binary", frames(fin|bin, overTop+loneTail), []string{"binary " + overTop + loneTail}, 0},
	// Fail fast: the error comes before the frames and bytes that follow.
	{"fast, before a wrong frame", frames(text, surrogate, fin|rsv3|cont, ""), nil, 1007},
	{"fast, by the second byte of four", raw(fin|text, 10, 0, overTop[:2]), nil, 1007},
	{"fast, in an unfinished message", raw(text, 1000, 0, kosme+"\xff"), nil, 1007},
}

var closeCases = func() []parserCase {
	cases := []parserCase{
		{"empty", frames(fin|closeOp, ""), []string{"close 1005 "}, 0},
		{"one byte", frames(fin|closeOp, "\x03"), nil, 1002},
		{"code", frames(fin|closeOp, closeFrame(1000, "")), []string{"close 1000 "}, 0},
		{"reason", frames(fin|closeOp, closeFrame(1001, "going away")), []string{"close 1001 going away"}, 0},
		{"reason of 123", frames(fin|closeOp, closeFrame(1000, x(123))), []string{"close 1000 " + x(123)}, 0},
		{"reason of 124", frames(fin|closeOp, closeFrame(1000, x(124))), nil, 1002},
		{"reason not UTF-8", frames(fin|closeOp, closeFrame(1000, kosme+surrogate)), nil, 1007},
		{"reason cut inside a rune", frames(fin|closeOp, closeFrame(1000, truncated4)), nil, 1007},
		{"nothing follows", frames(fin|closeOp, closeFrame(1000, ""), fin|text, "a", fin|rsv3|ping, "", fin|closeOp, "\x03"), []string{"close 1000 "}, 0},
		{"inside a message", frames(text, "a", fin|closeOp, closeFrame(1000, "bye"), fin|cont, "b"), []string{"close 1000 bye"}, 0},
		{"close after a message and a ping", frames(fin|text, "a", fin|ping, "p", fin|closeOp, ""), []string{"text a", "ping p", "close 1005 "}, 0},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases = append(cases, parserCase{fmt.Sprintf("code %d", code), frames(fin|closeOp, closeFrame(uint16(code), "r")), []string{fmt.Sprintf("close %d r", code)}, 0})
	}
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65535} {
		cases = append(cases, parserCase{fmt.Sprintf("code %d", code), frames(fin|closeOp, closeFrame(uint16(code), "")), nil, 1002})
	}
	return cases
}()

var limitCases = []parserCase{
	{"one byte over the limit, from its header", raw(fin|bin, testMaxMessage+1, 0, ""), nil, 1009},
	{"the sum over the limit, from the second header", func(r Role) []byte {
		return append(frame(r, bin, "x"), frameOf(r, cont, testMaxMessage, 0, "")...)
	}, nil, 1009},
	{"2^63-1", raw(fin|bin, math.MaxInt64, 64, ""), nil, 1009},
	{"2^63", raw(fin|bin, 1<<63, 64, ""), nil, 1002},
	{"2^64-1", raw(fin|bin, math.MaxUint64, 64, ""), nil, 1002},
	{"a sum over 2^63", func(r Role) []byte {
		return append(frame(r, bin, "x"), frameOf(r, fin|cont, math.MaxInt64, 64, "")...)
	}, nil, 1009},
	{"as many fragments as allowed", frames(text, "1", cont, "2", cont, "3", cont, "4", cont, "5", cont, "6", cont, "7", fin|cont, "8"), []string{"text 12345678"}, 0},
	{"one fragment more", frames(text, "1", cont, "2", cont, "3", cont, "4", cont, "5", cont, "6", cont, "7", cont, "8", fin|cont, "9"), nil, 1008},
	{"one empty fragment more", frames(text, "", cont, "", cont, "", cont, "", cont, "", cont, "", cont, "", cont, "", cont, ""), nil, 1008},
	{"pings are not fragments", frames(text, "a", fin|ping, "", fin|ping, "", fin|ping, "", fin|ping, "", fin|ping, "", fin|ping, "", fin|ping, "", fin|cont, "b"),
		[]string{"ping ", "ping ", "ping ", "ping ", "ping ", "ping ", "ping ", "text ab"}, 0},
}

func deflated(s string) string { return string(Deflate(nil, []byte(s), 0)) }

// In this group permessage-deflate was negotiated.
var deflateCases = []parserCase{
	{"deflate: not compressed", frames(fin|text, "hello"), []string{"text hello"}, 0},
	{"deflate: text", frames(fin|rsv1|text, deflated("hello hello hello")), []string{"text hello hello hello"}, 0},
	{"deflate: sample of RFC 7692", frames(fin|rsv1|text, "\xf2\x48\xcd\xc9\xc9\x07\x00"), []string{"text Hello"}, 0},
	{"deflate: stored block of RFC 7692", frames(fin|rsv1|text, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), []string{"text Hello"}, 0},
	{"deflate: final block of RFC 7692", frames(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), []string{"text Hello"}, 0},
	{"deflate: final block, nothing behind", frames(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00"), []string{"text Hello"}, 0},
	{"deflate: two blocks of RFC 7692", frames(fin|rsv1|text, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), []string{"text Hello"}, 0},
	{"deflate: two streams", frames(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00"), []string{"text HelloHello"}, 0},
	{"deflate: empty", frames(fin|rsv1|text, deflated("")), []string{"text "}, 0},
	{"deflate: no bytes at all", frames(fin|rsv1|bin, ""), []string{"binary "}, 0},
	{"deflate: fragments", frames(rsv1|text, "\xf2\x48\xcd", fin|ping, "p", cont, "", fin|cont, "\xc9\xc9\x07\x00"), []string{"ping p", "text Hello"}, 0},
	{"deflate: then plain", frames(fin|rsv1|bin, deflated("a"), fin|text, "b", text, "c", fin|cont, "d"), []string{"binary a", "text b", "text cd"}, 0},
	{"deflate: RSV1 on a continuation", frames(rsv1|text, "\xf2\x48\xcd", fin|rsv1|cont, "\xc9\xc9\x07\x00"), nil, 1002},
	{"deflate: RSV1 on a ping", frames(fin|rsv1|ping, ""), nil, 1002},
	{"deflate: RSV2", frames(fin|rsv1|rsv2|text, ""), nil, 1002},
	{"deflate: rubbish", frames(fin|rsv1|text, "\xff\xff\xff\xff"), nil, 1007},
	{"deflate: truncated", frames(fin|rsv1|text, deflated("hello hello hello")[:5]), nil, 1007},
	{"deflate: 17 streams", frames(fin|rsv1|bin, strings.Repeat("\x03\x00", 17)), nil, 1007},
	{"deflate: not UTF-8", frames(fin|rsv1|text, deflated(surrogate)), nil, 1007},
	{"deflate: as large as allowed", frames(fin|rsv1|text, deflated(x(testMaxMessage))), []string{"text " + x(testMaxMessage)}, 0},
	{"deflate: one byte more", frames(fin|rsv1|text, deflated(x(testMaxMessage+1))), nil, 1009},
	{"deflate: compressed size over the limit", raw(fin|rsv1|bin, testMaxMessage*2, 0, ""), nil, 1009},
}

// parse feeds wire to a new parser in the given chunks, without keeping it, and
// renders what it reports.
func parse(t testing.TB, c *Config, deflate bool, chunks ...[]byte) (events []string, code int) {
	t.Helper()
	var p Parser
	p.Init(c, deflate)
	for _, chunk := range chunks {
		whole := bytes.Clone(chunk)
		b := whole
		for {
			ev, n, err := p.Next(b)
			if err != nil {
				var violation *ProtocolError
				if !errors.As(err, &violation) || len(violation.Reason) > 123 {
					t.Fatalf("error %v is not fit for a close frame", err)
				}
				if _, _, again := p.Next(b); again != err || p.Buffered() != 0 {
					t.Fatalf("after %v came %v with %d bytes held", err, again, p.Buffered())
				}
				return events, violation.Code
			}
			if ev.Kind == None {
				if n != len(b) {
					t.Fatalf("no event, but %d of %d bytes were left", len(b)-n, len(b))
				}
				break
			}
			events = append(events, render(ev))
			if len(events) > 1<<20 {
				t.Fatal("events without end")
			}
			b = b[n:]
		}
		clear(whole) // the owner reuses its buffer: nothing may be kept of it
	}
	return events, 0
}

func render(ev Event) string {
	switch ev.Kind {
	case Close:
		return fmt.Sprintf("close %d %s", ev.Code, ev.Data)
	default:
		return map[Kind]string{Text: "text ", Binary: "binary ", Ping: "ping ", Pong: "pong "}[ev.Kind] + string(ev.Data)
	}
}

func TestFault_W01_ParserCases(t *testing.T) {
	for _, tc := range parserCases {
		for _, role := range []Role{Server, Client} {
			t.Run(fmt.Sprintf("%s/%s", []string{"server", "client"}[role], tc.name), func(t *testing.T) {
				wire := tc.stream(role)
				deflate := strings.HasPrefix(tc.name, "deflate")
				check := func(how string, chunks ...[]byte) {
					t.Helper()
					got, code := parse(t, testConfig(role), deflate, chunks...)
					if !slices.Equal(got, tc.want) || code != tc.code {
						t.Fatalf("%s: got %.200q and %d, want %.200q and %d", how, got, code, tc.want, tc.code)
					}
				}
				check("whole", wire)
				check("byte by byte", slices.Collect(slices.Chunk(wire, 1))...)
				step := max(1, len(wire)/2000)
				for cut := 0; cut <= len(wire); cut += step {
					check(fmt.Sprintf("cut at %d", cut), wire[:cut], wire[cut:])
				}
				if len(wire) < 64 {
					for i := range wire {
						for j := i; j < len(wire); j++ {
							check(fmt.Sprintf("cut at %d and %d", i, j), wire[:i], wire[i:j], wire[j:])
						}
					}
				}
			})
		}
	}
}

// Large messages have their own test: every cut of the header, and some of the
// payload.
func TestLongMessages(t *testing.T) {
	for _, n := range []int{126, long16, long64, testMaxMessage} {
		for _, role := range []Role{Server, Client} {
			payload := strings.Repeat("0123456789abcdefg", n/17+1)[:n]
			wire := frame(role, fin|text, payload)
			want := []string{"text " + payload}
			cuts := []int{len(wire) / 2, len(wire) - 5, len(wire) - 1, len(wire)}
			for i := range maxHeader + 5 {
				cuts = append(cuts, i)
			}
			for _, cut := range cuts {
				if got, code := parse(t, testConfig(role), false, wire[:cut], wire[cut:]); !slices.Equal(got, want) || code != 0 {
					t.Fatalf("%d bytes cut at %d: wrong message, code %d", n, cut, code)
				}
			}
			for _, size := range []int{1, 7, 1000, 4096} {
				if got, code := parse(t, testConfig(role), false, slices.Collect(slices.Chunk(wire, size))...); !slices.Equal(got, want) || code != 0 {
					t.Fatalf("%d bytes in chunks of %d: wrong message, code %d", n, size, code)
				}
			}
		}
	}
}

// A sum of lengths, or a length, that overflows a counter must end the
// connection, in a parser without a limit too.
func TestSec_S40_LengthsThatOverflow(t *testing.T) {
	for _, limit := range []int64{1, 1 << 20, math.MaxInt64 - 1, math.MaxInt64} {
		for _, role := range []Role{Server, Client} {
			for _, first := range []byte{fin | bin, bin} {
				for _, length := range []uint64{math.MaxInt64 - 1, math.MaxInt64, 1 << 63, 1<<63 + 1, math.MaxUint64 - 1, math.MaxUint64} {
					for _, compressed := range []byte{0, rsv1} {
						c := &Config{Role: role, MaxMessage: limit, NewInflater: NewInflater}
						header := frameOf(role, first|compressed, length, 64, "")
						wire := append(frame(role, bin|compressed, "x"), frameOf(role, cont, length, 64, "")...)
						for _, stream := range [][]byte{header, wire} {
							var p Parser
							p.Init(c, true)
							ev, n, err := p.Next(slices.Concat(stream, []byte("payload")))
							if ev.Kind != None || n > len(stream)+len("payload") || p.Buffered() > len("xpayload") {
								t.Fatalf("limit %d, length %d: got %+v, %d read, %d held", limit, length, ev, n, p.Buffered())
							}
							room := uint64(limit)
							if len(stream) > len(header) {
								room--
							}
							if compressed != 0 {
								room = uint64(p.maxWire(true)) - (uint64(limit) - room)
							}
							if (err != nil) != (length > room) {
								t.Fatalf("limit %d, length %d: got error %v", limit, length, err)
							}
						}
					}
				}
			}
		}
	}
}

func TestSec_S51_ControlFramesAreSmallAndWhole(t *testing.T) {
	for _, op := range []byte{closeOp, ping, pong} {
		for _, wire := range [][]byte{
			frame(Server, op, ""), frame(Server, op, "x"),
			frame(Server, fin|op, x(126)),
			frameOf(Server, fin|op, 126, 16, ""), frameOf(Server, fin|op, 1, 16, ""),
			frameOf(Server, fin|op, 1<<16, 64, ""), frameOf(Server, fin|op, math.MaxUint64, 64, ""),
		} {
			// The first two bytes are enough to tell.
			if _, code := parse(t, testConfig(Server), false, wire[:2]); code != 1002 {
				t.Errorf("% x: got %d, want 1002", wire[:2], code)
			}
		}
	}
}

// The header alone decides, before any payload is there to be held.
func TestFault_W02_TooLongIsKnownFromTheHeader(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		for _, first := range []byte{fin | text, text, fin | bin, bin} {
			wire := frameOf(role, first, testMaxMessage+1, 0, "")
			if _, code := parse(t, testConfig(role), false, wire[:10]); code != 1009 {
				t.Errorf("% x: got %d, want 1009", wire, code)
			}
		}
	}
	var p Parser
	p.Init(&Config{}, false)
	if _, _, err := p.Next(frameOf(Server, fin|bin, DefaultMaxMessage, 0, "")); err != nil {
		t.Errorf("a message as long as the default limit: %v", err)
	}
	p.Init(&Config{}, false)
	var violation *ProtocolError
	_, _, err := p.Next(frameOf(Server, fin|bin, DefaultMaxMessage+1, 0, ""))
	if !errors.As(err, &violation) || violation.Code != 1009 || violation.Error() != "websocket: a message of more than 1000000 bytes (close code 1009)" {
		t.Errorf("a message longer than the default limit: %v", err)
	}
}

// An announced length costs nothing until its bytes arrive.
func TestFault_W02_MemoryFollowsWhatArrives(t *testing.T) {
	var p Parser
	p.Init(&Config{MaxMessage: 1 << 40}, false)
	wire := frameOf(Server, fin|bin, 1<<39, 0, "")
	for arrived := 0; arrived < 1<<20; {
		if ev, n, err := p.Next(wire); ev.Kind != None || n != len(wire) || err != nil {
			t.Fatalf("after %d bytes: %+v, %d, %v", arrived, ev, n, err)
		}
		if p.Buffered() != arrived || cap(p.buf) > 2*arrived {
			t.Fatalf("%d bytes are held in %d after %d arrived", p.Buffered(), cap(p.buf), arrived)
		}
		wire = make([]byte, 1+arrived/3)
		arrived += len(wire)
	}

	// A frame's own length bounds the buffer too: no doubling at its end.
	p.Init(&Config{MaxMessage: 1 << 40}, false)
	wire = frameOf(Server, fin|bin, 1000, 0, x(999))
	if p.Next(wire); cap(p.buf) != 1000 {
		t.Errorf("999 bytes of 1000 are held in %d", cap(p.buf))
	}
	if ev, _, err := p.Next([]byte{'y'}); len(ev.Data) != 1000 || err != nil || p.partial != nil {
		t.Errorf("the last byte made %d bytes, error %v; it holds %v", len(ev.Data), err, p.partial)
	}
}

func TestSec_S44_TinyFragments(t *testing.T) { TestFault_W03_TinyFragments(t) }

func TestFault_W03_TinyFragments(t *testing.T) {
	for _, payload := range []string{"", "x"} {
		var p Parser
		p.Init(&Config{}, false)
		wire := frame(Server, bin, payload)
		frames, code := 0, 0
		for frames < 300_000 && code == 0 {
			_, _, err := p.Next(bytes.Clone(wire))
			if err != nil {
				code = err.(*ProtocolError).Code
				break
			}
			frames++
			if cap(p.buf) > 64<<10 {
				t.Fatalf("%d fragments of %d bytes are held in %d", frames, len(payload), cap(p.buf))
			}
			wire = frame(Server, cont, payload)
		}
		if frames != DefaultMaxFragments || code != 1008 || p.buf != nil {
			t.Errorf("fragments of %d bytes ended after %d with %d; the buffer is %v", len(payload), frames, code, p.buf)
		}
	}
}

// Control frames that arrive in pieces share the buffer of the message around
// them; they must not make it grow.
func TestFault_W03_SplitPingsInsideAMessage(t *testing.T) {
	var p Parser
	p.Init(testConfig(Server), false)
	p.Next(frame(Server, text, "abc"))
	for range 10_000 {
		wire := frame(Server, fin|ping, x(125))
		p.Next(wire[:50])
		if ev, _, err := p.Next(wire[50:]); ev.Kind != Ping || string(ev.Data) != x(125) || err != nil {
			t.Fatalf("got %+v, %v", ev, err)
		}
		if cap(p.buf) > 512 || p.Buffered() != 3 {
			t.Fatalf("%d bytes are held in %d", p.Buffered(), cap(p.buf))
		}
	}
	if ev, _, err := p.Next(frame(Server, fin|cont, "def")); string(ev.Data) != "abcdef" || err != nil {
		t.Fatalf("got %+v, %v", ev, err)
	}
}

func TestWholeMessageIsNotCopied(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		for _, payload := range []string{"", "4hello", x(200), x(long64)} {
			wire := frame(role, fin|text, payload)
			b := bytes.Clone(wire)
			var p Parser
			p.Init(testConfig(role), false)
			allocs := testing.AllocsPerRun(10, func() {
				copy(b, wire)
				ev, n, err := p.Next(b)
				if ev.Kind != Text || n != len(b) || err != nil || string(ev.Data) != payload {
					t.Fatalf("got %v, %d, %v", ev.Kind, n, err)
				}
				if len(ev.Data) > 0 && &ev.Data[0] != &b[len(b)-len(payload)] {
					t.Fatal("the message was moved")
				}
			})
			if allocs != 0 {
				t.Errorf("%d bytes: %v allocations", len(payload), allocs)
			}
		}
	}
}

// Appending to Data must not write over the frames behind it.
func TestDataIsClipped(t *testing.T) {
	var p Parser
	p.Init(testConfig(Client), false)
	wire := append(frame(Client, fin|text, "a"), frame(Client, fin|text, "b")...)
	ev, n, _ := p.Next(wire)
	_ = append(ev.Data, "overwritten"...)
	if ev, _, err := p.Next(wire[n:]); string(ev.Data) != "b" || err != nil {
		t.Errorf("the second message became %q, %v", ev.Data, err)
	}
}

// FuzzParser: however the bytes are cut, the events and the error are the same,
// and what is held never outgrows what has arrived, nor the limits.
func FuzzParser(f *testing.F) {
	for i, tc := range parserCases {
		for _, role := range []Role{Server, Client} {
			if wire := tc.stream(role); len(wire) < 4096 {
				f.Add(wire, role == Client, strings.HasPrefix(tc.name, "deflate"), uint64(i))
			}
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, client, deflate bool, seed uint64) {
		role := Server
		if client {
			role = Client
		}
		c := &Config{Role: role, MaxMessage: 4096, MaxFragments: 8, NewInflater: NewInflater}
		want, wantCode := parse(t, c, deflate, wire)
		got, code := parse(t, c, deflate, slices.Collect(slices.Chunk(wire, 1))...)
		if !slices.Equal(got, want) || code != wantCode {
			t.Fatalf("byte by byte %q and %d, whole %q and %d", got, code, want, wantCode)
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		var chunks [][]byte
		for rest := wire; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		got, code = parse(t, c, deflate, chunks...)
		if !slices.Equal(got, want) || code != wantCode {
			t.Fatalf("in chunks %q and %d, whole %q and %d", got, code, want, wantCode)
		}

		var p Parser
		p.Init(c, deflate)
		arrived := 0
		for _, chunk := range chunks {
			arrived += len(chunk)
			for b := bytes.Clone(chunk); ; {
				ev, n, err := p.Next(b)
				held := 0
				if p.partial != nil {
					held = cap(p.buf)
				}
				if held > 2*arrived || held > 2*(int(p.maxWire(true))+maxControl) {
					t.Fatalf("%d bytes are held in %d after %d arrived", p.Buffered(), held, arrived)
				}
				if len(ev.Data) > 4096 {
					t.Fatalf("a message of %d bytes", len(ev.Data))
				}
				if b = b[n:]; ev.Kind == None || err != nil {
					break
				}
			}
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, bc := range []struct {
		name  string
		role  Role
		wire  []byte
		chunk int
	}{
		{"server/32B", Server, frame(Server, fin|text, x(32)), 1 << 20},
		{"server/1KB", Server, frame(Server, fin|text, x(1024)), 1 << 20},
		{"server/64KB", Server, frame(Server, fin|text, x(65536)), 1 << 20},
		{"client/1KB", Client, frame(Client, fin|text, x(1024)), 1 << 20},
		{"server/ping", Server, frame(Server, fin|ping, ""), 1 << 20},
		{"server/64KB in 4KB", Server, frame(Server, fin|text, x(65536)), 4096},
		{"server/1KB in 2 fragments", Server, append(frame(Server, text, x(512)), frame(Server, fin|cont, x(512))...), 1 << 20},
		{"server/deflate 1KB", Server, frame(Server, fin|rsv1|text, deflated(strings.Repeat(`{"some":"json"}`, 70)[:1024])), 1 << 20},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var p Parser
			p.Init(&Config{Role: bc.role, NewInflater: NewInflater}, true)
			buf := make([]byte, len(bc.wire))
			b.SetBytes(int64(len(bc.wire)))
			b.ReportAllocs()
			for b.Loop() {
				copy(buf, bc.wire)
				for rest := buf; len(rest) > 0; {
					_, n, err := p.Next(rest[:min(len(rest), bc.chunk)])
					if err != nil {
						b.Fatal(err)
					}
					rest = rest[n:]
				}
			}
		})
	}
}

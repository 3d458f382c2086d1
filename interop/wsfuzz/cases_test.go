package wsfuzz

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A testCase is what a client sends and what comes back. The server sends
// every message back; it is an Engine.IO server, so that texts begin with "4".
type testCase struct {
	name string
	wire string   // frames of a client
	want []string // in the order they come: "text …", "binary …", "pong …"
	end  int      // the code of the close frame that comes then; 0: none, the connection stays open
	chop int      // bytes per write; 0: all at once
}

// group is a group of the Autobahn suite, by its number there.
type group struct {
	name  string
	cases []testCase
}

// The first bytes of frames: FIN and opcode.
const (
	fin          = 0x80
	continuation = 0x00
	textFrame    = 0x01
	binaryFrame  = 0x02
	closeFrame   = 0x08
	pingFrame    = 0x09
	pongFrame    = 0x0A
)

// frame returns a masked frame. The key is always the same, so that the
// fuzzer's mutations stay readable.
func frame(first byte, payload string) string {
	b := header(first, uint64(len(payload)))
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return string(b)
}

var key = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// header returns a masked frame's header with a length in the fewest bytes.
func header(first byte, n uint64) []byte {
	b := []byte{first, 0x80}
	switch {
	case n < 126:
		b[1] |= byte(n)
	case n <= 0xffff:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return append(b, key[:]...)
}

// fragments returns a message in fragments.
func fragments(op byte, parts ...string) string {
	var b strings.Builder
	for i, part := range parts {
		first := op
		if i > 0 {
			first = continuation
		}
		if i == len(parts)-1 {
			first |= fin
		}
		b.WriteString(frame(first, part))
	}
	return b.String()
}

func closing(code int, reason string) string {
	return frame(fin|closeFrame, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// pieces cuts s into pieces of n bytes.
func pieces(s string, n int) (parts []string) {
	for part := range slices.Chunk([]byte(s), n) {
		parts = append(parts, string(part))
	}
	return parts
}

const (
	maxMessage = 1 << 20
	greek      = "4\u03ba\u1f79\u03c3\u03bc\u03b5" // five letters of two and three bytes
)

func cases() []group {
	var all []group
	add := func(name string, cases ...testCase) { all = append(all, group{name, cases}) }

	var framing []testCase
	for _, n := range []int{1, 125, 126, 127, 128, 65535, 65536} {
		message := "4" + strings.Repeat("*", n-1)
		framing = append(framing,
			testCase{name: fmt.Sprintf("text of %d bytes", n), wire: frame(fin|textFrame, message), want: []string{"text " + message}},
			testCase{name: fmt.Sprintf("binary of %d bytes", n), wire: frame(fin|binaryFrame, message), want: []string{"binary " + message}},
		)
	}
	long := "4" + strings.Repeat("*", 65535)
	framing = append(framing,
		testCase{name: "text of 65536 bytes, in segments of 997", wire: frame(fin|textFrame, long), want: []string{"text " + long}, chop: 997},
		testCase{name: "empty binary", wire: frame(fin|binaryFrame, ""), want: []string{"binary "}},
		testCase{name: "length of 1 in 16 bits", wire: "\x81\xfe\x00\x01" + string(key[:]) + "4", end: 1002},
		testCase{name: "length of 1 in 64 bits", wire: "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01" + string(key[:]) + "4", end: 1002},
		testCase{name: "not masked", wire: "\x81\x024x", end: 1002},
	)
	add("1 framing", framing...)

	ten, tenPongs := "", []string(nil)
	for i := range 10 {
		ten += frame(fin|pingFrame, fmt.Sprint("ping ", i))
		tenPongs = append(tenPongs, fmt.Sprint("pong ping ", i))
	}
	add("2 pings and pongs",
		testCase{name: "empty ping", wire: frame(fin|pingFrame, ""), want: []string{"pong "}},
		testCase{name: "ping", wire: frame(fin|pingFrame, "hello"), want: []string{"pong hello"}},
		testCase{name: "binary ping", wire: frame(fin|pingFrame, "\x00\xff\xfe\xfd"), want: []string{"pong \x00\xff\xfe\xfd"}},
		testCase{name: "ping of 125 bytes", wire: frame(fin|pingFrame, strings.Repeat("p", 125)), want: []string{"pong " + strings.Repeat("p", 125)}},
		testCase{name: "ping of 126 bytes", wire: frame(fin|pingFrame, strings.Repeat("p", 126)), end: 1002},
		testCase{name: "ping, byte by byte", wire: frame(fin|pingFrame, strings.Repeat("p", 125)), want: []string{"pong " + strings.Repeat("p", 125)}, chop: 1},
		testCase{name: "pong nobody asked for", wire: frame(fin|pongFrame, "hello") + frame(fin|textFrame, "4x"), want: []string{"text 4x"}},
		testCase{name: "ping behind such a pong", wire: frame(fin|pongFrame, "hello") + frame(fin|pingFrame, "x"), want: []string{"pong x"}},
		testCase{name: "ten pings, byte by byte", wire: ten, want: tenPongs, chop: 1},
	)

	var reserved []testCase
	for bits := range byte(8) {
		if bits == 0 {
			continue
		}
		for _, op := range []byte{textFrame, pingFrame, closeFrame} {
			reserved = append(reserved, testCase{
				name: fmt.Sprintf("bits %03b with opcode %d", bits, op),
				wire: frame(fin|textFrame, "4x") + frame(fin|bits<<4|op, ""), want: []string{"text 4x"}, end: 1002,
			})
		}
	}
	add("3 reserved bits", reserved...)

	var opcodes []testCase
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		opcodes = append(opcodes,
			testCase{name: fmt.Sprintf("opcode %d, empty", op), wire: frame(fin|op, ""), end: 1002},
			testCase{name: fmt.Sprintf("opcode %d between messages", op), wire: frame(fin|textFrame, "4x") + frame(fin|op, "y") + frame(fin|textFrame, "4z"), want: []string{"text 4x"}, end: 1002},
		)
	}
	add("4 opcodes", opcodes...)

	add("5 fragments",
		testCase{name: "ping in two fragments", wire: frame(pingFrame, "a") + frame(fin|continuation, "b"), end: 1002},
		testCase{name: "pong in two fragments", wire: frame(pongFrame, "a") + frame(fin|continuation, "b"), end: 1002},
		testCase{name: "text in two", wire: fragments(textFrame, "4a", "b"), want: []string{"text 4ab"}},
		testCase{name: "text in two, byte by byte", wire: fragments(textFrame, "4a", "b"), want: []string{"text 4ab"}, chop: 1},
		testCase{name: "binary in two", wire: fragments(binaryFrame, "a", "b"), want: []string{"binary ab"}},
		testCase{name: "three, all but the first empty", wire: fragments(textFrame, "4", "", ""), want: []string{"text 4"}},
		testCase{name: "three, the middle one not empty", wire: fragments(textFrame, "", "4x", ""), want: []string{"text 4x"}},
		testCase{name: "a ping between", wire: frame(textFrame, "4a") + frame(fin|pingFrame, "p") + frame(fin|continuation, "b"), want: []string{"pong p", "text 4ab"}},
		testCase{name: "a ping between, byte by byte", wire: frame(textFrame, "4a") + frame(fin|pingFrame, "p") + frame(fin|continuation, "b"), want: []string{"pong p", "text 4ab"}, chop: 1},
		testCase{name: "pings between many", wire: frame(textFrame, "4a") + frame(continuation, "b") + frame(fin|pingFrame, "p") + frame(continuation, "c") + frame(continuation, "d") + frame(fin|pingFrame, "q") + frame(fin|continuation, "e"),
			want: []string{"pong p", "pong q", "text 4abcde"}, chop: 1},
		testCase{name: "the end of nothing", wire: frame(fin|continuation, "x") + frame(fin|textFrame, "4y"), end: 1002},
		testCase{name: "the middle of nothing", wire: frame(continuation, "x") + frame(fin|textFrame, "4y"), end: 1002},
		testCase{name: "the end of nothing, between messages", wire: frame(fin|textFrame, "4x") + frame(fin|continuation, "y"), want: []string{"text 4x"}, end: 1002},
		testCase{name: "a message inside a message", wire: frame(textFrame, "4a") + frame(fin|textFrame, "4b"), end: 1002},
		testCase{name: "the beginning of one inside", wire: frame(textFrame, "4a") + frame(binaryFrame, "b"), end: 1002},
		testCase{name: "a close between", wire: frame(textFrame, "4a") + closing(1000, "") + frame(fin|continuation, "b"), end: 1000},
	)

	add("6 UTF-8", encodings()...)

	closes := []testCase{
		{name: "close without a code", wire: frame(fin|closeFrame, ""), end: 1005},
		{name: "close behind a message", wire: frame(fin|textFrame, "4x") + closing(1000, "bye"), want: []string{"text 4x"}, end: 1000},
		{name: "close twice", wire: closing(1000, "") + closing(1001, ""), end: 1000},
		{name: "ping behind a close", wire: closing(1000, "") + frame(fin|pingFrame, "x"), end: 1000},
		{name: "message behind a close", wire: closing(1000, "") + frame(fin|textFrame, "4x"), end: 1000},
		{name: "a reason of 123 bytes", wire: closing(1000, strings.Repeat("*", 123)), end: 1000},
		{name: "a reason of 124 bytes", wire: closing(1000, strings.Repeat("*", 124)), end: 1002},
		{name: "one byte", wire: frame(fin|closeFrame, "\x03"), end: 1002},
		{name: "a reason that is not UTF-8", wire: closing(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"), end: 1007},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999} {
		closes = append(closes, testCase{name: fmt.Sprintf("code %d", code), wire: closing(code, "bye"), end: code})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		closes = append(closes, testCase{name: fmt.Sprintf("code %d, which may not be sent", code), wire: closing(code, "bye"), end: 1002})
	}
	add("7 closing", closes...)

	var limits []testCase
	for _, n := range []int{64 << 10, 256 << 10, maxMessage} {
		m := strings.Repeat("*", n)
		limits = append(limits,
			testCase{name: fmt.Sprintf("binary of %d bytes", n), wire: frame(fin|binaryFrame, m), want: []string{"binary " + m}},
			testCase{name: fmt.Sprintf("%d bytes in fragments of 4096", n), wire: fragments(binaryFrame, pieces(m, 4096)...), want: []string{"binary " + m}},
		)
	}
	many := strings.Repeat("*", 64<<10)
	limits = append(limits,
		testCase{name: "one byte too many", wire: string(header(fin|binaryFrame, maxMessage+1)), end: 1009},
		testCase{name: "one byte too many in fragments", wire: frame(binaryFrame, many) + string(header(fin, maxMessage-uint64(len(many))+1)), end: 1009},
		testCase{name: "2^63-1 bytes", wire: string(header(fin|binaryFrame, 1<<63-1)), end: 1009},
		testCase{name: "2^63 bytes", wire: string(header(fin|binaryFrame, 1<<63)), end: 1002},
		testCase{name: "fragments of 64 bytes", wire: fragments(binaryFrame, pieces(many, 64)...), want: []string{"binary " + many}},
		testCase{name: "segments of 64 bytes", wire: frame(fin|binaryFrame, many), want: []string{"binary " + many}, chop: 64},
	)
	add("9 limits", limits...)
	return all
}

// encodings are valid and invalid texts, each as one frame, as two fragments
// cut in the middle, and byte by byte.
func encodings() (cases []testCase) {
	add := func(name, text string, valid bool) {
		half := len(text) - 1
		for suffix, wire := range map[string]string{
			"":                 frame(fin|textFrame, text),
			", in two":         fragments(textFrame, text[:half], text[half:]),
			", byte fragments": fragments(textFrame, pieces(text, 1)...),
		} {
			c := testCase{name: name + suffix, wire: wire, end: 1007}
			if valid {
				c.want, c.end = []string{"text " + text}, 0
			}
			cases = append(cases, c)
		}
	}
	for _, text := range []string{
		greek, "4Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!", "4\x00", "4\x7f", "4\u0080", "4\u07ff", "4\u0800", "4\ud7ff", "4\ue000",
		"4\ufffd", "4\ufffe", "4\uffff", "4\U00010000", "4\U0001fffe", "4\U0010ffff", "4\U0001f600\U0001f600",
	} {
		add(fmt.Sprintf("%+q", text), text, true)
	}
	for _, text := range []string{
		greek + "\xed\xa0\x80edited", greek + "\xf4\x90\x80\x80edited",
		"4\x80", "4\xbf", "4\x80\xbf", "4\xc0\xaf", "4\xc1\xbf", "4\xe0\x80\xaf", "4\xe0\x9f\xbf", "4\xf0\x80\x80\xaf", "4\xf0\x8f\xbf\xbf",
		"4\xf8\x88\x80\x80\x80", "4\xfc\x84\x80\x80\x80\x80", "4\xfe", "4\xff", "4\xfe\xfe\xff\xff", "4\xc2", "4\xe1\xbd", "4\xf0\x90\x80", "4\xc3 ",
		"4\xe1\xbd ", "4\xed\xa0\x80", "4\xed\xad\xbf", "4\xed\xbf\xbf", "4\xed\xa0\x80\xed\xb0\x80", "4\xf4\x90\x80\x80", "4\xf7\xbf\xbf\xbf",
	} {
		add(fmt.Sprintf("%+q", text), text, false)
	}
	cases = append(cases,
		testCase{name: "refused at once, in the middle of a frame", wire: string(header(textFrame, 100)) + mask(greek+"\xf4\x90"), end: 1007},
		testCase{name: "binary is any bytes", wire: frame(fin|binaryFrame, "\xff\xfe"), want: []string{"binary \xff\xfe"}},
	)
	return cases
}

// mask returns the beginning of a frame's payload.
func mask(payload string) string { return frame(0, payload)[6:] }

func TestCases(t *testing.T) {
	addr := startEcho(t, nil)
	for _, library := range libraries {
		for _, g := range cases() {
			for _, c := range g.cases {
				t.Run(library.name+"/"+g.name+"/"+c.name, func(t *testing.T) {
					t.Parallel()
					check(t, library, addr, c)
				})
			}
		}
	}
}

func check(t *testing.T, library library, addr string, c testCase) {
	conn, err := library.dial(t.Context(), addr, false)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	// Ends with the writes or the connection, which check closes.
	go func() {
		chop := c.chop
		if chop == 0 {
			chop = len(c.wire)
		}
		for segment := range slices.Chunk([]byte(c.wire), chop) {
			if _, err := conn.raw().Write(segment); err != nil {
				return
			}
			if len(c.wire)/chop < 2000 && chop < len(c.wire) {
				time.Sleep(10 * time.Microsecond) // for a segment of its own, mostly
			}
		}
		if c.end == 0 { // shows that the connection is still there, and ends the reading
			conn.raw().Write([]byte(frame(fin|binaryFrame, last)))
		}
	}()
	var got []string
	for {
		event, code, err := conn.read()
		if err != nil {
			t.Fatalf("after %.200q: %v", got, err)
		}
		if code != 0 {
			if code != c.end {
				t.Errorf("closed with %d, want %d", code, c.end)
			}
			break
		}
		if event == "binary "+last {
			break
		}
		if !strings.HasPrefix(event, `text 0{"sid"`) {
			got = append(got, event)
		}
	}
	if want := c.want; !slices.Equal(latestPongs(got), latestPongs(want)) {
		t.Errorf("got %.300q\nwant %.300q", got, want)
	}
}

// last is a message that no case sends.
const last = "the end"

// latestPongs drops all but the last of several pongs in a row: a server may
// answer the latest ping only (RFC 6455, section 5.5.3), and ours does when
// they come faster than the answers leave.
func latestPongs(events []string) (kept []string) {
	for i, e := range events {
		if i+1 < len(events) && strings.HasPrefix(e, "pong ") && strings.HasPrefix(events[i+1], "pong ") {
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

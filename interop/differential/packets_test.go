package differential

import (
	"encoding/base64"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/interop/internal/node"
	"github.com/siogo/sio/socketio/sioparser"
)

var packets = flag.Int("packets", 30_000, "how many packets are generated for each kind")

// A kind is one form of packets, in which both sides decode the same bytes.
type kind struct {
	name     string
	generate func(g *packetGenerator) []byte
	decode   func(wire []byte) (verdict []string, err error)
	// stricter says why we may refuse what the reference takes for theirs: a
	// number of docs/differences.md and some words, or "" where we may not.
	// There is no reason to accept what it refuses, or to take it for something
	// else.
	stricter func(wire []byte, theirs []string) string
}

const batch = 500

// TestPackets decodes generated packets with the parsers of the reference and
// with ours: the same verdict and the same contents, but for the numbered
// differences.
func TestPackets(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			p := node.Start(t, "../js", "packets.mjs")
			g := &packetGenerator{rand.New(rand.NewPCG(*seed, 0))}
			explained, accepted, wrong := map[string]int{}, 0, 0
			for done := 0; done < *packets; done += batch {
				wires := make([][]byte, batch)
				for i := range wires {
					wires[i] = k.generate(g)
				}
				if err := p.Write(map[string]any{"kind": k.name, "packets": wires}); err != nil {
					t.Fatal(err)
				}
				var theirs [][]string
				if err := p.Read(&theirs); err != nil || len(theirs) != batch {
					t.Fatalf("the reference answered %d of %d packets: %v", len(theirs), batch, err)
				}
				for i, wire := range wires {
					ours, err := k.decode(wire)
					reason := ""
					switch refused := err != nil; {
					case refused && theirs[i] == nil:
						continue
					case !refused && theirs[i] != nil && slices.Equal(ours, theirs[i]):
						accepted++
						continue
					case refused && theirs[i] != nil:
						reason = k.stricter(wire, theirs[i])
					}
					if reason != "" {
						explained[reason]++
						continue
					}
					if wrong++; wrong <= 20 {
						t.Errorf("%.200q: ours %.200q (%v), theirs %.200q", wire, ours, err, theirs[i])
					}
				}
			}
			t.Logf("%d packets, %d accepted by both alike, differences: %v", *packets, accepted, explained)
			if wrong > 0 || accepted < *packets/10 {
				t.Errorf("%d unexplained differences; %d packets accepted by both", wrong, accepted)
			}
		})
	}
}

var kinds = []kind{
	{"engine 4 text", (*packetGenerator).engineText, func(wire []byte) ([]string, error) {
		p, err := eioparser.DecodeText(eioparser.V4, wire)
		return []string{describePacket(p)}, err
	}, textStricter},
	{"engine 4 payload", (*packetGenerator).enginePayload, func(wire []byte) ([]string, error) {
		return describePackets(eioparser.DecodePayload(eioparser.V4, wire, 1000))
	}, payloadStricter},
	{"engine 3 payload", (*packetGenerator).engineLengths, func(wire []byte) ([]string, error) {
		return describePackets(eioparser.DecodePayload(eioparser.V3, wire, 1000))
	}, lengthsStricter},
	{"socket JSON", (*packetGenerator).socketJSON, func(wire []byte) ([]string, error) {
		return describeSocket(sioparser.JSON(nil).NewDecoder(nil).Add(wire, false))
	}, socketStricter},
}

var engineTypes = []string{"open", "close", "ping", "pong", "message", "upgrade", "noop"}

func describePacket(p eioparser.Packet) string {
	name := engineTypes[p.Type]
	switch {
	case p.Binary:
		return fmt.Sprintf("%s binary %x", name, p.Data)
	case len(p.Data) == 0:
		return name
	}
	return name + " text " + string(p.Data)
}

func describePackets(all []eioparser.Packet, err error) (out []string, _ error) {
	for _, p := range all {
		out = append(out, describePacket(p))
	}
	return out, err
}

func describeSocket(p sioparser.Packet, ok bool, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	id := "-"
	if p.HasID {
		id = fmt.Sprint(p.ID)
	}
	if !ok {
		return []string{"waits"}, nil
	}
	payload := "nothing"
	switch p.Type {
	case sioparser.Event, sioparser.Ack:
		payload = fmt.Sprint(p.Args.Len())
	case sioparser.Connect, sioparser.ConnectError:
		if p.Args.Len() > 0 {
			payload = "a value"
		}
	}
	return []string{fmt.Sprintf("%d %s %s %s", p.Type, p.Namespace, id, payload)}, nil
}

// textStricter, payloadStricter and lengthsStricter are difference 19. They do
// not use our decoder.
func textStricter(wire []byte, _ []string) string {
	if !utf8.Valid(wire) {
		return "19: text that is not UTF-8"
	}
	if data, isBase64 := strings.CutPrefix(string(wire), "b"); isBase64 && !validBase64(data) {
		return "19: base64 that is none"
	}
	return ""
}

func payloadStricter(wire []byte, _ []string) string {
	for p := range strings.SplitSeq(string(wire), "\x1e") {
		if why := textStricter([]byte(p), nil); why != "" {
			return why
		}
	}
	return ""
}

func lengthsStricter(wire []byte, _ []string) string {
	if !utf8.Valid(wire) {
		return "19: text that is not UTF-8"
	}
	all, err := decodeLengths(string(wire))
	if err != nil {
		return "19: a length that does not agree"
	}
	var plain strings.Builder
	for _, p := range all {
		data, isBase64 := strings.CutPrefix(p, "b")
		switch {
		case p == "":
			return "19: an empty packet"
		case isBase64 && (data == "" || data[0] < '0' || data[0] > '6'):
			return "19: a binary packet without a type"
		case isBase64 && !validBase64(data[1:]):
			return "19: base64 that is none"
		}
		fmt.Fprintf(&plain, "%d:%s", len(utf16.Encode([]rune(p))), p)
	}
	if plain.String() != string(wire) {
		return "19: a length with a sign or leading zeros"
	}
	return ""
}

func validBase64(s string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && !strings.ContainsAny(s, "\r\n")
}

// socketStricter: difference 43.
func socketStricter(wire []byte, theirs []string) string {
	switch {
	case len(wire) == 0:
		return "43: an empty packet"
	case !utf8.Valid(wire):
		return "43: text that is not UTF-8"
	case wire[0] < '0' || wire[0] > '9':
		return "43: a type that is no digit"
	}
	kind, payload := theirs[0][0], theirs[0][strings.LastIndexByte(theirs[0], ' ')+1:]
	switch {
	case (kind == '2' || kind == '3') && payload == "nothing":
		return "43: an event or acknowledgement without its array"
	case spaceInHeader.Match(wire):
		return "43: a space in the header"
	case kind == '4' && payload == "nothing":
		return "43: a refusal without its reason"
	}
	return ""
}

var spaceInHeader = regexp.MustCompile(`^\d(?:/[^,]*,)?\d* `)

// A packetGenerator makes packets by their grammar, and then damages some.
type packetGenerator struct{ *rand.Rand }

func (g *packetGenerator) chance(percent int) bool { return g.IntN(100) < percent }

// damage replaces, takes out, repeats or puts in a few bytes.
func (g *packetGenerator) damage(wire []byte) []byte {
	const odd = "0123456789bd:-,/?[]{}\"\\ \x1e\x00\xff\xc3+.e"
	for range 1 + g.IntN(3) {
		at := g.IntN(len(wire) + 1)
		switch one := odd[g.IntN(len(odd))]; g.IntN(4) {
		case 0:
			wire = slices.Insert(wire, at, one)
		case 1:
			if at < len(wire) {
				wire[at] = one
			}
		case 2:
			wire = slices.Delete(wire, min(at, len(wire)), min(at+1+g.IntN(3), len(wire)))
		case 3:
			wire = append(wire[:at:at], append(slices.Clone(wire[at:]), wire[at:]...)...)
		}
	}
	return wire
}

func (g *packetGenerator) mostly(wire string) []byte {
	if g.chance(30) {
		return g.damage([]byte(wire))
	}
	return []byte(wire)
}

func (g *packetGenerator) text() string {
	return pickOf(g, "", "hello", "ünï ☃ 𝒳", "2[\"x\"]", "0{}", "probe", "a\\nb", "\u2028", strings.Repeat("x", g.IntN(60)))
}

func (g *packetGenerator) engineText() []byte {
	return g.mostly(g.enginePacket())
}

func (g *packetGenerator) enginePacket() string {
	if g.chance(25) {
		return "b" + pickOf(g, "", "AQID", "AQ==", "AQI=", "/+8=", "AAAA")
	}
	return fmt.Sprint(g.IntN(7)) + g.text()
}

func (g *packetGenerator) enginePayload() []byte {
	var all []string
	for range 1 + g.IntN(4) {
		all = append(all, g.enginePacket())
	}
	return g.mostly(strings.Join(all, "\x1e"))
}

func (g *packetGenerator) engineLengths() []byte {
	var b strings.Builder
	for range 1 + g.IntN(4) {
		p := fmt.Sprint(g.IntN(7)) + g.text()
		if g.chance(25) {
			p = "b4" + pickOf(g, "", "AQID", "AQ==", "AQI=", "/+8=")
		}
		units := 0
		for _, r := range p {
			units += 1 + min(1, int(r)/0x10000)
		}
		fmt.Fprintf(&b, "%d:%s", units, p)
	}
	return g.mostly(b.String())
}

func (g *packetGenerator) socketJSON() []byte {
	kind := g.IntN(5) // attachments are compared by the scripts and by the vectors
	namespace := pickOf(g, "", "", "/chat,", "/a/b,", "/ünï,")
	id := ""
	if kind == 2 && g.chance(40) || kind == 3 {
		id = fmt.Sprint(g.IntN(1 << g.IntN(31)))
	}
	payload := ""
	switch kind {
	case 0:
		payload = pickOf(g, "", "{}", `{"token":"x"}`)
	case 2:
		payload = `["` + pickOf(g, "hello", "a b", "ünï", "\\u0041") + `"` + g.more() + "]"
	case 3:
		payload = "[" + strings.TrimPrefix(g.more(), ",") + "]"
	case 4:
		payload = pickOf(g, `{"message":"no"}`, `"no"`)
	}
	return g.mostly(fmt.Sprint(kind) + namespace + id + payload)
}

// more is the rest of a list.
func (g *packetGenerator) more() (list string) {
	for range g.IntN(4) {
		list += "," + g.value(3)
	}
	return list
}

func (g *packetGenerator) value(depth int) string {
	if depth > 0 && g.chance(30) {
		if g.chance(50) {
			return "[" + strings.TrimPrefix(g.more(), ",") + "]"
		}
		return `{"k":` + g.value(depth-1) + `,"__proto__":` + g.value(depth-1) + "}"
	}
	return pickOf(g, "0", "-1.5", "1e21", "true", "null", `""`, `"text"`, `"\ud800"`, `"𝒳\n"`, "{}", "[]", " 1 ", `{"_placeholder":false}`)
}

func pickOf[T any](g *packetGenerator, list ...T) T { return list[g.IntN(len(list))] }

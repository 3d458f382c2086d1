package redisadapter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

func jsonArgs(text string, attachments ...[]byte) sioparser.Args {
	args, err := sioparser.NewArgs([]byte(text), attachments...)
	if err != nil {
		panic(err)
	}
	return args
}

func packetOf(text string, attachments ...[]byte) *sioadapter.Packet {
	return &sioadapter.Packet{Args: jsonArgs(text, attachments...)}
}

const placeholder0 = `{"_placeholder":true,"num":0}`

// What @socket.io/redis-adapter 8.3.0 publishes, byte by byte: a name of 6
// characters, the packet, and the options.
var broadcastCases = []struct {
	name string
	wire string
	want sioadapter.Message
}{
	{"an event for all", "\x93\xa6ZUXDhC\x83\xa4type\x02\xa4data\x93\xa2hi\x01\xa1x\xa3nsp\xa1/\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80",
		sioadapter.Message{Packet: packetOf(`["hi",1,"x"]`)}},
	{"rooms and flags", "\x93\xa6ZUXDhC\x83\xa4type\x02\xa4data\x92\xa2hi\x01\xa3nsp\xa1/\x83\xa5rooms\x91\xa2r1\xa6except\x91\xa2r2\xa5flags\x82\xa8volatile\xc3\xa8compress\xc2",
		sioadapter.Message{Packet: packetOf(`["hi",1]`), Selection: sioadapter.Selection{Rooms: []string{"r1"}, Except: []string{"r2"}, Flags: sioadapter.Flags{Volatile: true, NoCompress: true}}}},
	{"null and a float", "\x93\xa6ZUXDhC\x83\xa4type\x02\xa4data\x94\xa2hi\xc0\xc0\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa3nsp\xa1/\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80",
		sioadapter.Message{Packet: packetOf(`["hi",null,null,1.5]`)}},
	{"bytes", "\x93\xa6ZUXDhC\x83\xa4type\x02\xa4data\x92\xa2hi\xc4\x02\x01\x02\xa3nsp\xa1/\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80",
		sioadapter.Message{Packet: packetOf(`["hi",`+placeholder0+`]`, []byte{1, 2})}},
}

func TestBroadcastBytes(t *testing.T) {
	for _, tt := range broadcastCases {
		want := tt.want
		want.Type, want.From, want.Namespace = sioadapter.MessageBroadcast, "ZUXDhC", "/"
		if got := appendBroadcast(nil, &want); string(got) != tt.wire {
			t.Errorf("%s: wrote\n%q, want\n%q", tt.name, got, tt.wire)
		}
		m, err := decodeBroadcast([]byte(tt.wire), "/", true)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if got, want := flat(m), flat(&want); got != want {
			t.Errorf("%s: read\n%s, want\n%s", tt.name, got, want)
		}

		// With a number, which others ignore.
		want.Seq = 300
		numbered := appendBroadcast(nil, &want)
		if string(numbered) != "\x94"+tt.wire[1:]+"\xcd\x01\x2c" {
			t.Errorf("%s: wrote %q", tt.name, numbered)
		}
		if m, err := decodeBroadcast(numbered, "/", true); err != nil || flat(m) != flat(&want) {
			t.Errorf("%s: read %v, %v", tt.name, m, err)
		}
		m, err = decodeBroadcast(numbered, "/", false)
		if err != nil || m.Type != sioadapter.MessageHeartbeat || m.Seq != 300 || m.From != "ZUXDhC" {
			t.Errorf("%s, for nobody here: %v, %v", tt.name, m, err)
		}
		if m, err := decodeBroadcast(numbered, "/other", false); m != nil || err != nil {
			t.Errorf("%s, in another namespace: %v, %v", tt.name, m, err)
		}
	}
}

// What other versions and other languages write.
func TestOtherFormsOfBroadcasts(t *testing.T) {
	for _, tt := range []struct {
		name, wire string
		want       sioadapter.Message
	}{
		{"no namespace", "\x93\xa1a\x82\xa4type\x02\xa4data\x91\xa1e\x80", sioadapter.Message{Packet: packetOf(`["e"]`)}},
		{"a binary event", "\x93\xa1a\x82\xa4type\x05\xa4data\x92\xa1e\xc4\x01\x07\x80", sioadapter.Message{Packet: packetOf(`["e",`+placeholder0+`]`, []byte{7})}},
		{"a float as type, nil as options", "\x93\xa1a\x82\xa4type\xcb\x40\x00\x00\x00\x00\x00\x00\x00\xa4data\x91\xa1e\xc0", sioadapter.Message{Packet: packetOf(`["e"]`)}},
		{"rooms that are numbers", "\x93\xa1a\x82\xa4type\x02\xa4data\x91\xa1e\x81\xa5rooms\x92\x01\xa12", sioadapter.Message{Packet: packetOf(`["e"]`), Selection: sioadapter.Selection{Rooms: []string{"1", "2"}}}},
		{"rooms that are nil, and flags that are none", "\x93\xa1a\x82\xa4type\x02\xa4data\x91\xa1e\x83\xa5rooms\xc0\xa6except\xc0\xa5flags\x82\xa8volatile\x01\xa1x\x80", sioadapter.Message{Packet: packetOf(`["e"]`)}},
		{"more than we know", "\x94\xa1a\x83\xa4type\x02\xa4data\x91\xa1e\xa2id\x80\x80\xc0", sioadapter.Message{Packet: packetOf(`["e"]`)}},
	} {
		want := tt.want
		want.Type, want.From, want.Namespace = sioadapter.MessageBroadcast, "a", "/"
		if m, err := decodeBroadcast([]byte(tt.wire), "/", true); err != nil || flat(m) != flat(&want) {
			t.Errorf("%s: %v, %v", tt.name, m, err)
		}
	}
}

// flat is a message as text, to be compared.
func flat(m *sioadapter.Message) string {
	c := *m
	args := sioparser.Args{}
	if m.Packet != nil {
		args = inJSON(m.Packet.Args)
		c.Packet = nil
	}
	answer := inJSON(m.Answer)
	c.Answer = sioparser.Args{}
	c.Selection.Rooms, c.Selection.Except, c.Rooms = list(c.Selection.Rooms), list(c.Selection.Except), list(c.Rooms)
	var sockets []string
	for _, s := range m.Sockets {
		sockets = append(sockets, fmt.Sprintf("%s %q %s %s", s.ID, s.Rooms, text(orEmpty(s.Handshake)), text(orEmpty(s.Data))))
	}
	c.Sockets = nil
	return fmt.Sprintf("%+v %s %q %s %q %q", c, text(json.RawMessage(args.Raw())), args.Attachments(), text(json.RawMessage(answer.Raw())), answer.Attachments(), sockets)
}

// Requests and responses in both directions. Those of the reference have none of
// our own members.
func TestRequests(t *testing.T) {
	sel := sioadapter.Selection{Rooms: []string{"r1"}, Except: []string{"r2"}}
	for _, tt := range []struct {
		wire string
		want sioadapter.Message
	}{
		{`{"uid":"ZUXDhC","type":2,"opts":{"rooms":["r1"],"except":["r2"]},"rooms":["a"]}`,
			sioadapter.Message{Type: sioadapter.MessageJoin, Selection: sel, Rooms: []string{"a"}}},
		{`{"uid":"ZUXDhC","type":3,"opts":{"rooms":["r1"],"except":["r2"]},"rooms":["a","b"],"seq":7}`,
			sioadapter.Message{Type: sioadapter.MessageLeave, Selection: sel, Rooms: []string{"a", "b"}, Seq: 7}},
		{`{"uid":"ZUXDhC","type":4,"opts":{"rooms":[],"except":[]},"close":true}`,
			sioadapter.Message{Type: sioadapter.MessageDisconnect, Close: true}},
		{`{"uid":"ZUXDhC","requestId":"oIhR1k","type":5,"opts":{"rooms":["r1"],"except":["r2"]}}`,
			sioadapter.Message{Type: sioadapter.MessageFetch, Selection: sel, Request: "oIhR1k"}},
		{`{"uid":"ZUXDhC","type":6,"data":["ev",1]}`,
			sioadapter.Message{Type: sioadapter.MessageServerEvent, Packet: packetOf(`["ev",1]`)}},
		{`{"uid":"ZUXDhC","requestId":"oIhR1k","type":6,"data":["ev",{"a":"<&>"}]}`,
			sioadapter.Message{Type: sioadapter.MessageServerEvent, Packet: packetOf(`["ev",{"a":"<&>"}]`), Request: "oIhR1k"}},
	} {
		tt.want.From, tt.want.Namespace = "ZUXDhC", "/chat"
		if got, err := encodeRequest(&tt.want); err != nil || string(got) != tt.wire {
			t.Errorf("wrote\n%s, %v, want\n%s", got, err, tt.wire)
		}
		m, _, err := decodeRequest([]byte(tt.wire), "/chat")
		if err != nil || flat(m) != flat(&tt.want) {
			t.Errorf("%s: read\n%+v, %v", tt.wire, m, err)
		}
		emitter := strings.Replace(tt.wire, `"uid":"ZUXDhC",`, "", 1)
		if m, _, err := decodeRequest([]byte(emitter), "/chat"); err != nil || m.From != "emitter" {
			t.Errorf("%s: %+v, %v", emitter, m, err)
		}
	}

	// Broadcasts with acknowledgements, and server events with bytes, are MessagePack.
	ask := sioadapter.Message{Type: sioadapter.MessageBroadcast, From: "ZUXDhC", Namespace: "/", Request: "oIhR1k",
		Packet: packetOf(`["hi",`+placeholder0+`]`, []byte{1}), Selection: sel, Timeout: 500 * time.Millisecond, Detailed: true}
	event := sioadapter.Message{Type: sioadapter.MessageServerEvent, From: "ZUXDhC", Namespace: "/", Packet: packetOf(`["hi",`+placeholder0+`]`, []byte{1})}
	for _, want := range []sioadapter.Message{ask, event} {
		b, err := encodeRequest(&want)
		if err != nil || b[0]&0xf0 != 0x80 {
			t.Errorf("wrote %q, %v", b, err)
		}
		if m, _, err := decodeRequest(b, "/"); err != nil || flat(m) != flat(&want) {
			t.Errorf("read\n%s, %v, want\n%s", flat(m), err, flat(&want))
		}
	}
	captured := "\x85\xa3uid\xa6ZUXDhC\xa9requestId\xa6oIhR1k\xa4type\x07\xa6packet\x83\xa4type\x02\xa4data\x91\xa2hi\xa3nsp\xa1/\xa4opts\x83\xa5rooms\x90\xa6except\x90\xa5flags\x81\xa7timeout\xcd\x01\xf4"
	m, _, err := decodeRequest([]byte(captured), "/")
	if err != nil || m.Type != sioadapter.MessageBroadcast || m.Timeout != 500*time.Millisecond || m.Request != "oIhR1k" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestResponses(t *testing.T) {
	for _, tt := range []struct {
		wire string
		want sioadapter.Message
	}{
		{`{"requestId":"oIhR1k","sockets":[{"id":"s","handshake":{"issued":1700000000123},"rooms":["s","r"],"data":{"a":1}},{"id":"t","handshake":{},"rooms":[],"data":{}}]}`,
			sioadapter.Message{Type: sioadapter.MessageSockets, Request: "oIhR1k", Sockets: []sioadapter.Info{
				{ID: "s", Handshake: json.RawMessage(`{"issued":1700000000123}`), Rooms: []string{"s", "r"}, Data: json.RawMessage(`{"a":1}`)},
				{ID: "t", Handshake: json.RawMessage(`{}`), Rooms: nil, Data: json.RawMessage(`{}`)},
			}}},
		{`{"requestId":"oIhR1k","sockets":[]}`, sioadapter.Message{Type: sioadapter.MessageSockets, Request: "oIhR1k"}},
		{`{"requestId":"oIhR1k","type":6,"data":{"load":0.5}}`, sioadapter.Message{Type: sioadapter.MessageServerAnswer, Request: "oIhR1k", Answer: jsonArgs(`[{"load":0.5}]`)}},
		{`{"requestId":"oIhR1k","type":6}`, sioadapter.Message{Type: sioadapter.MessageServerAnswer, Request: "oIhR1k"}},
		{`{"requestId":"oIhR1k","type":8,"clientCount":3}`, sioadapter.Message{Type: sioadapter.MessageClientCount, Request: "oIhR1k", Count: 3}},
		{`{"uid":"ZUXDhC","requestId":"oIhR1k","type":8,"clientCount":0,"to":"a1b2c3","seq":4}`, sioadapter.Message{Type: sioadapter.MessageClientCount, From: "ZUXDhC", To: "a1b2c3", Seq: 4, Request: "oIhR1k"}},
	} {
		tt.want.Namespace = "/"
		if got, err := encodeResponse(&tt.want); err != nil || string(got) != tt.wire {
			t.Errorf("wrote\n%s, %v, want\n%s", got, err, tt.wire)
		}
		m, err := decodeResponse([]byte(tt.wire), "/")
		if err != nil {
			t.Errorf("%s: %v", tt.wire, err)
			continue
		}
		for i := range m.Sockets {
			if len(m.Sockets[i].Rooms) == 0 {
				m.Sockets[i].Rooms = nil
			}
		}
		if len(m.Sockets) == 0 {
			m.Sockets = nil
		}
		if flat(m) != flat(&tt.want) {
			t.Errorf("%s: read\n%s, want\n%s", tt.wire, flat(m), flat(&tt.want))
		}
	}
	ack := &sioadapter.Message{Type: sioadapter.MessageClientAnswer, Namespace: "/", Request: "oIhR1k", Answer: jsonArgs(`["yes"]`)}
	const wire = "\x83\xa9requestId\xa6oIhR1k\xa4type\x09\xa6packet\xa3yes"
	if b, err := encodeResponse(ack); err != nil || string(b) != wire {
		t.Errorf("wrote %q, %v, want %q", b, err, wire)
	}
	ack.Answer = jsonArgs(`[[`+placeholder0+`]]`, []byte{1, 2})
	b, err := encodeResponse(ack)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := decodeResponse(b, "/"); err != nil || flat(m) != flat(ack) {
		t.Errorf("read %s, %v", flat(m), err)
	}
	for _, wire := range []string{`{"requestId":"x"}`, `{"requestId":"x","rooms":["a"]}`, `{"type":77}`} {
		if m, err := decodeResponse([]byte(wire), "/"); m != nil || err != nil {
			t.Errorf("%s, which means nothing to us: %v, %v", wire, m, err)
		}
	}
}

// Requests that our nodes do not make.
func TestOldRequests(t *testing.T) {
	for _, tt := range []struct {
		wire string
		want oldRequest
	}{
		{`{"uid":"a","requestId":"x","type":0,"rooms":["r"]}`, oldRequest{oldSockets, "x", []string{"r"}}},
		{`{"uid":"a","requestId":"x","type":1}`, oldRequest{oldRooms, "x", nil}},
		{`{"uid":"a","requestId":"x","type":2,"sid":"s","room":"r"}`, oldRequest{oldSocket, "x", []string{"s"}}},
		{`{"uid":"a","requestId":"x","type":4,"sid":"s","close":true}`, oldRequest{oldSocket, "x", []string{"s"}}},
		{`{"uid":"a","type":99}`, oldRequest{}},
	} {
		m, old, err := decodeRequest([]byte(tt.wire), "/")
		if err != nil || !reflect.DeepEqual(old, tt.want) {
			t.Errorf("%s: %+v, %v, want %+v", tt.wire, old, err, tt.want)
		}
		if tt.want.kind == oldSocket && (m == nil || m.Selection.Rooms[0] != "s") {
			t.Errorf("%s: %+v", tt.wire, m)
		}
	}
}

var malformedClassic = []string{
	"", "null", "[]", "{", "{}", `{"type":"x"}`, `{"type":7}`, `{"type":2}`, `{"uid":5,"type":2,"opts":{},"rooms":["a"]}`,
	`{"uid":"a","type":2,"opts":{"rooms":[{}]},"rooms":["a"]}`, `{"uid":"a","type":2,"opts":{},"rooms":"a"}`, `{"uid":"a","type":5,"opts":{}}`,
	`{"uid":"a","type":6,"data":[]}`, `{"uid":"a","type":6,"data":["disconnect"]}`, `{"uid":"a","type":7,"requestId":"x","opts":{},"packet":{}}`,
	`{"uid":"a","type":0,"rooms":5,"requestId":"x"}`, `{"uid":"a","type":1,"requestId":5}`, `{"uid":"a","type":2,"sid":5,"requestId":"x"}`,
	`{"type":6,"data":["e"],"uid":"` + strings.Repeat("x", 200) + `"}`,
	`{"requestId":"x","sockets":5}`, `{"requestId":5,"sockets":[]}`, `{"requestId":"x","type":8,"clientCount":"x"}`, `{"requestId":"x","type":8,"clientCount":-1}`,
	`{"type":9,"packet":1}`, `{"type":6,"requestId":{},"data":1}`,
	"\x80", "\x90", "\x93", "\x93\xa1a", "\x93\xa1a\x80\x80", "\x93\x01\x80\x80", "\x93\xa1a\x82\xa4type\x02\xa4data\x90\x80", "\x93\xa1a\x82\xa4type\x03\xa4data\x91\xa1e\x80",
	"\x93\xa1a\x82\xa4type\x02\xa4data\x91\xa1e\x81\xa5rooms\xa1r", "\x94\xa1a\x82\xa4type\x02\xa4data\x91\xa1e\x80\xa1x", "\x93\xa1a\x82\xa4type\x02\xa4data\x91\x01\x01",
	"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\x93\xa1a\xdf\xff\xff\xff\xff", "\x81\xa4type\xc1", "\x93\xa1a\x80\x81\xa5rooms\xdd\x7f\xff\xff\xff\xa1a",
	"\x93\xa1a\x81\xa4data" + strings.Repeat("\x91", 100_000),
}

// Whatever comes, each decoder refuses it with a reason or makes sense of it.
func TestFault_C03_MalformedClassicMessages(t *testing.T) {
	for _, wire := range malformedClassic {
		m, err := decodeBroadcast([]byte(wire), "/", true)
		if m != nil && err == nil {
			err = m.Validate()
		}
		if m != nil && !errors.Is(err, sioadapter.ErrMessage) {
			t.Errorf("%.100q as a broadcast: %+v, %v", wire, m, err)
		}
		if err != nil && !errors.Is(err, sioadapter.ErrMessage) {
			t.Errorf("%.100q: error %v, want ErrMessage", wire, err)
		}
		m, old, err := decodeRequest([]byte(wire), "/")
		if err == nil && (m != nil || old.kind != noOldRequest) || err != nil && !errors.Is(err, sioadapter.ErrMessage) {
			t.Errorf("%.100q as a request: %+v, %+v, %v", wire, m, old, err)
		}
		m, err = decodeResponse([]byte(wire), "/")
		if err == nil && m != nil || err != nil && !errors.Is(err, sioadapter.ErrMessage) {
			t.Errorf("%.100q as a response: %+v, %v", wire, m, err)
		}
	}
}

func FuzzClassic(f *testing.F) {
	for _, tt := range broadcastCases {
		f.Add([]byte(tt.wire))
	}
	for _, wire := range malformedClassic {
		f.Add([]byte(wire))
	}
	f.Add([]byte(`{"uid":"ZUXDhC","type":3,"opts":{"rooms":["r1"],"except":["r2"]},"rooms":["a","b"],"seq":7}`))
	f.Add([]byte(`{"requestId":"oIhR1k","sockets":[{"id":"s","handshake":{},"rooms":["s","r"],"data":{"a":1}}]}`))
	f.Fuzz(func(t *testing.T, wire []byte) {
		before := bytes.Clone(wire)
		// What is valid means the same when it is written again.
		again := func(m *sioadapter.Message, err error, encode func(*sioadapter.Message) ([]byte, error), decode func([]byte) (*sioadapter.Message, error)) {
			if err != nil && !errors.Is(err, sioadapter.ErrMessage) {
				t.Fatalf("the error is %v, want ErrMessage", err)
			}
			if err != nil || m == nil || m.Validate() != nil {
				return
			}
			b, err := encode(m)
			if errors.Is(err, sioadapter.ErrMessage) {
				return // nested as deeply as it may be
			}
			if err != nil {
				t.Fatal(err)
			}
			if n, err := decode(b); err != nil || flat(n) != flat(m) {
				t.Fatalf("%q: read %s, %v, want %s", b, flat(n), err, flat(m))
			}
		}
		m, err := decodeBroadcast(wire, "/", true)
		again(m, err, func(m *sioadapter.Message) ([]byte, error) { return appendBroadcast(nil, m), nil },
			func(b []byte) (*sioadapter.Message, error) { return decodeBroadcast(b, "/", true) })
		m, _, err = decodeRequest(wire, "/")
		again(m, err, encodeRequest, func(b []byte) (*sioadapter.Message, error) {
			m, _, err := decodeRequest(b, "/")
			return m, err
		})
		m, err = decodeResponse(wire, "/")
		again(m, err, encodeResponse, func(b []byte) (*sioadapter.Message, error) { return decodeResponse(b, "/") })
		if !bytes.Equal(wire, before) {
			t.Fatal("the input was written to")
		}
	})
}

package sioadapter

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/siogo/sio/socketio/sioparser"
)

func args(array string, attachments ...[]byte) sioparser.Args {
	a, err := sioparser.NewArgs([]byte(array), attachments...)
	if err != nil {
		panic(err)
	}
	return a
}

func packet(array string, attachments ...[]byte) *Packet {
	return &Packet{Args: args(array, attachments...)}
}

// messageCases are messages as the reference writes them, and those with
// members that are ours.
var messageCases = []struct {
	name, wire string
	want       Message
}{
	{"hello", `{"uid":"a1","nsp":"/","type":1}`,
		Message{Type: MessageHello, From: "a1", Namespace: "/"}},
	{"heartbeat, numbered", `{"uid":"a1","nsp":"/","type":2,"seq":7}`,
		Message{Type: MessageHeartbeat, From: "a1", Namespace: "/", Seq: 7}},
	{"broadcast", `{"uid":"a1","nsp":"/chat","type":3,"data":{"packet":{"type":2,"data":["hi",1,"x"]},"opts":{"rooms":[],"except":[],"flags":{}}}}`,
		Message{Type: MessageBroadcast, From: "a1", Namespace: "/chat", Packet: packet(`["hi",1,"x"]`)}},
	{"broadcast, rooms and flags", `{"uid":"a1","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["hi"]},"opts":{"rooms":["r1","\u0000#"],"except":["r2"],"flags":{"volatile":true,"compress":false}}}}`,
		Message{Type: MessageBroadcast, From: "a1", Namespace: "/", Packet: packet(`["hi"]`), Selection: Selection{Rooms: []string{"r1", "\x00#"}, Except: []string{"r2"}, Flags: Flags{Volatile: true, NoCompress: true}}}},
	{"broadcast with acknowledgement", `{"uid":"a1","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["hi"]},"opts":{"rooms":[],"except":[],"flags":{"timeout":500}},"requestId":"0123456789abcdef","detailed":true}}`,
		Message{Type: MessageBroadcast, From: "a1", Namespace: "/", Packet: packet(`["hi"]`), Request: "0123456789abcdef", Timeout: 500 * time.Millisecond, Detailed: true}},
	{"join", `{"uid":"a1","nsp":"/","type":4,"data":{"opts":{"rooms":["id"],"except":[],"flags":{}},"rooms":["a","b"]}}`,
		Message{Type: MessageJoin, From: "a1", Namespace: "/", Selection: Selection{Rooms: []string{"id"}}, Rooms: []string{"a", "b"}}},
	{"leave", `{"uid":"a1","nsp":"/","type":5,"data":{"opts":{"rooms":[],"except":["é"],"flags":{}},"rooms":["a"]}}`,
		Message{Type: MessageLeave, From: "a1", Namespace: "/", Selection: Selection{Except: []string{"é"}}, Rooms: []string{"a"}}},
	{"disconnect", `{"uid":"a1","nsp":"/","type":6,"data":{"opts":{"rooms":[],"except":[],"flags":{}},"close":true}}`,
		Message{Type: MessageDisconnect, From: "a1", Namespace: "/", Close: true}},
	{"fetch", `{"uid":"a1","nsp":"/","type":7,"data":{"opts":{"rooms":[],"except":[],"flags":{}},"requestId":"r"}}`,
		Message{Type: MessageFetch, From: "a1", Namespace: "/", Request: "r"}},
	{"sockets", `{"uid":"b2","nsp":"/","type":8,"to":"a1","data":{"requestId":"r","sockets":[{"id":"s","handshake":{"headers":{}},"rooms":["s","a"],"data":{"x":1}},{"id":"t","handshake":{},"rooms":[],"data":{}}]}}`,
		Message{Type: MessageSockets, From: "b2", To: "a1", Namespace: "/", Request: "r", Sockets: []Info{
			{ID: "s", Rooms: []string{"s", "a"}, Handshake: json.RawMessage(`{"headers":{}}`), Data: json.RawMessage(`{"x":1}`)},
			{ID: "t", Handshake: json.RawMessage(`{}`), Data: json.RawMessage(`{}`)}}}},
	{"server event", `{"uid":"a1","nsp":"/","type":9,"data":{"packet":["tick",1],"requestId":"r"}}`,
		Message{Type: MessageServerEvent, From: "a1", Namespace: "/", Packet: packet(`["tick",1]`), Request: "r"}},
	{"server answer", `{"uid":"b2","nsp":"/","type":10,"data":{"requestId":"r","packet":{"load":0.5}}}`,
		Message{Type: MessageServerAnswer, From: "b2", Namespace: "/", Request: "r", Answer: args(`[{"load":0.5}]`)}},
	{"client count", `{"uid":"b2","nsp":"/","type":11,"data":{"requestId":"r","clientCount":0}}`,
		Message{Type: MessageClientCount, From: "b2", Namespace: "/", Request: "r"}},
	{"client count with names", `{"uid":"b2","nsp":"/","type":11,"data":{"requestId":"r","clientCount":2,"sids":["s","t"]}}`,
		Message{Type: MessageClientCount, From: "b2", Namespace: "/", Request: "r", Count: 2, Asked: []string{"s", "t"}}},
	{"client answer", `{"uid":"b2","nsp":"/","type":12,"data":{"requestId":"r","packet":"yes"}}`,
		Message{Type: MessageClientAnswer, From: "b2", Namespace: "/", Request: "r", Answer: args(`["yes"]`)}},
	{"client answer without a value", `{"uid":"b2","nsp":"/","type":12,"data":{"requestId":"r"}}`,
		Message{Type: MessageClientAnswer, From: "b2", Namespace: "/", Request: "r"}},
	{"no client answer", `{"uid":"b2","nsp":"/","type":12,"data":{"requestId":"r","sid":"s","error":"gone"}}`,
		Message{Type: MessageClientAnswer, From: "b2", Namespace: "/", Request: "r", Socket: "s", Err: "gone"}},
	{"goodbye", `{"uid":"a1","nsp":"/","type":13}`,
		Message{Type: MessageGoodbye, From: "a1", Namespace: "/"}},
}

// flat makes messages comparable.
func flat(m *Message) Message {
	f := *m
	list := func(l []string) []string {
		if len(l) == 0 {
			return nil
		}
		return l
	}
	f.Selection.Rooms, f.Selection.Except, f.Rooms = list(f.Selection.Rooms), list(f.Selection.Except), list(f.Rooms)
	if f.Packet != nil {
		f.Err += string(f.Packet.Args.Raw()) + string(bytes.Join(f.Packet.Args.Attachments(), []byte("|")))
		f.Packet = nil
	}
	f.Err += string(f.Answer.Raw()) + string(bytes.Join(f.Answer.Attachments(), []byte("|")))
	f.Answer = sioparser.Args{}
	for i := range f.Sockets {
		f.Sockets[i].Rooms = list(f.Sockets[i].Rooms)
	}
	return f
}

func TestMessagesAsJSON(t *testing.T) {
	for _, c := range []Codec{JSON, Framed} {
		for _, tt := range messageCases {
			got, err := c.Append([]byte("before"), &tt.want)
			if err != nil || string(got) != "before"+tt.wire {
				t.Errorf("%s: got %s, %v\nwant       %s", tt.name, got, err, tt.wire)
			}
			m, err := c.Decode([]byte(tt.wire))
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			} else if got, want := flat(m), flat(&tt.want); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got\n%+v, want\n%+v", tt.name, got, want)
			}
		}
	}
}

// The same messages as MessagePack: they are maps, and none begins as JSON does.
func TestMessagesAsMsgPack(t *testing.T) {
	for _, tt := range messageCases {
		b, err := MsgPack.Append(nil, &tt.want)
		if err != nil || b[0]&0xf0 != 0x80 {
			t.Errorf("%s: got % x, %v", tt.name, b, err)
		}
		m, err := MsgPack.Decode(b)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if got, want := flat(m), flat(&tt.want); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got\n%+v, want\n%+v", tt.name, got, want)
		}
		for i := range b {
			if _, err := MsgPack.Decode(b[:i]); !errors.Is(err, ErrMessage) {
				t.Fatalf("%s cut off after %d bytes: %v", tt.name, i, err)
			}
		}
	}
	// As @msgpack/msgpack writes it: {"uid":"a1","nsp":"/","type":12,"data":{"requestId":"r","packet":<01 02>}}.
	m, err := MsgPack.Decode([]byte("\x84\xa3uid\xa2a1\xa3nsp\xa1/\xa4type\x0c\xa4data\x82\xa9requestId\xa1r\xa6packet\xc4\x02\x01\x02"))
	if err != nil || m.Type != MessageClientAnswer || m.From != "a1" || m.Request != "r" || string(m.Answer.Attachments()[0]) != "\x01\x02" {
		t.Errorf("%+v, %v", m, err)
	}
}

// What nodes of the reference, and emitters, may write otherwise than we do.
func TestOtherFormsOfJSON(t *testing.T) {
	for _, tt := range []struct {
		name, wire string
		check      func(*Message) bool
	}{
		{"an emitter names the namespace in the packet", `{"uid":"emitter","type":3,"data":{"packet":{"type":2,"data":["e"],"nsp":"/x"},"opts":{"rooms":[],"except":[],"flags":{}}}}`,
			func(m *Message) bool { return m.Namespace == "/x" && m.From == "emitter" }},
		{"rooms that are numbers", `{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":[7]},"opts":{"rooms":[1,-2.5,"3"]}}}`,
			func(m *Message) bool { return reflect.DeepEqual(m.Selection.Rooms, []string{"1", "-2.5", "3"}) }},
		{"flags we do not know, and members in any order", `{"data":{"opts":{"flags":{"expectSingleResponse":true,"timeout":1e99,"compress":true,"x":{}}},"packet":{"data":["e"],"type":2}},"type":3,"nsp":"/","uid":"a","x":1}`,
			func(m *Message) bool { return m.Timeout == time.Hour && m.Selection.Flags == Flags{} }},
		{"an answer of null", `{"uid":"a","nsp":"/","type":10,"data":{"requestId":"r","packet":null}}`,
			func(m *Message) bool { return string(m.Answer.Raw()) == "[null]" }},
		{"a socket without data", `{"uid":"a","nsp":"/","type":8,"data":{"requestId":"r","sockets":[{"id":"s","rooms":[],"data":null}]}}`,
			func(m *Message) bool { return m.Sockets[0].Data == nil && m.Sockets[0].Handshake == nil }},
	} {
		if m, err := JSON.Decode([]byte(tt.wire)); err != nil || !tt.check(m) {
			t.Errorf("%s: %+v, %v", tt.name, m, err)
		}
	}
}

func TestAttachmentsOfMessages(t *testing.T) {
	blobs := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte{1}, 300)}
	for _, m := range []*Message{
		{Type: MessageBroadcast, From: "a", Namespace: "/", Packet: packet(`["e",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}],{"_placeholder":true,"num":2}]`, blobs...)},
		{Type: MessageServerEvent, From: "a", Namespace: "/", Packet: packet(`["e",{"_placeholder":true,"num":0}]`, blobs[:1]...)},
		{Type: MessageClientAnswer, From: "a", Namespace: "/", Request: "r", Answer: args(`[{"_placeholder":true,"num":0}]`, blobs[:1]...)},
	} {
		for _, form := range []sioparser.Parser{sioparser.JSON(nil), sioparser.MsgPack()} {
			of := *m
			of.Answer = m.Answer.For(form)
			if m.Packet != nil {
				of.Packet = &Packet{Args: m.Packet.Args.For(form)}
			}
			for _, c := range []Codec{Framed, MsgPack} {
				b, err := c.Append([]byte("before"), &of)
				if err != nil {
					t.Fatal(m.Type, err)
				}
				got, err := c.Decode(b[len("before"):])
				if err != nil || !reflect.DeepEqual(flat(got), flat(m)) {
					t.Errorf("%v in %T, from %T: got\n%+v, %v, want\n%+v", m.Type, c, form, got, err, m)
				}
			}
		}
		if _, err := JSON.Append(nil, m); !errors.Is(err, ErrBinary) {
			t.Errorf("%v as JSON: %v, want ErrBinary", m.Type, err)
		}
		b, err := Framed.Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Framed.Decode(b)
		if err != nil || !reflect.DeepEqual(flat(got), flat(m)) {
			t.Errorf("%v: got %+v, %v", m.Type, got, err)
		}
		clear(b) // the message has memory of its own
		if err == nil && !reflect.DeepEqual(flat(got), flat(m)) {
			t.Errorf("%v changes with the input", m.Type)
		}
		b, _ = Framed.Append(nil, m)
		for i := range b {
			if _, err := Framed.Decode(b[:i]); !errors.Is(err, ErrMessage) {
				t.Fatalf("%v cut off at %d of %d bytes: %v", m.Type, i, len(b), err)
			}
		}
	}
}

// malformedMessages are what must be refused.
var malformedMessages = []string{
	``, ` `, `{`, `[]`, `null`, `1`, `"x"`, `{}`,
	`{"uid":"a","nsp":"/","type":0}`,
	`{"uid":"a","nsp":"/","type":14}`,
	`{"uid":"a","nsp":"/","type":-1}`,
	`{"uid":"a","nsp":"/","type":256}`,
	`{"uid":"a","nsp":"/","type":"3"}`,
	`{"uid":1,"nsp":"/","type":1}`,
	`{"uid":"a","nsp":[],"type":1}`,
	`{"uid":"a","nsp":"/","type":1,"seq":-1}`,
	`{"uid":"` + strings.Repeat("a", 129) + `","nsp":"/","type":1}`,
	`{"uid":"a","nsp":"/","type":3}`,
	`{"uid":"a","nsp":"/","type":3,"data":null}`,
	`{"uid":"a","nsp":"/","type":3,"data":[]}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["e"]}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"opts":{"rooms":[]}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":null,"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":0,"data":["e"]},"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2},"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":{}},"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":[]},"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":[null]},"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":[{}]},"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["disconnect"]},"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["\u0063onnect"]},"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["e",` + strings.Repeat("[", 1100) + strings.Repeat("]", 1100) + `]},"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["e"]},"opts":{"rooms":"r"}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["e"]},"opts":{"rooms":[null]}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["e"]},"opts":{"rooms":[["r"]]}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["e"]},"opts":{"flags":1}}}`,
	`{"uid":"a","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["e"]},"opts":{},"requestId":{}}}`,
	`{"uid":"a","nsp":"/","type":4,"data":{"rooms":["a"]}}`,
	`{"uid":"a","nsp":"/","type":6,"data":{"opts":{},"close":"yes"}}`,
	`{"uid":"a","nsp":"/","type":7,"data":{"opts":{}}}`,
	`{"uid":"a","nsp":"/","type":8,"data":{"requestId":"r","sockets":{}}}`,
	`{"uid":"a","nsp":"/","type":8,"data":{"requestId":"r","sockets":[{"id":"s","rooms":[],"handshake":[],"data":{}}]}}`,
	`{"uid":"a","nsp":"/","type":8,"data":{"requestId":"r","sockets":[{"id":"s","rooms":[],"handshake":{},"data":"x"}]}}`,
	`{"uid":"a","nsp":"/","type":9,"data":{}}`,
	`{"uid":"a","nsp":"/","type":9,"data":{"packet":{"type":2,"data":["e"]}}}`,
	`{"uid":"a","nsp":"/","type":10,"data":{"packet":1}}`,
	`{"uid":"a","nsp":"/","type":11,"data":{"requestId":"r","clientCount":-1}}`,
	`{"uid":"a","nsp":"/","type":11,"data":{"requestId":"r","clientCount":1e9}}`,
	`{"uid":"a","nsp":"/","type":11,"data":{"requestId":"r","clientCount":2000000}}`,
	`{"uid":"a","nsp":"/","type":11,"data":{"requestId":"r","clientCount":3,"sids":["s","t"]}}`,
	`{"uid":"a","nsp":"/","type":11,"data":{"requestId":"r","clientCount":1001,"sids":["` + strings.Repeat(`s","`, 1000) + `s"]}}`,
	"\x01", "\x01\x00{}", "\x01\x01", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x01\x02\x00{\"uid\":\"a\",\"nsp\":\"/\",\"type\":1}",
	"\x83\xa3uid\xa1a", "\xff\xfe",
}

func TestFault_C03_MalformedMessages(t *testing.T) {
	for _, c := range []Codec{JSON, Framed} {
		for _, wire := range malformedMessages {
			if m, err := c.Decode([]byte(wire)); !errors.Is(err, ErrMessage) {
				t.Errorf("%.100s: %+v, %v", wire, m, err)
			}
		}
	}
}

func TestNamesOfConstants(t *testing.T) {
	if MessageClientCount.String() != "client count" || MessageType(0).String() != "message type 0" || MessageType(99).String() != "message type 99" {
		t.Error(MessageClientCount, MessageType(0), MessageType(99))
	}
	if EventInterrupted.String() != "bus interrupted" || EventKind(0).String() != "event kind 0" {
		t.Error(EventInterrupted, EventKind(0))
	}
}

// Whatever comes from a bus, it is refused or means the same when it is written
// again.
func FuzzMessage(f *testing.F) {
	for _, tt := range messageCases {
		f.Add([]byte(tt.wire))
	}
	for _, wire := range malformedMessages {
		f.Add([]byte(wire))
	}
	b, err := Framed.Append(nil, &Message{Type: MessageBroadcast, From: "a", Namespace: "/", Packet: packet(`["e",{"_placeholder":true,"num":0}]`, []byte("blob"))})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, wire []byte) {
		m, err := Framed.Decode(wire)
		if err != nil {
			if !errors.Is(err, ErrMessage) {
				t.Fatalf("the error is %v, want ErrMessage", err)
			}
			return
		}
		once, err := Framed.Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Framed.Decode(once)
		if err != nil {
			t.Fatalf("%q is written as %q, which is refused: %v", wire, once, err)
		}
		if twice, err := Framed.Append(nil, again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q is written as %q, then as %q (%v)", wire, once, twice, err)
		}
	})
}

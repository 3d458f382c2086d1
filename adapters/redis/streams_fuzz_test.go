package redisadapter

import (
	"errors"
	"testing"

	"github.com/siogo/sio/socketio/sioadapter"
)

// Whatever stands in a stream, it is refused or means the same when it is
// written again.
func FuzzEntry(f *testing.F) {
	for _, m := range []*sioadapter.Message{
		{Type: sioadapter.MessageHello, From: "a", Namespace: "/"},
		{Type: sioadapter.MessageBroadcast, From: "a", Namespace: "/", Seq: 7, Packet: packetOf(`["e",1]`)},
		{Type: sioadapter.MessageJoin, From: "a", Namespace: "/chat", Rooms: []string{"r"}, Selection: sioadapter.Selection{Rooms: []string{"x"}}},
	} {
		fields, err := entryFields(m, false)
		if err != nil {
			f.Fatal(err)
		}
		e := entry{fields: make(map[string]string)}
		for i := 0; i < len(fields); i += 2 {
			e.fields[fields[i]] = fields[i+1]
		}
		f.Add(e.fields["uid"], e.fields["nsp"], e.fields["type"], e.fields["data"], e.fields["seq"])
	}
	f.Add("a", "/", "3", "gqRvcHRzgA==", "1")
	f.Add("a", "/", "3", `{"opts":{}},"type":4,"data":{}`, "-1")
	f.Fuzz(func(t *testing.T, uid, nsp, kind, data, seq string) {
		m, err := (&entry{fields: map[string]string{"uid": uid, "nsp": nsp, "type": kind, "data": data, "seq": seq}}).decode()
		if err != nil {
			if !errors.Is(err, sioadapter.ErrMessage) {
				t.Fatalf("the error is %v, want ErrMessage", err)
			}
			return
		}
		fields, err := entryFields(m, false)
		if errors.Is(err, sioadapter.ErrMessage) {
			return // nested as deeply as it may be
		}
		if err != nil {
			t.Fatal(err)
		}
		e := entry{fields: make(map[string]string)}
		for i := 0; i < len(fields); i += 2 {
			e.fields[fields[i]] = fields[i+1]
		}
		again, err := e.decode()
		if err != nil || flat(again) != flat(m) {
			t.Fatalf("%q: read %s, %v, want %s", fields, flat(again), err, flat(m))
		}
	})
}

// Whatever stands where a session should, it is refused or means the same when
// it is written again.
func FuzzRecord(f *testing.F) {
	r := record{SID: "s", PID: "p", Namespace: "/", Node: "n", Begin: "1-0", Start: "2-0", Tag: "t"}
	text, err := r.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("")
	f.Add("gaNzaWSjYWJj")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := decodeRecord(text)
		if err != nil {
			if !errors.Is(err, sioadapter.ErrMessage) {
				t.Fatalf("the error is %v, want ErrMessage", err)
			}
			return
		}
		once, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeRecord(once)
		if err != nil {
			t.Fatalf("%+v is written as %s, which is refused: %v", r, once, err)
		}
		if twice, err := again.encode(); err != nil || once != twice {
			t.Fatalf("%s, then %s (%v)", once, twice, err)
		}
	})
}

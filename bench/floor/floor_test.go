package floor

import (
	"slices"
	"strings"
	"testing"
)

// sent keeps what was sent to one client, bytes with "b" before them.
type sent struct{ got []string }

func (s *sent) Send(binary bool, p []byte) {
	kind := ""
	if binary {
		kind = "b"
	}
	s.got = append(s.got, kind+string(p))
}

func TestHub(t *testing.T) {
	h := newHub(func(to []*Session, text []byte) {
		for _, s := range to {
			s.Send(false, text)
		}
	})
	var a, b sent
	first, second := h.Open(&a), h.Open(&b)
	for _, client := range []*sent{&a, &b} {
		if len(client.got) != 1 || !strings.HasPrefix(client.got[0], `0{"sid":"`) {
			t.Fatalf("after opening: %q", client.got)
		}
		client.got = nil
	}
	for _, s := range []*Session{first, second} {
		s.Message(false, []byte("40"))
	}
	if !strings.HasPrefix(a.got[0], `40{"sid":"`) {
		t.Fatalf("after CONNECT: %q", a.got)
	}
	a.got, b.got = nil, nil

	first.Message(false, []byte(`4212["echo",{"a":[1,2]}]`))
	first.Message(false, []byte(`451-7["echo",{"_placeholder":true,"num":0}]`))
	first.Message(true, []byte{1, 2})
	second.Message(false, []byte(`420["join",["r1","r2"]]`))
	first.Message(false, []byte(`42["room-broadcast","r2",{"x":"1,2"}]`))
	first.Message(false, []byte(`42["broadcast","all"]`))
	second.Close()
	first.Message(false, []byte(`42["broadcast","left"]`))
	first.Message(false, []byte(`42["room-broadcast","r1",1]`))

	wantA := []string{
		`4312[{"a":[1,2]}]`, `461-7[{"_placeholder":true,"num":0}]`, "b\x01\x02",
		`42["msg","all"]`, `42["msg","left"]`,
	}
	wantB := []string{`430[]`, `42["msg",{"x":"1,2"}]`, `42["msg","all"]`}
	if !slices.Equal(a.got, wantA) {
		t.Errorf("a got  %q\nexpected %q", a.got, wantA)
	}
	if !slices.Equal(b.got, wantB) {
		t.Errorf("b got  %q\nexpected %q", b.got, wantB)
	}
	if len(h.rooms) != 0 {
		t.Errorf("rooms are left: %v", h.rooms)
	}
}

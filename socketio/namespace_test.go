package socketio

import (
	"slices"
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		values        []string // nil: no match
	}{
		{"/org/{id}", "/org/acme", []string{"acme"}},
		{"/org/{id}", "/org/", nil},
		{"/org/{id}", "/org", nil},
		{"/org/{id}", "/org/acme/chat", nil},
		{"/org/{id}", "/organ/acme", nil},
		{"/org/{id}/chat", "/org/acme/chat", []string{"acme"}},
		{"/org/{id}/chat", "/org/acme/chat/", nil},
		{"/org/{id}/chat", "/org//chat", nil},
		{"/{a}/{b}", "/x/y", []string{"x", "y"}},
		{"/{a}/{b}", "/x", nil},
		{"/{a}", "/ж", []string{"ж"}},
		{"/files/{path...}", "/files/a/b/c", []string{"a/b/c"}},
		{"/files/{path...}", "/files/", []string{""}},
		{"/files/{path...}", "/files", nil},
		{"/{all...}", "/", []string{""}},
		{"/{a}/x/{rest...}", "/1/x/2/3", []string{"1", "2/3"}},
	} {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		values, ok := p.match(tt.name)
		if ok != (tt.values != nil) || ok && !slices.Equal(values, tt.values) {
			t.Errorf("%s matches %s: %v, %q, want %q", tt.pattern, tt.name, ok, values, tt.values)
		}
	}
	p, _ := parsePattern("/{a}/x/{b...}")
	values, _ := p.match("/1/x/2/3")
	if a, b, c := p.value("a", values), p.value("b", values), p.value("c", values); a != "1" || b != "2/3" || c != "" {
		t.Errorf("values %q, %q, %q", a, b, c)
	}
}

func TestBadPatterns(t *testing.T) {
	for _, bad := range []string{"/{", "/}", "/{}", "/a{b}", "/{a}b", "/{a}/{a}", "/{a...}/b", "/{{a}}", "/{...}"} {
		if p, err := parsePattern(bad); err == nil {
			t.Errorf("%s is a pattern of %d segments", bad, len(p.segments))
		}
	}
	for _, bad := range []string{"/{a", "/a,b", "/a?b", strings.Repeat("x", 256)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Of(%.10q) did not panic", bad)
				}
			}()
			New(nil).Of(bad)
		}()
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("/org/{id}/x/{rest...}", "/org/1/x/2/3")
	f.Add("/{a}", "/")
	f.Fuzz(func(t *testing.T, text, name string) {
		if !strings.HasPrefix(text, "/") || !strings.HasPrefix(name, "/") {
			return
		}
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		values, ok := p.match(name)
		if !ok {
			return
		}
		// The values in place of the wildcards give the name again.
		again := ""
		for _, s := range p.segments {
			again += "/"
			if s.kind == literal {
				again += s.text
				continue
			}
			again += values[0]
			values = values[1:]
		}
		if again != name {
			t.Errorf("%s matches %s, but its values make %s", text, name, again)
		}
	})
}

func TestOf(t *testing.T) {
	io := New(nil)
	org := io.Of("org/{id}")
	for _, tt := range []struct {
		name string
		same *Namespace
	}{{"/", io.Namespace}, {"", io.Namespace}, {"chat", io.Of("/chat")}, {"/org/{id}", org}, {"/org/1", io.Of("org/1")}} {
		if io.Of(tt.name) != tt.same {
			t.Errorf("Of(%q) is another namespace", tt.name)
		}
	}
	if io.Of("/org/1").parent != org || len(io.Namespaces()) != 3 || org.Adapter() != nil {
		t.Error("the child of a pattern is no child")
	}
}

func TestIDs(t *testing.T) {
	seen := make(map[string]bool)
	var ones [120]int
	const n = 20_000
	for range n {
		id := newID()
		if len(id) != 20 || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
		for i, c := range id {
			v := strings.IndexRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", c)
			for bit := range 6 {
				ones[6*i+bit] += v >> bit & 1
			}
		}
	}
	for i, k := range ones { // ten standard deviations
		if k < n/2-707 || k > n/2+707 {
			t.Errorf("bit %d is set in %d of %d ids", i, k, n)
		}
	}
}

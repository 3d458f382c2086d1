package socketio

import (
	"fmt"
	"strings"
)

// pattern is the name of a namespace with wildcards, as in http.ServeMux: {id}
// is one segment, {rest...}, at the end, is what remains.
type pattern struct {
	text     string
	segments []segment
}

type segment struct {
	text string // literal text, or the name of a wildcard
	kind segmentKind
}

type segmentKind uint8

const (
	literal segmentKind = iota
	wildcard
	remainder
)

// isPattern reports whether a name has wildcards.
func isPattern(name string) bool { return strings.Contains(name, "{") }

func parsePattern(text string) (*pattern, error) {
	p := &pattern{text: text}
	parts := strings.Split(text[1:], "/")
	seen := make(map[string]bool)
	for i, part := range parts {
		if !strings.ContainsAny(part, "{}") {
			p.segments = append(p.segments, segment{part, literal})
			continue
		}
		name, ok := strings.CutPrefix(part, "{")
		name, ok2 := strings.CutSuffix(name, "}")
		name, rest := strings.CutSuffix(name, "...")
		switch {
		case !ok || !ok2 || name == "" || strings.ContainsAny(name, "{}"):
			return nil, fmt.Errorf("socketio: namespace %q: a wildcard is a whole segment, {name} or {name...}, not %q", text, part)
		case seen[name]:
			return nil, fmt.Errorf("socketio: namespace %q has two wildcards {%s}", text, name)
		case rest && i < len(parts)-1:
			return nil, fmt.Errorf("socketio: namespace %q: {%s...} must be the last segment", text, name)
		}
		seen[name] = true
		kind := wildcard
		if rest {
			kind = remainder
		}
		p.segments = append(p.segments, segment{name, kind})
	}
	return p, nil
}

// match returns the values of the wildcards, in their order, if name fits. A
// wildcard does not match an empty segment.
func (p *pattern) match(name string) (values []string, ok bool) {
	rest := name[1:]
	for i, s := range p.segments {
		if s.kind == remainder {
			return append(values, rest), true
		}
		part, after, more := strings.Cut(rest, "/")
		if more == (i == len(p.segments)-1) {
			return nil, false
		}
		if s.kind == wildcard {
			if part == "" {
				return nil, false
			}
			values = append(values, part)
		} else if part != s.text {
			return nil, false
		}
		rest = after
	}
	return values, true
}

// value returns the value of a wildcard among those of match.
func (p *pattern) value(name string, values []string) string {
	i := 0
	for _, s := range p.segments {
		if s.kind == literal {
			continue
		}
		if s.text == name {
			return values[i]
		}
		i++
	}
	return ""
}

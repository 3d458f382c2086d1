package redisadapter

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// streamID is the id of an entry of a stream.
type streamID struct{ ms, seq uint64 }

func (a streamID) String() string { return fmt.Sprintf("%d-%d", a.ms, a.seq) }

func (a streamID) compare(b streamID) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.seq, b.seq))
}

// next returns the smallest id above a. Redis before 6.2 has no other way to
// name what is behind an entry.
func (a streamID) next() streamID {
	if a.seq == math.MaxUint64 {
		return streamID{a.ms + 1, 0}
	}
	return streamID{a.ms, a.seq + 1}
}

func parseStreamID(s string) (streamID, bool) {
	ms, seq, ok := strings.Cut(s, "-")
	if !ok || !digits(ms) || !digits(seq) {
		return streamID{}, false
	}
	a, err := strconv.ParseUint(ms, 10, 64)
	b, err2 := strconv.ParseUint(seq, 10, 64)
	return streamID{a, b}, err == nil && err2 == nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// position is how far a client has got: it has all entries of the stream up to
// one, and beyond that those of some nodes up to a number. A node delivers what
// it emits itself before it is in the stream: see docs/decisions.
//
//	1700000000123-0                      as nodes of the reference write it
//	1700000000123-0~9f86d081884c7d65.42  and message 42 of a node, and what that sent before
type position struct {
	id   streamID
	seen []seen
}

// seen is the last message of a node.
type seen struct {
	node string
	seq  uint64
}

const (
	maxPosition = 256 // bytes, of its text
	maxSeen     = 4
)

func (p position) String() string {
	s := p.id.String()
	for _, n := range p.seen {
		s += "~" + n.node + "." + strconv.FormatUint(n.seq, 10)
	}
	return s
}

// parsePosition reads what a client says, which may be anything.
func parsePosition(s string) (p position, ok bool) {
	if len(s) > maxPosition {
		return p, false
	}
	id, rest, more := strings.Cut(s, "~")
	if p.id, ok = parseStreamID(id); !ok {
		return p, false
	}
	for more {
		var part string
		part, rest, more = strings.Cut(rest, "~")
		node, number, _ := strings.Cut(part, ".")
		seq, err := strconv.ParseUint(number, 10, 64)
		if node == "" || !digits(number) || err != nil || len(p.seen) == maxSeen {
			return p, false
		}
		p.seen = append(p.seen, seen{node, seq})
	}
	return p, true
}

// has reports whether the message seq of a node is beyond the entry p.id, and
// known nevertheless.
func (p position) has(node string, seq uint64) bool {
	return seq != 0 && slices.ContainsFunc(p.seen, func(n seen) bool { return n.node == node && seq <= n.seq })
}

// pass returns p when the entry id, message seq of a node, has been passed:
// what is known of the node beyond the stream may be in it now.
func (p position) pass(id streamID, node string, seq uint64) position {
	p.id = id
	if seq != 0 && slices.ContainsFunc(p.seen, func(n seen) bool { return n.node == node && n.seq <= seq }) {
		p.seen = slices.DeleteFunc(slices.Clone(p.seen), func(n seen) bool { return n.node == node && n.seq <= seq })
	}
	return p
}

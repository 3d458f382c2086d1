package differential

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A verdict is what comparing two observations came to.
type verdict struct {
	same       bool
	met        map[string]bool // names of the deviations that were needed
	patient    bool            // one of them may explain a state that is about to change
	over       bool            // one of them ends the comparison of this script
	difference string          // what is left, when not the same
}

// compare compares what the sides show after step i. It changes the
// observations.
func compare(s *script, i int, ours, theirs *observation) (v verdict) {
	v.met = make(map[string]bool)
	if reflect.DeepEqual(ours, theirs) {
		v.same = true
		return v
	}
	ours, theirs = clone(ours), clone(theirs)
	for _, d := range deviations {
		if d.answer != nil && eachAnswer(s, ours, theirs, d.answer) {
			v.met[d.name] = true
		}
		if d.whole != nil && d.whole(&view{s, i, ours, theirs}) {
			v.met[d.name] = true
			v.patient = v.patient || !d.fixed
			v.over = v.over || d.ends
		}
	}
	v.same = v.over || reflect.DeepEqual(ours, theirs)
	if !v.same {
		v.difference = describe(ours, theirs)
	}
	return v
}

// clone copies what deviations may change.
func clone(o *observation) *observation {
	c := &observation{Answers: make(map[int]*answer), Sockets: make(map[int][]string)}
	for i, a := range o.Answers {
		c.Answers[i] = cloneAnswer(a)
	}
	for i, frames := range o.Sockets {
		c.Sockets[i] = slices.Clone(frames)
	}
	for _, s := range o.Sessions {
		s.Packets = slices.Clone(s.Packets)
		s.Heads = cloneAnswers(s.Heads)
		s.Refused = cloneAnswers(s.Refused)
		if s.Fate != nil {
			f := *s.Fate
			s.Fate = &f
		}
		c.Sessions = append(c.Sessions, s)
	}
	return c
}

func cloneAnswers(all []*answer) (c []*answer) {
	for _, a := range all {
		c = append(c, cloneAnswer(a))
	}
	return c
}

func cloneAnswer(a *answer) *answer {
	if a == nil {
		return nil
	}
	c := *a
	c.header = slices.Clone(a.header)
	return &c
}

// eachAnswer applies a deviation to all pairs of answers that differ, and
// reports whether it occurred.
func eachAnswer(s *script, ours, theirs *observation, apply func(st *step, ours, theirs *answer) bool) (met bool) {
	pair := func(st *step, a, b *answer) {
		if a == nil || b == nil || reflect.DeepEqual(a, b) || !apply(st, a, b) {
			return
		}
		met = true
		for _, changed := range []*answer{a, b} {
			if len(changed.header) == 0 {
				changed.header = nil
			}
		}
	}
	for i, a := range ours.Answers {
		pair(&s.steps[i], a, theirs.Answers[i])
	}
	for i := range ours.Sessions {
		st := pollOf(s, i)
		a, b := &ours.Sessions[i], &theirs.Sessions[i]
		for j := range min(len(a.Heads), len(b.Heads)) {
			pair(st, a.Heads[j], b.Heads[j])
		}
		for j := range min(len(a.Refused), len(b.Refused)) {
			pair(st, a.Refused[j], b.Refused[j])
		}
	}
	return met
}

// pollOf returns the first poll of a session; its others have the same headers.
func pollOf(s *script, session int) *step {
	for i := range s.steps {
		if st := &s.steps[i]; st.poll && st.session == session {
			return st
		}
	}
	return &step{do: ask, session: session, socket: -1, method: "GET", part: -1}
}

// describe tells where two observations differ.
func describe(ours, theirs *observation) string {
	var b strings.Builder
	differ := func(what string, a, c any) {
		if !reflect.DeepEqual(a, c) {
			fmt.Fprintf(&b, "%s\n    ours:   %s\n    theirs: %s\n", what, show(a), show(c))
		}
	}
	for _, i := range slices.Sorted(maps.Keys(ours.Answers)) {
		differ(fmt.Sprintf("answer to step %d", i), ours.Answers[i], theirs.Answers[i])
	}
	for i := range ours.Sessions {
		a, c := ours.Sessions[i], theirs.Sessions[i]
		name := fmt.Sprintf("session %d: ", i)
		differ(name+"packets", a.Packets, c.Packets)
		differ(name+"heads", a.Heads, c.Heads)
		differ(name+"refused polls", a.Refused, c.Refused)
		differ(name+"a poll waits", a.Parked, c.Parked)
		differ(name+"fate", a.Fate, c.Fate)
	}
	sockets := maps.Clone(ours.Sockets)
	maps.Copy(sockets, theirs.Sockets)
	for _, i := range slices.Sorted(maps.Keys(sockets)) {
		differ(fmt.Sprintf("websocket %d", i), ours.Sockets[i], theirs.Sockets[i])
	}
	return b.String()
}

func show(v any) string {
	switch v := v.(type) {
	case *answer:
		if v == nil {
			return "none yet"
		}
		return v.String()
	case []*answer:
		var all []string
		for _, a := range v {
			all = append(all, a.String())
		}
		return strings.Join(all, " | ")
	case *fate:
		if v == nil {
			return "no such session"
		}
		return fmt.Sprintf("open %t, reason %q, messages %.200q", v.Open, v.Reason, v.Messages)
	case []string:
		return fmt.Sprintf("%.300q", v)
	}
	return fmt.Sprint(v)
}

package sioparser

import (
	"bytes"
	"errors"
	"math"
	"strconv"
)

// Base64 is bytes that stay in the JSON text, as a base64 string, instead of
// becoming an attachment. A nil Base64 is null.
type Base64 []byte

// Attachments collects the bytes that leave the text of one packet.
type Attachments struct {
	list [][]byte
}

// Append adds b as the next attachment and appends its placeholder to dst.
// b is not copied.
func (a *Attachments) Append(dst, b []byte) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	dst = strconv.AppendInt(dst, int64(len(a.list)), 10)
	a.list = append(a.list, b)
	return append(dst, '}')
}

// A placeholder gathers what the members of one object say about an
// attachment. An object stands for an attachment when one of its members is
// "_placeholder" with the value true. It is legal when it has no second member
// of that name and exactly one "num", a plain decimal number below the number
// of attachments; other members do not matter.
type placeholder struct {
	is    bool   // a member "_placeholder":true was seen
	marks uint8  // members named "_placeholder", at most 2 counted
	nums  uint8  // members named "num", at most 2 counted
	num   []byte // raw value of the last "num"
}

// member takes note of one member; key is without quotation marks, both raw.
func (p *placeholder) member(key, value []byte) {
	if hasEscape(key) {
		if len(key) > 6*len("_placeholder") {
			return
		}
		var room [6 * len("_placeholder")]byte
		key = appendUnescaped(room[:0], key)
	}
	switch string(key) {
	case "_placeholder":
		p.marks = min(p.marks+1, 2)
		p.is = p.is || string(value) == "true"
	case "num":
		p.nums = min(p.nums+1, 2)
		p.num = value
	}
}

// index returns which of n attachments is meant, and whether the placeholder
// is legal.
func (p *placeholder) index(n int) (i int, legal bool) {
	if !p.is || p.marks != 1 || p.nums != 1 || len(p.num) == 0 || len(p.num) > 9 || p.num[0] == '0' && len(p.num) > 1 {
		return 0, false
	}
	for _, c := range p.num {
		if c-'0' > 9 {
			return 0, false
		}
		i = i*10 + int(c-'0')
	}
	return i, i < n
}

// mayHold reports whether a JSON text may have placeholders in it.
func mayHold(raw []byte) bool {
	return bytes.Contains(raw, []byte("_placeholder")) || hasEscape(raw)
}

// countPlaceholders returns how many objects in list, JSON values separated by
// commas, stand for attachments, and whether each of them names one of n.
func countPlaceholders(list []byte, n int) (count int, legal bool) {
	s := scanner{b: list, depth: math.MaxInt, attachments: n}
	for s.pos < len(list) {
		if !s.value() {
			return 0, false
		}
		s.space()
		s.pos++ // the comma
		s.space()
	}
	return s.placeholders, true
}

var errIllegalPlaceholder = errors.New("the placeholder names no attachment")

// resolve returns the attachment that raw, a valid JSON value, stands for. is
// reports whether raw is a placeholder; an illegal one is an error.
func resolve(raw []byte, attachments [][]byte) (b []byte, is bool, err error) {
	if raw[0] != '{' || len(attachments) == 0 {
		return nil, false, nil
	}
	var mark placeholder
	for rest := raw[1:]; ; {
		rest = rest[skipSpace(rest):]
		switch rest[0] {
		case '}':
			if !mark.is {
				return nil, false, nil
			}
			b, err = mark.attachment(attachments)
			return b, true, err
		case ',':
			rest = rest[1:]
			continue
		}
		n := skipString(rest)
		key := rest[1 : n-1]
		rest = rest[n:]
		rest = rest[skipSpace(rest)+1:] // the colon
		rest = rest[skipSpace(rest):]
		n = skipValue(rest)
		mark.member(key, rest[:n])
		rest = rest[n:]
	}
}

// attachment returns the one that is meant.
func (p *placeholder) attachment(attachments [][]byte) ([]byte, error) {
	i, legal := p.index(len(attachments))
	if !legal {
		return nil, errIllegalPlaceholder
	}
	b := attachments[i]
	return b[:len(b):len(b)], nil
}

package sioparser

import "bytes"

// First returns the first n arguments, all if there are fewer, with all
// attachments.
func (a Args) First(n int) Args {
	if n >= a.n {
		return a
	}
	rest := a.list
	for range n {
		_, rest = a.cut(rest)
	}
	list := a.list[:len(a.list)-len(rest)]
	if a.form == textForm {
		list = bytes.TrimRight(list, ", \t\r\n")
	}
	a.list, a.n = list[:len(list):len(list)], n
	return a
}

// Spread returns values with the elements of each Args among them in its place,
// so that undecoded arguments can be sent on. They are not decoded: their text
// is copied, and what they have as attachments is attached again. Without an
// Args among them, values are returned as they are.
func Spread(values []any) []any {
	for i, v := range values {
		if _, ok := v.(Args); ok {
			return spread(values, i)
		}
	}
	return values
}

func spread(values []any, first int) []any {
	all := append(make([]any, 0, len(values)+8), values[:first]...)
	for _, v := range values[first:] {
		list, ok := v.(Args)
		if !ok {
			all = append(all, v)
			continue
		}
		for i := range list.Len() {
			all = append(all, splice{list.Only(i)})
		}
	}
	return all
}

// splice is one undecoded argument as a value to encode.
type splice struct{ of Args }

// AppendArg implements ArgMarshaler.
func (s splice) AppendArg(dst []byte, at *Attachments) ([]byte, error) {
	a := s.of
	if a.form != textForm {
		a = a.text(true)
	}
	if len(a.att) == 0 {
		return append(dst, a.list...), nil
	}
	return renumber(dst, a.list, a.att, at)
}

// renumber appends raw, a valid JSON value, with new numbers for the attachments
// that its placeholders stand for.
func renumber(dst, raw []byte, from [][]byte, at *Attachments) (_ []byte, err error) {
	if b, is, err := resolve(raw, from); err != nil {
		return dst, err
	} else if is {
		return at.Append(dst, b), nil
	}
	if raw[0] != '{' && raw[0] != '[' {
		return append(dst, raw...), nil
	}
	dst = append(dst, raw[0])
	for rest := raw[1:]; len(rest) > 0; {
		n := 1
		switch rest[0] {
		case '"':
			n = skipString(rest)
		case '{', '[':
			n = skipValue(rest)
			if dst, err = renumber(dst, rest[:n], from, at); err != nil {
				return dst, err
			}
			rest = rest[n:]
			continue
		}
		dst = append(dst, rest[:n]...)
		rest = rest[n:]
	}
	return dst, nil
}

package sioparser

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// packing says how the values of one type travel as MessagePack: by the rules
// of encoding/json, except that bytes and times have forms of their own.
type packing struct {
	t    reflect.Type
	kind reflect.Kind
	way  way

	// Methods of t, and of a pointer to it. Not asked of pointers, which are
	// followed first.
	jsonOut, jsonOutAddr, textOut, textOutAddr bool
	jsonIn, textIn                             bool

	elem *packing // of pointers, slices, arrays and maps

	fields  []packField // of structs, in the order in which they are written
	exact   map[string]*packField
	folded  map[string]*packField // by the name without regard to case; the first in fields wins
	certain bool                  // every field is always written
}

// way is what takes precedence over the kind of a type.
type way uint8

const (
	wayKind   way = iota // nothing
	wayTime              // time.Time
	wayNumber            // json.Number
	wayBytes             // bin
	wayBase64            // base64 text
)

// packField is a field of a struct, or of a struct embedded in it.
type packField struct {
	name      string
	key       []byte // name as MessagePack
	index     []int
	tagged    bool
	omitEmpty bool
	isZero    func(reflect.Value) bool // nil without omitzero
	quoted    bool                     // ,string
	packing   *packing
}

var (
	timeType   = reflect.TypeFor[time.Time]()
	zeroerType = reflect.TypeFor[interface{ IsZero() bool }]()
)

var packings sync.Map // reflect.Type to *packing; as large as the program has argument types

func packingOf(t reflect.Type) *packing {
	if p, ok := packings.Load(t); ok {
		return p.(*packing)
	}
	// All types that are reached are complete before any is published.
	made := make(map[reflect.Type]*packing)
	p := newPacking(t, made)
	for t, p := range made {
		packings.LoadOrStore(t, p)
	}
	return p
}

func newPacking(t reflect.Type, made map[reflect.Type]*packing) *packing {
	if p, ok := packings.Load(t); ok {
		return p.(*packing)
	}
	if p := made[t]; p != nil {
		return p
	}
	p := &packing{t: t, kind: t.Kind()}
	made[t] = p
	switch {
	case t == timeType:
		p.way = wayTime
	case t == numberType:
		p.way = wayNumber
	case t == base64Type:
		p.way = wayBase64
	case isBytes(t):
		p.way = wayBytes
	case p.kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !implements(t.Elem(), jsonMarshaler, textMarshaler):
		p.way = wayBase64 // has methods for decoding alone
	}
	if addr := reflect.PointerTo(t); p.kind != reflect.Pointer && p.kind != reflect.Interface {
		p.jsonOut, p.jsonOutAddr = t.Implements(jsonMarshaler), addr.Implements(jsonMarshaler)
		p.textOut, p.textOutAddr = t.Implements(textMarshaler), addr.Implements(textMarshaler)
		p.jsonIn, p.textIn = addr.Implements(jsonUnmarshaler), addr.Implements(textUnmarshaler)
	}
	switch p.kind {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		p.elem = newPacking(t.Elem(), made)
	case reflect.Struct:
		p.setFields(made)
	}
	return p
}

func (p *packing) setFields(made map[reflect.Type]*packing) {
	p.fields = structFields(p.t)
	p.exact = make(map[string]*packField, len(p.fields))
	p.folded = make(map[string]*packField, len(p.fields))
	p.certain = true
	for i := range p.fields {
		f := &p.fields[i]
		t := p.t.Field(f.index[0]).Type
		for _, x := range f.index[1:] {
			if t.Kind() == reflect.Pointer {
				t = t.Elem()
				p.certain = false
			}
			t = t.Field(x).Type
		}
		f.packing = newPacking(t, made)
		if f.isZero != nil || f.omitEmpty {
			p.certain = false
		}
		p.exact[f.name] = f
		fold := string(appendFold(nil, []byte(f.name)))
		if p.folded[fold] == nil {
			p.folded[fold] = f
		}
	}
}

// field returns the field that a key stands for, nil when there is none. The
// first to be asked is that at guess.
func (p *packing) field(key []byte, guess int) *packField {
	if guess < len(p.fields) && p.fields[guess].name == string(key) {
		return &p.fields[guess]
	}
	if f := p.exact[string(key)]; f != nil {
		return f
	}
	var room [64]byte
	return p.folded[string(appendFold(room[:0], key))]
}

// appendFold appends name in the form that all its spellings have in common
// that differ in case only.
func appendFold(dst, name []byte) []byte {
	for len(name) > 0 {
		r, n := utf8.DecodeRune(name)
		name = name[n:]
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		dst = utf8.AppendRune(dst, least)
	}
	return dst
}

// structFields returns the fields of a struct that encoding/json sees, in its
// order. Of several with one name the least deeply embedded one counts, then
// the one with a tag; where that does not decide, none.
func structFields(t reflect.Type) []packField {
	type embedded struct {
		t     reflect.Type
		index []int
	}
	var found []packField
	level, times := []embedded{{t: t}}, map[reflect.Type]int{t: 1}
	seen := make(map[reflect.Type]bool) // on the levels before
	for len(level) > 0 {
		var next []embedded
		deeper := make(map[reflect.Type]int)
		for _, e := range level {
			if seen[e.t] {
				continue
			}
			seen[e.t] = true
			for i := range e.t.NumField() {
				sf := e.t.Field(i)
				inner := sf.Type
				if inner.Name() == "" && inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
				}
				tag := sf.Tag.Get("json")
				if tag == "-" || !sf.IsExported() && (!sf.Anonymous || inner.Kind() != reflect.Struct) {
					continue
				}
				f := newField(sf, tag, inner)
				f.index = append(slices.Clone(e.index), i)
				if sf.Anonymous && !f.tagged && inner.Kind() == reflect.Struct {
					if deeper[inner]++; deeper[inner] == 1 {
						next = append(next, embedded{inner, f.index})
					}
					continue
				}
				found = append(found, f)
				if times[e.t] > 1 { // embedded twice on one level: its fields hide each other
					found = append(found, f)
				}
			}
		}
		level, times = next, deeper
	}
	slices.SortStableFunc(found, func(a, b packField) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(len(a.index), len(b.index)), compareBool(b.tagged, a.tagged))
	})
	var fields []packField
	for i := 0; i < len(found); {
		f := found[i]
		same := i + 1
		for same < len(found) && found[same].name == f.name {
			same++
		}
		if same == i+1 || len(found[i+1].index) > len(f.index) || found[i+1].tagged != f.tagged {
			fields = append(fields, f)
		}
		i = same
	}
	slices.SortFunc(fields, func(a, b packField) int { return slices.Compare(a.index, b.index) })
	return fields
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// newField reads the tag of a field; inner is its type, or what it points to.
func newField(sf reflect.StructField, tag string, inner reflect.Type) packField {
	name, options, _ := strings.Cut(tag, ",")
	f := packField{name: name, tagged: true}
	if !validTagName(name) {
		f.name, f.tagged = sf.Name, false
	}
	f.key = msgp.AppendString(nil, f.name)
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.isZero = zeroOf(sf.Type)
		case "string":
			switch inner.Kind() {
			case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct, reflect.Interface, reflect.Pointer:
			default:
				f.quoted = true
			}
		}
	}
	return f
}

// validTagName reports whether encoding/json takes the name in a tag.
func validTagName(name string) bool {
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) {
			return false
		}
	}
	return name != ""
}

// zeroOf returns what omitzero means for a type.
func zeroOf(t reflect.Type) func(reflect.Value) bool {
	zero := func(v reflect.Value) bool { return v.Interface().(interface{ IsZero() bool }).IsZero() }
	switch {
	case t.Kind() == reflect.Interface && t.Implements(zeroerType):
		return func(v reflect.Value) bool {
			return v.IsNil() || v.Elem().Kind() == reflect.Pointer && v.Elem().IsNil() || zero(v)
		}
	case t.Kind() == reflect.Pointer && t.Implements(zeroerType):
		return func(v reflect.Value) bool { return v.IsNil() || zero(v) }
	case t.Implements(zeroerType):
		return zero
	case reflect.PointerTo(t).Implements(zeroerType):
		return func(v reflect.Value) bool {
			p := reflect.New(t)
			p.Elem().Set(v)
			return zero(p)
		}
	}
	return reflect.Value.IsZero
}

// isEmpty is what omitempty means.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

package doctest

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/sioclient"
)

var update = flag.Bool("update", false, "write the tables of the documentation")

// A table stands in a page between "<!-- table: kind argument -->" and
// "<!-- end -->". Its first rows are its head.
var marker = regexp.MustCompile(`(?s)(<!-- table: (\w+) ?(\S*) -->\n)(.*?)(<!-- end -->)`)

// tables makes the rows of each kind of table. The argument is a package, or a
// type with its package.
var tables = map[string]func(t *testing.T, argument string) [][]string{
	"options": func(t *testing.T, argument string) [][]string {
		name, of, _ := strings.Cut(argument, ".")
		return optionRows(source(t, name), of)
	},
	"functions": func(t *testing.T, argument string) [][]string {
		name, result, _ := strings.Cut(argument, ".")
		return functionRows(source(t, name), result)
	},
	"errors":     func(t *testing.T, name string) [][]string { return errorRows(source(t, name)) },
	"constants":  func(t *testing.T, argument string) [][]string { return constantRows(t, argument) },
	"reasons":    func(t *testing.T, name string) [][]string { return reasonRows(source(t, name)) },
	"refusals":   func(t *testing.T, _ string) [][]string { return refusalRows(t) },
	"connection": func(t *testing.T, _ string) [][]string { return connectErrorRows(t) },
	"answers":    func(t *testing.T, _ string) [][]string { return answerRows(t) },
}

func TestTables(t *testing.T) {
	found := make(map[string]bool)
	for _, p := range pages(t) {
		now := marker.ReplaceAllFunc(p.text, func(all []byte) []byte {
			m := marker.FindSubmatch(all)
			kind, argument := string(m[2]), string(m[3])
			found[strings.TrimSpace(kind+" "+argument)] = true
			rows := tables[kind]
			if rows == nil {
				t.Errorf("%s: there are no tables of the kind %q", p.name, kind)
				return all
			}
			return slices.Concat(m[1], markdown(rows(t, argument)), m[5])
		})
		switch {
		case bytes.Equal(now, p.text):
		case *update:
			if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(p.name)), now, 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("the tables of %s are not those of the code; write them with go test ./internal/doctest -update\n%s", p.name, firstDifference(p.text, now))
		}
	}
	for _, want := range complete(t) {
		if !found[want] {
			t.Errorf("no page has the table %q", want)
		}
	}
}

// complete returns the tables that the reference has to have: all errors and
// reasons of the public packages, and all structs of options.
func complete(t *testing.T) []string {
	all := []string{"functions event.Option", "refusals", "connection", "answers"}
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		p := source(t, name)
		if len(errorRows(p)) > 1 {
			all = append(all, "errors "+name)
		}
		if len(reasonRows(p)) > 1 {
			all = append(all, "reasons "+name)
		}
		for _, s := range p.structs() {
			if of := s.Name.Name; strings.HasSuffix(of, "Options") || of == "Hooks" || of == "Recovery" {
				all = append(all, "options "+name+"."+of)
			}
		}
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "options event.Options" }) // for registrars
}

// folders are the public packages whose API the documentation covers.
var folders = map[string]string{
	"engineio":   "engineio",
	"socketio":   "socketio",
	"event":      "socketio/event",
	"siotest":    "socketio/siotest",
	"sioclient":  "socketio/sioclient",
	"eioclient":  "engineio/eioclient",
	"sioadapter": "socketio/sioadapter",
	"sioparser":  "socketio/sioparser",
}

// A parsed is the source of a package, with its comments.
type parsed struct {
	name  string
	files []*ast.File
}

func source(t *testing.T, name string) parsed {
	t.Helper()
	folder, ok := folders[name]
	if !ok {
		t.Fatalf("package %q is not known here", name)
	}
	p := parsed{name: name}
	fset := token.NewFileSet()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "_js.go") { // what a browser has is the same or less
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(fset, file, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		p.files = append(p.files, f)
	}
	return p
}

// declarations returns the declarations of a kind, in the order of the files.
func (p parsed) declarations(kind token.Token) (all []*ast.GenDecl) {
	for _, f := range p.files {
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == kind {
				all = append(all, g)
			}
		}
	}
	return all
}

// A typed is one declared type with its comment.
type typed struct {
	*ast.TypeSpec
	doc string
}

func (p parsed) types() (all []typed) {
	for _, g := range p.declarations(token.TYPE) {
		for _, s := range g.Specs {
			spec := s.(*ast.TypeSpec)
			doc := spec.Doc
			if doc == nil {
				doc = g.Doc
			}
			all = append(all, typed{spec, prose(doc)})
		}
	}
	return all
}

func (p parsed) structs() []typed {
	return slices.DeleteFunc(p.types(), func(s typed) bool {
		_, ok := s.Type.(*ast.StructType)
		return !ok || !s.Name.IsExported()
	})
}

func optionRows(p parsed, of string) [][]string {
	rows := [][]string{{"Field", "Type", "Default", "Meaning"}}
	if of == "Hooks" {
		rows = [][]string{{"Field", "Type", "Meaning"}}
	}
	for _, s := range p.structs() {
		if s.Name.Name != of {
			continue
		}
		for _, f := range s.Type.(*ast.StructType).Fields.List {
			var names []string
			for _, n := range f.Names {
				if n.IsExported() {
					names = append(names, "`"+n.Name+"`")
				}
			}
			if len(names) == 0 {
				continue
			}
			doc := prose(f.Doc)
			if doc == "" {
				doc = prose(f.Comment)
			}
			typ := "`" + types.ExprString(f.Type) + "`"
			if last := len(rows) - 1; doc == "" && last > 0 && rows[last][len(rows[0])-1] != "" { // described together with the one above
				rows[last][0] += ", " + strings.Join(names, ", ")
				if rows[last][1] != typ {
					rows[last][1] += ", " + typ
				}
				continue
			}
			if of == "Hooks" {
				rows = append(rows, []string{strings.Join(names, ", "), typ, doc})
				continue
			}
			def, rest := splitDefault(doc, f.Type)
			rows = append(rows, []string{strings.Join(names, ", "), typ, def, rest})
		}
	}
	return rows
}

var defaultSentence = regexp.MustCompile(`(?:(?:Zero|Nil|nil|Empty|empty) means (?:that )?|(?:zero|nil|empty): )(.+?)([.;](?: |$)|$)`)

// queueDefault is of fields whose zero value stands for several things.
var queueDefault = regexp.MustCompile(`Its default is (.+?)(:) `)

// splitDefault takes the default out of the comment of a field.
func splitDefault(doc string, typ ast.Expr) (def, rest string) {
	m := defaultSentence.FindStringSubmatchIndex(doc)
	if m == nil {
		m = queueDefault.FindStringSubmatchIndex(doc)
	}
	if m == nil {
		if x, ok := typ.(*ast.Ident); ok && x.Name == "bool" {
			return "false", doc
		}
		return "none", doc
	}
	def = doc[m[2]:m[3]]
	if strings.HasPrefix(doc[m[4]:], ".") && !strings.HasSuffix(doc[:m[2]], "that ") { // a sentence of its own, not about something else
		doc = strings.TrimSpace(doc[:m[0]] + doc[m[1]:])
	}
	return def, doc
}

func functionRows(p parsed, result string) [][]string {
	rows := [][]string{{"Function", "Meaning"}}
	for _, f := range p.files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !fn.Name.IsExported() || fn.Type.Results == nil || len(fn.Type.Results.List) != 1 {
				continue
			}
			if types.ExprString(fn.Type.Results.List[0].Type) == result {
				signature := strings.TrimPrefix(types.ExprString(fn.Type), "func")
				signature = strings.TrimSuffix(signature, " "+result)
				rows = append(rows, []string{"`" + p.name + "." + fn.Name.Name + signature + "`", prose(fn.Doc)})
			}
		}
	}
	return rows
}

func errorRows(p parsed) [][]string {
	rows := [][]string{{"Error", "Text", "When"}}
	for _, g := range p.declarations(token.VAR) {
		for _, s := range g.Specs {
			spec := s.(*ast.ValueSpec)
			doc := prose(spec.Doc)
			if doc == "" {
				doc = prose(spec.Comment)
			}
			if doc == "" {
				doc = prose(g.Doc)
			}
			for i, name := range spec.Names {
				if !name.IsExported() || !isError(name.Name, spec, i) {
					continue
				}
				row := []string{"`" + p.name + "." + name.Name + "`", errorText(spec, i), doc}
				if last := rows[len(rows)-1]; last[2] == doc && strings.Contains(doc, " and "+name.Name) { // described together
					last[0], last[1] = last[0]+", "+row[0], last[1]+", "+row[1]
					continue
				}
				rows = append(rows, row)
			}
		}
	}
	for _, s := range p.types() {
		if s.Name.IsExported() && !s.Assign.IsValid() && p.hasErrorMethod(s.Name.Name) {
			rows = append(rows, []string{"`*" + p.name + "." + s.Name.Name + "`", "", s.doc})
		}
	}
	return rows
}

func isError(name string, spec *ast.ValueSpec, i int) bool {
	if strings.HasPrefix(name, "Err") {
		return true
	}
	if i < len(spec.Values) {
		if call, ok := spec.Values[i].(*ast.CallExpr); ok {
			return types.ExprString(call.Fun) == "errors.New"
		}
	}
	return false
}

// errorText returns the text of an error that is made by errors.New.
func errorText(spec *ast.ValueSpec, i int) string {
	if i >= len(spec.Values) {
		return ""
	}
	call, ok := spec.Values[i].(*ast.CallExpr)
	if !ok || types.ExprString(call.Fun) != "errors.New" {
		return ""
	}
	text, err := strconv.Unquote(call.Args[0].(*ast.BasicLit).Value)
	if err != nil {
		return ""
	}
	return "`" + text + "`"
}

func (p parsed) hasErrorMethod(name string) bool {
	for _, f := range p.files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Name.Name == "Error" &&
				strings.TrimPrefix(types.ExprString(fn.Recv.List[0].Type), "*") == name {
				return true
			}
		}
	}
	return false
}

// reasonRows lists the constants of the type Reason. Their comments begin with
// their names.
func reasonRows(p parsed) [][]string {
	rows := [][]string{{"Constant", "String", "When"}}
	if p.name == "socketio" {
		rows[0] = append(rows[0], "A client reconnects by itself", "Recoverable")
	}
	for _, g := range p.declarations(token.CONST) {
		for _, s := range g.Specs {
			spec := s.(*ast.ValueSpec)
			if spec.Type == nil || types.ExprString(spec.Type) != "Reason" {
				continue
			}
			for _, name := range spec.Names {
				value := reasons[name.Name]
				_, when, _ := strings.Cut(prose(spec.Doc), ": ")
				if value == "" || when == "" {
					rows = append(rows, []string{"`" + name.Name + "`", "?", "this reason is not in reasons of internal/doctest, or its comment does not begin with its name and a colon"})
					continue
				}
				row := []string{"`" + p.name + "." + name.Name + "`", "`" + string(value) + "`", when}
				if p.name == "socketio" {
					row = append(row, yes(value.WillReconnect()), yes(value.Recoverable()))
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// constantRows lists the constants of a package whose names begin with the rest
// of the argument, for example "event.Code".
func constantRows(t *testing.T, argument string) [][]string {
	name, prefix, _ := strings.Cut(argument, ".")
	rows := [][]string{{"Constant", "Value", "Meaning"}}
	for _, g := range source(t, name).declarations(token.CONST) {
		for _, s := range g.Specs {
			spec := s.(*ast.ValueSpec)
			for i, c := range spec.Names {
				if !strings.HasPrefix(c.Name, prefix) || i >= len(spec.Values) {
					continue
				}
				doc := prose(spec.Doc)
				if doc == "" {
					doc = prose(spec.Comment)
				}
				rows = append(rows, []string{"`" + name + "." + c.Name + "`", "`" + strings.Trim(types.ExprString(spec.Values[i]), `"`) + "`", doc})
			}
		}
	}
	return rows
}

var docLink = regexp.MustCompile(`\[([A-Za-z][\w.]*)\]`)

// prose is a comment as one line of Markdown.
func prose(c *ast.CommentGroup) string {
	text := strings.Join(strings.Fields(c.Text()), " ")
	return docLink.ReplaceAllString(text, "`$1`")
}

// markdown formats rows as a table. An empty column at the end of all rows is
// left out.
func markdown(rows [][]string) []byte {
	var b bytes.Buffer
	for i := range rows[0] {
		empty := len(rows) > 1
		for _, row := range rows[1:] {
			empty = empty && row[i] == ""
		}
		if empty {
			for j, row := range rows {
				rows[j] = slices.Delete(slices.Clone(row), i, i+1)
			}
			break
		}
	}
	for i, row := range rows {
		for _, cell := range row {
			fmt.Fprintf(&b, "| %s ", strings.ReplaceAll(cell, "|", `\|`))
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.Bytes()
}

func firstDifference(a, b []byte) string {
	was, is := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			return fmt.Sprintf("line %d is\n%s\nand should be\n%s", i+1, was[i], is[i])
		}
	}
	return fmt.Sprintf("it has %d lines and should have %d", len(was), len(is))
}

// reasons are the values of the constants of package socketio by their names;
// those of package engineio with the same names have the same values.
var reasons = map[string]socketio.Reason{
	"ReasonClientNamespaceDisconnect": socketio.ReasonClientNamespaceDisconnect,
	"ReasonServerNamespaceDisconnect": socketio.ReasonServerNamespaceDisconnect,
	"ReasonServerShuttingDown":        socketio.ReasonServerShuttingDown,
	"ReasonServerShutdown":            socketio.ReasonServerShuttingDown,
	"ReasonPingTimeout":               socketio.ReasonPingTimeout,
	"ReasonTransportClose":            socketio.ReasonTransportClose,
	"ReasonTransportError":            socketio.ReasonTransportError,
	"ReasonParseError":                socketio.ReasonParseError,
	"ReasonForcedClose":               socketio.ReasonForcedClose,
	"ReasonSlowConsumer":              socketio.ReasonSlowConsumer,
	"ReasonIOServerDisconnect":        socketio.Reason(sioclient.ReasonIOServerDisconnect),
	"ReasonIOClientDisconnect":        socketio.Reason(sioclient.ReasonIOClientDisconnect),
}

var (
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	span = regexp.MustCompile("`([^`]+)`")
	name = regexp.MustCompile(`\b(engineio|socketio|event|siotest|sioadapter|sioparser|sioclient|eioclient)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)
)

func TestLinks(t *testing.T) {
	for _, p := range pages(t) {
		for _, l := range p.prose {
			for _, m := range link.FindAllStringSubmatch(span.ReplaceAllString(l.text, ""), -1) {
				if strings.Contains(m[1], "://") {
					continue
				}
				file, anchor, _ := strings.Cut(m[1], "#")
				target := p.name
				if file != "" {
					target = filepath.ToSlash(filepath.Join(filepath.Dir(p.name), filepath.FromSlash(file)))
				}
				if _, err := fs.Stat(os.DirFS(root), target); err != nil {
					t.Errorf("%s:%d links to %s, which is not there", p.name, l.number, m[1])
					continue
				}
				if anchor != "" && !slices.Contains(anchors(readPage(target, read(t, target))), anchor) {
					t.Errorf("%s:%d links to %s, and there is no such heading", p.name, l.number, m[1])
				}
			}
		}
	}
}

// anchors returns the names of the headings of a page, as GitHub makes them.
func anchors(p page) (all []string) {
	for _, l := range p.prose {
		heading, ok := strings.CutPrefix(strings.TrimLeft(l.text, "#"), " ")
		if !ok || !strings.HasPrefix(l.text, "#") {
			continue
		}
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
				return r
			case r >= 'A' && r <= 'Z':
				return r - 'A' + 'a'
			}
			return -1
		}, strings.TrimSpace(heading))
		all = append(all, slug)
	}
	return all
}

// TestNames: what a page mentions as part of this module's API exists. Pages
// about libraries whose packages have the same names are left out.
func TestNames(t *testing.T) {
	c := &checker{fset: token.NewFileSet(), own: make(map[string]*types.Package)}
	var all ast.File
	for _, folder := range folders {
		all.Imports = append(all.Imports, &ast.ImportSpec{Path: &ast.BasicLit{Value: strconv.Quote(module + "/" + folder)}})
	}
	c.load(t, []*ast.File{&all})
	exists := func(m []string) bool {
		p, err := c.Import(module + "/" + folders[m[1]])
		if err != nil {
			t.Fatal(err)
		}
		o := p.Scope().Lookup(m[2])
		if o == nil || m[3] == "" {
			return o != nil
		}
		member, _, _ := types.LookupFieldOrMethod(types.NewPointer(o.Type()), true, p, m[3])
		if member == nil {
			member, _, _ = types.LookupFieldOrMethod(o.Type(), true, p, m[3])
		}
		return member != nil
	}
	for _, p := range pages(t) {
		if p.name == "docs/migrate/googollee.md" {
			continue
		}
		for _, l := range p.prose {
			for _, code := range span.FindAllStringSubmatch(l.text, -1) {
				for _, m := range name.FindAllStringSubmatch(code[1], -1) {
					if !exists(m) {
						t.Errorf("%s:%d mentions %s, which does not exist", p.name, l.number, m[0])
					}
				}
			}
		}
	}
}

package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	const met = `{"Action":"attr","Package":"p","Test":"T","Key":"goal","Value":"G4 | lost | 0 of 10 | 0 | met"}` + "\n"
	for _, tt := range []struct {
		name, in string
		ok       bool
		shows    string
	}{
		{"met", met + `{"Action":"pass","Package":"p"}`, true, "G4    met      0 of 10  0       lost"},
		{"missed", strings.Replace(met, "| met", "| MISSED", 1), false, "MISSED"},
		{"failed", met + `{"Action":"output","Package":"p","Test":"T","Output":"why\n"}` + "\n" + `{"Action":"fail","Package":"p","Test":"T"}`, false, "why\n"},
		{"does not build", "p: syntax error\n" + `{"Action":"fail","Package":"p"}`, false, "syntax error"},
		{"nothing was measured", `{"Action":"pass","Package":"p"}`, false, "ok  p"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if got := run(strings.NewReader(tt.in), &out); got != tt.ok || !strings.Contains(out.String(), tt.shows) {
				t.Errorf("%v, and shows:\n%s", got, &out)
			}
		})
	}
}

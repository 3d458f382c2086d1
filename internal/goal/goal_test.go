package goal

import (
	"fmt"
	"testing"
)

// A recorder is a test that keeps what is reported.
type recorder struct {
	key, value, failure string
}

func (r *recorder) Helper()                           {}
func (r *recorder) Attr(key, value string)            { r.key, r.value = key, value }
func (r *recorder) Errorf(format string, args ...any) { r.failure = fmt.Sprintf(format, args...) }

func TestReport(t *testing.T) {
	for _, met := range []bool{true, false} {
		var r recorder
		f := Figure{"G4", "messages lost", "0 of 10", "0", met}
		Report(&r, f)
		if got, ok := Decode(r.key, r.value); !ok || got != f {
			t.Errorf("%+v comes back as %+v", f, got)
		}
		if failed := r.failure != ""; failed == met {
			t.Errorf("met is %v, and the test says %q", met, r.failure)
		}
	}
	var r recorder
	Report(&r, Figure{What: "a | b\nc", Met: true})
	if got, ok := Decode(r.key, r.value); !ok || got.What != "a / b c" {
		t.Errorf("separators in a field: %+v", got)
	}
	if _, ok := Decode("other", r.value); ok {
		t.Error("another attribute is taken for a figure")
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -100: "-100", -1000: "-1,000"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) is %q, want %q", n, got, want)
		}
	}
}

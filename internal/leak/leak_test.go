package leak

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func waitHere(c chan struct{}) { <-c }

func TestResidue(t *testing.T) {
	base := Take()
	stop := make(chan struct{})
	for range 3 {
		go waitHere(stop) // ends with the test
	}
	kept := make([]byte, 1<<20)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	got := Take()
	for len(got.Beyond(base)) == 0 { // until they have begun
		runtime.Gosched()
		got = Take()
	}
	more := strings.Join(got.Beyond(base), "\n")
	if got.Count() != base.Count()+3 || !strings.Contains(more, "3 more of") || !strings.Contains(more, "leak.waitHere") {
		t.Errorf("%d goroutines, %d before:\n%s", got.Count(), base.Count(), more)
	}
	if grown := int(got.Heap) - int(base.Heap); grown < len(kept) || grown > 2*len(kept) {
		t.Errorf("the heap has grown by %d bytes, want about %d", grown, len(kept))
	}
	if base.Files != 0 && got.Files != base.Files+1 {
		t.Errorf("%d files, %d before", got.Files, base.Files)
	}
	runtime.KeepAlive(kept)
	f.Close()
	close(stop)
	for got = Take(); len(got.Beyond(base)) != 0; got = Take() { // until they have ended
		runtime.Gosched()
	}
}

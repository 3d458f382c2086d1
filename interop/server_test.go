package interop

import (
	"os"
	"testing"
)

func TestServer(t *testing.T) {
	runMatrix(t, func(t *testing.T) target {
		s, err := Start(os.DirFS(scripts))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}

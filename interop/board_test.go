package interop

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBoard runs the wasm example: the page is a Go program with our client, in
// Chromium.
func TestBoard(t *testing.T) {
	t.Run("Chromium", func(t *testing.T) { runBoard(t, "board") })
}

// The network of the page goes away, the page is frozen, and left and come back
// to: the client comes back once, or has nothing to come back from.
func TestFault_K11_LifeOfAPage(t *testing.T) {
	t.Run("Chromium", func(t *testing.T) { runBoard(t, "life") })
}

func runBoard(t *testing.T, suite string) {
	binary := filepath.Join(t.TempDir(), "board")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/siogo/sio/examples/wasm").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	runSuite(t, startChat(t, binary), "board-browser.mjs", suite, "", "")
}

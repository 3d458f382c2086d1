package interop

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBoard runs the wasm example: the page is a Go program with our client, in
// Chromium.
func TestBoard(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "board")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/siogo/sio/examples/wasm").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Run("Chromium", func(t *testing.T) {
		runSuite(t, startChat(t, binary), "board-browser.mjs", "board", "", "")
	})
}

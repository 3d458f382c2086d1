package interop

import (
	"log"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes the npm package of our own client from its sources, and fails
// when a server that was closed left a goroutine behind.
func TestMain(m *testing.M) {
	build := exec.Command("go", "run", "./build", "-npm", "lib")
	build.Dir, build.Stderr = "../browser", os.Stderr
	if err := build.Run(); err != nil {
		log.Fatalf("making the modules of the browser client: %v", err)
	}
	goleak.VerifyTestMain(m)
}

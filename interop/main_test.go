package interop

import (
	"log"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes the npm package of our own client and its tests from their
// sources, and fails when a server that was closed left a goroutine behind.
func TestMain(m *testing.M) {
	for _, args := range [][]string{{"-npm", "lib"}, {"-tests", "testlib"}} {
		build := exec.Command("go", append([]string{"run", "./build"}, args...)...)
		build.Dir, build.Stderr = browserClient, os.Stderr
		if err := build.Run(); err != nil {
			log.Fatalf("making %s of the browser client: %v", args[1], err)
		}
	}
	goleak.VerifyTestMain(m)
}

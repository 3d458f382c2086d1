// Package node runs the JavaScript side of the tests: a script of the js
// folder, in Node.js, that talks in lines of JSON.
package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/siogo/sio/interop/internal/process"
)

// A Process is a running script. It is not safe for concurrent use.
type Process = process.Process

// Start starts a script of the folder scripts, whose npm packages must be
// installed. It is ended with the test.
func Start(t testing.TB, scripts, script string, args ...string) *Process {
	t.Helper()
	if _, err := os.Stat(filepath.Join(scripts, "node_modules")); err != nil {
		t.Fatalf("the npm packages are missing: run `make deps`, or `npm ci` in interop/js (%v)", err)
	}
	return process.Start(t, scripts, "node", append([]string{script}, args...)...)
}

//go:build !js

package sioclient

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// In a browser, the browser makes the requests: net/http, with its TLS, is not
// part of the program.
func TestBrowserDoesWithoutNetHTTP(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	deps := strings.Fields(string(out))
	for _, heavy := range []string{"net", "net/http", "crypto/tls", "crypto/rand", "github.com/gobwas/ws", "github.com/klauspost/compress/flate"} {
		if slices.Contains(deps, heavy) {
			t.Errorf("the browser's client depends on %s", heavy)
		}
	}
	if !slices.Contains(deps, "syscall/js") {
		t.Error("this is not the browser's client")
	}
}

func TestBrowserClientBuilds(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "vet", ".")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go vet: %v\n%s", err, out)
	}
}

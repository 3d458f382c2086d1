package archtest

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// serverModules are the third-party modules that a program with our server
// links, without tests and clients. Another one is a decision to be made here:
// each is code that runs with the rights of the server, and a name that can be
// hijacked. docs/reliability.md has why there are so many.
var serverModules = []string{
	"github.com/andybalholm/brotli",      // compression of answers
	"github.com/go-json-experiment/json", // JSON with hooks for attachments
	"github.com/gobwas/httphead",         // of gobwas/ws
	"github.com/gobwas/ws",               // the headers of WebSocket frames
	"github.com/klauspost/compress",      // deflate
	"github.com/philhofer/fwd",           // of msgp
	"github.com/rs/cors",                 // CORS
	"github.com/tinylib/msgp",            // MessagePack
}

// TestSec_S26_DependencyBudget: a hijacked release of a dependency becomes a
// part of every program, so there are few, and none comes unnoticed.
func TestSec_S26_DependencyBudget(t *testing.T) {
	linked := map[string]bool{}
	for _, p := range list(t) {
		if p.folder() != "socketio" {
			continue
		}
		for _, d := range p.Deps {
			if first := firstElement(d); strings.Contains(first, ".") && !isOurs(d) {
				parts := strings.Split(d, "/")
				linked[strings.Join(parts[:min(3, len(parts))], "/")] = true
			}
		}
	}
	if got := slices.Sorted(maps.Keys(linked)); !slices.Equal(got, serverModules) {
		t.Errorf("the server links %q, and the list here is %q", got, serverModules)
	}
}

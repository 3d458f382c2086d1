package interop

import (
	"errors"
	"testing"

	"github.com/siogo/sio/interop/internal/node"
)

// TestReferenceServer runs every suite against the reference implementation.
// What fails here is wrong in the suite (or in the reference), so that a
// failure elsewhere speaks about our server.
func TestReferenceServer(t *testing.T) {
	runMatrix(t, func(t *testing.T) target { return startReference(t) })
}

// A reference is the contract on the reference implementation, in a Node process.
type reference struct {
	process *node.Process
	url     string
}

func startReference(t *testing.T) *reference {
	p := node.Start(t, scripts, "reference-server.mjs")
	var hello struct{ URL string }
	if err := p.Read(&hello); err != nil {
		t.Fatalf("reference server: %v", err)
	}
	return &reference{p, hello.URL}
}

func (r *reference) URL() string { return r.url }

func (r *reference) Restart() (map[string]string, error) {
	if err := r.process.WriteLine("restart"); err != nil {
		return nil, err
	}
	var answer reply
	if err := r.process.Read(&answer); err != nil {
		return nil, err
	}
	if answer.Reasons == nil {
		return nil, errors.New("reference server: restart answered without reasons")
	}
	return answer.Reasons, nil
}

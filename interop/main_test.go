package interop

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a server that was closed left a goroutine behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

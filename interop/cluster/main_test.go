package cluster

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a node that was closed left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

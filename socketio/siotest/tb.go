package siotest

import "context"

// TB is the part of testing.TB that this package needs.
type TB interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Error(args ...any)
	Fatal(args ...any)
}

package socketio_test

import (
	"context"
	"log"
	"log/slog"
	"slices"
)

// example stands for the test in examples, which have none.
type example struct {
	ctx      context.Context
	cancel   context.CancelFunc
	cleanups []func()
}

func newExample() *example {
	ctx, cancel := context.WithCancel(context.Background())
	slog.SetDefault(quiet) // what the examples provoke
	return &example{ctx: ctx, cancel: cancel}
}

func (e *example) Helper()                  {}
func (e *example) Context() context.Context { return e.ctx }
func (e *example) Cleanup(f func())         { e.cleanups = append(e.cleanups, f) }
func (e *example) Error(args ...any)        { log.Print(args...) }
func (e *example) Fatal(args ...any)        { log.Fatal(args...) }

func (e *example) end() {
	e.cancel()
	for _, f := range slices.Backward(e.cleanups) {
		f()
	}
}

//go:build linux

// Command suite measures the whole server: it starts one server after another,
// each in a process of its own, loads it with command loadgen, and prints what
// came out. See ../README.md.
//
//	suite cases   every kind of traffic, beside the floors
//	suite scale   what a connection, a room, a namespace costs when there are few, and when there are many
//	suite tail    what one kind of traffic does to the latency of another
//	suite churn   what 100,000 connections that came and went leave behind
//
// Everything listens on and connects to 127.0.0.1, and everything it starts
// ends with it. It fails when a run did not complete, or not with the right
// counts; a figure that misses its goal is reported and is no failure.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// commands are what this program can be asked for.
var commands = map[string]func(context.Context, *suite) error{
	"cases": runCases, "scale": runScale, "tail": runTail, "churn": runChurn,
}

// A suite is one invocation of this program.
type suite struct {
	reps     int
	only     []string // names of cases; empty is all
	short    bool
	markdown bool
	node     string // folder of the contract on Node, if it is to be measured too
	bin      string // folder of the programs
	out      io.Writer
	progress io.Writer
	record   io.Writer // gets the line of every run
}

func main() {
	// Children die with the thread that started them (Pdeathsig), so that
	// none outlives this process, however it ends.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("suite", flag.ContinueOnError)
	flags.SetOutput(progress)
	s := &suite{out: out, progress: progress, record: io.Discard}
	flags.IntVar(&s.reps, "reps", 5, "runs of each case")
	only := flags.String("cases", "", "only these cases, by name, with commas between them")
	flags.BoolVar(&s.short, "short", false, "small counts: shows that everything works, measures nothing")
	flags.BoolVar(&s.markdown, "markdown", false, "print tables as Markdown")
	flags.StringVar(&s.node, "node", "", "cases: measure the contract in this folder, too, where npm ci has been run")
	flags.StringVar(&s.bin, "bin", "", "folder of the programs, built before; otherwise they are built now")
	record := flags.String("record", "", "append the JSON line of every run to this file")
	limit := flags.Duration("limit", time.Hour, "give up after so long")
	name, rest := "", args
	if len(args) > 0 {
		name, rest = args[0], args[1:]
	}
	command, ok := commands[name]
	if !ok {
		return fmt.Errorf("expected cases, scale, tail or churn, got %q", name)
	}
	if err := flags.Parse(rest); err != nil {
		return err
	}
	if s.reps < 1 {
		return fmt.Errorf("-reps is %d, and must be above 0", s.reps)
	}
	s.only = strings.FieldsFunc(*only, func(r rune) bool { return r == ',' || r == ' ' })
	if *record != "" {
		f, err := os.OpenFile(*record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		s.record = f
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if s.bin == "" {
		dir, err := os.MkdirTemp("", "sio-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		s.bin = dir
		if err := build(ctx, dir); err != nil {
			return fmt.Errorf("the programs do not compile: %w", err)
		}
	}
	return command(ctx, s)
}

// isChosen reports whether a case of that name is to be run.
func (s *suite) isChosen(name string) bool {
	for _, o := range s.only {
		if o == name {
			return true
		}
	}
	return len(s.only) == 0
}

func (s *suite) program(name string) string { return filepath.Join(s.bin, name) }

func (s *suite) say(format string, args ...any) {
	fmt.Fprintf(s.progress, format+"\n", args...)
}

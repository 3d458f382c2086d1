// Command sio tries out Socket.IO servers from the command line.
//
//	sio connect http://localhost:3000/chat
//	sio emit http://localhost:3000 "item:add" '{"name":"tea"}' --ack
//
// Run sio help for the commands and sio help COMMAND for their flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, the same for every command.
const (
	exitOK     = 0
	exitFailed = 1 // no connection, a refusal, no answer
	exitUsage  = 2 // wrong arguments
)

// A command is one of sio's.
type command struct {
	name    string
	args    string // what stands behind the name
	summary string
	help    string
	run     func(ctx context.Context, c *call) error
}

var commands = []*command{connectCommand, emitCommand}

// A call is one run of a command.
type call struct {
	*command
	args   []string // as they were given
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// A usageError is a mistake in the arguments.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	name, rest := args[0], args[1:]
	if name == "help" || name == "-h" || name == "--help" {
		if len(rest) == 0 {
			usage(stdout)
			return exitOK
		}
		name, rest = rest[0], []string{"-h"}
	}
	for _, c := range commands {
		if c.name != name {
			continue
		}
		err := c.run(ctx, &call{c, rest, stdin, stdout, stderr})
		var wrong *usageError
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return exitOK
		case errors.As(err, &wrong):
			fmt.Fprintf(stderr, "sio %s: %v\nRun sio help %s for its arguments.\n", name, err, name)
			return exitUsage
		}
		fmt.Fprintf(stderr, "sio %s: %v\n", name, err)
		return exitFailed
	}
	fmt.Fprintf(stderr, "sio: there is no command %q\n", name)
	usage(stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Usage: sio COMMAND [ARGUMENTS]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nRun sio help COMMAND for its arguments.\n")
}

// parse parses flags, which may stand between the other arguments, until "--".
// It returns the latter.
func (c *call) parse(flags *flag.FlagSet) (rest []string, err error) {
	flags.SetOutput(io.Discard)
	for args := c.args; len(args) > 0; {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				c.printHelp(flags)
				return nil, err
			}
			return nil, usagef("%v", err)
		}
		left := flags.Args()
		if used := len(args) - len(left); used > 0 && args[used-1] == "--" {
			return append(rest, left...), nil
		}
		if len(left) > 0 {
			rest, left = append(rest, left[0]), left[1:]
		}
		args = left
	}
	return rest, nil
}

func (c *call) printHelp(flags *flag.FlagSet) {
	fmt.Fprintf(c.stdout, "Usage: sio %s %s [FLAGS]\n\n%s\nFlags:\n", c.name, c.command.args, c.help)
	flags.SetOutput(c.stdout)
	flags.PrintDefaults()
}

package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/siogo/sio/socketio/event"
)

var emitCommand = &command{
	name:    "emit",
	args:    "URL EVENT [ARGS…]",
	summary: "emit one event, and print how it was acknowledged",
	help: `Emits an event to the namespace that is the path of the URL, and ends when it has
been written to the server; with -ack, when the server has acknowledged it, whose
answer is printed as a JSON array.

ARGS that are JSON stand for themselves, @FILE for the bytes of a file, others for
strings. Flags may stand anywhere; after "--" there are none.

The exit code is 0 when the event was sent (and acknowledged), 1 when it was not or
the answer tells of an error, and 2 when the arguments make no sense.
`,
	run: runEmit,
}

func runEmit(ctx context.Context, c *call) error {
	var conn connection
	flags := flag.NewFlagSet("emit", flag.ContinueOnError)
	conn.register(flags)
	ack := flags.Bool("ack", false, "ask for an acknowledgement, and print it")
	rest, err := c.parse(flags)
	if err != nil {
		return err
	}
	if len(rest) < 2 {
		return usagef("expected a URL and the name of an event")
	}
	name := rest[1]
	if err := event.CheckName(name); err != nil {
		return &usageError{err.Error()}
	}
	args, err := arguments(rest[2:])
	if err != nil {
		return &usageError{err.Error()}
	}
	o, err := conn.options(c.stderr)
	if err != nil {
		return err
	}
	s, err := connectOnce(ctx, rest[0], o)
	if err != nil {
		return err
	}
	defer s.Close()
	if !*ack {
		if err := s.Emit(name, args...); err != nil {
			return err
		}
		if err := s.Flush(ctx); err != nil {
			return err
		}
		return s.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, conn.timeout)
	defer cancel()
	answer, err := s.Call(ctx, name, args...)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.stdout, "%s\n", answer.Raw()); err != nil {
		return err
	}
	if _, failure := event.Plain.Split(answer); failure != nil {
		return failure
	}
	return nil
}

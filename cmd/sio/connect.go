package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/socketio/sioclient"
)

var connectCommand = &command{
	name:    "connect",
	args:    "URL",
	summary: "stay connected: type events, see what comes",
	help: `Connects to the namespace that is the path of the URL, shows what comes, and sends
what is typed. It comes back by itself when the connection is lost.

` + typing + `
Input that is no terminal is read line by line; at its end the command waits for
what was sent, and for the acknowledgements that are to come. With -wait it stays
connected for that long.

The exit code is 0 at the end of the input, 1 when the server cannot be reached the
first time, refuses the namespace or throws the client out, and 2 when the arguments
make no sense.
`,
	run: runConnect,
}

const typing = `Type
  EVENT [ARGS…]    to emit an event
  ?EVENT [ARGS…]   to emit it and ask for an acknowledgement
  !N [ARGS…]       to answer the event with this number
  .state           to see the state of the connection
  .disconnect      to leave the namespace, .connect to come back
  .help            to see this
  .quit            to leave

ARGS that are JSON stand for themselves, @FILE for the bytes of a file, others for
strings.
`

func runConnect(ctx context.Context, c *call) error {
	var conn connection
	flags := flag.NewFlagSet("connect", flag.ContinueOnError)
	conn.register(flags)
	asJSON := flags.Bool("json", false, "print every line as a JSON object, for scripts")
	noColour := flags.Bool("no-color", false, "print without colours; so does NO_COLOR in the environment")
	packets := flags.Bool("packets", false, "show the packets of Engine.IO too")
	wait := flags.Duration("wait", 0, "stay connected for this `time` after the end of the input")
	rest, err := c.parse(flags)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("expected a URL, got %d arguments", len(rest))
	}
	o, err := conn.options(c.stderr)
	if err != nil {
		return err
	}
	v := &visit{timeout: conn.timeout, questions: make(map[uint64]*sioclient.Event)}
	v.watch(o, *packets)
	if v.socket, err = newClient(rest[0], o); err != nil {
		return err
	}
	defer v.socket.Close()
	if v.screen, err = newScreen(c.stdin, c.stdout, *asJSON, *noColour); err != nil {
		return err
	}
	defer v.screen.Close()
	return v.run(ctx, *wait)
}

// A visit is one run of connect.
type visit struct {
	socket  *sioclient.Socket
	screen  screen
	timeout time.Duration // for acknowledgements

	mu        sync.Mutex
	questions map[uint64]*sioclient.Event // events to be answered, by number
	asked     uint64
	calls     sync.WaitGroup // acknowledgements to come
}

// maxQuestions is how many events wait to be answered by hand; the oldest are
// forgotten.
const maxQuestions = 100

// watch adds what the options can show.
func (v *visit) watch(o *sioclient.Options, packets bool) {
	hooks := &eioclient.Hooks{
		Upgraded:      func(*eioclient.Conn) { v.info("the connection moved to WebSocket") },
		UpgradeFailed: func(_ *eioclient.Conn, err error) { v.info(fmt.Sprintf("the connection stays with polling: %v", err)) },
	}
	if packets {
		show := func(arrow string) func(*eioclient.Conn, eioparser.Packet) {
			return func(_ *eioclient.Conn, p eioparser.Packet) {
				text := string(p.Data)
				if p.Binary {
					text = fmt.Sprintf("%d bytes", len(p.Data))
				}
				v.show(&line{Kind: "packet", Text: fmt.Sprintf("%s %v %s", arrow, p.Type, text)})
			}
		}
		hooks.Received, hooks.Sent = show("←"), show("→")
	}
	o.Engine.Hooks = hooks
	o.OnError = func(_ *sioclient.Socket, _ string, err error) { v.fail(err) }
}

func (v *visit) show(l *line) {
	l.Time = time.Now()
	v.screen.Show(l)
}

func (v *visit) info(text string) { v.show(&line{Kind: "info", Text: text}) }
func (v *visit) fail(err error)   { v.show(&line{Kind: "error", Text: err.Error()}) }

// run shows what happens and does what is typed, until the input or ctx ends.
func (v *visit) run(ctx context.Context, wait time.Duration) error {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	v.socket.OnAny(v.received)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer leave(nil)
	watching.Go(func() { v.states(ctx, leave) }) // ends with ctx

	if err := v.socket.Connect(ctx); err != nil {
		return err
	}
	typed := make(chan string)
	go func() { // ends with the input, or at the next line after ctx; nobody waits: a read cannot be interrupted
		defer close(typed)
		for {
			text, err := v.screen.Read()
			if err != nil {
				return
			}
			select {
			case typed <- text:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case text, more := <-typed:
			if !more {
				return v.finish(ctx, wait)
			}
			if err := v.typed(ctx, text); err == io.EOF {
				return v.finish(ctx, 0)
			} else if err != nil {
				v.fail(err)
			}
		case <-ctx.Done():
			return over(ctx)
		}
	}
}

// over returns why the visit has ended: not being interrupted.
func over(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// finish waits for what is under way.
func (v *visit) finish(ctx context.Context, wait time.Duration) error {
	v.calls.Wait()
	if v.socket.Active() {
		if err := v.socket.Flush(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	if st := v.socket.State(); thrownOut(st.Err) { // states may be about to tell
		return st.Err
	}
	if ctx.Err() != nil {
		return over(ctx)
	}
	return v.socket.Close()
}

// thrownOut reports whether the server has ended the visit.
func thrownOut(err error) bool {
	var d *sioclient.DisconnectError
	return errors.As(err, &d) && d.Reason == sioclient.ReasonIOServerDisconnect
}

// states shows the states of the connection, and leaves when the server does not
// want the client.
func (v *visit) states(ctx context.Context, leave func(error)) {
	for st := range v.socket.States(ctx) {
		if st.Kind == sioclient.Disconnected && st.Err == nil {
			continue // not connected yet
		}
		l := &line{Kind: "state", Namespace: v.socket.Namespace(), State: st.Kind.String(), ID: st.ID, Recovered: st.Recovered, RetryMS: st.Retry.Milliseconds(), Text: st.String()}
		if st.Kind == sioclient.Connected {
			l.Text = fmt.Sprintf("%s to %s as %s over %s", st, v.socket.Namespace(), st.ID, v.socket.Transport())
		}
		v.show(l)
		if thrownOut(st.Err) {
			leave(st.Err)
		}
	}
}

// received shows an event.
func (v *visit) received(_ context.Context, e *sioclient.Event) error {
	l := &line{Kind: "event", Namespace: e.Socket().Namespace(), Event: e.Name, Args: json.RawMessage(e.Arguments().Raw())}
	if e.WantsReply() {
		v.mu.Lock()
		v.asked++
		l.Answer = v.asked
		v.questions[v.asked] = e
		delete(v.questions, v.asked-maxQuestions)
		v.mu.Unlock()
	}
	v.show(l)
	return nil
}

// typed does what a line says; io.EOF means to leave.
func (v *visit) typed(ctx context.Context, text string) error {
	list, err := words(text)
	if err != nil || len(list) == 0 {
		return err
	}
	first := list[0]
	switch first {
	case ".help":
		v.show(&line{Kind: "help", Text: typing})
		return nil
	case ".quit", ".exit":
		return io.EOF
	case ".state":
		kept, queued := v.socket.Buffered()
		v.info(fmt.Sprintf("%v as %q over %q, %d events kept, %d messages queued", v.socket.State(), v.socket.ID(), v.socket.Transport(), kept, queued))
		return nil
	case ".disconnect":
		v.socket.Disconnect()
		return nil
	case ".connect":
		return v.socket.Connect(ctx)
	}
	args, err := arguments(list[1:])
	if err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(first, "."):
		return fmt.Errorf("there is no command %s: see .help", first)
	case strings.HasPrefix(first, "!"):
		return v.answer(first[1:], args)
	case strings.HasPrefix(first, "?"):
		return v.ask(ctx, unquote(first[1:]), args)
	}
	first = unquote(first)
	v.emitting(first, list[1:]) // before what it leads to
	return v.socket.Emit(first, args...)
}

// unquote returns the name of an event that was typed with quotes.
func unquote(name string) string {
	var s string
	if json.Unmarshal([]byte(name), &s) == nil && strings.HasPrefix(name, `"`) {
		return s
	}
	return name
}

// emitting shows what is emitted, as it was typed.
func (v *visit) emitting(name string, typed []string) {
	args := make([]any, 0, len(typed))
	for _, w := range typed {
		var a any = w
		if json.Valid([]byte(w)) {
			a = json.RawMessage(w)
		}
		args = append(args, a)
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return // each of them was valid
	}
	v.show(&line{Kind: "emit", Namespace: v.socket.Namespace(), Event: name, Args: raw})
}

// ask emits an event and shows the acknowledgement when it comes.
func (v *visit) ask(ctx context.Context, name string, args []any) error {
	start := time.Now()
	v.calls.Go(func() { // ends with the answer, or the time for it
		ctx, cancel := context.WithTimeout(ctx, v.timeout)
		defer cancel()
		answer, err := v.socket.Call(ctx, name, args...)
		if err != nil {
			v.fail(fmt.Errorf("%s: %w", name, err))
			return
		}
		v.show(&line{
			Kind:      "ack",
			Namespace: v.socket.Namespace(),
			Event:     name,
			Args:      json.RawMessage(answer.Raw()),
			TookMS:    float64(time.Since(start).Microseconds()) / 1000,
		})
	})
	return nil
}

// answer acknowledges an event.
func (v *visit) answer(number string, args []any) error {
	n, err := strconv.ParseUint(number, 10, 64)
	v.mu.Lock()
	e := v.questions[n]
	delete(v.questions, n)
	v.mu.Unlock()
	if err != nil || e == nil {
		return fmt.Errorf("no event with the number %s waits for an answer", number)
	}
	return e.Reply(args...)
}

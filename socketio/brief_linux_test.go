package socketio_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/internal/peer"
	"github.com/siogo/sio/socketio/siotest"
)

// Brief handlers run in the goroutine that polls connections, which real sockets
// have only.

// A live is a client over TCP that speaks in frames.
type live struct {
	t *testing.T
	*peer.Conn
}

func dialLive(t *testing.T, s *siotest.Server) live {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(time.Minute))
	conn, err := peer.Dial(nc, "/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Abort)
	l := live{t, conn}
	l.expect("0{")
	l.send("40")
	l.expect("40")
	return l
}

// send writes frames at once.
func (l live) send(frames ...string) {
	ms := make([]peer.Message, len(frames))
	for i, f := range frames {
		ms[i].Data = []byte(f)
	}
	l.Write(ms...)
}

// expect reads as many frames and compares how they begin.
func (l live) expect(frames ...string) {
	l.t.Helper()
	for _, want := range frames {
		m, err := l.Read()
		if err != nil {
			l.t.Fatalf("expected %.80s, got %v", want, err)
		}
		if got := string(m.Data); !strings.HasPrefix(got, want) {
			l.t.Fatalf("expected %.80s, got %.80s", want, got)
		}
	}
}

// polls reports whether the calling goroutine is a poller.
func polls() bool { return strings.Contains(string(debug.Stack()), "rawconn.(*worker).run") }

// crowd returns so many clients that each poller has several.
func crowd(t *testing.T, s *siotest.Server) []live {
	all := make([]live, 3*runtime.GOMAXPROCS(0))
	for i := range all {
		all[i] = dialLive(t, s)
	}
	return all
}

// answerAll says that every client is served.
func answerAll(t *testing.T, all []live) {
	t.Helper()
	for i, c := range all {
		c.send(fmt.Sprintf(`42%d["echo"]`, i))
	}
	for i, c := range all {
		c.expect(fmt.Sprintf(`43%d["echo"]`, i))
	}
}

// A handler is run by the poller as soon as it has proven to be brief, and not
// any more when it takes its time.
func TestBriefHandlersNeedNoGoroutine(t *testing.T) {
	io := socketio.New(&socketio.Options{Logger: quiet})
	slow := false
	io.On("where", func(_ context.Context, e *socketio.Event) error {
		if slow {
			time.Sleep(5 * time.Millisecond)
		}
		return e.Reply(polls())
	})
	c := dialLive(t, siotest.NewServer(t, io))
	where := func() bool {
		c.send(`421["where"]`)
		m, err := c.Read()
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Data) == "431[true]"
	}
	if where() {
		t.Error("a new handler was run by the poller")
	}
	socketio.SetPace(io, "where", socketio.UnknownPace)
	for n := 0; !where(); n++ { // stack traces are not quick: it may never be brief on a slow machine
		if n%10 == 9 {
			socketio.SetPace(io, "where", 0)
		}
	}
	slow = true
	for n := 0; where(); n++ {
		if n > 10 {
			t.Fatal("a handler of 5 ms is still taken for a brief one")
		}
	}
}

// Whatever a handler does that was taken for a brief one, other clients are
// served, and its own client gets what it is owed.
func TestBriefHandlersThatAreNot(t *testing.T) {
	io := socketio.New(&socketio.Options{Logger: quiet})
	release := make(chan struct{})
	io.On("echo", reply("echo"))
	io.On("wait", func(_ context.Context, e *socketio.Event) error {
		<-release
		return e.Reply("waited")
	})
	io.On("ask", func(ctx context.Context, e *socketio.Event) error {
		if _, err := e.Socket().Call(ctx, "question"); err != nil {
			return err
		}
		return e.Reply("asked")
	})
	io.On("detach", func(ctx context.Context, e *socketio.Event) error {
		socketio.Detach(ctx)
		<-release
		return e.Reply("detached")
	})
	io.On("flush", func(ctx context.Context, e *socketio.Event) error {
		if err := e.Socket().Emit("flushed"); err != nil {
			return err
		}
		if err := e.Socket().Flush(ctx); err != nil {
			return err
		}
		if packets, _ := e.Socket().Buffered(); packets != 0 {
			return fmt.Errorf("%d packets wait after Flush", packets)
		}
		<-release
		return e.Reply("done")
	})
	io.On("exit", func(context.Context, *socketio.Event) error { runtime.Goexit(); return nil })
	io.On("panic", func(context.Context, *socketio.Event) error { panic("of a brief handler") })
	io.On("hang up", func(_ context.Context, e *socketio.Event) error {
		if err := e.Socket().Emit("bye"); err != nil {
			return err
		}
		return socketio.Hangup
	})

	s := siotest.NewServer(t, io)
	for _, c := range []struct {
		event   string
		first   []string // what comes before others were served
		say     string   // then
		release bool     // then
		then    []string
	}{
		{event: "wait", release: true, then: []string{`4310["waited"]`, `4311["echo"]`}},
		{event: "ask", first: []string{`42#["question"]`, `4311["echo"]`}, say: `43#[]`, then: []string{`4310["asked"]`}},
		{event: "detach", first: []string{`4311["echo"]`}, release: true, then: []string{`4310["detached"]`}},
		{event: "flush", first: []string{`42["flushed"]`}, release: true, then: []string{`4310["done"]`, `4311["echo"]`}},
		{event: "exit", first: []string{`4311["echo"]`}},
		{event: "panic", first: []string{`4310[`, `4311["echo"]`}},
		{event: "hang up", first: []string{`42["bye"]`, `41`}},
	} {
		t.Run(c.event, func(t *testing.T) {
			others, client := crowd(t, s), dialLive(t, s)
			for round := range 3 {
				ask := strings.NewReplacer("#", fmt.Sprint(round+1)) // the id of a question
				for _, name := range []string{"echo", c.event} {
					socketio.SetPace(io, name, 0)
				}
				client.send(`429["echo"]`, fmt.Sprintf(`4210["%s"]`, c.event), `4211["echo"]`)
				// The answer that is there does not wait for the one that is not.
				client.expect(`439["echo"]`)
				for _, frame := range c.first {
					client.expect(ask.Replace(frame))
				}
				answerAll(t, others)
				if c.say != "" {
					client.send(ask.Replace(c.say))
				}
				if c.release {
					release <- struct{}{}
				}
				client.expect(c.then...)
				if c.event == "hang up" {
					break
				}
			}
			answerAll(t, others)
		})
	}
}

// Answers to what was sent together come in order, few and short as well as many
// and long ones, of which some have to leave before the last is there.
func TestBriefHandlersAnswerInOrder(t *testing.T) {
	io := socketio.New(&socketio.Options{Logger: quiet})
	io.On("echo", func(_ context.Context, e *socketio.Event) error { return e.Reply(e.Arguments()) })
	c := dialLive(t, siotest.NewServer(t, io))
	for _, series := range []struct{ events, size int }{
		{1, 1}, {50, 1}, {2000, 10}, {300, 1000}, {20, 30_000}, // less than the queue of a client may hold
	} {
		payload := strings.Repeat("x", series.size)
		for range 20 {
			socketio.SetPace(io, "echo", 0)
			var frames, answers []string
			for i := range series.events {
				frames = append(frames, fmt.Sprintf(`42%d["echo","%s"]`, i, payload))
				answers = append(answers, fmt.Sprintf(`43%d["%s"]`, i, payload))
			}
			c.send(frames...)
			c.expect(answers...)
		}
	}
}

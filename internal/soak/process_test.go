package soak

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/siogo/sio/internal/goal"
	"github.com/siogo/sio/socketio/sioclient"
)

// G14: a server with many clients is told to end while it emits to all of them.
// What it has emitted reaches them, and it ends in order.
func TestFault_X01_TerminatedUnderLoad(t *testing.T) {
	t.Parallel()
	clients := goal.Size(200, 2000)
	server := start(t, setup{PingInterval: 5 * time.Second, PingTimeout: 5 * time.Second, Ticks: 100 * time.Millisecond})
	var mu sync.Mutex
	last, gone := make([]int, clients), make([]bool, clients)
	var all sync.WaitGroup
	all.Add(clients)
	connect(t, server.addr, clients, func(i int, c *sioclient.Socket) {
		c.On("tick", func(_ context.Context, e *sioclient.Event) error {
			var n int
			if err := e.Decode(&n); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if last[i] != 0 && n != last[i]+1 {
				t.Errorf("client %d got %d after %d", i, n, last[i])
			}
			last[i] = n
			return nil
		})
		c.OnDisconnect(func(context.Context, *sioclient.Socket, sioclient.Reason) {
			mu.Lock()
			defer mu.Unlock()
			if !gone[i] {
				gone[i] = true
				all.Done()
			}
		})
	})
	time.Sleep(300 * time.Millisecond) // some ticks
	bye := server.terminate()
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	lost := 0
	for i, n := range last {
		if n != bye.Last {
			lost += bye.Last - n
			t.Logf("client %d got %d of %d", i, n, bye.Last)
		}
	}
	n := goal.Count
	goal.Report(t, goal.Figure{
		Goal: "G14", What: fmt.Sprintf("from SIGTERM to the end, with %s clients under load", n(clients)),
		Figure: bye.Took.Round(time.Millisecond).String(), Wanted: "at most " + patience.String(),
		Met: bye.Took <= patience+100*time.Millisecond && bye.Error == "",
	})
	goal.Report(t, goal.Figure{
		Goal: "G14", What: "events that were accepted before and have not arrived",
		Figure: n(lost), Wanted: "0", Met: lost == 0,
	})
	goal.Report(t, goal.Figure{
		Goal: "G14", What: "goroutines that are left",
		Figure: n(len(bye.Left)), Wanted: "0", Met: len(bye.Left) == 0,
	})
	if bye.Error != "" {
		t.Error(bye.Error)
	}
	for _, stack := range bye.Left {
		t.Log(stack)
	}
}

// A server that is out of file descriptors refuses new clients without spinning,
// keeps those that it has, and takes new ones again when there is room.
func TestFault_X04_OutOfFiles(t *testing.T) {
	t.Parallel()
	server := start(t, setup{PingInterval: time.Second, PingTimeout: 6 * time.Second, Files: 64})
	o := options(0)
	var stay []*sioclient.Socket
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		c, err := sioclient.Dial(ctx, "http://"+server.addr, o)
		cancel()
		if err != nil {
			break
		}
		t.Cleanup(func() { c.Close() })
		if stay = append(stay, c); len(stay) > 64 {
			t.Fatal("there is no limit")
		}
	}
	time.Sleep(8 * time.Second) // more than a ping and its timeout
	for i, c := range stay {
		if !c.Connected() {
			t.Errorf("client %d was lost: %v", i, c.State())
		}
	}
	const room = 10
	if len(stay) < room {
		t.Fatalf("only %d clients fit in", len(stay))
	}
	closeAll(stay[:room])
	for range room / 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		c, err := sioclient.Dial(ctx, "http://"+server.addr, o)
		cancel()
		if err != nil {
			t.Errorf("there is room again, and still: %v", err)
			break
		}
		t.Cleanup(func() { c.Close() })
	}
	if bye := server.terminate(); bye.Error != "" || bye.CPU > 5*time.Second { // of more than ten
		t.Errorf("the server used %v and ended with %q", bye.CPU, bye.Error)
	}
	t.Logf("%d clients", len(stay))
}

// The application computes without a pause, on the only processor there is:
// nobody is given up for it.
func TestFault_X08_BusyProcess(t *testing.T) {
	t.Parallel()
	server := start(t, setup{PingInterval: time.Second, PingTimeout: 6 * time.Second, Procs: 1, Busy: true})
	all := connect(t, server.addr, 50, nil)
	time.Sleep(goal.Size(8*time.Second, time.Minute))
	for i, c := range all {
		if !c.Connected() {
			t.Errorf("client %d was lost: %v", i, c.State())
		}
	}
}

// X02, X03: one server after the other is killed, or told to end, and another
// takes its place; all clients come back, to whichever is up.
func TestFault_X02_X03_ServersAreReplaced(t *testing.T) {
	t.Parallel()
	for _, how := range []struct {
		name string
		end  func(p *process)
	}{
		{"killed", func(p *process) { p.cmd.Process.Kill(); p.wait() }},
		{"told to end", func(p *process) {
			if bye := p.terminate(); bye.Error != "" || len(bye.Left) != 0 {
				t.Errorf("a server ended with %q, and leaves %q", bye.Error, bye.Left)
			}
		}},
	} {
		t.Run(how.name, func(t *testing.T) {
			s := setup{PingInterval: 2 * time.Second, PingTimeout: 2 * time.Second}
			var mu sync.Mutex
			servers := []*process{start(t, s), start(t, s), start(t, s)}
			clients := goal.Size(60, 1000)
			all := make([]*sioclient.Socket, clients)
			each(16, clients, func(i int) {
				o := options(i)
				o.Backoff = sioclient.Backoff{}
				n := i
				o.Endpoint = func(context.Context) (string, error) { // the next in turn, at each attempt
					mu.Lock()
					defer mu.Unlock()
					n++
					return "http://" + servers[n%len(servers)].addr, nil
				}
				c, err := sioclient.New("http://"+servers[0].addr, o)
				if err != nil {
					t.Error(err)
					return
				}
				all[i] = c
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				if err := c.Connect(ctx); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			})
			t.Cleanup(func() { closeAll(all) })
			if t.Failed() {
				return
			}
			slowest := time.Duration(0)
			for i := range servers {
				old := servers[i]
				next := start(t, s)
				mu.Lock()
				servers[i] = next
				mu.Unlock()
				how.end(old)
				begin := time.Now()
				each(16, clients, func(i int) {
					for deadline := begin.Add(time.Minute); !echoes(all[i]); time.Sleep(20 * time.Millisecond) {
						if time.Now().After(deadline) {
							t.Errorf("client %d is not back: %v", i, all[i].State())
							return
						}
					}
				})
				slowest = max(slowest, time.Since(begin))
			}
			t.Logf("%d clients were back %v after the end of a server, at the latest", clients, slowest)
			if goal.Full() { // what a busy machine must not fail
				goal.Report(t, goal.Figure{
					Goal: "X02, X03", What: fmt.Sprintf("until all of %s clients are back on another server, each of three being %s", goal.Count(clients), how.name),
					Figure: slowest.Round(time.Millisecond).String(), Wanted: "at most 10s, twice the longest backoff", Met: slowest <= 10*time.Second,
				})
			}
		})
	}
}

// echoes reports whether the server of a socket answers.
func echoes(c *sioclient.Socket) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := c.Call(ctx, "echo", 1)
	return err == nil
}

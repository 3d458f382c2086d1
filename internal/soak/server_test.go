package soak

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/internal/goal"
	"github.com/siogo/sio/internal/leak"
	"github.com/siogo/sio/socketio"
)

// A setup is how the server's process begins. It is told in the environment.
type setup struct {
	PingInterval, PingTimeout time.Duration
	Ticks                     time.Duration // between numbered events to all; 0: none
	Files                     uint64        // limit of open files; 0: as it is
	Procs                     int           // GOMAXPROCS; 0: as it is
	Busy                      bool          // one goroutine that never rests
	Blob                      int           // bytes that each numbered event carries besides
	Memory                    int64         // GOMEMLIMIT; 0: none
	Sessions                  int           // engineio.Options.MaxSessions
	Patience                  time.Duration // of Shutdown
}

// A holding is what the server's process holds.
type holding struct {
	leak.Residue
	Sessions, WebSockets, Sockets, Rooms int
}

// A farewell is the last thing that the server's process writes.
type farewell struct {
	Last  int           // the number of the last event to all
	Took  time.Duration // from the signal to the end of Shutdown
	Error string        // of Shutdown
	Left  []string      // goroutines that were not there in the beginning
	CPU   time.Duration // what the process has used
}

const setupVariable = "SIO_SOAK_SERVER"

// patience is how long a server may take to end: 5 s are the goal, which a busy
// machine must not fail.
var patience = goal.Size(30*time.Second, 5*time.Second)

func TestMain(m *testing.M) {
	if text := os.Getenv(setupVariable); text != "" {
		var s setup
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			panic(err)
		}
		serve(s)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve is the server's process, until SIGTERM.
func serve(s setup) {
	if s.Files != 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: s.Files, Max: s.Files}); err != nil {
			panic(err)
		}
	}
	if s.Procs != 0 {
		runtime.GOMAXPROCS(s.Procs)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	atFirst := leak.Take()
	if s.Memory != 0 {
		debug.SetMemoryLimit(s.Memory)
	}
	io := socketio.New(&socketio.Options{
		Engine:       engineio.Options{MaxSessions: s.Sessions},
		PingInterval: s.PingInterval, PingTimeout: s.PingTimeout,
		Logger: slog.New(slog.DiscardHandler),
	})
	io.On("echo", func(_ context.Context, e *socketio.Event) error { return e.Reply(e.Arguments()) })
	io.On("join", func(_ context.Context, e *socketio.Event) error {
		var room string
		if err := e.Decode(&room); err != nil {
			return err
		}
		if err := e.Socket().Join(room); err != nil {
			return err
		}
		return e.Reply(room)
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.HandleFunc("/holding", func(w http.ResponseWriter, _ *http.Request) {
		st := io.Engine().Stats()
		h := holding{Residue: leak.Take(), Sessions: st.Sessions, WebSockets: st.WebSockets, Sockets: io.Adapter().Len()}
		for range io.Adapter().RoomSizes() {
			h.Rooms++
		}
		json.NewEncoder(w).Encode(h)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() { // ended by hs.Shutdown, and awaited
		defer close(served)
		hs.Serve(l)
	}()
	if s.Busy {
		go func() { // ends with the process
			for n := 0; ; n++ {
				_ = fmt.Sprint(n)
			}
		}()
	}
	fmt.Println(l.Addr())

	var bye farewell
	if s.Ticks > 0 {
		tick := time.NewTicker(s.Ticks)
		for ctx.Err() == nil {
			select {
			case <-tick.C:
				if err := io.Emit("tick", bye.Last+1, make([]byte, s.Blob)); err != nil {
					panic(err)
				}
				bye.Last++
			case <-ctx.Done():
			}
		}
		tick.Stop()
	}
	<-ctx.Done()
	begin := time.Now()
	patience, cancel := context.WithTimeout(context.Background(), s.Patience)
	defer cancel()
	if err := io.Shutdown(patience); err != nil {
		bye.Error = err.Error()
	}
	bye.Took = time.Since(begin)
	hs.Shutdown(patience)
	<-served
	stop()
	for range 1000 { // those that have just ended need a moment to be gone
		if bye.Left = leak.Take().Beyond(atFirst); len(bye.Left) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	bye.CPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	json.NewEncoder(os.Stdout).Encode(bye)
}

// A process is the server's, as the test sees it.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *bufio.Reader
	addr string
	errs bytes.Buffer
	wait func() error
}

// start starts a server that ends with the test.
func start(t *testing.T, s setup) *process {
	t.Helper()
	s.Patience = patience
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), setupVariable+"="+string(text))
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.wait = sync.OnceValue(p.cmd.Wait)
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.wait()
	})
	p.out = bufio.NewReader(out)
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the server does not start: %v\n%s", err, &p.errs)
	}
	p.addr = strings.TrimSpace(line)
	return p
}

// terminate sends SIGTERM and returns what the server says at last.
func (p *process) terminate() (bye farewell) {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	line, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &bye)
	}
	if waited := p.wait(); err != nil || waited != nil {
		p.t.Fatalf("the server ended with %v, %v\n%.3000s", err, waited, &p.errs)
	}
	return bye
}

// holding returns what the server holds now.
func (p *process) holding() (h holding) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.addr + "/holding")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
		p.t.Fatal(err)
	}
	return h
}

// settle waits until the server holds no more than want allows, and returns what
// it holds then, or after patience.
func (p *process) settle(patience time.Duration, want func(h holding) bool) (h holding) {
	for deadline := time.Now().Add(patience); ; {
		if h = p.holding(); want(h) || time.Now().After(deadline) {
			return h
		}
		time.Sleep(200 * time.Millisecond)
	}
}

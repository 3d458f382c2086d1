//go:build !js

package sioclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
)

var number = event.New[int]("n")

// A counter is a server that notes the numbers that it gets.
type counter struct {
	mu     sync.Mutex
	got    []int
	labels []string
	silent map[int]int // how often a number is not acknowledged
}

func (c *counter) server(o *socketio.Options) *socketio.Server {
	io := newServer(o)
	io.On("n", func(_ context.Context, e *socketio.Event) error {
		var n int
		var label string
		if err := e.Decode(&n, &label); err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, n)
		c.labels = append(c.labels, label)
		if c.silent[n] > 0 {
			c.silent[n]--
			return nil
		}
		return e.Reply(n)
	})
	return io
}

func (c *counter) numbers() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// An errorLog is what OnError hears.
type errorLog struct {
	mu   sync.Mutex
	list []string
}

func (l *errorLog) hear(_ *Socket, name string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var u *UndeliveredError
	if errors.As(err, &u) {
		l.list = append(l.list, fmt.Sprintf("%s: %d tries in %v: %v", u.Event, u.Tries, u.After, u.Err))
		return
	}
	l.list = append(l.list, name+": "+err.Error())
}

func (l *errorLog) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// An hour without a connection: what is kept is bounded in number, bytes and
// age, and whoever emits more is told, or what had to go is.
func TestFault_B05_OfflineForAnHour(t *testing.T) {
	for _, tt := range []struct {
		name    string
		offline Offline
		want    []int
		errors  string // one for each second, the last of them
	}{
		{"nothing is kept", Offline{}, nil, "not connected"},
		{"the newest are refused", Offline{MaxPackets: 3, MaxAge: -1}, []int{0, 1, 2}, "queue is full"},
		{"the oldest are dropped", Offline{MaxPackets: 3, DropOldest: true}, []int{3597, 3598, 3599}, ""},
		{"bytes", Offline{MaxPackets: 1000, MaxBytes: 50, MaxAge: -1}, []int{0, 1, 2, 3, 4, 5}, "queue is full"}, // 2["n",0]
		{"age", Offline{MaxPackets: 1000, MaxAge: 4500 * time.Millisecond}, []int{3596, 3597, 3598, 3599}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c counter
				var log errorLog
				r := newRig(t, c.server(nil))
				s := r.dial("/", &Options{Offline: tt.offline, OnError: log.hear, Backoff: Backoff{Max: time.Second, Jitter: -1}})
				r.serve(nil)
				r.lose(s)
				refused := 0
				var last error
				for i := range 3600 {
					if err := number.Emit(s, i); err != nil {
						refused++
						last = err
					}
					time.Sleep(time.Second)
				}
				if tt.errors != "" && (last == nil || !strings.Contains(last.Error(), tt.errors) || refused != 3600-len(tt.want)) {
					t.Errorf("%d were refused, the last with %v", refused, last)
				}
				r.serve(c.server(nil))
				await(t, s, Connected)
				if err := s.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if got := c.numbers(); !slices.Equal(got, tt.want) && !(tt.name == "age" && slices.Equal(got, tt.want[1:])) {
					t.Errorf("the server got %v, expected %v", got, tt.want)
				}
				lost := log.heard()
				if dropped := 3600 - refused - len(c.numbers()); len(lost) != dropped {
					t.Errorf("%d were dropped, and %d errors heard", dropped, len(lost))
				}
				if kept, queued := s.Buffered(); kept != 0 || queued != 0 {
					t.Errorf("%d kept, %d queued", kept, queued)
				}
			})
		})
	}
}

// What was kept goes before what is emitted when the socket is connected, also
// when it is more than the queue of the connection takes at once.
func TestKeptEventsGoFirst(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c counter
				r := newRig(t, c.server(nil))
				o := w.options
				o.Offline = Offline{MaxPackets: 500}
				o.Engine = eioclient.Options{MaxQueuePackets: 10}
				s := r.client("/", &o)
				i := 0
				emit := func(n int) {
					for range n {
						if err := number.Emit(s, i); err != nil {
							t.Fatal(err)
						}
						i++
					}
				}
				s.OnConnect(func(context.Context, *Socket) error { emit(5); return nil })
				emit(200)
				if err := s.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				for range 300 {
					if err := number.Send(t.Context(), s, i); err != nil {
						t.Fatal(err)
					}
					i++
				}
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if got := c.numbers(); len(got) != i || !slices.IsSorted(got) {
					t.Errorf("the server got %d of %d: %v", len(got), i, got)
				}
			})
		})
	}
}

// A Call that is kept can be given up; it is not sent then.
func TestKeptCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counter
		r := newRig(t, c.server(nil))
		s := r.client("/", &Options{Offline: Offline{MaxPackets: 2}})
		if _, err := s.Call(t.Context(), "n", 1); err != ErrAckTimeout {
			t.Errorf("Call: %v", err)
		}
		answer := make(chan error, 1)
		go func() { _, err := s.Call(context.Background(), "n", 2); answer <- err }() // ends with the answer
		synctest.Wait()
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; err != nil {
			t.Errorf("Call: %v", err)
		}
		if got := c.numbers(); !slices.Equal(got, []int{2}) {
			t.Errorf("the server got %v", got)
		}
	})
}

func TestVolatile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counter
		r := newRig(t, c.server(nil))
		s := r.client("/", &Options{Transports: []string{eioclient.WebSocket}, Offline: Offline{MaxPackets: 2}, Retry: Retry{Max: 1}})
		if err := number.Emit(s.Volatile(), 1); err != nil {
			t.Error(err)
		}
		if _, err := s.Volatile().Call(t.Context(), "n", 1); !errors.Is(err, ErrDisconnected) {
			t.Errorf("Call: %v", err)
		}
		s.Connect(t.Context())
		if err := number.Emit(s.Volatile().Compress(false), 2); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if _, err := s.Volatile().Call(t.Context(), "n", 3); err != nil {
			t.Errorf("Call: %v", err)
		}
		if got := c.numbers(); !slices.Equal(got, []int{2, 3}) {
			t.Errorf("the server got %v", got)
		}
	})
}

// At least once, in order, one at a time: whatever happens to acknowledgements
// and connections.
func TestFault_K10_Retries(t *testing.T) {
	const n = 20
	for _, tt := range []struct {
		name    string
		silent  map[int]int
		happens func(r *rig, c *counter, s *Socket)
	}{
		{"nothing", nil, nil},
		{"acknowledgements are lost", map[int]int{0: 1, 7: 2, 19: 2}, nil},
		{"reconnections", nil, func(r *rig, _ *counter, s *Socket) {
			for range 5 {
				r.lose(s)
				await(t, s, Connected)
			}
		}},
		{"a restart", map[int]int{3: 1}, func(r *rig, c *counter, s *Socket) {
			r.serve(nil)
			r.lose(s)
			time.Sleep(10 * time.Second)
			r.serve(c.server(nil))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := counter{silent: tt.silent}
				var log errorLog
				r := newRig(t, c.server(nil))
				s := r.client("/", &Options{OnError: log.hear, Retry: Retry{Max: 5, Timeout: time.Second, AppendID: true}})
				// Emitted inside connect: the reference sends these twice.
				first, emitted := true, make(chan struct{})
				s.OnConnect(func(context.Context, *Socket) error {
					if !first {
						return nil
					}
					first = false
					for i := n / 2; i < n; i++ {
						number.Emit(s, i)
					}
					close(emitted)
					return nil
				})
				for i := range n / 2 {
					number.Emit(s, i)
				}
				if err := s.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				<-emitted // Connect does not wait for it
				if tt.happens != nil {
					tt.happens(r, &c, s)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if err := s.Flush(ctx); err != nil {
					t.Fatal(err)
				}
				got := c.numbers()
				if compact := slices.Compact(slices.Clone(got)); len(compact) != n || !slices.IsSorted(compact) {
					t.Errorf("the server got %v", got)
				}
				if tt.happens == nil {
					extra := 0
					for _, k := range []int{0, 7, 19} {
						if tt.silent != nil {
							extra += map[int]int{0: 1, 7: 2, 19: 2}[k]
						}
					}
					if len(got) != n+extra {
						t.Errorf("the server got %d events, expected %d", len(got), n+extra)
					}
				}
				labels := map[string]int{}
				for i, l := range c.labels {
					if old, known := labels[l]; l == "" || known && old != got[i] {
						t.Errorf("label %q stands for %d and %d", l, old, got[i])
					}
					labels[l] = got[i]
				}
				if len(labels) != n || len(log.heard()) != 0 {
					t.Errorf("%d labels, errors %q", len(labels), log.heard())
				}
			})
		})
	}
}

// An event that is never acknowledged is reported after its tries, and those
// behind it go on.
func TestFault_K10_FailuresAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := counter{silent: map[int]int{1: 100, 3: 100}}
		var log errorLog
		r := newRig(t, c.server(nil))
		s := r.dial("/", &Options{OnError: log.hear, Retry: Retry{Max: 2, Timeout: time.Second, MaxPackets: 4}})
		for i := range 3 {
			if err := number.Emit(s, i); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.Call(context.Background(), "n", 3)
		if err != ErrAckTimeout {
			t.Errorf("Call: %v", err)
		}
		if got, want := c.numbers(), []int{0, 1, 1, 1, 2, 3, 3, 3}; !slices.Equal(got, want) {
			t.Errorf("the server got %v, expected %v", got, want)
		}
		if got, want := log.heard(), []string{"n: 3 tries in 3s: socketio: no acknowledgement in time"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, expected %q", got, want)
		}
		c.silent[4] = 100
		for range 4 {
			if err := number.Emit(s, 4); err != nil {
				t.Fatal(err)
			}
		}
		if err := number.Emit(s, 5); err != ErrQueueFull {
			t.Errorf("Emit: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := number.Send(ctx, s, 5); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send: %v", err)
		}
		if err := s.Close(); err == nil || !strings.Contains(err.Error(), "4 events") {
			t.Errorf("Close: %v", err)
		}
	})
}

// A late acknowledgement of an earlier try counts, and one that comes twice
// means nothing.
func TestFault_K10_LateAndDuplicateAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := newServer(nil)
		var mu sync.Mutex
		var got []int
		io.On("n", socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
			var n int
			if err := e.Decode(&n); err != nil {
				return err
			}
			mu.Lock()
			got = append(got, n)
			tries := len(got)
			mu.Unlock()
			socketio.Detach(ctx)
			switch tries {
			case 1:
				time.Sleep(1500 * time.Millisecond) // the second try is under way by then
			case 2:
				time.Sleep(10 * time.Second) // its acknowledgement comes when nobody waits any more
			}
			return e.Reply()
		}))
		r := newRig(t, io)
		s := r.dial("/", &Options{Retry: Retry{Max: -1, Timeout: time.Second}})
		number.Emit(s, 1)
		number.Emit(s, 2)
		if err := s.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if want := []int{1, 1, 2}; !slices.Equal(got, want) {
			t.Errorf("the server got %v, expected %v", got, want)
		}
	})
}

// A Call with retries ends when its caller gives up; the events behind go on.
func TestRetriedCallIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := counter{silent: map[int]int{1: 100}}
		r := newRig(t, c.server(nil))
		s := r.dial("/", &Options{Retry: Retry{Max: -1, Timeout: time.Second}})
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if _, err := s.Call(ctx, "n", 1); err != ErrAckTimeout {
			t.Errorf("Call: %v", err)
		}
		if _, err := s.Call(t.Context(), "n", 2); err != nil {
			t.Errorf("Call: %v", err)
		}
		if got, want := c.numbers(), []int{1, 1, 2}; !slices.Equal(got, want) {
			t.Errorf("the server got %v, expected %v", got, want)
		}
	})
}

// Send and Flush wait for a connection, and go on as soon as there is one.
func TestSendAndFlushWaitForAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counter
		r := newRig(t, c.server(nil))
		s := r.dial("/", &Options{Backoff: Backoff{Jitter: -1}})
		r.serve(nil)
		r.lose(s)
		start := time.Now()
		time.AfterFunc(5*time.Second, func() { r.serve(c.server(nil)) }) // the next attempt is made 7 s after the loss
		var all sync.WaitGroup
		all.Go(func() {
			if err := number.Send(t.Context(), s, 1); err != nil {
				t.Errorf("Send: %v", err)
			}
		})
		if err := s.Flush(t.Context()); err != nil {
			t.Errorf("Flush: %v", err)
		}
		all.Wait()
		if took := time.Since(start); took > 7*time.Second+10*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		synctest.Wait()
		if got := c.numbers(); !slices.Equal(got, []int{1}) {
			t.Errorf("the server got %v", got)
		}
	})
}

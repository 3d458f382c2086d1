package cluster

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"
	redisadapter "github.com/siogo/sio/adapters/redis"
	"github.com/siogo/sio/internal/redisserver"
	"github.com/siogo/sio/interop/internal/node"
	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
)

// BenchmarkTwoNodes measures broadcasts of 100 bytes to one room from one node to
// another, which has one socket there: how many arrive per second, and how much
// CPU the receiving adapter takes for each. The socket itself takes no part.
//
// In Go, publisher and receiver are in one process: what the publisher takes
// alone is measured before, and taken off.
func BenchmarkTwoNodes(b *testing.B) {
	b.Run("go", benchmarkGo)
	b.Run("node", benchmarkNode)
}

type benchSpace struct{ got atomic.Int64 }

func (n *benchSpace) Name() string             { return "/" }
func (n *benchSpace) Parser() sioparser.Parser { return sioparser.JSON(nil) }
func (n *benchSpace) Logger() *slog.Logger     { return slog.New(slog.DiscardHandler) }
func (n *benchSpace) Deliver(p *sioadapter.Packet, _ sioadapter.Flags, to []sioadapter.Member) {
	n.got.Add(int64(len(to)))
}
func (n *benchSpace) Ask(*sioadapter.Packet, sioadapter.Flags, []sioadapter.Member, sioadapter.Answers) func() {
	return func() {}
}
func (n *benchSpace) Describe(m sioadapter.Member) sioadapter.Info {
	return sioadapter.Info{ID: m.ID()}
}
func (n *benchSpace) Disconnect(sioadapter.Member, bool) {}

type benchSocket struct{ seat sioadapter.Seat }

func (s *benchSocket) ID() string             { return "somebody" }
func (s *benchSocket) Seat() *sioadapter.Seat { return &s.seat }

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchmarkGo(b *testing.B) {
	redis := redisserver.Start(b)
	conn, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis.Addr}, ForceSingleClient: true})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	args, err := sioparser.JSON(nil).EncodeArgs("event", strings.Repeat("x", 100))
	if err != nil {
		b.Fatal(err)
	}
	from := redisadapter.New(conn, nil).Open(&benchSpace{})
	defer from.Close()
	publish := func() {
		for i := 0; i < b.N; {
			if from.Broadcast(&sioadapter.Packet{Args: args}, &sioadapter.Selection{Rooms: []string{"r"}}) == nil {
				i++
			} else {
				time.Sleep(50 * time.Microsecond) // the queue is full
			}
		}
	}
	queued := func() int { return from.(*sioadapter.Cluster).Health().Queued }
	drain := func() {
		for queued() > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	begin := cpu()
	publish()
	drain()
	alone := cpu() - begin

	space := &benchSpace{}
	to := redisadapter.New(conn, nil).Open(space)
	defer to.Close()
	s := &benchSocket{}
	to.Add(s)
	_ = to.Join(s, "r")
	for space.got.Load() == 0 {
		_ = from.Broadcast(&sioadapter.Packet{Args: args}, &sioadapter.Selection{Rooms: []string{"r"}})
		time.Sleep(time.Millisecond)
	}
	drain()
	time.Sleep(10 * time.Millisecond)
	space.got.Store(0)
	begin = cpu()
	b.ResetTimer()
	publish()
	drain()
	for space.got.Load() < int64(b.N) {
		if to.(*sioadapter.Cluster).Health().Missed > 0 {
			b.Fatal("some were lost")
		}
		time.Sleep(100 * time.Microsecond)
	}
	b.StopTimer()
	report(b, max(cpu()-begin-alone, 0))
}

func report(b *testing.B, receiver time.Duration) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "broadcasts/s")
	b.ReportMetric(float64(receiver.Microseconds())/float64(b.N), "cpu-µs/delivery")
	b.ReportMetric(0, "ns/op")
}

func benchmarkNode(b *testing.B) {
	redis := redisserver.Start(b)
	_, port, _ := strings.Cut(redis.Addr, ":")
	start := func(role string) *node.Process {
		p := node.Start(b, "../js", "cluster-bench.mjs", role, port, fmt.Sprint(b.N))
		var ready struct{ Ready bool }
		if err := p.Read(&ready); err != nil {
			b.Fatal(err)
		}
		return p
	}
	to, from := start("receive"), start("publish")
	time.Sleep(200 * time.Millisecond) // until it is subscribed, which it does not tell
	var of struct{ CPU int64 }
	b.ResetTimer()
	for _, p := range []*node.Process{to, from} {
		if err := p.Write("go"); err != nil {
			b.Fatal(err)
		}
	}
	if err := to.Read(&of); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	report(b, time.Duration(of.CPU)*time.Microsecond)
}

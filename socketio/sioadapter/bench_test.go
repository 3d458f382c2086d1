package sioadapter

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// A broadcast walks arrays: what it costs here is the choice of members, not
// what is written to them.
func BenchmarkBroadcast(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		l := NewLocal(&space{})
		for _, u := range users(n) {
			l.Add(u)
			if err := l.Join(u, "a", "b"); err != nil {
				b.Fatal(err)
			}
		}
		for _, bb := range []struct {
			name string
			sel  Selection
		}{
			{"everybody", Selection{}},
			{"a room", Selection{Rooms: []string{"a"}}},
			{"two rooms without one", Selection{Rooms: []string{"a", "b"}, Except: []string{"id0"}}},
		} {
			b.Run(fmt.Sprintf("%d/%s", n, bb.name), func(b *testing.B) {
				p := number(1)
				b.ReportAllocs()
				for b.Loop() {
					if err := l.Broadcast(p, &bb.sel); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// encodingBus encodes messages and throws them away.
type encodingBus struct{}

type encodingLink struct{ buf []byte }

func (encodingBus) Open(string, string, Receiver) Link { return &encodingLink{} }

func (l *encodingLink) Publish(_ context.Context, batch []Outgoing) {
	for i := range batch {
		l.buf, batch[i].Err = JSON.Append(l.buf[:0], batch[i].Message)
	}
}

func (*encodingLink) Close() error { return nil }

// The way of a broadcast to other nodes: queued, encoded, handed over.
func BenchmarkPublish(b *testing.B) {
	p := &peer{}
	p.Cluster = NewCluster(site{p}, encodingBus{}, nil)
	defer p.Close()
	sel := &Selection{Rooms: []string{"room"}}
	e := number(1)
	b.ReportAllocs()
	for b.Loop() {
		for errors.Is(p.Broadcast(e, sel), ErrBusFull) {
			p.running.Wait() // until it is empty
		}
	}
}

// The other end: decoded, checked, delivered to 10 members.
func BenchmarkReceive(b *testing.B) {
	p := &peer{}
	p.Cluster = NewCluster(site{p}, encodingBus{}, &ClusterOptions{Local: FactoryFunc(func(Namespace) Adapter { return NewLocal(&space{}) })})
	defer p.Close()
	for _, u := range users(10) {
		p.Add(u)
	}
	wire, err := JSON.Append(nil, &Message{Type: MessageBroadcast, From: "b", Namespace: "/", Packet: number(1)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m, err := JSON.Decode(wire)
		if err != nil {
			b.Fatal(err)
		}
		receiver{p.Cluster}.Receive(m)
	}
}

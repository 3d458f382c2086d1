//go:build !js

package sioclient

import (
	"context"
	"testing"

	"github.com/siogo/sio/engineio/eioclient"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
)

func benchClient(b *testing.B) *Socket {
	r := newRig(b, newServer(nil))
	return r.dial("/", &Options{Transports: []string{eioclient.WebSocket}})
}

// One event out, as fast as the connection takes them.
func BenchmarkSend(b *testing.B) {
	c := benchClient(b)
	ctx := context.Background()
	b.ReportAllocs()
	for i := range b.N {
		if err := number.Send(ctx, c, i); err != nil {
			b.Fatal(err)
		}
	}
	if err := c.Flush(ctx); err != nil {
		b.Fatal(err)
	}
}

// One question and its answer, with both sides in this process.
func BenchmarkCall(b *testing.B) {
	c := benchClient(b)
	ctx := context.Background()
	b.ReportAllocs()
	for i := range b.N {
		if n, err := add.Call(ctx, c, [2]int{i, 1}); err != nil || n != i+1 {
			b.Fatal(n, err)
		}
	}
}

// One event in, from the first byte to the handler.
func BenchmarkReceive(b *testing.B) {
	io := newServer(nil)
	r := newRig(b, io)
	c := r.dial("/", &Options{Transports: []string{eioclient.WebSocket}})
	inbox := event.Subscribe(c, number, 1024)
	var s *socketio.Socket
	for one := range io.LocalSockets() {
		s = one
	}
	b.ReportAllocs()
	go func() { // ends with the events
		for i := range b.N {
			if number.Send(context.Background(), s, i) != nil {
				return
			}
		}
	}()
	for i := range b.N {
		if n, err := inbox.Next(context.Background()); err != nil || n != i {
			b.Fatal(n, err)
		}
	}
}

//go:build !js

package eioclient

import (
	"context"
	"testing"

	"github.com/siogo/sio/engineio"
)

// echoes counts what comes back.
type echoes chan struct{}

func (e echoes) Message([]byte, bool) { e <- struct{}{} }
func (e echoes) Closed(*CloseError)   {}

func benchDial(b *testing.B, transport string) (*Conn, echoes) {
	r := newRig(b, engineio.Options{})
	heard := make(echoes, 1024)
	c, err := Dial(context.Background(), r.url, &Options{
		Transports: []string{transport},
		Proxy:      noProxy,
		Open:       func(*Conn) Handler { return heard },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c, heard
}

// One message there and back, client and server in one process.
func benchmarkEcho(b *testing.B, transport string, size int) {
	c, heard := benchDial(b, transport)
	m := Text(long(size))
	b.ReportAllocs()
	b.SetBytes(int64(size))
	for b.Loop() {
		if err := c.Send(m); err != nil {
			b.Fatal(err)
		}
		<-heard
	}
}

func BenchmarkEchoWebSocket(b *testing.B)      { benchmarkEcho(b, WebSocket, 64) }
func BenchmarkEchoWebSocketLarge(b *testing.B) { benchmarkEcho(b, WebSocket, 64<<10) }
func BenchmarkEchoPolling(b *testing.B)        { benchmarkEcho(b, Polling, 64) }

// 256 messages under way.
func BenchmarkStreamWebSocket(b *testing.B) {
	c, heard := benchDial(b, WebSocket)
	m := Text(long(64))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := c.Send(m); err != nil {
			b.Fatal(err)
		}
		if n++; n > 256 {
			<-heard
		}
	}
	for range min(n, 256) {
		<-heard
	}
}

func BenchmarkDialWebSocket(b *testing.B) {
	r := newMemRig(b, engineio.Options{})
	b.ReportAllocs()
	for b.Loop() {
		c, err := Dial(context.Background(), r.url, &Options{
			Transports:  []string{WebSocket},
			DialContext: r.dialer,
			Proxy:       noProxy,
			Open:        func(*Conn) Handler { return nobody{} },
		})
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

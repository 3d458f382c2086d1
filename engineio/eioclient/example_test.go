//go:build !js

package eioclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/engineio/eioclient"
)

// parrot is a server's handler that sends every message back.
type parrot struct{ s *engineio.Session }

func (p parrot) Message(data []byte, binary bool) { p.s.Send(engineio.NewMessage(data, binary)) }
func (p parrot) Closed(*engineio.CloseError)      {}

func serve() (url string, stop func()) {
	srv, err := engineio.New(&engineio.Options{
		Open: func(s *engineio.Session) engineio.Handler { return parrot{s} },
	})
	if err != nil {
		panic(err)
	}
	hs := httptest.NewServer(srv)
	return hs.URL, func() {
		srv.Close()
		hs.Close()
	}
}

// printer is a client's handler that prints what it is told.
type printer struct{ done chan struct{} }

func (p printer) Message(data []byte, binary bool) {
	fmt.Printf("message %q, binary: %v\n", data, binary)
	if binary {
		close(p.done)
	}
}

func (p printer) Closed(err *eioclient.CloseError) { fmt.Println("closed:", err.Reason) }

func Example() {
	url, stop := serve()
	defer stop()

	done := make(chan struct{})
	c, err := eioclient.Dial(context.Background(), url, &eioclient.Options{
		Open: func(*eioclient.Conn) eioclient.Handler { return printer{done} },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Send(eioclient.Text("hello"), eioclient.Binary([]byte{1, 2, 3})); err != nil {
		fmt.Println(err)
	}
	<-done
	c.Close()
	fmt.Println("over:", errors.Is(c.Send(eioclient.Text("late")), net.ErrClosed))
	// Output:
	// message "hello", binary: false
	// message "\x01\x02\x03", binary: true
	// closed: forced close
	// over: true
}

// A refusal says what the server answered.
func ExampleStatusError() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()

	_, err := eioclient.Dial(context.Background(), server.URL, &eioclient.Options{
		Open: func(*eioclient.Conn) eioclient.Handler { return printer{} },
	})
	var refused *eioclient.StatusError
	if errors.As(err, &refused) {
		fmt.Println(refused.Status, refused.Body)
	}
	// Output: 404 404 page not found
}

// A producer that may be faster than the server waits for room in the queue.
func ExampleConn_Wait() {
	url, stop := serve()
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := eioclient.Dial(ctx, url, &eioclient.Options{
		Transports: []string{eioclient.WebSocket},
		Open:       func(*eioclient.Conn) eioclient.Handler { return silent{} },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for i := 0; i < 100_000; {
		switch err := c.Send(eioclient.Text(fmt.Sprint(i))); {
		case err == nil:
			i++
		case errors.Is(err, eioclient.ErrQueueFull):
			err = c.Wait(ctx)
			if err != nil {
				fmt.Println(err)
				return
			}
		default:
			fmt.Println(err)
			return
		}
	}
	fmt.Println(c.Flush(ctx))
	// Output: <nil>
}

type silent struct{}

func (silent) Message([]byte, bool)         {}
func (silent) Closed(*eioclient.CloseError) {}

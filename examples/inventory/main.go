// Command inventory is a request/response service and its client, in one
// program: who says what, and what comes back, is in the package stock.
//
//	go run ./examples/inventory serve &
//	go run ./examples/inventory adjust tea 12
//	go run ./examples/inventory adjust tea -- -2
//	go run ./examples/inventory list
//	go run ./examples/inventory watch
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/siogo/sio/examples/inventory/stock"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioclient"
)

func main() {
	address := flag.String("address", "127.0.0.1:3000", "where the service is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch command := flag.Arg(0); command {
	case "serve":
		err = http.ListenAndServe(*address, newService())
	case "adjust", "list", "watch":
		err = ask(ctx, "http://"+*address, os.Stdout, command, flag.Args()[1:])
	default:
		err = fmt.Errorf("expected serve, adjust, list or watch, got %q", command)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// newService returns the server.
func newService() *socketio.Server {
	srv := socketio.New(&socketio.Options{AckTimeout: 10 * time.Second})
	var mu sync.Mutex
	counts := make(map[string]int)
	count := func(name string) int {
		mu.Lock()
		defer mu.Unlock()
		return counts[name]
	}

	event.Handle(srv, stock.Adjust, func(ctx context.Context, s *socketio.Socket, c stock.Change) (stock.Item, error) {
		if have := count(c.Name); c.By < 0 && -c.By <= have && -c.By > have/2 {
			// While the client is asked, its other requests are handled.
			sure, err := stock.Confirm.Call(ctx, s, c)
			if err != nil {
				return stock.Item{}, err
			}
			if !sure {
				return stock.Item{}, &socketio.Error{Code: "cancelled", Message: "not confirmed"}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if counts[c.Name]+c.By < 0 {
			return stock.Item{}, &socketio.Error{
				Code:    stock.CodeShort,
				Message: fmt.Sprintf("there are %d of %s", counts[c.Name], c.Name),
				Data:    stock.Item{Name: c.Name, Count: counts[c.Name]},
			}
		}
		counts[c.Name] += c.By
		item := stock.Item{Name: c.Name, Count: counts[c.Name]}
		return item, stock.Changed.Emit(srv, item)
	})
	event.Handle(srv, stock.List, func(context.Context, *socketio.Socket, struct{}) ([]stock.Item, error) {
		mu.Lock()
		defer mu.Unlock()
		items := make([]stock.Item, 0, len(counts))
		for name, n := range counts {
			items = append(items, stock.Item{Name: name, Count: n})
		}
		slices.SortFunc(items, func(a, b stock.Item) int { return strings.Compare(a.Name, b.Name) })
		return items, nil
	})
	return srv
}

// ask is one run of the client.
func ask(ctx context.Context, url string, out io.Writer, command string, args []string) error {
	c, err := sioclient.New(url, &sioclient.Options{AckTimeout: 15 * time.Second})
	if err != nil {
		return err
	}
	defer c.Close()
	event.Handle(c, stock.Confirm, func(_ context.Context, _ *sioclient.Socket, c stock.Change) (bool, error) {
		_, err := fmt.Fprintf(out, "that is more than half of all %s\n", c.Name)
		return true, err
	})
	changes := event.Subscribe(c, stock.Changed, 16) // before the connection: nothing is missed
	defer changes.Close()
	if err := c.Connect(ctx); err != nil {
		return err
	}
	switch command {
	case "adjust":
		if len(args) > 1 && args[1] == "--" { // a number below zero looks like a flag
			args = slices.Delete(args, 1, 2)
		}
		if len(args) != 2 {
			return errors.New("expected adjust NAME NUMBER")
		}
		by, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		item, err := stock.Adjust.Call(ctx, c, stock.Change{Name: args[0], By: by})
		var refused *sioclient.Error
		var left stock.Item
		if errors.As(err, &refused) && refused.Code == stock.CodeShort && refused.DecodeData(&left) == nil {
			return fmt.Errorf("only %d of %s are left", left.Count, left.Name)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%d %s\n", item.Count, item.Name)
		return err
	case "list":
		items, err := stock.List.Call(ctx, c, struct{}{})
		for _, item := range items {
			if _, err := fmt.Fprintf(out, "%d %s\n", item.Count, item.Name); err != nil {
				return err
			}
		}
		return err
	}
	for item, err := range changes.All(ctx) { // watch
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err == nil {
			_, err = fmt.Fprintf(out, "%d %s\n", item.Count, item.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

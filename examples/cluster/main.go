// Command cluster is a chat on three servers that look like one: three
// processes, a reverse proxy that is sticky before them, and a Redis behind.
//
//	redis-server &
//	go run ./examples/cluster            # then open http://127.0.0.1:8080
//
// The page shows which server it is on. Open it in several browsers, and end one
// of the servers: its clients go on with another.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where the proxy listens")
	redis := flag.String("redis", "127.0.0.1:6379", "address of Redis")
	count := flag.Int("servers", 3, "how many servers are started")
	name := flag.String("server", "", "be a server with this name, and say on which port; started by the others")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *name != "" {
		err = serve(ctx, *name, *redis)
	} else {
		err = supervise(ctx, *listen, *redis, *count)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// supervise starts the servers and the proxy, until ctx ends.
func supervise(ctx context.Context, listen, redis string, count int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var targets []*url.URL
	var servers sync.WaitGroup
	defer servers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range count {
		name := fmt.Sprint("server-", i+1)
		cmd := exec.CommandContext(ctx, self, "-server", name, "-redis", redis)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = 15 * time.Second
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		servers.Go(func() { _ = cmd.Wait() }) // ends with the process; supervise waits for it
		if err != nil {
			return fmt.Errorf("%s did not start: %w", name, err)
		}
		target, err := url.Parse(strings.TrimSpace(line))
		if err != nil {
			return err
		}
		log.Printf("%s, process %d, is %s", name, cmd.Process.Pid, target)
		targets = append(targets, target)
	}

	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	log.Printf("open http://%s", l.Addr())
	proxy := &http.Server{Handler: sticky(targets), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = proxy.Close() })
	if err := proxy.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

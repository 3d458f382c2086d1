//go:build linux

// Command loadgen loads a server that follows the bench contract and reports
// what the server process spent. See ../README.md for the contract, the modes
// and the figures.
//
// It prints a table and one line of JSON, and fails when anything came back
// wrong, too often or not at all. It connects to loopback addresses only, and
// every run is bounded in connections, messages and time.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"
)

// A config is the flags of one run.
type config struct {
	mode, server, label string
	transport           string
	pid                 int
	n, conc             int
	inflight            int
	rate, joinRate      int
	binary              bool
	msgs, window        int
	size                int
	every               time.Duration
	stalledReaders      int
	stalledMSS          int
	rooms, joined       int
	spareRooms          int
	namespaces          int
	nap                 time.Duration
	touch               int
	trips               int
	warm, duration      time.Duration
	settle, hold        time.Duration
	limit               time.Duration
}

// modes are what this program can do to a server.
var modes = map[string]func(*loop, config, *report) error{
	"idle": idle, "echo": echo, "broadcast": broadcast, "rooms": broadcast,
	"polling": roundTrips, "storm": storm, "scale": scale,
}

func main() {
	var c config
	addr := flag.String("addr", "127.0.0.1:3000", "server, on a loopback address")
	out := flag.String("out", "", "append the line of JSON to this file")
	quiet := flag.Bool("q", false, "print the line of JSON only")
	flag.StringVar(&c.mode, "mode", "", "idle, echo, broadcast, rooms, polling, storm or scale")
	flag.StringVar(&c.server, "name", "", "name of the server, for the report")
	flag.StringVar(&c.label, "case", "", "name of the case, for the report")
	flag.StringVar(&c.transport, "transport", overWebSocket, "idle, scale: websocket, polling or upgrade")
	flag.IntVar(&c.pid, "pid", 0, "process id of the server")
	flag.IntVar(&c.n, "n", 100, "connections (storm: cycles)")
	flag.IntVar(&c.conc, "conc", 100, "handshakes in progress at once (storm: connections at once)")
	flag.IntVar(&c.inflight, "p", 1, "echo: emits in flight on each connection")
	flag.IntVar(&c.rate, "rate", 0, "echo: emits per second in all, instead of a closed loop")
	flag.IntVar(&c.joinRate, "joins", 0, "echo, with -rate: joins per second in all, each of a new room")
	flag.BoolVar(&c.binary, "binary", false, "echo: a binary argument of 1 KiB")
	flag.IntVar(&c.msgs, "m", 100, "broadcast, rooms, scale: number of broadcasts")
	flag.IntVar(&c.window, "window", 1, "broadcast, rooms: broadcasts in flight")
	flag.IntVar(&c.size, "size", 76, "broadcast, rooms: length of the text in the argument")
	flag.DurationVar(&c.every, "every", 0, "broadcast: send one in each such time, instead of a closed loop")
	flag.IntVar(&c.stalledReaders, "stalled", 0, "broadcast: so many more clients that never read")
	flag.IntVar(&c.stalledMSS, "stalled-mss", 0, "broadcast: the largest segment these take, in bytes; 0 is what the interface has; the smaller, the less the kernel keeps for them")
	flag.IntVar(&c.rooms, "rooms", 100, "rooms: number of rooms")
	flag.IntVar(&c.joined, "joined", 3, "rooms: rooms that each receiver joins")
	flag.IntVar(&c.spareRooms, "spare-rooms", 0, "scale: rooms besides those that are sent to, with one member each")
	flag.IntVar(&c.namespaces, "namespaces", 0, "scale: namespaces besides /, each connection joins one")
	flag.DurationVar(&c.nap, "nap", 0, "broadcast, rooms, scale: sleep so long when nothing is there to read, instead of waiting in epoll")
	flag.IntVar(&c.touch, "touch", 0, "idle: echo round trips on each connection before it rests")
	flag.IntVar(&c.trips, "trips", 20000, "scale: echo round trips in all")
	flag.DurationVar(&c.warm, "warm", time.Second, "echo, polling: time before measuring")
	flag.DurationVar(&c.duration, "t", 5*time.Second, "echo, polling: measured time")
	flag.DurationVar(&c.settle, "settle", 3*time.Second, "idle, scale, storm: rest before memory is read")
	flag.DurationVar(&c.hold, "hold", 0, "idle, scale: rest so long and report the CPU of idling")
	flag.DurationVar(&c.limit, "limit", 3*time.Minute, "give up after this long")
	flag.Parse()

	raiseFDs()
	debug.SetGCPercent(400)
	r := &report{}
	r.set("server", c.server)
	r.set("mode", c.mode)
	r.set("case", c.label)
	own := readUsage(os.Getpid())
	err := load(*addr, c, r)
	_, used, _ := readUsage(os.Getpid()).since(own)
	r.set("client_cpu_s", used.Seconds())
	if err != nil {
		r.set("error", err.Error())
	}
	if failed := write(r, *out, *quiet); failed != nil {
		err = failed
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func load(addr string, c config, r *report) error {
	host, port, err := loopback(addr)
	if err != nil {
		return err
	}
	run, ok := modes[c.mode]
	switch {
	case !ok:
		return fmt.Errorf("there is no mode %q", c.mode)
	case c.pid <= 0:
		return fmt.Errorf("-pid of the server is needed, not %d", c.pid)
	case c.n <= 0 || c.conc <= 0 || c.inflight <= 0 || c.window <= 0:
		return fmt.Errorf("-n, -conc, -p and -window must be above 0")
	case c.transport != overWebSocket && c.transport != overPolling && c.transport != overUpgrade:
		return fmt.Errorf("there is no transport %q", c.transport)
	}
	l, err := newLoop(host, port)
	if err != nil {
		return err
	}
	return run(l, c, r)
}

// loopback refuses what is not on this machine.
func loopback(addr string) (ip [4]byte, port int, err error) {
	a, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return ip, 0, err
	}
	if !a.IP.IsLoopback() {
		return ip, 0, fmt.Errorf("%s is not a loopback address", addr)
	}
	copy(ip[:], a.IP.To4())
	return ip, a.Port, nil
}

// write prints the report, and appends its line to the file if there is one.
func write(r *report, file string, quiet bool) error {
	line, err := r.json()
	if err != nil {
		return err
	}
	if !quiet {
		fmt.Print(r.table())
	}
	fmt.Println(line)
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	return first(err, f.Close())
}

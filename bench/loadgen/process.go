//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A usage is what one process had used at one moment.
type usage struct {
	at        time.Time
	cpu       time.Duration // of the process's CPU clock, exact
	user, sys time.Duration // in ticks of 10 ms, good for their ratio only
}

// A memory is what a process holds, in bytes.
type memory struct {
	rss, anon int64
}

func readUsage(pid int) usage {
	u := usage{at: time.Now()}
	var ts unix.Timespec
	// The CPU clock of another process, numbered as by clock_getcpuclockid(3).
	if unix.ClockGettime(int32(^pid<<3|2), &ts) == nil {
		u.cpu = time.Duration(ts.Nano())
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u
	}
	stat := string(b)
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // the name may hold anything
	u.user, u.sys = ticks(fields, 11), ticks(fields, 12)
	return u
}

func ticks(fields []string, i int) time.Duration {
	if i >= len(fields) {
		return 0
	}
	n, _ := strconv.ParseInt(fields[i], 10, 64)
	return time.Duration(n) * 10 * time.Millisecond
}

// since is what was used after an earlier moment; userShare is the part of the
// CPU time that was not spent in the kernel.
func (u usage) since(earlier usage) (wall, cpu time.Duration, userShare float64) {
	wall, cpu = u.at.Sub(earlier.at), u.cpu-earlier.cpu
	user, sys := u.user-earlier.user, u.sys-earlier.sys
	if t := user + sys; t > 0 {
		userShare = float64(user) / float64(t)
	}
	return wall, cpu, userShare
}

func readMemory(pid int) memory {
	return memory{
		rss:  kilobytes(pid, "status", "VmRSS"),
		anon: kilobytes(pid, "smaps_rollup", "Anonymous"),
	}
}

// kilobytes reads one line "Key:  123 kB" of a file in /proc/PID, in bytes.
func kilobytes(pid int, file, key string) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), key+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// descriptors counts the open descriptors of a process; -1 when they cannot be read.
func descriptors(pid int) int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return -1
	}
	return len(entries)
}

// raiseFDs asks for many descriptors and is content with what it is given.
func raiseFDs() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	const many = 300_000
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: many, Max: max(limit.Max, many)}) != nil {
		unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit.Max, Max: limit.Max})
	}
}

package eioclient

import (
	"syscall"
	"time"
	"unsafe"
)

const (
	clockMonotonic = 1
	clockBoottime  = 7 // the same, with the time asleep
)

// systemSleep returns the time for which the system has slept since it started.
func systemSleep() time.Duration { return readClock(clockBoottime) - readClock(clockMonotonic) }

// readClock returns 0 for a clock that the system does not have.
func readClock(id uintptr) time.Duration {
	var t syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}

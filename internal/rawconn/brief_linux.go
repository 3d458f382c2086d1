//go:build !race && !386

package rawconn

import (
	"syscall"
	"unsafe"
)

// briefly is up to how many bytes a system call on a detached descriptor moves
// without Go's scheduler hearing of it. The descriptor never makes it wait, and
// so much is copied within microseconds, in which the scheduler could do nothing
// better with the processor.
const briefly = 16 << 10

// readBrief is readFD for a descriptor that never waits.
func readBrief(fd int32, b []byte) (int, error) {
	if len(b) > briefly {
		return readFD(uintptr(fd), b)
	}
	return brief(syscall.SYS_RECVFROM, fd, b)
}

// writeBrief is writeFD for a descriptor that never waits.
func writeBrief(fd int32, b []byte) (int, error) {
	if len(b) > briefly {
		return writeFD(uintptr(fd), b)
	}
	return brief(syscall.SYS_SENDTO, fd, b)
}

// brief receives or sends. These calls are for sockets alone and do less than read
// and write, and cannot wait whatever the descriptor is set to.
func brief(call uintptr, fd int32, b []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		switch e {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return -1, e
	}
}

// lookBrief is syscall.EpollWait for the events that are there.
func lookBrief(fd int, events []syscall.EpollEvent) (int, error) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if e != 0 {
		return -1, e
	}
	return int(n), nil
}

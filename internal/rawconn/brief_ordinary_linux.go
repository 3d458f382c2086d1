//go:build race || 386

package rawconn

import "syscall"

// These are the ordinary calls: the race detector takes what was written to a
// descriptor for having happened before it is read, and 386 has one system call for
// all that sockets can do.

func readBrief(fd int32, b []byte) (int, error)  { return readFD(uintptr(fd), b) }
func writeBrief(fd int32, b []byte) (int, error) { return writeFD(uintptr(fd), b) }

func lookBrief(fd int, events []syscall.EpollEvent) (int, error) {
	return syscall.EpollWait(fd, events, 0)
}

package rawconn

import (
	"runtime"
	"syscall"
	"unsafe"
)

// maxVector bounds one vectored write; the kernel's own limit is 1024.
const maxVector = 64

func writevFD(fd uintptr, bufs [][]byte) (int, error) {
	var vec [maxVector]syscall.Iovec
	n := 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		if n == maxVector {
			break
		}
		vec[n].Base = &b[0]
		vec[n].SetLen(len(b))
		n++
	}
	if n == 0 {
		return 0, nil
	}
	for {
		r, _, e := syscall.Syscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&vec[0])), uintptr(n))
		runtime.KeepAlive(bufs)
		switch e {
		case 0:
			return int(r), nil
		case syscall.EINTR:
			continue
		}
		return 0, e
	}
}

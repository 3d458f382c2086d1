package proxies

import "syscall"

// dieWithTest lets a process end when the test's does, however that ends.
func dieWithTest() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

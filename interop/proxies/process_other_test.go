//go:build !linux

package proxies

import "syscall"

// dieWithTest is for Linux only: elsewhere, a test that is killed leaves the
// proxy behind.
func dieWithTest() *syscall.SysProcAttr { return nil }

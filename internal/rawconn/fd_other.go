//go:build !unix

package rawconn

import "syscall"

// canTry is false where descriptors cannot be written without waiting: every
// write then goes through a goroutine.
const canTry = false

func readFD(uintptr, []byte) (int, error)     { return 0, syscall.EINVAL }
func writeFD(uintptr, []byte) (int, error)    { return 0, syscall.EINVAL }
func writevFD(uintptr, [][]byte) (int, error) { return 0, syscall.EINVAL }

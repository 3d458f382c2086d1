//go:build unix && !linux

package rawconn

// writevFD writes the buffers one by one: the standard library gives no
// vectored write to these systems.
func writevFD(fd uintptr, bufs [][]byte) (int, error) {
	total := 0
	for _, b := range bufs {
		n, err := writeFD(fd, b)
		total += max(n, 0)
		if err != nil || n < len(b) {
			if total > 0 {
				err = nil
			}
			return total, err
		}
	}
	return total, nil
}

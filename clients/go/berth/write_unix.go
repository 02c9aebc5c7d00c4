// SPDX-License-Identifier: Apache-2.0

//go:build unix

package berth

import "syscall"

// tryWrite writes what the kernel takes without waiting. What is wrong with the connection shows at the next read.
func tryWrite(raw syscall.RawConn, bytes []byte) int {
	written := 0
	_ = raw.Write(func(fd uintptr) bool {
		n, err := syscall.Write(int(fd), bytes)
		if err == nil && n > 0 {
			written = n
		}
		return true
	})
	return written
}

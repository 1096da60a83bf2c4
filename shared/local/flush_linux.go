package local

import (
	"os"
	"syscall"
)

// writeBack starts the writing of dirty pages, so that the flush at the end finds
// little left to do. Errors are left to that flush.
func writeBack(f *os.File, offset, n int64) {
	const write = 2 // SYNC_FILE_RANGE_WRITE
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = syscall.SyncFileRange(int(fd), offset, n, write) })
}

// syncData is fdatasync.
func syncData(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) {
		for {
			if err = syscall.Fdatasync(int(fd)); err != syscall.EINTR {
				return
			}
		}
	})
	if controlErr != nil {
		return controlErr
	}
	return os.NewSyscallError("fdatasync", err)
}

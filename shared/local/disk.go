package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"berth/shared/store"
)

// Disk is what the package asks of a file system. In production it is System; a test
// may put one in its place that loses power (see the package powercut). Names are
// slash-separated paths as os takes them.
type Disk interface {
	// OpenFile is os.OpenFile with the mode 0600.
	OpenFile(name string, flag int) (File, error)
	// Stat says how long the file is; the error is fs.ErrNotExist where there is none.
	Stat(name string) (size int64, err error)
	Rename(from, to string) error
	Remove(name string) error
	// Mkdir makes a folder with the mode 0700; its parent must be there.
	Mkdir(name string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(name string) error
	// WriteBack asks that these bytes get on their way to the disk, without waiting.
	WriteBack(f File, offset, n int64)

	// Free says how many bytes are free on the disk that the folder is on, and how many
	// it has.
	Free(name string) (free, size int64, err error)

	// SyncData is f.Sync, but may leave out the file's times.
	SyncData(f File) error

	// Database is the real path of the database that is called name, and whether the
	// database itself must flush what it writes there.
	Database(name string) (path string, flush bool)
	// Commit runs a transaction of that database. When it returns nil, what the
	// transaction did is durable.
	Commit(name string, transaction func() error) error
}

// File is an open file. An *os.File is one.
type File interface {
	io.ReadSeekCloser
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
}

// System is the file system of the operating system.
var System Disk = system{}

type system struct{}

func (system) OpenFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err // a File that holds a nil *os.File would not be nil
	}
	return f, nil
}

func (system) Stat(name string) (int64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (system) Rename(from, to string) error { return os.Rename(from, to) }
func (system) Remove(name string) error     { return os.Remove(name) }
func (system) Mkdir(name string) error      { return os.Mkdir(name, 0o700) }
func (system) SyncDir(name string) error    { return syncDir(name) }

func (system) WriteBack(f File, offset, n int64) {
	if f, ok := f.(*os.File); ok {
		writeBack(f, offset, n)
	}
}

func (system) SyncData(f File) error {
	if f, ok := f.(*os.File); ok {
		return syncData(f)
	}
	return f.Sync()
}

func (system) Database(name string) (string, bool)             { return name, true }
func (system) Commit(_ string, transaction func() error) error { return transaction() }

func (system) Free(name string) (free, size int64, err error) {
	var s syscall.Statfs_t
	if err = syscall.Statfs(name, &s); err != nil {
		return 0, 0, os.NewSyscallError("statfs", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}

// orFull tells an error of the disk's that there is no room on it from others.
func orFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeDirs makes the folder, and its parents where they are missing, durably. Those
// that are there may not be durable yet: a process killed before it flushed them may
// have made them.
func makeDirs(disk Disk, name string) error {
	parent := filepath.Dir(name)
	if parent == name {
		return nil
	}
	if err := makeDirs(disk, parent); err != nil {
		return err
	}
	if _, err := disk.Stat(name); err == nil {
		err = disk.SyncDir(parent)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EROFS) {
			return nil // then it is not of our making
		}
		return err
	}
	return makeDir(disk, name)
}

// makeDir makes the folder durably. Its parent must be there.
func makeDir(disk Disk, name string) error {
	if err := disk.Mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return disk.SyncDir(filepath.Dir(name))
}

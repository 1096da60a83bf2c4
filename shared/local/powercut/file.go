package powercut

import (
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"berth/shared/local"
)

// file is an open file of a Disk.
type file struct {
	disk *Disk
	data *data
	name string
	at   int64
}

func (f *file) Read(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.off {
		return 0, ErrOff
	}
	if f.at >= int64(len(f.data.now)) {
		return 0, io.EOF
	}
	n := copy(p, f.data.now[f.at:])
	f.at += int64(n)
	return n, nil
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		offset += int64(len(f.data.now))
	}
	f.at = offset
	return offset, nil
}

// WriteAt writes half of the bytes where the power is cut at it.
func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	was := f.disk.off
	err := f.disk.step()
	if err != nil {
		if was {
			return 0, err
		}
		p = p[:len(p)/2]
	}
	if end := offset + int64(len(p)); end > int64(len(f.data.now)) {
		f.resize(end)
	}
	return copy(f.data.now[offset:], p), err
}

func (f *file) resize(size int64) {
	if size <= int64(len(f.data.now)) {
		f.data.now = f.data.now[:size]
		return
	}
	f.data.now = append(f.data.now, make([]byte, size-int64(len(f.data.now)))...)
}

func (f *file) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.step(); err != nil {
		return err
	}
	f.resize(size)
	return nil
}

func (f *file) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.step(); err != nil {
		return err
	}
	f.data.flushed = append(f.data.flushed[:0], f.data.now...)
	return nil
}

func (f *file) Stat() (fs.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.off {
		return nil, ErrOff
	}
	return info{filepath.Base(f.name), int64(len(f.data.now))}, nil
}

func (f *file) Close() error { return nil }

type info struct {
	name string
	size int64
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return 0o600 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }

// WriteBack implements local.Disk: it promises nothing.
func (d *Disk) WriteBack(local.File, int64, int64) {}

// Free implements local.Disk: there is always room.
func (d *Disk) Free(string) (free, size int64, err error) { return 1 << 40, 1 << 40, nil }

// SyncData implements local.Disk.
func (d *Disk) SyncData(f local.File) error { return f.Sync() }

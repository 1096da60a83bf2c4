package local

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"berth/shared/store"
)

const (
	// A buffer is read full, hashed on the way by whoever gives the reader, and
	// written while the processor's cache still has it.
	bufferSize = 256 << 10
	// After so many bytes the disk is set to work.
	writeBackSize = 8 << 20

	// What objects leave free on the disk, if that is not more than a part of it: so
	// that records can be written when it is full of objects, by which they are deleted.
	reserve     = 64 << 20
	reservePart = 16

	unfinishedSuffix = ".part" // no key has a dot
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Layers is a store.Layers in a directory. An object is a file in one of 256
// folders, with the suffix ".part" until it is finished.
type Layers struct {
	disk Disk
	dir  string

	mu   sync.Mutex
	busy map[string]struct{} // keys that are being written
	// Unfinished objects whose file this process has flushed, at this length, and not
	// changed since. Of others nobody knows: a process that was killed may have cut one
	// without a flush.
	flushed map[string]int64

	foldersMu sync.Mutex
	folders   [256]bool // folders that are there and durable
}

// OpenLayers opens the directory and makes it where there is none.
func OpenLayers(dir string) (*Layers, error) { return OpenLayersOn(System, dir) }

// OpenLayersOn is OpenLayers on a disk that may lose power.
func OpenLayersOn(disk Disk, dir string) (*Layers, error) {
	dir = filepath.Clean(dir)
	if err := makeDirs(disk, dir); err != nil {
		return nil, fmt.Errorf("opening the layers at %s: %w", dir, err)
	}
	return &Layers{disk: disk, dir: dir, busy: make(map[string]struct{}), flushed: make(map[string]int64)}, nil
}

// Close implements store.Layers.
func (l *Layers) Close() error { return nil }

// place says where an object is.
type place struct {
	shard            uint8
	folder           string
	name, unfinished string // paths of the file when finished and before
}

func (l *Layers) place(key string) place {
	h := fnv.New32a()
	io.WriteString(h, key)
	p := place{shard: uint8(h.Sum32())}
	p.folder = filepath.Join(l.dir, fmt.Sprintf("%02x", p.shard))
	p.name = filepath.Join(p.folder, key)
	p.unfinished = p.name + unfinishedSuffix
	return p
}

// begin checks a call and finds the object.
func (l *Layers) begin(ctx context.Context, key string) (place, error) {
	if err := ctx.Err(); err != nil {
		return place{}, err
	}
	if err := store.CheckKey(key); err != nil {
		return place{}, err
	}
	return l.place(key), nil
}

// lock keeps other writers from the object.
func (l *Layers) lock(key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.busy[key]; taken {
		return store.ErrBusy
	}
	l.busy[key] = struct{}{}
	return nil
}

func (l *Layers) unlock(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, key)
}

// isFlushed reports whether the file is known to be flushed at this length.
func (l *Layers) isFlushed(key string, size int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, known := l.flushed[key]
	return known && at == size
}

func (l *Layers) setFlushed(key string, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushed[key] = size
}

func (l *Layers) forgetFlushed(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.flushed, key)
}

// makeFolder makes the object's folder, durably, once in the life of l.
func (l *Layers) makeFolder(p place) error {
	l.foldersMu.Lock()
	defer l.foldersMu.Unlock()
	if l.folders[p.shard] {
		return nil
	}
	if err := makeDir(l.disk, p.folder); err != nil {
		return err
	}
	l.folders[p.shard] = true
	return nil
}

// Append implements store.Layers.
func (l *Layers) Append(ctx context.Context, key string, st store.State, r io.Reader) (store.State, error) {
	p, err := l.begin(ctx, key)
	if err != nil {
		return st, err
	}
	if err = l.lock(key); err != nil {
		return st, err
	}
	defer l.unlock(key)
	f, err := l.openUnfinished(p, st)
	if err != nil {
		return st, fmt.Errorf("append to %s at %d: %w", key, st.Size, orFull(err))
	}
	defer f.Close()
	l.forgetFlushed(key)
	n, readErr, err := l.receive(f, st.Size, r)
	if err == nil && n > 0 {
		err = f.Sync()
		if err == nil && st.Size == 0 {
			err = l.disk.SyncDir(p.folder)
		}
	}
	if err != nil {
		cut(f, st.Size) // or a disk would stay full of what nobody can read until the upload is swept
		return st, fmt.Errorf("append to %s at %d: %w", key, st.Size, orFull(err))
	}
	if n > 0 {
		l.setFlushed(key, st.Size+n)
	}
	return store.State{Size: st.Size + n}, readErr
}

// openUnfinished opens the file with exactly st.Size bytes.
func (l *Layers) openUnfinished(p place, st store.State) (File, error) {
	flag := os.O_RDWR
	if st.Size == 0 {
		if _, err := l.disk.Stat(p.name); err == nil {
			return nil, errors.New("the object is finished")
		}
		if err := l.makeFolder(p); err != nil {
			return nil, err
		}
		flag |= os.O_CREATE
	}
	f, err := l.disk.OpenFile(p.unfinished, flag)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrNoObject
	}
	if err != nil {
		return nil, err
	}
	if _, err = cut(f, st.Size); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// cut drops what is beyond size, which a writer left that was killed or failed.
func cut(f File, size int64) (dropped bool, err error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return false, err
	case size < 0 || info.Size() < size:
		return false, fmt.Errorf("%w: of %d bytes there are %d", store.ErrNoObject, size, info.Size())
	case info.Size() == size:
		return false, nil
	}
	return true, f.Truncate(size)
}

// receive writes r's bytes from the offset on. readErr is r's error, if it gave one.
func (l *Layers) receive(f File, offset int64, r io.Reader) (n int64, readErr, err error) {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	started := int64(0) // bytes that the disk was told of
	for readErr == nil {
		var filled int
		filled, readErr = fill(r, buffer[:])
		if filled == 0 {
			continue
		}
		if n == started {
			if err = l.room(); err != nil {
				return n, nil, err
			}
		}
		if _, err = f.WriteAt(buffer[:filled], offset+n); err != nil {
			return n, nil, err
		}
		n += int64(filled)
		if n-started >= writeBackSize {
			l.disk.WriteBack(f, offset+started, n-started)
			started = n
		}
	}
	if readErr == io.EOF {
		readErr = nil
	}
	return n, readErr, nil
}

// room fails where the disk has no more than the reserve.
func (l *Layers) room() error {
	free, size, err := l.disk.Free(l.dir)
	if err != nil {
		return err
	}
	if least := min(reserve, size/reservePart); free <= least {
		return fmt.Errorf("%w: %d bytes of the disk are free, and %d are kept for records", store.ErrFull, free, least)
	}
	return nil
}

// fill reads until the buffer is full or r ends. Unlike io.ReadFull it leaves
// r's error as it is.
func fill(r io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var got int
		got, err = r.Read(buffer[n:])
		n += got
	}
	return n, err
}

// Finish implements store.Layers.
func (l *Layers) Finish(ctx context.Context, key string, st store.State) error {
	p, err := l.begin(ctx, key)
	if err != nil {
		return err
	}
	if err = l.lock(key); err != nil {
		return err
	}
	defer l.unlock(key)
	if err = l.finish(p, key, st); err != nil {
		return fmt.Errorf("finish %s at %d: %w", key, st.Size, err)
	}
	return nil
}

func (l *Layers) finish(p place, key string, st store.State) error {
	size, err := l.disk.Stat(p.name)
	switch {
	case err == nil && size != st.Size:
		return fmt.Errorf("it is finished with %d bytes", size)
	case err == nil:
		// A finish before this one may have been killed just before its flush.
		return l.disk.SyncDir(p.folder)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	f, err := l.openToFinish(p, st)
	if err != nil {
		return err
	}
	dropped, err := cut(f, st.Size)
	if err == nil && (dropped || !l.isFlushed(key, st.Size)) {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	l.forgetFlushed(key)
	if err = l.disk.Rename(p.unfinished, p.name); err != nil {
		return err
	}
	return l.disk.SyncDir(p.folder)
}

// openToFinish opens the unfinished file. An object without bytes may have none.
func (l *Layers) openToFinish(p place, st store.State) (File, error) {
	flag := os.O_RDWR
	if st.Size == 0 {
		if err := l.makeFolder(p); err != nil {
			return nil, err
		}
		flag |= os.O_CREATE
	}
	f, err := l.disk.OpenFile(p.unfinished, flag)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrNoObject
	}
	return f, err
}

// URL implements store.Layers. There is none: readers come through the hub.
func (l *Layers) URL(context.Context, string, store.URLOptions) (string, error) { return "", nil }

// Address implements store.Layers. There is none.
func (l *Layers) Address(context.Context, string, store.Sent, time.Duration) (store.Address, error) {
	return store.Address{}, nil
}

// Arrived implements store.Layers: nothing is ever sent elsewhere.
func (l *Layers) Arrived(context.Context, string, store.Sent) (store.State, error) {
	return store.State{}, store.ErrNoObject
}

// Delete implements store.Layers.
func (l *Layers) Delete(ctx context.Context, key string, _ store.State) error {
	p, err := l.begin(ctx, key)
	if err != nil {
		return err
	}
	l.forgetFlushed(key)
	for _, name := range [2]string{p.unfinished, p.name} {
		if err = l.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete %s: %w", key, err)
		}
	}
	// Also where there was nothing: a delete that was killed may have removed it.
	if err = l.disk.SyncDir(p.folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

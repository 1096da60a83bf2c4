package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"berth/shared/store"
)

// faulty is a disk on which what a test names goes wrong.
type faulty struct {
	Disk
	mu     sync.Mutex
	write  error         // what writes of journals fail with
	length error         // what those fail with that make a file longer
	free   *int64        // what is free of 1 MiB, if it is not what the disk has
	sync   error         // what flushes of journals fail with
	commit error         // what commits of the database fail with
	dirs   error         // what flushes of folders fail with
	syncs  int           // flushes of journals
	hold   chan struct{} // commits wait for it
	gate   chan struct{} // a flush says here that it came, and waits here to go on
}

func (f *faulty) set(change func(*faulty)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faulty) OpenFile(name string, flag int) (File, error) {
	file, err := f.Disk.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	return &faultyFile{file, f}, nil
}

func (f *faulty) SyncData(file File) error {
	f.mu.Lock()
	gate := f.gate
	f.gate = nil
	f.mu.Unlock()
	if gate != nil {
		gate <- struct{}{}
		<-gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.syncs++
	return errors.Join(f.sync, f.Disk.SyncData(file.(*faultyFile).File))
}

func (f *faulty) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.dirs, f.Disk.SyncDir(name))
}

func (f *faulty) Commit(name string, transaction func() error) error {
	f.mu.Lock()
	hold, err := f.hold, f.commit
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if err != nil {
		return err
	}
	return f.Disk.Commit(name, transaction)
}

type faultyFile struct {
	File
	disk *faulty
}

func (f *faultyFile) WriteAt(p []byte, offset int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.write != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], offset)
		return n, f.disk.write
	}
	if info, err := f.File.Stat(); f.disk.length != nil && (err != nil || offset+int64(len(p)) > info.Size()) {
		return 0, f.disk.length
	}
	return f.File.WriteAt(p, offset)
}

func (f *faulty) Free(name string) (free, size int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.free != nil {
		return *f.free, 1 << 20, nil
	}
	return f.Disk.Free(name)
}

func (f *faultyFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return errors.Join(f.disk.sync, f.File.Sync())
}

var noRoom = &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}

func number(n int) store.Key {
	return store.Key{Table: store.Tags, Part: "p", Sort: fmt.Sprintf("%04d", n)}
}

// fill writes items of 1 KiB from one number to before another.
func fillUp(t *testing.T, r *Records, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := r.Write(t.Context(), store.Put(number(n), make([]byte, 1024))); err != nil {
			t.Fatalf("write %d: %v", n, err)
		}
	}
}

func wantItems(t *testing.T, r *Records, want int) {
	t.Helper()
	page, err := r.List(t.Context(), store.Range{Table: store.Tags, Part: "p", Limit: 10_000})
	if err != nil || len(page.Items) != want {
		t.Fatalf("%d items, %v; want %d", len(page.Items), err, want)
	}
	for i, item := range page.Items {
		if item.Key != number(i) || len(item.Value) != 1024 {
			t.Fatalf("item %d is %s with %d bytes", i, item.Key, len(item.Value))
		}
	}
}

func openFaulty(t *testing.T, disk *faulty, path string) *Records {
	t.Helper()
	r, err := OpenRecordsOn(disk, path, 4*blockSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	settle(t, r)
	return r
}

// settle waits until the journals have room after an opening.
func settle(t *testing.T, r *Records) {
	t.Helper()
	if err := r.queue.run(&change{done: make(chan struct{}, 1)}); err != nil {
		t.Fatal(err)
	}
}

func TestWriteThatFindsNoRoom(t *testing.T) {
	disk, path := &faulty{Disk: System}, filepath.Join(t.TempDir(), "records.db")
	r := openFaulty(t, disk, path)
	fillUp(t, r, 0, 3)
	disk.set(func(f *faulty) { f.write = noRoom })
	err := r.Write(t.Context(), store.Put(number(3), nil))
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrFull) {
		t.Fatalf("without room: %v", err)
	}
	wantItems(t, r, 3)
	disk.set(func(f *faulty) { f.write = nil })
	fillUp(t, r, 3, 50)
	wantItems(t, r, 50)
	disk.set(func(f *faulty) { f.commit = noRoom })
	r.Close()
	wantItems(t, openFaulty(t, &faulty{Disk: System}, path), 50)
}

// Where no journal can get longer, a write that no longer fits into one goes into the
// other.
func TestJournalsThatCannotGetLonger(t *testing.T) {
	disk, path := &faulty{Disk: System}, filepath.Join(t.TempDir(), "records.db")
	r := openFaulty(t, disk, path)
	disk.set(func(f *faulty) { f.length = noRoom })
	info, err := r.active.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const items = 10
	for n := range items {
		size := 1
		if n%2 > 0 {
			size = int(info.Size()) - blockSize + 1 // all blocks
		}
		if err := r.Write(t.Context(), store.Put(number(n), make([]byte, size))); err != nil {
			t.Fatalf("write %d: %v", n, err)
		}
	}
	if err := r.Write(t.Context(), store.Put(number(items), make([]byte, info.Size()))); !errors.Is(err, store.ErrFull) {
		t.Errorf("a write that is longer than a journal: %v, want ErrFull", err)
	}
	r.Close()
	r = openFaulty(t, &faulty{Disk: System}, path)
	page, err := r.List(t.Context(), store.Range{Table: store.Tags, Part: "p", Limit: 100})
	if err != nil || len(page.Items) != items {
		t.Errorf("%d items, %v; want %d", len(page.Items), err, items)
	}
}

// Objects leave room for records, and what is refused leaves no bytes.
func TestLayersLeaveRoom(t *testing.T) {
	free := int64(1 << 20)
	disk, dir := &faulty{Disk: System, free: &free}, t.TempDir()
	l, err := OpenLayersOn(disk, dir)
	if err != nil {
		t.Fatal(err)
	}
	st, err := l.Append(t.Context(), "object-1", store.State{}, strings.NewReader("first "))
	if err != nil {
		t.Fatal(err)
	}
	for _, refuse := range []func(){
		func() { disk.set(func(*faulty) { free = 1 << 16 }) },
		func() { disk.set(func(f *faulty) { free, f.length = 1<<20, noRoom }) },
	} {
		refuse()
		next, err := l.Append(t.Context(), "object-1", st, strings.NewReader("second"))
		if !errors.Is(err, store.ErrFull) || next.Size != st.Size {
			t.Errorf("without room: %v and the size %d, want ErrFull and %d", err, next.Size, st.Size)
		}
		if size, err := disk.Stat(l.place("object-1").unfinished); size != st.Size || err != nil {
			t.Errorf("the file has %d bytes, %v; want %d", size, err, st.Size)
		}
	}
	disk.set(func(f *faulty) { free, f.length = 1<<20, nil })
	if st, err = l.Append(t.Context(), "object-1", st, strings.NewReader("second")); err == nil {
		err = l.Finish(t.Context(), "object-1", st)
	}
	if err != nil || st.Size != 12 {
		t.Errorf("with room again: %v and the size %d", err, st.Size)
	}
}

func TestNothingIsWrittenAfterAFlushFailed(t *testing.T) {
	disk, path := &faulty{Disk: System}, filepath.Join(t.TempDir(), "records.db")
	r := openFaulty(t, disk, path)
	fillUp(t, r, 0, 3)
	disk.set(func(f *faulty) { f.sync = syscall.EIO })
	for range 2 {
		err := r.Write(t.Context(), store.Put(number(3), make([]byte, 1024)))
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, syscall.EIO) {
			t.Fatalf("a write after a failed flush: %v", err)
		}
		disk.set(func(f *faulty) { f.sync = nil })
	}
	wantItems(t, r, 3)
	if err := r.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close: %v, want the reason", err)
	}
	// What failed was on the disk after all: it may be there.
	r = openFaulty(t, &faulty{Disk: System}, path)
	fillUp(t, r, 3, 4)
	wantItems(t, r, 4)
}

func TestDatabaseThatFindsNoRoom(t *testing.T) {
	disk, path := &faulty{Disk: System}, filepath.Join(t.TempDir(), "records.db")
	r := openFaulty(t, disk, path)
	disk.set(func(f *faulty) { f.commit = noRoom })
	n := 0
	for ; n < 1000; n++ {
		if err := r.Write(t.Context(), store.Put(number(n), make([]byte, 1024))); err != nil {
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			break
		}
	}
	if n < 8 || n > 100 {
		t.Fatalf("%d writes of a block each went into journals of 4 blocks", n)
	}
	wantItems(t, r, n)
	disk.set(func(f *faulty) { f.commit = nil })
	fillUp(t, r, n, n+100)
	wantItems(t, r, n+100)
	disk.set(func(f *faulty) { f.commit = noRoom })
	fillUp(t, r, n+100, n+103)
	if err := r.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v, want the reason", err)
	}
	wantItems(t, openFaulty(t, &faulty{Disk: System}, path), n+103)
}

func TestNothingIsWrittenAfterTheDatabaseFailed(t *testing.T) {
	disk, path := &faulty{Disk: System}, filepath.Join(t.TempDir(), "records.db")
	r := openFaulty(t, disk, path)
	disk.set(func(f *faulty) { f.commit = syscall.EIO })
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		err = r.Write(t.Context(), store.Put(number(n), make([]byte, 1024)))
	}
	disk.set(func(f *faulty) { f.commit = nil })
	err = r.Write(t.Context(), store.Put(number(n), nil))
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "restart") {
		t.Fatalf("a write after the database failed: %v", err)
	}
	r.Close()
	wantItems(t, openFaulty(t, &faulty{Disk: System}, path), n-1)
}

// While the database takes over one journal, writes go on in the other, and all is
// readable; those that find both full wait.
func TestWritesGoOnBesideACheckpoint(t *testing.T) {
	disk, path := &faulty{Disk: System}, filepath.Join(t.TempDir(), "records.db")
	r := openFaulty(t, disk, path)
	hold := make(chan struct{})
	disk.set(func(f *faulty) { f.hold = hold })
	fillUp(t, r, 0, 10)
	wantItems(t, r, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fillUp(t, r, 10, 60)
	}()
	close(hold)
	<-done
	wantItems(t, r, 60)
}

// A group of writes is one flush, and a write that fails does not fail the others.
func TestWritersShareAFlush(t *testing.T) {
	disk := &faulty{Disk: System}
	r, err := OpenRecordsOn(disk, filepath.Join(t.TempDir(), "records.db"), journalSize)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fillUp(t, r, 0, 1)
	gate, before := make(chan struct{}), disk.syncs
	disk.set(func(f *faulty) { f.gate = gate })
	results := make(chan error, 41)
	go func() { results <- r.Write(t.Context(), store.Put(number(1), nil)) }()
	<-gate
	for n := range 40 {
		go func() {
			op := store.Create(number(100+n), nil)
			if n%4 == 0 {
				op = store.Create(number(0), nil) // conflicts
			}
			results <- r.Write(t.Context(), op)
		}()
	}
	waitFor(t, func() bool { r.queue.mu.Lock(); defer r.queue.mu.Unlock(); return len(r.queue.wait) == 40 })
	gate <- struct{}{}
	conflicts := 0
	for range 41 {
		if err := <-results; errors.Is(err, store.ErrConflict) {
			conflicts++
		} else if err != nil {
			t.Error(err)
		}
	}
	if conflicts != 10 {
		t.Errorf("%d conflicts, want 10", conflicts)
	}
	disk.mu.Lock()
	defer disk.mu.Unlock()
	if n := disk.syncs - before; n != 2 {
		t.Errorf("%d flushes for one write and then 40 at once, want 2", n)
	}
}

// After writes of many at once, a journal gets longer before the database takes it
// over; it does when there is time.
func TestManyWritersFillAJournalFurther(t *testing.T) {
	disk := &faulty{Disk: System}
	r := openFaulty(t, disk, filepath.Join(t.TempDir(), "records.db"))
	gate := make(chan struct{})
	disk.set(func(f *faulty) { f.gate = gate })
	var all sync.WaitGroup
	put := func(n int) {
		if err := r.Write(t.Context(), store.Put(number(n), make([]byte, 1024))); err != nil {
			t.Error(err)
		}
	}
	all.Go(func() { put(0) })
	<-gate
	for n := range calmGroup + 1 {
		all.Go(func() { put(1 + n) })
	}
	waitFor(t, func() bool { r.queue.mu.Lock(); defer r.queue.mu.Unlock(); return len(r.queue.wait) == calmGroup+1 })
	gate <- struct{}{}
	all.Wait()
	const items = 20
	fillUp(t, r, calmGroup+2, items)
	taken := func() (n int) {
		if err := r.db.View(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(store.Tags)).ForEach(func(_, _ []byte) error { n++; return nil })
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if v := r.view.Load(); v.frozen != nil || taken() > 0 {
		t.Errorf("the database takes over, and has %d items", taken())
	}
	settle(t, r)
	waitFor(t, func() bool { return taken() == items })
	wantItems(t, r, items)
}

// Whatever goes wrong with the disk, the state from before stays good, and the call
// can be repeated.
func TestLayersOnAFaultyDisk(t *testing.T) {
	for name, fault := range map[string]func(*faulty, error){
		"write": func(f *faulty, err error) { f.write = err },
		"flush": func(f *faulty, err error) { f.sync = err },
		"names": func(f *faulty, err error) { f.dirs = err },
	} {
		t.Run(name, func(t *testing.T) {
			disk, dir := &faulty{Disk: System}, t.TempDir()
			l, err := OpenLayersOn(disk, dir)
			if err != nil {
				t.Fatal(err)
			}
			set := func(err error) { disk.set(func(f *faulty) { fault(f, err) }) }
			var st store.State
			append := func(text string) error {
				next, err := l.Append(t.Context(), "object-1", st, strings.NewReader(text))
				if err != nil && next.Size != st.Size {
					t.Errorf("Append gives the size %d with %v", next.Size, err)
				}
				st = next
				return err
			}
			try := func(what string, call func() error) {
				t.Helper()
				set(syscall.EIO)
				if err := call(); !errors.Is(err, syscall.EIO) || errors.Is(err, store.ErrFull) {
					t.Errorf("%s: %v, want the disk's error", what, err)
				}
				set(nil)
				if err := call(); err != nil {
					t.Errorf("%s again: %v", what, err)
				}
			}
			set(noRoom)
			if err := append("first "); !errors.Is(err, store.ErrFull) {
				t.Errorf("Append without room: %v", err)
			}
			left, err := filepath.Glob(filepath.Join(dir, "*", "object-1*"))
			if err != nil || len(left) > 1 {
				t.Fatal(left, err)
			}
			for _, file := range left {
				if info, err := os.Stat(file); err != nil || info.Size() != 0 {
					t.Errorf("of what found no room %d bytes are left: %v", info.Size(), err)
				}
			}
			try("Append", func() error { return append("first ") })
			if name == "names" {
				try("Finish", func() error { return l.Finish(t.Context(), "object-1", st) })
				try("Delete", func() error { return l.Delete(t.Context(), "object-1", st) })
				return
			}
			try("Append more", func() error { return append("second") })
			if err = l.Finish(t.Context(), "object-1", st); err != nil {
				t.Fatal(err)
			}
			r, err := l.Open(t.Context(), "object-1", 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got, err := io.ReadAll(r); string(got) != "first second" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

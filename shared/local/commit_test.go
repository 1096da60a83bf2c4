package local

import (
	"errors"
	"path/filepath"
	"testing"

	"berth/shared/store"
)

// Writes on one item that go into one commit see each other in their order. The
// journal has the item once, as the last one left it, and one that fails leaves no trace.
func TestWritesOfOneCommitOnOneItem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	disk := &faulty{Disk: System}
	r, err := OpenRecordsOn(disk, path, journalSize)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	gate := make(chan struct{})
	disk.set(func(f *faulty) { f.gate = gate })
	first := make(chan error, 1)
	go func() { first <- r.Write(t.Context(), store.Put(number(0), nil)) }()
	<-gate
	add := func(n int64) store.Op { return store.Add(number(1), map[string]int64{"n": n}) }
	full := make([]byte, store.MaxItemSize-store.Item{Key: number(3)}.Size())
	done := func(err error) bool { return err == nil }
	conflict := func(err error) bool { return errors.Is(err, store.ErrConflict) }
	tooBig := func(err error) bool { return errors.As(err, new(*store.LimitError)) }
	writes := []struct {
		as  func(error) bool
		ops []store.Op
	}{
		{done, []store.Op{add(1), store.Put(number(3), full)}},
		{done, []store.Op{add(10), store.Create(number(2), []byte("a"))}},
		{conflict, []store.Op{add(100), store.Create(number(2), []byte("b"))}},
		{tooBig, []store.Op{add(100), store.Put(number(2), nil), store.Add(number(3), map[string]int64{"n": 1})}},
		{done, []store.Op{store.Delete(number(2))}},
		{done, []store.Op{add(1000), store.Create(number(2), []byte("c"))}},
		{done, []store.Op{store.Create(number(4), nil)}},
		{done, []store.Op{store.Delete(number(4))}},
	}
	results := make([]chan error, len(writes))
	for i, w := range writes {
		results[i] = make(chan error, 1)
		go func() { results[i] <- r.Write(t.Context(), w.ops...) }()
		waitFor(t, func() bool { r.queue.mu.Lock(); defer r.queue.mu.Unlock(); return len(r.queue.wait) == i+1 })
	}
	gate <- struct{}{}
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	for i, w := range writes {
		if err := <-results[i]; !w.as(err) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	check := func(when string, r *Records) {
		t.Helper()
		items, err := r.Get(t.Context(), number(1), number(2), number(3), number(4))
		if err != nil {
			t.Fatal(err)
		}
		if items[0].Counts["n"] != 1011 || string(items[1].Value) != "c" || len(items[2].Counts) > 0 || items[3].Found() {
			t.Errorf("%s: count %d, %q, counts %v, %v; want 1011, c and no more",
				when, items[0].Counts["n"], items[1].Value, items[2].Counts, items[3].Found())
		}
	}
	check("then", r)
	disk.set(func(f *faulty) { f.commit = errors.New("the process is killed") })
	r.Close()
	again := openRecords(t, path)
	entries, err := again.idle.entries(0)
	if len(entries) == 0 && err == nil {
		entries, err = again.active.entries(0)
	}
	if err != nil || len(entries) != 2 || len(entries[1].changes) != 4 {
		t.Errorf("the journal has %d entries, %v; want 2, of which the second changes 4 items", len(entries), err)
	}
	check("after a kill", again)
}

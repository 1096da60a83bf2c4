package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"berth/shared/store"
)

func TestOpenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	first := openRecords(t, path)
	_, err := OpenRecords(path)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Fatalf("the second open: %v, want ErrInUse and the path", err)
	}
	if err = first.Close(); err != nil {
		t.Fatal(err)
	}
	openRecords(t, path)
}

func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	results := make(chan error, 8)
	for range cap(results) {
		go func() {
			r, err := OpenRecords(path)
			if err == nil {
				t.Cleanup(func() { r.Close() })
			}
			results <- err
		}()
	}
	opened := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			opened++
		case !errors.Is(err, ErrInUse):
			t.Error(err)
		}
	}
	if opened != 1 {
		t.Errorf("%d opened it", opened)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestOpenWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.db")
	db, err := bbolt.Open(other, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	text := filepath.Join(dir, "text")
	if err = os.WriteFile(text, []byte(strings.Repeat("text ", 10000)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	r := openRecords(t, newer)
	if err = r.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketAbout).Put(keyFormat, []byte("2")) }); err != nil {
		t.Fatal(err)
	}
	r.Close()
	for path, want := range map[string]string{
		other: "no database of Berth's", text: "invalid database", newer: "another version",
		filepath.Join(text, "records.db"): "not a directory",
	} {
		if _, err := OpenRecords(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q and the path", filepath.Base(path), err, want)
		}
	}
}

func TestExpiredItemsAreDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	r := openRecords(t, path)
	reopen := func() { // the database takes over what the journals have
		t.Helper()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		r = openRecords(t, path)
	}
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	key := func(n int) store.Key { return store.Key{Table: store.Builds, Part: "p", Sort: fmt.Sprintf("%04d", n)} }
	const items = sweepMost + 30
	write := func(ops ...store.Op) {
		t.Helper()
		if err := r.Write(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	drop := func(at time.Time, want int) {
		t.Helper()
		if n, err := r.dropExpired(t.Context(), at); n != want || err != nil {
			t.Fatalf("%d dropped, %v; want %d", n, err, want)
		}
	}
	for n := range items {
		write(store.Put(key(n), []byte("x")).Until(now.Add(-time.Duration(n+1) * time.Second)))
	}
	reopen()
	// These live on. The first is changed in the database, the others only beside it.
	write(store.Put(key(0), nil))
	reopen()
	write(store.Put(key(1), nil).Until(now.Add(time.Second)))
	write(store.Put(key(2), nil).Until(now))
	write(store.Delete(key(3)))
	write(store.Add(key(3), map[string]int64{"n": 1}))
	drop(now, items-4)
	page, err := r.List(t.Context(), store.Range{Table: store.Builds, Part: "p", Limit: 10})
	if err != nil || len(page.Items) != 4 {
		t.Errorf("%d items are left, %v; want 4", len(page.Items), err)
	}
	drop(now, 0)
	reopen()
	drop(now, 0)
	drop(now.Add(time.Minute), 2)
	reopen()
	left := 0
	if err := r.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketExpires).ForEach(func(_, _ []byte) error { left++; return nil })
	}); err != nil || left != 0 {
		t.Errorf("%d entries are left in the index, %v", left, err)
	}
}

func TestDecodeOfDamage(t *testing.T) {
	item := store.Item{Version: 7, Value: []byte("value"), Counts: map[string]int64{"n": -1, "longer": 1 << 60}, Expires: time.Unix(1, 0).UTC()}
	whole := appendItem(nil, &item)
	for n := range len(whole) - len(item.Value) {
		if err := decode(new(store.Item), whole[:n]); !errors.Is(err, errDamaged) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(appendItem(nil, &store.Item{Version: 7, Value: []byte("value"), Counts: map[string]int64{"n": -1}, Expires: time.Unix(1, 0)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var one, two store.Item
		if decode(&one, b) != nil {
			return
		}
		if err := decode(&two, appendItem(nil, &one)); err != nil {
			t.Fatal(err)
		}
		if one.Version != two.Version || string(one.Value) != string(two.Value) || !one.Expires.Equal(two.Expires) || len(one.Counts) != len(two.Counts) {
			t.Fatalf("%+v became %+v", one, two)
		}
	})
}

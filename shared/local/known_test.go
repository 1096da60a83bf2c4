package local

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"berth/shared/store"
)

// Readers never see an older state than one that was acknowledged before they
// began, while the database takes over something all the time.
func TestReadersAreNeverBehind(t *testing.T) {
	r, err := OpenRecordsOn(System, filepath.Join(t.TempDir(), "records.db"), 2*blockSize)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const items, rounds = 20, 60
	var mu sync.Mutex
	acked := make([]int64, items)
	key := func(i int) store.Key { return store.Key{Table: store.Tags, Part: "p", Sort: fmt.Sprint(i)} }
	var all sync.WaitGroup
	for i := range items {
		all.Go(func() {
			for n := range int64(rounds) {
				if err := r.Write(t.Context(), store.Add(key(i), map[string]int64{"n": 1})); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[i] = n + 1
				mu.Unlock()
			}
		})
		all.Go(func() {
			for last := int64(0); last < rounds && !t.Failed(); {
				other := (i + int(last)) % items
				mu.Lock()
				mine, others := acked[i], acked[other]
				mu.Unlock()
				got, err := r.Get(t.Context(), key(i), key(other))
				if err != nil {
					t.Error(err)
					return
				}
				if last = got[0].Counts["n"]; last < mine || got[1].Counts["n"] < others {
					t.Errorf("items %d and %d are at %d and %d, were at %d and %d before", i, other, last, got[1].Counts["n"], mine, others)
				}
			}
		})
	}
	all.Wait()
}

// What is read again is found without the database, and a change of it is seen.
func TestKnownIsReadOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	r := openRecords(t, path)
	fillUp(t, r, 0, 3)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = openRecords(t, path)
	key := number(1)
	encoded := appendKey(nil, key.Table, key.Part, key.Sort)
	if r.view.Load().below.get(encoded) != nil {
		t.Fatal("known before it was read")
	}
	for range 2 {
		if items, err := r.Get(t.Context(), key); err != nil || !items[0].Found() {
			t.Fatal(err)
		}
		if r.view.Load().below.get(encoded) == nil {
			t.Fatal("not known after it was read")
		}
	}
	if err := r.Write(t.Context(), store.Delete(key)); err != nil {
		t.Fatal(err)
	}
	if items, err := r.Get(t.Context(), key); err != nil || items[0].Found() {
		t.Errorf("after its deletion: %+v, %v", items, err)
	}
	// More than is kept drops what was there.
	var k known
	for i := range 2 * maxKnownTotal / maxKnown {
		k.put(fmt.Append(nil, i), make([]byte, maxKnown))
	}
	if k.put([]byte("long"), make([]byte, maxKnown+1)); k.get([]byte("long")) != nil || k.size > maxKnownTotal || len(k.data) > maxKnownTotal/maxKnown {
		t.Errorf("%d values of %d bytes are kept", len(k.data), k.size)
	}
}

package local

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"berth/shared/store"
	"berth/shared/store/memory"
)

// TestRecordsBehaveAsInMemory does the same to both, and closes and opens the one
// on disk now and then, with or without letting the database take over the journals.
func TestRecordsBehaveAsInMemory(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			path := filepath.Join(t.TempDir(), "records.db")
			model := memory.NewRecords()
			var disk *Records
			var process *mortal
			reopen := func() {
				if disk != nil {
					process.dead.Store(rnd.IntN(3) > 0)
					disk.Close()
				}
				process = &mortal{Disk: System}
				var err error
				if disk, err = OpenRecordsOn(process, path, int64(1+rnd.IntN(8))*blockSize); err != nil {
					t.Fatal(err)
				}
			}
			reopen()
			defer func() { disk.Close() }()
			for step := range 1500 {
				switch n := rnd.IntN(100); {
				case n < 70:
					ops := someOps(rnd)
					want, got := model.Write(t.Context(), ops...), disk.Write(t.Context(), ops...)
					if !reflect.DeepEqual(want, got) {
						t.Fatalf("step %d: Write: %v, want %v", step, got, want)
					}
				case n < 80:
					key := someKey(rnd)
					want, _ := model.Get(t.Context(), key)
					got, err := disk.Get(t.Context(), key)
					if err != nil || !same(want, got) {
						t.Fatalf("step %d: Get: %+v, %v, want %+v", step, got, err, want)
					}
				case n < 99:
					compareList(t, model, disk, someRange(rnd))
				default:
					reopen()
				}
			}
			for _, table := range store.Tables {
				for part := range 3 {
					compareList(t, model, disk, store.Range{Table: table, Part: fmt.Sprint("p", part), Limit: 1000})
				}
			}
		})
	}
}

// mortal is a disk on which no more commits happen after the death of the process.
type mortal struct {
	Disk
	dead atomic.Bool
}

func (m *mortal) Commit(name string, transaction func() error) error {
	if m.dead.Load() {
		return errors.New("dead")
	}
	return m.Disk.Commit(name, transaction)
}

func compareList(t *testing.T, model *memory.Records, disk *Records, in store.Range) {
	t.Helper()
	want, _ := model.List(t.Context(), in)
	got, err := disk.List(t.Context(), in)
	if err != nil || !same(want.Items, got.Items) {
		t.Fatalf("List %+v: %v, want %v; %v", in, got.Items, want.Items, err)
	}
	if got.More && len(got.Items) < in.Limit || !got.More && want.More && len(all(t, model, in)) > len(got.Items) {
		t.Fatalf("List %+v: more %v", in, got.More)
	}
}

// all lists the range without its limit.
func all(t *testing.T, s store.Records, in store.Range) []store.Item {
	in.Limit = 100_000
	page, err := s.List(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

// same compares items but for their versions.
func same(want, got []store.Item) bool {
	return slices.EqualFunc(want, got, func(a, b store.Item) bool {
		return a.Key == b.Key && a.Found() == b.Found() && string(a.Value) == string(b.Value) &&
			reflect.DeepEqual(a.Counts, b.Counts) && a.Expires.Equal(b.Expires)
	})
}

func someKey(rnd *rand.Rand) store.Key {
	return store.Key{
		Table: store.Tables[rnd.IntN(len(store.Tables))],
		Part:  fmt.Sprint("p", rnd.IntN(3)),
		Sort:  fmt.Sprintf("%03d", rnd.IntN(400)),
	}
}

func someRange(rnd *rand.Rand) store.Range {
	r := store.Range{Limit: 1 + rnd.IntN(20), Reverse: rnd.IntN(2) == 0}
	key := someKey(rnd)
	r.Table, r.Part = key.Table, key.Part
	if rnd.IntN(3) > 0 {
		r.From = key.Sort
	}
	if rnd.IntN(3) > 0 {
		r.To = someKey(rnd).Sort
	}
	return r
}

// someOps are operations on distinct keys, some of which may not hold.
func someOps(rnd *rand.Rand) []store.Op {
	var ops []store.Op
	seen := map[store.Key]bool{}
	for range 1 + rnd.IntN(6) {
		key := someKey(rnd)
		if seen[key] {
			continue
		}
		seen[key] = true
		op := store.Op{Key: key, Kind: store.OpPut}
		switch rnd.IntN(6) {
		case 0:
			op.Kind = store.OpDelete
		case 1:
			op.Kind, op.Add = store.OpAdd, map[string]int64{fmt.Sprint("n", rnd.IntN(2)): int64(rnd.IntN(5))}
		default:
			op.Value = make([]byte, rnd.IntN(600))
			for i := range op.Value {
				op.Value[i] = byte(rnd.Uint32())
			}
			if rnd.IntN(4) == 0 {
				op.Expires = time.Unix(int64(4e9+rnd.IntN(100)), 0)
			}
		}
		switch rnd.IntN(20) {
		case 0:
			op.Cond = store.Absent
		case 1:
			op.Cond = store.Exists
		}
		ops = append(ops, op)
	}
	return ops
}

// Package storetest is what every backend of the store must pass, and what tests of
// everything above the store put around one: failing writes and counted calls.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"berth/shared/store"
)

// Records runs the conformance suite of store.Records. open gives a store to one
// test and closes it with t.Cleanup. It may give the same store every time: each
// test keeps to partitions named after itself, which must be empty at first.
func Records(t *testing.T, open func(t *testing.T) store.Records) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s store.Records)
	}{
		{"put and get", putAndGet},
		{"tables are apart", tablesAreApart},
		{"partitions are apart", partitionsAreApart},
		{"get many", getMany},
		{"delete", deleteItems},
		{"conditions", conditions},
		{"conflict names the first operation", conflictIndex},
		{"a failed write changes nothing", failedWriteChangesNothing},
		{"versions", versions},
		{"counts", counts},
		{"counts and value are independent", countsAndValue},
		{"expiry", expiry},
		{"the writer's bytes are its own", writersBytes},
		{"context", cancelledContext},
		{"nothing", nothingAtAll},
		{"list", list},
		{"list both ways, page by page", listPages},
		{"list after", listAfter},
		{"list of bytes", listBytes},
		{"list of big items", listBigItems},
		{"list of an empty range", listEmpty},
		{"limits of keys", limitsOfKeys},
		{"limits of calls", limitsOfCalls},
		{"limits of sizes", limitsOfSizes},
		{"limits of what an item becomes", limitsOfResults},
		{"compare and swap by many", compareAndSwap},
		{"adds by many", addsByMany},
		{"one of many creates", oneCreates},
		{"writes are whole", writesAreWhole},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// key is a key in a partition of the test's own.
func key(t testing.TB, sort string) store.Key {
	return store.Key{Table: store.Tags, Part: t.Name(), Sort: sort}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, s store.Records, ops ...store.Op) {
	t.Helper()
	if err := s.Write(t.Context(), ops...); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func get(t testing.TB, s store.Records, k store.Key) store.Item {
	t.Helper()
	items, err := s.Get(t.Context(), k)
	if err != nil {
		t.Fatalf("Get %s: %v", k, err)
	}
	if len(items) != 1 || items[0].Key != k {
		t.Fatalf("Get %s: %d items, %+v", k, len(items), items)
	}
	return items[0]
}

// wantValue wants the item to be there with this value.
func wantValue(t testing.TB, s store.Records, k store.Key, value string) store.Item {
	t.Helper()
	item := get(t, s, k)
	if !item.Found() || string(item.Value) != value {
		t.Fatalf("%s is found %v with %q, want %q", k, item.Found(), item.Value, value)
	}
	return item
}

func wantAbsent(t testing.TB, s store.Records, k store.Key) {
	t.Helper()
	if item := get(t, s, k); item.Found() || len(item.Value) != 0 || len(item.Counts) != 0 {
		t.Fatalf("%s is there: %+v", k, item)
	}
}

// wantConflict wants the write to fail at the operation.
func wantConflict(t testing.TB, s store.Records, index int, ops ...store.Op) {
	t.Helper()
	err := s.Write(t.Context(), ops...)
	var conflict *store.ConflictError
	if !errors.As(err, &conflict) || !errors.Is(err, store.ErrConflict) {
		t.Fatalf("Write: %v, want a conflict at %d", err, index)
	}
	if conflict.Index != index || conflict.Key != ops[index].Key {
		t.Fatalf("the conflict is at %d, %s; want %d, %s", conflict.Index, conflict.Key, index, ops[index].Key)
	}
}

func putAndGet(t *testing.T, s store.Records) {
	k := key(t, "a")
	wantAbsent(t, s, k)
	write(t, s, store.Put(k, []byte("one")))
	first := wantValue(t, s, k, "one")
	if len(first.Counts) != 0 || !first.Expires.IsZero() {
		t.Errorf("a plain item has counts %v, expiry %v", first.Counts, first.Expires)
	}
	write(t, s, store.Put(k, []byte("two")))
	wantValue(t, s, k, "two")
	write(t, s, store.Put(k, nil))
	wantValue(t, s, k, "")
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	write(t, s, store.Put(k, every))
	wantValue(t, s, k, string(every))
}

func tablesAreApart(t *testing.T, s store.Records) {
	for _, table := range store.Tables {
		write(t, s, store.Put(store.Key{Table: table, Part: t.Name(), Sort: "a"}, []byte(table)))
	}
	for _, table := range store.Tables {
		wantValue(t, s, store.Key{Table: table, Part: t.Name(), Sort: "a"}, string(table))
	}
}

// partitionsAreApart uses keys that a backend which glues its keys would confuse.
func partitionsAreApart(t *testing.T, s store.Records) {
	parts := []string{"", "a", "ab", "a\x00", "a\x00b", "b", "\x01", "é", "\U0010ffff"}
	sorts := []string{"a", "b", "\x00", "b\x00", "ba", "\x01a", "\U0010ffff"}
	at := func(part, sort string) store.Key {
		return store.Key{Table: store.Builds, Part: t.Name() + part, Sort: sort}
	}
	for _, part := range parts {
		for _, sort := range sorts {
			write(t, s, store.Create(at(part, sort), []byte(part+"|"+sort)))
		}
	}
	slices.Sort(sorts)
	for _, part := range parts {
		page, err := s.List(t.Context(), store.Range{Table: store.Builds, Part: t.Name() + part, Limit: 100})
		must(t, err)
		got := sortsOf(page.Items)
		if !slices.Equal(got, sorts) {
			t.Errorf("partition %q lists %q, want %q", part, got, sorts)
		}
		for _, sort := range sorts {
			wantValue(t, s, at(part, sort), part+"|"+sort)
		}
	}
}

func getMany(t *testing.T, s store.Records) {
	var keys []store.Key
	var ops []store.Op
	for i := range store.MaxGet {
		k := key(t, fmt.Sprintf("%03d", i))
		k.Table = store.Tables[i%len(store.Tables)]
		keys = append(keys, k)
		if i%2 == 0 {
			ops = append(ops, store.Put(k, []byte(k.Sort)))
		}
	}
	slices.Reverse(keys)
	write(t, s, ops...)
	keys[1] = keys[97] // the same key twice
	items, err := s.Get(t.Context(), keys...)
	must(t, err)
	if len(items) != len(keys) {
		t.Fatalf("%d items of %d keys", len(items), len(keys))
	}
	for i, item := range items {
		want := keys[i].Sort
		if want[2]%2 == 1 {
			want = ""
		}
		if item.Key != keys[i] || item.Found() != (want != "") || string(item.Value) != want {
			t.Errorf("item %d is %+v, want the key %s with %q", i, item, keys[i], want)
		}
	}
}

func deleteItems(t *testing.T, s store.Records) {
	k := key(t, "a")
	write(t, s, store.Delete(k)) // what is absent
	write(t, s, store.Put(k, []byte("x")), store.Add(key(t, "b"), map[string]int64{"n": 3}))
	write(t, s, store.Delete(k), store.Delete(key(t, "b")))
	wantAbsent(t, s, k)
	wantAbsent(t, s, key(t, "b"))
	write(t, s, store.Put(key(t, "b"), []byte("y")))
	if item := wantValue(t, s, key(t, "b"), "y"); len(item.Counts) != 0 {
		t.Errorf("counts %v came back from a deleted item", item.Counts)
	}
}

func conditions(t *testing.T, s store.Records) {
	there, gone := key(t, "there"), key(t, "gone")
	write(t, s, store.Put(there, []byte("x")))
	at := get(t, s, there).Version
	with := func(kind store.Kind, cond store.Cond, k store.Key, version int64) store.Op {
		return store.Op{Kind: kind, Cond: cond, Key: k, Version: version}
	}
	for _, c := range []struct {
		cond    store.Cond
		version int64
		there   bool // holds of the item that is there
		gone    bool // holds of the one that is not
	}{
		{store.Any, 0, true, true},
		{store.Absent, 0, false, true},
		{store.Exists, 0, true, false},
		{store.IsAt, at, true, false},
		{store.IsAt, at + 1, false, false},
		{store.IsAt, 0, false, false},
	} {
		for _, kind := range []store.Kind{store.OpPut, store.OpDelete, store.OpCheck} {
			if kind == store.OpCheck && c.cond == store.Any {
				continue
			}
			for k, holds := range map[store.Key]bool{there: c.there, gone: c.gone} {
				// A second operation that cannot hold keeps the first from happening.
				never := store.CheckExists(key(t, "never"))
				want := 1
				if !holds {
					want = 0
				}
				wantConflict(t, s, want, with(kind, c.cond, k, c.version), never)
			}
		}
	}
	wantValue(t, s, there, "x")
	write(t, s, store.Replace(there, at, []byte("y")), store.Create(gone, []byte("new")))
	wantConflict(t, s, 0, store.Replace(there, at, []byte("z")))
	wantConflict(t, s, 0, store.DeleteAt(there, at))
	wantConflict(t, s, 0, store.Create(gone, nil))
	now := wantValue(t, s, there, "y")
	write(t, s, store.CheckFrom(now), store.CheckAbsent(key(t, "never")), store.CheckExists(gone))
	wantConflict(t, s, 0, store.CheckFrom(store.Item{Key: gone}))
	write(t, s, store.DeleteAt(there, now.Version), store.PutFrom(get(t, s, gone), []byte("newer")))
	wantAbsent(t, s, there)
	write(t, s, store.PutFrom(get(t, s, there), []byte("back")))
	wantValue(t, s, there, "back")
	wantValue(t, s, gone, "newer")
}

func conflictIndex(t *testing.T, s store.Records) {
	fails := map[int]bool{3: true, 7: true, 99: true}
	var ops []store.Op
	for i := range store.MaxWrite {
		op := store.Put(key(t, fmt.Sprint(i)), nil)
		if fails[i] {
			op.Cond = store.Exists
		}
		ops = append(ops, op)
	}
	wantConflict(t, s, 3, ops...)
	ops[3].Cond = store.Any
	wantConflict(t, s, 7, ops...)
	ops[7].Cond = store.Any
	wantConflict(t, s, 99, ops...)
}

func failedWriteChangesNothing(t *testing.T, s store.Records) {
	a, b, c, d := key(t, "a"), key(t, "b"), key(t, "c"), key(t, "d")
	write(t, s, store.Put(a, []byte("a")), store.Put(b, []byte("b")), store.Add(c, map[string]int64{"n": 1}))
	before := []store.Item{get(t, s, a), get(t, s, b), get(t, s, c)}
	wantConflict(t, s, 4,
		store.Put(a, []byte("A")), store.Delete(b), store.Add(c, map[string]int64{"n": 1}),
		store.Create(d, []byte("D")), store.CheckExists(key(t, "never")))
	for _, was := range before {
		now := get(t, s, was.Key)
		if now.Version != was.Version || !bytes.Equal(now.Value, was.Value) || !maps.Equal(now.Counts, was.Counts) {
			t.Errorf("%s became %+v, was %+v", was.Key, now, was)
		}
	}
	wantAbsent(t, s, d)
}

func versions(t *testing.T, s store.Records) {
	k := key(t, "a")
	seen := map[int64]string{}
	note := func(step string) {
		t.Helper()
		v := get(t, s, k).Version
		if before, again := seen[v]; again || v == 0 {
			t.Fatalf("after %s the version is %d, as after %s", step, v, before)
		}
		seen[v] = step
	}
	for i := range 5 {
		write(t, s, store.Put(k, []byte("same")))
		note(fmt.Sprint("put ", i))
		write(t, s, store.Add(k, map[string]int64{"n": 1}))
		note(fmt.Sprint("add ", i))
		write(t, s, store.Add(k, map[string]int64{"n": 0}))
		note(fmt.Sprint("adding nothing ", i))
		write(t, s, store.CheckExists(k))
		if _, same := seen[get(t, s, k).Version]; !same {
			t.Fatal("a check changed the version")
		}
		write(t, s, store.Delete(k))
		write(t, s, store.Create(k, []byte("same")))
		note(fmt.Sprint("delete and create ", i))
	}
}

func counts(t *testing.T, s store.Records) {
	k := key(t, "a")
	want := func(step string, want map[string]int64) {
		t.Helper()
		if got := get(t, s, k).Counts; !maps.Equal(got, want) {
			t.Fatalf("%s: counts %v, want %v", step, got, want)
		}
	}
	write(t, s, store.Add(k, map[string]int64{"size": 5, "n.a-b/é": 1}))
	want("made", map[string]int64{"size": 5, "n.a-b/é": 1})
	write(t, s, store.Add(k, map[string]int64{"size": -7, "new": 2}))
	want("below zero", map[string]int64{"size": -2, "n.a-b/é": 1, "new": 2})
	write(t, s, store.Op{Kind: store.OpAdd, Key: k, Set: map[string]int64{"size": 100, "set": -1}, Add: map[string]int64{"new": 1}})
	want("set", map[string]int64{"size": 100, "n.a-b/é": 1, "new": 3, "set": -1})
	write(t, s, store.Op{Kind: store.OpAdd, Key: k, Set: map[string]int64{"set": 0}})
	want("set to zero", map[string]int64{"size": 100, "n.a-b/é": 1, "new": 3, "set": 0})
	big := int64(1) << 62
	write(t, s, store.Add(k, map[string]int64{"big": big}))
	write(t, s, store.Add(k, map[string]int64{"big": big - 1}))
	if n := get(t, s, k).Counts["big"]; n != 1<<63-1 {
		t.Fatalf("a big count is %d, want %d", n, int64(1<<63-1))
	}
	write(t, s, store.Op{Kind: store.OpAdd, Key: key(t, "empty")})
	if item := wantValue(t, s, key(t, "empty"), ""); len(item.Counts) != 0 {
		t.Fatalf("an add of nothing made counts %v", item.Counts)
	}
}

func countsAndValue(t *testing.T, s store.Records) {
	k := key(t, "a")
	until := time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC)
	check := func(step, value string, n int64, expires time.Time) store.Item {
		t.Helper()
		item := wantValue(t, s, k, value)
		if item.Counts["n"] != n || !item.Expires.Equal(expires) {
			t.Fatalf("%s: n is %d, expiry %v; want %d, %v", step, item.Counts["n"], item.Expires, n, expires)
		}
		return item
	}
	write(t, s, store.Add(k, map[string]int64{"n": 1}))
	check("add first", "", 1, time.Time{})
	write(t, s, store.Put(k, []byte("v")).Until(until))
	was := check("put keeps counts", "v", 1, until)
	write(t, s, store.Add(k, map[string]int64{"n": 1}))
	check("add keeps value and expiry", "v", 2, until)
	wantConflict(t, s, 0, store.Replace(k, was.Version, []byte("w")))
	write(t, s, store.PutFrom(get(t, s, k), []byte("w")))
	check("replace keeps counts, drops the expiry", "w", 2, time.Time{})
}

func expiry(t *testing.T, s store.Records) {
	k := key(t, "a")
	at := time.Date(2100, 12, 31, 23, 59, 59, 987654321, time.FixedZone("x", 3600))
	write(t, s, store.Create(k, []byte("v")).Until(at))
	if got := wantValue(t, s, k, "v").Expires; got.Unix() != at.Unix() {
		t.Fatalf("expiry %v, want %v", got, at)
	}
	page, err := s.List(t.Context(), store.Range{Table: k.Table, Part: k.Part, Limit: 1})
	must(t, err)
	if len(page.Items) != 1 || page.Items[0].Expires.Unix() != at.Unix() {
		t.Fatalf("listed %+v, want the expiry %v", page.Items, at)
	}
	// What has expired may be there or not, but its reader can always tell, and
	// what was read can always be replaced.
	write(t, s, store.Put(k, []byte("old")).Until(time.Unix(1000, 0)))
	for range 100 {
		item := get(t, s, k)
		if item.Found() && item.Expires.Unix() != 1000 {
			t.Fatalf("the expired item has the expiry %v", item.Expires)
		}
		err := s.Write(t.Context(), store.PutFrom(item, []byte("new")))
		if err == nil {
			wantValue(t, s, k, "new")
			return
		}
		if !errors.Is(err, store.ErrConflict) {
			t.Fatal(err)
		}
	}
	t.Fatal("an expired item cannot be replaced")
}

func writersBytes(t *testing.T, s store.Records) {
	k := key(t, "a")
	value, add := []byte("value"), map[string]int64{"n": 1}
	write(t, s, store.Put(k, value))
	write(t, s, store.Add(k, add))
	value[0], add["n"], add["m"] = 'X', 7, 7
	item := wantValue(t, s, k, "value")
	if !maps.Equal(item.Counts, map[string]int64{"n": 1}) {
		t.Fatalf("counts %v", item.Counts)
	}
	write(t, s, store.Put(k, []byte("other")))
	write(t, s, store.Add(k, map[string]int64{"n": 1}))
	if string(item.Value) != "value" || item.Counts["n"] != 1 {
		t.Fatalf("a later write changed what was read before: %+v", item)
	}
}

func cancelledContext(t *testing.T, s store.Records) {
	k := key(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Get(ctx, k); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.List(ctx, store.Range{Table: k.Table, Part: k.Part, Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("List: %v", err)
	}
	if err := s.Write(ctx, store.Put(k, nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v", err)
	}
	wantAbsent(t, s, k)
}

func nothingAtAll(t *testing.T, s store.Records) {
	write(t, s)
	items, err := s.Get(t.Context())
	must(t, err)
	if len(items) != 0 {
		t.Errorf("a Get of no keys gave %v", items)
	}
	// Only checks: nothing is written, and yet they are made.
	write(t, s, store.CheckAbsent(key(t, "a")))
	wantConflict(t, s, 1, store.CheckAbsent(key(t, "a")), store.CheckExists(key(t, "b")))
}

// many runs n goroutines and waits for them.
func many(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

func compareAndSwap(t *testing.T, s store.Records) {
	const writers, each = 8, 10
	k := key(t, "a")
	write(t, s, store.Create(k, []byte{0}))
	many(writers, func(int) {
		for done := 0; done < each; {
			items, err := s.Get(t.Context(), k)
			if err != nil {
				t.Error(err)
				return
			}
			switch err = s.Write(t.Context(), store.PutFrom(items[0], []byte{items[0].Value[0] + 1})); {
			case err == nil:
				done++
			case !errors.Is(err, store.ErrConflict):
				t.Error(err)
				return
			}
		}
	})
	if n := get(t, s, k).Value[0]; n != writers*each {
		t.Errorf("%d swaps counted, want %d", n, writers*each)
	}
}

func addsByMany(t *testing.T, s store.Records) {
	const writers, each = 8, 10
	shared := key(t, "shared")
	many(writers, func(i int) {
		own := key(t, fmt.Sprint("own", i))
		for range each {
			if err := s.Write(t.Context(), store.Add(shared, map[string]int64{"n": 1, "m": 2}), store.Add(own, map[string]int64{"n": 1})); err != nil {
				t.Error(err)
				return
			}
		}
	})
	if got, want := get(t, s, shared).Counts, (map[string]int64{"n": writers * each, "m": 2 * writers * each}); !maps.Equal(got, want) {
		t.Errorf("counts %v, want %v", got, want)
	}
	for i := range writers {
		if n := get(t, s, key(t, fmt.Sprint("own", i))).Counts["n"]; n != each {
			t.Errorf("writer %d counted %d, want %d", i, n, each)
		}
	}
}

func oneCreates(t *testing.T, s store.Records) {
	for round := range 10 {
		var mu sync.Mutex
		won := -1
		k := key(t, fmt.Sprint(round))
		many(8, func(i int) {
			err := s.Write(t.Context(), store.Create(k, []byte{byte(i)}), store.Put(key(t, fmt.Sprint(round, "-", i)), nil))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && won >= 0:
				t.Errorf("round %d: both %d and %d created it", round, won, i)
			case err == nil:
				won = i
			case !errors.Is(err, store.ErrConflict):
				t.Error(err)
			}
		})
		if won < 0 {
			t.Fatalf("round %d: nobody created it", round)
		}
		wantValue(t, s, k, string([]byte{byte(won)}))
		for i := range 8 {
			if there := get(t, s, key(t, fmt.Sprint(round, "-", i))).Found(); there != (i == won) {
				t.Errorf("round %d: the other item of writer %d is there: %v; %d won", round, i, there, won)
			}
		}
	}
}

// writesAreWhole lets writers write two items in one Write, and a List that sees
// the later of two Writes must see the earlier.
func writesAreWhole(t *testing.T, s store.Records) {
	const writers, each = 4, 10
	many(writers, func(i int) {
		for n := 1; n <= each; n++ {
			value := fmt.Appendf(nil, "%02d", n)
			a, b := key(t, fmt.Sprint(i, "a")), key(t, fmt.Sprint(i, "b"))
			if err := s.Write(t.Context(), store.Put(a, value), store.Put(b, value)); err != nil {
				t.Error(err)
				return
			}
			page, err := s.List(t.Context(), store.Prefix(store.Tags, t.Name(), fmt.Sprint(i), 10))
			if err != nil || len(page.Items) != 2 || string(page.Items[0].Value) != string(value) || string(page.Items[1].Value) != string(value) {
				t.Errorf("writer %d lists %v, %v after writing %s", i, page.Items, err, value)
				return
			}
		}
	})
}

package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"berth/shared/store"
)

func wantLimit(t testing.TB, what string, err error) {
	t.Helper()
	var over *store.LimitError
	if !errors.As(err, &over) {
		t.Errorf("%s: %v, want a LimitError", what, err)
	}
}

func limitsOfKeys(t *testing.T, s store.Records) {
	long := strings.Repeat("p", store.MaxPart-len(t.Name()))
	for _, k := range []store.Key{
		{Table: store.Tags, Part: t.Name() + long, Sort: "s"},
		{Table: store.Tags, Part: t.Name(), Sort: strings.Repeat("s", store.MaxSort)},
		{Table: store.Tags, Part: t.Name() + long[2:] + "é", Sort: strings.Repeat("é", store.MaxSort/2)},
	} {
		write(t, s, store.Create(k, []byte("v")))
		wantValue(t, s, k, "v")
		if got := all(t, s, store.Range{Table: k.Table, Part: k.Part, From: k.Sort, Limit: 1}); len(got) != 1 || got[0].Key != k {
			t.Errorf("a key at the limit is not listed: %v", got)
		}
	}
	for what, k := range map[string]store.Key{
		"no table":          {Part: "p", Sort: "s"},
		"unknown table":     {Table: "other", Part: "p", Sort: "s"},
		"no part":           {Table: store.Tags, Sort: "s"},
		"no sort":           {Table: store.Tags, Part: "p"},
		"long part":         {Table: store.Tags, Part: strings.Repeat("p", store.MaxPart+1), Sort: "s"},
		"long sort":         {Table: store.Tags, Part: "p", Sort: strings.Repeat("s", store.MaxSort+1)},
		"part not in UTF-8": {Table: store.Tags, Part: "p\xff", Sort: "s"},
		"sort not in UTF-8": {Table: store.Tags, Part: "p", Sort: "\xc3"},
	} {
		_, err := s.Get(t.Context(), key(t, "good"), k)
		wantLimit(t, "Get, "+what, err)
		for _, op := range []store.Op{store.Put(k, nil), store.Delete(k), store.CheckAbsent(k), store.Add(k, nil)} {
			wantLimit(t, "Write, "+what, s.Write(t.Context(), store.Put(key(t, "good"), nil), op))
		}
		if k.Sort == "s" {
			_, err = s.List(t.Context(), store.Range{Table: k.Table, Part: k.Part, Limit: 1})
			wantLimit(t, "List, "+what, err)
		}
	}
	wantAbsent(t, s, key(t, "good"))
	for _, bound := range []string{"\xff", strings.Repeat("s", store.MaxSort+2)} {
		_, err := s.List(t.Context(), store.Range{Table: store.Tags, Part: "p", From: bound, Limit: 1})
		wantLimit(t, "List from", err)
		_, err = s.List(t.Context(), store.Range{Table: store.Tags, Part: "p", To: bound, Limit: 1})
		wantLimit(t, "List to", err)
	}
}

func limitsOfCalls(t *testing.T, s store.Records) {
	var keys []store.Key
	var ops []store.Op
	for i := range store.MaxWrite + 1 {
		k := key(t, fmt.Sprint(i))
		keys, ops = append(keys, k), append(ops, store.Put(k, nil))
	}
	wantLimit(t, "a Write of 101", s.Write(t.Context(), ops...))
	_, err := s.Get(t.Context(), keys...)
	wantLimit(t, "a Get of 101", err)
	wantAbsent(t, s, keys[0])
	write(t, s, ops[:store.MaxWrite]...)
	for _, limit := range []int{0, -1} {
		_, err = s.List(t.Context(), store.Range{Table: store.Tags, Part: t.Name(), Limit: limit})
		wantLimit(t, fmt.Sprint("a List with Limit ", limit), err)
	}
	new1, new2 := key(t, "new1"), key(t, "new2")
	for _, second := range []store.Op{store.Put(new1, nil), store.Delete(new1), store.CheckAbsent(new1), store.Add(new1, nil)} {
		wantLimit(t, "two operations on one key", s.Write(t.Context(), store.Put(new1, nil), store.Put(new2, nil), second))
		far := append(append([]store.Op{store.Put(new1, nil)}, ops[:20]...), second)
		wantLimit(t, "two operations on one key, far apart", s.Write(t.Context(), far...))
	}
	wantLimit(t, "an unknown kind", s.Write(t.Context(), store.Op{Key: new1}))
	wantLimit(t, "a check of nothing", s.Write(t.Context(), store.Op{Kind: store.OpCheck, Key: new1}))
	both := map[string]int64{"n": 1}
	wantLimit(t, "a count added to and set", s.Write(t.Context(), store.Op{Kind: store.OpAdd, Key: new1, Add: both, Set: both}))
	many := map[string]int64{}
	for i := range store.MaxCounts + 1 {
		many[fmt.Sprint(i)] = 1
	}
	wantLimit(t, "101 counts", s.Write(t.Context(), store.Add(new1, many)))
	wantLimit(t, "a count without a name", s.Write(t.Context(), store.Add(new1, map[string]int64{"": 1})))
	wantAbsent(t, s, new1)
	wantAbsent(t, s, new2)
}

// room is how long a value may be in an item with the key and no counts.
func room(k store.Key) int { return store.MaxItemSize - store.Item{Key: k}.Size() }

func limitsOfSizes(t *testing.T, s store.Records) {
	k := key(t, "a")
	big := bytes.Repeat([]byte("x"), room(k))
	write(t, s, store.Put(k, big))
	wantValue(t, s, k, string(big))
	wantLimit(t, "an item one byte too big", s.Write(t.Context(), store.Put(key(t, "b"), append(big, 'x'))))
	wantLimit(t, "a bad item among others", s.Write(t.Context(), store.Put(key(t, "c"), nil), store.Put(key(t, "b"), append(big, 'x'))))
	wantAbsent(t, s, key(t, "b"))
	wantAbsent(t, s, key(t, "c"))
	var ops []store.Op
	for i := range store.MaxWriteSize / store.MaxItemSize {
		ops = append(ops, store.Put(key(t, fmt.Sprint("x", i)), big[:room(key(t, "x1"))]))
	}
	write(t, s, ops...)
	ops = append(ops, store.Put(key(t, "y"), big[:store.MaxWriteSize%store.MaxItemSize]))
	wantLimit(t, "a Write over 4 MiB", s.Write(t.Context(), ops...))
	wantAbsent(t, s, key(t, "y"))
	names := map[string]int64{}
	for i := range store.MaxCounts {
		names[fmt.Sprintf("%05000d", i)] = 1
	}
	wantLimit(t, "an item of counts that is too big", s.Write(t.Context(), store.Add(key(t, "b"), names)))
	wantAbsent(t, s, key(t, "b"))
}

// limitsOfResults makes items that are too big only by what they were before. The
// name of the count is longer than what an item's size allows for book-keeping:
// a backend that cannot read before it writes counts what is really there.
func limitsOfResults(t *testing.T, s store.Records) {
	k, other := key(t, "a"), key(t, "b")
	big := bytes.Repeat([]byte("x"), room(k))
	count := strings.Repeat("n", 200)
	write(t, s, store.Put(k, big))
	wantLimit(t, "an add to a full item", s.Write(t.Context(), store.Put(other, nil), store.Add(k, map[string]int64{count: 1})))
	wantAbsent(t, s, other)
	if item := wantValue(t, s, k, string(big)); len(item.Counts) != 0 {
		t.Errorf("counts %v", item.Counts)
	}
	write(t, s, store.Delete(k))
	write(t, s, store.Add(k, map[string]int64{count: 1}))
	wantLimit(t, "a value that does not fit beside the counts", s.Write(t.Context(), store.Put(k, big)))
	if item := wantValue(t, s, k, ""); item.Counts[count] != 1 {
		t.Errorf("counts %v", item.Counts)
	}
}

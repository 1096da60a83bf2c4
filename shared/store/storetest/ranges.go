package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"berth/shared/store"
)

func sortsOf(items []store.Item) []string {
	var sorts []string
	for _, item := range items {
		sorts = append(sorts, item.Sort)
	}
	return sorts
}

// all lists a range to its end, page by page.
func all(t testing.TB, s store.Records, r store.Range) []store.Item {
	t.Helper()
	var items []store.Item
	for pages := 0; ; pages++ {
		page, err := s.List(t.Context(), r)
		if err != nil {
			t.Fatalf("List %+v: %v", r, err)
		}
		if len(page.Items) > r.Limit {
			t.Fatalf("List %+v: %d items", r, len(page.Items))
		}
		items = append(items, page.Items...)
		if !page.More {
			return items
		}
		if len(page.Items) == 0 || pages > 1000 {
			t.Fatalf("List %+v says that there is more for ever", r)
		}
		r = r.After(page.Items[len(page.Items)-1].Sort)
	}
}

// fill puts items with these sort keys into the test's partition.
func fill(t testing.TB, s store.Records, sorts ...string) {
	t.Helper()
	for some := range slices.Chunk(sorts, store.MaxWrite) {
		var ops []store.Op
		for _, sort := range some {
			ops = append(ops, store.Put(key(t, sort), []byte("v"+sort)))
		}
		write(t, s, ops...)
	}
}

func list(t *testing.T, s store.Records) {
	fill(t, s, "a", "b", "b/1", "b/2", "b/3", "b0", "c", "é")
	write(t, s, store.Put(store.Key{Table: store.Tags, Part: t.Name() + "0", Sort: "b/9"}, nil),
		store.Add(key(t, "b/2"), map[string]int64{"n": 4}))
	for _, c := range []struct {
		from, to string
		want     []string
	}{
		{"", "", []string{"a", "b", "b/1", "b/2", "b/3", "b0", "c", "é"}},
		{"b", "", []string{"b", "b/1", "b/2", "b/3", "b0", "c", "é"}},
		{"", "b", []string{"a"}},
		{"b", "b/3", []string{"b", "b/1", "b/2"}},
		{"b/11", "b0", []string{"b/2", "b/3"}},
		{"d", "", []string{"é"}},
		{"", "0", nil},
		{"ê", "", nil},
	} {
		r := store.Range{Table: store.Tags, Part: t.Name(), From: c.from, To: c.to, Limit: 3}
		if got := sortsOf(all(t, s, r)); !slices.Equal(got, c.want) {
			t.Errorf("from %q to %q: %q, want %q", c.from, c.to, got, c.want)
		}
		r.Reverse = true
		slices.Reverse(c.want)
		if got := sortsOf(all(t, s, r)); !slices.Equal(got, c.want) {
			t.Errorf("from %q to %q in reverse: %q, want %q", c.from, c.to, got, c.want)
		}
	}
	items := all(t, s, store.Prefix(store.Tags, t.Name(), "b/", 2))
	if got, want := sortsOf(items), []string{"b/1", "b/2", "b/3"}; !slices.Equal(got, want) {
		t.Fatalf("prefix b/: %q, want %q", got, want)
	}
	for _, item := range items {
		if one := get(t, s, item.Key); item.Version != one.Version || !bytes.Equal(item.Value, one.Value) || item.Counts["n"] != one.Counts["n"] {
			t.Errorf("listed as %+v, got as %+v", item, one)
		}
	}
	if items[1].Counts["n"] != 4 {
		t.Errorf("counts %v of a listed item", items[1].Counts)
	}
}

func listPages(t *testing.T, s store.Records) {
	var sorts []string
	for i := range 230 {
		sorts = append(sorts, fmt.Sprintf("%04d", i))
	}
	fill(t, s, sorts...)
	for _, limit := range []int{1, 7, 100, 229, 230, 231, 1000} {
		r := store.Range{Table: store.Tags, Part: t.Name(), Limit: limit}
		page, err := s.List(t.Context(), r)
		must(t, err)
		if len(page.Items) != min(limit, len(sorts)) || limit < len(sorts) && !page.More {
			t.Errorf("limit %d: %d items, more %v", limit, len(page.Items), page.More)
		}
		if limit == 1 {
			continue
		}
		if got := sortsOf(all(t, s, r)); !slices.Equal(got, sorts) {
			t.Errorf("limit %d: not all in order, %d items", limit, len(got))
		}
		r.Reverse = true
		back := slices.Clone(sorts)
		slices.Reverse(back)
		if got := sortsOf(all(t, s, r)); !slices.Equal(got, back) {
			t.Errorf("limit %d in reverse: not all in order, %d items", limit, len(got))
		}
	}
}

func listAfter(t *testing.T, s store.Records) {
	fill(t, s, "a", "a\x00", "a\x00\x00", "a\x01", "b")
	r := store.Range{Table: store.Tags, Part: t.Name(), Limit: 10}
	back := r
	back.Reverse = true
	for _, c := range []struct {
		r    store.Range
		want []string
	}{
		{r.After("a"), []string{"a\x00", "a\x00\x00", "a\x01", "b"}},
		{r.After("a\x00"), []string{"a\x00\x00", "a\x01", "b"}},
		{r.After("aa"), []string{"b"}}, // a key that is not there
		{r.After("b"), nil},
		{back.After("b"), []string{"a\x01", "a\x00\x00", "a\x00", "a"}},
		{back.After("a\x00"), []string{"a"}},
		{back.After("a"), nil},
	} {
		if got := sortsOf(all(t, s, c.r)); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}

// listBytes wants the order of bytes, which for UTF-8 is that of code points, and
// not that of UTF-16.
func listBytes(t *testing.T, s store.Records) {
	sorts := []string{"\x00", "\x00\x00", "\x01", " ", "A", "Z", "a", "aa", "b", "\x7f", "\u0080", "é", "\u07ff", "\uffee", "\U00010000", "\U0010ffff"}
	mixed := slices.Clone(sorts)
	slices.Reverse(mixed)
	fill(t, s, mixed...)
	if got := sortsOf(all(t, s, store.Range{Table: store.Tags, Part: t.Name(), Limit: 3})); !slices.Equal(got, sorts) {
		t.Errorf("%q, want %q", got, sorts)
	}
	long := bytes.Repeat([]byte("x"), store.MaxSort)
	fill(t, s, string(long))
	r := store.Range{Table: store.Tags, Part: t.Name(), From: string(long), Limit: 3}
	if got := all(t, s, r); len(got) == 0 || got[0].Sort != string(long) {
		t.Error("the longest sort key is not listed")
	}
	if got := sortsOf(all(t, s, r.After(string(long)))); len(got) == 0 || got[0] != "\x7f" {
		t.Errorf("after the longest sort key: %.9q, want DEL first", got)
	}
}

func listBigItems(t *testing.T, s store.Records) {
	const items, size = 9, 300 << 10
	for i := range items {
		write(t, s, store.Put(key(t, fmt.Sprint(i)), bytes.Repeat([]byte{byte('0' + i)}, size)))
	}
	for _, reverse := range []bool{false, true} {
		r := store.Range{Table: store.Tags, Part: t.Name(), Limit: 100, Reverse: reverse}
		page, err := s.List(t.Context(), r)
		must(t, err)
		if n := len(page.Items); !page.More || n < 1 || n > store.MaxPage/size+1 {
			t.Errorf("a page of %d items of %d KiB, more %v", n, size>>10, page.More)
		}
		got := all(t, s, r)
		if len(got) != items {
			t.Fatalf("%d items, want %d", len(got), items)
		}
		for i, item := range got {
			n := i
			if reverse {
				n = items - 1 - i
			}
			if item.Sort != fmt.Sprint(n) || len(item.Value) != size || item.Value[size-1] != byte('0'+n) {
				t.Errorf("item %d is %s with %d bytes", i, item.Sort, len(item.Value))
			}
		}
	}
}

func listEmpty(t *testing.T, s store.Records) {
	fill(t, s, "a", "b", "c")
	for _, bounds := range [][2]string{{"b", "b"}, {"c", "a"}, {"b\x00", "b"}} {
		for _, reverse := range []bool{false, true} {
			page, err := s.List(t.Context(), store.Range{Table: store.Tags, Part: t.Name(), From: bounds[0], To: bounds[1], Limit: 5, Reverse: reverse})
			if err != nil || len(page.Items) != 0 || page.More {
				t.Errorf("from %q to %q: %v, %v; want an empty page", bounds[0], bounds[1], page, err)
			}
		}
	}
	page, err := s.List(t.Context(), store.Range{Table: store.Tags, Part: t.Name() + " none", Limit: 5})
	if err != nil || len(page.Items) != 0 || page.More {
		t.Errorf("a partition without items: %v, %v; want an empty page", page, err)
	}
}

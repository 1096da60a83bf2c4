package storetest

import (
	"fmt"
	"testing"
	"time"

	"berth/shared/store"
)

// Reopen wants that closing a store and opening it again loses nothing. place
// chooses an empty place and gives a function that opens it.
func Reopen(t *testing.T, place func(t *testing.T) func(t *testing.T) store.Records) {
	t.Run("reopen", func(t *testing.T) {
		open := place(t)
		until := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
		seen := map[int64]bool{}
		k, gone := key(t, "a"), key(t, "gone")
		for round := range 4 {
			s := open(t)
			if round > 0 {
				item := wantValue(t, s, k, fmt.Sprint("round ", round-1))
				if item.Counts["n"] != int64(round) || !item.Expires.Equal(until) || !seen[item.Version] {
					t.Errorf("round %d: %+v", round, item)
				}
				if n := len(all(t, s, store.Range{Table: store.Tags, Part: t.Name(), Limit: 50})); n != 1+100*round {
					t.Errorf("round %d: %d items", round, n)
				}
				wantAbsent(t, s, gone)
			}
			write(t, s, store.Put(k, fmt.Append(nil, "round ", round)).Until(until))
			write(t, s, store.Add(k, map[string]int64{"n": 1}))
			version := get(t, s, k).Version
			if seen[version] {
				t.Errorf("round %d: version %d again", round, version)
			}
			seen[version] = true
			var sorts []string
			for i := range 100 {
				sorts = append(sorts, fmt.Sprintf("x%d-%03d", round, i))
			}
			fill(t, s, sorts...)
			write(t, s, store.Create(gone, nil))
			if version = get(t, s, gone).Version; seen[version] {
				t.Errorf("round %d: version %d again, of an item made anew", round, version)
			}
			seen[version] = true
			write(t, s, store.Delete(gone))
			must(t, s.Close())
		}
	})
	t.Run("use after close", func(t *testing.T) {
		s := place(t)(t)
		must(t, s.Close())
		if err := s.Write(t.Context(), store.Put(key(t, "a"), nil)); err == nil {
			t.Error("Write succeeds after Close")
		}
		if _, err := s.Get(t.Context(), key(t, "a")); err == nil {
			t.Error("Get succeeds after Close")
		}
		if _, err := s.List(t.Context(), store.Range{Table: store.Tags, Part: "p", Limit: 1}); err == nil {
			t.Error("List succeeds after Close")
		}
	})
}

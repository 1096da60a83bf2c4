package hub

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// SearchBound is how many repositories one search looks at. It reads their compact
// entries, a thousand at a time, in the order of their names.
const SearchBound = 10_000

// SearchResults are what a search found.
type SearchResults struct {
	Count        int // of all that match among those looked at
	Repositories []RepositoryView
	More         bool // the hub has more than SearchBound that the caller may read; the rest was not looked at
}

// Search finds repositories that the caller may read whose path or description has
// the text in it, in any case: those of that very name first, then those whose
// name begins with it, then whose path has it, then by description; within these by
// path. size of them are returned after the first skip.
func (h *Hub) Search(ctx context.Context, c Caller, text string, skip, size int) (SearchResults, error) {
	type match struct {
		listed
		rank int
	}
	var found []match
	var res SearchResults
	text = strings.ToLower(text)
	looked := 0
	for e, err := range h.visible(ctx, c, "", maxEntries) {
		if err != nil {
			return res, err
		}
		if looked++; looked > SearchBound {
			res.More = true
			break
		}
		if rank := searchRank(e, text); rank > 0 {
			found = append(found, match{e, rank})
		}
	}
	slices.SortStableFunc(found, func(a, b match) int { return cmp.Compare(a.rank, b.rank) })
	res.Count = len(found)
	var window []listed
	for _, m := range found[min(skip, len(found)):min(skip+size, len(found))] {
		window = append(window, m.listed)
	}
	var err error
	res.Repositories, err = h.views(ctx, c, window)
	return res, err
}

// searchRank is how well an entry matches, 1 the best; 0 = not at all.
func searchRank(e listed, text string) int {
	name := e.name()
	switch {
	case name == text || e.path == text:
		return 1
	case strings.HasPrefix(name, text):
		return 2
	case strings.Contains(e.path, text):
		return 3
	case strings.Contains(strings.ToLower(e.Description), text):
		return 4
	}
	return 0
}

package hub

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"berth/shared/store"
)

// RepositoryOrder says by what a list is sorted.
type RepositoryOrder string

const (
	ByPath    RepositoryOrder = ""        // namespace, then name
	ByName    RepositoryOrder = "name"    // then namespace
	ByUpdated RepositoryOrder = "updated" // when it was changed last
	ByTags    RepositoryOrder = "tags"    // how many it has
)

// FindRepositories lists, over all namespaces or in the one that ns names, the
// repositories that the caller may read. A namespace that does not exist has none.
//
// By path and without a filter it reads what it returns and skips, and the count
// comes from counters. Every other order and filter reads the compact entries of
// what the caller may read.
func (h *Hub) FindRepositories(ctx context.Context, c Caller, ns string, f RepositoryFilter, order RepositoryOrder, descending bool, w Window) (RepositoryList, error) {
	if order == ByName && ns != "" {
		order = ByPath
	}
	sorted := order != ByPath || descending
	var all iter.Seq2[listed, error]
	count := int64(-1)
	if ns == "" {
		if f.Public != nil && *f.Public {
			c = Caller{} // what is public, the anonymous see
		}
		all = h.visible(ctx, c, "", w.Skip+w.Size+1)
		if f.counted() && !sorted {
			var err error
			if count, err = h.countVisible(ctx, c); err != nil {
				return RepositoryList{}, err
			}
		}
	} else {
		g, err := h.Authorize(ctx, c, Target{Namespace: ns, Need: NoRole})
		if isRefusal(err) {
			return RepositoryList{}, nil
		}
		if err != nil {
			return RepositoryList{}, err
		}
		if !sorted {
			return h.ListRepositories(ctx, g, f, w)
		}
		p, err := h.partOf(ctx, g, f)
		if err != nil {
			return RepositoryList{}, err
		}
		all = h.entries(ctx, p, "", maxEntries)
	}
	list := RepositoryList{Count: count}
	page, err := h.pick(ctx, all, f, order, descending, w, &list.Count)
	if err != nil {
		return list, err
	}
	list.Repositories, err = h.views(ctx, c, page)
	return list, err
}

// countVisible is how many repositories the caller may read. It reads counters,
// and the caller's memberships and grants.
func (h *Hub) countVisible(ctx context.Context, c Caller) (int64, error) {
	counts, _, err := h.counts(ctx, hubCountKey, "")
	if err != nil {
		return 0, err
	}
	n := counts[countPublic]
	if c.Admin && c.cap("", "") >= Reader {
		return n + counts[countPrivate], nil
	}
	if !c.Known() {
		return n, nil
	}
	own, err := h.readNamespaces(ctx, c)
	if err != nil {
		return 0, err
	}
	counted := make(map[string]bool)
	for _, ns := range own {
		if counts, _, err = h.counts(ctx, countKey, ns.ID); err != nil {
			return 0, err
		}
		n += counts[countPrivate]
		counted[ns.ID] = true
	}
	for e, err := range h.grants(ctx, c, "", "", maxEntries) {
		if err != nil {
			return 0, err
		}
		if !e.Public && !counted[e.NamespaceID] {
			n++
		}
	}
	return n, nil
}

// pick takes the window out of what the filter takes. With *count below 0 it
// counts that too; without, and unsorted, it stops at the window's end.
func (h *Hub) pick(ctx context.Context, all iter.Seq2[listed, error], f RepositoryFilter, order RepositoryOrder, descending bool, w Window, count *int64) ([]listed, error) {
	counted := *count >= 0
	var page []listed
	n := 0
	for e, err := range all {
		if err != nil {
			return nil, err
		}
		if !f.takes(e) {
			continue
		}
		n++
		if sort := order != ByPath || descending; sort || n > w.Skip && len(page) < w.Size {
			page = append(page, e)
		} else if counted && len(page) == w.Size {
			break
		}
	}
	if !counted {
		*count = int64(n)
	}
	if order == ByPath && !descending {
		return page, nil
	}
	if err := h.arrange(ctx, page, order, descending); err != nil {
		return nil, err
	}
	page = page[min(w.Skip, len(page)):]
	return page[:min(w.Size, len(page))], nil
}

// arrange sorts entries that are in the order of their paths, which stays the
// order among equals.
func (h *Hub) arrange(ctx context.Context, page []listed, order RepositoryOrder, descending bool) error {
	tags := make(map[string]int64)
	if order == ByTags {
		keys := make([]store.Key, len(page))
		for i, e := range page {
			keys[i] = statsKey(e.ID)
		}
		items, err := h.getAll(ctx, keys)
		if err != nil {
			return err
		}
		for i, item := range items {
			tags[page[i].ID] = item.Counts[statTags]
		}
	}
	slices.SortStableFunc(page, func(a, b listed) int {
		if descending {
			a, b = b, a
		}
		switch order {
		case ByName:
			return cmp.Compare(a.name(), b.name())
		case ByUpdated:
			return cmp.Compare(a.Updated, b.Updated)
		case ByTags:
			return cmp.Compare(tags[a.ID], tags[b.ID])
		}
		return cmp.Compare(a.path, b.path)
	})
	return nil
}

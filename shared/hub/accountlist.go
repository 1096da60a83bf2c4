package hub

import (
	"context"
	"slices"

	"berth/shared/store"
)

// Accounts lists all accounts by name, for administrators. It reads the names of all,
// and of the accounts those that it returns.
func (h *Hub) Accounts(ctx context.Context, w Window) (l Listing[Account], err error) {
	if w.After != "" && CheckNamespace(w.After) != nil {
		return l, FailField("cursor", "is not one that the hub gave")
	}
	var names []string
	all := store.Range{Table: store.Repositories, Part: accountIndexKey("x").Part, Limit: 1000}
	if err = h.each(ctx, all, func(i store.Item) error {
		names = append(names, i.Sort)
		return nil
	}); err != nil {
		return l, err
	}
	l.Count = int64(len(names))
	if w.After != "" {
		at, found := slices.BinarySearch(names, w.After)
		if found {
			at++
		}
		w.Skip = at
	}
	names = names[min(w.Skip, len(names)):]
	if len(names) > w.Size {
		names = names[:w.Size]
		l.Next = names[w.Size-1]
	}
	for some := range slices.Chunk(names, store.MaxGet) {
		keys := make([]store.Key, len(some))
		for i, name := range some {
			keys[i] = accountKey(name)
		}
		items, err := h.Records.Get(ctx, keys...)
		if err != nil {
			return l, err
		}
		for _, item := range items {
			a, err := found[Account](item)
			if err != nil {
				return l, err
			}
			l.Entries = append(l.Entries, a)
		}
	}
	return l, nil
}

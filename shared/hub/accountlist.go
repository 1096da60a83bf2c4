package hub

import (
	"context"
	"slices"

	"berth/shared/store"
)

// Accounts lists all accounts by name, for administrators. A window with a Skip
// reads the names before it.
func (h *Hub) Accounts(ctx context.Context, w Window) (l Listing[Account], err error) {
	if w.After != "" && CheckNamespace(w.After) != nil {
		return l, FailField("cursor", "is not one that the hub gave")
	}
	counts, _, err := h.counts(ctx, hubCountKey, "")
	if err != nil {
		return l, err
	}
	l.Count = counts[countAccounts]
	all, err := windowOf(store.Range{Table: store.Repositories, Part: accountIndexKey("x").Part}, &w)
	if err != nil || int64(w.Skip) > l.Count {
		return l, err
	}
	var names []string
	if err = h.each(ctx, all, func(i store.Item) error {
		switch {
		case w.Skip > 0:
			w.Skip--
		case len(names) == w.Size:
			l.Next = names[w.Size-1]
			return errEnough
		default:
			names = append(names, i.Sort)
		}
		return nil
	}); err != nil {
		return l, err
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

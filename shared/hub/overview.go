package hub

import (
	"context"

	"berth/shared/store"
)

// Overview sums up the namespaces in which a caller has a role.
type Overview struct {
	Namespaces   int64
	Repositories int64
	Tags         int64
	Bytes        int64 // as quotas count them
}

// Overview sums up the caller's own namespaces. It reads counters, and for the tags
// those of each repository.
func (h *Hub) Overview(ctx context.Context, c Caller) (Overview, error) {
	var o Overview
	own, err := h.readNamespaces(ctx, c)
	if err != nil {
		return o, err
	}
	for _, ns := range own {
		repos, _, err := h.counts(ctx, countKey, ns.ID)
		if err != nil {
			return o, err
		}
		used, _, err := h.counts(ctx, usedKey, ns.ID)
		if err != nil {
			return o, err
		}
		o.Namespaces++
		o.Repositories += repos[countPublic] + repos[countPrivate]
		o.Bytes += used[countBytes]
		tags, err := h.countTags(ctx, ns.ID)
		if err != nil {
			return o, err
		}
		o.Tags += tags
	}
	return o, nil
}

// countTags sums the tags of a namespace's repositories.
func (h *Hub) countTags(ctx context.Context, nsID string) (n int64, err error) {
	r := nsEntries(nsID)
	for {
		page, err := h.Records.List(ctx, r)
		if err != nil || len(page.Items) == 0 {
			return n, err
		}
		keys := make([]store.Key, len(page.Items))
		for i, item := range page.Items {
			e, err := decode[repoEntry](item)
			if err != nil {
				return n, err
			}
			keys[i] = statsKey(e.ID)
		}
		stats, err := h.getAll(ctx, keys)
		if err != nil {
			return n, err
		}
		for _, item := range stats {
			n += item.Counts[statTags]
		}
		if !page.More {
			return n, nil
		}
		r = r.After(page.Items[len(page.Items)-1].Sort)
	}
}

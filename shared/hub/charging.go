package hub

import (
	"context"

	"berth/shared/store"
)

// charge are the operations that count something of the repository: in its own
// stats, and its bytes in the namespace's quota. Digest spreads the latter over
// the shards. They ride in the Write of what they count.
func charge(g Grant, digest string, add map[string]int64) []store.Op {
	ops := []store.Op{store.Add(statsKey(g.RepoID), add)}
	if n := add[statBytes]; n != 0 {
		ops = append(ops, store.Add(usedKey(g.NamespaceID, shardOf(digest)), map[string]int64{countBytes: n}))
	}
	return ops
}

// checkQuota answers QuotaExceeded if size more bytes would pass the namespace's
// quota. namespace is the record at namespaceKey. Pushes in flight together may pass
// it by what they carry.
func (h *Hub) checkQuota(ctx context.Context, g Grant, namespace store.Item, size int64) error {
	ns, err := decodeOnce(&h.allowed, namespace)
	if err != nil || ns.Quota == 0 || ns.ID != g.NamespaceID {
		return err
	}
	used, _, err := h.counts(ctx, usedKey, g.NamespaceID)
	if err != nil {
		return err
	}
	if used[countBytes]+size > ns.Quota {
		return &Error{
			Code:    QuotaExceeded,
			Message: "the storage quota of " + g.Namespace + " would be passed; delete images, or have an owner raise it",
			Detail:  map[string]int64{"quota": ns.Quota, "used": used[countBytes], "size": size},
		}
	}
	return nil
}

// Recount counts a namespace's bytes anew from its links and manifests, and puts
// the counters right where they differ. It answers the true number. Pushes may go
// on meanwhile: a repository or namespace that changes is counted again.
func (h *Hub) Recount(ctx context.Context, namespace string) (int64, error) {
	ns, err := h.Namespace(ctx, namespace)
	if err != nil {
		return 0, err
	}
	var sum int64
	err = h.again(ctx, func() error {
		sum = 0
		used, items, err := h.counts(ctx, usedKey, ns.ID)
		if err != nil {
			return err
		}
		var changed []store.Op
		err = h.each(ctx, store.Prefix(store.Repositories, entryKey(ns.ID, "x").Part, "repo/", store.MaxGet), func(i store.Item) error {
			e, err := decode[repoEntry](i)
			if err != nil {
				return err
			}
			n, op, err := h.recountRepository(ctx, e.ID)
			if sum += n; op != nil {
				changed = append(changed, *op)
			}
			return err
		})
		if err != nil {
			return err
		}
		return h.setRight(ctx, items, sum-used[countBytes], changed)
	})
	return sum, err
}

// setRight writes what a recount found, if no byte was charged since it began.
func (h *Hub) setRight(ctx context.Context, used []store.Item, missing int64, changed []store.Op) error {
	if missing == 0 && len(changed) == 0 {
		return nil
	}
	var ops []store.Op
	for s, item := range used {
		if s > 0 || missing == 0 {
			ops = append(ops, store.CheckFrom(item))
			continue
		}
		ops = append(ops, addFrom(item, map[string]int64{countBytes: missing}))
	}
	for len(changed) > store.MaxWrite-len(ops) { // each is right by itself
		n := store.MaxWrite - len(ops)
		if err := h.Records.Write(ctx, changed[:n]...); err != nil {
			return err
		}
		changed = changed[n:]
	}
	return h.Records.Write(ctx, append(ops, changed...)...)
}

// recountRepository sums what a repository holds. op puts its own count right; nil
// if it is right already.
func (h *Hub) recountRepository(ctx context.Context, repoID string) (sum int64, op *store.Op, err error) {
	stats, err := h.get(ctx, statsKey(repoID))
	if err != nil {
		return 0, nil, err
	}
	err = h.each(ctx, store.Prefix(store.Tags, tagKey(repoID, "x").Part, "blob/", 1000), func(i store.Item) error {
		l, err := decode[Link](i)
		sum += l.Size
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	err = h.each(ctx, manifestRange(repoID), func(i store.Item) error {
		m, err := decode[Manifest](i)
		sum += m.Size
		return err
	})
	if err != nil || stats.Counts[statBytes] == sum {
		return sum, nil, err
	}
	fix := addFrom(stats, map[string]int64{statBytes: sum - stats.Counts[statBytes]})
	return sum, &fix, nil
}

// addFrom adds to an item's counts if it is as it was read.
func addFrom(was store.Item, add map[string]int64) store.Op {
	op := store.Add(was.Key, add)
	if op.Cond = store.Absent; was.Found() {
		op.Cond, op.Version = store.IsAt, was.Version
	}
	return op
}

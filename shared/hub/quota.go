package hub

import (
	"context"

	"berth/shared/store"
)

// Quota is a namespace's storage: the sum over its repositories of their distinct
// blobs and manifests, in bytes.
type Quota struct {
	Limit int64 // 0 = none
	Used  int64
}

// Quota reads the granted namespace's quota and what is used of it.
func (h *Hub) Quota(ctx context.Context, g Grant) (Quota, error) {
	ns, err := g.Space()
	if err != nil {
		return Quota{}, err
	}
	used, _, err := h.counts(ctx, usedKey, g.NamespaceID)
	return Quota{ns.Quota, used[countBytes]}, err
}

// SetQuota limits the granted namespace's storage (role Owner); 0 lifts the limit.
// A limit below what is used stops pushes and takes nothing away.
func (h *Hub) SetQuota(ctx context.Context, g Grant, limit int64) (Quota, error) {
	if limit < 0 {
		return Quota{}, FailField("limit", "must be a number of bytes, or null for no limit")
	}
	auditDetail(ctx, "%d bytes", limit)
	_, err := h.changeNamespace(ctx, g, func(ns *Namespace) []store.Op {
		ns.Quota = limit
		return nil
	})
	if err != nil {
		return Quota{}, err
	}
	used, _, err := h.counts(ctx, usedKey, g.NamespaceID)
	return Quota{limit, used[countBytes]}, err
}

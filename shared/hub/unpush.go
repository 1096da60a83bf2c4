package hub

import (
	"context"

	"berth/shared/store"
)

// DeleteManifest removes a manifest by digest (role Writer) with all its tags.
// ManifestNotFound, or TagImmutable where one of its tags is. What it refers to
// stays until a sweep finds it unused.
func (h *Hub) DeleteManifest(ctx context.Context, g Grant, digest string) error {
	if err := CheckDigest(digest); err != nil {
		return err
	}
	for {
		var rest bool
		err := h.again(ctx, func() (err error) {
			rest, err = h.deleteManifest(ctx, g, digest)
			return err
		})
		if err != nil || !rest {
			return err
		}
	}
}

// untagBatch is how many tags go in one Write with their manifest.
const untagBatch = 20

// deleteManifest removes the manifest, or only a batch of its tags where it has
// more; rest is true then. Whoever points another tag at the manifest moves its
// version, so that none is left behind.
func (h *Hub) deleteManifest(ctx context.Context, g Grant, digest string) (rest bool, err error) {
	id := g.RepoID
	items, err := h.Records.Get(ctx, repositoryKey(id), manifestKey(id, digest))
	if err != nil {
		return false, err
	}
	repo, err := h.mutable(g, items[0])
	if err != nil {
		return false, err
	}
	if !items[1].Found() {
		return false, noManifest(g, digest)
	}
	m, err := decode[Manifest](items[1])
	if err != nil {
		return false, err
	}
	tags, err := h.tagsOf(ctx, id, digest, untagBatch+1)
	if err != nil {
		return false, err
	}
	if len(tags) > 0 && repo.ImmutableTags {
		t, err := decode[Tag](tags[0])
		if err != nil {
			return false, err
		}
		return false, immutable(g, t.Name)
	}
	if rest = len(tags) > untagBatch; rest {
		tags = tags[:untagBatch]
	}
	ops := []store.Op{store.CheckAt(items[0].Key, items[0].Version)}
	for _, tag := range tags {
		untag, err := untagOps(id, tag)
		if err != nil {
			return false, err
		}
		ops = append(ops, untag...)
	}
	if rest {
		ops = append(ops, store.Add(statsKey(id), map[string]int64{statTags: -int64(len(tags))}))
		return true, h.Records.Write(ctx, ops...)
	}
	ops = append(ops, store.DeleteAt(items[1].Key, items[1].Version), store.Put(sweepKey(sweepLinks, id), nil))
	ops = append(ops, m.removal(id)...)
	ops = append(ops, charge(g, digest, map[string]int64{
		statTags: -int64(len(tags)), statManifests: -1, statBytes: -m.Size,
	})...)
	if err := h.change(ctx, ops...); err != nil {
		return false, err
	}
	if m.Object != "" {
		h.removeLater(ctx, m.Object, store.State{Size: m.Size})
	}
	return false, nil
}

// removal are the operations that take away what belongs to a manifest, its record
// aside.
func (m Manifest) removal(repoID string) []store.Op {
	var ops []store.Op
	if m.Object != "" {
		ops = append(ops, store.Put(sweepKey(sweepObject, m.Object), encode(store.State{Size: m.Size})))
	} else {
		ops = append(ops, store.Delete(manifestBodyKey(repoID, m.Digest)))
	}
	if m.Subject != "" {
		ops = append(ops, store.Delete(referrerKey(repoID, m)))
	}
	return ops
}

// tagsOf reads up to n tags of a manifest.
func (h *Hub) tagsOf(ctx context.Context, repoID, digest string, n int) ([]store.Item, error) {
	prefix := "bydigest/" + digest + "/"
	page, err := h.Records.List(ctx, store.Prefix(store.Tags, "repo/"+repoID, prefix, n))
	if err != nil || len(page.Items) == 0 {
		return nil, err
	}
	keys := make([]store.Key, len(page.Items))
	for i, item := range page.Items {
		keys[i] = tagKey(repoID, item.Sort[len(prefix):])
	}
	items, err := h.Records.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	for _, item := range items { // moved or removed between the two reads
		if t, err := found[Tag](item); err != nil || t.Digest != digest {
			return nil, joinConflict(err, item)
		}
	}
	return items, nil
}

// joinConflict says that an item is not as another read had it: read again.
func joinConflict(err error, item store.Item) error {
	if err != nil {
		return err
	}
	return &store.ConflictError{Key: item.Key}
}

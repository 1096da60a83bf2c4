package hub

import (
	"context"
	"slices"

	"berth/shared/store"
)

// DeleteManifest removes a manifest by digest (role Writer) with all its tags.
// ManifestNotFound, or TagImmutable where one of its tags is, or an index refers to it
// that could have such a tag. What it refers to stays until a sweep finds it unused.
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
	items, err := h.Records.Get(ctx, repositoryKey(id), manifestKey(id, digest), statsKey(id))
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
	if repo.ImmutableTags {
		if err := h.inNoIndex(ctx, g, digest); err != nil {
			return false, err
		}
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
	counts := charge(g, digest, map[string]int64{
		statTags: -int64(len(tags)), statManifests: -1, statBytes: -m.Size,
	})
	if repo.ImmutableTags { // no index that is pushed meanwhile refers to it: see DeleteBlob
		ops[0] = store.Replace(items[0].Key, items[0].Version, items[0].Value)
		counts[0] = addFrom(items[2], counts[0].Add)
	}
	if err := h.change(ctx, append(ops, counts...)...); err != nil {
		return false, err
	}
	if m.Object != "" {
		h.removeLater(ctx, m.Object, store.State{Size: m.Size})
	}
	return false, nil
}

// inNoIndex fails with TagImmutable if an index of the repository refers to the
// manifest: what an immutable tag leads to stays whole.
func (h *Hub) inNoIndex(ctx context.Context, g Grant, digest string) error {
	return h.each(ctx, manifestRange(g.RepoID), func(i store.Item) error {
		m, err := decode[Manifest](i)
		if err == nil && slices.Contains(m.Manifests, digest) {
			err = &Error{
				Code: TagImmutable, Detail: map[string]string{"digest": digest, "manifest": m.Digest},
				Message: "the tags of " + g.Path() + " are immutable, and the index " + m.Digest + " refers to this manifest; if that has no tag, delete it first",
			}
		}
		return err
	})
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

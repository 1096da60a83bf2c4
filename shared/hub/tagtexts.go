package hub

import (
	"context"
	"slices"
	"strings"

	"berth/shared/store"
)

// NewestTags are the names of a repository's tags that were pushed last, at most n:
// one read. The caller has seen that the repository may be read.
func (h *Hub) NewestTags(ctx context.Context, r RepositoryView, n int) ([]string, error) {
	names := []string{}
	if r.Stats.Tags == 0 {
		return names, nil
	}
	page, err := h.Records.List(ctx, store.Prefix(store.Tags, tagKey(r.ID, "x").Part, "pushed/", n))
	for _, item := range page.Items {
		names = append(names, item.Sort[strings.LastIndexByte(item.Sort, '/')+1:])
	}
	return names, err
}

// ManifestTexts reads the manifests of tags of the granted repository, in their
// order, until they make more than most bytes: those of the first n tags, by digest.
// A manifest that is too long for an item is left out, and so is one that was
// deleted meanwhile.
func (h *Hub) ManifestTexts(ctx context.Context, g Grant, tags []TagView, most int) (texts map[string]string, n int, err error) {
	texts = make(map[string]string)
	size := 0
	for batch := range slices.Chunk(tags, 20) {
		var keys []store.Key
		for _, t := range batch {
			k := manifestBodyKey(g.RepoID, t.Digest)
			if _, known := texts[t.Digest]; !known && t.Size <= maxBodyItem && !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
		items, err := h.Records.Get(ctx, keys...)
		if err != nil {
			return nil, 0, err
		}
		for _, item := range items {
			texts[strings.TrimPrefix(item.Sort, "body/")] = string(item.Value)
			size += len(item.Value)
		}
		if n += len(batch); size > most {
			break
		}
	}
	return texts, n, nil
}

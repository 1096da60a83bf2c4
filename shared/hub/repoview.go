package hub

import (
	"context"

	"berth/shared/store"
)

// RepositoryView is a repository with what stands beside its record.
type RepositoryView struct {
	Repository
	Readme  string // the full description
	Stats   Stats
	Starred bool // by the caller
}

// Stats are a repository's counts.
type Stats struct {
	Stars     int64
	Tags      int64
	Manifests int64
	Bytes     int64 // of its distinct blobs and manifests
	Uploads   int64 // accepted manifest PUTs
	Downloads int64 // manifest GETs by clients
	PushedAt  Time  // the last of Uploads
	PulledAt  Time  // the last of Downloads
}

func statsOf(i store.Item) Stats {
	return Stats{
		Stars: i.Counts[statStars], Tags: i.Counts[statTags], Manifests: i.Counts[statManifests], Bytes: i.Counts[statBytes],
		Uploads: i.Counts[statUploads], Downloads: i.Counts[statDownloads],
		PushedAt: AtMilli(i.Counts[statPushed]), PulledAt: AtMilli(i.Counts[statPulled]),
	}
}

// ViewRepository reads what stands beside the granted repository's record: one read.
func (h *Hub) ViewRepository(ctx context.Context, g Grant) (RepositoryView, error) {
	r, err := g.Repo()
	if err != nil {
		return RepositoryView{}, err
	}
	keys := []store.Key{statsKey(r.ID), starKey(r.ID, orNobody(g.Caller.Account))}
	if r.HasReadme {
		keys = append(keys, readmeKey(r.ID))
	}
	items, err := h.Records.Get(ctx, keys...)
	if err != nil {
		return RepositoryView{}, err
	}
	v := RepositoryView{Repository: r, Stats: statsOf(items[0]), Starred: items[1].Found()}
	if r.HasReadme {
		v.Readme = string(items[2].Value)
	}
	return v, nil
}

// views reads the repositories of the entries. One that was deleted meanwhile is
// left out.
func (h *Hub) views(ctx context.Context, c Caller, list []listed) ([]RepositoryView, error) {
	keys := make([]store.Key, 0, 4*len(list))
	for _, e := range list {
		keys = append(keys, repositoryKey(e.ID), statsKey(e.ID), starKey(e.ID, orNobody(c.Account)))
		if e.Readme {
			keys = append(keys, readmeKey(e.ID))
		}
	}
	items, err := h.getAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	var views []RepositoryView
	for _, e := range list {
		var v RepositoryView
		if items[0].Found() {
			if v.Repository, err = decode[Repository](items[0]); err != nil {
				return nil, err
			}
			v.Stats, v.Starred = statsOf(items[1]), items[2].Found()
		}
		items = items[3:]
		if e.Readme {
			v.Readme = string(items[0].Value)
			items = items[1:]
		}
		if v.ID != "" {
			views = append(views, v)
		}
	}
	return views, nil
}

// getAll reads any number of items, in the order of their keys.
func (h *Hub) getAll(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	items := make([]store.Item, 0, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), store.MaxGet)
		part, err := h.Records.Get(ctx, keys[:n]...)
		if err != nil {
			return nil, err
		}
		items, keys = append(items, part...), keys[n:]
	}
	return items, nil
}

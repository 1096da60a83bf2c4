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

// viewKeys are the items of a view, for [view]; readme: it has a full description.
func viewKeys(repoID string, c Caller, readme bool) []store.Key {
	keys := []store.Key{repositoryKey(repoID), statsKey(repoID), starKey(repoID, orNobody(c.Account))}
	if readme {
		keys = append(keys, readmeKey(repoID))
	}
	return keys
}

// view puts the items of viewKeys together. The first must be there.
func view(items []store.Item) (RepositoryView, error) {
	r, err := decode[Repository](items[0])
	v := RepositoryView{Repository: r, Stats: statsOf(items[1]), Starred: items[2].Found()}
	if len(items) > 3 {
		v.Readme = string(items[3].Value)
	}
	return v, err
}

// ViewRepository reads what stands beside the granted repository's record: one read.
func (h *Hub) ViewRepository(ctx context.Context, g Grant) (RepositoryView, error) {
	r, err := g.Repo()
	if err != nil {
		return RepositoryView{}, err
	}
	items, err := h.Records.Get(ctx, viewKeys(r.ID, g.Caller, r.HasReadme)[1:]...)
	if err != nil {
		return RepositoryView{}, err
	}
	return view(append([]store.Item{g.repo}, items...))
}

// views reads the repositories of the entries. One that was deleted meanwhile is
// left out.
func (h *Hub) views(ctx context.Context, c Caller, list []listed) ([]RepositoryView, error) {
	keys := make([]store.Key, 0, 4*len(list))
	for _, e := range list {
		keys = append(keys, viewKeys(e.ID, c, e.Readme)...)
	}
	items, err := h.getAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	views := make([]RepositoryView, 0, len(list))
	for _, e := range list {
		n := 3
		if e.Readme {
			n++
		}
		if items[0].Found() {
			v, err := view(items[:n])
			if err != nil {
				return nil, err
			}
			views = append(views, v)
		}
		items = items[n:]
	}
	return views, nil
}

// getAll reads any number of items, in the order of their keys.
func (h *Hub) getAll(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	if len(keys) <= store.MaxGet {
		return h.Records.Get(ctx, keys...)
	}
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

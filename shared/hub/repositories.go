package hub

import (
	"context"
	"errors"

	"berth/shared/store"
)

// Repository is a named set of images.
type Repository struct {
	ID            string `json:"id"`
	Namespace     string `json:"namespace"`
	NamespaceID   string `json:"namespace_id"`
	Name          string `json:"name"`
	Description   string `json:"description,omitempty"`
	Public        bool   `json:"public,omitempty"`
	Category      string `json:"category,omitempty"`
	ImmutableTags bool   `json:"immutable_tags,omitempty"`
	Automated     bool   `json:"automated,omitempty"`
	Logo          string `json:"logo,omitempty"`
	HasReadme     bool   `json:"has_readme,omitempty"` // a full description is in an item of its own
	CreatedBy     string `json:"created_by"`
	CreatedAt     Time   `json:"created_at"`
	UpdatedAt     Time   `json:"updated_at"`
}

// repoEntry is what lists, searches and access checks need of a repository.
type repoEntry struct {
	ID          string `json:"id"`
	NamespaceID string `json:"ns"`
	Public      bool   `json:"public,omitempty"`
	Automated   bool   `json:"automated,omitempty"`
	Description string `json:"description,omitempty"`
	Category    string `json:"category,omitempty"`
	Readme      bool   `json:"readme,omitempty"` // it has a full description
	Updated     int64  `json:"updated"`          // milliseconds
}

func (r Repository) entry() []byte {
	return encode(repoEntry{r.ID, r.NamespaceID, r.Public, r.Automated, r.Description, r.Category, r.HasReadme, r.UpdatedAt.UnixMilli()})
}

// Path is the repository's name on the registry.
func (r Repository) Path() string { return path(r.Namespace, r.Name) }

// Counts of a repository's stats item.
const (
	statUploads   = "uploads"   // accepted manifest PUTs
	statDownloads = "downloads" // manifest GETs by clients
	statStars     = "stars"
	statTags      = "tags"
	statManifests = "manifests"
	statBytes     = "bytes"     // distinct blobs and manifests
	statPushed    = "pushed_at" // milliseconds
	statPulled    = "pulled_at" // milliseconds
)

// Counts of a namespace and of the hub, in shards.
const (
	countPublic   = "public"
	countPrivate  = "private"
	countBytes    = "bytes"
	countAccounts = "accounts" // of the hub alone
)

func visibility(public bool) string {
	if public {
		return countPublic
	}
	return countPrivate
}

// entryOps keep the three places a repository is listed in as r says. was is the
// repository before; nil for one that is made now.
func entryOps(was *Repository, r Repository) []store.Op {
	ops := []store.Op{store.Put(allIndexKey(r.Path()), r.entry())}
	if was == nil {
		ops = append(ops, store.Create(entryKey(r.NamespaceID, r.Name), r.entry()))
	} else {
		ops = append(ops, store.Put(entryKey(r.NamespaceID, r.Name), r.entry()))
	}
	if r.Public {
		ops = append(ops, store.Put(publicIndexKey(r.Path()), r.entry()))
	} else if was != nil && was.Public {
		ops = append(ops, store.Delete(publicIndexKey(r.Path())))
	}
	switch {
	case was == nil:
		ops = append(ops, tally(r, map[string]int64{visibility(r.Public): 1})...)
	case was.Public != r.Public:
		ops = append(ops, tally(r, map[string]int64{visibility(r.Public): 1, visibility(was.Public): -1})...)
	}
	return ops
}

// tally counts a change in the repository's namespace and in the whole hub.
func tally(r Repository, add map[string]int64) []store.Op {
	shard := shardOf(r.ID)
	return []store.Op{store.Add(countKey(r.NamespaceID, shard), add), store.Add(hubCountKey("", shard), add)}
}

// CreateRepository makes a repository in the granted namespace (role Writer), from
// r's name, descriptions, visibility, category and flags; readme is the full
// description. More operations may ride in the same write; for those that need to
// know it the id may be given with r. It answers RepositoryExists; names are
// checked by the caller, whose rules differ.
func (h *Hub) CreateRepository(ctx context.Context, g Grant, r Repository, readme string, more ...store.Op) (Repository, error) {
	if r.ID == "" {
		r.ID = h.newID()
	}
	r.Namespace, r.NamespaceID = g.Namespace, g.NamespaceID
	r.CreatedBy, r.CreatedAt = g.Caller.Name(), h.now()
	r.UpdatedAt, r.HasReadme = r.CreatedAt, readme != ""
	ops := append(entryOps(nil, r), store.Create(repositoryKey(r.ID), encode(r)))
	if readme != "" {
		ops = append(ops, store.Put(readmeKey(r.ID), []byte(readme)))
	}
	ops = append(ops, more...)
	auditDetail(ctx, "%s", r.Name)
	err := h.again(ctx, func() error {
		ns, err := h.get(ctx, namespaceKey(g.Namespace))
		if err != nil {
			return err
		}
		if n, err := found[Namespace](ns); err != nil || n.ID != g.NamespaceID {
			return errors.Join(err, Fail(NamespaceNotFound, "there is no namespace %s", g.Namespace))
		}
		err = h.change(ctx, append(ops, store.CheckFrom(ns))...)
		var c *store.ConflictError
		if errors.As(err, &c) && c.Key == entryKey(r.NamespaceID, r.Name) {
			return Fail(RepositoryExists, "there is a repository %s already", r.Path())
		}
		return err
	})
	return r, err
}

// pushedRepository makes the repository that a push is granted for (Target.Make), if
// it does not exist yet: private. Another push may have been first. What is wrong with
// the request must be found before.
func (h *Hub) pushedRepository(ctx context.Context, g Grant) (Grant, error) {
	if g.RepoID != "" {
		return g, nil
	}
	r, err := h.CreateRepository(ctx, g, Repository{Name: g.Repository, Category: DefaultCategory}, "")
	if is(err, RepositoryExists) {
		return h.Authorize(ctx, g.Caller, Target{Namespace: g.Namespace, Repository: g.Repository, Need: Writer})
	}
	g.RepoID = r.ID
	return g, err
}

// DeleteRepository removes the granted repository (role Owner) at once and gives its
// bytes back to the quota; what it held is swept afterwards. If empty is set, one that has tags answers
// RepositoryNotEmpty and stays.
func (h *Hub) DeleteRepository(ctx context.Context, g Grant, empty bool) error {
	return h.again(ctx, func() error {
		items, err := h.Records.Get(ctx, repositoryKey(g.RepoID), statsKey(g.RepoID))
		if err != nil {
			return err
		}
		if !items[0].Found() {
			return Fail(RepositoryNotFound, "there is no repository %s", g.Path())
		}
		r, err := decode[Repository](items[0])
		if err != nil {
			return err
		}
		if empty && items[1].Counts[statTags] > 0 {
			return Fail(RepositoryNotEmpty, "%s still has %d tags; delete them first", g.Path(), items[1].Counts[statTags])
		}
		ops := []store.Op{
			store.DeleteAt(repositoryKey(r.ID), items[0].Version),
			store.Delete(entryKey(r.NamespaceID, r.Name)),
			store.Delete(allIndexKey(r.Path())),
			store.Delete(publicIndexKey(r.Path())),
			store.Put(sweepKey(sweepRepository, r.ID), items[0].Value),
			store.CheckFrom(items[1]), // what is given back is all that was charged
		}
		ops = append(ops, tally(r, map[string]int64{visibility(r.Public): -1})...)
		if bytes := items[1].Counts[statBytes]; bytes != 0 {
			ops = append(ops, store.Add(usedKey(r.NamespaceID, shardOf(r.ID)), map[string]int64{countBytes: -bytes}))
		}
		return h.change(ctx, ops...)
	})
}

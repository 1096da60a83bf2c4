package hub

import (
	"context"
	"strings"

	"berth/shared/store"
)

// Tag is a name for a manifest, with all that a list of tags shows.
type Tag struct {
	Name         string   `json:"name"`
	Digest       string   `json:"digest"`
	MediaType    string   `json:"media_type"`
	ArtifactType string   `json:"artifact_type,omitempty"`
	Size         int64    `json:"size"`       // of the manifest, in bytes
	ImageSize    int64    `json:"image_size"` // of the manifest and all that it refers to
	ImageID      string   `json:"image_id"`   // hex of the configuration's digest; of an index its own
	Platforms    []string `json:"platforms,omitempty"`
	PushedAt     Time     `json:"pushed_at"`
}

// Places a tag is listed in.
func pushedKey(repoID string, t Tag) store.Key {
	return tkey("repo/"+repoID, "pushed/"+invTime(t.PushedAt)+"/"+t.Name)
}
func byDigestKey(repoID, digest, tag string) store.Key {
	return tkey("repo/"+repoID, "bydigest/"+digest+"/"+tag)
}

// tagOps point a tag at a manifest. was is the tag as it was read. added is 1 if
// the tag is new.
func tagOps(repoID string, was store.Item, t Tag) (ops []store.Op, added int64, err error) {
	value := encode(t)
	ops = []store.Op{store.PutFrom(was, value), store.Put(byDigestKey(repoID, t.Digest, t.Name), nil)}
	listed := pushedKey(repoID, t)
	ops = append(ops, store.Put(listed, value))
	if !was.Found() {
		return ops, 1, nil
	}
	old, err := decode[Tag](was)
	if err != nil {
		return nil, 0, err
	}
	if k := pushedKey(repoID, old); k != listed {
		ops = append(ops, store.Delete(k))
	}
	if old.Digest != t.Digest {
		ops = append(ops, store.Delete(byDigestKey(repoID, old.Digest, t.Name)))
	}
	return ops, 0, nil
}

// untagOps take a tag away, if it is as it was read.
func untagOps(repoID string, was store.Item) ([]store.Op, error) {
	t, err := decode[Tag](was)
	if err != nil {
		return nil, err
	}
	return []store.Op{
		store.DeleteAt(was.Key, was.Version),
		store.Delete(pushedKey(repoID, t)),
		store.Delete(byDigestKey(repoID, t.Digest, t.Name)),
		store.Delete(pulledKey(repoID, t.Name)),
	}, nil
}

// DeleteTag takes a tag away (role Writer); its manifest and other tags of it stay.
// TagNotFound, or TagImmutable where the repository's tags are.
func (h *Hub) DeleteTag(ctx context.Context, g Grant, tag string) error {
	if err := CheckTag(tag); err != nil {
		return err
	}
	return h.deleteTag(ctx, g, tag, nil)
}

// deleteTag is DeleteTag. also, unless it is nil, is shown the tag as each attempt
// finds it; its operations ride in the Write, and its error ends the deletion.
func (h *Hub) deleteTag(ctx context.Context, g Grant, tag string, also func(Tag) ([]store.Op, error)) error {
	return h.again(ctx, func() error {
		items, err := h.Records.Get(ctx, repositoryKey(g.RepoID), tagKey(g.RepoID, tag))
		if err != nil {
			return err
		}
		repo, err := h.mutable(g, items[0])
		if err != nil {
			return err
		}
		if !items[1].Found() {
			return noTag(g, tag)
		}
		if repo.ImmutableTags {
			return immutable(g, tag)
		}
		ops, err := untagOps(g.RepoID, items[1])
		if err != nil {
			return err
		}
		if also != nil {
			t, err := decode[Tag](items[1])
			if err != nil {
				return err
			}
			more, err := also(t)
			if err != nil {
				return err
			}
			ops = append(ops, more...)
		}
		return h.change(ctx, append(ops,
			store.CheckAt(items[0].Key, items[0].Version), store.Add(statsKey(g.RepoID), map[string]int64{statTags: -1}))...)
	})
}

// mutable decodes the repository's record, which may be gone since it was granted.
func (h *Hub) mutable(g Grant, item store.Item) (tagRules, error) {
	if !item.Found() {
		return tagRules{}, Fail(RepositoryNotFound, "there is no repository %s", g.Path())
	}
	return decodeOnce(&h.rules, item)
}

func noTag(g Grant, tag string) error {
	return &Error{Code: TagNotFound, Message: "there is no tag " + tag + " in " + g.Path(), Detail: map[string]string{"tag": tag}}
}

func immutable(g Grant, tag string) error {
	return &Error{
		Code: TagImmutable, Detail: map[string]string{"tag": tag},
		Message: "the tags of " + g.Path() + " are immutable: " + tag + " stays as it is; choose another tag",
	}
}

// Tag reads one tag: TagNotFound if the repository has none of the name.
func (h *Hub) Tag(ctx context.Context, g Grant, tag string) (Tag, error) {
	if err := CheckTag(tag); err != nil {
		return Tag{}, err
	}
	item, err := h.get(ctx, tagKey(g.RepoID, tag))
	if err != nil {
		return Tag{}, err
	}
	if !item.Found() {
		return Tag{}, noTag(g, tag)
	}
	return decode[Tag](item)
}

// TagNames lists up to n tags that sort after last, by their bytes. more says
// whether there are others behind them.
func (h *Hub) TagNames(ctx context.Context, g Grant, last string, n int) (names []string, more bool, err error) {
	names = []string{}
	r := store.Prefix(store.Tags, tagKey(g.RepoID, "x").Part, "tag/", min(n+1, 1000))
	if last != "" {
		r = r.After("tag/" + last)
	}
	err = h.each(ctx, r, func(i store.Item) error {
		if len(names) == n {
			more = true
			return errEnough
		}
		names = append(names, strings.TrimPrefix(i.Sort, "tag/"))
		return nil
	})
	return names, more, err
}

// Retag points the tag to at the manifest of the tag from (role Writer): TagNotFound,
// TagImmutable. Where to names another manifest already, it is moved if override is
// set; else that is a Conflict.
func (h *Hub) Retag(ctx context.Context, g Grant, from, to string, override bool) error {
	if err := CheckTag(to); err != nil {
		return err
	}
	auditDetail(ctx, "%s as %s", from, to)
	return h.again(ctx, func() error {
		source, err := h.Tag(ctx, g, from)
		if err != nil {
			return err
		}
		items, err := h.Records.Get(ctx, repositoryKey(g.RepoID), tagKey(g.RepoID, to), manifestKey(g.RepoID, source.Digest), hooksKey(g.NamespaceID))
		if err != nil {
			return err
		}
		repo, err := h.mutable(g, items[0])
		if err != nil {
			return err
		}
		was, err := found[Tag](items[1])
		if err != nil {
			return err
		}
		if was.Digest != "" && was.Digest != source.Digest {
			switch {
			case repo.ImmutableTags:
				return immutable(g, to)
			case !override:
				return Fail(Conflict, "%s has a tag %s already; set override to move it", g.Path(), to)
			}
		}
		if !items[2].Found() { // deleted since its tag was read
			return noTag(g, from)
		}
		m, err := decode[Manifest](items[2])
		if err != nil {
			return err
		}
		now := h.now()
		ops, added, err := tagOps(g.RepoID, items[1], m.tag(to, now))
		if err != nil {
			return err
		}
		stats := store.Add(statsKey(g.RepoID), map[string]int64{statTags: added})
		stats.Set = map[string]int64{statPushed: now.UnixMilli()}
		ops = append(ops, h.touch(items[2].Key), stats, store.CheckAt(items[0].Key, items[0].Version))
		event, err := h.pushed(items[3], g, m, []string{to}, now)
		if err != nil {
			return err
		}
		return h.change(ctx, append(ops, event...)...)
	})
}

package hub

import (
	"context"
	"regexp"
	"time"

	"berth/shared/store"
)

// What builds keep for later builds lies in the repository, under names that are no
// tags: nobody but a build finds them, and no list shows them. A builder knows them
// as tags of a certain form, which it pushes and asks for with the build's token.
var cacheTag = regexp.MustCompile(`^([0-9a-f]{64}|berth-cache-[a-z0-9-]{1,64})$`)

func isCacheTag(tag string) bool { return cacheTag.MatchString(tag) }

// cacheLife is how long something is kept for later builds that none of them asks for.
const cacheLife = 14 * 24 * time.Hour

func cacheKey(repoID, tag string) store.Key { return tkey("repo/"+repoID, "cache/"+tag) }

// cacheOps keep a manifest for later builds.
func cacheOps(repoID, tag string, m Manifest, now Time) []store.Op {
	return []store.Op{
		store.Put(cacheKey(repoID, tag), encode(m.tag(tag, now))),
		store.Put(sweepKey(sweepCache, repoID), nil),
	}
}

// cached is the tag that a build kept; ok is false where there is none.
func (h *Hub) cached(ctx context.Context, g Grant, tag string) (t Tag, ok bool, err error) {
	if g.Caller.build() == "" || !isCacheTag(tag) {
		return t, false, nil
	}
	item, err := h.get(ctx, cacheKey(g.RepoID, tag))
	if err != nil || !item.Found() {
		return t, false, err
	}
	if t, err = decode[Tag](item); err != nil {
		return t, false, err
	}
	if h.Now().Sub(cacheUse(item, t)) > touchEvery {
		err = h.Records.Write(ctx, h.touch(item.Key), h.touch(manifestKey(g.RepoID, t.Digest)))
		if isConflict(err) { // it was swept at this moment
			return t, false, nil
		}
	}
	return t, err == nil, err
}

func cacheUse(item store.Item, t Tag) time.Time {
	if used := item.Counts[countUsed]; used != 0 {
		return time.UnixMilli(used)
	}
	return t.PushedAt.Time
}

// sweepCache forgets what no build asked for in a long time, and marks its manifests
// to go if nothing else wants them.
func (h *Hub) sweepCache(ctx context.Context, note store.Item, _ *SweepReport) error {
	kept := false
	entries := store.Prefix(store.Tags, cacheKey(note.Sort, "x").Part, "cache/", 100)
	err := h.each(ctx, entries, func(item store.Item) error {
		t, err := decode[Tag](item)
		if err != nil {
			return err
		}
		if h.Now().Sub(cacheUse(item, t)) < cacheLife {
			kept = true
			return nil
		}
		err = h.Records.Write(ctx, store.DeleteAt(item.Key, item.Version),
			h.markUntagged(note.Sort, t.Digest), store.Put(sweepKey(sweepUntagged, note.Sort), nil))
		if isConflict(err) {
			kept = true
			return nil
		}
		return err
	})
	if err != nil || kept {
		return err
	}
	return h.Records.Write(ctx, done(note))
}

// splitCache tells the name that a build keeps a manifest under from its tags. A tag
// that a build sets by a parameter of a push by digest is always one.
func (p ManifestPush) splitCache(c Caller) (cache string, tags []string) {
	if p.Digest == "" && c.build() != "" && len(p.Tags) == 1 && isCacheTag(p.Tags[0]) {
		return p.Tags[0], nil
	}
	return "", p.Tags
}

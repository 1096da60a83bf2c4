package hub

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"berth/shared/store"
)

// PullCount says that a manifest was given to clients.
type PullCount struct {
	RepoID    string `json:"repo_id"`
	Reference string `json:"reference"` // the tag or digest that was asked for
	Times     int64  `json:"times"`
	At        Time   `json:"at"` // the last time
}

// pulls gathers counts of pulls until they are flushed.
type pulls struct {
	mu sync.Mutex
	m  map[pulledManifest]pulled
}

type pulledManifest struct{ repoID, reference string }

type pulled struct{ times, at int64 }

func (p *pulls) add(repoID, reference string, times, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = make(map[pulledManifest]pulled)
	}
	k := pulledManifest{repoID, reference}
	was := p.m[k]
	p.m[k] = pulled{was.times + times, max(was.at, at)}
}

func (p *pulls) take() map[pulledManifest]pulled {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.m
	p.m = nil
	return m
}

// CountPull notes that a client was given a manifest. It costs the request no
// storage: see [Hub.FlushPulls].
func (h *Hub) CountPull(ctx context.Context, g Grant, p Pull) error {
	if g.Caller.build() != "" { // a build is the hub itself
		return nil
	}
	reference := p.Tag
	if reference == "" {
		reference = p.Digest
	}
	if h.Pulled != nil {
		return h.Pulled(ctx, PullCount{RepoID: g.RepoID, Reference: reference, Times: 1, At: h.now()})
	}
	h.pulls.add(g.RepoID, reference, 1, h.Now().UnixMilli())
	return nil
}

// FlushPulls stores the pulls that were gathered since the last time. Where this
// hub's Pulled is set, there are none. Counts of a store that did not answer are
// dropped: they may have been stored, and a pull is counted once at most.
func (h *Hub) FlushPulls(ctx context.Context) error {
	byRepo := make(map[string][]PullCount)
	for k, v := range h.pulls.take() {
		byRepo[k.repoID] = append(byRepo[k.repoID], PullCount{k.repoID, k.reference, v.times, AtMilli(v.at)})
	}
	var failed error
	for repoID, counts := range byRepo {
		counted, err := h.storePulls(ctx, repoID, counts)
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			for _, c := range counts {
				if counted { // its tags are left to do
					c.Times = 0
				}
				h.pulls.add(repoID, c.Reference, c.Times, c.At.UnixMilli())
			}
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// pulledTagsAtOnce bounds the tags whose pulls are stored in one Write.
const pulledTagsAtOnce = 40

// StorePulls counts pulls of one repository. A tag that is gone by now is left out,
// and so is a repository: nothing that was deleted comes back.
func (h *Hub) StorePulls(ctx context.Context, repoID string, counts []PullCount) error {
	_, err := h.storePulls(ctx, repoID, counts)
	return err
}

// storePulls is StorePulls. counted says, also with an error, that the repository has
// the counts, and its tags alone may not know yet.
func (h *Hub) storePulls(ctx context.Context, repoID string, counts []PullCount) (counted bool, err error) {
	err = h.again(ctx, func() error { return h.addPulls(ctx, repoID, counts) })
	if err != nil {
		return false, err
	}
	return true, h.storePulledTags(ctx, repoID, counts)
}

// addPulls adds to the counts of a repository, if that is still there. More
// operations ride in the same Write.
func (h *Hub) addPulls(ctx context.Context, repoID string, counts []PullCount, more ...store.Op) error {
	stats, err := h.get(ctx, statsKey(repoID))
	if err != nil {
		return err
	}
	add := store.Add(stats.Key, map[string]int64{statDownloads: 0})
	last := stats.Counts[statPulled]
	for _, c := range counts {
		add.Add[statDownloads] += c.Times
		last = max(last, c.At.UnixMilli())
	}
	if last > stats.Counts[statPulled] {
		add = setFrom(stats, add, statPulled, last)
	}
	alive := store.CheckExists(repositoryKey(repoID))
	if err = h.Records.Write(ctx, append(more, alive, add)...); isConflictOn(err, alive.Key) {
		return nil
	}
	return err
}

// setFrom lets an operation on counts also set one, if the item is still as it was
// read: pulls may be counted in another order than they happened in.
func setFrom(was store.Item, op store.Op, count string, n int64) store.Op {
	op.Set, op.Cond, op.Version = map[string]int64{count: n}, store.Absent, was.Version
	if was.Found() {
		op.Cond = store.IsAt
	}
	return op
}

// pulledTags are the tags that pulls were of, with the time of the last, in
// milliseconds. A pull by digest counts for the tags of the manifest, because clients
// ask for those by HEAD and then get the digest.
func (h *Hub) pulledTags(ctx context.Context, repoID string, counts []PullCount) (map[string]int64, error) {
	at := make(map[string]int64)
	for _, c := range counts {
		tags := []string{c.Reference}
		if strings.Contains(c.Reference, ":") {
			items, err := h.tagsOf(ctx, repoID, c.Reference, pulledTagsAtOnce)
			if err != nil && !isConflict(err) {
				return nil, err
			}
			tags = tags[:0]
			for _, item := range items {
				tags = append(tags, strings.TrimPrefix(item.Sort, "tag/"))
			}
		}
		for _, tag := range tags {
			at[tag] = max(at[tag], c.At.UnixMilli())
		}
	}
	return at, nil
}

// storePulledTags says of tags when they were last pulled.
func (h *Hub) storePulledTags(ctx context.Context, repoID string, counts []PullCount) error {
	at, err := h.pulledTags(ctx, repoID, counts)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(at)), pulledTagsAtOnce) {
		if err := h.again(ctx, func() error { return h.notePulled(ctx, repoID, at, batch) }); err != nil {
			return err
		}
	}
	return nil
}

// notePulled stores when tags were last pulled, those that are there. A tag that is
// gone is taken out of at, with a conflict.
func (h *Hub) notePulled(ctx context.Context, repoID string, at map[string]int64, tags []string) error {
	var keys []store.Key
	for _, tag := range tags {
		if at[tag] != 0 {
			keys = append(keys, pulledKey(repoID, tag))
		}
	}
	items, err := h.Records.Get(ctx, keys...)
	if err != nil {
		return err
	}
	var ops []store.Op
	for _, item := range items {
		tag := strings.TrimPrefix(item.Sort, "pulled/")
		if ms := at[tag]; ms > item.Counts[countPulledAt] {
			set := setFrom(item, store.Op{Kind: store.OpAdd, Key: item.Key}, countPulledAt, ms)
			ops = append(ops, store.CheckExists(tagKey(repoID, tag)), set)
		}
	}
	if len(ops) == 0 {
		return nil
	}
	err = h.Records.Write(ctx, ops...)
	var c *store.ConflictError
	if errors.As(err, &c) && strings.HasPrefix(c.Key.Sort, "tag/") {
		delete(at, strings.TrimPrefix(c.Key.Sort, "tag/"))
	}
	return err
}

// countPulledAt is when a tag was last pulled, in milliseconds.
const countPulledAt = "at"

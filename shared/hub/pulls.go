package hub

import (
	"context"
	"errors"
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
		err := h.StorePulls(ctx, repoID, counts)
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			for _, c := range counts {
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
// and so is a repository: nothing that was deleted comes back. A pull by digest
// counts for the tags of the manifest, because clients ask for those by HEAD and
// then get the digest. More operations ride in the first Write.
func (h *Hub) StorePulls(ctx context.Context, repoID string, counts []PullCount, more ...store.Op) error {
	var times, last int64
	at := make(map[string]int64) // by tag
	for _, c := range counts {
		times, last = times+c.Times, max(last, c.At.UnixMilli())
		tags := []string{c.Reference}
		if strings.Contains(c.Reference, ":") {
			items, err := h.tagsOf(ctx, repoID, c.Reference, pulledTagsAtOnce)
			if err != nil && !isConflict(err) {
				return err
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
	alive := store.CheckExists(repositoryKey(repoID))
	ops := append(more, alive, store.Op{
		Kind: store.OpAdd, Key: statsKey(repoID),
		Add: map[string]int64{statDownloads: times}, Set: map[string]int64{statPulled: last},
	})
	if err := h.Records.Write(ctx, ops...); err != nil {
		if c := (*store.ConflictError)(nil); errors.As(err, &c) && c.Key == alive.Key {
			return nil
		}
		return err
	}
	return h.storePulledTags(ctx, repoID, at)
}

// storePulledTags says of tags when they were last pulled.
func (h *Hub) storePulledTags(ctx context.Context, repoID string, at map[string]int64) error {
	for len(at) > 0 {
		var ops []store.Op
		var batch []string
		for tag, ms := range at {
			if len(batch) == pulledTagsAtOnce {
				break
			}
			batch = append(batch, tag)
			ops = append(ops, store.CheckExists(tagKey(repoID, tag)),
				store.Op{Kind: store.OpAdd, Key: pulledKey(repoID, tag), Set: map[string]int64{countPulledAt: ms}})
		}
		err := h.Records.Write(ctx, ops...)
		if c := (*store.ConflictError)(nil); errors.As(err, &c) {
			delete(at, strings.TrimPrefix(c.Key.Sort, "tag/")) // the tag is gone
			continue
		}
		if err != nil {
			return err
		}
		for _, tag := range batch {
			delete(at, tag)
		}
	}
	return nil
}

// countPulledAt is when a tag was last pulled, in milliseconds.
const countPulledAt = "at"

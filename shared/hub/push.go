package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"

	"berth/shared/store"
)

// push is one PutManifest.
type push struct {
	hub     *Hub
	grant   Grant
	content Content
	body    []byte
	digest  string
	tags    []string
	cache   string  // the name that a build keeps it under for later builds; "" = a push as any other
	object  *Upload // the body's object, if it is too long for an item and not yet kept
}

// seen is what a push reads before it writes.
type seen struct {
	repo      store.Item
	manifest  store.Item
	hooks     store.Item // the namespace's webhooks
	namespace store.Item // for its quota
	tags      []store.Item
	links     []store.Item // that the manifest relies on
	parts     []store.Item // manifests that it relies on
	children  []Manifest
	blobs     []string // digests of links
	absent    []string // digests of layers that are not here, and need not be
	refs      []string // digests of children
}

// ensureRepository makes the repository that is pushed to, if it does not exist. For a
// manifest that refers to anything none is made: a new one has nothing yet.
func (p *push) ensureRepository(ctx context.Context) (err error) {
	if p.grant.RepoID != "" {
		return nil
	}
	var nothing seen
	for _, r := range p.references() {
		if err := nothing.take(r, store.Item{}); err != nil {
			return err
		}
	}
	p.grant, err = p.hub.pushedRepository(ctx, p.grant)
	return err
}

func (p *push) try(ctx context.Context) error {
	s, err := p.read(ctx)
	if err != nil {
		return err
	}
	if err := p.touch(ctx, slices.Concat(s.links, s.parts)); err != nil {
		return err
	}
	now := p.hub.now()
	var m Manifest
	ops := make([]store.Op, 0, 8+3*len(p.tags))
	counts := map[string]int64{}
	if p.cache == "" {
		counts[statUploads] = 1
	}
	if s.manifest.Found() {
		if m, err = decode[Manifest](s.manifest); err != nil {
			return err
		}
		// Its version moves, so that a deletion which has not seen these tags fails.
		ops = append(ops, p.hub.touch(s.manifest.Key))
	} else {
		if m, err = p.describe(ctx, s, now); err != nil {
			return err
		}
		made, err := p.create(ctx, m)
		if err != nil {
			return err
		}
		ops = append(ops, made...)
		counts[statManifests], counts[statBytes] = 1, m.Size
	}
	for i, name := range p.tags {
		tagged, added, err := tagOps(p.grant.RepoID, s.tags[i], m.tag(name, now))
		if err != nil {
			return err
		}
		ops = append(ops, tagged...)
		counts[statTags] += added
	}
	charged := charge(p.grant, p.digest, counts)
	if p.cache == "" {
		charged[0].Set = map[string]int64{statPushed: now.UnixMilli()}
		event, err := p.hub.pushed(s.hooks, p.grant, m, p.tags, now)
		if err != nil {
			return err
		}
		ops = append(ops, event...)
	} else {
		ops = append(ops, cacheOps(p.grant.RepoID, p.cache, m, now)...)
	}
	ops = append(append(ops, charged...), store.CheckAt(s.repo.Key, s.repo.Version))
	if err := p.hub.change(ctx, ops...); err != nil {
		return err
	}
	if !s.manifest.Found() {
		p.object = nil
	}
	return nil
}

// pushed are the operations that tell webhooks of a push or a moved tag, in the very
// write that does it. hooks is the record at hooksKey.
func (h *Hub) pushed(hooks store.Item, g Grant, m Manifest, tags []string, now Time) ([]store.Op, error) {
	if tags == nil {
		tags = []string{}
	}
	return h.happened(hooks, g.NamespaceID, EventPush, PushEvent{
		Event: EventPush, Namespace: g.Namespace, RepoName: g.Repository, RepoPath: g.Path(), Tags: tags,
		Digest: m.Digest, MediaType: m.MediaType, Size: m.Size, PushedBy: g.Caller.Name(), OccurredAt: now,
	})
}

// read reads all that the push depends on, and judges it.
func (p *push) read(ctx context.Context) (seen, error) {
	id := p.grant.RepoID
	refs := p.references()
	fixed := 4 + len(p.tags)
	keys := append(make([]store.Key, 0, fixed+len(refs)),
		repositoryKey(id), manifestKey(id, p.digest), hooksKey(p.grant.NamespaceID), namespaceKey(p.grant.Namespace))
	for _, tag := range p.tags {
		keys = append(keys, tagKey(id, tag))
	}
	for _, r := range refs {
		keys = append(keys, r.key(id))
	}
	items, err := p.hub.getAll(ctx, keys)
	if err != nil {
		return seen{}, err
	}
	s := seen{repo: items[0], manifest: items[1], hooks: items[2], namespace: items[3], tags: items[4:fixed]}
	repo, err := p.hub.mutable(p.grant, s.repo)
	if err != nil {
		return s, err
	}
	for i, r := range refs {
		if err := s.take(r, items[fixed+i]); err != nil {
			return s, err
		}
	}
	if repo.ImmutableTags {
		for _, item := range s.tags {
			t, err := found[Tag](item)
			if err != nil {
				return s, err
			}
			if t.Digest != "" && t.Digest != p.digest {
				return s, immutable(p.grant, t.Name)
			}
		}
	}
	if !s.manifest.Found() {
		err = p.hub.checkQuota(ctx, p.grant, s.namespace, int64(len(p.body)))
	}
	return s, err
}

// touch keeps the sweep from what the manifest is about to rely on. A conflict
// says that one is gone by now.
func (p *push) touch(ctx context.Context, items []store.Item) error {
	var ops []store.Op
	for _, item := range items {
		if p.hub.stale(item) {
			ops = append(ops, p.hub.touch(item.Key))
		}
	}
	for chunk := range slices.Chunk(ops, store.MaxWrite) {
		if err := p.hub.Records.Write(ctx, chunk...); err != nil {
			return err
		}
	}
	return nil
}

// describe is the record of a manifest that is new in the repository.
func (p *push) describe(ctx context.Context, s seen, now Time) (Manifest, error) {
	c := p.content
	m := Manifest{
		Digest: p.digest, MediaType: c.MediaType, ArtifactType: c.ArtifactType, Size: int64(len(p.body)),
		ImageSize: int64(len(p.body)), ImageID: hexOf(p.digest), PushedAt: now,
		Blobs: slices.Concat(s.blobs, s.absent), Manifests: s.refs,
	}
	if c.Subject != nil {
		m.Subject = c.Subject.Digest
	}
	for i, item := range s.links {
		l, err := p.hub.link(item)
		if err != nil {
			return m, err
		}
		m.ImageSize += l.Size
		if c.Config != nil && s.blobs[i] == c.Config.Digest {
			if m.Platforms, err = p.platform(ctx, l); err != nil {
				return m, err
			}
		}
	}
	if c.Config != nil {
		m.ImageID = hexOf(c.Config.Digest)
	}
	for _, child := range s.children {
		m.ImageSize += child.ImageSize
		for _, name := range child.Platforms {
			if len(m.Platforms) < maxPlatforms && !slices.Contains(m.Platforms, name) {
				m.Platforms = append(m.Platforms, name)
			}
		}
	}
	return m, nil
}

// maxConfig is the longest image configuration that is read for its platform.
const maxConfig = 1 << 20

// platform reads what an image runs on from its configuration. One that cannot be
// understood has none: a registry stores artifacts of any kind.
func (p *push) platform(ctx context.Context, l Link) ([]string, error) {
	config := p.content.Config
	if l.Size > maxConfig || !isImageConfig(config.MediaType) {
		return nil, nil
	}
	if known, ok := p.hub.platforms.get(config.Digest); ok { // many tags are pushed of one image
		return known, nil
	}
	r, err := p.hub.ReadBlob(ctx, l, 0, l.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var on Platform
	var names []string
	if json.Unmarshal(b, &on) == nil && on.String() != "" {
		names = []string{on.String()}
	}
	p.hub.platforms.put(config.Digest, names)
	return names, nil
}

// create are the operations that keep a manifest with its bytes and its place
// among its subject's referrers.
func (p *push) create(ctx context.Context, m Manifest) ([]store.Op, error) {
	id := p.grant.RepoID
	var ops []store.Op
	if len(p.body) > maxBodyItem {
		if err := p.keepBody(ctx); err != nil {
			return nil, err
		}
		m.Object = p.object.ID
		ops = append(ops,
			store.Op{Kind: store.OpDelete, Cond: store.Exists, Key: uploadKey(p.object.ID)},
			store.Delete(p.object.sweepKey()))
	} else {
		ops = append(ops, store.Put(manifestBodyKey(id, p.digest), p.body))
	}
	ops = append(ops, store.Create(manifestKey(id, p.digest), encode(m)))
	if p.content.Subject != nil {
		ops = append(ops, store.Put(referrerKey(id, m), p.referrer(m)))
	}
	return ops, nil
}

// keepBody writes a long body to Layers, once for all attempts of the push.
func (p *push) keepBody(ctx context.Context) error {
	if p.object != nil {
		return nil
	}
	u, err := p.hub.StartUpload(ctx, p.grant, "")
	if err != nil {
		return err
	}
	p.object = &u
	st, err := p.hub.Layers.Append(ctx, u.ID, u.State, bytes.NewReader(p.body))
	if err != nil {
		return err
	}
	return p.hub.Layers.Finish(ctx, u.ID, st)
}

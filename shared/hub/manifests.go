package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"berth/shared/store"
)

// Manifest is what the hub keeps of a manifest beside its bytes.
type Manifest struct {
	Digest       string   `json:"digest"`
	MediaType    string   `json:"media_type"`
	ArtifactType string   `json:"artifact_type,omitempty"`
	Size         int64    `json:"size"`
	ImageSize    int64    `json:"image_size"` // with all that it refers to
	ImageID      string   `json:"image_id"`
	Platforms    []string `json:"platforms,omitempty"`
	Subject      string   `json:"subject,omitempty"`
	PushedAt     Time     `json:"pushed_at"`
	// Object is the key in Layers of a manifest that is too long for an item.
	Object string `json:"object,omitempty"`
	// Blobs and Manifests are the digests that it refers to.
	Blobs     []string `json:"blobs,omitempty"`
	Manifests []string `json:"manifests,omitempty"`
}

// maxBodyItem is the longest manifest whose bytes are an item.
const maxBodyItem = 256 << 10

// MaxTagsOfPush is how many tags one push by digest may set.
const MaxTagsOfPush = 12

func (m Manifest) tag(name string, at Time) Tag {
	return Tag{
		Name: name, Digest: m.Digest, MediaType: m.MediaType, ArtifactType: m.ArtifactType, Size: m.Size,
		ImageSize: m.ImageSize, ImageID: m.ImageID, Platforms: m.Platforms, PushedAt: at,
	}
}

func manifestRange(repoID string) store.Range {
	return store.Prefix(store.Tags, manifestKey(repoID, "x").Part, "manifest/", 1000)
}

// ManifestPush is a manifest on its way in.
type ManifestPush struct {
	Digest      string   // that the sender gave; "" = pushed by tag
	Tags        []string // to point at it
	ContentType string
	Body        []byte
}

// Pushed is what became of a push.
type Pushed struct {
	Digest  string
	Subject string // the manifest that this one refers to; "" = none
	Tags    []string
}

// PutManifest takes a manifest into the granted repository (role Writer), and
// points tags at it, all at once. Everything that it refers to must be there
// already, layers that are distributed elsewhere and a subject aside: ManifestBlob
// names the first that is missing. BadDigest, BadManifest, BadTag, TagImmutable,
// QuotaExceeded.
func (h *Hub) PutManifest(ctx context.Context, g Grant, p ManifestPush) (Pushed, error) {
	for _, tag := range p.Tags {
		if err := CheckTag(tag); err != nil {
			return Pushed{}, err
		}
	}
	if len(p.Tags) > MaxTagsOfPush {
		return Pushed{}, Fail(TooManyTags, "%d tags in one push, at most %d", len(p.Tags), MaxTagsOfPush)
	}
	algorithm := SHA256
	if p.Digest != "" {
		if err := CheckDigest(p.Digest); err != nil {
			return Pushed{}, err
		}
		algorithm = algorithmOf(p.Digest)
	}
	digest := DigestOf(algorithm, p.Body)
	if p.Digest != "" && p.Digest != digest {
		return Pushed{}, &Error{
			Code: BadDigest, Detail: map[string]string{"digest": p.Digest, "received": digest},
			Message: "the manifest does not have this digest",
		}
	}
	content, err := ParseManifest(p.ContentType, p.Body)
	if err != nil {
		return Pushed{}, err
	}
	push := &push{hub: h, grant: g, content: content, body: p.Body, digest: digest}
	for _, tag := range p.Tags {
		if !slices.Contains(push.tags, tag) {
			push.tags = append(push.tags, tag)
		}
	}
	result := Pushed{Digest: digest, Tags: push.tags}
	if content.Subject != nil {
		result.Subject = content.Subject.Digest
	}
	err = h.again(ctx, func() error { return push.try(ctx) })
	if push.object != nil { // the push failed, or another one was first
		err = errors.Join(err, h.drop(context.WithoutCancel(ctx), push.object.ID))
	}
	return result, err
}

// push is one PutManifest.
type push struct {
	hub     *Hub
	grant   Grant
	content Content
	body    []byte
	digest  string
	tags    []string
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
	var ops []store.Op
	counts := map[string]int64{statUploads: 1}
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
	charged[0].Set = map[string]int64{statPushed: now.UnixMilli()}
	ops = append(append(ops, charged...), store.CheckAt(s.repo.Key, s.repo.Version))
	event, err := p.hub.pushed(s.hooks, p.grant, m, p.tags, now)
	if err != nil {
		return err
	}
	ops = append(ops, event...)
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
	keys := []store.Key{repositoryKey(id), manifestKey(id, p.digest), hooksKey(p.grant.NamespaceID), namespaceKey(p.grant.Namespace)}
	for _, tag := range p.tags {
		keys = append(keys, tagKey(id, tag))
	}
	fixed := len(keys)
	refs := p.references()
	for _, r := range refs {
		keys = append(keys, r.key(id))
	}
	items := make([]store.Item, 0, len(keys))
	for chunk := range slices.Chunk(keys, store.MaxGet) {
		got, err := p.hub.Records.Get(ctx, chunk...)
		if err != nil {
			return seen{}, err
		}
		items = append(items, got...)
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

// reference is something that a manifest refers to.
type reference struct {
	Descriptor
	manifest bool // it is a manifest of the repository; else a blob
	optional bool
}

func (r reference) key(repoID string) store.Key {
	if r.manifest {
		return manifestKey(repoID, r.Digest)
	}
	return linkKey(repoID, r.Digest)
}

// references lists what the manifest refers to, each digest once. An entry of an
// index that is no manifest by its media type is a blob.
func (p *push) references() []reference {
	all := make([]reference, 0, len(p.content.Layers)+len(p.content.Manifests)+1)
	if p.content.Config != nil {
		all = append(all, reference{Descriptor: *p.content.Config})
	}
	for _, d := range p.content.Layers {
		all = append(all, reference{Descriptor: d, optional: d.elsewhere()})
	}
	for _, d := range p.content.Manifests {
		all = append(all, reference{Descriptor: d, manifest: isManifestType(d.MediaType)})
	}
	known := make(map[string]bool, len(all))
	return slices.DeleteFunc(all, func(r reference) bool {
		again := known[r.Digest]
		known[r.Digest] = true
		return again
	})
}

// take notes an item that a reference led to.
func (s *seen) take(r reference, item store.Item) error {
	switch {
	case !item.Found() && r.optional:
		s.absent = append(s.absent, r.Digest)
		return nil
	case !item.Found():
		what := "blob"
		if r.manifest {
			what = "manifest"
		}
		return &Error{
			Code: ManifestBlob, Detail: map[string]string{"digest": r.Digest},
			Message: "the manifest refers to the " + what + " " + r.Digest + ", which is not in the repository; push that first",
		}
	case r.manifest:
		child, err := decode[Manifest](item)
		if err != nil {
			return err
		}
		if r.Platform != nil {
			child.Platforms = nil
			if name := r.Platform.String(); name != "" {
				child.Platforms = []string{name}
			}
		}
		s.children, s.parts = append(s.children, child), append(s.parts, item)
		s.refs = append(s.refs, r.Digest)
		return nil
	}
	s.links = append(s.links, item)
	s.blobs = append(s.blobs, r.Digest)
	return nil
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

package hub

import (
	"context"
	"errors"
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
// points tags at it, all at once. The repository is made where it does not exist
// (Target.Make), if the manifest can be taken. Everything that it refers to must be there
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
	if err := h.checkBuilding(ctx, g.Caller); err != nil {
		return Pushed{}, err
	}
	push := &push{hub: h, grant: g, content: content, body: p.Body, digest: digest}
	cache, tags := p.splitCache(g.Caller)
	push.cache = cache
	for _, tag := range tags {
		if !slices.Contains(push.tags, tag) {
			push.tags = append(push.tags, tag)
		}
	}
	result := Pushed{Digest: digest, Tags: push.tags}
	if content.Subject != nil {
		result.Subject = content.Subject.Digest
	}
	if err := push.ensureRepository(ctx); err != nil {
		return Pushed{}, err
	}
	err = h.again(ctx, func() error { return push.try(ctx) })
	if push.object != nil { // the push failed, or another one was first
		err = errors.Join(err, h.drop(context.WithoutCancel(ctx), push.object.ID))
	}
	return result, err
}

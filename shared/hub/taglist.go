package hub

import (
	"context"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"

	"berth/shared/store"
)

// TagView is a tag with what stands beside its record.
type TagView struct {
	Tag
	PulledAt Time // the last pull by this tag or its digest
}

// TagList is a window of a repository's tags.
type TagList struct {
	Count int64 // of all tags
	Tags  []TagView
	Next  string // what the next window comes after; "" = there is none
}

// TagListKeys are what [Hub.ListTags], [Hub.TagsNamed] and [Hub.ViewTag] want of the grant.
func TagListKeys(repoID string) []store.Key { return []store.Key{statsKey(repoID)} }

// place is where a tag stands among the pushes: what a window comes after.
var place = regexp.MustCompile(`^[0-9a-f]{16}/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// ListTags lists the granted repository's tags (role Reader), newest push first, or
// with Reverse last. A
// window at the start or After a place reads what it returns; one with a Skip also
// what it skips.
func (h *Hub) ListTags(ctx context.Context, g Grant, w Window) (TagList, error) {
	if w.After != "" && !place.MatchString(w.After) {
		return TagList{}, FailField("cursor", "is not one that the hub gave")
	}
	return h.tagWindow(ctx, g, "pushed/", "", w)
}

// TagsNamed lists those of the granted repository's tags (role Reader) whose names
// begin with prefix, by name: a window of them, which is After a name. It reads as
// [Hub.ListTags] does; nothing counts such tags.
func (h *Hub) TagsNamed(ctx context.Context, g Grant, prefix string, w Window) (TagList, error) {
	if !isTag(prefix) {
		return TagList{}, FailField("prefix", "must be how a tag can begin, not %q", prefix)
	}
	if w.After != "" && (!isTag(w.After) || !strings.HasPrefix(w.After, prefix)) {
		return TagList{}, FailField("cursor", "is not one that the hub gave")
	}
	return h.tagWindow(ctx, g, "tag/", prefix, w)
}

// tagWindow reads a window of the tags whose items' sort keys begin with base and
// prefix; what it comes after are such keys without the base.
func (h *Hub) tagWindow(ctx context.Context, g Grant, base, prefix string, w Window) (TagList, error) {
	list := TagList{Count: statsOf(g.items[0]).Tags}
	skip := w.Skip
	if w.After != "" {
		skip = 0
	} else if skip > 0 && int64(skip) >= list.Count {
		return list, nil
	}
	r := store.Prefix(store.Tags, tagKey(g.RepoID, "x").Part, base+prefix, min(skip+w.Size+1, maxEntries))
	r.Reverse = w.Reverse
	if w.After != "" {
		r = r.After(base + w.After)
	}
	last := ""
	err := h.each(ctx, r, func(item store.Item) error {
		if skip > 0 {
			skip--
			return nil
		}
		if len(list.Tags) == w.Size {
			list.Next = last
			return errEnough
		}
		t, err := decode[Tag](item)
		list.Tags, last = append(list.Tags, TagView{Tag: t}), strings.TrimPrefix(item.Sort, base)
		return err
	})
	if err != nil {
		return list, err
	}
	return list, h.pulledAt(ctx, g, list.Tags)
}

// Place is where the tag stands among the pushes: what a window may come after.
func (t TagView) Place() string {
	return strings.TrimPrefix(pushedKey("x", t.Tag).Sort, "pushed/")
}

// pulledAt reads when the tags were pulled last.
func (h *Hub) pulledAt(ctx context.Context, g Grant, tags []TagView) error {
	keys := make([]store.Key, len(tags))
	for i, t := range tags {
		keys[i] = pulledKey(g.RepoID, t.Name)
	}
	items, err := h.getAll(ctx, keys)
	for i := range items {
		tags[i].PulledAt = AtMilli(items[i].Counts[countPulledAt])
	}
	return err
}

// TagContent is what a tag points at.
type TagContent struct {
	TagView
	Config    *Descriptor  // of an image
	Layers    []Descriptor // of an image
	Manifests []Descriptor // of an index
	History   []Step       // of an image whose configuration tells it
}

// Step is how a layer came to be. See the OCI Image Specification, "Image
// Configuration", history.
type Step struct {
	Created    *Time  `json:"created,omitempty"`
	CreatedBy  string `json:"created_by,omitempty"`
	Author     string `json:"author,omitempty"`
	Comment    string `json:"comment,omitempty"`
	EmptyLayer bool   `json:"empty_layer,omitempty"`
}

// ViewTag reads a tag of the granted repository (role Reader) with what its manifest
// and its image configuration say: TagNotFound. With image, a digest, it is that image
// of the index that the tag points at, under the tag's name and times:
// ManifestNotFound if the index has none such.
func (h *Hub) ViewTag(ctx context.Context, g Grant, name, image string) (TagContent, error) {
	t, err := h.Tag(ctx, g, name)
	if err != nil {
		return TagContent{}, err
	}
	views := []TagView{{Tag: t}}
	if err := h.pulledAt(ctx, g, views); err != nil {
		return TagContent{}, err
	}
	_, c, err := h.content(ctx, g, t.Digest)
	if err != nil {
		return TagContent{}, err
	}
	if image != "" {
		if !slices.ContainsFunc(c.Manifests, func(d Descriptor) bool { return d.Digest == image }) {
			return TagContent{}, Fail(ManifestNotFound, "%s of %s is no index with an image %s", t.Name, g.Path(), image)
		}
		var m Manifest
		if m, c, err = h.content(ctx, g, image); err != nil {
			return TagContent{}, err
		}
		views[0].Tag = m.tag(t.Name, t.PushedAt)
	}
	v := TagContent{TagView: views[0], Config: c.Config, Layers: c.Layers, Manifests: c.Manifests}
	if c.Config != nil && c.Config.Size <= maxConfig && isImageConfig(c.Config.MediaType) {
		v.History, err = h.history(ctx, g, c.Config.Digest)
	}
	return v, err
}

// content reads a manifest by digest, with what it says: ManifestNotFound.
func (h *Hub) content(ctx context.Context, g Grant, digest string) (m Manifest, c Content, err error) {
	items, err := h.Records.Get(ctx, ManifestKeys(g.RepoID, digest, true)...)
	if err != nil {
		return m, c, err
	}
	pull, err := h.manifestOf(items, g, digest, true)
	if err != nil {
		return m, c, err
	}
	if m, err = decode[Manifest](items[0]); err != nil {
		return m, c, err
	}
	body, err := h.bytesOf(h.OpenManifest(ctx, g, pull))
	if err != nil {
		return m, c, err
	}
	c, err = ParseManifest(pull.MediaType, body)
	return m, c, err
}

func isImageConfig(mediaType string) bool {
	return mediaType == MediaOCIConfig || mediaType == MediaDockerConfig
}

// history reads an image configuration. One that is no JSON has no history.
func (h *Hub) history(ctx context.Context, g Grant, config string) ([]Step, error) {
	link, err := h.Blob(ctx, g, config)
	if err != nil {
		return nil, err
	}
	if link.Size > maxConfig {
		return nil, nil
	}
	body, err := h.bytesOf(h.ReadBlob(ctx, link, 0, link.Size))
	if err != nil {
		return nil, err
	}
	var c struct {
		History []Step `json:"history"`
	}
	if json.Unmarshal(body, &c) != nil {
		return nil, nil
	}
	return c.History, nil
}

// bytesOf reads what was opened, and closes it.
func (h *Hub) bytesOf(r io.ReadCloser, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

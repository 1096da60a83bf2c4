package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"berth/shared/store"
)

// Pull is a manifest as a client gets it.
type Pull struct {
	Digest    string
	MediaType string
	Size      int64
	Tag       string // that it was asked for by; "" = by digest

	body   store.Item
	object string
}

// ManifestKeys is what a route that serves a manifest has read along with the
// rights, for [Hub.GrantedManifest]: by digest all that is needed, by tag the tag.
func ManifestKeys(repoID, reference string, body bool) []store.Key {
	switch {
	case !strings.Contains(reference, ":"):
		if isTag(reference) {
			return []store.Key{tagKey(repoID, reference)}
		}
	case CheckDigest(reference) == nil && body:
		return []store.Key{manifestKey(repoID, reference), manifestBodyKey(repoID, reference)}
	case CheckDigest(reference) == nil:
		return []store.Key{manifestKey(repoID, reference)}
	}
	return nil
}

// GrantedManifest is the manifest of a grant that asked for ManifestKeys:
// ManifestNotFound unless the repository has it. body says whether its bytes are
// wanted; asked for by tag they are one more read.
func (h *Hub) GrantedManifest(ctx context.Context, g Grant, reference string, body bool) (Pull, error) {
	if strings.Contains(reference, ":") {
		if err := CheckDigest(reference); err != nil {
			return Pull{}, err
		}
		return h.manifestOf(g.items, g, reference, body)
	}
	if t, ok, err := h.cached(ctx, g, reference); ok || err != nil {
		if err != nil {
			return Pull{}, err
		}
		return h.Manifest(ctx, g, t.Digest)
	}
	if len(g.items) == 0 || !g.items[0].Found() {
		return Pull{}, noManifest(g, reference)
	}
	t, err := decodeOnce(&h.pointers, g.items[0])
	if err != nil {
		return Pull{}, err
	}
	p := Pull{Digest: t.Digest, MediaType: t.MediaType, Size: t.Size, Tag: reference}
	if !body {
		return p, nil
	}
	keys := ManifestKeys(g.RepoID, t.Digest, true)
	if t.Size <= maxBodyItem {
		keys = keys[1:]
	}
	items, err := h.Records.Get(ctx, keys...)
	if err != nil {
		return p, err
	}
	if t.Size > maxBodyItem {
		p, err = h.manifestOf(items, g, t.Digest, true)
		p.Tag = reference
		return p, err
	}
	if !items[0].Found() { // deleted since the tag was read
		return p, noManifest(g, reference)
	}
	p.body = items[0]
	return p, nil
}

// manifestOf makes a Pull of a manifest's items.
func (h *Hub) manifestOf(items []store.Item, g Grant, digest string, body bool) (Pull, error) {
	if len(items) == 0 || !items[0].Found() {
		return Pull{}, noManifest(g, digest)
	}
	m, err := decodeOnce(&h.pointers, items[0])
	if err != nil {
		return Pull{}, err
	}
	p := Pull{Digest: m.Digest, MediaType: m.MediaType, Size: m.Size, object: m.Object}
	if body && m.Object == "" {
		if p.body = items[1]; !p.body.Found() {
			return Pull{}, fmt.Errorf("manifest %s of %s has no body", digest, g.RepoID)
		}
	}
	return p, nil
}

// Manifest reads a manifest by tag or digest, with its bytes.
func (h *Hub) Manifest(ctx context.Context, g Grant, reference string) (Pull, error) {
	var err error
	if g.items, err = h.Records.Get(ctx, ManifestKeys(g.RepoID, reference, true)...); err != nil {
		return Pull{}, err
	}
	return h.GrantedManifest(ctx, g, reference, true)
}

// OpenManifest reads the bytes of a granted manifest that was asked for with them:
// ManifestNotFound if it was deleted since.
func (h *Hub) OpenManifest(ctx context.Context, g Grant, p Pull) (io.ReadCloser, error) {
	if p.object != "" {
		r, err := h.Layers.Open(ctx, p.object, 0, p.Size)
		if errors.Is(err, store.ErrNoObject) {
			if _, gone := h.Manifest(ctx, g, p.Digest); gone != nil {
				return nil, gone
			}
		}
		return r, err
	}
	return io.NopCloser(bytes.NewReader(p.body.Value)), nil
}

// Bytes are a short manifest's; ok is false for one that OpenManifest must read.
// They must not be changed.
func (p Pull) Bytes() (b []byte, ok bool) { return p.body.Value, p.object == "" }

func noManifest(g Grant, reference string) error {
	e := &Error{
		Code: ManifestNotFound, Detail: map[string]string{"reference": reference},
		Message: "there is no manifest " + reference + " in " + g.Path(),
	}
	if !strings.Contains(reference, ":") {
		e.Detail = map[string]string{"tag": reference}
	}
	return e
}

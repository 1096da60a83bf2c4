package client

import (
	"context"
	"fmt"
	"io"
	"slices"

	"berth/shared/hub"
)

// Pushed is an image that the hub has.
type Pushed struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"` // bytes of its manifests and blobs
}

const (
	// maxDepth bounds how deep indexes lie in indexes.
	maxDepth = 4
	// maxManifests bounds the bytes of an image's manifests, which are held in memory.
	maxManifests = 64 << 20
)

// parts are what an image is made of.
type parts struct {
	manifests []manifest // what others refer to comes first
	blobs     []hub.Descriptor
	size      int64
	described int64 // bytes of the manifests
}

type manifest struct {
	hub.Descriptor
	body []byte
}

// gather adds an image, and all that it refers to. read reads a manifest's body and
// holds it against its digest.
func (p *parts) gather(d hub.Descriptor, depth int, read func(hub.Descriptor) ([]byte, error)) error {
	if slices.ContainsFunc(p.manifests, func(m manifest) bool { return m.Digest == d.Digest }) {
		return nil
	}
	if depth == 0 {
		return fmt.Errorf("%s: indexes lie in indexes more than %d deep", d.Digest, maxDepth)
	}
	body, err := read(d)
	if err != nil {
		return err
	}
	if p.described += int64(len(body)); p.described > maxManifests {
		return fmt.Errorf("%s: the image has more than %d bytes of manifests", d.Digest, maxManifests)
	}
	c, err := hub.ParseManifest(d.MediaType, body)
	if err != nil {
		return fmt.Errorf("%s: %w", d.Digest, err)
	}
	blobs := slices.Clone(c.Layers)
	if c.Config != nil {
		blobs = append(blobs, *c.Config)
	}
	for _, child := range c.Manifests {
		if !slices.Contains(manifestTypes, child.MediaType) {
			blobs = append(blobs, child)
		} else if err := p.gather(child, depth-1, read); err != nil {
			return err
		}
	}
	for _, b := range blobs {
		if !b.Elsewhere() && !slices.ContainsFunc(p.blobs, func(has hub.Descriptor) bool { return has.Digest == b.Digest }) {
			p.blobs = append(p.blobs, b)
			p.size += b.Size
		}
	}
	p.manifests = append(p.manifests, manifest{d, body})
	p.size += int64(len(body))
	return nil
}

// Push brings an image of a source to the hub, which makes the repository if it is
// not there: the layers several at once, then the manifests. image names it in the
// source; "" = the only one.
func (c *Client) Push(ctx context.Context, s *Source, image string, to Reference, watch Watch) (p Pushed, err error) {
	root, err := s.image(image)
	if err != nil {
		return p, err
	}
	if docker, ok := s.docker[root.Digest]; ok {
		if root, err = s.pack(ctx, docker, watch); err != nil {
			return p, err
		}
	}
	if to.Digest != "" && to.Digest != root.Digest {
		return p, fmt.Errorf("%s has the digest %s, not %s", s.path, root.Digest, to.Digest)
	}
	var all parts
	if err := all.gather(root, maxDepth, s.manifest); err != nil {
		return p, err
	}
	r := &registry{c: c, name: to.Name, push: true}
	err = each(ctx, all.blobs, func(ctx context.Context, d hub.Descriptor) error {
		b, err := s.blob(d.Digest)
		if err != nil {
			return err
		}
		defer b.Close()
		if b.Size() != d.Size {
			return fmt.Errorf("%s: %s has %d bytes, not %d", s.path, d.Digest, b.Size(), d.Size)
		}
		return r.uploadBlob(ctx, d, b, watch)
	})
	if err != nil {
		return p, err
	}
	for i, m := range all.manifests {
		pointer := m.Digest
		if i == len(all.manifests)-1 {
			pointer = to.pointer()
		}
		if err := again(ctx, func() error { return r.putManifest(ctx, pointer, m.MediaType, m.body) }); err != nil {
			return p, err
		}
	}
	to.Host = c.URL.Host
	return Pushed{to.String(), root.Digest, root.MediaType, all.size}, nil
}

// manifest reads a manifest of the source.
func (s *Source) manifest(d hub.Descriptor) ([]byte, error) {
	c, err := s.blob(d.Digest)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if c.Size() > hub.MaxManifest {
		return nil, fmt.Errorf("%s: the manifest %s has %d bytes, the hub takes %d", s.path, d.Digest, c.Size(), hub.MaxManifest)
	}
	if err := matches(d.Digest, c); err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
}

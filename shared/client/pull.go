package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"berth/shared/hub"
)

// Pulled is an image that was written here.
type Pulled struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"` // bytes of its manifests and blobs
	Path      string `json:"path"`
}

// Pull writes an image to a folder as an OCI layout, beside the images that are
// there; or, where path ends in .tar, to an archive that `docker load` and
// `podman load` read. platform, such as linux/arm64, takes that one of several; ""
// takes all. What an earlier pull to the folder began goes on.
func (c *Client) Pull(ctx context.Context, from Reference, platform, path string, watch Watch) (Pulled, error) {
	if !strings.HasSuffix(path, ".tar") {
		return c.pull(ctx, from, platform, path, watch)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return Pulled{}, fmt.Errorf("%s is a folder; choose another name for the archive", path)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".berth-pull-")
	if err != nil {
		return Pulled{}, err
	}
	defer os.RemoveAll(dir)
	p, err := c.pull(ctx, from, platform, dir, watch)
	if err != nil {
		return p, err
	}
	p.Path = path
	return p, writeArchive(dir, path, p)
}

func (c *Client) pull(ctx context.Context, from Reference, platform, dir string, watch Watch) (p Pulled, err error) {
	r := &registry{c: c, name: from.Name}
	var root hub.Descriptor
	bodies := map[string][]byte{}
	fetch := func(pointer string) (d hub.Descriptor, err error) {
		var body []byte
		if err = again(ctx, func() (err error) { d, body, err = r.manifest(ctx, pointer); return err }); err == nil {
			bodies[d.Digest] = body
		}
		return d, err
	}
	if root, err = fetch(from.pointer()); err != nil {
		return p, err
	}
	if platform != "" {
		if root, err = r.onPlatform(ctx, root, bodies[root.Digest], platform); err != nil {
			return p, err
		}
	}
	var all parts
	err = all.gather(root, maxDepth, func(d hub.Descriptor) ([]byte, error) {
		if bodies[d.Digest] == nil {
			if _, err := fetch(d.Digest); err != nil {
				return nil, err
			}
		}
		return bodies[d.Digest], nil
	})
	if err != nil {
		return p, err
	}
	l := layout{dir}
	if err := l.begin(); err != nil {
		return p, err
	}
	if err := each(ctx, all.blobs, func(ctx context.Context, d hub.Descriptor) error { return r.download(ctx, d, l, watch) }); err != nil {
		return p, err
	}
	for _, m := range all.manifests {
		if err := l.write(l.blob(m.Digest), m.body); err != nil {
			return p, err
		}
	}
	from.Host = c.URL.Host
	return Pulled{from.String(), root.Digest, root.MediaType, all.size, dir}, l.add(root, from)
}

// onPlatform is the image of an index for that platform, or the image itself. A
// platform without a variant is also the only one that the index has of it: linux/arm64
// is linux/arm64/v8.
func (r *registry) onPlatform(ctx context.Context, root hub.Descriptor, body []byte, platform string) (hub.Descriptor, error) {
	c, err := hub.ParseManifest(root.MediaType, body)
	if err != nil {
		return root, err
	}
	if !c.Index {
		return root, r.fits(ctx, c.Config, platform)
	}
	var has []string
	var variants []hub.Descriptor
	for _, d := range c.Manifests {
		if d.Platform == nil {
			continue
		}
		name := d.Platform.String()
		if name == platform {
			return d, nil
		}
		if strings.HasPrefix(name, platform+"/") {
			variants = append(variants, d)
		}
		if name != "" {
			has = append(has, name)
		}
	}
	if len(variants) == 1 && strings.Contains(platform, "/") {
		return variants[0], nil
	}
	return root, fmt.Errorf("there is no image for %s, but for %s", platform, strings.Join(has, ", "))
}

// fits says whether an image with that configuration is for a platform. What does not
// say what it is for fits all.
func (r *registry) fits(ctx context.Context, config *hub.Descriptor, platform string) error {
	if config == nil || config.MediaType != hub.MediaOCIConfig && config.MediaType != hub.MediaDockerConfig || config.Size > hub.MaxManifest {
		return nil
	}
	var b bytes.Buffer
	err := again(ctx, func() error {
		b.Reset()
		return r.readFrom(ctx, *config, 0, func(part []byte) error { b.Write(part); return nil })
	})
	if err == nil {
		err = matches(config.Digest, bytes.NewReader(b.Bytes()))
	}
	if err != nil {
		return err
	}
	var is hub.Platform
	if json.Unmarshal(b.Bytes(), &is) != nil {
		return nil
	}
	name := is.String()
	if name == "" || name == platform || strings.HasPrefix(name, platform+"/") || strings.HasPrefix(platform, name+"/") {
		return nil
	}
	return fmt.Errorf("the image is for %s, not for %s", name, platform)
}

// download writes a blob to the layout, which may have it, or its beginning, already.
func (r *registry) download(ctx context.Context, d hub.Descriptor, to layout, watch Watch) error {
	path := to.blob(d.Digest)
	if f, err := os.Open(path); err == nil {
		err = matches(d.Digest, f)
		f.Close()
		if err == nil {
			watch(Event{d.Digest, There, d.Size, d.Size})
			return nil
		}
	}
	part := path + ".part"
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	h := hasher(d.Digest)
	got, err := io.Copy(h, file)
	if err != nil {
		return err
	}
	if got > d.Size {
		got, h = 0, hasher(d.Digest)
	}
	watch(Event{d.Digest, Moving, got, d.Size})
	var p patience
	for got < d.Size {
		before := got
		err := r.readFrom(ctx, d, got, func(b []byte) error {
			if _, err := file.WriteAt(b, got); err != nil {
				return err
			}
			h.Write(b)
			got += int64(len(b))
			watch(Event{d.Digest, Moving, got, d.Size})
			return nil
		})
		if err == nil && got < d.Size {
			err = unreachable(io.ErrUnexpectedEOF)
		}
		if err == nil {
			break
		}
		if err := p.after(ctx, err, got > before); err != nil {
			return err
		}
	}
	if err := same(d.Digest, h); err != nil {
		os.Remove(part)
		return err
	}
	if err := errors.Join(file.Truncate(d.Size), file.Close(), os.Rename(part, path)); err != nil {
		return err
	}
	watch(Event{d.Digest, Moved, d.Size, d.Size})
	return nil
}

// readFrom gives a blob's bytes from a place on.
func (r *registry) readFrom(ctx context.Context, d hub.Descriptor, at int64, take func([]byte) error) error {
	h := http.Header{}
	if at > 0 {
		h.Set("Range", fmt.Sprintf("bytes=%d-", at))
	}
	res, err := r.send(ctx, request{method: http.MethodGet, path: "blobs/" + d.Digest, header: h})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	skip := int64(0)
	if at > 0 && res.StatusCode == http.StatusOK {
		skip = at // all of it comes, whatever was asked for
	} else if at > 0 && !strings.HasPrefix(res.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", at)) {
		return fmt.Errorf("%s sends another part of %s than was asked for", r.c.URL.Host, d.Digest)
	}
	if _, err := io.CopyN(io.Discard, res.Body, skip); err != nil {
		return unreachable(err)
	}
	left := d.Size - at
	for b := make([]byte, 64<<10); left > 0; {
		n, err := res.Body.Read(b[:min(left, int64(len(b)))])
		if n > 0 {
			if err := take(b[:n]); err != nil {
				return err
			}
			left -= int64(n)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreachable(err)
		}
	}
	return nil
}

// layout is an OCI layout that is written.
type layout struct{ dir string }

// blob is where a blob lies.
func (l layout) blob(digest string) string {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return filepath.Join(l.dir, "blobs", algorithm, hex)
}

// begin makes the folder, or takes one that is a layout already.
func (l layout) begin() error {
	if list, err := os.ReadDir(l.dir); err == nil && len(list) > 0 {
		if _, err := os.Stat(filepath.Join(l.dir, "oci-layout")); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s has other files in it; choose an empty folder, or a file that ends in .tar", l.dir)
		}
	}
	for _, algorithm := range []string{hub.SHA256, hub.SHA512} {
		if err := os.MkdirAll(filepath.Join(l.dir, "blobs", algorithm), 0o755); err != nil {
			return err
		}
	}
	return l.write(filepath.Join(l.dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

// write replaces a file whole.
func (l layout) write(path string, b []byte) error {
	if err := os.WriteFile(path+".part", b, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// index is a layout's index.json.
type index struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType"`
	Manifests     []hub.Descriptor `json:"manifests"`
}

// add names an image in the layout, by its tag; another one of that name gives way.
func (l layout) add(d hub.Descriptor, name Reference) error {
	path := filepath.Join(l.dir, "index.json")
	i := index{2, hub.MediaOCIIndex, nil}
	b, err := os.ReadFile(path)
	if err == nil {
		c, err := hub.ParseManifest(hub.MediaOCIIndex, b)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		i.Manifests = c.Manifests
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	i.Manifests = slices.DeleteFunc(i.Manifests, func(o hub.Descriptor) bool {
		return o.Digest == d.Digest && o.Annotations[refName] == "" || name.Tag != "" && o.Annotations[refName] == name.Tag
	})
	d.Annotations = nil
	if name.Tag != "" {
		d.Annotations = map[string]string{refName: name.Tag, imageName: name.String()}
	}
	i.Manifests = append(i.Manifests, d)
	if b, err = json.Marshal(i); err != nil {
		return err
	}
	return l.write(path, b)
}

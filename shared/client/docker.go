package client

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"berth/shared/hub"
)

// dockerImage is one image of an archive that `docker save` writes.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string // files, the lowest first
}

const mediaDockerLayer = "application/vnd.docker.image.rootfs.diff.tar.gzip"

// readDocker finds the images of a docker archive. Their digests are known once they
// are packed.
func (s *Source) readDocker() error {
	var list []dockerImage
	err := s.decode("manifest.json", &list)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is neither an OCI layout nor an archive of `docker save`: it has no index.json and no manifest.json", s.path)
	}
	if err != nil {
		return err
	}
	s.docker = map[string]dockerImage{}
	for n, image := range list {
		key := fmt.Sprintf("docker %d", n)
		s.docker[key] = image
		s.images = append(s.images, namedImage{hub.Descriptor{Digest: key}, image.RepoTags})
	}
	return nil
}

// packed are blobs that were made of a docker archive: its layers are not compressed
// there, and it has no manifest as registries want it. nil has none.
type packed struct {
	dir   string
	mu    sync.Mutex
	blobs map[string]content
}

func (p *packed) open(digest string) (content, bool) {
	if p == nil {
		return content{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.blobs[digest]
	if !ok {
		return content{}, false
	}
	return content{io.NewSectionReader(c, 0, c.Size()), io.NopCloser(nil)}, true
}

// Close removes them.
func (p *packed) Close() error {
	if p == nil {
		return nil
	}
	var errs []error
	for _, c := range p.blobs {
		errs = append(errs, c.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}

func (p *packed) add(digest string, c content) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.blobs[digest]; there {
		c.Close()
		return
	}
	p.blobs[digest] = c
}

// inMemory adds a short blob, and describes it.
func (p *packed) inMemory(mediaType string, b []byte) hub.Descriptor {
	h := sha256.New()
	h.Write(b)
	d := hub.Descriptor{MediaType: mediaType, Digest: sumOf(h), Size: int64(len(b))}
	p.add(d.Digest, content{io.NewSectionReader(bytes.NewReader(b), 0, d.Size), io.NopCloser(nil)})
	return d
}

// pack makes an image of a docker archive ready for a registry.
func (s *Source) pack(ctx context.Context, image dockerImage, watch Watch) (d hub.Descriptor, err error) {
	dir, err := os.MkdirTemp("", "berth-push-")
	if err != nil {
		return d, err
	}
	s.packed = &packed{dir: dir, blobs: map[string]content{}}
	config, err := s.small(image.Config)
	if err != nil {
		return d, err
	}
	contents, err := diffIDs(config, len(image.Layers))
	if err != nil {
		return d, fmt.Errorf("%s: %s: %w", s.path, image.Config, err)
	}
	manifest := struct {
		SchemaVersion int              `json:"schemaVersion"`
		MediaType     string           `json:"mediaType"`
		Config        hub.Descriptor   `json:"config"`
		Layers        []hub.Descriptor `json:"layers"`
	}{2, hub.MediaDockerManifest, s.packed.inMemory(hub.MediaDockerConfig, config), make([]hub.Descriptor, len(image.Layers))}
	places := make([]int, len(image.Layers))
	for i := range places {
		places[i] = i
	}
	err = each(ctx, places, func(ctx context.Context, i int) (err error) {
		manifest.Layers[i], err = s.packLayer(ctx, image.Layers[i], contents[i], watch)
		return err
	})
	if err != nil {
		return d, err
	}
	b, err := json.Marshal(manifest)
	if err != nil {
		return d, err
	}
	return s.packed.inMemory(hub.MediaDockerManifest, b), nil
}

// diffIDs are the digests of the layers before they are compressed, which the image's
// configuration has.
func diffIDs(config []byte, layers int) ([]string, error) {
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("is no image configuration: %w", err)
	}
	if n := len(c.RootFS.DiffIDs); n != layers {
		return nil, fmt.Errorf("tells of %d layers, and the archive has %d", n, layers)
	}
	for _, id := range c.RootFS.DiffIDs {
		if err := hub.CheckDigest(id); err != nil {
			return nil, firstOf(err)
		}
	}
	return c.RootFS.DiffIDs, nil
}

// packLayer compresses a layer; one that is compressed is taken as it is. diffID is the
// digest of what it has when it is not.
func (s *Source) packLayer(ctx context.Context, name, diffID string, watch Watch) (d hub.Descriptor, err error) {
	from, err := s.files.open(name)
	if err != nil {
		return d, err
	}
	var done int64
	reader := &stoppable{ctx, &counted{from, func(n int64) {
		done += n
		watch(Event{name, Packing, done, from.Size()})
	}}}
	plain := hasher(diffID)
	magic := make([]byte, 2)
	if n, _ := from.ReadAt(magic, 0); n == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		d, err = s.takeLayer(from, reader, plain)
	} else {
		d, err = s.compress(io.TeeReader(reader, plain))
		err = errors.Join(err, from.Close())
	}
	if err == nil {
		err = same(diffID, plain)
	}
	if err != nil {
		err = fmt.Errorf("%s: %s: %w", s.path, name, err)
	}
	return d, err
}

// takeLayer adds a layer that is compressed, which reader reads, and writes its content
// to plain.
func (s *Source) takeLayer(from content, reader io.Reader, plain io.Writer) (hub.Descriptor, error) {
	d := hub.Descriptor{MediaType: mediaDockerLayer, Size: from.Size()}
	h := sha256.New()
	whole := io.TeeReader(reader, h)
	z, err := gzip.NewReader(whole)
	if err == nil {
		_, err = io.Copy(plain, z)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, whole)
	}
	if err != nil {
		return d, errors.Join(err, from.Close())
	}
	d.Digest = sumOf(h)
	s.packed.add(d.Digest, from)
	return d, nil
}

// compress adds a layer that is not compressed.
func (s *Source) compress(plain io.Reader) (hub.Descriptor, error) {
	d := hub.Descriptor{MediaType: mediaDockerLayer}
	to, err := os.CreateTemp(s.packed.dir, "")
	if err != nil {
		return d, err
	}
	h := sha256.New()
	buffer := bufio.NewWriterSize(io.MultiWriter(to, h), 256<<10)
	z := gzip.NewWriter(buffer)
	if _, err = io.Copy(z, plain); err == nil {
		err = errors.Join(z.Close(), buffer.Flush())
	}
	if err == nil {
		d.Size, err = to.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		return d, errors.Join(err, to.Close())
	}
	d.Digest = sumOf(h)
	s.packed.add(d.Digest, content{io.NewSectionReader(to, 0, d.Size), to})
	return d, nil
}

// stoppable reads until ctx ends.
type stoppable struct {
	ctx context.Context
	io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.Reader.Read(p)
}

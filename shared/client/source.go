package client

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"berth/shared/hub"
)

// refName is the annotation by which a layout names its images. See the OCI Image
// Specification, "Image Layout".
const refName = "org.opencontainers.image.ref.name"

// imageName is the annotation by which programs that load a layout, such as
// containerd and podman, know an image's whole name.
const imageName = "io.containerd.image.name"

// content is bytes that can be read from any place.
type content struct {
	*io.SectionReader
	io.Closer
}

// files are a folder's, or those of an archive of one. open answers fs.ErrNotExist
// where there is none of that name.
type files interface {
	open(name string) (content, error)
	io.Closer
}

// Source is where images to push are read from: an OCI layout, as a folder or as a
// tar archive, or an archive that `docker save` wrote.
type Source struct {
	path   string
	files  files
	images []namedImage
	docker map[string]dockerImage // by the digest that images has for it
	packed *packed                // what was made of a docker archive
}

// namedImage is one image of a source, with the names that it goes by there.
type namedImage struct {
	hub.Descriptor
	names []string
}

// OpenSource opens a folder or an archive.
func OpenSource(path string) (s *Source, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	s = &Source{path: path}
	if info.IsDir() {
		s.files, err = openFolder(path)
	} else {
		s.files, err = openTarball(path)
	}
	if err != nil {
		return nil, err
	}
	if err := s.read(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close gives the source up, and removes what was made of it.
func (s *Source) Close() error { return errors.Join(s.files.Close(), s.packed.Close()) }

// read finds the images of the source.
func (s *Source) read() error {
	index, err := s.small("index.json")
	if errors.Is(err, fs.ErrNotExist) {
		return s.readDocker()
	}
	if err != nil {
		return err
	}
	c, err := hub.ParseManifest(hub.MediaOCIIndex, index)
	if err != nil {
		return fmt.Errorf("%s: index.json: %w", s.path, err)
	}
	for _, d := range c.Manifests {
		i := namedImage{Descriptor: d}
		for _, key := range []string{refName, imageName} {
			if name := d.Annotations[key]; name != "" {
				i.names = append(i.names, name)
			}
		}
		s.images = append(s.images, i)
	}
	return nil
}

// small reads a file that holds a description, not layers.
func (s *Source) small(name string) ([]byte, error) {
	c, err := s.files.open(name)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if c.Size() > hub.MaxManifest {
		return nil, fmt.Errorf("%s: %s has %d bytes, which is too long for what it is", s.path, name, c.Size())
	}
	return io.ReadAll(c)
}

// image is the image that name names; "" = the only one.
func (s *Source) image(name string) (hub.Descriptor, error) {
	var names []string
	for _, i := range s.images {
		if name != "" && slices.ContainsFunc(i.names, func(n string) bool { return n == name || strings.HasSuffix(n, ":"+name) }) || name == "" && len(s.images) == 1 {
			return i.Descriptor, nil
		}
		names = append(names, i.names...)
	}
	switch {
	case len(s.images) == 0:
		return hub.Descriptor{}, fmt.Errorf("%s has no image", s.path)
	case name == "":
		return hub.Descriptor{}, fmt.Errorf("%s has %d images; say with --image which: %s", s.path, len(s.images), strings.Join(names, ", "))
	}
	return hub.Descriptor{}, fmt.Errorf("%s has no image %q, but %s", s.path, name, strings.Join(names, ", "))
}

// blob opens a blob by its digest.
func (s *Source) blob(digest string) (content, error) {
	if c, ok := s.packed.open(digest); ok {
		return c, nil
	}
	if err := hub.CheckDigest(digest); err != nil {
		return content{}, err
	}
	c, err := s.files.open("blobs/" + strings.Replace(digest, ":", "/", 1))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s lacks %s, which the image is made of", s.path, digest)
	}
	return c, err
}

// layoutFolder is a folder; nothing outside of it can be opened by it.
type layoutFolder struct{ root *os.Root }

func openFolder(path string) (layoutFolder, error) {
	root, err := os.OpenRoot(path)
	return layoutFolder{root}, err
}

func (f layoutFolder) Close() error { return f.root.Close() }

func (f layoutFolder) open(name string) (content, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return content{}, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err != nil {
		return content{}, errors.Join(err, file.Close())
	}
	return content{io.NewSectionReader(file, 0, info.Size()), file}, nil
}

// tarball is an archive that is not compressed: its files are read in place.
type tarball struct {
	file    *os.File
	entries map[string]section
	links   map[string]string // names of symbolic and hard links, and where they lead
}

type section struct{ at, size int64 }

func openTarball(name string) (*tarball, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	t := &tarball{file: file, entries: map[string]section{}, links: map[string]string{}}
	if err := t.list(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s cannot be read as a tar archive (decompress it first, if it is compressed): %w", name, err), file.Close())
	}
	return t, nil
}

// list notes where in the archive each file begins: where tar.Reader, which reads
// nothing ahead, has left the file after the header.
func (t *tarball) list() error {
	r := tar.NewReader(t.file)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if sparse(h) {
			return fmt.Errorf("%s has holes; make the archive without --sparse", name)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			at, err := t.file.Seek(0, io.SeekCurrent)
			if err != nil {
				return err
			}
			t.entries[name] = section{at, h.Size}
			delete(t.links, name) // of several files of one name the last counts
		case tar.TypeSymlink:
			t.links[name] = path.Join(path.Dir(name), h.Linkname)
		case tar.TypeLink:
			t.links[name] = path.Clean(h.Linkname)
		}
	}
}

// sparse reports whether an archive has less of a file than its size says.
func sparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func (t *tarball) Close() error { return t.file.Close() }

func (t *tarball) open(name string) (content, error) {
	name = path.Clean(name)
	if to, ok := t.links[name]; ok {
		name = to
	}
	e, ok := t.entries[name]
	if !ok {
		return content{}, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return content{io.NewSectionReader(t.file, e.at, e.size), io.NopCloser(nil)}, nil
}

// decode reads JSON of a source.
func (s *Source) decode(name string, to any) error {
	b, err := s.small(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%s: %s: %w", s.path, name, err)
	}
	return nil
}

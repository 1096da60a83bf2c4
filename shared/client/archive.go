package client

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berth/shared/hub"
)

// writeArchive packs a layout with one image as a tar archive. It also says what
// `docker load` wants to know before it reads layouts, where the image is one for a
// single platform.
func writeArchive(dir, path string, p Pulled) (err error) {
	part := filepath.Join(filepath.Dir(path), ".berth-pull-"+rand.Text()+".tar")
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) // less the umask
	if err != nil {
		return err
	}
	defer os.Remove(part)
	w := tar.NewWriter(file)
	if err = w.AddFS(os.DirFS(dir)); err == nil {
		err = addDockerManifest(w, dir, p)
	}
	if err = errors.Join(err, w.Close(), file.Close()); err != nil {
		return err
	}
	return os.Rename(part, path)
}

func addDockerManifest(w *tar.Writer, dir string, p Pulled) error {
	l := layout{dir}
	body, err := os.ReadFile(l.blob(p.Digest))
	if err != nil {
		return err
	}
	c, err := hub.ParseManifest(p.MediaType, body)
	if err != nil || c.Index || c.Config.MediaType != hub.MediaOCIConfig && c.Config.MediaType != hub.MediaDockerConfig {
		return err
	}
	name := func(d hub.Descriptor) string { return "blobs/" + strings.Replace(d.Digest, ":", "/", 1) }
	image := dockerImage{Config: name(*c.Config), Layers: []string{}}
	if !strings.Contains(p.Reference, "@") {
		image.RepoTags = []string{p.Reference}
	}
	for _, d := range c.Layers {
		if _, err := os.Stat(l.blob(d.Digest)); errors.Is(err, fs.ErrNotExist) {
			return nil // a layer that registries do not distribute
		}
		image.Layers = append(image.Layers, name(d))
	}
	b, err := json.Marshal([]dockerImage{image})
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(b))}); err != nil {
		return err
	}
	_, err = io.Copy(w, bytes.NewReader(b))
	return err
}

package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	imageType  = "application/vnd.oci.image.manifest.v1+json"
	indexType  = "application/vnd.oci.image.index.v1+json"
	configType = "application/vnd.oci.image.config.v1+json"
	layerType  = "application/vnd.oci.image.layer.v1.tar+gzip"
)

func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func sha512Of(b []byte) string {
	sum := sha512.Sum512(b)
	return "sha512:" + hex.EncodeToString(sum[:])
}

// randomBytes are n bytes that no other test has.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// descriptor is an OCI descriptor.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int               `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// manifest is an OCI manifest or index.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType,omitempty"`
	Config        *descriptor  `json:"config,omitempty"`
	Layers        []descriptor `json:"layers,omitzero"`
	Manifests     []descriptor `json:"manifests,omitzero"`
	Subject       *descriptor  `json:"subject,omitempty"`
}

func describe(mediaType string, b []byte) descriptor {
	return descriptor{MediaType: mediaType, Digest: sha256Of(b), Size: len(b)}
}

// image is an image as the registry keeps it.
type image struct {
	manifest []byte
	digest   string
	blobs    map[string][]byte // by digest
}

// newImage makes up an image whose layers each hold a file of random bytes.
func newImage(layers, size int) image {
	ids := []string{}
	m := manifest{SchemaVersion: 2, MediaType: imageType, Layers: []descriptor{}}
	i := image{blobs: map[string][]byte{}}
	for range layers {
		layer, id := newLayer(randomBytes(size))
		d := describe(layerType, layer)
		m.Layers, ids = append(m.Layers, d), append(ids, id)
		i.blobs[d.Digest] = layer
	}
	config, _ := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "author": fresh("author"), "rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	c := describe(configType, config)
	m.Config = &c
	i.blobs[c.Digest] = config
	i.manifest, _ = json.Marshal(m)
	i.digest = sha256Of(i.manifest)
	return i
}

// newLayer packs a file into a layer, and returns the digest of its tar too.
func newLayer(content []byte) (layer []byte, id string) {
	var packed, plain bytes.Buffer
	t := tar.NewWriter(&plain)
	t.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(len(content))})
	t.Write(content)
	t.Close()
	z, _ := gzip.NewWriterLevel(&packed, gzip.NoCompression)
	z.Write(plain.Bytes())
	z.Close()
	return packed.Bytes(), sha256Of(plain.Bytes())
}

// location joins an upload's address with its digest.
func location(at, digest string) string {
	sep := "?"
	if strings.Contains(at, "?") {
		sep = "&"
	}
	return at + sep + "digest=" + url.QueryEscape(digest)
}

// pushBlob uploads in two requests. An answer that is not the success has its
// status in the error.
func (c client) pushBlob(ctx context.Context, repo, digest string, b []byte) error {
	a, err := c.try(ctx, "POST", "/v2/"+repo+"/blobs/uploads/", nil)
	if err != nil {
		return err
	}
	if a.status != http.StatusAccepted {
		return fmt.Errorf("POST upload: %s", a)
	}
	a, err = c.try(ctx, "PUT", location(a.header.Get("Location"), digest), bytes.NewReader(b), "Content-Type: application/octet-stream")
	if err != nil {
		return err
	}
	if a.status != http.StatusCreated {
		return fmt.Errorf("PUT upload: %s", a)
	}
	return nil
}

func (c client) pushManifest(ctx context.Context, repo, reference, mediaType string, b []byte) error {
	a, err := c.try(ctx, "PUT", "/v2/"+repo+"/manifests/"+reference, bytes.NewReader(b), "Content-Type: "+mediaType)
	if err != nil {
		return err
	}
	if a.status != http.StatusCreated {
		return fmt.Errorf("PUT manifest: %s", a)
	}
	return nil
}

// push uploads an image's blobs and its manifest.
func (c client) push(ctx context.Context, repo, reference string, i image) error {
	for digest, b := range i.blobs {
		if err := c.pushBlob(ctx, repo, digest, b); err != nil {
			return err
		}
	}
	return c.pushManifest(ctx, repo, reference, imageType, i.manifest)
}

func (c client) mustPush(t *testing.T, repo, reference string, i image) {
	t.Helper()
	if err := c.push(t.Context(), repo, reference, i); err != nil {
		t.Fatal(err)
	}
}

// verify pulls an image and compares every byte.
func (c client) verify(ctx context.Context, repo, reference string, i image) error {
	a, err := c.try(ctx, "GET", "/v2/"+repo+"/manifests/"+reference, nil, "Accept: "+imageType)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK || !bytes.Equal(a.body, i.manifest) || a.header.Get("Docker-Content-Digest") != i.digest {
		return fmt.Errorf("manifest %s:%s is not what was pushed: %s", repo, reference, a)
	}
	for digest, b := range i.blobs {
		a, err := c.try(ctx, "GET", "/v2/"+repo+"/blobs/"+digest, nil)
		if err != nil {
			return err
		}
		if a.status == http.StatusTemporaryRedirect {
			a, err = client{base: c.base}.try(ctx, "GET", a.header.Get("Location"), nil)
			if err != nil {
				return err
			}
		}
		if a.status != http.StatusOK || !bytes.Equal(a.body, b) {
			return fmt.Errorf("blob %s of %s is not what was pushed: status %d, %d bytes of %d", digest, repo, a.status, len(a.body), len(b))
		}
	}
	return nil
}

func (c client) mustVerify(t *testing.T, repo, reference string, i image) {
	t.Helper()
	if err := c.verify(t.Context(), repo, reference, i); err != nil {
		t.Fatal(err)
	}
}

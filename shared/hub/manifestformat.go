package hub

import (
	"bytes"
	"encoding/json"
	"mime"
	"slices"
	"strings"
)

// Media types of manifests that the hub takes. See the OCI Image Specification 1.1
// and the Docker Image Manifest Version 2, Schema 2.
const (
	MediaOCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	MediaOCIIndex       = "application/vnd.oci.image.index.v1+json"
	MediaDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	MediaDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Media types of an image's configuration.
const (
	MediaOCIConfig    = "application/vnd.oci.image.config.v1+json"
	MediaDockerConfig = "application/vnd.docker.container.image.v1+json"
)

// Limits of a manifest.
const (
	MaxManifest   = 4 << 20 // bytes
	maxReferences = 2000    // layers, or manifests of an index
	maxType       = 255     // characters of an artifact type: RFC 6838 allows two names of 127
	maxPlatform   = 100     // characters
	maxPlatforms  = 100     // of an image that a list shows
)

// Descriptor points at a content. See the OCI Image Specification, "Content
// Descriptors".
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Platform     *Platform         `json:"platform,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

// Platform is what an image runs on.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

// String is os/architecture, with /variant where there is one; "" if it is not
// known, as for attestations, or too long to be one.
func (p Platform) String() string {
	if p.OS == "" || p.OS == "unknown" {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	if len(s) > maxPlatform {
		return ""
	}
	return s
}

// Content is what a manifest says, as far as the hub has to know.
type Content struct {
	MediaType    string
	ArtifactType string // as referrers show it: a manifest's own, or else its configuration's media type
	Index        bool
	Config       *Descriptor  // of an image
	Layers       []Descriptor // of an image
	Manifests    []Descriptor // of an index
	Subject      *Descriptor
	Annotations  map[string]string
}

// ParseManifest reads a manifest that came with that Content-Type: BadManifest if
// it is none that the hub takes. Unknown members are fine.
func ParseManifest(contentType string, body []byte) (Content, error) {
	var m manifestJSON
	var err error
	if json.Valid(body) {
		err = m.UnmarshalJSON(body)
	} else {
		err = json.Unmarshal(body, &m) // says what is wrong
	}
	if err != nil {
		return Content{}, badManifest("it is no valid JSON: %v", err)
	}
	if len(body) == 0 || bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		return Content{}, badManifest("it is no JSON object")
	}
	kind, err := manifestType(contentType, m.MediaType)
	if err != nil {
		return Content{}, err
	}
	c := Content{
		MediaType: kind, ArtifactType: m.ArtifactType, Subject: m.Subject, Annotations: m.Annotations,
		Index: kind == MediaOCIIndex || kind == MediaDockerList,
	}
	switch {
	case m.SchemaVersion != 2:
		return Content{}, badManifest("schemaVersion must be 2, not %d", m.SchemaVersion)
	case m.FSLayers != nil:
		return Content{}, badManifest("fsLayers belongs to schema version 1, which is not taken")
	case c.Index && (m.Config != nil || m.Layers != nil):
		return Content{}, badManifest("an index has no config and no layers")
	case c.Index && m.Manifests == nil:
		return Content{}, badManifest("manifests is missing")
	case !c.Index && m.Manifests != nil:
		return Content{}, badManifest("an image manifest has no manifests; send an index as %s", MediaOCIIndex)
	case !c.Index && m.Config == nil:
		return Content{}, badManifest("config is missing")
	case !c.Index && m.Layers == nil:
		return Content{}, badManifest("layers is missing")
	}
	if c.Index {
		c.Manifests = *m.Manifests
	} else {
		c.Config, c.Layers = m.Config, *m.Layers
		if c.ArtifactType == "" {
			c.ArtifactType = m.Config.MediaType
		}
	}
	return c, c.check()
}

// manifestType is the one media type that header and body agree on.
func manifestType(contentType, inBody string) (string, error) {
	if contentType != "" {
		kind, _, err := mime.ParseMediaType(contentType)
		if err != nil {
			return "", badManifest("its Content-Type is no media type")
		}
		if inBody != "" && inBody != kind {
			return "", badManifest("its mediaType is %q but it was sent as %q", inBody, kind)
		}
		inBody = kind
	}
	switch inBody {
	case MediaOCIManifest, MediaOCIIndex, MediaDockerManifest, MediaDockerList:
		return inBody, nil
	case "":
		return "", badManifest("it has no mediaType and no Content-Type")
	}
	return "", badManifest("manifests of the type %q are not taken; send OCI or Docker schema 2 manifests or indexes", inBody)
}

// check holds the descriptors against the specification and the hub's limits.
func (c Content) check() error {
	list, name := c.Layers, "layers"
	if c.Index {
		list, name = c.Manifests, "manifests"
	}
	if len(c.ArtifactType) > maxType {
		return badManifest("its artifact type has %d characters, the hub takes at most %d", len(c.ArtifactType), maxType)
	}
	if len(list) > maxReferences {
		return badManifest("%s has %d entries, the hub takes at most %d", name, len(list), maxReferences)
	}
	for i := range list {
		if err := list[i].check(); err != nil {
			return badManifest("%s[%d]: %v", name, i, err)
		}
	}
	if c.Config != nil {
		if err := c.Config.check(); err != nil {
			return badManifest("config: %v", err)
		}
	}
	if c.Subject != nil {
		if err := c.Subject.check(); err != nil {
			return badManifest("subject: %v", err)
		}
	}
	return nil
}

func (d *Descriptor) check() error {
	if err := CheckDigest(d.Digest); err != nil {
		return err
	}
	if d.Size < 0 {
		return badManifest("size must not be negative")
	}
	return nil
}

// Elsewhere reports whether a layer may be missing because its bytes are not
// distributed by registries.
func (d *Descriptor) Elsewhere() bool {
	return strings.HasPrefix(d.MediaType, "application/vnd.oci.image.layer.nondistributable.") ||
		d.MediaType == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
}

func isManifestType(mediaType string) bool {
	return slices.Contains([]string{MediaOCIManifest, MediaOCIIndex, MediaDockerManifest, MediaDockerList}, mediaType)
}

func badManifest(format string, args ...any) error {
	return Fail(BadManifest, "the manifest is not valid: "+format, args...)
}

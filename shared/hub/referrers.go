package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"

	"berth/shared/store"
)

// A referrer's place: below its subject, and there below its artifact type, so
// that a list filtered by type is a range too. A type can be long, so its sum stands
// in the key.
func referrerKey(repoID string, m Manifest) store.Key {
	return tkey("repo/"+repoID, referrerPrefix(m.Subject, m.ArtifactType)+m.Digest)
}

func referrerPrefix(subject, artifactType string) string {
	sum := sha256.Sum256([]byte(artifactType))
	return "referrer/" + subject + "/" + hex.EncodeToString(sum[:]) + "/"
}

// referrerEntry is what a list of referrers shows of one.
type referrerEntry struct {
	Descriptor
	// Long: the annotations are too long for an item and must be read from the manifest.
	Long bool `json:"long,omitempty"`
}

// maxAnnotations is how long a descriptor may be in an item, as JSON.
const maxAnnotations = 256 << 10

func (p *push) referrer(m Manifest) []byte {
	e := referrerEntry{Descriptor: Descriptor{
		MediaType: m.MediaType, Digest: m.Digest, Size: m.Size, ArtifactType: m.ArtifactType, Annotations: p.content.Annotations,
	}}
	b := encode(e)
	if len(b) > maxAnnotations {
		e.Annotations, e.Long = nil, true
		b = encode(e)
	}
	return b
}

// maxReferrers is how long an answer with referrers gets, in bytes of descriptors.
const maxReferrers = 4<<20 - 64<<10

// Referrers lists the manifests of the repository whose subject is the digest, with
// the artifact type if that is not "". They come as JSON descriptors, beginning
// after the place that last names; next is where to go on, "" = at the end. An
// unknown subject, and a repository that is not made yet, have none.
func (h *Hub) Referrers(ctx context.Context, g Grant, subject, artifactType, last string) (list []json.RawMessage, next string, err error) {
	list = []json.RawMessage{}
	if err := CheckDigest(subject); err != nil || g.RepoID == "" {
		return list, "", err
	}
	prefix := "referrer/" + subject + "/"
	if artifactType != "" {
		prefix = referrerPrefix(subject, artifactType)
	}
	base := "referrer/" + subject + "/"
	r := store.Prefix(store.Tags, "repo/"+g.RepoID, prefix, 100)
	if last != "" {
		r = r.After(base + last)
	}
	size, place := 0, ""
	err = h.each(ctx, r, func(i store.Item) error {
		e, err := decode[referrerEntry](i)
		if err != nil {
			return err
		}
		d := e.Descriptor
		if e.Long {
			if d.Annotations, err = h.annotations(ctx, g, d.Digest); err != nil {
				return err
			}
		}
		b := encode(d)
		if size += len(b) + 1; size > maxReferrers && len(list) > 0 {
			next = place
			return errEnough
		}
		list = append(list, b)
		place = strings.TrimPrefix(i.Sort, base)
		return nil
	})
	return list, next, err
}

// annotations reads the annotations of a manifest from its bytes. One that was
// deleted meanwhile has none.
func (h *Hub) annotations(ctx context.Context, g Grant, digest string) (map[string]string, error) {
	m, err := h.Manifest(ctx, g, digest)
	if is(err, ManifestNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := h.OpenManifest(ctx, g, m)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	c, err := ParseManifest(m.MediaType, b)
	return c.Annotations, err
}

package hub

import (
	"berth/shared/store"
)

// reference is something that a manifest refers to.
type reference struct {
	Descriptor
	manifest bool // it is a manifest of the repository; else a blob
	optional bool
}

func (r reference) key(repoID string) store.Key {
	if r.manifest {
		return manifestKey(repoID, r.Digest)
	}
	return linkKey(repoID, r.Digest)
}

// references lists what the manifest refers to, each blob and manifest once. An entry of an
// index that is no manifest by its media type is a blob.
func (p *push) references() []reference {
	all := make([]reference, 0, len(p.content.Layers)+len(p.content.Manifests)+1)
	if p.content.Config != nil {
		all = append(all, reference{Descriptor: *p.content.Config})
	}
	for _, d := range p.content.Layers {
		all = append(all, reference{Descriptor: d, optional: d.Elsewhere()})
	}
	for _, d := range p.content.Manifests {
		all = append(all, reference{Descriptor: d, manifest: isManifestType(d.MediaType)})
	}
	type what struct {
		digest   string
		manifest bool
	}
	at := make(map[what]int, len(all))
	distinct := all[:0]
	for _, r := range all {
		k := what{r.Digest, r.manifest}
		if i, again := at[k]; again {
			distinct[i].optional = distinct[i].optional && r.optional
			continue
		}
		at[k] = len(distinct)
		distinct = append(distinct, r)
	}
	return distinct
}

// take notes an item that a reference led to.
func (s *seen) take(r reference, item store.Item) error {
	switch {
	case !item.Found() && r.optional:
		s.absent = append(s.absent, r.Digest)
		return nil
	case !item.Found():
		what := "blob"
		if r.manifest {
			what = "manifest"
		}
		return &Error{
			Code: ManifestBlob, Detail: map[string]string{"digest": r.Digest},
			Message: "the manifest refers to the " + what + " " + r.Digest + ", which is not in the repository; push that first",
		}
	case r.manifest:
		child, err := decode[Manifest](item)
		if err != nil {
			return err
		}
		if r.Platform != nil {
			child.Platforms = nil
			if name := r.Platform.String(); name != "" {
				child.Platforms = []string{name}
			}
		}
		s.children, s.parts = append(s.children, child), append(s.parts, item)
		s.refs = append(s.refs, r.Digest)
		return nil
	}
	s.links = append(s.links, item)
	s.blobs = append(s.blobs, r.Digest)
	return nil
}

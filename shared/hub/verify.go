package hub

import (
	"context"
	"fmt"
	"io"
	"strings"

	"berth/shared/store"
)

// VerifyReport says what a verification looked at, and what it found wrong.
type VerifyReport struct {
	Namespaces   int      `json:"namespaces"`
	Repositories int      `json:"repositories"`
	Tags         int      `json:"tags"`
	Manifests    int      `json:"manifests"`
	Blobs        int      `json:"blobs"` // holds of blobs by repositories
	Problems     []string `json:"problems"`
}

// Verify holds the records against the rules that keep the hub whole: no tag
// without its manifest, no manifest without its blobs, every list and every count
// as a recount finds it. With content set it also reads every blob and manifest
// and compares the digest. It changes nothing. Pushes and deletions meanwhile can
// show up as problems that are none: verify a hub at rest.
func (h *Hub) Verify(ctx context.Context, content bool) (VerifyReport, error) {
	v := verification{hub: h, content: content, read: make(map[string]bool), hubCount: make(map[string]int64), report: VerifyReport{Problems: []string{}}}
	all := store.Range{Table: store.Repositories, Part: namespaceIndexKey("x").Part, Limit: 1000}
	err := h.each(ctx, all, func(i store.Item) error { return v.namespace(ctx, i.Sort) })
	if err != nil {
		return v.report, err
	}
	if err := v.accounts(ctx); err != nil {
		return v.report, err
	}
	v.counts("the hub", v.hubCount, func() (map[string]int64, error) {
		sum, _, err := h.counts(ctx, hubCountKey, "")
		return sum, err
	})
	public := store.Range{Table: store.Repositories, Part: publicIndexKey("x").Part, Limit: 1000}
	err = h.each(ctx, public, func(i store.Item) error {
		v.publics++
		return nil
	})
	if want := v.hubCount[countPublic]; v.publics != want {
		v.problem("the public index has %d repositories, there are %d", v.publics, want)
	}
	return v.report, err
}

// verification is a Verify under way.
type verification struct {
	hub      *Hub
	content  bool
	read     map[string]bool // digests of blobs whose bytes were compared
	hubCount map[string]int64
	publics  int64
	report   VerifyReport
}

func (v *verification) problem(format string, args ...any) {
	v.report.Problems = append(v.report.Problems, fmt.Sprintf(format, args...))
}

// counts compares counters with a recount.
func (v *verification) counts(of string, want map[string]int64, read func() (map[string]int64, error)) {
	have, err := read()
	if err != nil {
		v.problem("%s: counts cannot be read: %v", of, err)
		return
	}
	for name, n := range want {
		if have[name] != n {
			v.problem("%s: the count of %s is %d, a recount finds %d", of, name, have[name], n)
		}
	}
}

func (v *verification) namespace(ctx context.Context, name string) error {
	h := v.hub
	v.report.Namespaces++
	ns, err := h.Namespace(ctx, name)
	if err != nil {
		v.problem("namespace %s is listed but not there: %v", name, err)
		return nil
	}
	want := map[string]int64{countPublic: 0, countPrivate: 0}
	var bytes int64
	err = h.each(ctx, store.Prefix(store.Repositories, entryKey(ns.ID, "x").Part, "repo/", 1000), func(i store.Item) error {
		e, err := decode[repoEntry](i)
		if err != nil {
			return err
		}
		want[visibility(e.Public)]++
		v.hubCount[visibility(e.Public)]++
		n, err := v.repository(ctx, ns, strings.TrimPrefix(i.Sort, "repo/"), e)
		bytes += n
		return err
	})
	if err != nil {
		return err
	}
	v.counts("namespace "+name, want, func() (map[string]int64, error) {
		sum, _, err := h.counts(ctx, countKey, ns.ID)
		return sum, err
	})
	v.counts("quota of "+name, map[string]int64{countBytes: bytes}, func() (map[string]int64, error) {
		sum, _, err := h.counts(ctx, usedKey, ns.ID)
		return sum, err
	})
	return v.belongings(ctx, ns)
}

// repository verifies one, and answers how many bytes it holds.
func (v *verification) repository(ctx context.Context, ns Namespace, name string, e repoEntry) (int64, error) {
	h, p := v.hub, path(ns.Name, name)
	v.report.Repositories++
	items, err := h.Records.Get(ctx, repositoryKey(e.ID), statsKey(e.ID), allIndexKey(p), publicIndexKey(p))
	if err != nil {
		return 0, err
	}
	r, err := found[Repository](items[0])
	if err != nil {
		return 0, err
	}
	listed, err := found[repoEntry](items[2])
	if err != nil {
		return 0, err
	}
	if r.ID != e.ID || r.Path() != p || r.Public != e.Public {
		v.problem("%s: the record and its list entry differ", p)
	}
	if listed.ID != e.ID || items[3].Found() != e.Public {
		v.problem("%s: the catalogue lists it wrongly", p)
	}
	s := repoVerification{verification: v, path: p, id: e.ID, nsID: ns.ID, manifests: make(map[string]bool)}
	for _, step := range []func(context.Context) error{s.blobs, s.allManifests, s.tags} {
		if err := step(ctx); err != nil {
			return s.bytes, err
		}
	}
	stars, err := s.count(ctx, store.Repositories, "star/")
	if err != nil {
		return s.bytes, err
	}
	v.counts(p, map[string]int64{
		statBytes: s.bytes, statTags: s.tagCount, statManifests: int64(len(s.manifests)), statStars: stars,
	}, func() (map[string]int64, error) { return items[1].Counts, nil })
	return s.bytes, nil
}

// repoVerification is the part of a verification in one repository.
type repoVerification struct {
	*verification
	path, id, nsID string
	bytes          int64
	tagCount       int64
	manifests      map[string]bool
}

// every calls f with each item of the repository whose sort key has the prefix.
func (s *repoVerification) every(ctx context.Context, t store.Table, prefix string, f func(store.Item) error) error {
	return s.hub.each(ctx, store.Prefix(t, "repo/"+s.id, prefix, 1000), f)
}

func (s *repoVerification) count(ctx context.Context, t store.Table, prefix string) (n int64, err error) {
	err = s.every(ctx, t, prefix, func(store.Item) error { n++; return nil })
	return n, err
}

// blobs verifies what the repository holds: each link leads to its blob and back,
// and the bytes are there.
func (s *repoVerification) blobs(ctx context.Context) error {
	return s.every(ctx, store.Tags, "blob/", func(i store.Item) error {
		s.report.Blobs++
		digest := strings.TrimPrefix(i.Sort, "blob/")
		l, err := decode[Link](i)
		if err != nil {
			return err
		}
		s.bytes += l.Size
		items, err := s.hub.Records.Get(ctx, blobKey(digest), backLinkKey(digest, s.nsID, s.id))
		if err != nil {
			return err
		}
		b, err := found[Blob](items[0])
		if err != nil {
			return err
		}
		if b != l.Blob || !items[1].Found() {
			s.problem("%s: its hold of the blob %s does not match the blob", s.path, digest)
		}
		if !s.read[digest] {
			s.read[digest] = true
			s.object(ctx, "blob "+digest, l.Object, digest, l.Size)
		}
		return nil
	})
}

// object verifies that an object is there, and with content that it has its digest.
func (s *repoVerification) object(ctx context.Context, what, key, digest string, size int64) {
	length := size
	if !s.content {
		length = min(size, 1)
	}
	r, err := s.hub.Layers.Open(ctx, key, size-length, length)
	if err != nil {
		s.problem("%s: %s cannot be read: %v", s.path, what, err)
		return
	}
	defer r.Close()
	sum := newHash(algorithmOf(digest))
	n, err := io.Copy(sum, r)
	if err != nil || n != length {
		s.problem("%s: %s ends after %d of %d bytes: %v", s.path, what, size-length+n, size, err)
		return
	}
	if got := digestText(algorithmOf(digest), sum); s.content && got != digest {
		s.problem("%s: the bytes of %s have the digest %s", s.path, what, got)
	}
}

// allManifests verifies each manifest: its bytes, its place among referrers, and
// that what it refers to is in the repository.
func (s *repoVerification) allManifests(ctx context.Context) error {
	return s.every(ctx, store.Tags, "manifest/", func(i store.Item) error {
		s.report.Manifests++
		m, err := decode[Manifest](i)
		if err != nil {
			return err
		}
		s.manifests[m.Digest] = true
		s.bytes += m.Size
		body, err := s.body(ctx, m)
		if err != nil {
			return err
		}
		if DigestOf(algorithmOf(m.Digest), body) != m.Digest {
			s.problem("%s: the manifest %s does not have its bytes", s.path, m.Digest)
			return nil
		}
		c, err := ParseManifest(m.MediaType, body)
		if err != nil {
			s.problem("%s: the manifest %s cannot be read: %v", s.path, m.Digest, err)
			return nil
		}
		if m.Subject != "" {
			place, err := s.hub.get(ctx, referrerKey(s.id, m))
			if err != nil {
				return err
			}
			if !place.Found() {
				s.problem("%s: the manifest %s is not among the referrers of %s", s.path, m.Digest, m.Subject)
			}
		}
		return s.references(ctx, m, c)
	})
}

// body reads a manifest's bytes; what is missing is empty.
func (s *repoVerification) body(ctx context.Context, m Manifest) ([]byte, error) {
	if m.Object == "" {
		item, err := s.hub.get(ctx, manifestBodyKey(s.id, m.Digest))
		return item.Value, err
	}
	r, err := s.hub.Layers.Open(ctx, m.Object, 0, m.Size)
	if err != nil {
		s.problem("%s: the bytes of the manifest %s cannot be read: %v", s.path, m.Digest, err)
		return nil, nil
	}
	defer r.Close()
	return io.ReadAll(r)
}

// references verifies that the blobs of a manifest are in the repository. Its
// manifests may have been deleted on purpose.
func (s *repoVerification) references(ctx context.Context, m Manifest, c Content) error {
	p := push{content: c}
	for _, r := range p.references() {
		if r.optional || r.manifest {
			continue
		}
		item, err := s.hub.get(ctx, linkKey(s.id, r.Digest))
		if err != nil {
			return err
		}
		if !item.Found() {
			s.problem("%s: the manifest %s refers to the blob %s, which is not there", s.path, m.Digest, r.Digest)
		}
	}
	return nil
}

// tags verifies that each tag leads to a manifest and stands in each list once.
func (s *repoVerification) tags(ctx context.Context) error {
	err := s.every(ctx, store.Tags, "tag/", func(i store.Item) error {
		s.report.Tags++
		s.tagCount++
		t, err := decode[Tag](i)
		if err != nil {
			return err
		}
		if !s.manifests[t.Digest] {
			s.problem("%s:%s leads to the manifest %s, which is not there", s.path, t.Name, t.Digest)
		}
		items, err := s.hub.Records.Get(ctx, pushedKey(s.id, t), byDigestKey(s.id, t.Digest, t.Name))
		if err != nil {
			return err
		}
		if !items[0].Found() || !items[1].Found() {
			s.problem("%s:%s is missing in a list of tags", s.path, t.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, list := range []string{"pushed/", "bydigest/"} {
		n, err := s.count(ctx, store.Tags, list)
		if err != nil {
			return err
		}
		if n != s.tagCount {
			s.problem("%s: a list of tags (%s) has %d entries, there are %d tags", s.path, list, n, s.tagCount)
		}
	}
	return nil
}

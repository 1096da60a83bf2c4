package hub

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"berth/shared/store"
)

// Kinds of work that sweeps end. The note of each is written in the same Write as
// what makes the work, so that nothing has to be searched for.
const (
	sweepRepository = "repository" // KEY = id: what a deleted repository left
	sweepNamespace  = "namespace"  // KEY = id: what a deleted namespace left
	sweepUpload     = "upload"     // KEY = start time/id: uploads under way
	sweepCache      = "cache"      // KEY = repository's id: what builds keep for later builds
	sweepUntagged   = "untagged"   // KEY = repository's id: manifests that lost a tag by a retention policy
	sweepLinks      = "links"      // KEY = repository's id: links that no manifest may refer to
	sweepBlob       = "blob"       // KEY = digest: blobs that lost a link
	sweepObject     = "object"     // KEY = object key: objects that no record wants
)

// SweepReport says what a sweep removed.
type SweepReport struct {
	Uploads      int   `json:"uploads"`      // abandoned ones
	Repositories int   `json:"repositories"` // deleted ones that were cleared up
	Namespaces   int   `json:"namespaces"`   // likewise
	Manifests    int   `json:"manifests"`    // that lost their tags by retention policies
	Links        int   `json:"links"`        // of repositories to blobs that nothing there refers to
	Blobs        int   `json:"blobs"`        // without a link
	Objects      int   `json:"objects"`      // in Layers
	Bytes        int64 `json:"bytes"`        // of the blobs
}

// Sweep removes what nothing refers to any more, while pushes and pulls go on:
// what deleted repositories and namespaces left, images whose tags a retention
// policy took away, uploads older than a day, blobs unused for a day, and their
// bytes. Every step is a write that holds only as long as what was
// read is still so; whatever was touched meanwhile stays for the next sweep. It may
// be ended at any point, and two at once do no harm. An error of one piece of work
// does not keep it from the others.
func (h *Hub) Sweep(ctx context.Context) (SweepReport, error) {
	var r SweepReport
	err := errors.Join(
		h.sweepKind(ctx, sweepRepository, "", &r, h.sweepRepository),
		h.sweepKind(ctx, sweepNamespace, "", &r, h.sweepNamespace),
		h.sweepKind(ctx, sweepUpload, timeKey(h.Now().Add(-sweepAfter).UnixMilli()), &r, h.sweepUpload),
		h.sweepKind(ctx, sweepCache, "", &r, h.sweepCache),
		h.sweepKind(ctx, sweepUntagged, "", &r, h.sweepUntagged),
		h.sweepKind(ctx, sweepLinks, "", &r, h.sweepLinks),
		h.sweepKind(ctx, sweepBlob, "", &r, h.sweepBlob),
		h.sweepKind(ctx, sweepObject, "", &r, h.sweepObject),
	)
	return r, err
}

// sweepKind does the work of one kind whose key is below to. What meets another
// writer is left to the next sweep.
func (h *Hub) sweepKind(ctx context.Context, kind, to string, r *SweepReport, do func(context.Context, store.Item, *SweepReport) error) error {
	var failed []error
	work := store.Range{Table: store.Tags, Part: sweepKey(kind, "x").Part, To: to, Limit: 100}
	err := h.each(ctx, work, func(note store.Item) error {
		if err := do(ctx, note, r); err != nil && !isConflict(err) {
			failed = append(failed, err)
		}
		return ctx.Err()
	})
	return errors.Join(append(failed, err)...)
}

// done takes a note away, unless it was made anew meanwhile.
func done(note store.Item) store.Op { return store.DeleteAt(note.Key, note.Version) }

// sweepUpload drops an upload that was begun long ago. One that bytes are still coming
// in for is left to the next sweep.
func (h *Hub) sweepUpload(ctx context.Context, note store.Item, r *SweepReport) error {
	_, id, _ := strings.Cut(note.Sort, "/")
	unlock, err := h.uploads.lock(id)
	if err != nil {
		return nil
	}
	defer unlock()
	if err := h.drop(ctx, id); err != nil {
		return err
	}
	r.Uploads++
	return nil
}

// sweepObject deletes an object.
func (h *Hub) sweepObject(ctx context.Context, note store.Item, r *SweepReport) error {
	o, err := decode[unwantedObject](note)
	if err != nil || h.Now().Before(o.After.Time) {
		return err
	}
	if err := h.remove(ctx, note.Sort, o.State); err != nil {
		return err
	}
	r.Objects++
	return nil
}

// sweepBlob removes a blob that no repository links to. A link that is made
// meanwhile moves the blob's version, one that is lost makes the note anew.
func (h *Hub) sweepBlob(ctx context.Context, note store.Item, r *SweepReport) error {
	item, err := h.get(ctx, blobKey(note.Sort))
	if err != nil {
		return err
	}
	if !item.Found() {
		return h.Records.Write(ctx, done(note))
	}
	links, err := h.Records.List(ctx, store.Prefix(store.Tags, item.Part, "link/", 1))
	if err != nil {
		return err
	}
	if len(links.Items) > 0 {
		return h.Records.Write(ctx, done(note))
	}
	b, err := decode[Blob](item)
	if err != nil {
		return err
	}
	u := Upload{ID: b.Object, State: store.State{Size: b.Size}}
	if err := h.Records.Write(ctx, store.DeleteAt(item.Key, item.Version), u.unwanted(), done(note)); err != nil {
		return err
	}
	r.Blobs++
	r.Bytes += b.Size
	return nil
}

// sweptRepository is the hub's own grant for a repository that a sweep works in;
// its RepoID is "" if that was deleted.
func (h *Hub) sweptRepository(ctx context.Context, id string) (Grant, error) {
	item, err := h.get(ctx, repositoryKey(id))
	if err != nil {
		return Grant{}, err
	}
	r, err := found[Repository](item)
	return Grant{Namespace: r.Namespace, NamespaceID: r.NamespaceID, Repository: r.Name, RepoID: r.ID}, err
}

// linksAtOnce bounds the memory of a sweep: for so many links a repository's
// manifests are read once.
const linksAtOnce = 5000

// sweepLinks removes the repository's links that were not used for a day and that
// none of its manifests refers to. The note stays while there are unused links that
// are younger, with the time before which it need not be looked at.
func (h *Hub) sweepLinks(ctx context.Context, note store.Item, r *SweepReport) error {
	if len(note.Value) > 0 {
		if due, err := decode[Time](note); err != nil || h.Now().Before(due.Time) {
			return err
		}
	}
	grant, err := h.sweptRepository(ctx, note.Sort)
	if err != nil {
		return err
	}
	if grant.RepoID == "" { // it has a note of its own
		return h.Records.Write(ctx, done(note))
	}
	s := linkSweep{hub: h, grant: grant, report: r}
	links := store.Prefix(store.Tags, linkKey(grant.RepoID, "x").Part, "blob/", 1000)
	err = h.each(ctx, links, func(link store.Item) error {
		s.links = append(s.links, link)
		if len(s.links) == linksAtOnce {
			return s.page(ctx)
		}
		return nil
	})
	if err == nil {
		err = s.page(ctx)
	}
	switch {
	case err != nil:
		return err
	case s.next.IsZero():
		return h.Records.Write(ctx, done(note))
	}
	return h.Records.Write(ctx, store.Replace(note.Key, note.Version, encode(s.next)))
}

// linkSweep is sweepLinks in one repository.
type linkSweep struct {
	hub    *Hub
	grant  Grant
	report *SweepReport
	links  []store.Item // still to be judged
	next   Time         // when the first link that is unused may go; zero = there is none
}

// page judges some links. They were read before the manifests are: a manifest that
// is pushed in between has touched them, and their versions moved.
func (s *linkSweep) page(ctx context.Context) error {
	h := s.hub
	unused := make(map[string]store.Item, len(s.links))
	for _, link := range s.links {
		unused[strings.TrimPrefix(link.Sort, "blob/")] = link
	}
	s.links = s.links[:0]
	err := h.each(ctx, manifestRange(s.grant.RepoID), func(i store.Item) error {
		m, err := decode[Manifest](i)
		for _, digest := range m.Blobs {
			delete(unused, digest)
		}
		if len(unused) == 0 && err == nil {
			return errEnough
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, digest := range slices.Sorted(maps.Keys(unused)) {
		if err := s.remove(ctx, digest, unused[digest]); err != nil {
			return err
		}
	}
	return nil
}

// remove unlinks a blob, if it has not been used for a day and nobody uses it now.
func (s *linkSweep) remove(ctx context.Context, digest string, link store.Item) error {
	if due := At(lastUsed(link).Add(sweepAfter)); due.After(s.hub.Now()) {
		if s.next.IsZero() || due.Before(s.next.Time) {
			s.next = due
		}
		return nil
	}
	l, err := decode[Link](link)
	if err != nil {
		return err
	}
	ops := unhold(s.grant.NamespaceID, s.grant.RepoID, digest, link)
	ops = append(ops, charge(s.grant, digest, map[string]int64{statBytes: -l.Size})...)
	err = s.hub.Records.Write(ctx, append(ops, store.CheckExists(repositoryKey(s.grant.RepoID)))...)
	if isConflict(err) { // it is wanted after all
		s.next = s.hub.now()
		return nil
	}
	if err == nil {
		s.report.Links++
	}
	return err
}

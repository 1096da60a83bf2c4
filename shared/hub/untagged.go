package hub

import (
	"context"
	"strings"
	"time"

	"berth/shared/store"
)

// untaggedKey marks a manifest that lost a tag by a retention policy, or what hung
// on such a one: it goes if nothing wants it.
func untaggedKey(repoID, digest string) store.Key {
	return tkey("repo/"+repoID, "untagged/"+digest)
}

// sweepUntagged removes the marked manifests of a repository that have no tag, are
// no part of an index, say nothing about another manifest, and were not wanted for
// a day. With one go the parts of an index and what says something about it, if
// they in turn are wanted by nobody.
//
// A manifest is read before those that may refer to it. Whoever makes a new
// reference, by tag or by index, touches it first: then either its version has
// moved and it is not removed, or the touch is recent and was seen.
func (h *Hub) sweepUntagged(ctx context.Context, note store.Item, r *SweepReport) error {
	item, err := h.get(ctx, repositoryKey(note.Sort))
	if err != nil {
		return err
	}
	if !item.Found() { // it has a note of its own
		return h.Records.Write(ctx, done(note))
	}
	repo, err := decode[Repository](item)
	if err != nil {
		return err
	}
	s := untaggedSweep{hub: h, report: r, grant: Grant{
		Namespace: repo.Namespace, NamespaceID: repo.NamespaceID, Repository: repo.Name, RepoID: repo.ID,
	}}
	for {
		s.removed, s.waiting = 0, false
		if err := s.pass(ctx); err != nil {
			return err
		}
		if s.removed == 0 { // what was removed may have marked others
			break
		}
	}
	if s.waiting {
		return nil
	}
	return h.Records.Write(ctx, done(note))
}

// untaggedSweep is sweepUntagged in one repository.
type untaggedSweep struct {
	hub     *Hub
	grant   Grant
	report  *SweepReport
	removed int
	waiting bool // some marks are for a later sweep
}

// pass judges every mark that there is at its start.
func (s *untaggedSweep) pass(ctx context.Context) error {
	marks := store.Prefix(store.Tags, "repo/"+s.grant.RepoID, "untagged/", 1000)
	for {
		page, err := s.hub.Records.List(ctx, marks)
		if err != nil || len(page.Items) == 0 {
			return err
		}
		if err := s.judge(ctx, page.Items); err != nil {
			return err
		}
		if !page.More {
			return nil
		}
		marks = marks.After(page.Items[len(page.Items)-1].Sort)
	}
}

// judge removes those of the marked manifests that nothing wants.
func (s *untaggedSweep) judge(ctx context.Context, marks []store.Item) error {
	h, id := s.hub, s.grant.RepoID
	keys := make([]store.Key, len(marks))
	for i, mark := range marks {
		keys[i] = manifestKey(id, strings.TrimPrefix(mark.Sort, "untagged/"))
	}
	items, err := h.getAll(ctx, keys)
	if err != nil {
		return err
	}
	type candidate struct{ mark, item store.Item }
	unwanted := make(map[string]candidate)
	subjects := make(map[string][]string) // by digest: the candidates that are about it
	var kept []store.Op
	keep := func(digest string) {
		if c, ok := unwanted[digest]; ok {
			kept = append(kept, done(c.mark))
			delete(unwanted, digest)
		}
	}
	for i, item := range items {
		m, err := found[Manifest](item)
		if err != nil {
			return err
		}
		wanted := m.Digest == "" // gone already
		if !wanted {
			tags, err := h.Records.List(ctx, store.Prefix(store.Tags, "repo/"+id, "bydigest/"+m.Digest+"/", 1))
			if err != nil {
				return err
			}
			wanted = len(tags.Items) > 0
		}
		if wanted {
			kept = append(kept, done(marks[i]))
			continue
		}
		if h.Now().Sub(lastUse(item, m)) < sweepAfter {
			s.waiting = true
			continue
		}
		unwanted[m.Digest] = candidate{marks[i], item}
		if m.Subject != "" {
			subjects[m.Subject] = append(subjects[m.Subject], m.Digest)
		}
	}
	if len(unwanted) > 0 {
		err = h.each(ctx, manifestRange(id), func(i store.Item) error {
			m, err := decode[Manifest](i)
			for _, child := range m.Manifests {
				keep(child)
			}
			for _, about := range subjects[m.Digest] {
				keep(about)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for len(kept) > 0 { // a mark that was made anew stays
		if err := h.Records.Write(ctx, kept[0]); err != nil && !isConflict(err) {
			return err
		}
		kept = kept[1:]
	}
	for _, c := range unwanted {
		if err := s.remove(ctx, c.mark, c.item); err != nil {
			return err
		}
	}
	return nil
}

// lastUse is when a manifest was pushed or wanted last.
func lastUse(item store.Item, m Manifest) time.Time {
	used := AtMilli(item.Counts[countUsed])
	if used.After(m.PushedAt.Time) {
		return used.Time
	}
	return m.PushedAt.Time
}

// remove removes a manifest, and marks what hung on it.
func (s *untaggedSweep) remove(ctx context.Context, mark, item store.Item) error {
	h, id := s.hub, s.grant.RepoID
	m, err := decode[Manifest](item)
	if err != nil {
		return err
	}
	if err := s.mark(ctx, m); err != nil {
		return err
	}
	ops := []store.Op{store.CheckExists(repositoryKey(id)), done(mark)}
	ops = append(append(ops, store.DeleteAt(item.Key, item.Version), store.Put(sweepKey(sweepLinks, id), nil)), m.removal(id)...)
	ops = append(ops, charge(s.grant, m.Digest, map[string]int64{statManifests: -1, statBytes: -m.Size})...)
	err = h.Records.Write(ctx, ops...)
	if isConflict(err) { // it is wanted after all, or by now deleted
		s.waiting = true
		return nil
	}
	if err != nil {
		return err
	}
	if m.Object != "" {
		h.removeLater(ctx, m.Object, store.State{Size: m.Size})
	}
	s.removed++
	s.report.Manifests++
	return nil
}

// mark marks the parts of an index, and what is about a manifest.
func (s *untaggedSweep) mark(ctx context.Context, m Manifest) error {
	h, id := s.hub, s.grant.RepoID
	digests := append([]string{}, m.Manifests...)
	prefix := "referrer/" + m.Digest + "/"
	err := h.each(ctx, store.Prefix(store.Tags, "repo/"+id, prefix, 1000), func(i store.Item) error {
		digests = append(digests, i.Sort[strings.LastIndexByte(i.Sort, '/')+1:])
		return nil
	})
	if err != nil {
		return err
	}
	for len(digests) > 0 {
		n := min(len(digests), store.MaxWrite-1)
		ops := []store.Op{store.CheckExists(repositoryKey(id))}
		for _, d := range digests[:n] {
			ops = append(ops, store.Put(untaggedKey(id, d), nil))
		}
		if err := h.Records.Write(ctx, ops...); err != nil {
			return err
		}
		digests = digests[n:]
	}
	return nil
}

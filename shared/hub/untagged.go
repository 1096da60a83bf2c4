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

// markUntagged is the operation that makes such a mark. It has the time: whoever pushes
// the manifest afterwards wants it to stay.
func (h *Hub) markUntagged(repoID, digest string) store.Op {
	return store.Put(untaggedKey(repoID, digest), encode(h.now()))
}

// markedAt is when a mark was made; marks of earlier versions do not say it.
func markedAt(mark store.Item) (Time, error) {
	if len(mark.Value) == 0 {
		return Time{}, nil
	}
	return decode[Time](mark)
}

// sweepUntagged removes the marked manifests of a repository that have no tag, are
// no part of an index, say nothing about another manifest, and were not wanted for
// a day. With one go the parts of an index and what says something about it, if
// they in turn are wanted by nobody. One that was pushed or relied on after it was
// marked is as one that was never marked.
//
// A manifest is read before those that may refer to it. Whoever makes a new
// reference, by tag or by index, touches it first: then either its version has
// moved and it is not removed, or the touch is recent and was seen.
func (h *Hub) sweepUntagged(ctx context.Context, note store.Item, r *SweepReport) error {
	grant, err := h.sweptRepository(ctx, note.Sort)
	if err != nil {
		return err
	}
	if grant.RepoID == "" { // it has a note of its own
		return h.Records.Write(ctx, done(note))
	}
	s := untaggedSweep{hub: h, report: r, grant: grant}
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

// unwanted are marked manifests that nothing was found to want so far.
type unwanted struct {
	marks, items map[string]store.Item // by digest
	about        map[string][]string   // by digest: those that say something about it
	kept         []store.Item          // marks that go, because their manifests stay
}

// keep takes a manifest out.
func (u *unwanted) keep(digest string) {
	if mark, ok := u.marks[digest]; ok {
		u.kept = append(u.kept, mark)
		delete(u.marks, digest)
	}
}

// judge removes those of the marked manifests that nothing wants.
func (s *untaggedSweep) judge(ctx context.Context, marks []store.Item) error {
	h := s.hub
	u, err := s.untagged(ctx, marks)
	if err != nil {
		return err
	}
	if len(u.marks) > 0 {
		err = h.each(ctx, manifestRange(s.grant.RepoID), func(i store.Item) error {
			m, err := decode[Manifest](i)
			for _, child := range m.Manifests {
				u.keep(child)
			}
			for _, digest := range u.about[m.Digest] {
				u.keep(digest)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, mark := range u.kept { // one that was made anew stays
		if err := h.Records.Write(ctx, done(mark)); err != nil && !isConflict(err) {
			return err
		}
	}
	for digest, mark := range u.marks {
		if err := s.remove(ctx, mark, u.items[digest]); err != nil {
			return err
		}
	}
	return nil
}

// untagged reads the marked manifests, and leaves out those that have a tag, were
// wanted lately, or are gone.
func (s *untaggedSweep) untagged(ctx context.Context, marks []store.Item) (*unwanted, error) {
	h, id := s.hub, s.grant.RepoID
	keys := make([]store.Key, len(marks))
	for i, mark := range marks {
		keys[i] = manifestKey(id, strings.TrimPrefix(mark.Sort, "untagged/"))
	}
	items, err := h.getAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	u := &unwanted{marks: make(map[string]store.Item), items: make(map[string]store.Item), about: make(map[string][]string)}
	for i, item := range items {
		if !item.Found() {
			u.kept = append(u.kept, marks[i])
			continue
		}
		m, err := decode[Manifest](item)
		if err != nil {
			return nil, err
		}
		marked, err := markedAt(marks[i])
		if err != nil {
			return nil, err
		}
		tags, err := h.Records.List(ctx, store.Prefix(store.Tags, "repo/"+id, "bydigest/"+m.Digest+"/", 1))
		switch {
		case err != nil:
			return nil, err
		case len(tags.Items) > 0 || !marked.IsZero() && lastUse(item, m).After(marked.Time):
			u.kept = append(u.kept, marks[i])
		case h.Now().Sub(lastUse(item, m)) < sweepAfter:
			s.waiting = true
		default:
			u.marks[m.Digest], u.items[m.Digest] = marks[i], item
			if m.Subject != "" {
				u.about[m.Subject] = append(u.about[m.Subject], m.Digest)
			}
		}
	}
	return u, nil
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
			ops = append(ops, h.markUntagged(id, d))
		}
		if err := h.Records.Write(ctx, ops...); err != nil {
			return err
		}
		digests = digests[n:]
	}
	return nil
}

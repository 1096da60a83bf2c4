package hub

import (
	"context"
	"errors"
	"iter"
	"strings"

	"berth/shared/store"
)

// listed is a repository as lists find it.
type listed struct {
	path string // namespace/repository
	repoEntry
}

func (l listed) name() string {
	_, name, _ := splitPath(l.path)
	return name
}

// RepositoryFilter narrows a list. The zero one lets everything through.
type RepositoryFilter struct {
	Text      string // part of the name or description, in any case
	Name      string // part of the name, in any case
	Category  string
	Public    *bool
	Automated *bool
}

func (f RepositoryFilter) takes(l listed) bool {
	return (f.Public == nil || *f.Public == l.Public) &&
		(f.Automated == nil || *f.Automated == l.Automated) &&
		(f.Category == "" || f.Category == l.Category) &&
		(f.Name == "" || contains(l.name(), f.Name)) &&
		(f.Text == "" || contains(l.name(), f.Text) || contains(l.Description, f.Text))
}

// counted reports whether counters tell how many repositories the filter takes.
func (f RepositoryFilter) counted() bool {
	return f.Text == "" && f.Name == "" && f.Category == "" && f.Automated == nil && (f.Public == nil || *f.Public)
}

func contains(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// Window is the part of a list that is wanted.
type Window struct {
	Size  int
	Skip  int    // entries before it, where After is ""
	After string // the name that it follows
	// Reverse begins at the list's other end; where a list offers it.
	Reverse bool
}

// RepositoryList is a window of a list.
type RepositoryList struct {
	Count        int64 // all that the caller may see and the filter takes
	Repositories []RepositoryView
	Next         string // the name that the next window comes after; "" = there is none
}

// ListRepositories lists the repositories of the granted namespace (any role) that
// the caller may see, by name: all for its readers, for others the public ones
// and those that they were given a role in.
//
// Without a filter, or with Public set to true alone, the count comes from
// counters, and a window that begins at the start or After a name reads only what
// it returns. Other filters and windows with a Skip read the entries of the
// caller's part of the namespace, never the repositories themselves.
func (h *Hub) ListRepositories(ctx context.Context, g Grant, f RepositoryFilter, w Window) (RepositoryList, error) {
	if w.After != "" && CheckRepository(w.After) != nil {
		return RepositoryList{}, FailField("cursor", "is not one that the hub gave")
	}
	part, err := h.partOf(ctx, g, f)
	if err != nil {
		return RepositoryList{}, err
	}
	list := RepositoryList{Count: part.count}
	var page []listed
	switch {
	case part.count < 0:
		page, list.Count, err = h.filtered(ctx, part, f, w)
	case w.After != "" || int64(w.Skip) < part.count || w.Skip == 0:
		page, err = h.window(ctx, part, w)
	}
	if err != nil {
		return list, err
	}
	if len(page) > w.Size {
		page = page[:w.Size]
		list.Next = page[w.Size-1].name()
	}
	list.Repositories, err = h.views(ctx, g.Caller, page)
	return list, err
}

// nsPart is the part of a namespace that a caller may see.
type nsPart struct {
	ns     string
	rng    store.Range // of entries
	prefix string      // of the range's sort keys; a name follows
	extra  []listed    // seen beside the range, by name
	count  int64       // of the whole part, where counters tell; else -1
}

// partOf finds out what the caller may see of the granted namespace.
func (h *Hub) partOf(ctx context.Context, g Grant, f RepositoryFilter) (nsPart, error) {
	onlyPublic := f.Public != nil && *f.Public
	all := g.Role >= Reader && !onlyPublic
	p := nsPart{ns: g.Namespace, count: -1}
	if all {
		p.rng, p.prefix = nsEntries(g.NamespaceID), "repo/"
	} else {
		p.rng, p.prefix = publicEntries(g.Namespace), g.Namespace+"/"
	}
	if g.Role < Reader && !onlyPublic {
		var err error
		if p.extra, err = h.privateGrants(ctx, g.Caller, g.Namespace); err != nil {
			return p, err
		}
	}
	if !f.counted() {
		return p, nil
	}
	counts, _, err := h.counts(ctx, countKey, g.NamespaceID)
	p.count = counts[countPublic] + int64(len(p.extra))
	if all {
		p.count += counts[countPrivate]
	}
	return p, err
}

// window reads a window of a part that needs no filter, and one entry more.
func (h *Hub) window(ctx context.Context, p nsPart, w Window) (page []listed, err error) {
	skip := w.Skip
	if w.After != "" {
		skip = 0
	}
	for e, err := range h.entries(ctx, p, w.After, skip+w.Size+1) {
		if err != nil {
			return nil, err
		}
		if skip > 0 {
			skip--
			continue
		}
		if page = append(page, e); len(page) > w.Size {
			break
		}
	}
	return page, nil
}

// filtered reads a whole part, counts what the filter takes, and keeps a window of
// that and one entry more.
func (h *Hub) filtered(ctx context.Context, p nsPart, f RepositoryFilter, w Window) (page []listed, count int64, err error) {
	skip := w.Skip
	for e, err := range h.entries(ctx, p, "", maxEntries) {
		if err != nil {
			return nil, 0, err
		}
		if !f.takes(e) {
			continue
		}
		count++
		switch {
		case w.After != "" && e.name() <= w.After:
		case w.After == "" && skip > 0:
			skip--
		case len(page) <= w.Size:
			page = append(page, e)
		}
	}
	return page, count, nil
}

// maxEntries is how many entries are read at once.
const maxEntries = 1000

func nsEntries(nsID string) store.Range {
	return store.Prefix(store.Repositories, "ns/"+nsID, "repo/", maxEntries)
}

func publicEntries(ns string) store.Range {
	return store.Prefix(store.Repositories, "index/public", ns+"/", maxEntries)
}

// privateGrants are the private repositories of a namespace that the caller may
// read by a role in themselves, or because their token opens them alone.
func (h *Hub) privateGrants(ctx context.Context, c Caller, ns string) ([]listed, error) {
	var list []listed
	for e, err := range h.grants(ctx, c, ns+"/", "", maxEntries) {
		if err != nil {
			return nil, err
		}
		if !e.Public {
			list = append(list, e)
		}
	}
	return list, nil
}

// entries are the part's repositories whose names follow after ("" = all), in the
// order of their names. few is how many are probably wanted.
func (h *Hub) entries(ctx context.Context, p nsPart, after string, few int) iter.Seq2[listed, error] {
	r := p.rng
	r.Limit = min(few, maxEntries)
	if after != "" {
		r = r.After(p.prefix + after)
	}
	seq := h.read(ctx, r, p.prefix, p.ns+"/")
	if len(p.extra) == 0 {
		return seq
	}
	return merge(seq, func(yield func(listed, error) bool) {
		for _, e := range p.extra {
			if e.name() > after && !yield(e, nil) {
				return
			}
		}
	})
}

// read yields the entries of a range whose sort keys are prefix and name; their
// paths are base and name.
func (h *Hub) read(ctx context.Context, r store.Range, prefix, base string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		err := h.each(ctx, r, func(item store.Item) error {
			e, err := decode[repoEntry](item)
			if err != nil {
				return err
			}
			if !yield(listed{base + strings.TrimPrefix(item.Sort, prefix), e}, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil {
			yield(listed{}, err)
		}
	}
}

// errEnough ends a walk whose caller wants no more.
var errEnough = errors.New("enough")

package hub

import (
	"context"
	"errors"
	"iter"
	"slices"
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
	Public    *bool
	Automated *bool
}

func (f RepositoryFilter) takes(l listed) bool {
	return (f.Public == nil || *f.Public == l.Public) &&
		(f.Automated == nil || *f.Automated == l.Automated) &&
		(f.Text == "" || contains(l.name(), f.Text) || contains(l.Description, f.Text))
}

func contains(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// Window is the part of a list that is wanted.
type Window struct {
	Size  int
	Skip  int    // entries before it, where After is ""
	After string // the name that it follows
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
		if p.extra, err = h.granted(ctx, g.Caller, g.Namespace, g.NamespaceID); err != nil {
			return p, err
		}
	}
	if f.Text != "" || f.Automated != nil || f.Public != nil && !onlyPublic {
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

// entries are the part's repositories whose names follow after ("" = all), in the
// order of their names. few is how many are probably wanted.
func (h *Hub) entries(ctx context.Context, p nsPart, after string, few int) iter.Seq2[listed, error] {
	r, extra := p.rng, p.extra
	r.Limit = min(few, maxEntries)
	if after != "" {
		r = r.After(p.prefix + after)
		for len(extra) > 0 && extra[0].name() <= after {
			extra = extra[1:]
		}
	}
	return withExtra(h.read(ctx, r, p.prefix, p.ns), extra)
}

// read yields the entries of a range whose sort keys are prefix and name.
func (h *Hub) read(ctx context.Context, r store.Range, prefix, ns string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		err := h.each(ctx, r, func(item store.Item) error {
			e, err := decode[repoEntry](item)
			if err != nil {
				return err
			}
			if !yield(listed{path(ns, strings.TrimPrefix(item.Sort, prefix)), e}, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			yield(listed{}, err)
		}
	}
}

// errEnough ends a walk whose caller wants no more.
var errEnough = errors.New("enough")

// withExtra puts sorted entries in their places between those of seq. One that is
// in both is yielded once.
func withExtra(seq iter.Seq2[listed, error], extra []listed) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		for e, err := range seq {
			for err == nil && len(extra) > 0 && extra[0].path <= e.path {
				x := extra[0]
				extra = extra[1:]
				if x.path != e.path && !yield(x, nil) {
					return
				}
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
		for _, x := range extra {
			if !yield(x, nil) {
				return
			}
		}
	}
}

// granted are the private repositories of a namespace that the caller may read
// without being its reader: by a role in the repository itself, or because their
// token opens some repositories only. It reads the caller's grants in that
// namespace and their entries, nothing of other people's.
func (h *Hub) granted(ctx context.Context, c Caller, ns, nsID string) ([]listed, error) {
	if !c.Known() || c.Registry != nil {
		return nil, nil
	}
	names, err := h.grantedNames(ctx, c, ns)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	nsRecord, err := h.Namespace(ctx, ns)
	if err != nil {
		return nil, err
	}
	keys := []store.Key{memberKey(nsID, orNobody(c.Account))}
	for _, name := range names {
		keys = append(keys, entryKey(nsID, name))
	}
	items, err := h.getAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	member, err := found[Membership](items[0])
	if err != nil {
		return nil, err
	}
	var candidates []listed
	keys = keys[:0]
	for i, name := range names {
		e, err := found[repoEntry](items[i+1])
		if err != nil {
			return nil, err
		}
		if e.ID != "" && !e.Public {
			candidates = append(candidates, listed{path(ns, name), e})
			keys = append(keys, repoGrantKey(e.ID, orNobody(c.Account)))
		}
	}
	if items, err = h.getAll(ctx, keys); err != nil {
		return nil, err
	}
	var list []listed
	for i, l := range candidates {
		grant, err := found[Membership](items[i])
		if err != nil {
			return nil, err
		}
		if h.roleOf(c, nsRecord, max(member.Role, grant.Role), l.name()) >= Reader {
			list = append(list, l)
		}
	}
	return list, nil
}

// grantedNames are the names in ns that the caller's own grants and token tell of, sorted.
func (h *Hub) grantedNames(ctx context.Context, c Caller, ns string) ([]string, error) {
	var names []string
	if c.Token != nil {
		for _, p := range c.Token.Repositories {
			if n, repo, ok := splitPath(p); ok && n == ns {
				names = append(names, repo)
			}
		}
	}
	if c.Account != "" {
		prefix := "grant/" + ns + "/"
		err := h.each(ctx, store.Prefix(store.Repositories, "account/"+c.Account, prefix, maxEntries), func(item store.Item) error {
			names = append(names, strings.TrimPrefix(item.Sort, prefix))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

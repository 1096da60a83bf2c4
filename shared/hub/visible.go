package hub

import (
	"context"
	"iter"
	"slices"
	"strings"

	"berth/shared/store"
)

// visible yields the repositories of all namespaces that the caller may read, in
// the order of their paths, those after a path ("" = all). It merges what is
// public with the caller's own namespaces, grants and token, and reads of each no
// more than is consumed; few is how many that probably is. Administrators see all.
func (h *Hub) visible(ctx context.Context, c Caller, after string, few int) iter.Seq2[listed, error] {
	few = min(few, maxEntries)
	index := func(part string) iter.Seq2[listed, error] {
		r := store.Range{Table: store.Repositories, Part: part, Limit: few}
		if after != "" {
			r = r.After(after)
		}
		return h.read(ctx, r, "", "")
	}
	switch {
	case c.Admin && c.cap("", "") >= Reader:
		return index("index/all")
	case !c.Known():
		return index("index/public")
	}
	return merge(index("index/public"), merge(h.ownEntries(ctx, c, after, few), h.grants(ctx, c, "", after, few)))
}

// ownEntries are the repositories of the namespaces that the caller reads.
func (h *Hub) ownEntries(ctx context.Context, c Caller, after string, few int) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		own, err := h.readNamespaces(ctx, c)
		if err != nil {
			yield(listed{}, err)
			return
		}
		for _, ns := range own {
			base := ns.Name + "/"
			r := nsEntries(ns.ID)
			r.Limit = few
			if name, inside := strings.CutPrefix(after, base); inside {
				r = r.After("repo/" + name)
			} else if base < after {
				continue
			}
			for e, err := range h.read(ctx, r, "repo/", base) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// readNamespaces are the namespaces that the caller is a reader of, in the order of
// their repositories' paths.
func (h *Hub) readNamespaces(ctx context.Context, c Caller) ([]Namespace, error) {
	var own []Membership
	if c.Token != nil && c.Token.Robot { // nothing but its own namespace
		own = append(own, Membership{Namespace: c.Token.Namespace, NamespaceID: c.Token.NamespaceID})
	} else if c.Account != "" {
		err := h.each(ctx, store.Prefix(store.Repositories, "account/"+c.Account, "member/", maxEntries), func(item store.Item) error {
			m, err := decode[Membership](item)
			own = append(own, m)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var keys []store.Key
	for _, m := range own {
		keys = append(keys, namespaceKey(m.Namespace), memberKey(m.NamespaceID, orNobody(c.member())))
	}
	items, err := h.getAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	var list []Namespace
	for i := range own {
		ns, err := found[Namespace](items[2*i])
		if err != nil {
			return nil, err
		}
		m, err := found[Membership](items[2*i+1])
		if err != nil {
			return nil, err
		}
		// a namesake of a namespace that was deleted has another id
		if ns.ID == own[i].NamespaceID && h.roleOf(c, ns, m.Role, "") >= Reader {
			list = append(list, ns)
		}
	}
	slices.SortFunc(list, func(a, b Namespace) int { return strings.Compare(a.Name+"/", b.Name+"/") })
	return list, nil
}

// grants yields the repositories that the caller has a role in by themselves, or
// that their token opens alone, if their paths begin with prefix and follow after.
func (h *Hub) grants(ctx context.Context, c Caller, prefix, after string, few int) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		if !c.Known() || c.Registry != nil {
			return
		}
		give := func(paths []string) error {
			list, err := h.readable(ctx, c, paths)
			for _, e := range list {
				if err == nil && !yield(e, nil) {
					err = errEnough
				}
			}
			return err
		}
		err := h.grantPaths(ctx, c, prefix, after, few, give)
		if err != nil && err != errEnough {
			yield(listed{}, err)
		}
	}
}

// grantPaths calls f with the paths that the caller's token or else their grants
// tell of, sorted, some at a time.
func (h *Hub) grantPaths(ctx context.Context, c Caller, prefix, after string, few int, f func([]string) error) error {
	if c.Token != nil && len(c.Token.Repositories) > 0 {
		paths := slices.DeleteFunc(slices.Clone(c.Token.Repositories), func(p string) bool {
			return !strings.HasPrefix(p, prefix) || p <= after
		})
		slices.Sort(paths)
		return f(slices.Compact(paths))
	}
	if c.member() == "" {
		return nil
	}
	r := store.Prefix(store.Repositories, "account/"+c.member(), "grant/"+prefix, few)
	if after != "" {
		r = r.After("grant/" + after)
	}
	for {
		page, err := h.Records.List(ctx, r)
		if err != nil || len(page.Items) == 0 {
			return err
		}
		var paths []string
		for _, item := range page.Items {
			paths = append(paths, strings.TrimPrefix(item.Sort, "grant/"))
		}
		if err := f(paths); err != nil || !page.More {
			return err
		}
		r = r.After(page.Items[len(page.Items)-1].Sort)
	}
}

// readable reads the entries of the paths, and keeps those that the caller may read
// without their being public.
func (h *Hub) readable(ctx context.Context, c Caller, paths []string) ([]listed, error) {
	account := orNobody(c.member())
	var keys []store.Key
	for _, p := range paths {
		ns, _, _ := splitPath(p)
		keys = append(keys, namespaceKey(orNobody(ns)))
	}
	items, err := h.getAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	type candidate struct {
		listed
		ns Namespace
	}
	var list []candidate
	keys = nil
	for i, p := range paths {
		ns, err := found[Namespace](items[i])
		if err != nil {
			return nil, err
		}
		if _, repo, ok := splitPath(p); ok && ns.ID != "" {
			list = append(list, candidate{listed{path: p}, ns})
			keys = append(keys, entryKey(ns.ID, repo), memberKey(ns.ID, account))
		}
	}
	if items, err = h.getAll(ctx, keys); err != nil {
		return nil, err
	}
	members := make([]Membership, len(list))
	keys = nil
	for i := range list {
		if list[i].repoEntry, err = found[repoEntry](items[2*i]); err != nil {
			return nil, err
		}
		if members[i], err = found[Membership](items[2*i+1]); err != nil {
			return nil, err
		}
		keys = append(keys, repoGrantKey(orNobody(list[i].ID), account))
	}
	if items, err = h.getAll(ctx, keys); err != nil {
		return nil, err
	}
	var may []listed
	for i, l := range list {
		grant, err := found[Membership](items[i])
		if err != nil {
			return nil, err
		}
		if l.ID != "" && h.roleOf(c, l.ns, max(members[i].Role, grant.Role), l.name()) >= Reader {
			may = append(may, l.listed)
		}
	}
	return may, nil
}

// merge yields what both sequences have, in the order of paths; what both have, once.
func merge(a, b iter.Seq2[listed, error]) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		next, stop := iter.Pull2(b)
		defer stop()
		y, err, more := next()
		for x, xerr := range a {
			for xerr == nil && more && (err != nil || y.path <= x.path) {
				if err != nil || y.path < x.path {
					if !yield(y, err) || err != nil {
						return
					}
				}
				y, err, more = next()
			}
			if !yield(x, xerr) || xerr != nil {
				return
			}
		}
		for more {
			if !yield(y, err) || err != nil {
				return
			}
			y, err, more = next()
		}
	}
}

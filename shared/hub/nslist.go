package hub

import (
	"context"
	"slices"
	"strings"

	"berth/shared/store"
)

// NamespaceRole is a namespace and a caller's role in it.
type NamespaceRole struct {
	Namespace
	Role Role // NoRole where the caller has roles in some of its repositories only
}

// NamespaceQuery narrows a list of namespaces.
type NamespaceQuery struct {
	Name    string // only this one; "" = all
	Visible bool   // also those in which the caller has roles in repositories only
	After   string // only names that follow it
	Limit   int    // most namespaces to return
}

// ListNamespaces lists the namespaces in which the caller has a role, by name:
// their memberships, a robot's own, and all for administrators. more says that
// further ones may follow.
func (h *Hub) ListNamespaces(ctx context.Context, c Caller, q NamespaceQuery) (list []NamespaceRole, more bool, err error) {
	if !c.Known() || c.Registry != nil {
		return nil, false, nil
	}
	if c.Admin && q.Name == "" {
		return h.allNamespaces(ctx, c, q)
	}
	names := []string{q.Name}
	if q.Name == "" {
		if names, err = h.ownNamespaces(ctx, c, q); err != nil {
			return nil, false, err
		}
	} else if CheckNamespace(q.Name) != nil {
		return nil, false, nil
	}
	for len(names) > 0 && len(list) < q.Limit {
		n := min(len(names), store.MaxGet/2)
		some, err := h.namespaceRoles(ctx, c, names[:n], q.Visible)
		if err != nil {
			return nil, false, err
		}
		list, names = append(list, some...), names[n:]
	}
	if len(list) > q.Limit {
		return list[:q.Limit], true, nil
	}
	return list, len(names) > 0, nil
}

// allNamespaces is the list for administrators; their token may narrow it.
func (h *Hub) allNamespaces(ctx context.Context, c Caller, q NamespaceQuery) (list []NamespaceRole, more bool, err error) {
	r := store.Range{Table: store.Repositories, Part: "index/namespaces", Limit: store.MaxGet / 2}
	if q.After != "" {
		r = r.After(q.After)
	}
	for {
		page, err := h.Records.List(ctx, r)
		if err != nil {
			return nil, false, err
		}
		var names []string
		for _, item := range page.Items {
			names = append(names, item.Sort)
		}
		some, err := h.namespaceRoles(ctx, c, names, q.Visible)
		if err != nil {
			return nil, false, err
		}
		if list = append(list, some...); len(list) > q.Limit {
			return list[:q.Limit], true, nil
		}
		if !page.More || len(names) == 0 {
			return list, false, nil
		}
		r = r.After(names[len(names)-1])
	}
}

// ownNamespaces are the names that the caller's memberships, grants and token tell
// of, sorted. The caller may turn out to have no role there.
func (h *Hub) ownNamespaces(ctx context.Context, c Caller, q NamespaceQuery) ([]string, error) {
	var names []string
	if c.Token != nil && c.Token.Robot {
		names = append(names, c.Token.Namespace)
	}
	if c.Token != nil && q.Visible {
		for _, p := range c.Token.Repositories {
			name, _, _ := strings.Cut(p, "/")
			names = append(names, name)
		}
	}
	prefixes := []string{"member/"}
	if q.Visible {
		prefixes = append(prefixes, "grant/")
	}
	for _, prefix := range prefixes {
		if c.Account == "" {
			break
		}
		r := store.Prefix(store.Repositories, "account/"+c.Account, prefix, 1000)
		err := h.each(ctx, r, func(item store.Item) error {
			name, _, _ := strings.Cut(strings.TrimPrefix(item.Sort, prefix), "/")
			names = append(names, name)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name <= q.After })
	slices.Sort(names)
	return slices.Compact(names), nil
}

// namespaceRoles reads at most MaxGet/2 namespaces and keeps those in which the
// caller has a role, or with visible may read a private repository.
func (h *Hub) namespaceRoles(ctx context.Context, c Caller, names []string, visible bool) ([]NamespaceRole, error) {
	var keys []store.Key
	for _, name := range names {
		keys = append(keys, namespaceKey(name), accountMemberKey(orNobody(c.member()), name))
	}
	items, err := h.Records.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	var list []NamespaceRole
	for i := range names {
		ns, err := found[Namespace](items[2*i])
		if err != nil {
			return nil, err
		}
		if ns.ID == "" {
			continue
		}
		m, err := found[Membership](items[2*i+1])
		if err != nil {
			return nil, err
		}
		if m.NamespaceID != ns.ID { // of a namesake that was deleted
			m.Role = NoRole
		}
		role := h.roleOf(c, ns, m.Role, "")
		if role < Reader {
			if !visible {
				continue
			}
			if ok, err := h.readsSome(ctx, c, ns); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
		}
		list = append(list, NamespaceRole{ns, role})
	}
	return list, nil
}

// readsSome says whether the caller's own grants or token lead to a repository of
// the namespace that the caller may read.
func (h *Hub) readsSome(ctx context.Context, c Caller, ns Namespace) (bool, error) {
	var repos []string
	if c.Token != nil {
		for _, p := range c.Token.Repositories {
			if n, repo, ok := splitPath(p); ok && n == ns.Name {
				repos = append(repos, repo)
			}
		}
	}
	if c.Account != "" {
		r := store.Prefix(store.Repositories, "account/"+c.Account, "grant/"+ns.Name+"/", 1000)
		err := h.each(ctx, r, func(item store.Item) error {
			m, err := decode[Membership](item)
			if m.NamespaceID == ns.ID {
				repos = append(repos, m.Repository)
			}
			return err
		})
		if err != nil {
			return false, err
		}
	}
	for _, repo := range repos {
		_, err := h.Authorize(ctx, c, Target{Namespace: ns.Name, Repository: repo, Need: Reader})
		if err == nil || !isRefusal(err) {
			return err == nil, err
		}
	}
	return false, nil
}

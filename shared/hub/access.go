package hub

import (
	"context"

	"berth/shared/store"
)

// Target is what a request wants to reach.
type Target struct {
	Namespace  string
	Repository string // "" = the namespace itself
	Need       Role
	// Make: if the repository does not exist and the caller may write to the
	// namespace, that is no failure: the Grant has no repository then.
	Make bool
	// Items are further items that the request will want once the repository's id is
	// known; they are read in the same call as the rights are.
	Items func(repoID string) []store.Key
}

// Grant is a right that Authorize found: proof that the caller may do what was asked.
type Grant struct {
	Caller      Caller
	Namespace   string
	NamespaceID string
	Repository  string
	RepoID      string // "" for a namespace, or with Target.Make for one not yet made
	Role        Role   // the caller's whole role, at least Target.Need
	Member      Role   // Role without what the repository shows to everybody; none with a registry token
	Public      bool   // of the repository; unknown with a registry token

	namespace store.Item
	entry     store.Item
	repo      store.Item
	items     []store.Item
}

// Path is the repository's name on the registry.
func (g Grant) Path() string { return path(g.Namespace, g.Repository) }

// Items are what Target.Items asked for, in its order.
func (g Grant) Items() []store.Item { return g.items }

// Repo decodes the repository's record.
func (g Grant) Repo() (Repository, error) { return decode[Repository](g.repo) }

// Space decodes the namespace's record.
func (g Grant) Space() (Namespace, error) { return decode[Namespace](g.namespace) }

// Authorize is the one place that decides who may do what with a namespace or a
// repository. It answers *Error with NamespaceNotFound or RepositoryNotFound
// (also where the caller may not know that it exists), Unauthenticated (an
// anonymous caller who wants more than to read), or Denied.
func (h *Hub) Authorize(ctx context.Context, c Caller, t Target) (Grant, error) {
	if c.Registry != nil {
		return h.authorizeToken(ctx, c, t)
	}
	if !c.Known() && t.Need > Reader {
		return Grant{}, Fail(Unauthenticated, "log in to do this")
	}
	for {
		g, fresh, err := h.lookUp(ctx, c, t)
		if err != nil {
			return g, err
		}
		if fresh {
			return g, g.judge(t)
		}
	}
}

// judge compares what was found with what is wanted.
func (g Grant) judge(t Target) error {
	if t.Repository != "" && g.RepoID == "" {
		if t.Make && g.Role >= Writer {
			return nil
		}
		if t.Need > Reader && g.Role == NoRole && !g.Caller.Known() {
			return Fail(Unauthenticated, "log in to do this")
		}
		return noRepository(t)
	}
	if g.Role >= t.Need {
		return nil
	}
	switch {
	case t.Repository != "" && g.Role < Reader:
		return noRepository(t)
	case !g.Caller.Known():
		return Fail(Unauthenticated, "log in to do this")
	case t.Repository != "":
		return Fail(Denied, "this needs the role %s in %s; yours is %s", t.Need, path(t.Namespace, t.Repository), g.Role)
	}
	return Fail(Denied, "this needs the role %s in %s; yours is %s", t.Need, t.Namespace, g.Role)
}

func noRepository(t Target) error {
	return Fail(RepositoryNotFound, "there is no repository %s that you may read", path(t.Namespace, t.Repository))
}

// authorizeToken judges a caller with a registry token: the token names the
// repository's id and what was granted, so that nothing else need be read.
func (h *Hub) authorizeToken(ctx context.Context, c Caller, t Target) (Grant, error) {
	g := Grant{Caller: c, Namespace: t.Namespace, Repository: t.Repository}
	a := c.Registry.access(path(t.Namespace, t.Repository))
	if a == nil || a.Role < t.Need {
		if c.Registry.Subject == "" {
			return g, Fail(Unauthenticated, "log in first: without a log-in this is not allowed for %s, if it exists", path(t.Namespace, t.Repository))
		}
		return g, Fail(Unauthenticated, "%s may not do this to %s, or there is no such repository or namespace", c.Registry.Subject, path(t.Namespace, t.Repository))
	}
	g.Role = a.Role
	if a.ID == "" { // granted before the repository was made
		return h.tokenByName(ctx, g, a, t)
	}
	g.RepoID, g.NamespaceID = a.ID, a.NamespaceID
	keys := []store.Key{repositoryKey(a.ID)}
	if t.Items != nil {
		keys = append(keys, t.Items(a.ID)...)
	}
	items, err := h.Records.Get(ctx, keys...)
	if err != nil {
		return g, err
	}
	if !items[0].Found() {
		g.RepoID = ""
		if t.Make {
			return g, Fail(Unauthenticated, "%s was deleted; ask for a new token", path(t.Namespace, t.Repository))
		}
		return g, noRepository(t)
	}
	g.repo, g.items = items[0], items[1:]
	return g, nil
}

// tokenByName serves a push token for a repository that did not exist when the
// token was given: its holder writes to the whole namespace, so also to what was
// made there meanwhile.
func (h *Hub) tokenByName(ctx context.Context, g Grant, a *Access, t Target) (Grant, error) {
	for {
		found, fresh, err := h.lookUp(ctx, Caller{}, t)
		if err != nil {
			return g, err
		}
		if !fresh {
			continue
		}
		found.Caller, found.Role = g.Caller, g.Role
		if found.NamespaceID != a.NamespaceID { // another namespace of the same name
			return g, Fail(Unauthenticated, "the token does not allow this for %s", found.Path())
		}
		if found.RepoID != "" || t.Make { // who has such a token may make it
			return found, nil
		}
		return found, noRepository(t)
	}
}

// lookUp reads everything that a decision needs. fresh is false where the
// remembered ids turned out to be out of date: they are forgotten then, and the
// caller asks again. With ids remembered it is one read.
func (h *Hub) lookUp(ctx context.Context, c Caller, t Target) (g Grant, fresh bool, err error) {
	g = Grant{Caller: c, Namespace: t.Namespace, Repository: t.Repository}
	ids, err := h.resolve(ctx, t.Namespace, t.Repository)
	if err != nil {
		return g, false, err
	}
	if ids.ns == "" {
		return g, false, h.noNamespace(c, t)
	}
	g.NamespaceID = ids.ns
	keys := []store.Key{namespaceKey(t.Namespace), memberKey(ids.ns, orNobody(c.member()))}
	if t.Repository != "" {
		keys = append(keys, entryKey(ids.ns, t.Repository))
		if ids.repo != "" {
			keys = append(keys, repositoryKey(ids.repo), repoGrantKey(ids.repo, orNobody(c.member())))
			if t.Items != nil {
				keys = append(keys, t.Items(ids.repo)...)
			}
		}
	}
	items, err := h.Records.Get(ctx, keys...)
	if err != nil {
		return g, false, err
	}
	g.namespace = items[0]
	ns, err := found[Namespace](items[0])
	if err != nil {
		return g, false, err
	}
	if ns.ID != ids.ns {
		h.names.forget(t.Namespace, t.Repository)
		return g, false, nil
	}
	member, err := found[Membership](items[1])
	if err != nil {
		return g, false, err
	}
	role := member.Role
	if t.Repository != "" {
		g.entry = items[2]
		e, err := found[repoEntry](g.entry)
		if err != nil {
			return g, false, err
		}
		if e.ID != ids.repo {
			h.names.forget(t.Namespace, t.Repository)
			return g, false, nil
		}
		if e.ID != "" {
			if g.repo = items[3]; !g.repo.Found() { // deleted between the two reads
				h.names.forget(t.Namespace, t.Repository)
				return g, false, nil
			}
			grant, err := found[Membership](items[4])
			if err != nil {
				return g, false, err
			}
			role = max(role, grant.Role)
			g.RepoID, g.Public, g.items = e.ID, e.Public, items[5:]
		}
	}
	g.Role = h.roleOf(c, ns, role, t.Repository)
	g.Member = g.Role
	if g.Public {
		g.Role = max(g.Role, Reader)
	}
	return g, true, nil
}

// roleOf is the caller's role, given the membership of the account behind them
// ([Caller.member]): administrators own everything, robots have nothing outside
// their namespace, and a token caps either.
func (h *Hub) roleOf(c Caller, ns Namespace, member Role, repo string) Role {
	if c.Admin || c.MakerAdmin {
		member = Owner
	}
	if c.Token != nil && c.Token.Robot && c.Token.NamespaceID != ns.ID {
		member = NoRole
	}
	return min(member, c.cap(ns.Name, repo))
}

func (h *Hub) noNamespace(c Caller, t Target) error {
	if t.Repository != "" && t.Need <= Reader && !t.Make {
		return noRepository(t)
	}
	return Fail(NamespaceNotFound, "there is no namespace %s", t.Namespace)
}

// found decodes an item, or returns the zero record if there is none.
func found[T any](i store.Item) (T, error) {
	if !i.Found() {
		var zero T
		return zero, nil
	}
	return decode[T](i)
}

// orNobody makes a valid key for anonymous callers; no account has this name.
func orNobody(account string) string {
	if account == "" {
		return "-"
	}
	return account
}

package hub

import (
	"context"
	"strings"

	"berth/shared/store"
)

// RoleChange gives an account a role. NoRole takes away the one it has.
type RoleChange struct {
	Account string
	Role    Role
}

// RoleRule says which accounts a change of roles is for.
type RoleRule uint8

const (
	// SetRoles gives roles to anybody.
	SetRoles RoleRule = iota
	// AddRoles wants accounts that have no role yet: Conflict for one that has
	// another than it shall have.
	AddRoles
	// AlterRoles wants accounts that have a role already: NotFound for one that has not.
	AlterRoles
)

// MaxRoleChanges is how many accounts' roles one call changes at most.
const MaxRoleChanges = 30

// rolePlace is where the roles of a namespace or of a repository are kept: with
// the place, and with the account.
type rolePlace struct {
	prefix store.Range
	here   func(account string) store.Key
	there  func(account string) store.Key
	name   string
	zero   Membership // what a membership of the place says about it
}

func placeOf(g Grant) rolePlace {
	p := rolePlace{zero: Membership{Namespace: g.Namespace, NamespaceID: g.NamespaceID}}
	if g.Repository == "" {
		p.name = g.Namespace
		p.prefix = store.Prefix(store.Repositories, "ns/"+g.NamespaceID, "member/", 100)
		p.here = func(account string) store.Key { return memberKey(g.NamespaceID, account) }
		p.there = func(account string) store.Key { return accountMemberKey(account, g.Namespace) }
		return p
	}
	p.name, p.zero.Repository, p.zero.RepoID = g.Path(), g.Repository, g.RepoID
	p.prefix = store.Prefix(store.Repositories, "repo/"+g.RepoID, "grant/", 100)
	p.here = func(account string) store.Key { return repoGrantKey(g.RepoID, account) }
	p.there = func(account string) store.Key { return accountGrantKey(account, g.Path()) }
	return p
}

// Roles lists who has a role in the granted namespace, or in the granted
// repository beyond what they have in its namespace, by account: at most n whose
// names follow after ("" = all). more says that others may follow.
func (h *Hub) Roles(ctx context.Context, g Grant, after string, n int) (list []Membership, more bool, err error) {
	r := placeOf(g).prefix
	if r.Limit = min(n+1, 1000); after != "" {
		r = r.After(r.From + after)
	}
	err = h.each(ctx, r, func(item store.Item) error {
		if len(list) == n {
			more = true
			return errEnough
		}
		m, err := decode[Membership](item)
		list = append(list, m)
		return err
	})
	return list, more, err
}

// ChangeRoles changes roles in the granted namespace, or in the granted repository
// (role Owner): all of them or none. It answers AccountNotFound, BadField for a list
// that is empty, too long or names an account twice, and Conflict where a namespace
// would be left without an owner, or an account's own namespace without that account.
func (h *Hub) ChangeRoles(ctx context.Context, g Grant, rule RoleRule, changes ...RoleChange) error {
	if err := checkRoleChanges(changes); err != nil {
		return err
	}
	p := placeOf(g)
	var told []string
	for _, c := range changes {
		told = append(told, c.Account+" "+c.Role.String())
	}
	auditDetail(ctx, "%s", strings.Join(told, ", "))
	return h.again(ctx, func() error {
		ops, ns, err := h.placeStands(ctx, g)
		if err != nil {
			return err
		}
		var keys []store.Key
		for _, c := range changes {
			keys = append(keys, p.here(c.Account), accountKey(c.Account))
		}
		items, err := h.Records.Get(ctx, keys...)
		if err != nil {
			return err
		}
		lowered := make(map[string]bool) // owners who stop being one
		raised := false                  // somebody becomes an owner, or stays one
		members := int64(0)              // how many more there are
		for i, c := range changes {
			was, err := found[Membership](items[2*i])
			if err != nil {
				return err
			}
			if err := checkRoleChange(p, rule, c, was, items[2*i+1].Found()); err != nil {
				return err
			}
			raised = raised || c.Role == Owner
			if was.Role == Owner && c.Role != Owner {
				lowered[c.Account] = true
			}
			if was.Role != c.Role {
				ops = append(ops, h.roleOps(p, c, items[2*i], was)...)
			} else {
				ops = append(ops, store.CheckFrom(items[2*i])) // ownerLeft may count on it
			}
			if g.Repository == "" && (was.Role == NoRole) != (c.Role == NoRole) {
				n := int64(1)
				if c.Role == NoRole {
					n = -1
				}
				members += n
				if ns.Org {
					ops = append(ops, store.Add(accountStatsKey(c.Account), map[string]int64{statOrgs: n}))
				}
			}
		}
		if members != 0 {
			ops = append(ops, store.Add(namespaceStatsKey(g.NamespaceID), map[string]int64{statMembers: members}))
		}
		if g.Repository == "" && len(lowered) > 0 {
			op, err := h.ownerLeft(ctx, p, ns, lowered, raised)
			if err != nil {
				return err
			}
			ops = append(ops, op...)
		}
		return h.change(ctx, ops...)
	})
}

func checkRoleChanges(changes []RoleChange) error {
	if len(changes) == 0 || len(changes) > MaxRoleChanges {
		return Fail(BadRequest, "name 1 to %d accounts at once, not %d", MaxRoleChanges, len(changes))
	}
	seen := make(map[string]bool, len(changes))
	for _, c := range changes {
		switch {
		case CheckNamespace(c.Account) != nil:
			return Fail(AccountNotFound, "there is no account %q", c.Account)
		case seen[c.Account]:
			return FailField("user_id", "%s is named twice", c.Account)
		case c.Role != NoRole && c.Role != Reader && c.Role != Writer && c.Role != Owner:
			return FailField("auth", "must be 7 (manage), 3 (write) or 1 (read), not %d", c.Role)
		}
		seen[c.Account] = true
	}
	return nil
}

// checkRoleChange holds one change against the rule.
func checkRoleChange(p rolePlace, rule RoleRule, c RoleChange, was Membership, account bool) error {
	switch {
	case c.Role == NoRole && was.Role == NoRole, rule == AlterRoles && was.Role == NoRole:
		return Fail(NotFound, "%s has no role in %s", c.Account, p.name)
	case c.Role != NoRole && !account:
		return Fail(AccountNotFound, "there is no account %s", c.Account)
	case rule == AddRoles && was.Role != NoRole && was.Role != c.Role:
		return Fail(Conflict, "%s has the role %s in %s already; change it instead", c.Account, was.Role, p.name)
	}
	return nil
}

// roleOps are the operations of one change, in both directions.
func (h *Hub) roleOps(p rolePlace, c RoleChange, item store.Item, was Membership) []store.Op {
	if c.Role == NoRole {
		return []store.Op{store.DeleteAt(item.Key, item.Version), store.Delete(p.there(c.Account))}
	}
	m := p.zero
	m.Account, m.Role, m.Since = c.Account, c.Role, was.Since
	if m.Since.IsZero() {
		m.Since = h.now()
	}
	return []store.Op{store.PutFrom(item, encode(m)), store.Put(p.there(c.Account), encode(m))}
}

// placeStands reads the namespace or repository and wants it to be there still
// when the write happens.
func (h *Hub) placeStands(ctx context.Context, g Grant) ([]store.Op, Namespace, error) {
	if g.Repository != "" {
		item, err := h.get(ctx, repositoryKey(g.RepoID))
		if err == nil && !item.Found() {
			err = Fail(RepositoryNotFound, "there is no repository %s", g.Path())
		}
		return []store.Op{store.CheckExists(repositoryKey(g.RepoID))}, Namespace{}, err
	}
	item, err := h.get(ctx, namespaceKey(g.Namespace))
	if err != nil {
		return nil, Namespace{}, err
	}
	ns, err := found[Namespace](item)
	if err == nil && ns.ID != g.NamespaceID {
		err = Fail(NamespaceNotFound, "there is no namespace %s", g.Namespace)
	}
	return []store.Op{store.CheckFrom(item)}, ns, err
}

// ownerLeft makes sure that the namespace keeps an owner: one whose role the same
// write checks, so that two owners who remove each other at once cannot both succeed.
func (h *Hub) ownerLeft(ctx context.Context, p rolePlace, ns Namespace, lowered map[string]bool, raised bool) ([]store.Op, error) {
	if !ns.Org && lowered[ns.Name] {
		return nil, Fail(Conflict, "%s is the account's own namespace; it stays its owner", ns.Name)
	}
	if raised {
		return nil, nil
	}
	var ops []store.Op
	err := h.each(ctx, p.prefix, func(item store.Item) error {
		m, err := decode[Membership](item)
		if err != nil {
			return err
		}
		if ops == nil && m.Role == Owner && !lowered[m.Account] {
			ops = []store.Op{store.CheckFrom(item)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if ops == nil {
		var names []string
		for name := range lowered {
			names = append(names, name)
		}
		return nil, Fail(Conflict, "%s is the last owner of %s; make somebody else an owner first", strings.Join(names, ", "), ns.Name)
	}
	return ops, nil
}

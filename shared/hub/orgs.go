package hub

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"berth/shared/store"
)

// NewOrg describes an organisation to be made.
type NewOrg struct {
	Name    string
	Company string // its full name; may be empty
}

// CreateOrg makes an organisation, with the caller as its first owner. It answers
// NamespaceExists where the name is taken, also by an account.
func (h *Hub) CreateOrg(ctx context.Context, c Caller, n NewOrg) (Namespace, error) {
	if !c.Known() {
		return Namespace{}, Fail(Unauthenticated, "log in to do this")
	}
	if !c.Whole() {
		return Namespace{}, Fail(Denied, "making an organisation needs the account's password or a token with all permissions")
	}
	if err := CheckNamespace(n.Name); err != nil {
		return Namespace{}, err
	}
	if err := checkCompany(n.Company); err != nil {
		return Namespace{}, err
	}
	ns, ops := h.newNamespace(n.Name, c.Account, true)
	ns.Company = n.Company
	for i := range ops {
		if ops[i].Key == namespaceKey(n.Name) {
			ops[i].Value = encode(ns)
		}
	}
	auditIn(ctx, ns.ID)
	auditDetail(ctx, "%s", n.Name)
	err := h.change(ctx, ops...)
	if isConflict(err) {
		return ns, Fail(NamespaceExists, "the name %s is taken; choose another", n.Name)
	}
	return ns, err
}

func checkCompany(s string) error {
	if utf8.RuneCountInString(s) > 200 {
		return FailField("company", "has at most 200 characters")
	}
	return nil
}

// changeNamespace changes the record of the granted namespace. change returns the
// operations that ride in the same write.
func (h *Hub) changeNamespace(ctx context.Context, g Grant, change func(*Namespace) []store.Op) (ns Namespace, err error) {
	err = h.again(ctx, func() error {
		item, err := h.namespaceItem(ctx, g)
		if err != nil {
			return err
		}
		if ns, err = decode[Namespace](item); err != nil {
			return err
		}
		ops := append(change(&ns), store.Replace(item.Key, item.Version, encode(ns)))
		return h.change(ctx, ops...)
	})
	return ns, err
}

// namespaceItem reads the granted namespace's record: NamespaceNotFound where it
// was deleted meanwhile.
func (h *Hub) namespaceItem(ctx context.Context, g Grant) (store.Item, error) {
	item, err := h.get(ctx, namespaceKey(g.Namespace))
	if err != nil {
		return item, err
	}
	ns, err := found[Namespace](item)
	if err == nil && ns.ID != g.NamespaceID {
		err = Fail(NamespaceNotFound, "there is no namespace %s", g.Namespace)
	}
	return item, err
}

// ChangeOrg gives the granted organisation (role Owner) another full name.
func (h *Hub) ChangeOrg(ctx context.Context, g Grant, company string) (Namespace, error) {
	if err := checkCompany(company); err != nil {
		return Namespace{}, err
	}
	return h.changeNamespace(ctx, g, func(ns *Namespace) []store.Op {
		ns.Company = company
		return nil
	})
}

// leaveAtOnce is how many members a deleted organisation leaves in the write that
// deletes it; the sweep sees to those of a larger one.
const leaveAtOnce = 20

// DeleteOrg removes the granted organisation (role Owner) at once; what hung on it
// is swept afterwards. It answers NamespaceNotEmpty while it has repositories, and
// Conflict for an account's own namespace.
func (h *Hub) DeleteOrg(ctx context.Context, g Grant) error {
	auditIn(ctx, "") // the organisation's own log goes with it
	return h.again(ctx, func() error {
		item, err := h.namespaceItem(ctx, g)
		if err != nil {
			return err
		}
		ns, err := decode[Namespace](item)
		if err != nil {
			return err
		}
		if !ns.Org {
			return Fail(Conflict, "%s is the own namespace of an account and stays with it", ns.Name)
		}
		// A repository is made only in a write that changes a count and wants the
		// namespace as it was: either that write comes first, or this one.
		counts, items, err := h.counts(ctx, countKey, ns.ID)
		if err != nil {
			return err
		}
		if n := counts[countPublic] + counts[countPrivate]; n != 0 {
			return Fail(NamespaceNotEmpty, "%s still has %d repositories; delete them first", ns.Name, n)
		}
		ops := []store.Op{
			store.DeleteAt(item.Key, item.Version),
			store.Delete(namespaceIndexKey(ns.Name)),
			store.Put(sweepKey(sweepNamespace, ns.ID), encode(ns)),
		}
		for _, shard := range items {
			ops = append(ops, store.CheckFrom(shard))
		}
		members, err := h.Records.List(ctx, store.Prefix(store.Repositories, "ns/"+ns.ID, "member/", leaveAtOnce+1))
		if err != nil {
			return err
		}
		if len(members.Items) <= leaveAtOnce {
			for _, m := range members.Items {
				account := strings.TrimPrefix(m.Sort, "member/")
				ops = append(ops, store.DeleteAt(m.Key, m.Version), store.Delete(accountMemberKey(account, ns.Name)),
					store.Add(accountStatsKey(account), map[string]int64{statOrgs: -1}))
			}
		}
		return h.change(ctx, ops...)
	})
}

// sweepNamespace removes what a deleted namespace left, given its record under
// sweep/namespace, and that record last. Doing it over, or half, does no harm. Its
// repositories were deleted before it: they have sweeps of their own.
func (h *Hub) sweepNamespace(ctx context.Context, work store.Item, r *SweepReport) error {
	ns, err := decode[Namespace](work)
	if err != nil {
		return err
	}
	for {
		page, err := h.Records.List(ctx, store.Range{Table: store.Repositories, Part: "ns/" + ns.ID, Limit: store.MaxWrite})
		if err != nil {
			return err
		}
		if len(page.Items) == 0 {
			r.Namespaces++
			return h.Records.Write(ctx, done(work))
		}
		var plain []store.Op
		for _, item := range page.Items {
			ops, err := h.unhang(ctx, ns, item)
			if err == nil && len(ops) > 1 {
				err = h.Records.Write(ctx, ops...)
			} else {
				plain = append(plain, ops...)
			}
			if err != nil {
				return err
			}
		}
		if err := h.Records.Write(ctx, plain...); err != nil {
			return err
		}
	}
}

// unhang are the operations that remove one record of a deleted namespace with
// what else speaks of it.
func (h *Hub) unhang(ctx context.Context, ns Namespace, item store.Item) ([]store.Op, error) {
	ops := []store.Op{store.Delete(item.Key)}
	kind, name, _ := strings.Cut(item.Sort, "/")
	switch kind {
	case "member":
		there, err := h.get(ctx, accountMemberKey(name, ns.Name))
		if err != nil {
			return nil, err
		}
		m, err := found[Membership](there)
		if err != nil {
			return nil, err
		}
		if ns.Org { // counted as long as the record is there
			ops = []store.Op{store.DeleteAt(item.Key, item.Version), store.Add(accountStatsKey(name), map[string]int64{statOrgs: -1})}
		}
		if m.NamespaceID == ns.ID { // and not in a namesake
			ops = append(ops, store.DeleteAt(there.Key, there.Version))
		}
	case "token":
		token, err := h.get(ctx, tokenKey(name))
		if err != nil || !token.Found() {
			return ops, err
		}
		t, err := decode[AccessToken](token)
		if err != nil {
			return nil, err
		}
		return untokenOps(t, token), nil
	}
	return ops, nil
}

// OrgMembership is an organisation as one of its members sees it.
type OrgMembership struct {
	Namespace
	Role Role
}

// AccountOrgs lists the organisations that an account is a member of, by name.
func (h *Hub) AccountOrgs(ctx context.Context, account string, w Window) (l Listing[OrgMembership], err error) {
	if l.Count, err = h.stat(ctx, accountStatsKey(account), statOrgs); err != nil {
		return l, err
	}
	r, err := windowOf(store.Prefix(store.Repositories, "account/"+account, "member/", 1), &w)
	if err != nil {
		return l, err
	}
	r.Limit = min(r.Limit+1, store.MaxGet) // one is the account's own namespace
	for {
		page, err := h.Records.List(ctx, r)
		if err != nil {
			return l, err
		}
		orgs, err := h.memberships(ctx, page.Items)
		if err != nil {
			return l, err
		}
		for _, o := range orgs {
			switch {
			case w.Skip > 0:
				w.Skip--
			case len(l.Entries) == w.Size:
				l.Next = l.Entries[w.Size-1].Name
				return l, nil
			default:
				l.Entries = append(l.Entries, o)
			}
		}
		if !page.More || len(page.Items) == 0 {
			return l, nil
		}
		r = r.After(page.Items[len(page.Items)-1].Sort)
	}
}

// memberships reads the organisations behind an account's memberships, without
// its own namespace and those that are gone: one read.
func (h *Hub) memberships(ctx context.Context, items []store.Item) ([]OrgMembership, error) {
	keys := make([]store.Key, len(items))
	for i, item := range items {
		keys[i] = namespaceKey(strings.TrimPrefix(item.Sort, "member/"))
	}
	namespaces, err := h.Records.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	var orgs []OrgMembership
	for i, item := range items {
		m, err1 := decode[Membership](item)
		ns, err2 := found[Namespace](namespaces[i])
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if ns.Org && ns.ID == m.NamespaceID {
			orgs = append(orgs, OrgMembership{ns, m.Role})
		}
	}
	return orgs, nil
}

// Members lists who has a role in the granted namespace, by account.
func (h *Hub) Members(ctx context.Context, g Grant, w Window) (Listing[Membership], error) {
	count, err := h.stat(ctx, namespaceStatsKey(g.NamespaceID), statMembers)
	if err != nil {
		return Listing[Membership]{}, err
	}
	return listing[Membership](ctx, h, w, store.Prefix(store.Repositories, "ns/"+g.NamespaceID, "member/", 1), count)
}

// Member is one account's membership in the granted namespace: NotFound if it has none.
func (h *Hub) Member(ctx context.Context, g Grant, account string) (Membership, error) {
	if CheckNamespace(account) != nil {
		return Membership{}, Fail(AccountNotFound, "there is no account %q", account)
	}
	item, err := h.get(ctx, memberKey(g.NamespaceID, account))
	if err != nil {
		return Membership{}, err
	}
	m, err := found[Membership](item)
	if err == nil && m.Role == NoRole {
		err = Fail(NotFound, "%s has no role in %s", account, g.Namespace)
	}
	return m, err
}

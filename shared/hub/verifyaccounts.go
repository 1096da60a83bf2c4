package hub

import (
	"context"
	"strings"

	"berth/shared/store"
)

// accounts verifies every account: that memberships and tokens are told alike on
// both sides, and counted right. It counts them. Members of a large organisation
// that was deleted count until the next sweep.
func (v *verification) accounts(ctx context.Context) error {
	all := store.Range{Table: store.Repositories, Part: accountIndexKey("x").Part, Limit: 1000}
	err := v.hub.each(ctx, all, func(i store.Item) error { return v.account(ctx, i.Sort) })
	if err != nil {
		return err
	}
	return v.audits(ctx, "the hub's audit log", "", store.Prefix(store.Repositories, "audit", "entry/", 1000))
}

func (v *verification) account(ctx context.Context, name string) error {
	h := v.hub
	v.hubCount[countAccounts]++
	if a, err := h.Account(ctx, name); err != nil || a.Name != name {
		v.problem("account %s is listed but not there: %v", name, err)
		return nil
	}
	want := map[string]int64{statOrgs: 0, statTokens: 0}
	err := h.each(ctx, store.Prefix(store.Repositories, "account/"+name, "member/", 100), func(i store.Item) error {
		m, err := decode[Membership](i)
		if err != nil {
			return err
		}
		items, err := h.Records.Get(ctx, namespaceKey(m.Namespace), memberKey(m.NamespaceID, name))
		if err != nil {
			return err
		}
		ns, err := found[Namespace](items[0])
		if err != nil {
			return err
		}
		there, err := found[Membership](items[1])
		if err != nil {
			return err
		}
		if ns.ID != m.NamespaceID || there.Role != m.Role {
			v.problem("account %s has the role %s in %s, which has it otherwise", name, m.Role, m.Namespace)
		}
		if ns.Org {
			want[statOrgs]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	n, err := v.tokens(ctx, "account "+name, "account/"+name)
	if err != nil {
		return err
	}
	want[statTokens] = n
	v.counts("account "+name, want, func() (map[string]int64, error) {
		item, err := h.get(ctx, accountStatsKey(name))
		return item.Counts, err
	})
	return nil
}

// tokens counts the tokens that a partition lists, and finds each.
func (v *verification) tokens(ctx context.Context, of, part string) (n int64, err error) {
	err = v.hub.each(ctx, store.Prefix(store.Repositories, part, "token/", 100), func(i store.Item) error {
		n++
		t, err := v.hub.token(ctx, strings.TrimPrefix(i.Sort, "token/"))
		if err == nil && t.ID == "" {
			v.problem("%s lists %s, which is not there", of, i.Sort)
		}
		return err
	})
	return n, err
}

// belongings verifies what hangs on a namespace beside its repositories.
func (v *verification) belongings(ctx context.Context, ns Namespace) error {
	h, part, of := v.hub, "ns/"+ns.ID, "namespace "+ns.Name
	want := map[string]int64{statMembers: 0, statSecrets: 0}
	owners := 0
	err := h.each(ctx, store.Prefix(store.Repositories, part, "member/", 100), func(i store.Item) error {
		m, err := decode[Membership](i)
		if err != nil {
			return err
		}
		want[statMembers]++
		if m.Role == Owner {
			owners++
		}
		item, err := h.get(ctx, accountMemberKey(m.Account, ns.Name))
		if err != nil {
			return err
		}
		there, err := found[Membership](item)
		if err == nil && (there.Role != m.Role || there.NamespaceID != ns.ID) {
			v.problem("%s gives %s the role %s, the account has it otherwise", of, m.Account, m.Role)
		}
		return err
	})
	if err != nil {
		return err
	}
	if owners == 0 {
		v.problem("%s has no owner", of)
	}
	err = h.each(ctx, store.Prefix(store.Repositories, part, "secret/", 100), func(store.Item) error {
		want[statSecrets]++
		return nil
	})
	if err != nil {
		return err
	}
	if want[statTokens], err = v.tokens(ctx, of, part); err != nil {
		return err
	}
	v.counts(of, want, func() (map[string]int64, error) {
		item, err := h.get(ctx, namespaceStatsKey(ns.ID))
		return item.Counts, err
	})
	return v.audits(ctx, "the audit log of "+ns.Name, ns.ID, store.Prefix(store.Repositories, part, "audit/", 1000))
}

// audits compares the count of an audit log's entries with a recount.
func (v *verification) audits(ctx context.Context, of, nsID string, r store.Range) error {
	var n int64
	err := v.hub.each(ctx, r, func(store.Item) error {
		n++
		return nil
	})
	v.counts(of, map[string]int64{statEntries: n}, func() (map[string]int64, error) {
		sum, _, err := v.hub.counts(ctx, auditsKey, nsID)
		return sum, err
	})
	return err
}

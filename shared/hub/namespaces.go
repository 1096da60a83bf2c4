package hub

import (
	"context"

	"berth/shared/store"
)

// Namespace holds repositories: an account's own, or an organisation with members.
type Namespace struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Org     bool   `json:"org"`
	Company string `json:"company,omitempty"` // an organisation's full name
	Creator string `json:"creator"`
	Created Time   `json:"created"`
	Quota   int64  `json:"quota,omitempty"` // bytes; 0 = no limit
}

type nsEntry struct {
	ID  string `json:"id"`
	Org bool   `json:"org"`
}

// newNamespace are the operations that make a namespace with its first owner.
func (h *Hub) newNamespace(name, owner string, org bool) (Namespace, []store.Op) {
	n := Namespace{ID: h.newID(), Name: name, Org: org, Creator: owner, Created: h.now()}
	ops := append(h.memberOps(n, owner, Owner),
		store.Create(namespaceKey(name), encode(n)),
		store.Put(namespaceIndexKey(name), encode(nsEntry{n.ID, org})),
		store.Add(namespaceStatsKey(n.ID), map[string]int64{statMembers: 1}))
	if org {
		ops = append(ops, store.Add(accountStatsKey(owner), map[string]int64{statOrgs: 1}))
	}
	return n, ops
}

// memberOps make an account a member, or change its role.
func (h *Hub) memberOps(n Namespace, account string, r Role) []store.Op {
	m := encode(Membership{Account: account, Role: r, Namespace: n.Name, NamespaceID: n.ID, Since: h.now()})
	return []store.Op{store.Put(memberKey(n.ID, account), m), store.Put(accountMemberKey(account, n.Name), m)}
}

// Namespace reads a namespace by name.
func (h *Hub) Namespace(ctx context.Context, name string) (Namespace, error) {
	item, err := h.get(ctx, namespaceKey(name))
	if err != nil {
		return Namespace{}, err
	}
	if !item.Found() {
		return Namespace{}, Fail(NamespaceNotFound, "there is no namespace %s", name)
	}
	return decode[Namespace](item)
}

// counts sums the shards of a sharded count: one read.
func (h *Hub) counts(ctx context.Context, key func(nsID string, shard int) store.Key, nsID string) (map[string]int64, []store.Item, error) {
	keys := make([]store.Key, shards)
	for s := range keys {
		keys[s] = key(nsID, s)
	}
	items, err := h.Records.Get(ctx, keys...)
	sum := make(map[string]int64)
	for _, item := range items {
		for name, n := range item.Counts {
			sum[name] += n
		}
	}
	return sum, items, err
}

package hub

import (
	"context"
	"sync"
)

// nameIDs are the ids behind a namespace's and a repository's name; "" = none.
type nameIDs struct{ ns, repo string }

// nameCache remembers ids of names. What it says is always held against the
// records that are read anyway, so it can be wrong without harm. Only names that
// exist are kept.
type nameCache struct {
	mu sync.RWMutex
	m  map[string]nameIDs
}

const nameCacheSize = 50_000

func (n *nameCache) get(ns, repo string) (nameIDs, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	ids, ok := n.m[path(ns, repo)]
	return ids, ok
}

func (n *nameCache) put(ns, repo string, ids nameIDs) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.m == nil || len(n.m) >= nameCacheSize {
		n.m = make(map[string]nameIDs)
	}
	n.m[path(ns, repo)] = ids
}

func (n *nameCache) forget(ns, repo string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.m, path(ns, repo))
	delete(n.m, path(ns, ""))
}

// resolve finds the ids of a name: none, one or two reads.
func (h *Hub) resolve(ctx context.Context, ns, repo string) (nameIDs, error) {
	if ids, ok := h.names.get(ns, repo); ok {
		return ids, nil
	}
	ids, ok := h.names.get(ns, "")
	if !ok {
		item, err := h.get(ctx, namespaceKey(ns))
		if err != nil || !item.Found() {
			return nameIDs{}, err
		}
		n, err := decode[Namespace](item)
		if err != nil {
			return nameIDs{}, err
		}
		ids = nameIDs{ns: n.ID}
		h.names.put(ns, "", ids)
	}
	if repo == "" {
		return ids, nil
	}
	item, err := h.get(ctx, entryKey(ids.ns, repo))
	if err != nil || !item.Found() {
		return ids, err
	}
	e, err := decode[repoEntry](item)
	if err != nil {
		return ids, err
	}
	ids.repo = e.ID
	h.names.put(ns, repo, ids)
	return ids, nil
}

package hub

import (
	"context"
	"errors"

	"berth/shared/store"
)

// MountFrom links the granted repository (role Writer) to a blob of another one
// that the caller may pull: from names it; "" searches the namespace. ok is false
// where there is none, whether it does not exist or is none of theirs: a digest
// alone never opens a blob. A registry token's holder is judged by their own rights,
// since clients mount with a token for the target alone. What there is to mount is
// mounted in a repository that is made if there is none yet.
func (h *Hub) MountFrom(ctx context.Context, g Grant, digest, from string) (ok bool, err error) {
	caller, err := h.Holder(ctx, g.Caller)
	if err != nil {
		return false, err
	}
	var source Grant
	if from != "" {
		source, ok, err = h.mayPull(ctx, caller, from)
	} else {
		source, ok, err = h.findBlob(ctx, g, digest, func(repoID string) (Grant, bool, error) {
			item, err := h.get(ctx, repositoryKey(repoID))
			if err != nil {
				return Grant{}, false, err
			}
			r, err := found[Repository](item)
			if err != nil || r.ID == "" {
				return Grant{}, false, err
			}
			return h.mayPull(ctx, caller, r.Path())
		})
	}
	if !ok || err != nil {
		return false, err
	}
	if g, err = h.pushedRepository(ctx, g); err != nil {
		return false, err
	}
	return h.mount(ctx, g, source, digest)
}

// mayPull is the caller's grant to read a repository; ok is false without one.
func (h *Hub) mayPull(ctx context.Context, c Caller, path string) (g Grant, ok bool, err error) {
	ns, repo, ok := splitPath(path)
	if !ok || CheckNamespace(ns) != nil || CheckRepository(repo) != nil {
		return g, false, nil
	}
	g, err = h.Authorize(ctx, c, Target{Namespace: ns, Repository: repo, Need: Reader})
	if refused := (*Error)(nil); errors.As(err, &refused) {
		return g, false, nil
	}
	return g, err == nil, err
}

// mount links the repository to a blob that another one holds, which the caller
// may pull: its grant is from. ok is false where that one does not hold it.
func (h *Hub) mount(ctx context.Context, g, from Grant, digest string) (ok bool, err error) {
	err = h.again(ctx, func() error {
		ok = false
		items, err := h.Records.Get(ctx, repositoryKey(g.RepoID), linkKey(from.RepoID, digest), blobKey(digest), linkKey(g.RepoID, digest), namespaceKey(g.Namespace))
		if err != nil {
			return err
		}
		if !items[0].Found() {
			return Fail(RepositoryNotFound, "there is no repository %s", g.Path())
		}
		if !items[1].Found() || !items[2].Found() {
			return nil
		}
		source, err := decode[Link](items[1])
		if err != nil {
			return err
		}
		if !items[3].Found() {
			if err := h.checkQuota(ctx, g, items[4], source.Size); err != nil {
				return err
			}
		}
		ops, err := h.hold(g, digest, items[2], items[3], Blob{})
		if err != nil {
			return err
		}
		ok = true
		return h.Records.Write(ctx, append(ops, store.CheckExists(items[0].Key))...)
	})
	return ok && err == nil, err
}

// findBlob looks for a repository of the grant's namespace that holds the blob and
// that the caller may pull, so that it can be mounted without naming one. may
// judges each repository found, by its id.
func (h *Hub) findBlob(ctx context.Context, g Grant, digest string, may func(repoID string) (Grant, bool, error)) (Grant, bool, error) {
	prefix := "link/" + g.NamespaceID + "/"
	page, err := h.Records.List(ctx, store.Prefix(store.Tags, blobKey(digest).Part, prefix, mountSearch))
	if err != nil {
		return Grant{}, false, err
	}
	for _, item := range page.Items {
		from, ok, err := may(item.Sort[len(prefix):])
		if err != nil || ok {
			return from, ok, err
		}
	}
	return Grant{}, false, nil
}

// mountSearch bounds how many repositories a mount without from looks at.
const mountSearch = 16

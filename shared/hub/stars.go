package hub

import (
	"context"

	"berth/shared/store"
)

// Star gives or takes back the caller's star of the granted repository (role
// Reader). Doing it twice is as doing it once. Only accounts have stars, and a
// token that only pulls changes nothing: others are Denied.
func (h *Hub) Star(ctx context.Context, g Grant, on bool) error {
	if g.Caller.Account == "" {
		return Fail(Denied, "only people give stars; use an account's own token")
	}
	if g.Caller.cap(g.Namespace, g.Repository) < Writer {
		return Fail(Denied, "this token only reads; use one with the permission push")
	}
	key := starKey(g.RepoID, g.Caller.Account)
	return h.again(ctx, func() error {
		items, err := h.Records.Get(ctx, repositoryKey(g.RepoID), key)
		if err != nil {
			return err
		}
		if !items[0].Found() {
			return Fail(RepositoryNotFound, "there is no repository %s", g.Path())
		}
		star := items[1]
		if star.Found() == on {
			return nil
		}
		op, n := store.Create(key, encode(struct {
			Since Time `json:"since"`
		}{h.now()})), int64(1)
		if !on {
			op, n = store.DeleteAt(key, star.Version), -1
		}
		return h.change(ctx, op,
			store.CheckExists(repositoryKey(g.RepoID)),
			store.Add(statsKey(g.RepoID), map[string]int64{statStars: n}))
	})
}

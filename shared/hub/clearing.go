package hub

import (
	"context"
	"strings"

	"berth/shared/store"
)

// clearAtOnce is how many records of a deleted repository go in one Write, with
// what belongs to them.
const clearAtOnce = 30

// sweepRepository removes what a deleted repository left: first what hangs on
// images, then grants, stars, description and counts, the note last. Its bytes were
// given back when it was deleted. Nothing is added to it meanwhile: every write
// wants the repository to be there.
func (h *Hub) sweepRepository(ctx context.Context, note store.Item, r *SweepReport) error {
	repo, err := decode[Repository](note)
	if err != nil {
		return err
	}
	images := store.Range{Table: store.Tags, Part: tagKey(repo.ID, "x").Part, Limit: clearAtOnce}
	err = h.clear(ctx, images, func(i store.Item) ([]store.Op, error) { return clearImage(repo, i) })
	if err != nil {
		return err
	}
	rest := store.Range{Table: store.Repositories, Part: repositoryKey(repo.ID).Part, Limit: clearAtOnce}
	err = h.clear(ctx, rest, func(i store.Item) ([]store.Op, error) {
		if account, ok := strings.CutPrefix(i.Sort, "grant/"); ok {
			return h.clearGrant(ctx, repo, account)
		}
		return nil, nil
	})
	if err != nil {
		return err
	}
	if err := h.clearBuilds(ctx, repo); err != nil {
		return err
	}
	r.Repositories++
	return h.Records.Write(ctx, done(note))
}

// clearBuilds ends and removes the builds of a deleted repository with their logs,
// and its build configuration.
func (h *Hub) clearBuilds(ctx context.Context, repo Repository) error {
	list := store.Prefix(store.Builds, "builds/repo/"+repo.ID, "at/", clearAtOnce)
	err := h.each(ctx, list, func(item store.Item) error {
		listed, err := decode[Build](item)
		if err != nil {
			return err
		}
		return h.clearBuild(ctx, listed)
	})
	if err != nil {
		return err
	}
	config, err := h.get(ctx, configKey(repo.ID))
	if err != nil {
		return err
	}
	b, err := found[BuildConfig](config)
	if err != nil {
		return err
	}
	if b.HookCode != "" {
		if err := h.clear(ctx, store.Range{Table: store.Builds, Part: codeDeliveryKey(b.HookCode, "x").Part, Limit: clearAtOnce}, nothing); err != nil {
			return err
		}
		if err := h.Records.Write(ctx, store.Delete(hookCodeKey(b.HookCode))); err != nil {
			return err
		}
	}
	for _, part := range []string{config.Part, versionKey(repo.ID, "x").Part, list.Part} {
		if err := h.clear(ctx, store.Range{Table: store.Builds, Part: part, Limit: clearAtOnce}, nothing); err != nil {
			return err
		}
	}
	return nil
}

func nothing(store.Item) ([]store.Op, error) { return nil, nil }

func (h *Hub) clearBuild(ctx context.Context, listed Build) error {
	if err := h.CancelBuild(ctx, Caller{}, listed.ID); err != nil && !is(err, Conflict) && !is(err, NotFound) {
		return err
	}
	log := store.Range{Table: store.Builds, Part: logKey(listed.ID, 0).Part, Limit: clearAtOnce}
	if err := h.clear(ctx, log, nothing); err != nil {
		return err
	}
	return h.again(ctx, func() error {
		b, item, err := h.build(ctx, listed.ID)
		if is(err, NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		ops := []store.Op{store.DeleteAt(item.Key, item.Version)}
		for i, key := range b.listed() {
			ops = append(ops, store.Delete(key), store.Add(b.lists()[i], map[string]int64{"builds": -1}))
		}
		return h.Records.Write(ctx, ops...)
	})
}

// clear deletes a range, and with each item what also names.
func (h *Hub) clear(ctx context.Context, r store.Range, also func(store.Item) ([]store.Op, error)) error {
	for {
		page, err := h.Records.List(ctx, r)
		if err != nil || len(page.Items) == 0 {
			return err
		}
		var ops []store.Op
		for _, item := range page.Items {
			more, err := also(item)
			if err != nil {
				return err
			}
			ops = append(append(ops, store.Delete(item.Key)), more...)
		}
		if err := h.Records.Write(ctx, ops...); err != nil {
			return err
		}
	}
}

// clearImage is what goes with a record of a deleted repository's images: a link's
// other end, a long manifest's object.
func clearImage(repo Repository, item store.Item) ([]store.Op, error) {
	kind, name, _ := strings.Cut(item.Sort, "/")
	switch kind {
	case "blob":
		return []store.Op{
			store.Delete(backLinkKey(name, repo.NamespaceID, repo.ID)),
			store.Put(sweepKey(sweepBlob, name), nil),
		}, nil
	case "manifest":
		m, err := decode[Manifest](item)
		if err != nil || m.Object == "" {
			return nil, err
		}
		return m.removal(repo.ID)[:1], nil
	}
	return nil, nil
}

// clearGrant is the account's own record of its role in a deleted repository,
// unless it is by now about a namesake.
func (h *Hub) clearGrant(ctx context.Context, repo Repository, account string) ([]store.Op, error) {
	item, err := h.get(ctx, accountGrantKey(account, repo.Path()))
	if err != nil {
		return nil, err
	}
	m, err := found[Membership](item)
	if err != nil || m.RepoID != repo.ID {
		return nil, err
	}
	return []store.Op{store.DeleteAt(item.Key, item.Version)}, nil
}

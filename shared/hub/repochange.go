package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"berth/shared/store"
)

// RepositoryChange says what becomes of a repository's fields; nil leaves one as it is.
type RepositoryChange struct {
	Description   *string
	Readme        *string
	Category      *string
	Logo          *string // DefaultLogo or "" = none of its own
	Public        *bool   // wants the role Owner, unless it is so already
	ImmutableTags *bool   // likewise
}

// Check says whether the fields may hold what they shall.
func (c RepositoryChange) Check() error {
	for _, f := range []struct {
		value *string
		check func(string) error
	}{
		{c.Description, CheckDescription}, {c.Readme, CheckReadme}, {c.Category, CheckCategory}, {c.Logo, CheckLogo},
	} {
		if f.value == nil {
			continue
		}
		if err := f.check(*f.value); err != nil {
			return err
		}
	}
	return nil
}

// String says what is changed, for the audit log: long texts by name only.
func (c RepositoryChange) String() string {
	var parts []string
	for name, flag := range map[string]*bool{"is_public": c.Public, "immutable_tags": c.ImmutableTags} {
		if flag != nil {
			parts = append(parts, fmt.Sprintf("%s=%t", name, *flag))
		}
	}
	for name, text := range map[string]*string{
		"description": c.Description, "full_description": c.Readme, "category": c.Category, "logo": c.Logo,
	} {
		if text != nil {
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// On is r with the changes, as its maker wants it.
func (c RepositoryChange) On(r Repository) Repository {
	c.apply(&r, Owner) // an owner is refused nothing
	return r
}

// apply makes the changes to r, as far as the role allows.
func (c RepositoryChange) apply(r *Repository, role Role) error {
	for _, f := range []struct {
		name    string
		change  *bool
		present *bool
	}{{"is_public", c.Public, &r.Public}, {"immutable_tags", c.ImmutableTags, &r.ImmutableTags}} {
		if f.change == nil || *f.change == *f.present {
			continue
		}
		if role < Owner {
			return Fail(Denied, "%s: only an owner of %s may change this; your role is %s", f.name, r.Path(), role)
		}
		*f.present = *f.change
	}
	for _, f := range []struct{ change, present *string }{
		{c.Description, &r.Description}, {c.Category, &r.Category}, {c.Logo, &r.Logo},
	} {
		if f.change != nil {
			*f.present = *f.change
		}
	}
	if r.Logo == DefaultLogo {
		r.Logo = ""
	}
	if c.Readme != nil {
		r.HasReadme = *c.Readme != ""
	}
	return nil
}

// UpdateRepository changes the granted repository (role Writer) and moves its
// UpdatedAt, also where nothing else changes. It is all or nothing, and what lists
// and counts say changes with it.
func (h *Hub) UpdateRepository(ctx context.Context, g Grant, c RepositoryChange) (RepositoryView, error) {
	if err := c.Check(); err != nil {
		return RepositoryView{}, err
	}
	auditDetail(ctx, "%s", c)
	var v RepositoryView
	err := h.again(ctx, func() error {
		keys := viewKeys(g.RepoID, g.Caller, true)
		items, err := h.Records.Get(ctx, keys...)
		if err != nil {
			return err
		}
		item := items[0]
		if !item.Found() {
			return Fail(RepositoryNotFound, "there is no repository %s", g.Path())
		}
		if v, err = view(items); err != nil {
			return err
		}
		was, r := v.Repository, v.Repository
		if err := c.apply(&r, g.Role); err != nil {
			return err
		}
		r.UpdatedAt = h.now()
		ops := append(entryOps(&was, r), store.Replace(item.Key, item.Version, encode(r)))
		switch {
		case c.Readme == nil:
		case *c.Readme != "":
			ops = append(ops, store.Put(readmeKey(r.ID), []byte(*c.Readme)))
		case was.HasReadme:
			ops = append(ops, store.Delete(readmeKey(r.ID)))
		}
		v.Repository = r
		if c.Readme != nil {
			v.Readme = *c.Readme
		}
		return h.change(ctx, ops...)
	})
	return v, err
}

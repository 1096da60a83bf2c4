package hub

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strconv"

	"berth/shared/store"
)

// takeIDs reserves n numbers that were never used in this hub, and returns the first.
func (h *Hub) takeIDs(ctx context.Context, n int64) (first int64, err error) {
	err = h.again(ctx, func() error {
		item, err := h.get(ctx, idsKey())
		if err != nil {
			return err
		}
		if first = 1; item.Found() {
			if first, err = decode[int64](item); err != nil {
				return err
			}
		}
		return h.Records.Write(ctx, store.PutFrom(item, []byte(strconv.FormatInt(first+n, 10))))
	})
	return first, err
}

// CreateAutomated is CreateRepository for one with a build configuration, whose
// ids, deploy key and maker are filled in. Ids of tag configurations that were
// given are not judged.
func (h *Hub) CreateAutomated(ctx context.Context, g Grant, r Repository, readme string, b BuildConfig) (Repository, BuildConfig, error) {
	if err := cmp.Or(checkNode(b.Node), h.checkCode(b), checkTagConfigs(b.Tags)); err != nil {
		return r, b, fieldIn("build_config", err)
	}
	item, err := h.get(ctx, entryKey(g.NamespaceID, r.Name))
	if err != nil {
		return r, b, err
	}
	if item.Found() { // before the work of making a key
		return r, b, Fail(RepositoryExists, "there is a repository %s already", path(g.Namespace, r.Name))
	}
	first, err := h.takeIDs(ctx, int64(len(b.Tags)+1))
	if err != nil {
		return r, b, err
	}
	r.ID, r.Automated = h.newID(), true
	b.ID, b.RepoID, b.CreatedBy = first, r.ID, g.Caller.Name()
	for i := range b.Tags {
		b.Tags[i].ID = first + 1 + int64(i)
	}
	var private []byte
	if b.PublicKey, private, err = h.newDeployKey(); err != nil {
		return r, b, err
	}
	if b.PrivateKey, err = h.sealer().Seal(ctx, deployKeyPlace(r.ID), private); err != nil {
		return r, b, err
	}
	ops, err := h.activate(ctx, &b)
	if err != nil {
		return r, b, err
	}
	ops = append(ops, store.Create(configKey(r.ID), encode(b)))
	r, err = h.CreateRepository(ctx, g, r, readme, ops...)
	return r, b, err
}

func deployKeyPlace(repoID string) string  { return configKey(repoID).String() + " deploy key" }
func hookSecretPlace(repoID string) string { return configKey(repoID).String() + " webhook secret" }

// activate gives a configuration its webhook when its first entry becomes active.
// It keeps it from then on, so that what was entered at the Git host stays good.
func (h *Hub) activate(ctx context.Context, b *BuildConfig) (ops []store.Op, err error) {
	if b.HookCode != "" || !slices.ContainsFunc(b.Tags, func(t TagConfig) bool { return t.Active }) {
		return nil, nil
	}
	code := make([]byte, 16)
	h.random(code)
	b.HookCode = hex.EncodeToString(code)
	secret := make([]byte, 24)
	h.random(secret)
	b.HookSecret, err = h.sealer().Seal(ctx, hookSecretPlace(b.RepoID), []byte(hex.EncodeToString(secret)))
	return []store.Op{store.Put(hookCodeKey(b.HookCode), encode(b.RepoID))}, err
}

// HookSecret is the secret that a Git host signs its webhooks with; "" before an
// entry was ever active.
func (h *Hub) HookSecret(ctx context.Context, b BuildConfig) (string, error) {
	if b.HookCode == "" {
		return "", nil
	}
	s, err := h.sealer().Open(ctx, hookSecretPlace(b.RepoID), b.HookSecret)
	return string(s), err
}

// DeployKey opens a configuration's private key, for its builds and nobody else.
func (h *Hub) DeployKey(ctx context.Context, b BuildConfig) ([]byte, error) {
	return h.sealer().Open(ctx, deployKeyPlace(b.RepoID), b.PrivateKey)
}

// BuildConfig reads the build configuration of the granted repository: NotFound if
// it is no build repository.
func (h *Hub) BuildConfig(ctx context.Context, g Grant) (BuildConfig, error) {
	b, _, err := h.buildConfig(ctx, g)
	return b, err
}

func (h *Hub) buildConfig(ctx context.Context, g Grant) (b BuildConfig, item store.Item, err error) {
	if item, err = h.get(ctx, configKey(g.RepoID)); err != nil {
		return b, item, err
	}
	if b, err = found[BuildConfig](item); err == nil && b.ID == 0 {
		err = Fail(NotFound, "%s is not built from Git: only a repository that was created with a build_config (berth repo create --git …) is", g.Path())
	}
	return b, item, err
}

// BuildConfigChange says what becomes of a build configuration; nil leaves a part
// as it is.
type BuildConfigChange struct {
	Node  *string
	Email *bool
	// Tags make the new list of tag configurations from the present one: one with the
	// id of a present one changes that, one without is new, others go.
	Tags func(present []TagConfig) ([]TagConfig, error)
}

// UpdateBuildConfig changes the build configuration of the granted repository (role
// Writer). Builds that were asked for before keep the tag configuration that they
// were asked for with.
func (h *Hub) UpdateBuildConfig(ctx context.Context, g Grant, c BuildConfigChange) (b BuildConfig, err error) {
	err = h.again(ctx, func() error {
		var item store.Item
		if b, item, err = h.buildConfig(ctx, g); err != nil {
			return err
		}
		if c.Node != nil {
			if b.Node = *c.Node; checkNode(b.Node) != nil {
				return checkNode(b.Node)
			}
		}
		if c.Email != nil {
			b.Email = *c.Email
		}
		if c.Tags != nil {
			if b.Tags, err = h.newTagConfigs(ctx, b.Tags, c.Tags); err != nil {
				return err
			}
		}
		ops, err := h.activate(ctx, &b)
		if err != nil {
			return err
		}
		return h.change(ctx, append(ops, store.Replace(item.Key, item.Version, encode(b)), store.CheckExists(repositoryKey(g.RepoID)))...)
	})
	return b, err
}

func (h *Hub) newTagConfigs(ctx context.Context, present []TagConfig, change func([]TagConfig) ([]TagConfig, error)) ([]TagConfig, error) {
	list, err := change(present)
	if err != nil {
		return nil, err
	}
	var fresh int64
	seen := make(map[int64]bool)
	for _, t := range list {
		switch {
		case t.ID == 0:
			fresh++
		case seen[t.ID]:
			return nil, FailField("id", "%d stands in two entries of tag_configs", t.ID)
		case !slices.ContainsFunc(present, func(p TagConfig) bool { return p.ID == t.ID }):
			return nil, FailField("id", "%d is no tag configuration of this repository", t.ID)
		}
		seen[t.ID] = true
	}
	if err := checkTagConfigs(list); err != nil || fresh == 0 {
		return list, err
	}
	id, err := h.takeIDs(ctx, fresh)
	for i := range list {
		if list[i].ID == 0 {
			list[i].ID = id
			id++
		}
	}
	return list, err
}

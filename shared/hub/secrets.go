package hub

import (
	"context"
	"regexp"

	"berth/shared/store"
)

// Secret is a namespace's build secret. Its value is never shown again.
type Secret struct {
	Name    string `json:"name"`
	Sealed  []byte `json:"sealed"`
	Created Time   `json:"created"`
	Updated Time   `json:"updated"`
}

// MaxSecret is the most that a build secret may have, in bytes.
const MaxSecret = 64 << 10

var secretName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)

func checkSecretName(name string) error {
	if !secretName.MatchString(name) {
		return FailField("name", "%q must be 1 to 64 letters, digits, dots, underscores and hyphens, and not begin with a dot or hyphen", name)
	}
	return nil
}

// PutSecret stores a build secret of the granted namespace (role Owner); made
// tells whether it is a new one.
func (h *Hub) PutSecret(ctx context.Context, g Grant, name, value string) (s Secret, made bool, err error) {
	if err := checkSecretName(name); err != nil {
		return s, false, err
	}
	if len(value) == 0 || len(value) > MaxSecret {
		return s, false, FailField("value", "must have 1 to %d bytes", MaxSecret)
	}
	key := secretKey(g.NamespaceID, name)
	sealed, err := h.sealer().Seal(ctx, key.String(), []byte(value))
	if err != nil {
		return s, false, err
	}
	err = h.again(ctx, func() error {
		ns, err := h.namespaceItem(ctx, g)
		if err != nil {
			return err
		}
		item, err := h.get(ctx, key)
		if err != nil {
			return err
		}
		if s, err = found[Secret](item); err != nil {
			return err
		}
		made = !item.Found()
		s.Name, s.Sealed, s.Updated = name, sealed, h.now()
		ops := []store.Op{store.CheckFrom(ns)}
		if made {
			s.Created = s.Updated
			ops = append(ops, store.Add(namespaceStatsKey(g.NamespaceID), map[string]int64{statSecrets: 1}))
		}
		return h.change(ctx, append(ops, store.PutFrom(item, encode(s)))...)
	})
	return s, made, err
}

// Secret reads a build secret's record: NotFound if there is none.
func (h *Hub) Secret(ctx context.Context, g Grant, name string) (Secret, error) {
	s, _, err := h.secret(ctx, g, name)
	return s, err
}

func (h *Hub) secret(ctx context.Context, g Grant, name string) (s Secret, item store.Item, err error) {
	if err := checkSecretName(name); err != nil {
		return s, item, err
	}
	if item, err = h.get(ctx, secretKey(g.NamespaceID, name)); err != nil {
		return s, item, err
	}
	if s, err = found[Secret](item); err == nil && !item.Found() {
		err = Fail(NotFound, "%s has no secret %s", g.Namespace, name)
	}
	return s, item, err
}

// DeleteSecret removes a build secret: NotFound if there is none.
func (h *Hub) DeleteSecret(ctx context.Context, g Grant, name string) error {
	return h.again(ctx, func() error {
		_, item, err := h.secret(ctx, g, name)
		if err != nil {
			return err
		}
		return h.change(ctx, store.DeleteAt(item.Key, item.Version),
			store.Add(namespaceStatsKey(g.NamespaceID), map[string]int64{statSecrets: -1}))
	})
}

// Secrets lists the build secrets of the granted namespace (role Owner), by name.
func (h *Hub) Secrets(ctx context.Context, g Grant, w Window) (Listing[Secret], error) {
	count, err := h.stat(ctx, namespaceStatsKey(g.NamespaceID), statSecrets)
	if err != nil {
		return Listing[Secret]{}, err
	}
	return listing[Secret](ctx, h, w, store.Prefix(store.Repositories, "ns/"+g.NamespaceID, "secret/", 1), count)
}

// SecretValue opens a build secret, for a build of the namespace and nobody else.
func (h *Hub) SecretValue(ctx context.Context, g Grant, name string) ([]byte, error) {
	s, item, err := h.secret(ctx, g, name)
	if err != nil {
		return nil, err
	}
	return h.sealer().Open(ctx, item.Key.String(), s.Sealed)
}

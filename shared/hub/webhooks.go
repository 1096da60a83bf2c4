package hub

import (
	"context"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"

	"berth/shared/outbound"
	"berth/shared/store"
)

// Events that webhooks are sent for.
const (
	EventPush  = "image:push"     // a manifest was accepted
	EventBuild = "build:complete" // a build ended
)

var events = []string{EventPush, EventBuild}

// Hook is a namespace's outgoing webhook.
type Hook struct {
	ID      string   `json:"id"`
	URL     string   `json:"url"`
	Events  []string `json:"events"`
	Active  bool     `json:"active"`
	Sealed  []byte   `json:"sealed"` // its secret
	Created Time     `json:"created"`
	Updated Time     `json:"updated"`
}

func (k Hook) wants(event string) bool { return k.Active && slices.Contains(k.Events, event) }

// MaxHooks is how many webhooks a namespace has at most: they are one record, so
// that a push reads all of them with what else it reads.
const MaxHooks = 20

type hookList struct {
	Hooks []Hook `json:"hooks"`
}

func (l *hookList) find(id string) int {
	return slices.IndexFunc(l.Hooks, func(k Hook) bool { return k.ID == id })
}

// place is where a hook's secret is sealed for.
func hookPlace(nsID, id string) string { return hooksKey(nsID).String() + "/" + id }

var hookID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// HookChange says what becomes of a webhook; nil leaves a field as it is. A new
// one needs URL; it is active, for all events and with a secret of the hub's
// making, where nothing else is said.
type HookChange struct {
	URL    *string
	Events *[]string
	Secret *string
	Active *bool
}

// Outbound is the rule for addresses that users give.
func (h *Hub) Outbound() *outbound.Guard {
	h.guardOnce.Do(func() { h.guard = outbound.New(h.Options.AllowedHosts) })
	return h.guard
}

func (h *Hub) checkHook(c HookChange) error {
	if c.URL != nil {
		if _, err := h.Outbound().CheckURL(*c.URL); err != nil {
			return FailField("url", "%v", err)
		}
	}
	if c.Events != nil {
		if len(*c.Events) == 0 {
			return FailField("events", "must list at least one of %s", strings.Join(events, ", "))
		}
		for _, e := range *c.Events {
			if !slices.Contains(events, e) {
				return FailField("events", "knows %s, not %q", strings.Join(events, ", "), e)
			}
		}
	}
	if c.Secret != nil && (len(*c.Secret) < 8 || len(*c.Secret) > 256) {
		return FailField("secret", "must have 8 to 256 bytes")
	}
	return nil
}

// SaveHook changes the webhook of that id in the granted namespace (role Owner), or
// makes it, with an id of the hub's own where id is "". secret is what the hub made
// for it, to be shown this once; "" where the caller gave one or nothing changed.
func (h *Hub) SaveHook(ctx context.Context, g Grant, id string, c HookChange) (k Hook, secret string, made bool, err error) {
	if err := h.checkHook(c); err != nil {
		return k, "", false, err
	}
	if id == "" {
		id = h.newID()
	} else if !hookID.MatchString(id) {
		return k, "", false, FailField("id", "%q must be 1 to 64 lower-case letters, digits, underscores and hyphens", id)
	}
	err = h.changeHooks(ctx, g, func(l *hookList) error {
		c := c
		i := l.find(id)
		secret, made = "", i < 0
		if made {
			if c.URL == nil {
				return FailField("url", "is required")
			}
			if len(l.Hooks) >= MaxHooks {
				return Fail(Conflict, "%s has %d webhooks already, the most there can be; delete one first", g.Namespace, MaxHooks)
			}
			l.Hooks = append(l.Hooks, Hook{ID: id, Active: true, Events: events, Created: h.now()})
			i = len(l.Hooks) - 1
			if c.Secret == nil {
				b := make([]byte, 32)
				h.random(b)
				secret = base64.RawURLEncoding.EncodeToString(b)
				c.Secret = &secret
			}
		}
		if err := h.applyHook(ctx, &l.Hooks[i], g, c); err != nil {
			return err
		}
		k = l.Hooks[i]
		auditDetail(ctx, "%s %s", k.ID, k.URL)
		return nil
	})
	return k, secret, made, err
}

func (h *Hub) applyHook(ctx context.Context, k *Hook, g Grant, c HookChange) (err error) {
	k.Updated = h.now()
	if c.URL != nil {
		k.URL = *c.URL
	}
	if c.Events != nil {
		k.Events = slices.DeleteFunc(slices.Clone(events), func(e string) bool { return !slices.Contains(*c.Events, e) })
	}
	if c.Active != nil {
		k.Active = *c.Active
	}
	if c.Secret != nil {
		k.Sealed, err = h.sealer().Seal(ctx, hookPlace(g.NamespaceID, k.ID), []byte(*c.Secret))
	}
	return err
}

// changeHooks changes the granted namespace's webhooks.
func (h *Hub) changeHooks(ctx context.Context, g Grant, change func(*hookList) error) error {
	return h.again(ctx, func() error {
		ns, err := h.namespaceItem(ctx, g)
		if err != nil {
			return err
		}
		item, err := h.get(ctx, hooksKey(g.NamespaceID))
		if err != nil {
			return err
		}
		l, err := found[hookList](item)
		if err != nil {
			return err
		}
		if err := change(&l); err != nil {
			return err
		}
		return h.change(ctx, store.CheckFrom(ns), store.PutFrom(item, encode(l)))
	})
}

// Hooks are the webhooks of the granted namespace (role Owner), the oldest first.
func (h *Hub) Hooks(ctx context.Context, g Grant) ([]Hook, error) {
	item, err := h.get(ctx, hooksKey(g.NamespaceID))
	if err != nil {
		return nil, err
	}
	l, err := found[hookList](item)
	return l.Hooks, err
}

// Hook is one webhook of the granted namespace: NotFound if there is none.
func (h *Hub) Hook(ctx context.Context, g Grant, id string) (Hook, error) {
	all, err := h.Hooks(ctx, g)
	if err != nil {
		return Hook{}, err
	}
	i := slices.IndexFunc(all, func(k Hook) bool { return k.ID == id })
	if i < 0 {
		return Hook{}, noHook(g, id)
	}
	return all[i], nil
}

func noHook(g Grant, id string) error {
	return Fail(NotFound, "%s has no webhook %s", g.Namespace, id)
}

// DeleteHook removes a webhook with its deliveries: NotFound if there is none.
// What is still to be sent to it is dropped.
func (h *Hub) DeleteHook(ctx context.Context, g Grant, id string) error {
	err := h.changeHooks(ctx, g, func(l *hookList) error {
		i := l.find(id)
		if i < 0 {
			return noHook(g, id)
		}
		l.Hooks = slices.Delete(l.Hooks, i, i+1)
		return nil
	})
	if err != nil {
		return err
	}
	page, err := h.Records.List(ctx, deliveriesOf(g.NamespaceID, id))
	if err != nil {
		return err
	}
	var ops []store.Op
	for _, item := range page.Items {
		ops = append(ops, store.Delete(item.Key))
	}
	for part := range slices.Chunk(ops, store.MaxWrite) {
		if err := h.Records.Write(ctx, part...); err != nil {
			return err
		}
	}
	return nil
}

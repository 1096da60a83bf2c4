// Package hub is Berth's domain: accounts, namespaces, repositories, tags,
// manifests and layers, who may do what with them, and the rules that keep them
// whole. It knows no cloud, no disk and no HTTP routing; it asks everything of
// the two interfaces of package store.
package hub

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"berth/shared/outbound"
	"berth/shared/store"
)

// Hub is one hub over its storage. Make it with [New]; the fields may be set
// until the first call, and not after.
type Hub struct {
	Records store.Records
	Layers  store.Layers
	Options Options
	Keys    Keys
	Log     *slog.Logger

	Now  func() time.Time // the clock; UTC
	Rand io.Reader        // cryptographic randomness

	// Sealer encrypts stored secrets; nil: Keys.Seal does.
	Sealer Sealer

	// Builder runs builds; nil: they wait until there is one.
	Builder Builder

	// Mailer sends the mails in the outbox; nil: they wait there until there is one.
	Mailer Mailer

	// Hint, if set, is told of what is to be handled in the outbox: see [Hub.HandleHint].
	Hint func(context.Context, []Hint) error

	// Pulled, if set, takes each pull of a manifest instead of the hub's own
	// gathering. Its error fails the request.
	Pulled func(context.Context, PullCount) error

	names   nameCache
	uploads openUploads
	// seen are registry tokens whose signature was verified: a client sends one with
	// each request.
	seen      remembered[string, *RegistryToken]
	pointers  remembered[revision, pointer]
	links     remembered[revision, Link]
	rules     remembered[revision, tagRules]
	allowed   remembered[revision, allowance]
	platforms remembered[string, []string] // by the configuration's digest
	pulls     pulls
	makers    remembered[string, string] // of access tokens, by id
	pairs     goodPairs
	hashed    atomic.Int64 // runs of argon2id

	guardOnce  sync.Once
	guard      *outbound.Guard // see Outbound
	clientOnce sync.Once
	client     *http.Client // sends webhooks
	rests      rests
}

// Options are what an operator decides.
type Options struct {
	PublicURL  *url.URL // where clients reach the hub; every absolute link begins with it
	OpenSignup bool     // anybody may register an account
	// AllowedHosts are names or addresses that users' URLs may lead to although
	// they are loopback, link-local or private.
	AllowedHosts []string
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// EdgeKey is what CloudFront proves itself with, so that its word on who asks is
	// believed, see web.EdgeHeader; "" = there is no CloudFront.
	EdgeKey string
	// Builds bounds builds; a zero limit is that of DefaultBuildLimits.
	Builds BuildLimits
	// Mail: whoever asked for a build whose configuration wants it gets a mail at its end.
	Mail bool
}

// Keys are the hub's own secrets, 32 random bytes each. They outlive restarts.
type Keys struct {
	Registry []byte // signs registry tokens
	SDK      []byte // derives the secret keys of signed requests
	Seal     []byte // encrypts stored secrets: build secrets, deploy keys, webhook secrets
}

// New returns a hub over its storage, with the real clock and randomness.
func New(records store.Records, layers store.Layers, keys Keys, o Options) *Hub {
	return &Hub{
		Records: records, Layers: layers, Keys: keys, Options: o, Log: slog.Default(),
		Now:  func() time.Time { return time.Now().UTC() },
		Rand: rand.Reader,
	}
}

// now is the present moment in the precision that is stored and shown.
func (h *Hub) now() Time { return At(h.Now()) }

var ids = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newID returns a fresh identifier: 20 characters of [a-z2-7], 100 bits of them random.
func (h *Hub) newID() string {
	b := make([]byte, 13)
	h.random(b)
	return ids.EncodeToString(b)[:20]
}

// random fills b. A machine without randomness cannot go on.
func (h *Hub) random(b []byte) {
	if _, err := io.ReadFull(h.Rand, b); err != nil {
		panic("berth: no randomness: " + err.Error())
	}
}

// get reads one item.
func (h *Hub) get(ctx context.Context, k store.Key) (store.Item, error) {
	items, err := h.Records.Get(ctx, k)
	if err != nil {
		return store.Item{}, err
	}
	return items[0], nil
}

// each calls f with every item of a range, page by page, until f fails or the
// range ends; errEnough ends it well. r.Limit is the size of a page.
func (h *Hub) each(ctx context.Context, r store.Range, f func(store.Item) error) error {
	for {
		page, err := h.Records.List(ctx, r)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := f(item); err == errEnough {
				return nil
			} else if err != nil {
				return err
			}
		}
		if !page.More || len(page.Items) == 0 {
			return nil
		}
		r = r.After(page.Items[len(page.Items)-1].Sort)
	}
}

// retries bounds how often an operation is done over because another one came
// between its reads and its write.
const retries = 64

// again runs f until it does not end in a conflict of a write. f reads afresh
// each time and returns its errors unwrapped or wrapped.
func (h *Hub) again(ctx context.Context, f func() error) error {
	var err error
	for range retries {
		if err = f(); !isConflict(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("%d attempts met other writers: %w", retries, err)
}

// settle is again for an operation that can tell what an attempt of its own did
// whose answer was lost: it is done once more then, with lost set.
func (h *Hub) settle(ctx context.Context, f func(lost bool) error) error {
	err := h.again(ctx, func() error { return f(false) })
	if errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
		err = h.again(ctx, func() error { return f(true) })
	}
	return err
}

// encode turns a record into an item's value.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("berth: " + err.Error()) // records are plain structs
	}
	return b
}

func isConflict(err error) bool { return errors.Is(err, store.ErrConflict) }

// isConflictOn reports whether it was that item which a write did not find as wanted.
func isConflictOn(err error, k store.Key) bool {
	var c *store.ConflictError
	return errors.As(err, &c) && c.Key == k
}

// decode reads a record from an item that exists.
func decode[T any](i store.Item) (T, error) {
	var v T
	if err := json.Unmarshal(i.Value, &v); err != nil {
		return v, fmt.Errorf("record %s is damaged: %w", i.Key, err)
	}
	return v, nil
}
